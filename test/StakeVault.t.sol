// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {stdError} from "forge-std/StdError.sol";
import {Vm} from "forge-std/Vm.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {IStakeVault} from "src/interfaces/IStakeVault.sol";
import {StakeVault} from "src/StakeVault.sol";
import {Duration, Timestamp} from "src/libraries/Clock.sol";
import {OtrTest} from "./utils/OtrTest.sol";

/// @dev Refuses ETH.
contract Refuser {
    function claimFrom(StakeVault vault) external {
        vault.claim(address(this));
    }
}

/// @dev Tries to be paid twice.
contract Reenterer {
    StakeVault private immutable VAULT;
    bool public blocked;

    constructor(StakeVault vault) {
        VAULT = vault;
    }

    function go() external {
        VAULT.claim(address(this));
    }

    receive() external payable {
        try VAULT.claim(address(this)) {}
        catch {
            blocked = true;
        }
    }
}

contract StakeVaultTest is OtrTest {
    address private _rollup;

    function setUp() public override {
        super.setUp();
        _rollup = address(rollup);
    }

    function test_deposit_forAnother_succeeds() public {
        vm.deal(stranger, 3 ether);
        vm.expectEmit(address(vault));
        emit IStakeVault.Deposited(executor, stranger, 3 ether);
        vm.prank(stranger);
        vault.deposit{value: 3 ether}(executor);
        assertEq(vault.freeStakeOf(executor), STAKE + 3 ether);
        assertSolvent();
    }

    function test_deposit_nothing_reverts() public {
        vm.expectRevert(IStakeVault.NothingToMove.selector);
        vault.deposit(executor);
    }

    function test_deposit_zeroAddress_reverts() public {
        vm.deal(address(this), 1);
        vm.expectRevert(IStakeVault.ZeroAddress.selector);
        vault.deposit{value: 1}(address(0));
    }

    function test_exit_afterDelay_succeeds() public {
        uint256 dueAt = block.timestamp + vault.exitDelay().inSeconds();
        vm.startPrank(executor);
        vm.expectEmit(address(vault));
        emit IStakeVault.ExitRequested(executor, Timestamp.wrap(uint40(dueAt)));
        vault.requestExit();
        assertFalse(enclaves.isActive(enclave, executor, modelId), "inactive at once");
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.ExitNotDue.selector, dueAt));
        vault.withdraw(stranger);
        vm.warp(dueAt);
        vault.withdraw(stranger);
        assertEq(stranger.balance, STAKE);
        assertEq(vault.liabilities(), 0);
        vm.expectRevert(IStakeVault.NothingToMove.selector);
        vault.withdraw(stranger);
    }

    function test_exit_twice_reverts() public {
        vm.startPrank(executor);
        vault.requestExit();
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.ExitState.selector, block.timestamp));
        vault.requestExit();
    }

    function test_exit_cancelled_succeeds() public {
        vm.startPrank(executor);
        vault.requestExit();
        vault.cancelExit();
        assertTrue(enclaves.isActive(enclave, executor, modelId), "active again");
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.ExitState.selector, 0));
        vault.cancelExit();
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.ExitState.selector, 0));
        vault.withdraw(executor);
    }

    function test_exit_delayRaisedLater_keepsDueDate_succeeds() public {
        uint256 dueAt = block.timestamp + vault.exitDelay().inSeconds();
        vm.prank(executor);
        vault.requestExit();
        vm.prank(governance);
        vault.setExitDelay(Duration.wrap(3650 days));
        assertEq(Timestamp.unwrap(vault.executorOf(executor).exitDueAt), dueAt);
    }

    function test_withdraw_locked_reverts() public {
        vm.prank(executor);
        rollup.commitBatch(keccak256("root"), 2);
        vm.startPrank(executor);
        vault.requestExit();
        vm.warp(block.timestamp + vault.exitDelay().inSeconds());
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.StakeLocked.selector, 2 * LOCK));
        vault.withdraw(executor);
    }

    function test_withdraw_zeroAddress_reverts() public {
        vm.startPrank(executor);
        vault.requestExit();
        vm.warp(block.timestamp + vault.exitDelay().inSeconds());
        vm.expectRevert(IStakeVault.ZeroAddress.selector);
        vault.withdraw(address(0));
    }

    function test_setDelegate_actsAndStops_succeeds() public {
        vm.startPrank(executor);
        vault.setDelegate(delegate, true);
        assertTrue(vault.mayActFor(executor, delegate));
        vault.setDelegate(delegate, false);
        assertFalse(vault.mayActFor(executor, delegate));
        vm.expectRevert(IStakeVault.ZeroAddress.selector);
        vault.setDelegate(address(0), true);
    }

    function test_setEndpoint_succeeds() public {
        vm.expectEmit(address(vault));
        emit IStakeVault.EndpointSet(executor, "https://executor.example");
        vm.prank(executor);
        vault.setEndpoint("https://executor.example");
    }

    function test_lock_notRollup_reverts() public {
        vm.startPrank(stranger);
        bytes memory expected = abi.encodeWithSelector(IStakeVault.NotRollup.selector, stranger);
        vm.expectRevert(expected);
        vault.lock(executor, 1, 0);
        vm.expectRevert(expected);
        vault.unlock(executor, 1);
        vm.expectRevert(expected);
        vault.convict(executor);
        vm.expectRevert(expected);
        vault.takeFree(executor, stranger, 1);
        vm.expectRevert(expected);
        vault.slash(executor, stranger, 1);
    }

    function testFuzz_lock_neverBeyondStake(uint256 first, uint256 second) public {
        first = bound(first, 0, STAKE);
        vm.startPrank(_rollup);
        assertTrue(vault.lock(executor, first, 0), "nothing was locked before");
        if (second > STAKE - first) {
            vm.expectRevert(abi.encodeWithSelector(IStakeVault.InsufficientFreeStake.selector, second, STAKE - first));
            vault.lock(executor, second, 0);
        } else {
            assertEq(vault.lock(executor, second, 0), first == 0, "first lock");
            assertEq(vault.freeStakeOf(executor), STAKE - first - second);
        }
        assertSolvent();
    }

    function testFuzz_lock_leavesReserve(uint256 amount, uint256 reserve) public {
        amount = bound(amount, 0, STAKE);
        reserve = bound(reserve, 0, STAKE);
        vm.prank(_rollup);
        if (amount + reserve > STAKE) {
            vm.expectRevert(abi.encodeWithSelector(IStakeVault.InsufficientFreeStake.selector, amount + reserve, STAKE));
        }
        vault.lock(executor, amount, reserve);
        if (amount + reserve <= STAKE) assertGe(vault.freeStakeOf(executor), reserve);
    }

    function test_convict_suspendsForGood_succeeds() public {
        vm.startPrank(_rollup);
        vault.lock(executor, 1 ether, 0);
        vm.expectEmit(address(vault));
        emit IStakeVault.Convicted(executor);
        vault.convict(executor);
        // The verdict moves nothing: payouts wait for the air gap.
        assertEq(vault.executorOf(executor).stake, STAKE);
        assertEq(vault.executorOf(executor).locked, 1 ether);
        bytes memory suspended = abi.encodeWithSelector(IStakeVault.Suspended.selector, executor, block.timestamp);
        vm.expectRevert(suspended);
        vault.convict(executor);
        vm.expectRevert(suspended);
        vault.lock(executor, 0, 0);
        assertFalse(vault.wasServing(executor, vault.convictedAt(executor)));
        assertTrue(vault.wasServing(executor, Timestamp.wrap(uint40(block.timestamp - 1))));
    }

    function testFuzz_takeFree_convictedsFreeStakeOnly(uint88 locked, uint256 amount) public {
        locked = uint88(bound(locked, 0, STAKE));
        amount = bound(amount, 0, type(uint128).max);
        vm.startPrank(_rollup);
        vault.lock(executor, locked, 0);
        assertEq(vault.takeFree(executor, challenger, amount), 0, "not convicted");
        vault.convict(executor);
        uint256 free = STAKE - locked;
        uint256 taken = vault.takeFree(executor, challenger, amount);
        assertEq(taken, amount < free ? amount : free);
        assertEq(vault.claimableOf(challenger), taken);
        assertEq(vault.executorOf(executor).stake, STAKE - taken);
        assertEq(vault.executorOf(executor).locked, locked);
        assertSolvent();
    }

    function test_slash_beyondLock_reverts() public {
        vm.startPrank(_rollup);
        vault.lock(executor, 1 ether, 0);
        vm.expectRevert(stdError.arithmeticError);
        vault.slash(executor, challenger, 1 ether + 1);
        vm.expectRevert(stdError.arithmeticError);
        vault.unlock(executor, 1 ether + 1);
    }

    function test_claim_paysOnce_succeeds() public {
        vm.startPrank(_rollup);
        vault.lock(executor, 1 ether, 0);
        vault.slash(executor, requester, 0.4 ether);
        vault.slash(executor, address(0), 0.6 ether);
        vm.stopPrank();
        assertEq(vault.burnt(), 0.6 ether);
        vm.startPrank(requester);
        vm.expectRevert(IStakeVault.ZeroAddress.selector);
        vault.claim(address(0));
        vault.claim(stranger);
        assertEq(stranger.balance, 0.4 ether);
        vm.expectRevert(IStakeVault.NothingToMove.selector);
        vault.claim(stranger);
        assertSolvent();
    }

    function test_claim_refusingReceiver_reverts() public {
        Refuser refuser = new Refuser();
        vm.startPrank(_rollup);
        vault.lock(executor, 1 ether, 0);
        vault.slash(executor, address(refuser), 1 ether);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.TransferFailed.selector, address(refuser)));
        refuser.claimFrom(vault);
    }

    function test_claim_reentered_paysOnce_succeeds() public {
        Reenterer reenterer = new Reenterer(vault);
        vm.startPrank(_rollup);
        vault.lock(executor, 1 ether, 0);
        vault.slash(executor, address(reenterer), 1 ether);
        vm.stopPrank();
        reenterer.go();
        assertTrue(reenterer.blocked());
        assertEq(address(reenterer).balance, 1 ether);
        assertSolvent();
    }

    function testFuzz_bonds_ownBucketOnly(uint96 mine, uint96 others, uint96 pay, uint96 burn) public {
        vm.deal(stranger, mine);
        vm.deal(challenger, others);
        vm.prank(challenger);
        vault.depositBond{value: others}();
        vm.startPrank(stranger);
        vault.depositBond{value: mine}();
        uint256 total = uint256(pay) + burn;
        if (total > mine) {
            vm.expectRevert(abi.encodeWithSelector(IStakeVault.InsufficientBond.selector, total, mine));
            vault.payBond(requester, pay, burn);
        } else {
            vm.recordLogs();
            vault.payBond(requester, pay, burn);
            Vm.Log[] memory logs = vm.getRecordedLogs();
            assertEq(logs.length, burn == 0 ? 1 : 2, "nothing burnt, nothing said");
            _assertBondPaid(logs[0], requester, pay);
            if (burn != 0) _assertBondPaid(logs[1], address(0), burn);
            assertEq(vault.claimableOf(requester), pay);
            assertEq(vault.burnt(), burn);
            assertEq(vault.bondsOf(stranger), mine - total);
        }
        assertEq(vault.bondsOf(challenger), others);
        assertSolvent();
    }

    function _assertBondPaid(Vm.Log memory log, address to, uint256 amount) private view {
        assertEq(log.topics[0], IStakeVault.BondPaid.selector);
        assertEq(address(uint160(uint256(log.topics[1]))), stranger);
        assertEq(address(uint160(uint256(log.topics[2]))), to);
        assertEq(abi.decode(log.data, (uint256)), amount);
    }

    function test_sweepBurnt_toNobody_succeeds() public {
        vm.startPrank(_rollup);
        vault.lock(executor, 1 ether, 0);
        vault.slash(executor, address(0), 1 ether);
        vault.sweepBurnt();
        assertEq(address(0).balance, 1 ether);
        assertEq(vault.burnt(), 0);
        vm.expectRevert(IStakeVault.NothingToMove.selector);
        vault.sweepBurnt();
        assertSolvent();
    }

    function test_setRollup_again_reverts() public {
        vm.startPrank(governance);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.RollupAlreadySet.selector, _rollup));
        vault.setRollup(stranger);
        vm.expectRevert(IStakeVault.ZeroAddress.selector);
        vault.setRollup(address(0));
    }

    function test_setExitDelay_shorter_reverts() public {
        Duration current = vault.exitDelay();
        Duration shorter = Duration.wrap(uint32(current.inSeconds() - 1));
        vm.prank(governance);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.ExitDelayShortened.selector, current, shorter));
        vault.setExitDelay(shorter);
    }

    function test_governance_stranger_reverts() public {
        vm.startPrank(stranger);
        bytes memory unauthorised = abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger);
        vm.expectRevert(unauthorised);
        vault.setExitDelay(Duration.wrap(1));
        vm.expectRevert(unauthorised);
        vault.setRollup(stranger);
        vm.expectRevert(unauthorised);
        vault.upgradeToAndCall(stranger, "");
    }

    function test_upgrade_byGovernance_keepsState_succeeds() public {
        address next = address(new StakeVault());
        vm.prank(governance);
        vault.upgradeToAndCall(next, "");
        assertEq(vault.executorOf(executor).stake, STAKE);
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        StakeVault(next).initialize(stranger, Duration.wrap(1));
    }
}
