// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {GameTest} from "./utils/GameTest.sol";
import {Trees} from "./utils/Trees.sol";
import {
    GameId,
    IDisputeGame,
    OpenedBlock,
    OpenedElement,
    OpenedInstruction,
    OpenedLeaf,
    Phase,
    Record,
    Subject
} from "src/interfaces/IDisputeGame.sol";
import {CommittedReceipt, Status} from "src/interfaces/IOtrRollup.sol";
import {BinaryTree} from "src/libraries/BinaryTree.sol";
import {Tags} from "src/libraries/Tags.sol";
import {Request} from "src/types/OtrTypes.sol";

contract DisputeGameTest is GameTest {
    using Trees for Trees.Tree;

    // ---------------------------------------------------------------- wins

    function testFuzz_settle_anyElementOfAnyMap_succeeds(uint256 row, uint256 element, uint256 step) public {
        uint256[4] memory rows = [ROW_MAP, ROW_LONG, ROW_CACHED_I16, 39];
        row = rows[row % 4];
        step = bound(step, 0, 4);
        (, uint256 length) = judge.rowShape(program[row], uint32(step));
        element = bound(element, 0, length - 1);
        _lie(step, row, element, 3);
        _start(uint32(step));
        assertStatus(committed, Status.Challenged);
        _playTo(row, element);
        _settle(row, element);
        assertExecutorLost();
    }

    function test_settle_padding_succeeds() public {
        bytes memory honest = _honestRow(1, ROW_CACHED_I16);
        bytes memory lie = bytes.concat(honest, new bytes(24));
        lie[60] = 0x01;
        rowLies[1][ROW_CACHED_I16] = lie;
        _start(1);
        _playTo(ROW_CACHED_I16, 30);
        _settle(ROW_CACHED_I16, 30);
        assertExecutorLost();
    }

    function test_settle_paddingIsZero_reverts() public {
        _start(1);
        _playTo(ROW_CACHED_I16, 30);
        OpenedElement memory opened = _element(ROW_CACHED_I16, 30);
        vm.prank(challenger);
        vm.expectRevert(IDisputeGame.NothingProven.selector);
        game.settle(subject, "", opened, _noRequest(), "");
    }

    function test_settle_honest_reverts() public {
        _start(2);
        _playTo(ROW_LONG, 100);
        OpenedElement memory opened = _element(ROW_LONG, 100);
        bytes memory instruction = program[ROW_LONG];
        vm.prank(challenger);
        vm.expectRevert(IDisputeGame.NothingProven.selector);
        game.settle(subject, instruction, opened, _noRequest(), "");
    }

    function testFuzz_settleBlock_anyBlock_succeeds(uint256 lying) public {
        lying = bound(lying, 0, FOLD_BLOCKS - 1);
        bytes memory row = _honestRow(3, ROW_FOLD);
        int256 honest = judge.valueAfter(program[ROW_FOLD], 3, 2, FOLD_BLOCKS - 1);
        _put(row, 2, 2, honest ^ 0x80);
        rowLies[3][ROW_FOLD] = row;
        _start(3);
        _playTo(ROW_FOLD, 2);
        _chooseElement(ROW_FOLD, 2);
        bytes memory accumulators = _accumulators(ROW_FOLD, 2, 0, 1, FOLD_BLOCKS);
        _shift(accumulators, 8, lying);
        // Up to the lie all is honest; the lie itself convicts.
        _postAccumulators(ROW_FOLD, accumulators);
        for (uint256 k; k < lying; ++k) {
            bytes memory instruction = program[ROW_FOLD];
            vm.prank(challenger);
            vm.expectRevert(IDisputeGame.NothingProven.selector);
            game.settleBlock(subject, instruction, OpenedBlock(uint32(k), accumulators), _noRequest(), "");
        }
        _settleBlock(ROW_FOLD, lying, accumulators);
        assertExecutorLost();
    }

    function _playBigFold(uint256 lying) private returns (bytes memory parts, bytes memory blocks, uint256 part) {
        // 100 blocks: ten parts of ten.
        part = lying / 10;
        bytes memory row = _honestRow(2, ROW_BIG_FOLD);
        int256 honest = judge.valueAfter(program[ROW_BIG_FOLD], 2, 1, BIG_FOLD_BLOCKS - 1);
        _put(row, 3, 1, honest ^ 0x80);
        rowLies[2][ROW_BIG_FOLD] = row;
        _start(2);
        _playTo(ROW_BIG_FOLD, 1);
        _chooseElement(ROW_BIG_FOLD, 1);
        parts = _accumulators(ROW_BIG_FOLD, 1, 0, 10, 10);
        _shift(parts, 16, part);
        _postAccumulators(ROW_BIG_FOLD, parts);
        vm.prank(challenger);
        game.choosePart(subject, program[ROW_BIG_FOLD], part, parts);
        blocks = _accumulators(ROW_BIG_FOLD, 1, 10 * part, 1, 10);
        _shift(blocks, 16, lying % 10);
    }

    function testFuzz_settleBlock_twoLevels_succeeds(uint256 lying) public {
        lying = bound(lying, 0, BIG_FOLD_BLOCKS - 1);
        (, bytes memory blocks,) = _playBigFold(lying);
        _postAccumulators(ROW_BIG_FOLD, blocks);
        if (lying % 10 != 0) {
            bytes memory instruction = program[ROW_BIG_FOLD];
            vm.prank(challenger);
            vm.expectRevert(IDisputeGame.NothingProven.selector);
            game.settleBlock(subject, instruction, OpenedBlock(uint32(lying % 10 - 1), blocks), _noRequest(), "");
        }
        _settleBlock(ROW_BIG_FOLD, lying % 10, blocks);
        assertExecutorLost();
    }

    function test_postAccumulators_partEndsElsewhere_reverts() public {
        (, bytes memory blocks,) = _playBigFold(34);
        blocks[9 * 16 + 15] ^= 0x01;
        bytes memory instruction = program[ROW_BIG_FOLD];
        vm.prank(executor);
        vm.expectPartialRevert(IDisputeGame.AccumulatorsMismatch.selector);
        game.postAccumulators(subject, instruction, blocks);
    }

    function test_choosePart_twice_reverts() public {
        (, bytes memory blocks,) = _playBigFold(34);
        _postAccumulators(ROW_BIG_FOLD, blocks);
        bytes memory instruction = program[ROW_BIG_FOLD];
        vm.prank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.BlockCount.selector, 100));
        game.choosePart(subject, instruction, 0, blocks);
    }

    function test_settleBlock_ofParts_reverts() public {
        _start(2);
        _playTo(ROW_BIG_FOLD, 1);
        _chooseElement(ROW_BIG_FOLD, 1);
        bytes memory parts = _accumulators(ROW_BIG_FOLD, 1, 0, 10, 10);
        _postAccumulators(ROW_BIG_FOLD, parts);
        bytes memory instruction = program[ROW_BIG_FOLD];
        vm.startPrank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.BlockCount.selector, 100));
        game.settleBlock(subject, instruction, OpenedBlock(0, parts), _noRequest(), "");
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.ChoiceOutOfRange.selector, 10, 10));
        game.choosePart(subject, instruction, 10, parts);
        parts[0] ^= 0x01;
        vm.expectPartialRevert(IDisputeGame.AccumulatorsMismatch.selector);
        game.choosePart(subject, instruction, 1, parts);
    }

    function test_settleCache_contradiction_succeeds() public {
        bytes memory lie = _honestRow(1, ROW_CACHED_I16);
        _put(lie, 1, 7, 4242);
        cacheLies[1][1] = lie;
        _start(1);
        _postFine();
        _chooseCache();
        _revealCache();
        _settleCache(ROW_CACHED_I16, 1);
        assertExecutorLost();
    }

    function test_settleCache_same_reverts() public {
        _start(1);
        _postFine();
        _chooseCache();
        _revealCache();
        (OpenedInstruction memory opened, OpenedLeaf memory cached, OpenedLeaf memory fine) =
            _cacheSettlement(ROW_CACHED_I16, 1);
        vm.prank(challenger);
        vm.expectRevert(IDisputeGame.NothingProven.selector);
        game.settleCache(subject, opened, cached, fine);
    }

    /// @dev Leaves of different rows differ: that must prove nothing.
    function test_settleCache_anotherRow_reverts() public {
        _start(1);
        _postFine();
        _chooseCache();
        _revealCache();
        (OpenedInstruction memory opened, OpenedLeaf memory cached, OpenedLeaf memory fine) =
            _cacheSettlement(ROW_CACHED_I8, 1);
        vm.startPrank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.NotCached.selector, 1, 0));
        game.settleCache(subject, opened, cached, fine);
        opened = _opened(ROW_MAP);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.NotCached.selector, 0, 0));
        game.settleCache(subject, opened, cached, fine);
        (opened,,) = _cacheSettlement(ROW_CACHED_I16, 1);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.ChoiceOutOfRange.selector, 1, 2));
        game.settleCache(subject, opened, cached, fine);
        fine.index = 2;
        vm.expectPartialRevert(IDisputeGame.NodeMismatch.selector);
        game.settleCache(subject, opened, cached, fine);
        cached.leaf = keccak256("made up");
        vm.expectPartialRevert(IDisputeGame.NodeMismatch.selector);
        game.settleCache(subject, opened, cached, fine);
        cached.index = 2;
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.ChoiceOutOfRange.selector, 2, 2));
        game.settleCache(subject, opened, cached, fine);
    }

    function test_revealCache_wrongNodes_reverts() public {
        _start(1);
        _postFine();
        _chooseCache();
        bytes32[] memory nodes = _cacheTree(1).first();
        nodes[1] = keccak256("other");
        vm.expectPartialRevert(IDisputeGame.NodeMismatch.selector);
        game.revealCache(gameId, nodes);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.ItemCount.selector, 2, 1));
        game.revealCache(gameId, new bytes32[](1));
    }

    function test_chooseCache_wrongRecord_reverts() public {
        _start(1);
        _postFine();
        Record memory record = _record();
        record.salt = keccak256("other");
        vm.startPrank(challenger);
        vm.expectPartialRevert(IDisputeGame.RecordMismatch.selector);
        game.chooseCache(subject, record);
        vm.expectPartialRevert(IDisputeGame.RecordMismatch.selector);
        game.settleToken(subject, record, 0, "");
    }

    function test_chooseCache_belowTop_reverts() public {
        _start(1);
        _postFine();
        _walkFine(0);
        Request memory request = _request();
        Record memory record = _record();
        vm.startPrank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.LevelMismatch.selector, 2));
        game.chooseCache(subject, record);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.LevelMismatch.selector, 2));
        game.settleToken(subject, record, 0, "");
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.LevelMismatch.selector, 2));
        game.settleSalt(subject, record, request, SEED);
    }

    function test_chooseRow_inCache_reverts() public {
        _start(1);
        _postFine();
        _chooseCache();
        _revealCache();
        OpenedInstruction memory opened = _opened(1);
        vm.prank(challenger);
        _wrongPhase(Phase.Fine, Phase.Cache);
        game.chooseRow(subject, opened);
    }

    function test_settleToken_contradiction_succeeds() public {
        tokenLies[3] = 77;
        _start(3);
        _postFine();
        (bytes32 chunk, bytes memory siblings) = _tokenChunk();
        Record memory record = _record();
        vm.prank(challenger);
        game.settleToken(subject, record, chunk, siblings);
        assertExecutorLost();
    }

    function test_settleToken_promptPosition_succeeds() public {
        tokenLies[1] = 77;
        _start(1);
        _postFine();
        Record memory record = _record();
        vm.prank(challenger);
        game.settleToken(subject, record, 0, "");
        assertExecutorLost();
    }

    function test_settleToken_honest_reverts() public {
        _start(1);
        _postFine();
        Record memory record = _record();
        vm.prank(challenger);
        vm.expectRevert(IDisputeGame.NothingProven.selector);
        game.settleToken(subject, record, 0, "");
        _open(2);
        _postFine();
        (bytes32 chunk, bytes memory siblings) = _tokenChunk();
        record = _record();
        vm.startPrank(challenger);
        vm.expectRevert(IDisputeGame.NothingProven.selector);
        game.settleToken(subject, record, chunk, siblings);
        vm.expectPartialRevert(IDisputeGame.NodeMismatch.selector);
        game.settleToken(subject, record, keccak256("another chunk"), siblings);
    }

    /// @dev A negative token in the row counts as 0, one beyond the range as 2^32 - 2.
    function test_settleToken_clamped_succeeds() public {
        bytes memory row = _honestRow(4, 39);
        _put(row, 3, 0, -5);
        rowLies[4][39] = row;
        row = _honestRow(3, 39);
        _put(row, 3, 0, 1 << 40);
        rowLies[3][39] = row;
        tokenLies[3] = type(uint32).max - 1;
        _start(3);
        _postFine();
        (bytes32 chunk, bytes memory siblings) = _tokenChunk();
        Record memory record = _record();
        vm.prank(challenger);
        vm.expectRevert(IDisputeGame.NothingProven.selector);
        game.settleToken(subject, record, chunk, siblings);
        _open(4);
        _postFine();
        (chunk, siblings) = _tokenChunk();
        record = _record();
        vm.prank(challenger);
        game.settleToken(subject, record, chunk, siblings);
        assertPhase(Phase.Proven);
    }

    // ---------------------------------------------------------------- opening

    function test_open_wrongBond_reverts() public {
        committed = _commit();
        Trees.Tree memory trace = _traceTree();
        CommittedReceipt memory c = committed;
        vm.startPrank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.BondAmount.selector, BOND, BOND - 1));
        game.open{value: BOND - 1}(c, _request(), 0, trace.levels[0][0], trace.siblings(0));
    }

    function test_open_wrongRecord_reverts() public {
        committed = _commit();
        Trees.Tree memory trace = _traceTree();
        CommittedReceipt memory c = committed;
        vm.startPrank(challenger);
        vm.expectPartialRevert(IDisputeGame.NodeMismatch.selector);
        game.open{value: BOND}(c, _request(), 1, trace.levels[0][0], trace.siblings(0));
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.StepOutOfRange.selector, 5, 5));
        game.open{value: BOND}(c, _request(), 5, 0, trace.siblings(4));
        vm.expectPartialRevert(BinaryTree.OpeningTooLong.selector);
        game.open{value: BOND}(c, _request(), 4, trace.levels[0][4], bytes.concat(trace.siblings(4), bytes32(0)));
        vm.expectPartialRevert(BinaryTree.OpeningTooShort.selector);
        game.open{value: BOND}(c, _request(), 4, trace.levels[0][4], "");
    }

    function test_open_twice_reverts() public {
        _start(0);
        CommittedReceipt memory c = committed;
        Trees.Tree memory trace = _traceTree();
        vm.prank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.GameExists.selector, gameId));
        game.open{value: BOND}(c, _request(), 0, trace.levels[0][0], trace.siblings(0));
    }

    function test_open_idAsSpecified_succeeds() public {
        _start(0);
        assertEq(GameId.unwrap(gameId), uint256(keccak256(abi.encode(subject))));
        assertEq(GameId.unwrap(game.gameIdOf(subject)), GameId.unwrap(gameId));
        assertEq(vault.bondsOf(address(game)), BOND);
    }

    // ---------------------------------------------------------------- claims

    function test_postFine_stranger_reverts() public {
        _start(0);
        Record memory record = _record();
        bytes32[] memory nodes = _fineTree(0).first();
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.NotExecutor.selector, executor, stranger));
        game.postFine(subject, record, nodes);
        vm.prank(executor);
        vault.setDelegate(delegate, true);
        vm.prank(delegate);
        game.postFine(subject, record, nodes);
        assertEq(game.fineTopOf(rollup.hashReceipt(committed.receipt), 0), _fineTree(0).top());
    }

    function test_postFine_bindsEveryGame_succeeds() public {
        _start(0);
        Record memory record = _record();
        _postFine();
        _openBy(stranger, 0);
        bytes32[] memory nodes = _fineTree(0).first();
        nodes[3] = keccak256("other");
        vm.prank(executor);
        vm.expectPartialRevert(IDisputeGame.ClaimBound.selector);
        game.postFine(subject, record, nodes);
        // Repeating it is open to all.
        nodes = _fineTree(0).first();
        vm.prank(delegate);
        game.postFine(subject, record, nodes);
        assertPhase(Phase.Fine);
    }

    function test_postFine_wrongCount_reverts() public {
        _start(0);
        Record memory record = _record();
        vm.startPrank(executor);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.ItemCount.selector, 10, 16));
        game.postFine(subject, record, new bytes32[](16));
    }

    /// @dev An executor that does not know its own record cannot answer.
    function testFuzz_postFine_wrongRecord_reverts(uint256 field, uint256 change) public {
        _start(1);
        Record memory record = _record();
        bytes32[] memory nodes = _fineTree(1).first();
        if (change == 0) change = 1;
        field %= 3;
        if (field == 0) record.salt ^= bytes32(change);
        if (field == 1) record.token ^= uint32(1 + change % type(uint32).max);
        if (field == 2) record.cacheRoot ^= bytes32(change);
        vm.prank(executor);
        vm.expectRevert(
            abi.encodeWithSelector(
                IDisputeGame.RecordMismatch.selector,
                subject.record,
                keccak256(abi.encode(Tags.RECORD, record.salt, record.token, record.cacheRoot))
            )
        );
        game.postFine(subject, record, nodes);
    }

    function test_postFine_anotherSubject_reverts() public {
        _start(0);
        Record memory record = _record();
        Subject memory other = subject;
        other.record = keccak256("other");
        vm.prank(executor);
        _wrongPhase(Phase.FinePost, Phase.None);
        game.postFine(other, record, new bytes32[](10));
    }

    function test_postAccumulators_bindsEveryGame_succeeds() public {
        _start(3);
        Record memory record = _record();
        _playTo(ROW_FOLD, 2);
        _chooseElement(ROW_FOLD, 2);
        bytes memory accumulators = _accumulators(ROW_FOLD, 2, 0, 1, FOLD_BLOCKS);
        bytes memory instruction = program[ROW_FOLD];
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.NotExecutor.selector, executor, stranger));
        game.postAccumulators(subject, instruction, accumulators);
        _postAccumulators(ROW_FOLD, accumulators);

        _openBy(stranger, 3);
        bytes32[] memory nodes = _fineTree(3).first();
        game.postFine(subject, record, nodes);
        _walkFine(ROW_FOLD);
        _chooseRow(ROW_FOLD);
        _revealRow(ROW_FOLD);
        OpenedElement memory opened = _element(ROW_FOLD, 2);
        vm.prank(stranger);
        game.chooseElement(subject, instruction, opened);
        bytes memory other = bytes.concat(accumulators);
        other[7] ^= 0x01;
        vm.prank(executor);
        vm.expectPartialRevert(IDisputeGame.ClaimBound.selector);
        game.postAccumulators(subject, instruction, other);
        game.postAccumulators(subject, instruction, accumulators);
        assertPhase(Phase.Blocks);
    }

    function test_postAccumulators_contradictClaim_reverts() public {
        _lie(3, ROW_FOLD, 2, 1);
        _start(3);
        _playTo(ROW_FOLD, 2);
        _chooseElement(ROW_FOLD, 2);
        bytes memory accumulators = _accumulators(ROW_FOLD, 2, 0, 1, FOLD_BLOCKS);
        bytes memory instruction = program[ROW_FOLD];
        vm.startPrank(executor);
        vm.expectPartialRevert(IDisputeGame.AccumulatorsContradictClaim.selector);
        game.postAccumulators(subject, instruction, accumulators);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.ItemCount.selector, 80, 72));
        game.postAccumulators(subject, instruction, new bytes(72));
    }
}

