// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {AttestationConfig, AttestationDeploy, AttestationDeployment} from "script/AttestationDeploy.sol";
import {IEas} from "src/interfaces/IEas.sol";
import {StakeVault} from "src/StakeVault.sol";
import {EnclaveSessions} from "src/EnclaveSessions.sol";
import {EasDouble, SessionsTest} from "./harness/AttestationDoubles.sol";

/// @notice An EAS that keeps schemas.
contract SchemasDouble is EasDouble {
    function register(string calldata text, address resolver, bool revocable) external returns (bytes32) {
        return schema = keccak256(abi.encodePacked(text, resolver, revocable));
    }
}

contract AttestationDeployTest is SessionsTest {
    uint64 private constant GUARDIAN = 1;
    address private constant PREDEPLOY = 0x4200000000000000000000000000000000000021;

    AttestationConfig private _config;
    AttestationDeployment private _none;

    function setUp() public override {
        super.setUp();
        registry.setSessions(address(0));
        registry.removeVerifier("NV_SPDM");
        _config = AttestationConfig(AttestationDeploy.NVIDIA_ROOT, stranger, executor, address(new SchemasDouble()));
    }

    function _deploy(AttestationDeployment memory found) private returns (AttestationDeployment memory) {
        return AttestationDeploy.deploy(_config, found, manager, registry, StakeVault(address(vault)));
    }

    function _wire(AttestationDeployment memory d) private {
        AttestationDeploy.wire(_config, d, manager, registry, GUARDIAN);
    }

    function _unknown(AttestationDeployment memory d) private returns (string memory name) {
        (name,) = AttestationDeploy.unknown(_config, d, manager, registry, StakeVault(address(vault)));
    }

    function test_wire_everything_succeeds() public {
        AttestationDeployment memory d = _deploy(_none);
        _wire(d);
        assertEq(registry.sessions(), address(d.sessions));
        assertEq(address(registry.verifierOf("NV_SPDM")), address(d.nvidia));
        assertEq(address(registry.verifierOf("VERIFIER_ENCLAVE")), address(d.enclaveVerifier));
        assertEq(address(registry.verifierOf("GOVERNANCE")), address(d.governanceVerifier));
        assertEq(d.certificates.ROOT(), AttestationDeploy.NVIDIA_ROOT);
        (IEas eas_, bytes32 schema) = registry.attestations();
        assertEq(address(eas_), _config.eas);
        assertEq(schema, AttestationDeploy.schemaOf(d.resolver));
        vm.prank(stranger);
        d.certificates.revoke("issuer", 1);
        vm.prank(address(d.ocsp));
        d.certificates.revoke("issuer", 2);
        assertEq(address(d.ocsp.CERTIFICATES()), address(d.certificates));
        vm.prank(executor);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, executor));
        d.sessions.withdrawFirmware(FIRMWARE);
        manager.grantRole(GUARDIAN, executor, 0);
        vm.prank(executor);
        d.sessions.withdrawFirmware(FIRMWARE);
        // Once more: nothing is made, and nothing is set.
        assertEq(abi.encode(_deploy(d)), abi.encode(d));
        vm.record();
        _wire(d);
        (, bytes32[] memory writes) = vm.accesses(address(registry));
        assertEq(writes.length, 0);
    }

    function test_deploy_least_succeeds() public {
        _config = AttestationConfig(0, stranger, address(0), address(0));
        AttestationDeployment memory d = _deploy(_none);
        _wire(d);
        assertEq(address(d.nvidia), address(0));
        assertEq(address(d.ocsp), address(0));
        assertEq(address(d.governanceVerifier), address(0));
        assertEq(address(d.resolver), address(0));
        assertEq(registry.sessions(), address(d.sessions));
        (IEas eas_,) = registry.attestations();
        assertEq(address(eas_), address(0));
        assertEq(_unknown(d), "");
    }

    function test_unknown_eachContract_named() public {
        AttestationDeployment memory d = _deploy(_none);
        assertEq(_unknown(d), "");
        AttestationDeployment memory other = _deploy(_none);
        other.sessions = EnclaveSessions(address(d.nvidia));
        assertEq(_unknown(other), "EnclaveSessions");
        other = _deploy(_none);
        vm.store(address(other.sessions), 0, bytes32(uint256(1)));
        assertEq(_unknown(other), "EnclaveSessions");
        _config.voucher = stranger;
        assertEq(_unknown(d), "GovernanceVerifier");
        _config.voucher = executor;
        _config.nvidiaRoot = "other";
        assertEq(_unknown(d), "NvidiaCertificates");
        _config.nvidiaRoot = AttestationDeploy.NVIDIA_ROOT;
        _config.eas = address(new SchemasDouble());
        assertEq(_unknown(d), "TeeResolver");
        other.sessions = d.sessions;
        other.certificates = d.certificates;
        other.signatures = d.signatures;
        other.resolver = d.resolver;
        _config.eas = d.resolver.EAS();
        assertEq(_unknown(other), "NvidiaVerifier");
        other.nvidia = d.nvidia;
        assertEq(_unknown(other), "NvidiaOcsp");
        vm.etch(address(d.signatures), hex"00");
        assertEq(_unknown(d), "P384Verifier");
        vm.etch(address(d.enclaveVerifier), hex"00");
        assertEq(_unknown(d), "EnclaveVerifier");
    }

    function test_deploy_noEas_reverts() public {
        address[2] memory none = [stranger, address(vault)];
        for (uint256 k; k < 2; ++k) {
            _config.eas = none[k];
            vm.expectRevert(abi.encodeWithSelector(AttestationDeploy.NoEas.selector, none[k]));
            this.deployOnce();
        }
    }

    function deployOnce() external {
        _deploy(_none);
    }

    function test_easOf_wherePresent_succeeds() public {
        assertEq(AttestationDeploy.easOf(8453), address(0));
        vm.etch(PREDEPLOY, hex"00");
        assertEq(AttestationDeploy.easOf(8453), PREDEPLOY);
        assertEq(AttestationDeploy.easOf(1), address(0));
        vm.etch(0xA1207F3BBa224E2c9c3c6D5aF63D0eb1582Ce587, hex"00");
        assertEq(AttestationDeploy.easOf(1), 0xA1207F3BBa224E2c9c3c6D5aF63D0eb1582Ce587);
    }
}
