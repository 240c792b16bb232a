// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @notice The fields of an instruction.
struct Fields {
    uint8 opcode;
    uint8 outType;
    uint8 outMode;
    uint8 role;
    uint32 outLength;
    uint32 cacheSlot;
    bytes16 a;
    bytes16 b;
    bytes16 c;
    int32[8] p;
}

/// @title Instructions from fields (docs/machine.md, section 2)
library Assembler {
    function encode(Fields memory f) internal pure returns (bytes memory) {
        bytes memory head =
            abi.encodePacked(f.opcode, f.outType, f.outMode, f.role, f.outLength, f.cacheSlot, bytes20(0));
        bytes memory parameters;
        for (uint256 k; k < 8; ++k) {
            parameters = abi.encodePacked(parameters, f.p[k]);
        }
        return abi.encodePacked(head, f.a, f.b, f.c, bytes16(0), parameters);
    }

    function row(uint8 elementType, uint8 mode, uint32 index, uint32 length) internal pure returns (bytes16) {
        return operand(1, elementType, mode, index, length, 0);
    }

    function cache(uint8 elementType, uint32 index, uint32 length, uint32 slot) internal pure returns (bytes16) {
        return operand(2, elementType, 0, index, length, slot);
    }

    function weights(uint8 elementType, uint32 first, uint32 length, uint32 count) internal pure returns (bytes16) {
        return operand(3, elementType, 0, first, length, count);
    }

    function token() internal pure returns (bytes16) {
        return operand(4, 0, 0, 0, 0, 0);
    }

    function operand(uint8 kind, uint8 elementType, uint8 mode, uint32 index, uint32 length, uint32 count)
        internal
        pure
        returns (bytes16)
    {
        return bytes16(abi.encodePacked(kind, elementType, mode, uint8(0), index, length, count));
    }
}
