// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IOtrConsumer} from "./interfaces/IOtrConsumer.sol";
import {Finality, IOtrRequests, RequestInfo, RequestState} from "./interfaces/IOtrRequests.sol";
import {Clock, Duration, Timestamp} from "./libraries/Clock.sol";
import {ReceiptLib} from "./libraries/ReceiptLib.sol";
import {SaltLib} from "./libraries/SaltLib.sol";
import {Tags} from "./libraries/Tags.sol";
import {StoredTokens, TokenStore} from "./libraries/TokenStore.sol";
import {ModelId, Request, RequestHash} from "./types/OtrTypes.sol";

/// @title Requests with their escrow, their candidates and their callbacks
/// @notice What `OtrRequests` and `MockOtrRequests` have in common, so that a consumer's tests run the code that will call it.
/// @dev Every function ends with `_callBack`, after all state, events and payments.
abstract contract RequestBook is IOtrRequests {
    using ReceiptLib for Request;
    using SafeCast for uint256;
    using TokenStore for StoredTokens;
    using TokenStore for uint32[];

    /// @inheritdoc IOtrRequests
    Duration public constant MAX_LIFETIME = Duration.wrap(30 days);
    /// @inheritdoc IOtrRequests
    uint32 public constant MAX_OUTPUT = 2048;
    /// @inheritdoc IOtrRequests
    uint32 public constant MAX_CALLBACK_GAS = 2_000_000;
    /// @inheritdoc IOtrRequests
    uint256 public constant MAX_LIST = 16;
    /// @inheritdoc IOtrRequests
    Duration public immutable DELIVERY_PERIOD;

    /// @dev Gas that a call costs besides what it hands on, and that the event of its failure costs.
    uint256 private constant CALL_COST = 12_000;

    /// @dev `shown` is the candidate that is shown, or the answer.
    struct Entry {
        RequestInfo info;
        bytes32 shown;
    }

    mapping(RequestHash requestHash => Entry) private _entries;
    mapping(RequestHash requestHash => mapping(bytes32 candidate => StoredTokens)) private _outputs;

    constructor(Duration deliveryPeriod) {
        DELIVERY_PERIOD = deliveryPeriod;
    }

    // ---------------------------------------------------------------- the requester's side

    /// @inheritdoc IOtrRequests
    function request(Request memory request_, uint32[] calldata input, Finality finality, uint32 callbackGas)
        external
        payable
        returns (RequestHash requestHash)
    {
        // INVARIANT: a request is its requester's own: nobody asks, pays or is called back in another's name.
        if (request_.requester != msg.sender) revert NotRequester(request_.requester, msg.sender);
        if (request_.confidential) revert Confidential();
        _checkLimits(request_, input, callbackGas);
        bytes32 inputRoot = inputRootOf(msg.sender, request_.seed, request_.nonce, input);
        // INVARIANT: whoever holds the event can serve the request, and dispute the answer.
        if (request_.inputRoot != 0 && request_.inputRoot != inputRoot) {
            revert RootMismatch(request_.inputRoot, inputRoot);
        }
        if (request_.nIn != 0 && request_.nIn != input.length) revert InputLength(request_.nIn, input.length);
        request_.inputRoot = inputRoot;
        request_.nIn = uint32(input.length);
        requestHash = request_.hashInMemory(_domain());
        Entry storage entry = _entries[requestHash];
        // INVARIANT: one payment for each request hash.
        if (entry.info.state != RequestState.None) revert RequestExists(requestHash);
        uint96 payment = msg.value.toUint96();
        entry.info = RequestInfo({
            requester: msg.sender,
            payment: payment,
            deadline: Clock.fromSeconds(request_.deadline),
            callbackGas: callbackGas,
            candidates: 0,
            round: 0,
            finality: finality,
            state: RequestState.Open
        });
        emit Requested(requestHash, msg.sender, request_.modelId, request_, input, finality, callbackGas, payment);
        if (payment != 0) _escrow(payment);
    }

    /// @inheritdoc IOtrRequests
    function refund(RequestHash requestHash) external {
        Entry storage entry = _unsettled(requestHash);
        RequestInfo memory info = entry.info;
        Timestamp until = info.deadline.plus(DELIVERY_PERIOD);
        // INVARIANT: who has delivered in time is paid if its receipt becomes final, whoever wants a refund before.
        if (!_hasPassed(until)) revert DeliveryOpen(until);
        if (info.candidates != 0) revert CandidatesOpen(info.candidates);
        entry.info.state = RequestState.Refunded;
        emit Refunded(requestHash, info.requester, info.payment);
        if (info.payment != 0) _pay(info.requester, info.payment);
        _callBack(requestHash, info, RequestState.Refunded, info.round, new uint32[](0));
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IOtrRequests
    function answerOf(RequestHash requestHash)
        external
        view
        returns (RequestState state, uint32 round, uint32[] memory output)
    {
        Entry storage entry = _entries[requestHash];
        return (entry.info.state, entry.info.round, _outputs[requestHash][entry.shown].read());
    }

    /// @inheritdoc IOtrRequests
    function requestOf(RequestHash requestHash) external view returns (RequestInfo memory) {
        return _entries[requestHash].info;
    }

    /// @inheritdoc IOtrRequests
    function deliverBy(RequestHash requestHash) external view returns (Timestamp) {
        return _entries[requestHash].info.deadline.plus(DELIVERY_PERIOD);
    }

    /// @inheritdoc IOtrRequests
    function inputRootOf(address requester, bytes32 seed, uint64 nonce, uint32[] calldata input)
        public
        pure
        returns (bytes32)
    {
        return SaltLib.tokensRoot(Tags.INPUT, SaltLib.keyOf(requester, seed, nonce), SaltLib.INPUT, input);
    }

    // ---------------------------------------------------------------- candidates

    /// @dev Takes an answer in as a candidate.
    function _addCandidate(RequestHash requestHash, bytes32 candidate, uint32[] calldata output) internal {
        _outputs[requestHash][candidate] = output.write();
        ++_entries[requestHash].info.candidates;
    }

    /// @dev Shows a candidate, if that is wanted and nothing is shown.
    function _show(RequestHash requestHash, bytes32 candidate) internal returns (bool shown) {
        Entry storage entry = _entries[requestHash];
        RequestInfo memory info = entry.info;
        if (info.finality != Finality.Provisional || info.state != RequestState.Open) return false;
        entry.info.state = RequestState.Provisional;
        entry.info.round = ++info.round;
        entry.shown = candidate;
        uint32[] memory output = _outputs[requestHash][candidate].read();
        emit Provisional(requestHash, info.round, output);
        _callBack(requestHash, info, RequestState.Provisional, info.round, output);
        return true;
    }

    /// @dev A candidate is final: it is the answer, and `executor` is paid.
    function _settle(RequestHash requestHash, bytes32 candidate, address executor) internal {
        Entry storage entry = _entries[requestHash];
        RequestInfo memory info = entry.info;
        StoredTokens stored = _outputs[requestHash][candidate];
        uint32[] memory output = stored.read();
        bool sameOutput = info.state == RequestState.Provisional
            && (entry.shown == candidate || _equal(output, _outputs[requestHash][entry.shown].read()));
        if (!sameOutput) ++info.round;
        // INVARIANT: a request is paid once: it leaves the states in which it is.
        entry.info.state = RequestState.Final;
        entry.info.round = info.round;
        entry.shown = candidate;
        emit Final(requestHash, info.round, executor, output);
        if (info.payment != 0) _pay(executor, info.payment);
        _callBack(requestHash, info, RequestState.Final, info.round, output);
    }

    /// @dev A candidate does not stand: it goes, and if it was shown, the request is open again.
    function _drop(RequestHash requestHash, bytes32 candidate) internal {
        Entry storage entry = _entries[requestHash];
        RequestInfo memory info = entry.info;
        _outputs[requestHash][candidate] = StoredTokens.wrap(0);
        entry.info.candidates = info.candidates - 1;
        if (entry.shown != candidate) return;
        entry.info.state = RequestState.Open;
        entry.shown = 0;
        emit Reverted(requestHash, info.round);
        _callBack(requestHash, info, RequestState.Open, info.round, new uint32[](0));
    }

    function _isCandidate(RequestHash requestHash, bytes32 candidate) internal view returns (bool) {
        return _outputs[requestHash][candidate].exists();
    }

    /// @dev A request that is neither answered nor refunded.
    function _unsettled(RequestHash requestHash) internal view returns (Entry storage entry) {
        entry = _entries[requestHash];
        RequestState state = entry.info.state;
        if (state != RequestState.Open && state != RequestState.Provisional) revert WrongState(requestHash, state);
    }

    // ---------------------------------------------------------------- internals

    /// @dev INVARIANT: a request that is taken in can be answered: enclaves refuse none of these, and the answer's delivery, with its
    ///      callback, fits into a transaction. Else an executor would work for a payment that it cannot get.
    function _checkLimits(Request memory request_, uint32[] calldata input, uint32 callbackGas) private view {
        (uint256 contextLength, uint32 vocabSize) = _model(request_.modelId);
        uint256 now_ = block.timestamp;
        _requireRange("deadline", request_.deadline, now_ + 1, now_ + MAX_LIFETIME.inSeconds());
        _requireRange("maxOut", request_.maxOut, 1, MAX_OUTPUT);
        _requireRange("input", input.length, 1, contextLength);
        _requireRange("input and maxOut", input.length + request_.maxOut, 2, contextLength);
        _requireRange("sampler", request_.sampler, 0, 1);
        _requireRange("stopTokens", request_.stopTokens.length, 0, MAX_LIST);
        _requireRange("watchers", request_.watchers.length, 0, MAX_LIST);
        _requireRange("callbackGas", callbackGas, 0, MAX_CALLBACK_GAS);
        for (uint256 i; i < input.length; ++i) {
            if (input[i] >= vocabSize) revert UnknownToken(i, input[i], vocabSize);
        }
    }

    function _requireRange(bytes32 what, uint256 value, uint256 least, uint256 most) private pure {
        if (value < least || value > most) revert OutOfRange(what, value, least, most);
    }

    function _equal(uint32[] memory a, uint32[] memory b) private pure returns (bool) {
        return keccak256(abi.encodePacked(a)) == keccak256(abi.encodePacked(b));
    }

    /// @dev The last deed of a transaction.
    function _callBack(
        RequestHash requestHash,
        RequestInfo memory info,
        RequestState state,
        uint32 round,
        uint32[] memory output
    ) private {
        uint256 gas_ = info.callbackGas;
        if (gas_ == 0) return;
        address requester = info.requester;
        bytes memory data = abi.encodeCall(IOtrConsumer.onOtrResult, (requestHash, state, round, output));
        // INVARIANT: the consumer gets all its gas, or nothing happens. A call hands on 63 of 64 parts of what is left at most (EIP-150).
        uint256 needed = gas_ + gas_ / 63 + 1 + CALL_COST;
        if (gasleft() < needed) revert CallbackGas(needed, gasleft());
        bool success;
        // SAFETY: reads `data`. Nothing of what the consumer returns is copied, however long it is.
        assembly ("memory-safe") {
            success := call(gas_, requester, 0, add(data, 0x20), mload(data), 0, 0)
        }
        // INVARIANT: a consumer that fails harms only itself.
        if (!success) emit CallbackFailed(requestHash, state);
    }

    // ---------------------------------------------------------------- what differs

    /// @dev Address of the rollup in whose domain requests are hashed.
    function _domain() internal view virtual returns (address);

    /// @dev Context length and vocabulary of a model; reverts if it cannot be used.
    function _model(ModelId modelId) internal view virtual returns (uint256 contextLength, uint32 vocabSize);

    /// @dev Whether a deadline has passed for good.
    function _hasPassed(Timestamp deadline) internal view virtual returns (bool);

    /// @dev Puts a payment into escrow.
    function _escrow(uint256 amount) internal virtual;

    /// @dev Turns escrow into a claim of `to`.
    function _pay(address to, uint256 amount) internal virtual;
}
