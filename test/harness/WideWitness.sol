// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {StepContext} from "src/interfaces/IJudge.sol";
import {BinaryTree} from "src/libraries/BinaryTree.sol";
import {Tags} from "src/libraries/Tags.sol";
import {ElementTypes} from "src/machine/ElementTypes.sol";
import {KIND_CACHE, KIND_TOKEN, KIND_WEIGHTS, Operand} from "src/machine/Instruction.sol";
import {Read} from "./Case.sol";
import {SparseTree} from "./SparseTree.sol";
import {WideCase, WideReads} from "./WideReads.sol";
import {Geometry} from "./WitnessBuilder.sol";

/// @title Context and witness for a judge call in trees of any size: only what is read exists
/// @dev One builder holds one call: deploy another for the next.
contract WideWitness {
    using SparseTree for SparseTree.Tree;

    uint32 private constant TOKEN = 1_000_000;
    bytes32 private constant SALT = keccak256("salt");
    bytes32 private constant OTHER_CACHE_ROOT = keccak256("cacheRoot");

    SparseTree.Tree private _fine;
    SparseTree.Tree private _weights;
    SparseTree.Tree private _trace;
    SparseTree.Tree private _input;
    SparseTree.Tree private _cache;
    mapping(bytes32 row => SparseTree.Tree) private _rows;

    function build(WideCase calldata case_, Geometry calldata geometry)
        external
        returns (StepContext memory context, bytes memory witness)
    {
        Read[] memory reads = WideReads.readsOf(case_);
        (_fine.n, _weights.n, _cache.n) = (geometry.rows, geometry.weightRows, geometry.cacheRows);
        (_trace.n, _input.n) = (geometry.steps, case_.nIn);
        for (uint256 k; k < reads.length; ++k) {
            _commitChunks(case_, reads[k]);
        }
        for (uint256 k; k < reads.length; ++k) {
            _commitRow(case_, reads[k]);
        }
        if (case_.t < case_.nIn) _input.set(case_.t, keccak256(abi.encode(Tags.TOKEN, SALT, uint256(TOKEN))));
        else _trace.set(case_.t - 1, keccak256(abi.encode(Tags.RECORD, SALT, uint256(TOKEN), OTHER_CACHE_ROOT)));
        witness = _witness(case_, reads);
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
            requestHash: keccak256("request"),
            temperature: type(uint32).max
        });
    }

    function _commitChunks(WideCase calldata case_, Read memory read) private {
        Operand operand = Operand.wrap(read.operand);
        if (operand.kind() == KIND_TOKEN) return;
        bytes32 row = WideReads.identity(operand, read.row);
        SparseTree.Tree storage tree = _rows[row];
        tree.n = ElementTypes.chunks(operand.elementType(), operand.rowLengthAt(case_.t));
        (uint256 lo, uint256 hi) = _chunks(read);
        for (uint256 k = lo; k <= hi; ++k) {
            tree.set(k, sha256(abi.encode(WideReads.chunk(case_.fill, row, k))));
        }
    }

    function _commitRow(WideCase calldata case_, Read memory read) private {
        Operand operand = Operand.wrap(read.operand);
        if (operand.kind() == KIND_TOKEN) return;
        bytes32 top = _rows[WideReads.identity(operand, read.row)].top();
        uint256 length = operand.rowLengthAt(case_.t);
        bytes32 leaf = keccak256(abi.encode(Tags.ROW, operand.elementType(), length, top));
        if (operand.kind() == KIND_WEIGHTS) {
            _weights.set(operand.index() + read.row, leaf);
        } else if (operand.kind() == KIND_CACHE && read.row != case_.t) {
            _cache.set(operand.count(), leaf);
            bytes32 root = BinaryTree.root(Tags.CACHE, _cache.n, _cache.top());
            _trace.set(read.row, keccak256(abi.encode(Tags.RECORD, SALT, uint256(TOKEN), root)));
        } else {
            _fine.set(operand.index(), leaf);
        }
    }

    function _witness(WideCase calldata case_, Read[] memory reads) private view returns (bytes memory out) {
        bytes32 previous;
        for (uint256 k; k < reads.length; ++k) {
            Operand operand = Operand.wrap(reads[k].operand);
            if (operand.kind() == KIND_TOKEN) {
                out = bytes.concat(out, _tokenOpening(case_));
                continue;
            }
            bytes32 row = WideReads.identity(operand, reads[k].row);
            (uint256 lo, uint256 hi) = _chunks(reads[k]);
            for (uint256 c = lo; c <= hi; ++c) {
                out = bytes.concat(out, WideReads.chunk(case_.fill, row, c));
            }
            out = bytes.concat(out, _rows[row].siblings(lo, hi));
            if (row != previous) out = bytes.concat(out, _rowOpening(case_, operand, reads[k].row));
            previous = row;
        }
    }

    function _rowOpening(WideCase calldata case_, Operand operand, uint256 row) private view returns (bytes memory) {
        uint256 index = operand.index();
        if (operand.kind() == KIND_WEIGHTS) return _weights.siblings(index + row, index + row);
        if (operand.kind() != KIND_CACHE || row == case_.t) return _fine.siblings(index, index);
        bytes memory inCache = _cache.siblings(operand.count(), operand.count());
        return bytes.concat(inCache, SALT, bytes4(TOKEN), _trace.siblings(row, row));
    }

    function _tokenOpening(WideCase calldata case_) private view returns (bytes memory) {
        uint256 t = case_.t;
        if (t < case_.nIn) return bytes.concat(SALT, bytes4(TOKEN), _input.siblings(t, t));
        return bytes.concat(SALT, bytes4(TOKEN), OTHER_CACHE_ROOT, _trace.siblings(t - 1, t - 1));
    }

    function _chunks(Read memory read) private pure returns (uint256 lo, uint256 hi) {
        uint256 elementType = Operand.wrap(read.operand).elementType();
        lo = (read.first << elementType) / 32;
        hi = (((read.first + read.count) << elementType) - 1) / 32;
    }
}
