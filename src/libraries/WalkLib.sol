// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Game, GameId, IDisputeGame, OpenedElement, OpenedLeaf, Phase} from "../interfaces/IDisputeGame.sol";
import {BinaryTree} from "./BinaryTree.sol";
import {Clock} from "./Clock.sol";
import {RowLib} from "./RowLib.sol";
import {Tags} from "./Tags.sol";

/// @title Turns of a game and its walk down a tree
/// @notice The walk knows one node and the nodes `REVEAL_LEVELS` below it (fewer near the leaves) that were shown last. A choice is
///         an index among these; the next reveal rebuilds the chosen node from its own descendants and proves it by siblings
///         against the known node. So nothing shown needs to be stored, and whoever shows cannot cheat.
library WalkLib {
    /// @notice Most levels that one move shows.
    uint256 internal constant REVEAL_LEVELS = 4;
    /// @notice Most turns of a game: postFine; 7 times choose and reveal in a fine tree of 2^32 rows; chooseRow, revealRow; 6 times
    ///         choose and reveal in a row of 2^26 chunks; chooseElement, postAccumulators, choosePart, postAccumulators, settleBlock.
    uint256 internal constant MAX_TURNS = 34;

    // ---------------------------------------------------------------- turns

    /// @notice Reverts unless the game is in this phase and its turn is not over.
    function requireTurn(Game storage game, Phase phase) internal view {
        if (game.phase != phase) revert IDisputeGame.WrongPhase(phase, game.phase);
        if (game.deadline.hasCome()) revert IDisputeGame.DeadlinePassed(game.deadline);
    }

    /// @notice The same for a choice, which only the challenger makes.
    function requireChoice(Game storage game, Phase phase) internal view {
        if (msg.sender != game.challenger) revert IDisputeGame.NotChallenger(game.challenger, msg.sender);
        requireTurn(game, phase);
    }

    /// @notice Hands the turn to the other side.
    function pass(Game storage game, Phase phase) internal {
        game.phase = phase;
        game.deadline = Clock.current().plus(game.turnDuration);
    }

    // ---------------------------------------------------------------- any tree

    /// @notice Puts the game at the top of a tree of `leaves` leaves.
    function enterTree(Game storage game, uint256 leaves) internal {
        game.leaves = uint32(leaves);
        game.level = uint8(BinaryTree.depth(leaves));
        game.index = 0;
    }

    /// @notice Levels that are shown below a node at `level`.
    function shownLevels(uint256 level) internal pure returns (uint256) {
        return level < REVEAL_LEVELS ? level : REVEAL_LEVELS;
    }

    /// @notice A tree's top from its first descendants.
    function topOf(bytes32[] calldata nodes, uint256 leaves) internal pure returns (bytes32) {
        return _fold(nodes, leaves, BinaryTree.depth(leaves), 0);
    }

    /// @notice Chooses a child among the nodes shown last, which must not be leaves.
    function choose(Game storage game, GameId gameId, uint256 child) internal {
        Phase phase = game.phase;
        // The phase after each walking phase is its reveal.
        if (phase != Phase.RowNodes && phase != Phase.Cache) phase = Phase.Fine;
        requireChoice(game, phase);
        (uint256 level, uint256 index) = (game.level, game.index);
        if (level <= REVEAL_LEVELS) revert IDisputeGame.LevelMismatch(level);
        uint256 available = BinaryTree.descendants(game.leaves, level, index, REVEAL_LEVELS);
        // INVARIANT: only nodes that exist can be chosen, so that every choice can be answered.
        if (child >= available) revert IDisputeGame.ChoiceOutOfRange(child, available);
        game.level = uint8(level - REVEAL_LEVELS);
        game.index = uint32((index << REVEAL_LEVELS) + child);
        pass(game, Phase(uint8(phase) + 1));
        emit IDisputeGame.ChildChosen(gameId, child);
    }

    /// @notice Proves the chosen node and shows its descendants.
    function reveal(Game storage game, GameId gameId, bytes calldata siblings, bytes32[] calldata nodes) internal {
        Phase phase = game.phase;
        if (phase != Phase.RowNodesReveal && phase != Phase.CacheNodesReveal) phase = Phase.FineReveal;
        requireTurn(game, phase);
        uint256 leaves = game.leaves;
        (uint256 level, uint256 index) = (game.level, game.index);
        // The leaves of a row are shown in plain, by `revealChunks`.
        if (phase == Phase.RowNodesReveal && level <= REVEAL_LEVELS) revert IDisputeGame.LevelMismatch(level);
        bytes32 node = _fold(nodes, leaves, level, index);
        requireOpens(game.node, node, index, leaves, level, level + REVEAL_LEVELS, siblings);
        game.node = node;
        pass(game, Phase(uint8(phase) - 1));
        emit IDisputeGame.NodesRevealed(gameId, nodes);
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

    /// @notice Reverts unless a leaf lies under the current node, whose leaves are known, and opens to it.
    function requireLeaf(Game storage game, bytes32 leaf, uint256 leafIndex, bytes calldata siblings) internal view {
        uint256 level = requireKnownLeaf(game, leafIndex);
        requireOpens(game.node, leaf, leafIndex, game.leaves, 0, level, siblings);
    }

    /// @notice Reverts unless the leaf lies under the current node and the leaves there are known.
    function requireKnownLeaf(Game storage game, uint256 leafIndex) internal view returns (uint256 level) {
        level = game.level;
        if (level > REVEAL_LEVELS) revert IDisputeGame.LevelMismatch(level);
        if (leafIndex >> level != game.index || leafIndex >= game.leaves) {
            revert IDisputeGame.ChoiceOutOfRange(leafIndex, game.leaves);
        }
    }

    // ---------------------------------------------------------------- rows

    /// @notice Proves the chosen row and shows the first nodes of its tree, or its chunks.
    function revealRow(Game storage game, bytes calldata siblings, bytes32[] calldata nodes, bytes calldata chunks)
        internal
    {
        requireTurn(game, Phase.RowReveal);
        (uint256 count, Phase next, bytes32 byteRoot) = _rowStart(game, nodes, chunks);
        requireLeaf(game, RowLib.leaf(game.rowType, game.rowLength, byteRoot), game.row, siblings);
        game.node = byteRoot;
        enterTree(game, count);
        pass(game, next);
    }

    /// @notice Proves the chosen node of a row and shows its chunks.
    function revealChunks(Game storage game, GameId gameId, bytes calldata siblings, bytes calldata chunks) internal {
        requireTurn(game, Phase.RowNodesReveal);
        uint256 leaves = game.leaves;
        (uint256 level, uint256 index) = (game.level, game.index);
        if (level > REVEAL_LEVELS) revert IDisputeGame.LevelMismatch(level);
        bytes32 node = _foldChunks(chunks, leaves, level, index);
        requireOpens(game.node, node, index, leaves, level, level + REVEAL_LEVELS, siblings);
        game.node = node;
        pass(game, Phase.Chunks);
        emit IDisputeGame.ChunksRevealed(gameId, chunks);
    }

    /// @notice Value that the executor's row holds at an element, which may lie in the padding of the last chunk.
    function openElement(Game storage game, OpenedElement calldata opened) internal view returns (int256) {
        uint8 elementType = game.rowType;
        requireLeaf(
            game, sha256(abi.encode(opened.chunk)), RowLib.chunkOf(elementType, opened.element), opened.siblings
        );
        return RowLib.elementAt(opened.chunk, elementType, opened.element);
    }

    // ---------------------------------------------------------------- cache

    /// @notice Shows the first nodes of the cache tree, whose root is the current node.
    function revealCache(Game storage game, GameId gameId, bytes32[] calldata nodes) internal {
        requireTurn(game, Phase.CacheReveal);
        bytes32 top = topOf(nodes, game.leaves);
        bytes32 root = BinaryTree.root(Tags.CACHE, game.leaves, top);
        if (root != game.node) revert IDisputeGame.NodeMismatch(game.node, root);
        game.node = top;
        pass(game, Phase.Cache);
        emit IDisputeGame.CacheRevealed(gameId, nodes);
    }

    /// @notice Reverts unless a leaf of the fine tree opens to its top.
    function requireFineLeaf(bytes32 fineTop, uint256 rows, OpenedLeaf calldata opened) internal pure {
        requireOpens(fineTop, opened.leaf, opened.index, rows, 0, BinaryTree.depth(rows), opened.siblings);
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
        return (count, Phase.RowNodes, _fold(nodes, count, depth, 0));
    }

    /// @dev The node (`level`, `index`) from its descendants that a move shows.
    function _fold(bytes32[] calldata nodes, uint256 leaves, uint256 level, uint256 index)
        private
        pure
        returns (bytes32)
    {
        uint256 levels = shownLevels(level);
        uint256 expected = BinaryTree.descendants(leaves, level, index, levels);
        // INVARIANT: a move shows exactly the nodes that exist; the others are zero nodes.
        if (nodes.length != expected) revert IDisputeGame.ItemCount(expected, nodes.length);
        return BinaryTree.fold(nodes, levels);
    }

    /// @dev The node (`level`, `index`), `level <= REVEAL_LEVELS`, of a row's tree from the chunks below it.
    function _foldChunks(bytes calldata chunks, uint256 leaves, uint256 level, uint256 index)
        private
        pure
        returns (bytes32)
    {
        uint256 expected = BinaryTree.descendants(leaves, level, index, level) * RowLib.CHUNK;
        if (chunks.length != expected) revert IDisputeGame.ItemCount(expected, chunks.length);
        return BinaryTree.fold(RowLib.chunkLeaves(chunks), level);
    }
}
