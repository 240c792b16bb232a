// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {P256Ecdsa} from "src/attestation/P256Ecdsa.sol";
import {TdxHarness} from "../harness/TdxHarness.sol";

/// @notice P-256 with and without the precompile: forge signs, and every case runs on both kinds of chains.
contract P256EcdsaTest is Test {
    uint256 private constant N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551;
    uint256 private constant P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffff;
    address private constant PRECOMPILE = address(0x100);

    TdxHarness private _harness;

    function setUp() public {
        _harness = new TdxHarness();
    }

    function testFuzz_verify_signed_succeeds(uint256 secret, bytes32 digest) public {
        secret = bound(secret, 1, N - 1);
        (bytes memory key, bytes memory signature) = _signed(secret, digest);
        _accepts(digest, signature, key);
        // The twin.
        (bytes32 r, uint256 s) = abi.decode(signature, (bytes32, uint256));
        _accepts(digest, abi.encode(r, N - s), key);
    }

    /// forge-config: default.fuzz.runs = 32
    function testFuzz_verify_flippedBit_reverts(uint256 secret, bytes32 digest, uint256 bit) public {
        secret = bound(secret, 1, N - 1);
        (bytes memory key, bytes memory signature) = _signed(secret, digest);
        bytes32 other = digest ^ bytes32(1 << (bit % 256));
        _refuses(other, signature, key);
        bytes memory data = bit & 1 == 0 ? key : signature;
        bit = (bit >> 8) % 512;
        data[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        _refuses(digest, signature, key);
    }

    function test_verify_edges_succeeds() public {
        bytes32[5] memory digests =
            [bytes32(0), bytes32(uint256(1)), bytes32(N - 1), bytes32(N), bytes32(type(uint256).max)];
        uint256[6] memory secrets = [uint256(1), 2, 3, N - 1, N - 2, 1 << 255];
        for (uint256 k; k < secrets.length; ++k) {
            for (uint256 j; j < digests.length; ++j) {
                (bytes memory key, bytes memory signature) = _signed(secrets[k], digests[j]);
                _accepts(digests[j], signature, key);
            }
        }
    }

    function test_verify_outOfRange_reverts() public {
        (bytes memory key, bytes memory signature) = _signed(7, "digest");
        (uint256 r, uint256 s) = abi.decode(signature, (uint256, uint256));
        _refuses("digest", abi.encode(0, s), key);
        _refuses("digest", abi.encode(r, 0), key);
        _refuses("digest", abi.encode(N, s), key);
        _refuses("digest", abi.encode(r, N), key);
        _refuses("digest", abi.encode(r, type(uint256).max), key);
        _refuses("digest", abi.encode(0, 0), key);
        unchecked {
            // The same numbers modulo n, as far as they fit.
            _refuses("digest", abi.encode(r, N + 1), key);
        }
        (uint256 x, uint256 y) = abi.decode(key, (uint256, uint256));
        _refuses("digest", signature, abi.encode(x, P - y));
        _refuses("digest", signature, abi.encode(x, y ^ 1));
        _refuses("digest", signature, abi.encode(P, y));
        _refuses("digest", signature, abi.encode(x, P));
        _refuses("digest", signature, abi.encode(0, 0));
    }

    /// @dev A point with x below 2^256 - p has a second encoding, which must not verify: x + p.
    function test_verify_unreducedKey_reverts() public {
        // x = 5 is on the curve: y^2 = 125 - 15 + b.
        uint256 y = 0x459243b9aa581806fe913bce99817ade11ca503c64d9a3c533415c083248fbcc;
        _refuses("digest", abi.encode(1, 1), abi.encode(P + 5, y));
    }

    function test_verify_lengths_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(P256Ecdsa.P256Lengths.selector, 63, 64));
        _harness.p256("digest", new bytes(63), new bytes(64));
        vm.expectRevert(abi.encodeWithSelector(P256Ecdsa.P256Lengths.selector, 64, 65));
        _harness.p256("digest", new bytes(64), new bytes(65));
    }

    function test_snapshot_p256() public {
        (bytes memory key, bytes memory signature) = _signed(7, "digest");
        _harness.p256("digest", signature, key);
        vm.snapshotGasLastCall("attestation", "p256ByPrecompile");
        vm.mockCall(PRECOMPILE, bytes(""), bytes(""));
        _harness.p256("digest", signature, key);
        vm.snapshotGasLastCall("attestation", "p256InSolidity");
    }

    /// @dev Chains with the precompile and without it: there a call returns nothing.
    modifier onBothChains() {
        assertTrue(_hasPrecompile(), "precompile");
        _;
        vm.mockCall(PRECOMPILE, bytes(""), bytes(""));
        assertFalse(_hasPrecompile(), "no precompile");
        _;
        vm.clearMockedCalls();
    }

    function _accepts(bytes32 digest, bytes memory signature, bytes memory key) private onBothChains {
        _harness.p256(digest, signature, key);
    }

    function _refuses(bytes32 digest, bytes memory signature, bytes memory key) private onBothChains {
        (bool success, bytes memory reason) =
            address(_harness).staticcall(abi.encodeCall(TdxHarness.p256, (digest, signature, key)));
        assertFalse(success, "accepted");
        assertEq(reason, abi.encodeWithSelector(P256Ecdsa.P256Signature.selector));
    }

    function _hasPrecompile() private view returns (bool) {
        (bytes memory key, bytes memory signature) = _signed(7, "digest");
        (, bytes memory result) = PRECOMPILE.staticcall(bytes.concat("digest", new bytes(26), signature, key));
        return result.length == 32;
    }

    function _signed(uint256 secret, bytes32 digest) private pure returns (bytes memory key, bytes memory signature) {
        (uint256 x, uint256 y) = vm.publicKeyP256(secret);
        (bytes32 r, bytes32 s) = vm.signP256(secret, digest);
        return (abi.encode(x, y), abi.encode(r, s));
    }
}
