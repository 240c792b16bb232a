// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {StepContext} from "src/interfaces/IJudge.sol";
import {KIND_TOKEN, Operand} from "src/machine/Instruction.sol";
import {Step} from "src/machine/Step.sol";
import {Case, PlainRow, Read} from "./Case.sol";

/// @title Reads from operands in plain, and a log of them
/// @dev The log is how `WitnessBuilder` knows what a witness must hold: the instruction itself says it, not a second table.
library PlainReads {
    /// @notice An instruction asked for a row that the case does not have.
    error MissingRow(uint256 place, uint256 row);
    /// @notice A row has other bytes than the operand's descriptor says.
    error RowBytes(uint256 expected, uint256 got);
    /// @notice An instruction read beyond a row.
    error BeyondRow(uint256 end, uint256 length);

    /// @dev No evaluation makes more reads.
    uint256 private constant MAX_READS = 8;

    struct Source {
        PlainRow[] a;
        PlainRow[] b;
        PlainRow[] c;
        uint256 token;
        Read[] log;
        uint256 reads;
    }

    function open(Case calldata case_) internal pure returns (Step memory step) {
        Source memory plain =
            Source({a: case_.a, b: case_.b, c: case_.c, token: case_.token, log: new Read[](MAX_READS), reads: 0});
        StepContext memory context;
        context.step = case_.t;
        context.nIn = case_.nIn;
        context.hasRequest = true;
        context.requestHash = case_.requestHash;
        context.temperature = case_.temperature;
        uint256 source;
        // SAFETY: an address only.
        assembly ("memory-safe") {
            source := plain
        }
        step = Step({context: context, read: elements, readToken: token, source: source});
    }

    /// @notice The reads so far.
    function log(Step memory step) internal pure returns (Read[] memory reads) {
        Source memory plain = _source(step);
        reads = new Read[](plain.reads);
        for (uint256 k; k < reads.length; ++k) {
            reads[k] = plain.log[k];
        }
    }

    /// @notice Forgets the reads so far.
    function clearLog(Step memory step) internal pure {
        _source(step).reads = 0;
    }

    function elements(Step memory step, Operand operand, uint256 row, uint256 first, uint256 count)
        internal
        pure
        returns (uint256 pointer)
    {
        Source memory plain = _source(step);
        uint256 place = operand.place();
        bytes memory data = _find(place == 0 ? plain.a : place == 1 ? plain.b : plain.c, place, row);
        uint256 length = operand.rowLengthAt(step.context.step);
        uint256 elementType = operand.elementType();
        if (data.length != length << elementType) revert RowBytes(length << elementType, data.length);
        if (first + count > length) revert BeyondRow(first + count, length);
        plain.log[plain.reads++] = Read(Operand.unwrap(operand), row, first, count);
        // SAFETY: within `data`, checked above.
        assembly ("memory-safe") {
            pointer := add(add(data, 0x20), shl(elementType, first))
        }
    }

    function token(Step memory step) internal pure returns (uint256) {
        Source memory plain = _source(step);
        plain.log[plain.reads++] = Read(KIND_TOKEN << 120, 0, 0, 1);
        return plain.token;
    }

    function _find(PlainRow[] memory rows, uint256 place, uint256 number) private pure returns (bytes memory) {
        for (uint256 k; k < rows.length; ++k) {
            if (rows[k].number == number) return rows[k].data;
        }
        revert MissingRow(place, number);
    }

    function _source(Step memory step) private pure returns (Source memory plain) {
        uint256 source = step.source;
        // SAFETY: `open` stored the address of a Source.
        assembly ("memory-safe") {
            plain := source
        }
    }
}
