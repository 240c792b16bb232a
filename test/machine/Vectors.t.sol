// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {StepContext} from "src/interfaces/IJudge.sol";
import {ElementTypes} from "src/machine/ElementTypes.sol";
import {JudgeV1} from "src/machine/JudgeV1.sol";
import {Case, PlainRow, Read} from "../harness/Case.sol";
import {JudgeHarness} from "../harness/JudgeHarness.sol";
import {Geometry, WitnessBuilder} from "../harness/WitnessBuilder.sol";
import {Patch} from "../harness/Patch.sol";

/// @notice Every case of `test/vectors/machine`, which the NumPy oracle made from docs/machine.md alone.
/// @dev Whole rows through the harness; the first, the middle and the last element also through JudgeV1, with a real witness.
contract VectorsTest is Test {
    JudgeHarness private _harness;
    JudgeV1 private _judge;

    function setUp() public {
        _harness = new JudgeHarness();
        _judge = new JudgeV1();
    }

    function test_foldSumsq_vectors_succeeds() public {
        _run("fold_sumsq");
    }

    function test_foldAmax_vectors_succeeds() public {
        _run("fold_amax");
    }

    function test_foldMax_vectors_succeeds() public {
        _run("fold_max");
    }

    function test_foldSum_vectors_succeeds() public {
        _run("fold_sum");
    }

    function test_foldPick_vectors_succeeds() public {
        _run("fold_pick");
    }

    function test_foldDot_vectors_succeeds() public {
        _run("fold_dot");
    }

    function test_foldScores_vectors_succeeds() public {
        _run("fold_scores");
    }

    function test_foldMix_vectors_succeeds() public {
        _run("fold_mix");
    }

    function test_embed_vectors_succeeds() public {
        _run("embed");
    }

    function test_rms_vectors_succeeds() public {
        _run("rms");
    }

    function test_norm_vectors_succeeds() public {
        _run("norm");
    }

    function test_quantize_vectors_succeeds() public {
        _run("quantize");
    }

    function test_dequant_vectors_succeeds() public {
        _run("dequant");
    }

    function test_add_vectors_succeeds() public {
        _run("add");
    }

    function test_rope_vectors_succeeds() public {
        _run("rope");
    }

    function test_rescale_vectors_succeeds() public {
        _run("rescale");
    }

    function test_exp2_vectors_succeeds() public {
        _run("exp2");
    }

    function test_divide_vectors_succeeds() public {
        _run("divide");
    }

    function test_gate_vectors_succeeds() public {
        _run("gate");
    }

    function test_weigh_vectors_succeeds() public {
        _run("weigh");
    }

    function test_draw_vectors_succeeds() public {
        _run("draw");
    }

    function _run(string memory name) private {
        // The trees cost more than a test may.
        vm.pauseGasMetering();
        string memory file = vm.readFile(string.concat("test/vectors/machine/", name, ".json"));
        // The oracle writes one case a line, and a line parses fast.
        string[] memory lines = vm.split(file, "\n");
        uint256 cases;
        for (uint256 k; k < lines.length; ++k) {
            if (!vm.contains(lines[k], "instructionHex")) continue;
            ++cases;
            bytes memory line = bytes(lines[k]);
            // A comma ends all lines but the last.
            string memory end = line[line.length - 1] == "," ? "{}]}" : "]}";
            _check(string.concat("{\"case\":[", lines[k], end), ".case[0]");
        }
        assertGt(cases, 20, "cases");
    }

    function _check(string memory json, string memory path) private {
        Case memory case_ = _case(json, path);
        bytes memory data = vm.parseJsonBytes(json, string.concat(path, ".out.data"));
        (uint8 elementType, uint256 length) = _judge.rowShape(case_.instruction, case_.t);
        assertEq(data.length, length << elementType, "row bytes");
        assertEq(_harness.brokenRule(case_.instruction, case_.t + 1), bytes32(0), "rule");

        int256[] memory values = _harness.evaluateRow(case_);
        for (uint256 e; e < length; ++e) {
            assertEq(values[e], _element(elementType, data, e), string.concat(path, " element ", vm.toString(e)));
        }
        _checkAccumulators(json, path, case_);
        _checkJudge(case_, values, 0);
        _checkJudge(case_, values, length / 2);
        _checkJudge(case_, values, length - 1);
    }

    function _checkAccumulators(string memory json, string memory path, Case memory case_) private view {
        for (uint256 k; vm.keyExistsJson(json, string.concat(path, ".blocks[", vm.toString(k), "]")); ++k) {
            string memory block_ = string.concat(path, ".blocks[", vm.toString(k), "]");
            case_.elements = new uint256[](1);
            case_.elements[0] = vm.parseJsonUint(json, string.concat(block_, ".element"));
            int256[2][] memory got = _harness.accumulators(case_);
            bool pairs = uint8(case_.instruction[0]) == 0x05;
            for (uint256 j; j < got.length; ++j) {
                string memory at = string.concat(block_, ".accumulators[", vm.toString(j), "]");
                if (pairs) {
                    assertEq(got[j][0], vm.parseInt(vm.parseJsonString(json, string.concat(at, "[0]"))), at);
                    assertEq(got[j][1], vm.parseInt(vm.parseJsonString(json, string.concat(at, "[1]"))), at);
                } else {
                    assertEq(got[j][0], vm.parseInt(vm.parseJsonString(json, at)), at);
                }
            }
            assertFalse(
                vm.keyExistsJson(json, string.concat(block_, ".accumulators[", vm.toString(got.length), "]")), "blocks"
            );
        }
    }

    /// @dev The same element, or every block behind it, through the judge.
    function _checkJudge(Case memory case_, int256[] memory values, uint256 e) private {
        case_.instruction = Patch.indices(case_.instruction);
        case_.elements = new uint256[](1);
        case_.elements[0] = e;
        WitnessBuilder builder = new WitnessBuilder();
        StepContext memory context = builder.commit(case_, Geometry(200, 64, 1 << 17, case_.t + 3));
        (uint256 count, uint256 size) = _judge.blocks(case_.instruction, case_.t);
        if (count == 1) {
            bytes memory witness = builder.witness(case_, _harness.readsOf(case_, 0));
            assertEq(_judge.evaluate(case_.instruction, context, e, witness), values[e], "judge");
            return;
        }
        bytes memory accumulator;
        for (uint256 k; k < count; ++k) {
            bytes memory witness = builder.witness(case_, _harness.readsOf(case_, k));
            accumulator = _judge.evaluateBlock(case_.instruction, context, e, k, accumulator, witness);
            // On any operands an honest accumulator can be posted.
            assertEq(accumulator.length, size);
        }
        assertEq(_judge.finish(case_.instruction, e, accumulator), values[e], "judge, by blocks");
    }

    function _case(string memory json, string memory path) private view returns (Case memory case_) {
        string memory context = string.concat(path, ".context");
        case_.instruction = vm.parseJsonBytes(json, string.concat(path, ".instructionHex"));
        case_.t = uint32(vm.parseJsonUint(json, string.concat(context, ".t")));
        case_.nIn = uint32(vm.parseJsonUint(json, string.concat(context, ".nIn")));
        case_.token = uint32(vm.parseJsonUint(json, string.concat(context, ".token")));
        case_.requestHash = vm.parseJsonBytes32(json, string.concat(context, ".requestHash"));
        case_.temperature = uint32(vm.parseJsonUint(json, string.concat(context, ".temperature")));
        case_.a = _rows(json, string.concat(path, ".operands.a"));
        case_.b = _rows(json, string.concat(path, ".operands.b"));
        case_.c = _rows(json, string.concat(path, ".operands.c"));
    }

    function _rows(string memory json, string memory path) private view returns (PlainRow[] memory rows) {
        if (!vm.keyExistsJson(json, path)) return rows;
        path = string.concat(path, ".rows");
        string[] memory keys = vm.parseJsonKeys(json, path);
        rows = new PlainRow[](keys.length);
        for (uint256 k; k < keys.length; ++k) {
            bytes memory data = vm.parseJsonBytes(json, string.concat(path, "['", keys[k], "']"));
            rows[k] = PlainRow(vm.parseUint(keys[k]), data);
        }
    }

    function _element(uint8 elementType, bytes memory data, uint256 e) private pure returns (int256) {
        uint256 pointer;
        // SAFETY: an address only.
        assembly ("memory-safe") {
            pointer := add(data, 0x20)
        }
        return ElementTypes.load(elementType, pointer, e);
    }
}
