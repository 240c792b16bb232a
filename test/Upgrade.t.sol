// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {GameTest} from "./utils/GameTest.sol";
import {EnclaveRegistry} from "src/EnclaveRegistry.sol";
import {ModelRegistry} from "src/ModelRegistry.sol";
import {OtrRollup} from "src/OtrRollup.sol";
import {StakeVault} from "src/StakeVault.sol";
import {DemandState} from "src/interfaces/IAvailability.sol";
import {Phase, Subject} from "src/interfaces/IDisputeGame.sol";
import {IEnclaveRegistry} from "src/interfaces/IEnclaveRegistry.sol";
import {BatchId, CommittedReceipt, IOtrRollup, Status} from "src/interfaces/IOtrRollup.sol";
import {IModelRegistry} from "src/interfaces/IModelRegistry.sol";
import {IStakeVault} from "src/interfaces/IStakeVault.sol";
import {Timestamp} from "src/libraries/Clock.sol";
import {Receipt as OtrReceipt} from "src/types/OtrTypes.sol";

// The next versions keep the storage and add a function, as a real upgrade would.

contract OtrRollupNext is OtrRollup {
    constructor(IStakeVault vault, IModelRegistry models, IEnclaveRegistry enclaves)
        OtrRollup(vault, models, enclaves)
    {}

    function isNext() external pure returns (bool) {
        return true;
    }
}

contract StakeVaultNext is StakeVault {
    function isNext() external pure returns (bool) {
        return true;
    }
}

contract ModelRegistryNext is ModelRegistry {
    function isNext() external pure returns (bool) {
        return true;
    }
}

contract EnclaveRegistryNext is EnclaveRegistry {
    constructor(IStakeVault vault) EnclaveRegistry(vault) {}

    function isNext() external pure returns (bool) {
        return true;
    }
}

/// @notice All four proxies are upgraded while games and demands are under way: nothing is lost, and everything goes on.
contract UpgradeTest is GameTest {
    function _upgradeAll() private {
        vm.startPrank(governance);
        rollup.upgradeToAndCall(address(new OtrRollupNext(vault, models, enclaves)), "");
        vault.upgradeToAndCall(address(new StakeVaultNext()), "");
        models.upgradeToAndCall(address(new ModelRegistryNext()), "");
        enclaves.upgradeToAndCall(address(new EnclaveRegistryNext(vault)), "");
        vm.stopPrank();
        assertTrue(OtrRollupNext(address(rollup)).isNext());
        assertTrue(StakeVaultNext(address(vault)).isNext());
        assertTrue(ModelRegistryNext(address(models)).isNext());
        assertTrue(EnclaveRegistryNext(address(enclaves)).isNext());
    }

    function _fund(address account, uint256 amount) private {
        vm.deal(account, account.balance + amount);
    }

    /// @dev A lie is found before the upgrade and convicted after it; a demand is answered late; everybody is paid.
    function test_upgrade_withLiveGames_succeeds() public {
        _lie(3, ROW_MAP, 0, 1);
        committed = _commit();
        CommittedReceipt memory lying = committed;
        _open(3);
        _playTo(ROW_MAP, 0);
        assertPhase(Phase.Chunks);
        _fund(stranger, DEMAND_BOND);
        vm.prank(stranger);
        d.availability.demand{value: DEMAND_BOND}(lying.batchId, 0);
        bytes32 before = _fingerprint(lying);

        _upgradeAll();

        assertEq(_fingerprint(lying), before, "state");
        _settle(ROW_MAP, 0);
        game.conclude(subject);
        assertPhase(Phase.Won);
        assertStatus(lying, Status.Reverted);
        vm.prank(stranger);
        d.availability.close(lying.batchId, 0);
        assertTrue(d.availability.demandOf(lying.batchId, 0).state == DemandState.Moot);

        _upgradeAll();

        vm.warp(Timestamp.unwrap(rollup.rewardDueAt(executor)));
        rollup.payReward(executor);
        game.payOut(subject);
        d.availability.payOut(lying.batchId, 0);
        assertGe(vault.claimableOf(challenger), BOND + LOCK / 4);
        assertGe(vault.claimableOf(stranger), DEMAND_BOND);
        vm.warp(block.timestamp + CLAIM_PERIOD);
        rollup.releaseBatch(lying.batchId);
        assertEq(vault.executorOf(executor).locked, 0);
        assertSolvent();
    }

    /// @dev An honest executor's game runs across the upgrade and ends in its favour.
    function test_upgrade_honestExecutor_losesNothing_succeeds() public {
        committed = _commit();
        _open(1);
        _upgradeAll();
        _postFine();
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
        _upgradeAll();
        vm.warp(block.timestamp + AIR_GAP);
        game.payOut(subject);
        assertStatus(committed, Status.Final);
        rollup.releaseBatch(committed.batchId);
        assertEq(vault.executorOf(executor).stake, STAKE);
        assertEq(vault.claimableOf(executor), BOND / 2);
        assertSolvent();
    }

    /// @dev The courts are no proxies: what decides a batch cannot be exchanged under it.
    function test_upgrade_courtsHaveNone_reverts() public {
        address[5] memory fixed_ =
            [address(game), address(d.frauds), address(d.availability), address(d.judge), address(d.uptime)];
        for (uint256 i; i < fixed_.length; ++i) {
            vm.prank(governance);
            (bool done,) = fixed_[i].call(abi.encodeCall(rollup.upgradeToAndCall, (address(this), "")));
            assertFalse(done);
        }
    }

    /// @dev Everything that the proxies say of a receipt and its executor.
    function _fingerprint(CommittedReceipt memory c) private view returns (bytes32) {
        return keccak256(
            abi.encode(
                rollup.batchOf(c.batchId),
                rollup.statusOf(c),
                rollup.rulesOf(rollup.currentRules()),
                rollup.openGamesOn(c.batchId, rollup.hashReceipt(c.receipt)),
                vault.executorOf(executor),
                vault.bondsOf(address(game)),
                vault.liabilities(),
                models.dimensionsOf(modelId),
                enclaves.wasActive(enclave, executor, modelId, Timestamp.wrap(uint40(block.timestamp)))
            )
        );
    }
}
