// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Test} from "forge-std/Test.sol";
import {Config, Deploy, Deployment} from "script/Deploy.s.sol";
import {Rules, RulesVersion} from "src/interfaces/IOtrRollup.sol";
import {Duration} from "src/libraries/Clock.sol";

contract DeployTest is Test {
    address private _governance = makeAddr("governance");
    address private _guardian = makeAddr("guardian");

    function _deploy(bool development) private returns (Deployment memory d, Deploy script) {
        script = new Deploy();
        Config memory config = script.configFromEnvironment(address(script));
        config.development = development;
        config.governance = _governance;
        config.guardian = _guardian;
        d = script.deploy(config, address(script));
    }

    function _isAdmin(Deployment memory d, address account) private view returns (bool is_) {
        (is_,) = d.manager.hasRole(d.manager.ADMIN_ROLE(), account);
    }

    function test_deploy_production_handsOver_succeeds() public {
        (Deployment memory d, Deploy script) = _deploy(false);
        assertTrue(_isAdmin(d, address(d.timelock)));
        assertFalse(_isAdmin(d, address(script)));
        assertFalse(_isAdmin(d, _governance));
        assertEq(d.timelock.getMinDelay(), 7 days);
        assertEq(address(d.devVerifier), address(0));
        assertFalse(d.enclaves.development());
        assertEq(address(d.enclaves.verifierOf("DEV")), address(0));
        Rules memory rules = d.rollup.rulesOf(d.rollup.currentRules());
        assertEq(rules.game, address(d.game));
        assertEq(rules.judge, address(d.judge));
        assertEq(rules.machineVersion, 1);
        assertEq(rules.turnDuration.inSeconds(), 1 days);
        assertEq(address(d.models.validatorOf(1)), address(d.validator));
        assertEq(d.vault.rollup(), address(d.rollup));
        assertEq(d.vault.exitDelay().inSeconds(), 1 days + 7 days + 1 days + 42 days);
        vm.prank(_governance);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, _governance));
        d.rollup.unpause();
    }

    function test_deploy_timelockGoverns_succeeds() public {
        (Deployment memory d,) = _deploy(false);
        bytes memory call = abi.encodeCall(d.vault.setExitDelay, (Duration.wrap(365 days)));
        vm.startPrank(_governance);
        d.timelock.schedule(address(d.vault), 0, call, 0, 0, 7 days);
        vm.warp(block.timestamp + 7 days);
        d.timelock.execute(address(d.vault), 0, call, 0, 0);
        assertEq(d.vault.exitDelay().inSeconds(), 365 days);
    }

    function test_deploy_guardianPausesOnly_succeeds() public {
        (Deployment memory d,) = _deploy(false);
        vm.startPrank(_guardian);
        d.rollup.pause();
        bytes memory unauthorised = abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, _guardian);
        vm.expectRevert(unauthorised);
        d.rollup.unpause();
        vm.expectRevert(unauthorised);
        d.enclaves.revokeByGovernance(address(1));
        vm.expectRevert(unauthorised);
        d.vault.setExitDelay(Duration.wrap(365 days));
        vm.expectRevert(unauthorised);
        d.rollup.upgradeToAndCall(address(1), "");
    }

    function test_deploy_development_succeeds() public {
        (Deployment memory d,) = _deploy(true);
        assertTrue(_isAdmin(d, _governance));
        assertTrue(d.enclaves.development());
        assertEq(address(d.enclaves.verifierOf("DEV")), address(d.devVerifier));
        assertEq(d.timelock.getMinDelay(), 7 days);
    }

    /// @dev Writes `deployments/<chainId>.json`, finds everything in it again, and deploys nothing twice.
    function test_run_twice_isIdempotent_succeeds() public {
        vm.chainId(4_202_026);
        string memory path = "deployments/4202026.json";
        if (vm.exists(path)) vm.removeFile(path);
        Deployment memory first = new Deploy().run();
        Deployment memory second = new Deploy().run();
        assertEq(keccak256(abi.encode(first)), keccak256(abi.encode(second)));
        string memory json = vm.readFile(path);
        assertEq(vm.parseJsonAddress(json, ".OtrRollup"), address(first.rollup));
        assertEq(vm.parseJsonAddress(json, ".StakeVault"), address(first.vault));
        assertEq(vm.parseJsonAddress(json, ".ModelRegistry"), address(first.models));
        assertEq(vm.parseJsonAddress(json, ".EnclaveRegistry"), address(first.enclaves));
        assertEq(vm.parseJsonAddress(json, ".DisputeGame"), address(first.game));
        assertEq(vm.parseJsonAddress(json, ".JudgeV1"), address(first.judge));
        assertEq(vm.parseJsonAddress(json, ".ProgramValidatorV1"), address(first.validator));
        assertEq(vm.parseJsonAddress(json, ".AccessManager"), address(first.manager));
        assertEq(vm.parseJsonAddress(json, ".TimelockController"), address(first.timelock));
        assertEq(RulesVersion.unwrap(second.rollup.currentRules()), 1);
        vm.removeFile(path);
    }
}
