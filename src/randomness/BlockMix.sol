// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IRandomness} from "../interfaces/IRandomness.sol";
import {Clock, Duration, Timestamp} from "../libraries/Clock.sol";
import {BlockHeader} from "./BlockHeader.sol";
import {Rounds} from "./Rounds.sol";

/// @title Rounds from the chain's own blocks, for the time when no beacon lives
/// @notice A round's value is made of the last bit of the hashes of 128 blocks in a row: the first block whose time is not before the round's,
///         and those after it. The proof is that block's header and, before it, its parent's, RLP-encoded; hashes come from EIP-2935's
///         history. Whoever builds the last block of the row chooses one bit, so of two values; whoever builds the last `k`, of `2^k`, and
///         the sequencer of a chain that has only one builds them all. Trusted is that who builds these blocks does not collude with who is
///         drawn from. prevrandao is not used: it is constant on some chains and known to the sequencer on others.
/// @dev A round that nobody delivers while the history holds its blocks (8,191 blocks on most chains) is lost. It is never redrawn here: else
///      who dislikes a value would wait until it is lost.
contract BlockMix is Rounds {
    /// @notice The chain has no history of block hashes.
    error NoBlockHistory();
    /// @notice The history does not hold this block: it is too old, or has no successor yet.
    error BlockUnknown(uint256 number);

    /// @notice Blocks that give a bit each.
    uint256 public constant BLOCKS = 128;
    address private constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;
    bytes32 private constant TAG = keccak256("OTR/block-mix/1");

    /// @inheritdoc IRandomness
    bytes32 public constant kind = "BLOCKS";

    constructor(Timestamp genesis, Duration period) Rounds(genesis, period) {
        if (HISTORY.code.length == 0) revert NoBlockHistory();
    }

    /// @inheritdoc Rounds
    function _prove(uint64 round, bytes calldata proof) internal view override returns (bytes32 value) {
        uint256 number = _firstBlock(round, proof);
        uint256 bits;
        for (uint256 i; i < BLOCKS; ++i) {
            bits = bits << 1 | uint256(_hashOf(number + i)) & 1;
        }
        value = keccak256(abi.encode(TAG, block.chainid, round, bits));
    }

    /// @dev Number of the first block whose time is not before the round's.
    function _firstBlock(uint64 round, bytes calldata proof) private view returns (uint256) {
        uint256 split = BlockHeader.size(proof);
        if (split == 0 || split > proof.length) revert ProofRejected(round);
        BlockHeader.Fields memory parent = BlockHeader.read(proof[:split]);
        BlockHeader.Fields memory first = BlockHeader.read(proof[split:]);
        Timestamp due = dueAt(round);
        // INVARIANT: one block answers a round, whoever delivers: the one whose time has reached the round's, while its parent's has not.
        if (
            !first.ok || !parent.ok || Clock.fromSeconds(first.time).isBefore(due)
                || !Clock.fromSeconds(parent.time).isBefore(due) || keccak256(proof[split:]) != _hashOf(first.number)
                || keccak256(proof[:split]) != first.parentHash
        ) revert ProofRejected(round);
        return first.number;
    }

    /// @dev EIP-2935: a call with the number as its whole data returns the hash, or reverts.
    function _hashOf(uint256 height) private view returns (bytes32 hash) {
        bool ok;
        // SAFETY: scratch space only.
        assembly ("memory-safe") {
            mstore(0x00, height)
            ok := and(eq(returndatasize(), 0x20), staticcall(gas(), HISTORY, 0x00, 0x20, 0x00, 0x20))
            hash := mload(0x00)
        }
        if (!ok || hash == 0) revert BlockUnknown(height);
    }
}
