// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {Der} from "src/attestation/Der.sol";
import {X509} from "src/attestation/X509.sol";
import {ParserHarness} from "../harness/ParserHarness.sol";

/// @notice The reader of certificates: those of `ts/attestation/vectors/h100.ts`, and bytes of any kind.
contract X509Test is Test {
    ParserHarness private _harness;
    string private _json;
    bytes private _leaf;

    function setUp() public {
        _harness = new ParserHarness();
        _json = vm.readFile("test/vectors/attestation/h100.json");
        _leaf = _certificate("leaf");
    }

    function test_parse_fields_succeeds() public view {
        X509.Certificate memory c = _harness.certificate(_leaf);
        assertEq(uint8(c.algorithm), uint8(X509.Algorithm.P384_SHA384));
        assertEq(uint8(c.keyCurve), uint8(X509.Algorithm.P384_SHA384));
        assertEq(c.notBefore, 1_602_892_800);
        assertEq(c.notAfter, 253_402_300_799);
        assertEq(c.key.length, 96);
        assertEq(c.signature.length, 96);
        assertFalse(c.isAuthority);
        assertEq(c.pathLength, X509.NO_LIMIT);
        assertEq(c.keyUsage, X509.USAGE_SIGN);
        assertEq(c.tbsStart, 4);
        X509.Certificate memory issuer = _harness.certificate(_chain(1));
        assertEq(c.issuer, issuer.subject);
        assertTrue(issuer.isAuthority);
        assertEq(issuer.keyUsage, X509.USAGE_CERTIFY);
        assertEq(issuer.pathLength, X509.NO_LIMIT);
        assertEq(_harness.certificate(_certificate("limited")).pathLength, 0);
        assertEq(_harness.extension(_leaf, hex"551d0f"), hex"03020780");
    }

    function test_parse_serials_succeeds() public {
        assertEq(_harness.certificate(_certificate("serialZero")).serial, 0);
        assertEq(_harness.certificate(_certificate("serial20")).serial, (1 << 160) - 1);
        vm.expectPartialRevert(Der.DerInteger.selector);
        _harness.certificate(_certificate("serial21"));
    }

    function test_parse_times_succeeds() public view {
        X509.Certificate memory c = _harness.certificate(_certificate("times"));
        assertEq(c.notBefore, 0);
        assertEq(c.notAfter, 2_524_608_000);
        c = _harness.certificate(_certificate("leapDay"));
        assertEq(c.notBefore, 951_868_799);
        assertEq(c.notAfter, 2_524_607_999);
    }

    function test_parse_times_reverts() public {
        string[12] memory names = [
            "noLeapDay",
            "month13",
            "month0",
            "day0",
            "day31",
            "hour24",
            "minute60",
            "second60",
            "letter",
            "offset",
            "before1970",
            "earlyGeneralized"
        ];
        for (uint256 k; k < names.length; ++k) {
            bytes memory der = _certificate(names[k]);
            vm.expectPartialRevert(X509.X509Time.selector);
            _harness.certificate(der);
        }
    }

    function test_parse_extensions_reverts() public {
        _harness.certificate(_certificate("unknown"));
        vm.expectPartialRevert(X509.X509Extension.selector);
        _harness.certificate(_certificate("unknownCritical"));
        vm.expectPartialRevert(X509.X509Extension.selector);
        _harness.certificate(_certificate("twice"));
        vm.expectPartialRevert(X509.X509Extension.selector);
        _harness.certificate(_certificate("seventeen"));
        vm.expectRevert(abi.encodeWithSelector(X509.X509ExtensionMissing.selector, hex"550102"));
        _harness.extension(_leaf, hex"550102");
    }

    function test_checkIssuer_authority_succeeds() public view {
        _harness.checkIssuer(_leaf, _chain(1), 0);
        _harness.checkIssuer(_chain(1), _chain(2), 254);
        _harness.checkIssuer(_chain(2), _certificate("limited"), 0);
    }

    function test_checkIssuer_notAuthority_reverts() public {
        bytes memory limited = _certificate("limited");
        vm.expectRevert(abi.encodeWithSelector(X509.X509Authority.selector, 0, 1));
        _harness.checkIssuer(_chain(2), limited, 1);
        bytes memory withoutUsage = _certificate("withoutUsage");
        vm.expectRevert(abi.encodeWithSelector(X509.X509Authority.selector, 255, 0));
        _harness.checkIssuer(_leaf, withoutUsage, 0);
        bytes memory leaf = _leaf;
        vm.expectPartialRevert(X509.X509Issuer.selector);
        _harness.checkIssuer(_chain(1), leaf, 0);
        vm.expectPartialRevert(X509.X509Issuer.selector);
        _harness.checkIssuer(leaf, _chain(2), 0);
    }

    function test_checkTime_bounds_reverts() public {
        _harness.checkTime(_leaf, 1_602_892_800);
        _harness.checkTime(_leaf, 253_402_300_799);
        bytes memory leaf = _leaf;
        for (uint256 k; k < 2; ++k) {
            uint256 time = k == 0 ? 1_602_892_799 : 253_402_300_800;
            vm.expectRevert(abi.encodeWithSelector(X509.X509Validity.selector, 1_602_892_800, 253_402_300_799, time));
            _harness.checkTime(leaf, time);
        }
    }

    function test_parse_otherEncodings_reverts() public {
        // The outer header: 0x30 0x82 and two bytes of length.
        _refuse(0, hex"31", Der.DerTag.selector);
        _refuse(1, hex"80", Der.DerLength.selector);
        _refuse(1, hex"83", Der.DerLength.selector);
        _refuse(1, hex"ff", Der.DerLength.selector);
        _refuse(2, hex"ffff", Der.DerTruncated.selector);
        _refuse(2, hex"00ff", Der.DerLength.selector);
        _refuse(2, hex"0100", Der.DerTrailing.selector);
        // Version: [0] at 8, 5 bytes.
        _refuse(8, hex"a1", Der.DerTag.selector);
        _refuse(12, hex"01", X509.X509Version.selector);
        _refuse(12, hex"82", Der.DerInteger.selector);
        bytes memory surplus = bytes.concat(_leaf, hex"00");
        vm.expectPartialRevert(Der.DerTrailing.selector);
        _harness.certificate(surplus);
        vm.expectPartialRevert(Der.DerTruncated.selector);
        _harness.certificate("");
        // Where the header says one byte more of integer.
        bytes memory leaf = _leaf;
        uint256 at = _find(leaf, hex"2a8648ce3d040303", 0);
        _refuse(at, hex"2b", X509.X509Algorithm.selector);
        at = _find(leaf, hex"2a8648ce3d040303", at + 1);
        _refuse(at, hex"2b", X509.X509Algorithm.selector);
        // SHA-256 outside, SHA-384 inside: the width of r and s, or the algorithm, is another.
        _refuse(at + 7, hex"02", bytes4(0));
        at = _find(leaf, hex"2b81040022", 0);
        _refuse(at + 4, hex"23", X509.X509Key.selector);
        // Unused bits, and the point's form.
        at = _find(leaf, hex"03620004", 0);
        _refuse(at + 2, hex"01", bytes4(0));
        _refuse(at + 2, hex"08", Der.DerBits.selector);
        _refuse(at + 3, hex"02", X509.X509Key.selector);
        // A critical flag that is not 0xff.
        at = _find(leaf, hex"0101ff", 0);
        _refuse(at + 2, hex"01", Der.DerBoolean.selector);
        _refuse(at + 2, hex"00", Der.DerBoolean.selector);
    }

    function testFuzz_parse_truncated_reverts(uint256 length) public view {
        bytes memory der = _leaf;
        length = bound(length, 0, der.length - 1);
        // SAFETY: shortens.
        assembly ("memory-safe") {
            mstore(der, length)
        }
        _total(der, true);
    }

    /// @dev The length of the outermost element follows, so that the cut is met further inside.
    function testFuzz_parse_cutInside_succeedsOrReverts(uint256 length) public view {
        bytes memory der = _leaf;
        length = bound(length, 260, der.length - 1);
        // SAFETY: shortens.
        assembly ("memory-safe") {
            mstore(der, length)
        }
        der[2] = bytes1(uint8((length - 4) >> 8));
        der[3] = bytes1(uint8(length - 4));
        _total(der, true);
    }

    function testFuzz_parse_changedBytes_succeedsOrReverts(uint256[4] memory places, uint32 values) public view {
        bytes memory der = _leaf;
        for (uint256 k; k < 4; ++k) {
            der[places[k] % der.length] = bytes1(uint8(values >> (8 * k)));
        }
        _total(der, false);
    }

    function testFuzz_parse_changedByte_succeedsOrReverts(uint256 place, uint8 value) public view {
        bytes memory der = _leaf;
        der[place % der.length] = bytes1(value);
        _total(der, false);
    }

    function testFuzz_parse_anyBytes_reverts(bytes memory der) public view {
        _total(der, true);
    }

    /// @dev Ends in a value or in an error of `Der` or `X509`: never in a panic or without a reason.
    function _total(bytes memory der, bool fails) private view {
        (bool success, bytes memory reason) =
            address(_harness).staticcall(abi.encodeCall(ParserHarness.certificate, (der)));
        if (success) return assertFalse(fails, "accepted");
        assertGe(reason.length, 4, "no reason");
        assertTrue(bytes4(reason) != 0x4e487b71, "panic");
    }

    function _refuse(uint256 at, bytes memory value, bytes4 error) private {
        bytes memory der = _leaf;
        for (uint256 k; k < value.length; ++k) {
            der[at + k] = value[k];
        }
        if (error == bytes4(0)) return _total(der, true);
        vm.expectPartialRevert(error);
        _harness.certificate(der);
    }

    function _find(bytes memory data, bytes memory part, uint256 from) private pure returns (uint256) {
        for (uint256 at = from; at + part.length <= data.length; ++at) {
            uint256 k;
            while (k < part.length && data[at + k] == part[k]) ++k;
            if (k == part.length) return at;
        }
        revert("not there");
    }

    function _certificate(string memory name) private view returns (bytes memory) {
        return vm.parseJsonBytes(_json, string.concat(".certificates.", name));
    }

    function _chain(uint256 k) private view returns (bytes memory) {
        return vm.parseJsonBytes(_json, string.concat(".chain[", vm.toString(k), "]"));
    }
}
