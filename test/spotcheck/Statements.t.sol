// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {Opcodes} from "src/machine/Opcodes.sol";
import {PublicWords} from "src/spotcheck/PublicWords.sol";
import {Statements} from "src/spotcheck/Statements.sol";
import {Assembler, Fields} from "../harness/Assembler.sol";
import {StatementCase, StatementHarness} from "../harness/StatementHarness.sol";

/// @notice What has no statement. That statements are right is compared in `ts/circuits/statement.differential.chain.test.ts`.
contract StatementsTest is Test {
    StatementHarness private _harness;

    function setUp() public {
        _harness = new StatementHarness();
    }

    function testFuzz_statementOf_unknownOpcode_reverts(uint8 opcode) public {
        bool fold = opcode >= Opcodes.FOLD_SUMSQ && opcode <= Opcodes.FOLD_MIX;
        vm.assume(!fold && (opcode < Opcodes.EMBED || opcode > Opcodes.DRAW));
        Fields memory f = _dequant(0);
        f.opcode = opcode;
        vm.expectRevert(abi.encodeWithSelector(Statements.UnknownOpcode.selector, opcode));
        _harness.statementsOf(_case(f, 0));
    }

    /// @dev Beyond the limits of the circuits a model has no statements, rather than wrong ones: a number that does not fit its field would say
    ///      something else in the next one.
    function test_statementOf_beyondCircuits_reverts() public {
        _harness.statementsOf(_case(_dequant((1 << 24) - 1), 0));
        _refuse(_case(_dequant(1 << 24), 0), 1 << 24, 24);
        // A row of more than 4,096 segments.
        Fields memory f;
        (f.opcode, f.outType, f.outLength) = (Opcodes.FOLD_MAX, 2, 2);
        f.a = Assembler.row(2, 0, 3, 2 * 248 * 4096);
        _harness.statementsOf(_case(f, 0));
        _refuse(_case(f, 1), 4096, 12);
    }

    /// @dev Each field of a read takes its largest number, and none that would reach into the next field, or into the next read.
    function test_read_borders_reverts() public {
        uint256[4] memory bits = [uint256(24), 2, 29, 28];
        uint256[4] memory most;
        for (uint256 k; k < 4; ++k) {
            most[k] = (1 << bits[k]) - 1;
        }
        assertEq(this.read(most), (1 << PublicWords.READ_BITS) - 1);
        for (uint256 k; k < 4; ++k) {
            uint256[4] memory fields;
            fields[k] = 1 << bits[k];
            vm.expectRevert(abi.encodeWithSelector(PublicWords.BeyondCircuits.selector, fields[k], bits[k]));
            this.read(fields);
        }
    }

    function read(uint256[4] calldata fields) external pure returns (uint256) {
        return PublicWords.read(fields[0], fields[1], fields[2], fields[3]);
    }

    function _refuse(StatementCase[] memory cases, uint256 value, uint256 bits) private {
        vm.expectRevert(abi.encodeWithSelector(PublicWords.BeyondCircuits.selector, value, bits));
        _harness.statementsOf(cases);
    }

    /// @dev `dequant` with its scales in a weight row.
    function _dequant(uint32 weightRow) private pure returns (Fields memory f) {
        (f.opcode, f.outType, f.outLength) = (Opcodes.DEQUANT, 2, 64);
        f.a = Assembler.row(2, 0, 3, 64);
        f.b = Assembler.row(2, 0, 4, 1);
        f.c = Assembler.weights(2, weightRow, 64, 1);
    }

    function _case(Fields memory f, uint256 element) private pure returns (StatementCase[] memory cases) {
        cases = new StatementCase[](1);
        cases[0].instruction = Assembler.encode(f);
        cases[0].element.element = element;
    }
}
