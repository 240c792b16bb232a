// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {GameTest} from "./utils/GameTest.sol";
import {Trees} from "./utils/Trees.sol";
import {Availability} from "src/Availability.sol";
import {DisputeGame} from "src/DisputeGame.sol";
import {FraudProofs} from "src/FraudProofs.sol";
import {ModelRegistry} from "src/ModelRegistry.sol";
import {StakeVault} from "src/StakeVault.sol";
import {SequencerUptime} from "src/SequencerUptime.sol";
import {OtrRollup} from "src/OtrRollup.sol";
import {Subject} from "src/interfaces/IDisputeGame.sol";
import {
    Batch,
    BatchId,
    CommittedReceipt,
    Conviction,
    DemandTerms,
    IOtrRollup,
    Rules,
    RulesVersion,
    Status
} from "src/interfaces/IOtrRollup.sol";
import {IStakeVault} from "src/interfaces/IStakeVault.sol";
import {Duration, Timestamp} from "src/libraries/Clock.sol";
import {Tags} from "src/libraries/Tags.sol";
import {ModelId, Receipt as OtrReceipt, ReceiptHash, Request, RequestHash} from "src/types/OtrTypes.sol";

/// @dev A requester that is a contract.
contract Wallet is IERC1271 {
    mapping(bytes32 digest => bool) public approved;

    function approve(bytes32 digest) external {
        approved[digest] = true;
    }

    function isValidSignature(bytes32 digest, bytes calldata) external view returns (bytes4) {
        return approved[digest] ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}

contract OtrRollupTest is GameTest {
    using Trees for Trees.Tree;

    function _id(uint64 id) private pure returns (BatchId) {
        return BatchId.wrap(id);
    }

    function _rules() private view returns (Rules memory) {
        return rollup.rulesOf(RulesVersion.wrap(1));
    }

    /// @dev Both signatures over a receipt.
    function _signatures(OtrReceipt memory receipt) private view returns (bytes memory, bytes memory) {
        bytes32 digest = ReceiptHash.unwrap(rollup.hashReceipt(receipt));
        return (_sign(enclaveKey, digest), _sign(executorKey, digest));
    }

    function _commitAlone(OtrReceipt memory receipt, address by) private returns (CommittedReceipt memory) {
        (bytes memory enclaveSignature, bytes memory operatorSignature) = _signatures(receipt);
        vm.prank(by);
        BatchId id = rollup.commitReceipt(receipt, enclaveSignature, operatorSignature);
        return CommittedReceipt({receipt: receipt, batchId: id, index: 0, siblings: ""});
    }

    /// @dev Convicts the executor by the executor's silence.
    function _convict() private {
        _open(1);
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
    }

    // ---------------------------------------------------------------- hashes

    string private constant REQUEST =
        "Request(address requester,bytes32 modelId,bytes32 inputRoot,uint32 nIn,uint32 maxOut,uint32[] stopTokens,uint8 sampler,uint32 temperature,bytes32 seed,uint64 nonce,uint64 deadline,bool confidential,address[] watchers)";
    string private constant RECEIPT =
        "Receipt(uint32 machineVersion,bytes32 modelId,address executor,address enclaveKey,uint64 seq,uint64 commitBy,uint64 expiry,bytes32 requestHash,bytes32 inputRoot,uint32 nIn,bytes32 outputRoot,uint32 nOut,uint8 stopReason,bytes32 traceRoot)";

    function _digest(bytes32 structHash) private view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("OTR"),
                keccak256("1"),
                block.chainid,
                address(rollup)
            )
        );
        return keccak256(bytes.concat(hex"1901", domain, structHash));
    }

    function testDiff_hashRequest_eip712(Request memory request, uint256 chainId) public {
        vm.chainId(bound(chainId, 1, type(uint64).max - 1));
        bytes32 expected = _digest(vm.eip712HashStruct(REQUEST, abi.encode(request)));
        assertEq(RequestHash.unwrap(rollup.hashRequest(request)), expected);
    }

    function testDiff_hashReceipt_eip712(OtrReceipt memory receipt) public view {
        bytes32 expected = _digest(vm.eip712HashStruct(RECEIPT, abi.encode(receipt)));
        assertEq(ReceiptHash.unwrap(rollup.hashReceipt(receipt)), expected);
    }

    // ---------------------------------------------------------------- commits

    function test_commitBatch_locksStake_succeeds() public {
        vm.expectEmit(address(rollup));
        emit IOtrRollup.BatchCommitted(_id(1), executor, keccak256("root"), 7, RulesVersion.wrap(1));
        vm.prank(executor);
        rollup.commitBatch(keccak256("root"), 7);
        assertEq(rollup.batchCount(), 1);
        Batch memory batch = rollup.batchOf(_id(1));
        assertEq(batch.executor, executor);
        assertEq(batch.count, 7);
        assertEq(Timestamp.unwrap(batch.committedAt), block.timestamp);
        assertEq(vault.freeStakeOf(executor), STAKE - 7 * LOCK);
    }

    function test_commitBatch_beyondFreeStake_reverts() public {
        vm.startPrank(executor);
        rollup.commitBatch(keccak256("root"), 60);
        // One more than what is left beside the reserve.
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.InsufficientFreeStake.selector, 41 ether, 40 ether));
        rollup.commitBatch(keccak256("root"), 39);
        rollup.commitBatch(keccak256("root"), 38);
    }

    function test_commitBatch_countOutOfRange_reverts() public {
        vm.startPrank(executor);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.CountOutOfRange.selector, 0));
        rollup.commitBatch(keccak256("root"), 0);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.CountOutOfRange.selector, 1 << 24));
        rollup.commitBatch(keccak256("root"), 1 << 24);
        vm.expectRevert(IOtrRollup.EmptyRoot.selector);
        rollup.commitBatch(0, 1);
    }

    function test_commitBatch_noRules_reverts() public {
        OtrRollup fresh = OtrRollup(
            address(
                new ERC1967Proxy(
                    address(new OtrRollup(vault, models, enclaves)),
                    abi.encodeCall(OtrRollup.initialize, (address(d.manager)))
                )
            )
        );
        vm.expectRevert(IOtrRollup.NoRules.selector);
        fresh.commitBatch(keccak256("root"), 1);
    }

    function test_commitBatchFor_delegate_succeeds() public {
        vm.prank(executor);
        vault.setDelegate(delegate, true);
        vm.prank(delegate);
        rollup.commitBatchFor(executor, keccak256("root"), 1);
        assertEq(rollup.batchOf(_id(1)).executor, executor);
    }

    function test_commitBatchFor_stranger_reverts() public {
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.NotExecutor.selector, executor, stranger));
        rollup.commitBatchFor(executor, keccak256("root"), 1);
    }

    function test_pause_stopsCommitsOnly_succeeds() public {
        committed = _commit();
        OtrReceipt memory receipt = _receipt();
        (bytes memory a, bytes memory b) = _signatures(receipt);
        vm.prank(guardian);
        rollup.pause();
        assertTrue(rollup.paused());
        vm.startPrank(executor);
        vm.expectRevert(IOtrRollup.CommitsPaused.selector);
        rollup.commitBatch(keccak256("root"), 1);
        vm.expectRevert(IOtrRollup.CommitsPaused.selector);
        rollup.commitReceipt(receipt, a, b);
        vm.stopPrank();
        // What is signed already is no new work: its holder can commit it.
        vm.warp(receipt.commitBy);
        vm.prank(stranger);
        rollup.commitReceipt(receipt, a, b);
        _convict();
        assertStatus(committed, Status.Reverted);
        vm.warp(block.timestamp + CLAIM_PERIOD);
        rollup.releaseBatch(committed.batchId);
        game.payOut(subject);
        vm.prank(challenger);
        vault.claim(challenger);
        vm.prank(governance);
        rollup.unpause();
        assertFalse(rollup.paused());
    }

    function test_commitReceipt_byExecutorAtOnce_succeeds() public {
        CommittedReceipt memory single = _commitAlone(_receipt(), executor);
        assertStatus(single, Status.Provisional);
        assertEq(vault.executorOf(executor).locked, LOCK);
        assertEq(BatchId.unwrap(rollup.singleBatchOf(rollup.hashReceipt(single.receipt))), 1);
    }

    function test_commitReceipt_byAnyoneAfterCommitBy_succeeds() public {
        OtrReceipt memory receipt = _receipt();
        (bytes memory a, bytes memory b) = _signatures(receipt);
        vm.startPrank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.TooEarlyToCommit.selector, receipt.commitBy));
        rollup.commitReceipt(receipt, a, b);
        vm.warp(receipt.commitBy);
        rollup.commitReceipt(receipt, a, b);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.ReceiptCommitted.selector, rollup.hashReceipt(receipt), 1));
        rollup.commitReceipt(receipt, a, b);
    }

    function test_commitReceipt_afterExpiry_reverts() public {
        OtrReceipt memory receipt = _receipt();
        (bytes memory a, bytes memory b) = _signatures(receipt);
        vm.warp(receipt.expiry + 1);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.ReceiptExpired.selector, receipt.expiry));
        rollup.commitReceipt(receipt, a, b);
    }

    function test_commitReceipt_oneSignatureOnly_reverts() public {
        OtrReceipt memory receipt = _receipt();
        (bytes memory a, bytes memory b) = _signatures(receipt);
        vm.warp(receipt.commitBy);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.EnclaveSignature.selector, enclave, executor));
        rollup.commitReceipt(receipt, b, b);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.OperatorSignature.selector, executor));
        rollup.commitReceipt(receipt, a, a);
    }

    function test_commitReceipt_anotherChainsSignature_reverts() public {
        OtrReceipt memory receipt = _receipt();
        (bytes memory a, bytes memory b) = _signatures(receipt);
        vm.chainId(10);
        vm.prank(executor);
        vm.expectPartialRevert(IOtrRollup.EnclaveSignature.selector);
        rollup.commitReceipt(receipt, a, b);
    }

    function _receiptOf(uint64 seq) private view returns (OtrReceipt memory receipt) {
        receipt = _receipt();
        (receipt.seq, receipt.commitBy) = (seq, uint64(block.timestamp));
    }

    /// @dev Filler batches take all free stake: a receipt that its holder commits is a liability all the same, without a lock.
    function test_commitReceipt_noFreeStake_isScarce_succeeds() public {
        OtrReceipt memory receipt = _receipt();
        vm.prank(executor);
        rollup.commitBatch(keccak256("filler"), 98);
        vm.warp(receipt.commitBy);
        (bytes memory a, bytes memory b) = _signatures(receipt);
        // The executor itself must leave the reserve.
        vm.prank(executor);
        vm.expectPartialRevert(IStakeVault.InsufficientFreeStake.selector);
        rollup.commitReceipt(receipt, a, b);
        vm.prank(executor);
        vault.setDelegate(delegate, true);
        // A stranger's commit may use up the reserve, and goes through even if nothing is left.
        committed = _commitAlone(receipt, stranger);
        assertFalse(rollup.batchOf(committed.batchId).scarce);
        CommittedReceipt memory second = _commitAlone(_receiptOf(2), stranger);
        CommittedReceipt memory third = _commitAlone(_receiptOf(3), stranger);
        assertFalse(rollup.batchOf(second.batchId).scarce);
        assertTrue(rollup.batchOf(third.batchId).scarce);
        assertEq(vault.freeStakeOf(executor), 0);
        assertStatus(third, Status.Provisional);
        committed = third;
        _convict();
        assertStatus(third, Status.Reverted);
        assertStatus(second, Status.Reverted);
        vm.warp(block.timestamp + AIR_GAP);
        Request memory request = _request();
        bytes memory signature = _sign(requesterKey, RequestHash.unwrap(rollup.hashRequest(request)));
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.NoLock.selector, third.batchId));
        rollup.claimCompensation(third, request, signature);
        rollup.claimCompensation(second, request, signature);
        vm.warp(block.timestamp + CLAIM_PERIOD);
        rollup.releaseBatch(third.batchId);
        rollup.releaseBatch(second.batchId);
        assertSolvent();
    }

    function test_dropDuplicate_freesLock_succeeds() public {
        OtrReceipt memory receipt = _receipt();
        committed = _commit(receipt, 2, 5);
        vm.warp(receipt.commitBy);
        CommittedReceipt memory single = _commitAlone(receipt, stranger);
        assertEq(vault.executorOf(executor).locked, 6 * LOCK);
        vm.prank(stranger);
        rollup.dropDuplicate(single.batchId, committed);
        assertEq(vault.executorOf(executor).locked, 5 * LOCK);
        assertStatus(single, Status.None);
        assertStatus(committed, Status.Provisional);
        // It does not come back.
        (bytes memory a, bytes memory b) = _signatures(receipt);
        vm.expectPartialRevert(IOtrRollup.ReceiptCommitted.selector);
        rollup.commitReceipt(receipt, a, b);
    }

    function test_dropDuplicate_notADuplicate_reverts() public {
        OtrReceipt memory receipt = _receipt();
        CommittedReceipt memory single = _commitAlone(receipt, executor);
        committed = _commit(receipt, 2, 5);
        // The other came later.
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.NotADuplicate.selector, single.batchId, committed.batchId));
        rollup.dropDuplicate(single.batchId, committed);
        // Not a batch of one receipt that was committed on its own.
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.NotADuplicate.selector, committed.batchId, single.batchId));
        rollup.dropDuplicate(committed.batchId, single);
        // Another receipt.
        receipt.seq = 2;
        CommittedReceipt memory second = _commitAlone(receipt, executor);
        vm.expectPartialRevert(IOtrRollup.NotADuplicate.selector);
        rollup.dropDuplicate(second.batchId, committed);
    }

    function test_dropDuplicate_underChallenge_reverts() public {
        OtrReceipt memory receipt = _receipt();
        CommittedReceipt memory original = _commit(receipt, 2, 5);
        committed = _commitAlone(receipt, executor);
        _open(0);
        vm.expectPartialRevert(IOtrRollup.BatchUnsettled.selector);
        rollup.dropDuplicate(committed.batchId, original);
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
        vm.expectPartialRevert(IStakeVault.Suspended.selector);
        rollup.dropDuplicate(committed.batchId, original);
    }

    // ---------------------------------------------------------------- status

    function test_statusOf_lifecycle_succeeds() public {
        committed = _commit();
        assertStatus(committed, Status.Provisional);
        vm.warp(block.timestamp + WINDOW - 1);
        assertStatus(committed, Status.Provisional);
        vm.warp(block.timestamp + 1);
        assertStatus(committed, Status.Final);
        rollup.releaseBatch(committed.batchId);
        assertStatus(committed, Status.Final);
        assertEq(vault.executorOf(executor).locked, 0);
    }

    function test_statusOf_notInBatch_isNone_succeeds() public {
        committed = _commit();
        CommittedReceipt memory c = committed;
        c.index = 3;
        assertStatus(c, Status.None);
        c.index = 5;
        assertStatus(c, Status.None);
        c = committed;
        c.receipt.seq = 2;
        assertStatus(c, Status.None);
        c = committed;
        c.batchId = _id(9);
        assertStatus(c, Status.None);
    }

    function test_statusOf_anotherExecutorsReceipt_isNone_succeeds() public {
        OtrReceipt memory receipt = _receipt();
        bytes32[] memory leaves = new bytes32[](1);
        leaves[0] = ReceiptHash.unwrap(rollup.hashReceipt(receipt));
        vm.deal(stranger, 10 ether);
        vm.startPrank(stranger);
        vault.deposit{value: 10 ether}(stranger);
        BatchId id = rollup.commitBatch(Trees.over(leaves).root(Tags.BATCH), 1);
        vm.stopPrank();
        committed = CommittedReceipt({receipt: receipt, batchId: id, index: 0, siblings: ""});
        assertStatus(committed, Status.None);
        vm.deal(challenger, BOND);
        vm.expectPartialRevert(IOtrRollup.NotChallengeable.selector);
        vm.prank(challenger);
        game.open{value: BOND}(committed, _request(), 0, 0, "");
    }

    function test_statusOf_committedLate_isNone_succeeds() public {
        OtrReceipt memory receipt = _receipt();
        vm.warp(receipt.expiry + 1);
        assertStatus(_commit(receipt, 0, 1), Status.None);
    }

    function test_statusOf_undecidable_isNone_succeeds() public {
        OtrReceipt memory receipt = _receipt();
        receipt.machineVersion = 8;
        assertStatus(_commit(receipt, 0, 1), Status.None);
        receipt = _receipt();
        receipt.modelId = ModelId.wrap(keccak256("unknown"));
        assertStatus(_commit(receipt, 0, 1), Status.None);
        receipt = _receipt();
        receipt.nIn = 0;
        assertStatus(_commit(receipt, 0, 1), Status.None);
        receipt = _receipt();
        receipt.nOut = 0;
        assertStatus(_commit(receipt, 0, 1), Status.None);
        receipt = _receipt();
        receipt.nOut = 63;
        assertStatus(_commit(receipt, 0, 1), Status.None);
        receipt.nOut = 62;
        assertStatus(_commit(receipt, 0, 1), Status.Provisional);
        receipt.nIn = type(uint32).max;
        receipt.nOut = type(uint32).max;
        assertStatus(_commit(receipt, 0, 1), Status.None);
    }

    /// @dev A lie about a model that nobody can judge must not wait out its window.
    function test_statusOf_modelUsableLater_isNone_succeeds() public {
        OtrReceipt memory receipt = _receipt();
        weightsRoot = keccak256("later");
        manifest.weightsRoot = weightsRoot;
        receipt.modelId = ModelId.wrap(keccak256(abi.encode(keccak256("OTR/model/1"), manifest)));
        CommittedReceipt memory early = _commit(receipt, 0, 1);
        vm.warp(block.timestamp + 1);
        _registerModel();
        assertEq(ModelId.unwrap(modelId), ModelId.unwrap(receipt.modelId));
        vm.warp(block.timestamp + WINDOW);
        assertStatus(early, Status.None);
    }

    function test_statusOf_keyNotActiveAtCommit_isNoneButLiable_succeeds() public {
        vm.prank(executor);
        enclaves.revoke(enclave);
        committed = _commit();
        assertStatus(committed, Status.None);
        _convict();
        assertStatus(committed, Status.Reverted);
    }

    function test_statusOf_keyRevokedLater_staysFinal_succeeds() public {
        committed = _commit();
        vm.warp(block.timestamp + 1);
        vm.prank(executor);
        enclaves.revoke(enclave);
        assertStatus(committed, Status.Provisional);
        vm.warp(block.timestamp + WINDOW);
        assertStatus(committed, Status.Final);
    }

    function test_statusOf_exiting_isNone_succeeds() public {
        vm.prank(executor);
        vault.requestExit();
        committed = _commit();
        assertStatus(committed, Status.None);
    }

    function test_statusOf_convictionRevertsNonFinalOnly_succeeds() public {
        CommittedReceipt memory old = _commit(_receipt(), 0, 2);
        vm.warp(block.timestamp + WINDOW);
        OtrReceipt memory receipt = _receipt();
        receipt.seq = 2;
        CommittedReceipt memory other = _commit(receipt, 1, 3);
        committed = _commit();
        _convict();
        assertStatus(old, Status.Final);
        assertStatus(other, Status.Reverted);
        assertStatus(committed, Status.Reverted);
        vm.warp(block.timestamp + 10 * WINDOW);
        assertStatus(old, Status.Final);
        assertStatus(other, Status.Reverted);
        assertStatus(committed, Status.Reverted);
    }

    /// @dev The same receipt in a later batch: its conviction there must not undo what was final here.
    function test_statusOf_recommittedAndConvicted_staysFinal_succeeds() public {
        OtrReceipt memory receipt = _receipt();
        receipt.expiry = uint64(block.timestamp + 10 days);
        CommittedReceipt memory first = _commit(receipt, 0, 2);
        vm.warp(block.timestamp + WINDOW);
        assertStatus(first, Status.Final);
        committed = _commit(receipt, 1, 2);
        _open(0);
        assertStatus(first, Status.Final);
        assertStatus(committed, Status.Challenged);
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
        assertStatus(first, Status.Final);
        assertStatus(committed, Status.Reverted);
    }

    function test_statusOf_gameBeyondWindow_delaysFinality_succeeds() public {
        committed = _commit();
        vm.warp(block.timestamp + WINDOW - 1);
        _open(0);
        vm.warp(block.timestamp + 1);
        assertStatus(committed, Status.Challenged);
        vm.expectPartialRevert(IOtrRollup.BatchUnsettled.selector);
        rollup.releaseBatch(committed.batchId);
        _postFine();
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
        assertStatus(committed, Status.Final);
        rollup.releaseBatch(committed.batchId);
        assertEq(vault.executorOf(executor).locked, 0);
    }

    // ---------------------------------------------------------------- release

    function test_releaseBatch_early_reverts() public {
        committed = _commit();
        vm.expectRevert(
            abi.encodeWithSelector(IOtrRollup.BatchUnsettled.selector, committed.batchId, block.timestamp + WINDOW, 0)
        );
        rollup.releaseBatch(committed.batchId);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.UnknownBatch.selector, 9));
        rollup.releaseBatch(_id(9));
    }

    function test_releaseBatch_twice_reverts() public {
        committed = _commit();
        vm.warp(block.timestamp + WINDOW);
        rollup.releaseBatch(committed.batchId);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.BatchReleased.selector, committed.batchId));
        rollup.releaseBatch(committed.batchId);
    }

    function test_releaseBatch_afterConviction_burnsAllLocks_succeeds() public {
        committed = _commit();
        OtrReceipt memory receipt = _receipt();
        receipt.seq = 2;
        CommittedReceipt memory other = _commit(receipt, 0, 3);
        _convict();
        uint256 convictedAt = block.timestamp;
        vm.warp(convictedAt + WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.ClaimsOpen.selector, convictedAt + CLAIM_PERIOD));
        rollup.releaseBatch(other.batchId);
        vm.warp(convictedAt + CLAIM_PERIOD);
        rollup.releaseBatch(other.batchId);
        rollup.releaseBatch(committed.batchId);
        assertEq(vault.executorOf(executor).locked, 0);
        assertEq(vault.executorOf(executor).stake, STAKE - 8 * LOCK);
        assertEq(vault.burnt(), 8 * LOCK - LOCK / 4);
        assertSolvent();
    }

    /// @dev Two receipts of a batch are under challenge when its window ends; one convicts. The rest of the batch is final.
    function test_releaseBatch_partlyFinal_succeeds() public {
        OtrReceipt memory receipt = _receipt();
        receipt.seq = 2;
        bytes32[] memory leaves = new bytes32[](4);
        leaves[0] = ReceiptHash.unwrap(rollup.hashReceipt(_receipt()));
        leaves[1] = ReceiptHash.unwrap(rollup.hashReceipt(receipt));
        receipt.seq = 3;
        leaves[2] = ReceiptHash.unwrap(rollup.hashReceipt(receipt));
        leaves[3] = keccak256("fourth");
        Trees.Tree memory tree = Trees.over(leaves);
        vm.prank(executor);
        BatchId id = rollup.commitBatch(tree.root(Tags.BATCH), 4);
        CommittedReceipt memory first =
            CommittedReceipt({receipt: _receipt(), batchId: id, index: 0, siblings: tree.siblings(0)});
        CommittedReceipt memory third =
            CommittedReceipt({receipt: receipt, batchId: id, index: 2, siblings: tree.siblings(2)});
        receipt = _receipt();
        receipt.seq = 2;
        CommittedReceipt memory second =
            CommittedReceipt({receipt: receipt, batchId: id, index: 1, siblings: tree.siblings(1)});

        vm.warp(block.timestamp + WINDOW - 1);
        committed = first;
        _open(0);
        Subject memory game1 = subject;
        committed = second;
        _openBy(stranger, 0);
        vm.warp(block.timestamp + TURN);
        game.timeout(game1);
        assertStatus(first, Status.Reverted);
        assertStatus(second, Status.Reverted);
        assertStatus(third, Status.Final);
        game.close(subject);
        assertStatus(second, Status.Reverted);
        vm.warp(block.timestamp + AIR_GAP);
        game.payOut(subject);
        assertGe(vault.claimableOf(stranger), BOND, "bond back");
        vm.warp(block.timestamp + CLAIM_PERIOD);
        rollup.releaseBatch(id);
        assertStatus(first, Status.Reverted);
        assertStatus(second, Status.Reverted);
        assertStatus(third, Status.Final);
        assertEq(vault.executorOf(executor).locked, 0);
        // Two locks, and the gas of two games.
        assertLe(vault.executorOf(executor).stake, STAKE - 2 * LOCK);
        assertSolvent();
    }

    // ---------------------------------------------------------------- compensation

    /// @dev Waits until verdicts are paid, and closes it.
    function _awaitGap() private {
        vm.warp(block.timestamp + AIR_GAP);
    }

    function _claim(CommittedReceipt memory c, uint256 key) private {
        Request memory request = _request();
        bytes memory signature = _sign(key, RequestHash.unwrap(rollup.hashRequest(request)));
        rollup.claimCompensation(c, request, signature);
    }

    function test_claimCompensation_paysRequesterOnce_succeeds() public {
        committed = _commit();
        _convict();
        _awaitGap();
        vm.prank(stranger);
        _claim(committed, requesterKey);
        assertEq(vault.claimableOf(requester), LOCK / 5);
        assertTrue(rollup.isCompensated(rollup.hashRequest(_request())));
        Request memory request = _request();
        bytes memory signature = _sign(requesterKey, RequestHash.unwrap(rollup.hashRequest(request)));
        CommittedReceipt memory c = committed;
        vm.expectPartialRevert(IOtrRollup.AlreadyCompensated.selector);
        rollup.claimCompensation(c, request, signature);
        vm.warp(block.timestamp + CLAIM_PERIOD);
        rollup.releaseBatch(committed.batchId);
        assertEq(vault.executorOf(executor).stake, STAKE - 5 * LOCK);
        assertEq(vault.burnt(), 5 * LOCK - LOCK / 4 - LOCK / 5);
        vm.expectPartialRevert(IOtrRollup.BatchReleased.selector);
        rollup.claimCompensation(c, request, signature);
        assertSolvent();
    }

    function test_claimCompensation_contractRequester_succeeds() public {
        Wallet wallet = new Wallet();
        requester = address(wallet);
        committed = _commit();
        _convict();
        _awaitGap();
        wallet.approve(RequestHash.unwrap(rollup.hashRequest(_request())));
        rollup.claimCompensation(committed, _request(), "");
        assertEq(vault.claimableOf(address(wallet)), LOCK / 5);
    }

    function test_claimCompensation_unsigned_reverts() public {
        committed = _commit();
        _convict();
        _awaitGap();
        CommittedReceipt memory c = committed;
        Request memory request = _request();
        bytes memory signature = _sign(executorKey, RequestHash.unwrap(rollup.hashRequest(request)));
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.RequesterSignature.selector, requester));
        rollup.claimCompensation(c, request, signature);
    }

    function test_claimCompensation_nobodysRequest_reverts() public {
        requester = address(0);
        committed = _commit();
        _convict();
        _awaitGap();
        CommittedReceipt memory c = committed;
        Request memory request = _request();
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.RequesterSignature.selector, address(0)));
        rollup.claimCompensation(c, request, "");
    }

    function test_claimCompensation_anotherRequest_reverts() public {
        committed = _commit();
        _convict();
        CommittedReceipt memory c = committed;
        Request memory request = _request();
        request.nonce = 10;
        vm.expectPartialRevert(IOtrRollup.RequestMismatch.selector);
        rollup.claimCompensation(c, request, "");
    }

    function test_claimCompensation_notReverted_reverts() public {
        committed = _commit();
        CommittedReceipt memory c = committed;
        Request memory request = _request();
        bytes memory expected =
            abi.encodeWithSelector(IOtrRollup.NotReverted.selector, rollup.hashReceipt(c.receipt), Status.Provisional);
        vm.expectRevert(expected);
        rollup.claimCompensation(c, request, "");
    }

    // ---------------------------------------------------------------- games

    function test_gameCalls_notTheGame_reverts() public {
        committed = _commit();
        CommittedReceipt memory c = committed;
        ReceiptHash hash = rollup.hashReceipt(c.receipt);
        bytes memory expected = abi.encodeWithSelector(IOtrRollup.NotCourt.selector, 1, stranger);
        vm.startPrank(stranger);
        vm.expectRevert(expected);
        rollup.enterGame(c);
        vm.expectRevert(expected);
        rollup.leaveGame(c.batchId, hash);
        vm.expectRevert(expected);
        rollup.convict(c.batchId, hash, stranger, Timestamp.wrap(1));
        vm.expectRevert(expected);
        rollup.enterDemand(c.batchId, 0);
        vm.expectRevert(expected);
        rollup.leaveDemand(c.batchId, 0);
        vm.expectRevert(expected);
        rollup.convictUnanswered(c.batchId, 0, stranger, Timestamp.wrap(1));
        vm.expectRevert(expected);
        rollup.repayGas(c.batchId, stranger, 1);
    }

    function test_gameCalls_noOpenGame_reverts() public {
        committed = _commit();
        BatchId id = committed.batchId;
        ReceiptHash hash = rollup.hashReceipt(committed.receipt);
        bytes memory expected = abi.encodeWithSelector(IOtrRollup.NoOpenGame.selector, id, hash);
        vm.startPrank(address(game));
        vm.expectRevert(expected);
        rollup.leaveGame(id, hash);
        vm.expectRevert(expected);
        rollup.convict(id, hash, stranger, Timestamp.wrap(1));
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.UnknownBatch.selector, 9));
        rollup.leaveGame(_id(9), hash);
    }

    function test_enterGame_afterWindow_reverts() public {
        committed = _commit();
        vm.warp(block.timestamp + WINDOW);
        CommittedReceipt memory c = committed;
        bytes memory expected =
            abi.encodeWithSelector(IOtrRollup.NotChallengeable.selector, rollup.hashReceipt(c.receipt), Status.Final);
        vm.deal(challenger, BOND);
        vm.prank(challenger);
        vm.expectRevert(expected);
        game.open{value: BOND}(c, _request(), 0, 0, "");
    }

    // ---------------------------------------------------------------- rules

    function test_addRules_pinsOldBatches_succeeds() public {
        committed = _commit();
        Rules memory rules = _rules();
        DisputeGame other = _newGame(rollup);
        rules.game = address(other);
        rules.lockPerReceipt = 2 ether;
        vm.prank(governance);
        assertEq(RulesVersion.unwrap(rollup.addRules(rules)), 2);
        assertEq(RulesVersion.unwrap(rollup.currentRules()), 2);
        _open(0);
        assertEq(rollup.openGamesOn(committed.batchId, rollup.hashReceipt(committed.receipt)), 1);
        vm.prank(executor);
        rollup.commitBatch(keccak256("root"), 2);
        assertEq(vault.executorOf(executor).locked, 5 * LOCK + 4 ether);
    }

    function _newGame(OtrRollup owner) private returns (DisputeGame) {
        return new DisputeGame(owner, vault, judge, models, d.uptime, Duration.wrap(uint32(TURN)));
    }

    function test_addRules_invalid_reverts() public {
        vm.startPrank(governance);
        Rules memory rules = _rules();
        rules.game = address(_newGame(OtrRollup(stranger)));
        _expectInvalid(rules, "game");
        rules = _rules();
        rules.judge = stranger;
        _expectInvalid(rules, "judge");
        rules = _rules();
        rules.machineVersion = 8;
        _expectInvalid(rules, "machineVersion");
        rules = _rules();
        rules.challengeWindow = Duration.wrap(0);
        _expectInvalid(rules, "challengeWindow");
        rules = _rules();
        rules.turnDuration = Duration.wrap(0);
        _expectInvalid(rules, "turnDuration");
        rules = _rules();
        rules.lockPerReceipt = 0;
        _expectInvalid(rules, "lockPerReceipt");
        rules = _rules();
        rules.bond = 0;
        _expectInvalid(rules, "bond");
        rules = _rules();
        rules.requesterBps = 2501;
        _expectInvalid(rules, "shares");
        rules = _rules();
        rules.frauds = address(new FraudProofs(OtrRollup(stranger), models, Duration.wrap(1)));
        _expectInvalid(rules, "frauds");
        rules = _rules();
        rules.availability = address(new Availability(OtrRollup(stranger), vault, d.uptime, Duration.wrap(1)));
        _expectInvalid(rules, "availability");
        rules = _rules();
        rules.uptime = address(new SequencerUptime(address(feed), Duration.wrap(1)));
        _expectInvalid(rules, "uptime");
        rules = _rules();
        rules.turnDuration = Duration.wrap(uint32(TURN + 1));
        _expectInvalid(rules, "turnDuration");
        rules = _rules();
        rules.bond = uint96(2 * game.EXECUTOR_GAS() * GAS_PRICE - 2);
        _expectInvalid(rules, "bond");
        rules = _rules();
        rules.demandBond = uint96(2 * d.availability.ANSWER_GAS() * GAS_PRICE - 1);
        _expectInvalid(rules, "demandBond");
        rules = _rules();
        rules.reserve = uint96(game.gasOf(game.MAX_TURNS()) * GAS_PRICE - 1);
        _expectInvalid(rules, "reserve");
        rules = _rules();
        rules.claimPeriod = Duration.wrap(uint32(AIR_GAP - 1));
        _expectInvalid(rules, "claimPeriod");
        rules = _rules();
        rules.airGap = Duration.wrap(uint32(CLAIM_PERIOD + 1));
        _expectInvalid(rules, "claimPeriod");
        rules = _rules();
        rules.expiryCap = Duration.wrap(uint32(rules.expiryCap.inSeconds()) + 1);
        _expectInvalid(rules, "exitDelay");
    }

    /// @dev Courts that judge by other models, or know other delegates, than those that executors serve by.
    function test_addRules_courtsOfAnotherDeployment_reverts() public {
        vm.startPrank(governance);
        Duration turn = Duration.wrap(uint32(TURN));
        (StakeVault otherVault, ModelRegistry otherModels) = (new StakeVault(), new ModelRegistry());
        Rules memory rules = _rules();
        rules.game = address(new DisputeGame(rollup, otherVault, judge, models, d.uptime, turn));
        _expectInvalid(rules, "game");
        rules.game = address(new DisputeGame(rollup, vault, judge, otherModels, d.uptime, turn));
        _expectInvalid(rules, "game");
        rules = _rules();
        rules.frauds = address(new FraudProofs(rollup, otherModels, turn));
        _expectInvalid(rules, "frauds");
        rules = _rules();
        rules.availability = address(new Availability(rollup, otherVault, d.uptime, turn));
        _expectInvalid(rules, "availability");
        rules.availability = address(new Availability(rollup, vault, d.uptime, turn));
        rules.frauds = address(new FraudProofs(rollup, models, turn));
        rules.game = address(_newGame(rollup));
        rollup.addRules(rules);
    }

    function _expectInvalid(Rules memory rules, bytes32 rule) private {
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.InvalidRules.selector, rule));
        rollup.addRules(rules);
    }

    function test_rulesOf_unknown_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.UnknownRules.selector, 2));
        rollup.rulesOf(RulesVersion.wrap(2));
    }

    function test_governance_stranger_reverts() public {
        Rules memory rules = _rules();
        bytes memory unauthorised = abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger);
        vm.startPrank(stranger);
        vm.expectRevert(unauthorised);
        rollup.addRules(rules);
        vm.expectRevert(unauthorised);
        rollup.setRefundMode(RulesVersion.wrap(1));
        vm.expectRevert(unauthorised);
        rollup.pause();
        vm.expectRevert(unauthorised);
        rollup.unpause();
        vm.expectRevert(unauthorised);
        rollup.upgradeToAndCall(stranger, "");
        vm.stopPrank();
        vm.prank(guardian);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, guardian));
        rollup.unpause();
    }

    function test_upgrade_byGovernance_succeeds() public {
        committed = _commit();
        address next = address(new OtrRollup(vault, models, enclaves));
        vm.prank(governance);
        rollup.upgradeToAndCall(next, "");
        assertStatus(committed, Status.Provisional);
    }
}
