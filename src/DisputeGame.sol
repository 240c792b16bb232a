// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {
    Game,
    GameId,
    IDisputeGame,
    OpenedBlock,
    OpenedElement,
    OpenedInstruction,
    OpenedLeaf,
    Outcome,
    Phase,
    Record,
    Subject
} from "./interfaces/IDisputeGame.sol";
import {IJudge, StepContext} from "./interfaces/IJudge.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {CommittedReceipt, GameTerms, IOtrRollup} from "./interfaces/IOtrRollup.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {BinaryTree} from "./libraries/BinaryTree.sol";
import {Clock} from "./libraries/Clock.sol";
import {FoldLib} from "./libraries/FoldLib.sol";
import {ProgramLib} from "./libraries/ProgramLib.sol";
import {ReceiptLib} from "./libraries/ReceiptLib.sol";
import {RowLib} from "./libraries/RowLib.sol";
import {SubjectLib} from "./libraries/SubjectLib.sol";
import {Tags} from "./libraries/Tags.sol";
import {WalkLib} from "./libraries/WalkLib.sol";
import {ElementTypes} from "./machine/ElementTypes.sol";
import {Instruction, ROLE_CACHED, instructionAt} from "./machine/Instruction.sol";
import {ModelId, Receipt, ReceiptHash, Request, RequestHash} from "./types/OtrTypes.sol";

