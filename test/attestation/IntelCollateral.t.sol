// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IntelCertificates} from "src/attestation/IntelCertificates.sol";
import {IntelCollateral} from "src/attestation/IntelCollateral.sol";
import {Json} from "src/attestation/Json.sol";
import {P256Ecdsa} from "src/attestation/P256Ecdsa.sol";
import {QeIdentity} from "src/attestation/QeIdentity.sol";
import {TcbEvaluation} from "src/attestation/TcbEvaluation.sol";
import {TcbInfo} from "src/attestation/TcbInfo.sol";
import {TcbStatus} from "src/attestation/TcbStatus.sol";
import {DevCertificates as Dev} from "../harness/DevCertificates.sol";
import {DevCollateral} from "../harness/DevCollateral.sol";
import {DevQuotes} from "../harness/DevQuotes.sol";
import {IntelHarness} from "../harness/IntelHarness.sol";
import {IntelStack} from "../harness/IntelStack.sol";

/// @notice Documents of a development root: what is read of them, what is refused, what replaces what. Real ones: `RealIntel.t.sol`.
contract IntelCollateralTest is IntelStack {
    uint256 private constant ISSUE_DATE = 1_750_328_163;
    uint256 private constant NEXT_UPDATE = 1_752_920_163;

    IntelHarness private _harness;
    string private _tdx;
    string private _identity;
    string private _numbers;

    function setUp() public {
        vm.warp(Dev.NOW);
        _harness = new IntelHarness();
        Shared memory shared = _devShared();
        _deploy(shared.root);
        _feed(shared);
        _tdx = DevCollateral.tcbInfo(DevCollateral.info("TDX", 17));
        _identity = DevCollateral.qeIdentity("TD_QE", 17, 4, "UpToDate");
        _numbers = DevCollateral.evaluation("TDX", "2025-06-05T01:31:32Z", "2025-07-05T01:31:32Z");
    }

    function test_submit_valid_succeeds() public {
        vm.expectEmit();
        emit IntelCollateral.CollateralSubmitted("TDX", 0xb0c06f000000, 17, ISSUE_DATE, NEXT_UPDATE);
        _submitTcbInfo(_tdx);
        _submitQeIdentity(_identity);
        vm.expectEmit();
        emit IntelCollateral.TcbRecoveryAnnounced("TDX", 19, 1_747_094_400);
        _submitEvaluation(_numbers);
        (bytes memory info, bytes memory identity, uint256 issueDate, uint256 notAfter) =
            _collateral.tables("TDX", 0xb0c06f000000, 17);
        assertEq(info, _harness.tcbInfo(bytes(_tdx)).table);
        assertEq(identity, _harness.qeIdentity(bytes(_identity)).table);
        assertEq(issueDate, ISSUE_DATE);
        assertEq(notAfter, NEXT_UPDATE);
        uint256 nextUpdate;
        (info, issueDate, nextUpdate) = _collateral.evaluation("TDX");
        assertEq(info, hex"000000130068228b80000000120067329a80000000110065ef9b00");
    }

    function test_snapshot_tcbInfo() public {
        _submitTcbInfo(_tdx);
        vm.snapshotGasLastCall("attestation", "tcbInfo");
        assertLt(vm.lastCallGas().gasTotalUsed, 2_000_000);
    }

    function test_parse_tables_succeeds() public view {
        TcbInfo.Document memory d = _harness.tcbInfo(bytes(_tdx));
        assertEq(d.id, "TDX");
        assertEq(d.tcbEval, 17);
        assertEq(d.fmspc, bytes6(0xb0c06f000000));
        assertEq(d.issueDate, ISSUE_DATE);
        assertEq(d.nextUpdate, NEXT_UPDATE);
        bytes memory module = bytes.concat(new bytes(48), new bytes(8), hex"ffffffffffffffff");
        // The module without a name comes first, as in the document.
        bytes memory modules =
            bytes.concat(hex"00", module, hex"01", hex"000000", bytes.concat(hex"03", module, hex"01000908"));
        modules = bytes.concat(modules, hex"01", module, hex"02000400000204");
        bytes memory rest = hex"02030405060708090a0b0c0d0e0f10ffff0203000000000000000000000000";
        bytes memory levels = bytes.concat(hex"01", rest, hex"000d00", hex"00", rest, hex"000d04");
        levels = bytes.concat(levels, hex"00", rest, hex"000108");
        assertEq(d.table, bytes.concat(hex"000103", modules, levels));
        d = _harness.tcbInfo(bytes(DevCollateral.tcbInfo(DevCollateral.info("SGX", 17))));
        assertEq(d.id, "SGX");
        assertEq(d.table.length, 3 + 3 * 35);
        d = _harness.qeIdentity(bytes(_identity));
        assertEq(d.id, "TD_QE");
        assertEq(d.fmspc, bytes6(0));
        assertEq(
            d.table,
            bytes.concat(
                abi.encodePacked(DevQuotes.ENCLAVE_SIGNER, hex"0002", hex"00020304", hex"00ffffff"),
                hex"11000000000000000000000000000000fbffffffffffffff0000000000000000",
                hex"000400",
                hex"000204"
            )
        );
    }

    /// @dev Members may come in any order, and others may be among them, whatever they contain.
    function test_parse_otherOrder_succeeds() public view {
        bytes memory table = _harness.qeIdentity(bytes(_identity)).table;
        string memory moved = vm.replace(_identity, '"isvprodid":2,', '"x":{"isvprodid":3,"id":["QE",{}]},');
        moved = vm.replace(moved, '{"id":"TD_QE"', '{"isvprodid":2,"id":"TD_QE"');
        assertEq(_harness.qeIdentity(bytes(moved)).table, table);
        table = _harness.tcbInfo(bytes(_tdx)).table;
        moved = vm.replace(_tdx, '"pceId":"0001","tcbType":0,', "");
        moved = vm.replace(moved, '],"tcbLevels":[', '],"tcbType":0,"tcbLevels":[');
        moved = string.concat(_slice(moved, 0, bytes(moved).length - 1), ',"pceId":"0001","note":[[],{"id":"SGX"}]}');
        assertEq(_harness.tcbInfo(bytes(moved)).table, table);
    }

    function test_parse_twice_reverts() public {
        string[11] memory members = [
            '"id":"TDX"',
            '"version":3',
            '"issueDate":"2025-06-19T10:16:03Z"',
            '"nextUpdate":"2025-06-19T10:16:03Z"',
            '"fmspc":"000000000000"',
            '"pceId":"0000"',
            '"tcbType":0',
            '"tcbEvaluationDataNumber":99',
            '"tdxModule":{"mrsigner":"000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000","attributes":"0000000000000000","attributesMask":"0000000000000000"}',
            '"tcbStatus":"UpToDate"',
            '"tcbLevels":[{"tcb":{"isvsvn":0},"tcbStatus":"UpToDate"}]'
        ];
        for (uint256 k; k < 9; ++k) {
            string memory json = string.concat("{", members[k], ",", _slice(_tdx, 1, bytes(_tdx).length));
            vm.expectPartialRevert(Json.JsonDuplicate.selector);
            _harness.tcbInfo(bytes(json));
        }
        // Within levels, modules and components.
        for (uint256 k = 9; k < 11; ++k) {
            string memory before = k == 9 ? '"tcbDate":"2024-03-13T00:00:00Z"' : '"id":"TDX_01"';
            string memory json = vm.replace(_tdx, before, string.concat(before, ",", members[k]));
            vm.expectPartialRevert(Json.JsonDuplicate.selector);
            _harness.tcbInfo(bytes(json));
        }
        _refuse(_tdx, '{"svn":255}', '{"svn":255,"svn":0}', Json.JsonDuplicate.selector);
        _refuse(_tdx, '"pcesvn":13', '"pcesvn":13,"pcesvn":0', Json.JsonDuplicate.selector);
        _refuse(_tdx, '"isvsvn":4', '"isvsvn":4,"isvsvn":0', Json.JsonDuplicate.selector);
        string memory twice = string.concat('{"isvprodid":1,', _slice(_identity, 1, bytes(_identity).length));
        vm.expectPartialRevert(Json.JsonDuplicate.selector);
        _harness.qeIdentity(bytes(twice));
        twice = string.concat('{"version":1,', _slice(_numbers, 1, bytes(_numbers).length));
        vm.expectPartialRevert(Json.JsonDuplicate.selector);
        _harness.evaluation(bytes(twice));
    }

    function test_parse_missing_reverts() public {
        string[9] memory members = [
            '"id":',
            '"issueDate":',
            '"nextUpdate":',
            '"fmspc":',
            '"pceId":',
            '"tcbType":',
            '"pcesvn":',
            '"tcbStatus":',
            '"svn":'
        ];
        for (uint256 k; k < members.length; ++k) {
            _refuse(_tdx, members[k], vm.replace(members[k], '":', 'X":'), Json.JsonMembers.selector);
        }
        _refuse(_tdx, '"tdxModule":', '"other":', Json.JsonMembers.selector);
        _refuse(_tdx, '"tdxtcbcomponents":', '"other":', Json.JsonMembers.selector);
        _refuse(_tdx, '"attributesMask":', '"other":', Json.JsonMembers.selector);
        _refuse(_tdx, '"isvsvn":', '"other":', Json.JsonMembers.selector);
        // A list of modules is not there before TDX 1.5.
        string memory old = vm.replace(_tdx, '"tdxModuleIdentities":', '"other":');
        assertEq(_harness.tcbInfo(bytes(old)).table.length, 3 + 69 + 3 * 35);
        // SGX has neither modules nor components of TDX.
        _refuse(_tdx, '"id":"TDX"', '"id":"SGX"', Json.JsonMembers.selector);
        string[4] memory others = ['"miscselectMask":', '"mrsigner":', '"isvprodid":', '"tcbLevels":'];
        for (uint256 k; k < others.length; ++k) {
            string memory json = vm.replace(_identity, others[k], '"other":');
            vm.expectPartialRevert(Json.JsonMembers.selector);
            _harness.qeIdentity(bytes(json));
        }
        string memory numbers = vm.replace(_numbers, '"tcbRecoveryEventDate":', '"other":');
        vm.expectPartialRevert(Json.JsonMembers.selector);
        _harness.evaluation(bytes(numbers));
        numbers = vm.replace(_numbers, '"tcbEvalNumbers":', '"other":');
        vm.expectPartialRevert(Json.JsonMembers.selector);
        _harness.evaluation(bytes(numbers));
    }

    function test_parse_otherValues_reverts() public {
        _refuse(_tdx, '"version":3', '"version":2', TcbInfo.TcbInfoKind.selector);
        _refuse(_tdx, '"tcbType":0', '"tcbType":1', TcbInfo.TcbInfoKind.selector);
        _refuse(_tdx, '"id":"TDX"', '"id":"TDY"', TcbInfo.TcbInfoKind.selector);
        _refuse(_tdx, '"id":"TDX_01"', '"id":"TDX_00"', TcbInfo.TcbInfoModule.selector);
        _refuse(_tdx, '"id":"TDX_01"', '"id":"TDX_0g"', TcbInfo.TcbInfoModule.selector);
        _refuse(_tdx, '"id":"TDX_01"', '"id":"TDX_011"', TcbInfo.TcbInfoModule.selector);
        _refuse(_tdx, '"id":"TDX_01"', '"id":"TDY_01"', TcbInfo.TcbInfoModule.selector);
        _refuse(_tdx, '"tcbStatus":"Revoked"', '"tcbStatus":"revoked"', TcbStatus.TcbStatusUnknown.selector);
        _refuse(_tdx, '{"svn":255}', '{"svn":256}', Json.JsonNumber.selector);
        _refuse(_tdx, '{"svn":255}', '{"svn":"255"}', Json.JsonNumber.selector);
        _refuse(_tdx, '{"svn":255}', '{"svn":25.5}', Json.JsonExpected.selector);
        _refuse(_tdx, '{"svn":255},', "", Json.JsonMembers.selector);
        _refuse(_tdx, '{"svn":255}', '{"svn":255},{"svn":0}', Json.JsonMembers.selector);
        _refuse(_tdx, '"pcesvn":13', '"pcesvn":65536', Json.JsonNumber.selector);
        _refuse(_tdx, '"fmspc":"B0C06F000000"', '"fmspc":"B0C06F0000"', Json.JsonHex.selector);
        _refuse(_tdx, '"INTEL-SA-00106"', '"INTEL\\u002dSA-00106"', Json.JsonText.selector);
        _refuse(_tdx, '"tcbType":0', '"tcbType": 0', Json.JsonNumber.selector);
        string memory trailing = string.concat(_tdx, "}");
        vm.expectRevert(abi.encodeWithSelector(Json.JsonTrailing.selector, bytes(_tdx).length));
        _harness.tcbInfo(bytes(trailing));
        // One kind of document is no other.
        vm.expectPartialRevert(QeIdentity.QeIdentityKind.selector);
        _harness.qeIdentity(bytes(_tdx));
        vm.expectPartialRevert(TcbInfo.TcbInfoKind.selector);
        _harness.tcbInfo(bytes(_identity));
        vm.expectPartialRevert(TcbInfo.TcbInfoKind.selector);
        _harness.tcbInfo(bytes(_numbers));
        vm.expectPartialRevert(TcbEvaluation.TcbEvaluationKind.selector);
        _harness.evaluation(bytes(_tdx));
        vm.expectPartialRevert(TcbEvaluation.TcbEvaluationKind.selector);
        _harness.evaluation(bytes(_identity));
        vm.expectPartialRevert(QeIdentity.QeIdentityKind.selector);
        _harness.qeIdentity(bytes(_numbers));
    }

    function test_submit_signature_reverts() public {
        bytes memory json = bytes(_tdx);
        bytes memory signature = Dev.sign(Dev.PLATFORM_CA, json);
        vm.expectRevert(P256Ecdsa.P256Signature.selector);
        _collateral.submitTcbInfo(json, signature, _signer);
        signature = Dev.sign(Dev.SIGNER, json);
        vm.expectRevert(abi.encodeWithSelector(IntelCertificates.CertificateMissing.selector, bytes32("other")));
        _collateral.submitTcbInfo(json, signature, "other");
        bytes memory longer = bytes.concat(signature, hex"00");
        vm.expectRevert(abi.encodeWithSelector(P256Ecdsa.P256Lengths.selector, 65, 64));
        _collateral.submitTcbInfo(json, longer, _signer);
        // The signature's twin says the same.
        (uint256 r, uint256 s) = abi.decode(signature, (uint256, uint256));
        uint256 n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551;
        _collateral.submitTcbInfo(json, abi.encode(r, n - s), _signer);
        vm.expectRevert(
            abi.encodeWithSelector(IntelCollateral.CollateralNotNewer.selector, bytes32("TDX"), ISSUE_DATE, ISSUE_DATE)
        );
        _collateral.submitTcbInfo(json, signature, _signer);
        json = bytes(_identity);
        signature = Dev.sign(Dev.ROOT, json);
        vm.expectRevert(P256Ecdsa.P256Signature.selector);
        _collateral.submitQeIdentity(json, signature, _signer);
        json = bytes(_numbers);
        vm.expectRevert(P256Ecdsa.P256Signature.selector);
        _collateral.submitTcbEvaluation(json, signature, _signer);
    }

    function test_submit_order_reverts() public {
        DevCollateral.Info memory info = DevCollateral.info("TDX", 17);
        _submitTcbInfo(_tdx);
        info.issueDate = "2025-06-19T10:16:02Z";
        bytes memory json = bytes(DevCollateral.tcbInfo(info));
        bytes memory signature = Dev.sign(Dev.SIGNER, json);
        vm.expectPartialRevert(IntelCollateral.CollateralNotNewer.selector);
        _collateral.submitTcbInfo(json, signature, _signer);
        // Other platforms and numbers have their own order.
        info.tcbEval = 18;
        _submitTcbInfo(DevCollateral.tcbInfo(info));
        info.fmspc = "90C06F000000";
        _submitTcbInfo(DevCollateral.tcbInfo(info));
        info.issueDate = "2025-06-20T00:00:01Z";
        json = bytes(DevCollateral.tcbInfo(info));
        signature = Dev.sign(Dev.SIGNER, json);
        vm.expectRevert(
            abi.encodeWithSelector(IntelCollateral.CollateralNotYetIssued.selector, bytes32("TDX"), Dev.NOW + 1)
        );
        _collateral.submitTcbInfo(json, signature, _signer);
        info.issueDate = "2025-06-19T10:16:04Z";
        info.nextUpdate = "2025-06-19T23:59:59Z";
        json = bytes(DevCollateral.tcbInfo(info));
        signature = Dev.sign(Dev.SIGNER, json);
        vm.expectRevert(
            abi.encodeWithSelector(IntelCollateral.CollateralExpired.selector, bytes32("TDX"), 18, Dev.NOW - 1)
        );
        _collateral.submitTcbInfo(json, signature, _signer);
    }

    /// @dev A document of this second, and one in its last.
    function test_submit_bounds_succeeds() public {
        DevCollateral.Info memory info = DevCollateral.info("TDX", 17);
        (info.issueDate, info.nextUpdate) = ("2025-06-20T00:00:00Z", "2025-06-20T00:00:00Z");
        _submitTcbInfo(DevCollateral.tcbInfo(info));
        _submitQeIdentity(_identity);
        (,,, uint256 notAfter) = _collateral.tables("TDX", 0xb0c06f000000, 17);
        assertEq(notAfter, Dev.NOW);
    }

    /// @dev The same facts a month later take no more code.
    function test_submit_sameTable_succeeds() public {
        _submitTcbInfo(_tdx);
        uint256 first = vm.lastCallGas().gasTotalUsed;
        (address table,,) = _collateral.tcbInfoOf("TDX", 0xb0c06f000000, 17);
        DevCollateral.Info memory info = DevCollateral.info("TDX", 17);
        info.issueDate = "2025-06-19T10:16:04Z";
        info.nextUpdate = "2025-07-20T00:00:00Z";
        _submitTcbInfo(DevCollateral.tcbInfo(info));
        assertLt(vm.lastCallGas().gasTotalUsed, first - 80_000);
        (address again, uint256 issueDate, uint256 nextUpdate) = _collateral.tcbInfoOf("TDX", 0xb0c06f000000, 17);
        assertEq(again, table);
        assertEq(issueDate, ISSUE_DATE + 1);
        assertEq(nextUpdate, 1_752_969_600);
        info.status = "OutOfDate";
        info.issueDate = "2025-06-19T10:16:05Z";
        _submitTcbInfo(DevCollateral.tcbInfo(info));
        (again,,) = _collateral.tcbInfoOf("TDX", 0xb0c06f000000, 17);
        assertTrue(again != table);
    }

    function test_tables_reverts() public {
        vm.expectRevert(_missing("TDX", 0xb0c06f000000));
        _collateral.tables("TDX", 0xb0c06f000000, 17);
        _submitTcbInfo(_tdx);
        vm.expectRevert(_missing("TD_QE", 0));
        _collateral.tables("TDX", 0xb0c06f000000, 17);
        _submitQeIdentity(_identity);
        _collateral.tables("TDX", 0xb0c06f000000, 17);
        vm.warp(NEXT_UPDATE);
        _collateral.tables("TDX", 0xb0c06f000000, 17);
        vm.warp(NEXT_UPDATE + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IntelCollateral.CollateralExpired.selector, bytes32("TDX"), 17, NEXT_UPDATE)
        );
        _collateral.tables("TDX", 0xb0c06f000000, 17);
        // Fresh TCB info, and a stale identity.
        DevCollateral.Info memory info = DevCollateral.info("TDX", 17);
        (info.issueDate, info.nextUpdate) = ("2025-07-19T10:16:03Z", "2025-08-19T10:16:03Z");
        _submitTcbInfo(DevCollateral.tcbInfo(info));
        uint256 identityUpdate = 1_752_921_147;
        vm.warp(identityUpdate);
        _collateral.tables("TDX", 0xb0c06f000000, 17);
        vm.warp(identityUpdate + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IntelCollateral.CollateralExpired.selector, bytes32("TD_QE"), 17, identityUpdate)
        );
        _collateral.tables("TDX", 0xb0c06f000000, 17);
    }

    /// @dev What a signer signed is worth nothing when it is revoked.
    function test_tables_signerRevoked_reverts() public {
        _submitTcbInfo(_tdx);
        _submitQeIdentity(_identity);
        _submitEvaluation(_numbers);
        bytes32 root = _certificates.ROOT();
        _certificates.addCrl(Dev.crl(Dev.ROOT, "250620000000Z", Dev.CRL_UNTIL, Dev.crlEntry(Dev.SERIAL)), root);
        bytes memory revoked = abi.encodeWithSelector(IntelCertificates.CertificateRevoked.selector, root, Dev.SERIAL);
        vm.expectRevert(revoked);
        _collateral.tables("TDX", 0xb0c06f000000, 17);
        vm.expectRevert(revoked);
        _collateral.evaluation("TDX");
        bytes memory json = bytes(_identity);
        bytes memory signature = Dev.sign(Dev.SIGNER, json);
        vm.expectRevert(revoked);
        _collateral.submitQeIdentity(json, signature, _signer);
    }

    /// @dev Every character that is signed counts.
    function testFuzz_submit_flippedBit_reverts(uint256 kind, uint256 bit) public {
        bytes memory json = bytes(kind % 3 == 0 ? _tdx : kind % 3 == 1 ? _identity : _numbers);
        bytes memory signature = Dev.sign(Dev.SIGNER, json);
        bit = bound(bit, 0, 8 * (json.length + 64) - 1);
        bytes1 mask = bytes1(uint8(1 << (bit % 8)));
        if (bit / 8 < json.length) json[bit / 8] ^= mask;
        else signature[bit / 8 - json.length] ^= mask;
        vm.expectRevert(P256Ecdsa.P256Signature.selector);
        if (kind % 3 == 0) _collateral.submitTcbInfo(json, signature, _signer);
        else if (kind % 3 == 1) _collateral.submitQeIdentity(json, signature, _signer);
        else _collateral.submitTcbEvaluation(json, signature, _signer);
    }

    /// @dev The readers end in a document or a typed error, whatever Intel signs.
    function testFuzz_parse_changedCharacters_succeedsOrReverts(uint256 kind, uint256[3] memory places, uint24 values)
        public
        view
    {
        bytes memory json = bytes(kind % 3 == 0 ? _tdx : kind % 3 == 1 ? _identity : _numbers);
        bytes memory characters = '{}[]:,"0129afAF\\ -TZ';
        for (uint256 k; k < 3; ++k) {
            json[places[k] % json.length] = characters[uint8(values >> (8 * k)) % characters.length];
        }
        _total(kind, json);
    }

    function testFuzz_parse_truncated_reverts(uint256 kind, uint256 length) public view {
        bytes memory json = bytes(kind % 3 == 0 ? _tdx : kind % 3 == 1 ? _identity : _numbers);
        length = bound(length, 0, json.length - 1);
        // SAFETY: shortens.
        assembly ("memory-safe") {
            mstore(json, length)
        }
        assertFalse(_total(kind, json), "accepted");
    }

    function testFuzz_covers_eachByte_succeeds(uint128 have, uint128 least, uint128 mask) public view {
        // Often equal, or nearly so.
        if (mask % 2 == 0) least = (have & ~mask) | (least & mask);
        bool expected = true;
        for (uint256 k; k < 16; ++k) {
            if (uint8(have >> (8 * k)) < uint8(least >> (8 * k))) expected = false;
        }
        assertEq(_harness.covers(have, least), expected);
        assertTrue(_harness.covers(have, have));
    }

    function _total(uint256 kind, bytes memory json) private view returns (bool success) {
        bytes memory reason;
        (success, reason) = address(_harness).staticcall{gas: 30_000_000}(
            kind % 3 == 0
                ? abi.encodeCall(IntelHarness.tcbInfo, (json))
                : kind % 3 == 1
                    ? abi.encodeCall(IntelHarness.qeIdentity, (json))
                    : abi.encodeCall(IntelHarness.evaluation, (json))
        );
        if (success) return success;
        assertGe(reason.length, 4, "no reason");
        assertTrue(bytes4(reason) != 0x4e487b71, "panic");
    }

    function _refuse(string memory json, string memory before, string memory behind, bytes4 error) private {
        string memory changed = vm.replace(json, before, behind);
        assertTrue(keccak256(bytes(changed)) != keccak256(bytes(json)), before);
        vm.expectPartialRevert(error);
        _harness.tcbInfo(bytes(changed));
    }

    function _missing(bytes32 id, bytes6 fmspc) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IntelCollateral.CollateralMissing.selector, id, fmspc, 17);
    }

    function _slice(string memory text, uint256 start, uint256 end) private pure returns (string memory) {
        bytes memory part = new bytes(end - start);
        for (uint256 k; k < part.length; ++k) {
            part[k] = bytes(text)[start + k];
        }
        return string(part);
    }
}
