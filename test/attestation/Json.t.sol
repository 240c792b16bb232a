// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {Json} from "src/attestation/Json.sol";
import {IntelHarness} from "../harness/IntelHarness.sol";

/// @notice The reader of JSON: what it takes, and that it takes nothing else.
contract JsonTest is Test {
    IntelHarness private _harness;

    function setUp() public {
        _harness = new IntelHarness();
    }

    function test_skip_values_succeeds() public view {
        string[10] memory values = [
            '""',
            '"a text: {[,]}"',
            "0",
            "-1.5e+10",
            "true",
            "null",
            "{}",
            "[]",
            '[{"a":[1,2,[]],"b":{}},"",[[]],{"a":"]"}]',
            '{"a":{"a":{"a":[1]}},"a name of more than thirty-two characters":1}'
        ];
        for (uint256 k; k < values.length; ++k) {
            // Ends where the value ends, whatever follows.
            assertEq(_harness.skip(bytes(string.concat(values[k], ',"more"'))), bytes(values[k]).length, values[k]);
        }
    }

    function test_skip_otherJson_reverts() public {
        string[20] memory values = [
            "",
            " 1",
            "[1 ]",
            "[1,]",
            "[,1]",
            "[1",
            "[1}",
            "{1}",
            '{"a"}',
            '{"a":}',
            '{"a":1,}',
            '{"a":1]',
            '{"a":1 }',
            "{a:1}",
            '"a',
            '"a\\"b"',
            '"\\u0041"',
            '"a\nb"',
            unicode'"é"',
            "{\"a\":1\x00}"
        ];
        for (uint256 k; k < values.length; ++k) {
            (bool success, bytes memory reason) = _try(bytes(values[k]));
            assertFalse(success, values[k]);
            bytes4 error = bytes4(reason);
            assertTrue(
                error == Json.JsonExpected.selector || error == Json.JsonText.selector
                    || error == Json.JsonValue.selector,
                values[k]
            );
        }
        vm.expectRevert(abi.encodeWithSelector(Json.JsonText.selector, 0));
        _harness.skip('"a\\"b"');
    }

    function test_skip_depth_reverts() public {
        bytes memory deep = new bytes(254);
        for (uint256 k; k < 254; ++k) {
            deep[k] = "[";
        }
        bytes memory close = new bytes(254);
        for (uint256 k; k < 254; ++k) {
            close[k] = "]";
        }
        assertEq(_harness.skip(bytes.concat(deep, "1", close)), 509);
        vm.expectRevert(abi.encodeWithSelector(Json.JsonValue.selector, 255));
        _harness.skip(bytes.concat(deep, "[1]", close));
    }

    function test_number_succeeds() public view {
        (uint256 value, uint256 next) = _harness.number("0,", 0);
        assertEq(value, 0);
        assertEq(next, 1);
        (value, next) = _harness.number("4294967295}", type(uint32).max);
        assertEq(value, type(uint32).max);
        assertEq(next, 10);
    }

    function test_number_reverts() public {
        string[7] memory values = ["", "-1", "01", "00", "256", "+1", '"1"'];
        for (uint256 k; k < values.length; ++k) {
            vm.expectRevert(abi.encodeWithSelector(Json.JsonNumber.selector, 0, 255));
            _harness.number(bytes(values[k]), 255);
        }
        // An eleventh digit, a fraction and an exponent are no part of the number, and no end of a value.
        (, uint256 next) = _harness.number("12345678901", type(uint256).max);
        assertEq(next, 10);
        (, next) = _harness.number("1.5", 1);
        assertEq(next, 1);
    }

    function test_time_succeeds() public view {
        (uint64 value, uint256 next) = _harness.time('"2025-06-19T10:16:03Z",');
        assertEq(value, 1_750_328_163);
        assertEq(next, 22);
        (value,) = _harness.time('"1970-01-01T00:00:00Z"');
        assertEq(value, 0);
        (value,) = _harness.time('"9999-12-31T23:59:59Z"');
        assertEq(value, 253_402_300_799);
    }

    function test_time_reverts() public {
        string[14] memory values = [
            "2025-06-19T10:16:03",
            "2025-06-19T10:16:03z",
            "2025-06-19 10:16:03Z",
            "2025/06/19T10:16:03Z",
            "2025-13-19T10:16:03Z",
            "2025-00-19T10:16:03Z",
            "2025-02-29T10:16:03Z",
            "2025-06-31T10:16:03Z",
            "2025-06-19T24:16:03Z",
            "2025-06-19T10:60:03Z",
            "2025-06-19T10:16:60Z",
            "1969-06-19T10:16:03Z",
            "2o25-06-19T10:16:03Z",
            "2025-06-19T10:16:03.0Z"
        ];
        for (uint256 k; k < values.length; ++k) {
            vm.expectRevert(abi.encodeWithSelector(Json.JsonTime.selector, 0));
            _harness.time(bytes(string.concat('"', values[k], '"')));
        }
    }

    function test_hex_reverts() public {
        (uint256 value,) = _harness.hexWord('"0aF9"', 2);
        assertEq(value, 0x0af9);
        string[6] memory values = ["", "0aF", "0aF90", "0xF9", "0aG9", "0a:9"];
        for (uint256 k; k < values.length; ++k) {
            vm.expectPartialRevert(Json.JsonHex.selector);
            _harness.hexWord(bytes(string.concat('"', values[k], '"')), 2);
        }
    }

    function test_word_tooLong_reverts() public {
        (bytes32 value,) = _harness.word('"12345678901234567890123456789012"');
        assertEq(value, "12345678901234567890123456789012");
        vm.expectRevert(abi.encodeWithSelector(Json.JsonText.selector, 0));
        _harness.word('"123456789012345678901234567890123"');
    }

    /// @dev Any bytes end in a value or a typed error, and a value is within the bytes.
    function testFuzz_skip_anyBytes_succeedsOrReverts(bytes memory json) public view {
        _total(json);
    }

    /// @dev The same, with characters that JSON is made of.
    function testFuzz_skip_jsonCharacters_succeedsOrReverts(uint256 seed, uint8 length) public view {
        bytes memory characters = '{}[]:,"a1\\ ';
        bytes memory json = new bytes(length);
        for (uint256 k; k < length; ++k) {
            if (k % 32 == 0) seed = uint256(keccak256(abi.encode(seed)));
            json[k] = characters[uint8(seed >> (8 * (k % 32))) % characters.length];
        }
        _total(json);
    }

    function _total(bytes memory json) private view {
        (bool success, bytes memory result) = _try(json);
        if (success) return assertLe(abi.decode(result, (uint256)), json.length);
        assertGe(result.length, 4, "no reason");
        assertTrue(bytes4(result) != 0x4e487b71, "panic");
    }

    function _try(bytes memory json) private view returns (bool success, bytes memory result) {
        return address(_harness).staticcall(abi.encodeCall(IntelHarness.skip, (json)));
    }
}
