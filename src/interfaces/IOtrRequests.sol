// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Duration, Timestamp} from "../libraries/Clock.sol";
import {ModelId, Request, RequestHash} from "../types/OtrTypes.sol";
import {IStakeVault} from "./IStakeVault.sol";

/// @notice When the requester wants to hear of an answer.
/// @dev Provisional: as soon as a standing receipt is delivered, and again when it is final or reverted. Final: only once it is final.
enum Finality {
    Provisional,
    Final
}

/// @notice Where a request stands.
/// @dev Open: no answer is shown. Provisional: one is shown, its receipt is not final. Final: answered and paid. Refunded: over, without an
///      answer.
enum RequestState {
    None,
    Open,
    Provisional,
    Final,
    Refunded
}

/// @notice What is kept of a request.
/// @param payment Wei in escrow, for the executor of the answer that becomes final.
/// @param deadline Until when the answer's batch must be committed.
/// @param callbackGas Gas of each callback; zero for none.
/// @param candidates Delivered answers that are not settled.
/// @param round Number of the answer shown last, from 1; under one number there is one output.
struct RequestInfo {
    address requester;
    uint96 payment;
    Timestamp deadline;
    uint32 callbackGas;
    uint32 candidates;
    uint32 round;
    Finality finality;
    RequestState state;
}

/// @title Requests of contracts: the requester's side
/// @notice A request's payment waits in the vault until an answer is final, then it is its executor's; or, if none was delivered in time or
///         none stood, the requester's. Whatever is paid is a claim in the vault. `MockOtrRequests` implements the same for tests.
///         docs/integration.md is the guide.
interface IOtrRequests {
    /// @notice Only the requester asks.
    error NotRequester(address expected, address got);
    /// @notice The prompt is in calldata: it cannot be confidential.
    error Confidential();
    /// @notice The tokens do not lead to the root.
    error RootMismatch(bytes32 expected, bytes32 got);
    /// @notice The request names another number of tokens.
    error InputLength(uint256 expected, uint256 got);
    /// @notice `what` is not between `least` and `most`.
    error OutOfRange(bytes32 what, uint256 value, uint256 least, uint256 most);
    /// @notice The model does not have this token.
    error UnknownToken(uint256 index, uint32 token, uint32 vocabSize);
    /// @notice The model cannot be judged.
    error ModelNotUsable(ModelId modelId);
    /// @notice This request was made before.
    error RequestExists(RequestHash requestHash);
    /// @notice The request is in another state.
    error WrongState(RequestHash requestHash, RequestState state);
    /// @notice Answers can still be delivered.
    error DeliveryOpen(Timestamp until);
    /// @notice Delivered answers are not settled.
    error CandidatesOpen(uint256 candidates);
    /// @notice The transaction leaves less gas than the callback was promised.
    error CallbackGas(uint256 needed, uint256 got);

    /// @notice A request waits for an executor. `request` is complete: what is signed and answered.
    event Requested(
        RequestHash indexed requestHash,
        address indexed requester,
        ModelId indexed modelId,
        Request request,
        uint32[] input,
        Finality finality,
        uint32 callbackGas,
        uint96 payment
    );
    /// @notice An answer stands on its receipt.
    event Provisional(RequestHash indexed requestHash, uint32 indexed round, uint32[] output);
    /// @notice The provisional answer was reverted.
    event Reverted(RequestHash indexed requestHash, uint32 indexed round);
    /// @notice The answer is final, its executor was paid.
    event Final(RequestHash indexed requestHash, uint32 indexed round, address indexed executor, uint32[] output);
    /// @notice There will be no answer: the payment is the requester's.
    event Refunded(RequestHash indexed requestHash, address indexed requester, uint96 payment);
    /// @notice The callback failed. The answer stays readable.
    event CallbackFailed(RequestHash indexed requestHash, RequestState state);

    /// @notice Asks, with the value sent as payment. The caller is the requester.
    /// @dev The payment is for the whole answer, however short. Nothing takes a request back before its deadline.
    /// @param request_ `inputRoot` and `nIn` follow from the tokens: zero or right. Not confidential. Its deadline is for the commitment of
    ///        the answer's batch.
    /// @param input The prompt's tokens. They go into the event, where every executor finds them.
    /// @param callbackGas Gas for each `IOtrConsumer.onOtrResult`; zero if nothing shall be called.
    function request(Request calldata request_, uint32[] calldata input, Finality finality, uint32 callbackGas)
        external
        payable
        returns (RequestHash requestHash);

    /// @notice Ends a request without an answer: from `deliverBy` on, once no delivered answer is left. Anyone may; the payment becomes
    ///         the requester's claim in the vault.
    function refund(RequestHash requestHash) external;

    /// @notice State, number and tokens of the answer; no tokens unless one is shown.
    /// @dev `Provisional` says that the answer was delivered and that nobody has reported its end; `IOtrRollup.statusOf` knows more.
    function answerOf(RequestHash requestHash)
        external
        view
        returns (RequestState state, uint32 round, uint32[] memory output);

    /// @notice A request; all zero if unknown.
    function requestOf(RequestHash requestHash) external view returns (RequestInfo memory);

    /// @notice Until when an answer can be delivered (outages of the chain's sequencer prolong it); from then on a refund is possible.
    function deliverBy(RequestHash requestHash) external view returns (Timestamp);

    /// @notice Input root of a prompt in a request that is not confidential.
    function inputRootOf(address requester, bytes32 seed, uint64 nonce, uint32[] calldata input)
        external
        pure
        returns (bytes32);

    /// @notice Where payments wait and refunds are claimed.
    function VAULT() external view returns (IStakeVault);

    /// @notice Time after a request's deadline in which answers are delivered.
    function DELIVERY_PERIOD() external view returns (Duration);

    /// @notice Longest time from a request to its deadline.
    function MAX_LIFETIME() external view returns (Duration);

    /// @notice Most output tokens of a request: delivering them fits into a transaction.
    function MAX_OUTPUT() external view returns (uint32);

    /// @notice Most gas of a callback: an executor that serves a request can always pay for it.
    function MAX_CALLBACK_GAS() external view returns (uint32);

    /// @notice Most stop tokens, and most watchers, of a request.
    function MAX_LIST() external view returns (uint256);
}
