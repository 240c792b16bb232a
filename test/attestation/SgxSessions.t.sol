// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {DcapVerifier} from "src/attestation/DcapVerifier.sol";
import {IntelQuote} from "src/attestation/IntelQuote.sol";
import {IEnclaveRegistry} from "src/interfaces/IEnclaveRegistry.sol";
import {IEnclaveSessions} from "src/interfaces/IEnclaveSessions.sol";
import {Claims} from "src/interfaces/IEvidenceVerifier.sol";
import {Assurance} from "src/libraries/Assurance.sol";
import {Duration, Timestamp} from "src/libraries/Clock.sol";
import {SessionsTest} from "../harness/AttestationDoubles.sol";
import {DevCertificates as Dev} from "../harness/DevCertificates.sol";
import {DevCollateral} from "../harness/DevCollateral.sol";
import {DevQuotes} from "../harness/DevQuotes.sol";
import {IntelStack} from "../harness/IntelStack.sol";

/// @notice Keys of SGX enclaves, registered in sessions beside those of TDX machines: with both verifiers of a deployment, on one platform.
contract SgxSessionsTest is SessionsTest, IntelStack {
    bytes32 private _measurement;
    Claims[] private _none;

    function setUp() public override {
        super.setUp();
        Shared memory shared = _devShared();
        _deploy(shared.root);
        _feed(shared);
        _pck = _certificates.addPck(Dev.pck(), _authority);
        _submitTcbInfo(DevCollateral.tcbInfo(DevCollateral.info("TDX", 17)));
        _submitQeIdentity(DevCollateral.qeIdentity("TD_QE", 17, 4, "UpToDate"));
        _submitTcbInfo(DevCollateral.tcbInfo(DevCollateral.info("SGX", 17)));
        _submitQeIdentity(DevCollateral.qeIdentity("QE", 17, 4, "UpToDate"));
        registry.setVerifier(_verifier("TDX"));
        registry.setVerifier(_verifier("SGX"));
        _measurement = DcapVerifier(address(registry.verifierOf("SGX_DCAP"))).verify(_quote(3, 0), _aux(17)).measurement;
        registry.setPolicy(MODEL, _measurement, Timestamp.wrap(uint40(NOW + 365 days)));
        _setTermsOf(_measurement, Assurance.CPU_ON_CHAIN);
    }

    function _start() internal pure override returns (uint256) {
        return Dev.NOW;
    }

    function test_finalize_sgx_succeeds() public {
        Claims memory cpu = _provedInSession();
        _finalize(cpu);
        assertTrue(registry.isActive(enclave, executor, MODEL));
        assertEq(registry.enclaveOf(enclave).kind, "SGX_DCAP");
        assertEq(registry.enclaveOf(enclave).measurement, _measurement);
        assertEq(registry.standingOf(enclave).assurance, Assurance.CPU_ON_CHAIN);
    }

    /// @dev Plain registration, without a session: the same verifier.
    function test_register_sgx_succeeds() public {
        (bytes32 challenge, bytes32 rd0) = registry.challengeOf(registration);
        bytes memory signature = _sign(secret, challenge);
        IEnclaveRegistry.Evidence memory evidence = IEnclaveRegistry.Evidence("SGX_DCAP", _quote(3, rd0), _aux(17));
        vm.prank(executor);
        registry.register(registration, evidence, signature);
        assertTrue(registry.isActive(enclave, executor, MODEL));
    }

    /// @dev A quote of one kind of machine is nothing to the other's verifier, whatever the sender calls it.
    function test_prove_quoteOfOtherKind_reverts() public {
        _refusesQuote("SGX_DCAP", 4);
        _refusesQuote("SGX_DCAP", 5);
        _refusesQuote("TDX_DCAP", 3);
        (bytes32 challenge, bytes32 rd0) = registry.challengeOf(registration);
        bytes memory signature = _sign(secret, challenge);
        IEnclaveRegistry.Evidence memory evidence = IEnclaveRegistry.Evidence("TDX_DCAP", _quote(3, rd0), _aux(17));
        vm.expectRevert(abi.encodeWithSelector(IntelQuote.QuoteVersion.selector, 3));
        vm.prank(executor);
        registry.register(registration, evidence, signature);
    }

    /// @dev Bytes whose header says one kind and whose body is the other's: the version's body is read, and its signature fails.
    function testFuzz_prove_otherHeader_reverts(uint8 version, uint32 tee) public {
        bytes memory quote = _quote(version % 3 + 3, 0);
        uint256 other = (version / 3) % 3 + 3;
        vm.assume(other != version % 3 + 3);
        quote[0] = bytes1(uint8(other));
        if (tee % 2 == 0) (quote[4], quote[5]) = (bytes1(other == 3 ? 0 : 0x81), 0);
        bytes32[2] memory kinds = [bytes32("TDX_DCAP"), "SGX_DCAP"];
        for (uint256 k; k < 2; ++k) {
            (bool proved,) = address(sessions)
                .call(abi.encodeCall(sessions.prove, (IEnclaveRegistry.Evidence(kinds[k], quote, _aux(17)))));
            assertFalse(proved);
        }
    }

    /// @dev What one verifier has accepted does not count as the other's, nor as a GPU.
    function test_finalize_claimsAsOtherKind_reverts() public {
        Claims memory cpu = _provedInSession();
        cpu.kind = "TDX_DCAP";
        _refused(cpu, _none, abi.encodeWithSelector(IEnclaveSessions.NotProved.selector, cpu));
        cpu.kind = "SGX_DCAP";
        Claims[] memory gpus = new Claims[](1);
        gpus[0] = cpu;
        _refused(cpu, gpus, abi.encodeWithSelector(IEnclaveSessions.NotAGpu.selector, bytes32("SGX_DCAP")));
        // Governance takes the kind away: what it has proved goes with it.
        registry.removeVerifier("SGX_DCAP");
        _refused(cpu, _none, abi.encodeWithSelector(IEnclaveSessions.UnknownKind.selector, bytes32("SGX_DCAP")));
        registry.setVerifier(_verifier("SGX"));
        _refused(cpu, _none, abi.encodeWithSelector(IEnclaveSessions.NotProved.selector, cpu));
    }

    /// @dev Without a policy of its own no enclave is registered; where a policy demands GPUs, it has none to show.
    function test_finalize_sgxUnderOtherTerms_reverts() public {
        Claims memory cpu = _provedInSession();
        registry.removePolicy(MODEL, _measurement);
        Timestamp ended = Timestamp.wrap(uint40(block.timestamp));
        _refused(
            cpu,
            _none,
            abi.encodeWithSelector(IEnclaveRegistry.MeasurementNotAccepted.selector, MODEL, _measurement, ended)
        );
        registry.setPolicy(MODEL, _measurement, Timestamp.wrap(uint40(NOW + 365 days)));
        _setTermsOf(_measurement, Assurance.ON_CHAIN);
        cpu = _provedInSession();
        _refused(cpu, _none, abi.encodeWithSelector(IEnclaveRegistry.AssuranceTooLow.selector, 3, 2));
        assertFalse(registry.isActive(enclave, executor, MODEL));
    }

    /// @dev What Intel says of SGX platforms and their quoting enclave ends such keys; what it says of TDX does not, on the same platform.
    function test_evict_sgx_byItsOwnDocuments_succeeds() public {
        Claims memory cpu = _provedInSession();
        _finalize(cpu);
        bytes memory quote = _quote(3, cpu.rd0);
        DevCollateral.Info memory info = DevCollateral.info("TDX", 18);
        info.status = "Revoked";
        _submitTcbInfo(DevCollateral.tcbInfo(info));
        _evictRefused(cpu, "TDX", quote, abi.encodeWithSelector(DcapVerifier.OtherDocument.selector, bytes32("TDX")));
        _submitTcbInfo(DevCollateral.tcbInfo(DevCollateral.info("SGX", 18)));
        _submitQeIdentity(DevCollateral.qeIdentity("QE", 18, 4, "UpToDate"));
        bytes memory still = abi.encodeWithSelector(IEnclaveSessions.StillProved.selector, enclave);
        _evictRefused(cpu, "SGX", quote, still);
        _evictRefused(cpu, "QE", quote, still);
        // A quote of TDX, whatever it says.
        _evictRefused(
            cpu, "SGX", _quote(4, cpu.rd0), abi.encodeWithSelector(IntelQuote.QuoteVersion.selector, uint256(4))
        );
        uint256 snapshot = vm.snapshotState();
        for (uint256 k; k < 2; ++k) {
            if (k == 0) {
                info = DevCollateral.info("SGX", 19);
                info.status = "Revoked";
                _submitTcbInfo(DevCollateral.tcbInfo(info));
            } else {
                _submitQeIdentity(DevCollateral.qeIdentity("QE", 19, 4, "Revoked"));
            }
            bytes32 document = k == 0 ? bytes32("SGX") : bytes32("QE");
            sessions.evict(enclave, cpu, _none, 0, abi.encodePacked(document, uint256(19), quote));
            assertFalse(registry.isActive(enclave, executor, MODEL));
            vm.revertToState(snapshot);
        }
    }

    function _evictRefused(Claims memory cpu, bytes32 document, bytes memory quote, bytes memory reason) private {
        vm.expectRevert(reason);
        sessions.evict(enclave, cpu, _none, 0, abi.encodePacked(document, uint256(18), quote));
    }

    function _provedInSession() private returns (Claims memory) {
        anchor = keccak256(
            abi.encode(blockhash(block.number - 1), block.prevrandao, block.timestamp, sessions.opened() + 1)
        );
        vm.prank(executor);
        session = sessions.open(registration, _measurement);
        bytes32 rd0 = sessions.reportDataOf(session, new bytes32[](0), IMAGE_CONFIG);
        bytes memory quote = _quote(3, rd0);
        sessions.prove(IEnclaveRegistry.Evidence("SGX_DCAP", quote, _aux(17)));
        return registry.verifierOf("SGX_DCAP").verify(quote, _aux(17));
    }

    function _finalize(Claims memory cpu) private {
        bytes memory signature = _sign(secret, session);
        vm.prank(executor);
        sessions.finalize(registration, anchor, cpu, _none, IMAGE_CONFIG, signature);
    }

    function _refused(Claims memory cpu, Claims[] memory gpus, bytes memory reason) private {
        bytes memory signature = _sign(secret, session);
        vm.prank(executor);
        vm.expectRevert(reason);
        sessions.finalize(registration, anchor, cpu, gpus, IMAGE_CONFIG, signature);
    }

    function _refusesQuote(bytes32 kind, uint256 version) private {
        IEnclaveRegistry.Evidence memory evidence = IEnclaveRegistry.Evidence(kind, _quote(version, 0), _aux(17));
        vm.expectRevert(abi.encodeWithSelector(IntelQuote.QuoteVersion.selector, version));
        sessions.prove(evidence);
    }

    /// @dev A quote of this version of the development platform, with this report data.
    function _quote(uint256 version, bytes32 rd0) private pure returns (bytes memory) {
        DevQuotes.Shape memory shape = DevQuotes.shape(version, version == 3 ? 384 : version == 4 ? 584 : 648);
        shape.reportData = rd0;
        return DevQuotes.quote(shape);
    }

    function _setTermsOf(bytes32 measurement, uint8 minAssurance) private {
        registry.setTerms(
            MODEL, measurement, IEnclaveRegistry.Terms("image", "sources", 0, 0, minAssurance, Duration.wrap(0))
        );
    }
}
