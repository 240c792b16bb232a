// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Duration, Timestamp} from "../libraries/Clock.sol";
import {Receipt, ReceiptHash, Request} from "../types/OtrTypes.sol";
import {IJudge} from "./IJudge.sol";
import {IModelRegistry} from "./IModelRegistry.sol";
import {BatchId, CommittedReceipt, IOtrRollup} from "./IOtrRollup.sol";
import {IStakeVault} from "./IStakeVault.sol";
import {IUptime} from "./IUptime.sol";

/// @dev `keccak256(abi.encode(Subject))`.
type GameId is uint256;

/// @notice What the next move is. `...Post` and `...Reveal`: the executor's turn; else the challenger's.
/// @dev TraceReveal: revealTrace. Trace: choose, or chooseStep. TraceNodesReveal: reveal. FinePost: postFine. Fine: choose or chooseRow; at the
///      top also chooseCache, settleToken, settleSalt, settleJump. FineReveal: reveal. RowReveal: revealRow. RowNodes: choose.
///      RowNodesReveal: reveal or revealChunks. Chunks: settle or chooseElement. AccumulatorsPost: postAccumulators. Blocks: choosePart or
///      settleBlock. CacheReveal: revealCache. Cache: choose, or settleCache. CacheNodesReveal: reveal. Proven: conclude, by anyone.
///      Won, Lost (for the challenger), Moot: decided, payOut after the air gap. Paid: over.
enum Phase {
    None,
    TraceReveal,
    Trace,
    TraceNodesReveal,
    FinePost,
    Fine,
    FineReveal,
    RowReveal,
    RowNodes,
    RowNodesReveal,
    Chunks,
    AccumulatorsPost,
    Blocks,
    CacheReveal,
    Cache,
    CacheNodesReveal,
    Proven,
    Won,
    Lost,
    Moot,
    Paid
}

/// @notice How a game ended. Moot: the executor was convicted elsewhere.
enum Outcome {
    ExecutorLost,
    ChallengerLost,
    Moot
}

/// @notice What a game is about, fixed when it opens. The game's id is its hash; moves that need it bring it along.
/// @param record Record of step `step` under the receipt's `traceRoot`.
/// @param step The step, or `UNKNOWN_STEP` (2^32 - 1) while the game walks the trace to find it; `record` is zero then.
/// @param bond Wei that the challenger put up.
/// @param openedAt When the game was opened: the earliest-opened winning game earns the challenger's share.
struct Subject {
    Receipt receipt;
    BatchId batchId;
    uint32 step;
    bytes32 record;
    address challenger;
    uint96 bond;
    Timestamp openedAt;
}

/// @notice What changes during a game.
/// @param deadline Until when the next move can be made; once the game is decided, when it was.
/// @param level Level, and `index` the place, of the node that is known (challenger's turn) or chosen (executor's turn).
/// @param leaves Leaves of the tree that is walked. In a long fold: the chosen part, plus one; zero if none.
/// @param moves Moves of the challenger, for the gas that is repaid.
/// @param index See `level`. In a long fold: the fixed element.
/// @param jump Levels from the known node down to the chosen one.
/// @param instruction First bytes of `keccak256(abi.encode(gameId, leaf of the chosen row's instruction))`: bound to the game, so that nobody
///        can look for two instructions with the same bytes before it is open.
/// @param node The last proven node; zero at the fine top, which is the executor's claim (`fineTopOf`); in phase `CacheReveal` the cache root.
///        In a long fold: the fixed element's value in the executor's row, then keccak256 of the accumulators posted last.
/// @param accumulatorBefore Accumulator before the chosen part, left-aligned.
/// @param accumulatorAfter Accumulator after it.
struct Game {
    address challenger;
    Timestamp deadline;
    Phase phase;
    uint8 level;
    uint32 leaves;
    uint8 moves;
    uint32 index;
    uint8 jump;
    uint32 row;
    uint32 rowLength;
    uint8 rowType;
    bytes18 instruction;
    bytes32 node;
    bytes16 accumulatorBefore;
    bytes16 accumulatorAfter;
}

/// @notice A row's instruction with its opening in the program tree.
struct OpenedInstruction {
    uint32 row;
    bytes instruction;
    bytes siblings;
}

/// @notice An element with the chunk that holds it, opened up to the game's current node.
struct OpenedElement {
    uint32 element;
    bytes32 chunk;
    bytes siblings;
}

/// @notice A block of a long fold.
/// @param index Index within the accumulators posted last.
/// @param accumulators These accumulators, concatenated.
struct OpenedBlock {
    uint32 index;
    bytes accumulators;
}

