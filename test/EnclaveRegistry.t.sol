// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {DevEvidenceVerifier} from "src/attestation/DevEvidenceVerifier.sol";
import {EnclaveRegistry} from "src/EnclaveRegistry.sol";
import {IEnclaveRegistry} from "src/interfaces/IEnclaveRegistry.sol";
import {Claims, IEvidenceVerifier} from "src/interfaces/IEvidenceVerifier.sol";
import {Duration, Timestamp} from "src/libraries/Clock.sol";
import {ModelId} from "src/types/OtrTypes.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {OtrTest} from "./utils/OtrTest.sol";

/// @notice Asks in its own transaction.
contract Consumer {
    function ask(IEnclaveRegistry registry, address key, address executor, ModelId modelId)
        external
        view
        returns (uint256 cold, uint256 warm)
    {
        uint256 before = gasleft();
        registry.isActive(key, executor, modelId);
        cold = before - gasleft();
        before = gasleft();
        registry.isActive(key, executor, modelId);
        warm = before - gasleft();
    }
}

contract EnclaveRegistryTest is OtrTest {
    address private _key;
    uint256 private _secret;
    IEnclaveRegistry.Registration private _r;

    function setUp() public override {
        super.setUp();
        (_key, _secret) = makeAddrAndKey("second enclave");
        _r = _registration();
        _r.enclaveKey = _key;
    }

    function _register(bytes32 measurement, uint64 notAfter) private {
        (bytes32 challenge, bytes32 rd0) = enclaves.challengeOf(_r);
        enclaves.register(_r, _evidence(rd0, measurement, notAfter, devRootKey), _sign(_secret, challenge));
    }

    function _register() private {
        _register(MEASUREMENT, uint64(block.timestamp + 365 days));
    }

    function _at(uint256 time) private pure returns (Timestamp) {
        return Timestamp.wrap(uint40(time));
    }

    function test_challengeOf_asSpecified_succeeds() public view {
        (bytes32 challenge, bytes32 rd0) = enclaves.challengeOf(_r);
        bytes32 expected = keccak256(
            abi.encode(
                keccak256("OTR/ev/1"),
                block.chainid,
                address(enclaves),
                executor,
                modelId,
                _key,
                keccak256("hpke"),
                uint256(0)
            )
        );
        assertEq(challenge, expected);
        assertEq(rd0, keccak256(abi.encode(keccak256("OTR/rd/1"), expected, bytes32(0), bytes32(0))));
    }

    function test_register_byExecutor_succeeds() public {
        vm.startPrank(executor);
        _register();
        vm.stopPrank();
        assertTrue(enclaves.isActive(_key, executor, modelId));
        assertFalse(enclaves.isActive(_key, stranger, modelId), "another executor");
        assertFalse(enclaves.isActive(_key, executor, ModelId.wrap(0)), "another model");
        assertFalse(enclaves.isActive(address(0), address(0), ModelId.wrap(0)), "nothing");
        IEnclaveRegistry.Enclave memory enclave_ = enclaves.enclaveOf(_key);
        assertEq(Timestamp.unwrap(enclave_.expiresAt), block.timestamp + KEY_LIFETIME, "capped life");
        assertEq(enclave_.kind, bytes32("DEV"));
        assertEq(enclave_.deviceId, keccak256("device"));
        assertFalse(enclaves.wasActive(_key, executor, modelId, _at(block.timestamp - 1)), "before");
        assertFalse(enclaves.wasActive(_key, executor, modelId, enclave_.expiresAt), "after");
    }

    function test_register_byDelegate_succeeds() public {
        vm.prank(executor);
        vault.setDelegate(delegate, true);
        vm.startPrank(delegate);
        _register();
        assertTrue(enclaves.isActive(_key, executor, modelId));
    }

    function test_register_withoutConsent_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.NotExecutor.selector, executor, address(this)));
        enclaves.register(_r, _evidence(0, 0, 0, devRootKey), "");
    }

    function test_register_notTheEnclavesSignature_reverts() public {
        (bytes32 challenge, bytes32 rd0) = enclaves.challengeOf(_r);
        bytes memory signature = _sign(enclaveKey, challenge);
        IEnclaveRegistry.Evidence memory evidence = _evidence(rd0, MEASUREMENT, type(uint64).max, devRootKey);
        vm.prank(executor);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.EnclaveSignature.selector, _key, enclave));
        enclaves.register(_r, evidence, signature);
    }

    function testFuzz_register_evidenceOfAnotherRegistration_reverts(uint8 field) public {
        IEnclaveRegistry.Registration memory other = _r;
        field = uint8(bound(field, 0, 3));
        if (field == 0) other.executor = stranger;
        if (field == 1) other.modelId = ModelId.wrap(keccak256("other"));
        if (field == 2) other.enclaveKey = enclave;
        if (field == 3) other.encryptionKeyHash = keccak256("other");
        (, bytes32 otherRd0) = enclaves.challengeOf(other);
        (bytes32 challenge, bytes32 rd0) = enclaves.challengeOf(_r);
        IEnclaveRegistry.Evidence memory evidence = _evidence(otherRd0, MEASUREMENT, type(uint64).max, devRootKey);
        bytes memory signature = _sign(_secret, challenge);
        vm.prank(executor);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.ChallengeMismatch.selector, rd0, otherRd0));
        enclaves.register(_r, evidence, signature);
    }

    function test_register_onAnotherChain_reverts() public {
        (bytes32 challenge, bytes32 rd0) = enclaves.challengeOf(_r);
        IEnclaveRegistry.Evidence memory evidence = _evidence(rd0, MEASUREMENT, type(uint64).max, devRootKey);
        bytes memory signature = _sign(_secret, challenge);
        vm.chainId(1);
        vm.prank(executor);
        vm.expectPartialRevert(IEnclaveRegistry.EnclaveSignature.selector);
        enclaves.register(_r, evidence, signature);
    }

    function test_register_wrongRoot_reverts() public {
        (bytes32 challenge, bytes32 rd0) = enclaves.challengeOf(_r);
        IEnclaveRegistry.Evidence memory evidence = _evidence(rd0, MEASUREMENT, type(uint64).max, _secret);
        bytes memory signature = _sign(_secret, challenge);
        address root = d.devVerifier.ROOT();
        vm.prank(executor);
        vm.expectRevert(abi.encodeWithSelector(DevEvidenceVerifier.EvidenceSignature.selector, root, _key));
        enclaves.register(_r, evidence, signature);
    }

    function test_register_unknownKind_reverts() public {
        (bytes32 challenge, bytes32 rd0) = enclaves.challengeOf(_r);
        IEnclaveRegistry.Evidence memory evidence = _evidence(rd0, MEASUREMENT, type(uint64).max, devRootKey);
        evidence.kind = "TDX_DCAP";
        bytes memory signature = _sign(_secret, challenge);
        vm.prank(executor);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.UnknownKind.selector, bytes32("TDX_DCAP")));
        enclaves.register(_r, evidence, signature);
    }

    function test_register_verifierVouchesForAnotherKind_reverts() public {
        (bytes32 challenge, bytes32 rd0) = enclaves.challengeOf(_r);
        IEnclaveRegistry.Evidence memory evidence = _evidence(rd0, MEASUREMENT, type(uint64).max, devRootKey);
        bytes memory signature = _sign(_secret, challenge);
        Claims memory claims;
        claims.kind = "TDX_DCAP";
        vm.mockCall(
            address(d.devVerifier), abi.encodeWithSelector(IEvidenceVerifier.verify.selector), abi.encode(claims)
        );
        vm.prank(executor);
        vm.expectRevert(
            abi.encodeWithSelector(IEnclaveRegistry.KindMismatch.selector, bytes32("DEV"), bytes32("TDX_DCAP"))
        );
        enclaves.register(_r, evidence, signature);
    }

    function test_register_expiredEvidence_reverts() public {
        (bytes32 challenge, bytes32 rd0) = enclaves.challengeOf(_r);
        IEnclaveRegistry.Evidence memory evidence = _evidence(rd0, MEASUREMENT, uint64(block.timestamp), devRootKey);
        bytes memory signature = _sign(_secret, challenge);
        vm.prank(executor);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.EvidenceExpired.selector, block.timestamp));
        enclaves.register(_r, evidence, signature);
    }

    function test_register_unknownMeasurement_reverts() public {
        (bytes32 challenge, bytes32 rd0) = enclaves.challengeOf(_r);
        bytes32 other = keccak256("other code");
        IEnclaveRegistry.Evidence memory evidence = _evidence(rd0, other, type(uint64).max, devRootKey);
        bytes memory signature = _sign(_secret, challenge);
        vm.prank(executor);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.MeasurementNotAccepted.selector, modelId, other, 0));
        enclaves.register(_r, evidence, signature);
    }

    function test_register_renewal_keepsFirstMoment_succeeds() public {
        vm.startPrank(executor);
        _register();
        uint256 start = block.timestamp;
        vm.warp(start + 20 days);
        _register();
        assertEq(Timestamp.unwrap(enclaves.enclaveOf(_key).registeredAt), start);
        assertEq(Timestamp.unwrap(enclaves.enclaveOf(_key).expiresAt), block.timestamp + KEY_LIFETIME);
        assertTrue(enclaves.wasActive(_key, executor, modelId, _at(start)));
    }

    function test_register_renewalShortens_reverts() public {
        vm.startPrank(executor);
        _register();
        (bytes32 challenge, bytes32 rd0) = enclaves.challengeOf(_r);
        IEnclaveRegistry.Evidence memory evidence =
            _evidence(rd0, MEASUREMENT, uint64(block.timestamp + 1 days), devRootKey);
        bytes memory signature = _sign(_secret, challenge);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.KeyTaken.selector, _key));
        enclaves.register(_r, evidence, signature);
    }

    function test_register_keyOfAnotherRegistration_reverts() public {
        vm.startPrank(executor);
        _register();
        vm.stopPrank();
        _r.encryptionKeyHash = keccak256("other");
        (bytes32 challenge, bytes32 rd0) = enclaves.challengeOf(_r);
        IEnclaveRegistry.Evidence memory evidence = _evidence(rd0, MEASUREMENT, type(uint64).max, devRootKey);
        bytes memory signature = _sign(_secret, challenge);
        vm.prank(executor);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.KeyTaken.selector, _key));
        enclaves.register(_r, evidence, signature);
    }

    function test_revoke_byExecutor_isFinal_succeeds() public {
        vm.startPrank(executor);
        _register();
        uint256 start = block.timestamp;
        vm.warp(start + 10);
        enclaves.revoke(_key);
        assertFalse(enclaves.isActive(_key, executor, modelId));
        assertTrue(enclaves.wasActive(_key, executor, modelId, _at(start + 9)), "the past stays");
        bytes memory revoked = abi.encodeWithSelector(IEnclaveRegistry.KeyRevoked.selector, _key, start + 10);
        vm.expectRevert(revoked);
        enclaves.revoke(_key);
        (bytes32 challenge, bytes32 rd0) = enclaves.challengeOf(_r);
        IEnclaveRegistry.Evidence memory evidence = _evidence(rd0, MEASUREMENT, type(uint64).max, devRootKey);
        bytes memory signature = _sign(_secret, challenge);
        vm.expectRevert(revoked);
        enclaves.register(_r, evidence, signature);
    }

    function test_revoke_stranger_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.NotExecutor.selector, executor, address(this)));
        enclaves.revoke(enclave);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.UnknownKey.selector, stranger));
        enclaves.revoke(stranger);
    }

    function test_revokeByGovernance_succeeds() public {
        vm.startPrank(governance);
        enclaves.revokeByGovernance(enclave);
        assertFalse(enclaves.isActive(enclave, executor, modelId));
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.UnknownKey.selector, stranger));
        enclaves.revokeByGovernance(stranger);
    }

    function test_removePolicy_byGuardian_isInstant_succeeds() public {
        vm.prank(guardian);
        enclaves.removePolicy(modelId, MEASUREMENT);
        assertFalse(enclaves.isActive(enclave, executor, modelId));
        assertTrue(enclaves.wasActive(enclave, executor, modelId, _at(block.timestamp - 1)), "the past stays");
        assertEq(Timestamp.unwrap(enclaves.policyOf(modelId, MEASUREMENT)), block.timestamp);
    }

    function test_setPolicy_inThePast_reverts() public {
        vm.prank(governance);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.PolicyInThePast.selector, block.timestamp));
        enclaves.setPolicy(modelId, MEASUREMENT, _at(block.timestamp));
    }

    function test_setKeyLifetime_zero_reverts() public {
        vm.startPrank(governance);
        vm.expectRevert(IEnclaveRegistry.ZeroLifetime.selector);
        enclaves.setKeyLifetime(Duration.wrap(0));
        enclaves.setKeyLifetime(Duration.wrap(5));
        assertEq(enclaves.keyLifetime().inSeconds(), 5);
    }

    function test_removeVerifier_succeeds() public {
        vm.prank(governance);
        enclaves.removeVerifier("DEV");
        assertEq(address(enclaves.verifierOf("DEV")), address(0));
    }

    function test_setVerifier_devInProduction_reverts() public {
        EnclaveRegistry production = EnclaveRegistry(
            address(
                new ERC1967Proxy(
                    address(new EnclaveRegistry(vault)),
                    abi.encodeCall(EnclaveRegistry.initialize, (address(d.manager), Duration.wrap(1), false))
                )
            )
        );
        vm.prank(governance);
        vm.expectRevert(IEnclaveRegistry.DevelopmentOnly.selector);
        production.setVerifier(d.devVerifier);
    }

    function test_governance_stranger_reverts() public {
        bytes memory unauthorised = abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger);
        vm.startPrank(stranger);
        vm.expectRevert(unauthorised);
        enclaves.setVerifier(d.devVerifier);
        vm.expectRevert(unauthorised);
        enclaves.removeVerifier("DEV");
        vm.expectRevert(unauthorised);
        enclaves.setPolicy(modelId, MEASUREMENT, _at(block.timestamp + 1));
        vm.expectRevert(unauthorised);
        enclaves.removePolicy(modelId, MEASUREMENT);
        vm.expectRevert(unauthorised);
        enclaves.revokeByGovernance(enclave);
        vm.expectRevert(unauthorised);
        enclaves.setKeyLifetime(Duration.wrap(1));
        vm.expectRevert(unauthorised);
        enclaves.upgradeToAndCall(stranger, "");
    }

    /// @dev What a consumer pays for asking, behind the proxies of registry and vault: everything cold, and then once more.
    function test_snapshot_isActive() public {
        (uint256 cold, uint256 warm) = new Consumer().ask(enclaves, enclave, executor, modelId);
        vm.snapshotValue("attestation", "isActiveCold", cold);
        vm.snapshotValue("attestation", "isActiveWarm", warm);
        assertLt(cold, 45_000);
        assertLt(warm, 10_000);
    }

    function test_devVerifier_otherChain_reverts() public {
        vm.chainId(8453);
        vm.expectRevert(abi.encodeWithSelector(DevEvidenceVerifier.NotADevelopmentChain.selector, 8453));
        new DevEvidenceVerifier(stranger, false);
        new DevEvidenceVerifier(stranger, true);
    }
}
