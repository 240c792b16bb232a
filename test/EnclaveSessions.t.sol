// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {DevEvidenceVerifier} from "src/attestation/DevEvidenceVerifier.sol";
import {IEas} from "src/interfaces/IEas.sol";
import {IEnclaveRegistry} from "src/interfaces/IEnclaveRegistry.sol";
import {IEnclaveSessions} from "src/interfaces/IEnclaveSessions.sol";
import {Claims} from "src/interfaces/IEvidenceVerifier.sol";
import {Timestamp} from "src/libraries/Clock.sol";
import {EasReceipts} from "src/libraries/EasReceipts.sol";
import {ModelId} from "src/types/OtrTypes.sol";
import {RevocableDouble, SessionsTest, VerifierDouble} from "./harness/AttestationDoubles.sol";

contract EnclaveSessionsTest is SessionsTest {
    function test_finalize_twoGpus_succeeds() public {
        (Claims memory cpu, Claims[] memory gpus) = _register(2);
        assertTrue(registry.isActive(enclave, executor, MODEL));
        IEnclaveRegistry.Enclave memory e = registry.enclaveOf(enclave);
        assertEq(e.measurement, MEASUREMENT);
        assertEq(e.kind, bytes32("TDX_DCAP"));
        assertEq(e.deviceId, keccak256("cpu"));
        assertEq(e.encryptionKeyHash, keccak256("hpke"));
        assertEq(Timestamp.unwrap(e.expiresAt), NOW + LIFETIME);
        IEnclaveRegistry.Standing memory standing = registry.standingOf(enclave);
        assertEq(standing.gpus, 2);
        assertEq(standing.assurance, 3);
        assertEq(standing.evidenceHash, keccak256(abi.encode(cpu, gpus)));
        assertFalse(sessions.endOf(session).isSet(), "closed");
    }

    function test_challengeOf_namesEverything_succeeds() public {
        _open();
        bytes32 policyId = registry.policyIdOf(MODEL, MEASUREMENT);
        bytes32 expected = keccak256(
            abi.encode(
                keccak256("OTR/session/1"),
                block.chainid,
                address(registry),
                address(sessions),
                executor,
                MODEL,
                enclave,
                keccak256("hpke"),
                policyId,
                anchor
            )
        );
        assertEq(session, expected);
        assertEq(sessions.nonceOf(session, 1), sha256(abi.encode(keccak256("OTR/gpu/1"), session, uint256(1))));
        assertEq(
            sessions.reportDataOf(session, new bytes32[](0), IMAGE_CONFIG),
            keccak256(abi.encode(keccak256("OTR/rd/1"), session, bytes32(0), IMAGE_CONFIG))
        );
        assertEq(
            policyId,
            keccak256(abi.encode(keccak256("OTR/policy/1"), MODEL, MEASUREMENT, registry.termsOf(MODEL, MEASUREMENT)))
        );
        assertEq(sessions.opened(), 1);
        vm.prank(executor);
        assertNotEq(sessions.open(registration, MEASUREMENT), session, "in the same block");
    }

    function test_open_stranger_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IEnclaveSessions.NotExecutor.selector, executor, address(this)));
        sessions.open(registration, MEASUREMENT);
    }

    function test_finalize_byDelegate_succeeds() public {
        vm.prank(executor);
        vault.setDelegate(stranger);
        _open();
        Claims[] memory gpus = _gpus(2);
        Claims memory cpu = _cpu(gpus);
        _proveAll(cpu, gpus);
        bytes memory signature = _sign(secret, session);
        vm.prank(stranger);
        sessions.finalize(registration, anchor, cpu, gpus, IMAGE_CONFIG, signature);
        assertTrue(registry.isActive(enclave, executor, MODEL));
    }

    function test_finalize_stranger_reverts() public {
        _open();
        Claims[] memory gpus = _gpus(2);
        Claims memory cpu = _cpu(gpus);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveSessions.NotExecutor.selector, executor, address(this)));
        sessions.finalize(registration, anchor, cpu, gpus, IMAGE_CONFIG, "");
    }

    function test_finalize_notTheEnclavesSignature_reverts() public {
        _open();
        Claims[] memory gpus = _gpus(2);
        Claims memory cpu = _cpu(gpus);
        (address other, uint256 otherSecret) = makeAddrAndKey("other");
        bytes memory signature = _sign(otherSecret, session);
        vm.prank(executor);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveSessions.EnclaveSignature.selector, enclave, other));
        sessions.finalize(registration, anchor, cpu, gpus, IMAGE_CONFIG, signature);
    }

    function test_finalize_twice_reverts() public {
        (Claims memory cpu, Claims[] memory gpus) = _register(2);
        _fails(cpu, gpus, abi.encodeWithSelector(IEnclaveSessions.UnknownSession.selector, session));
        // Another session of the same block needs evidence of its own.
        _open();
        _fails(
            cpu,
            gpus,
            abi.encodeWithSelector(
                IEnclaveSessions.NonceMismatch.selector, 0, sessions.nonceOf(session, 0), gpus[0].rd0
            )
        );
    }

    function test_open_freshByAnyOfThem_succeeds() public {
        _open();
        bytes32 first = anchor;
        vm.setBlockhash(block.number - 1, keccak256("another block"));
        _open();
        assertNotEq(anchor, first);
        vm.prevrandao(bytes32("another"));
        _open();
        assertTrue(sessions.endOf(session).isSet());
    }

    function test_finalize_late_reverts() public {
        _open();
        Claims[] memory gpus = _gpus(2);
        Claims memory cpu = _cpu(gpus);
        _proveAll(cpu, gpus);
        vm.warp(NOW + 1 hours);
        _fails(cpu, gpus, abi.encodeWithSelector(IEnclaveSessions.SessionExpired.selector, NOW + 1 hours));
        vm.warp(NOW + 1 hours - 1);
        _finalize(cpu, gpus);
    }

    function test_finalize_otherTerms_reverts() public {
        _open();
        Claims[] memory gpus = _gpus(2);
        Claims memory cpu = _cpu(gpus);
        _proveAll(cpu, gpus);
        _setTerms(1, 3, 0);
        bytes32 unknown = sessions.challengeOf(registration, MEASUREMENT, anchor);
        _fails(cpu, gpus, abi.encodeWithSelector(IEnclaveSessions.UnknownSession.selector, unknown));
    }

    function testFuzz_finalize_otherRegistration_reverts(uint8 field) public {
        _open();
        Claims[] memory gpus = _gpus(2);
        Claims memory cpu = _cpu(gpus);
        _proveAll(cpu, gpus);
        field = uint8(bound(field, 0, 4));
        if (field == 0) vm.chainId(1);
        if (field == 1) registration.modelId = ModelId.wrap("other");
        if (field == 2) registration.enclaveKey = stranger;
        if (field == 3) registration.encryptionKeyHash = "other";
        if (field == 4) anchor = "other";
        bytes memory signature = _sign(secret, session);
        vm.prank(executor);
        vm.expectPartialRevert(IEnclaveSessions.UnknownSession.selector);
        sessions.finalize(registration, anchor, cpu, gpus, IMAGE_CONFIG, signature);
    }

    function test_finalize_notProved_reverts() public {
        _open();
        Claims[] memory gpus = _gpus(2);
        Claims memory cpu = _cpu(gpus);
        _prove(gpus[0]);
        _prove(cpu);
        _fails(cpu, gpus, abi.encodeWithSelector(IEnclaveSessions.NotProved.selector, gpus[1]));
        _prove(gpus[1]);
        // A verifier that was replaced since does not count any more.
        registry.setVerifier(new VerifierDouble("TDX_DCAP"));
        _fails(cpu, gpus, abi.encodeWithSelector(IEnclaveSessions.NotProved.selector, cpu));
        registry.removeVerifier("TDX_DCAP");
        _fails(cpu, gpus, abi.encodeWithSelector(IEnclaveSessions.UnknownKind.selector, bytes32("TDX_DCAP")));
    }

    /// @dev Whoever answers the same challenge with hardware of his own disturbs nobody.
    function test_finalize_othersProofsToo_succeeds() public {
        _open();
        Claims[] memory gpus = _gpus(2);
        Claims memory cpu = _cpu(gpus);
        _proveAll(cpu, gpus);
        Claims memory other = _gpu(0);
        other.deviceId = "other";
        vm.prank(stranger);
        _prove(other);
        _finalize(cpu, gpus);
    }

    function test_prove_kinds_reverts() public {
        Claims memory claims;
        vm.expectRevert(abi.encodeWithSelector(IEnclaveSessions.UnknownKind.selector, bytes32("NONE")));
        sessions.prove(IEnclaveRegistry.Evidence("NONE", abi.encode(claims), ""));
        vm.expectRevert(
            abi.encodeWithSelector(IEnclaveSessions.KindMismatch.selector, bytes32("NV_SPDM"), bytes32("TDX_DCAP"))
        );
        sessions.prove(IEnclaveRegistry.Evidence("NV_SPDM", abi.encode(claims), abi.encode(bytes32("TDX_DCAP"))));
    }

    function test_finalize_swappedGpus_reverts() public {
        _open();
        Claims[] memory gpus = _gpus(2);
        Claims memory cpu = _cpu(gpus);
        _proveAll(cpu, gpus);
        (gpus[0], gpus[1]) = (gpus[1], gpus[0]);
        _fails(cpu, gpus, abi.encodeWithSelector(IEnclaveSessions.NonceMismatch.selector, 0, gpus[1].rd0, gpus[0].rd0));
    }

    function test_finalize_sameGpu_reverts() public {
        _open();
        Claims[] memory gpus = _gpus(2);
        gpus[1].deviceId = gpus[0].deviceId;
        Claims memory cpu = _cpu(gpus);
        _proveAll(cpu, gpus);
        _fails(cpu, gpus, abi.encodeWithSelector(IEnclaveSessions.SameGpu.selector, gpus[0].deviceId));
    }

    function test_finalize_cpuAsGpu_reverts() public {
        _open();
        Claims[] memory gpus = _gpus(2);
        gpus[1].kind = "TDX_DCAP";
        Claims memory cpu = _cpu(gpus);
        _proveAll(cpu, gpus);
        _fails(cpu, gpus, abi.encodeWithSelector(IEnclaveSessions.NotAGpu.selector, bytes32("TDX_DCAP")));
    }

    /// @dev A GPU signs any nonce, also one that looks like report data.
    function test_finalize_gpuAsCpu_reverts() public {
        _open();
        Claims[] memory gpus = _gpus(2);
        Claims memory cpu = _cpu(gpus);
        cpu.kind = "NV_SPDM";
        _proveAll(cpu, gpus);
        bytes memory notACpu = abi.encodeWithSelector(IEnclaveRegistry.NotACpu.selector, bytes32("NV_SPDM"));
        _fails(cpu, gpus, notACpu);
        (bytes32 challenge, bytes32 rd0) = registry.challengeOf(registration);
        cpu.rd0 = rd0;
        bytes memory signature = _sign(secret, challenge);
        vm.prank(executor);
        vm.expectRevert(notACpu);
        registry.register(registration, IEnclaveRegistry.Evidence("NV_SPDM", abi.encode(cpu), ""), signature);
    }

    function test_finalize_reportData_reverts() public {
        _open();
        Claims[] memory gpus = _gpus(2);
        Claims memory cpu = _cpu(gpus);
        bytes32 expected = cpu.rd0;
        Claims memory of1 = _cpu(_gpus(1));
        _proveAll(of1, gpus);
        _fails(of1, gpus, abi.encodeWithSelector(IEnclaveSessions.ReportDataMismatch.selector, expected, of1.rd0));
        cpu.rd0 = "other";
        _fails(cpu, gpus, abi.encodeWithSelector(IEnclaveSessions.ReportDataMismatch.selector, expected, cpu.rd0));
    }

    function test_finalize_tooFewGpus_reverts() public {
        _open();
        Claims[] memory gpus = _gpus(1);
        Claims memory cpu = _cpu(gpus);
        _proveAll(cpu, gpus);
        _fails(cpu, gpus, abi.encodeWithSelector(IEnclaveRegistry.TooFewGpus.selector, 2, 1));
        Claims[] memory many = new Claims[](256);
        _fails(cpu, many, abi.encodeWithSelector(IEnclaveSessions.TooManyGpus.selector, 256));
    }

    function test_register_policyWithGpus_reverts() public {
        (bytes32 challenge, bytes32 rd0) = registry.challengeOf(registration);
        Claims memory cpu = _cpu(new Claims[](0));
        cpu.rd0 = rd0;
        IEnclaveRegistry.Evidence memory evidence = IEnclaveRegistry.Evidence("TDX_DCAP", abi.encode(cpu), "");
        bytes memory signature = _sign(secret, challenge);
        vm.prank(executor);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.TooFewGpus.selector, 2, 0));
        registry.register(registration, evidence, signature);
        _setTerms(0, 3, 0);
        vm.prank(executor);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.AssuranceTooLow.selector, 3, 2));
        registry.register(registration, evidence, signature);
        _setTerms(0, 2, 0);
        vm.prank(executor);
        registry.register(registration, evidence, signature);
        assertEq(registry.standingOf(enclave).assurance, 2);
    }

    function test_finalize_assurance_succeeds() public {
        VerifierDouble voucher = new VerifierDouble("VERIFIER_ENCLAVE");
        VerifierDouble governance = new VerifierDouble("GOVERNANCE");
        VerifierDouble unknown = new VerifierDouble("NEW");
        registry.setVerifier(voucher);
        registry.setVerifier(governance);
        registry.setVerifier(unknown);
        _setTerms(0, 0, 0);
        bytes32[5] memory cpus = [bytes32("TDX_DCAP"), "TDX_DCAP", "VERIFIER_ENCLAVE", "NEW", "TDX_DCAP"];
        bytes32[5] memory gpus = [bytes32("NV_SPDM"), "VERIFIER_ENCLAVE", "NV_SPDM", "NV_SPDM", "GOVERNANCE"];
        uint8[5] memory assurances = [3, 2, 1, 0, 0];
        for (uint256 k; k < 5; ++k) {
            (enclave, secret) = makeAddrAndKey(vm.toString(k));
            registration.enclaveKey = enclave;
            _open();
            Claims[] memory list = _gpus(2);
            list[1].kind = gpus[k];
            Claims memory cpu = _cpu(list);
            cpu.kind = cpus[k];
            _proveAll(cpu, list);
            _finalize(cpu, list);
            assertEq(registry.standingOf(enclave).assurance, assurances[k]);
        }
        bytes32[2] memory others = [bytes32("SGX_DCAP"), "SEV_SNP"];
        for (uint256 k; k < 2; ++k) {
            registry.setVerifier(new VerifierDouble(others[k]));
            (enclave, secret) = makeAddrAndKey(string.concat("other ", vm.toString(k)));
            registration.enclaveKey = enclave;
            _open();
            Claims[] memory list = _gpus(1);
            Claims memory cpu = _cpu(list);
            cpu.kind = others[k];
            _proveAll(cpu, list);
            _finalize(cpu, list);
            assertEq(registry.standingOf(enclave).assurance, 3);
        }
        (enclave, secret) = makeAddrAndKey("without GPUs");
        registration.enclaveKey = enclave;
        _register(0);
        assertEq(registry.standingOf(enclave).assurance, 2);
        assertEq(registry.standingOf(enclave).gpus, 0);
    }

    function test_finalize_assuranceTooLow_reverts() public {
        registry.setVerifier(new VerifierDouble("VERIFIER_ENCLAVE"));
        _open();
        Claims[] memory gpus = _gpus(2);
        gpus[0].kind = "VERIFIER_ENCLAVE";
        Claims memory cpu = _cpu(gpus);
        _proveAll(cpu, gpus);
        _fails(cpu, gpus, abi.encodeWithSelector(IEnclaveRegistry.AssuranceTooLow.selector, 3, 2));
    }

    function test_finalize_firmware_reverts() public {
        _open();
        Claims[] memory gpus = _gpus(2);
        gpus[1].measurement = "other";
        Claims memory cpu = _cpu(gpus);
        _proveAll(cpu, gpus);
        bytes4 selector = IEnclaveSessions.FirmwareNotAccepted.selector;
        _fails(cpu, gpus, abi.encodeWithSelector(selector, SET, bytes32("other"), 0));
        gpus = _gpus(2);
        cpu = _cpu(gpus);
        _proveAll(cpu, gpus);
        sessions.withdrawFirmware(FIRMWARE);
        _fails(cpu, gpus, abi.encodeWithSelector(selector, SET, FIRMWARE, 0));
        bytes32[] memory firmware = new bytes32[](1);
        firmware[0] = FIRMWARE;
        sessions.setFirmware(SET, firmware, Timestamp.wrap(uint40(NOW + 1)));
        vm.warp(NOW + 1);
        _fails(cpu, gpus, abi.encodeWithSelector(selector, SET, FIRMWARE, NOW + 1));
        vm.expectRevert(abi.encodeWithSelector(IEnclaveSessions.FirmwareInThePast.selector, NOW + 1));
        sessions.setFirmware(SET, firmware, Timestamp.wrap(uint40(NOW + 1)));
    }

    function test_finalize_expiry_succeeds() public {
        _open();
        Claims[] memory gpus = _gpus(2);
        gpus[1].notAfter = uint64(NOW + 2 days);
        Claims memory cpu = _cpu(gpus);
        _proveAll(cpu, gpus);
        _finalize(cpu, gpus);
        assertEq(Timestamp.unwrap(registry.enclaveOf(enclave).expiresAt), NOW + 2 days);
        // Renewed, under terms with shorter lives.
        _setTerms(2, 3, 7 days);
        vm.warp(NOW + 1 days);
        vm.roll(200);
        _register(2);
        assertEq(Timestamp.unwrap(registry.enclaveOf(enclave).expiresAt), NOW + 8 days);
        assertEq(Timestamp.unwrap(registry.enclaveOf(enclave).registeredAt), NOW);
    }

    function test_evict_revokedCertificate_succeeds() public {
        (Claims memory cpu, Claims[] memory gpus) = _register(2);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveSessions.StillProved.selector, enclave));
        sessions.evict(enclave, cpu, gpus, 2, "");
        gpu.setRevoked(gpus[1].certificate);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveSessions.StillProved.selector, enclave));
        sessions.evict(enclave, cpu, gpus, 1, "");
        vm.expectRevert(abi.encodeWithSelector(IEnclaveSessions.StillProved.selector, enclave));
        sessions.evict(enclave, cpu, gpus, 0, "");
        vm.expectPartialRevert(IEnclaveSessions.OtherProof.selector);
        sessions.evict(enclave, cpu, gpus, 3, "");
        vm.prank(stranger);
        sessions.evict(enclave, cpu, gpus, 2, "");
        assertFalse(registry.isActive(enclave, executor, MODEL));
        gpus[0].deviceId = "other";
        vm.expectPartialRevert(IEnclaveSessions.OtherProof.selector);
        sessions.evict(enclave, cpu, gpus, 2, "");
    }

    /// @dev The CPU is part 0; what shows it may be more than a certificate, and a verifier's refusal is handed on.
    function test_evict_cpu_succeeds() public {
        RevocableDouble tdx = new RevocableDouble("TDX_DCAP");
        registry.setVerifier(tdx);
        (Claims memory cpu, Claims[] memory gpus) = _register(2);
        vm.expectRevert(RevocableDouble.NoSuchProof.selector);
        sessions.evict(enclave, cpu, gpus, 0, abi.encode("other"));
        vm.expectRevert(abi.encodeWithSelector(IEnclaveSessions.StillProved.selector, enclave));
        sessions.evict(enclave, cpu, gpus, 0, "");
        // The firmware list is for GPUs.
        sessions.withdrawFirmware(cpu.measurement);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveSessions.StillProved.selector, enclave));
        sessions.evict(enclave, cpu, gpus, 0, "");
        uint256 snapshot = vm.snapshotState();
        sessions.evict(enclave, cpu, gpus, 0, abi.encode(cpu.evidenceHash));
        assertFalse(registry.isActive(enclave, executor, MODEL));
        vm.revertToState(snapshot);
        tdx.setRevoked(cpu.certificate);
        sessions.evict(enclave, cpu, gpus, 0, "");
        assertFalse(registry.isActive(enclave, executor, MODEL));
        vm.expectPartialRevert(IEnclaveRegistry.KeyRevoked.selector);
        sessions.evict(enclave, cpu, gpus, 0, "");
    }

    /// @dev A key that was registered without a session ends the same way; its claims are in the registry's event.
    function test_evict_withoutSession_succeeds() public {
        RevocableDouble tdx = new RevocableDouble("TDX_DCAP");
        registry.setVerifier(tdx);
        _setTerms(0, 0, 0);
        (bytes32 challenge, bytes32 rd0) = registry.challengeOf(registration);
        Claims[] memory none = new Claims[](0);
        Claims memory cpu = _cpu(none);
        (cpu.rd0, cpu.certificate) = (rd0, "pck");
        bytes memory signature = _sign(secret, challenge);
        vm.expectEmit(address(registry));
        emit IEnclaveRegistry.EvidenceProved(tdx, cpu);
        vm.prank(executor);
        registry.register(registration, IEnclaveRegistry.Evidence(cpu.kind, abi.encode(cpu), ""), signature);
        assertTrue(registry.isActive(enclave, executor, MODEL));
        vm.expectRevert(abi.encodeWithSelector(IEnclaveSessions.StillProved.selector, enclave));
        sessions.evict(enclave, cpu, none, 0, "");
        tdx.setRevoked("pck");
        vm.prank(stranger);
        sessions.evict(enclave, cpu, none, 0, "");
        assertFalse(registry.isActive(enclave, executor, MODEL));
    }

    function test_evict_unknownKey_reverts() public {
        Claims memory cpu;
        vm.expectPartialRevert(IEnclaveSessions.OtherProof.selector);
        sessions.evict(stranger, cpu, new Claims[](0), 0, "");
    }

    function test_evict_withdrawnFirmware_succeeds() public {
        (Claims memory cpu, Claims[] memory gpus) = _register(2);
        // Acceptance that only ran out is no reason.
        vm.warp(NOW + 20 days);
        bytes32[] memory firmware = new bytes32[](1);
        firmware[0] = FIRMWARE;
        sessions.setFirmware(SET, firmware, Timestamp.wrap(uint40(NOW + 20 days + 1)));
        vm.warp(NOW + 21 days);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveSessions.StillProved.selector, enclave));
        sessions.evict(enclave, cpu, gpus, 1, "");
        sessions.withdrawFirmware(FIRMWARE);
        sessions.evict(enclave, cpu, gpus, 1, "");
        assertFalse(registry.isActive(enclave, executor, MODEL));
    }

    /// @dev A GPU that was vouched for has no certificate that the chain knows.
    function test_evict_kindWithoutCertificates_reverts() public {
        registry.setVerifier(new VerifierDouble("VERIFIER_ENCLAVE"));
        _setTerms(2, 2, 0);
        _open();
        Claims[] memory gpus = _gpus(2);
        gpus[0].kind = "VERIFIER_ENCLAVE";
        Claims memory cpu = _cpu(gpus);
        _proveAll(cpu, gpus);
        _finalize(cpu, gpus);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveSessions.StillProved.selector, enclave));
        sessions.evict(enclave, cpu, gpus, 1, "");
    }

    function test_onlySessions_reverts() public {
        IEnclaveRegistry.Proof memory proof;
        Claims memory claims;
        bytes memory refusal = abi.encodeWithSelector(IEnclaveRegistry.NotSessions.selector, address(this));
        vm.expectRevert(refusal);
        registry.admit(registration, claims, proof);
        vm.expectRevert(refusal);
        registry.evict(enclave);
    }

    function test_governance_stranger_reverts() public {
        bytes memory refusal = abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger);
        IEnclaveRegistry.Terms memory terms;
        vm.startPrank(stranger);
        vm.expectRevert(refusal);
        sessions.setFirmware(SET, new bytes32[](0), Timestamp.wrap(1));
        vm.expectRevert(refusal);
        sessions.withdrawFirmware(FIRMWARE);
        vm.expectRevert(refusal);
        registry.setTerms(MODEL, MEASUREMENT, terms);
        vm.expectRevert(refusal);
        registry.setSessions(stranger);
        vm.expectRevert(refusal);
        registry.setAttestations(IEas(address(0)), 0);
    }

    function test_setAttestations_withoutSchema_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.NoSuchSchema.selector, stranger, bytes32("schema")));
        registry.setAttestations(IEas(stranger), "schema");
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.NoSuchSchema.selector, address(eas), bytes32("other")));
        registry.setAttestations(IEas(address(eas)), "other");
    }

    function test_attest_revoke_renew_succeeds() public {
        registry.setAttestations(IEas(address(eas)), "schema");
        _register(2);
        assertEq(registry.standingOf(enclave).attestation, bytes32(uint256(1)));
        (, IEas.AttestationRequestData memory data) = eas.last();
        assertEq(data.recipient, enclave);
        assertEq(data.expirationTime, NOW + LIFETIME);
        assertTrue(data.revocable);
        (address of_, bytes32 hpke,, bytes32 measurement,, bytes32 evidence, uint256 facts) =
            abi.decode(data.data, (address, bytes32, bytes32, bytes32, bytes32, bytes32, uint256));
        assertEq(of_, executor);
        assertEq(hpke, keccak256("hpke"));
        assertEq(measurement, MEASUREMENT);
        assertEq(evidence, registry.standingOf(enclave).evidenceHash);
        assertEq(facts, 3 | 2 << 8 | 2 << 16 | 20 << 32);
        vm.warp(NOW + 20 days);
        vm.roll(200);
        _register(2);
        assertEq(eas.revoked(), bytes32(uint256(1)), "replaced");
        assertEq(registry.standingOf(enclave).attestation, bytes32(uint256(2)));
        vm.prank(executor);
        registry.revoke(enclave);
        assertEq(eas.revoked(), bytes32(uint256(2)), "revoked with the key");
    }

    function test_attest_easFails_registersAllTheSame_succeeds() public {
        registry.setAttestations(IEas(address(eas)), "schema");
        _register(2);
        eas.setFails(true);
        vm.warp(NOW + 1 days);
        vm.roll(200);
        vm.expectEmit(address(registry));
        emit IEnclaveRegistry.AttestationFailed(enclave);
        this.registerTwoGpus();
        assertEq(registry.standingOf(enclave).attestation, 0);
        vm.prank(executor);
        registry.revoke(enclave);
        assertFalse(registry.isActive(enclave, executor, MODEL));
    }

    /// @dev An EAS that burns all gas costs what it is given, and holds up no revocation.
    function test_revoke_easBurnsGas_succeeds() public {
        registry.setAttestations(IEas(address(eas)), "schema");
        _register(2);
        eas.setBurns();
        vm.prank(executor);
        registry.revoke{gas: 1_200_000}(enclave);
        assertFalse(registry.isActive(enclave, executor, MODEL));
    }

    function test_revoke_tooLittleGas_reverts() public {
        registry.setAttestations(IEas(address(eas)), "schema");
        _register(2);
        vm.prank(executor);
        vm.expectRevert(abi.encodeWithSelector(EasReceipts.TooLittleGas.selector, 1_000_000));
        registry.revoke{gas: 900_000}(enclave);
    }

    function registerTwoGpus() external {
        _register(2);
    }

    function _fails(Claims memory cpu, Claims[] memory gpus, bytes memory reason) private {
        bytes memory signature = _sign(secret, session);
        vm.prank(executor);
        vm.expectRevert(reason);
        sessions.finalize(registration, anchor, cpu, gpus, IMAGE_CONFIG, signature);
    }
}

