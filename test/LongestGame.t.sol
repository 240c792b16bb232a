// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {GameTest} from "./utils/GameTest.sol";
import {
    Game,
    IDisputeGame,
    OpenedBlock,
    OpenedElement,
    OpenedInstruction,
    Phase,
    Record
} from "src/interfaces/IDisputeGame.sol";
import {IModelRegistry} from "src/interfaces/IModelRegistry.sol";
import {BinaryTree} from "src/libraries/BinaryTree.sol";
import {Tags} from "src/libraries/Tags.sol";
import {Receipt as OtrReceipt} from "src/types/OtrTypes.sol";

/// @notice The longest game: 2^22 records, 2^32 - 1 rows, 2^26 chunks, a fold of parts; the challenger never jumps. All leaves of a tree are
///         equal, so that trees of this size can be opened; the registry is told a program of this size.
contract LongestGameTest is GameTest {
    uint32 private constant CONTEXT = 1 << 22;
    uint32 private constant ROWS = type(uint32).max;
    uint256 private constant BLOCKS = 100;

    uint256 private _turns;
    bytes private _instruction_;

    /// @dev The first nodes of each level of a tree of n equal leaves, and its last node, which may lack descendants.
    function _node(bytes32 leaf, uint256 n, uint256 level, uint256 index) private pure returns (bytes32) {
        (bytes32 full, bytes32 last) = (leaf, leaf);
        for (uint256 l; l < level; ++l) {
            uint256 width = BinaryTree.width(n, l);
            last = width % 2 == 0 ? BinaryTree.parent(full, last) : BinaryTree.parent(last, 0);
            full = BinaryTree.parent(full, full);
        }
        return index == BinaryTree.width(n, level) - 1 ? last : full;
    }

    /// @dev Descendants, `levels` below, of the first node of a level.
    function _below(bytes32 leaf, uint256 n, uint256 level, uint256 levels)
        private
        pure
        returns (bytes32[] memory out)
    {
        out = new bytes32[](BinaryTree.descendants(n, level, 0, levels));
        for (uint256 i; i < out.length; ++i) {
            out[i] = _node(leaf, n, level - levels, i);
        }
    }

    /// @dev Siblings of the first node of a level.
    function _siblings(bytes32 leaf, uint256 n, uint256 level, uint256 toLevel)
        private
        pure
        returns (bytes memory out)
    {
        for (; level < toLevel; ++level) {
            out = bytes.concat(out, _node(leaf, n, level, 1));
        }
    }

    function _root(bytes32 tag, bytes32 leaf, uint256 n) private pure returns (bytes32) {
        return BinaryTree.root(tag, n, _node(leaf, n, BinaryTree.depth(n), 0));
    }

    function _leafOf(bytes32 byteRoot) private pure returns (bytes32) {
        return keccak256(abi.encode(Tags.ROW, uint8(3), uint32(1 << 28), byteRoot));
    }

    function _mockModel() private {
        _instruction_ = _instruction(3, 0, 1 << 28, 0, 5, uint32(BLOCKS), false);
        bytes32 leaf = keccak256(abi.encodePacked(Tags.INSTRUCTION, _instruction_));
        IModelRegistry.Dimensions memory dimensions = models.dimensionsOf(modelId);
        dimensions.instructions = ROWS;
        dimensions.contextLength = CONTEXT;
        address at = address(models);
        vm.mockCall(at, abi.encodeCall(models.dimensionsOf, (modelId)), abi.encode(dimensions));
        vm.mockCall(at, abi.encodeCall(models.judgingOf, (modelId)), abi.encode(dimensions, bytes32(0)));
        vm.mockCall(at, abi.encodeCall(models.programRootOf, (modelId)), abi.encode(_root(Tags.PROGRAM, leaf, ROWS)));
    }

    /// @dev Choose and reveal until the leaves are shown.
    function _walkDown(bytes32 leaf, uint256 n) private {
        uint256 top = BinaryTree.depth(n);
        for (Game memory g = _state(); g.level > 6; g = _state()) {
            _choose(0);
            ++_turns;
            uint256 level = g.level - 4;
            bytes memory siblings = _siblings(leaf, n, level, g.level);
            if (_phase() == Phase.RowNodesReveal && level <= 6) {
                game.revealChunks(gameId, siblings, new bytes(32 << level));
            } else {
                bytes32[] memory nodes = _below(leaf, n, level, level <= 6 ? level : 4);
                bool fine = _phase() == Phase.FineReveal;
                if (fine && g.level != top) {
                    // A node below another than the top does not open to the executor's claim.
                    vm.expectPartialRevert(IDisputeGame.NodeMismatch.selector);
                    game.revealFine(subject, siblings, nodes);
                }
                if (fine && g.level == top) game.revealFine(subject, siblings, nodes);
                else game.reveal(gameId, siblings, nodes);
            }
            ++_turns;
        }
        if (_phase() != Phase.Chunks) _assertNoFurtherChoice();
    }

    /// @dev INVARIANT: once leaves are shown, a choice would only take turns.
    function _assertNoFurtherChoice() private {
        uint256 level = _state().level;
        vm.prank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.LevelMismatch.selector, level));
        game.choose(gameId, 4, 0);
    }

    function test_longestGame_takesMaxTurns() public {
        _mockModel();
        Record memory record = Record(keccak256("salt"), SENTINEL, 0);
        bytes32 recordLeaf = keccak256(abi.encode(Tags.RECORD, record));
        OtrReceipt memory receipt = _receipt();
        (receipt.nIn, receipt.nOut) = (CONTEXT, 1);
        receipt.traceRoot = _root(Tags.TRACE, recordLeaf, CONTEXT);
        committed = _commit(receipt, 2, 5);

        _openTrace();
        game.revealTrace(subject, _below(recordLeaf, CONTEXT, 22, 4));
        ++_turns;
        _walkDown(recordLeaf, CONTEXT);
        bytes memory siblings = _siblings(recordLeaf, CONTEXT, 0, _state().level);
        vm.prank(challenger);
        gameId = game.chooseStep(subject, 0, recordLeaf, siblings);
        (subject.step, subject.record) = (0, recordLeaf);
        ++_turns;

        bytes32 chunk = sha256(new bytes(32));
        bytes32 rowLeaf = _leafOf(_node(chunk, 1 << 26, 26, 0));
        bytes32[] memory nodes = _below(rowLeaf, ROWS, 32, 4);
        vm.prank(executor);
        game.postFine(subject, record, nodes);
        ++_turns;
        _walkDown(rowLeaf, ROWS);
        _chooseAndRevealRow(rowLeaf, chunk);
        _walkDown(chunk, 1 << 26);
        _fold(chunk);
        assertEq(_turns, game.MAX_TURNS());
        assertPhase(Phase.Proven);
        assertLe(game.gasOf(_state().moves), game.gasOf(game.MAX_TURNS()));
    }

    function _chooseAndRevealRow(bytes32 rowLeaf, bytes32 chunk) private {
        bytes32 leaf = keccak256(abi.encodePacked(Tags.INSTRUCTION, _instruction_));
        OpenedInstruction memory opened = OpenedInstruction(0, _instruction_, _siblings(leaf, ROWS, 0, 32));
        vm.prank(challenger);
        game.chooseRow(subject, opened);
        bytes memory siblings = _siblings(rowLeaf, ROWS, 0, _state().level);
        game.revealRow(gameId, siblings, _below(chunk, 1 << 26, 26, 4), "");
        _turns += 2;
    }

    /// @dev All elements are zero, which the fold is not; the accumulators contradict it in the last block.
    function _fold(bytes32 chunk) private {
        OpenedElement memory element = OpenedElement(0, 0, _siblings(chunk, 1 << 26, 0, _state().level));
        vm.prank(challenger);
        game.chooseElement(subject, _instruction_, element);
        bytes memory posts = new bytes(80);
        vm.prank(executor);
        game.postAccumulators(subject, _instruction_, posts);
        vm.prank(challenger);
        game.choosePart(subject, _instruction_, 9, posts);
        vm.prank(executor);
        game.postAccumulators(subject, _instruction_, posts);
        vm.prank(challenger);
        game.settleBlock(subject, _instruction_, OpenedBlock(9, posts), _noRequest(), "");
        _turns += 5;
    }
}
