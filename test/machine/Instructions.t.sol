// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {Opcodes} from "src/machine/Opcodes.sol";
import {Assembler, Fields} from "../harness/Assembler.sol";
import {Case, PlainRow} from "../harness/Case.sol";
import {JudgeHarness} from "../harness/JudgeHarness.sol";

/// @notice One small example of every instruction, worked out by hand from docs/machine.md.
contract InstructionsTest is Test {
    uint8 private constant I8 = 0;
    uint8 private constant I16 = 1;
    uint8 private constant I32 = 2;
    uint8 private constant I64 = 3;

    JudgeHarness private _harness;
    Fields private _f;
    Case private _c;

    function setUp() public {
        _harness = new JudgeHarness();
        _c.nIn = 1;
    }

    function test_foldSumsq_example_succeeds() public {
        _start(Opcodes.FOLD_SUMSQ, I64, 2);
        _row(0, I32, _list(3, -4, 5, 0));
        _expect(_list(25, 25));
    }

    function test_foldAmax_example_succeeds() public {
        _start(Opcodes.FOLD_AMAX, I32, 2);
        _row(0, I32, _list(3, -4, type(int32).min, 0));
        _expect(_list(4, type(int32).max));
    }

    function test_foldMax_example_succeeds() public {
        _start(Opcodes.FOLD_MAX, I32, 2);
        _row(0, I32, _list(-3, -4, 5, 0));
        _expect(_list(-3, 5));
        _row(1, I32, _list(-2, 4));
        _expect(_list(-2, 5));
    }

    function test_foldSum_example_succeeds() public {
        _start(Opcodes.FOLD_SUM, I64, 2);
        _row(0, I16, _list(-3, -4, 5, 1));
        _expect(_list(-7, 6));
        _row(1, I64, _list(100, type(int64).max));
        _expect(_list(93, type(int64).max));
    }

    function test_foldPick_example_succeeds() public {
        _start(Opcodes.FOLD_PICK, I64, 2);
        _f.p[0] = 1000;
        _row(0, I32, _list(4, -9, 3, 8));
        _row(1, I64, _list(-1, 6));
        // 4, then 0, then 3 exceeds the 2 that are left.
        _expect(_list(1002, 2));
        _row(1, I64, _list(7, 6));
        _expect(_list(7, 6));
    }

    function test_foldDot_example_succeeds() public {
        _start(Opcodes.FOLD_DOT, I32, 2);
        _row(0, I8, _list(1, -2, 3, -128));
        _weights(1, I8, 4, _list(1, 1, 1, 0, 10, 20, -30, -128));
        _expect(_list(2, 10 - 40 - 90 + 16384));
        _start(Opcodes.FOLD_DOT, I64, 2);
        _row(0, I16, _list(1000, -2, 3, -32768));
        _expect(_list(1001, 10000 - 40 - 90 + 32768 * 128));
    }

    function test_foldScores_example_succeeds() public {
        _start(Opcodes.FOLD_SCORES, I32, 2);
        (_c.t, _f.outMode) = (1, 1);
        (_f.p[0], _f.p[1], _f.p[2], _f.p[3]) = (2, 3, 1, 0);
        _row(0, I16, _list(1, 2, 3, 4));
        _cache(1, I16, 2, _list(10, 20, -1, -2));
        // Two heads share one key: 50, -5; 110, -11; times 3/2, halves upwards.
        _expect(_list(75, -7, 165, -16));
        _f.p[3] = 1;
        _expect(_list(-type(int32).max, -7, -type(int32).max, -16));
    }

    function test_foldMix_example_succeeds() public {
        _start(Opcodes.FOLD_MIX, I64, 4);
        _c.t = 1;
        _f.p[0] = 2;
        _positions(0, I16, _list(1, 2, 3, 4));
        _cache(1, I16, 2, _list(10, 20, 30, 40));
        _expect(_list(70, 100, 150, 220));
    }

    function test_embed_example_succeeds() public {
        _start(Opcodes.EMBED, I32, 2);
        _f.a = Assembler.token();
        (_f.p[0], _f.p[1]) = (1, 6);
        _weights(1, I8, 2, _list(1, 2, 3, 4, 5, 6));
        _weights(2, I32, 2, _list(1, 10, 3, 0));
        _c.token = 1;
        _expect(_list(15, 20));
        // The last row stands for all tokens beyond it: scale 3.
        _c.token = type(uint32).max;
        _expect(_list(8, 9));
    }

    function test_rms_example_succeeds() public {
        _start(Opcodes.RMS, I64, 2);
        (_f.p[0], _f.p[1], _f.p[2], _f.p[3]) = (4, 1, 2, 10);
        _row(0, I64, _list(35, -5));
        // sqrt((8 + 1) * 16) = 12; sqrt(1 * 16) = 4.
        _expect(_list(85, 256));
    }

    function test_norm_example_succeeds() public {
        _start(Opcodes.NORM, I32, 4);
        (_f.p[0], _f.p[1]) = (1, 2);
        _row(0, I32, _list(3, -3, 5, -5));
        _row(1, I64, _list(1, 100));
        _weights(2, I32, 2, _list(4, 6));
        _expect(_list(2, -1, 250, -375));
    }

    function test_quantize_example_succeeds() public {
        _start(Opcodes.QUANTIZE, I8, 4);
        _row(0, I32, _list(-254, 1, 300, 0));
        _row(1, I32, _list(254, 0));
        _expect(_list(-127, 1, 127, 0));
    }

    function test_dequant_example_succeeds() public {
        _start(Opcodes.DEQUANT, I32, 2);
        (_f.p[0], _f.p[1], _f.p[2], _f.p[3], _f.p[4]) = (1, 10, 7, 2, 8);
        _row(0, I64, _list(100, -1000));
        _row(1, I32, _list(3));
        _weights(2, I32, 2, _list(4, 5));
        // 100 * 6 / 4; -127 * 8 / 4.
        _expect(_list(150, -254));
    }

    function test_add_example_succeeds() public {
        _start(Opcodes.ADD, I32, 2);
        _f.p[0] = 4;
        _row(0, I32, _list(7, -9));
        _row(1, I32, _list(1, -9));
        _expect(_list(8, -15));
        _weights(1, I32, 2, _list(-7, 9));
        _expect(_list(0, 0));
    }

    function test_rope_example_succeeds() public {
        _start(Opcodes.ROPE, I16, 4);
        (_f.p[0], _c.t) = (1, 9);
        _row(0, I32, _list(10, 20, 30, 40));
        _weights(1, I16, 4, _list(1, 1, 1, 1, 2, 4, 3, 5));
        // The last row of the table: cos 2, 4 and sin 3, 5.
        _expect(_list((20 - 90) / 2, (80 - 200) / 2, (60 + 30) / 2, (160 + 100) / 2));
    }

    function test_rescale_example_succeeds() public {
        _start(Opcodes.RESCALE, I8, 3);
        (_f.p[0], _f.p[1]) = (3, 1);
        _row(0, I32, _list(5, -5, 1000));
        _expect(_list(8, -7, 127));
    }

    function test_exp2_example_succeeds() public {
        _start(Opcodes.EXP2, I32, 4);
        (_f.p[0], _f.p[1], _f.p[2]) = (3, 1, 1);
        _row(0, I32, _list(0, -4, -8, 9));
        _row(1, I32, _list(0));
        _weights(2, I32, 2, _list(1000, 700));
        // A unit is 8: 2^0, 2^(-1/2), 2^-1, and nothing above the maximum.
        _expect(_list(500, 350, 250, 500));
    }

    function test_divide_example_succeeds() public {
        _start(Opcodes.DIVIDE, I32, 4);
        _f.p[0] = 1;
        _row(0, I64, _list(5, -5, 3, -3));
        _row(1, I64, _list(4, -1));
        _expect(_list(3, -2, 6, -6));
    }

    function test_gate_example_succeeds() public {
        _start(Opcodes.GATE, I32, 3);
        (_f.p[0], _f.p[1], _f.p[2]) = (1, 2, 3);
        _row(0, I32, _list(-100, 0, 100));
        _row(1, I32, _list(8, 8, 8));
        _weights(2, I16, 4, _list(1, 2, 3, 4));
        _expect(_list(-25, 0, 100));
    }

    function test_weigh_example_succeeds() public {
        _start(Opcodes.WEIGH, I32, 3);
        (_f.p[0], _f.p[1], _f.p[2]) = (2 << 16, 1, 0);
        _row(0, I32, _list(10, 9, 7));
        _row(1, I32, _list(10));
        _weights(2, I32, 2, _list(64, 45));
        _expect(_list(1, 0, 0));
        // Temperature 2, by which the multiplier is divided: a distance of 2 is one octave.
        _c.temperature = 2 << 16;
        _expect(_list(64, 45, 23));
    }

    function test_draw_example_succeeds() public {
        _start(Opcodes.DRAW, I64, 2);
        _row(0, I64, _list(1000));
        _expect(_list(-1, 0));
        (_c.temperature, _c.t, _c.requestHash) = (1, 4, bytes32(uint256(77)));
        uint256 r = uint256(keccak256(abi.encode(bytes32(uint256(77)), uint256(4)))) >> 192;
        _expect(_list(-1, int256((r * 1000) >> 64)));
        // Within the prompt the output index is 0.
        _c.nIn = 6;
        r = uint256(keccak256(abi.encode(bytes32(uint256(77)), uint256(0)))) >> 192;
        _expect(_list(-1, int256((r * 1000) >> 64)));
    }

    /// @dev An accumulator is exact: what leaves int64 is saturated by `finish` alone.
    function test_foldSum_betweenBlocks_succeeds() public {
        _start(Opcodes.FOLD_SUM, I64, 1);
        int256[] memory values = new int256[](256);
        for (uint256 k; k < 256; ++k) {
            values[k] = k < 128 ? int256(1) : -int256(1);
        }
        _row(0, I32, values);
        _row(1, I64, _list(type(int64).max));
        _expect(_list(type(int64).max));
        _c.elements = [0];
        _c.instruction = Assembler.encode(_f);
        int256[2][] memory accumulators = _harness.accumulators(_c);
        assertEq(accumulators[0][0], int256(type(int64).max) + 128);
        assertEq(accumulators[1][0], type(int64).max);
    }

    function _start(uint8 opcode, uint8 outType, uint32 outLength) private {
        (_f.opcode, _f.outType, _f.outLength) = (opcode, outType, outLength);
    }

    /// @dev The whole row, and the zero of the element behind it.
    function _expect(int256[] memory values) private {
        _c.instruction = Assembler.encode(_f);
        assertEq(_harness.brokenRule(_c.instruction, 16), bytes32(0));
        assertEq(_harness.evaluateRow(_c), values);
        _c.elements = [values.length];
        Case[] memory cases = new Case[](1);
        cases[0] = _c;
        assertEq(_harness.evaluateMany(cases), _list(0));
    }

    function _row(uint256 place, uint8 elementType, int256[] memory values) private {
        _operand(place, Assembler.row(elementType, 0, uint32(place), uint32(values.length)));
        _rows(place, elementType, values.length, values);
    }

    function _positions(uint256 place, uint8 elementType, int256[] memory values) private {
        _operand(place, Assembler.row(elementType, 1, uint32(place), uint32(values.length / (_c.t + 1))));
        _rows(place, elementType, values.length, values);
    }

    function _cache(uint256 place, uint8 elementType, uint32 length, int256[] memory values) private {
        _operand(place, Assembler.cache(elementType, uint32(place), length, 0));
        _rows(place, elementType, length, values);
    }

    function _weights(uint256 place, uint8 elementType, uint32 length, int256[] memory values) private {
        _operand(place, Assembler.weights(elementType, 0, length, uint32(values.length / length)));
        _rows(place, elementType, length, values);
    }

    function _operand(uint256 place, bytes16 operand) private {
        if (place == 0) _f.a = operand;
        else if (place == 1) _f.b = operand;
        else _f.c = operand;
    }

    /// @dev Cuts values into rows of `length`.
    function _rows(uint256 place, uint8 elementType, uint256 length, int256[] memory values) private {
        PlainRow[] storage rows = place == 0 ? _c.a : place == 1 ? _c.b : _c.c;
        while (rows.length > 0) rows.pop();
        for (uint256 r; r * length < values.length; ++r) {
            bytes memory data;
            for (uint256 e; e < length; ++e) {
                for (uint256 k; k < 1 << elementType; ++k) {
                    data = bytes.concat(data, bytes1(uint8(uint256(values[r * length + e]) >> (8 * k))));
                }
            }
            rows.push(PlainRow(r, data));
        }
    }

    function _list(int256 x) private pure returns (int256[] memory values) {
        values = new int256[](1);
        values[0] = x;
    }

    function _list(int256 x, int256 y) private pure returns (int256[] memory values) {
        values = new int256[](2);
        (values[0], values[1]) = (x, y);
    }

    function _list(int256 x, int256 y, int256 z) private pure returns (int256[] memory values) {
        values = new int256[](3);
        (values[0], values[1], values[2]) = (x, y, z);
    }

    function _list(int256 x, int256 y, int256 z, int256 w) private pure returns (int256[] memory values) {
        values = new int256[](4);
        (values[0], values[1], values[2], values[3]) = (x, y, z, w);
    }

    function _list(int256 x, int256 y, int256 z, int256 w, int256 u, int256 v)
        private
        pure
        returns (int256[] memory values)
    {
        values = new int256[](6);
        (values[0], values[1], values[2], values[3], values[4], values[5]) = (x, y, z, w, u, v);
    }

    function _list(int256 x, int256 y, int256 z, int256 w, int256 a, int256 b, int256 c, int256 d)
        private
        pure
        returns (int256[] memory values)
    {
        values = new int256[](8);
        (values[0], values[1], values[2], values[3]) = (x, y, z, w);
        (values[4], values[5], values[6], values[7]) = (a, b, c, d);
    }
}
