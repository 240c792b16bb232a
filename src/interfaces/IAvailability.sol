// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Duration, Timestamp} from "../libraries/Clock.sol";
import {Receipt, Request, RequestHash} from "../types/OtrTypes.sol";
import {BatchId, CommittedReceipt, IOtrRollup} from "./IOtrRollup.sol";
import {IStakeVault} from "./IStakeVault.sol";
import {IUptime} from "./IUptime.sol";

/// @notice Where a demand stands. Moot: the executor was convicted elsewhere.
enum DemandState {
    None,
    Open,
    Answered,
    Unanswered,
    Moot,
    Paid
}

/// @notice A demand for the data of one leaf of a batch.
/// @param deadline Until when it can be answered; once it is over, when it ended.
struct Demand {
    address demander;
    Timestamp openedAt;
    Timestamp deadline;
    DemandState state;
    address executor;
    uint96 bond;
}

/// @title Demands for what cannot be recomputed
/// @notice Output and trace follow from request and prompt; these and the receipt must be available. Whoever cannot get them demands them in
///         the first half of the window, for a bond; the executor posts them within a turn and earns half of the bond, or is convicted
///         (docs/protocol.md, section 7). Of a confidential receipt the prompt stays hidden: its requester and watchers have it.
///         Immutable, one of the courts of the rules.
interface IAvailability {
    /// @notice The bond is exactly this.
    error BondAmount(uint256 expected, uint256 got);
    /// @notice The demand is in another state.
    error WrongState(DemandState expected, DemandState got);
    /// @notice The demand's time is over.
    error DeadlinePassed(Timestamp deadline);
    /// @notice The demand's time is not over.
    error DeadlineNotPassed(Timestamp deadline);
    /// @notice The leaf is not this receipt.
    error LeafMismatch(BatchId batchId, uint256 index);
    /// @notice The request is not the receipt's.
    error RequestMismatch(RequestHash expected, RequestHash got);
    /// @notice The prompt's tokens do not lead to the input root.
    error RootMismatch(bytes32 expected, bytes32 got);
    /// @notice So many tokens belong here: the whole prompt, or its part; none of a confidential one.
    error TokenCount(uint256 expected, uint256 got);
    /// @notice The caller did not post this part of the prompt.
    error PartMissing(uint256 part);
    /// @notice The executor was not convicted elsewhere, or the demand was made before the case that did it: only its demander ends it.
    error NotMoot(address executor);
    /// @notice Paid after the air gap.
    error NotDue(Timestamp dueAt);

    /// @notice The data of a leaf is demanded.
    event Demanded(BatchId indexed batchId, uint256 indexed index, address indexed demander, Timestamp deadline);
    /// @notice The data of a demanded leaf.
    /// @param input The prompt's tokens, four bytes each, big-endian; none if the request is confidential, or if parts were posted.
    /// @param siblings The leaf's opening in the batch: who was not shown the batch needs it to accuse.
    event Answered(
        BatchId indexed batchId,
        uint256 indexed index,
        RequestHash indexed requestHash,
        Receipt receipt,
        Request request,
        bytes input,
        bytes siblings
    );
    /// @notice The executor did not answer.
    event Unanswered(BatchId indexed batchId, uint256 indexed index, address indexed demander);
    /// @notice A part of a long prompt. Those that count are by the sender of the answer (`Answered` has the transaction).
    event PartPosted(RequestHash indexed requestHash, uint256 indexed part, address indexed by, bytes input);
    /// @notice The executor was convicted elsewhere.
    event Closed(BatchId indexed batchId, uint256 indexed index);
    /// @notice The bond went to `to`.
    event DemandPaid(BatchId indexed batchId, uint256 indexed index, address indexed to);

    /// @notice Demands the data of leaf `index`, for the bond.
    function demand(BatchId batchId, uint256 index) external payable;

    /// @notice Posts receipt, request and prompt of a demanded leaf. Anyone may.
    /// @param input The prompt's tokens; none if the request is confidential.
    function answer(CommittedReceipt calldata committed, Request calldata request, uint32[] calldata input) external;

    /// @notice For a prompt too long for one transaction: posts 2^11 of its tokens (the last part: the rest), for the caller's own answer.
    function postPart(Request calldata request, uint256 part, uint32[] calldata input) external;

    /// @notice As `answer`, once the caller has posted all parts of the prompt.
    function answerOfParts(CommittedReceipt calldata committed, Request calldata request) external;

    /// @notice Ends a demand that was not answered in time. Anyone may.
    function timeout(BatchId batchId, uint256 index) external;

    /// @notice Ends a demand whose executor was convicted elsewhere: the bond goes back. Anyone may; if the demand was made before the winning
    ///         case, only its demander.
    function close(BatchId batchId, uint256 index) external;

    /// @notice Pays out after the air gap. Answered: half of the bond to the executor, the rest is burnt. Else, or in refund mode: the bond to the
    ///         demander, with its gas if the executor was convicted. Anyone may.
    function payOut(BatchId batchId, uint256 index) external;

    /// @notice A demand.
    function demandOf(BatchId batchId, uint256 index) external view returns (Demand memory);

    /// @notice Most gas of an answer to a prompt of `PROMPT_LIMIT` tokens: half of the bond covers it at the rules' price.
    function ANSWER_GAS() external view returns (uint256);

    /// @notice Gas that is repaid for a demand that was not answered.
    function DEMAND_GAS() external view returns (uint256);

    /// @notice Longest prompt whose answer half of the bond covers. Executors refuse longer ones, unless confidential.
    function PROMPT_LIMIT() external view returns (uint256);

    /// @notice Time for an answer.
    function TURN_DURATION() external view returns (Duration);

    /// @notice The rollup that this court reports to.
    function ROLLUP() external view returns (IOtrRollup);

    /// @notice Where bonds are held.
    function VAULT() external view returns (IStakeVault);

    /// @notice Decides whether deadlines have passed.
    function UPTIME() external view returns (IUptime);
}
