// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {Vm} from "forge-std/Vm.sol";

import {EnclaveRegistry} from "../src/EnclaveRegistry.sol";
import {EnclaveSessions} from "../src/EnclaveSessions.sol";
import {StakeVault} from "../src/StakeVault.sol";
import {TeeResolver} from "../src/TeeResolver.sol";
import {DcapVerifier} from "../src/attestation/DcapVerifier.sol";
import {EnclaveVerifier} from "../src/attestation/EnclaveVerifier.sol";
import {GovernanceVerifier} from "../src/attestation/GovernanceVerifier.sol";
import {IntelCertificates} from "../src/attestation/IntelCertificates.sol";
import {IntelCollateral} from "../src/attestation/IntelCollateral.sol";
import {NvidiaCertificates} from "../src/attestation/NvidiaCertificates.sol";
import {NvidiaOcsp} from "../src/attestation/NvidiaOcsp.sol";
import {NvidiaVerifier} from "../src/attestation/NvidiaVerifier.sol";
import {P384Verifier} from "../src/attestation/P384Verifier.sol";
import {IEas, IEasSchemas} from "../src/interfaces/IEas.sol";
import {IEvidenceVerifier} from "../src/interfaces/IEvidenceVerifier.sol";
import {SameCode} from "./SameCode.sol";

/// @notice Parameters; names and defaults: `Deploy.configFromEnvironment`.
struct AttestationConfig {
    bool allowAnyChain;
    bytes32 intelRoot;
    bytes32 intelSigner;
    DcapVerifier.Policy intelPolicy;
    bytes32 nvidiaRoot;
    address revoker;
    address voucher;
    address eas;
}

/// @notice What proves enclave keys; `dcap` takes quotes of TDX, `dcapSgx` of SGX, under one policy. Zero: a vendor's contracts without its root, the governance's verifier without a voucher, the resolver without EAS.
struct AttestationDeployment {
    EnclaveSessions sessions;
    IntelCertificates intelCertificates;
    IntelCollateral intelCollateral;
    DcapVerifier dcap;
    DcapVerifier dcapSgx;
    EnclaveVerifier enclaveVerifier;
    GovernanceVerifier governanceVerifier;
    P384Verifier signatures;
    NvidiaCertificates certificates;
    NvidiaVerifier nvidia;
    NvidiaOcsp ocsp;
    TeeResolver resolver;
}

