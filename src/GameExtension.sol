// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {GameBase} from "./GameBase.sol";
import {
    Game,
    GameId,
    IDisputeGame,
    OpenedElement,
    OpenedInstruction,
    OpenedLeaf,
    Phase,
    Record,
    Subject
} from "./interfaces/IDisputeGame.sol";
import {IJudge} from "./interfaces/IJudge.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {CommittedReceipt, IOtrRollup} from "./interfaces/IOtrRollup.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {IUptime} from "./interfaces/IUptime.sol";
import {BinaryTree} from "./libraries/BinaryTree.sol";
import {Duration} from "./libraries/Clock.sol";
import {FoldLib} from "./libraries/FoldLib.sol";
import {ReceiptLib} from "./libraries/ReceiptLib.sol";
import {RowLib} from "./libraries/RowLib.sol";
import {SaltLib} from "./libraries/SaltLib.sol";
import {SubjectLib} from "./libraries/SubjectLib.sol";
import {Tags} from "./libraries/Tags.sol";
import {WalkLib} from "./libraries/WalkLib.sol";
import {ElementTypes} from "./machine/ElementTypes.sol";
import {Instruction, ROLE_CACHED, instructionAt} from "./machine/Instruction.sol";
import {Receipt, ReceiptHash, Request} from "./types/OtrTypes.sol";