/// @dev Geometries at the edges: one row; a program without cached rows.
contract DisputeGameSmallTest is GameTest {
    using Trees for Trees.Tree;

    bytes32 private _cacheRootLie;

    function _makeProgram() internal override {
        program.push(_instruction(3, 2, 2, 0, 1000, 1, false));
    }

    function _cacheRoot(uint256) internal view override returns (bytes32) {
        return _cacheRootLie;
    }

    function test_settle_oneRow_succeeds() public {
        bytes memory lie = _honestRow(1, 0);
        _put(lie, 3, 1, 5);
        rowLies[1][0] = lie;
        committed = _commit();
        _open(1);
        _playTo(0, 1);
        assertEq(_state().level, 0);
        _settle(0, 1);
        game.conclude(subject);
        assertStatus(committed, Status.Reverted);
    }

    function test_chooseCache_rootWithoutCachedRows_succeeds() public {
        _cacheRootLie = keccak256("something");
        committed = _commit();
        _open(1);
        _postFine();
        Record memory record = _record();
        vm.prank(challenger);
        game.chooseCache(subject, record);
        assertPhase(Phase.Proven);
        assertExecutorLost();
    }

    function test_chooseCache_nothingCached_reverts() public {
        committed = _commit();
        _open(1);
        _postFine();
        Record memory record = _record();
        vm.prank(challenger);
        vm.expectRevert(IDisputeGame.NothingProven.selector);
        game.chooseCache(subject, record);
    }
}
