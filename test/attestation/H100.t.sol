// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {Fields} from "src/attestation/Fields.sol";
import {H100} from "src/attestation/H100.sol";
import {P384} from "src/attestation/P384.sol";
import {SpdmReport} from "src/attestation/SpdmReport.sol";
import {X509} from "src/attestation/X509.sol";
import {H100Harness} from "../harness/H100Harness.sol";
import {ParserHarness} from "../harness/ParserHarness.sol";

/// @notice Evidence in the form of a real H100's, signed by keys of our own (`ts/attestation/vectors/h100.ts`). Real evidence:
///         `ts/attestation/h100.chain.test.ts`.
contract H100Test is Test {
    uint256 private constant NOW = 1_790_000_000;

    H100Harness private _harness;
    ParserHarness private _parser;
    string private _json;
    bytes[] private _chain;
    bytes[] private _hints;
    bytes32 private _root;
    bytes private _report;
    bytes private _reportHints;
    bytes32 private _nonce;

    function setUp() public {
        _harness = new H100Harness();
        _parser = new ParserHarness();
        _json = vm.readFile("test/vectors/attestation/h100.json");
        _chain = vm.parseJsonBytesArray(_json, ".chain");
        _hints = vm.parseJsonBytesArray(_json, ".hints");
        _root = vm.parseJsonBytes32(_json, ".root");
        _report = vm.parseJsonBytes(_json, ".reports.good");
        _reportHints = vm.parseJsonBytes(_json, ".reportHints");
        _nonce = vm.parseJsonBytes32(_json, ".nonce");
    }

    function test_verifyChain_valid_succeeds() public view {
        H100.Leaf memory leaf = _harness.verifyChain(_chain, _hints, _root, NOW);
        assertEq(abi.encode(leaf), abi.encode(_harness.leaf(_chain[0])));
        X509.Certificate memory c = _parser.certificate(_chain[0]);
        assertEq(leaf.key, c.key);
        assertEq(leaf.deviceId, keccak256("NVIDIA:GH100:0123456789ABCDEF"));
        assertEq(leaf.serial, c.serial);
        assertEq(leaf.issuer, c.issuer);
        assertEq(leaf.notAfter, 253_402_300_799);
    }

    function test_verifyChain_rootNotPinned_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(H100.H100Root.selector, bytes32("other"), _root));
        _harness.verifyChain(_chain, _hints, "other", NOW);
    }

    function test_verifyChain_lengths_reverts() public {
        bytes[] memory one = new bytes[](1);
        one[0] = _chain[4];
        vm.expectRevert(abi.encodeWithSelector(H100.H100Chain.selector, 1, 0));
        _harness.verifyChain(one, new bytes[](0), _root, NOW);
        vm.expectRevert(abi.encodeWithSelector(H100.H100Chain.selector, 0, 0));
        _harness.verifyChain(new bytes[](0), new bytes[](0), _root, NOW);
        bytes[] memory chain = _chain;
        vm.expectRevert(abi.encodeWithSelector(H100.H100Chain.selector, 5, 5));
        _harness.verifyChain(chain, chain, _root, NOW);
    }

    function test_verifyChain_expired_reverts() public {
        bytes[] memory chain = _chain;
        bytes[] memory hints = _hints;
        vm.expectPartialRevert(X509.X509Validity.selector);
        _harness.verifyChain(chain, hints, _root, 1);
    }

    function test_verifyChain_missingLink_reverts() public {
        bytes[] memory chain = new bytes[](4);
        bytes[] memory hints = new bytes[](3);
        for (uint256 k; k < 4; ++k) {
            chain[k] = _chain[k == 0 ? 0 : k + 1];
            if (k < 3) hints[k] = _hints[k == 0 ? 0 : k + 1];
        }
        vm.expectPartialRevert(X509.X509Issuer.selector);
        _harness.verifyChain(chain, hints, _root, NOW);
    }

    /// @dev A certificate with the right names, and hints of another one's signature.
    function test_verifyChain_forgedCertificate_reverts() public view {
        bytes[] memory chain = _chain;
        chain[0] = vm.parseJsonBytes(_json, ".certificates.unknown");
        (bool success, bytes memory reason) =
            address(_harness).staticcall(abi.encodeCall(H100Harness.verifyChain, (chain, _hints, _root, NOW)));
        assertFalse(success);
        assertTrue(bytes4(reason) == P384.P384Modulus.selector || bytes4(reason) == P384.P384Sum.selector);
    }

    function test_readLeaf_reverts() public {
        _refuseLeaf("leafNotSigning", H100.H100Leaf.selector);
        _refuseLeaf("leafAuthority", H100.H100Leaf.selector);
        _refuseLeaf("leafWithoutIdentity", X509.X509ExtensionMissing.selector);
        _refuseLeaf("leafWithoutName", X509.X509ExtensionMissing.selector);
        _refuseLeaf("leafShortFirmware", H100.H100Identity.selector);
        _refuseLeaf("leafOfSwitch", H100.H100Device.selector);
        _refuseLeaf("leafNameless", H100.H100Device.selector);
        _refuseLeaf("leafOtherName", H100.H100Device.selector);
    }

    function test_snapshot_h100() public {
        H100.Leaf memory leaf = _harness.leaf(_chain[0]);
        uint256 before = gasleft();
        SpdmReport.Report memory report = _harness.verifyReport(_report, leaf, _nonce, _reportHints);
        uint256 gas = before - gasleft();
        vm.snapshotGasLastCall("attestation", "h100Report");
        // With 20 kB of calldata at 16 gas a byte, for which the transaction pays besides.
        assertLt(gas + 16 * (_report.length + _reportHints.length), 3_500_000);
        assertEq(report.nonce, _nonce);
        assertEq(report.count, 64);
        _harness.verifyChain(_chain, _hints, _root, NOW);
        vm.snapshotGasLastCall("attestation", "h100Chain");
    }

    /// @dev The signature is the leaf's, which no driver's report of a firmware contradicts.
    function test_verifyReport_withoutFirmware_succeeds() public view {
        bytes memory report = vm.parseJsonBytes(_json, ".reports.withoutFirmware");
        bytes memory hints = vm.parseJsonBytes(_json, ".withoutFirmwareHints");
        _harness.verifyReport(report, _harness.leaf(_chain[0]), _nonce, hints);
    }

    function test_verifyReport_otherFirmware_reverts() public {
        H100.Leaf memory leaf = _harness.leaf(_chain[0]);
        bytes memory report = vm.parseJsonBytes(_json, ".reports.otherFirmware");
        vm.expectPartialRevert(H100.H100Firmware.selector);
        _harness.verifyReport(report, leaf, _nonce, _reportHints);
        report = vm.parseJsonBytes(_json, ".reports.twoFirmwares");
        vm.expectPartialRevert(H100.H100Firmware.selector);
        _harness.verifyReport(report, leaf, _nonce, _reportHints);
    }

    function test_verifyReport_otherNonce_reverts() public {
        H100.Leaf memory leaf = _harness.leaf(_chain[0]);
        vm.expectRevert(abi.encodeWithSelector(H100.H100Nonce.selector, bytes32("other"), _nonce));
        _harness.verifyReport(_report, leaf, "other", _reportHints);
    }

    function testFuzz_verifyReport_flippedBit_reverts(uint256 bit) public view {
        bytes memory report = _report;
        bit = bit % (8 * report.length);
        report[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        H100.Leaf memory leaf = _harness.leaf(_chain[0]);
        _failsAt(address(_harness), abi.encodeCall(H100Harness.verifyReport, (report, leaf, _nonce, _reportHints)));
    }

    function test_parse_fields_succeeds() public view {
        SpdmReport.Report memory report = _parser.report(_report);
        assertEq(report.opaqueStart, 3599);
        assertEq(report.signedEnd, report.opaqueEnd);
        assertEq(report.signedEnd + 96, _report.length);
        assertEq(_parser.field(_report, H100.DRIVER_VERSION), "550.90.07\x00");
        assertEq(_parser.field(_report, H100.VBIOS_VERSION), hex"009f009601000000");
        bytes memory first = _parser.measurement(_report, 1);
        bytes memory last = _parser.measurement(_report, 64);
        assertEq(keccak256(first), _parser.digest(_report, 1));
        assertEq(keccak256(bytes.concat(first, last)), _parser.digest(_report, 1 << 63 | 1));
        assertEq(_parser.digest(_report, 0), keccak256(""));
        report = _parser.report(vm.parseJsonBytes(_json, ".reports.switch"));
        assertEq(report.count, 31);
        assertEq(report.opaqueStart, 45 + 31 * 55 + 34);
    }

    function test_parse_absent_reverts() public {
        bytes memory report = _report;
        vm.expectRevert(abi.encodeWithSelector(SpdmReport.SpdmOpaque.selector, 36, 0));
        _parser.field(report, 36);
        vm.expectRevert(abi.encodeWithSelector(SpdmReport.SpdmOpaque.selector, 20, 2));
        _parser.field(vm.parseJsonBytes(_json, ".reports.twoFirmwares"), 20);
        vm.expectRevert(abi.encodeWithSelector(SpdmReport.SpdmMeasurement.selector, 0, 64));
        _parser.measurement(report, 0);
        vm.expectRevert(abi.encodeWithSelector(SpdmReport.SpdmMeasurement.selector, 65, 64));
        _parser.measurement(report, 65);
        vm.expectRevert(abi.encodeWithSelector(SpdmReport.SpdmMeasurement.selector, 65, 64));
        _parser.digest(report, 1 << 64);
    }

    function test_parse_otherFields_reverts() public {
        uint8[13] memory places = [0, 1, 2, 3, 36, 37, 38, 41, 42, 44, 45, 46, 50];
        for (uint256 k; k < places.length; ++k) {
            bytes memory report = _report;
            report[places[k]] ^= 0x01;
            // 65 blocks are more than are there; 65 of them leave the length to be another.
            vm.expectPartialRevert(Fields.FieldValue.selector);
            _parser.report(report);
        }
        // Opaque data: one byte less or more than there is.
        bytes memory changed = _report;
        changed[3597] = bytes1(uint8(changed[3597]) + 1);
        vm.expectPartialRevert(Fields.FieldValue.selector);
        _parser.report(changed);
        // A field's length that reaches behind the last.
        changed = _report;
        changed[3602] = 0x7f;
        vm.expectPartialRevert(Fields.FieldTruncated.selector);
        _parser.field(changed, 20);
    }

    function testFuzz_parse_truncated_reverts(uint256 length) public view {
        bytes memory report = _report;
        length = bound(length, 0, report.length - 1);
        // SAFETY: shortens.
        assembly ("memory-safe") {
            mstore(report, length)
        }
        _failsAt(address(_parser), abi.encodeCall(ParserHarness.report, (report)));
    }

    function testFuzz_parse_anyBytes_reverts(bytes memory report) public view {
        _failsAt(address(_parser), abi.encodeCall(ParserHarness.report, (report)));
    }

    function testFuzz_field_changedBytes_succeedsOrReverts(uint256 place, uint8 value, uint16 kind) public view {
        bytes memory report = _report;
        report[3599 + place % 370] = bytes1(value);
        bytes memory call = abi.encodeCall(ParserHarness.field, (report, kind % 24));
        (bool success, bytes memory reason) = address(_parser).staticcall(call);
        if (!success) _typed(reason);
    }

    function _refuseLeaf(string memory name, bytes4 error) private {
        bytes memory der = vm.parseJsonBytes(_json, string.concat(".certificates.", name));
        vm.expectPartialRevert(error);
        _harness.leaf(der);
    }

    function _failsAt(address target, bytes memory call) private view {
        (bool success, bytes memory reason) = target.staticcall(call);
        assertFalse(success, "accepted");
        _typed(reason);
    }

    function _typed(bytes memory reason) private pure {
        assertGe(reason.length, 4, "no reason");
        assertTrue(bytes4(reason) != 0x4e487b71, "panic");
    }
}
