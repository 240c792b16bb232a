// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {GameTest} from "./utils/GameTest.sol";
import {Trees} from "./utils/Trees.sol";
import {OpenedBlock, OpenedElement, OpenedInstruction, Phase, Record, Subject} from "src/interfaces/IDisputeGame.sol";
import {BatchId, CommittedReceipt, Status} from "src/interfaces/IOtrRollup.sol";
import {GasSchedule} from "src/libraries/GasSchedule.sol";
import {ReceiptHash, Request, RequestHash} from "src/types/OtrTypes.sol";

/// @notice Gas of whole transactions (intrinsic, calldata with its floor, execution), in a game of 2^24 leaves: 2^9 steps, 2^10 rows, 2^6
///         chunks, in a batch of 1,000. The toy judge reads no operands: a real one adds its own gas to settle.
contract GasTest is GameTest {
    using Trees for Trees.Tree;

    uint32 private constant STEP = 333;
    uint256 private constant WIDE = 700;
    uint256 private constant ELEMENT = 500;
    uint256 private constant ROWS = 1024;
    /// @dev What a real judge adds to a settlement: with it, the transaction has the bar of 160,000.
    uint256 private constant ONE_STEP = 160_000;

    function setUp() public override {
        (nIn, nOut, contextLength) = (100, 413, 512);
        super.setUp();
        vm.deal(executor, 2000 ether);
        vm.prank(executor);
        vault.deposit{value: 2000 ether}(executor);
        // The first batch of an executor, and the first bond of a game, write fresh slots; those after them are the rule, even if no other bond is
        // held.
        vm.prank(executor);
        rollup.commitBatch(keccak256("first"), 1);
        vm.deal(address(game), 1 ether);
        vm.startPrank(address(game));
        vault.depositBond{value: 1 ether}();
        vault.payBond(stranger, 1 ether, 0);
        vm.stopPrank();
    }

    function _makeProgram() internal override {
        program.push(_instruction(1, 1, 8, 0, 5, 1, false));
        while (program.length < WIDE) program.push(_instruction(2, 0, 2, 0, 7, 1, false));
        program.push(_instruction(2, 0, 512, 0, -8, 1, false));
        program.push(_instruction(2, 0, 2, 0, 9, 64, false));
        while (program.length < ROWS - 1) program.push(_instruction(2, 0, 2, 0, 9, 1, false));
        program.push(_instruction(3, 2, 2, 0, 1000, 1, false));
    }

    function _snap(string memory name) private returns (uint256) {
        return vm.snapshotGasLastCall("otr", name);
    }

    function _last() private view returns (uint256) {
        return vm.lastCallGas().gasTotalUsed;
    }

    // ---------------------------------------------------------------- commits

    function test_gas_commit_succeeds() public {
        vm.prank(executor);
        rollup.commitBatch(keccak256("root"), 1000);
        uint256 gas = _snap("commitBatch1000");
        vm.snapshotValue("otr", "commit1000PerReceipt", gas / 1000);
        assertLe(gas, 110_000);
    }

    function test_gas_commitReceipt_succeeds() public {
        nOut = 1;
        nIn = 1;
        committed.receipt = _receipt();
        bytes32 digest = ReceiptHash.unwrap(rollup.hashReceipt(committed.receipt));
        bytes memory enclaveSignature = _sign(enclaveKey, digest);
        bytes memory operatorSignature = _sign(executorKey, digest);
        vm.prank(executor);
        rollup.commitReceipt(committed.receipt, enclaveSignature, operatorSignature);
        _snap("commitReceipt");
        vm.warp(block.timestamp + WINDOW);
        rollup.releaseBatch(BatchId.wrap(2));
        _snap("releaseBatch");
    }

    // ---------------------------------------------------------------- disputes

    function _lieInTheWideRow() private returns (bytes memory lie) {
        lie = _honestRow(STEP, WIDE);
        _put(lie, 2, ELEMENT, 77);
        rowLies[STEP][WIDE] = lie;
    }

    function test_gas_dispute_succeeds() public {
        bytes memory lie = _lieInTheWideRow();
        Trees.Tree memory fine = _fineTree(STEP);
        Trees.Tree memory row = _rowTree(lie);
        assertEq(fine.depthOf(), 10);
        assertEq(row.depthOf(), 6);
        committed = _commit(_receipt(), 600, 1000);
        uint256 total = _openAndPost(fine);
        total += _walk(fine, WIDE);
        OpenedInstruction memory opened = _opened(WIDE);
        vm.prank(challenger);
        game.chooseRow(subject, opened);
        total += _snap("chooseRow");
        game.revealRow(gameId, fine.range(WIDE, WIDE, 0, 6), row.first(), "");
        total += _snap("revealRow");
        uint256 k = ELEMENT / 8;
        _choose(k >> 2);
        total += _snap("choose");
        game.revealChunks(gameId, row.range(k >> 2, k >> 2, 2, 6), _plain(lie, (k >> 2) << 2, 4));
        total += _snap("revealChunks4");
        OpenedElement memory element =
            OpenedElement({element: uint32(ELEMENT), chunk: _chunkAt(lie, k), siblings: row.range(k, k, 0, 2)});
        vm.prank(challenger);
        game.settle(subject, opened.instruction, element, _noRequest(), "");
        uint256 settlement = _snap("settleWithoutOperands");
        game.conclude(subject);
        total += _snap("conclude");
        vm.snapshotValue("otr", "disputeOfMapWithoutOperands", total + settlement);
        vm.snapshotValue("otr", "disputeOfMapAtTheBarOfOneStep", total + ONE_STEP);
        assertLe(total + ONE_STEP, 920_000);
        assertStatus(committed, Status.Reverted);
        vm.warp(block.timestamp + AIR_GAP);
        game.payOut(subject);
        _snap("payOut");
    }

    function test_gas_jump_succeeds() public {
        _lieInTheWideRow();
        Trees.Tree memory fine = _fineTree(STEP);
        committed = _commit(_receipt(), 600, 1000);
        uint256 total = _openAndPost(fine);
        _settleJump(WIDE, ELEMENT);
        total += _snap("settleJumpWithoutOperands");
        vm.snapshotValue("otr", "disputeByJumpWithoutOperands", total);
        // The judge of a map adds 15,000 (`rms`) to 72,000 (`dequant`).
        assertLe(total, 414_000);
        assertStatus(committed, Status.Reverted);
    }

    function _openAndPost(Trees.Tree memory fine) private returns (uint256 total) {
        Trees.Tree memory trace = _traceTree();
        CommittedReceipt memory c = committed;
        vm.prank(challenger);
        gameId = game.open{value: BOND}(c, _request(), STEP, trace.levels[0][STEP], trace.siblings(STEP));
        total = _snap("open");
        subject = _subjectOf(challenger, STEP, trace.levels[0][STEP]);
        Record memory record = _record();
        vm.prank(executor);
        game.postFine(subject, record, fine.first());
        total += _snap("postFine");
    }

    function _walk(Trees.Tree memory fine, uint256 row) private returns (uint256 total) {
        _choose(row >> 6);
        total += _snap("chooseFirst");
        game.revealFine(subject, fine.range(row >> 6, row >> 6, 6, 10), fine.descendants(6, row >> 6, 6));
        total += _snap("revealFine64");
    }

    function test_gas_trace_succeeds() public {
        committed = _commit(_receipt(), 600, 1000);
        Trees.Tree memory trace = _traceTree();
        _openTrace();
        _snap("openTrace");
        game.revealTrace(subject, trace.first());
        _snap("revealTrace");
        _choose(STEP >> 5);
        game.reveal(gameId, trace.range(STEP >> 5, STEP >> 5, 5, 9), trace.descendants(5, STEP >> 5, 5));
        _snap("reveal32");
        bytes memory siblings = trace.range(STEP, STEP, 0, 5);
        vm.prank(challenger);
        gameId = game.chooseStep(subject, STEP, trace.levels[0][STEP], siblings);
        _snap("chooseStep");
        (subject.step, subject.record) = (STEP, trace.levels[0][STEP]);
        _postFine();
        assertPhase(Phase.Fine);
    }

    function test_gas_longFold_succeeds() public {
        uint256 fold = WIDE + 1;
        bytes memory lie = _honestRow(STEP, fold);
        _put(lie, 2, 1, 77);
        rowLies[STEP][fold] = lie;
        Trees.Tree memory fine = _fineTree(STEP);
        committed = _commit(_receipt(), 600, 1000);
        _openAndPost(fine);
        _walk(fine, fold);
        _chooseRow(fold);
        game.revealRow(gameId, fine.range(fold, fold, 0, 6), new bytes32[](0), _plain(lie, 0, 1));
        OpenedElement memory element = OpenedElement({element: 1, chunk: _chunkAt(lie, 0), siblings: ""});
        bytes memory instruction = program[fold];
        vm.prank(challenger);
        game.chooseElement(subject, instruction, element);
        _snap("chooseElement");
        bytes memory accumulators;
        for (uint256 i; i < 64; ++i) {
            accumulators = bytes.concat(accumulators, bytes8(uint64(i == 63 ? 77 : uint256(keccak256(abi.encode(i))))));
        }
        vm.prank(executor);
        game.postAccumulators(subject, instruction, accumulators);
        _snap("postAccumulators64");
        vm.prank(challenger);
        game.settleBlock(subject, instruction, OpenedBlock(40, accumulators), _noRequest(), "");
        _snap("settleBlockWithoutOperands");
        game.conclude(subject);
        assertStatus(committed, Status.Reverted);
    }

    function test_gas_timeoutAndClaims_succeeds() public {
        committed = _commit(_receipt(), 600, 1000);
        _open(STEP);
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
        _snap("timeout");
        vm.warp(block.timestamp + AIR_GAP);
        Request memory request = _request();
        bytes memory signature = _sign(requesterKey, RequestHash.unwrap(rollup.hashRequest(request)));
        CommittedReceipt memory c = committed;
        rollup.claimCompensation(c, request, signature);
        _snap("claimCompensation");
        game.payOut(subject);
        vm.prank(challenger);
        vault.claim(challenger);
        _snap("claim");
    }

    // ---------------------------------------------------------------- constants

    function _assertCovers(uint256 constant_, uint256 cheapest, string memory name) private pure {
        assertLe(constant_, cheapest, string.concat(name, ": repaid more than it costs"));
        assertGe(constant_, cheapest * 80 / 100, string.concat(name, ": repaid too little"));
    }

    /// @dev The cheapest of each kind: a batch of one, one step, a second game on the same receipt, a walk whose slots are written; an end that
    ///      convicts nobody.
    function test_gas_constants_cheapestTransactions_succeeds() public {
        (nIn, nOut) = (1, 1);
        committed = _commit(_receipt(), 0, 1);
        CommittedReceipt memory c = committed;
        bytes32 record = _recordLeaf(0);
        _openBy(stranger, 0);
        Subject memory first = subject;
        vm.prank(challenger);
        game.openTrace{value: BOND}(c, _request());
        uint256 opening = _last();
        Subject memory trace = _subjectOf(challenger, UNKNOWN_STEP, 0);
        vm.prank(challenger);
        gameId = game.open{value: BOND}(c, _request(), 0, record, "");
        if (_last() < opening) opening = _last();
        vm.snapshotValue("otr", "cheapestOpening", opening);
        _assertCovers(GasSchedule.OPEN, opening, "open");
        subject = _subjectOf(challenger, 0, record);
        vm.warp(block.timestamp + TURN);
        game.timeout(first);
        uint256 end = _last();
        game.close(subject);
        if (_last() < end) end = _last();
        // The last game on the receipt gives its slot back.
        game.close(trace);
        if (_last() < end) end = _last();
        vm.snapshotValue("otr", "cheapestEnd", end);
        _assertCovers(GasSchedule.CONCLUDE, end, "conclude");
    }

    /// @dev The first node of a row after a choice that went down as far: it writes what the walk's slot holds already.
    function test_gas_constants_cheapestMove_succeeds() public {
        committed = _commit(_receipt(), 600, 1000);
        Trees.Tree memory fine = _fineTree(STEP);
        _open(STEP);
        _postFine();
        uint256 node = WIDE >> 6;
        _choose(node);
        game.revealFine(subject, fine.range(node, node, 6, 10), fine.descendants(6, node, 6));
        _chooseRow(WIDE);
        bytes memory siblings = fine.range(WIDE, WIDE, 0, 6);
        game.revealRow(gameId, siblings, _rowTree(_row(STEP, WIDE)).first(), "");
        _choose(0);
        vm.snapshotValue("otr", "cheapestMove", _last());
        _assertCovers(GasSchedule.MOVE, _last(), "move");
    }

    /// @dev All moves of the executor in a game of `MAX_TURNS`: a trace of 2^22 records, 2^32 rows, 2^26 chunks, and accumulators of a fold
    ///      of 2^22 blocks, twice, whose bytes alone cost more than anything else of it (40 gas each).
    function test_gas_constants_executor_succeeds() public pure {
        (uint256 first, uint256 reveal, uint256 last) = (90_000, 65_000, 130_000);
        uint256 trace = first + 3 * reveal + last;
        uint256 fine = first + first + 5 * reveal + last;
        uint256 row = 70_000 + 4 * reveal + last;
        uint256 posts = 2 * (60_000 + 40 * 2048 * 8);
        assertLe(trace + fine + row + posts, GasSchedule.EXECUTOR);
    }
}
