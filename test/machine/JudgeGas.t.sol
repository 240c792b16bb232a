// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {IJudge, StepContext} from "src/interfaces/IJudge.sol";
import {JudgeV1} from "src/machine/JudgeV1.sol";
import {Case} from "../harness/Case.sol";
import {JudgeHarness} from "../harness/JudgeHarness.sol";
import {Samples, Sizes} from "../harness/Samples.sol";
import {Geometry, WitnessBuilder} from "../harness/WitnessBuilder.sol";

/// @notice Gas of one step, as a whole transaction with its calldata, on trees of real size; written to `snapshots/judge.json`.
/// @dev Fine tree 2^11 rows, weights 2^17 rows, trace 2^9 steps, 60 cached rows, operands of random bytes.
contract JudgeGasTest is Test {
    uint256 private constant STEP = 160_000;
    uint256 private constant WHOLE_ROW = 210_000;
    uint32 private constant T = 300;

    JudgeHarness private _harness;
    JudgeV1 private _judge;

    function setUp() public {
        _harness = new JudgeHarness();
        _judge = new JudgeV1();
    }

    function test_folds_snapshot_succeeds() public {
        Sizes memory s = _sizes(1, 1536, 3);
        _measure("fold_sumsq", 0x01, s, T, 0, 5, STEP);
        _measure("fold_amax", 0x02, s, T, 0, 5, STEP);
        _measure("fold_max, initial value", 0x03, s, T, 0, 0, STEP);
        _measure("fold_sum, initial value", 0x04, s, T, 0, 0, STEP);
        _measure("fold_pick, initial value", 0x05, s, T, 0, 0, STEP);
        _measure("fold_dot i8, row of 1024", 0x06, _sizes(1, 1024, 3), T, 1, 0, WHOLE_ROW);
        _measure("fold_dot i8, row of 576", 0x06, _sizes(1, 576, 3), T, 1, 0, STEP);
        _measure("fold_dot i8, block of 512", 0x06, _sizes(1, 8192, 2), T, 1, 5, STEP);
        s = _sizes(1, 512, 3);
        s.wide = true;
        _measure("fold_dot i16, row of 512", 0x06, s, T, 1, 0, WHOLE_ROW);
        s.size = 8192;
        _measure("fold_dot i16, block of 512", 0x06, s, T, 1, 5, STEP);
    }

    function test_attention_snapshot_succeeds() public {
        Sizes memory s = _sizes(3, 1, 1);
        (s.d, s.shared) = (64, 3);
        _measure("fold_scores, head of 64, earlier position", 0x07, s, 60, 5 * 61 + 17, 0, STEP);
        _measure("fold_scores, head of 64, this position", 0x07, s, 60, 5 * 61 + 60, 0, STEP);
        _measure("fold_mix, earlier position", 0x08, s, 60, 5 * 64 + 11, 17, STEP);
        (s.groups, s.d, s.shared) = (8, 256, 2);
        _measure("fold_scores, head of 256", 0x07, s, 20, 9 * 21 + 3, 0, STEP);
    }

    function test_maps_snapshot_succeeds() public {
        Sizes memory s = _sizes(1, 1536, 20);
        s.d = 32;
        _measure("embed", 0x20, s, T, 700, 0, STEP);
        _measure("embed, prompt token", 0x20, s, 0, 700, 0, STEP);
        _measure("rms", 0x21, _sizes(9, 1, 1), T, 4, 0, STEP);
        _measure("norm", 0x22, s, T, 700, 0, STEP);
        _measure("quantize", 0x23, s, T, 700, 0, STEP);
        _measure("dequant", 0x24, s, T, 700, 0, STEP);
        _measure("add", 0x25, s, T, 700, 0, STEP);
        s.groups = 9;
        _measure("rope", 0x26, s, T, 300, 0, STEP);
        s.groups = 1;
        _measure("rescale", 0x27, s, T, 700, 0, STEP);
        s.groups = 9;
        s.perPosition = true;
        _measure("exp2, scores", 0x28, s, T, 1200, 0, STEP);
        (s.groups, s.size, s.perPosition) = (9, 64, false);
        _measure("divide", 0x29, s, T, 300, 0, STEP);
        s.d = 2048;
        (s.groups, s.size) = (1, 1536);
        _measure("gate, table of 4096", 0x2a, s, T, 700, 0, STEP);
        _measure("weigh", 0x2b, _sizes(1, 2048, 1), T, 1500, 0, STEP);
        _measure("draw", 0x2c, s, T, 1, 0, STEP);
    }

    function _sizes(uint256 groups, uint256 size, uint256 count) private pure returns (Sizes memory) {
        return Sizes({groups: groups, size: size, d: 64, shared: 1, count: count, perPosition: false, wide: false});
    }

    function _measure(
        string memory name,
        uint8 opcode,
        Sizes memory sizes,
        uint32 t,
        uint256 element,
        uint256 block_,
        uint256 bar
    ) private {
        vm.pauseGasMetering();
        Case memory case_ = Samples.typical(opcode, sizes, t);
        case_.elements = new uint256[](1);
        case_.elements[0] = element;
        bytes memory data = _calldata(case_, block_);
        vm.resumeGasMetering();
        uint256 gas = _transaction(data);
        vm.snapshotValue("judge", name, gas);
        assertLe(gas, bar, name);
    }

    function _calldata(Case memory case_, uint256 block_) private returns (bytes memory) {
        WitnessBuilder builder = new WitnessBuilder();
        StepContext memory context = builder.commit(case_, Geometry(1 << 11, 60, 1 << 17, 1 << 9));
        bytes memory witness = builder.witness(case_, _harness.readsOf(case_, block_));
        (uint256 count, uint256 size) = _judge.blocks(case_.instruction, case_.t);
        uint256 e = case_.elements[0];
        if (count == 1) return abi.encodeCall(IJudge.evaluate, (case_.instruction, context, e, witness));
        bytes memory before = _accumulator(block_ == 0 ? 0 : size);
        return abi.encodeCall(IJudge.evaluateBlock, (case_.instruction, context, e, block_, before, witness));
    }

    /// @dev Gas of a transaction with this calldata to the judge: execution and EIP-2028 calldata, or the floor of EIP-7623.
    function _transaction(bytes memory data) private returns (uint256) {
        (bool success,) = address(_judge).call(data);
        assertTrue(success);
        uint256 nonzero;
        for (uint256 k; k < data.length; ++k) {
            if (data[k] != 0) ++nonzero;
        }
        uint256 floor = 21_000 + 10 * (data.length - nonzero) + 40 * nonzero;
        uint256 spent = vm.lastCallGas().gasTotalUsed;
        // As in `isolate` every call of a test is a transaction, intrinsic gas is part of it.
        assertGt(spent, 21_000);
        return spent > floor ? spent : floor;
    }

    function _accumulator(uint256 size) private pure returns (bytes memory data) {
        data = new bytes(size);
        for (uint256 k; k < size; ++k) {
            data[k] = 0x01;
        }
    }
}
