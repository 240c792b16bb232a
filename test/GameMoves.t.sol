// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {GameTest} from "./utils/GameTest.sol";
import {ToyJudge} from "./utils/ToyJudge.sol";
import {Trees} from "./utils/Trees.sol";
import {
    IDisputeGame,
    OpenedBlock,
    OpenedElement,
    OpenedInstruction,
    OpenedLeaf,
    Phase,
    Record
} from "src/interfaces/IDisputeGame.sol";
import {IJudge, StepContext} from "src/interfaces/IJudge.sol";
import {BinaryTree} from "src/libraries/BinaryTree.sol";
import {Request} from "src/types/OtrTypes.sol";

/// @notice What choices and reveals refuse, and what the judge is told.
contract GameMovesTest is GameTest {
    using Trees for Trees.Tree;

    // ---------------------------------------------------------------- choices

    function test_choices_notChallenger_reverts() public {
        _start(3);
        _postFine();
        bytes memory expected = abi.encodeWithSelector(IDisputeGame.NotChallenger.selector, challenger, executor);
        OpenedInstruction memory opened = _opened(0);
        OpenedElement memory element;
        OpenedLeaf memory leaf;
        OpenedBlock memory block_;
        Request memory request = _request();
        Record memory record = _record();
        vm.startPrank(executor);
        vm.expectRevert(expected);
        game.choose(gameId, 4, 0);
        vm.expectRevert(expected);
        game.chooseRow(subject, opened);
        vm.expectRevert(expected);
        game.chooseCache(subject, record);
        vm.expectRevert(expected);
        game.settleCache(subject, opened, leaf, leaf);
        vm.expectRevert(expected);
        game.settleToken(subject, record, 0, "");
        vm.expectRevert(expected);
        game.settleSalt(subject, record, request, SEED);
        vm.expectRevert(expected);
        game.settle(subject, "", element, _noRequest(), "");
        vm.expectRevert(expected);
        game.chooseElement(subject, "", element);
        vm.expectRevert(expected);
        game.choosePart(subject, "", 0, "");
        vm.expectRevert(expected);
        game.settleBlock(subject, "", block_, _noRequest(), "");
    }

    function test_choose_nodeBeyondCount_reverts() public {
        // 40 rows: ten nodes two levels above the leaves.
        _start(0);
        _postFine();
        vm.startPrank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.ChoiceOutOfRange.selector, 10, 10));
        game.choose(gameId, 4, 10);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.ChoiceOutOfRange.selector, type(uint256).max, 10));
        game.choose(gameId, 4, type(uint256).max);
        game.choose(gameId, 4, 9);
        _wrongPhase(Phase.Fine, Phase.FineReveal);
        game.choose(gameId, 4, 9);
    }

    function test_choose_atLeaves_reverts() public {
        _start(0);
        _postFine();
        _walkFine(0);
        vm.prank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.LevelMismatch.selector, 2));
        game.choose(gameId, 4, 0);
    }

    function test_chooseRow_notUnderNode_reverts() public {
        _start(0);
        _postFine();
        _walkFine(0);
        OpenedInstruction memory opened = _opened(4);
        vm.prank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.ChoiceOutOfRange.selector, 4, 40));
        game.chooseRow(subject, opened);
    }

    function test_chooseRow_beyondCount_reverts() public {
        // Row 40 would lie under the last node of a tree of 41.
        _start(0);
        _postFine();
        _walkFine(39);
        OpenedInstruction memory opened = _opened(39);
        opened.row = 40;
        vm.prank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.ChoiceOutOfRange.selector, 40, 40));
        game.chooseRow(subject, opened);
    }

    function test_chooseRow_anotherInstruction_reverts() public {
        _start(0);
        _postFine();
        _walkFine(1);
        OpenedInstruction memory opened = _opened(1);
        opened.instruction = program[2];
        vm.startPrank(challenger);
        vm.expectPartialRevert(IDisputeGame.NodeMismatch.selector);
        game.chooseRow(subject, opened);
        // The instruction of row 2, as if it were row 1's.
        opened = _opened(2);
        opened.row = 1;
        vm.expectPartialRevert(IDisputeGame.NodeMismatch.selector);
        game.chooseRow(subject, opened);
    }

    function test_chooseElement_invalid_reverts() public {
        _start(3);
        _playTo(ROW_FOLD, 2);
        OpenedElement memory opened = _element(ROW_FOLD, 4);
        bytes memory instruction = program[ROW_FOLD];
        vm.startPrank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.ChoiceOutOfRange.selector, 4, 4));
        game.chooseElement(subject, instruction, opened);
        opened = _element(ROW_FOLD, 2);
        opened.chunk ^= bytes32(uint256(1));
        vm.expectPartialRevert(IDisputeGame.NodeMismatch.selector);
        game.chooseElement(subject, instruction, opened);
        instruction = program[ROW_BIG_FOLD];
        vm.expectPartialRevert(IDisputeGame.InstructionMismatch.selector);
        game.chooseElement(subject, instruction, opened);
        instruction = program[ROW_FOLD];
        vm.expectRevert(abi.encodeWithSelector(IJudge.BlockOutOfRange.selector, 0, FOLD_BLOCKS));
        game.settle(subject, instruction, opened, _noRequest(), "");
    }

    function test_chooseElement_ofAMap_reverts() public {
        _start(3);
        _playTo(ROW_MAP, 2);
        OpenedElement memory opened = _element(ROW_MAP, 2);
        bytes memory instruction = program[ROW_MAP];
        vm.prank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.BlockCount.selector, 1));
        game.chooseElement(subject, instruction, opened);
    }

    function test_settle_elementElsewhere_reverts() public {
        // Chunks 0 to 3 of fifty are known.
        _start(3);
        _playTo(ROW_LONG, 0);
        OpenedElement memory opened = _element(ROW_LONG, 16);
        bytes memory instruction = program[ROW_LONG];
        vm.startPrank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.ChoiceOutOfRange.selector, 4, 50));
        game.settle(subject, instruction, opened, _noRequest(), "");
        opened.element = type(uint32).max;
        vm.expectPartialRevert(IDisputeGame.ChoiceOutOfRange.selector);
        game.settle(subject, instruction, opened, _noRequest(), "");
        opened = _element(ROW_LONG, 0);
        opened.element = 4;
        vm.expectPartialRevert(IDisputeGame.NodeMismatch.selector);
        game.settle(subject, instruction, opened, _noRequest(), "");
    }

    // ---------------------------------------------------------------- reveals

    function test_revealFine_wrongNodes_reverts() public {
        _start(0);
        _postFine();
        _choose(9);
        Trees.Tree memory tree = _fineTree(0);
        bytes32[] memory nodes = tree.descendants(2, 9, 2);
        bytes memory siblings = tree.range(9, 9, 2, 6);
        // Another child's nodes.
        vm.expectPartialRevert(IDisputeGame.NodeMismatch.selector);
        game.revealFine(subject, tree.range(8, 8, 2, 6), tree.descendants(2, 8, 2));
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.ItemCount.selector, 4, 3));
        game.revealFine(subject, siblings, new bytes32[](3));
        vm.expectPartialRevert(BinaryTree.OpeningTooLong.selector);
        game.revealFine(subject, bytes.concat(siblings, bytes32(0)), nodes);
        // The top is the executor's claim: the game itself knows no node yet.
        vm.expectPartialRevert(IDisputeGame.NodeMismatch.selector);
        game.reveal(gameId, siblings, nodes);
        game.revealFine(subject, siblings, nodes);
        assertEq(_state().node, tree.levels[2][9]);
        _wrongPhase(Phase.FineReveal, Phase.Fine);
        game.revealFine(subject, siblings, nodes);
        _wrongPhase(Phase.FineReveal, Phase.Fine);
        game.reveal(gameId, siblings, nodes);
    }

    function test_revealRow_wrongRow_reverts() public {
        _start(0);
        _postFine();
        _walkFine(0);
        _chooseRow(0);
        Trees.Tree memory fine = _fineTree(0);
        bytes memory siblings = fine.range(0, 0, 0, 2);
        bytes memory chunks = _plain(_row(0, 0), 0, 1);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.ItemCount.selector, 0, 1));
        game.revealRow(gameId, siblings, new bytes32[](1), chunks);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.ItemCount.selector, 32, 64));
        game.revealRow(gameId, siblings, new bytes32[](0), bytes.concat(chunks, bytes32(0)));
        chunks[31] ^= 0x01;
        vm.expectPartialRevert(IDisputeGame.NodeMismatch.selector);
        game.revealRow(gameId, siblings, new bytes32[](0), chunks);
    }

    function test_revealRow_plainWhereNodesAreDue_reverts() public {
        _start(0);
        _postFine();
        _walkFine(ROW_LONG);
        _chooseRow(ROW_LONG);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.ItemCount.selector, 0, 32));
        game.revealRow(gameId, "", new bytes32[](13), new bytes(32));
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.ItemCount.selector, 13, 16));
        game.revealRow(gameId, "", new bytes32[](16), "");
    }

    function test_revealChunks_wrong_reverts() public {
        _start(0);
        _postFine();
        _walkFine(ROW_LONG);
        _chooseRow(ROW_LONG);
        _revealRow(ROW_LONG);
        _choose(12);
        // The last node has two chunks.
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.ItemCount.selector, 64, 128));
        game.revealChunks(gameId, "", new bytes(128));
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.LevelMismatch.selector, 2));
        game.reveal(gameId, "", new bytes32[](2));
        bytes memory data = _row(0, ROW_LONG);
        Trees.Tree memory tree = _rowTree(data);
        bytes memory siblings = tree.range(12, 12, 2, 6);
        vm.expectPartialRevert(IDisputeGame.NodeMismatch.selector);
        game.revealChunks(gameId, siblings, _plain(data, 44, 2));
        vm.prank(stranger);
        game.revealChunks(gameId, siblings, _plain(data, 48, 2));
        assertPhase(Phase.Chunks);
    }

    // ---------------------------------------------------------------- what the judge is told

    function test_settle_context_succeeds() public {
        _start(3);
        _playTo(ROW_MAP, 2);
        Request[] memory request = new Request[](1);
        request[0] = _request();
        StepContext memory expected = _contextOfStep3(request[0]);
        (expected.hasRequest, expected.temperature) = (false, 0);
        OpenedElement memory opened = _element(ROW_MAP, 2);
        bytes memory instruction = program[ROW_MAP];
        vm.startPrank(challenger);
        vm.expectRevert(abi.encodeWithSelector(ToyJudge.SawContext.selector, expected));
        game.settle(subject, instruction, opened, _noRequest(), "look");
        expected.hasRequest = true;
        expected.temperature = 65_536;
        vm.expectRevert(abi.encodeWithSelector(ToyJudge.SawContext.selector, expected));
        game.settle(subject, instruction, opened, request, "look");
        request[0].nonce = 10;
        vm.expectPartialRevert(IDisputeGame.RequestMismatch.selector);
        game.settle(subject, instruction, opened, request, "look");
        request = new Request[](2);
        request[0] = _request();
        request[1] = _request();
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.ItemCount.selector, 1, 2));
        game.settle(subject, instruction, opened, request, "look");
    }
}
