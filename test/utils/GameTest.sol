// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {
    Game,
    GameId,
    IDisputeGame,
    OpenedElement,
    OpenedBlock,
    OpenedInstruction,
    OpenedLeaf,
    OpenedRow,
    Phase,
    Record,
    Subject
} from "src/interfaces/IDisputeGame.sol";
import {CommittedReceipt, Status} from "src/interfaces/IOtrRollup.sol";
import {Timestamp} from "src/libraries/Clock.sol";
import {StepContext} from "src/interfaces/IJudge.sol";
import {Request, RequestHash} from "src/types/OtrTypes.sol";
import {OtrTest} from "./OtrTest.sol";
import {Trees} from "./Trees.sol";

/// @title Plays both sides of a game on the toy machine
abstract contract GameTest is OtrTest {
    using Trees for Trees.Tree;

    uint32 internal constant UNKNOWN_STEP = type(uint32).max;

    CommittedReceipt internal committed;
    Subject internal subject;
    GameId internal gameId;

    function _open(uint32 step) internal {
        _openBy(challenger, step);
    }

    function _openBy(address by, uint32 step) internal {
        CommittedReceipt memory c = committed;
        Trees.Tree memory trace = _traceTree();
        vm.deal(by, by.balance + BOND);
        vm.prank(by);
        gameId = game.open{value: BOND}(c, _request(), step, trace.levels[0][step], trace.siblings(step));
        subject = _subjectOf(by, step, trace.levels[0][step]);
    }

    /// @dev A game that opens now.
    function _subjectOf(address by, uint32 step, bytes32 record) internal view returns (Subject memory) {
        return Subject({
            receipt: committed.receipt,
            batchId: committed.batchId,
            step: step,
            record: record,
            challenger: by,
            bond: BOND,
            openedAt: Timestamp.wrap(uint40(block.timestamp))
        });
    }

    /// @dev What the judge is told of step 3, with this request.
    function _contextOfStep3(Request memory request) internal view returns (StepContext memory) {
        return StepContext({
            step: 3,
            nIn: 3,
            steps: 5,
            rows: 40,
            cacheRows: 2,
            weightRows: 5,
            fineTop: _fineTree(3).top(),
            traceRoot: committed.receipt.traceRoot,
            weightsRoot: manifest.weightsRoot,
            inputRoot: request.inputRoot,
            requestHash: RequestHash.unwrap(rollup.hashRequest(request)),
            hasRequest: true,
            temperature: 65_536
        });
    }

    function _openTrace() internal {
        CommittedReceipt memory c = committed;
        Request memory request = _request();
        vm.prank(challenger);
        gameId = game.openTrace{value: BOND}(c, request);
        subject = _subjectOf(challenger, UNKNOWN_STEP, 0);
    }

    function _revealTrace() internal {
        game.revealTrace(subject, _traceTree().first());
    }

    /// @dev Names a record below the known node, which is at `level`.
    function _chooseStep(uint32 step, uint256 level) internal {
        Trees.Tree memory trace = _traceTree();
        bytes memory siblings = trace.range(step, step, 0, level);
        vm.prank(challenger);
        gameId = game.chooseStep(subject, step, trace.levels[0][step], siblings);
        (subject.step, subject.record) = (step, trace.levels[0][step]);
    }

    function _postFine() internal {
        bytes32[] memory nodes = _fineTree(subject.step).first();
        Record memory record = _record();
        vm.prank(executor);
        game.postFine(subject, record, nodes);
    }

    function _choose(uint256 child) internal {
        _choose(4, child);
    }

    function _choose(uint256 levels, uint256 child) internal {
        vm.prank(subject.challenger);
        game.choose(gameId, levels, child);
    }

    function _state() internal view returns (Game memory) {
        return game.gameOf(gameId);
    }

    function _phase() internal view returns (Phase) {
        return game.gameOf(gameId).phase;
    }

    function assertPhase(Phase expected) internal view {
        assertEq(uint256(_phase()), uint256(expected), "phase");
    }

    /// @dev From phase Fine (at the top) to the leaves above row `row`: the toy fine tree has depth 6.
    function _walkFine(uint256 row) internal {
        Trees.Tree memory tree = _fineTree(subject.step);
        uint256 depth = tree.depthOf();
        if (depth <= 4) return;
        assertEq(depth, 6, "two levels of walking");
        _choose(row >> 2);
        game.revealFine(subject, tree.range(row >> 2, row >> 2, 2, 6), tree.descendants(2, row >> 2, 2));
    }

    function _opened(uint256 row) internal view returns (OpenedInstruction memory) {
        Trees.Tree memory tree = programTree;
        return OpenedInstruction({row: uint32(row), instruction: program[row], siblings: tree.siblings(row)});
    }

    function _chooseRow(uint256 row) internal {
        OpenedInstruction memory opened = _opened(row);
        vm.prank(subject.challenger);
        game.chooseRow(subject, opened);
    }

    function _revealRow(uint256 row) internal {
        Trees.Tree memory fine = _fineTree(subject.step);
        bytes memory data = _row(subject.step, row);
        Trees.Tree memory tree = _rowTree(data);
        uint256 level = fine.depthOf() <= 4 ? fine.depthOf() : 2;
        bytes memory siblings = fine.range(row, row, 0, level);
        if (tree.depthOf() <= 4) game.revealRow(gameId, siblings, new bytes32[](0), _plain(data, 0, tree.count()));
        else game.revealRow(gameId, siblings, tree.first(), "");
    }

    /// @dev Chunks `from .. from + n - 1`, zero-padded.
    function _plain(bytes memory data, uint256 from, uint256 n) internal pure returns (bytes memory out) {
        for (uint256 k = from; k < from + n; ++k) {
            out = bytes.concat(out, _chunkAt(data, k));
        }
    }

    /// @dev From phase RowNodes to the chunks around chunk `k`, in a tree of depth 5 to 8.
    function _walkRow(uint256 row, uint256 k) internal {
        bytes memory data = _row(subject.step, row);
        Trees.Tree memory tree = _rowTree(data);
        uint256 depth = tree.depthOf();
        if (depth <= 4) return;
        uint256 level = depth - 4;
        uint256 node = k >> level;
        _choose(node);
        uint256 n = tree.descendants(level, node, level).length;
        game.revealChunks(gameId, tree.range(node, node, level, depth), _plain(data, node << level, n));
    }

    function _element(uint256 row, uint256 element) internal view returns (OpenedElement memory) {
        bytes memory data = _row(subject.step, row);
        Trees.Tree memory tree = _rowTree(data);
        (uint8 elementType,) = judge.rowShape(program[row], subject.step);
        uint256 k = (element << elementType) / 32;
        uint256 level = tree.depthOf() <= 4 ? tree.depthOf() : tree.depthOf() - 4;
        return OpenedElement({element: uint32(element), chunk: _chunkAt(data, k), siblings: tree.range(k, k, 0, level)});
    }

    /// @dev The same for `settleJump`: up to the row's top.
    function _elementToTop(uint256 row, uint256 element) internal view returns (OpenedElement memory) {
        bytes memory data = _row(subject.step, row);
        Trees.Tree memory tree = _rowTree(data);
        (uint8 elementType,) = judge.rowShape(program[row], subject.step);
        uint256 k = (element << elementType) / 32;
        return OpenedElement({element: uint32(element), chunk: _chunkAt(data, k), siblings: tree.siblings(k)});
    }

    function _openedRow(uint256 row) internal view returns (OpenedRow memory) {
        Trees.Tree memory fine = _fineTree(subject.step);
        return OpenedRow({byteRoot: _rowTree(_row(subject.step, row)).top(), siblings: fine.siblings(row)});
    }

    function _settleJump(uint256 row, uint256 element) internal {
        OpenedInstruction memory opened = _opened(row);
        OpenedRow memory openedRow = _openedRow(row);
        OpenedElement memory openedElement = _elementToTop(row, element);
        vm.prank(subject.challenger);
        game.settleJump(subject, opened, openedRow, openedElement, _noRequest(), "");
    }

    function _noRequest() internal pure returns (Request[] memory) {
        return new Request[](0);
    }

    function _settle(uint256 row, uint256 element) internal {
        OpenedElement memory opened = _element(row, element);
        bytes memory instruction = program[row];
        vm.prank(subject.challenger);
        game.settle(subject, instruction, opened, _noRequest(), "");
    }

    /// @dev From phase FinePost to phase Chunks around an element.
    function _playTo(uint256 row, uint256 element) internal {
        _postFine();
        _walkFine(row);
        _chooseRow(row);
        _revealRow(row);
        (uint8 elementType,) = judge.rowShape(program[row], subject.step);
        _walkRow(row, (element << elementType) / 32);
    }

    function _record() internal view returns (Record memory) {
        return Record({salt: _salt(subject.step), token: _token(subject.step), cacheRoot: _cacheRoot(subject.step)});
    }

    // ---------------------------------------------------------------- lies and moves

    /// @dev The executor's row differs from the honest one in an element.
    function _lie(uint256 step, uint256 row, uint256 element, int256 by) internal {
        bytes memory lie = _honestRow(step, row);
        (uint8 elementType,) = judge.rowShape(program[row], uint32(step));
        (uint256 blocks,) = judge.blocks(program[row], uint32(step));
        int256 honest = judge.valueAfter(program[row], uint32(step), element, blocks - 1);
        _put(lie, elementType, element, honest + by);
        rowLies[step][row] = lie;
    }

    function _start(uint32 step) internal {
        committed = _commit();
        _open(step);
    }

    function _accumulators(uint256 row, uint256 element, uint256 from, uint256 stride, uint256 count)
        internal
        view
        returns (bytes memory out)
    {
        (uint256 blocks,) = judge.blocks(program[row], subject.step);
        for (uint256 i; i < count; ++i) {
            uint256 last = from + (i + 1) * stride - 1;
            if (last >= blocks) last = blocks - 1;
            out = bytes.concat(out, judge.accumulatorAfter(program[row], subject.step, element, last));
        }
    }

    function _chooseElement(uint256 row, uint256 element) internal {
        OpenedElement memory opened = _element(row, element);
        bytes memory instruction = program[row];
        vm.prank(subject.challenger);
        game.chooseElement(subject, instruction, opened);
    }

    function _postAccumulators(uint256 row, bytes memory accumulators) internal {
        bytes memory instruction = program[row];
        vm.prank(executor);
        game.postAccumulators(subject, instruction, accumulators);
    }

    function _settleBlock(uint256 row, uint256 index, bytes memory accumulators) internal {
        bytes memory instruction = program[row];
        vm.prank(subject.challenger);
        game.settleBlock(subject, instruction, OpenedBlock(uint32(index), accumulators), _noRequest(), "");
    }

    /// @dev Shifts the accumulator number `index` and all behind it by one.
    function _shift(bytes memory accumulators, uint256 size, uint256 index) internal pure {
        for (uint256 i = index * size; i < accumulators.length; i += size) {
            accumulators[i + 7] = bytes1(uint8(accumulators[i + 7]) ^ 0x80);
        }
    }

    function _chooseCache() internal {
        Record memory record = _record();
        vm.prank(subject.challenger);
        game.chooseCache(subject, record);
    }

    function _revealCache() internal {
        game.revealCache(gameId, _cacheTree(subject.step).first());
    }

    function _cacheSettlement(uint256 row, uint256 slot)
        internal
        view
        returns (OpenedInstruction memory opened, OpenedLeaf memory cached, OpenedLeaf memory fine)
    {
        Trees.Tree memory cacheTree = _cacheTree(subject.step);
        Trees.Tree memory fineTree = _fineTree(subject.step);
        opened = _opened(row);
        cached = OpenedLeaf(uint32(slot), cacheTree.levels[0][slot], cacheTree.siblings(slot));
        fine = OpenedLeaf(uint32(row), fineTree.levels[0][row], fineTree.siblings(row));
    }

    function _settleCache(uint256 row, uint256 slot) internal {
        (OpenedInstruction memory opened, OpenedLeaf memory cached, OpenedLeaf memory fine) =
            _cacheSettlement(row, slot);
        vm.prank(subject.challenger);
        game.settleCache(subject, opened, cached, fine);
    }

    function _tokenChunk() internal view returns (bytes32, bytes memory) {
        return _tokenChunk(39);
    }

    /// @dev The chunk of the token row, which is the last one.
    function _tokenChunk(uint256 row) internal view returns (bytes32, bytes memory) {
        Trees.Tree memory fine = _fineTree(subject.step);
        return (_chunkAt(_row(subject.step, row), 0), fine.siblings(row));
    }

    // ---------------------------------------------------------------- verdicts

    /// @dev Concludes a game that waits for it. Nothing moves before the air gap; then bond and gas, and the challenger's share later.
    function assertExecutorLost() internal {
        if (_state().phase == Phase.Proven) game.conclude(subject);
        assertPhase(Phase.Won);
        assertStatus(committed, Status.Reverted);
        assertEq(vault.executorOf(executor).stake, STAKE, "nothing moves yet");
        assertEq(vault.claimableOf(subject.challenger), 0, "nothing moves yet");
        assertEq(vault.bondsOf(address(game)), BOND, "bond");
        uint256 gas = game.gasOf(_state().moves) * GAS_PRICE;
        vm.warp(block.timestamp + AIR_GAP);
        vm.prank(stranger);
        game.payOut(subject);
        assertPhase(Phase.Paid);
        assertEq(vault.claimableOf(subject.challenger), BOND + gas, "bond and gas");
        vm.warp(Timestamp.unwrap(rollup.rewardDueAt(executor)));
        rollup.payReward(executor);
        assertEq(vault.claimableOf(subject.challenger), BOND + gas + LOCK / 4, "bond, gas and share");
        assertEq(vault.executorOf(executor).stake, STAKE - gas - LOCK / 4, "stake");
        assertEq(vault.burnt(), 0, "burnt by releaseBatch");
        assertEq(vault.bondsOf(address(game)), 0, "bonds");
        assertSolvent();
    }

    function assertChallengerLost() internal {
        assertPhase(Phase.Lost);
        assertStatus(committed, Status.Provisional);
        assertEq(vault.burnt(), 0, "nothing moves yet");
        vm.warp(block.timestamp + AIR_GAP);
        vm.prank(stranger);
        game.payOut(subject);
        assertPhase(Phase.Paid);
        assertStatus(committed, Status.Final);
        assertEq(vault.claimableOf(subject.challenger), 0, "challenger");
        assertEq(vault.claimableOf(executor), BOND / 2, "executor");
        assertEq(vault.burnt(), BOND - BOND / 2, "burnt");
        assertEq(vault.executorOf(executor).stake, STAKE, "stake");
        assertSolvent();
    }

    /// @dev The bond comes back, and gas.
    function assertMoot(Subject memory s) internal {
        GameId id = game.gameIdOf(s);
        assertEq(uint256(game.gameOf(id).phase), uint256(Phase.Moot), "moot");
        uint256 gas = game.gasOf(game.gameOf(id).moves) * GAS_PRICE;
        uint256 before = vault.claimableOf(s.challenger);
        vm.warp(block.timestamp + AIR_GAP);
        game.payOut(s);
        assertEq(vault.claimableOf(s.challenger), before + BOND + gas, "bond and gas");
        assertSolvent();
    }

    function _wrongPhase(Phase expected, Phase got) internal {
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.WrongPhase.selector, expected, got));
    }
}
