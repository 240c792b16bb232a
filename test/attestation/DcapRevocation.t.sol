// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {DcapVerifier} from "src/attestation/DcapVerifier.sol";
import {IntelCertificates} from "src/attestation/IntelCertificates.sol";
import {IntelCollateral} from "src/attestation/IntelCollateral.sol";
import {IntelQuote} from "src/attestation/IntelQuote.sol";
import {P256Ecdsa} from "src/attestation/P256Ecdsa.sol";
import {IEnclaveRegistry} from "src/interfaces/IEnclaveRegistry.sol";
import {IEnclaveSessions} from "src/interfaces/IEnclaveSessions.sol";
import {Claims} from "src/interfaces/IEvidenceVerifier.sol";
import {Timestamp} from "src/libraries/Clock.sol";
import {SessionsTest} from "../harness/AttestationDoubles.sol";
import {DevCertificates as Dev} from "../harness/DevCertificates.sol";
import {DevCollateral} from "../harness/DevCollateral.sol";
import {DevQuotes} from "../harness/DevQuotes.sol";
import {IntelStack} from "../harness/IntelStack.sol";

/// @notice A key that a quote has proved, and what ends it: what Intel revokes later, shown by anybody; and what does not: age.
contract DcapRevocationTest is SessionsTest, IntelStack {
    DcapVerifier private _dcap;
    bytes private _quote;
    Claims private _claims;
    Claims[] private _none;

    function setUp() public override {
        super.setUp();
        Shared memory shared = _devShared();
        _deploy(shared.root);
        _feed(shared);
        _pck = _certificates.addPck(Dev.pck(), _authority);
        _submit(DevCollateral.info("TDX", 17), "UpToDate");
        _dcap = _verifier("TDX");
        registry.setVerifier(_dcap);
        (bytes32 challenge, bytes32 rd0) = registry.challengeOf(registration);
        DevQuotes.Shape memory shape = DevQuotes.shape(4, 584);
        shape.reportData = rd0;
        _quote = DevQuotes.quote(shape);
        _claims = _dcap.verify(_quote, _aux(17));
        assertEq(_claims.certificate, _pck);
        registry.setPolicy(MODEL, _claims.measurement, Timestamp.wrap(uint40(NOW + 365 days)));
        bytes memory signature = _sign(secret, challenge);
        vm.prank(executor);
        registry.register(registration, IEnclaveRegistry.Evidence("TDX_DCAP", _quote, _aux(17)), signature);
        assertTrue(_isActive());
    }

    function _start() internal pure override returns (uint256) {
        return Dev.NOW;
    }

    function test_evict_revokedPck_succeeds() public {
        _expectStillProved("");
        _certificates.revoke(_pckList("250620000000Z", Dev.CRL_UNTIL, Dev.SERIAL), _authority, 0, 1);
        _evict("");
        assertFalse(_isActive());
        assertFalse(registry.wasActive(enclave, executor, MODEL, Timestamp.wrap(uint40(block.timestamp))));
    }

    /// @dev Another platform's certificate is nobody else's end, whatever list it comes in.
    function test_evict_otherSerial_reverts() public {
        _certificates.addCrl(_pckList("250620000000Z", Dev.CRL_UNTIL, Dev.SERIAL + 1), _authority);
        _expectStillProved("");
        assertTrue(_isActive());
    }

    function test_evict_revokedAuthority_succeeds() public {
        bytes memory list = Dev.crl(Dev.ROOT, "250620000000Z", "260403112157Z", Dev.crlEntry(Dev.SERIAL));
        _certificates.addCrl(list, _certificates.ROOT());
        _evict("");
        assertFalse(_isActive());
    }

    /// @dev Neither stale lists, expired documents nor a year hinder revocation, and none of them ends a key.
    function test_evict_staleCollateral_succeeds() public {
        vm.warp(Dev.CRL_EXPIRY + 100 days);
        vm.expectPartialRevert(IntelCertificates.CrlExpired.selector);
        _dcap.verify(_quote, _aux(17));
        assertFalse(_dcap.isRevoked(_claims, ""));
        assertFalse(_dcap.isRevoked(_claims, _proof("TDX", 17)));
        assertFalse(_dcap.isRevoked(_claims, _proof("TD_QE", 17)));
        // The list is stale as well.
        _certificates.revoke(_pckList("250620000000Z", Dev.CRL_UNTIL, Dev.SERIAL), _authority, 0, 1);
        assertTrue(_dcap.isRevoked(_claims, ""));
    }

    function test_evict_revokedLevels_succeeds() public {
        string[3] memory parts = ["platform", "module", "enclave"];
        for (uint256 k; k < parts.length; ++k) {
            uint256 snapshot = vm.snapshotState();
            DevCollateral.Info memory info = DevCollateral.info("TDX", 18);
            if (k == 0) info.status = "Revoked";
            if (k == 1) info.moduleStatus = "Revoked";
            info.nextUpdate = "2025-06-25T10:16:03Z";
            _submitTcbInfo(DevCollateral.tcbInfo(info));
            string memory identity = DevCollateral.qeIdentity("TD_QE", 18, 4, k == 2 ? "Revoked" : "UpToDate");
            _submitQeIdentity(vm.replace(identity, "2025-07-19", "2025-06-25"));
            // The other document says nothing of the kind, and neither does that of before.
            _expectStillProved(_proof(k == 2 ? bytes32("TDX") : bytes32("TD_QE"), 18));
            _expectStillProved(_proof(k == 2 ? bytes32("TD_QE") : bytes32("TDX"), 17));
            // Documents go stale; what they revoke stays revoked.
            vm.warp(Dev.NOW + 6 days);
            assertTrue(_isActive(), parts[k]);
            _evict(_proof(k == 2 ? bytes32("TD_QE") : bytes32("TDX"), 18));
            assertFalse(_isActive(), parts[k]);
            vm.revertToState(snapshot);
        }
    }

    /// @dev All else is for registrations to refuse; keys live to their own expiry.
    function test_evict_outOfDate_reverts() public {
        string[5] memory statuses = [
            "SWHardeningNeeded",
            "ConfigurationNeeded",
            "ConfigurationAndSWHardeningNeeded",
            "OutOfDate",
            "OutOfDateConfigurationNeeded"
        ];
        for (uint256 k; k < statuses.length; ++k) {
            DevCollateral.Info memory info = DevCollateral.info("TDX", 18 + k);
            (info.status, info.moduleStatus) = (statuses[k], statuses[k]);
            _submit(info, statuses[k]);
            _expectStillProved(_proof("TDX", 18 + k));
            _expectStillProved(_proof("TD_QE", 18 + k));
        }
        assertTrue(_isActive());
    }

    function test_evict_proofOfSomethingElse_reverts() public {
        DevCollateral.Info memory info = DevCollateral.info("TDX", 18);
        info.status = "Revoked";
        _submit(info, "Revoked");
        bytes memory proof = _proof("TDX", 18);
        bytes memory cut = _proof("TDX", 18);
        // SAFETY: shortens.
        assembly ("memory-safe") {
            mstore(cut, 63)
        }
        _refused(cut, abi.encodeWithSelector(DcapVerifier.DcapAux.selector, 63));
        _refused(_proof("QE", 18), _missing("QE", 0, 18));
        _refused(_proof("SGX", 18), _missing("SGX", 0xb0c06f000000, 18));
        _refused(_proof("TDX", 19), _missing("TDX", 0xb0c06f000000, 19));
        _submitQeIdentity(DevCollateral.qeIdentity("QE", 18, 4, "Revoked"));
        _refused(_proof("QE", 18), abi.encodeWithSelector(DcapVerifier.OtherDocument.selector, bytes32("QE")));
        // Another quote of the same platform, which may have another quoting enclave.
        bytes memory other = DevQuotes.quote(DevQuotes.shape(4, 584));
        _refusedPartially(abi.encodePacked(bytes32("TDX"), uint256(18), other), DcapVerifier.OtherQuote.selector);
        // The same body, with an enclave that nobody vouched for.
        proof[64 + 770 + 258] ^= 0x01;
        _refused(proof, abi.encodeWithSelector(P256Ecdsa.P256Signature.selector));
        bytes memory sgx = DevQuotes.quote(DevQuotes.shape(3, 384));
        _refused(
            abi.encodePacked(bytes32("TDX"), uint256(18), sgx),
            abi.encodeWithSelector(IntelQuote.QuoteVersion.selector, 3)
        );
        assertTrue(_isActive());
    }

    /// @dev A document of before the one that a key was judged by does not count, though it stays on the chain.
    function test_isRevoked_olderEvaluation_reverts() public {
        DevCollateral.Info memory info = DevCollateral.info("TDX", 16);
        info.status = "Revoked";
        _submit(info, "Revoked");
        _refused(_proof("TDX", 16), abi.encodeWithSelector(DcapVerifier.TcbEvaluationTooOld.selector, 16, 17));
    }

    /// @dev Whoever has taken a signer's key and had it revoked ends nobody's keys.
    function test_isRevoked_revokedSigner_reverts() public {
        DevCollateral.Info memory info = DevCollateral.info("TDX", 18);
        info.status = "Revoked";
        _submit(info, "Revoked");
        // Another authority's certificate has another serial number in reality; here the signer's is that of all.
        bytes memory list = Dev.crl(Dev.ROOT, "250620000000Z", "260403112157Z", Dev.crlEntry(Dev.SERIAL));
        _certificates.addCrl(list, _certificates.ROOT());
        bytes memory refusal =
            abi.encodeWithSelector(IntelCertificates.CertificateRevoked.selector, _certificates.ROOT(), Dev.SERIAL);
        _refused(_proof("TDX", 18), refusal);
        _refused(_proof("TD_QE", 18), refusal);
    }

    function test_isRevoked_unknownCertificate_reverts() public {
        Claims memory claims = _claims;
        claims.certificate = "other";
        bytes memory refusal = abi.encodeWithSelector(IntelCertificates.CertificateMissing.selector, bytes32("other"));
        vm.expectRevert(refusal);
        _dcap.isRevoked(claims, "");
        bytes memory proof = _proof("TDX", 17);
        vm.expectRevert(refusal);
        _dcap.isRevoked(claims, proof);
    }

    /// @dev Claims that are not those of the proof do not get as far as its verifier.
    function testFuzz_evict_otherClaims_reverts(bytes32 word, uint8 place) public {
        _certificates.revoke(_pckList("250620000000Z", Dev.CRL_UNTIL, Dev.SERIAL), _authority, 0, 1);
        Claims memory claims = _claims;
        place = place % 4;
        if (place == 0) claims.certificate = word;
        if (place == 1) claims.deviceId = word;
        if (place == 2) claims.evidenceHash = word;
        if (place == 3) claims.kind = word;
        vm.assume(keccak256(abi.encode(claims)) != keccak256(abi.encode(_claims)));
        vm.expectPartialRevert(IEnclaveSessions.OtherProof.selector);
        sessions.evict(enclave, claims, _none, 0, "");
    }

    /// @dev Whatever the proof, the answer is "not revoked" or a typed error.
    function testFuzz_isRevoked_anyProof_succeedsOrReverts(bytes memory proof, uint256 at, uint8 with) public view {
        _answers(proof);
        bytes memory flipped = _proof("TDX", 17);
        flipped[at % flipped.length] ^= bytes1(with);
        _answers(flipped);
    }

    /// @dev A transaction that ends a key by a list that is known, and by a document.
    function test_snapshot_evict() public {
        uint256 snapshot = vm.snapshotState();
        _certificates.revoke(_pckList("250620000000Z", Dev.CRL_UNTIL, Dev.SERIAL), _authority, 0, 1);
        _evict("");
        vm.snapshotValue("attestation", "evictByList", vm.lastCallGas().gasTotalUsed);
        vm.revertToState(snapshot);
        DevCollateral.Info memory info = DevCollateral.info("TDX", 18);
        info.status = "Revoked";
        _submit(info, "UpToDate");
        _evict(_proof("TDX", 18));
        vm.snapshotValue("attestation", "evictByTcbInfo", vm.lastCallGas().gasTotalUsed);
    }

    function _answers(bytes memory proof) private view {
        (bool success, bytes memory answer) =
            address(_dcap).staticcall{gas: 10_000_000}(abi.encodeCall(DcapVerifier.isRevoked, (_claims, proof)));
        if (success) assertFalse(abi.decode(answer, (bool)));
        else assertTrue(answer.length >= 4 && bytes4(answer) != 0x4e487b71, "typed");
    }

    function _isActive() private view returns (bool) {
        return registry.isActive(enclave, executor, MODEL);
    }

    function _evict(bytes memory proof) private {
        vm.prank(stranger);
        sessions.evict(enclave, _claims, _none, 0, proof);
    }

    function _expectStillProved(bytes memory proof) private {
        _refused(proof, abi.encodeWithSelector(IEnclaveSessions.StillProved.selector, enclave));
    }

    function _refused(bytes memory proof, bytes memory reason) private {
        vm.expectRevert(reason);
        sessions.evict(enclave, _claims, _none, 0, proof);
    }

    function _refusedPartially(bytes memory proof, bytes4 selector) private {
        vm.expectPartialRevert(selector);
        sessions.evict(enclave, _claims, _none, 0, proof);
    }

    function _proof(bytes32 id, uint256 tcbEval) private view returns (bytes memory) {
        return abi.encodePacked(id, tcbEval, _quote);
    }

    function _missing(bytes32 id, bytes6 fmspc, uint256 tcbEval) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IntelCollateral.CollateralMissing.selector, id, fmspc, tcbEval);
    }

    function _pckList(string memory from, string memory until, uint256 serial) private pure returns (bytes memory) {
        return Dev.crl(Dev.PLATFORM_CA, from, until, Dev.crlEntry(serial));
    }

    function _submit(DevCollateral.Info memory info, string memory enclaveStatus) private {
        _submitTcbInfo(DevCollateral.tcbInfo(info));
        _submitQeIdentity(DevCollateral.qeIdentity("TD_QE", info.tcbEval, 4, enclaveStatus));
    }
}
