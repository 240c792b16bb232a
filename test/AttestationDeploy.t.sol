// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {AttestationConfig, AttestationDeploy, AttestationDeployment} from "script/AttestationDeploy.sol";
import {IEas} from "src/interfaces/IEas.sol";
import {StakeVault} from "src/StakeVault.sol";
import {EnclaveSessions} from "src/EnclaveSessions.sol";
import {DcapVerifier} from "src/attestation/DcapVerifier.sol";
import {IntelCertificates} from "src/attestation/IntelCertificates.sol";
import {IntelCollateral} from "src/attestation/IntelCollateral.sol";
import {NvidiaCertificates} from "src/attestation/NvidiaCertificates.sol";
import {P384Verifier} from "src/attestation/P384Verifier.sol";
import {EasDouble, SessionsTest} from "./harness/AttestationDoubles.sol";

/// @notice An EAS that keeps schemas.
contract SchemasDouble is EasDouble {
    function register(string calldata text, address resolver, bool revocable) external returns (bytes32) {
        return schema = keccak256(abi.encodePacked(text, resolver, revocable));
    }
}

abstract contract AttestationDeployBase is SessionsTest {
    uint64 internal constant GUARDIAN = 1;

    AttestationConfig internal _config;
    AttestationDeployment internal _none;

    function setUp() public override {
        super.setUp();
        registry.setSessions(address(0));
        registry.removeVerifier("NV_SPDM");
        registry.removeVerifier("TDX_DCAP");
        _config.intelRoot = AttestationDeploy.INTEL_ROOT;
        _config.intelSigner = AttestationDeploy.INTEL_SIGNER;
        _config.intelPolicy = DcapVerifier.Policy(20, 365 days, 30 days, 0, false);
        _config.nvidiaRoot = AttestationDeploy.NVIDIA_ROOT;
        (_config.revoker, _config.voucher, _config.eas) = (stranger, executor, address(new SchemasDouble()));
    }

    function _deploy(AttestationDeployment memory found) internal returns (AttestationDeployment memory) {
        return AttestationDeploy.deploy(_config, found, manager, registry, StakeVault(address(vault)));
    }

    function _wire(AttestationDeployment memory d) internal {
        AttestationDeploy.wire(_config, d, manager, registry, GUARDIAN);
    }

    function _unknown(AttestationDeployment memory d) internal returns (string memory name) {
        (name,) = AttestationDeploy.unknown(_config, d, manager, registry, StakeVault(address(vault)));
    }

    function deployOnce() external {
        _deploy(_none);
    }

    function _refused(string memory what, bytes32 vendors, bytes32 got) internal {
        bytes memory refusal = abi.encodeWithSelector(AttestationDeploy.NotTheVendors.selector, what, vendors, got);
        vm.expectRevert(refusal);
        this.deployOnce();
    }
}

/// @notice A development registry takes evidence under roots of one's own, on local chains.
contract AttestationDeployDevelopmentTest is AttestationDeployBase {
    function _development() internal pure override returns (bool) {
        return true;
    }

    function test_deploy_developmentRoots_localChain_succeeds() public {
        (_config.intelRoot, _config.intelSigner, _config.nvidiaRoot) = ("root", "signer", "gpus");
        AttestationDeployment memory d = _deploy(_none);
        _wire(d);
        assertEq(d.intelCertificates.ROOT(), "root");
        assertEq(d.intelCertificates.SIGNER_SUBJECT(), "signer");
        assertEq(d.certificates.ROOT(), "gpus");
        assertEq(address(registry.verifierOf("TDX_DCAP")), address(d.dcap));
        assertEq(address(registry.verifierOf("SGX_DCAP")), address(d.dcapSgx));
        assertEq(_unknown(d), "");
    }

    function test_deploy_developmentRoots_otherChain_reverts() public {
        vm.chainId(1);
        _config.nvidiaRoot = "gpus";
        _refused("NVIDIA's root", AttestationDeploy.NVIDIA_ROOT, "gpus");
        _config.allowAnyChain = true;
        assertEq(_deploy(_none).certificates.ROOT(), "gpus");
    }
}