/// @notice A leaf with its opening: up to the game's current node, or to the fine top.
struct OpenedLeaf {
    uint32 index;
    bytes32 leaf;
    bytes siblings;
}

/// @notice A row with an opening of its leaf up to the fine top.
struct OpenedRow {
    bytes32 byteRoot;
    bytes siblings;
}

/// @notice A record in plain (docs/protocol.md, section 1).
struct Record {
    bytes32 salt;
    uint32 token;
    bytes32 cacheRoot;
}

/// @title The game about one step of one receipt
/// @notice docs/protocol.md, section 4. Immutable; one version per judge. The challenger's choices are bound to it, reveals prove
///         themselves and are open to all, claims (fine top, accumulators) are the executor's or its delegates', made once and
///         binding in every game on the receipt. Openings (`siblings`) are concatenated 32-byte nodes.
interface IDisputeGame {
    /// @notice This game was opened before, by the same challenger.
    error GameExists(GameId gameId);
    /// @notice The move belongs to another phase.
    error WrongPhase(Phase expected, Phase got);
    /// @notice The move's turn is over.
    error DeadlinePassed(Timestamp deadline);
    /// @notice The turn is not over.
    error DeadlineNotPassed(Timestamp deadline);
    /// @notice Only the challenger chooses.
    error NotChallenger(address challenger, address caller);
    /// @notice Only the executor or a delegate claims.
    error NotExecutor(address executor, address caller);
    /// @notice The bond is exactly this.
    error BondAmount(uint256 expected, uint256 got);
    /// @notice No such step in the receipt.
    error StepOutOfRange(uint256 step, uint256 steps);
    /// @notice The opening does not lead to the committed root, or to the known node.
    error NodeMismatch(bytes32 expected, bytes32 got);
    /// @notice A move shows exactly the nodes (chunks, accumulators: bytes) that exist.
    error ItemCount(uint256 expected, uint256 got);
    /// @notice An earlier claim of the executor binds this game.
    error ClaimBound(bytes32 expected, bytes32 got);
    /// @notice The move does not fit the known node's level: too few levels down, or down to leaves; a reveal where chunks are due; or a
    ///         move of the fine top below it.
    error LevelMismatch(uint256 level);
    /// @notice The choice lies outside what is known.
    error ChoiceOutOfRange(uint256 choice, uint256 available);
    /// @notice The instruction is not the chosen row's.
    error InstructionMismatch(bytes32 expected, bytes32 got);
    /// @notice The accumulators are not those posted last.
    error AccumulatorsMismatch(bytes32 expected, bytes32 got);
    /// @notice The last accumulator does not give the value that the executor's row claims.
    error AccumulatorsContradictClaim(int256 expected, int256 got);
    /// @notice The fold behind the element has this many blocks; the move is for others.
    error BlockCount(uint256 blocks);
    /// @notice The record is not the disputed one.
    error RecordMismatch(bytes32 expected, bytes32 got);
    /// @notice The request is not the receipt's.
    error RequestMismatch(bytes32 expected, bytes32 got);
    /// @notice The secret is not the one that a confidential request's seed commits to.
    error SecretMismatch(bytes32 expected, bytes32 got);
    /// @notice Only the requester of a confidential receipt and the watchers it named play games on it.
    error NotWatcher(address caller);
    /// @notice Payouts wait for the air gap.
    error NotDue(Timestamp dueAt);
    /// @notice The row is not the cached row of this slot.
    error NotCached(uint256 role, uint256 cacheSlot);
    /// @notice Executor and judge agree: the move proves nothing.
    error NothingProven();
    /// @notice The executor was not convicted elsewhere, or this game was opened before the one that did it: the game goes on.
    error NotMoot(address executor);

