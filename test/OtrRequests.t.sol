// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Recorder, RequestsTest} from "./utils/RequestsTest.sol";
import {OtrRequests} from "src/OtrRequests.sol";
import {IOtrDelivery} from "src/interfaces/IOtrDelivery.sol";
import {Finality, IOtrRequests, RequestInfo, RequestState} from "src/interfaces/IOtrRequests.sol";
import {BatchId, CommittedReceipt, Status} from "src/interfaces/IOtrRollup.sol";
import {Timestamp} from "src/libraries/Clock.sol";
import {ModelId, Receipt as OtrReceipt, ReceiptHash, Request, RequestHash} from "src/types/OtrTypes.sol";

contract OtrRequestsTest is RequestsTest {
    uint32[] private _none;

    function _key(CommittedReceipt memory committed) private view returns (bytes32) {
        return keccak256(
            abi.encode(
                committed.batchId, committed.index, rollup.hashReceipt(committed.receipt), keccak256(committed.siblings)
            )
        );
    }

    function _passWindow() private {
        vm.warp(block.timestamp + WINDOW);
    }

    function _passDelivery(Request memory request) private {
        vm.warp(request.deadline + PERIOD);
    }

    // ---------------------------------------------------------------- request

    function test_request_escrowsAndTells_succeeds() public {
        Request memory request = _question();
        Request memory complete = _complete(_question(), _input());
        RequestHash expected = rollup.hashRequest(complete);
        vm.expectEmit(address(requests));
        emit IOtrRequests.Requested(
            expected, address(consumer), modelId, complete, _input(), Finality.Final, CALLBACK_GAS, PAYMENT
        );
        RequestHash requestHash =
            consumer.ask{value: PAYMENT}(requests, request, _input(), Finality.Final, CALLBACK_GAS);
        assertEq(RequestHash.unwrap(requestHash), RequestHash.unwrap(expected));
        RequestInfo memory info = requests.requestOf(requestHash);
        assertEq(info.requester, address(consumer));
        assertEq(info.payment, PAYMENT);
        assertEq(Timestamp.unwrap(info.deadline), request.deadline);
        assertEq(info.callbackGas, CALLBACK_GAS);
        assertEq(uint256(info.finality), uint256(Finality.Final));
        assertEq(Timestamp.unwrap(requests.deliverBy(requestHash)), request.deadline + PERIOD);
        assertEq(_escrow(), PAYMENT);
        assertEq(address(requests).balance, 0);
        assertAnswer(requestHash, RequestState.Open, 0, _none);
    }

    function test_request_completeOne_isTheSame_succeeds() public {
        Request memory request = _complete(_question(), _input());
        RequestHash requestHash = consumer.ask(requests, request, _input(), Finality.Final, 0);
        assertEq(RequestHash.unwrap(requestHash), RequestHash.unwrap(rollup.hashRequest(request)));
        assertEq(_escrow(), 0);
    }

    function _refuse(Request memory request, uint32[] memory input, uint32 gas_, bytes memory error) private {
        vm.expectRevert(error);
        vm.prank(address(consumer));
        requests.request(request, input, Finality.Final, gas_);
    }

    function _range(bytes32 what, uint256 value, uint256 least, uint256 most) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IOtrRequests.OutOfRange.selector, what, value, least, most);
    }

    function test_request_otherRequester_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IOtrRequests.NotRequester.selector, consumer, stranger));
        vm.prank(stranger);
        requests.request(_question(), _input(), Finality.Final, 0);
    }

    function test_request_confidential_reverts() public {
        Request memory request = _question();
        request.confidential = true;
        _refuse(request, _input(), 0, abi.encodeWithSelector(IOtrRequests.Confidential.selector));
    }

    function test_request_wrongRootOrLength_reverts() public {
        Request memory request = _complete(_question(), _input());
        bytes32 right = request.inputRoot;
        request.inputRoot = keccak256("wrong");
        _refuse(
            request, _input(), 0, abi.encodeWithSelector(IOtrRequests.RootMismatch.selector, keccak256("wrong"), right)
        );
        request.inputRoot = right;
        request.nIn = 11;
        _refuse(request, _input(), 0, abi.encodeWithSelector(IOtrRequests.InputLength.selector, 11, 10));
    }

    function test_request_twice_reverts() public {
        (Request memory request, RequestHash requestHash) = _ask(Finality.Final);
        _refuse(request, _input(), 0, abi.encodeWithSelector(IOtrRequests.RequestExists.selector, requestHash));
        // Nor after its end.
        _passDelivery(request);
        requests.refund(requestHash);
        vm.warp(request.deadline - 1);
        _refuse(request, _input(), 0, abi.encodeWithSelector(IOtrRequests.RequestExists.selector, requestHash));
    }

    function test_request_limits_reverts() public {
        uint256 now_ = block.timestamp;
        Request memory request = _question();
        request.deadline = uint64(now_);
        _refuse(request, _input(), 0, _range("deadline", now_, now_ + 1, now_ + 30 days));
        request.deadline = uint64(now_ + 30 days + 1);
        _refuse(request, _input(), 0, _range("deadline", now_ + 30 days + 1, now_ + 1, now_ + 30 days));
        request = _question();
        request.maxOut = 0;
        _refuse(request, _input(), 0, _range("maxOut", 0, 1, 2048));
        request.maxOut = 2049;
        _refuse(request, _input(), 0, _range("maxOut", 2049, 1, 2048));
        request.maxOut = 4;
        _refuse(request, _none, 0, _range("input", 0, 1, 4096));
        _refuse(request, _tokens(4093, 7), 0, _range("input and maxOut", 4097, 2, 4096));
        request.sampler = 2;
        _refuse(request, _input(), 0, _range("sampler", 2, 0, 1));
        request.sampler = 1;
        request.stopTokens = new uint32[](17);
        _refuse(request, _input(), 0, _range("stopTokens", 17, 0, 16));
        request.stopTokens = new uint32[](16);
        request.watchers = new address[](17);
        _refuse(request, _input(), 0, _range("watchers", 17, 0, 16));
        request.watchers = new address[](16);
        _refuse(request, _input(), 2_000_001, _range("callbackGas", 2_000_001, 0, 2_000_000));
        uint32[] memory input = _input();
        input[3] = 2000;
        _refuse(request, input, 0, abi.encodeWithSelector(IOtrRequests.UnknownToken.selector, 3, 2000, 2000));
        request.modelId = ModelId.wrap(keccak256("unknown"));
        _refuse(request, _input(), 0, abi.encodeWithSelector(IOtrRequests.ModelNotUsable.selector, request.modelId));
    }

    function testDiff_requestHash_isTheRollups(Request memory request, uint32[] memory input) public {
        vm.assume(input.length != 0 && input.length < 100);
        for (uint256 i; i < input.length; ++i) {
            input[i] %= 2000;
        }
        request.modelId = modelId;
        request.requester = address(consumer);
        request.confidential = false;
        request.maxOut = uint32(bound(request.maxOut, 1, 2048));
        request.sampler %= 2;
        request.deadline = uint64(bound(request.deadline, block.timestamp + 1, block.timestamp + 30 days));
        if (request.stopTokens.length > 16) request.stopTokens = new uint32[](16);
        if (request.watchers.length > 16) request.watchers = new address[](3);
        (request.inputRoot, request.nIn) = (0, 0);
        RequestHash requestHash = consumer.ask(requests, request, input, Finality.Final, 0);
        assertEq(RequestHash.unwrap(requestHash), RequestHash.unwrap(rollup.hashRequest(_complete(request, input))));
    }

    // ---------------------------------------------------------------- deliver: Final

    function test_deliver_finalWanted_waits_succeeds() public {
        (Request memory request, RequestHash requestHash) = _ask(Finality.Final);
        CommittedReceipt memory committed = _answer(request, _output(), executor);
        vm.expectEmit(address(requests));
        emit IOtrDelivery.Delivered(requestHash, executor, rollup.hashReceipt(committed.receipt), _key(committed));
        vm.prank(stranger);
        requests.deliver(request, committed, _output());
        assertTrue(requests.isCandidate(requestHash, committed));
        assertEq(consumer.count(), 0);
        assertAnswer(requestHash, RequestState.Open, 0, _none);
        vm.expectRevert(abi.encodeWithSelector(IOtrDelivery.Unsettled.selector, requestHash, Status.Provisional));
        requests.finish(requestHash, committed);

        _passWindow();
        vm.expectEmit(address(requests));
        emit IOtrRequests.Final(requestHash, 1, executor, _output());
        requests.finish(requestHash, committed);
        assertTold(requestHash, RequestState.Final, 1, _output());
        assertEq(consumer.count(), 1);
        assertAnswer(requestHash, RequestState.Final, 1, _output());
        assertEq(vault.claimableOf(executor), PAYMENT);
        assertEq(_escrow(), 0);
    }

    function test_deliver_alreadyFinal_paysAtOnce_succeeds() public {
        Request memory request = _question();
        request.deadline = uint64(block.timestamp + 3 days);
        RequestHash requestHash =
            consumer.ask{value: PAYMENT}(requests, request, _input(), Finality.Provisional, CALLBACK_GAS);
        request = _complete(request, _input());
        CommittedReceipt memory committed = _answer(request, _output(), executor);
        _passWindow();
        requests.deliver(request, committed, _output());
        assertTold(requestHash, RequestState.Final, 1, _output());
        assertEq(vault.claimableOf(executor), PAYMENT);
    }

    function test_deliver_stopTokenEndsIt_succeeds() public {
        (Request memory request, RequestHash requestHash) = _ask(Finality.Provisional);
        uint32[] memory output = _tokens(2, 1000);
        output[1] = STOP;
        requests.deliver(request, _answer(request, output, executor), output);
        assertAnswer(requestHash, RequestState.Provisional, 1, output);
    }

    // ---------------------------------------------------------------- deliver: Provisional

    function test_deliver_provisionalWanted_tellsAtOnce_succeeds() public {
        (, RequestHash requestHash, CommittedReceipt memory committed) = _delivered(Finality.Provisional);
        assertTold(requestHash, RequestState.Provisional, 1, _output());
        assertAnswer(requestHash, RequestState.Provisional, 1, _output());
        assertEq(vault.claimableOf(executor), 0);
        vm.expectRevert(abi.encodeWithSelector(IOtrDelivery.Unsettled.selector, requestHash, Status.Provisional));
        requests.finish(requestHash, committed);
        _passWindow();
        requests.finish(requestHash, committed);
        assertTold(requestHash, RequestState.Final, 1, _output());
        assertEq(consumer.count(), 2);
        assertEq(vault.claimableOf(executor), PAYMENT);
    }

    function test_finish_revertedProvisional_tells_reopens_succeeds() public {
        (Request memory request, RequestHash requestHash, CommittedReceipt memory committed) =
            _delivered(Finality.Provisional);
        court.open(committed);
        vm.expectRevert(abi.encodeWithSelector(IOtrDelivery.Unsettled.selector, requestHash, Status.Challenged));
        requests.finish(requestHash, committed);
        court.convict(committed);
        vm.expectEmit(address(requests));
        emit IOtrDelivery.Dropped(requestHash, _key(committed), Status.Reverted);
        vm.expectEmit(address(requests));
        emit IOtrRequests.Reverted(requestHash, 1);
        requests.finish(requestHash, committed);
        assertTold(requestHash, RequestState.Open, 1, _none);
        assertAnswer(requestHash, RequestState.Open, 1, _none);
        assertFalse(requests.isCandidate(requestHash, committed));
        vm.expectRevert(abi.encodeWithSelector(IOtrDelivery.NotDelivered.selector, requestHash, _key(committed)));
        requests.finish(requestHash, committed);
        vm.expectRevert(
            abi.encodeWithSelector(
                IOtrDelivery.NotStanding.selector, rollup.hashReceipt(committed.receipt), Status.Reverted
            )
        );
        requests.deliver(request, committed, _output());

        // Another executor answers.
        CommittedReceipt memory second = _answer(request, _otherOutput(), rival);
        requests.deliver(request, second, _otherOutput());
        assertTold(requestHash, RequestState.Provisional, 2, _otherOutput());
        _passWindow();
        requests.finish(requestHash, second);
        assertTold(requestHash, RequestState.Final, 2, _otherOutput());
        assertEq(vault.claimableOf(rival), PAYMENT);
        assertEq(vault.claimableOf(executor), 0);
    }

    function test_deliver_lieHoldsTheSlotOnly_honestIsPaid_succeeds() public {
        // A lie is shown first and challenged; the honest answer, delivered beside it, is final before the game is over.
        (Request memory request, RequestHash requestHash) = _ask(Finality.Provisional);
        CommittedReceipt memory lie = _answer(request, _otherOutput(), rival);
        requests.deliver(request, lie, _otherOutput());
        CommittedReceipt memory truth = _answer(request, _output(), executor);
        requests.deliver(request, truth, _output());
        assertEq(consumer.count(), 1);
        court.open(lie);
        _passWindow();
        requests.finish(requestHash, truth);
        assertTold(requestHash, RequestState.Final, 2, _output());
        assertEq(vault.claimableOf(executor), PAYMENT);
        // The lie's end changes nothing.
        court.convict(lie);
        vm.expectRevert(abi.encodeWithSelector(IOtrRequests.WrongState.selector, requestHash, RequestState.Final));
        requests.finish(requestHash, lie);
    }

    function test_finish_sameOutputOfAnother_keepsRound_succeeds() public {
        (Request memory request, RequestHash requestHash, CommittedReceipt memory first) =
            _delivered(Finality.Provisional);
        CommittedReceipt memory second = _answer(request, _output(), rival);
        requests.deliver(request, second, _output());
        court.open(first);
        _passWindow();
        requests.finish(requestHash, second);
        assertTold(requestHash, RequestState.Final, 1, _output());
        assertEq(vault.claimableOf(rival), PAYMENT);
    }

    function test_deliver_challenged_isShownOnceProvisionalAgain_succeeds() public {
        (Request memory request, RequestHash requestHash) = _ask(Finality.Provisional);
        CommittedReceipt memory committed = _answer(request, _output(), executor);
        court.open(committed);
        requests.deliver(request, committed, _output());
        assertEq(consumer.count(), 0);
        court.lose(committed);
        requests.finish(requestHash, committed);
        assertTold(requestHash, RequestState.Provisional, 1, _output());
    }

    function test_finish_challengeLost_pays_succeeds() public {
        // The game outlives window and delivery period: the candidate waits, and nobody is refunded meanwhile.
        (Request memory request, RequestHash requestHash, CommittedReceipt memory committed) =
            _delivered(Finality.Final);
        court.open(committed);
        _passWindow();
        _passDelivery(request);
        vm.expectRevert(abi.encodeWithSelector(IOtrRequests.CandidatesOpen.selector, 1));
        requests.refund(requestHash);
        vm.warp(block.timestamp + 40 * TURN);
        court.lose(committed);
        requests.finish(requestHash, committed);
        assertEq(vault.claimableOf(executor), PAYMENT);
    }

    function test_finish_demandAnswered_pays_succeeds() public {
        (, RequestHash requestHash, CommittedReceipt memory committed) = _delivered(Finality.Final);
        court.demand(committed.batchId, committed.index);
        vm.expectRevert(abi.encodeWithSelector(IOtrDelivery.Unsettled.selector, requestHash, Status.Challenged));
        requests.finish(requestHash, committed);
        vm.warp(block.timestamp + WINDOW - 1);
        court.answered(committed.batchId, committed.index);
        vm.warp(block.timestamp + WINDOW / 2);
        requests.finish(requestHash, committed);
        assertEq(vault.claimableOf(executor), PAYMENT);
    }

    function test_finish_demandUnanswered_refunds_succeeds() public {
        (Request memory request, RequestHash requestHash, CommittedReceipt memory committed) =
            _delivered(Finality.Final);
        court.demand(committed.batchId, committed.index);
        court.unanswered(committed.batchId, committed.index);
        requests.finish(requestHash, committed);
        assertEq(consumer.count(), 0);
        _passDelivery(request);
        requests.refund(requestHash);
        assertEq(vault.claimableOf(address(consumer)), PAYMENT);
    }

    // ---------------------------------------------------------------- deliver: what is refused

    function _refuseAnswer(
        Request memory request,
        CommittedReceipt memory committed,
        uint32[] memory output,
        bytes memory error
    ) private {
        vm.expectRevert(error);
        requests.deliver(request, committed, output);
    }

    function _contradicts(bytes32 field) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IOtrDelivery.ReceiptContradicts.selector, field);
    }

    function test_deliver_unknownRequest_reverts() public {
        Request memory request = _complete(_question(), _input());
        CommittedReceipt memory committed = _answer(request, _output(), executor);
        _refuseAnswer(
            request,
            committed,
            _output(),
            abi.encodeWithSelector(IOtrRequests.WrongState.selector, rollup.hashRequest(request), RequestState.None)
        );
    }

    function test_deliver_otherRequestsReceipt_reverts() public {
        (Request memory request, RequestHash requestHash) = _ask(Finality.Final);
        (Request memory other, RequestHash otherHash) = _ask(Finality.Final);
        CommittedReceipt memory committed = _answer(request, _output(), executor);
        _refuseAnswer(
            other,
            committed,
            _output(),
            abi.encodeWithSelector(IOtrDelivery.RequestMismatch.selector, otherHash, requestHash)
        );
    }

    function test_deliver_fieldsContradict_reverts() public {
        (Request memory request,) = _ask(Finality.Final);
        OtrReceipt memory receipt = _receipt(request, _output(), executor);
        receipt.modelId = ModelId.wrap(keccak256("cheap"));
        _refuseAnswer(request, _commit(receipt), _output(), _contradicts("modelId"));
        receipt = _receipt(request, _output(), executor);
        receipt.inputRoot = keccak256("other");
        _refuseAnswer(request, _commit(receipt), _output(), _contradicts("inputRoot"));
        receipt = _receipt(request, _output(), executor);
        receipt.nIn = 9;
        _refuseAnswer(request, _commit(receipt), _output(), _contradicts("nIn"));
        receipt = _receipt(request, _output(), executor);
        receipt.nOut = 3;
        _refuseAnswer(request, _commit(receipt), _output(), _contradicts("nOut"));
        _refuseAnswer(request, _answer(request, _output(), executor), _none, _contradicts("nOut"));
        _refuseAnswer(request, _answer(request, _tokens(5, 1000), executor), _tokens(5, 1000), _contradicts("nOut"));
        _refuseAnswer(
            request,
            _answer(request, _output(), executor),
            _otherOutput(),
            abi.encodeWithSelector(
                IOtrRequests.RootMismatch.selector,
                _outputRoot(request, _output()),
                _outputRoot(request, _otherOutput())
            )
        );
    }

    function test_deliver_cutShort_reverts() public {
        (Request memory request,) = _ask(Finality.Final);
        uint32[] memory output = _tokens(1, 1000);
        // "Cancelled by the requester": there is no such thing on the chain.
        OtrReceipt memory receipt = _receipt(request, output, executor);
        receipt.stopReason = 2;
        _refuseAnswer(request, _commit(receipt), output, _contradicts("stopReason"));
        receipt.stopReason = 1;
        _refuseAnswer(request, _commit(receipt), output, _contradicts("stopReason"));
        receipt.stopReason = 0;
        _refuseAnswer(request, _commit(receipt), output, _contradicts("stopReason"));
        receipt = _receipt(request, _output(), executor);
        receipt.stopReason = 0;
        _refuseAnswer(request, _commit(receipt), _output(), _contradicts("stopReason"));
    }

    function test_deliver_stopTokenInside_reverts() public {
        (Request memory request,) = _ask(Finality.Final);
        uint32[] memory output = _output();
        output[1] = STOP;
        for (uint8 reason; reason < 3; ++reason) {
            OtrReceipt memory receipt = _receipt(request, output, executor);
            receipt.stopReason = reason;
            _refuseAnswer(request, _commit(receipt), output, _contradicts("stopReason"));
        }
        output = _output();
        output[3] = STOP;
        OtrReceipt memory last = _receipt(request, output, executor);
        last.stopReason = 1;
        _refuseAnswer(request, _commit(last), output, _contradicts("stopReason"));
    }

    function test_deliver_committedLate_reverts() public {
        (Request memory request, RequestHash requestHash) = _ask(Finality.Final);
        vm.warp(request.deadline + 1);
        CommittedReceipt memory committed = _answer(request, _output(), executor);
        _refuseAnswer(
            request,
            committed,
            _output(),
            abi.encodeWithSelector(IOtrDelivery.CommittedLate.selector, request.deadline, request.deadline + 1)
        );
        assertState(requestHash, RequestState.Open);
    }

    function test_deliver_committedAtDeadline_succeeds() public {
        (Request memory request, RequestHash requestHash) = _ask(Finality.Final);
        vm.warp(request.deadline);
        CommittedReceipt memory committed = _answer(request, _output(), executor);
        vm.warp(request.deadline + PERIOD - 1);
        requests.deliver(request, committed, _output());
        assertTrue(requests.isCandidate(requestHash, committed));
    }

    function test_deliver_periodOver_reverts() public {
        (Request memory request,) = _ask(Finality.Final);
        CommittedReceipt memory committed = _answer(request, _output(), executor);
        _passDelivery(request);
        _refuseAnswer(
            request,
            committed,
            _output(),
            abi.encodeWithSelector(IOtrDelivery.DeliveryOver.selector, request.deadline + PERIOD)
        );
    }

    function test_deliver_sequencerOutage_prolongs_succeeds() public {
        (Request memory request, RequestHash requestHash) = _ask(Finality.Final);
        CommittedReceipt memory committed = _answer(request, _output(), executor);
        uint256 until = request.deadline + PERIOD;
        feed.push(true, until - 10);
        feed.push(false, until + 10);
        vm.warp(until + 10 + 6 hours - 1);
        vm.expectRevert(abi.encodeWithSelector(IOtrRequests.DeliveryOpen.selector, until));
        requests.refund(requestHash);
        requests.deliver(request, committed, _output());
        assertTrue(requests.isCandidate(requestHash, committed));
    }

    function test_deliver_inactiveKey_reverts() public {
        (Request memory request,) = _ask(Finality.Provisional);
        CommittedReceipt memory committed = _answer(request, _output(), executor);
        enclaves.setInactive(enclave, true);
        _refuseAnswer(
            request,
            committed,
            _output(),
            abi.encodeWithSelector(
                IOtrDelivery.NotStanding.selector, rollup.hashReceipt(committed.receipt), Status.None
            )
        );
    }

    function test_deliver_twice_reverts() public {
        (Request memory request, RequestHash requestHash, CommittedReceipt memory committed) =
            _delivered(Finality.Final);
        _refuseAnswer(
            request,
            committed,
            _output(),
            abi.encodeWithSelector(IOtrDelivery.AlreadyDelivered.selector, requestHash, _key(committed))
        );
    }

    function test_deliver_scarceBatch_reverts() public {
        // A lie that nothing backs: its executor has no free stake, a stranger commits it after `commitBy`.
        (Request memory request,) = _ask(Finality.Final);
        (address poor, uint256 poorKey) = makeAddrAndKey("poor");
        (address key, uint256 keyKey) = makeAddrAndKey("poor enclave");
        OtrReceipt memory receipt = _receipt(request, _output(), poor);
        receipt.enclaveKey = key;
        bytes32 digest = ReceiptHash.unwrap(rollup.hashReceipt(receipt));
        vm.warp(receipt.commitBy);
        BatchId batchId = rollup.commitReceipt(receipt, _sign(keyKey, digest), _sign(poorKey, digest));
        CommittedReceipt memory committed =
            CommittedReceipt({receipt: receipt, batchId: batchId, index: 0, siblings: ""});
        assertEq(uint256(rollup.statusOf(committed)), uint256(Status.Provisional));
        _refuseAnswer(request, committed, _output(), abi.encodeWithSelector(IOtrDelivery.NoLock.selector, batchId));
    }

    function _sign(uint256 key, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    // ---------------------------------------------------------------- finish: wrong openings, two batches

    function test_finish_wrongOpening_dropsNothing_reverts() public {
        // The rollup says None for a wrong opening: it must not be taken for the candidate's end.
        (, RequestHash requestHash, CommittedReceipt memory committed) = _delivered(Finality.Provisional);
        CommittedReceipt memory wrong = _copy(committed);
        wrong.index = 2;
        wrong.siblings = bytes.concat(keccak256("x"));
        assertEq(uint256(rollup.statusOf(wrong)), uint256(Status.None));
        vm.expectRevert(abi.encodeWithSelector(IOtrDelivery.NotDelivered.selector, requestHash, _key(wrong)));
        requests.finish(requestHash, wrong);
        wrong = _copy(committed);
        wrong.batchId = BatchId.wrap(99);
        vm.expectRevert(abi.encodeWithSelector(IOtrDelivery.NotDelivered.selector, requestHash, _key(wrong)));
        requests.finish(requestHash, wrong);
        wrong = _copy(committed);
        wrong.receipt.seq = 99;
        vm.expectRevert(abi.encodeWithSelector(IOtrDelivery.NotDelivered.selector, requestHash, _key(wrong)));
        requests.finish(requestHash, wrong);
        assertTrue(requests.isCandidate(requestHash, committed));
    }

    function _copy(CommittedReceipt memory committed) private pure returns (CommittedReceipt memory) {
        return abi.decode(abi.encode(committed), (CommittedReceipt));
    }

    function test_finish_receiptInTwoBatches_paysOnce_succeeds() public {
        (Request memory request, RequestHash requestHash) = _ask(Finality.Final);
        OtrReceipt memory receipt = _receipt(request, _output(), executor);
        CommittedReceipt memory first = _commit(receipt);
        CommittedReceipt memory second = _commit(receipt);
        requests.deliver(request, second, _output());
        requests.deliver(request, first, _output());
        assertEq(requests.requestOf(requestHash).candidates, 2);
        _passWindow();
        requests.finish(requestHash, second);
        vm.expectRevert(abi.encodeWithSelector(IOtrRequests.WrongState.selector, requestHash, RequestState.Final));
        requests.finish(requestHash, first);
        vm.expectRevert(abi.encodeWithSelector(IOtrRequests.WrongState.selector, requestHash, RequestState.Final));
        requests.deliver(request, first, _output());
        assertEq(vault.claimableOf(executor), PAYMENT);
    }

    function test_finish_droppedDuplicate_leavesOriginal_succeeds() public {
        (Request memory request, RequestHash requestHash) = _ask(Finality.Final);
        (address signer, uint256 signerKey) = makeAddrAndKey("signer");
        (address key, uint256 keyKey) = makeAddrAndKey("key");
        vm.deal(signer, STAKE);
        vm.prank(signer);
        vault.deposit{value: STAKE}(signer);
        OtrReceipt memory receipt = _receipt(request, _output(), signer);
        receipt.enclaveKey = key;
        CommittedReceipt memory first = _commit(receipt);
        bytes32 digest = ReceiptHash.unwrap(rollup.hashReceipt(receipt));
        vm.warp(receipt.commitBy);
        vm.prank(stranger);
        BatchId batchId = rollup.commitReceipt(receipt, _sign(keyKey, digest), _sign(signerKey, digest));
        CommittedReceipt memory second = CommittedReceipt({receipt: receipt, batchId: batchId, index: 0, siblings: ""});
        requests.deliver(request, second, _output());
        requests.deliver(request, first, _output());
        rollup.dropDuplicate(batchId, first);
        requests.finish(requestHash, second);
        assertEq(requests.requestOf(requestHash).candidates, 1);
        _passWindow();
        requests.finish(requestHash, first);
        assertEq(vault.claimableOf(signer), PAYMENT);
    }

    function test_finish_unknown_reverts() public {
        (Request memory request, RequestHash requestHash) = _ask(Finality.Final);
        CommittedReceipt memory committed = _answer(request, _output(), executor);
        vm.expectRevert(abi.encodeWithSelector(IOtrDelivery.NotDelivered.selector, requestHash, _key(committed)));
        requests.finish(requestHash, committed);
        RequestHash unknown = RequestHash.wrap(keccak256("unknown"));
        vm.expectRevert(abi.encodeWithSelector(IOtrRequests.WrongState.selector, unknown, RequestState.None));
        requests.finish(unknown, committed);
    }

    // ---------------------------------------------------------------- refund

    function test_refund_unanswered_succeeds() public {
        (Request memory request, RequestHash requestHash) = _ask(Finality.Provisional);
        vm.warp(request.deadline + PERIOD - 1);
        vm.expectRevert(abi.encodeWithSelector(IOtrRequests.DeliveryOpen.selector, request.deadline + PERIOD));
        requests.refund(requestHash);
        _passDelivery(request);
        vm.expectEmit(address(requests));
        emit IOtrRequests.Refunded(requestHash, address(consumer), PAYMENT);
        vm.prank(stranger);
        requests.refund(requestHash);
        assertTold(requestHash, RequestState.Refunded, 0, _none);
        assertEq(vault.claimableOf(address(consumer)), PAYMENT);
        assertEq(_escrow(), 0);
        vm.expectRevert(abi.encodeWithSelector(IOtrRequests.WrongState.selector, requestHash, RequestState.Refunded));
        requests.refund(requestHash);
        consumer.call(address(vault), abi.encodeCall(vault.claim, (address(consumer))));
        assertEq(address(consumer).balance, PAYMENT);
    }

    function test_refund_reverted_succeeds() public {
        (Request memory request, RequestHash requestHash, CommittedReceipt memory committed) =
            _delivered(Finality.Provisional);
        court.open(committed);
        court.convict(committed);
        _passDelivery(request);
        vm.expectRevert(abi.encodeWithSelector(IOtrRequests.CandidatesOpen.selector, 1));
        requests.refund(requestHash);
        requests.finish(requestHash, committed);
        requests.refund(requestHash);
        assertTold(requestHash, RequestState.Refunded, 1, _none);
        assertEq(vault.claimableOf(address(consumer)), PAYMENT);
    }

    function test_refund_final_reverts() public {
        (Request memory request, RequestHash requestHash, CommittedReceipt memory committed) =
            _delivered(Finality.Final);
        _passWindow();
        _passDelivery(request);
        vm.warp(block.timestamp + 2 * WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IOtrRequests.CandidatesOpen.selector, 1));
        requests.refund(requestHash);
        requests.finish(requestHash, committed);
        vm.expectRevert(abi.encodeWithSelector(IOtrRequests.WrongState.selector, requestHash, RequestState.Final));
        requests.refund(requestHash);
        assertEq(vault.claimableOf(executor), PAYMENT);
    }

    /// @dev At every moment either an answer that was committed in time is taken, or the payment goes back; never both, never neither.
    function testFuzz_refund_orDeliver_atAnyTime(uint256 time, bool provisional, bool refundFirst) public {
        (Request memory request, RequestHash requestHash) = _ask(provisional ? Finality.Provisional : Finality.Final);
        CommittedReceipt memory committed = _answer(request, _output(), executor);
        vm.warp(bound(time, block.timestamp, request.deadline + 2 * PERIOD));
        bool open_ = block.timestamp < request.deadline + PERIOD;
        bytes memory refund = abi.encodeCall(requests.refund, (requestHash));
        bytes memory deliver = abi.encodeCall(requests.deliver, (request, committed, _output()));
        (bool first,) = address(requests).call(refundFirst ? refund : deliver);
        (bool second,) = address(requests).call(refundFirst ? deliver : refund);
        (bool refunded, bool delivered) = refundFirst ? (first, second) : (second, first);
        assertEq(delivered, open_);
        assertEq(refunded, !open_);
        assertEq(_escrow(), open_ ? PAYMENT : 0);
        assertEq(vault.claimableOf(address(consumer)), open_ ? 0 : PAYMENT);
    }

    /// @dev Any payment comes out again as it went in, to the executor or back, however often anyone tries.
    function testFuzz_request_anyPayment_comesOutOnce(uint96 payment, bool answered, uint8 attempts) public {
        vm.deal(address(this), payment);
        Request memory request = _question();
        RequestHash requestHash = consumer.ask{value: payment}(requests, request, _input(), Finality.Final, 0);
        request = _complete(request, _input());
        assertEq(_escrow(), payment);
        CommittedReceipt memory committed = _answer(request, _output(), executor);
        if (answered) requests.deliver(request, committed, _output());
        vm.warp(block.timestamp + 2 * WINDOW);
        for (uint256 i; i <= attempts % 4; ++i) {
            (bool finished,) = address(requests).call(abi.encodeCall(requests.finish, (requestHash, committed)));
            (bool refunded,) = address(requests).call(abi.encodeCall(requests.refund, (requestHash)));
            assertEq(finished, answered && i == 0);
            assertEq(refunded, !answered && i == 0);
        }
        assertEq(_escrow(), 0);
        assertEq(vault.claimableOf(executor), answered ? payment : 0);
        assertEq(vault.claimableOf(address(consumer)), answered ? 0 : payment);
    }

    // ---------------------------------------------------------------- callbacks

    function test_callback_fails_changesNothing_succeeds() public {
        for (uint8 deed = 1; deed <= 4; ++deed) {
            (, RequestHash requestHash, CommittedReceipt memory committed) = _delivered(Finality.Final);
            vm.warp(block.timestamp + WINDOW);
            consumer.misbehave(address(0), abi.encodePacked(deed));
            uint256 before = vault.claimableOf(executor);
            // A long return value (3) is no failure; it is not copied.
            if (deed != 3) {
                vm.expectEmit(address(requests));
                emit IOtrRequests.CallbackFailed(requestHash, RequestState.Final);
            }
            requests.finish(requestHash, committed);
            assertEq(vault.claimableOf(executor), before + PAYMENT);
            assertAnswer(requestHash, RequestState.Final, 1, _output());
            assertEq(consumer.count(), 0);
        }
    }

    function test_callback_returnBomb_costsNothingMore_succeeds() public {
        (, RequestHash requestHash, CommittedReceipt memory committed) = _delivered(Finality.Final);
        (, RequestHash plainHash, CommittedReceipt memory plain) = _delivered(Finality.Final);
        vm.warp(block.timestamp + WINDOW);
        consumer.misbehave(address(0), hex"01");
        uint256 gas_ = gasleft();
        requests.finish(plainHash, plain);
        uint256 simple = gas_ - gasleft();
        consumer.misbehave(address(0), hex"04");
        gas_ = gasleft();
        requests.finish(requestHash, committed);
        // The bomb's memory is the consumer's to pay: 200,000 bytes are about 95,000 gas, copying them would cost as much again.
        assertLt(gas_ - gasleft(), simple + 140_000);
    }

    function test_callback_reenters_nothingChanges_succeeds() public {
        (Request memory request, RequestHash requestHash, CommittedReceipt memory committed) =
            _delivered(Finality.Provisional);
        vm.warp(block.timestamp + WINDOW);
        bytes[3] memory calls = [
            abi.encodeCall(requests.finish, (requestHash, committed)),
            abi.encodeCall(requests.deliver, (request, committed, _output())),
            abi.encodeCall(requests.refund, (requestHash))
        ];
        uint256 snapshot = vm.snapshotState();
        for (uint256 i; i < calls.length; ++i) {
            consumer.misbehave(address(requests), calls[i]);
            requests.finish(requestHash, committed);
            // The recorder reverts if its call succeeded.
            assertEq(consumer.count(), 2);
            assertEq(vault.claimableOf(executor), PAYMENT);
            vm.revertToState(snapshot);
        }
    }

    function test_callback_tooLittleGas_reverts() public {
        (, RequestHash requestHash, CommittedReceipt memory committed) = _delivered(Finality.Final);
        vm.warp(block.timestamp + WINDOW);
        (bool done, bytes memory error) =
            address(requests).call{gas: 550_000}(abi.encodeCall(requests.finish, (requestHash, committed)));
        assertFalse(done);
        assertEq(bytes4(error), IOtrRequests.CallbackGas.selector);
        assertState(requestHash, RequestState.Open);
    }

    /// @dev With any gas that is enough for the transaction, the consumer has all that it was promised.
    function testFuzz_callback_hasItsGas(uint256 gas_) public {
        gas_ = bound(gas_, 500_000, 1_200_000);
        (, RequestHash requestHash, CommittedReceipt memory committed) = _delivered(Finality.Final);
        vm.warp(block.timestamp + WINDOW);
        (bool done,) = address(requests).call{gas: gas_}(abi.encodeCall(requests.finish, (requestHash, committed)));
        if (!done) return assertEq(consumer.count(), 0);
        assertEq(consumer.count(), 1);
        assertGt(consumer.last().gas, CALLBACK_GAS - 5_000);
        assertLe(consumer.last().gas, CALLBACK_GAS);
    }

    function test_callback_none_succeeds() public {
        Request memory request = _question();
        request.requester = stranger;
        vm.deal(stranger, 1 ether);
        vm.prank(stranger);
        RequestHash requestHash = requests.request{value: 1 ether}(request, _input(), Finality.Provisional, 0);
        request = _complete(request, _input());
        CommittedReceipt memory committed = _answer(request, _output(), executor);
        requests.deliver(request, committed, _output());
        _passWindow();
        requests.finish(requestHash, committed);
        assertAnswer(requestHash, RequestState.Final, 1, _output());
        assertEq(vault.claimableOf(executor), 1 ether);
    }

    // ---------------------------------------------------------------- lengths

    /// @dev Answers of every length come back as they were.
    function testFuzz_output_isReadable(uint32[] memory tokens, uint256 count) public {
        count = bound(count, 1, 40);
        uint32[] memory output = new uint32[](count);
        for (uint256 i; i < count; ++i) {
            output[i] = i < tokens.length ? tokens[i] : uint32(i);
            if (output[i] == STOP) output[i] = 6;
        }
        Request memory request = _question();
        request.maxOut = uint32(count);
        RequestHash requestHash =
            consumer.ask{value: PAYMENT}(requests, request, _input(), Finality.Provisional, 2_000_000);
        request = _complete(request, _input());
        requests.deliver(request, _answer(request, output, executor), output);
        assertAnswer(requestHash, RequestState.Provisional, 1, output);
        assertTold(requestHash, RequestState.Provisional, 1, output);
    }

    function test_deliver_longest_fits_succeeds() public {
        Request memory request = _question();
        request.maxOut = 2048;
        request.stopTokens = new uint32[](16);
        RequestHash requestHash =
            consumer.ask{value: PAYMENT}(requests, request, _tokens(2048, 1), Finality.Provisional, 2_000_000);
        request = _complete(request, _tokens(2048, 1));
        uint32[] memory output = _tokens(2048, 1);
        CommittedReceipt memory committed = _answer(request, output, executor);
        uint256 gas_ = gasleft();
        requests.deliver(request, committed, output);
        // Execution; 65,536 bytes of calldata cost 1.0M at most beside.
        assertLt(gas_ - gasleft(), 15_000_000);
        assertAnswer(requestHash, RequestState.Provisional, 1, output);
    }
}