/// @title Moves that most games do without
/// @notice The walk down the trace, what contradicts a record itself, and long folds. `DisputeGame` makes this contract in its constructor
///         and delegates these functions of `IDisputeGame` to it: apart, because together they do not fit one contract. Called directly it
///         has no games and holds nothing.
contract GameExtension is GameBase {
    using ReceiptLib for Receipt;
    using WalkLib for Game;

    /// @dev Token of a record at prompt positions before the last.
    uint32 private constant SENTINEL = type(uint32).max;
    /// @dev Length of the token row: (token, threshold).
    uint32 private constant TOKEN_ROW_LENGTH = 2;

    constructor(
        IOtrRollup rollup,
        IStakeVault vault,
        IJudge judge,
        IModelRegistry models,
        IUptime uptime,
        Duration turnDuration
    ) GameBase(rollup, vault, judge, models, uptime, turnDuration) {}

    // ---------------------------------------------------------------- trace

    /// @notice `IDisputeGame.openTrace`.
    function openTrace(CommittedReceipt calldata committed, Request calldata request)
        external
        payable
        returns (GameId)
    {
        return _open(committed, request, UNKNOWN_STEP, 0);
    }

    /// @notice `IDisputeGame.revealTrace`.
    function revealTrace(Subject calldata subject, bytes32[] calldata nodes) external {
        (GameId gameId, Game storage game) = _subject(subject);
        _requireTurn(game, Phase.TraceReveal);
        uint256 steps = game.leaves;
        bytes32 top = WalkLib.topOf(nodes, steps);
        _requireEqual(subject.receipt.traceRoot, BinaryTree.root(Tags.TRACE, steps, top));
        game.node = top;
        _pass(game, Phase.Trace);
        emit IDisputeGame.TraceRevealed(gameId, nodes);
    }

    /// @notice `IDisputeGame.chooseStep`.
    function chooseStep(Subject calldata subject, uint32 step, bytes32 record, bytes calldata siblings)
        external
        returns (GameId next)
    {
        (GameId gameId, Game storage game) = _subject(subject);
        _requireChoice(game, Phase.Trace);
        game.requireLeaf(record, step, siblings);
        next = SubjectLib.idOf(subject, step, record);
        Game storage found = _begin(next, Phase.FinePost, _models.dimensionsOf(subject.receipt.modelId).instructions);
        found.moves = game.moves;
        // INVARIANT: one bond, one game. The walk is over under its old id: no move, no verdict and no payment is left to it.
        game.phase = Phase.Paid;
        emit IDisputeGame.StepChosen(gameId, next);
        _emitOpened(next, subject, step, record);
    }

    // ---------------------------------------------------------------- cache

    /// @notice `IDisputeGame.chooseCache`.
    function chooseCache(Subject calldata subject, Record calldata record) external {
        (GameId gameId, Game storage game) = _chooseAtTop(subject, record);
        uint32 cacheRows = _models.dimensionsOf(subject.receipt.modelId).cacheRows;
        emit IDisputeGame.CacheChosen(gameId);
        if (cacheRows == 0) {
            // INVARIANT: a program without cached rows has no cache root.
            if (record.cacheRoot == 0) revert IDisputeGame.NothingProven();
            return _prove(gameId, game);
        }
        game.node = record.cacheRoot;
        game.enterTree(cacheRows);
        _pass(game, Phase.CacheReveal);
    }

    /// @notice `IDisputeGame.revealCache`.
    function revealCache(GameId gameId, bytes32[] calldata nodes) external {
        Game storage game = _games[gameId];
        _requireTurn(game, Phase.CacheReveal);
        uint256 rows = game.leaves;
        bytes32 top = WalkLib.topOf(nodes, rows);
        _requireEqual(game.node, BinaryTree.root(Tags.CACHE, rows, top));
        game.node = top;
        _pass(game, Phase.Cache);
        emit IDisputeGame.CacheRevealed(gameId, nodes);
    }

    /// @notice `IDisputeGame.settleCache`.
    function settleCache(
        Subject calldata subject,
        OpenedInstruction calldata opened,
        OpenedLeaf calldata cached,
        OpenedLeaf calldata fine
    ) external {
        (GameId gameId, Game storage game) = _subject(subject);
        _requireChoice(game, Phase.Cache);
        game.requireLeaf(cached.leaf, cached.index, cached.siblings);
        uint32 rows = _models.dimensionsOf(subject.receipt.modelId).instructions;
        _requireInstruction(subject.receipt.modelId, opened, rows);
        // INVARIANT: both leaves are of the row that the program caches in this slot.
        Instruction instruction = instructionAt(opened.instruction, 0);
        (uint256 role, uint256 slot) = (instruction.role(), instruction.cacheSlot());
        if (role != ROLE_CACHED || slot != cached.index) revert IDisputeGame.NotCached(role, slot);
        if (fine.index != opened.row) revert IDisputeGame.ChoiceOutOfRange(fine.index, opened.row);
        WalkLib.requireOpensToTop(_fineTop(subject), fine.leaf, fine.index, rows, fine.siblings);
        if (cached.leaf == fine.leaf) revert IDisputeGame.NothingProven();
        _prove(gameId, game);
    }

    // ---------------------------------------------------------------- token and salt

    /// @notice `IDisputeGame.settleToken`.
    function settleToken(Subject calldata subject, Record calldata record, bytes32 chunk, bytes calldata siblings)
        external
    {
        (GameId gameId, Game storage game) = _chooseAtTop(subject, record);
        uint32 token = SENTINEL;
        if (subject.step >= subject.receipt.nIn - 1) {
            uint256 rows = game.leaves;
            bytes32 leaf = RowLib.leaf(ElementTypes.I64, TOKEN_ROW_LENGTH, sha256(abi.encode(chunk)));
            WalkLib.requireOpensToTop(_fineTop(subject), leaf, rows - 1, rows, siblings);
            token = _clampToken(RowLib.elementAt(chunk, ElementTypes.I64, 0));
        }
        if (token == record.token) revert IDisputeGame.NothingProven();
        _prove(gameId, game);
    }

    /// @notice `IDisputeGame.settleSalt`.
    function settleSalt(Subject calldata subject, Record calldata record, Request calldata request, bytes32 secret)
        external
    {
        (GameId gameId, Game storage game) = _chooseAtTop(subject, record);
        _requireRequest(subject.receipt, request);
        // INVARIANT: the salt comes from the secret that the request commits to, not from the caller.
        bytes32 seed = SaltLib.seedOf(request, secret);
        if (seed != request.seed) revert IDisputeGame.SecretMismatch(request.seed, seed);
        bytes32 salt = SaltLib.salt(SaltLib.key(request, secret), SaltLib.RECORD, subject.step);
        if (salt == record.salt) revert IDisputeGame.NothingProven();
        _prove(gameId, game);
    }

    // ---------------------------------------------------------------- long folds

    /// @notice `IDisputeGame.chooseElement`.
    function chooseElement(Subject calldata subject, bytes calldata instruction, OpenedElement calldata opened)
        external
    {
        (GameId gameId, Game storage game) = _subject(subject);
        _requireChoice(game, Phase.Chunks);
        _requireChosen(gameId, game, instruction);
        if (opened.element >= game.rowLength) revert IDisputeGame.ChoiceOutOfRange(opened.element, game.rowLength);
        (uint256 blocks,) = _judge.blocks(instruction, subject.step);
        if (blocks < 2) revert IDisputeGame.BlockCount(blocks);
        int256 value = game.openElement(opened);
        // The walk is over: its slots hold the fold from now on.
        game.index = opened.element;
        game.leaves = 0;
        game.node = bytes32(uint256(value));
        _pass(game, Phase.AccumulatorsPost);
        emit IDisputeGame.ElementChosen(gameId, opened.element, value);
    }

    /// @notice `IDisputeGame.postAccumulators`.
    function postAccumulators(Subject calldata subject, bytes calldata instruction, bytes calldata accumulators)
        external
    {
        (GameId gameId, Game storage game) = _subject(subject);
        _requireTurn(game, Phase.AccumulatorsPost);
        _requireChosen(gameId, game, instruction);
        (uint256 blocks, uint256 size) = _judge.blocks(instruction, subject.step);
        uint256 count = FoldLib.span(blocks, game.leaves).count;
        if (accumulators.length != count * size) revert IDisputeGame.ItemCount(count * size, accumulators.length);
        _requireTarget(game, instruction, FoldLib.at(accumulators, size, count - 1));
        bytes32 claim = keccak256(accumulators);
        _claim(subject, _accumulatorsKey(_hash(subject), subject.step, game), claim);
        game.node = claim;
        _pass(game, Phase.Blocks);
        emit IDisputeGame.AccumulatorsPosted(gameId, accumulators);
    }

    /// @notice `IDisputeGame.choosePart`.
    function choosePart(Subject calldata subject, bytes calldata instruction, uint256 part, bytes calldata accumulators)
        external
    {
        (GameId gameId, Game storage game) = _subject(subject);
        _requireChoice(game, Phase.Blocks);
        _requireChosen(gameId, game, instruction);
        _requirePosted(game, accumulators);
        (uint256 blocks, uint256 size) = _judge.blocks(instruction, subject.step);
        FoldLib.Span memory span = FoldLib.span(blocks, game.leaves);
        if (span.stride == 1) revert IDisputeGame.BlockCount(blocks);
        game.accumulatorAfter = bytes16(FoldLib.at(accumulators, size, part));
        if (part != 0) game.accumulatorBefore = bytes16(FoldLib.at(accumulators, size, part - 1));
        game.leaves = uint32(part + 1);
        _pass(game, Phase.AccumulatorsPost);
        emit IDisputeGame.PartChosen(gameId, part);
    }

    // ---------------------------------------------------------------- internals

    /// @dev A choice at the fine top about the record in plain.
    function _chooseAtTop(Subject calldata subject, Record calldata record)
        private
        returns (GameId gameId, Game storage game)
    {
        (gameId, game) = _subject(subject);
        _requireChoice(game, Phase.Fine);
        _requireTop(game);
        _requireRecordIs(subject, record);
    }

    function _emitOpened(GameId next, Subject calldata subject, uint32 step, bytes32 record) private {
        emit IDisputeGame.GameOpened(
            next,
            _hash(subject),
            msg.sender,
            subject.receipt,
            subject.batchId,
            step,
            record,
            subject.bond,
            subject.openedAt
        );
    }

    function _clampToken(int256 token) private pure returns (uint32) {
        if (token < 0) return 0;
        return token >= int256(uint256(SENTINEL)) ? SENTINEL - 1 : uint32(uint256(token));
    }

    /// @dev INVARIANT: the last accumulator of a post gives what the executor claimed before it.
    function _requireTarget(Game storage game, bytes calldata instruction, bytes calldata last) private view {
        if (game.leaves == 0) {
            int256 claimed = int256(uint256(game.node));
            int256 value = _judge.finish(instruction, game.index, last);
            if (value != claimed) revert IDisputeGame.AccumulatorsContradictClaim(claimed, value);
        } else if (bytes16(last) != game.accumulatorAfter) {
            revert IDisputeGame.AccumulatorsMismatch(game.accumulatorAfter, bytes16(last));
        }
    }

    function _accumulatorsKey(ReceiptHash receiptHash, uint32 step, Game storage game) private view returns (bytes32) {
        return keccak256(abi.encode(receiptHash, step, game.row, game.index, game.leaves));
    }
}
