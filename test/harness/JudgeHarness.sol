// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Evaluation} from "src/machine/Evaluation.sol";
import {Instruction, instructionAt} from "src/machine/Instruction.sol";
import {Step} from "src/machine/Step.sol";
import {Validation} from "src/machine/Validation.sol";
import {Case, Read} from "./Case.sol";
import {PlainReads} from "./PlainReads.sol";

/// @title The judge's instructions over operands in plain
/// @notice The same libraries as in JudgeV1, without witnesses: for vectors and for differential tests by `eth_call`.
contract JudgeHarness {
    /// @notice Values of the elements of all cases, one after the other.
    function evaluateMany(Case[] calldata cases) external view returns (int256[] memory values) {
        uint256 total;
        for (uint256 k; k < cases.length; ++k) {
            total += cases[k].elements.length;
        }
        values = new int256[](total);
        uint256 at;
        for (uint256 k; k < cases.length; ++k) {
            Step memory step = PlainReads.open(cases[k]);
            for (uint256 j; j < cases[k].elements.length; ++j) {
                values[at++] = _evaluate(cases[k], step, cases[k].elements[j]);
            }
        }
    }

    /// @notice Values of all elements of the case's row; `elements` is not looked at.
    function evaluateRow(Case calldata case_) external view returns (int256[] memory values) {
        Step memory step = PlainReads.open(case_);
        values = new int256[](instructionAt(case_.instruction, 0).lengthAt(case_.t));
        for (uint256 e; e < values.length; ++e) {
            values[e] = _evaluate(case_, step, e);
        }
    }

    /// @notice Accumulators (pairs, the second 0 but for `fold_pick`) after each block of the case's first element.
    function accumulators(Case calldata case_) external view returns (int256[2][] memory result) {
        Step memory step = PlainReads.open(case_);
        Instruction i = instructionAt(case_.instruction, 0);
        result = new int256[2][](Evaluation.blocks(i, case_.t));
        int256 x;
        int256 y;
        for (uint256 k; k < result.length; ++k) {
            (x, y) = Evaluation.accumulate(step, i, case_.elements[0], k, x, y);
            PlainReads.clearLog(step);
            result[k] = [x, y];
        }
    }

    /// @notice Reads of the case's first element, at one block if its fold has several.
    function readsOf(Case calldata case_, uint256 block_) external view returns (Read[] memory) {
        Step memory step = PlainReads.open(case_);
        Instruction i = instructionAt(case_.instruction, 0);
        uint256 e = case_.elements[0];
        if (e >= i.lengthAt(case_.t)) return new Read[](0);
        if (Evaluation.blocks(i, case_.t) == 1) Evaluation.evaluate(step, i, e);
        else Evaluation.accumulate(step, i, e, block_, 0, 0);
        return PlainReads.log(step);
    }

    /// @notice The rule of its own that an instruction breaks, or none.
    function brokenRule(bytes calldata instruction, uint256 contextLength) external pure returns (bytes32) {
        return Validation.broken(instructionAt(instruction, 0), contextLength);
    }

    /// @dev A fold of several blocks is done block by block.
    function _evaluate(Case calldata case_, Step memory step, uint256 e) private view returns (int256 value) {
        Instruction i = instructionAt(case_.instruction, 0);
        if (e >= i.lengthAt(case_.t)) return 0;
        uint256 count = Evaluation.blocks(i, case_.t);
        if (count == 1) {
            value = Evaluation.evaluate(step, i, e);
            PlainReads.clearLog(step);
            return value;
        }
        int256 x;
        int256 y;
        for (uint256 k; k < count; ++k) {
            (x, y) = Evaluation.accumulate(step, i, e, k, x, y);
            PlainReads.clearLog(step);
        }
        return Evaluation.finish(i, e, x, y);
    }
}