/// @notice A session whose CPU is a software key: the same path, and the lowest assurance.
contract DevelopmentSessionTest is SessionsTest {
    function _development() internal pure override returns (bool) {
        return true;
    }

    function test_finalize_developmentEvidence_succeeds() public {
        (address root, uint256 rootKey) = makeAddrAndKey("dev root");
        registry.setVerifier(new DevEvidenceVerifier(root, true));
        registry.setAttestations(IEas(address(eas)), "schema");
        _setTerms(2, 0, 0);
        _open();
        Claims[] memory gpus = _gpus(2);
        Claims memory cpu = _cpu(gpus);
        (cpu.kind, cpu.tcbStatus, cpu.tcbEval) = ("DEV", 0, 0);
        bytes32 digest = keccak256(
            abi.encode(keccak256("OTR/dev-evidence/1"), cpu.measurement, cpu.rd0, cpu.rd1, cpu.notAfter, cpu.deviceId)
        );
        bytes memory evidence =
            abi.encode(cpu.measurement, cpu.rd0, cpu.rd1, cpu.notAfter, cpu.deviceId, _sign(rootKey, digest));
        cpu.evidenceHash = keccak256(evidence);
        _prove(gpus[0]);
        _prove(gpus[1]);
        sessions.prove(IEnclaveRegistry.Evidence("DEV", evidence, ""));
        _finalize(cpu, gpus);
        assertTrue(registry.isActive(enclave, executor, MODEL));
        assertEq(registry.standingOf(enclave).assurance, 0);
        (, IEas.AttestationRequestData memory data) = eas.last();
        (,,,,,, uint256 facts) = abi.decode(data.data, (address, bytes32, bytes32, bytes32, bytes32, bytes32, uint256));
        assertEq(facts, 2 << 8 | 1 << 24);
    }
}
