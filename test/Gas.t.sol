// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {GameTest} from "./utils/GameTest.sol";
import {Trees} from "./utils/Trees.sol";
import {OpenedBlock, OpenedElement, OpenedInstruction, Subject} from "src/interfaces/IDisputeGame.sol";
import {BatchId, CommittedReceipt, Status} from "src/interfaces/IOtrRollup.sol";
import {ReceiptHash, Request, RequestHash} from "src/types/OtrTypes.sol";

/// @notice Gas of whole transactions (intrinsic, calldata with its floor, execution), in a game of realistic depth: 1,000 receipts a
///         batch, 384 rows, 128 steps, a row of 128 chunks. The toy judge reads no operands: a real one adds its own gas to settle.
contract GasTest is GameTest {
    using Trees for Trees.Tree;

    uint32 private constant STEP = 77;
    uint256 private constant WIDE = 200;
    uint256 private constant ELEMENT = 500;

    function setUp() public override {
        (nIn, nOut, contextLength) = (100, 29, 256);
        super.setUp();
        vm.deal(executor, 2000 ether);
        vm.prank(executor);
        vault.deposit{value: 2000 ether}(executor);
        // The first batch of an executor writes fresh slots; those after it are the rule.
        vm.prank(executor);
        rollup.commitBatch(keccak256("first"), 1);
    }

    function _makeProgram() internal override {
        program.push(_instruction(1, 1, 8, 0, 5, 1, false));
        while (program.length < WIDE) program.push(_instruction(2, 0, 2, 0, 7, 1, false));
        program.push(_instruction(2, 0, 1024, 0, -8, 1, false));
        program.push(_instruction(2, 0, 2, 0, 9, 64, false));
        while (program.length < 383) program.push(_instruction(2, 0, 2, 0, 9, 1, false));
        program.push(_instruction(3, 2, 2, 0, 1000, 1, false));
    }

    function _snap(string memory name) private returns (uint256) {
        return vm.snapshotGasLastCall("otr", name);
    }

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

    function test_gas_dispute_succeeds() public {
        bytes memory lie = _honestRow(STEP, WIDE);
        _put(lie, 2, ELEMENT, 77);
        rowLies[STEP][WIDE] = lie;
        Trees.Tree memory fine = _fineTree(STEP);
        Trees.Tree memory row = _rowTree(lie);
        assertEq(fine.depthOf(), 9);
        assertEq(row.depthOf(), 7);
        committed = _commit(_receipt(), 600, 1000);

        uint256 total = _open(fine);
        total += _walk(fine, WIDE);
        OpenedInstruction memory opened = _opened(WIDE);
        vm.prank(challenger);
        game.chooseRow(subject, opened);
        total += _snap("chooseRow");
        game.revealRow(gameId, fine.range(WIDE, WIDE, 0, 1), row.first(), "");
        total += _snap("revealRow");
        uint256 k = ELEMENT / 8;
        _choose(k >> 3);
        total += vm.lastCallGas().gasTotalUsed;
        game.revealChunks(gameId, row.range(k >> 3, k >> 3, 3, 7), _plain(lie, (k >> 3) << 3, 8));
        total += _snap("revealChunks8");
        OpenedElement memory element =
            OpenedElement({element: uint32(ELEMENT), chunk: _chunkAt(lie, k), siblings: row.range(k, k, 0, 3)});
        vm.prank(challenger);
        game.settle(subject, opened.instruction, element, _noRequest(), "");
        total += _snap("settleWithoutOperands");
        game.conclude(subject);
        total += _snap("conclude");
        vm.snapshotValue("otr", "disputeOfMapWithoutOperands", total);
        assertStatus(committed, Status.Reverted);
    }

    function _open(Trees.Tree memory fine) private returns (uint256 total) {
        Trees.Tree memory trace = _traceTree();
        CommittedReceipt memory c = committed;
        vm.prank(challenger);
        gameId = game.open{value: BOND}(c, STEP, trace.levels[0][STEP], trace.siblings(STEP));
        total = _snap("open");
        subject = Subject({
            receipt: c.receipt,
            batchId: c.batchId,
            step: STEP,
            record: trace.levels[0][STEP],
            challenger: challenger,
            bond: BOND
        });
        vm.prank(executor);
        game.postFine(subject, fine.first());
        total += _snap("postFine");
    }

    function _walk(Trees.Tree memory fine, uint256 row) private returns (uint256 total) {
        _choose(row >> 5);
        total += _snap("choose");
        game.reveal(gameId, fine.range(row >> 5, row >> 5, 5, 9), fine.descendants(5, row >> 5, 4));
        total += _snap("reveal16");
        _choose((row >> 1) & 15);
        total += vm.lastCallGas().gasTotalUsed;
        game.reveal(gameId, fine.range(row >> 1, row >> 1, 1, 5), fine.descendants(1, row >> 1, 1));
        total += _snap("reveal2");
    }

    function test_gas_longFold_succeeds() public {
        uint256 fold = WIDE + 1;
        bytes memory lie = _honestRow(STEP, fold);
        _put(lie, 2, 1, 77);
        rowLies[STEP][fold] = lie;
        Trees.Tree memory fine = _fineTree(STEP);
        committed = _commit(_receipt(), 600, 1000);
        _open(fine);
        _walk(fine, fold);
        _chooseRow(fold);
        game.revealRow(gameId, fine.range(fold, fold, 0, 1), new bytes32[](0), _plain(lie, 0, 1));
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
        Trees.Tree memory trace = _traceTree();
        CommittedReceipt memory c = committed;
        vm.prank(challenger);
        game.open{value: BOND}(c, STEP, trace.levels[0][STEP], trace.siblings(STEP));
        subject = Subject({
            receipt: c.receipt,
            batchId: c.batchId,
            step: STEP,
            record: trace.levels[0][STEP],
            challenger: challenger,
            bond: BOND
        });
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
        _snap("timeout");
        Request memory request = _request();
        bytes memory signature = _sign(requesterKey, RequestHash.unwrap(rollup.hashRequest(request)));
        rollup.claimCompensation(c, request, signature);
        _snap("claimCompensation");
        vm.prank(challenger);
        vault.claim(challenger);
        _snap("claim");
    }
}
