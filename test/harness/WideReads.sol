// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {StepContext} from "src/interfaces/IJudge.sol";
import {Evaluation} from "src/machine/Evaluation.sol";
import {Instruction, KIND_TOKEN, KIND_WEIGHTS, Operand, instructionAt} from "src/machine/Instruction.sol";
import {Step} from "src/machine/Step.sol";
import {Read} from "./Case.sol";

/// @notice One judge call on rows that are too long to write out.
/// @param fill What rows are made of, see `WideReads.chunk`.
struct WideCase {
    bytes instruction;
    uint32 t;
    uint32 nIn;
    uint256 element;
    uint256 block_;
    uint256 fill;
}

/// @title Reads from rows of any length whose chunks are made when they are read
library WideReads {
    uint256 internal constant FILLS = 5;
    uint256 private constant MAX_READS = 8;
    uint256 private constant TOKEN = 1_000_000;

    struct Source {
        uint256 fill;
        Read[] log;
        uint256 reads;
    }

    /// @notice What the judge call reads, in order.
    function readsOf(WideCase calldata case_) external view returns (Read[] memory reads) {
        Source memory source = Source({fill: case_.fill, log: new Read[](MAX_READS), reads: 0});
        StepContext memory context;
        (context.step, context.nIn, context.hasRequest) = (case_.t, case_.nIn, true);
        context.temperature = type(uint32).max;
        uint256 address_;
        // SAFETY: an address only.
        assembly ("memory-safe") {
            address_ := source
        }
        Step memory step = Step({context: context, read: _elements, readToken: _token, source: address_});
        Instruction i = instructionAt(case_.instruction, 0);
        if (Evaluation.blocks(i, case_.t) == 1) Evaluation.evaluate(step, i, case_.element);
        else Evaluation.accumulate(step, i, case_.element, case_.block_, -1, type(int64).max);
        reads = source.log;
        uint256 count = source.reads;
        // SAFETY: shortens the array.
        assembly ("memory-safe") {
            mstore(reads, count)
        }
    }

    /// @notice Chunk `k` of a row: random bytes, -1, the greatest or least values, or -1 in the first element and great ones behind it.
    function chunk(uint256 fill, bytes32 row, uint256 k) internal pure returns (bytes32) {
        if (fill == 0) return keccak256(abi.encode(row, k));
        if (fill == 1) return bytes32(type(uint256).max);
        if (fill == 2) return 0x7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f;
        if (fill == 3) return 0x8080808080808080808080808080808080808080808080808080808080808080;
        return 0xffffffffffffffff7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f;
    }

    /// @notice Where a row is committed; rows that are cached in an earlier step are told apart by it.
    function identity(Operand operand, uint256 row) internal pure returns (bytes32) {
        return keccak256(abi.encode(operand.descriptor(), operand.kind() == KIND_WEIGHTS ? 0 : row, row));
    }

    function _elements(Step memory step, Operand operand, uint256 row, uint256 first, uint256 count)
        private
        pure
        returns (uint256 pointer)
    {
        Source memory source = _source(step);
        source.log[source.reads++] = Read(Operand.unwrap(operand), row, first, count);
        uint256 elementType = operand.elementType();
        uint256 lo = (first << elementType) / 32;
        uint256 hi = (((first + count) << elementType) - 1) / 32;
        bytes memory data = new bytes(32 * (hi - lo + 2));
        bytes32 row_ = identity(operand, row);
        for (uint256 k = lo; k <= hi; ++k) {
            bytes32 value = chunk(source.fill, row_, k);
            uint256 offset = 32 * (k - lo + 1);
            // SAFETY: `data` has a word for each chunk, and one more.
            assembly ("memory-safe") {
                mstore(add(data, offset), value)
            }
        }
        // SAFETY: an address within `data`.
        assembly ("memory-safe") {
            pointer := add(add(data, 0x20), and(shl(elementType, first), 31))
        }
    }

    function _token(Step memory step) private pure returns (uint256) {
        Source memory source = _source(step);
        source.log[source.reads++] = Read(KIND_TOKEN << 120, 0, 0, 1);
        return TOKEN;
    }

    function _source(Step memory step) private pure returns (Source memory source) {
        uint256 address_ = step.source;
        // SAFETY: `readsOf` stored the address of a Source.
        assembly ("memory-safe") {
            source := address_
        }
    }
}