    /// @notice A game opened: everything that its `Subject` holds.
    event GameOpened(
        GameId indexed gameId,
        ReceiptHash indexed receiptHash,
        address indexed challenger,
        Receipt receipt,
        BatchId batchId,
        uint32 step,
        bytes32 record,
        uint96 bond,
        Timestamp openedAt
    );
    /// @notice The first nodes of the trace tree.
    event TraceRevealed(GameId indexed gameId, bytes32[] nodes);
    /// @notice The walk down the trace found the step: the game goes on as `next`, whose `GameOpened` follows.
    event StepChosen(GameId indexed gameId, GameId indexed next);
    /// @notice The disputed record in plain, and the executor's fine top through its first descendants.
    event FinePosted(GameId indexed gameId, Record record, bytes32[] nodes);
    /// @notice The challenger chose the node `levels` below the current one whose place among its descendants there is `child`.
    event ChildChosen(GameId indexed gameId, uint256 levels, uint256 child);
    /// @notice The chosen child and its descendants.
    event NodesRevealed(GameId indexed gameId, bytes32[] nodes);
    /// @notice The challenger chose a row.
    event RowChosen(GameId indexed gameId, uint32 row, bytes instruction);
    /// @notice The chosen row: nodes of its tree, or its chunks.
    event RowRevealed(GameId indexed gameId, bytes32[] nodes, bytes chunks);
    /// @notice The chosen chunks.
    event ChunksRevealed(GameId indexed gameId, bytes chunks);
    /// @notice The challenger fixed an element of a long fold, whose value in the row is `value`.
    event ElementChosen(GameId indexed gameId, uint32 element, int256 value);
    /// @notice The executor's accumulators.
    event AccumulatorsPosted(GameId indexed gameId, bytes accumulators);
    /// @notice The challenger chose a part of a long fold.
    event PartChosen(GameId indexed gameId, uint256 part);
    /// @notice The challenger walks the record's cache tree.
    event CacheChosen(GameId indexed gameId);
    /// @notice The cache tree's first nodes.
    event CacheRevealed(GameId indexed gameId, bytes32[] nodes);
    /// @notice The challenger has proven the executor wrong: the game waits for `conclude`.
    event LieProven(GameId indexed gameId);
    /// @notice The game is decided.
    event GameEnded(GameId indexed gameId, Outcome outcome);
    /// @notice The game's bond and gas are paid.
    event GamePaid(GameId indexed gameId);

    /// @notice Opens a game on step `step` of a receipt, for the bond, within the challenge window. Anyone may; on a confidential receipt
    ///         only its requester and the watchers it named.
    /// @param request The receipt's request. @param record Record of the step, `traceSiblings` its opening under `traceRoot`.
    function open(
        CommittedReceipt calldata committed,
        Request calldata request,
        uint32 step,
        bytes32 record,
        bytes calldata traceSiblings
    ) external payable returns (GameId gameId);

    /// @notice The same, if the executor hides its records: the game walks the trace tree first.
    function openTrace(CommittedReceipt calldata committed, Request calldata request)
        external
        payable
        returns (GameId gameId);

    /// @notice Anyone: shows the first descendants of the trace tree's top.
    function revealTrace(Subject calldata subject, bytes32[] calldata nodes) external;

    /// @notice Challenger: names the first wrong record below the current node. The game goes on as the game on this step, under that game's id.
    /// @param siblings Opening of `record` up to the current node.
    function chooseStep(Subject calldata subject, uint32 step, bytes32 record, bytes calldata siblings)
        external
        returns (GameId next);

    /// @notice Executor: shows the record in plain and posts the fine tree's top through its first descendants.
    function postFine(Subject calldata subject, Record calldata record, bytes32[] calldata nodes) external;

    /// @notice Challenger: chooses the node `levels` below the current one, `REVEAL_LEVELS` or, if it knows the executor's nodes, more; it must
    ///         not be a leaf, nor may leaves be shown already.
    function choose(GameId gameId, uint256 levels, uint256 child) external;

    /// @notice Anyone: proves the chosen node by its siblings up to the current one and shows its descendants.
    function reveal(GameId gameId, bytes calldata siblings, bytes32[] calldata nodes) external;

    /// @notice Anyone: the same for the first node that is chosen in the fine tree, which opens to the executor's claim.
    function revealFine(Subject calldata subject, bytes calldata siblings, bytes32[] calldata nodes) external;

    /// @notice Challenger: chooses a row below the current node.
    function chooseRow(Subject calldata subject, OpenedInstruction calldata opened) external;

    /// @notice Anyone: proves the chosen row by its siblings and shows nodes of its tree or, if that is low, its chunks.
    function revealRow(GameId gameId, bytes calldata siblings, bytes32[] calldata nodes, bytes calldata chunks) external;

    /// @notice Anyone: proves the chosen node of a row by its siblings and shows its chunks.
    function revealChunks(GameId gameId, bytes calldata siblings, bytes calldata chunks) external;

    /// @notice Challenger: has the judge compute an element; the lie is proven if the row holds another value.
    /// @param request None, or the receipt's request if the instruction reads it.
    function settle(
        Subject calldata subject,
        bytes calldata instruction,
        OpenedElement calldata opened,
        Request[] calldata request,
        bytes calldata witness
    ) external;

    /// @notice Challenger, at the fine top, if it knows the executor's rows: opens row and element, has the judge compute it, and
    ///         convicts, all in one move.
    function settleJump(
        Subject calldata subject,
        OpenedInstruction calldata instruction,
        OpenedRow calldata row,
        OpenedElement calldata opened,
        Request[] calldata request,
        bytes calldata witness
    ) external;

