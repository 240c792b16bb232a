// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Fraud, IFraudProofs, OtherReceipt} from "./interfaces/IFraudProofs.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {Batch, CommittedReceipt, IOtrRollup} from "./interfaces/IOtrRollup.sol";
import {BinaryTree} from "./libraries/BinaryTree.sol";
import {Clock, Duration, Timestamp} from "./libraries/Clock.sol";
import {PartLib} from "./libraries/PartLib.sol";
import {ReceiptLib} from "./libraries/ReceiptLib.sol";
import {ReceiptSignatures} from "./libraries/ReceiptSignatures.sol";
import {SaltLib} from "./libraries/SaltLib.sol";
import {Tags} from "./libraries/Tags.sol";
import {ModelId, Receipt, ReceiptHash, Request, RequestHash} from "./types/OtrTypes.sol";

/// @title FraudProofs
contract FraudProofs is IFraudProofs {
    using ReceiptLib for Receipt;
    using ReceiptLib for Request;

    /// @dev Stop reasons of a receipt (docs/protocol.md, section 2).
    uint8 private constant STOP = 0;
    uint8 private constant LENGTH = 1;
    uint8 private constant CANCELLED = 2;
    /// @dev The highest sampler code.
    uint8 private constant LAST_SAMPLER = 1;

    /// @inheritdoc IFraudProofs
    IOtrRollup public immutable ROLLUP;
    /// @inheritdoc IFraudProofs
    IModelRegistry public immutable MODELS;
    /// @inheritdoc IFraudProofs
    Duration public immutable ANNOUNCEMENT_LIFETIME;

    mapping(bytes32 announcement => Timestamp) private _announcedAt;
    mapping(ReceiptHash receiptHash => mapping(uint256 part => bytes32 node)) private _parts;

    constructor(IOtrRollup rollup, IModelRegistry models, Duration announcementLifetime) {
        ROLLUP = rollup;
        MODELS = models;
        ANNOUNCEMENT_LIFETIME = announcementLifetime;
    }

    // ---------------------------------------------------------------- announcements

    /// @inheritdoc IFraudProofs
    function announce(bytes32 announcement) external {
        Timestamp made = _announcedAt[announcement];
        // INVARIANT: an announcement keeps its time, so that repeating somebody's announcement takes nothing from it.
        if (made.isSet() && !_isOutdated(made)) revert AlreadyAnnounced(announcement, made);
        _announcedAt[announcement] = Clock.current();
        emit Announced(announcement, msg.sender);
    }

    /// @inheritdoc IFraudProofs
    function announcedAt(bytes32 announcement) external view returns (Timestamp) {
        return _announcedAt[announcement];
    }

    // ---------------------------------------------------------------- receipt against request

    /// @inheritdoc IFraudProofs
    function proveField(CommittedReceipt calldata committed, Request calldata request) external {
        ReceiptHash receiptHash = _enter(committed);
        Receipt calldata receipt = committed.receipt;
        _requireRequest(receipt, request);
        if (receipt.nOut > request.maxOut) {
            _convict(committed, receiptHash, Fraud.Length);
        } else if (_differs(receipt, request)) {
            _convict(committed, receiptHash, Fraud.Field);
        } else if (_stopsFalsely(receipt, request)) {
            _convict(committed, receiptHash, Fraud.Stop);
        } else {
            revert NothingProven();
        }
    }

    /// @inheritdoc IFraudProofs
    function proveStop(
        CommittedReceipt calldata committed,
        Request calldata request,
        uint32 i,
        uint32 token,
        bytes32 salt,
        bytes calldata siblings
    ) external {
        ReceiptHash receiptHash = _enter(committed);
        Receipt calldata receipt = committed.receipt;
        _requireRequest(receipt, request);
        // INVARIANT: only what the executor committed to is held against it: the leaf binds salt and token, the root place and count.
        bytes32 root = BinaryTree.rootOf(Tags.OUTPUT, SaltLib.tokenLeaf(salt, token), i, receipt.nOut, siblings);
        if (root != receipt.outputRoot) revert RootMismatch(receipt.outputRoot, root);
        bool stops = _contains(request.stopTokens, token);
        bool last = i == receipt.nOut - 1;
        if (last ? stops == (receipt.stopReason == STOP) : !stops) revert NothingProven();
        _convict(committed, receiptHash, Fraud.Stop);
    }

    // ---------------------------------------------------------------- output against trace

    /// @inheritdoc IFraudProofs
    function proveOutput(
        CommittedReceipt calldata committed,
        Request calldata request,
        bytes32 secret,
        bytes calldata records,
        bytes calldata siblings
    ) external {
        ReceiptHash receiptHash = _enter(committed);
        Receipt calldata receipt = committed.receipt;
        bytes32[] memory leaves = _outputLeaves(receipt, request, secret, 0, receipt.nOut, records, siblings);
        _requireOtherOutput(receipt, BinaryTree.fold(leaves, BinaryTree.depth(receipt.nOut)));
        _convict(committed, receiptHash, Fraud.Output);
    }

    /// @inheritdoc IFraudProofs
    function noteOutputPart(
        Receipt calldata receipt,
        Request calldata request,
        bytes32 secret,
        uint256 part,
        bytes calldata records,
        bytes calldata siblings
    ) external {
        ReceiptHash receiptHash = receipt.hash(address(ROLLUP));
        (uint256 first, uint256 count) = PartLib.range(receipt.nOut, part);
        bytes32[] memory leaves = _outputLeaves(receipt, request, secret, first, count, records, siblings);
        // INVARIANT: what is noted follows from the receipt: whoever notes it, it is the same.
        _parts[receiptHash][part] = PartLib.nodeOf(leaves, receipt.nOut);
        emit OutputPartNoted(receiptHash, part);
    }

    /// @inheritdoc IFraudProofs
    function proveOutputOfParts(CommittedReceipt calldata committed) external {
        ReceiptHash receiptHash = _enter(committed);
        Receipt calldata receipt = committed.receipt;
        bytes32[] memory nodes = new bytes32[](PartLib.count(receipt.nOut));
        for (uint256 part; part < nodes.length; ++part) {
            nodes[part] = _parts[receiptHash][part];
            if (nodes[part] == 0) revert PartMissing(part);
        }
        _requireOtherOutput(receipt, PartLib.topOf(nodes, receipt.nOut));
        _convict(committed, receiptHash, Fraud.Output);
    }

    // ---------------------------------------------------------------- two receipts

    /// @inheritdoc IFraudProofs
    function proveSecondAnswer(CommittedReceipt calldata committed, OtherReceipt calldata other) external {
        ReceiptHash receiptHash = _enter(committed);
        // One request has one answer, whichever of its enclaves the executor asks.
        bool sameRequest = RequestHash.unwrap(other.committed.receipt.requestHash)
            == RequestHash.unwrap(committed.receipt.requestHash);
        _requireTwice(committed.receipt, receiptHash, other, sameRequest);
        _convict(committed, receiptHash, Fraud.SecondAnswer);
    }

    /// @inheritdoc IFraudProofs
    function proveSeqReuse(CommittedReceipt calldata committed, OtherReceipt calldata other) external {
        ReceiptHash receiptHash = _enter(committed);
        Receipt calldata receipt = committed.receipt;
        Receipt calldata second = other.committed.receipt;
        bool sameSeq = second.enclaveKey == receipt.enclaveKey && second.seq == receipt.seq;
        _requireTwice(receipt, receiptHash, other, sameSeq);
        _convict(committed, receiptHash, Fraud.SeqReuse);
    }

    // ---------------------------------------------------------------- internals

    /// @dev Uses up the sender's announcement of exactly this call, and opens a case on the receipt.
    function _enter(CommittedReceipt calldata committed) private returns (ReceiptHash) {
        bytes32 announcement = keccak256(abi.encode(msg.sender, _calldataHash()));
        Timestamp made = _announcedAt[announcement];
        // INVARIANT: a proof copied from the mempool is not the copier's, and announcing the copy takes a later moment.
        if (!made.isSet() || !made.isBefore(Clock.current()) || _isOutdated(made)) revert NotAnnounced(announcement);
        _announcedAt[announcement] = Timestamp.wrap(0);
        // INVARIANT: the rollup knows the receipt to be its executor's, decidable and within its window.
        return ROLLUP.enterGame(committed).receiptHash;
    }

    function _convict(CommittedReceipt calldata committed, ReceiptHash receiptHash, Fraud fraud) private {
        emit FraudProven(committed.batchId, receiptHash, msg.sender, fraud);
        // INVARIANT: the case is opened by its proof. An announcement binds to nothing and costs next to nothing: if it counted, an executor
        // that keeps a proof against itself announced would take the share from whoever challenges it.
        ROLLUP.convict(committed.batchId, receiptHash, msg.sender, Clock.current());
    }

    function _requireRequest(Receipt calldata receipt, Request calldata request) private view {
        RequestHash requestHash = request.hash(address(ROLLUP));
        if (RequestHash.unwrap(requestHash) != RequestHash.unwrap(receipt.requestHash)) {
            revert RequestMismatch(receipt.requestHash, requestHash);
        }
    }

    /// @dev What the receipt repeats of its request, or what no executor may answer at all.
    function _differs(Receipt calldata receipt, Request calldata request) private pure returns (bool) {
        return ModelId.unwrap(receipt.modelId) != ModelId.unwrap(request.modelId)
            || receipt.inputRoot != request.inputRoot || receipt.nIn != request.nIn || request.sampler > LAST_SAMPLER;
    }

    /// @dev Whether lengths alone rule the stop reason out.
    function _stopsFalsely(Receipt calldata receipt, Request calldata request) private view returns (bool) {
        uint8 reason = receipt.stopReason;
        if (reason == STOP) return request.stopTokens.length == 0;
        if (reason > CANCELLED) return true;
        // After the last step that the context has room for, no token can follow.
        bool full =
            receipt.nOut == request.maxOut || receipt.steps() >= MODELS.dimensionsOf(receipt.modelId).contextLength;
        return full != (reason == LENGTH);
    }

    /// @dev Leaves of the output tree for the outputs `first .. first + count - 1`, from the records that emit them.
    function _outputLeaves(
        Receipt calldata receipt,
        Request calldata request,
        bytes32 secret,
        uint256 first,
        uint256 count,
        bytes calldata records,
        bytes calldata siblings
    ) private view returns (bytes32[] memory) {
        _requireRequest(receipt, request);
        // INVARIANT: salts are those of the request, and not of the prover's choice.
        bytes32 seed = SaltLib.seedOf(request, secret);
        if (seed != request.seed) revert SecretMismatch(request.seed, seed);
        if (records.length != count * SaltLib.RECORD_BYTES) {
            revert RecordBytes(count * SaltLib.RECORD_BYTES, records.length);
        }
        bytes32 saltKey = SaltLib.key(request, secret);
        // INVARIANT: the tokens are those that the executor committed to in its trace.
        uint256 step = receipt.nIn - 1 + first;
        bytes32 root = _traceRoot(receipt, step, SaltLib.recordLeaves(saltKey, step, records), siblings);
        if (root != receipt.traceRoot) revert RootMismatch(receipt.traceRoot, root);
        return SaltLib.outputLeaves(saltKey, first, records);
    }

    function _traceRoot(Receipt calldata receipt, uint256 step, bytes32[] memory leaves, bytes calldata siblings)
        private
        pure
        returns (bytes32)
    {
        uint256 steps = receipt.steps();
        (bytes32 top, uint256 end) = BinaryTree.topOfRange(leaves, step, steps, siblings, 0);
        BinaryTree.requireEnd(siblings, end);
        return BinaryTree.root(Tags.TRACE, steps, top);
    }

    /// @dev INVARIANT: an output root that follows from trace and request proves nothing.
    function _requireOtherOutput(Receipt calldata receipt, bytes32 top) private pure {
        if (BinaryTree.root(Tags.OUTPUT, receipt.nOut, top) == receipt.outputRoot) revert NothingProven();
    }

    /// @dev INVARIANT: two receipts that differ, both made by one executor: a receipt committed twice, or signed twice, is one receipt.
    function _requireTwice(
        Receipt calldata receipt,
        ReceiptHash receiptHash,
        OtherReceipt calldata other,
        bool sameSubject
    ) private view {
        Receipt calldata second = other.committed.receipt;
        ReceiptHash otherHash = second.hash(address(ROLLUP));
        if (
            !sameSubject || second.executor != receipt.executor
                || ReceiptHash.unwrap(otherHash) == ReceiptHash.unwrap(receiptHash)
        ) revert NotTwice();
        if (other.enclaveSignature.length == 0) _requireCommitted(other.committed, otherHash);
        else ReceiptSignatures.requireSigned(second, otherHash, other.enclaveSignature, other.operatorSignature);
    }

    /// @dev INVARIANT: only the executor, whoever acts for it, or a receipt with both its signatures makes a batch in its name. So a leaf is its
    ///      own word, whether its key was active or not, it came late, or its batch is final.
    function _requireCommitted(CommittedReceipt calldata committed, ReceiptHash receiptHash) private view {
        Batch memory batch = ROLLUP.batchOf(committed.batchId);
        if (batch.executor != committed.receipt.executor) revert NotTwice();
        bytes32 leaf = ReceiptHash.unwrap(receiptHash);
        bytes32 root = BinaryTree.rootOf(Tags.BATCH, leaf, committed.index, batch.count, committed.siblings);
        if (root != batch.root) revert RootMismatch(batch.root, root);
    }

    function _contains(uint32[] calldata tokens, uint32 token) private pure returns (bool) {
        for (uint256 i; i < tokens.length; ++i) {
            if (tokens[i] == token) return true;
        }
        return false;
    }

    function _isOutdated(Timestamp made) private view returns (bool) {
        return made.plus(ANNOUNCEMENT_LIFETIME).isBefore(Clock.current());
    }

    function _calldataHash() private pure returns (bytes32 hash) {
        // SAFETY: memory beyond the free pointer is scratch; what is allocated later overwrites it, so long proofs pay for it once.
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            calldatacopy(buffer, 0, calldatasize())
            hash := keccak256(buffer, calldatasize())
        }
    }
}
