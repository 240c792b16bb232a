// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {OtrTest} from "./utils/OtrTest.sol";
import {Trees} from "./utils/Trees.sol";
import {FraudProofs} from "src/FraudProofs.sol";
import {Fraud, IFraudProofs, OtherReceipt} from "src/interfaces/IFraudProofs.sol";
import {IModelRegistry} from "src/interfaces/IModelRegistry.sol";
import {BatchId, CommittedReceipt, Conviction, IOtrRollup, Status} from "src/interfaces/IOtrRollup.sol";
import {BinaryTree} from "src/libraries/BinaryTree.sol";
import {Timestamp} from "src/libraries/Clock.sol";
import {PartLib} from "src/libraries/PartLib.sol";
import {Tags} from "src/libraries/Tags.sol";
import {ModelId, Receipt as OtrReceipt, ReceiptHash, Request, RequestHash} from "src/types/OtrTypes.sol";

/// @notice Lies that need no game: every proof, every refusal, and that no argument convicts an honest executor.
contract FraudProofsTest is OtrTest {
    using Trees for Trees.Tree;

    /// @dev How an honest answer can end.
    uint256 private constant SHAPES = 4;
    uint256 private constant LENGTH = 0;
    uint256 private constant STOP = 1;
    uint256 private constant CANCELLED = 2;
    uint256 private constant FULL = 3;

    FraudProofs private frauds;
    address private fisherman = makeAddr("fisherman");
    Request private request;
    OtrReceipt private receipt;
    CommittedReceipt private committed;

    function setUp() public override {
        contextLength = 12;
        super.setUp();
        frauds = d.frauds;
        _shape(LENGTH);
    }

    /// @dev No rows are opened here.
    function _cacheRoot(uint256 step) internal pure override returns (bytes32) {
        return keccak256(abi.encode("cache", step));
    }

    // ---------------------------------------------------------------- honest answers

    /// @dev An honest answer that ends for this reason, not committed yet.
    function _shape(uint256 shape) private {
        nOut = shape == FULL ? contextLength + 1 - nIn : nOut;
        request = _request();
        if (shape == STOP) request.stopTokens[0] = _token(_steps() - 1);
        if (shape != LENGTH) request.maxOut = nOut + 3;
        receipt = _receipt();
        receipt.requestHash = rollup.hashRequest(request);
        receipt.stopReason = shape == STOP ? 0 : shape == CANCELLED ? 2 : 1;
    }

    /// @dev The receipt answers the request again, whatever was changed in it.
    function _reask() private {
        receipt.requestHash = rollup.hashRequest(request);
    }

    function _commitIt() private returns (CommittedReceipt memory) {
        committed = _commit(receipt, 2, 5);
        return committed;
    }

    // ---------------------------------------------------------------- announcing and proving

    function _announcement(address by, bytes memory proof) private pure returns (bytes32) {
        return keccak256(abi.encode(by, keccak256(proof)));
    }

    function _announce(address by, bytes memory proof) private {
        vm.prank(by);
        frauds.announce(_announcement(by, proof));
    }

    function _send(address by, bytes memory proof) private returns (bool ok, bytes memory result) {
        vm.prank(by);
        (ok, result) = address(frauds).call(proof);
    }

    /// @dev Announces the proof and sends it a second later.
    function _prove(bytes memory proof) private returns (bool ok, bytes memory result) {
        _announce(fisherman, proof);
        vm.warp(block.timestamp + 1);
        return _send(fisherman, proof);
    }

    function _proves(bytes memory proof, Fraud fraud) private {
        ReceiptHash receiptHash = rollup.hashReceipt(committed.receipt);
        _announce(fisherman, proof);
        vm.warp(block.timestamp + 1);
        vm.expectEmit(address(frauds));
        emit IFraudProofs.FraudProven(committed.batchId, receiptHash, fisherman, fraud);
        (bool ok,) = _send(fisherman, proof);
        assertTrue(ok, "not proven");
        assertStatus(committed, Status.Reverted);
        assertTrue(vault.convictedAt(executor).isSet());
        assertEq(rollup.openGamesOn(committed.batchId, receiptHash), 0);
    }

    function _refused(bytes memory proof, bytes memory reason) private {
        (bool ok, bytes memory result) = _prove(proof);
        assertFalse(ok, "proven");
        assertEq(result, reason);
        assertFalse(vault.convictedAt(executor).isSet());
    }

    function _nothing() private pure returns (bytes memory) {
        return abi.encodeWithSelector(IFraudProofs.NothingProven.selector);
    }

    function _field() private view returns (bytes memory) {
        return abi.encodeCall(IFraudProofs.proveField, (committed, request));
    }

    function _stop(uint32 i) private view returns (bytes memory) {
        return abi.encodeCall(
            IFraudProofs.proveStop,
            (committed, request, i, _token(nIn - 1 + i), _saltOf(1, i), _outputTree().siblings(i))
        );
    }

    function _secret() private view returns (bytes32) {
        return confidential ? SECRET : SEED;
    }

    function _records(uint256 from, uint256 count) private view returns (bytes memory records) {
        for (uint256 t = from; t < from + count; ++t) {
            records = bytes.concat(records, abi.encodePacked(_token(t), _cacheRoot(t)));
        }
    }

    function _output() private view returns (bytes memory) {
        return abi.encodeCall(
            IFraudProofs.proveOutput,
            (committed, request, _secret(), _records(nIn - 1, nOut), _traceTree().range(nIn - 1, _steps() - 1))
        );
    }

    /// @dev A receipt with both its signatures, not committed.
    function _signed(OtrReceipt memory other) private view returns (OtherReceipt memory) {
        bytes32 digest = ReceiptHash.unwrap(rollup.hashReceipt(other));
        return _signedBy(other, _sign(enclaveKey, digest), _sign(executorKey, digest));
    }

    function _signedBy(OtrReceipt memory other, bytes memory byEnclave, bytes memory byOperator)
        private
        pure
        returns (OtherReceipt memory evidence)
    {
        evidence.committed.receipt = other;
        evidence.enclaveSignature = byEnclave;
        evidence.operatorSignature = byOperator;
    }

    /// @dev A receipt that was committed, without signatures.
    function _shown(CommittedReceipt memory other) private pure returns (OtherReceipt memory evidence) {
        evidence.committed = other;
    }

    function _secondAnswer(OtherReceipt memory other) private view returns (bytes memory) {
        return abi.encodeCall(IFraudProofs.proveSecondAnswer, (committed, other));
    }

    function _secondAnswer(OtrReceipt memory other) private view returns (bytes memory) {
        return _secondAnswer(_signed(other));
    }

    function _seqReuse(OtherReceipt memory other) private view returns (bytes memory) {
        return abi.encodeCall(IFraudProofs.proveSeqReuse, (committed, other));
    }

    function _seqReuse(OtrReceipt memory other) private view returns (bytes memory) {
        return _seqReuse(_signed(other));
    }

    /// @dev A lie that `proveField` proves, committed.
    function _lie() private {
        receipt.nOut = nOut;
        receipt.stopReason = 3;
        _commitIt();
    }

    // ---------------------------------------------------------------- announcements

    function test_announce_again_reverts() public {
        bytes32 announcement = keccak256("announcement");
        frauds.announce(announcement);
        Timestamp at = frauds.announcedAt(announcement);
        assertEq(Timestamp.unwrap(at), block.timestamp);
        vm.warp(block.timestamp + TURN);
        vm.expectRevert(abi.encodeWithSelector(IFraudProofs.AlreadyAnnounced.selector, announcement, at));
        frauds.announce(announcement);
    }

    function test_announce_outdated_succeeds() public {
        bytes32 announcement = keccak256("announcement");
        frauds.announce(announcement);
        vm.warp(block.timestamp + TURN + 1);
        vm.expectEmit(address(frauds));
        emit IFraudProofs.Announced(announcement, address(this));
        frauds.announce(announcement);
        assertEq(Timestamp.unwrap(frauds.announcedAt(announcement)), block.timestamp);
    }

    function test_prove_unannounced_reverts() public {
        _lie();
        bytes memory proof = _field();
        (bool ok, bytes memory result) = _send(fisherman, proof);
        assertFalse(ok);
        assertEq(result, abi.encodeWithSelector(IFraudProofs.NotAnnounced.selector, _announcement(fisherman, proof)));
    }

    function test_prove_sameTimestamp_reverts() public {
        _lie();
        bytes memory proof = _field();
        _announce(fisherman, proof);
        (bool ok, bytes memory result) = _send(fisherman, proof);
        assertFalse(ok);
        assertEq(result, abi.encodeWithSelector(IFraudProofs.NotAnnounced.selector, _announcement(fisherman, proof)));
    }

    function test_prove_lastMoment_succeeds() public {
        _lie();
        bytes memory proof = _field();
        _announce(fisherman, proof);
        vm.warp(block.timestamp + TURN);
        (bool ok,) = _send(fisherman, proof);
        assertTrue(ok);
    }

    function test_prove_outdated_reverts() public {
        _lie();
        bytes memory proof = _field();
        _announce(fisherman, proof);
        vm.warp(block.timestamp + TURN + 1);
        (bool ok, bytes memory result) = _send(fisherman, proof);
        assertFalse(ok);
        assertEq(result, abi.encodeWithSelector(IFraudProofs.NotAnnounced.selector, _announcement(fisherman, proof)));
    }

    /// @dev Whoever copies announcement and proof from the mempool has announced nothing of its own.
    function test_prove_copied_reverts() public {
        _lie();
        bytes memory proof = _field();
        vm.prank(stranger);
        frauds.announce(_announcement(fisherman, proof));
        vm.warp(block.timestamp + 1);
        (bool ok, bytes memory result) = _send(stranger, proof);
        assertFalse(ok);
        assertEq(result, abi.encodeWithSelector(IFraudProofs.NotAnnounced.selector, _announcement(stranger, proof)));
        // The copied announcement serves the one whose proof it is.
        (ok,) = _send(fisherman, proof);
        assertTrue(ok);
    }

    function test_prove_otherCalldata_reverts() public {
        _lie();
        bytes memory proof = _field();
        _announce(fisherman, proof);
        vm.warp(block.timestamp + 1);
        (bool ok,) = _send(fisherman, bytes.concat(proof, hex"00"));
        assertFalse(ok);
    }

    function test_prove_usedAnnouncement_reverts() public {
        _lie();
        bytes memory proof = _field();
        _prove(proof);
        assertFalse(frauds.announcedAt(_announcement(fisherman, proof)).isSet());
        (bool ok, bytes memory result) = _send(fisherman, proof);
        assertFalse(ok);
        assertEq(result, abi.encodeWithSelector(IFraudProofs.NotAnnounced.selector, _announcement(fisherman, proof)));
    }

    /// @dev A proof that proves nothing does not use its announcement up.
    function test_prove_refused_keepsAnnouncement() public {
        _commitIt();
        bytes memory proof = _field();
        _refused(proof, _nothing());
        assertTrue(frauds.announcedAt(_announcement(fisherman, proof)).isSet());
    }

    function test_prove_afterWindow_reverts() public {
        _lie();
        vm.warp(block.timestamp + WINDOW - 1);
        ReceiptHash receiptHash = rollup.hashReceipt(receipt);
        _refused(_field(), abi.encodeWithSelector(IOtrRollup.NotChallengeable.selector, receiptHash, Status.Final));
    }

    /// @dev An announcement is no case: an executor that keeps one against itself gains nothing over whoever challenges it before the proof.
    function test_prove_openedWhenProven() public {
        _lie();
        bytes memory proof = _field();
        uint256 announced = block.timestamp;
        _announce(fisherman, proof);
        vm.warp(announced + 600);
        _send(fisherman, proof);
        Conviction memory conviction = rollup.convictionOf(executor);
        assertEq(conviction.challenger, fisherman);
        assertEq(Timestamp.unwrap(conviction.openedAt), announced + 600);
        assertEq(BatchId.unwrap(conviction.batchId), BatchId.unwrap(committed.batchId));
    }

    function test_prove_rewardsProver() public {
        _lie();
        (bool ok,) = _prove(_field());
        assertTrue(ok);
        vm.warp(Timestamp.unwrap(rollup.rewardDueAt(executor)));
        rollup.payReward(executor);
        assertEq(vault.claimableOf(fisherman), (uint256(LOCK) * 2500) / 10_000);
        assertSolvent();
    }

    // ---------------------------------------------------------------- proveField

    function test_proveField_modelId_succeeds() public {
        request.modelId = ModelId.wrap(keccak256("another model"));
        _reask();
        _commitIt();
        _proves(_field(), Fraud.Field);
    }

    function test_proveField_inputRoot_succeeds() public {
        receipt.inputRoot = keccak256("another prompt");
        _commitIt();
        _proves(_field(), Fraud.Field);
    }

    function test_proveField_nIn_succeeds() public {
        receipt.nIn = nIn + 1;
        _commitIt();
        _proves(_field(), Fraud.Field);
    }

    function test_proveField_sampler_succeeds() public {
        request.sampler = 2;
        _reask();
        _commitIt();
        _proves(_field(), Fraud.Field);
    }

    function test_proveField_tooLong_succeeds() public {
        request.maxOut = nOut - 1;
        _reask();
        _commitIt();
        _proves(_field(), Fraud.Length);
    }

    function test_proveField_nothingAskedFor_succeeds() public {
        request.maxOut = 0;
        _reask();
        _commitIt();
        _proves(_field(), Fraud.Length);
    }

    function test_proveField_unknownStopReason_succeeds() public {
        receipt.stopReason = 3;
        _commitIt();
        _proves(_field(), Fraud.Stop);
    }

    function test_proveField_stopWithoutStopTokens_succeeds() public {
        request.stopTokens = new uint32[](0);
        _reask();
        receipt.stopReason = 0;
        _commitIt();
        _proves(_field(), Fraud.Stop);
    }

    function test_proveField_lengthTooEarly_succeeds() public {
        request.maxOut = nOut + 1;
        _reask();
        _commitIt();
        _proves(_field(), Fraud.Stop);
    }

    function test_proveField_cancelledAtLength_succeeds() public {
        receipt.stopReason = 2;
        _commitIt();
        _proves(_field(), Fraud.Stop);
    }

    function test_proveField_cancelledAtFullContext_succeeds() public {
        _shape(FULL);
        receipt.stopReason = 2;
        _commitIt();
        _proves(_field(), Fraud.Stop);
    }

    function test_proveField_oneStepBeforeFullContext_succeeds() public {
        nOut = contextLength - nIn;
        _shape(CANCELLED);
        receipt.stopReason = 1;
        _commitIt();
        _proves(_field(), Fraud.Stop);
    }

    function test_proveField_otherRequest_reverts() public {
        receipt.stopReason = 3;
        _commitIt();
        request.nonce = 10;
        _refused(
            _field(),
            abi.encodeWithSelector(
                IFraudProofs.RequestMismatch.selector, receipt.requestHash, rollup.hashRequest(request)
            )
        );
    }

    /// @dev What the machine ignores is no fraud.
    function test_proveField_greedyWithTemperature_reverts() public {
        request.sampler = 0;
        _reask();
        _commitIt();
        _refused(_field(), _nothing());
    }

    function test_proveField_otherExecutorsReceipt_reverts() public {
        receipt.executor = stranger;
        receipt.stopReason = 3;
        Trees.Tree memory tree = Trees.over(_one(ReceiptHash.unwrap(rollup.hashReceipt(receipt))));
        vm.prank(executor);
        BatchId batchId = rollup.commitBatch(tree.root(Tags.BATCH), 1);
        committed = CommittedReceipt(receipt, batchId, 0, "");
        _refused(
            _field(),
            abi.encodeWithSelector(IOtrRollup.NotChallengeable.selector, rollup.hashReceipt(receipt), Status.None)
        );
    }

    function test_proveField_noOutput_reverts() public {
        receipt.nOut = 0;
        _commitIt();
        _refused(
            _field(),
            abi.encodeWithSelector(IOtrRollup.NotChallengeable.selector, rollup.hashReceipt(receipt), Status.None)
        );
    }

    function _one(bytes32 leaf) private pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](1);
        leaves[0] = leaf;
    }

    // ---------------------------------------------------------------- proveStop

    function test_proveStop_goesOnAfterStopToken_succeeds() public {
        request.stopTokens[1] = _token(nIn);
        _reask();
        _commitIt();
        _proves(_stop(1), Fraud.Stop);
    }

    function test_proveStop_lengthInsteadOfStop_succeeds() public {
        _shape(STOP);
        receipt.stopReason = 1;
        _commitIt();
        _proves(_stop(nOut - 1), Fraud.Stop);
    }

    function test_proveStop_cancelledInsteadOfStop_succeeds() public {
        _shape(STOP);
        receipt.stopReason = 2;
        _commitIt();
        _proves(_stop(nOut - 1), Fraud.Stop);
    }

    function test_proveStop_stopWithoutStopToken_succeeds() public {
        receipt.stopReason = 0;
        _commitIt();
        _proves(_stop(nOut - 1), Fraud.Stop);
    }

    function test_proveStop_otherToken_reverts() public {
        request.stopTokens[1] = 77;
        _reask();
        _commitIt();
        bytes32 leaf = keccak256(abi.encode(Tags.TOKEN, _saltOf(1, 0), uint32(77)));
        bytes memory proof = abi.encodeCall(
            IFraudProofs.proveStop, (committed, request, 0, 77, _saltOf(1, 0), _outputTree().siblings(0))
        );
        Trees.Tree memory tree = _outputTree();
        tree.levels[0][0] = leaf;
        bytes32 root = Trees.over(tree.levels[0]).root(Tags.OUTPUT);
        _refused(proof, abi.encodeWithSelector(IFraudProofs.RootMismatch.selector, receipt.outputRoot, root));
    }

    function test_proveStop_beyondOutput_reverts() public {
        _commitIt();
        bytes memory proof = abi.encodeCall(IFraudProofs.proveStop, (committed, request, nOut, 5, bytes32(0), ""));
        _refused(proof, abi.encodeWithSelector(BinaryTree.NodeOutOfRange.selector, nOut, nOut));
    }

    function test_proveStop_otherRequest_reverts() public {
        _shape(STOP);
        receipt.stopReason = 1;
        _commitIt();
        request.stopTokens[1] = _token(nIn);
        _refused(
            _stop(1),
            abi.encodeWithSelector(
                IFraudProofs.RequestMismatch.selector, receipt.requestHash, rollup.hashRequest(request)
            )
        );
    }

    // ---------------------------------------------------------------- proveOutput

    function test_proveOutput_otherRoot_succeeds() public {
        receipt.outputRoot = keccak256("garbage");
        _commitIt();
        _proves(_output(), Fraud.Output);
    }

    function test_proveOutput_otherToken_succeeds() public {
        // The tokens that were shown differ from those of the trace in one place.
        tokenLies[nIn] = 7;
        receipt.outputRoot = _outputTree().root(Tags.OUTPUT);
        tokenLies[nIn] = 0;
        _commitIt();
        _proves(_output(), Fraud.Output);
    }

    function test_proveOutput_otherSalt_succeeds() public {
        bytes32[] memory leaves = _outputTree().levels[0];
        leaves[1] = keccak256(abi.encode(Tags.TOKEN, keccak256("salt"), _token(nIn)));
        receipt.outputRoot = Trees.over(leaves).root(Tags.OUTPUT);
        _commitIt();
        _proves(_output(), Fraud.Output);
    }

    function test_proveOutput_confidential_succeeds() public {
        confidential = true;
        _shape(LENGTH);
        receipt.outputRoot = keccak256("garbage");
        _commitIt();
        _proves(_output(), Fraud.Output);
    }

    function test_proveOutput_oneToken_succeeds() public {
        (nIn, nOut) = (1, 1);
        _shape(LENGTH);
        receipt.outputRoot = keccak256("garbage");
        _commitIt();
        _proves(_output(), Fraud.Output);
    }

    function test_proveOutput_honest_reverts() public {
        _commitIt();
        _refused(_output(), _nothing());
    }

    function test_proveOutput_honestConfidential_reverts() public {
        confidential = true;
        _shape(STOP);
        _commitIt();
        _refused(_output(), _nothing());
    }

    function test_proveOutput_otherSecret_reverts() public {
        confidential = true;
        _shape(LENGTH);
        _commitIt();
        confidential = false;
        bytes32 seed = keccak256(abi.encode(Tags.SECRET, SEED));
        _refused(_output(), abi.encodeWithSelector(IFraudProofs.SecretMismatch.selector, request.seed, seed));
    }

    function test_proveOutput_otherRecords_reverts() public {
        _commitIt();
        tokenLies[nIn] = 7;
        bytes memory proof = abi.encodeCall(
            IFraudProofs.proveOutput,
            (committed, request, _secret(), _records(nIn - 1, nOut), _traceTree().range(nIn - 1, _steps() - 1))
        );
        bytes32 root = _traceTree().root(Tags.TRACE);
        _refused(proof, abi.encodeWithSelector(IFraudProofs.RootMismatch.selector, receipt.traceRoot, root));
    }

    function test_proveOutput_wrongCount_reverts() public {
        _commitIt();
        bytes memory proof =
            abi.encodeCall(IFraudProofs.proveOutput, (committed, request, SEED, _records(nIn, nOut - 1), bytes("")));
        _refused(proof, abi.encodeWithSelector(IFraudProofs.RecordBytes.selector, 36 * nOut, 36 * (nOut - 1)));
    }

    function test_proveOutput_longOpening_reverts() public {
        _commitIt();
        bytes memory siblings = _traceTree().range(nIn - 1, _steps() - 1);
        bytes memory proof = abi.encodeCall(
            IFraudProofs.proveOutput,
            (committed, request, SEED, _records(nIn - 1, nOut), bytes.concat(siblings, bytes32(0)))
        );
        _refused(
            proof, abi.encodeWithSelector(BinaryTree.OpeningTooLong.selector, siblings.length, siblings.length + 32)
        );
    }

    function test_proveOutput_otherRequest_reverts() public {
        receipt.outputRoot = keccak256("garbage");
        _commitIt();
        request.nonce = 10;
        _refused(
            _output(),
            abi.encodeWithSelector(
                IFraudProofs.RequestMismatch.selector, receipt.requestHash, rollup.hashRequest(request)
            )
        );
    }

    // ---------------------------------------------------------------- two receipts

    function _other() private view returns (OtrReceipt memory other) {
        other = receipt;
        other.seq = 2;
        other.traceRoot = keccak256("another trace");
    }

    function test_proveSecondAnswer_twoReceipts_succeeds() public {
        _commitIt();
        _proves(_secondAnswer(_other()), Fraud.SecondAnswer);
    }

    /// @dev Even the same answer: one request has one receipt, else two locks would answer for it.
    function test_proveSecondAnswer_sameAnswerOtherSeq_succeeds() public {
        _commitIt();
        OtrReceipt memory other = receipt;
        other.seq = 2;
        _proves(_secondAnswer(other), Fraud.SecondAnswer);
    }

    function test_proveSecondAnswer_otherEnclave_succeeds() public {
        _commitIt();
        OtrReceipt memory other = _other();
        (other.enclaveKey, enclaveKey) = makeAddrAndKey("second enclave");
        _proves(_secondAnswer(other), Fraud.SecondAnswer);
    }

    function test_proveSecondAnswer_sameReceipt_reverts() public {
        _commitIt();
        _refused(_secondAnswer(receipt), abi.encodeWithSelector(IFraudProofs.NotTwice.selector));
    }

    /// @dev A batch holds a receipt twice, or two batches do: one receipt.
    function test_proveSecondAnswer_committedTwice_reverts() public {
        _commitIt();
        OtrReceipt memory first = receipt;
        _commitIt();
        _refused(_secondAnswer(first), abi.encodeWithSelector(IFraudProofs.NotTwice.selector));
    }

    function test_proveSecondAnswer_otherRequest_reverts() public {
        _commitIt();
        OtrReceipt memory other = _other();
        other.requestHash = RequestHash.wrap(keccak256("another request"));
        _refused(_secondAnswer(other), abi.encodeWithSelector(IFraudProofs.NotTwice.selector));
    }

    /// @dev Two executors may answer one request.
    function test_proveSecondAnswer_otherExecutor_reverts() public {
        _commitIt();
        OtrReceipt memory other = _other();
        (other.executor, executorKey) = makeAddrAndKey("another executor");
        _refused(_secondAnswer(other), abi.encodeWithSelector(IFraudProofs.NotTwice.selector));
    }

    function test_proveSecondAnswer_stolenEnclaveKey_reverts() public {
        _commitIt();
        (, executorKey) = makeAddrAndKey("thief");
        _refused(_secondAnswer(_other()), abi.encodeWithSelector(IOtrRollup.OperatorSignature.selector, executor));
    }

    function test_proveSecondAnswer_operatorAlone_reverts() public {
        _commitIt();
        address thief;
        (thief, enclaveKey) = makeAddrAndKey("thief");
        _refused(_secondAnswer(_other()), abi.encodeWithSelector(IOtrRollup.EnclaveSignature.selector, enclave, thief));
    }

    function test_proveSeqReuse_twoReceipts_succeeds() public {
        _commitIt();
        OtrReceipt memory other = _other();
        other.seq = receipt.seq;
        other.requestHash = RequestHash.wrap(keccak256("another request"));
        _proves(_seqReuse(other), Fraud.SeqReuse);
    }

    function test_proveSeqReuse_sameReceipt_reverts() public {
        _commitIt();
        _refused(_seqReuse(receipt), abi.encodeWithSelector(IFraudProofs.NotTwice.selector));
    }

    function test_proveSeqReuse_otherSeq_reverts() public {
        _commitIt();
        _refused(_seqReuse(_other()), abi.encodeWithSelector(IFraudProofs.NotTwice.selector));
    }

    function test_proveSeqReuse_otherEnclave_reverts() public {
        _commitIt();
        OtrReceipt memory other = _other();
        other.seq = receipt.seq;
        (other.enclaveKey, enclaveKey) = makeAddrAndKey("second enclave");
        _refused(_seqReuse(other), abi.encodeWithSelector(IFraudProofs.NotTwice.selector));
    }

    function test_proveSeqReuse_otherExecutor_reverts() public {
        _commitIt();
        OtrReceipt memory other = _other();
        other.seq = receipt.seq;
        (other.executor, executorKey) = makeAddrAndKey("another executor");
        _refused(_seqReuse(other), abi.encodeWithSelector(IFraudProofs.NotTwice.selector));
    }

    // ---------------------------------------------------------------- two receipts, both committed

    /// @dev The executor committed both and hands out no signature: each convicts the other.
    function test_proveSecondAnswer_bothCommitted_succeeds() public {
        _commitIt();
        CommittedReceipt memory other = _commit(_other(), 1, 3);
        uint256 snapshot = vm.snapshotState();
        _proves(_secondAnswer(_shown(other)), Fraud.SecondAnswer);
        vm.revertToState(snapshot);
        CommittedReceipt memory first = committed;
        committed = other;
        _proves(_secondAnswer(_shown(first)), Fraud.SecondAnswer);
    }

    function test_proveSecondAnswer_bothInOneBatch_succeeds() public {
        bytes32[] memory leaves = new bytes32[](2);
        leaves[0] = ReceiptHash.unwrap(rollup.hashReceipt(receipt));
        leaves[1] = ReceiptHash.unwrap(rollup.hashReceipt(_other()));
        Trees.Tree memory tree = Trees.over(leaves);
        vm.prank(executor);
        BatchId batchId = rollup.commitBatch(tree.root(Tags.BATCH), 2);
        committed = CommittedReceipt(receipt, batchId, 0, tree.siblings(0));
        _proves(_secondAnswer(_shown(CommittedReceipt(_other(), batchId, 1, tree.siblings(1)))), Fraud.SecondAnswer);
    }

    function test_proveSeqReuse_bothCommitted_succeeds() public {
        OtrReceipt memory other = _other();
        other.seq = receipt.seq;
        other.requestHash = RequestHash.wrap(keccak256("another request"));
        CommittedReceipt memory first = _commit(other, 0, 1);
        _commitIt();
        _proves(_seqReuse(_shown(first)), Fraud.SeqReuse);
    }

    /// @dev A first answer that is final, and its batch released, still shows that the second one is one too many. It stays final itself.
    function test_proveSecondAnswer_otherIsFinal_succeeds() public {
        receipt.expiry += uint64(WINDOW);
        CommittedReceipt memory first = _commit(_other(), 0, 1);
        vm.warp(block.timestamp + WINDOW);
        rollup.releaseBatch(first.batchId);
        _commitIt();
        _proves(_secondAnswer(_shown(first)), Fraud.SecondAnswer);
        assertStatus(first, Status.Final);
    }

    /// @dev A receipt that came too late, or whose key was never registered, stands for nothing; that the executor made it stands.
    function test_proveSecondAnswer_otherIsNone_succeeds() public {
        _commitIt();
        OtrReceipt memory late = _other();
        late.expiry = uint64(block.timestamp - 1);
        late.enclaveKey = makeAddr("never registered");
        CommittedReceipt memory other = _commit(late, 0, 1);
        assertStatus(other, Status.None);
        _proves(_secondAnswer(_shown(other)), Fraud.SecondAnswer);
    }

    /// @dev A key that was revoked afterwards does not undo what its receipts say.
    function test_proveSeqReuse_keyRevoked_succeeds() public {
        OtrReceipt memory other = _other();
        other.seq = receipt.seq;
        CommittedReceipt memory first = _commit(other, 0, 1);
        vm.prank(executor);
        enclaves.revoke(enclave);
        _commitIt();
        assertStatus(committed, Status.None);
        _proves(_seqReuse(_shown(first)), Fraud.SeqReuse);
    }

    /// @dev What is convicted is `committed`: it must be in its window, whatever the other one is.
    function test_proveSecondAnswer_convictedIsFinal_reverts() public {
        receipt.expiry += uint64(WINDOW);
        _commitIt();
        vm.warp(block.timestamp + WINDOW);
        CommittedReceipt memory other = _commit(_other(), 0, 1);
        bytes memory reason =
            abi.encodeWithSelector(IOtrRollup.NotChallengeable.selector, rollup.hashReceipt(receipt), Status.Final);
        _refused(_secondAnswer(_shown(other)), reason);
    }

    function test_proveSecondAnswer_sameReceiptInTwoBatches_reverts() public {
        CommittedReceipt memory first = _commitIt();
        _commitIt();
        assertTrue(BatchId.unwrap(first.batchId) != BatchId.unwrap(committed.batchId));
        bytes memory reason = abi.encodeWithSelector(IFraudProofs.NotTwice.selector);
        _refused(_secondAnswer(_shown(first)), reason);
        _refused(_seqReuse(_shown(first)), reason);
    }

    /// @dev Anybody can commit a batch of its own with any leaf in it.
    function test_proveSecondAnswer_leafOfAnothersBatch_reverts() public {
        _commitIt();
        (address liar,) = makeAddrAndKey("liar");
        vm.deal(liar, STAKE);
        vm.startPrank(liar);
        vault.deposit{value: STAKE}(liar);
        bytes32 leaf = ReceiptHash.unwrap(rollup.hashReceipt(_other()));
        BatchId batchId = rollup.commitBatch(Trees.over(_one(leaf)).root(Tags.BATCH), 1);
        vm.stopPrank();
        CommittedReceipt memory other = CommittedReceipt(_other(), batchId, 0, "");
        _refused(_secondAnswer(_shown(other)), abi.encodeWithSelector(IFraudProofs.NotTwice.selector));
    }

    function test_proveSecondAnswer_notInTheBatch_reverts() public {
        _commitIt();
        CommittedReceipt memory other = committed;
        other.receipt = _other();
        (bool ok, bytes memory result) = _prove(_secondAnswer(_shown(other)));
        assertFalse(ok);
        assertEq(bytes4(result), IFraudProofs.RootMismatch.selector);
        other.index = 5;
        _refused(_secondAnswer(_shown(other)), abi.encodeWithSelector(BinaryTree.NodeOutOfRange.selector, 5, 5));
        other.batchId = BatchId.wrap(77);
        _refused(_secondAnswer(_shown(other)), abi.encodeWithSelector(IFraudProofs.NotTwice.selector));
    }

    /// @dev One signature without the other is no evidence, in a batch or not.
    function test_proveSecondAnswer_halfSigned_reverts() public {
        _commitIt();
        OtherReceipt memory other = _signed(_other());
        other.operatorSignature = "";
        _refused(_secondAnswer(other), abi.encodeWithSelector(IOtrRollup.OperatorSignature.selector, executor));
        other = _signed(_other());
        other.enclaveSignature = "";
        _refused(_secondAnswer(other), abi.encodeWithSelector(IFraudProofs.NotTwice.selector));
    }

    // ---------------------------------------------------------------- any altered field

    /// @dev Of a receipt with one field altered exactly one proof convicts, with the right name; what no proof here is about, a game decides.
    function testFuzz_anyField_altered(uint256 shape, uint256 field, uint256 noise) public {
        shape = bound(shape, 0, SHAPES - 1);
        field = bound(field, 0, 7);
        _shape(shape);
        Fraud fraud = Fraud.Field;
        bool byField = true;
        if (field == 0) {
            receipt.inputRoot = bytes32(uint256(receipt.inputRoot) ^ _noise(noise));
        } else if (field == 1) {
            uint32 changed = uint32(bound(noise, 1, contextLength + 1 - nOut));
            vm.assume(changed != nIn);
            receipt.nIn = changed;
        } else if (field == 2) {
            receipt.outputRoot = bytes32(uint256(receipt.outputRoot) ^ _noise(noise));
            (fraud, byField) = (Fraud.Output, false);
        } else if (field == 3) {
            uint8 changed = uint8(noise);
            vm.assume(changed != receipt.stopReason);
            receipt.stopReason = changed;
            fraud = Fraud.Stop;
            // Only the last token tells a stop from what is no stop; a cancellation that was none is not seen from outside.
            byField = changed > 2 || (changed != 0 && shape != STOP);
        } else if (field == 4) {
            request.modelId = ModelId.wrap(bytes32(uint256(ModelId.unwrap(modelId)) ^ _noise(noise)));
            _reask();
        } else if (field == 5) {
            request.maxOut = uint32(bound(noise, 0, nOut - 1));
            _reask();
            fraud = Fraud.Length;
        } else if (field == 6) {
            request.nIn = uint32(bound(noise, 0, type(uint32).max));
            vm.assume(request.nIn != nIn);
            _reask();
        } else {
            request.sampler = uint8(bound(noise, 2, 255));
            _reask();
        }
        _commitIt();
        // A false reason beside a stop token may contradict both the token and the lengths.
        bool both = field == 3 && shape == STOP;
        if (!byField && !both) _harmless(_field());
        if (fraud != Fraud.Output) _harmless(_output());
        if (!both && (byField || fraud == Fraud.Output)) _harmless(_stop(nOut - 1));
        _proves(byField ? _field() : fraud == Fraud.Output ? _output() : _stop(nOut - 1), fraud);
    }

    function _noise(uint256 noise) private pure returns (uint256) {
        return noise == 0 ? 1 : noise;
    }

    // ---------------------------------------------------------------- an honest receipt is never provable

    /// @dev Sends a proof against the honest receipt as anybody, and expects that it fails.
    function _harmless(bytes memory proof) private {
        (bool ok,) = _prove(proof);
        assertFalse(ok, "honest executor convicted");
        assertFalse(vault.convictedAt(executor).isSet());
        assertStatus(committed, Status.Provisional);
    }

    function testFuzz_honest_field(uint256 shape, uint32 length, bool hidden) public {
        _honest(shape, length, hidden);
        _harmless(_field());
    }

    function testFuzz_honest_stop(uint256 shape, uint32 length, uint32 i) public {
        _honest(shape, length, false);
        _harmless(_stop(uint32(bound(i, 0, nOut - 1))));
    }

    /// @dev Any token, salt and opening: none leads to the output root but the executor's own.
    function testFuzz_honest_stopAnyArguments(
        uint256 shape,
        uint32 i,
        uint32 token,
        bytes32 salt,
        bytes calldata siblings,
        bool realSiblings,
        bool stopToken
    ) public {
        _honest(shape, 0, false);
        if (stopToken) token = request.stopTokens[1];
        if (realSiblings) i = uint32(bound(i, 0, nOut - 1));
        bytes memory opening = realSiblings ? _outputTree().siblings(i) : siblings;
        _harmless(abi.encodeCall(IFraudProofs.proveStop, (committed, request, i, token, salt, opening)));
    }

    function testFuzz_honest_output(uint256 shape, uint32 length, bool hidden) public {
        _honest(shape, length, hidden);
        _harmless(_output());
    }

    /// @dev Any secret, records and opening, or the real ones with one bit turned over.
    function testFuzz_honest_outputAnyArguments(
        uint256 shape,
        bytes32 secret,
        bytes calldata records,
        bytes calldata siblings,
        uint256 bit,
        uint256 real
    ) public {
        _honest(shape, 0, bit & 1 == 1);
        if (real & 1 == 1) secret = _secret();
        bytes memory shown = real & 2 == 2 ? _records(nIn - 1, nOut) : records;
        bytes memory opening = real & 4 == 4 ? _traceTree().range(nIn - 1, _steps() - 1) : siblings;
        if (real & 8 == 8 && shown.length != 0) {
            shown[bit % shown.length] ^= bytes1(uint8(1 << (bit % 8)));
        }
        _harmless(abi.encodeCall(IFraudProofs.proveOutput, (committed, request, secret, shown, opening)));
    }

    /// @dev The executor signs one receipt for a request, and each seq once: whoever else signs what, it has not signed twice.
    function testFuzz_honest_twoReceipts(uint256 shape, OtrReceipt memory other, uint256 key, bool ours, bool reuse)
        public
    {
        _honest(shape, 0, false);
        (address thief, uint256 thiefKey) = makeAddrAndKey(string(abi.encode(key)));
        other.requestHash = receipt.requestHash;
        other.seq = receipt.seq;
        if (ours) (other.executor, other.enclaveKey) = (executor, enclave);
        else (other.executor, other.enclaveKey) = (thief, thief);
        bytes32 digest = ReceiptHash.unwrap(rollup.hashReceipt(other));
        bytes memory forged = _sign(thiefKey, digest);
        OtherReceipt memory evidence = _signedBy(other, forged, forged);
        _harmless(reuse ? _seqReuse(evidence) : _secondAnswer(evidence));
    }

    /// @dev The executor commits its receipt any number of times, and others beside it: no leaf of any batch, however opened, shows two.
    function testFuzz_honest_committedReceipts(uint256 place, uint256 pretended, uint256 noise, bool reuse) public {
        _honest(noise % SHAPES, 0, false);
        OtrReceipt memory next = receipt;
        next.seq = 2;
        next.requestHash = RequestHash.wrap(keccak256("next request"));
        CommittedReceipt[3] memory all = [committed, _commit(receipt, 1, 4), _commit(next, 3, 7)];
        CommittedReceipt memory other = all[place % 3];
        // The opening of one leaf, for whatever else.
        if (pretended & 1 == 1) other.receipt = all[(place >> 8) % 3].receipt;
        if (pretended & 2 == 2) other.receipt.traceRoot = bytes32(noise);
        if (pretended & 4 == 4) other.receipt.requestHash = receipt.requestHash;
        if (pretended & 8 == 8) other.receipt.seq = receipt.seq;
        if (pretended & 16 == 16) other.index = noise % 9;
        if (pretended & 32 == 32) other.batchId = BatchId.wrap(uint64(noise % 5));
        if (pretended & 64 == 64) other.siblings = abi.encode(noise);
        _harmless(reuse ? _seqReuse(_shown(other)) : _secondAnswer(_shown(other)));
    }

    /// @dev The next honest receipt, of another request and with another seq.
    function test_honest_nextReceipt_reverts() public {
        _commitIt();
        OtrReceipt memory next = receipt;
        next.seq = 2;
        next.requestHash = RequestHash.wrap(keccak256("next request"));
        _harmless(_secondAnswer(next));
        _harmless(_seqReuse(next));
    }

    function _honest(uint256 shape, uint32 length, bool hidden) private {
        confidential = hidden;
        nOut = uint32(bound(length, 1, contextLength - nIn));
        _shape(bound(shape, 0, SHAPES - 1));
        _commitIt();
    }

    // ---------------------------------------------------------------- second provers

    /// @dev Who proves second finds the receipt reverted: its proof costs it the announcement's gas, and nothing is lost.
    function test_prove_secondProver_reverts() public {
        _lie();
        bytes memory proof = _field();
        _announce(fisherman, proof);
        vm.prank(stranger);
        frauds.announce(_announcement(stranger, proof));
        vm.warp(block.timestamp + 1);
        (bool ok,) = _send(stranger, proof);
        assertTrue(ok);
        bytes memory result;
        (ok, result) = _send(fisherman, proof);
        assertFalse(ok);
        ReceiptHash receiptHash = rollup.hashReceipt(receipt);
        assertEq(result, abi.encodeWithSelector(IOtrRollup.NotChallengeable.selector, receiptHash, Status.Reverted));
    }
}