contract AttestationDeployTest is AttestationDeployBase {
    address private constant PREDEPLOY = 0x4200000000000000000000000000000000000021;

    /// @dev Whatever the chain and whoever insists: the registry is a production one. So it is where the development root's contracts stand
    ///      already and an address file names them.
    function test_deploy_production_otherRoots_reverts() public {
        _config.allowAnyChain = true;
        _config.intelRoot = "root";
        _refused("Intel's root", AttestationDeploy.INTEL_ROOT, "root");
        _config.intelRoot = AttestationDeploy.INTEL_ROOT;
        _config.intelSigner = "signer";
        _refused("Intel's signer of TCB info", AttestationDeploy.INTEL_SIGNER, "signer");
        _config.intelSigner = AttestationDeploy.INTEL_SIGNER;
        _config.nvidiaRoot = "gpus";
        _refused("NVIDIA's root", AttestationDeploy.NVIDIA_ROOT, "gpus");
        _config.nvidiaRoot = AttestationDeploy.NVIDIA_ROOT;

        AttestationDeployment memory d = _deploy(_none);
        d.intelCertificates = new IntelCertificates("root", "signer");
        assertEq(_unknown(d), "IntelCertificates");
        d = _deploy(_none);
        IntelCertificates development = new IntelCertificates("root", "signer");
        d.intelCollateral = new IntelCollateral(development);
        assertEq(_unknown(d), "IntelCollateral");
        d = _deploy(_none);
        d.dcap = new DcapVerifier(new IntelCollateral(development), _config.intelPolicy, "TDX");
        assertEq(_unknown(d), "DcapVerifier");
        d = _deploy(_none);
        d.dcapSgx = new DcapVerifier(new IntelCollateral(development), _config.intelPolicy, "SGX");
        assertEq(_unknown(d), "DcapVerifierSgx");
        d = _deploy(_none);
        d.certificates = new NvidiaCertificates(address(manager), "gpus", new P384Verifier());
        assertEq(_unknown(d), "NvidiaCertificates");
    }

    /// @dev The verifier of quotes has its time in its code: the same at any later time, another if anything else differs.
    function test_unknown_dcap_atItsTime_succeeds() public {
        AttestationDeployment memory d = _deploy(_none);
        vm.warp(NOW + 100 days);
        assertEq(_unknown(d), "");
        assertEq(vm.getBlockTimestamp(), NOW + 100 days);
        _config.intelPolicy.grace = 31 days;
        assertEq(_unknown(d), "DcapVerifier");
        _config.intelPolicy.grace = 30 days;
        // One that was made in the future would take old numbers for so much longer.
        vm.warp(NOW - 1);
        assertEq(_unknown(d), "DcapVerifier");
        vm.warp(NOW);
        AttestationDeployment memory other = _deploy(_none);
        other.dcap = DcapVerifier(address(d.sessions));
        assertEq(_unknown(other), "DcapVerifier");
        (other.dcap, other.intelCollateral) = (d.dcap, IntelCollateral(address(0)));
        assertEq(_unknown(other), "DcapVerifier");
    }

    /// @dev That of SGX, too, has its time in its code; and neither stands in the other's place.
    function test_unknown_dcapSgx_succeeds() public {
        AttestationDeployment memory d = _deploy(_none);
        (d.dcap, d.dcapSgx) = (d.dcapSgx, d.dcap);
        assertEq(_unknown(d), "DcapVerifier");
        d.dcap = d.dcapSgx;
        assertEq(_unknown(d), "DcapVerifierSgx");
        // A deployment of before there was one gets it; the others stay.
        d.dcapSgx = DcapVerifier(address(0));
        assertEq(_unknown(d), "");
        vm.warp(NOW + 100 days);
        AttestationDeployment memory later = _deploy(d);
        assertEq(address(later.dcap), address(d.dcap));
        assertEq(later.dcapSgx.DEPLOYED_AT(), NOW + 100 days);
        _wire(later);
        assertEq(address(registry.verifierOf("SGX_DCAP")), address(later.dcapSgx));
        vm.warp(NOW + 200 days);
        assertEq(_unknown(later), "");
        _config.intelPolicy.minTcbEval = 21;
        later.dcap = DcapVerifier(address(0));
        assertEq(_unknown(later), "DcapVerifierSgx");
    }

    function test_wire_everything_succeeds() public {
        AttestationDeployment memory d = _deploy(_none);
        _wire(d);
        assertEq(registry.sessions(), address(d.sessions));
        assertEq(address(registry.verifierOf("NV_SPDM")), address(d.nvidia));
        assertEq(address(registry.verifierOf("TDX_DCAP")), address(d.dcap));
        assertEq(address(registry.verifierOf("SGX_DCAP")), address(d.dcapSgx));
        assertEq(d.dcap.TEE(), "TDX");
        assertEq(d.dcapSgx.TEE(), "SGX");
        assertEq(address(d.dcap.COLLATERAL()), address(d.intelCollateral));
        assertEq(address(d.dcapSgx.COLLATERAL()), address(d.intelCollateral));
        assertEq(address(d.intelCollateral.CERTIFICATES()), address(d.intelCertificates));
        assertEq(d.intelCertificates.ROOT(), AttestationDeploy.INTEL_ROOT);
        assertEq(d.intelCertificates.SIGNER_SUBJECT(), AttestationDeploy.INTEL_SIGNER);
        assertEq(d.dcap.MIN_TCB_EVAL(), 20);
        assertEq(d.dcap.MAX_AGE(), 0);
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
        (_config.intelRoot, _config.nvidiaRoot, _config.voucher, _config.eas) = (0, 0, address(0), address(0));
        AttestationDeployment memory d = _deploy(_none);
        _wire(d);
        assertEq(address(d.nvidia), address(0));
        assertEq(address(d.intelCertificates), address(0));
        assertEq(address(d.dcap), address(0));
        assertEq(address(d.dcapSgx), address(0));
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

    function test_easOf_wherePresent_succeeds() public {
        assertEq(AttestationDeploy.easOf(8453), address(0));
        vm.etch(PREDEPLOY, hex"00");
        assertEq(AttestationDeploy.easOf(8453), PREDEPLOY);
        assertEq(AttestationDeploy.easOf(1), address(0));
        vm.etch(0xA1207F3BBa224E2c9c3c6D5aF63D0eb1582Ce587, hex"00");
        assertEq(AttestationDeploy.easOf(1), 0xA1207F3BBa224E2c9c3c6D5aF63D0eb1582Ce587);
    }
}
