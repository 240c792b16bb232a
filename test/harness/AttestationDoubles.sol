// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {Test} from "forge-std/Test.sol";
import {EnclaveRegistry} from "src/EnclaveRegistry.sol";
import {EnclaveSessions} from "src/EnclaveSessions.sol";
import {IEas, IEasSchemas} from "src/interfaces/IEas.sol";
import {IEnclaveRegistry} from "src/interfaces/IEnclaveRegistry.sol";
import {Claims, IEvidenceVerifier} from "src/interfaces/IEvidenceVerifier.sol";
import {IRevocable} from "src/interfaces/IRevocable.sol";
import {IStakeVault} from "src/interfaces/IStakeVault.sol";
import {Duration, Timestamp} from "src/libraries/Clock.sol";
import {ModelId} from "src/types/OtrTypes.sol";

/// @notice Accepts the claims that the evidence is; `aux` may name another kind to vouch for.
contract VerifierDouble is IEvidenceVerifier {
    bytes32 public immutable kind;

    constructor(bytes32 kind_) {
        kind = kind_;
    }

    function verify(bytes calldata evidence, bytes calldata aux) external view returns (Claims memory claims) {
        claims = abi.decode(evidence, (Claims));
        claims.kind = aux.length == 0 ? kind : bytes32(aux);
    }
}

/// @notice One whose certificates are revoked by whoever says so.
contract RevocableDouble is VerifierDouble, IRevocable {
    mapping(bytes32 certificate => bool) private _revoked;

    error NoSuchProof();

    constructor(bytes32 kind_) VerifierDouble(kind_) {}

    function setRevoked(bytes32 certificate) external {
        _revoked[certificate] = true;
    }

    /// @dev A proof is the claims' evidence hash.
    function isRevoked(Claims calldata claims, bytes calldata proof) external view returns (bool) {
        if (proof.length == 0) return _revoked[claims.certificate];
        if (bytes32(proof) != claims.evidenceHash) revert NoSuchProof();
        return true;
    }
}

/// @notice What registry and sessions ask of the vault.
contract VaultDouble {
    mapping(address executor => mapping(address account => bool)) public delegates;

    function setDelegate(address account) external {
        delegates[msg.sender][account] = true;
    }

    function mayActFor(address executor, address account) external view returns (bool) {
        return account == executor || delegates[executor][account];
    }

    function wasServing(address, Timestamp) external pure returns (bool) {
        return true;
    }
}

/// @notice An EAS that can fail. The real one: `ts/attestation/receipts.chain.test.ts`.
contract EasDouble {
    bytes32 public schema = "schema";
    bool public fails;
    bool public burns;
    uint256 public count;
    IEas.AttestationRequest public last;
    bytes32 public revoked;

    error Failed();

    function setFails(bool fails_) external {
        fails = fails_;
    }

    function setBurns() external {
        burns = true;
    }

    function getSchemaRegistry() external view returns (address) {
        return address(this);
    }

    function getSchema(bytes32 uid) external view returns (IEasSchemas.Schema memory found) {
        if (uid == schema) found.uid = uid;
    }

    function attest(IEas.AttestationRequest calldata request) external payable returns (bytes32) {
        if (fails) revert Failed();
        last = request;
        return bytes32(++count);
    }

    function revoke(IEas.RevocationRequest calldata request) external payable {
        if (fails) revert Failed();
        while (burns) ++count;
        revoked = request.data.uid;
    }
}