/// @notice Outputs too long for one transaction. The trace's rows do not matter here.
contract FraudProofsOfPartsTest is OtrTest {
    using Trees for Trees.Tree;

    uint256 private constant PART = 1 << PartLib.LEVELS;

    FraudProofs private frauds;
    CommittedReceipt private committed;
    Request private request;
    Trees.Tree private trace;

    function setUp() public override {
        (contextLength, nIn, nOut) = (20_000, 6, uint32(PART) + 5);
        super.setUp();
        frauds = d.frauds;
        request = _request();
        trace = _traceTree();
    }

    function _cacheRoot(uint256 step) internal pure override returns (bytes32) {
        return keccak256(abi.encode("cache", step));
    }

    function _commitWith(bytes32 outputRoot) private {
        OtrReceipt memory receipt = _receipt();
        receipt.outputRoot = outputRoot;
        committed = _commit(receipt, 0, 1);
    }

    function _records(uint256 first, uint256 count) private view returns (bytes memory records) {
        records = new bytes(36 * count);
        for (uint256 i; i < count; ++i) {
            (uint32 token, bytes32 root) = (_token(nIn - 1 + first + i), _cacheRoot(nIn - 1 + first + i));
            // SAFETY: within `records`: the root's word ends where the record does, the token's four bytes come first.
            assembly ("memory-safe") {
                let at := add(add(records, 0x20), mul(i, 36))
                mstore8(at, shr(24, token))
                mstore8(add(at, 1), shr(16, token))
                mstore8(add(at, 2), shr(8, token))
                mstore8(add(at, 3), token)
                mstore(add(at, 4), root)
            }
        }
    }

    function _note(uint256 part) private {
        uint256 first = part * PART;
        uint256 count = nOut - first > PART ? PART : nOut - first;
        bytes memory siblings = trace.range(nIn - 1 + first, nIn - 2 + first + count);
        bytes memory records = _records(first, count);
        frauds.noteOutputPart(committed.receipt, request, SEED, part, records, siblings);
    }

    function _prove() private returns (bool ok, bytes memory result) {
        bytes memory proof = abi.encodeCall(IFraudProofs.proveOutputOfParts, (committed));
        vm.prank(challenger);
        frauds.announce(keccak256(abi.encode(challenger, keccak256(proof))));
        vm.warp(block.timestamp + 1);
        vm.prank(challenger);
        return address(frauds).call(proof);
    }

    function test_proveOutputOfParts_otherRoot_succeeds() public {
        _commitWith(keccak256("garbage"));
        _note(0);
        vm.snapshotGasLastCall("courts", "noteOutputPart2048");
        _note(1);
        (bool ok,) = _prove();
        assertTrue(ok);
        assertStatus(committed, Status.Reverted);
    }

    /// @dev The longest output of the longest context, of 2,048 parts: what was noted of it does not matter here, only that it is read.
    function test_gas_proveOutputOfParts_longest_fits() public {
        OtrReceipt memory receipt = _receipt();
        (receipt.nIn, receipt.nOut) = (1, 1 << 22);
        bytes32 receiptHash = ReceiptHash.unwrap(rollup.hashReceipt(receipt));
        uint256 parts = PartLib.count(receipt.nOut);
        // `_parts` is the second variable.
        bytes32 slot = keccak256(abi.encode(receiptHash, 1));
        for (uint256 part; part < parts; ++part) {
            vm.store(address(frauds), keccak256(abi.encode(part, slot)), keccak256(abi.encode(part)));
        }
        IModelRegistry.Dimensions memory model = models.dimensionsOf(modelId);
        model.contextLength = 1 << 22;
        vm.mockCall(address(models), abi.encodeCall(models.dimensionsOf, (modelId)), abi.encode(model));
        committed = _commit(receipt, 0, 1);
        (bool ok,) = _prove();
        assertTrue(ok);
        assertLe(vm.snapshotGasLastCall("courts", "proveOutputOf2048Parts"), 16_777_216);
        assertStatus(committed, Status.Reverted);
    }

    function test_proveOutputOfParts_honest_reverts() public {
        _commitWith(_outputTree().root(Tags.OUTPUT));
        _note(0);
        _note(1);
        (bool ok, bytes memory result) = _prove();
        assertFalse(ok);
        assertEq(result, abi.encodeWithSelector(IFraudProofs.NothingProven.selector));
    }

    function test_proveOutputOfParts_missingPart_reverts() public {
        _commitWith(keccak256("garbage"));
        _note(1);
        (bool ok, bytes memory result) = _prove();
        assertFalse(ok);
        assertEq(result, abi.encodeWithSelector(IFraudProofs.PartMissing.selector, 0));
    }

    function test_noteOutputPart_beyondOutput_reverts() public {
        _commitWith(keccak256("garbage"));
        vm.expectRevert(abi.encodeWithSelector(BinaryTree.NodeOutOfRange.selector, 2, 2));
        frauds.noteOutputPart(committed.receipt, request, SEED, 2, "", "");
    }

    function test_noteOutputPart_otherRecords_reverts() public {
        _commitWith(keccak256("garbage"));
        bytes memory siblings = trace.range(nIn - 1 + PART, nIn - 2 + nOut);
        bytes memory records = _records(PART - 1, 5);
        vm.expectPartialRevert(IFraudProofs.RootMismatch.selector);
        frauds.noteOutputPart(committed.receipt, request, SEED, 1, records, siblings);
    }

    function test_noteOutputPart_otherSecret_reverts() public {
        _commitWith(keccak256("garbage"));
        vm.expectRevert(abi.encodeWithSelector(IFraudProofs.SecretMismatch.selector, SEED, keccak256("other")));
        frauds.noteOutputPart(committed.receipt, request, keccak256("other"), 1, "", "");
    }

    /// @dev As many tokens as one transaction holds.
    function test_gas_proveOutput_fits() public {
        _gasOf(1024, "proveOutput1024");
        uint256 gas = _gasOf(8192, "proveOutput8192");
        assertLe(gas, 16_777_216);
        vm.snapshotValue("courts", "proveOutputPerToken", gas / 8192);
    }

    function _gasOf(uint32 count, string memory name) private returns (uint256) {
        uint256 snapshot = vm.snapshotState();
        nOut = count;
        request = _request();
        _commitWith(keccak256("garbage"));
        bytes memory siblings = _traceTree().range(nIn - 1, nIn - 2 + count);
        bytes memory proof =
            abi.encodeCall(IFraudProofs.proveOutput, (committed, request, SEED, _records(0, count), siblings));
        vm.prank(challenger);
        frauds.announce(keccak256(abi.encode(challenger, keccak256(proof))));
        vm.warp(block.timestamp + 1);
        vm.prank(challenger);
        (bool ok,) = address(frauds).call(proof);
        uint256 gas = vm.snapshotGasLastCall("courts", name);
        assertTrue(ok);
        vm.revertToState(snapshot);
        return gas;
    }
}
