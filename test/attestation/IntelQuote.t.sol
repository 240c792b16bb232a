// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {Fields} from "src/attestation/Fields.sol";
import {IntelQuote} from "src/attestation/IntelQuote.sol";
import {P256Ecdsa} from "src/attestation/P256Ecdsa.sol";
import {TdxHarness} from "../harness/TdxHarness.sol";

/// @notice Quotes in the form of Intel's, signed by keys of our own. Real quotes and PCK chains: `ts/attestation/intel.test.ts`.
contract IntelQuoteTest is Test {
    uint256 private constant ATTESTATION_SECRET = 11;
    uint256 private constant PCK_SECRET = 13;
    uint256 private constant PEM_BYTES = 3678;

    /// @dev What a test changes; the rest is valid.
    struct Shape {
        uint256 version;
        uint256 bodyBytes;
        bool debug;
        bool debugEnclave;
        bytes32 behindHash;
        bytes32 otherHash;
    }

    TdxHarness private _harness;
    bytes private _pckKey;

    function setUp() public {
        _harness = new TdxHarness();
        _pckKey = _key(PCK_SECRET);
    }

    function test_verify_tdx4_succeeds() public view {
        _checkTdx(_quote(_shape(4, 584)), 48);
    }

    function test_verify_tdx5_succeeds() public view {
        _checkTdx(_quote(_shape(5, 584)), 54);
        _checkTdx(_quote(_shape(5, 648)), 54);
    }

    function test_verify_sgx3_succeeds() public view {
        bytes memory quote = _quote(_shape(3, 384));
        (bytes32 first, bytes32 second, bytes32 measurement) = _harness.verify(quote, _pckKey);
        assertEq(first, _word(quote, 48 + 320));
        assertEq(second, _word(quote, 48 + 352));
        assertEq(measurement, keccak256(abi.encode(_word(quote, 48 + 64))));
        IntelQuote.Quote memory q = _harness.parse(quote);
        assertEq(q.enclaveReport, 48 + 384 + 4 + 128);
    }

    function test_quotingEnclave_succeeds() public view {
        (bytes32 signer, uint256 product, uint256 securityVersion) = _harness.quotingEnclave(_quote(_shape(4, 584)));
        assertEq(signer, keccak256(abi.encode("enclave", 4)));
        assertEq(product, 2);
        assertEq(securityVersion, 0x0106);
    }

    /// @dev Bytes behind the signature data are padding.
    function test_verify_padding_succeeds() public view {
        _harness.verify(bytes.concat(_quote(_shape(4, 584)), new bytes(70)), _pckKey);
    }

    function test_snapshot_tdx4() public {
        bytes memory quote = _quote(_shape(4, 584));
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
            Shape memory shape = _shape(3 + k, sizes[k]);
            shape.debug = true;
            bytes memory quote = _quote(shape);
            vm.expectRevert(abi.encodeWithSelector(IntelQuote.QuoteDebug.selector, places[k]));
            _harness.verify(quote, _pckKey);
            shape = _shape(3 + k, sizes[k]);
            shape.debugEnclave = true;
            quote = _quote(shape);
            vm.expectRevert(
                abi.encodeWithSelector(IntelQuote.QuoteDebug.selector, _harness.parse(quote).enclaveReport + 48)
            );
            _harness.verify(quote, _pckKey);
        }
    }

    function test_verify_otherAttestationKey_reverts() public {
        Shape memory shape = _shape(4, 584);
        shape.otherHash = "other";
        bytes memory quote = _quote(shape);
        vm.expectPartialRevert(IntelQuote.QuoteAttestationKey.selector);
        _harness.verify(quote, _pckKey);
        shape = _shape(4, 584);
        shape.behindHash = bytes32(uint256(1));
        quote = _quote(shape);
        uint256 at = _harness.parse(quote).enclaveReport + 352;
        vm.expectRevert(abi.encodeWithSelector(Fields.FieldValue.selector, at, 0, 1));
        _harness.verify(quote, _pckKey);
    }

    function test_verify_otherPckKey_reverts() public {
        bytes memory quote = _quote(_shape(4, 584));
        bytes memory key = _key(17);
        vm.expectRevert(P256Ecdsa.P256Signature.selector);
        _harness.verify(quote, key);
    }

    /// @dev Every bit up to the PEM certificates, which nobody reads, counts.
    function testFuzz_verify_flippedBit_reverts(uint256 version, uint256 bit) public view {
        version = bound(version, 3, 5);
        bytes memory quote = _quote(_shape(version, version == 3 ? 384 : version == 4 ? 584 : 648));
        bit = bit % (8 * (quote.length - PEM_BYTES));
        quote[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        (bool success, bytes memory reason) = _try(quote);
        assertFalse(success, "accepted");
        _typed(reason);
    }

    function testFuzz_parse_truncated_reverts(uint256 version, uint256 length) public view {
        version = bound(version, 3, 5);
        bytes memory quote = _quote(_shape(version, version == 3 ? 384 : version == 4 ? 584 : 648));
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
        bytes memory quote = _quote(_shape(4, 584));
        uint16[6] memory places = [632, 764, 766, 1218, 1252, 1254];
        place = places[place % 6];
        quote[place] = bytes1(uint8(value));
        quote[place + 1] = bytes1(uint8(value >> 8));
        (bool success, bytes memory reason) = _try(quote);
        if (!success) _typed(reason);
    }

    function test_parse_header_reverts() public {
        bytes memory quote = _quote(_shape(4, 584));
        _refuse(quote, 0, 0x06, abi.encodeWithSelector(IntelQuote.QuoteVersion.selector, 6));
        _refuse(quote, 2, 0x03, abi.encodeWithSelector(Fields.FieldValue.selector, 2, 2, 3));
        _refuse(quote, 4, 0x00, abi.encodeWithSelector(Fields.FieldValue.selector, 4, 0x81, 0));
        quote = _quote(_shape(3, 384));
        _refuse(quote, 4, 0x81, abi.encodeWithSelector(Fields.FieldValue.selector, 4, 0, 0x81));
        quote = _quote(_shape(5, 648));
        _refuse(quote, 48, 0x01, abi.encodeWithSelector(Fields.FieldValue.selector, 48, 3, 1));
        _refuse(quote, 48, 0x02, abi.encodeWithSelector(Fields.FieldValue.selector, 50, 584, 648));
    }

    function _checkTdx(bytes memory quote, uint256 body) private view {
        (bytes32 first, bytes32 second, bytes32 measurement) = _harness.verify(quote, _pckKey);
        assertEq(first, _word(quote, body + 520));
        assertEq(second, _word(quote, body + 552));
        bytes memory measured = new bytes(240);
        for (uint256 k; k < 240; ++k) {
            measured[k] = quote[body + (k < 48 ? 136 + k : 328 + k - 48)];
        }
        assertEq(measurement, keccak256(measured));
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

    function _shape(uint256 version, uint256 bodyBytes) private pure returns (Shape memory shape) {
        shape.version = version;
        shape.bodyBytes = bodyBytes;
    }

    function _quote(Shape memory shape) private pure returns (bytes memory) {
        bytes memory signed = bytes.concat(_header(shape), _body(shape));
        bytes memory key = _key(ATTESTATION_SECRET);
        bytes memory auth = _filled("auth", 32);
        bytes memory report = _enclaveReport(shape, key, auth);
        bytes memory certified = bytes.concat(report, _sign(PCK_SECRET, report));
        certified = bytes.concat(certified, hex"2000", auth, hex"0500", _little4(PEM_BYTES), _filled("pem", PEM_BYTES));
        if (shape.version != 3) certified = bytes.concat(hex"0600", _little4(certified.length), certified);
        bytes memory data = bytes.concat(_sign(ATTESTATION_SECRET, signed), key, certified);
        return bytes.concat(signed, _little4(data.length), data);
    }

    function _header(Shape memory shape) private pure returns (bytes memory) {
        return bytes.concat(
            bytes1(uint8(shape.version)),
            hex"000200",
            shape.version == 3 ? bytes4(0) : bytes4(0x81000000),
            bytes4(0),
            hex"939a7233f79c4ca9940a0db3957f0607",
            _filled("user", 20)
        );
    }

    function _body(Shape memory shape) private pure returns (bytes memory body) {
        body = _filled("body", shape.bodyBytes);
        uint256 attributes = shape.version == 3 ? 48 : 120;
        body[attributes] = shape.debug ? bytes1(0xff) : shape.version == 3 ? bytes1(0xfd) : bytes1(0xfe);
        if (shape.version != 5) return body;
        return bytes.concat(shape.bodyBytes == 584 ? bytes2(0x0200) : bytes2(0x0300), _little4(shape.bodyBytes), body);
    }

    function _enclaveReport(Shape memory shape, bytes memory key, bytes memory auth)
        private
        pure
        returns (bytes memory report)
    {
        bytes32 hash = shape.otherHash != 0 ? shape.otherHash : sha256(bytes.concat(key, auth));
        report = bytes.concat(_filled("enclave", 320), hash, shape.behindHash);
        report[48] = shape.debugEnclave ? bytes1(0xff) : bytes1(0xfd);
        report[256] = 0x02;
        report[257] = 0x00;
        report[258] = 0x06;
        report[259] = 0x01;
    }

    function _filled(string memory name, uint256 size) private pure returns (bytes memory data) {
        for (uint256 k; k < size; k += 32) {
            data = bytes.concat(data, keccak256(abi.encode(name, k / 32)));
        }
        // SAFETY: shortens.
        assembly ("memory-safe") {
            mstore(data, size)
        }
    }

    function _little4(uint256 value) private pure returns (bytes memory) {
        return abi.encodePacked(uint8(value), uint8(value >> 8), uint8(value >> 16), uint8(value >> 24));
    }

    function _sign(uint256 secret, bytes memory message) private pure returns (bytes memory) {
        (bytes32 r, bytes32 s) = vm.signP256(secret, sha256(message));
        return abi.encode(r, s);
    }

    function _key(uint256 secret) private pure returns (bytes memory) {
        (uint256 x, uint256 y) = vm.publicKeyP256(secret);
        return abi.encode(x, y);
    }

    function _word(bytes memory data, uint256 at) private pure returns (bytes32 word) {
        // SAFETY: reads memory.
        assembly ("memory-safe") {
            word := mload(add(add(data, 0x20), at))
        }
    }
}
