// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {IJudge, StepContext} from "src/interfaces/IJudge.sol";
import {JudgeV1} from "src/machine/JudgeV1.sol";
import {ProgramValidatorV1} from "src/machine/ProgramValidatorV1.sol";
import {Opcodes} from "src/machine/Opcodes.sol";
import {Assembler, Fields} from "../harness/Assembler.sol";
import {Case, PlainRow} from "../harness/Case.sol";
import {JudgeHarness} from "../harness/JudgeHarness.sol";
import {Geometry, WitnessBuilder} from "../harness/WitnessBuilder.sol";

/// @notice Shapes, blocks, accumulators and typed errors of the judge.
contract JudgeV1Test is Test {
    uint8 private constant I8 = 0;
    uint8 private constant I16 = 1;
    uint8 private constant I32 = 2;
    uint8 private constant I64 = 3;

    JudgeV1 private _judge;

    function setUp() public {
        _judge = new JudgeV1();
    }

    function test_machineVersion_succeeds() public view {
        assertEq(_judge.machineVersion(), 1);
    }

    /// @dev EIP-170.
    function test_codeSize_succeeds() public {
        assertLt(address(_judge).code.length, 24_576);
        assertLt(address(new ProgramValidatorV1()).code.length, 24_576);
    }

    function test_rowShape_modes_succeeds() public view {
        (uint8 elementType, uint256 length) = _judge.rowShape(_sum(300), 9);
        assertEq(elementType, I64);
        assertEq(length, 1);
        (elementType, length) = _judge.rowShape(_scores(), 9);
        assertEq(elementType, I32);
        assertEq(length, 40);
    }

    function test_blocks_counts_succeeds() public view {
        _assertBlocks(_sum(1), 0, 1, 16);
        _assertBlocks(_sum(128), 0, 1, 16);
        _assertBlocks(_sum(129), 0, 2, 16);
        _assertBlocks(_pick(257), 0, 3, 16);
        _assertBlocks(_dot(I8, 1024), 0, 1, 8);
        _assertBlocks(_dot(I8, 1025), 0, 3, 8);
        _assertBlocks(_dot(I16, 512), 0, 1, 8);
        _assertBlocks(_dot(I16, 513), 0, 2, 8);
        _assertBlocks(_scores(), 500, 1, 8);
        _assertBlocks(_mix(), 0, 1, 8);
        _assertBlocks(_mix(), 499, 500, 8);
        _assertBlocks(_draw(), 7, 1, 0);
    }

    function test_evaluate_severalBlocks_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IJudge.BlockOutOfRange.selector, 0, 3));
        _judge.evaluate(_sum(300), _context(), 0, "");
    }

    function test_evaluateBlock_outOfRange_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IJudge.BlockOutOfRange.selector, 3, 3));
        _judge.evaluateBlock(_sum(300), _context(), 0, 3, new bytes(8), "");
    }

    /// @dev What is one block is decided by `evaluate`.
    function test_evaluateBlock_oneBlock_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IJudge.BlockOutOfRange.selector, 0, 1));
        _judge.evaluateBlock(_sum(128), _context(), 0, 0, "", "");
        vm.expectRevert(abi.encodeWithSelector(IJudge.BlockOutOfRange.selector, 0, 1));
        _judge.evaluateBlock(_draw(), _context(), 0, 0, "", "");
    }

    function test_evaluateBlock_before_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IJudge.WitnessLength.selector, 0, 16));
        _judge.evaluateBlock(_sum(300), _context(), 0, 0, new bytes(16), "");
        vm.expectRevert(abi.encodeWithSelector(IJudge.WitnessLength.selector, 16, 8));
        _judge.evaluateBlock(_sum(300), _context(), 0, 1, new bytes(8), "");
        vm.expectRevert(abi.encodeWithSelector(IJudge.WitnessLength.selector, 16, 0));
        _judge.evaluateBlock(_pick(300), _context(), 0, 1, "", "");
    }

    /// @dev A lie in `before` that leaves the wire's width meets no accumulator that can be posted.
    function test_evaluateBlock_beyondWire_succeeds() public {
        Case memory case_;
        (case_.instruction, case_.nIn, case_.elements) = (_dot(I8, 2048), 1, new uint256[](1));
        case_.a = _ones(1, 2048);
        case_.b = _ones(6, 2048);
        WitnessBuilder builder = new WitnessBuilder();
        StepContext memory context = builder.commit(case_, Geometry(100, 1, 1000, 1));
        bytes memory witness = builder.witness(case_, new JudgeHarness().readsOf(case_, 1));
        assertEq(
            _judge.evaluateBlock(case_.instruction, context, 0, 1, hex"0000000000000200", witness),
            hex"0000000000000400"
        );
        assertEq(
            _judge.evaluateBlock(case_.instruction, context, 0, 1, hex"7fffffffffffffff", witness),
            abi.encode(int256(type(int64).max) + 512)
        );
    }

    function test_padding_zero_succeeds() public view {
        assertEq(_judge.evaluate(_sum(300), _context(), 1, ""), 0);
        assertEq(_judge.evaluate(_draw(), _context(), 2, ""), 0);
        assertEq(
            _judge.evaluateBlock(_sum(300), _context(), 1, 2, hex"00000000000000007fffffffffffffff", ""), new bytes(16)
        );
        assertEq(_judge.finish(_sum(300), 1, new bytes(16)), 0);
        assertEq(_judge.finish(_pick(300), 2, hex"00000000000000050000000000000007"), 0);
    }

    function test_padding_surplus_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IJudge.WitnessLength.selector, 0, 1));
        _judge.evaluate(_draw(), _context(), 2, hex"00");
    }

    function test_finish_saturates_succeeds() public view {
        assertEq(_judge.finish(_sum(300), 0, hex"ffffffffffffffff8000000000000000"), -int256(type(int64).max));
        assertEq(_judge.finish(_dot(I8, 2000), 0, hex"0000000080000000"), type(int32).max);
        assertEq(_judge.finish(_dot(I16, 2000), 0, hex"0000000080000000"), int256(1) << 31);
        assertEq(_judge.finish(_pick(300), 0, hex"00000000000000058000000000000000"), 5);
        assertEq(_judge.finish(_pick(300), 1, hex"00000000000000058000000000000000"), -int256(type(int64).max));
        assertEq(_judge.finish(_scores(), 0, hex"0000000000000007"), 11);
    }

    function test_finish_length_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IJudge.WitnessLength.selector, 16, 8));
        _judge.finish(_sum(300), 0, new bytes(8));
        vm.expectRevert(abi.encodeWithSelector(IJudge.WitnessLength.selector, 8, 16));
        _judge.finish(_dot(I8, 2048), 0, new bytes(16));
        vm.expectRevert(abi.encodeWithSelector(IJudge.WitnessLength.selector, 16, 8));
        _judge.finish(_pick(300), 0, new bytes(8));
    }

    function test_finish_map_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IJudge.UnknownOpcode.selector, Opcodes.DRAW));
        _judge.finish(_draw(), 0, new bytes(8));
    }

    function testFuzz_opcode_unknown_reverts(uint8 opcode) public {
        bool known = (opcode >= 0x01 && opcode <= 0x08) || (opcode >= 0x20 && opcode <= 0x2c);
        vm.assume(!known);
        bytes memory instruction = _draw();
        instruction[0] = bytes1(opcode);
        bytes memory reason = abi.encodeWithSelector(IJudge.UnknownOpcode.selector, opcode);
        vm.expectRevert(reason);
        _judge.evaluate(instruction, _context(), 0, "");
        vm.expectRevert(reason);
        _judge.evaluateBlock(instruction, _context(), 0, 0, "", "");
        vm.expectRevert(reason);
        _judge.blocks(instruction, 0);
        vm.expectRevert(reason);
        _judge.finish(instruction, 0, new bytes(8));
    }

    function test_instruction_length_reverts() public {
        bytes memory reason = abi.encodeWithSelector(IJudge.WitnessLength.selector, 128, 127);
        vm.expectRevert(reason);
        _judge.rowShape(new bytes(127), 0);
        vm.expectRevert(reason);
        _judge.blocks(new bytes(127), 0);
        vm.expectRevert(reason);
        _judge.evaluate(new bytes(127), _context(), 0, "");
        vm.expectRevert(reason);
        _judge.evaluateBlock(new bytes(127), _context(), 0, 0, "", "");
        vm.expectRevert(reason);
        _judge.finish(new bytes(127), 0, "");
    }

    function _assertBlocks(bytes memory instruction, uint32 t, uint256 count, uint256 size) private view {
        (uint256 gotCount, uint256 gotSize) = _judge.blocks(instruction, t);
        assertEq(gotCount, count);
        assertEq(gotSize, size);
    }

    function _context() private pure returns (StepContext memory context) {
        (context.rows, context.steps, context.nIn) = (100, 10, 1);
    }

    /// @dev Rows of ones.
    function _ones(uint256 count, uint256 length) private pure returns (PlainRow[] memory rows) {
        rows = new PlainRow[](count);
        for (uint256 k; k < count; ++k) {
            bytes memory data = new bytes(length);
            for (uint256 e; e < length; ++e) {
                data[e] = 0x01;
            }
            rows[k] = PlainRow(k, data);
        }
    }

    function _sum(uint32 size) private pure returns (bytes memory) {
        Fields memory f;
        (f.opcode, f.outType, f.outLength) = (Opcodes.FOLD_SUM, I64, 1);
        f.a = Assembler.row(I32, 0, 3, size);
        return Assembler.encode(f);
    }

    function _pick(uint32 size) private pure returns (bytes memory) {
        Fields memory f;
        (f.opcode, f.outType, f.outLength) = (Opcodes.FOLD_PICK, I64, 2);
        f.a = Assembler.row(I32, 0, 3, size);
        f.b = Assembler.row(I64, 0, 4, 2);
        return Assembler.encode(f);
    }

    function _dot(uint8 elementType, uint32 size) private pure returns (bytes memory) {
        Fields memory f;
        (f.opcode, f.outType, f.outLength) = (Opcodes.FOLD_DOT, elementType == I8 ? I32 : I64, 6);
        f.a = Assembler.row(elementType, 0, 3, size);
        f.b = Assembler.weights(I8, 10, size, 6);
        return Assembler.encode(f);
    }

    function _scores() private pure returns (bytes memory) {
        Fields memory f;
        (f.opcode, f.outType, f.outMode, f.outLength) = (Opcodes.FOLD_SCORES, I32, 1, 4);
        f.a = Assembler.row(I16, 0, 3, 32);
        f.b = Assembler.cache(I16, 4, 16, 0);
        (f.p[0], f.p[1], f.p[2]) = (8, 3, 1);
        return Assembler.encode(f);
    }

    function _mix() private pure returns (bytes memory) {
        Fields memory f;
        (f.opcode, f.outType, f.outLength) = (Opcodes.FOLD_MIX, I64, 32);
        f.a = Assembler.row(I16, 1, 3, 4);
        f.b = Assembler.cache(I16, 4, 16, 0);
        f.p[0] = 8;
        return Assembler.encode(f);
    }

    function _draw() private pure returns (bytes memory) {
        Fields memory f;
        (f.opcode, f.outType, f.outLength) = (Opcodes.DRAW, I64, 2);
        f.a = Assembler.row(I64, 0, 3, 1);
        return Assembler.encode(f);
    }
}
