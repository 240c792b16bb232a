// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {console} from "forge-std/console.sol";
import {EnclaveRegistry} from "src/EnclaveRegistry.sol";
import {EnclaveSessions} from "src/EnclaveSessions.sol";
import {DcapVerifier} from "src/attestation/DcapVerifier.sol";
import {IntelQuote} from "src/attestation/IntelQuote.sol";
import {TcbInfo} from "src/attestation/TcbInfo.sol";
import {TcbTable} from "src/attestation/TcbTable.sol";
import {IntelCertificates} from "src/attestation/IntelCertificates.sol";
import {IntelCollateral} from "src/attestation/IntelCollateral.sol";
import {TcbStatus} from "src/attestation/TcbStatus.sol";
import {IEnclaveRegistry} from "src/interfaces/IEnclaveRegistry.sol";
import {IEnclaveSessions} from "src/interfaces/IEnclaveSessions.sol";
import {Claims} from "src/interfaces/IEvidenceVerifier.sol";
import {IStakeVault} from "src/interfaces/IStakeVault.sol";
import {Duration} from "src/libraries/Clock.sol";
import {VaultDouble} from "../harness/AttestationDoubles.sol";
import {BadInput} from "../harness/BadInput.sol";
import {IntelStack} from "../harness/IntelStack.sol";
import {RealIntel} from "../harness/RealIntel.sol";

