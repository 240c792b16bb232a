// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SessionsTest, VerifierDouble} from "../harness/AttestationDoubles.sol";
import {IEas} from "src/interfaces/IEas.sol";
import {IEnclaveRegistry} from "src/interfaces/IEnclaveRegistry.sol";
import {Claims} from "src/interfaces/IEvidenceVerifier.sol";
import {Duration} from "src/libraries/Clock.sol";

/// @dev Answers every call with `answerBytes` zero bytes.
contract OddEas {
    uint256 public answerBytes;

    fallback() external {
        assembly ("memory-safe") {
            return(0, sload(0))
        }
    }
}

/// @title Attacks by way of evidence that is old or another's, and of what stands beside the registry
contract EnclaveAttackTest is SessionsTest {
    function setUp() public override {
        super.setUp();
        registry.setAttestations(IEas(address(eas)), eas.schema());
    }

    // ---------------------------------------------------------------- old evidence

    function _plain() private {
        registry.setTerms(
            MODEL, MEASUREMENT, IEnclaveRegistry.Terms("image", "sources", SET, 0, 0, Duration.wrap(uint32(30 days)))
        );
    }

    function _quote(bytes32 rd0) private pure returns (IEnclaveRegistry.Evidence memory) {
        Claims memory claims;
        (claims.kind, claims.measurement, claims.rd0) = ("TDX_DCAP", MEASUREMENT, rd0);
        claims.notAfter = type(uint64).max;
        return IEnclaveRegistry.Evidence(claims.kind, abi.encode(claims), "");
    }

    // Whoever had the key out of its enclave, and one quote, renewed the registration for ever, without the enclave.
    function test_register_renewalByTheSameEvidence_reverts() public {
        _plain();
        (bytes32 challenge, bytes32 rd0) = registry.challengeOf(registration);
        IEnclaveRegistry.Evidence memory evidence = _quote(rd0);
        bytes memory signature = _sign(secret, challenge);
        vm.startPrank(executor);
        registry.register(registration, evidence, signature);
        vm.warp(NOW + 20 days);
        (bytes32 newChallenge, bytes32 newRd0) = registry.challengeOf(registration);
        assertNotEq(newRd0, rd0);
        signature = _sign(secret, newChallenge);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.ChallengeMismatch.selector, newRd0, rd0));
        registry.register(registration, evidence, signature);
        registry.register(registration, _quote(newRd0), signature);
        assertTrue(registry.isActive(enclave, executor, MODEL));
    }

    // ---------------------------------------------------------------- evidence in another's place

    /// @dev A verifier enclave vouches for a GPU's report, which carries whatever nonce its host asks for: here that of the CPU. The policy names no
    ///      GPU's firmware as measured code.
    function test_finalize_vouchedGpuAsCpu_reverts() public {
        registry.setVerifier(new VerifierDouble("VERIFIER_ENCLAVE"));
        _setTerms(0, 0, 0);
        _open();
        Claims[] memory none = new Claims[](0);
        Claims memory claims = _cpu(none);
        (claims.kind, claims.measurement, claims.rd1) = ("VERIFIER_ENCLAVE", FIRMWARE, "certificate");
        _prove(claims);
        bytes32 unknown = sessions.challengeOf(registration, FIRMWARE, anchor);
        bytes memory signature = _sign(secret, unknown);
        vm.prank(executor);
        vm.expectRevert();
        sessions.finalize(registration, anchor, claims, none, IMAGE_CONFIG, signature);
        // Nor with a session of its own: a policy that does not exist accepts nothing.
        vm.prank(executor);
        session = sessions.open(registration, FIRMWARE);
        anchor =
            keccak256(abi.encode(blockhash(block.number - 1), block.prevrandao, block.timestamp, sessions.opened()));
        claims.rd0 = sessions.reportDataOf(session, new bytes32[](0), IMAGE_CONFIG);
        _prove(claims);
        signature = _sign(secret, session);
        vm.prank(executor);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.MeasurementNotAccepted.selector, MODEL, FIRMWARE, 0));
        sessions.finalize(registration, anchor, claims, none, IMAGE_CONFIG, signature);
    }

    // ---------------------------------------------------------------- EAS

    function _etch(uint256 answerBytes) private {
        vm.etch(address(eas), address(new OddEas()).code);
        vm.store(address(eas), 0, bytes32(answerBytes));
    }

    // An EAS that returns less than the id, as one behind a proxy may after an upgrade, stopped all registrations; one that is gone,
    // revocations too.
    function test_attest_easReturnsNothing_registersAllTheSame_succeeds() public {
        uint256[4] memory answers = [uint256(0), 31, 32, 300_000];
        for (uint256 k; k < answers.length; ++k) {
            (enclave, secret) = makeAddrAndKey(vm.toString(k));
            registration.enclaveKey = enclave;
            _etch(answers[k]);
            (Claims memory cpu, Claims[] memory list) = _sessionOf(2);
            vm.expectEmit(address(registry));
            emit IEnclaveRegistry.AttestationFailed(enclave);
            _finalize(cpu, list);
            assertTrue(registry.isActive(enclave, executor, MODEL));
            assertEq(registry.standingOf(enclave).attestation, 0);
        }
    }

    function _sessionOf(uint256 gpus) private returns (Claims memory cpu, Claims[] memory list) {
        _open();
        list = _gpus(gpus);
        cpu = _cpu(list);
        _proveAll(cpu, list);
    }

    function test_revoke_easIsGone_revokesAllTheSame_succeeds() public {
        _register(2);
        assertNotEq(registry.standingOf(enclave).attestation, 0);
        vm.etch(address(eas), "");
        vm.expectEmit(address(registry));
        emit IEnclaveRegistry.AttestationFailed(enclave);
        vm.prank(executor);
        registry.revoke(enclave);
        assertFalse(registry.isActive(enclave, executor, MODEL));
        (enclave, secret) = makeAddrAndKey("the next one");
        registration.enclaveKey = enclave;
        _register(2);
        assertTrue(registry.isActive(enclave, executor, MODEL));
        assertEq(registry.standingOf(enclave).attestation, 0);
    }
}