/// @title The part of the deployment that proves enclave keys
/// @dev Libraries are not linked, constructors make nothing: code is compared as it is, and authorities besides.
library AttestationDeploy {
    /// @notice AccessManager role that may revoke certificates of GPUs, and nothing else.
    uint64 internal constant REVOKER_ROLE = 2;
    /// @dev keccak256 of "Intel SGX Root CA", DER: https://certificates.trustedservices.intel.com.
    bytes32 internal constant INTEL_ROOT = 0xa1acc73eb45794fa1734f14d882e91925b6006f79d3bb2460df9d01b333d7009;
    /// @dev keccak256 of the name "Intel SGX TCB Signing", DER.
    bytes32 internal constant INTEL_SIGNER = 0x048bd42849dc20c563977be866923795e269396947dfe4773512441b25c9d413;
    /// @dev keccak256 of "NVIDIA Device Identity CA", DER: https://docs.attestation.nvidia.com.
    bytes32 internal constant NVIDIA_ROOT = 0xb0825ee3e68af4eefdd13c8168d52b7dfe6ebb4ff178b601ecb8aa78ba034408;
    /// @dev Where the OP Stack has EAS.
    address private constant EAS_PREDEPLOY = 0x4200000000000000000000000000000000000021;

    uint256 private constant LOCAL_CHAIN = 31_337;
    Vm private constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    /// @dev Kinds of machines, as `DcapVerifier` takes them.
    bytes32 private constant TDX = "TDX";
    bytes32 private constant SGX = "SGX";

    /// @notice There is no EAS at this address.
    error NoEas(address eas);
    /// @notice The hash is not the vendor's: whoever has the key under it can forge evidence. Only development registries on local chains take it, or
    ///         on other chains if the deployer insists.
    error NotTheVendors(string what, bytes32 vendors, bytes32 got);

    /// @notice EAS on this chain, if there is one: the addresses that its own package lists (eas-contracts 1.9.0).
    function easOf(uint256 chainId) internal view returns (address eas) {
        if (chainId == 1) eas = 0xA1207F3BBa224E2c9c3c6D5aF63D0eb1582Ce587;
        else if (chainId == 137) eas = 0x5E634ef5355f45A855d02D66eCD687b1502AF790;
        else if (chainId == 42_161) eas = 0xbD75f629A22Dc1ceD33dDA0b68c546A1c035c458;
        else if (chainId == 42_220) eas = 0x72E1d8ccf5299fb36fEfD8CC4394B8ef7e98Af92;
        else if (chainId == 59_144) eas = 0xaEF4103A04090071165F78D45D83A0C0782c2B2a;
        else if (chainId == 421_614) eas = 0x2521021fc8BF070473E1e1801D3c7B4aB701E1dE;
        else if (chainId == 534_352) eas = 0xC47300428b6AD2c7D03BB76D05A176058b47E6B0;
        else if (chainId == 11_155_111) eas = 0xC2679fBD37d54388Ce493F1DB75320D236e1815e;
        else eas = EAS_PREDEPLOY;
        return eas.code.length == 0 ? address(0) : eas;
    }

    /// @notice Makes what `found` lacks.
    function deploy(
        AttestationConfig memory config,
        AttestationDeployment memory found,
        AccessManager manager,
        EnclaveRegistry registry,
        StakeVault vault
    ) internal returns (AttestationDeployment memory d) {
        _requireVendors(config, registry);
        d = found;
        if (address(d.sessions) == address(0)) d.sessions = new EnclaveSessions(address(manager), registry, vault);
        if (address(d.enclaveVerifier) == address(0)) d.enclaveVerifier = new EnclaveVerifier(registry);
        if (config.voucher != address(0) && address(d.governanceVerifier) == address(0)) {
            d.governanceVerifier = new GovernanceVerifier(config.voucher);
        }
        if (config.intelRoot != 0) {
            if (address(d.intelCertificates) == address(0)) {
                d.intelCertificates = new IntelCertificates(config.intelRoot, config.intelSigner);
            }
            if (address(d.intelCollateral) == address(0)) d.intelCollateral = new IntelCollateral(d.intelCertificates);
            if (address(d.dcap) == address(0)) d.dcap = new DcapVerifier(d.intelCollateral, config.intelPolicy, TDX);
            if (address(d.dcapSgx) == address(0)) {
                d.dcapSgx = new DcapVerifier(d.intelCollateral, config.intelPolicy, SGX);
            }
        }
        if (config.nvidiaRoot != 0) {
            if (address(d.signatures) == address(0)) d.signatures = new P384Verifier();
            if (address(d.certificates) == address(0)) {
                d.certificates = new NvidiaCertificates(address(manager), config.nvidiaRoot, d.signatures);
            }
            if (address(d.nvidia) == address(0)) d.nvidia = new NvidiaVerifier(d.certificates);
            if (address(d.ocsp) == address(0)) d.ocsp = new NvidiaOcsp(d.certificates);
        }
        if (config.eas != address(0) && address(d.resolver) == address(0)) {
            _probe(config.eas);
            d.resolver = new TeeResolver(config.eas, registry);
        }
    }

    /// @notice Tells the registry, and gives out roles. The sender is the manager's administrator.
    function wire(
        AttestationConfig memory config,
        AttestationDeployment memory d,
        AccessManager manager,
        EnclaveRegistry registry,
        uint64 guardianRole
    ) internal {
        if (registry.sessions() == address(0)) registry.setSessions(address(d.sessions));
        _install(registry, d.enclaveVerifier);
        _install(registry, d.governanceVerifier);
        _install(registry, d.dcap);
        _install(registry, d.dcapSgx);
        _install(registry, d.nvidia);
        _allow(manager, address(d.sessions), EnclaveSessions.withdrawFirmware.selector, guardianRole);
        if (address(d.certificates) != address(0)) {
            _allow(manager, address(d.certificates), NvidiaCertificates.revoke.selector, REVOKER_ROLE);
            _grant(manager, config.revoker);
            _grant(manager, address(d.ocsp));
        }
        (IEas eas,) = registry.attestations();
        if (address(d.resolver) == address(0) || address(eas) != address(0)) return;
        eas = IEas(d.resolver.EAS());
        bytes32 schema = schemaOf(d.resolver);
        IEasSchemas schemas = eas.getSchemaRegistry();
        if (schemas.getSchema(schema).uid != schema) schemas.register(d.resolver.SCHEMA(), address(d.resolver), true);
        registry.setAttestations(eas, schema);
    }

    /// @notice The name of the first contract of `found` that is not what would be deployed, and what it is; an empty name if all are.
    function unknown(
        AttestationConfig memory config,
        AttestationDeployment memory found,
        AccessManager manager,
        EnclaveRegistry registry,
        StakeVault vault
    ) internal returns (string memory name, address at) {
        AttestationDeployment memory none;
        (none.intelCertificates, none.intelCollateral) = (found.intelCertificates, found.intelCollateral);
        (none.dcap, none.dcapSgx) = (found.dcap, found.dcapSgx);
        none.signatures = found.signatures;
        none.certificates = found.certificates;
        AttestationDeployment memory fresh = deploy(config, none, manager, registry, vault);
        if (_differs(address(found.sessions), address(fresh.sessions), address(manager))) {
            return ("EnclaveSessions", address(found.sessions));
        }
        if (_differs(address(found.enclaveVerifier), address(fresh.enclaveVerifier), address(0))) {
            return ("EnclaveVerifier", address(found.enclaveVerifier));
        }
        if (_differs(address(found.governanceVerifier), address(fresh.governanceVerifier), address(0))) {
            return ("GovernanceVerifier", address(found.governanceVerifier));
        }
        (name, at) = _unknownIntel(config, found);
        if (at != address(0)) return (name, at);
        if (_differs(address(found.signatures), address(new P384Verifier()), address(0))) {
            return ("P384Verifier", address(found.signatures));
        }
        if (address(found.certificates) != address(0)) {
            address certificates =
                address(new NvidiaCertificates(address(manager), config.nvidiaRoot, found.signatures));
            if (_differs(address(found.certificates), certificates, address(manager))) {
                return ("NvidiaCertificates", address(found.certificates));
            }
        }
        if (_differs(address(found.nvidia), address(fresh.nvidia), address(0))) {
            return ("NvidiaVerifier", address(found.nvidia));
        }
        if (_differs(address(found.ocsp), address(fresh.ocsp), address(0))) {
            return ("NvidiaOcsp", address(found.ocsp));
        }
        if (_differs(address(found.resolver), address(fresh.resolver), address(0))) {
            return ("TeeResolver", address(found.resolver));
        }
    }

    /// @dev As `unknown`, of Intel's four.
    function _unknownIntel(AttestationConfig memory config, AttestationDeployment memory found)
        private
        returns (string memory, address)
    {
        if (address(found.intelCertificates) != address(0)) {
            address certificates = address(new IntelCertificates(config.intelRoot, config.intelSigner));
            if (_differs(address(found.intelCertificates), certificates, address(0))) {
                return ("IntelCertificates", address(found.intelCertificates));
            }
        }
        if (address(found.intelCollateral) != address(0)) {
            address collateral = address(new IntelCollateral(found.intelCertificates));
            if (_differs(address(found.intelCollateral), collateral, address(0))) {
                return ("IntelCollateral", address(found.intelCollateral));
            }
        }
        if (!_isDcap(config, found, found.dcap, TDX)) return ("DcapVerifier", address(found.dcap));
        if (!_isDcap(config, found, found.dcapSgx, SGX)) return ("DcapVerifierSgx", address(found.dcapSgx));
        return ("", address(0));
    }

    /// @dev Whether this is none, or a verifier of this kind of machine. It has the time of its deployment in its code: another is made at that
    ///      time, which must have been.
    function _isDcap(
        AttestationConfig memory config,
        AttestationDeployment memory found,
        DcapVerifier verifier,
        bytes32 tee
    ) private returns (bool) {
        if (address(verifier) == address(0)) return true;
        if (address(found.intelCollateral) == address(0)) return false;
        (bool answered, bytes memory word) =
            address(verifier).staticcall(abi.encodePacked(verifier.DEPLOYED_AT.selector));
        uint256 time = VM.getBlockTimestamp();
        if (!answered || word.length != 32 || uint256(bytes32(word)) > time) return false;
        VM.warp(uint256(bytes32(word)));
        DcapVerifier fresh = new DcapVerifier(found.intelCollateral, config.intelPolicy, tee);
        VM.warp(time);
        return !_differs(address(verifier), address(fresh), address(0));
    }

    /// @dev INVARIANT: a production deployment accepts evidence under the vendors' roots, and no other.
    function _requireVendors(AttestationConfig memory config, EnclaveRegistry registry) private view {
        if (registry.development() && (block.chainid == LOCAL_CHAIN || config.allowAnyChain)) return;
        _requireVendor("Intel's root", INTEL_ROOT, config.intelRoot);
        if (config.intelRoot != 0 && config.intelSigner != INTEL_SIGNER) {
            revert NotTheVendors("Intel's signer of TCB info", INTEL_SIGNER, config.intelSigner);
        }
        _requireVendor("NVIDIA's root", NVIDIA_ROOT, config.nvidiaRoot);
    }

    function _requireVendor(string memory what, bytes32 vendors, bytes32 got) private pure {
        if (got != 0 && got != vendors) revert NotTheVendors(what, vendors, got);
    }

    /// @notice The id that EAS gives the schema of receipts.
    function schemaOf(TeeResolver resolver) internal view returns (bytes32) {
        return keccak256(abi.encodePacked(resolver.SCHEMA(), address(resolver), true));
    }

    function _differs(address found, address fresh, address manager) private view returns (bool) {
        if (found == address(0)) return false;
        if (!SameCode.isSame(found, fresh, new address[](0))) return true;
        return manager != address(0) && IAccessManaged(found).authority() != manager;
    }

    function _install(EnclaveRegistry registry, IEvidenceVerifier verifier) private {
        if (address(verifier) == address(0)) return;
        if (address(registry.verifierOf(verifier.kind())) == address(0)) registry.setVerifier(verifier);
    }

    /// @dev Makes somebody a revoker.
    function _grant(AccessManager manager, address revoker) private {
        (bool isRevoker,) = manager.hasRole(REVOKER_ROLE, revoker);
        if (!isRevoker) manager.grantRole(REVOKER_ROLE, revoker, 0);
    }

    function _allow(AccessManager manager, address target, bytes4 selector, uint64 role) private {
        if (manager.getTargetFunctionRole(target, selector) == role) return;
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = selector;
        manager.setTargetFunctionRole(target, selectors, role);
    }

    /// @dev Anything may be at an address that somebody states.
    function _probe(address eas) private view {
        if (eas.code.length == 0) revert NoEas(eas);
        try IEas(eas).getSchemaRegistry() returns (IEasSchemas schemas) {
            if (address(schemas).code.length == 0) revert NoEas(eas);
        } catch {
            revert NoEas(eas);
        }
    }
}
