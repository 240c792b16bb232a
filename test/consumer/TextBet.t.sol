// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {MockOtrRequests} from "src/consumer/MockOtrRequests.sol";
import {TextBet} from "src/consumer/examples/TextBet.sol";
import {RequestState} from "src/interfaces/IOtrRequests.sol";
import {ModelId, RequestHash} from "src/types/OtrTypes.sol";

/// @notice How an integrator tests a consumer: no node, no executor, no stake.
contract TextBetTest is Test {
    uint32 private constant YES = 11;
    uint32 private constant NO = 12;

    MockOtrRequests private _mock;
    TextBet private _bets;
    address private _alice = makeAddr("alice");
    address private _bob = makeAddr("bob");
    address private _source = makeAddr("source");

    function setUp() public {
        vm.warp(1_800_000_000);
        vm.roll(100);
        _mock = new MockOtrRequests();
        _bets = new TextBet(_mock, ModelId.wrap(keccak256("model")), YES, NO);
        vm.deal(_alice, 10 ether);
        vm.deal(_bob, 10 ether);
        vm.deal(_source, 10 ether);
    }

    function _part(uint32 token) private pure returns (uint32[] memory tokens) {
        tokens = new uint32[](1);
        tokens[0] = token;
    }

    function _offered() private returns (uint256 id) {
        vm.prank(_alice);
        return _bets.offer{value: 1 ether}(_source, _part(1), _part(3));
    }

    function _taken() private returns (uint256 id) {
        id = _offered();
        vm.prank(_bob);
        _bets.take{value: 1 ether}(id);
    }

    function _published(uint256 id) private returns (RequestHash) {
        vm.prank(_source);
        return _bets.publish{value: 0.1 ether}(id, _part(1), _part(2), _part(3));
    }

    function _stage(uint256 id) private view returns (TextBet.Stage stage) {
        (,,,, stage,,,) = _bets.betOf(id);
    }

    function test_yes_paysTheOneWhoSaidSo_succeeds() public {
        uint256 id = _taken();
        RequestHash hash = _published(id);
        _mock.answer(hash, _part(YES), RequestState.Provisional);
        // A provisional answer decides nothing.
        assertEq(uint256(_stage(id)), uint256(TextBet.Stage.Asked));
        _mock.finalize(hash);
        assertEq(_bets.balanceOf(_alice), 2 ether);
        vm.prank(_alice);
        _bets.withdraw();
        assertEq(_alice.balance, 11 ether);
        vm.expectRevert(TextBet.NothingToWithdraw.selector);
        vm.prank(_bob);
        _bets.withdraw();
    }

    function test_no_paysTheOther_succeeds() public {
        uint256 id = _taken();
        RequestHash hash = _published(id);
        vm.expectEmit(address(_bets));
        emit TextBet.Settled(id, _bob, NO);
        _mock.answer(hash, _part(NO), RequestState.Final);
        assertEq(_bets.balanceOf(_bob), 2 ether);
    }

    function test_neither_isADraw_succeeds() public {
        uint256 id = _taken();
        _mock.answer(_published(id), _part(99), RequestState.Final);
        assertEq(_bets.balanceOf(_alice), 1 ether);
        assertEq(_bets.balanceOf(_bob), 1 ether);
    }

    function test_revertedAnswer_nextOneDecides_succeeds() public {
        uint256 id = _taken();
        RequestHash hash = _published(id);
        _mock.answer(hash, _part(NO), RequestState.Provisional);
        _mock.revertAnswer(hash);
        _mock.answer(hash, _part(YES), RequestState.Final);
        assertEq(_bets.balanceOf(_alice), 2 ether);
    }

    function test_noAnswer_sourceAsksAgain_succeeds() public {
        uint256 id = _taken();
        RequestHash hash = _published(id);
        vm.warp(block.timestamp + 2 hours);
        _mock.refund(hash);
        assertEq(uint256(_stage(id)), uint256(TextBet.Stage.Taken));
        vm.prank(_source);
        _bets.withdraw();
        assertEq(_source.balance, 10 ether);
        _mock.answer(_published(id), _part(YES), RequestState.Final);
        assertEq(_bets.balanceOf(_alice), 2 ether);
    }

    function test_cancel_neverTaken_succeeds() public {
        uint256 id = _offered();
        vm.expectRevert(abi.encodeWithSelector(TextBet.NotAllowed.selector, _alice, _bob));
        vm.prank(_bob);
        _bets.cancel(id);
        vm.prank(_alice);
        _bets.cancel(id);
        assertEq(_bets.balanceOf(_alice), 1 ether);
    }

    function test_cancel_textNeverCame_succeeds() public {
        uint256 id = _taken();
        vm.expectRevert(abi.encodeWithSelector(TextBet.TooEarly.selector, block.timestamp + 30 days));
        _bets.cancel(id);
        vm.warp(block.timestamp + 30 days);
        vm.expectRevert(abi.encodeWithSelector(TextBet.TooLate.selector, block.timestamp));
        vm.prank(_source);
        _bets.publish(id, _part(1), _part(2), _part(3));
        _bets.cancel(id);
        assertEq(_bets.balanceOf(_alice), 1 ether);
        assertEq(_bets.balanceOf(_bob), 1 ether);
    }

    function test_stages_reverts() public {
        uint256 id = _offered();
        vm.expectRevert(abi.encodeWithSelector(TextBet.WrongStage.selector, id, TextBet.Stage.Offered));
        vm.prank(_source);
        _bets.publish(id, _part(1), _part(2), _part(3));
        vm.prank(_bob);
        vm.expectRevert(abi.encodeWithSelector(TextBet.StakeMismatch.selector, 1 ether, 2 ether));
        _bets.take{value: 2 ether}(id);
        vm.prank(_bob);
        _bets.take{value: 1 ether}(id);
        vm.prank(_bob);
        vm.expectRevert(abi.encodeWithSelector(TextBet.WrongStage.selector, id, TextBet.Stage.Taken));
        _bets.take{value: 1 ether}(id);
        vm.expectRevert(abi.encodeWithSelector(TextBet.NotAllowed.selector, _source, _bob));
        vm.prank(_bob);
        _bets.publish(id, _part(1), _part(2), _part(3));
        vm.expectRevert(
            abi.encodeWithSelector(
                TextBet.QuestionMismatch.selector,
                keccak256(abi.encode(_part(1), _part(3))),
                keccak256(abi.encode(_part(1), _part(4)))
            )
        );
        vm.prank(_source);
        _bets.publish(id, _part(1), _part(2), _part(4));
        _published(id);
        vm.expectRevert(abi.encodeWithSelector(TextBet.WrongStage.selector, id, TextBet.Stage.Asked));
        _bets.cancel(id);
    }

    function test_receive_fromVaultOnly_reverts() public {
        vm.prank(_alice);
        (bool sent, bytes memory error) = address(_bets).call{value: 1}("");
        assertFalse(sent);
        assertEq(error, abi.encodeWithSelector(TextBet.NotAllowed.selector, _mock, _alice));
    }

    function test_withdraw_refused_reverts() public {
        vm.deal(address(this), 1 ether);
        uint256 id = _bets.offer{value: 1 ether}(_source, _part(1), _part(3));
        _bets.cancel(id);
        vm.expectRevert(abi.encodeWithSelector(TextBet.TransferFailed.selector, address(this)));
        _bets.withdraw();
    }
}
