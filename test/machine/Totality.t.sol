// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {StepContext} from "src/interfaces/IJudge.sol";
import {ElementTypes} from "src/machine/ElementTypes.sol";
import {JudgeV1} from "src/machine/JudgeV1.sol";
import {Case} from "../harness/Case.sol";
import {JudgeHarness} from "../harness/JudgeHarness.sol";
import {Samples} from "../harness/Samples.sol";
import {Geometry, WitnessBuilder} from "../harness/WitnessBuilder.sol";

/// @notice For every valid instruction and any operand bytes the judge returns a value, in the range of `sat`, and it is the
///         value that the same formula gives on operands in plain.
/// forge-config: default.fuzz.runs = 64
contract TotalityTest is Test {
    JudgeHarness private _harness;
    JudgeV1 private _judge;

    function setUp() public {
        _harness = new JudgeHarness();
        _judge = new JudgeV1();
    }

    function testFuzz_foldSumsq_anyOperands_succeeds(uint256 seed) public {
        _check(0x01, seed);
    }

    function testFuzz_foldAmax_anyOperands_succeeds(uint256 seed) public {
        _check(0x02, seed);
    }

    function testFuzz_foldMax_anyOperands_succeeds(uint256 seed) public {
        _check(0x03, seed);
    }

    function testFuzz_foldSum_anyOperands_succeeds(uint256 seed) public {
        _check(0x04, seed);
    }

    function testFuzz_foldPick_anyOperands_succeeds(uint256 seed) public {
        _check(0x05, seed);
    }

    function testFuzz_foldDot_anyOperands_succeeds(uint256 seed) public {
        _check(0x06, seed);
    }

    function testFuzz_foldScores_anyOperands_succeeds(uint256 seed) public {
        _check(0x07, seed);
    }

    function testFuzz_foldMix_anyOperands_succeeds(uint256 seed) public {
        _check(0x08, seed);
    }

    function testFuzz_embed_anyOperands_succeeds(uint256 seed) public {
        _check(0x20, seed);
    }

    function testFuzz_rms_anyOperands_succeeds(uint256 seed) public {
        _check(0x21, seed);
    }

    function testFuzz_norm_anyOperands_succeeds(uint256 seed) public {
        _check(0x22, seed);
    }

    function testFuzz_quantize_anyOperands_succeeds(uint256 seed) public {
        _check(0x23, seed);
    }

    function testFuzz_dequant_anyOperands_succeeds(uint256 seed) public {
        _check(0x24, seed);
    }

    function testFuzz_add_anyOperands_succeeds(uint256 seed) public {
        _check(0x25, seed);
    }

    function testFuzz_rope_anyOperands_succeeds(uint256 seed) public {
        _check(0x26, seed);
    }

    function testFuzz_rescale_anyOperands_succeeds(uint256 seed) public {
        _check(0x27, seed);
    }

    function testFuzz_exp2_anyOperands_succeeds(uint256 seed) public {
        _check(0x28, seed);
    }

    function testFuzz_divide_anyOperands_succeeds(uint256 seed) public {
        _check(0x29, seed);
    }

    function testFuzz_gate_anyOperands_succeeds(uint256 seed) public {
        _check(0x2a, seed);
    }

    function testFuzz_weigh_anyOperands_succeeds(uint256 seed) public {
        _check(0x2b, seed);
    }

    function testFuzz_draw_anyOperands_succeeds(uint256 seed) public {
        _check(0x2c, seed);
    }

    function _check(uint8 opcode, uint256 seed) private {
        vm.pauseGasMetering();
        Case memory case_ = Samples.random(opcode, seed);
        assertEq(_harness.brokenRule(case_.instruction, case_.t + 1), bytes32(0), "the sample is valid");
        (uint8 elementType, uint256 length) = _judge.rowShape(case_.instruction, case_.t);

        // The last one may be padding.
        uint256 chunk = (length + (31 >> elementType)) >> (5 - elementType) << (5 - elementType);
        case_.elements = new uint256[](3);
        (case_.elements[0], case_.elements[1], case_.elements[2]) = (seed % length, length - 1, chunk - 1);
        Case[] memory cases = new Case[](1);
        cases[0] = case_;
        int256[] memory values = _harness.evaluateMany(cases);
        int256 most = (int256(1) << ElementTypes.bits(elementType)) - 1;
        for (uint256 k; k < 3; ++k) {
            assertLe(values[k], most);
            assertGe(values[k], -most);
        }
        if (chunk > length) assertEq(values[2], 0, "padding");
        _checkJudge(case_, values[0]);
    }

    function _checkJudge(Case memory case_, int256 expected) private {
        uint256 e = case_.elements[0];
        WitnessBuilder builder = new WitnessBuilder();
        StepContext memory context = builder.commit(case_, Geometry(211, 38, 100_000, case_.t + 1));
        (uint256 count, uint256 size) = _judge.blocks(case_.instruction, case_.t);
        if (count == 1) {
            bytes memory witness = builder.witness(case_, _harness.readsOf(case_, 0));
            assertEq(_judge.evaluate(case_.instruction, context, e, witness), expected);
            return;
        }
        bytes memory accumulator;
        for (uint256 k; k < count; ++k) {
            bytes memory witness = builder.witness(case_, _harness.readsOf(case_, k));
            accumulator = _judge.evaluateBlock(case_.instruction, context, e, k, accumulator, witness);
            // On any operands an honest accumulator can be posted.
            assertEq(accumulator.length, size);
        }
        assertEq(_judge.finish(case_.instruction, e, accumulator), expected);
    }
}
