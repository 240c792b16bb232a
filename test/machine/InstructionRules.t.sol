// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {Rule} from "src/machine/Rules.sol";
import {JudgeHarness} from "../harness/JudgeHarness.sol";
import {Patch} from "../harness/Patch.sol";

/// @notice What each instruction asks of its own types, shapes and parameters: the instructions of the oracle's program, each
///         changed so that it breaks just one rule.
contract InstructionRulesTest is Test {
    uint256 private constant OUT_TYPE = 1;
    uint256 private constant OUT_MODE = 2;
    uint256 private constant OUT_LENGTH = 4;
    uint256 private constant A = 32;
    uint256 private constant B = 48;
    uint256 private constant C = 64;
    uint256 private constant TYPE = 1;
    uint256 private constant MODE = 2;
    uint256 private constant LENGTH = 8;
    uint256 private constant ROWS = 12;

    uint256 private constant MINUS_ONE = type(uint32).max;

    JudgeHarness private _harness;
    bytes[] private _program;
    bytes private _instruction;

    function setUp() public {
        _harness = new JudgeHarness();
        _program = vm.parseJsonBytesArray(vm.readFile("test/vectors/machine/program.json"), ".instructions");
    }

    function test_foldSumsq_rules_reverts() public {
        _use(1);
        _break(OUT_TYPE, 1, 2, Rule.OUT_TYPE);
        _break(OUT_MODE, 1, 1, Rule.OUT_MODE);
        _break(A, 1, 2, Rule.OPERAND_A);
        _break(A + TYPE, 1, 3, Rule.OPERAND_A);
        _break(B, 1, 1, Rule.OPERAND_B);
        _break(C, 1, 1, Rule.OPERAND_C);
        _break(OUT_LENGTH, 4, 5, Rule.GROUPS);
        _break(A + LENGTH, 4, (1 << 14) + 1, Rule.BOUND);
        _breakParameter(0, 1);
    }

    function test_foldAmax_rules_reverts() public {
        _use(4);
        _break(OUT_TYPE, 1, 3, Rule.OUT_TYPE);
        _break(OUT_MODE, 1, 1, Rule.OUT_MODE);
        _break(A + TYPE, 1, 1, Rule.OPERAND_A);
        _break(OUT_LENGTH, 4, 3, Rule.GROUPS);
        _breakParameter(0, 1);
    }

    function test_foldMax_rules_reverts() public {
        _use(60);
        _break(OUT_TYPE, 1, 3, Rule.OUT_TYPE);
        _break(OUT_MODE, 1, 1, Rule.OUT_MODE);
        _break(A + TYPE, 1, 3, Rule.OPERAND_A);
        _break(B + TYPE, 1, 3, Rule.OPERAND_B);
        _break(B + LENGTH, 4, 2, Rule.OPERAND_B);
        _break(B + MODE, 1, 1, Rule.OPERAND_B);
        _break(OUT_LENGTH, 4, 3, Rule.GROUPS);
        _breakParameter(0, 1);
        // Over positions: one group a head.
        _use(25);
        _break(A + LENGTH, 4, 8, Rule.GROUPS);
    }

    function test_foldSum_rules_reverts() public {
        _use(64);
        _break(OUT_TYPE, 1, 2, Rule.OUT_TYPE);
        _break(OUT_MODE, 1, 1, Rule.OUT_MODE);
        _break(A + TYPE, 1, 3, Rule.OPERAND_A);
        _break(B + TYPE, 1, 2, Rule.OPERAND_B);
        _break(B + LENGTH, 4, 2, Rule.OPERAND_B);
        _break(OUT_LENGTH, 4, 3, Rule.GROUPS);
        _breakParameter(0, 1);
    }

    function test_foldPick_rules_reverts() public {
        _use(66);
        _break(OUT_TYPE, 1, 2, Rule.OUT_TYPE);
        _break(OUT_MODE, 1, 1, Rule.OUT_MODE);
        _break(OUT_LENGTH, 4, 4, Rule.OUT_LENGTH);
        _break(A + TYPE, 1, 3, Rule.OPERAND_A);
        _break(B, 1, 0, Rule.OPERAND_B);
        _break(B + LENGTH, 4, 3, Rule.OPERAND_B);
        _break(B + MODE, 1, 1, Rule.OPERAND_B);
        _breakParameter(0, MINUS_ONE);
        _breakParameter(1, 1);
    }

    function test_foldDot_rules_reverts() public {
        _use(6);
        _break(OUT_TYPE, 1, 3, Rule.OUT_TYPE);
        _break(OUT_MODE, 1, 1, Rule.OUT_MODE);
        _break(A + TYPE, 1, 1, Rule.OUT_TYPE);
        _break(A + MODE, 1, 1, Rule.OPERAND_A);
        _break(B + TYPE, 1, 1, Rule.OPERAND_B);
        _break(B + LENGTH, 4, 31, Rule.OPERAND_B);
        _break(B + ROWS, 4, 31, Rule.OPERAND_B);
        _breakParameter(0, 1);
        _instruction = Patch.field(_instruction, A + LENGTH, 4, (1 << 16) + 1);
        _break(B + LENGTH, 4, (1 << 16) + 1, Rule.BOUND);
        // i16 rows may be longer, and make i64.
        _instruction = Patch.field(_instruction, A + TYPE, 1, 1);
        _instruction = Patch.field(_instruction, OUT_TYPE, 1, 3);
        _break(B + LENGTH, 4, (1 << 16) + 1, Rule.NONE);
    }

    function test_foldScores_rules_reverts() public {
        _use(24);
        _break(OUT_TYPE, 1, 3, Rule.OUT_TYPE);
        _break(OUT_MODE, 1, 0, Rule.OUT_MODE);
        _break(A + LENGTH, 4, 31, Rule.OPERAND_A);
        _break(A + MODE, 1, 1, Rule.OPERAND_A);
        _break(B, 1, 1, Rule.OPERAND_B);
        _break(B + LENGTH, 4, 17, Rule.GROUPS);
        _break(B + LENGTH, 4, 24, Rule.GROUPS);
        _break(B + LENGTH, 4, 64, Rule.GROUPS);
        _breakParameter(0, 0);
        _breakParameter(0, 257);
        _breakParameter(1, 0);
        _breakParameter(1, 1 << 24);
        _breakParameter(2, 63);
        _breakParameter(2, MINUS_ONE);
        _breakParameter(3, MINUS_ONE);
        _breakParameter(4, 1);
    }

    function test_foldMix_rules_reverts() public {
        _use(28);
        _break(OUT_TYPE, 1, 2, Rule.OUT_TYPE);
        _break(OUT_MODE, 1, 1, Rule.OUT_MODE);
        _break(OUT_LENGTH, 4, 31, Rule.OPERAND_A);
        _break(A + MODE, 1, 0, Rule.OPERAND_A);
        _break(B, 1, 3, Rule.OPERAND_B);
        _break(B + LENGTH, 4, 17, Rule.GROUPS);
        _break(B + LENGTH, 4, 24, Rule.GROUPS);
        _breakParameter(0, 0);
        _breakParameter(0, MINUS_ONE);
        _breakParameter(1, 1);
    }

    function test_embed_rules_reverts() public {
        _use(0);
        _break(OUT_TYPE, 1, 3, Rule.OUT_TYPE);
        _break(OUT_MODE, 1, 1, Rule.OUT_MODE);
        _break(A, 1, 0, Rule.OPERAND_A);
        _break(B + TYPE, 1, 2, Rule.OPERAND_B);
        _break(B + LENGTH, 4, 31, Rule.OPERAND_B);
        _break(C + TYPE, 1, 0, Rule.OPERAND_C);
        _break(C + LENGTH, 4, 19, Rule.OPERAND_C);
        _breakParameter(0, 63);
        _breakParameter(1, 0);
        _breakParameter(1, 32);
        _breakParameter(2, 1);
    }

    function test_rms_rules_reverts() public {
        _use(2);
        _break(OUT_TYPE, 1, 2, Rule.OUT_TYPE);
        _break(A + TYPE, 1, 2, Rule.OPERAND_A);
        _break(OUT_LENGTH, 4, 2, Rule.OPERAND_A);
        _break(OUT_MODE, 1, 1, Rule.OPERAND_A);
        _breakParameter(0, 0);
        _breakParameter(1, 0);
        _breakParameter(1, MINUS_ONE);
        _breakParameter(2, 17);
        _breakParameter(3, 63);
        _breakParameter(4, 1);
    }

    function test_norm_rules_reverts() public {
        _use(3);
        _break(OUT_TYPE, 1, 3, Rule.OUT_TYPE);
        _break(OUT_LENGTH, 4, 64, Rule.OPERAND_A);
        _break(B + TYPE, 1, 2, Rule.OPERAND_B);
        _break(B + LENGTH, 4, 3, Rule.GROUPS);
        _break(B + MODE, 1, 1, Rule.GROUPS);
        _break(C + LENGTH, 4, 16, Rule.OPERAND_C);
        _break(C + ROWS, 4, 2, Rule.OPERAND_C);
        _breakParameter(0, 63);
        _breakParameter(1, MINUS_ONE);
        _breakParameter(2, 1);
    }

    function test_quantize_rules_reverts() public {
        _use(5);
        _break(OUT_TYPE, 1, 2, Rule.OUT_TYPE);
        _break(A + LENGTH, 4, 64, Rule.OPERAND_A);
        _break(B + TYPE, 1, 3, Rule.OPERAND_B);
        _break(B + LENGTH, 4, 3, Rule.GROUPS);
        _break(B + MODE, 1, 1, Rule.GROUPS);
        _breakParameter(0, 1);
    }

    function test_dequant_rules_reverts() public {
        _use(7);
        _break(OUT_TYPE, 1, 1, Rule.OUT_TYPE);
        _break(OUT_MODE, 1, 1, Rule.OUT_MODE);
        _break(A + TYPE, 1, 1, Rule.OPERAND_A);
        _break(A + LENGTH, 4, 31, Rule.OPERAND_A);
        _break(B + LENGTH, 4, 2, Rule.OPERAND_B);
        _break(B + MODE, 1, 1, Rule.OPERAND_B);
        _break(C + LENGTH, 4, 31, Rule.OPERAND_C);
        _break(C + ROWS, 4, 2, Rule.OPERAND_C);
        _breakParameter(0, 63);
        _breakParameter(1, 0);
        _breakParameter(1, 32);
        _breakParameter(2, 0);
        _breakParameter(2, 62);
        _breakParameter(3, 63);
        _breakParameter(4, 32);
        _breakParameter(5, 1);
    }

    function test_add_rules_reverts() public {
        _use(8);
        _break(OUT_TYPE, 1, 3, Rule.OUT_TYPE);
        _break(A + LENGTH, 4, 31, Rule.OPERAND_A);
        _break(B, 1, 2, Rule.OPERAND_B);
        _break(B + LENGTH, 4, 31, Rule.OPERAND_B);
        _break(B + ROWS, 4, 2, Rule.OPERAND_B);
        _breakParameter(0, 0);
        _breakParameter(0, 32);
        _breakParameter(1, 1);
    }

    function test_rope_rules_reverts() public {
        _use(21);
        _break(OUT_TYPE, 1, 2, Rule.OUT_TYPE);
        _break(A + LENGTH, 4, 31, Rule.OPERAND_A);
        _break(B + LENGTH, 4, 7, Rule.OPERAND_B);
        _break(B + LENGTH, 4, 6, Rule.GROUPS);
        _breakParameter(0, 63);
        _breakParameter(1, 1);
    }

    function test_rescale_rules_reverts() public {
        _use(23);
        _break(OUT_TYPE, 1, 3, Rule.OUT_TYPE);
        _break(A + TYPE, 1, 3, Rule.OPERAND_A);
        _break(A + LENGTH, 4, 15, Rule.OPERAND_A);
        _breakParameter(0, 0);
        _breakParameter(0, 1 << 31);
        _breakParameter(1, 63);
        _breakParameter(2, 1);
    }

    function test_exp2_rules_reverts() public {
        _use(26);
        _break(OUT_TYPE, 1, 0, Rule.OUT_TYPE);
        _break(A + MODE, 1, 0, Rule.OPERAND_A);
        _break(B + LENGTH, 4, 2, Rule.GROUPS);
        _break(C + LENGTH, 4, 128, Rule.OPERAND_C);
        _break(C + ROWS, 4, 2, Rule.OPERAND_C);
        _breakParameter(0, 5);
        _breakParameter(0, 63);
        _breakParameter(1, 0);
        _breakParameter(1, 17);
        _breakParameter(2, 63);
        _breakParameter(3, 1);
    }

    function test_divide_rules_reverts() public {
        _use(29);
        _break(OUT_TYPE, 1, 3, Rule.OUT_TYPE);
        _break(A + LENGTH, 4, 31, Rule.OPERAND_A);
        _break(B + LENGTH, 4, 5, Rule.GROUPS);
        _breakParameter(0, 63);
        _breakParameter(1, 1);
    }

    function test_gate_rules_reverts() public {
        _use(44);
        _break(OUT_TYPE, 1, 1, Rule.OUT_TYPE);
        _break(A + LENGTH, 4, 49, Rule.OPERAND_A);
        _break(B + LENGTH, 4, 49, Rule.OPERAND_B);
        _break(C + TYPE, 1, 2, Rule.OPERAND_C);
        _break(C + LENGTH, 4, 255, Rule.OPERAND_C);
        _break(C + ROWS, 4, 2, Rule.OPERAND_C);
        _breakParameter(0, 63);
        _breakParameter(1, 63);
        _breakParameter(2, 63);
        _breakParameter(3, 1);
    }

    function test_weigh_rules_reverts() public {
        _use(61);
        _break(OUT_TYPE, 1, 3, Rule.OUT_TYPE);
        _break(A + LENGTH, 4, 25, Rule.OPERAND_A);
        _break(B + LENGTH, 4, 2, Rule.OPERAND_B);
        _break(C + LENGTH, 4, 63, Rule.OPERAND_C);
        _breakParameter(0, 0);
        _breakParameter(0, 1 << 24);
        _breakParameter(1, 17);
        _breakParameter(2, MINUS_ONE);
        _breakParameter(3, 1);
    }

    function test_draw_rules_reverts() public {
        _use(65);
        _break(OUT_TYPE, 1, 2, Rule.OUT_TYPE);
        _break(OUT_MODE, 1, 1, Rule.OUT_MODE);
        _break(OUT_LENGTH, 4, 1, Rule.OUT_LENGTH);
        _break(A + LENGTH, 4, 2, Rule.OPERAND_A);
        _break(A + MODE, 1, 1, Rule.OPERAND_A);
        _break(A + TYPE, 1, 2, Rule.OPERAND_A);
        _breakParameter(0, 1);
    }

    /// @dev The last values that the rules above leave.
    function test_parameters_atTheirBorders_succeeds() public {
        _use(66);
        _allow(0, 0, (1 << 31) - 1);
        _use(24);
        _allow(1, 1, (1 << 24) - 1);
        _allow(2, 0, 62);
        _allow(3, 0, (1 << 31) - 1);
        _use(0);
        _allow(0, 0, 62);
        _allow(1, 1, 31);
        _use(2);
        _allow(0, 1, (1 << 31) - 1);
        _allow(1, 1, (1 << 31) - 1);
        _allow(2, 0, 16);
        _allow(3, 0, 62);
        _use(3);
        _allow(0, 0, 62);
        _allow(1, 0, 62);
        _use(8);
        _allow(0, 1, 31);
        _use(21);
        _allow(0, 0, 62);
        _use(23);
        _allow(0, 1, (1 << 31) - 1);
        _allow(1, 0, 62);
        _use(26);
        _allow(0, _word(_instruction, 100), 62);
        _allow(2, 0, 62);
        _use(29);
        _allow(0, 0, 62);
        _use(44);
        _allow(0, 0, 62);
        _allow(1, 0, 62);
        _allow(2, 0, 62);
        _use(61);
        _allow(0, 1, (1 << 24) - 1);
        _allow(2, 0, 62);
    }

    /// @dev Where two rules are broken, that of the types is named: it is looked at first.
    function test_types_areNamedFirst_reverts() public {
        _use(8);
        _instruction = Patch.field(_instruction, OUT_TYPE, 1, 3);
        _break(96, 4, 32, Rule.OUT_TYPE);
        _break(A + LENGTH, 4, 31, Rule.OUT_TYPE);
    }

    function _allow(uint256 number, uint256 lo, uint256 hi) private view {
        _break(96 + 4 * number, 4, lo, Rule.NONE);
        _break(96 + 4 * number, 4, hi, Rule.NONE);
    }

    /// @dev Four bytes at `offset`, in the low end.
    function _word(bytes memory instruction, uint256 offset) private pure returns (uint256 value) {
        for (uint256 k; k < 4; ++k) {
            value = value << 8 | uint8(instruction[offset + k]);
        }
    }

    /// @dev Takes an instruction of the program, which is valid.
    function _use(uint256 at) private {
        _instruction = _program[at];
        assertEq(_harness.brokenRule(_instruction, 12), Rule.NONE);
    }

    function _break(uint256 offset, uint256 size, uint256 value, bytes32 rule) private view {
        assertEq(_harness.brokenRule(Patch.field(_instruction, offset, size, value), 12), rule);
    }

    function _breakParameter(uint256 number, uint256 value) private view {
        _break(96 + 4 * number, 4, value, Rule.PARAMETER);
    }
}
