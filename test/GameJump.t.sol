// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {GameTest} from "./utils/GameTest.sol";
import {ToyJudge} from "./utils/ToyJudge.sol";
import {Trees} from "./utils/Trees.sol";
import {
    Game,
    IDisputeGame,
    OpenedElement,
    OpenedInstruction,
    OpenedLeaf,
    OpenedRow,
    Phase,
    Subject
} from "src/interfaces/IDisputeGame.sol";
import {IJudge, StepContext} from "src/interfaces/IJudge.sol";
import {WalkLib} from "src/libraries/WalkLib.sol";
import {Request} from "src/types/OtrTypes.sol";

/// @notice Choices below the nodes that were shown, and settlements at the fine top.
/// forge-config: default.fuzz.runs = 24
contract GameJumpTest is GameTest {
    using Trees for Trees.Tree;

    // ---------------------------------------------------------------- choices

    function _jumpFine(uint256 levels, uint256 row) private {
        Trees.Tree memory fine = _fineTree(subject.step);
        uint256 level = fine.depthOf() - levels;
        uint256 node = row >> level;
        _choose(levels, node);
        Game memory g = _state();
        assertEq(g.level, level);
        assertEq(g.index, node);
        assertEq(g.jump, levels);
        bytes memory siblings = fine.range(node, node, level, fine.depthOf());
        game.revealFine(subject, siblings, fine.descendants(level, node, level));
    }

    function _finishRow(uint256 row, uint256 element, uint256 level) private {
        _chooseRow(row);
        bytes memory data = _row(subject.step, row);
        Trees.Tree memory tree = _rowTree(data);
        bytes memory siblings = _fineTree(subject.step).range(row, row, 0, level);
        game.revealRow(gameId, siblings, tree.first(), "");
        uint256 k = element / 4;
        // One level more than is shown: chunks in pairs.
        _choose(5, k >> 1);
        game.revealChunks(gameId, tree.range(k >> 1, k >> 1, 1, 6), _plain(data, (k >> 1) << 1, 2));
        OpenedElement memory opened =
            OpenedElement({element: uint32(element), chunk: _chunkAt(data, k), siblings: tree.range(k, k, 0, 1)});
        bytes memory instruction = program[row];
        vm.prank(challenger);
        game.settle(subject, instruction, opened, _noRequest(), "");
    }

    function testFuzz_choose_deeperInFineTreeAndRow_succeeds(uint256 element, uint256 levels) public {
        element = bound(element, 0, 199);
        levels = bound(levels, 4, 5);
        _lie(2, ROW_LONG, element, 1);
        _start(2);
        _postFine();
        _jumpFine(levels, ROW_LONG);
        _finishRow(ROW_LONG, element, 6 - levels);
        assertExecutorLost();
    }

    function testFuzz_chooseRow_fromTheTop_succeeds(uint256 element) public {
        element = bound(element, 0, 199);
        _lie(2, ROW_LONG, element, 1);
        _start(2);
        _postFine();
        _finishRow(ROW_LONG, element, 6);
        assertEq(_state().moves, 3);
        assertExecutorLost();
    }

    function test_choose_levels_reverts() public {
        _start(0);
        _postFine();
        vm.startPrank(challenger);
        bytes memory mismatch = abi.encodeWithSelector(IDisputeGame.LevelMismatch.selector, 6);
        for (uint256 levels; levels < 4; ++levels) {
            vm.expectRevert(mismatch);
            game.choose(gameId, levels, 0);
        }
        // A row has a move of its own.
        vm.expectRevert(mismatch);
        game.choose(gameId, 6, 0);
        vm.expectRevert(mismatch);
        game.choose(gameId, type(uint256).max, 0);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.ChoiceOutOfRange.selector, 20, 20));
        game.choose(gameId, 5, 20);
        game.choose(gameId, 5, 19);
        vm.stopPrank();
        // The siblings of all five levels are due, and only these.
        Trees.Tree memory fine = _fineTree(0);
        vm.expectPartialRevert(bytes4(keccak256("OpeningTooShort(uint256,uint256)")));
        game.revealFine(subject, fine.range(19, 19, 1, 3), fine.descendants(1, 19, 1));
        game.revealFine(subject, fine.range(19, 19, 1, 6), fine.descendants(1, 19, 1));
        assertPhase(Phase.Fine);
    }

    /// @dev A jump that nobody answers is the executor's loss, as any choice: every node that exists can be opened.
    function test_choose_unanswered_executorLoses() public {
        _start(0);
        _postFine();
        _choose(5, 0);
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
        assertExecutorLost();
    }

    // ---------------------------------------------------------------- settleJump

    function testFuzz_settleJump_anyElementOfAnyMap_succeeds(uint256 row, uint256 element, uint256 step) public {
        uint256[4] memory rows = [ROW_MAP, ROW_LONG, ROW_CACHED_I16, 39];
        row = rows[row % 4];
        step = bound(step, 0, 4);
        (, uint256 length) = judge.rowShape(program[row], uint32(step));
        element = bound(element, 0, length - 1);
        _lie(step, row, element, 3);
        _start(uint32(step));
        _postFine();
        vm.record();
        _settleJump(row, element);
        (, bytes32[] memory written) = vm.accesses(address(game));
        for (uint256 i = 1; i < written.length; ++i) {
            assertEq(written[i], written[0], "one slot");
        }
        assertExecutorLost();
    }

    function test_settleJump_padding_succeeds() public {
        bytes memory lie = bytes.concat(_honestRow(1, ROW_CACHED_I16), new bytes(24));
        lie[60] = 0x01;
        rowLies[1][ROW_CACHED_I16] = lie;
        _start(1);
        _postFine();
        _settleJump(ROW_CACHED_I16, 30);
        assertExecutorLost();
    }

    struct Jump {
        OpenedInstruction instruction;
        OpenedRow row;
        OpenedElement element;
    }

    function _jump(uint256 row, uint256 element) private view returns (Jump memory) {
        return Jump(_opened(row), _openedRow(row), _elementToTop(row, element));
    }

    function _send(Jump memory j) private {
        game.settleJump(subject, j.instruction, j.row, j.element, _noRequest(), "");
    }

    function testFuzz_settleJump_honest_reverts(uint256 element, uint256 step) public {
        step = bound(step, 0, 4);
        // Up to the end of the last chunk: twelve elements of padding.
        element = bound(element, 0, 31);
        _start(uint32(step));
        _postFine();
        Jump memory j = _jump(ROW_CACHED_I16, element);
        vm.prank(challenger);
        vm.expectRevert(IDisputeGame.NothingProven.selector);
        _send(j);
    }

    function test_settleJump_falseOpenings_reverts() public {
        _start(2);
        _postFine();
        Jump memory j = _jump(ROW_LONG, 100);
        vm.startPrank(challenger);
        j.element.chunk ^= bytes32(uint256(1));
        vm.expectPartialRevert(IDisputeGame.NodeMismatch.selector);
        _send(j);
        j.element.chunk ^= bytes32(uint256(1));
        j.element.element = 104;
        vm.expectPartialRevert(IDisputeGame.NodeMismatch.selector);
        _send(j);
        // Beyond the row's chunks.
        j.element.element = 200;
        vm.expectPartialRevert(bytes4(keccak256("NodeOutOfRange(uint256,uint256)")));
        _send(j);
        j.element.element = 100;
        j.row.byteRoot ^= bytes32(uint256(1));
        vm.expectPartialRevert(IDisputeGame.NodeMismatch.selector);
        _send(j);
        j.row.byteRoot ^= bytes32(uint256(1));
        j.instruction.row = 4;
        vm.expectPartialRevert(IDisputeGame.NodeMismatch.selector);
        _send(j);
        j.instruction.row = 40;
        vm.expectPartialRevert(bytes4(keccak256("NodeOutOfRange(uint256,uint256)")));
        _send(j);
        // Another row's instruction, with its opening.
        j.instruction = _opened(ROW_MAP);
        vm.expectPartialRevert(IDisputeGame.NodeMismatch.selector);
        _send(j);
    }

    function test_settleJump_notAllowed_reverts() public {
        _start(2);
        Jump memory j = _jump(ROW_LONG, 100);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.NotChallenger.selector, challenger, address(this)));
        _send(j);
        vm.prank(challenger);
        _wrongPhase(Phase.Fine, Phase.FinePost);
        _send(j);
        _postFine();
        j = _jump(ROW_FOLD, 1);
        vm.prank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IJudge.BlockOutOfRange.selector, 0, FOLD_BLOCKS));
        _send(j);
        _walkFine(ROW_LONG);
        j = _jump(ROW_LONG, 100);
        vm.prank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.LevelMismatch.selector, 2));
        _send(j);
    }

    /// @dev The judge is told the same as by a walk.
    function test_settleJump_context_succeeds() public {
        _start(3);
        _postFine();
        Request[] memory request = new Request[](1);
        request[0] = _request();
        StepContext memory expected = _contextOfStep3(request[0]);
        Jump memory j = _jump(ROW_MAP, 2);
        vm.startPrank(challenger);
        vm.expectRevert(abi.encodeWithSelector(ToyJudge.SawContext.selector, expected));
        game.settleJump(subject, j.instruction, j.row, j.element, request, "look");
        request[0].nonce ^= 1;
        vm.expectPartialRevert(IDisputeGame.RequestMismatch.selector);
        game.settleJump(subject, j.instruction, j.row, j.element, request, "look");
    }

    function test_settleJump_afterAnEarlierConviction_isMoot() public {
        _lie(2, ROW_MAP, 1, 1);
        _start(2);
        Subject memory first = subject;
        vm.warp(block.timestamp + 1);
        _openBy(stranger, 2);
        _postFine();
        vm.warp(block.timestamp + TURN - 1);
        game.timeout(first);
        _settleJump(ROW_MAP, 1);
        assertMoot(subject);
    }
}

