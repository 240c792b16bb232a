// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {ElementTypes} from "src/machine/ElementTypes.sol";
import {KIND_CACHE, KIND_ROW, KIND_WEIGHTS, Operand} from "src/machine/Instruction.sol";
import {Case, PlainRow} from "../harness/Case.sol";
import {JudgeHarness} from "../harness/JudgeHarness.sol";
import {WitnessBuilder} from "../harness/WitnessBuilder.sol";

/// @notice The oracle's one-layer program, every row of every step: operands are the rows that the oracle made before.
contract ProgramTest is Test {
    JudgeHarness private _harness;
    WitnessBuilder private _builder;
    string private _json;
    bytes[] private _instructions;
    bytes[][] private _stepRows;
    bytes[] private _weights;

    function setUp() public {
        _harness = new JudgeHarness();
        _builder = new WitnessBuilder();
        _json = vm.readFile("test/vectors/machine/program.json");
        _instructions = vm.parseJsonBytesArray(_json, ".instructions");
        uint256 rows = vm.parseJsonUint(_json, ".weightRows");
        for (uint256 k; k < rows; ++k) {
            _weights.push(vm.parseJsonBytes(_json, string.concat(".weights[", vm.toString(k), "].data")));
        }
    }

    function test_run0_everyRow_succeeds() public {
        _run(0);
    }

    function test_run1_everyRow_succeeds() public {
        _run(1);
    }

    function test_run2_everyRow_succeeds() public {
        _run(2);
    }

    function _run(uint256 run) private {
        vm.pauseGasMetering();
        string memory path = string.concat(".runs[", vm.toString(run), "]");
        assertTrue(vm.keyExistsJson(_json, path));
        Case memory base;
        base.nIn = uint32(vm.parseJsonUint(_json, string.concat(path, ".nIn")));
        base.requestHash = vm.parseJsonBytes32(_json, string.concat(path, ".requestHash"));
        base.temperature = uint32(vm.parseJsonUint(_json, string.concat(path, ".temperature")));
        for (uint32 t;; ++t) {
            string memory step = string.concat(path, ".steps[", vm.toString(t), "]");
            if (!vm.keyExistsJson(_json, step)) break;
            _stepRows.push(vm.parseJsonBytesArray(_json, string.concat(step, ".rows")));
            base.t = t;
            base.token = uint32(vm.parseJsonUint(_json, string.concat(step, ".token")));
            for (uint256 k; k < _instructions.length; ++k) {
                _check(base, k);
            }
        }
        assertGt(_stepRows.length, 0);
    }

    function _check(Case memory base, uint256 number) private view {
        base.instruction = _instructions[number];
        base.a = _operand(base, 0);
        base.b = _operand(base, 1);
        base.c = _operand(base, 2);
        int256[] memory values = _harness.evaluateRow(base);
        bytes memory row = _stepRows[base.t][number];
        uint8 elementType = uint8(base.instruction[1]);
        assertEq(row.length, values.length << elementType);
        uint256 pointer;
        // SAFETY: an address only.
        assembly ("memory-safe") {
            pointer := add(row, 0x20)
        }
        for (uint256 e; e < values.length; ++e) {
            assertEq(values[e], ElementTypes.load(elementType, pointer, e), vm.toString(number));
        }
    }

    function _operand(Case memory base, uint256 place) private view returns (PlainRow[] memory rows) {
        Operand operand = _builder.operandOf(base.instruction, place);
        uint256 index = operand.index();
        if (operand.kind() == KIND_ROW) {
            rows = new PlainRow[](1);
            rows[0] = PlainRow(0, _stepRows[base.t][index]);
        } else if (operand.kind() == KIND_CACHE) {
            rows = new PlainRow[](base.t + 1);
            for (uint256 p; p <= base.t; ++p) {
                rows[p] = PlainRow(p, _stepRows[p][index]);
            }
        } else if (operand.kind() == KIND_WEIGHTS) {
            rows = new PlainRow[](operand.count());
            for (uint256 k; k < rows.length; ++k) {
                rows[k] = PlainRow(k, _weights[index + k]);
            }
        }
    }
}