/// @title A registry with sessions, and doubles of whatever else they ask
abstract contract SessionsTest is Test {
    uint256 internal constant NOW = 1_790_000_000;
    uint256 internal constant LIFETIME = 30 days;
    bytes32 internal constant MEASUREMENT = keccak256("measurement");
    bytes32 internal constant FIRMWARE = keccak256("firmware");
    bytes32 internal constant SET = "H100";
    bytes32 internal constant IMAGE_CONFIG = keccak256("image configuration");
    ModelId internal constant MODEL = ModelId.wrap(keccak256("model"));

    AccessManager internal manager;
    VaultDouble internal vault;
    EnclaveRegistry internal registry;
    EnclaveSessions internal sessions;
    VerifierDouble internal tdx;
    RevocableDouble internal gpu;
    EasDouble internal eas;
    address internal executor = makeAddr("executor");
    address internal stranger = makeAddr("stranger");
    address internal enclave;
    uint256 internal secret;
    IEnclaveRegistry.Registration internal registration;
    bytes32 internal session;
    bytes32 internal anchor;

    function setUp() public virtual {
        vm.warp(_start());
        vm.roll(100);
        (enclave, secret) = makeAddrAndKey("enclave");
        manager = new AccessManager(address(this));
        vault = new VaultDouble();
        address implementation = address(new EnclaveRegistry(IStakeVault(address(vault))));
        bytes memory initialization = abi.encodeCall(
            EnclaveRegistry.initialize, (address(manager), Duration.wrap(uint32(LIFETIME)), _development())
        );
        registry = EnclaveRegistry(address(new ERC1967Proxy(implementation, initialization)));
        sessions = new EnclaveSessions(address(manager), registry, IStakeVault(address(vault)));
        tdx = new VerifierDouble("TDX_DCAP");
        gpu = new RevocableDouble("NV_SPDM");
        eas = new EasDouble();
        registry.setSessions(address(sessions));
        registry.setVerifier(tdx);
        registry.setVerifier(gpu);
        registry.setPolicy(MODEL, MEASUREMENT, Timestamp.wrap(uint40(NOW + 365 days)));
        registration = IEnclaveRegistry.Registration(executor, MODEL, enclave, keccak256("hpke"));
        bytes32[] memory firmware = new bytes32[](1);
        firmware[0] = FIRMWARE;
        sessions.setFirmware(SET, firmware, Timestamp.wrap(uint40(NOW + 365 days)));
        _setTerms(2, 3, 0);
    }

    /// @dev When all is deployed. Nobody has a role before.
    function _start() internal pure virtual returns (uint256) {
        return NOW;
    }

    function _development() internal pure virtual returns (bool) {
        return false;
    }

    function _setTerms(uint8 gpus, uint8 minAssurance, uint256 lifetime) internal {
        registry.setTerms(
            MODEL,
            MEASUREMENT,
            IEnclaveRegistry.Terms("image", "sources", SET, gpus, minAssurance, Duration.wrap(uint32(lifetime)))
        );
    }

    function _open() internal {
        anchor = keccak256(
            abi.encode(blockhash(block.number - 1), block.prevrandao, block.timestamp, sessions.opened() + 1)
        );
        vm.prank(executor);
        session = sessions.open(registration, MEASUREMENT);
    }

    /// @dev Claims of GPU number `k`.
    function _gpu(uint256 k) internal view returns (Claims memory claims) {
        claims.kind = "NV_SPDM";
        claims.deviceId = keccak256(abi.encode("gpu", k));
        claims.measurement = FIRMWARE;
        claims.rd0 = sessions.nonceOf(session, k);
        claims.certificate = keccak256(abi.encode("certificate", k));
        claims.notAfter = type(uint64).max;
        claims.evidenceHash = keccak256(abi.encode("report", session, k));
    }

    function _gpus(uint256 count) internal view returns (Claims[] memory gpus) {
        gpus = new Claims[](count);
        for (uint256 k; k < count; ++k) {
            gpus[k] = _gpu(k);
        }
    }

    function _cpu(Claims[] memory gpus) internal view returns (Claims memory claims) {
        bytes32[] memory hashes = new bytes32[](gpus.length);
        for (uint256 k; k < gpus.length; ++k) {
            hashes[k] = gpus[k].evidenceHash;
        }
        claims.kind = "TDX_DCAP";
        claims.deviceId = keccak256("cpu");
        claims.measurement = MEASUREMENT;
        claims.rd0 = sessions.reportDataOf(session, hashes, IMAGE_CONFIG);
        claims.tcbStatus = 2;
        claims.tcbEval = 20;
        claims.notAfter = uint64(NOW + 300 days);
        claims.evidenceHash = keccak256("quote");
    }

    function _prove(Claims memory claims) internal {
        sessions.prove(IEnclaveRegistry.Evidence(claims.kind, abi.encode(claims), ""));
    }

    function _proveAll(Claims memory cpu, Claims[] memory gpus) internal {
        for (uint256 k; k < gpus.length; ++k) {
            _prove(gpus[k]);
        }
        _prove(cpu);
    }

    function _sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function _finalize(Claims memory cpu, Claims[] memory gpus) internal {
        bytes memory signature = _sign(secret, session);
        vm.prank(executor);
        sessions.finalize(registration, anchor, cpu, gpus, IMAGE_CONFIG, signature);
    }

    /// @dev A whole session with so many GPUs.
    function _register(uint256 gpus) internal returns (Claims memory cpu, Claims[] memory list) {
        _open();
        list = _gpus(gpus);
        cpu = _cpu(list);
        _proveAll(cpu, list);
        _finalize(cpu, list);
    }
}