/// @notice A cache tree of depth 6.
/// forge-config: default.fuzz.runs = 24
contract CacheJumpTest is GameTest {
    using Trees for Trees.Tree;

    uint256 private constant CACHED = 33;

    function _makeProgram() internal override {
        program.push(_instruction(2, 0, 2, 0, 100, 1, false));
        for (uint256 slot; slot < CACHED; ++slot) {
            program.push(_instruction(0, 1, 2, uint32(slot), int32(int256(slot)), 1, false));
        }
        program.push(_instruction(3, 2, 2, 0, 1000, 1, false));
    }

    function _settleSlot(uint256 slot, uint256 level) private {
        (OpenedInstruction memory opened, OpenedLeaf memory cached, OpenedLeaf memory fine) =
            _cacheSettlement(slot + 1, slot);
        cached.siblings = _cacheTree(1).range(slot, slot, 0, level);
        vm.prank(challenger);
        game.settleCache(subject, opened, cached, fine);
    }

    function test_timeout_cacheNodesReveal_succeeds() public {
        _start(1);
        _postFine();
        _chooseCache();
        _revealCache();
        _choose(0);
        assertPhase(Phase.CacheNodesReveal);
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
        assertExecutorLost();
    }

    function testFuzz_settleCache_fromAnyNode_succeeds(uint256 slot, uint256 levels) public {
        slot = bound(slot, 0, CACHED - 1);
        levels = bound(levels, 3, 5);
        bytes memory lie = _honestRow(1, slot + 1);
        lie[0] ^= 0x01;
        cacheLies[1][slot] = lie;
        _start(1);
        _postFine();
        _chooseCache();
        _revealCache();
        if (levels > 3) {
            Trees.Tree memory tree = _cacheTree(1);
            uint256 level = 6 - levels;
            _choose(levels, slot >> level);
            assertPhase(Phase.CacheNodesReveal);
            bytes memory siblings = tree.range(slot >> level, slot >> level, level, 6);
            game.reveal(gameId, siblings, tree.descendants(level, slot >> level, level));
            _settleSlot(slot, level);
        } else {
            _settleSlot(slot, 6);
        }
        assertExecutorLost();
    }
}

