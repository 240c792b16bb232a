// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Opcodes} from "src/machine/Opcodes.sol";
import {Assembler, Fields} from "./Assembler.sol";
import {Case, PlainRow} from "./Case.sol";
import {Random} from "./Random.sol";

/// @notice Sizes of a sample.
/// @param groups Groups, or heads of a per-position row.
/// @param size Elements a group, or of a dot product.
/// @param d Head size.
/// @param shared Query heads per key-value head.
/// @param count Rows of a weight range.
/// @param perPosition Whether a row that may be per position is.
/// @param wide Whether `fold_dot` multiplies i16 rows.
struct Sizes {
    uint256 groups;
    uint256 size;
    uint256 d;
    uint256 shared;
    uint256 count;
    bool perPosition;
    bool wide;
}

/// @title Valid instructions of every kind, with operands of any bytes
library Samples {
    using Random for Random.Stream;

    /// @dev A sample being made. `typical` takes parameters that make an instruction do all of its reads.
    struct Draft {
        Case c;
        Fields f;
        Random.Stream r;
        bool typical;
    }

    uint8 private constant I8 = 0;
    uint8 private constant I16 = 1;
    uint8 private constant I32 = 2;
    uint8 private constant I64 = 3;

    function opcodes() internal pure returns (bytes memory) {
        return hex"01020304050607082021222324252627" hex"28292a2b2c";
    }

    /// @notice A sample of random sizes, parameters, context and bytes.
    function random(uint8 opcode, uint256 seed) internal pure returns (Case memory) {
        Random.Stream memory r = Random.Stream(seed);
        Sizes memory sizes = Sizes({
            groups: r.between(1, 3),
            size: r.between(1, 150),
            d: r.between(1, 20),
            shared: r.between(1, 3),
            count: r.between(1, 5),
            perPosition: r.next() & 1 == 1,
            wide: r.next() & 1 == 1
        });
        if (opcode == Opcodes.FOLD_DOT && r.next() & 7 == 0) sizes.size = r.between(1000, 2100);
        return _make(opcode, sizes, r, uint32(r.between(0, 9)), false);
    }

    /// @notice A sample of given sizes at position t, with all of its reads.
    function typical(uint8 opcode, Sizes memory sizes, uint32 t) internal pure returns (Case memory) {
        return _make(opcode, sizes, Random.Stream(uint256(keccak256(abi.encode(opcode, t)))), t, true);
    }

    function _make(uint8 opcode, Sizes memory s, Random.Stream memory r, uint32 t, bool isTypical)
        private
        pure
        returns (Case memory)
    {
        Draft memory d;
        (d.r, d.typical, d.f.opcode) = (r, isTypical, opcode);
        d.c.t = t;
        d.c.nIn = isTypical ? (t > 0 ? t : 1) : uint32(r.between(1, t + 3));
        d.c.token = uint32(isTypical ? s.count - 1 : r.next() & 1 == 1 ? r.between(0, s.count) : r.next());
        d.c.requestHash = bytes32(r.next());
        d.c.temperature =
            uint32(isTypical ? type(uint32).max : r.next() & 1 == 1 ? r.between(0, 2) : r.between(0, 1 << 20));
        if (opcode <= Opcodes.FOLD_PICK) _vectorFold(d, s);
        else if (opcode <= Opcodes.FOLD_MIX) _matrixFold(d, s);
        else if (opcode <= Opcodes.DEQUANT) _map(d, s);
        else _laterMap(d, s);
        d.c.instruction = Assembler.encode(d.f);
        return d.c;
    }

    function _vectorFold(Draft memory d, Sizes memory s) private pure {
        uint8 op = d.f.opcode;
        uint8 wide = op == Opcodes.FOLD_AMAX || op == Opcodes.FOLD_MAX ? I32 : I64;
        uint8 narrow = op == Opcodes.FOLD_SUM && d.r.next() & 1 == 1 ? I16 : I32;
        if (op == Opcodes.FOLD_PICK) {
            _out(d, I64, 0, 2);
            _row(d, 0, I32, 0, s.groups * s.size);
            _row(d, 1, I64, 0, 2);
            _p(d, 0, 0, type(uint32).max >> 1, 2048);
            return;
        }
        _out(d, wide, 0, s.groups);
        _row(d, 0, narrow, s.perPosition ? 1 : 0, s.groups * (s.perPosition ? 1 : s.size));
        bool chained = op == Opcodes.FOLD_MAX || op == Opcodes.FOLD_SUM;
        if (chained && (d.typical || d.r.next() & 1 == 1)) _row(d, 1, wide, 0, s.groups);
    }

    function _matrixFold(Draft memory d, Sizes memory s) private pure {
        uint8 op = d.f.opcode;
        if (op == Opcodes.FOLD_DOT) {
            uint8 narrow = s.wide ? I16 : I8;
            _out(d, narrow == I8 ? I32 : I64, 0, s.count);
            _row(d, 0, narrow, 0, s.size);
            _weights(d, 1, I8, s.size, s.count);
            return;
        }
        uint256 heads = s.groups * s.shared;
        if (op == Opcodes.FOLD_SCORES) {
            _out(d, I32, 1, heads);
            _row(d, 0, I16, 0, heads * s.d);
            _p(d, 1, 1, (1 << 24) - 1, 33427);
            _p(d, 2, 0, 62, 16);
            _p(d, 3, 0, 12, 0);
        } else {
            _out(d, I64, 0, heads * s.d);
            _row(d, 0, I16, 1, heads);
        }
        d.f.p[0] = int32(int256(s.d));
        _cache(d, 1, I16, s.groups * s.d);
    }

    function _map(Draft memory d, Sizes memory s) private pure {
        uint8 op = d.f.opcode;
        uint256 n = s.groups * s.size;
        uint8 mode = s.perPosition ? 1 : 0;
        if (op == Opcodes.EMBED) {
            _out(d, I32, 0, n);
            d.f.a = Assembler.token();
            _weights(d, 1, I8, n, s.count);
            uint256 length = d.typical ? s.count : d.r.between(1, s.count);
            _weights(d, 2, I32, length, (s.count + length - 1) / length + (d.r.next() & 1));
            _p(d, 0, 0, 62, 12);
            _p(d, 1, 1, 31, 24);
        } else if (op == Opcodes.RMS) {
            _out(d, I64, mode, n);
            _row(d, 0, I64, mode, n);
            _p(d, 0, 1, type(uint32).max >> 1, 4096);
            _p(d, 1, 1, type(uint32).max >> 1, 168);
            _p(d, 2, 0, 16, 8);
            _p(d, 3, 0, 62, 50);
        } else if (op == Opcodes.NORM) {
            _out(d, I32, mode, n);
            _row(d, 0, I32, mode, n);
            _row(d, 1, I64, mode, s.groups);
            _weights(d, 2, I32, s.size, 1);
            _p(d, 0, 0, 62, 36);
            _p(d, 1, 0, 62, 14);
        } else if (op == Opcodes.QUANTIZE) {
            _out(d, d.r.next() & 1 == 1 ? I8 : I16, mode, s.perPosition ? s.groups : n);
            _row(d, 0, I32, mode, d.f.outLength);
            _row(d, 1, I32, 0, s.groups);
        } else {
            _out(d, I32, 0, n);
            _row(d, 0, d.r.next() & 1 == 1 ? I32 : I64, 0, n);
            _row(d, 1, I32, 0, 1);
            _weights(d, 2, I32, n, 1);
            _p(d, 0, 0, 62, 10);
            _p(d, 1, 1, 61, 31);
            _p(d, 2, 1, uint256(62 - int256(d.f.p[1])) < 61 ? uint256(62 - int256(d.f.p[1])) : 61, 31);
            _p(d, 3, 0, 62, 22);
            _p(d, 4, 1, 31, 24);
        }
    }

    function _laterMap(Draft memory d, Sizes memory s) private pure {
        uint8 op = d.f.opcode;
        uint256 n = s.groups * s.size;
        uint8 mode = s.perPosition ? 1 : 0;
        if (op == Opcodes.DRAW) {
            _out(d, I64, 0, 2);
            _row(d, 0, I64, 0, 1);
            return;
        }
        if (op == Opcodes.EXP2 || op == Opcodes.DIVIDE) n = s.perPosition ? s.groups : n;
        if (op == Opcodes.ROPE) n = 2 * s.d * s.groups;
        uint8 outType = I32;
        if (op == Opcodes.ROPE) outType = I16;
        if (op == Opcodes.RESCALE) outType = uint8(d.r.next() % 3);
        if (op == Opcodes.EXP2) outType = uint8(1 + d.r.next() % 2);
        bool weight = op == Opcodes.ADD && d.r.next() & 1 == 1;
        if (weight) mode = 0;
        _out(d, outType, mode, n);
        _row(d, 0, op == Opcodes.DIVIDE ? I64 : I32, mode, n);
        if (op == Opcodes.ADD) {
            if (weight) _weights(d, 1, I32, n, 1);
            else _row(d, 1, I32, mode, n);
            _p(d, 0, 1, 31, 24);
        } else if (op == Opcodes.ROPE) {
            _weights(d, 1, I16, 2 * s.d, s.count);
            _p(d, 0, 0, 62, 18);
        } else if (op == Opcodes.RESCALE) {
            _p(d, 0, 1, type(uint32).max >> 1, 1024);
            _p(d, 1, 0, 62, 12);
        } else if (op == Opcodes.EXP2) {
            _row(d, 1, I32, 0, s.groups);
            _p(d, 1, 1, d.typical ? 16 : 6, 8);
            _p(d, 0, uint256(int256(d.f.p[1])), 62, 62);
            _p(d, 2, 0, 62, 16);
            _weights(d, 2, I32, uint256(1) << uint32(d.f.p[1]), 1);
        } else if (op == Opcodes.DIVIDE) {
            _row(d, 1, I64, 0, s.groups);
            _p(d, 0, 0, 62, 8);
        } else if (op == Opcodes.GATE) {
            _row(d, 1, I32, mode, n);
            _weights(d, 2, I16, 2 * s.d, 1);
            _p(d, 0, 0, 62, 10);
            _p(d, 1, 0, 62, 14);
            _p(d, 2, 0, 62, 12);
        } else {
            _row(d, 1, I32, 0, 1);
            _p(d, 0, 1, (1 << 24) - 1, 1);
            _p(d, 1, 1, d.typical ? 16 : 6, 8);
            _p(d, 2, 0, 62, 6);
            _weights(d, 2, I32, uint256(1) << uint32(d.f.p[1]), 1);
        }
    }

    function _out(Draft memory d, uint8 outType, uint8 mode, uint256 length) private pure {
        (d.f.outType, d.f.outMode, d.f.outLength) = (outType, mode, uint32(length));
    }

    function _p(Draft memory d, uint256 number, uint256 lo, uint256 hi, uint256 usual) private pure {
        d.f.p[number] = int32(int256(d.typical ? usual : d.r.between(lo, hi)));
    }

    function _row(Draft memory d, uint256 place, uint8 elementType, uint8 mode, uint256 length) private pure {
        _operand(d, place, Assembler.row(elementType, mode, uint32([3, 50, 170][place]), uint32(length)));
        _data(d, place, elementType, mode == 1 ? length * (d.c.t + 1) : length, 1);
    }

    function _cache(Draft memory d, uint256 place, uint8 elementType, uint256 length) private pure {
        _operand(d, place, Assembler.cache(elementType, 60, uint32(length), 37));
        _data(d, place, elementType, length, d.c.t + 1);
    }

    function _weights(Draft memory d, uint256 place, uint8 elementType, uint256 length, uint256 count) private pure {
        uint32 first = uint32(33333 * place + 1234);
        _operand(d, place, Assembler.weights(elementType, first, uint32(length), uint32(count)));
        _data(d, place, elementType, length, count);
    }

    function _operand(Draft memory d, uint256 place, bytes16 operand) private pure {
        if (place == 0) d.f.a = operand;
        else if (place == 1) d.f.b = operand;
        else d.f.c = operand;
    }

    function _data(Draft memory d, uint256 place, uint8 elementType, uint256 length, uint256 count) private pure {
        PlainRow[] memory rows = new PlainRow[](count);
        for (uint256 k; k < count; ++k) {
            rows[k] = PlainRow(k, d.r.elements(elementType, length, !d.typical));
        }
        if (place == 0) d.c.a = rows;
        else if (place == 1) d.c.b = rows;
        else d.c.c = rows;
    }
}
