// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {RequestBook} from "./RequestBook.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IOtrDelivery} from "./interfaces/IOtrDelivery.sol";
import {IOtrRequests} from "./interfaces/IOtrRequests.sol";
import {Batch, CommittedReceipt, IOtrRollup, Status} from "./interfaces/IOtrRollup.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {IUptime} from "./interfaces/IUptime.sol";
import {Duration, Timestamp} from "./libraries/Clock.sol";
import {ReceiptLib} from "./libraries/ReceiptLib.sol";
import {SaltLib} from "./libraries/SaltLib.sol";
import {Tags} from "./libraries/Tags.sol";
import {ModelId, Receipt, ReceiptHash, Request, RequestHash} from "./types/OtrTypes.sol";

/// @title OtrRequests
/// @notice Immutable and without an owner: nobody can redirect an escrow. It holds no ETH; payments wait in its bucket of the vault.
contract OtrRequests is RequestBook, IOtrDelivery {
    using ReceiptLib for Receipt;
    using ReceiptLib for Request;

    /// @dev `Receipt.stopReason`: the last token is a stop token; or `maxOut` is reached.
    uint8 private constant STOPPED = 0;
    uint8 private constant FULL = 1;

    /// @inheritdoc IOtrDelivery
    IOtrRollup public immutable ROLLUP;
    /// @inheritdoc IOtrRequests
    IStakeVault public immutable VAULT;
    /// @inheritdoc IOtrDelivery
    IModelRegistry public immutable MODELS;
    /// @inheritdoc IOtrDelivery
    IUptime public immutable UPTIME;

    constructor(IOtrRollup rollup, IStakeVault vault, IModelRegistry models, IUptime uptime, Duration deliveryPeriod)
        RequestBook(deliveryPeriod)
    {
        ROLLUP = rollup;
        VAULT = vault;
        MODELS = models;
        UPTIME = uptime;
    }

    // ---------------------------------------------------------------- the executor's side

    /// @inheritdoc IOtrDelivery
    function deliver(Request calldata request_, CommittedReceipt calldata committed, uint32[] calldata output)
        external
    {
        RequestHash requestHash = request_.hash(address(ROLLUP));
        Entry storage entry = _unsettled(requestHash);
        Timestamp deadline = entry.info.deadline;
        Timestamp until = deadline.plus(DELIVERY_PERIOD);
        if (_hasPassed(until)) revert DeliveryOver(until);
        _checkAnswer(requestHash, request_, committed.receipt, output);
        Batch memory batch = ROLLUP.batchOf(committed.batchId);
        // INVARIANT: behind every answer stands a lock: nobody would dispute a lie that pays nothing.
        if (batch.scarce) revert NoLock(committed.batchId);
        Timestamp committedAt = batch.committedAt;
        // INVARIANT: every candidate was committed by the deadline, so that the end of all of them is bounded.
        if (deadline.isBefore(committedAt)) revert CommittedLate(deadline, committedAt);
        Status status = ROLLUP.statusOf(committed);
        ReceiptHash receiptHash = committed.receipt.hash(address(ROLLUP));
        if (status == Status.None || status == Status.Reverted) revert NotStanding(receiptHash, status);
        bytes32 candidate = _candidateOf(committed, receiptHash);
        if (_isCandidate(requestHash, candidate)) revert AlreadyDelivered(requestHash, candidate);
        _addCandidate(requestHash, candidate, output);
        emit Delivered(requestHash, committed.receipt.executor, receiptHash, candidate);
        if (status == Status.Final) _settle(requestHash, candidate, committed.receipt.executor);
        else if (status == Status.Provisional) _show(requestHash, candidate);
    }

    /// @inheritdoc IOtrDelivery
    function finish(RequestHash requestHash, CommittedReceipt calldata committed) external {
        _unsettled(requestHash);
        bytes32 candidate = _candidateOf(committed, committed.receipt.hash(address(ROLLUP)));
        // INVARIANT: the opening is the one that was delivered, and right; so `None` means that the batch or the key does not count, not that
        // somebody sent a wrong opening.
        if (!_isCandidate(requestHash, candidate)) revert NotDelivered(requestHash, candidate);
        Status status = ROLLUP.statusOf(committed);
        if (status == Status.Final) {
            _settle(requestHash, candidate, committed.receipt.executor);
        } else if (status == Status.None || status == Status.Reverted) {
            emit Dropped(requestHash, candidate, status);
            _drop(requestHash, candidate);
        } else if (status != Status.Provisional || !_show(requestHash, candidate)) {
            revert Unsettled(requestHash, status);
        }
    }

    /// @inheritdoc IOtrDelivery
    function isCandidate(RequestHash requestHash, CommittedReceipt calldata committed) external view returns (bool) {
        return _isCandidate(requestHash, _candidateOf(committed, committed.receipt.hash(address(ROLLUP))));
    }

    // ---------------------------------------------------------------- internals

    /// @dev INVARIANT: only a whole answer to this very request is a candidate, whatever a court would say of it.
    function _checkAnswer(
        RequestHash requestHash,
        Request calldata request_,
        Receipt calldata receipt,
        uint32[] calldata output
    ) private pure {
        if (RequestHash.unwrap(receipt.requestHash) != RequestHash.unwrap(requestHash)) {
            revert RequestMismatch(requestHash, receipt.requestHash);
        }
        if (ModelId.unwrap(receipt.modelId) != ModelId.unwrap(request_.modelId)) revert ReceiptContradicts("modelId");
        if (receipt.inputRoot != request_.inputRoot) revert ReceiptContradicts("inputRoot");
        if (receipt.nIn != request_.nIn) revert ReceiptContradicts("nIn");
        uint256 count = output.length;
        if (count == 0 || receipt.nOut != count || count > request_.maxOut) revert ReceiptContradicts("nOut");
        bytes32 outputRoot =
            SaltLib.tokensRoot(Tags.OUTPUT, SaltLib.key(request_, request_.seed), SaltLib.OUTPUT, output);
        if (receipt.outputRoot != outputRoot) revert RootMismatch(receipt.outputRoot, outputRoot);
        // A stop token ends the answer: it is the last one, or there is none and the answer is as long as it may be.
        uint256 firstStop = _firstStop(request_.stopTokens, output);
        bool whole = firstStop == count
            ? receipt.stopReason == FULL && count == request_.maxOut
            : receipt.stopReason == STOPPED && firstStop == count - 1;
        if (!whole) revert ReceiptContradicts("stopReason");
    }

    /// @dev Index of the first output token that is a stop token; the number of tokens if none is.
    function _firstStop(uint32[] calldata stopTokens, uint32[] calldata output) private pure returns (uint256 index) {
        // SAFETY: reads words within the two arrays, whose bounds Solidity has checked. Both are clean: bits beyond a token would have changed
        // the request's hash, or the output root.
        assembly ("memory-safe") {
            let stopEnd := add(stopTokens.offset, shl(5, stopTokens.length))
            for {} lt(index, output.length) { index := add(index, 1) } {
                let token := calldataload(add(output.offset, shl(5, index)))
                let at := stopTokens.offset
                for {} lt(at, stopEnd) { at := add(at, 0x20) } { if eq(calldataload(at), token) { break } }
                if lt(at, stopEnd) { break }
            }
        }
    }

    function _candidateOf(CommittedReceipt calldata committed, ReceiptHash receiptHash) private pure returns (bytes32) {
        return keccak256(abi.encode(committed.batchId, committed.index, receiptHash, keccak256(committed.siblings)));
    }

    function _domain() internal view override returns (address) {
        return address(ROLLUP);
    }

    function _model(ModelId modelId) internal view override returns (uint256 contextLength, uint32 vocabSize) {
        IModelRegistry.Dimensions memory model = MODELS.dimensionsOf(modelId);
        if (!model.usableAt.isSet()) revert ModelNotUsable(modelId);
        return (model.contextLength, model.vocabSize);
    }

    function _hasPassed(Timestamp deadline) internal view override returns (bool) {
        // A deadline in the future is not passed, whatever the sequencer did.
        return deadline.hasCome() && UPTIME.hasPassed(deadline);
    }

    function _escrow(uint256 amount) internal override {
        VAULT.depositBond{value: amount}();
    }

    function _pay(address to, uint256 amount) internal override {
        VAULT.payBond(to, amount, 0);
    }
}
