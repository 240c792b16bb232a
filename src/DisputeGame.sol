// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {GameBase} from "./GameBase.sol";
import {GameExtension} from "./GameExtension.sol";
import {
    Game,
    GameId,
    IDisputeGame,
    OpenedBlock,
    OpenedElement,
    OpenedInstruction,
    OpenedLeaf,
    OpenedRow,
    Outcome,
    Phase,
    Record,
    Subject
} from "./interfaces/IDisputeGame.sol";
import {IJudge, StepContext} from "./interfaces/IJudge.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {CommittedReceipt, Conviction, IOtrRollup} from "./interfaces/IOtrRollup.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {IUptime} from "./interfaces/IUptime.sol";
import {BinaryTree} from "./libraries/BinaryTree.sol";
import {Clock, Duration, Timestamp} from "./libraries/Clock.sol";
import {FoldLib} from "./libraries/FoldLib.sol";
import {GasSchedule} from "./libraries/GasSchedule.sol";
import {ReceiptLib} from "./libraries/ReceiptLib.sol";
import {RowLib} from "./libraries/RowLib.sol";
import {SubjectLib} from "./libraries/SubjectLib.sol";
import {Tags} from "./libraries/Tags.sol";
import {WalkLib} from "./libraries/WalkLib.sol";
import {Receipt, ReceiptHash, Request, RequestHash} from "./types/OtrTypes.sol";

