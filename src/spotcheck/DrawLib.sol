// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ReceiptHash} from "../types/OtrTypes.sol";

/// @title What is drawn (docs/draws.md)
/// @notice Pure functions of random values (`IRandomness`), the same in `ts/spotcheck/draws.ts`. Draw 1 picks receipts of a batch and one step of
///         each; draw 2 instructions and elements of that step; draw 3 blocks of a long fold. Each has a round of its own.
/// @dev A number below `n` is a hash modulo `n`. `n` is below 2^40 wherever it comes from, so that no number is more likely than another by more
///      than one part in 2^216.
library DrawLib {
    /// @notice There is nothing to draw from.
    error NothingToDrawFrom();

    bytes32 private constant BATCH = keccak256("OTR/draw-batch/1");
    bytes32 private constant LOT = keccak256("OTR/draw-lot/1");
    bytes32 private constant STEP = keccak256("OTR/draw-step/1");
    bytes32 private constant PAIR = keccak256("OTR/draw-pair/1");
    bytes32 private constant ELEMENT = keccak256("OTR/draw-element/1");
    bytes32 private constant BLOCK = keccak256("OTR/draw-block/1");

    // ---------------------------------------------------------------- draw 1: receipts and steps

    /// @notice Seed of a batch's lots.
    /// @param value Of the first round after the commit and Delta.
    /// @param batch The batch's number in the rollup at `rollup`.
    function batchSeed(bytes32 value, address rollup, uint256 batch) internal view returns (bytes32) {
        return keccak256(abi.encode(BATCH, value, block.chainid, rollup, batch));
    }

    /// @notice A batch of `count` receipts is cut into strips of `stride` receipts, the last one maybe shorter. How many strips it has.
    function strips(uint256 count, uint256 stride) internal pure returns (uint256) {
        if (stride == 0) revert NothingToDrawFrom();
        return (count + stride - 1) / stride;
    }

    /// @notice The receipt that is drawn of a strip. A place is drawn among all `stride` places; of a shorter strip it may be an empty one.
    ///         So every receipt of every batch is drawn with the same probability, `1 / stride`, however receipts are put into batches.
    /// @return any Whether there is a receipt at the place that was drawn.
    /// @return index Its number in the batch.
    function drawnIn(bytes32 seed, uint256 strip, uint256 count, uint256 stride)
        internal
        pure
        returns (bool any, uint256 index)
    {
        // INVARIANT: only strips of the batch are drawn from.
        if (strip >= strips(count, stride)) revert NothingToDrawFrom();
        index = strip * stride + _below(keccak256(abi.encode(LOT, seed, strip)), stride);
        any = index < count;
    }

    /// @notice How many receipts of a batch are drawn: one of each full strip, and maybe one of a shorter last one.
    function drawnCount(bytes32 seed, uint256 count, uint256 stride) internal pure returns (uint256 drawn) {
        if (stride == 0) revert NothingToDrawFrom();
        drawn = count / stride;
        if (count % stride == 0) return drawn;
        (bool any,) = drawnIn(seed, drawn, count, stride);
        if (any) ++drawn;
    }

    /// @notice Whether a receipt of a batch is drawn; `index` is below the batch's count.
    function isDrawn(bytes32 seed, uint256 index, uint256 stride) internal pure returns (bool) {
        if (stride == 0) revert NothingToDrawFrom();
        uint256 strip = index / stride;
        return index % stride == _below(keccak256(abi.encode(LOT, seed, strip)), stride);
    }

    /// @notice The step that is drawn of a receipt, uniform over its `steps`.
    /// @dev Batch and place have no part: a receipt that is drawn in two batches by one round is asked for one step.
    /// @param value Of the round that drew the receipt.
    function stepOf(bytes32 value, ReceiptHash receipt, uint256 steps) internal pure returns (uint256) {
        return _below(keccak256(abi.encode(STEP, value, receipt)), steps);
    }

    // ---------------------------------------------------------------- draw 2: instructions and elements

    /// @notice The instruction of a pair, uniform over the program's `instructions`, whatever they cost or how many elements they have.
    /// @param value Of the first round after the step's root was posted, and Delta.
    /// @param pair 0, 1, ..: pairs are drawn independently.
    function instructionOf(bytes32 value, ReceiptHash receipt, uint256 pair, uint256 instructions)
        internal
        pure
        returns (uint256)
    {
        return _below(keccak256(abi.encode(PAIR, value, receipt, pair)), instructions);
    }

    /// @notice The element of a pair, uniform over the `elements` of the row that its instruction makes in the drawn step.
    function elementOf(bytes32 value, ReceiptHash receipt, uint256 pair, uint256 elements)
        internal
        pure
        returns (uint256)
    {
        return _below(keccak256(abi.encode(ELEMENT, value, receipt, pair)), elements);
    }

    // ---------------------------------------------------------------- draw 3: blocks of long folds

    /// @notice A block of the fold that makes a pair's element, uniform over its `blocks`.
    /// @param value Of the first round after the fold's accumulators were posted, and Delta.
    /// @param number 0, 1, ..: several blocks of one fold are drawn independently.
    function blockOf(bytes32 value, ReceiptHash receipt, uint256 pair, uint256 number, uint256 blocks)
        internal
        pure
        returns (uint256)
    {
        return _below(keccak256(abi.encode(BLOCK, value, receipt, pair, number)), blocks);
    }

    function _below(bytes32 hash, uint256 n) private pure returns (uint256) {
        if (n == 0) revert NothingToDrawFrom();
        return uint256(hash) % n;
    }
}
