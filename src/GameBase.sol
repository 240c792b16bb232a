// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Game, GameId, IDisputeGame, OpenedInstruction, Phase, Record, Subject} from "./interfaces/IDisputeGame.sol";
import {IJudge} from "./interfaces/IJudge.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {CommittedReceipt, GameTerms, IOtrRollup} from "./interfaces/IOtrRollup.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {IUptime} from "./interfaces/IUptime.sol";
import {BinaryTree} from "./libraries/BinaryTree.sol";
import {Clock, Duration, Timestamp} from "./libraries/Clock.sol";
import {ProgramLib} from "./libraries/ProgramLib.sol";
import {ReceiptLib} from "./libraries/ReceiptLib.sol";
import {SubjectLib} from "./libraries/SubjectLib.sol";
import {Tags} from "./libraries/Tags.sol";
import {WalkLib} from "./libraries/WalkLib.sol";
import {ModelId, Receipt, ReceiptHash, Request, RequestHash} from "./types/OtrTypes.sol";

/// @title What both halves of the game share
/// @notice State, turns, opening and checks. `DisputeGame` holds the state; `GameExtension` is code that it delegates to. Both are built from the
///         same addresses, and neither may declare state of its own.
abstract contract GameBase {
    using ReceiptLib for Receipt;
    using ReceiptLib for Request;
    using WalkLib for Game;

    /// @dev Step of a game that walks the trace.
    uint32 internal constant UNKNOWN_STEP = type(uint32).max;

    IOtrRollup internal immutable _rollup;
    IStakeVault internal immutable _vault;
    IJudge internal immutable _judge;
    IModelRegistry internal immutable _models;
    IUptime internal immutable _uptime;
    Duration internal immutable _turnDuration;

    mapping(GameId gameId => Game) internal _games;
    /// @dev Claims of executors by (receipt, step): the fine top; by (receipt, step, row, element, part): hash of accumulators.
    mapping(bytes32 claimKey => bytes32) internal _claims;

    constructor(
        IOtrRollup rollup,
        IStakeVault vault,
        IJudge judge,
        IModelRegistry models,
        IUptime uptime,
        Duration turnDuration
    ) {
        _rollup = rollup;
        _vault = vault;
        _judge = judge;
        _models = models;
        _uptime = uptime;
        _turnDuration = turnDuration;
    }

    // ---------------------------------------------------------------- opening

    /// @dev Opens a game on a record, or on the trace if the step is unknown.
    function _open(CommittedReceipt calldata committed, Request calldata request, uint32 step, bytes32 record)
        internal
        returns (GameId gameId)
    {
        Receipt calldata receipt = committed.receipt;
        _requireRequest(receipt, request);
        _requireMayWatch(request);
        GameTerms memory terms = _rollup.enterGame(committed);
        if (msg.value != terms.bond) revert IDisputeGame.BondAmount(terms.bond, msg.value);
        gameId = SubjectLib.idOf(committed, step, record, msg.sender, terms.bond, Clock.current());
        bool walks = step == UNKNOWN_STEP;
        _begin(gameId, walks ? Phase.TraceReveal : Phase.FinePost, walks ? receipt.steps() : terms.instructions);
        emit IDisputeGame.GameOpened(
            gameId, terms.receiptHash, msg.sender, receipt, committed.batchId, step, record, terms.bond, Clock.current()
        );
        _vault.depositBond{value: msg.value}();
    }

    /// @dev Writes the first slot of a game, and nothing else of it.
    function _begin(GameId gameId, Phase phase, uint256 leaves) internal returns (Game storage game) {
        game = _games[gameId];
        // INVARIANT: a game is played once.
        if (game.phase != Phase.None) revert IDisputeGame.GameExists(gameId);
        game.challenger = msg.sender;
        game.enterTree(leaves);
        _pass(game, phase);
    }

    /// @dev INVARIANT: of a confidential answer a game shows rows and a token: only who may know them opens one.
    function _requireMayWatch(Request calldata request) private view {
        if (!request.confidential || request.requester == msg.sender) return;
        address[] calldata watchers = request.watchers;
        for (uint256 i; i < watchers.length; ++i) {
            if (watchers[i] == msg.sender) return;
        }
        revert IDisputeGame.NotWatcher(msg.sender);
    }

    // ---------------------------------------------------------------- turns

    /// @dev Reverts unless the game is in this phase and its turn is not over.
    function _requireTurn(Game storage game, Phase phase) internal view {
        if (game.phase != phase) revert IDisputeGame.WrongPhase(phase, game.phase);
        if (_hasPassed(game.deadline)) revert IDisputeGame.DeadlinePassed(game.deadline);
    }

    /// @dev The same for a choice, which only the challenger makes.
    function _requireChoice(Game storage game, Phase phase) internal {
        if (msg.sender != game.challenger) revert IDisputeGame.NotChallenger(game.challenger, msg.sender);
        _requireTurn(game, phase);
        ++game.moves;
    }

    /// @dev Hands the turn to the other side.
    function _pass(Game storage game, Phase phase) internal {
        game.phase = phase;
        game.deadline = Clock.current().plus(_turnDuration);
    }

    /// @dev No move is left but `conclude` (or `close`): the deadline has no meaning any more.
    function _prove(GameId gameId, Game storage game) internal {
        game.phase = Phase.Proven;
        emit IDisputeGame.LieProven(gameId);
    }

    /// @dev Outages only put a deadline off: one that has not come by the clock needs no question.
    function _hasPassed(Timestamp deadline) internal view returns (bool) {
        return deadline.hasCome() && _uptime.hasPassed(deadline);
    }

    // ---------------------------------------------------------------- checks

    function _subject(Subject calldata subject) internal view returns (GameId gameId, Game storage game) {
        gameId = SubjectLib.idOf(subject);
        game = _games[gameId];
    }

    function _hash(Subject calldata subject) internal view returns (ReceiptHash) {
        return subject.receipt.hash(address(_rollup));
    }

    function _fineKey(ReceiptHash receiptHash, uint32 step) internal pure returns (bytes32) {
        return keccak256(abi.encode(receiptHash, step));
    }

    function _fineTop(Subject calldata subject) internal view returns (bytes32) {
        return _claims[_fineKey(_hash(subject), subject.step)];
    }

    function _requireRequest(Receipt calldata receipt, Request calldata request) internal view {
        bytes32 expected = RequestHash.unwrap(receipt.requestHash);
        bytes32 got = RequestHash.unwrap(request.hash(address(_rollup)));
        if (got != expected) revert IDisputeGame.RequestMismatch(expected, got);
    }

    function _requireRecordIs(Subject calldata subject, Record calldata record) internal pure {
        bytes32 got = keccak256(abi.encode(Tags.RECORD, record));
        if (got != subject.record) revert IDisputeGame.RecordMismatch(subject.record, got);
    }

    /// @dev The walk has not left the fine tree's top.
    function _requireTop(Game storage game) internal view {
        if (!game.isAtTop()) revert IDisputeGame.LevelMismatch(game.level);
    }

    function _requireInstruction(ModelId modelId, OpenedInstruction calldata opened, uint256 count)
        internal
        view
        returns (bytes32 leaf)
    {
        leaf = ProgramLib.leaf(opened.instruction);
        bytes32 root = BinaryTree.rootOf(Tags.PROGRAM, leaf, opened.row, count, opened.siblings);
        _requireEqual(_models.programRootOf(modelId), root);
    }

    /// @dev A claim is the executor's. INVARIANT: it is made once and binds every game; repeating it is open to all.
    function _claim(Subject calldata subject, bytes32 key, bytes32 claim) internal {
        bytes32 made = _claims[key];
        if (made != 0) {
            if (made != claim) revert IDisputeGame.ClaimBound(made, claim);
            return;
        }
        address executor = subject.receipt.executor;
        if (msg.sender != executor && !_vault.mayActFor(executor, msg.sender)) {
            revert IDisputeGame.NotExecutor(executor, msg.sender);
        }
        _claims[key] = claim;
    }

    function _requireChosen(GameId gameId, Game storage game, bytes calldata instruction) internal view {
        bytes18 got = _instructionKey(gameId, ProgramLib.leaf(instruction));
        // INVARIANT: a row is judged by its own instruction.
        if (got != game.instruction) revert IDisputeGame.InstructionMismatch(game.instruction, got);
    }

    /// @dev As much of a hash as fits the slot. Both the game and, through its model, the row's instruction are fixed before its value
    ///      is: what is left to an attacker is a second preimage of 144 bits within a turn.
    function _instructionKey(GameId gameId, bytes32 leaf) internal pure returns (bytes18) {
        return bytes18(keccak256(abi.encode(gameId, leaf)));
    }

    function _requirePosted(Game storage game, bytes calldata accumulators) internal view {
        bytes32 got = keccak256(accumulators);
        if (got != game.node) revert IDisputeGame.AccumulatorsMismatch(game.node, got);
    }

    function _requireEqual(bytes32 expected, bytes32 got) internal pure {
        if (got != expected) revert IDisputeGame.NodeMismatch(expected, got);
    }
}
