// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {P384} from "src/attestation/P384.sol";
import {P384Harness} from "../harness/P384Harness.sol";

/// @notice Signatures and false proofs of `ts/attestation/vectors/p384.ts`; random signatures: `ts/attestation/p384.chain.test.ts`.
contract P384Test is Test {
    struct Vector {
        bytes digest;
        bytes signature;
        bytes key;
        bytes hints;
    }

    uint256 private constant HEAD = 50;
    bytes private constant P =
        hex"fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff";
    bytes private constant N =
        hex"ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973";

    P384Harness private _harness;
    mapping(bytes32 name => Vector) private _vectors;
    Vector private _plain;

    function setUp() public {
        _harness = new P384Harness();
        string memory json = vm.readFile("test/vectors/attestation/p384.json");
        for (uint256 k; k < 10; ++k) {
            string memory path = string.concat(".cases[", vm.toString(k), "]");
            Vector storage v = _vectors[keccak256(bytes(vm.parseJsonString(json, string.concat(path, ".name"))))];
            v.digest = vm.parseJsonBytes(json, string.concat(path, ".digest"));
            v.signature = vm.parseJsonBytes(json, string.concat(path, ".signature"));
            v.key = vm.parseJsonBytes(json, string.concat(path, ".key"));
            v.hints = vm.parseJsonBytes(json, string.concat(path, ".hints"));
        }
        _plain = _vector("plain");
    }

    function test_verify_signatures_succeeds() public view {
        _verify(_vector("plain"));
        // s and n - s.
        _verify(_vector("twin"));
        // R's x is not below n.
        _verify(_vector("wideX"));
        _verify(_vector("zeroDigest"));
        // A sum of equal points on the way.
        _verify(_vector("equalPoints"));
    }

    function test_snapshot_p384() public {
        Vector memory v = _plain;
        uint256 before = gasleft();
        _harness.verify(v.digest, v.signature, v.key, v.hints);
        vm.snapshotGasLastCall("attestation", "p384");
        assertLt(before - gasleft(), 2_000_000);
        vm.snapshotValue("attestation", "p384HintBytes", v.hints.length);
    }

    function test_verify_falseProof_reverts() public view {
        _refuse(_vector("withoutR"), abi.encodeWithSelector(P384.P384WithoutR.selector));
        _refuse(_vector("wrongMultiples"), abi.encodeWithSelector(P384.P384Multiples.selector));
        _refuse(_vector("wrongSum"), abi.encodeWithSelector(P384.P384Sum.selector));
        _refuse(_vector("wrongTangent"), abi.encodeWithSelector(P384.P384Sum.selector));
        _refuse(_vector("keyOffCurve"), abi.encodeWithSelector(P384.P384Sum.selector));
    }

    function test_verify_lengths_reverts() public view {
        Vector memory v = _plain;
        v.digest = bytes.concat(v.digest, hex"00");
        _refuse(v, abi.encodeWithSelector(P384.P384Lengths.selector, 49, 96, 96));
        v = _plain;
        v.signature = hex"";
        _refuse(v, abi.encodeWithSelector(P384.P384Lengths.selector, 48, 0, 96));
        v = _plain;
        v.key = new bytes(95);
        _refuse(v, abi.encodeWithSelector(P384.P384Lengths.selector, 48, 96, 95));
    }

    function testFuzz_verify_hintsCut_reverts(uint256 length) public view {
        Vector memory v = _plain;
        uint256 whole = v.hints.length;
        length = bound(length, 0, whole - 1);
        bytes memory hints = v.hints;
        // SAFETY: shortens.
        assembly ("memory-safe") {
            mstore(hints, length)
        }
        // Without the byte that says how many steps there are, none are expected.
        uint256 expected = length < HEAD ? HEAD + 208 * 48 + 354 : whole;
        _refuse(v, abi.encodeWithSelector(P384.P384HintsLength.selector, expected, length));
    }

    function test_verify_hintsSurplus_reverts() public view {
        Vector memory v = _plain;
        v.hints = bytes.concat(v.hints, hex"00");
        _refuse(v, abi.encodeWithSelector(P384.P384HintsLength.selector, v.hints.length - 1, v.hints.length));
    }

    function test_verify_scalarOutOfRange_reverts() public view {
        bytes4 scalar = P384.P384Scalar.selector;
        bytes memory ones = _filled(0xff);
        for (uint256 k; k < 2; ++k) {
            _refuseSignature(k, new bytes(48), scalar);
            _refuseSignature(k, N, scalar);
            _refuseSignature(k, ones, scalar);
            // One below: in range, and wrong.
            bytes memory last = N;
            last[47] = 0x72;
            _refuseSignature(k, last, bytes4(0));
        }
        // Only the lower 128 bits differ from 0.
        bytes memory one = new bytes(48);
        one[47] = 0x01;
        _refuseSignature(0, one, bytes4(0));
    }

    function test_verify_keyOutOfRange_reverts() public view {
        for (uint256 k; k < 2; ++k) {
            Vector memory v = _plain;
            _write(v.key, 48 * k, P);
            _refuse(v, abi.encodeWithSelector(P384.P384Key.selector));
            _write(v.key, 48 * k, _filled(0xff));
            _refuse(v, abi.encodeWithSelector(P384.P384Key.selector));
        }
    }

    function test_verify_pointR_reverts() public view {
        Vector memory v = _plain;
        v.hints[0] = 0x01;
        _refuse(v, abi.encodeWithSelector(P384.P384PointR.selector));
        v.hints[0] = 0x02;
        _refuse(v, abi.encodeWithSelector(P384.P384PointR.selector));
        // r = p - n - 1 and p - n: the last x below p, and p itself.
        v = _vector("wideX");
        v.hints[0] = 0x01;
        bytes memory gap =
            hex"000000000000000000000000000000000000000000000000389cb27e0bc8d21fa7e5f24cb74f58851313e696333ad68c";
        _write(v.signature, 0, gap);
        _refuse(v, abi.encodeWithSelector(P384.P384PointR.selector));
        gap[47] = 0x8b;
        _write(v.signature, 0, gap);
        _refuse(v, "");
    }

    function test_verify_doublings_reverts() public view {
        Vector memory v = _plain;
        // A byte of the nonce would have to follow each change: try some.
        v.hints[HEAD] = 0x21;
        _refuseTrying(v, abi.encodeWithSelector(P384.P384Doublings.selector, 192, 33));
        v = _plain;
        v.hints[HEAD] = bytes1(uint8(v.hints[HEAD]) + 1);
        uint256 steps = uint8(v.hints[HEAD - 1]);
        // One doubling too many in all: none is left for the last step that doubles, or the sum is another.
        v.hints[HEAD + 2 * steps - 2] = 0x20;
        _refuseTrying(v, "");
    }

    function testFuzz_verify_flippedBit_reverts(uint256 part, uint256 bit) public view {
        Vector memory v = _plain;
        bytes memory data = part % 4 == 0 ? v.digest : part % 4 == 1 ? v.signature : part % 4 == 2 ? v.key : v.hints;
        _flip(data, bit);
        _refuse(v, "");
    }

    function testFuzz_verify_flippedHint_reverts(uint256 bit) public view {
        Vector memory v = _plain;
        _flip(v.hints, bit);
        _refuse(v, "");
    }

    /// @dev The modulus would be a composite.
    function test_verify_nonce_reverts() public view {
        Vector memory v = _plain;
        v.hints[v.hints.length - 1] ^= 0x01;
        (bool success, bytes memory reason) = _try(v);
        assertFalse(success);
        assertEq(bytes4(reason), P384.P384Modulus.selector);
    }

    /// @dev With a nonce that gives a prime for the changed hints, so that the check behind it is reached.
    function _refuseTrying(Vector memory v, bytes memory expected) private view {
        uint256 end = v.hints.length;
        for (uint256 k; k < 65_536; ++k) {
            v.hints[end - 2] = bytes1(uint8(k >> 8));
            v.hints[end - 1] = bytes1(uint8(k));
            (bool success, bytes memory reason) = _try(v);
            assertFalse(success);
            if (bytes4(reason) == P384.P384Modulus.selector) continue;
            if (expected.length != 0) assertEq(reason, expected);
            return;
        }
        revert("no prime");
    }

    function _refuseSignature(uint256 place, bytes memory value, bytes4 error) private view {
        Vector memory v = _plain;
        _write(v.signature, 48 * place, value);
        _refuse(v, error == bytes4(0) ? bytes("") : abi.encodeWithSelector(error));
    }

    function _verify(Vector memory v) private view {
        _harness.verify(v.digest, v.signature, v.key, v.hints);
    }

    function _try(Vector memory v) private view returns (bool success, bytes memory reason) {
        return address(_harness).staticcall(abi.encodeCall(P384Harness.verify, (v.digest, v.signature, v.key, v.hints)));
    }

    /// @dev Reverts with this error, or with any of the library's if it is empty.
    function _refuse(Vector memory v, bytes memory expected) private view {
        (bool success, bytes memory reason) = _try(v);
        assertFalse(success, "accepted");
        if (expected.length != 0) return assertEq(reason, expected);
        bytes4[10] memory known = [
            P384.P384Lengths.selector,
            P384.P384Scalar.selector,
            P384.P384Key.selector,
            P384.P384PointR.selector,
            P384.P384HintsLength.selector,
            P384.P384Doublings.selector,
            P384.P384WithoutR.selector,
            P384.P384Modulus.selector,
            P384.P384Sum.selector,
            P384.P384Multiples.selector
        ];
        for (uint256 k; k < known.length; ++k) {
            if (bytes4(reason) == known[k]) return;
        }
        revert("not a typed error");
    }

    function _flip(bytes memory data, uint256 bit) private pure {
        bit = bit % (8 * data.length);
        data[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
    }

    function _write(bytes memory data, uint256 at, bytes memory value) private pure {
        for (uint256 k; k < value.length; ++k) {
            data[at + k] = value[k];
        }
    }

    function _filled(uint8 value) private pure returns (bytes memory data) {
        data = new bytes(48);
        for (uint256 k; k < 48; ++k) {
            data[k] = bytes1(value);
        }
    }

    function _vector(string memory name) private view returns (Vector memory v) {
        v = _vectors[keccak256(bytes(name))];
        assertEq(v.digest.length, 48);
    }
}
