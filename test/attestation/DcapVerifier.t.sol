// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {DcapVerifier} from "src/attestation/DcapVerifier.sol";
import {Fields} from "src/attestation/Fields.sol";
import {IntelCertificates} from "src/attestation/IntelCertificates.sol";
import {IntelCollateral} from "src/attestation/IntelCollateral.sol";
import {IntelQuote} from "src/attestation/IntelQuote.sol";
import {P256Ecdsa} from "src/attestation/P256Ecdsa.sol";
import {QeIdentity} from "src/attestation/QeIdentity.sol";
import {TcbInfo} from "src/attestation/TcbInfo.sol";
import {TcbTable} from "src/attestation/TcbTable.sol";
import {TcbStatus} from "src/attestation/TcbStatus.sol";
import {Claims} from "src/interfaces/IEvidenceVerifier.sol";
import {DevCertificates as Dev} from "../harness/DevCertificates.sol";
import {DevCollateral} from "../harness/DevCollateral.sol";
import {DevQuotes} from "../harness/DevQuotes.sol";
import {IntelStack} from "../harness/IntelStack.sol";

/// @notice Quotes of a development root: every rule of the verifier. Real ones: `RealIntel.t.sol`.
contract DcapVerifierTest is IntelStack {
    /// @dev Number 18 was announced on 2024-11-12, and is current 365 days later.
    uint256 private constant PROMOTED = 1_731_369_600 + 365 days;
    uint256 private constant N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551;

    DcapVerifier private _tdx;
    DcapVerifier private _sgx;
    bytes private _quote;

    function setUp() public {
        vm.warp(Dev.NOW);
        Shared memory shared = _devShared();
        _deploy(shared.root);
        _feed(shared);
        _pck = _certificates.addPck(Dev.pck(), _authority);
        _submit(DevCollateral.info("TDX", 17));
        _submit(DevCollateral.info("SGX", 17));
        _tdx = _verifier("TDX");
        _sgx = _verifier("SGX");
        _quote = DevQuotes.quote(DevQuotes.shape(4, 584));
    }

    function test_verify_tdxQuotes_succeeds() public view {
        uint16[3] memory sizes = [uint16(584), 584, 648];
        for (uint256 k; k < 3; ++k) {
            bytes memory quote = DevQuotes.quote(DevQuotes.shape(k == 0 ? 4 : 5, sizes[k]));
            uint256 body = k == 0 ? 48 : 54;
            Claims memory claims = _tdx.verify(quote, _aux(17));
            assertEq(claims.kind, "TDX_DCAP");
            assertEq(claims.kind, _tdx.kind());
            assertEq(claims.deviceId, keccak256(hex"811dca2a26b952e85bb6448b097ba4fd"));
            bytes memory service = k == 2 ? _slice(quote, body + 600, 48) : new bytes(48);
            assertEq(claims.measurement, keccak256(bytes.concat(_slice(quote, body + 120, 400), service)));
            assertEq(bytes.concat(claims.rd0, claims.rd1), _slice(quote, body + 520, 64));
            assertEq(claims.tcbStatus, TcbStatus.UP_TO_DATE);
            assertEq(claims.tcbEval, 17);
            assertEq(claims.notAfter, Dev.CRL_EXPIRY);
            assertEq(claims.evidenceHash, keccak256(_slice(quote, 0, body + sizes[k])));
        }
    }

    function test_verify_sgxQuote_succeeds() public view {
        bytes memory quote = DevQuotes.quote(DevQuotes.shape(3, 384));
        Claims memory claims = _sgx.verify(quote, _aux(17));
        assertEq(claims.kind, "SGX_DCAP");
        assertEq(claims.measurement, keccak256(_slice(quote, 48 + 16, 304)));
        assertEq(bytes.concat(claims.rd0, claims.rd1), _slice(quote, 48 + 320, 64));
        assertEq(claims.tcbStatus, TcbStatus.UP_TO_DATE);
    }

    function test_constructor_reverts() public {
        DcapVerifier.Policy memory policy = _policy();
        vm.expectRevert(DcapVerifier.DcapPolicy.selector);
        new DcapVerifier(_collateral, policy, "SNP");
        policy.minTcbEval = 0;
        vm.expectRevert(DcapVerifier.DcapPolicy.selector);
        new DcapVerifier(_collateral, policy, "TDX");
    }

    function test_verify_otherVersion_reverts() public {
        bytes memory quote = DevQuotes.quote(DevQuotes.shape(3, 384));
        vm.expectRevert(abi.encodeWithSelector(IntelQuote.QuoteVersion.selector, 3));
        _tdx.verify(quote, _aux(17));
        vm.expectRevert(abi.encodeWithSelector(IntelQuote.QuoteVersion.selector, 4));
        _sgx.verify(_quote, _aux(17));
    }

    function test_verify_aux_reverts() public {
        bytes memory aux = _aux(17);
        bytes[3] memory others = [bytes(""), _slice(aux, 0, 63), bytes.concat(aux, hex"00")];
        for (uint256 k; k < 3; ++k) {
            vm.expectRevert(abi.encodeWithSelector(DcapVerifier.DcapAux.selector, others[k].length));
            _tdx.verify(_quote, others[k]);
        }
        vm.expectRevert(abi.encodeWithSelector(IntelCertificates.CertificateMissing.selector, bytes32("other")));
        _tdx.verify(_quote, abi.encode(bytes32("other"), 17));
        // The certificate of another platform did not sign.
        Dev.Fields memory fields =
            Dev.fields("Other", Dev.PLATFORM_CA, Dev.leafExtensions(Dev.platform(Dev.NONE, Dev.NONE)));
        _pck = _certificates.addPck(Dev.certificate(fields), _authority);
        vm.expectRevert(P256Ecdsa.P256Signature.selector);
        _tdx.verify(_quote, _aux(17));
    }

    function test_verify_debug_reverts() public {
        DevQuotes.Shape memory shape = DevQuotes.shape(4, 584);
        shape.debug = true;
        bytes memory quote = DevQuotes.quote(shape);
        vm.expectRevert(abi.encodeWithSelector(IntelQuote.QuoteDebug.selector, 168));
        _tdx.verify(quote, _aux(17));
        shape = DevQuotes.shape(3, 384);
        shape.debug = true;
        quote = DevQuotes.quote(shape);
        vm.expectRevert(abi.encodeWithSelector(IntelQuote.QuoteDebug.selector, 96));
        _sgx.verify(quote, _aux(17));
        shape = DevQuotes.shape(4, 584);
        shape.debugEnclave = true;
        quote = DevQuotes.quote(shape);
        vm.expectPartialRevert(IntelQuote.QuoteDebug.selector);
        _tdx.verify(quote, _aux(17));
    }

    function test_verify_septVe_reverts() public {
        DevQuotes.Shape memory shape = DevQuotes.shape(5, 648);
        shape.septVe = true;
        bytes memory quote = DevQuotes.quote(shape);
        vm.expectRevert(abi.encodeWithSelector(IntelQuote.QuoteSeptVe.selector, 54 + 123));
        _tdx.verify(quote, _aux(17));
    }

    function test_verify_vendor_reverts() public {
        _quote[12] ^= 0x01;
        vm.expectPartialRevert(Fields.FieldValue.selector);
        _tdx.verify(_quote, _aux(17));
    }

    /// @dev The union of what platform, module and enclave have, and what the policy makes of it.
    function test_verify_statuses_succeedsOrReverts() public {
        string[7] memory names = [
            "UpToDate",
            "SWHardeningNeeded",
            "ConfigurationNeeded",
            "ConfigurationAndSWHardeningNeeded",
            "OutOfDate",
            "OutOfDateConfigurationNeeded",
            "Revoked"
        ];
        uint8[7] memory statuses = [uint8(0), 1, 2, 3, 4, 6, 8];
        DcapVerifier.Policy memory policy = _policy();
        policy.acceptConfiguration = true;
        DcapVerifier lenient = new DcapVerifier(_collateral, policy, "TDX");
        for (uint256 k; k < 7; ++k) {
            for (uint256 part; part < 3; ++part) {
                uint256 snapshot = vm.snapshotState();
                DevCollateral.Info memory info = DevCollateral.info("TDX", 18);
                if (part == 0) info.status = names[k];
                if (part == 1) info.moduleStatus = names[k];
                _submitTcbInfo(DevCollateral.tcbInfo(info));
                _submitQeIdentity(DevCollateral.qeIdentity("TD_QE", 18, 4, part == 2 ? names[k] : "UpToDate"));
                _expect(statuses[k], false);
                Claims memory claims = _tdx.verify(_quote, _aux(18));
                if (statuses[k] < 2) assertEq(claims.tcbStatus, statuses[k]);
                _expect(statuses[k], true);
                claims = lenient.verify(_quote, _aux(18));
                if (statuses[k] < 4) assertEq(claims.tcbStatus, statuses[k]);
                vm.revertToState(snapshot);
            }
        }
    }

    function test_verify_converged_reverts() public {
        // Hardening needed by the platform, and an enclave of before.
        DevCollateral.Info memory info = DevCollateral.info("TDX", 18);
        info.status = "ConfigurationAndSWHardeningNeeded";
        _submitTcbInfo(DevCollateral.tcbInfo(info));
        _submitQeIdentity(DevCollateral.qeIdentity("TD_QE", 18, 0x0107, "UpToDate"));
        vm.expectRevert(abi.encodeWithSelector(DcapVerifier.TcbOutOfDate.selector, 7));
        _tdx.verify(_quote, _aux(18));
    }

    function test_verify_levels_reverts() public {
        // The platform's first component is 1, its module's version 5, its enclave's 0x0106.
        DevCollateral.Info memory info = DevCollateral.info("TDX", 18);
        info.firstComponent = 2;
        _submitTcbInfo(DevCollateral.tcbInfo(info));
        _submitQeIdentity(DevCollateral.qeIdentity("TD_QE", 18, 4, "UpToDate"));
        vm.expectRevert(abi.encodeWithSelector(DcapVerifier.TcbOutOfDate.selector, 4));
        _tdx.verify(_quote, _aux(18));
        info = DevCollateral.info("TDX", 19);
        info.moduleSvn = 6;
        _submitTcbInfo(DevCollateral.tcbInfo(info));
        _submitQeIdentity(DevCollateral.qeIdentity("TD_QE", 19, 4, "UpToDate"));
        vm.expectRevert(abi.encodeWithSelector(DcapVerifier.TcbOutOfDate.selector, 4));
        _tdx.verify(_quote, _aux(19));
        // Below all levels: components 3 and 4 of TDX, the module, the enclave.
        DevQuotes.Shape memory shape = DevQuotes.shape(4, 584);
        shape.teeTcbSvn = 0x05010103000000000000000000000000;
        _expectLevelMissing(shape);
        shape.teeTcbSvn = 0x01010203000000000000000000000000;
        _expectLevelMissing(shape);
        shape = DevQuotes.shape(4, 584);
        shape.enclaveSvn = 1;
        _expectLevelMissing(shape);
        // Of module version 0 its own two components count: 255 is asked for.
        shape = DevQuotes.shape(4, 584);
        shape.teeTcbSvn = 0xff000203000000000000000000000000;
        _expectLevelMissing(shape);
    }

    function test_verify_module_reverts() public {
        DevQuotes.Shape memory shape = DevQuotes.shape(4, 584);
        shape.teeTcbSvn = 0x05020203000000000000000000000000;
        bytes memory quote = DevQuotes.quote(shape);
        vm.expectRevert(abi.encodeWithSelector(TcbTable.TdxModuleUnknown.selector, 2));
        _tdx.verify(quote, _aux(17));
        shape = DevQuotes.shape(4, 584);
        shape.moduleAttributes = bytes8(uint64(1));
        quote = DevQuotes.quote(shape);
        vm.expectRevert(abi.encodeWithSelector(TcbTable.TdxModuleIdentity.selector, 1));
        _tdx.verify(quote, _aux(17));
        // The module's signer is in the body's bytes 64 to 111, which are signed: another document says that it is another.
        string memory json = DevCollateral.tcbInfo(DevCollateral.info("TDX", 18));
        _submitTcbInfo(vm.replace(json, '"mrsigner":"00', '"mrsigner":"01'));
        _submitQeIdentity(DevCollateral.qeIdentity("TD_QE", 18, 4, "UpToDate"));
        vm.expectRevert(abi.encodeWithSelector(TcbTable.TdxModuleIdentity.selector, 1));
        _tdx.verify(_quote, _aux(18));
    }

    /// @dev A document for another PCE says nothing about the platform.
    function test_verify_pce_reverts() public {
        string memory json = DevCollateral.tcbInfo(DevCollateral.info("TDX", 18));
        _submitTcbInfo(vm.replace(json, '"pceId":"0001"', '"pceId":"0002"'));
        _submitQeIdentity(DevCollateral.qeIdentity("TD_QE", 18, 4, "UpToDate"));
        vm.expectRevert(TcbTable.TcbLevelMissing.selector);
        _tdx.verify(_quote, _aux(18));
    }

    function test_verify_quotingEnclave_reverts() public {
        _submit(DevCollateral.info("TDX", 18));
        string memory json = DevCollateral.qeIdentity("TD_QE", 18, 4, "UpToDate");
        json = vm.replace(json, "2025-06-19T10:32:27Z", "2025-06-19T10:32:28Z");
        string memory signer = vm.replace(vm.toUppercase(vm.toString(DevQuotes.ENCLAVE_SIGNER)), "0X", "");
        _expectMismatch(json, signer, vm.replace(signer, "0", "A"), 128);
        _expectMismatch(json, '"isvprodid":2', '"isvprodid":1', 256);
        _expectMismatch(json, '"miscselect":"0002', '"miscselect":"0003', 16);
        _expectMismatch(json, '"attributes":"11', '"attributes":"15', 48);
    }

    function test_verify_collateral_reverts() public {
        vm.expectRevert(
            abi.encodeWithSelector(
                IntelCollateral.CollateralMissing.selector, bytes32("TDX"), bytes6(0xb0c06f000000), 18
            )
        );
        _tdx.verify(_quote, _aux(18));
        vm.warp(Dev.CRL_EXPIRY + 1);
        vm.expectPartialRevert(IntelCertificates.CrlExpired.selector);
        _tdx.verify(_quote, _aux(17));
        _certificates.addCrl(Dev.crl(Dev.PLATFORM_CA, "250719100036Z", "250819100035Z", ""), _authority);
        vm.warp(1_752_921_148);
        vm.expectPartialRevert(IntelCollateral.CollateralExpired.selector);
        _tdx.verify(_quote, _aux(17));
    }

    function test_verify_revoked_reverts() public {
        bytes memory list = Dev.crl(Dev.PLATFORM_CA, "250620000000Z", Dev.CRL_UNTIL, Dev.crlEntry(Dev.SERIAL));
        _certificates.revoke(list, _authority, 0, 1);
        vm.expectRevert(abi.encodeWithSelector(IntelCertificates.CertificateRevoked.selector, _authority, Dev.SERIAL));
        _tdx.verify(_quote, _aux(17));
    }

    function test_verify_maxAge_reverts() public {
        DcapVerifier.Policy memory policy = _policy();
        policy.maxAge = 7 days;
        DcapVerifier fresh = new DcapVerifier(_collateral, policy, "TDX");
        // TCB info is older than the identity.
        uint256 issued = 1_750_328_163;
        assertEq(fresh.verify(_quote, _aux(17)).notAfter, issued + 7 days);
        vm.warp(issued + 7 days);
        fresh.verify(_quote, _aux(17));
        vm.warp(issued + 7 days + 1);
        vm.expectRevert(abi.encodeWithSelector(DcapVerifier.CollateralTooOld.selector, issued, 7 days));
        fresh.verify(_quote, _aux(17));
        _tdx.verify(_quote, _aux(17));
    }

    function test_verify_evaluation_reverts() public {
        // Below the least number; and no list, a year after deployment.
        vm.expectRevert(abi.encodeWithSelector(DcapVerifier.TcbEvaluationTooOld.selector, 16, 17));
        _tdx.verify(_quote, _aux(16));
        vm.warp(Dev.NOW + 365 days);
        vm.expectPartialRevert(IntelCertificates.CrlExpired.selector);
        _tdx.verify(_quote, _aux(17));
        vm.warp(Dev.NOW + 365 days + 1);
        vm.expectRevert(abi.encodeWithSelector(DcapVerifier.TcbEvaluationUnknown.selector, Dev.NOW + 365 days));
        _tdx.verify(_quote, _aux(17));
        // A list says more, but for no longer than a year after it.
        vm.warp(Dev.NOW);
        _submitEvaluation(DevCollateral.evaluation("TDX", "2025-06-20T00:00:00Z", "2025-07-20T00:00:00Z"));
        vm.warp(Dev.NOW + 365 days + 1);
        _certificates.addCrl(Dev.crl(Dev.ROOT, "260319112157Z", "270403112157Z", ""), _certificates.ROOT());
        vm.expectRevert(abi.encodeWithSelector(DcapVerifier.TcbEvaluationUnknown.selector, Dev.NOW + 365 days));
        _tdx.verify(_quote, _aux(17));
    }

    /// @dev Number 17 is good until 18 is current, and in the grace after it; the platform counts as out of date then.
    function test_verify_grace_succeeds() public {
        _submitEvaluation(DevCollateral.evaluation("TDX", "2025-06-05T01:31:32Z", "2025-07-05T01:31:32Z"));
        assertEq(_tdx.verify(_quote, _aux(17)).tcbStatus, TcbStatus.UP_TO_DATE);
        vm.warp(PROMOTED - 1);
        _refresh();
        Claims memory claims = _tdx.verify(_quote, _aux(17));
        assertEq(claims.tcbStatus, TcbStatus.UP_TO_DATE);
        assertEq(claims.notAfter, PROMOTED + 30 days);
        vm.warp(PROMOTED);
        claims = _tdx.verify(_quote, _aux(17));
        assertEq(claims.tcbStatus, TcbStatus.OUT_OF_DATE);
        assertEq(claims.tcbEval, 17);
        assertEq(claims.notAfter, PROMOTED + 30 days);
        vm.warp(PROMOTED + 30 days - 1);
        _tdx.verify(_quote, _aux(17));
        vm.warp(PROMOTED + 30 days);
        vm.expectRevert(abi.encodeWithSelector(DcapVerifier.TcbEvaluationTooOld.selector, 17, 18));
        _tdx.verify(_quote, _aux(17));
        // What judges by the newer number has nothing to fear.
        vm.warp(PROMOTED);
        DevCollateral.Info memory info = DevCollateral.info("TDX", 18);
        info.nextUpdate = "2025-12-31T00:00:00Z";
        _submitTcbInfo(DevCollateral.tcbInfo(info));
        _submitQeIdentity(vm.replace(DevCollateral.qeIdentity("TD_QE", 18, 4, "UpToDate"), "2025-07-19", "2025-12-31"));
        assertEq(_tdx.verify(_quote, _aux(18)).tcbStatus, TcbStatus.UP_TO_DATE);
    }

    /// @dev What nobody signs or reads may be left out or follow; signatures have twins; the evidence's hash does not change.
    function test_verify_malleable_succeeds() public view {
        bytes32 hash = _tdx.verify(_quote, _aux(17)).evidenceHash;
        assertEq(_tdx.verify(bytes.concat(_quote, new bytes(70)), _aux(17)).evidenceHash, hash);
        bytes memory twin = _quote;
        _negate(twin, 636 + 32);
        _negate(twin, 1154 + 32);
        assertEq(_tdx.verify(twin, _aux(17)).evidenceHash, hash);
        assertEq(_tdx.verify(_withoutCertificates(_quote), _aux(17)).evidenceHash, hash);
    }

    function test_verify_withoutPrecompile_succeeds() public {
        vm.mockCall(address(0x100), bytes(""), bytes(""));
        assertEq(_tdx.verify(_quote, _aux(17)).tcbStatus, TcbStatus.UP_TO_DATE);
        _quote[700] ^= 0x01;
        vm.expectPartialRevert(IntelQuote.QuoteAttestationKey.selector);
        _tdx.verify(_quote, _aux(17));
    }

    /// @dev Whole transactions: with calldata at what EIP-7623 asks for it.
    function test_snapshot_dcap() public {
        bytes memory call = abi.encodeCall(DcapVerifier.verify, (_quote, _aux(17)));
        uint256 warm = _transaction(address(_tdx), call);
        vm.snapshotValue("attestation", "tdx4Warm", warm);
        assertLt(warm, 400_000);
        uint256 short =
            _transaction(address(_tdx), abi.encodeCall(DcapVerifier.verify, (_withoutCertificates(_quote), _aux(17))));
        vm.snapshotValue("attestation", "tdx4WarmWithoutPem", short);
        bytes memory pck = Dev.pck();
        _deploy(Dev.root());
        _feed(_devShared());
        _certificates.addPck(pck, _authority);
        uint256 cold = vm.lastCallGas().gasTotalUsed;
        vm.snapshotValue("attestation", "pck", cold);
        assertLt(warm + cold, 1_000_000);
        vm.mockCall(address(0x100), bytes(""), bytes(""));
        vm.snapshotValue("attestation", "tdx4WarmInSolidity", _transaction(address(_tdx), call));
    }

    /// @dev Every bit that somebody signed counts: all but the certificates inside the quote, which nobody reads. `FOUNDRY_FUZZ_RUNS` sets how
    ///      many are tried.
    function testFuzz_verify_flippedBit_reverts(uint256 kind, uint256 bit) public view {
        (DcapVerifier verifier, bytes memory quote) = _any(kind);
        bit = bit % (8 * (quote.length - DevQuotes.PEM_BYTES));
        quote[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        _refused(verifier, quote, _aux(17));
    }

    function testFuzz_verify_truncated_reverts(uint256 kind, uint256 length) public view {
        (DcapVerifier verifier, bytes memory quote) = _any(kind);
        length = bound(length, 0, quote.length - 1);
        // SAFETY: shortens.
        assembly ("memory-safe") {
            mstore(quote, length)
        }
        _refused(verifier, quote, _aux(17));
    }

    function testFuzz_verify_anyBytes_reverts(bytes memory quote, bytes memory aux) public view {
        _refused(_tdx, quote, aux);
        _refused(_sgx, quote, _aux(17));
    }

    function testFuzz_verify_anyAux_reverts(bytes32 pck, uint256 tcbEval) public view {
        vm.assume(pck != _pck || tcbEval != 17);
        _refused(_tdx, _quote, abi.encode(pck, tcbEval));
    }

    function _any(uint256 kind) private view returns (DcapVerifier, bytes memory) {
        kind = kind % 4;
        if (kind == 0) return (_sgx, DevQuotes.quote(DevQuotes.shape(3, 384)));
        return (_tdx, DevQuotes.quote(DevQuotes.shape(kind == 1 ? 4 : 5, kind == 3 ? 648 : 584)));
    }

    function _refused(DcapVerifier verifier, bytes memory quote, bytes memory aux) private view {
        (bool success, bytes memory reason) =
            address(verifier).staticcall{gas: 10_000_000}(abi.encodeCall(DcapVerifier.verify, (quote, aux)));
        assertFalse(success, "accepted");
        assertGe(reason.length, 4, "no reason");
        assertTrue(bytes4(reason) != 0x4e487b71, "panic");
    }

    function _submit(DevCollateral.Info memory info) private {
        bool isTdx = bytes(info.id)[0] == "T";
        _submitTcbInfo(DevCollateral.tcbInfo(info));
        _submitQeIdentity(DevCollateral.qeIdentity(isTdx ? "TD_QE" : "QE", info.tcbEval, 4, "UpToDate"));
    }

    /// @dev The same documents and lists, current around the promotion of number 18.
    function _refresh() private {
        DevCollateral.Info memory info = DevCollateral.info("TDX", 17);
        (info.issueDate, info.nextUpdate) = ("2025-11-11T00:00:00Z", "2026-01-11T00:00:00Z");
        _submitTcbInfo(DevCollateral.tcbInfo(info));
        string memory identity = DevCollateral.qeIdentity("TD_QE", 17, 4, "UpToDate");
        _submitQeIdentity(vm.replace(vm.replace(identity, "2025-06-19", "2025-11-11"), "2025-07-19", "2026-01-11"));
        _certificates.addCrl(Dev.crl(Dev.PLATFORM_CA, "251111000000Z", "260111000000Z", ""), _authority);
    }

    function _expect(uint8 status, bool acceptConfiguration) private {
        if (status & 8 != 0) {
            vm.expectRevert(DcapVerifier.TcbRevoked.selector);
        } else if (status & 4 != 0) {
            vm.expectRevert(abi.encodeWithSelector(DcapVerifier.TcbOutOfDate.selector, status));
        } else if (status & 2 != 0 && !acceptConfiguration) {
            vm.expectRevert(abi.encodeWithSelector(DcapVerifier.TcbConfigurationNeeded.selector, status));
        }
    }

    function _expectLevelMissing(DevQuotes.Shape memory shape) private {
        bytes memory quote = DevQuotes.quote(shape);
        vm.expectRevert(TcbTable.TcbLevelMissing.selector);
        _tdx.verify(quote, _aux(17));
    }

    function _expectMismatch(string memory json, string memory before, string memory behind, uint256 at) private {
        uint256 snapshot = vm.snapshotState();
        string memory changed = vm.replace(json, before, behind);
        _submitQeIdentity(changed);
        (, bytes memory reason) = address(_tdx).staticcall(abi.encodeCall(DcapVerifier.verify, (_quote, _aux(18))));
        assertEq(bytes4(reason), QeIdentity.QeIdentityMismatch.selector);
        // Which field differs.
        assertEq(uint256(bytes32(_slice(reason, 4, 32))), at);
        vm.revertToState(snapshot);
    }

    /// @dev What a transaction with this call costs.
    function _transaction(address to, bytes memory call) private returns (uint256) {
        (bool success,) = to.call(call);
        assertTrue(success);
        return vm.lastCallGas().gasTotalUsed;
    }

    /// @dev The quote without the certificates inside, which nobody reads: three lengths are less.
    function _withoutCertificates(bytes memory quote) private pure returns (bytes memory short) {
        short = _slice(quote, 0, quote.length - DevQuotes.PEM_BYTES);
        uint16[3] memory places = [632, 766, 1254];
        for (uint256 k; k < 3; ++k) {
            uint256 length = uint8(short[places[k]]) | uint256(uint8(short[places[k] + 1])) << 8;
            length -= DevQuotes.PEM_BYTES;
            (short[places[k]], short[places[k] + 1]) = (bytes1(uint8(length)), bytes1(uint8(length >> 8)));
        }
    }

    function _negate(bytes memory data, uint256 at) private pure {
        // SAFETY: replaces 32 bytes of the data.
        assembly ("memory-safe") {
            let place := add(add(data, 0x20), at)
            mstore(place, sub(N, mload(place)))
        }
    }

    function _slice(bytes memory data, uint256 at, uint256 size) private pure returns (bytes memory part) {
        part = new bytes(size);
        for (uint256 k; k < size; ++k) {
            part[k] = data[at + k];
        }
    }
}
