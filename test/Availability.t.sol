// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {OtrTest} from "./utils/OtrTest.sol";
import {Trees} from "./utils/Trees.sol";
import {Availability} from "src/Availability.sol";
import {Demand, DemandState, IAvailability} from "src/interfaces/IAvailability.sol";
import {IFraudProofs} from "src/interfaces/IFraudProofs.sol";
import {BatchId, CommittedReceipt, IOtrRollup, RulesVersion, Status} from "src/interfaces/IOtrRollup.sol";
import {BinaryTree} from "src/libraries/BinaryTree.sol";
import {Timestamp} from "src/libraries/Clock.sol";
import {PartLib} from "src/libraries/PartLib.sol";
import {Tags} from "src/libraries/Tags.sol";
import {Receipt as OtrReceipt, ReceiptHash, Request} from "src/types/OtrTypes.sol";

/// @notice Demands for what cannot be recomputed.
contract AvailabilityTest is OtrTest {
    using Trees for Trees.Tree;

    uint256 private constant INDEX = 2;
    uint256 private constant COUNT = 5;

    Availability private availability;
    address private demander = makeAddr("demander");
    CommittedReceipt private committed;
    Request private request;

    function setUp() public override {
        super.setUp();
        availability = d.availability;
        vm.deal(demander, 10 ether);
        _commitIt();
    }

    /// @dev No rows are opened here.
    function _cacheRoot(uint256 step) internal pure override returns (bytes32) {
        return keccak256(abi.encode("cache", step));
    }

    function _commitIt() private {
        request = _request();
        committed = _commit(_receipt(), INDEX, COUNT);
    }

    function _input() private view returns (uint32[] memory input) {
        input = new uint32[](confidential ? 0 : nIn);
        for (uint256 i; i < input.length; ++i) {
            input[i] = uint32(100 + i);
        }
    }

    function _demand() private {
        BatchId batchId = committed.batchId;
        vm.prank(demander);
        availability.demand{value: DEMAND_BOND}(batchId, INDEX);
    }

    function _answer() private {
        availability.answer(committed, request, _input());
    }

    function _demanded() private view returns (Demand memory) {
        return availability.demandOf(committed.batchId, INDEX);
    }

    function assertState(DemandState expected) private view {
        assertEq(uint256(_demanded().state), uint256(expected), "state");
    }

    /// @dev Convicts the executor of another receipt, by a case that is opened now.
    function _convictElsewhere() private {
        OtrReceipt memory receipt = _receipt();
        receipt.stopReason = 3;
        bytes memory proof = abi.encodeCall(IFraudProofs.proveField, (_commit(receipt, 0, 1), request));
        vm.prank(challenger);
        d.frauds.announce(keccak256(abi.encode(challenger, keccak256(proof))));
        vm.warp(block.timestamp + 1);
        vm.prank(challenger);
        (bool ok,) = address(d.frauds).call(proof);
        assertTrue(ok);
    }

    // ---------------------------------------------------------------- demand

    function test_demand_once_succeeds() public {
        uint256 deadline = block.timestamp + TURN;
        vm.expectEmit(address(availability));
        emit IAvailability.Demanded(committed.batchId, INDEX, demander, Timestamp.wrap(uint40(deadline)));
        _demand();
        Demand memory demand = _demanded();
        assertEq(demand.demander, demander);
        assertEq(demand.executor, executor);
        assertEq(Timestamp.unwrap(demand.openedAt), block.timestamp);
        assertEq(Timestamp.unwrap(demand.deadline), deadline);
        assertEq(demand.bond, DEMAND_BOND);
        assertState(DemandState.Open);
        assertEq(vault.bondsOf(address(availability)), DEMAND_BOND);
        assertStatus(committed, Status.Challenged);
        assertSolvent();
    }

    function testFuzz_demand_otherBond_reverts(uint256 bond) public {
        bond = bound(bond, 0, 1 ether);
        vm.assume(bond != DEMAND_BOND);
        BatchId batchId = committed.batchId;
        vm.expectRevert(abi.encodeWithSelector(IAvailability.BondAmount.selector, DEMAND_BOND, bond));
        vm.prank(demander);
        availability.demand{value: bond}(batchId, INDEX);
    }

    function _refusesDemand(uint256 index) private {
        BatchId batchId = committed.batchId;
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.NotDemandable.selector, batchId, index));
        vm.prank(demander);
        availability.demand{value: DEMAND_BOND}(batchId, index);
    }

    function test_demand_openLeaf_reverts() public {
        _demand();
        _refusesDemand(INDEX);
    }

    function test_demand_answeredLeaf_reverts() public {
        _demand();
        _answer();
        _refusesDemand(INDEX);
    }

    function test_demand_otherLeaf_succeeds() public {
        _demand();
        BatchId batchId = committed.batchId;
        vm.prank(demander);
        availability.demand{value: DEMAND_BOND}(batchId, INDEX + 1);
    }

    function test_demand_beyondCount_reverts() public {
        _refusesDemand(COUNT);
    }

    function test_demand_secondHalf_reverts() public {
        vm.warp(block.timestamp + WINDOW / 2);
        _refusesDemand(INDEX);
    }

    function test_demand_unknownBatch_reverts() public {
        BatchId unknown = BatchId.wrap(99);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.UnknownBatch.selector, unknown));
        vm.prank(demander);
        availability.demand{value: DEMAND_BOND}(unknown, 0);
    }

    function test_demand_releasedBatch_reverts() public {
        vm.warp(block.timestamp + WINDOW);
        rollup.releaseBatch(committed.batchId);
        BatchId batchId = committed.batchId;
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.BatchReleased.selector, batchId));
        vm.prank(demander);
        availability.demand{value: DEMAND_BOND}(batchId, INDEX);
    }

    function test_demand_convictedExecutor_reverts() public {
        _convictElsewhere();
        _refusesDemand(INDEX);
    }

    // ---------------------------------------------------------------- answer

    function test_answer_byAnyone_succeeds() public {
        _demand();
        vm.warp(block.timestamp + 60);
        vm.expectEmit(address(availability));
        bytes memory input = abi.encodePacked(uint32(100), uint32(101), uint32(102));
        emit IAvailability.Answered(
            committed.batchId,
            INDEX,
            committed.receipt.requestHash,
            committed.receipt,
            request,
            input,
            committed.siblings
        );
        vm.prank(stranger);
        availability.answer(committed, request, _input());
        assertState(DemandState.Answered);
        assertEq(Timestamp.unwrap(_demanded().deadline), block.timestamp);
        assertStatus(committed, Status.Provisional);
        assertFalse(vault.convictedAt(executor).isSet());
    }

    function test_answer_lastMoment_succeeds() public {
        _demand();
        vm.warp(block.timestamp + TURN - 1);
        _answer();
        assertState(DemandState.Answered);
    }

    /// @dev Whoever waited for the data has half a window to judge it.
    function test_answer_extendsWindow() public {
        uint256 committedAt = block.timestamp;
        vm.warp(committedAt + WINDOW / 2 - 1);
        _demand();
        vm.warp(block.timestamp + TURN - 1);
        _answer();
        uint256 end = block.timestamp + WINDOW / 2;
        vm.warp(end - 1);
        assertStatus(committed, Status.Provisional);
        vm.expectPartialRevert(IOtrRollup.BatchUnsettled.selector);
        rollup.releaseBatch(committed.batchId);
        vm.warp(end);
        assertStatus(committed, Status.Final);
        rollup.releaseBatch(committed.batchId);
        // An executor's demand against itself gains it nothing: one for each leaf, and the longest window is this.
        assertLe(end, committedAt + WINDOW + TURN);
    }

    function test_answer_confidential_succeeds() public {
        confidential = true;
        _commitIt();
        _demand();
        _answer();
        assertState(DemandState.Answered);
    }

    function test_answer_confidentialWithPrompt_reverts() public {
        confidential = true;
        _commitIt();
        _demand();
        vm.expectRevert(abi.encodeWithSelector(IAvailability.TokenCount.selector, 0, 3));
        availability.answer(committed, request, new uint32[](3));
    }

    function test_answer_undemanded_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IAvailability.WrongState.selector, DemandState.Open, DemandState.None));
        _answerWith(_input());
    }

    function test_answer_again_reverts() public {
        _demand();
        _answer();
        vm.expectRevert(
            abi.encodeWithSelector(IAvailability.WrongState.selector, DemandState.Open, DemandState.Answered)
        );
        _answerWith(_input());
    }

    function test_answer_late_reverts() public {
        _demand();
        Timestamp deadline = _demanded().deadline;
        vm.warp(block.timestamp + TURN);
        vm.expectRevert(abi.encodeWithSelector(IAvailability.DeadlinePassed.selector, deadline));
        _answerWith(_input());
    }

    function test_answer_otherReceipt_reverts() public {
        _demand();
        committed.receipt.seq = 99;
        vm.expectRevert(abi.encodeWithSelector(IAvailability.LeafMismatch.selector, committed.batchId, INDEX));
        _answerWith(_input());
    }

    /// @dev Another leaf's receipt does not answer, even of the same batch.
    function test_answer_otherLeaf_reverts() public {
        BatchId batchId = committed.batchId;
        vm.prank(demander);
        availability.demand{value: DEMAND_BOND}(batchId, 0);
        committed.index = 0;
        vm.expectRevert(abi.encodeWithSelector(IAvailability.LeafMismatch.selector, batchId, 0));
        _answerWith(_input());
    }

    function test_answer_otherRequest_reverts() public {
        _demand();
        request.maxOut += 1;
        vm.expectRevert(
            abi.encodeWithSelector(
                IAvailability.RequestMismatch.selector, committed.receipt.requestHash, rollup.hashRequest(request)
            )
        );
        _answerWith(_input());
    }

    function testFuzz_answer_otherToken_reverts(uint256 place, uint32 token) public {
        _demand();
        uint32[] memory input = _input();
        place = bound(place, 0, nIn - 1);
        vm.assume(token != input[place]);
        input[place] = token;
        vm.expectPartialRevert(IAvailability.RootMismatch.selector);
        _answerWith(input);
    }

    function testFuzz_answer_otherLength_reverts(uint8 length) public {
        vm.assume(length != nIn);
        _demand();
        vm.expectRevert(abi.encodeWithSelector(IAvailability.TokenCount.selector, nIn, length));
        _answerWith(new uint32[](length));
    }

    function test_answer_receiptWithoutPrompt_reverts() public {
        OtrReceipt memory receipt = _receipt();
        (receipt.nIn, receipt.inputRoot) = (0, keccak256(abi.encode(Tags.INPUT, 0, bytes32(0))));
        committed = _commit(receipt, INDEX, COUNT);
        _demand();
        vm.expectRevert(abi.encodeWithSelector(IAvailability.TokenCount.selector, 1, 0));
        _answerWith(new uint32[](0));
    }

    /// @dev A request has one encoding: an answer with bits outside a field's type shows nothing that others can use.
    function testFuzz_answer_dirtyRequest_reverts(uint256 field, uint256 bit) public {
        uint256[8] memory words = [uint256(0), 3, 4, 6, 7, 9, 10, 11];
        uint256[8] memory widths = [uint256(160), 32, 32, 8, 32, 64, 64, 1];
        field = bound(field, 0, 7);
        bit = bound(bit, widths[field], 255);
        _demand();
        bytes memory data = abi.encodeCall(IAvailability.answer, (committed, request, _input()));
        // The request's place is in the second word of the arguments.
        uint256 at;
        assembly ("memory-safe") {
            at := add(mload(add(data, 0x44)), 0x04)
        }
        at += 32 * words[field];
        data[at + 31 - bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        (bool ok, bytes memory result) = address(availability).call(data);
        assertFalse(ok);
        assertEq(result.length, 0);
    }

    function _answerWith(uint32[] memory input) private {
        availability.answer(committed, request, input);
    }

    // ---------------------------------------------------------------- timeout

    function test_timeout_unanswered_convicts() public {
        _demand();
        uint256 openedAt = block.timestamp;
        vm.warp(block.timestamp + TURN);
        vm.expectEmit(address(availability));
        emit IAvailability.Unanswered(committed.batchId, INDEX, demander);
        vm.prank(stranger);
        availability.timeout(committed.batchId, INDEX);
        assertState(DemandState.Unanswered);
        assertStatus(committed, Status.Reverted);
        assertEq(rollup.convictionOf(executor).challenger, demander);
        assertEq(Timestamp.unwrap(rollup.convictionOf(executor).openedAt), openedAt);
    }

    function test_timeout_early_reverts() public {
        _demand();
        Timestamp deadline = _demanded().deadline;
        vm.warp(block.timestamp + TURN - 1);
        vm.expectRevert(abi.encodeWithSelector(IAvailability.DeadlineNotPassed.selector, deadline));
        availability.timeout(committed.batchId, INDEX);
    }

    function test_timeout_answered_reverts() public {
        _demand();
        _answer();
        vm.warp(block.timestamp + TURN);
        vm.expectRevert(
            abi.encodeWithSelector(IAvailability.WrongState.selector, DemandState.Open, DemandState.Answered)
        );
        availability.timeout(committed.batchId, INDEX);
    }

    function test_timeout_again_reverts() public {
        _demand();
        vm.warp(block.timestamp + TURN);
        availability.timeout(committed.batchId, INDEX);
        vm.expectRevert(
            abi.encodeWithSelector(IAvailability.WrongState.selector, DemandState.Open, DemandState.Unanswered)
        );
        availability.timeout(committed.batchId, INDEX);
    }

    /// @dev A deadline in an outage waits for the grace's end; at every moment either the answer or the timeout is possible.
    function test_timeout_outage_waits() public {
        _demand();
        uint256 down = block.timestamp + TURN / 2;
        uint256 up = down + 5 * TURN;
        feed.push(true, down);
        feed.push(false, up);
        vm.warp(up + GRACE - 1);
        Timestamp deadline = _demanded().deadline;
        vm.expectRevert(abi.encodeWithSelector(IAvailability.DeadlineNotPassed.selector, deadline));
        availability.timeout(committed.batchId, INDEX);
        uint256 snapshot = vm.snapshotState();
        _answer();
        vm.revertToState(snapshot);
        vm.warp(up + GRACE);
        vm.expectRevert(abi.encodeWithSelector(IAvailability.DeadlinePassed.selector, deadline));
        _answerWith(_input());
        availability.timeout(committed.batchId, INDEX);
        assertStatus(committed, Status.Reverted);
    }

    // ---------------------------------------------------------------- close

    function test_close_unconvicted_reverts() public {
        _demand();
        vm.expectRevert(abi.encodeWithSelector(IAvailability.NotMoot.selector, executor));
        vm.prank(demander);
        availability.close(committed.batchId, INDEX);
    }

    /// @dev The demand was made after the case that convicted: anyone ends it, and the executor's answer does not take the bond.
    function test_close_laterDemand_byAnyone() public {
        OtrReceipt memory receipt = _receipt();
        receipt.stopReason = 3;
        bytes memory proof = abi.encodeCall(IFraudProofs.proveField, (_commit(receipt, 0, 1), request));
        vm.prank(challenger);
        d.frauds.announce(keccak256(abi.encode(challenger, keccak256(proof))));
        vm.warp(block.timestamp + 1);
        _demand();
        vm.prank(challenger);
        (bool ok,) = address(d.frauds).call(proof);
        assertTrue(ok);
        vm.expectEmit(address(availability));
        emit IAvailability.Closed(committed.batchId, INDEX);
        vm.prank(stranger);
        availability.close(committed.batchId, INDEX);
        assertState(DemandState.Moot);
        assertStatus(committed, Status.Reverted);
    }

    /// @dev The demand was made first: it may still earn the challenger's share, so only its demander gives it up.
    function test_close_earlierDemand_byDemanderOnly() public {
        _demand();
        vm.warp(block.timestamp + 1);
        _convictElsewhere();
        BatchId batchId = committed.batchId;
        vm.expectRevert(abi.encodeWithSelector(IAvailability.NotMoot.selector, executor));
        vm.prank(stranger);
        availability.close(batchId, INDEX);
        vm.prank(demander);
        availability.close(batchId, INDEX);
        assertState(DemandState.Moot);
    }

    function test_timeout_earlierDemand_movesConviction() public {
        _demand();
        vm.warp(block.timestamp + 1);
        _convictElsewhere();
        assertEq(rollup.convictionOf(executor).challenger, challenger);
        vm.warp(block.timestamp + TURN);
        availability.timeout(committed.batchId, INDEX);
        assertEq(rollup.convictionOf(executor).challenger, demander);
    }

    function test_close_undemanded_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IAvailability.WrongState.selector, DemandState.Open, DemandState.None));
        availability.close(committed.batchId, INDEX);
    }

    // ---------------------------------------------------------------- payOut

    function _payOut() private {
        vm.warp(Timestamp.unwrap(_demanded().deadline) + AIR_GAP);
        availability.payOut(committed.batchId, INDEX);
        assertState(DemandState.Paid);
        assertEq(vault.bondsOf(address(availability)), 0);
        assertSolvent();
    }

    function test_payOut_answered_paysExecutorHalf() public {
        _demand();
        _answer();
        vm.expectEmit(address(availability));
        emit IAvailability.DemandPaid(committed.batchId, INDEX, executor);
        _payOut();
        assertEq(vault.claimableOf(executor), DEMAND_BOND / 2);
        assertEq(vault.claimableOf(demander), 0);
        assertEq(vault.burnt(), DEMAND_BOND / 2);
    }

    function test_payOut_unanswered_paysDemander() public {
        _demand();
        vm.warp(block.timestamp + TURN);
        availability.timeout(committed.batchId, INDEX);
        _payOut();
        assertEq(vault.claimableOf(demander), DEMAND_BOND + availability.DEMAND_GAS() * GAS_PRICE);
        assertEq(vault.claimableOf(executor), 0);
    }

    function test_payOut_moot_paysDemander() public {
        _demand();
        _convictElsewhere();
        BatchId batchId = committed.batchId;
        vm.prank(demander);
        availability.close(batchId, INDEX);
        _payOut();
        assertEq(vault.claimableOf(demander), DEMAND_BOND + availability.DEMAND_GAS() * GAS_PRICE);
    }

    function test_payOut_early_reverts() public {
        _demand();
        _answer();
        uint256 dueAt = block.timestamp + AIR_GAP;
        vm.warp(dueAt - 1);
        vm.expectRevert(abi.encodeWithSelector(IAvailability.NotDue.selector, dueAt));
        availability.payOut(committed.batchId, INDEX);
    }

    function test_payOut_again_reverts() public {
        _demand();
        _answer();
        _payOut();
        vm.expectRevert(
            abi.encodeWithSelector(IAvailability.WrongState.selector, DemandState.Answered, DemandState.Paid)
        );
        availability.payOut(committed.batchId, INDEX);
    }

    function test_payOut_open_reverts() public {
        _demand();
        vm.warp(block.timestamp + TURN + AIR_GAP);
        vm.expectRevert(
            abi.encodeWithSelector(IAvailability.WrongState.selector, DemandState.Answered, DemandState.Open)
        );
        availability.payOut(committed.batchId, INDEX);
    }

    function _refundMode() private {
        vm.prank(governance);
        rollup.setRefundMode(RulesVersion.wrap(1));
    }

    function test_payOut_refundModeAnswered_paysDemander() public {
        _demand();
        _answer();
        _refundMode();
        _payOut();
        assertEq(vault.claimableOf(demander), DEMAND_BOND);
        assertEq(vault.claimableOf(executor), 0);
    }

    function test_payOut_refundModeUnanswered_paysBondOnly() public {
        _demand();
        vm.warp(block.timestamp + TURN);
        availability.timeout(committed.batchId, INDEX);
        _refundMode();
        _payOut();
        assertEq(vault.claimableOf(demander), DEMAND_BOND);
    }

    /// @dev The lock of a dropped duplicate is free; who answered for it is still known.
    function test_payOut_droppedBatch_paysExecutor() public {
        OtrReceipt memory receipt = committed.receipt;
        bytes32 digest = ReceiptHash.unwrap(rollup.hashReceipt(receipt));
        vm.warp(receipt.commitBy);
        BatchId single = rollup.commitReceipt(receipt, _sign(enclaveKey, digest), _sign(executorKey, digest));
        vm.prank(demander);
        availability.demand{value: DEMAND_BOND}(single, 0);
        CommittedReceipt memory alone = CommittedReceipt(receipt, single, 0, "");
        availability.answer(alone, request, _input());
        rollup.dropDuplicate(single, committed);
        vm.warp(block.timestamp + AIR_GAP);
        availability.payOut(single, 0);
        assertEq(vault.claimableOf(executor), DEMAND_BOND / 2);
    }

    // ---------------------------------------------------------------- many demands

    /// @dev Each leaf is answered for its own bond: an executor that answers loses nothing, however many demands there are.
    function test_demands_onEveryLeaf_costDemanders() public {
        OtrReceipt[] memory receipts = new OtrReceipt[](COUNT);
        bytes32[] memory leaves = new bytes32[](COUNT);
        for (uint256 i; i < COUNT; ++i) {
            receipts[i] = _receipt();
            receipts[i].seq = uint64(10 + i);
            leaves[i] = ReceiptHash.unwrap(rollup.hashReceipt(receipts[i]));
        }
        Trees.Tree memory tree = Trees.over(leaves);
        vm.prank(executor);
        BatchId batchId = rollup.commitBatch(tree.root(Tags.BATCH), COUNT);
        for (uint256 i; i < COUNT; ++i) {
            vm.prank(demander);
            availability.demand{value: DEMAND_BOND}(batchId, i);
        }
        for (uint256 i; i < COUNT; ++i) {
            availability.answer(CommittedReceipt(receipts[i], batchId, i, tree.siblings(i)), request, _input());
        }
        vm.warp(block.timestamp + AIR_GAP);
        for (uint256 i; i < COUNT; ++i) {
            availability.payOut(batchId, i);
        }
        assertEq(vault.claimableOf(executor), COUNT * (DEMAND_BOND / 2));
        assertGe(DEMAND_BOND / 2, availability.ANSWER_GAS() * GAS_PRICE);
        assertSolvent();
    }
}