/// @notice Real quotes and collateral of Intel's, where `OTR_VECTORS` (default `../shared/vectors`) names them, at the dates of
///         `expected.json`. Without them these tests say so and check nothing: `DcapVerifier.t.sol` runs the same paths.
contract RealIntelTest is IntelStack, BadInput {
    uint256 private constant JUNE_2025 = 1_750_420_800;
    uint256 private constant FEBRUARY_2026 = 1_771_545_600;

    string private _file;
    bytes private _quote;
    EnclaveRegistry private _registry;

    modifier withEvidence() {
        if (!RealIntel.isThere()) {
            console.log("no real evidence that forge may read in", RealIntel.folder(), "(OTR_VECTORS): nothing checked");
            return;
        }
        _;
    }

    function test_verify_realTdx4_succeeds() public withEvidence {
        _load("A_collateral.json", "A_tdx_v4_quote.bin", JUNE_2025);
        DcapVerifier verifier = _verifier("TDX");
        Claims memory claims = verifier.verify(_quote, _aux(17));
        assertEq(claims.kind, "TDX_DCAP");
        assertEq(claims.tcbStatus, TcbStatus.UP_TO_DATE);
        assertEq(claims.tcbEval, 17);
        assertEq(claims.rd0, 0x9a9d48e7f6799642d3d1b34e1e5e1742d4bb02dd6ddd551862c1211d35c304f9);
        assertEq(claims.rd1, 0xeca3efdbb481601c163cf52493d6e44aed55d51ec39b7e518fadb92c2b523f20);
        // The PCK CRL is the first to be stale: 2025-07-19 10:00:35.
        assertEq(claims.notAfter, 1_752_919_235);
        vm.warp(claims.notAfter);
        verifier.verify(_quote, _aux(17));
        vm.warp(1_754_006_400);
        vm.expectRevert();
        verifier.verify(_quote, _aux(17));
    }

    function test_verify_realTdx5WithoutLevel_reverts() public withEvidence {
        _load("B_collateral.json", "B_tdx_v5_quote_unmatched_tcb.bin", FEBRUARY_2026);
        DcapVerifier verifier = _verifier("TDX");
        vm.expectRevert(TcbTable.TcbLevelMissing.selector);
        verifier.verify(_quote, _aux(18));
    }

    function test_verify_realSgx3_succeeds() public withEvidence {
        _load("C_collateral.json", "C_sgx_v3_quote.bin", JUNE_2025);
        DcapVerifier verifier = _verifier("SGX");
        vm.expectRevert(abi.encodeWithSelector(DcapVerifier.TcbConfigurationNeeded.selector, 3));
        verifier.verify(_quote, _aux(17));
        DcapVerifier.Policy memory policy = _policy();
        policy.acceptConfiguration = true;
        Claims memory claims = new DcapVerifier(_collateral, policy, "SGX").verify(_quote, _aux(17));
        assertEq(claims.kind, "SGX_DCAP");
        assertEq(claims.tcbStatus, TcbStatus.CONFIGURATION | TcbStatus.SW_HARDENING);
        assertEq(claims.rd0, bytes32("Hello, world!"));
    }

    /// @dev The verifiers of a deployment side by side: sessions take Intel's quotes under the kind of machine that they are of, and no other.
    function test_prove_realQuotes_ofTheirKind_succeeds() public withEvidence {
        EnclaveSessions sessions = _sessions();
        string[2] memory files = ["A_tdx_v4_quote.bin", "C_sgx_v3_quote.bin"];
        for (uint256 k; k < 2; ++k) {
            _load(k == 0 ? "A_collateral.json" : "C_collateral.json", files[k], JUNE_2025);
            DcapVerifier.Policy memory policy = _policy();
            policy.acceptConfiguration = true;
            DcapVerifier[2] memory verifiers =
                [new DcapVerifier(_collateral, policy, "TDX"), new DcapVerifier(_collateral, policy, "SGX")];
            _registry.setVerifier(verifiers[0]);
            _registry.setVerifier(verifiers[1]);
            bytes32 kind = verifiers[k].kind();
            Claims memory claims = verifiers[k].verify(_quote, _aux(17));
            vm.expectEmit(address(sessions));
            emit IEnclaveSessions.EvidenceProved(verifiers[k], claims);
            sessions.prove(IEnclaveRegistry.Evidence(kind, _quote, _aux(17)));
            bytes32 other = verifiers[1 - k].kind();
            vm.expectRevert(abi.encodeWithSelector(IntelQuote.QuoteVersion.selector, k == 0 ? 4 : 3));
            sessions.prove(IEnclaveRegistry.Evidence(other, _quote, _aux(17)));
        }
    }

    function _sessions() private returns (EnclaveSessions) {
        AccessManager manager = new AccessManager(address(this));
        IStakeVault vault = IStakeVault(address(new VaultDouble()));
        bytes memory initialization =
            abi.encodeCall(EnclaveRegistry.initialize, (address(manager), Duration.wrap(30 days), false));
        _registry = EnclaveRegistry(address(new ERC1967Proxy(address(new EnclaveRegistry(vault)), initialization)));
        return new EnclaveSessions(address(manager), _registry, vault);
    }

    /// @dev TD 1.5 with Intel's list of evaluation numbers. Its platform is of the other file's authority, whose CRLs are used.
    function test_verify_realTdx15_succeeds() public withEvidence {
        _load("A_collateral.json", "D_tdx_v5_td15_quote.bin", JUNE_2025);
        string memory json = RealIntel.file("D_tcbinfo_90C06F000000.json");
        _collateral.submitTcbInfo(RealIntel.between(json, '{"tcbInfo":', ',"signature"'), _signature(json), _signer);
        json = RealIntel.file("D_tcb_eval_numbers_tdx.json");
        _collateral.submitTcbEvaluation(
            RealIntel.between(json, '{"tcbEvaluationDataNumbers":', ',"signature"'), _signature(json), _signer
        );
        // The identity of the other file is newer.
        json = RealIntel.file("D_qe_identity_td.json");
        bytes memory identity = RealIntel.between(json, '{"enclaveIdentity":', ',"signature"');
        bytes memory signature = _signature(json);
        vm.expectPartialRevert(IntelCollateral.CollateralNotNewer.selector);
        _collateral.submitQeIdentity(identity, signature, _signer);
        DcapVerifier verifier = _verifier("TDX");
        Claims memory claims = verifier.verify(_quote, _aux(17));
        assertEq(claims.tcbStatus, TcbStatus.UP_TO_DATE);
        assertEq(claims.rd0, 0x83ded8a0ee745596dbd961624da760cf1c8b0e48364959396c5c76ff96be4c1a);
        // Number 18 was announced on 2024-11-12.
        vm.expectRevert(
            abi.encodeWithSelector(
                IntelCollateral.CollateralMissing.selector, bytes32("TDX"), bytes6(0x90c06f000000), 18
            )
        );
        verifier.verify(_quote, _aux(18));
    }

    function test_verify_realDstack_succeeds() public withEvidence {
        string memory json = RealIntel.file("H_dstack_quote_with_eventlog.json");
        _load("B_collateral.json", "A_tdx_v4_quote.bin", FEBRUARY_2026);
        _quote = vm.parseBytes(string.concat("0x", vm.parseJsonString(json, ".quote")));
        _pck = _certificates.addPck(RealIntel.pem(_quote, 0), _authority);
        Claims memory claims = _verifier("TDX").verify(_quote, _aux(18));
        assertEq(claims.tcbStatus, TcbStatus.UP_TO_DATE);
    }

    function test_badInput_realTdx4_reverts() public withEvidence {
        _load("A_collateral.json", "A_tdx_v4_quote.bin", JUNE_2025);
        _refusesBadQuote("TDX");
        // Both signatures' twins are the same evidence.
        DcapVerifier verifier = _verifier("TDX");
        bytes32 hash = verifier.verify(_quote, _aux(17)).evidenceHash;
        uint256 n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551;
        bytes memory twin = _quote;
        for (uint256 place = 668; place < 1187; place += 518) {
            // SAFETY: replaces s, 32 bytes of the quote: at 668 of the quote's signature, at 1,186 of the enclave's report's.
            assembly ("memory-safe") {
                let s := add(add(twin, 0x20), place)
                mstore(s, sub(n, mload(s)))
            }
        }
        assertEq(verifier.verify(twin, _aux(17)).evidenceHash, hash);
    }

    function test_badInput_realSgx3_reverts() public withEvidence {
        _load("C_collateral.json", "C_sgx_v3_quote.bin", JUNE_2025);
        _refusesBadQuote("SGX");
    }

    function test_badInput_realTdx15_reverts() public withEvidence {
        _load("A_collateral.json", "D_tdx_v5_td15_quote.bin", JUNE_2025);
        string memory json = RealIntel.file("D_tcbinfo_90C06F000000.json");
        bytes memory info = RealIntel.between(json, '{"tcbInfo":', ',"signature"');
        _refusesBadCalls(
            address(_collateral), abi.encodeCall(_collateral.submitTcbInfo, (info, _signature(json), _signer)), 2
        );
        _collateral.submitTcbInfo(info, _signature(json), _signer);
        json = RealIntel.file("D_tcb_eval_numbers_tdx.json");
        bytes memory numbers = RealIntel.between(json, '{"tcbEvaluationDataNumbers":', ',"signature"');
        _refusesBadCalls(
            address(_collateral),
            abi.encodeCall(_collateral.submitTcbEvaluation, (numbers, _signature(json), _signer)),
            2
        );
        _refusesBadQuote("TDX");
    }

    function test_badInput_realCollateral_reverts() public withEvidence {
        _refusesBadCollateral("A_collateral.json", JUNE_2025);
        _refusesBadCollateral("B_collateral.json", FEBRUARY_2026);
        _refusesBadCollateral("C_collateral.json", JUNE_2025);
    }

    /// @dev All but the certificates inside, which nobody reads.
    function _refusesBadQuote(bytes32 tee) private {
        DcapVerifier.Policy memory policy = _policy();
        policy.acceptConfiguration = true;
        DcapVerifier verifier = new DcapVerifier(_collateral, policy, tee);
        verifier.verify(_quote, _aux(17));
        bytes memory call = abi.encodeCall(DcapVerifier.verify, (_quote, _aux(17)));
        _refusesFlips(address(verifier), call, 0, 0, RealIntel.find(_quote, "-----BEGIN"));
        // Zeros follow the certificates of some.
        _refusesCuts(address(verifier), call, 0, RealIntel.find(_quote, "-----END"));
    }

    /// @dev The first arguments of a call.
    function _refusesBadCalls(address target, bytes memory call, uint256 count) private {
        for (uint256 argument; argument < count; ++argument) {
            _refusesFlips(target, call, argument);
            _refusesCuts(target, call, argument);
        }
    }

    /// @dev Each part before it is taken.
    function _refusesBadCollateral(string memory collateral, uint256 time) private {
        vm.warp(time);
        _file = RealIntel.file(collateral);
        _deploy(RealIntel.binary("root_intel_sgx.der"));
        bytes32 root = _certificates.ROOT();
        bytes memory der = RealIntel.pem(bytes(vm.parseJsonString(_file, ".tcb_info_issuer_chain")), 0);
        _refusesBadCalls(address(_certificates), abi.encodeCall(IntelCertificates.addSigner, (der)), 1);
        _signer = _certificates.addSigner(der);
        der = RealIntel.pem(bytes(vm.parseJsonString(_file, ".pck_crl_issuer_chain")), 0);
        _refusesBadCalls(address(_certificates), abi.encodeCall(IntelCertificates.addAuthority, (der)), 1);
        _authority = _certificates.addAuthority(der);
        der = _hex(".root_ca_crl");
        _refusesBadCalls(address(_certificates), abi.encodeCall(IntelCertificates.addCrl, (der, root)), 1);
        _certificates.addCrl(der, root);
        der = _hex(".pck_crl");
        _refusesBadCalls(address(_certificates), abi.encodeCall(IntelCertificates.addCrl, (der, _authority)), 1);
        _certificates.addCrl(der, _authority);
        bytes memory call = abi.encodeCall(
            IntelCollateral.submitTcbInfo,
            (bytes(vm.parseJsonString(_file, ".tcb_info")), _hex(".tcb_info_signature"), _signer)
        );
        _refusesBadCalls(address(_collateral), call, 2);
        call = abi.encodeCall(
            IntelCollateral.submitQeIdentity,
            (bytes(vm.parseJsonString(_file, ".qe_identity")), _hex(".qe_identity_signature"), _signer)
        );
        _refusesBadCalls(address(_collateral), call, 2);
    }

    /// @dev Contracts with everything of a collateral file, and the platform of a quote.
    function _load(string memory collateral, string memory quote, uint256 time) private {
        vm.warp(time);
        _file = RealIntel.file(collateral);
        _quote = RealIntel.binary(quote);
        _deploy(RealIntel.binary("root_intel_sgx.der"));
        _feed(
            Shared({
                root: "",
                signer: RealIntel.pem(bytes(vm.parseJsonString(_file, ".tcb_info_issuer_chain")), 0),
                authority: RealIntel.pem(bytes(vm.parseJsonString(_file, ".pck_crl_issuer_chain")), 0),
                rootCrl: _hex(".root_ca_crl"),
                pckCrl: _hex(".pck_crl")
            })
        );
        _pck = _certificates.addPck(RealIntel.pem(_quote, 0), _authority);
        _collateral.submitTcbInfo(bytes(vm.parseJsonString(_file, ".tcb_info")), _hex(".tcb_info_signature"), _signer);
        _collateral.submitQeIdentity(
            bytes(vm.parseJsonString(_file, ".qe_identity")), _hex(".qe_identity_signature"), _signer
        );
    }

    function _hex(string memory path) private view returns (bytes memory) {
        return vm.parseBytes(string.concat("0x", vm.parseJsonString(_file, path)));
    }

    function _signature(string memory json) private pure returns (bytes memory) {
        return vm.parseBytes(string.concat("0x", vm.parseJsonString(json, ".signature")));
    }
}
