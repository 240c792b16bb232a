// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {Test} from "forge-std/Test.sol";
import {MockOtrRequests} from "src/consumer/MockOtrRequests.sol";
import {OtrConsumer} from "src/consumer/OtrConsumer.sol";
import {Finality, IOtrRequests, RequestInfo, RequestState} from "src/interfaces/IOtrRequests.sol";
import {Duration, Timestamp} from "src/libraries/Clock.sol";
import {ModelId, Request, RequestHash} from "src/types/OtrTypes.sol";

/// @title A consumer that writes down which hooks ran
contract Diary is OtrConsumer {
    string public entries;
    uint32[] private _output;
    bool public failing;

    constructor(IOtrRequests otr) OtrConsumer(otr) {}

    function ask(Finality finality, uint32 callbackGas) external payable returns (RequestHash) {
        return _ask(
            Question({
                modelId: ModelId.wrap(keccak256("model")),
                input: new uint32[](3),
                maxOut: 8,
                stopTokens: new uint32[](0),
                sampler: 1,
                temperature: 65_536,
                lifetime: Duration.wrap(1 hours),
                finality: finality,
                callbackGas: callbackGas,
                payment: uint96(msg.value)
            })
        );
    }

    function setFailing(bool failing_) external {
        failing = failing_;
    }

    function claim(address to) external {
        _claim(to);
    }

    function output() external view returns (uint32[] memory) {
        return _output;
    }

    function _onProvisional(RequestHash, uint32[] memory output_) internal override {
        _write("P", output_);
    }

    function _onFinal(RequestHash, uint32[] memory output_) internal override {
        _write("F", output_);
    }

    function _onReverted(RequestHash) internal override {
        _write("R", new uint32[](0));
    }

    function _onRefunded(RequestHash) internal override {
        _write("B", new uint32[](0));
    }

    function _write(string memory entry, uint32[] memory output_) private {
        require(!failing, "failing");
        entries = string.concat(entries, entry);
        _output = output_;
    }
}

