// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {Sha384} from "src/attestation/Sha384.sol";

/// @notice Calls the library from outside, so that its gas is a transaction's.
contract Sha384Harness {
    function sha384(bytes memory message) external pure returns (bytes memory) {
        return Sha384.sha384(message);
    }
}

/// @notice FIPS 180-4 examples, and chains of digests that node:crypto made (`ts/attestation/vectors/sha2.ts`).
contract Sha384Test is Test {
    uint256 private constant CASES = 1024;
    uint256 private constant EVERY = 128;

    function test_sha384_fipsExamples_succeeds() public pure {
        assertEq(
            Sha384.sha384(""),
            hex"38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b"
        );
        assertEq(
            Sha384.sha384("abc"),
            hex"cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"
        );
        assertEq(
            Sha384.sha384(
                "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"
            ),
            hex"09330c33f71147e83d192fc782cd1b4753111b173b3b05d22fa08086e3b0f712fcc7c71a557e2db966c3e9fa91746039"
        );
    }

    function test_sha512_fipsExamples_succeeds() public pure {
        assertEq(
            Sha384.sha512("abc"),
            hex"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        );
    }

    function test_sha384_millionBytes_succeeds() public pure {
        bytes memory message = new bytes(1_000_000);
        for (uint256 k; k < message.length; k += 32) {
            // SAFETY: the last word ends within the padding of the array: 10^6 is a multiple of 32.
            assembly ("memory-safe") {
                mstore(add(add(message, 0x20), k), mul(0x61, div(not(0), 0xff)))
            }
        }
        assertEq(
            Sha384.sha384(message),
            hex"9d0e1809716474cb086e834e310a4a1ced149e9c00f248527972cec5704c2a5b07b8b3dc38ecc4ebae97ddd87f3d8985"
        );
    }

    /// @dev Case k hashes the first k bytes of a stream, for SHA-512 of a second one; every length around a block's end occurs.
    function testDiff_sha2_nodeCrypto_succeeds() public view {
        string memory json = vm.readFile("test/vectors/attestation/sha2.json");
        bytes32[] memory chain384 = vm.parseJsonBytes32Array(json, ".sha384");
        bytes32[] memory chain512 = vm.parseJsonBytes32Array(json, ".sha512");
        assertEq(chain384.length, CASES / EVERY);
        bytes memory stream = _stream("sha384");
        bytes memory other = _stream("sha512");
        bytes32 links384;
        bytes32 links512;
        for (uint256 k; k < CASES; ++k) {
            uint256 free;
            // SAFETY: shortens both streams, and gives back what the last case allocated: nothing of it is used any more.
            assembly ("memory-safe") {
                mstore(stream, and(k, 0x1ff))
                mstore(other, and(k, 0x1ff))
                free := mload(0x40)
                // The first byte makes the cases of a length differ.
                mstore8(add(stream, 0x20), shr(2, k))
                mstore8(add(other, 0x20), shr(2, k))
            }
            links384 = keccak256(bytes.concat(links384, Sha384.sha384(stream)));
            links512 = keccak256(bytes.concat(links512, Sha384.sha512(other)));
            assembly {
                mstore(0x40, free)
            }
            if (k % EVERY == EVERY - 1) {
                assertEq(links384, chain384[k / EVERY], "sha384");
                assertEq(links512, chain512[k / EVERY], "sha512");
            }
        }
    }

    /// @dev Memory behind the message must not count, and the message stays as it is.
    function testFuzz_sha384_leavesItsInput_succeeds(bytes memory message, bytes32 behind) public pure {
        bytes32 before = keccak256(message);
        bytes memory digest = Sha384.sha384(message);
        assertEq(keccak256(message), before);
        // SAFETY: free memory, which the next call must not take for zero.
        assembly ("memory-safe") {
            let free := mload(0x40)
            for { let k := 0 } lt(k, 0x2000) { k := add(k, 0x20) } { mstore(add(free, k), behind) }
        }
        assertEq(Sha384.sha384(message), digest);
    }

    function test_snapshot_sha384() public {
        Sha384Harness harness = new Sha384Harness();
        uint256 before = gasleft();
        harness.sha384(new bytes(4021));
        vm.snapshotGasLastCall("attestation", "sha384Of4021Bytes");
        assertLt(before - gasleft(), 1_600_000);
    }

    function _stream(string memory name) private pure returns (bytes memory stream) {
        for (uint256 k; k < 16; ++k) {
            stream = bytes.concat(stream, keccak256(abi.encode(name, k)));
        }
    }
}
