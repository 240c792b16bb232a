// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IJudge, StepContext} from "../interfaces/IJudge.sol";
import {BinaryTree} from "../libraries/BinaryTree.sol";
import {Tags} from "../libraries/Tags.sol";
import {ElementTypes} from "./ElementTypes.sol";
import {KIND_CACHE, KIND_WEIGHTS, Operand} from "./Instruction.sol";
import {Step} from "./Step.sol";

/// @notice The witness and how far it is read.
/// @dev `row` identifies the row of the last read and `rowTop` its `B`, so that the next read of it needs no opening.
struct Witness {
    uint256 offset;
    uint256 length;
    uint256 cursor;
    uint256 row;
    bytes32 rowTop;
}

/// @title Reads from a witness, each checked against the committed roots (docs/protocol.md, section 5)
library Reader {
    /// @dev Trees that a row is opened in; part of a row's identity.
    uint256 private constant FINE = 1;
    uint256 private constant CACHE = 2;
    uint256 private constant WEIGHTS = 3;

    /// @notice A step whose reads come from `witness`.
    function open(StepContext calldata context, bytes calldata witness) internal pure returns (Step memory step) {
        Witness memory w;
        w.length = witness.length;
        uint256 source;
        // SAFETY: addresses only; `source` is the address of `w`, which `_witness` turns back.
        assembly ("memory-safe") {
            mstore(w, witness.offset)
            source := w
        }
        step = Step({context: context, read: elements, readToken: token, source: source});
    }

    /// @notice Reverts unless the whole witness was read.
    function close(Step memory step) internal pure {
        Witness memory w = _witness(step);
        // INVARIANT: a witness has exactly the bytes of its reads, so that there is one witness for a claim.
        if (w.cursor != w.length) revert IJudge.WitnessLength(w.cursor, w.length);
    }

    /// @notice `Step.read`: chunks, their range opening, and the opening of the row unless it is the one read before.
    function elements(Step memory step, Operand operand, uint256 row, uint256 first, uint256 count)
        internal
        view
        returns (uint256 pointer)
    {
        uint256 elementType = operand.elementType();
        uint256 length = operand.rowLengthAt(step.t());
        uint256 start = first << elementType;
        uint256 chunk = start >> 5;
        Witness memory w = _witness(step);

        bytes32[] memory leaves;
        (pointer, leaves) = _takeChunks(w, ((((first + count) << elementType) + 31) >> 5) - chunk);
        pointer += start & 31;
        bytes32 top;
        (top, w.cursor) =
            BinaryTree.topOfRange(leaves, chunk, ElementTypes.chunks(elementType, length), _bytes(w), w.cursor);

        _bind(step, w, operand, row, length, top);
    }

    /// @notice `Step.readToken`: the prompt token, or the token of the record before.
    function token(Step memory step) internal pure returns (uint256 value) {
        StepContext memory context = step.context;
        Witness memory w = _witness(step);
        bytes32 salt = _take(w);
        value = _takeToken(w);
        if (context.step < context.nIn) {
            bytes32 leaf = keccak256(abi.encode(Tags.TOKEN, salt, value));
            _requireRoot(w, Tags.INPUT, leaf, context.step, context.nIn, context.inputRoot);
        } else {
            bytes32 record = keccak256(abi.encode(Tags.RECORD, salt, value, _take(w)));
            _requireRoot(w, Tags.TRACE, record, context.step - 1, context.steps, context.traceRoot);
        }
    }

    /// @dev Checks that `B` of the row just read is `top`. A cached row at p = t is a row of this step.
    function _bind(Step memory step, Witness memory w, Operand operand, uint256 row, uint256 length, bytes32 top)
        private
        pure
    {
        StepContext memory context = step.context;
        uint256 tree = FINE;
        uint256 index = operand.index();
        if (operand.kind() == KIND_WEIGHTS) {
            tree = WEIGHTS;
            index += row;
        } else if (operand.kind() == KIND_CACHE && row != context.step) {
            tree = CACHE;
            index = operand.count();
        }

        {
            uint256 position = tree == CACHE ? row : 0;
            uint256 identity = (((tree << 8 | operand.elementType()) << 64 | length) << 64 | position) << 64 | index;
            if (identity == w.row) {
                // INVARIANT: two reads of one row are of the same bytes.
                if (top != w.rowTop) revert IJudge.WitnessRoot(w.rowTop, top);
                return;
            }
            w.row = identity;
            w.rowTop = top;
        }

        bytes32 leaf = keccak256(abi.encode(Tags.ROW, operand.elementType(), length, top));
        if (tree == FINE) {
            bytes32 fineTop = _climb(w, leaf, index, context.rows);
            // INVARIANT: a row of this step is the one that the fine trace holds for its instruction.
            if (fineTop != context.fineTop) revert IJudge.WitnessRoot(context.fineTop, fineTop);
        } else if (tree == WEIGHTS) {
            _requireRoot(w, Tags.WEIGHTS, leaf, index, context.weightRows, context.weightsRoot);
        } else {
            bytes32 cacheTop = _climb(w, leaf, index, context.cacheRows);
            bytes32 cacheRoot = BinaryTree.root(Tags.CACHE, context.cacheRows, cacheTop);
            bytes32 record = keccak256(abi.encode(Tags.RECORD, _take(w), _takeToken(w), cacheRoot));
            _requireRoot(w, Tags.TRACE, record, row, context.steps, context.traceRoot);
        }
    }

    /// @dev Copies chunks to memory and hashes each. 32 readable bytes follow the chunks.
    function _takeChunks(Witness memory w, uint256 chunks)
        private
        view
        returns (uint256 pointer, bytes32[] memory leaves)
    {
        uint256 size = chunks << 5;
        uint256 from = _advance(w, size);
        leaves = new bytes32[](chunks);
        // SAFETY: `pointer` is fresh memory of `size + 32` bytes, and the leaves are within `leaves`. SHA-256 fails for want of
        // gas only; the call then ends like one out of gas.
        assembly ("memory-safe") {
            pointer := mload(0x40)
            mstore(0x40, add(pointer, add(size, 0x20)))
            calldatacopy(pointer, from, size)
            for { let i := 0 } lt(i, size) { i := add(i, 0x20) } {
                if iszero(staticcall(gas(), 2, add(pointer, i), 0x20, add(add(leaves, 0x20), i), 0x20)) {
                    revert(0, 0)
                }
            }
        }
    }

    function _requireRoot(Witness memory w, bytes32 tag, bytes32 leaf, uint256 index, uint256 n, bytes32 expected)
        private
        pure
    {
        bytes32 got = BinaryTree.root(tag, n, _climb(w, leaf, index, n));
        // INVARIANT: what is read is what was committed.
        if (got != expected) revert IJudge.WitnessRoot(expected, got);
    }

    function _climb(Witness memory w, bytes32 leaf, uint256 index, uint256 n) private pure returns (bytes32 top) {
        (top, w.cursor) = BinaryTree.climb(leaf, index, n, 0, BinaryTree.depth(n), _bytes(w), w.cursor);
    }

    function _take(Witness memory w) private pure returns (bytes32 value) {
        uint256 from = _advance(w, 32);
        // SAFETY: reads calldata only.
        assembly ("memory-safe") {
            value := calldataload(from)
        }
    }

    function _takeToken(Witness memory w) private pure returns (uint256 value) {
        uint256 from = _advance(w, 4);
        // SAFETY: reads calldata only.
        assembly ("memory-safe") {
            value := shr(224, calldataload(from))
        }
    }

    /// @dev Calldata address of the next `size` bytes of the witness, which are then read.
    function _advance(Witness memory w, uint256 size) private pure returns (uint256 from) {
        uint256 next = w.cursor + size;
        // INVARIANT: nothing is read beyond the witness.
        if (next > w.length) revert IJudge.WitnessLength(next, w.length);
        from = w.offset + w.cursor;
        w.cursor = next;
    }

    function _bytes(Witness memory w) private pure returns (bytes calldata data) {
        // SAFETY: restores the reference from which `open` took offset and length.
        assembly ("memory-safe") {
            data.offset := mload(w)
            data.length := mload(add(w, 0x20))
        }
    }

    function _witness(Step memory step) private pure returns (Witness memory w) {
        uint256 source = step.source;
        // SAFETY: `open` stored the address of a Witness.
        assembly ("memory-safe") {
            w := source
        }
    }
}