/// @notice The walk alone, in trees of any size.
contract WalkTest is Test {
    using Trees for Trees.Tree;

    Game private _game;

    function descend(uint256 levels, uint256 child) external {
        WalkLib.descend(_game, levels, child);
    }

    function arrive(bytes calldata siblings, bytes32[] calldata nodes) external {
        WalkLib.arrive(_game, _game.node, siblings, nodes);
    }

    function requireLeaf(bytes32 leaf, uint256 index, bytes calldata siblings) external view {
        WalkLib.requireLeaf(_game, leaf, index, siblings);
    }

    /// @dev Any sequence of jumps leads to any leaf, and every other leaf is refused there.
    function testFuzz_walk_anyJumps_succeeds(uint256 n, uint256 leaf, uint256 seed) public {
        n = bound(n, 1, 600);
        leaf = bound(leaf, 0, n - 1);
        bytes32[] memory leaves = new bytes32[](n);
        for (uint256 i; i < n; ++i) {
            leaves[i] = keccak256(abi.encode(i));
        }
        Trees.Tree memory tree = Trees.over(leaves);
        uint256 level = tree.depthOf();
        WalkLib.enterTree(_game, n);
        _game.node = tree.top();
        uint256 top = level;
        while (level > 4 && (level > 6 || level == top) && seed % 8 != 0) {
            uint256 levels = 4 + (seed >> 3) % (level - 4);
            uint256 below = level - levels;
            uint256 node = leaf >> below;
            this.descend(levels, node - ((leaf >> level) << levels));
            bytes memory siblings = tree.range(node, node, below, level);
            bytes32[] memory nodes = tree.descendants(below, node, below <= 6 ? below : 4);
            nodes[seed % nodes.length] ^= bytes32(uint256(1));
            vm.expectRevert();
            this.arrive(siblings, nodes);
            nodes[seed % nodes.length] ^= bytes32(uint256(1));
            this.arrive(siblings, nodes);
            (level, seed) = (below, uint256(keccak256(abi.encode(seed))));
        }
        if (level < top && level <= 6) {
            // Its leaves are shown: another choice would only take turns.
            vm.expectRevert(abi.encodeWithSelector(IDisputeGame.LevelMismatch.selector, level));
            this.descend(4, 0);
        }
        bytes memory opening = tree.range(leaf, leaf, 0, level);
        this.requireLeaf(leaves[leaf], leaf, opening);
        vm.expectRevert();
        this.requireLeaf(leaves[leaf], leaf ^ 1, opening);
        vm.expectRevert();
        this.requireLeaf(~leaves[leaf], leaf, opening);
    }
}
