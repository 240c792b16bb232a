// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {GameTest} from "./utils/GameTest.sol";
import {Trees} from "./utils/Trees.sol";
import {GameId, IDisputeGame, Phase, Record, Subject} from "src/interfaces/IDisputeGame.sol";
import {CommittedReceipt} from "src/interfaces/IOtrRollup.sol";
import {Tags} from "src/libraries/Tags.sol";
import {Receipt as OtrReceipt, Request} from "src/types/OtrTypes.sol";

/// @notice The walk down the trace, who may open, and salts: sixty steps of three rows.
/// forge-config: default.fuzz.runs = 24
contract GameTraceTest is GameTest {
    using Trees for Trees.Tree;

    uint256 private constant STEPS = 60;

    function setUp() public override {
        (nIn, nOut) = (30, 31);
        super.setUp();
    }

    function _makeProgram() internal override {
        program.push(_instruction(2, 0, 8, 0, 100, 1, false));
        program.push(_instruction(0, 1, 4, 0, -50, 1, false));
        program.push(_instruction(3, 2, 2, 0, 1000, 1, false));
    }

    /// @dev From nothing to the nodes four levels below the top, and to the step's neighbours.
    function _walkTo(uint32 step) private {
        committed = _commit();
        _openTrace();
        _revealTrace();
        _choose(step >> 2);
        Trees.Tree memory trace = _traceTree();
        vm.prank(stranger);
        game.reveal(gameId, trace.range(step >> 2, step >> 2, 2, 6), trace.descendants(2, step >> 2, 2));
        assertPhase(Phase.Trace);
    }

    function _settleToken() private {
        (bytes32 chunk, bytes memory siblings) = _tokenChunk(2);
        Record memory record = _record();
        vm.prank(challenger);
        game.settleToken(subject, record, chunk, siblings);
    }

    // ---------------------------------------------------------------- walk

    function testFuzz_trace_anyWrongRecord_succeeds(uint32 step) public {
        step = uint32(bound(step, 0, STEPS - 1));
        tokenLies[step] = 77;
        _walkTo(step);
        _chooseStep(step, 2);
        assertPhase(Phase.FinePost);
        assertEq(_state().moves, 2);
        _postFine();
        _settleToken();
        assertEq(_state().moves, 3, "moves are carried over");
        assertExecutorLost();
    }

    /// @dev A challenger that knows the records opens the wrong one from the top.
    function testFuzz_trace_jump_succeeds(uint32 step) public {
        step = uint32(bound(step, 0, STEPS - 1));
        tokenLies[step] = 77;
        committed = _commit();
        _openTrace();
        _revealTrace();
        _chooseStep(step, 6);
        _postFine();
        _settleToken();
        assertExecutorLost();
    }

    /// @dev One more level than a reveal shows.
    function testFuzz_trace_jumpByFive_succeeds(uint32 step) public {
        step = uint32(bound(step, 0, STEPS - 1));
        committed = _commit();
        _openTrace();
        _revealTrace();
        _choose(5, step >> 1);
        assertEq(_state().level, 1);
        Trees.Tree memory trace = _traceTree();
        game.reveal(gameId, trace.range(step >> 1, step >> 1, 1, 6), trace.descendants(1, step >> 1, 1));
        _chooseStep(step, 1);
        _postFine();
        assertPhase(Phase.Fine);
    }

    function testFuzz_trace_honestExecutor_survives(uint32 step) public {
        step = uint32(bound(step, 0, STEPS - 1));
        _walkTo(step);
        _chooseStep(step, 2);
        _postFine();
        (bytes32 chunk, bytes memory siblings) = _tokenChunk(2);
        Record memory record = _record();
        vm.prank(challenger);
        vm.expectRevert(IDisputeGame.NothingProven.selector);
        game.settleToken(subject, record, chunk, siblings);
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
        assertChallengerLost();
    }

    /// @dev Nobody can open a root that is of no tree: its executor cannot answer.
    function test_trace_garbageRoot_executorLoses() public {
        OtrReceipt memory receipt = _receipt();
        receipt.traceRoot = keccak256("garbage");
        committed = _commit(receipt, 2, 5);
        _openTrace();
        Trees.Tree memory trace = _traceTree();
        vm.prank(executor);
        vm.expectRevert(
            abi.encodeWithSelector(IDisputeGame.NodeMismatch.selector, receipt.traceRoot, trace.root(Tags.TRACE))
        );
        game.revealTrace(subject, trace.first());
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.ItemCount.selector, 15, 16));
        game.revealTrace(subject, new bytes32[](16));
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
        assertExecutorLost();
    }

    /// @dev A record of no (salt, token, cache root) cannot be shown in plain.
    function test_trace_garbageRecord_executorLoses() public {
        Trees.Tree memory trace = _traceTree();
        bytes32[] memory leaves = trace.levels[0];
        leaves[7] = keccak256("garbage");
        trace = Trees.over(leaves);
        OtrReceipt memory receipt = _receipt();
        receipt.traceRoot = trace.root(Tags.TRACE);
        committed = _commit(receipt, 2, 5);
        _openTrace();
        game.revealTrace(subject, trace.first());
        vm.prank(challenger);
        gameId = game.chooseStep(subject, 7, leaves[7], trace.siblings(7));
        (subject.step, subject.record) = (7, leaves[7]);
        Record memory record = _record();
        bytes32[] memory nodes = _fineTree(7).first();
        vm.prank(executor);
        vm.expectPartialRevert(IDisputeGame.RecordMismatch.selector);
        game.postFine(subject, record, nodes);
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
        assertExecutorLost();
    }

    function test_timeout_traceNodesReveal_succeeds() public {
        committed = _commit();
        _openTrace();
        _revealTrace();
        _choose(0);
        assertPhase(Phase.TraceNodesReveal);
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
        assertExecutorLost();
    }

    // ---------------------------------------------------------------- the new id

    function test_chooseStep_announcesTheGame_succeeds() public {
        _walkTo(13);
        vm.warp(block.timestamp + 100);
        Trees.Tree memory trace = _traceTree();
        Subject memory next = subject;
        (next.step, next.record) = (13, trace.levels[0][13]);
        GameId nextId = game.gameIdOf(next);
        vm.expectEmit(address(game));
        emit IDisputeGame.StepChosen(gameId, nextId);
        vm.expectEmit(address(game));
        emit IDisputeGame.GameOpened(
            nextId,
            rollup.hashReceipt(committed.receipt),
            challenger,
            committed.receipt,
            committed.batchId,
            13,
            next.record,
            BOND,
            subject.openedAt
        );
        _chooseStep(13, 2);
        assertEq(GameId.unwrap(gameId), GameId.unwrap(nextId));
    }

    /// @dev Nothing can be done under the old id: no move, no verdict, no payment, no second game.
    function test_chooseStep_oldId_isOver() public {
        _walkTo(13);
        (Subject memory old, GameId oldId) = (subject, gameId);
        _chooseStep(13, 2);
        uint256 bonds = vault.bondsOf(address(game));
        Trees.Tree memory trace = _traceTree();
        bytes memory siblings = trace.range(13, 13, 0, 2);
        vm.startPrank(challenger);
        _wrongPhase(Phase.Fine, Phase.Paid);
        game.choose(oldId, 4, 0);
        _wrongPhase(Phase.Trace, Phase.Paid);
        game.chooseStep(old, 13, trace.levels[0][13], siblings);
        vm.stopPrank();
        _wrongPhase(Phase.FineReveal, Phase.Paid);
        game.reveal(oldId, "", new bytes32[](4));
        _wrongPhase(Phase.TraceReveal, Phase.Paid);
        game.revealTrace(old, new bytes32[](15));
        Record memory record = _record();
        _wrongPhase(Phase.FinePost, Phase.Paid);
        game.postFine(old, record, new bytes32[](3));
        vm.warp(block.timestamp + 10 * AIR_GAP);
        _wrongPhase(Phase.FinePost, Phase.Paid);
        game.timeout(old);
        _wrongPhase(Phase.Proven, Phase.Paid);
        game.conclude(old);
        _wrongPhase(Phase.Won, Phase.Paid);
        game.payOut(old);
        game.timeout(subject);
        _wrongPhase(Phase.FinePost, Phase.Paid);
        game.close(old);
        vm.warp(block.timestamp + AIR_GAP);
        game.payOut(subject);
        assertEq(bonds - vault.bondsOf(address(game)), BOND, "one bond");
        _wrongPhase(Phase.Won, Phase.Paid);
        game.payOut(subject);
    }

    function test_openTrace_againAtTheSameTime_reverts() public {
        committed = _commit();
        _openTrace();
        _revealTrace();
        GameId old = gameId;
        _chooseStep(13, 6);
        CommittedReceipt memory c = committed;
        vm.prank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.GameExists.selector, old));
        game.openTrace{value: BOND}(c, _request());
    }

    function test_chooseStep_takenId_reverts() public {
        committed = _commit();
        _open(13);
        GameId taken = gameId;
        _openTrace();
        _revealTrace();
        Trees.Tree memory trace = _traceTree();
        bytes memory siblings = trace.siblings(13);
        vm.prank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.GameExists.selector, taken));
        game.chooseStep(subject, 13, trace.levels[0][13], siblings);
        _chooseStep(14, 6);
        _postFine();
    }

    function test_chooseStep_invalid_reverts() public {
        _walkTo(13);
        Trees.Tree memory trace = _traceTree();
        bytes memory siblings = trace.range(13, 13, 0, 2);
        bytes32 record = trace.levels[0][13];
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.NotChallenger.selector, challenger, address(this)));
        game.chooseStep(subject, 13, record, siblings);
        vm.startPrank(challenger);
        vm.expectPartialRevert(IDisputeGame.NodeMismatch.selector);
        game.chooseStep(subject, 13, keccak256("other"), siblings);
        vm.expectPartialRevert(IDisputeGame.NodeMismatch.selector);
        game.chooseStep(subject, 12, record, siblings);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.ChoiceOutOfRange.selector, 16, STEPS));
        game.chooseStep(subject, 16, trace.levels[0][16], siblings);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.ChoiceOutOfRange.selector, UNKNOWN_STEP, STEPS));
        game.chooseStep(subject, UNKNOWN_STEP, 0, siblings);
        // Not at the leaves of the trace either: `chooseStep` is their move.
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.LevelMismatch.selector, 2));
        game.choose(gameId, 4, 0);
        vm.warp(block.timestamp + TURN);
        vm.expectPartialRevert(IDisputeGame.DeadlinePassed.selector);
        game.chooseStep(subject, 13, record, siblings);
    }

    function test_openTrace_invalid_reverts() public {
        committed = _commit();
        CommittedReceipt memory c = committed;
        Request memory request = _request();
        vm.startPrank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.BondAmount.selector, BOND, BOND - 1));
        game.openTrace{value: BOND - 1}(c, request);
        request.nonce ^= 1;
        vm.expectPartialRevert(IDisputeGame.RequestMismatch.selector);
        game.openTrace{value: BOND}(c, request);
    }

    // ---------------------------------------------------------------- who may open

    function _commitConfidential() private {
        confidential = true;
        committed = _commit();
    }

    function test_open_wrongRequest_reverts() public {
        committed = _commit();
        CommittedReceipt memory c = committed;
        Trees.Tree memory trace = _traceTree();
        Request memory request = _request();
        request.watchers = new address[](0);
        vm.prank(challenger);
        vm.expectPartialRevert(IDisputeGame.RequestMismatch.selector);
        game.open{value: BOND}(c, request, 0, trace.levels[0][0], trace.siblings(0));
    }

    function test_open_confidential_byStranger_reverts() public {
        _commitConfidential();
        CommittedReceipt memory c = committed;
        Trees.Tree memory trace = _traceTree();
        Request memory request = _request();
        vm.deal(stranger, 2 * BOND);
        vm.startPrank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.NotWatcher.selector, stranger));
        game.open{value: BOND}(c, request, 0, trace.levels[0][0], trace.siblings(0));
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.NotWatcher.selector, stranger));
        game.openTrace{value: BOND}(c, request);
        // Naming oneself in another request does not help.
        request.watchers[0] = stranger;
        vm.expectPartialRevert(IDisputeGame.RequestMismatch.selector);
        game.openTrace{value: BOND}(c, request);
    }

    function test_open_confidential_byRequesterAndWatcher_succeeds() public {
        _commitConfidential();
        _openBy(requester, 0);
        _openBy(challenger, 0);
        _openTrace();
        assertPhase(Phase.TraceReveal);
    }

    function test_open_notConfidential_byStranger_succeeds() public {
        committed = _commit();
        _openBy(stranger, 0);
        assertPhase(Phase.FinePost);
    }

    // ---------------------------------------------------------------- salts

    /// @dev The receipt answers a request of another nonce: every salt is wrong.
    function _commitWrongSalts() private returns (Request memory request) {
        request = _request();
        request.nonce += 1;
        OtrReceipt memory receipt = _receipt();
        receipt.requestHash = rollup.hashRequest(request);
        committed = _commit(receipt, 2, 5);
    }

    function _openWith(Request memory request, uint32 step) private {
        CommittedReceipt memory c = committed;
        Trees.Tree memory trace = _traceTree();
        vm.prank(challenger);
        gameId = game.open{value: BOND}(c, request, step, trace.levels[0][step], trace.siblings(step));
        subject = _subjectOf(challenger, step, trace.levels[0][step]);
        _postFine();
    }

    function testFuzz_settleSalt_wrongSalt_succeeds(uint32 step, bool secret) public {
        confidential = secret;
        Request memory request = _commitWrongSalts();
        _openWith(request, uint32(bound(step, 0, STEPS - 1)));
        Record memory record = _record();
        vm.prank(challenger);
        game.settleSalt(subject, record, request, secret ? SECRET : SEED);
        assertExecutorLost();
    }

    function testFuzz_settleSalt_honest_reverts(uint32 step, bool secret, bytes32 other) public {
        confidential = secret;
        committed = _commit();
        Request memory request = _request();
        _openWith(request, uint32(bound(step, 0, STEPS - 1)));
        Record memory record = _record();
        bytes32 right = secret ? SECRET : SEED;
        vm.assume(other != right);
        vm.startPrank(challenger);
        vm.expectRevert(IDisputeGame.NothingProven.selector);
        game.settleSalt(subject, record, request, right);
        bytes32 seed = secret ? keccak256(abi.encode(Tags.SECRET, other)) : other;
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.SecretMismatch.selector, request.seed, seed));
        game.settleSalt(subject, record, request, other);
        request.seed = seed;
        vm.expectPartialRevert(IDisputeGame.RequestMismatch.selector);
        game.settleSalt(subject, record, request, other);
        record.salt ^= bytes32(uint256(1));
        request = _request();
        vm.expectPartialRevert(IDisputeGame.RecordMismatch.selector);
        game.settleSalt(subject, record, request, right);
    }
}
