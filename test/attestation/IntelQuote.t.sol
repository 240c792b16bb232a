// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {Fields} from "src/attestation/Fields.sol";
import {IntelQuote} from "src/attestation/IntelQuote.sol";
import {P256Ecdsa} from "src/attestation/P256Ecdsa.sol";
import {DevCertificates as Dev} from "../harness/DevCertificates.sol";
import {DevQuotes} from "../harness/DevQuotes.sol";
import {TdxHarness} from "../harness/TdxHarness.sol";

/// @notice Quotes in the form of Intel's, signed by keys of our own. Real quotes and PCK chains: `ts/attestation/intel.test.ts`.
contract IntelQuoteTest is Test {
    TdxHarness private _harness;
    bytes private _pckKey;

    function setUp() public {
        _harness = new TdxHarness();
        _pckKey = Dev.key(Dev.PCK);
    }

    function test_verify_tdx4_succeeds() public view {
        _checkTdx(DevQuotes.quote(DevQuotes.shape(4, 584)), 48);
    }

    function test_verify_tdx5_succeeds() public view {
        _checkTdx(DevQuotes.quote(DevQuotes.shape(5, 584)), 54);
        _checkTdx(DevQuotes.quote(DevQuotes.shape(5, 648)), 54);
    }

    function test_verify_sgx3_succeeds() public view {
        bytes memory quote = DevQuotes.quote(DevQuotes.shape(3, 384));
        (bytes32 first, bytes32 second, bytes32 measurement) = _harness.verify(quote, _pckKey);
        assertEq(first, _word(quote, 48 + 320));
        assertEq(second, _word(quote, 48 + 352));
        assertEq(measurement, keccak256(_slice(quote, 48 + 16, 304)));
        IntelQuote.Quote memory q = _harness.parse(quote);
        assertEq(q.enclaveReport, 48 + 384 + 4 + 128);
    }

    function test_quotingEnclave_succeeds() public view {
        IntelQuote.Enclave memory enclave = _harness.quotingEnclave(DevQuotes.quote(DevQuotes.shape(4, 584)));
        assertEq(enclave.signer, DevQuotes.ENCLAVE_SIGNER);
        assertEq(enclave.product, 2);
        assertEq(enclave.securityVersion, 0x0106);
        assertEq(enclave.miscSelect, DevQuotes.ENCLAVE_MISC);
        assertEq(enclave.attributes, DevQuotes.ENCLAVE_ATTRIBUTES);
    }

    /// @dev Bytes behind the signature data are padding.
    function test_verify_padding_succeeds() public view {
        _harness.verify(bytes.concat(DevQuotes.quote(DevQuotes.shape(4, 584)), new bytes(70)), _pckKey);
    }

    function test_snapshot_tdx4() public {
        bytes memory quote = DevQuotes.quote(DevQuotes.shape(4, 584));
        uint256 before = gasleft();
        _harness.verify(quote, _pckKey);
        uint256 gas = before - gasleft();
        vm.snapshotGasLastCall("attestation", "tdx4ByPrecompile");
        assertLt(gas + 21_000 + 16 * quote.length, 400_000);
        vm.mockCall(address(0x100), bytes(""), bytes(""));
        _harness.verify(quote, _pckKey);
        vm.snapshotGasLastCall("attestation", "tdx4InSolidity");
    }

    function test_verify_debug_reverts() public {
        uint256[3] memory sizes = [uint256(384), 584, 648];
        uint256[3] memory places = [uint256(96), 168, 174];
        for (uint256 k; k < 3; ++k) {
            DevQuotes.Shape memory shape = DevQuotes.shape(3 + k, sizes[k]);
            shape.debug = true;
            bytes memory quote = DevQuotes.quote(shape);
            vm.expectRevert(abi.encodeWithSelector(IntelQuote.QuoteDebug.selector, places[k]));
            _harness.verify(quote, _pckKey);
            shape = DevQuotes.shape(3 + k, sizes[k]);
            shape.debugEnclave = true;
            quote = DevQuotes.quote(shape);
            vm.expectRevert(
                abi.encodeWithSelector(IntelQuote.QuoteDebug.selector, _harness.parse(quote).enclaveReport + 48)
            );
            _harness.verify(quote, _pckKey);
        }
    }

    function test_verify_otherAttestationKey_reverts() public {
        DevQuotes.Shape memory shape = DevQuotes.shape(4, 584);
        shape.otherHash = "other";
        bytes memory quote = DevQuotes.quote(shape);
        vm.expectPartialRevert(IntelQuote.QuoteAttestationKey.selector);
        _harness.verify(quote, _pckKey);
        shape = DevQuotes.shape(4, 584);
        shape.behindHash = bytes32(uint256(1));
        quote = DevQuotes.quote(shape);
        uint256 at = _harness.parse(quote).enclaveReport + 352;
        vm.expectRevert(abi.encodeWithSelector(Fields.FieldValue.selector, at, 0, 1));
        _harness.verify(quote, _pckKey);
    }

    function test_verify_otherPckKey_reverts() public {
        bytes memory quote = DevQuotes.quote(DevQuotes.shape(4, 584));
        bytes memory key = Dev.key("somebody");
        vm.expectRevert(P256Ecdsa.P256Signature.selector);
        _harness.verify(quote, key);
    }

    /// @dev Every bit up to the PEM certificates, which nobody reads, counts.
    function testFuzz_verify_flippedBit_reverts(uint256 version, uint256 bit) public view {
        version = bound(version, 3, 5);
        bytes memory quote = DevQuotes.quote(DevQuotes.shape(version, version == 3 ? 384 : version == 4 ? 584 : 648));
        bit = bit % (8 * (quote.length - DevQuotes.PEM_BYTES));
        quote[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        (bool success, bytes memory reason) = _try(quote);
        assertFalse(success, "accepted");
        _typed(reason);
    }

    function testFuzz_parse_truncated_reverts(uint256 version, uint256 length) public view {
        version = bound(version, 3, 5);
        bytes memory quote = DevQuotes.quote(DevQuotes.shape(version, version == 3 ? 384 : version == 4 ? 584 : 648));
        length = bound(length, 0, quote.length - 1);
        // SAFETY: shortens.
        assembly ("memory-safe") {
            mstore(quote, length)
        }
        (bool success, bytes memory reason) = _try(quote);
        assertFalse(success, "accepted");
        assertEq(bytes4(reason), Fields.FieldTruncated.selector);
    }

    function testFuzz_parse_anyBytes_reverts(bytes memory data) public view {
        (bool success, bytes memory reason) = _try(data);
        assertFalse(success, "accepted");
        _typed(reason);
    }

    /// @dev Lengths and kinds of all pieces, with any value.
    function testFuzz_parse_changedLengths_succeedsOrReverts(uint256 place, uint16 value) public view {
        bytes memory quote = DevQuotes.quote(DevQuotes.shape(4, 584));
        uint16[6] memory places = [632, 764, 766, 1218, 1252, 1254];
        place = places[place % 6];
        quote[place] = bytes1(uint8(value));
        quote[place + 1] = bytes1(uint8(value >> 8));
        (bool success, bytes memory reason) = _try(quote);
        if (!success) _typed(reason);
    }

    function test_parse_header_reverts() public {
        bytes memory quote = DevQuotes.quote(DevQuotes.shape(4, 584));
        _refuse(quote, 0, 0x06, abi.encodeWithSelector(IntelQuote.QuoteVersion.selector, 6));
        _refuse(quote, 2, 0x03, abi.encodeWithSelector(Fields.FieldValue.selector, 2, 2, 3));
        _refuse(quote, 4, 0x00, abi.encodeWithSelector(Fields.FieldValue.selector, 4, 0x81, 0));
        quote = DevQuotes.quote(DevQuotes.shape(3, 384));
        _refuse(quote, 4, 0x81, abi.encodeWithSelector(Fields.FieldValue.selector, 4, 0, 0x81));
        quote = DevQuotes.quote(DevQuotes.shape(5, 648));
        _refuse(quote, 48, 0x01, abi.encodeWithSelector(Fields.FieldValue.selector, 48, 3, 1));
        _refuse(quote, 48, 0x02, abi.encodeWithSelector(Fields.FieldValue.selector, 50, 584, 648));
    }

    function _checkTdx(bytes memory quote, uint256 body) private view {
        (bytes32 first, bytes32 second, bytes32 measurement) = _harness.verify(quote, _pckKey);
        assertEq(first, _word(quote, body + 520));
        assertEq(second, _word(quote, body + 552));
        bytes memory service =
            _harness.parse(quote).bodyEnd == body + 648 ? _slice(quote, body + 600, 48) : new bytes(48);
        assertEq(measurement, keccak256(bytes.concat(_slice(quote, body + 120, 400), service)));
    }

    function _refuse(bytes memory quote, uint256 at, uint8 value, bytes memory reason) private {
        bytes1 before = quote[at];
        quote[at] = bytes1(value);
        vm.expectRevert(reason);
        _harness.parse(quote);
        quote[at] = before;
    }

    function _try(bytes memory quote) private view returns (bool success, bytes memory reason) {
        return address(_harness).staticcall(abi.encodeCall(TdxHarness.verify, (quote, _pckKey)));
    }

    function _typed(bytes memory reason) private pure {
        assertGe(reason.length, 4, "no reason");
        assertTrue(bytes4(reason) != 0x4e487b71, "panic");
    }

    function _slice(bytes memory data, uint256 at, uint256 size) private pure returns (bytes memory part) {
        part = new bytes(size);
        for (uint256 k; k < size; ++k) {
            part[k] = data[at + k];
        }
    }

    function _word(bytes memory data, uint256 at) private pure returns (bytes32 word) {
        // SAFETY: reads memory.
        assembly ("memory-safe") {
            word := mload(add(add(data, 0x20), at))
        }
    }
}
