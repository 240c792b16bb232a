// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @dev Where an instruction's 128 bytes begin in calldata (docs/machine.md, section 2).
type Instruction is uint256;

/// @dev An operand's 16 bytes in the low half, and its place (`a` 0, `b` 1, `c` 2) above them.
type Operand is uint256;

using {
    opcode,
    outType,
    outMode,
    role,
    outLength,
    cacheSlot,
    lengthAt,
    a,
    b,
    c,
    p,
    shift,
    parametersFrom,
    reserved
} for Instruction global;
using {
    kind,
    elementType,
    mode,
    zero,
    index,
    length,
    count,
    rowLengthAt,
    place,
    descriptor,
    hasShapeOf
} for Operand global;

uint256 constant INSTRUCTION_BYTES = 128;

uint256 constant MODE_FIXED = 0;
uint256 constant MODE_PER_POSITION = 1;

uint256 constant ROLE_PLAIN = 0;
uint256 constant ROLE_CACHED = 1;
uint256 constant ROLE_TOKEN = 2;

uint256 constant KIND_NONE = 0;
uint256 constant KIND_ROW = 1;
uint256 constant KIND_CACHE = 2;
uint256 constant KIND_WEIGHTS = 3;
uint256 constant KIND_TOKEN = 4;

/// @dev `data` must have at least 128 bytes from `offset` on.
function instructionAt(bytes calldata data, uint256 offset) pure returns (Instruction i) {
    // SAFETY: computes an address in calldata.
    assembly ("memory-safe") {
        i := add(data.offset, offset)
    }
}

function word(Instruction i, uint256 offset) pure returns (uint256 value) {
    // SAFETY: reads calldata only.
    assembly ("memory-safe") {
        value := calldataload(add(i, offset))
    }
}

function opcode(Instruction i) pure returns (uint8) {
    return uint8(word(i, 0) >> 248);
}

function outType(Instruction i) pure returns (uint8) {
    return uint8(word(i, 0) >> 240);
}

function outMode(Instruction i) pure returns (uint256) {
    return uint8(word(i, 0) >> 232);
}

function role(Instruction i) pure returns (uint256) {
    return uint8(word(i, 0) >> 224);
}

function outLength(Instruction i) pure returns (uint256) {
    return uint32(word(i, 0) >> 192);
}

function cacheSlot(Instruction i) pure returns (uint256) {
    return uint32(word(i, 0) >> 160);
}

/// @dev Length of the row at position t.
function lengthAt(Instruction i, uint256 t) pure returns (uint256) {
    return i.outLength() * (i.outMode() == MODE_PER_POSITION ? t + 1 : 1);
}

/// @dev The bytes that must be zero: 12..31 and 80..95.
function reserved(Instruction i) pure returns (uint256) {
    return uint160(word(i, 0)) | uint128(word(i, 64));
}

function a(Instruction i) pure returns (Operand) {
    return Operand.wrap(word(i, 32) >> 128);
}

function b(Instruction i) pure returns (Operand) {
    return Operand.wrap(uint128(word(i, 32)) | (1 << 128));
}

function c(Instruction i) pure returns (Operand) {
    return Operand.wrap((word(i, 64) >> 128) | (2 << 128));
}

/// @dev Parameter `number`.
function p(Instruction i, uint256 number) pure returns (int256) {
    return int32(uint32(word(i, 96) >> (224 - 32 * number)));
}

/// @dev Parameter `number` where it is a shift, a width or a count: never negative in a validated program.
function shift(Instruction i, uint256 number) pure returns (uint256) {
    return uint32(word(i, 96) >> (224 - 32 * number));
}

/// @dev The parameters from `number` (0 to 7) on, zero if all of them are.
function parametersFrom(Instruction i, uint256 number) pure returns (uint256) {
    return word(i, 96) << (32 * number);
}

function kind(Operand o) pure returns (uint256) {
    return uint8(Operand.unwrap(o) >> 120);
}

function elementType(Operand o) pure returns (uint256) {
    return uint8(Operand.unwrap(o) >> 112);
}

function mode(Operand o) pure returns (uint256) {
    return uint8(Operand.unwrap(o) >> 104);
}

/// @dev The byte that must be zero.
function zero(Operand o) pure returns (uint256) {
    return uint8(Operand.unwrap(o) >> 96);
}

function index(Operand o) pure returns (uint256) {
    return uint32(Operand.unwrap(o) >> 64);
}

function length(Operand o) pure returns (uint256) {
    return uint32(Operand.unwrap(o) >> 32);
}

function count(Operand o) pure returns (uint256) {
    return uint32(Operand.unwrap(o));
}

/// @dev Length of one row of the operand at position t.
function rowLengthAt(Operand o, uint256 t) pure returns (uint256) {
    return o.length() * (o.mode() == MODE_PER_POSITION ? t + 1 : 1);
}

/// @dev 0 for a, 1 for b, 2 for c.
function place(Operand o) pure returns (uint256) {
    return Operand.unwrap(o) >> 128;
}

/// @dev The 16 bytes.
function descriptor(Operand o) pure returns (uint128) {
    return uint128(Operand.unwrap(o));
}

/// @dev Length and mode of the operand are those of the row that the instruction makes.
function hasShapeOf(Operand o, Instruction i) pure returns (bool) {
    return o.length() == i.outLength() && o.mode() == i.outMode();
}
