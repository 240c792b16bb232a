// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Bn254} from "../libraries/Bn254.sol";

/// @title Verification keys of Groth16 circuits, stored as code
/// @notice A key is `alpha` (G1), `beta`, `gamma`, `delta` (G2), then a point of G1 for the constant and one for each public input; points as
///         the precompiles take them, G2 with the imaginary part first. It lies behind a first byte 0 (STOP) in the code of a contract
///         that does nothing.
library KeyStore {
    /// @notice The key's length fits no number of public inputs, or no contract's code.
    error KeyLength(uint256 got);
    /// @notice A point of the key is infinity, or no point of its group.
    error KeyPointInvalid(uint256 offset);
    /// @notice The code could not be stored.
    error StoringFailed();

    /// @notice Where the points lie in a key.
    uint256 internal constant ALPHA = 0;
    uint256 internal constant BETA = 64;
    uint256 internal constant GAMMA = 192;
    uint256 internal constant DELTA = 320;
    uint256 internal constant INPUTS = 448;
    /// @notice Most bytes of a key: code has at most 24,576 (EIP-170), the first of which is the STOP.
    uint256 internal constant MOST_BYTES = 24_575;

    /// @notice Stores a key.
    /// @dev What is checked here is never checked again: `Groth16` takes stored keys as they are.
    function write(bytes memory key) internal returns (address holder) {
        uint256 length = key.length;
        if (length < INPUTS + Bn254.G1_BYTES || length > MOST_BYTES || length % Bn254.G1_BYTES != 0) {
            revert KeyLength(length);
        }
        _checkG1(key, ALPHA);
        // INVARIANT: no point is infinity. An input whose point is infinity would be bound by no proof.
        for (uint256 at = INPUTS; at < length; at += Bn254.G1_BYTES) {
            _checkG1(key, at);
        }
        _checkG2(key, BETA);
        _checkG2(key, GAMMA);
        _checkG2(key, DELTA);
        bytes memory code = bytes.concat(hex"61000080600a3d393df300", key);
        // SAFETY: the two bytes after PUSH2 become the number of bytes that the ten of them return: the STOP and the key.
        assembly ("memory-safe") {
            mstore8(add(code, 0x21), shr(8, add(length, 1)))
            mstore8(add(code, 0x22), add(length, 1))
            holder := create(0, add(code, 0x20), mload(code))
        }
        if (holder == address(0)) revert StoringFailed();
    }

    /// @notice Reads a key.
    function read(address holder) internal view returns (bytes memory key) {
        uint256 size = holder.code.length;
        if (size < INPUTS + Bn254.G1_BYTES + 1) revert KeyLength(size);
        key = new bytes(size - 1);
        // SAFETY: writes the whole of `key` and nothing else.
        assembly ("memory-safe") {
            extcodecopy(holder, add(key, 0x20), 1, mload(key))
        }
    }

    function _checkG1(bytes memory key, uint256 offset) private view {
        uint256[2] memory sum;
        bool zero;
        uint256 at;
        uint256 to;
        // SAFETY: reads 64 bytes of `key`; the caller keeps the offset within it.
        assembly ("memory-safe") {
            at := add(add(key, 0x20), offset)
            zero := iszero(or(mload(at), mload(add(at, 0x20))))
            to := sum
        }
        if (zero || !Bn254.addTo(to, at)) revert KeyPointInvalid(offset);
    }

    function _checkG2(bytes memory key, uint256 offset) private view {
        // Paired with infinity: the precompile looks at the point all the same.
        uint256[6] memory pair;
        bool zero;
        uint256 at;
        // SAFETY: reads 128 bytes of `key`; the caller keeps the offset within it.
        assembly ("memory-safe") {
            at := pair
            mcopy(add(pair, 0x40), add(add(key, 0x20), offset), 0x80)
            zero := iszero(
                or(
                    or(mload(add(pair, 0x40)), mload(add(pair, 0x60))),
                    or(mload(add(pair, 0x80)), mload(add(pair, 0xa0)))
                )
            )
        }
        if (zero || !Bn254.pairing(at, 1)) revert KeyPointInvalid(offset);
    }
}
