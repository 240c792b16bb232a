// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {IProgramValidator, ValidationState} from "src/interfaces/IProgramValidator.sol";
import {ProgramValidatorV1} from "src/machine/ProgramValidatorV1.sol";
import {Rule} from "src/machine/Rules.sol";
import {Patch} from "../harness/Patch.sol";

/// @notice A valid program that uses every instruction (the oracle's), and one test per rule that breaks just that rule.
/// @dev Rules of single instructions: `InstructionRules.t.sol`.
contract ProgramValidatorV1Test is Test {
    uint32 private constant WEIGHT_ROWS = 337;
    uint32 private constant CONTEXT_LENGTH = 12;
    uint256 private constant COUNT = 68;

    // Instructions of the program, by number.
    uint256 private constant EMBED = 0;
    uint256 private constant FOLD_SUMSQ = 1;
    uint256 private constant NORM = 3;
    uint256 private constant ADD = 8;
    uint256 private constant ROPE = 21;
    uint256 private constant RESCALE_CACHED = 23;
    uint256 private constant FOLD_SCORES = 24;
    uint256 private constant DRAW = 65;
    uint256 private constant LAST = 67;

    // Offsets of fields.
    uint256 private constant OUT_MODE = 2;
    uint256 private constant ROLE = 3;
    uint256 private constant OUT_LENGTH = 4;
    uint256 private constant CACHE_SLOT = 8;
    uint256 private constant A = 32;
    uint256 private constant B = 48;
    uint256 private constant C = 64;
    uint256 private constant TYPE = 1;
    uint256 private constant MODE = 2;
    uint256 private constant ZERO = 3;
    uint256 private constant INDEX = 4;
    uint256 private constant LENGTH = 8;
    uint256 private constant ROWS = 12;

    ProgramValidatorV1 private _validator;
    bytes private _program;

    function setUp() public {
        _validator = new ProgramValidatorV1();
        string memory json = vm.readFile("test/vectors/machine/program.json");
        bytes[] memory instructions = vm.parseJsonBytesArray(json, ".instructions");
        bytes memory program;
        for (uint256 k; k < instructions.length; ++k) {
            program = bytes.concat(program, instructions[k]);
        }
        _program = program;
    }

    function test_validate_wholeProgram_succeeds() public view {
        ValidationState memory next = _validate(_program);
        assertEq(next.count, COUNT);
        assertEq(next.cacheRows, 2);
        assertTrue(next.ended);
        assertEq(next.descriptors, keccak256(_descriptors(COUNT)));
    }

    function testFuzz_validate_anyChunks_succeeds(uint256 seed) public view {
        ValidationState memory state;
        while (state.count < COUNT) {
            uint256 n = 1 + uint256(keccak256(abi.encode(seed, state.count))) % 30;
            if (n > COUNT - state.count) n = COUNT - state.count;
            state = _validator.validate(
                state, _slice(state.count, n), _descriptors(state.count), WEIGHT_ROWS, CONTEXT_LENGTH
            );
        }
        assertEq(abi.encode(state), abi.encode(_validate(_program)));
    }

    /// @dev Any byte pattern of an instruction is accepted or refused with the typed error, never with a panic.
    function testFuzz_validate_anyInstruction_succeeds(uint256 seed, uint256 at, uint256 flips) public view {
        at = at % COUNT;
        bytes memory program = bytes.concat(_program);
        for (uint256 k; k <= flips % 3; ++k) {
            uint256 r = uint256(keccak256(abi.encode(seed, k)));
            program[at * 128 + (r >> 8) % 128] = bytes1(uint8(r));
        }
        try _validator.validate(ValidationState(0, 0, false, 0), program, "", WEIGHT_ROWS, CONTEXT_LENGTH) returns (
            ValidationState memory
        ) {}
        catch (bytes memory reason) {
            assertEq(bytes4(reason), IProgramValidator.InvalidInstruction.selector);
        }
    }

    function test_validate_descriptors_reverts() public {
        ValidationState memory state =
            _validator.validate(ValidationState(0, 0, false, 0), _slice(0, 10), "", WEIGHT_ROWS, CONTEXT_LENGTH);
        bytes memory wrong = _descriptors(10);
        wrong[3] = 0x01;
        bytes memory chunk = _slice(10, 1);
        _mismatch(state.descriptors, keccak256(wrong));
        _validator.validate(state, chunk, wrong, WEIGHT_ROWS, CONTEXT_LENGTH);
        // At first there are none.
        wrong = _descriptors(1);
        _mismatch(0, keccak256(wrong));
        _validator.validate(ValidationState(0, 0, false, 0), chunk, wrong, WEIGHT_ROWS, CONTEXT_LENGTH);
    }

    function test_validate_bytes_reverts() public {
        _refuse(0, Rule.BYTES);
        _validator.validate(ValidationState(0, 0, false, 0), "", "", WEIGHT_ROWS, CONTEXT_LENGTH);
        _refuse(0, Rule.BYTES);
        _validator.validate(
            ValidationState(0, 0, false, 0), bytes.concat(_program, hex"00"), "", WEIGHT_ROWS, CONTEXT_LENGTH
        );
    }

    function test_validate_context_reverts() public {
        _refuse(0, Rule.CONTEXT);
        _validator.validate(ValidationState(0, 0, false, 0), _program, "", WEIGHT_ROWS, 0);
        _refuse(0, Rule.CONTEXT);
        _validator.validate(ValidationState(0, 0, false, 0), _program, "", WEIGHT_ROWS, (1 << 22) + 1);
    }

    function test_validate_opcode_reverts() public {
        _break(FOLD_SUMSQ, 0, 1, 0x09, Rule.OPCODE);
        _break(FOLD_SUMSQ, 0, 1, 0x00, Rule.OPCODE);
        _break(FOLD_SUMSQ, 0, 1, 0x2d, Rule.OPCODE);
    }

    function test_validate_reserved_reverts() public {
        _break(NORM, 12, 1, 1, Rule.RESERVED);
        _break(NORM, 31, 1, 1, Rule.RESERVED);
        _break(NORM, 80, 1, 1, Rule.RESERVED);
        _break(NORM, 95, 1, 1, Rule.RESERVED);
    }

    function test_validate_outMode_reverts() public {
        _break(NORM, OUT_MODE, 1, 2, Rule.OUT_MODE);
    }

    function test_validate_outLength_reverts() public {
        _break(NORM, OUT_LENGTH, 4, 0, Rule.OUT_LENGTH);
        _break(NORM, OUT_LENGTH, 4, (1 << 24) + 1, Rule.OUT_LENGTH);
    }

    function test_validate_positionsLength_reverts() public {
        // outLength * contextLength <= 2^28; with 64 heads the length is allowed, and only the query no longer fits.
        uint32 longest = 1 << 22;
        bytes memory program = Patch.field(_program, FOLD_SCORES * 128 + OUT_LENGTH, 4, 65);
        _refuse(FOLD_SCORES, Rule.OUT_LENGTH);
        _validator.validate(ValidationState(0, 0, false, 0), program, "", WEIGHT_ROWS, longest);
        program = Patch.field(_program, FOLD_SCORES * 128 + OUT_LENGTH, 4, 64);
        _refuse(FOLD_SCORES, Rule.OPERAND_A);
        _validator.validate(ValidationState(0, 0, false, 0), program, "", WEIGHT_ROWS, longest);
    }

    function test_validate_role_reverts() public {
        _break(NORM, ROLE, 1, 3, Rule.ROLE);
        // A per-position row cannot be cached.
        _break(FOLD_SCORES, ROLE, 1, 1, Rule.ROLE);
    }

    function test_validate_cacheSlot_reverts() public {
        _break(NORM, CACHE_SLOT, 4, 1, Rule.CACHE_SLOT);
        _break(RESCALE_CACHED, CACHE_SLOT, 4, 0, Rule.CACHE_SLOT);
        _break(RESCALE_CACHED, CACHE_SLOT, 4, 2, Rule.CACHE_SLOT);
    }

    function test_validate_tokenRow_reverts() public {
        _break(NORM, ROLE, 1, 2, Rule.TOKEN_ROW);
        _break(LAST, OUT_LENGTH, 4, 3, Rule.TOKEN_ROW);
        _break(LAST, 1, 1, 2, Rule.TOKEN_ROW);
        _break(LAST, OUT_MODE, 1, 1, Rule.TOKEN_ROW);
    }

    function test_validate_afterToken_reverts() public {
        bytes memory program = Patch.field(_program, DRAW * 128 + ROLE, 1, 2);
        _refuse(DRAW + 1, Rule.AFTER_TOKEN);
        _validate(program);
        // Nor in a later chunk.
        ValidationState memory state = _validate(_program);
        bytes memory last = _slice(LAST, 1);
        bytes memory descriptors = _descriptors(COUNT);
        _refuse(COUNT, Rule.AFTER_TOKEN);
        _validator.validate(state, last, descriptors, WEIGHT_ROWS, CONTEXT_LENGTH);
    }

    function test_validate_operandKind_reverts() public {
        _break(NORM, A, 1, 5, Rule.OPERAND_KIND);
    }

    function test_validate_operandOrder_reverts() public {
        _break(NORM, A + INDEX, 4, NORM, Rule.OPERAND_ORDER);
        _break(NORM, B + INDEX, 4, NORM + 1, Rule.OPERAND_ORDER);
        _break(FOLD_SCORES, B + INDEX, 4, FOLD_SCORES, Rule.OPERAND_ORDER);
    }

    function test_validate_operandShape_reverts() public {
        _break(NORM, A + LENGTH, 4, 31, Rule.OPERAND_SHAPE);
        _break(NORM, A + TYPE, 1, 3, Rule.OPERAND_SHAPE);
        _break(NORM, A + MODE, 1, 1, Rule.OPERAND_SHAPE);
        _break(FOLD_SCORES, B + LENGTH, 4, 8, Rule.OPERAND_SHAPE);
    }

    function test_validate_operandCache_reverts() public {
        // Another slot, a slot that does not exist, a row that is not cached.
        _break(FOLD_SCORES, B + ROWS, 4, 1, Rule.OPERAND_CACHE);
        _break(FOLD_SCORES, B + ROWS, 4, 2, Rule.OPERAND_CACHE);
        bytes memory program = Patch.field(_program, FOLD_SCORES * 128 + B + INDEX, 4, ROPE);
        program = Patch.field(program, FOLD_SCORES * 128 + B + LENGTH, 4, 32);
        _refuse(FOLD_SCORES, Rule.OPERAND_CACHE);
        _validate(program);
    }

    function test_validate_operandCache_earlierChunk_reverts() public {
        ValidationState memory state = _validator.validate(
            ValidationState(0, 0, false, 0), _slice(0, FOLD_SCORES), "", WEIGHT_ROWS, CONTEXT_LENGTH
        );
        bytes memory wrong = Patch.field(_slice(FOLD_SCORES, 1), B + ROWS, 4, 1);
        bytes memory descriptors = _descriptors(FOLD_SCORES);
        _refuse(FOLD_SCORES, Rule.OPERAND_CACHE);
        _validator.validate(state, wrong, descriptors, WEIGHT_ROWS, CONTEXT_LENGTH);
    }

    function test_validate_operandWeights_reverts() public {
        _break(NORM, C + INDEX, 4, WEIGHT_ROWS, Rule.OPERAND_WEIGHTS);
        _break(NORM, C + INDEX, 4, type(uint32).max, Rule.OPERAND_WEIGHTS);
        _break(NORM, C + ROWS, 4, 0, Rule.OPERAND_WEIGHTS);
        _break(NORM, C + ROWS, 4, WEIGHT_ROWS, Rule.OPERAND_WEIGHTS);
        _break(NORM, C + TYPE, 1, 4, Rule.OPERAND_WEIGHTS);
        _break(NORM, C + MODE, 1, 1, Rule.OPERAND_WEIGHTS);
        _break(NORM, C + LENGTH, 4, 0, Rule.OPERAND_WEIGHTS);
        _break(NORM, C + LENGTH, 4, (1 << 24) + 1, Rule.OPERAND_WEIGHTS);
    }

    function test_validate_operandUnused_reverts() public {
        _break(NORM, A + ZERO, 1, 1, Rule.OPERAND_UNUSED);
        _break(NORM, A + ROWS, 4, 1, Rule.OPERAND_UNUSED);
        _break(NORM, C + ZERO, 1, 1, Rule.OPERAND_UNUSED);
        _break(FOLD_SCORES, B + ZERO, 1, 1, Rule.OPERAND_UNUSED);
        _break(FOLD_SUMSQ, B + LENGTH, 4, 1, Rule.OPERAND_UNUSED);
        _break(FOLD_SUMSQ, C + TYPE, 1, 1, Rule.OPERAND_UNUSED);
        _break(EMBED, A + INDEX, 4, 1, Rule.OPERAND_UNUSED);
    }

    function test_validate_ruleOfInstruction_reverts() public {
        _break(ADD, 96, 4, 32, Rule.PARAMETER);
    }

    /// @dev The program with one field of one instruction changed is refused there, by this rule.
    function _break(uint256 at, uint256 offset, uint256 size, uint256 value, bytes32 rule) private {
        bytes memory program = Patch.field(_program, at * 128 + offset, size, value);
        _refuse(at, rule);
        _validate(program);
    }

    function _refuse(uint256 at, bytes32 rule) private {
        vm.expectRevert(abi.encodeWithSelector(IProgramValidator.InvalidInstruction.selector, at, rule));
    }

    function _mismatch(bytes32 expected, bytes32 got) private {
        vm.expectRevert(abi.encodeWithSelector(IProgramValidator.DescriptorsMismatch.selector, expected, got));
    }

    function _validate(bytes memory program) private view returns (ValidationState memory) {
        return _validator.validate(ValidationState(0, 0, false, 0), program, "", WEIGHT_ROWS, CONTEXT_LENGTH);
    }

    function _slice(uint256 from, uint256 n) private view returns (bytes memory) {
        return this.sliceOf(_program, from * 128, n * 128);
    }

    function sliceOf(bytes calldata data, uint256 from, uint256 size) external pure returns (bytes calldata) {
        return data[from:from + size];
    }

    /// @dev `type, mode, role, 0, length(4)` of the first n rows.
    function _descriptors(uint256 n) private view returns (bytes memory out) {
        bytes memory program = _program;
        for (uint256 k; k < n; ++k) {
            uint256 at = k * 128;
            out = bytes.concat(out, program[at + 1], program[at + 2], program[at + 3], bytes1(0));
            out = bytes.concat(out, program[at + 4], program[at + 5], program[at + 6], program[at + 7]);
        }
    }
}