/// @title DisputeGame
contract DisputeGame is IDisputeGame {
    using ReceiptLib for Receipt;
    using ReceiptLib for Request;
    using WalkLib for Game;

    /// @dev A block of a long fold: its number in the fold, the accumulator before it, and the hash of the one claimed after it.
    struct Block {
        uint256 number;
        bytes before;
        bytes32 claim;
    }

    /// @dev Token of a record at prompt positions before the last.
    uint32 private constant SENTINEL = type(uint32).max;
    /// @dev Length of the token row: (token, threshold).
    uint32 private constant TOKEN_ROW_LENGTH = 2;

    /// @inheritdoc IDisputeGame
    uint256 public constant MAX_TURNS = WalkLib.MAX_TURNS;
    /// @inheritdoc IDisputeGame
    uint256 public constant REVEAL_LEVELS = WalkLib.REVEAL_LEVELS;
    /// @inheritdoc IDisputeGame
    IOtrRollup public immutable ROLLUP;
    /// @inheritdoc IDisputeGame
    IStakeVault public immutable VAULT;
    /// @inheritdoc IDisputeGame
    IJudge public immutable JUDGE;
    /// @inheritdoc IDisputeGame
    IModelRegistry public immutable MODELS;

    mapping(GameId gameId => Game) private _games;
    /// @dev Claims of executors by (receipt, step): the fine top; by (receipt, step, row, element, part): hash of accumulators.
    mapping(bytes32 claimKey => bytes32) private _claims;

    constructor(IOtrRollup rollup, IStakeVault vault, IJudge judge, IModelRegistry models) {
        ROLLUP = rollup;
        VAULT = vault;
        JUDGE = judge;
        MODELS = models;
    }

    // ---------------------------------------------------------------- opening

    /// @inheritdoc IDisputeGame
    function open(CommittedReceipt calldata committed, uint32 step, bytes32 record, bytes calldata traceSiblings)
        external
        payable
        returns (GameId gameId)
    {
        GameTerms memory terms = ROLLUP.enterGame(committed);
        if (msg.value != terms.bond) revert BondAmount(terms.bond, msg.value);
        _requireRecord(committed.receipt, step, record, traceSiblings);
        gameId = SubjectLib.idOf(committed, step, record, msg.sender, terms.bond);
        Game storage game = _games[gameId];
        // INVARIANT: a game is played once.
        if (game.phase != Phase.None) revert GameExists(gameId);
        game.challenger = msg.sender;
        game.turnDuration = terms.turnDuration;
        game.enterTree(terms.instructions);
        game.pass(Phase.FinePost);
        emit GameOpened(
            gameId, terms.receiptHash, msg.sender, committed.receipt, committed.batchId, step, record, terms.bond
        );
        VAULT.depositBond{value: msg.value}();
    }

    /// @inheritdoc IDisputeGame
    function postFine(Subject calldata subject, bytes32[] calldata nodes) external {
        (GameId gameId, Game storage game) = _subject(subject);
        game.requireTurn(Phase.FinePost);
        bytes32 top = WalkLib.topOf(nodes, game.leaves);
        _claim(subject, _fineKey(_hash(subject), subject.step), top);
        game.node = top;
        game.pass(Phase.Fine);
        emit FinePosted(gameId, nodes);
    }

    // ---------------------------------------------------------------- walking

    /// @inheritdoc IDisputeGame
    function choose(GameId gameId, uint256 child) external {
        _games[gameId].choose(gameId, child);
    }

    /// @inheritdoc IDisputeGame
    function reveal(GameId gameId, bytes calldata siblings, bytes32[] calldata nodes) external {
        _games[gameId].reveal(gameId, siblings, nodes);
    }

    /// @inheritdoc IDisputeGame
    function chooseRow(Subject calldata subject, OpenedInstruction calldata opened) external {
        (GameId gameId, Game storage game) = _subject(subject);
        game.requireChoice(Phase.Fine);
        game.requireKnownLeaf(opened.row);
        game.instruction = _requireInstruction(subject.receipt.modelId, opened, game.leaves);
        (uint8 elementType, uint256 length) = JUDGE.rowShape(opened.instruction, subject.step);
        game.row = opened.row;
        game.rowType = elementType;
        game.rowLength = uint32(length);
        game.pass(Phase.RowReveal);
        emit RowChosen(gameId, opened.row, opened.instruction);
    }

    /// @inheritdoc IDisputeGame
    function revealRow(GameId gameId, bytes calldata siblings, bytes32[] calldata nodes, bytes calldata chunks)
        external
    {
        _games[gameId].revealRow(siblings, nodes, chunks);
        emit RowRevealed(gameId, nodes, chunks);
    }

    /// @inheritdoc IDisputeGame
    function revealChunks(GameId gameId, bytes calldata siblings, bytes calldata chunks) external {
        _games[gameId].revealChunks(gameId, siblings, chunks);
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
        game.requireChoice(Phase.Chunks);
        int256 value;
        // INVARIANT: the padding of a row is zero.
        if (opened.element < game.rowLength) {
            _requireChosen(game, instruction);
            value = _evaluate(_context(subject, request), instruction, opened.element, witness);
        }
        if (value == game.openElement(opened)) revert NothingProven();
        _prove(gameId, game);
    }

    /// @inheritdoc IDisputeGame
    function chooseElement(Subject calldata subject, bytes calldata instruction, OpenedElement calldata opened)
        external
    {
        (GameId gameId, Game storage game) = _subject(subject);
        game.requireChoice(Phase.Chunks);
        _requireChosen(game, instruction);
        if (opened.element >= game.rowLength) revert ChoiceOutOfRange(opened.element, game.rowLength);
        (uint256 blocks,) = JUDGE.blocks(instruction, subject.step);
        if (blocks < 2) revert BlockCount(blocks);
        int256 value = game.openElement(opened);
        game.element = opened.element;
        game.value = int64(value);
        game.pass(Phase.AccumulatorsPost);
        emit ElementChosen(gameId, opened.element, value);
    }

    /// @inheritdoc IDisputeGame
    function postAccumulators(Subject calldata subject, bytes calldata instruction, bytes calldata accumulators)
        external
    {
        (GameId gameId, Game storage game) = _subject(subject);
        game.requireTurn(Phase.AccumulatorsPost);
        _requireChosen(game, instruction);
        (uint256 blocks, uint256 size) = JUDGE.blocks(instruction, subject.step);
        uint256 count = FoldLib.span(blocks, game.part).count;
        if (accumulators.length != count * size) revert ItemCount(count * size, accumulators.length);
        _requireTarget(game, instruction, FoldLib.at(accumulators, size, count - 1));
        bytes32 claim = keccak256(accumulators);
        _claim(subject, _accumulatorsKey(_hash(subject), subject.step, game), claim);
        game.accumulators = claim;
        game.pass(Phase.Blocks);
        emit AccumulatorsPosted(gameId, accumulators);
    }

    /// @inheritdoc IDisputeGame
    function choosePart(Subject calldata subject, bytes calldata instruction, uint256 part, bytes calldata accumulators)
        external
    {
        (GameId gameId, Game storage game) = _subject(subject);
        game.requireChoice(Phase.Blocks);
        _requireChosen(game, instruction);
        _requirePosted(game, accumulators);
        (uint256 blocks, uint256 size) = JUDGE.blocks(instruction, subject.step);
        FoldLib.Span memory span = FoldLib.span(blocks, game.part);
        if (span.stride == 1) revert BlockCount(blocks);
        game.accumulatorAfter = bytes16(FoldLib.at(accumulators, size, part));
        if (part != 0) game.accumulatorBefore = bytes16(FoldLib.at(accumulators, size, part - 1));
        game.part = uint16(part + 1);
        game.pass(Phase.AccumulatorsPost);
        emit PartChosen(gameId, part);
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
        game.requireChoice(Phase.Blocks);
        _requireChosen(game, instruction);
        _requirePosted(game, opened.accumulators);
        Block memory block_ = _blockOf(game, instruction, subject.step, opened);
        bytes32 computed = _evaluateBlock(_context(subject, request), instruction, game.element, block_, witness);
        if (computed == block_.claim) revert NothingProven();
        _prove(gameId, game);
    }

    // ---------------------------------------------------------------- record

    /// @inheritdoc IDisputeGame
    function chooseCache(Subject calldata subject, Record calldata record) external {
        (GameId gameId, Game storage game) = _subject(subject);
        game.requireChoice(Phase.Fine);
        _requireTop(game);
        _requireRecordIs(subject, record);
        uint32 cacheRows = MODELS.dimensionsOf(subject.receipt.modelId).cacheRows;
        emit CacheChosen(gameId, record);
        if (cacheRows == 0) {
            // INVARIANT: a program without cached rows has no cache root.
            if (record.cacheRoot == 0) revert NothingProven();
            return _prove(gameId, game);
        }
        game.node = record.cacheRoot;
        game.enterTree(cacheRows);
        game.pass(Phase.CacheReveal);
    }

    /// @inheritdoc IDisputeGame
    function revealCache(GameId gameId, bytes32[] calldata nodes) external {
        _games[gameId].revealCache(gameId, nodes);
    }

    /// @inheritdoc IDisputeGame
    function settleCache(
        Subject calldata subject,
        OpenedInstruction calldata opened,
        OpenedLeaf calldata cached,
        OpenedLeaf calldata fine
    ) external {
        (GameId gameId, Game storage game) = _subject(subject);
        game.requireChoice(Phase.Cache);
        game.requireLeaf(cached.leaf, cached.index, cached.siblings);
        uint32 rows = MODELS.dimensionsOf(subject.receipt.modelId).instructions;
        _requireInstruction(subject.receipt.modelId, opened, rows);
        // INVARIANT: both leaves are of the row that the program caches in this slot.
        Instruction instruction = instructionAt(opened.instruction, 0);
        (uint256 role, uint256 slot) = (instruction.role(), instruction.cacheSlot());
        if (role != ROLE_CACHED || slot != cached.index) revert NotCached(role, slot);
        if (fine.index != opened.row) revert ChoiceOutOfRange(fine.index, opened.row);
        WalkLib.requireFineLeaf(_fineTop(subject), rows, fine);
        if (cached.leaf == fine.leaf) revert NothingProven();
        _prove(gameId, game);
    }

    /// @inheritdoc IDisputeGame
    function settleToken(Subject calldata subject, Record calldata record, bytes32 chunk, bytes calldata siblings)
        external
    {
        (GameId gameId, Game storage game) = _subject(subject);
        game.requireChoice(Phase.Fine);
        _requireTop(game);
        _requireRecordIs(subject, record);
        uint32 token = SENTINEL;
        if (subject.step >= subject.receipt.nIn - 1) {
            uint256 rows = game.leaves;
            bytes32 leaf = RowLib.leaf(ElementTypes.I64, TOKEN_ROW_LENGTH, sha256(abi.encode(chunk)));
            WalkLib.requireOpens(game.node, leaf, rows - 1, rows, 0, BinaryTree.depth(rows), siblings);
            token = _clampToken(RowLib.elementAt(chunk, ElementTypes.I64, 0));
        }
        if (token == record.token) revert NothingProven();
        _prove(gameId, game);
    }

    // ---------------------------------------------------------------- ends

    /// @inheritdoc IDisputeGame
    function conclude(Subject calldata subject) external {
        (GameId gameId, Game storage game) = _subject(subject);
        if (game.phase != Phase.Proven) revert WrongPhase(Phase.Proven, game.phase);
        // INVARIANT: an executor is convicted once; a proof that comes second gets its bond back.
        if (_isConvicted(subject)) return _moot(gameId, game, subject);
        _executorLoses(gameId, game, subject);
    }

    /// @inheritdoc IDisputeGame
    function timeout(Subject calldata subject) external {
        (GameId gameId, Game storage game) = _subject(subject);
        Phase phase = game.phase;
        if (phase == Phase.None || phase == Phase.Over) revert WrongPhase(Phase.FinePost, phase);
        if (!game.deadline.hasCome()) revert DeadlineNotPassed(game.deadline);
        // INVARIANT: nobody loses a bond over an executor that is convicted already.
        if (_isConvicted(subject)) return _moot(gameId, game, subject);
        if (_isChallengersTurn(phase)) return _challengerLoses(gameId, game, subject);
        _executorLoses(gameId, game, subject);
    }

    /// @inheritdoc IDisputeGame
    function close(Subject calldata subject) external {
        (GameId gameId, Game storage game) = _subject(subject);
        Phase phase = game.phase;
        if (phase == Phase.None || phase == Phase.Over) revert WrongPhase(Phase.FinePost, phase);
        if (!_isConvicted(subject)) revert NotMoot(subject.receipt.executor);
        _moot(gameId, game, subject);
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

    // ---------------------------------------------------------------- internals: ends

    /// @dev No move is left but `conclude` (or `close`): the deadline has no meaning any more.
    function _prove(GameId gameId, Game storage game) private {
        game.phase = Phase.Proven;
        emit LieProven(gameId);
    }

    function _executorLoses(GameId gameId, Game storage game, Subject calldata subject) private {
        game.phase = Phase.Over;
        emit GameEnded(gameId, Outcome.ExecutorLost);
        ROLLUP.convict(subject.batchId, _hash(subject), subject.challenger);
        VAULT.payBond(subject.challenger, subject.bond, 0);
    }

    function _challengerLoses(GameId gameId, Game storage game, Subject calldata subject) private {
        game.phase = Phase.Over;
        emit GameEnded(gameId, Outcome.ChallengerLost);
        ROLLUP.leaveGame(subject.batchId, _hash(subject));
        // Half pays the executor for its answers; the other half is burnt, so that sham games between friends cost something.
        uint256 half = subject.bond / 2;
        VAULT.payBond(subject.receipt.executor, half, subject.bond - half);
    }

    function _moot(GameId gameId, Game storage game, Subject calldata subject) private {
        game.phase = Phase.Over;
        emit GameEnded(gameId, Outcome.Moot);
        ROLLUP.leaveGame(subject.batchId, _hash(subject));
        VAULT.payBond(subject.challenger, subject.bond, 0);
    }

    function _isConvicted(Subject calldata subject) private view returns (bool) {
        return VAULT.convictedAt(subject.receipt.executor).isSet();
    }

    function _isChallengersTurn(Phase phase) private pure returns (bool) {
        return phase == Phase.Fine || phase == Phase.RowNodes || phase == Phase.Chunks || phase == Phase.Blocks
            || phase == Phase.Cache;
    }

    // ---------------------------------------------------------------- internals: claims

    /// @dev A claim is the executor's. INVARIANT: it is made once and binds every game; repeating it is open to all.
    function _claim(Subject calldata subject, bytes32 key, bytes32 claim) private {
        bytes32 made = _claims[key];
        if (made == claim) return;
        if (made != 0) revert ClaimBound(made, claim);
        address executor = subject.receipt.executor;
        if (msg.sender != executor && !VAULT.mayActFor(executor, msg.sender)) {
            revert NotExecutor(executor, msg.sender);
        }
        _claims[key] = claim;
    }

    function _fineKey(ReceiptHash receiptHash, uint32 step) private pure returns (bytes32) {
        return keccak256(abi.encode(receiptHash, step));
    }

    function _accumulatorsKey(ReceiptHash receiptHash, uint32 step, Game storage game) private view returns (bytes32) {
        return keccak256(abi.encode(receiptHash, step, game.row, game.element, game.part));
    }

    function _fineTop(Subject calldata subject) private view returns (bytes32) {
        return _claims[_fineKey(_hash(subject), subject.step)];
    }

    // ---------------------------------------------------------------- internals: checks

    function _subject(Subject calldata subject) private view returns (GameId gameId, Game storage game) {
        gameId = SubjectLib.idOf(subject);
        game = _games[gameId];
    }

    function _hash(Subject calldata subject) private view returns (ReceiptHash) {
        return subject.receipt.hash(address(ROLLUP));
    }

    function _requireRecord(Receipt calldata receipt, uint32 step, bytes32 record, bytes calldata siblings)
        private
        pure
    {
        uint256 steps = receipt.steps();
        if (step >= steps) revert StepOutOfRange(step, steps);
        _requireEqual(receipt.traceRoot, BinaryTree.rootOf(Tags.TRACE, record, step, steps, siblings));
    }

    function _requireRecordIs(Subject calldata subject, Record calldata record) private pure {
        bytes32 got = keccak256(abi.encode(Tags.RECORD, record));
        if (got != subject.record) revert RecordMismatch(subject.record, got);
    }

    /// @dev The walk has not left the fine tree's top.
    function _requireTop(Game storage game) private view {
        if (game.level != BinaryTree.depth(game.leaves)) revert LevelMismatch(game.level);
    }

    function _requireInstruction(ModelId modelId, OpenedInstruction calldata opened, uint256 count)
        private
        view
        returns (bytes32 leaf)
    {
        leaf = ProgramLib.leaf(opened.instruction);
        bytes32 root = BinaryTree.rootOf(Tags.PROGRAM, leaf, opened.row, count, opened.siblings);
        _requireEqual(MODELS.programRootOf(modelId), root);
    }

    function _requireEqual(bytes32 expected, bytes32 got) private pure {
        if (got != expected) revert NodeMismatch(expected, got);
    }

    function _requireChosen(Game storage game, bytes calldata instruction) private view {
        bytes32 leaf = ProgramLib.leaf(instruction);
        if (leaf != game.instruction) revert InstructionMismatch(game.instruction, leaf);
    }

    function _requirePosted(Game storage game, bytes calldata accumulators) private view {
        bytes32 got = keccak256(accumulators);
        if (got != game.accumulators) revert AccumulatorsMismatch(game.accumulators, got);
    }

    /// @dev INVARIANT: the last accumulator of a post gives what the executor claimed before it.
    function _requireTarget(Game storage game, bytes calldata instruction, bytes calldata last) private view {
        if (game.part == 0) {
            int256 value = JUDGE.finish(instruction, game.element, last);
            if (value != game.value) revert AccumulatorsContradictClaim(game.value, value);
        } else if (bytes16(last) != game.accumulatorAfter) {
            revert AccumulatorsMismatch(game.accumulatorAfter, bytes16(last));
        }
    }

    function _evaluate(StepContext memory context, bytes calldata instruction, uint256 element, bytes calldata witness)
        private
        view
        returns (int256)
    {
        return JUDGE.evaluate(instruction, context, element, witness);
    }

    function _evaluateBlock(
        StepContext memory context,
        bytes calldata instruction,
        uint256 element,
        Block memory block_,
        bytes calldata witness
    ) private view returns (bytes32) {
        return keccak256(JUDGE.evaluateBlock(instruction, context, element, block_.number, block_.before, witness));
    }

    /// @dev The block of a long fold that the challenger settles.
    function _blockOf(Game storage game, bytes calldata instruction, uint32 step, OpenedBlock calldata opened)
        private
        view
        returns (Block memory block_)
    {
        (uint256 blocks, uint256 size) = JUDGE.blocks(instruction, step);
        FoldLib.Span memory span = FoldLib.span(blocks, game.part);
        if (span.stride != 1) revert BlockCount(blocks);
        block_.number = span.first + opened.index;
        block_.claim = keccak256(FoldLib.at(opened.accumulators, size, opened.index));
        if (opened.index != 0) block_.before = FoldLib.at(opened.accumulators, size, opened.index - 1);
        else if (span.first != 0) block_.before = _prefix(game.accumulatorBefore, size);
    }

    function _prefix(bytes16 accumulator, uint256 size) private pure returns (bytes memory) {
        return size == 16 ? abi.encodePacked(accumulator) : abi.encodePacked(bytes8(accumulator));
    }

    function _clampToken(int256 token) private pure returns (uint32) {
        if (token < 0) return 0;
        return token >= int256(uint256(SENTINEL)) ? SENTINEL - 1 : uint32(uint256(token));
    }

    function _context(Subject calldata subject, Request[] calldata request)
        private
        view
        returns (StepContext memory context)
    {
        (IModelRegistry.Dimensions memory model, bytes32 weightsRoot) = MODELS.judgingOf(subject.receipt.modelId);
        context.step = subject.step;
        context.nIn = subject.receipt.nIn;
        context.steps = subject.receipt.steps();
        context.rows = model.instructions;
        context.cacheRows = model.cacheRows;
        context.weightRows = model.weightRows;
        context.fineTop = _fineTop(subject);
        context.traceRoot = subject.receipt.traceRoot;
        context.weightsRoot = weightsRoot;
        if (request.length == 0) return context;
        bytes32 expected = RequestHash.unwrap(subject.receipt.requestHash);
        bytes32 got = RequestHash.unwrap(request[0].hash(address(ROLLUP)));
        if (request.length != 1 || got != expected) revert RequestMismatch(expected, got);
        context.hasRequest = true;
        context.inputRoot = subject.receipt.inputRoot;
        context.requestHash = expected;
        context.temperature = request[0].sampler == 0 ? 0 : request[0].temperature;
    }
}
