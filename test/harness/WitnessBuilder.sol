// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {StepContext} from "src/interfaces/IJudge.sol";
import {BinaryTree} from "src/libraries/BinaryTree.sol";
import {Tags} from "src/libraries/Tags.sol";
import {KIND_CACHE, KIND_NONE, KIND_ROW, KIND_TOKEN, KIND_WEIGHTS, Operand} from "src/machine/Instruction.sol";
import {Case, PlainRow, Read} from "./Case.sol";
import {RowTree} from "./RowTree.sol";
import {SparseTree} from "./SparseTree.sol";

/// @notice Sizes of the trees around a case.
struct Geometry {
    uint32 rows;
    uint32 cacheRows;
    uint32 weightRows;
    uint32 steps;
}

/// @title Context and witness for a case: real trees around operands in plain (docs/protocol.md, sections 1 and 5)
/// @dev One builder holds one case: deploy another for the next.
contract WitnessBuilder {
    using SparseTree for SparseTree.Tree;

    bytes32 private constant NO_CACHE_ROOT = keccak256("cacheRoot");

    SparseTree.Tree private _fine;
    SparseTree.Tree private _weights;
    SparseTree.Tree private _trace;
    SparseTree.Tree private _input;
    mapping(uint256 position => SparseTree.Tree) private _cache;
    uint256[] private _positions;

    /// @notice Commits to the case's operands.
    function commit(Case calldata case_, Geometry calldata geometry) external returns (StepContext memory context) {
        (_fine.n, _weights.n) = (geometry.rows, geometry.weightRows);
        (_trace.n, _input.n) = (geometry.steps, case_.nIn);
        _commitRows(case_, operandOf(case_.instruction, 0), case_.a, geometry);
        _commitRows(case_, operandOf(case_.instruction, 1), case_.b, geometry);
        _commitRows(case_, operandOf(case_.instruction, 2), case_.c, geometry);
        if (case_.t < case_.nIn) {
            _input.set(case_.t, keccak256(abi.encode(Tags.TOKEN, saltOf(case_.t), case_.token)));
        }
        if (case_.t > 0) _trace.set(case_.t - 1, _record(case_, case_.t - 1));
        for (uint256 k; k < _positions.length; ++k) {
            _trace.set(_positions[k], _record(case_, _positions[k]));
        }
        context = StepContext({
            step: case_.t,
            nIn: case_.nIn,
            steps: geometry.steps,
            rows: geometry.rows,
            cacheRows: geometry.cacheRows,
            weightRows: geometry.weightRows,
            fineTop: _fine.top(),
            traceRoot: BinaryTree.root(Tags.TRACE, geometry.steps, _trace.top()),
            weightsRoot: BinaryTree.root(Tags.WEIGHTS, geometry.weightRows, _weights.top()),
            hasRequest: true,
            inputRoot: BinaryTree.root(Tags.INPUT, case_.nIn, _input.top()),
            requestHash: case_.requestHash,
            temperature: case_.temperature
        });
    }

    /// @notice The witness for these reads of the committed case.
    function witness(Case calldata case_, Read[] calldata reads) external view returns (bytes memory out) {
        bytes32 previous;
        for (uint256 k; k < reads.length; ++k) {
            Operand operand = Operand.wrap(reads[k].operand);
            if (operand.kind() == KIND_TOKEN) {
                out = bytes.concat(out, _tokenOpening(case_));
                continue;
            }
            bytes32 row = _identity(case_, operand, reads[k].row);
            out = bytes.concat(out, _chunkOpening(case_, operand, reads[k]));
            if (row != previous) out = bytes.concat(out, _rowOpening(case_, operand, reads[k].row));
            previous = row;
        }
    }

    /// @notice Operand number `place` of an instruction, with its place.
    function operandOf(bytes calldata instruction, uint256 place) public pure returns (Operand) {
        uint256 at = 32 + 16 * place;
        return Operand.wrap(uint128(bytes16(instruction[at:at + 16])) | (place << 128));
    }

    /// @notice Salts are arbitrary: the judge takes them from the witness.
    function saltOf(uint256 position) public pure returns (bytes32) {
        return keccak256(abi.encode("salt", position));
    }

    function _commitRows(Case calldata case_, Operand operand, PlainRow[] calldata rows, Geometry calldata geometry)
        private
    {
        for (uint256 k; k < rows.length; ++k) {
            uint256 number = rows[k].number;
            uint256 length = operand.rowLengthAt(case_.t);
            bytes32 leaf = keccak256(abi.encode(Tags.ROW, operand.elementType(), length, RowTree.top(rows[k].data)));
            if (operand.kind() == KIND_WEIGHTS) {
                _weights.set(operand.index() + number, leaf);
            } else if (operand.kind() == KIND_CACHE && number != case_.t) {
                _cache[number].n = geometry.cacheRows;
                _cache[number].set(operand.count(), leaf);
                _positions.push(number);
            } else {
                _fine.set(operand.index(), leaf);
            }
        }
    }

    function _chunkOpening(Case calldata case_, Operand operand, Read calldata read)
        private
        pure
        returns (bytes memory out)
    {
        uint256 lo = (read.first << operand.elementType()) / 32;
        uint256 hi = (((read.first + read.count) << operand.elementType()) - 1) / 32;
        bytes calldata data = _data(case_, operand.place(), read.row);
        for (uint256 k = lo; k <= hi; ++k) {
            out = bytes.concat(out, RowTree.chunk(data, k));
        }
        (, bytes memory siblings) = RowTree.open(data, lo, hi);
        out = bytes.concat(out, siblings);
    }

    function _rowOpening(Case calldata case_, Operand operand, uint256 row) private view returns (bytes memory) {
        uint256 index = operand.index();
        if (operand.kind() == KIND_WEIGHTS) return _weights.siblings(index + row, index + row);
        if (operand.kind() == KIND_ROW || row == case_.t) return _fine.siblings(index, index);
        return bytes.concat(
            _cache[row].siblings(operand.count(), operand.count()),
            saltOf(row),
            bytes4(_tokenAfter(case_, row)),
            _trace.siblings(row, row)
        );
    }

    function _tokenOpening(Case calldata case_) private view returns (bytes memory) {
        uint256 t = case_.t;
        if (t < case_.nIn) return bytes.concat(saltOf(t), bytes4(case_.token), _input.siblings(t, t));
        return bytes.concat(saltOf(t - 1), bytes4(case_.token), _cacheRoot(t - 1), _trace.siblings(t - 1, t - 1));
    }

    function _record(Case calldata case_, uint256 p) private view returns (bytes32) {
        return keccak256(abi.encode(Tags.RECORD, saltOf(p), _tokenAfter(case_, p), _cacheRoot(p)));
    }

    function _cacheRoot(uint256 p) private view returns (bytes32) {
        if (_cache[p].n == 0) return NO_CACHE_ROOT;
        return BinaryTree.root(Tags.CACHE, _cache[p].n, _cache[p].top());
    }

    /// @dev Token of record p: the case's input token in the record before the case's step.
    function _tokenAfter(Case calldata case_, uint256 p) private pure returns (uint32) {
        return p + 1 == case_.t ? case_.token : uint32(1000 + p);
    }

    /// @dev A row is identified by where it is committed.
    function _identity(Case calldata case_, Operand operand, uint256 row) private pure returns (bytes32) {
        if (operand.kind() == KIND_NONE) return 0;
        if (operand.kind() == KIND_WEIGHTS) return keccak256(abi.encode("weights", operand.index() + row));
        if (operand.kind() == KIND_CACHE && row != case_.t) {
            return keccak256(abi.encode("cache", operand.count(), row));
        }
        return keccak256(abi.encode("row", operand.index()));
    }

    function _data(Case calldata case_, uint256 place, uint256 number) private pure returns (bytes calldata data) {
        PlainRow[] calldata rows = place == 0 ? case_.a : place == 1 ? case_.b : case_.c;
        data = rows[0].data;
        for (uint256 k; k < rows.length; ++k) {
            if (rows[k].number == number) data = rows[k].data;
        }
    }
}