    /// @notice Challenger: fixes an element of a fold of several blocks.
    function chooseElement(Subject calldata subject, bytes calldata instruction, OpenedElement calldata opened) external;

    /// @notice Executor: posts the accumulator after each part, or after each block of the chosen part, concatenated.
    function postAccumulators(Subject calldata subject, bytes calldata instruction, bytes calldata accumulators)
        external;

    /// @notice Challenger: chooses a part of several blocks.
    function choosePart(Subject calldata subject, bytes calldata instruction, uint256 part, bytes calldata accumulators)
        external;

    /// @notice Challenger: has the judge compute the accumulator after a block; the lie is proven if the executor posted another.
    /// @param request None, or the receipt's request if the instruction reads request or prompt.
    function settleBlock(
        Subject calldata subject,
        bytes calldata instruction,
        OpenedBlock calldata opened,
        Request[] calldata request,
        bytes calldata witness
    ) external;

    /// @notice Challenger: walks the record's cache tree instead. Wins at once if a program without cached rows has a cache root.
    function chooseCache(Subject calldata subject, Record calldata record) external;

    /// @notice Anyone: shows the first descendants of the record's cache tree.
    function revealCache(GameId gameId, bytes32[] calldata nodes) external;

    /// @notice Challenger: wins if a cache leaf differs from the fine leaf of the same row.
    /// @param cached The cache leaf, by slot. @param fine The leaf of the same row in the fine tree.
    function settleCache(
        Subject calldata subject,
        OpenedInstruction calldata opened,
        OpenedLeaf calldata cached,
        OpenedLeaf calldata fine
    ) external;

    /// @notice Challenger: wins if the record's token is not what the fine tree's token row says, or what a prompt position holds.
    /// @param chunk The token row's chunk, `siblings` the opening of its leaf under the fine top; ignored at prompt positions.
    function settleToken(Subject calldata subject, Record calldata record, bytes32 chunk, bytes calldata siblings)
        external;

    /// @notice Challenger: wins if the record's salt is not the one that the request gives.
    /// @param secret The request's seed, or what a confidential request's seed commits to.
    function settleSalt(Subject calldata subject, Record calldata record, Request calldata request, bytes32 secret)
        external;

    /// @notice Anyone: convicts an executor that was proven wrong.
    /// @dev Apart from the proof, so that the transaction with the judge in it stays small; nobody can undo the proof in between.
    function conclude(Subject calldata subject) external;

    /// @notice Anyone: the side whose deadline has passed loses; a challenger does not if the executor was convicted elsewhere.
    function timeout(Subject calldata subject) external;

    /// @notice Ends a game whose executor was convicted elsewhere: anyone if it was not opened before the winning case, else its challenger.
    function close(Subject calldata subject) external;

    /// @notice Anyone: pays a decided game after the air gap. Won and moot: bond and gas, a constant for each move, to the challenger.
    ///         Lost: half of the bond to the executor, the rest is burnt. In refund mode: the bond to the challenger.
    function payOut(Subject calldata subject) external;

    /// @notice State of a game.
    function gameOf(GameId gameId) external view returns (Game memory);

    /// @notice The fine top that the executor claimed for a step of a receipt; zero if none.
    function fineTopOf(ReceiptHash receiptHash, uint32 step) external view returns (bytes32);

    /// @notice Id of the game on this subject.
    function gameIdOf(Subject calldata subject) external pure returns (GameId);

    /// @notice Most turns that a game can take.
    function MAX_TURNS() external view returns (uint256);

    /// @notice Time for a move.
    function TURN_DURATION() external view returns (Duration);

    /// @notice Levels that one move shows below a tree's top or a chosen node, and that a choice descends at least.
    function REVEAL_LEVELS() external view returns (uint256);

    /// @notice Below a node that was chosen at this level, or a lower one, its leaves are shown.
    function LAST_LEVELS() external view returns (uint256);

    /// @notice Gas that is repaid for a game that took the challenger `moves` moves besides opening and conclusion.
    function gasOf(uint256 moves) external view returns (uint256);

    /// @notice Most gas that a game costs the executor, whose half of a lost bond covers it at the rules' price.
    function EXECUTOR_GAS() external view returns (uint256);

    /// @notice Whose batches it decides about.
    function ROLLUP() external view returns (IOtrRollup);

    /// @notice Where bonds are held.
    function VAULT() external view returns (IStakeVault);

    /// @notice Who decides single steps.
    function JUDGE() external view returns (IJudge);

    /// @notice Where models are known.
    function MODELS() external view returns (IModelRegistry);

    /// @notice Decides whether deadlines have passed.
    function UPTIME() external view returns (IUptime);
}
