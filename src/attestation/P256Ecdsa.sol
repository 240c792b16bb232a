// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";

/// @title ECDSA over P-256, as hardware vendors sign
/// @notice By the precompile at 0x100 (RIP-7212, EIP-7951) where the chain has it, else in Solidity (about 230,000 gas): `P256` finds out
///         at each call.
/// @dev Intel signs with either of s and n - s, and `P256` takes the smaller only. Both verify here, so a signature is no identity: identify
///      evidence by what is signed.
library P256Ecdsa {
    /// @notice Signature and key have 64 bytes each.
    error P256Lengths(uint256 signature, uint256 key);
    /// @notice The signature is wrong, a number is out of range, or the key is no point of the curve.
    error P256Signature();

    /// @notice Returns if the signature is valid, and reverts otherwise.
    /// @param digest SHA-256 of the message.
    /// @param signature r and s, 32 bytes big-endian each.
    /// @param key x and y, 32 bytes big-endian each.
    function verify(bytes32 digest, bytes memory signature, bytes memory key) internal view {
        if (signature.length != 64 || key.length != 64) revert P256Lengths(signature.length, key.length);
        bytes32 r;
        uint256 s;
        bytes32 x;
        bytes32 y;
        // SAFETY: reads 64 bytes of each.
        assembly ("memory-safe") {
            r := mload(add(signature, 0x20))
            s := mload(add(signature, 0x40))
            x := mload(add(key, 0x20))
            y := mload(add(key, 0x40))
        }
        // INVARIANT: only an s below n has a twin; one above stays as it is, and is refused.
        if (s > P256.N / 2 && s < P256.N) s = P256.N - s;
        if (!P256.verify(digest, r, bytes32(s), x, y)) revert P256Signature();
    }
}