contract OtrConsumerTest is Test {
    MockOtrRequests private _mock = new MockOtrRequests();
    Diary private _diary = new Diary(_mock);

    function setUp() public {
        vm.warp(1_800_000_000);
        vm.roll(100);
    }

    function _tokens(uint32 from) private pure returns (uint32[] memory tokens) {
        tokens = new uint32[](2);
        (tokens[0], tokens[1]) = (from, from + 1);
    }

    function _ask(Finality finality) private returns (RequestHash) {
        return _diary.ask{value: 1 ether}(finality, 500_000);
    }

    function test_final_only_succeeds() public {
        RequestHash hash = _ask(Finality.Final);
        _mock.answer(hash, _tokens(7), RequestState.Provisional);
        assertEq(_diary.entries(), "");
        _mock.finalize(hash);
        assertEq(_diary.entries(), "F");
        assertEq(_diary.output()[1], 8);
        assertEq(_mock.claimableOf(_mock.EXECUTOR()), 1 ether);
        assertEq(_mock.bondsOf(address(_mock)), 0);
    }

    function test_provisional_thenFinal_succeeds() public {
        RequestHash hash = _ask(Finality.Provisional);
        _mock.answer(hash, _tokens(7), RequestState.Provisional);
        assertEq(_diary.entries(), "P");
        _mock.finalize(hash);
        assertEq(_diary.entries(), "PF");
    }

    function test_reverted_thenAnother_succeeds() public {
        RequestHash hash = _ask(Finality.Provisional);
        _mock.answer(hash, _tokens(7), RequestState.Provisional);
        _mock.revertAnswer(hash);
        assertEq(_diary.entries(), "PR");
        _mock.answer(hash, _tokens(9), RequestState.Provisional);
        _mock.finalize(hash);
        assertEq(_diary.entries(), "PRPF");
        assertEq(_diary.output()[0], 9);
    }

    function test_otherAnswerIsFinal_revertsFirst_succeeds() public {
        RequestHash hash = _ask(Finality.Provisional);
        _mock.answer(hash, _tokens(7), RequestState.Provisional);
        _mock.answer(hash, _tokens(9), RequestState.Final);
        assertEq(_diary.entries(), "PRF");
    }

    function test_sameAnswerIsFinal_isTheSame_succeeds() public {
        RequestHash hash = _ask(Finality.Provisional);
        _mock.answer(hash, _tokens(7), RequestState.Provisional);
        _mock.answer(hash, _tokens(7), RequestState.Final);
        assertEq(_diary.entries(), "PF");
    }

    function test_refunded_claims_succeeds() public {
        RequestHash hash = _ask(Finality.Provisional);
        _mock.answer(hash, _tokens(7), RequestState.Provisional);
        _mock.revertAnswer(hash);
        vm.warp(block.timestamp + 2 hours);
        _mock.refund(hash);
        assertEq(_diary.entries(), "PRB");
        _diary.claim(address(77));
        assertEq(address(77).balance, 1 ether);
        vm.expectRevert(MockOtrRequests.NothingToMove.selector);
        _diary.claim(address(77));
    }

    function test_sync_makesUpForLostCallbacks_succeeds() public {
        RequestHash hash = _ask(Finality.Provisional);
        _diary.setFailing(true);
        vm.expectEmit(address(_mock));
        emit IOtrRequests.CallbackFailed(hash, RequestState.Provisional);
        _mock.answer(hash, _tokens(7), RequestState.Provisional);
        _diary.setFailing(false);
        _diary.otrSync(hash);
        assertEq(_diary.entries(), "P");
        vm.expectRevert(abi.encodeWithSelector(OtrConsumer.NothingNew.selector, hash));
        _diary.otrSync(hash);

        // Reversal and second answer are lost: both are told, in order.
        _diary.setFailing(true);
        _mock.revertAnswer(hash);
        _mock.answer(hash, _tokens(9), RequestState.Provisional);
        _diary.setFailing(false);
        _diary.otrSync(hash);
        assertEq(_diary.entries(), "PRP");
        _mock.finalize(hash);
        assertEq(_diary.entries(), "PRPF");
        vm.expectRevert(abi.encodeWithSelector(OtrConsumer.NothingNew.selector, hash));
        _diary.otrSync(hash);
    }

    function test_sync_withoutCallbacks_succeeds() public {
        RequestHash hash = _diary.ask(Finality.Provisional, 0);
        vm.expectRevert(abi.encodeWithSelector(OtrConsumer.NothingNew.selector, hash));
        _diary.otrSync(hash);
        _mock.answer(hash, _tokens(7), RequestState.Final);
        assertEq(_diary.entries(), "");
        _diary.otrSync(hash);
        assertEq(_diary.entries(), "F");
    }

    function test_revertBeforeAnythingWasTold_saysNothing_succeeds() public {
        RequestHash hash = _ask(Finality.Provisional);
        _diary.setFailing(true);
        _mock.answer(hash, _tokens(7), RequestState.Provisional);
        _diary.setFailing(false);
        _mock.revertAnswer(hash);
        assertEq(_diary.entries(), "");
    }

    function test_onOtrResult_stranger_reverts() public {
        RequestHash hash = _ask(Finality.Final);
        vm.expectRevert(abi.encodeWithSelector(OtrConsumer.NotCoordinator.selector, _mock, address(this)));
        _diary.onOtrResult(hash, RequestState.Final, 1, _tokens(1));
    }

    function test_sync_othersRequest_reverts() public {
        Diary other = new Diary(_mock);
        RequestHash hash = other.ask(Finality.Final, 0);
        vm.expectRevert(abi.encodeWithSelector(OtrConsumer.NotOwnRequest.selector, hash));
        _diary.otrSync(hash);
    }

    function test_isValidSignature_ownRequestsOnly_succeeds() public {
        RequestHash hash = _ask(Finality.Final);
        assertEq(_diary.isValidSignature(RequestHash.unwrap(hash), ""), IERC1271.isValidSignature.selector);
        assertEq(_diary.isValidSignature(keccak256("x"), ""), bytes4(0xffffffff));
        Diary other = new Diary(_mock);
        assertEq(other.isValidSignature(RequestHash.unwrap(hash), ""), bytes4(0xffffffff));
    }

    function test_ask_requestsDiffer_succeeds() public {
        RequestHash first = _ask(Finality.Final);
        RequestHash second = _ask(Finality.Final);
        assertTrue(RequestHash.unwrap(first) != RequestHash.unwrap(second));
        RequestInfo memory info = _mock.requestOf(first);
        assertEq(info.requester, address(_diary));
        assertEq(Timestamp.unwrap(info.deadline), block.timestamp + 1 hours);
        assertEq(_mock.bondsOf(address(_mock)), 2 ether);
    }

    // ---------------------------------------------------------------- the mock itself

    function test_mock_wrongOrder_reverts() public {
        RequestHash hash = _ask(Finality.Provisional);
        vm.expectRevert(abi.encodeWithSelector(IOtrRequests.WrongState.selector, hash, RequestState.Open));
        _mock.finalize(hash);
        vm.expectRevert(abi.encodeWithSelector(IOtrRequests.WrongState.selector, hash, RequestState.Open));
        _mock.revertAnswer(hash);
        _mock.answer(hash, _tokens(7), RequestState.Provisional);
        vm.expectRevert(abi.encodeWithSelector(IOtrRequests.WrongState.selector, hash, RequestState.Provisional));
        _mock.answer(hash, _tokens(9), RequestState.Provisional);
        vm.warp(block.timestamp + 2 hours);
        vm.expectRevert(abi.encodeWithSelector(IOtrRequests.CandidatesOpen.selector, 1));
        _mock.refund(hash);
        _mock.finalize(hash);
        vm.expectRevert(abi.encodeWithSelector(IOtrRequests.WrongState.selector, hash, RequestState.Final));
        _mock.answer(hash, _tokens(9), RequestState.Final);
    }

    function test_mock_unknownModel_reverts() public {
        MockOtrRequests mock = new MockOtrRequests();
        vm.expectRevert(abi.encodeWithSelector(IOtrRequests.ModelNotUsable.selector, bytes32(0)));
        mock.request(_emptyModel(), _tokens(1), Finality.Final, 0);
    }

    function _emptyModel() private view returns (Request memory request) {
        request.requester = address(this);
        request.maxOut = 1;
        request.deadline = uint64(block.timestamp + 1);
    }

    function test_mock_refusedTransfer_reverts() public {
        RequestHash hash = _ask(Finality.Final);
        vm.warp(block.timestamp + 2 hours);
        _mock.refund(hash);
        vm.expectRevert(abi.encodeWithSelector(MockOtrRequests.TransferFailed.selector, address(_mock)));
        _diary.claim(address(_mock));
    }
}
