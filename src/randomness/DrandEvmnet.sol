// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IRandomness} from "../interfaces/IRandomness.sol";
import {Bn254} from "../libraries/Bn254.sol";
import {Duration, Timestamp} from "../libraries/Clock.sol";
import {HashToG1} from "./HashToG1.sol";
import {Rounds} from "./Rounds.sol";

/// @title Rounds of a drand network with the scheme bls-bn254-unchained-on-g1, such as evmnet
/// @notice A round's value is what drand publishes as its randomness: sha256 of the round's signature. The proof is that signature, 64 bytes,
///         as drand's HTTP API gives it. A round has one signature, which nobody can make before a threshold of drand's members signs.
///         Trusted is that fewer members than the threshold collude, and that the others go on signing.
contract DrandEvmnet is Rounds {
    /// @notice The key is not a point of G2 other than infinity.
    error PublicKeyInvalid();

    // The generator of G2, negated.
    uint256 private constant NEGATIVE_X1 = 0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2;
    uint256 private constant NEGATIVE_X0 = 0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed;
    uint256 private constant NEGATIVE_Y1 = 0x275dc4a288d1afb3cbb1ac09187524c7db36395df7be3b99e673b13a075a65ec;
    uint256 private constant NEGATIVE_Y0 = 0x1d9befcd05a5323e6da4d435f3b617cdb3af83285c2df711ef39c01571827f9d;

    /// @inheritdoc IRandomness
    bytes32 public constant kind = "DRAND";
    /// @notice The network's public key, in drand's order: x imaginary, x real, y imaginary, y real.
    uint256 public immutable KEY_X1;
    uint256 public immutable KEY_X0;
    uint256 public immutable KEY_Y1;
    uint256 public immutable KEY_Y0;

    /// @param key The network's public key, 128 bytes as in its chain information.
    /// @param genesis Time of its first round.
    /// @param period Seconds between its rounds.
    constructor(uint256[4] memory key, Timestamp genesis, Duration period) Rounds(genesis, period) {
        // INVARIANT: with the point at infinity as key everybody could sign, with infinity.
        bool infinity = key[0] | key[1] | key[2] | key[3] == 0;
        uint256[6] memory pair = [0, 0, key[0], key[1], key[2], key[3]];
        uint256 at;
        // SAFETY: only an address.
        assembly ("memory-safe") {
            at := pair
        }
        if (infinity || !Bn254.pairing(at, 1)) revert PublicKeyInvalid();
        (KEY_X1, KEY_X0, KEY_Y1, KEY_Y0) = (key[0], key[1], key[2], key[3]);
    }

    /// @inheritdoc Rounds
    function _prove(uint64 round, bytes calldata proof) internal view override returns (bytes32 value) {
        // INVARIANT: a round has one proof. Coordinates not below P, which the precompile refuses, would be further encodings of it.
        if (proof.length != Bn254.G1_BYTES) revert ProofRejected(round);
        uint256[2] memory point = HashToG1.hash(keccak256(abi.encodePacked(round)));
        // e(signature, -G) e(H(round), key) = 1
        uint256[12] memory pairs = [
            uint256(bytes32(proof[:32])),
            uint256(bytes32(proof[32:])),
            NEGATIVE_X1,
            NEGATIVE_X0,
            NEGATIVE_Y1,
            NEGATIVE_Y0,
            point[0],
            point[1],
            KEY_X1,
            KEY_X0,
            KEY_Y1,
            KEY_Y0
        ];
        uint256 at;
        // SAFETY: only an address.
        assembly ("memory-safe") {
            at := pairs
        }
        if (!Bn254.pairing(at, 2)) revert ProofRejected(round);
        value = sha256(proof);
    }
}
