// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IProgramValidator, ValidationState} from "../interfaces/IProgramValidator.sol";
import {
    INSTRUCTION_BYTES,
    Instruction,
    KIND_CACHE,
    KIND_NONE,
    KIND_ROW,
    KIND_TOKEN,
    KIND_WEIGHTS,
    MODE_FIXED,
    MODE_PER_POSITION,
    Operand,
    ROLE_CACHED,
    ROLE_TOKEN,
    instructionAt
} from "./Instruction.sol";
import {ElementTypes} from "./ElementTypes.sol";
import {Rule, Rules} from "./Rules.sol";
import {Validation} from "./Validation.sol";

/// @title Static checks of programs of machine version 1
/// @dev Checks what every instruction has to obey; what is particular to one is in its file in `instructions/`.
contract ProgramValidatorV1 is IProgramValidator {
    uint256 private constant DESCRIPTOR_BYTES = 8;
    uint256 private constant MAX_TYPE = 3;

    /// @dev A chunk being checked.
    struct Chunk {
        // Descriptors of all rows, those of this chunk being appended.
        bytes descriptors;
        // Instruction behind each cache slot.
        uint256[] cached;
        uint256 count;
        uint256 cacheRows;
        uint256 weightRows;
        uint256 contextLength;
    }

    /// @inheritdoc IProgramValidator
    function validate(
        ValidationState calldata state,
        bytes calldata instructions,
        bytes calldata descriptors,
        uint32 weightRows,
        uint32 contextLength
    ) external pure returns (ValidationState memory next) {
        bytes32 hash = descriptors.length == 0 ? bytes32(0) : keccak256(descriptors);
        // INVARIANT: operands are compared with the descriptors that earlier chunks made.
        if (hash != state.descriptors || descriptors.length != state.count * DESCRIPTOR_BYTES) {
            revert DescriptorsMismatch(state.descriptors, hash);
        }
        uint256 chunk = instructions.length / INSTRUCTION_BYTES;
        _require(chunk * INSTRUCTION_BYTES == instructions.length && chunk != 0, state.count, Rule.BYTES);
        _require(contextLength != 0 && contextLength <= Rules.MAX_CONTEXT, state.count, Rule.CONTEXT);

        Chunk memory c = Chunk({
            descriptors: bytes.concat(descriptors, new bytes(chunk * DESCRIPTOR_BYTES)),
            cached: new uint256[](state.cacheRows + chunk),
            count: state.count,
            cacheRows: 0,
            weightRows: weightRows,
            contextLength: contextLength
        });
        _findCached(c);

        next.ended = state.ended;
        for (uint256 k; k < chunk; ++k) {
            _require(!next.ended, c.count, Rule.AFTER_TOKEN);
            Instruction i = instructionAt(instructions, k * INSTRUCTION_BYTES);
            _check(c, i);
            next.ended = i.role() == ROLE_TOKEN;
            _append(c, i);
        }
        next.count = uint32(c.count);
        next.cacheRows = uint32(c.cacheRows);
        next.descriptors = keccak256(c.descriptors);
    }

    function _check(Chunk memory c, Instruction i) private pure {
        uint256 n = c.count;
        _require(i.reserved() == 0, n, Rule.RESERVED);
        _require(i.outMode() <= MODE_PER_POSITION, n, Rule.OUT_MODE);
        _require(_isLength(c, i.outLength(), i.outMode()), n, Rule.OUT_LENGTH);
        uint256 role = i.role();
        _require(role <= ROLE_TOKEN && (role != ROLE_CACHED || i.outMode() == MODE_FIXED), n, Rule.ROLE);
        _require(i.cacheSlot() == (role == ROLE_CACHED ? c.cacheRows : 0), n, Rule.CACHE_SLOT);
        if (role == ROLE_TOKEN) {
            bool isToken = i.outType() == ElementTypes.I64 && i.outLength() == 2 && i.outMode() == MODE_FIXED;
            _require(isToken, n, Rule.TOKEN_ROW);
        }
        _checkOperand(c, i.a());
        _checkOperand(c, i.b());
        _checkOperand(c, i.c());
        bytes32 broken = Validation.broken(i, c.contextLength);
        _require(broken == Rule.NONE, n, broken);
    }

    function _checkOperand(Chunk memory c, Operand o) private pure {
        uint256 n = c.count;
        uint256 kind = o.kind();
        if (kind == KIND_NONE || kind == KIND_TOKEN) {
            _require(uint120(o.descriptor()) == 0, n, Rule.OPERAND_UNUSED);
        } else if (kind == KIND_ROW || kind == KIND_CACHE) {
            _require(o.zero() == 0 && (kind == KIND_CACHE || o.count() == 0), n, Rule.OPERAND_UNUSED);
            _require(o.index() < n, n, Rule.OPERAND_ORDER);
            (uint256 elementType, uint256 mode, uint256 length) = _descriptor(c, o.index());
            bool same = o.elementType() == elementType && o.mode() == mode && o.length() == length;
            _require(same, n, Rule.OPERAND_SHAPE);
            if (kind == KIND_CACHE) {
                bool cached = o.count() < c.cacheRows && c.cached[o.count()] == o.index();
                _require(cached, n, Rule.OPERAND_CACHE);
            }
        } else if (kind == KIND_WEIGHTS) {
            _require(o.zero() == 0, n, Rule.OPERAND_UNUSED);
            _require(
                o.count() > 0 && o.index() + o.count() <= c.weightRows && o.elementType() <= MAX_TYPE
                    && o.mode() == MODE_FIXED && _isLength(c, o.length(), MODE_FIXED),
                n,
                Rule.OPERAND_WEIGHTS
            );
        } else {
            _require(false, n, Rule.OPERAND_KIND);
        }
    }

    /// @dev Lengths that a row may have.
    function _isLength(Chunk memory c, uint256 length, uint256 mode) private pure returns (bool) {
        return length > 0 && length <= Rules.MAX_LENGTH
            && (mode == MODE_FIXED || length * c.contextLength <= Rules.MAX_POSITIONS_LENGTH);
    }

    /// @dev Fills in the slots of the rows before this chunk.
    function _findCached(Chunk memory c) private pure {
        bytes memory descriptors = c.descriptors;
        for (uint256 k; k < c.count; ++k) {
            uint256 role;
            // SAFETY: k is below the number of descriptors; the role is the third byte of one.
            assembly ("memory-safe") {
                role := byte(2, mload(add(add(descriptors, 0x20), mul(k, DESCRIPTOR_BYTES))))
            }
            if (role == ROLE_CACHED) c.cached[c.cacheRows++] = k;
        }
    }

    /// @dev Writes the descriptor of the row that the instruction makes.
    function _append(Chunk memory c, Instruction i) private pure {
        bytes memory descriptors = c.descriptors;
        uint256 at = c.count++;
        if (i.role() == ROLE_CACHED) c.cached[c.cacheRows++] = at;
        bytes8 descriptor =
            bytes8(abi.encodePacked(i.outType(), uint8(i.outMode()), uint8(i.role()), uint8(0), uint32(i.outLength())));
        for (uint256 k; k < DESCRIPTOR_BYTES; ++k) {
            descriptors[at * DESCRIPTOR_BYTES + k] = descriptor[k];
        }
    }

    /// @dev Descriptor of an earlier row.
    function _descriptor(Chunk memory c, uint256 row)
        private
        pure
        returns (uint256 elementType, uint256 mode, uint256 length)
    {
        bytes memory descriptors = c.descriptors;
        uint256 word;
        // SAFETY: the caller has checked that `row` is below the number of descriptors.
        assembly ("memory-safe") {
            word := shr(192, mload(add(add(descriptors, 0x20), mul(row, DESCRIPTOR_BYTES))))
        }
        return (word >> 56, uint8(word >> 48), uint32(word));
    }

    function _require(bool holds, uint256 index, bytes32 rule) private pure {
        if (!holds) revert InvalidInstruction(index, rule);
    }
}