/// @notice Prompts of real length.
contract AvailabilityOfPartsTest is OtrTest {
    using Trees for Trees.Tree;

    uint256 private constant PART = 1 << PartLib.LEVELS;
    uint256 private constant TRANSACTION = 16_777_216;

    Availability private availability;
    CommittedReceipt private committed;
    Request private request;

    function setUp() public override {
        (contextLength, nIn, nOut) = (40_000, 1, 1);
        super.setUp();
        availability = d.availability;
        vm.deal(executor, 2000 ether);
        vm.prank(executor);
        vault.deposit{value: 2000 ether}(executor);
    }

    /// @dev Commits and demands a receipt about a prompt of so many tokens; its trace does not matter.
    function _ask(uint256 count) private {
        _ask(count, _request());
    }

    function _ask(uint256 count, Request memory asked) private {
        (request, committed.receipt) = (asked, _receipt());
        bytes32[] memory leaves = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            leaves[i] = keccak256(abi.encode(Tags.TOKEN, _saltOf(0, i), _tokenAt(i)));
        }
        request.nIn = uint32(count);
        request.inputRoot = Trees.over(leaves).root(Tags.INPUT);
        committed.receipt.nIn = request.nIn;
        committed.receipt.inputRoot = request.inputRoot;
        committed.receipt.requestHash = rollup.hashRequest(request);
        committed = _commit(committed.receipt, 600, 1000);
        BatchId batchId = committed.batchId;
        vm.prank(challenger);
        availability.demand{value: DEMAND_BOND}(batchId, 600);
    }

    /// @dev Tokens as dear as they get: four non-zero bytes each.
    function _tokenAt(uint256 i) private pure returns (uint32) {
        return uint32(0x11111111 + i);
    }

    function _tokens(uint256 first, uint256 count) private pure returns (uint32[] memory tokens) {
        tokens = new uint32[](count);
        for (uint256 i; i < count; ++i) {
            tokens[i] = _tokenAt(first + i);
        }
    }

    function test_answerOfParts_all_succeeds() public {
        _ask(PART + 5);
        vm.startPrank(executor);
        availability.postPart(request, 0, _tokens(0, PART));
        vm.snapshotGasLastCall("courts", "postPart2048");
        availability.postPart(request, 1, _tokens(PART, 5));
        availability.answerOfParts(committed, request);
        vm.snapshotGasLastCall("courts", "answerOf2Parts");
        vm.stopPrank();
        assertEq(uint256(availability.demandOf(committed.batchId, 600).state), uint256(DemandState.Answered));
    }

    function test_answerOfParts_wholePrompt_succeeds() public {
        _ask(PART + 5);
        availability.answer(committed, request, _tokens(0, PART + 5));
    }

    function test_answerOfParts_missing_reverts() public {
        _ask(PART + 5);
        availability.postPart(request, 0, _tokens(0, PART));
        vm.expectRevert(abi.encodeWithSelector(IAvailability.PartMissing.selector, 1));
        availability.answerOfParts(committed, request);
    }

    /// @dev What somebody else posts neither helps nor hurts.
    function test_answerOfParts_othersParts_reverts() public {
        _ask(PART + 5);
        availability.postPart(request, 0, _tokens(0, PART));
        availability.postPart(request, 1, _tokens(PART, 5));
        vm.prank(stranger);
        availability.postPart(request, 1, new uint32[](5));
        availability.answerOfParts(committed, request);
        vm.expectRevert();
        vm.prank(stranger);
        availability.answerOfParts(committed, request);
    }

    function test_answerOfParts_otherToken_reverts() public {
        _ask(PART + 5);
        uint32[] memory tokens = _tokens(0, PART);
        tokens[77] += 1;
        availability.postPart(request, 0, tokens);
        availability.postPart(request, 1, _tokens(PART, 5));
        vm.expectPartialRevert(IAvailability.RootMismatch.selector);
        availability.answerOfParts(committed, request);
    }

    function test_postPart_wrongLength_reverts() public {
        _ask(PART + 5);
        vm.expectRevert(abi.encodeWithSelector(IAvailability.TokenCount.selector, 5, 6));
        availability.postPart(request, 1, _tokens(PART, 6));
    }

    function test_postPart_beyondPrompt_reverts() public {
        _ask(PART + 5);
        vm.expectRevert(abi.encodeWithSelector(BinaryTree.NodeOutOfRange.selector, 2, 2));
        availability.postPart(request, 2, new uint32[](0));
    }

    function test_postPart_confidential_reverts() public {
        confidential = true;
        _ask(PART + 5);
        vm.expectRevert(abi.encodeWithSelector(IAvailability.TokenCount.selector, 0, PART));
        availability.postPart(request, 0, _tokens(0, PART));
        vm.expectRevert(abi.encodeWithSelector(IAvailability.PartMissing.selector, 0));
        availability.answerOfParts(committed, request);
    }

    // ---------------------------------------------------------------- gas

    /// @dev The constants that bonds and repayments are made of, against real transactions.
    function test_gas_answer_withinBond() public {
        _gasOf(1, "answer1");
        _gasOf(1024, "answer1024");
        uint256 gas = _gasOf(8192, "answer8192");
        vm.snapshotValue("courts", "answerPerToken", gas / 8192);
        // The longest prompts that fit one transaction.
        assertLe(_gasOf(20_000, "answer20000"), TRANSACTION);
    }

    /// @dev The longest prompt that executors take, of the largest request that they take, in parts.
    function test_gas_answerOfParts_withinBond() public {
        Request memory asked = _request();
        asked.stopTokens = new uint32[](64);
        for (uint256 i; i < 64; ++i) {
            asked.stopTokens[i] = _tokenAt(i);
        }
        asked.watchers = new address[](16);
        for (uint256 i; i < 16; ++i) {
            asked.watchers[i] = address(uint160(uint256(keccak256(abi.encode(i)))));
        }
        uint256 limit = availability.PROMPT_LIMIT();
        _ask(limit, asked);
        uint256 gas;
        for (uint256 part; part < limit / PART; ++part) {
            availability.postPart(request, part, _tokens(part * PART, PART));
            gas += vm.lastCallGas().gasTotalUsed;
        }
        availability.answerOfParts(committed, request);
        gas += vm.snapshotGasLastCall("courts", "answerOf16Parts");
        vm.snapshotValue("courts", "answerInPartsPerToken", gas / limit);
        assertLe(gas, availability.ANSWER_GAS());
    }

    function _gasOf(uint256 count, string memory name) private returns (uint256 gas) {
        uint256 snapshot = vm.snapshotState();
        _ask(count);
        uint32[] memory tokens = _tokens(0, count);
        availability.answer(committed, request, tokens);
        gas = vm.snapshotGasLastCall("courts", name);
        assertLe(gas, 250_000 + 760 * count);
        vm.revertToState(snapshot);
    }

    /// @dev What is repaid is never more than what it cost, and most of it.
    function test_gas_demand_repaid() public {
        committed = _commit(_receipt(), 600, 1000);
        BatchId batchId = committed.batchId;
        vm.prank(challenger);
        availability.demand{value: DEMAND_BOND}(batchId, 600);
        uint256 gas = vm.snapshotGasLastCall("courts", "demand");
        vm.warp(block.timestamp + TURN);
        availability.timeout(batchId, 600);
        gas += vm.snapshotGasLastCall("courts", "timeoutDemand");
        vm.warp(block.timestamp + AIR_GAP);
        availability.payOut(batchId, 600);
        vm.snapshotGasLastCall("courts", "payOutDemand");
        uint256 repaid = availability.DEMAND_GAS();
        assertLe(repaid, gas);
        assertGe(repaid, (gas * 7) / 10);
    }
}