/// @title DisputeGame
contract DisputeGame is IDisputeGame, GameBase {
    using ReceiptLib for Receipt;
    using WalkLib for Game;

    /// @dev A block of a long fold: its number in the fold, the accumulator before it, and the hash of the one claimed after it.
    struct Block {
        uint256 number;
        bytes before;
        bytes32 claim;
    }

    /// @inheritdoc IDisputeGame
    uint256 public constant MAX_TURNS = WalkLib.MAX_TURNS;
    /// @inheritdoc IDisputeGame
    uint256 public constant REVEAL_LEVELS = WalkLib.REVEAL_LEVELS;
    /// @inheritdoc IDisputeGame
    uint256 public constant LAST_LEVELS = WalkLib.LAST_LEVELS;
    /// @inheritdoc IDisputeGame
    uint256 public constant EXECUTOR_GAS = GasSchedule.EXECUTOR;
    /// @notice The code of the moves that few games need, which this contract delegates to.
    GameExtension public immutable EXTENSION;

    constructor(
        IOtrRollup rollup,
        IStakeVault vault,
        IJudge judge,
        IModelRegistry models,
        IUptime uptime,
        Duration turnDuration
    ) GameBase(rollup, vault, judge, models, uptime, turnDuration) {
        EXTENSION = new GameExtension(rollup, vault, judge, models, uptime, turnDuration);
    }

    // ---------------------------------------------------------------- opening

    /// @inheritdoc IDisputeGame
    function open(
        CommittedReceipt calldata committed,
        Request calldata request,
        uint32 step,
        bytes32 record,
        bytes calldata traceSiblings
    ) external payable returns (GameId gameId) {
        Receipt calldata receipt = committed.receipt;
        gameId = _open(committed, request, step, record);
        // After `enterGame`: only a receipt that can stand has a number of steps.
        uint256 steps = receipt.steps();
        if (step >= steps) revert StepOutOfRange(step, steps);
        _requireEqual(receipt.traceRoot, BinaryTree.rootOf(Tags.TRACE, record, step, steps, traceSiblings));
    }

    /// @inheritdoc IDisputeGame
    function postFine(Subject calldata subject, Record calldata record, bytes32[] calldata nodes) external {
        (GameId gameId, Game storage game) = _subject(subject);
        _requireTurn(game, Phase.FinePost);
        // INVARIANT: an executor that does not know what it committed to cannot answer.
        _requireRecordIs(subject, record);
        _claim(subject, _fineKey(_hash(subject), subject.step), WalkLib.topOf(nodes, game.leaves));
        _pass(game, Phase.Fine);
        emit FinePosted(gameId, record, nodes);
    }

    // ---------------------------------------------------------------- walking

    /// @inheritdoc IDisputeGame
    function choose(GameId gameId, uint256 levels, uint256 child) external {
        Game storage game = _games[gameId];
        Phase phase = game.phase;
        if (phase != Phase.Trace && phase != Phase.RowNodes && phase != Phase.Cache) phase = Phase.Fine;
        _requireChoice(game, phase);
        game.descend(levels, child);
        // The phase after each walking phase is its reveal.
        _pass(game, Phase(uint8(phase) + 1));
        emit ChildChosen(gameId, levels, child);
    }

    /// @inheritdoc IDisputeGame
    function reveal(GameId gameId, bytes calldata siblings, bytes32[] calldata nodes) external {
        Game storage game = _games[gameId];
        Phase phase = game.phase;
        if (phase == Phase.RowNodesReveal) {
            // The leaves of a row are shown in plain, by `revealChunks`.
            if (game.level <= WalkLib.LAST_LEVELS) revert LevelMismatch(game.level);
        } else if (phase != Phase.TraceNodesReveal && phase != Phase.CacheNodesReveal) {
            phase = Phase.FineReveal;
        }
        _requireTurn(game, phase);
        game.arrive(game.node, siblings, nodes);
        _pass(game, Phase(uint8(phase) - 1));
        emit NodesRevealed(gameId, nodes);
    }

    /// @inheritdoc IDisputeGame
    function revealFine(Subject calldata subject, bytes calldata siblings, bytes32[] calldata nodes) external {
        (GameId gameId, Game storage game) = _subject(subject);
        _requireTurn(game, Phase.FineReveal);
        // A choice below another node than the top does not open to the top.
        game.arrive(_fineTop(subject), siblings, nodes);
        _pass(game, Phase.Fine);
        emit NodesRevealed(gameId, nodes);
    }

    /// @inheritdoc IDisputeGame
    function chooseRow(Subject calldata subject, OpenedInstruction calldata opened) external {
        (GameId gameId, Game storage game) = _subject(subject);
        _requireChoice(game, Phase.Fine);
        game.requireBelow(opened.row);
        bytes32 leaf = _requireInstruction(subject.receipt.modelId, opened, game.leaves);
        (uint8 elementType, uint256 length) = _judge.rowShape(opened.instruction, subject.step);
        if (game.isAtTop()) game.node = _fineTop(subject);
        game.row = opened.row;
        game.rowType = elementType;
        game.rowLength = uint32(length);
        game.instruction = _instructionKey(gameId, leaf);
        _pass(game, Phase.RowReveal);
        emit RowChosen(gameId, opened.row, opened.instruction);
    }

    /// @inheritdoc IDisputeGame
    function revealRow(GameId gameId, bytes calldata siblings, bytes32[] calldata nodes, bytes calldata chunks)
        external
    {
        Game storage game = _games[gameId];
        _requireTurn(game, Phase.RowReveal);
        _pass(game, game.enterRow(siblings, nodes, chunks));
        emit RowRevealed(gameId, nodes, chunks);
    }

    /// @inheritdoc IDisputeGame
    function revealChunks(GameId gameId, bytes calldata siblings, bytes calldata chunks) external {
        Game storage game = _games[gameId];
        _requireTurn(game, Phase.RowNodesReveal);
        game.arriveAtChunks(siblings, chunks);
        _pass(game, Phase.Chunks);
        emit ChunksRevealed(gameId, chunks);
    }

    // ---------------------------------------------------------------- elements

    /// @inheritdoc IDisputeGame
    function settle(
        Subject calldata subject,
        bytes calldata instruction,
        OpenedElement calldata opened,
        Request[] calldata request,
        bytes calldata witness
    ) external {
        (GameId gameId, Game storage game) = _subject(subject);
        _requireChoice(game, Phase.Chunks);
        int256 value;
        // INVARIANT: the padding of a row is zero.
        if (opened.element < game.rowLength) {
            _requireChosen(gameId, game, instruction);
            value = _evaluate(_context(subject, request), instruction, opened.element, witness);
        }
        if (value == game.openElement(opened)) revert NothingProven();
        _prove(gameId, game);
    }

    /// @inheritdoc IDisputeGame
    function settleJump(
        Subject calldata subject,
        OpenedInstruction calldata instruction,
        OpenedRow calldata row,
        OpenedElement calldata opened,
        Request[] calldata request,
        bytes calldata witness
    ) external {
        (GameId gameId, Game storage game) = _subject(subject);
        _requireChoice(game, Phase.Fine);
        _requireTop(game);
        StepContext memory context = _context(subject, request);
        _requireInstruction(subject.receipt.modelId, instruction, context.rows);
        _requireLie(context, instruction, row, opened, witness);
        _executorLoses(gameId, game, subject);
    }

    /// @inheritdoc IDisputeGame
    function settleBlock(
        Subject calldata subject,
        bytes calldata instruction,
        OpenedBlock calldata opened,
        Request[] calldata request,
        bytes calldata witness
    ) external {
        (GameId gameId, Game storage game) = _subject(subject);
        _requireChoice(game, Phase.Blocks);
        _requireChosen(gameId, game, instruction);
        _requirePosted(game, opened.accumulators);
        Block memory block_ = _blockOf(game, instruction, subject.step, opened);
        bytes32 computed = _evaluateBlock(_context(subject, request), instruction, game.index, block_, witness);
        if (computed == block_.claim) revert NothingProven();
        _prove(gameId, game);
    }

    // ---------------------------------------------------------------- ends

    /// @inheritdoc IDisputeGame
    function conclude(Subject calldata subject) external {
        (GameId gameId, Game storage game) = _subject(subject);
        if (game.phase != Phase.Proven) revert WrongPhase(Phase.Proven, game.phase);
        _executorLoses(gameId, game, subject);
    }

    /// @inheritdoc IDisputeGame
    function timeout(Subject calldata subject) external {
        (GameId gameId, Game storage game) = _subject(subject);
        Phase phase = _requireGoing(game);
        if (!_hasPassed(game.deadline)) revert DeadlineNotPassed(game.deadline);
        if (!_isChallengersTurn(phase)) return _executorLoses(gameId, game, subject);
        // INVARIANT: nobody loses a bond over an executor that is convicted already.
        if (_conviction(subject).openedAt.isSet()) return _moot(gameId, game, subject);
        _end(gameId, game, Phase.Lost, Outcome.ChallengerLost);
        _rollup.leaveGame(subject.batchId, _hash(subject));
    }

    /// @inheritdoc IDisputeGame
    function close(Subject calldata subject) external {
        (GameId gameId, Game storage game) = _subject(subject);
        _requireGoing(game);
        Conviction memory conviction = _conviction(subject);
        // INVARIANT: a game that could still win the challenger's share is given up by its challenger only.
        bool canClose =
            _isMoot(subject, conviction) || (conviction.openedAt.isSet() && msg.sender == subject.challenger);
        if (!canClose) revert NotMoot(subject.receipt.executor);
        _moot(gameId, game, subject);
    }

    /// @inheritdoc IDisputeGame
    function payOut(Subject calldata subject) external {
        (GameId gameId, Game storage game) = _subject(subject);
        Phase phase = game.phase;
        if (phase != Phase.Won && phase != Phase.Lost && phase != Phase.Moot) revert WrongPhase(Phase.Won, phase);
        (Timestamp dueAt, bool refunds) = _rollup.payoutOf(subject.batchId, game.deadline);
        if (!dueAt.hasCome()) revert NotDue(dueAt);
        // INVARIANT: a game pays once.
        game.phase = Phase.Paid;
        emit GamePaid(gameId);
        if (phase == Phase.Lost && !refunds) {
            // Half pays the executor for its answers; the other half is burnt, so that sham games between friends cost something.
            uint256 half = subject.bond / 2;
            return _vault.payBond(subject.receipt.executor, half, subject.bond - half);
        }
        _vault.payBond(subject.challenger, subject.bond, 0);
        // INVARIANT: in refund mode everyone gets its own back, and nothing else.
        if (!refunds) _rollup.repayGas(subject.batchId, subject.challenger, gasOf(game.moves));
    }

    // ---------------------------------------------------------------- trace, record, long folds: `GameExtension`

    /// @inheritdoc IDisputeGame
    function openTrace(CommittedReceipt calldata, Request calldata) external payable returns (GameId) {
        _delegate();
    }

    /// @inheritdoc IDisputeGame
    function revealTrace(Subject calldata, bytes32[] calldata) external {
        _delegate();
    }

    /// @inheritdoc IDisputeGame
    function chooseStep(Subject calldata, uint32, bytes32, bytes calldata) external returns (GameId) {
        _delegate();
    }

    /// @inheritdoc IDisputeGame
    function chooseCache(Subject calldata, Record calldata) external {
        _delegate();
    }

    /// @inheritdoc IDisputeGame
    function revealCache(GameId, bytes32[] calldata) external {
        _delegate();
    }

    /// @inheritdoc IDisputeGame
    function settleCache(Subject calldata, OpenedInstruction calldata, OpenedLeaf calldata, OpenedLeaf calldata)
        external
    {
        _delegate();
    }

    /// @inheritdoc IDisputeGame
    function settleToken(Subject calldata, Record calldata, bytes32, bytes calldata) external {
        _delegate();
    }

    /// @inheritdoc IDisputeGame
    function settleSalt(Subject calldata, Record calldata, Request calldata, bytes32) external {
        _delegate();
    }

    /// @inheritdoc IDisputeGame
    function chooseElement(Subject calldata, bytes calldata, OpenedElement calldata) external {
        _delegate();
    }

    /// @inheritdoc IDisputeGame
    function postAccumulators(Subject calldata, bytes calldata, bytes calldata) external {
        _delegate();
    }

    /// @inheritdoc IDisputeGame
    function choosePart(Subject calldata, bytes calldata, uint256, bytes calldata) external {
        _delegate();
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IDisputeGame
    function gameOf(GameId gameId) external view returns (Game memory) {
        return _games[gameId];
    }

    /// @inheritdoc IDisputeGame
    function fineTopOf(ReceiptHash receiptHash, uint32 step) external view returns (bytes32) {
        return _claims[_fineKey(receiptHash, step)];
    }

    /// @inheritdoc IDisputeGame
    function gameIdOf(Subject calldata subject) external pure returns (GameId) {
        return SubjectLib.idOf(subject);
    }

    /// @inheritdoc IDisputeGame
    function gasOf(uint256 moves) public pure returns (uint256) {
        return GasSchedule.OPEN + moves * GasSchedule.MOVE + GasSchedule.CONCLUDE;
    }

    /// @inheritdoc IDisputeGame
    function TURN_DURATION() external view returns (Duration) {
        return _turnDuration;
    }

    /// @inheritdoc IDisputeGame
    function ROLLUP() external view returns (IOtrRollup) {
        return _rollup;
    }

    /// @inheritdoc IDisputeGame
    function VAULT() external view returns (IStakeVault) {
        return _vault;
    }

    /// @inheritdoc IDisputeGame
    function JUDGE() external view returns (IJudge) {
        return _judge;
    }

    /// @inheritdoc IDisputeGame
    function MODELS() external view returns (IModelRegistry) {
        return _models;
    }

    /// @inheritdoc IDisputeGame
    function UPTIME() external view returns (IUptime) {
        return _uptime;
    }

    // ---------------------------------------------------------------- internals: ends

    function _requireGoing(Game storage game) private view returns (Phase phase) {
        phase = game.phase;
        if (phase == Phase.None || phase >= Phase.Won) revert WrongPhase(Phase.FinePost, phase);
    }

    /// @dev Money waits for the air gap (`payOut`): from now on the deadline says when the game ended.
    function _end(GameId gameId, Game storage game, Phase phase, Outcome outcome) private {
        game.phase = phase;
        game.deadline = Clock.current();
        emit GameEnded(gameId, outcome);
    }

    function _executorLoses(GameId gameId, Game storage game, Subject calldata subject) private {
        // INVARIANT: a conviction is replaced by an earlier-opened case only; a proof that came second gets its bond back.
        if (_rollup.convict(subject.batchId, _hash(subject), subject.challenger, subject.openedAt)) {
            _end(gameId, game, Phase.Won, Outcome.ExecutorLost);
        } else {
            _end(gameId, game, Phase.Moot, Outcome.Moot);
        }
    }

    function _moot(GameId gameId, Game storage game, Subject calldata subject) private {
        _end(gameId, game, Phase.Moot, Outcome.Moot);
        _rollup.leaveGame(subject.batchId, _hash(subject));
    }

    function _conviction(Subject calldata subject) private view returns (Conviction memory) {
        return _rollup.convictionOf(subject.receipt.executor);
    }

    /// @dev The executor was convicted by a case that was not opened after this one.
    function _isMoot(Subject calldata subject, Conviction memory conviction) private pure returns (bool) {
        return conviction.openedAt.isSet() && !subject.openedAt.isBefore(conviction.openedAt);
    }

    function _isChallengersTurn(Phase phase) private pure returns (bool) {
        return phase == Phase.Trace || phase == Phase.Fine || phase == Phase.RowNodes || phase == Phase.Chunks
            || phase == Phase.Blocks || phase == Phase.Cache;
    }

    /// @dev Goes on in `GameExtension`, on this contract's state, with this call's data; does not come back.
    function _delegate() private {
        address extension = address(EXTENSION);
        // SAFETY: memory beyond the free pointer is scratch, and nothing follows. The code is fixed at construction and declares no state
        // of its own (`GameBase`).
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            calldatacopy(buffer, 0, calldatasize())
            let done := delegatecall(gas(), extension, buffer, calldatasize(), 0, 0)
            returndatacopy(buffer, 0, returndatasize())
            if iszero(done) { revert(buffer, returndatasize()) }
            return(buffer, returndatasize())
        }
    }

    // ---------------------------------------------------------------- internals: checks

    /// @dev The element opens to the fine top, and is not what the judge computes.
    function _requireLie(
        StepContext memory context,
        OpenedInstruction calldata instruction,
        OpenedRow calldata row,
        OpenedElement calldata opened,
        bytes calldata witness
    ) private view {
        (uint8 elementType, uint256 length) = _judge.rowShape(instruction.instruction, context.step);
        bytes32 leaf = RowLib.leaf(elementType, uint32(length), row.byteRoot);
        WalkLib.requireOpensToTop(context.fineTop, leaf, instruction.row, context.rows, row.siblings);
        uint256 chunk = RowLib.chunkOf(elementType, opened.element);
        uint256 chunks = RowLib.chunkCount(elementType, length);
        leaf = sha256(abi.encode(opened.chunk));
        WalkLib.requireOpensToTop(row.byteRoot, leaf, chunk, chunks, opened.siblings);
        int256 value;
        // INVARIANT: the padding of a row is zero.
        if (opened.element < length) value = _evaluate(context, instruction.instruction, opened.element, witness);
        if (value == RowLib.elementAt(opened.chunk, elementType, opened.element)) revert NothingProven();
    }

    function _evaluate(StepContext memory context, bytes calldata instruction, uint256 element, bytes calldata witness)
        private
        view
        returns (int256)
    {
        return _judge.evaluate(instruction, context, element, witness);
    }

    function _evaluateBlock(
        StepContext memory context,
        bytes calldata instruction,
        uint256 element,
        Block memory block_,
        bytes calldata witness
    ) private view returns (bytes32) {
        return keccak256(_judge.evaluateBlock(instruction, context, element, block_.number, block_.before, witness));
    }

    /// @dev The block of a long fold that the challenger settles.
    function _blockOf(Game storage game, bytes calldata instruction, uint32 step, OpenedBlock calldata opened)
        private
        view
        returns (Block memory block_)
    {
        (uint256 blocks, uint256 size) = _judge.blocks(instruction, step);
        FoldLib.Span memory span = FoldLib.span(blocks, game.leaves);
        if (span.stride != 1) revert BlockCount(blocks);
        block_.number = span.first + opened.index;
        block_.claim = keccak256(FoldLib.at(opened.accumulators, size, opened.index));
        if (opened.index != 0) block_.before = FoldLib.at(opened.accumulators, size, opened.index - 1);
        else if (span.first != 0) block_.before = _prefix(game.accumulatorBefore, size);
    }

    function _prefix(bytes16 accumulator, uint256 size) private pure returns (bytes memory) {
        return size == 16 ? abi.encodePacked(accumulator) : abi.encodePacked(bytes8(accumulator));
    }

    function _context(Subject calldata subject, Request[] calldata request)
        private
        view
        returns (StepContext memory context)
    {
        IModelRegistry.Dimensions memory model;
        (model, context.weightsRoot) = _models.judgingOf(subject.receipt.modelId);
        context.step = subject.step;
        context.nIn = subject.receipt.nIn;
        context.steps = subject.receipt.steps();
        context.rows = model.instructions;
        context.cacheRows = model.cacheRows;
        context.weightRows = model.weightRows;
        context.fineTop = _fineTop(subject);
        context.traceRoot = subject.receipt.traceRoot;
        context.inputRoot = subject.receipt.inputRoot;
        context.requestHash = RequestHash.unwrap(subject.receipt.requestHash);
        if (request.length == 0) return context;
        if (request.length != 1) revert ItemCount(1, request.length);
        _requireRequest(subject.receipt, request[0]);
        context.hasRequest = true;
        context.temperature = request[0].sampler == 0 ? 0 : request[0].temperature;
    }
}
