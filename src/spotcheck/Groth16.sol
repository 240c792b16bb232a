// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Bn254} from "../libraries/Bn254.sol";
import {KeyStore} from "./KeyStore.sol";

/// @title Groth16 proofs over BN254, several at once (EUROCRYPT 2016, Groth, section 3.2)
/// @notice A proof (A, B, C) of public inputs x is valid if `e(A, B) = e(alpha, beta) e(L(x), gamma) e(C, delta)`, where
///         `L(x) = K0 + x1 K1 + ... `. Several equations are checked as one, each raised to a random power: a false one among them passes
///         with a probability of 2^-128. The powers are drawn from a hash of all proofs, inputs and keys, the first is one. Equal points of G2
///         share a pairing: `n` proofs under `k` keys of one setup (alpha, beta, gamma) take `n + 2 + k`.
/// @dev Proofs can be changed into other valid proofs of the same inputs by anyone who has seen them (`t A, B / t, C`): a proof identifies nothing.
///      What a proof is about stands in its inputs alone.
library Groth16 {
    /// @notice A statement to be proven.
    /// @param key Where `KeyStore` holds the circuit's key.
    /// @param inputs Public inputs, each below the field's order.
    struct Claim {
        address key;
        uint256[] inputs;
    }

    /// @notice There must be one proof of 256 bytes for each claim, and a claim.
    error ProofsLength(uint256 expected, uint256 got);
    /// @notice The circuit has another number of public inputs.
    error InputsLength(address key, uint256 expected, uint256 got);
    /// @notice Keys of one call must come from one setup: alpha, beta and gamma are equal.
    error AnotherSetup(address key);

    /// @notice A in G1, B in G2 (imaginary parts first), C in G1.
    uint256 internal constant PROOF_BYTES = 256;
    uint256 private constant G1_BYTES = Bn254.G1_BYTES;
    uint256 private constant PAIR_BYTES = Bn254.PAIR_BYTES;

    /// @dev What is gathered from all claims. Points and pairs are addresses of memory.
    /// @param powers One for each claim, below 2^128.
    /// @param pairs Input of the pairing: A and B of each proof, alpha and beta, L and gamma, then for each key C and delta.
    /// @param count Pairs so far.
    /// @param setup keccak256 of alpha, beta and gamma.
    /// @param product A point for what is in between.
    struct Work {
        uint256[] powers;
        uint256 pairs;
        uint256 count;
        bytes32 setup;
        uint256 product;
    }

    /// @notice Whether all proofs are valid. Whatever the bytes of the proofs, this answers. `false` proves nothing: too little gas gives it
    ///         too. A malformed point burns all gas that is left but for a 64th part.
    /// @param proofs One after the other, 256 bytes each, in the order of the claims.
    function verify(Claim[] memory claims, bytes calldata proofs) internal view returns (bool) {
        uint256 n = claims.length;
        if (n == 0 || proofs.length != n * PROOF_BYTES) revert ProofsLength(n * PROOF_BYTES, proofs.length);
        Work memory work;
        work.powers = _powers(claims, proofs);
        work.pairs = _allocate(PAIR_BYTES * (2 * n + 2));
        work.product = _allocate(G1_BYTES);
        work.count = n + 2;
        for (uint256 i; i < n; ++i) {
            // INVARIANT: an input has one encoding. `x + R` would be the same input to the curve, and another one to whoever keeps it.
            if (!_areReduced(claims[i].inputs)) return false;
            uint256 pair = work.pairs + PAIR_BYTES * i;
            _load(pair, proofs, i * PROOF_BYTES, PAIR_BYTES);
            if (i != 0 && !Bn254.multiply(pair, pair, work.powers[i])) return false;
        }
        for (uint256 i; i < n; ++i) {
            if (_isFirstOfItsKey(claims, i) && !_addKey(work, claims, proofs, i)) return false;
        }
        _negate(work.pairs + PAIR_BYTES * n);
        _negate(work.pairs + PAIR_BYTES * (n + 1));
        return Bn254.pairing(work.pairs, work.count);
    }

    /// @dev Adds what the claims under one key contribute, the first of which is number `first`.
    function _addKey(Work memory work, Claim[] memory claims, bytes calldata proofs, uint256 first)
        private
        view
        returns (bool)
    {
        uint256 key = _enterKey(work, claims, first);
        uint256 pair = work.pairs + PAIR_BYTES * (work.count - 1);
        uint256[] memory scalars = new uint256[](claims[first].inputs.length + 1);
        for (uint256 i = first; i < claims.length; ++i) {
            if (claims[i].key != claims[first].key) continue;
            uint256 power = work.powers[i];
            _addScalars(scalars, claims[i], power);
            _load(work.product, proofs, i * PROOF_BYTES + PAIR_BYTES, G1_BYTES);
            if (!_addMultiple(pair, work.product, power, work.product)) return false;
        }
        _negate(pair);
        uint256 sum = work.pairs + PAIR_BYTES * (claims.length + 1);
        for (uint256 k; k < scalars.length; ++k) {
            uint256 point = key + KeyStore.INPUTS + G1_BYTES * k;
            if (!_addMultiple(sum, point, scalars[k], work.product)) return false;
        }
        return true;
    }

    /// @dev Reads a key and writes its points of G2, and alpha to the sum of all powers.
    /// @return key Where it lies in memory.
    function _enterKey(Work memory work, Claim[] memory claims, uint256 first) private view returns (uint256 key) {
        bytes memory data = KeyStore.read(claims[first].key);
        // INVARIANT: a key has one point for each input and one more, so that no input is left out.
        uint256 inputs = (data.length - KeyStore.INPUTS) / G1_BYTES - 1;
        if (inputs != claims[first].inputs.length) {
            revert InputsLength(claims[first].key, inputs, claims[first].inputs.length);
        }
        bytes32 setup;
        // SAFETY: hashes alpha, beta and gamma.
        assembly ("memory-safe") {
            key := add(data, 0x20)
            setup := keccak256(key, 0x140)
        }
        if (first == 0) {
            work.setup = setup;
            uint256 pair = work.pairs + PAIR_BYTES * claims.length;
            uint256 total;
            for (uint256 i; i < claims.length; ++i) {
                total += work.powers[i];
            }
            // Alpha is in its group: the key was checked when it was stored.
            _addMultiple(pair, key + KeyStore.ALPHA, total, work.product);
            _copy(pair + G1_BYTES, key + KeyStore.BETA);
            _copy(pair + PAIR_BYTES + G1_BYTES, key + KeyStore.GAMMA);
        } else if (setup != work.setup) {
            revert AnotherSetup(claims[first].key);
        }
        _copy(work.pairs + PAIR_BYTES * work.count++ + G1_BYTES, key + KeyStore.DELTA);
    }

    /// @dev Adds the power, and the power times each input.
    function _addScalars(uint256[] memory scalars, Claim memory claim, uint256 power) private pure {
        uint256 inputs = claim.inputs.length;
        if (inputs + 1 != scalars.length) revert InputsLength(claim.key, scalars.length - 1, inputs);
        scalars[0] += power;
        for (uint256 k; k < inputs; ++k) {
            scalars[k + 1] = addmod(scalars[k + 1], mulmod(power, claim.inputs[k], Bn254.R), Bn254.R);
        }
    }

    /// @dev Adds a multiple of a point to a sum, by way of `product`.
    function _addMultiple(uint256 sum, uint256 point, uint256 scalar, uint256 product) private view returns (bool) {
        if (scalar == 0) return true;
        if (scalar == 1) return Bn254.addTo(sum, point);
        return Bn254.multiply(product, point, scalar) && Bn254.addTo(sum, product);
    }

    /// @dev The first power is one, the others are 128 bits of a hash of everything: whoever makes a proof has chosen it before it knows them.
    function _powers(Claim[] memory claims, bytes calldata proofs) private pure returns (uint256[] memory powers) {
        powers = new uint256[](claims.length);
        powers[0] = 1;
        if (claims.length == 1) return powers;
        bytes32 seed = keccak256(proofs);
        for (uint256 i; i < claims.length; ++i) {
            seed = keccak256(abi.encodePacked(seed, claims[i].key, claims[i].inputs));
        }
        for (uint256 i = 1; i < claims.length; ++i) {
            powers[i] = uint128(uint256(keccak256(abi.encode(seed, i))));
        }
    }

    function _areReduced(uint256[] memory inputs) private pure returns (bool) {
        for (uint256 i; i < inputs.length; ++i) {
            if (inputs[i] >= Bn254.R) return false;
        }
        return true;
    }

    function _isFirstOfItsKey(Claim[] memory claims, uint256 i) private pure returns (bool) {
        for (uint256 j; j < i; ++j) {
            if (claims[j].key == claims[i].key) return false;
        }
        return true;
    }

    function _allocate(uint256 size) private pure returns (uint256 at) {
        bytes memory zeros = new bytes(size);
        // SAFETY: only an address.
        assembly ("memory-safe") {
            at := add(zeros, 0x20)
        }
    }

    /// @dev Replaces a point that a precompile gave, so that its coordinates are below P, by its negative.
    function _negate(uint256 point) private pure {
        uint256 y;
        // SAFETY: the caller's point.
        assembly ("memory-safe") {
            y := mload(add(point, 0x20))
        }
        if (y == 0) return;
        y = Bn254.P - y;
        assembly ("memory-safe") {
            mstore(add(point, 0x20), y)
        }
    }

    /// @dev Copies a point of G2.
    function _copy(uint256 to, uint256 from) private pure {
        // SAFETY: the caller's places.
        assembly ("memory-safe") {
            mcopy(to, from, 0x80)
        }
    }

    /// @dev Copies from the proofs; the caller keeps the range within them.
    function _load(uint256 to, bytes calldata proofs, uint256 at, uint256 size) private pure {
        // SAFETY: the caller's place.
        assembly ("memory-safe") {
            calldatacopy(to, add(proofs.offset, at), size)
        }
    }
}
