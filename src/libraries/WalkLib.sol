// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Game, IDisputeGame, OpenedElement, Phase} from "../interfaces/IDisputeGame.sol";
import {BinaryTree} from "./BinaryTree.sol";
import {RowLib} from "./RowLib.sol";

/// @title A game's walk down a tree
/// @notice The walk knows one node and those of its descendants that were shown last. A choice names a
///         node below the known one; the next reveal rebuilds it from its own descendants and proves it by siblings against the known
///         node. So nothing shown needs to be stored, and whoever shows cannot cheat. A challenger that knows the executor's nodes may
///         jump below the shown ones.
library WalkLib {
    /// @notice Levels that one move shows below a tree's top or a chosen node, and that a choice descends at least.
    uint256 internal constant REVEAL_LEVELS = 4;
    /// @notice Below a node that was chosen at this level, or a lower one, its leaves are shown: 64 of them cost less than another turn of both sides.
    ///         Not so below a top, of which a challenger that jumps needs nothing.
    uint256 internal constant LAST_LEVELS = 6;
    /// @notice Most turns of a game: revealTrace, 4 times choose and reveal in a trace of 2^22 records, chooseStep; postFine; 7 times choose
    ///         and reveal in a fine tree of 2^32 rows; chooseRow, revealRow; 5 times choose and reveal in a row of 2^26 chunks;
    ///         chooseElement, postAccumulators, choosePart, postAccumulators, settleBlock.
    uint256 internal constant MAX_TURNS = 42;

    // ---------------------------------------------------------------- any tree

    /// @notice Puts the game at the top of a tree of `leaves` leaves.
    function enterTree(Game storage game, uint256 leaves) internal {
        game.leaves = uint32(leaves);
        game.level = uint8(BinaryTree.depth(leaves));
        game.index = 0;
    }

    /// @notice Whether the known node is the tree's top.
    function isAtTop(Game storage game) internal view returns (bool) {
        return game.level == BinaryTree.depth(game.leaves);
    }

    /// @notice A tree's top from its first descendants.
    function topOf(bytes32[] calldata nodes, uint256 leaves) internal pure returns (bytes32) {
        uint256 depth = BinaryTree.depth(leaves);
        return _fold(nodes, leaves, depth, 0, depth < REVEAL_LEVELS ? depth : REVEAL_LEVELS);
    }

    /// @notice Chooses the node `levels` below the known one, `child` counting the known one's descendants there.
    function descend(Game storage game, uint256 levels, uint256 child) internal {
        (uint256 level, uint256 index) = (game.level, game.index);
        // INVARIANT: a choice goes down as far as a reveal shows, so that turns are bounded; and never to a leaf, for which each tree has
        // a move of its own.
        bool shownToLeaves = level <= LAST_LEVELS && !isAtTop(game);
        if (levels < REVEAL_LEVELS || levels >= level || shownToLeaves) revert IDisputeGame.LevelMismatch(level);
        uint256 available = BinaryTree.descendants(game.leaves, level, index, levels);
        // INVARIANT: only nodes that exist can be chosen, so that every choice can be answered.
        if (child >= available) revert IDisputeGame.ChoiceOutOfRange(child, available);
        game.level = uint8(level - levels);
        game.index = uint32((index << levels) + child);
        game.jump = uint8(levels);
    }

    /// @notice Proves the chosen node by its descendants, which then are known.
    /// @param known The node that the choice was made below.
    function arrive(Game storage game, bytes32 known, bytes calldata siblings, bytes32[] calldata nodes) internal {
        uint256 leaves = game.leaves;
        (uint256 level, uint256 index) = (game.level, game.index);
        bytes32 node = _fold(nodes, leaves, level, index, level <= LAST_LEVELS ? level : REVEAL_LEVELS);
        requireOpens(known, node, index, leaves, level, level + game.jump, siblings);
        game.node = node;
    }

    /// @notice Reverts unless `node` opens to its ancestor `known`.
    function requireOpens(
        bytes32 known,
        bytes32 node,
        uint256 index,
        uint256 leaves,
        uint256 level,
        uint256 toLevel,
        bytes calldata siblings
    ) internal pure {
        (bytes32 ancestor, uint256 end) = BinaryTree.climb(node, index, leaves, level, toLevel, siblings, 0);
        BinaryTree.requireEnd(siblings, end);
        if (ancestor != known) revert IDisputeGame.NodeMismatch(known, ancestor);
    }

    /// @notice Reverts unless a leaf of a tree opens to its top.
    function requireOpensToTop(bytes32 top, bytes32 leaf, uint256 index, uint256 leaves, bytes calldata siblings)
        internal
        pure
    {
        requireOpens(top, leaf, index, leaves, 0, BinaryTree.depth(leaves), siblings);
    }

    /// @notice Reverts unless a leaf lies under the known node and opens to it.
    function requireLeaf(Game storage game, bytes32 leaf, uint256 leafIndex, bytes calldata siblings) internal view {
        uint256 level = requireBelow(game, leafIndex);
        requireOpens(game.node, leaf, leafIndex, game.leaves, 0, level, siblings);
    }

    /// @notice Reverts unless the leaf lies under the known node.
    function requireBelow(Game storage game, uint256 leafIndex) internal view returns (uint256 level) {
        level = game.level;
        // INVARIANT: only leaves that exist can be chosen.
        if (leafIndex >> level != game.index || leafIndex >= game.leaves) {
            revert IDisputeGame.ChoiceOutOfRange(leafIndex, game.leaves);
        }
    }

    // ---------------------------------------------------------------- rows

    /// @notice Proves the chosen row and shows the first nodes of its tree, or its chunks.
    /// @return next The phase that follows.
    function enterRow(Game storage game, bytes calldata siblings, bytes32[] calldata nodes, bytes calldata chunks)
        internal
        returns (Phase next)
    {
        uint256 count;
        bytes32 byteRoot;
        (count, next, byteRoot) = _rowStart(game, nodes, chunks);
        requireLeaf(game, RowLib.leaf(game.rowType, game.rowLength, byteRoot), game.row, siblings);
        game.node = byteRoot;
        enterTree(game, count);
    }

    /// @notice Proves the chosen node of a row by its chunks, which then are known.
    function arriveAtChunks(Game storage game, bytes calldata siblings, bytes calldata chunks) internal {
        uint256 leaves = game.leaves;
        (uint256 level, uint256 index) = (game.level, game.index);
        if (level > LAST_LEVELS) revert IDisputeGame.LevelMismatch(level);
        bytes32 node = _foldChunks(chunks, leaves, level, index);
        requireOpens(game.node, node, index, leaves, level, level + game.jump, siblings);
        game.node = node;
    }

    /// @notice Value that the executor's row holds at an element, which may lie in the padding of the last chunk.
    function openElement(Game storage game, OpenedElement calldata opened) internal view returns (int256) {
        uint8 elementType = game.rowType;
        requireLeaf(
            game, sha256(abi.encode(opened.chunk)), RowLib.chunkOf(elementType, opened.element), opened.siblings
        );
        return RowLib.elementAt(opened.chunk, elementType, opened.element);
    }

    // ---------------------------------------------------------------- internals

    /// @dev Chunks of the chosen row, its byte root from what is shown of it, and the phase that follows.
    function _rowStart(Game storage game, bytes32[] calldata nodes, bytes calldata chunks)
        private
        view
        returns (uint256 count, Phase next, bytes32 byteRoot)
    {
        count = RowLib.chunkCount(game.rowType, game.rowLength);
        uint256 depth = BinaryTree.depth(count);
        if (depth <= REVEAL_LEVELS) {
            if (nodes.length != 0) revert IDisputeGame.ItemCount(0, nodes.length);
            return (count, Phase.Chunks, _foldChunks(chunks, count, depth, 0));
        }
        if (chunks.length != 0) revert IDisputeGame.ItemCount(0, chunks.length);
        return (count, Phase.RowNodes, topOf(nodes, count));
    }

    /// @dev The node (`level`, `index`) from its descendants `levels` below.
    function _fold(bytes32[] calldata nodes, uint256 leaves, uint256 level, uint256 index, uint256 levels)
        private
        pure
        returns (bytes32)
    {
        uint256 expected = BinaryTree.descendants(leaves, level, index, levels);
        // INVARIANT: a move shows exactly the nodes that exist; the others are zero nodes.
        if (nodes.length != expected) revert IDisputeGame.ItemCount(expected, nodes.length);
        return BinaryTree.fold(nodes, levels);
    }

    /// @dev The node (`level`, `index`), `level <= LAST_LEVELS`, of a row's tree from the chunks below it.
    function _foldChunks(bytes calldata chunks, uint256 leaves, uint256 level, uint256 index)
        private
        view
        returns (bytes32)
    {
        uint256 expected = BinaryTree.descendants(leaves, level, index, level) * RowLib.CHUNK;
        if (chunks.length != expected) revert IDisputeGame.ItemCount(expected, chunks.length);
        return BinaryTree.fold(RowLib.chunkLeaves(chunks), level);
    }
}
