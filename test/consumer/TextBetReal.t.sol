// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {RequestsTest} from "../utils/RequestsTest.sol";
import {TextBet} from "src/consumer/examples/TextBet.sol";
import {RequestInfo, RequestState} from "src/interfaces/IOtrRequests.sol";
import {CommittedReceipt} from "src/interfaces/IOtrRollup.sol";
import {Timestamp} from "src/libraries/Clock.sol";
import {Request, RequestHash} from "src/types/OtrTypes.sol";

/// @notice The example against coordinator, rollup and vault.
contract TextBetRealTest is RequestsTest {
    TextBet private _bets;
    address private _alice = makeAddr("alice");
    address private _bob = makeAddr("bob");
    address private _source = makeAddr("source");
    uint256 private _id;

    function setUp() public override {
        super.setUp();
        vm.roll(100);
        _bets = new TextBet(requests, modelId, 11, 12);
        vm.deal(_alice, 1 ether);
        vm.deal(_bob, 1 ether);
        vm.deal(_source, 1 ether);
        vm.prank(_alice);
        _id = _bets.offer{value: 1 ether}(_source, _tokens(1, 1), _tokens(1, 3));
        vm.prank(_bob);
        _bets.take{value: 1 ether}(_id);
    }

    /// @dev The request as the event shows it.
    function _publish() private returns (Request memory request, RequestHash requestHash) {
        vm.prank(_source);
        requestHash = _bets.publish{value: 0.25 ether}(_id, _tokens(1, 1), _tokens(1, 2), _tokens(1, 3));
        RequestInfo memory info = requests.requestOf(requestHash);
        request.requester = address(_bets);
        request.modelId = modelId;
        request.maxOut = 1;
        request.seed = keccak256(abi.encode(blockhash(block.number - 1), request.nonce));
        request.deadline = Timestamp.unwrap(info.deadline);
        request = _complete(request, _tokens(3, 1));
        assertEq(RequestHash.unwrap(rollup.hashRequest(request)), RequestHash.unwrap(requestHash));
    }

    function test_bet_decidedAtFinal_succeeds() public {
        (Request memory request, RequestHash requestHash) = _publish();
        CommittedReceipt memory committed = _answer(request, _tokens(1, 11), executor);
        requests.deliver(request, committed, _tokens(1, 11));
        assertEq(_bets.balanceOf(_alice), 0);
        vm.warp(block.timestamp + WINDOW);
        requests.finish(requestHash, committed);
        assertEq(_bets.balanceOf(_alice), 2 ether);
        vm.prank(_alice);
        _bets.withdraw();
        assertEq(_alice.balance, 2 ether);
        assertEq(vault.claimableOf(executor), 0.25 ether);
    }

    function test_bet_lieReverted_sourceIsRefunded_succeeds() public {
        (Request memory request, RequestHash requestHash) = _publish();
        CommittedReceipt memory committed = _answer(request, _tokens(1, 12), rival);
        requests.deliver(request, committed, _tokens(1, 12));
        court.open(committed);
        court.convict(committed);
        requests.finish(requestHash, committed);
        vm.warp(request.deadline + PERIOD);
        requests.refund(requestHash);
        vm.prank(_source);
        _bets.withdraw();
        assertEq(_source.balance, 1 ether);
        assertState(requestHash, RequestState.Refunded);
    }

    function test_bet_compensation_isTheConsumers_succeeds() public {
        (Request memory request, RequestHash requestHash) = _publish();
        CommittedReceipt memory committed = _answer(request, _tokens(1, 12), rival);
        requests.deliver(request, committed, _tokens(1, 12));
        court.open(committed);
        court.convict(committed);
        vm.warp(block.timestamp + 1 days);
        // The consumer signs its own requests by EIP-1271: anyone can claim for it.
        vm.prank(stranger);
        rollup.claimCompensation(committed, request, "");
        assertEq(vault.claimableOf(address(_bets)), LOCK / 4);
        assertTrue(rollup.isCompensated(requestHash));
    }
}
