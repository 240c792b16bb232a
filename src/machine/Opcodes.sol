// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

// Generated from ts/machine/table.ts by tools/generate-opcodes.ts: do not edit.

/// @title Opcodes of machine version 1 (docs/machine.md, section 3)
library Opcodes {
    uint8 internal constant FOLD_SUMSQ = 0x01;
    uint8 internal constant FOLD_AMAX = 0x02;
    uint8 internal constant FOLD_MAX = 0x03;
    uint8 internal constant FOLD_SUM = 0x04;
    uint8 internal constant FOLD_PICK = 0x05;
    uint8 internal constant FOLD_DOT = 0x06;
    uint8 internal constant FOLD_SCORES = 0x07;
    uint8 internal constant FOLD_MIX = 0x08;
    uint8 internal constant EMBED = 0x20;
    uint8 internal constant RMS = 0x21;
    uint8 internal constant NORM = 0x22;
    uint8 internal constant QUANTIZE = 0x23;
    uint8 internal constant DEQUANT = 0x24;
    uint8 internal constant ADD = 0x25;
    uint8 internal constant ROPE = 0x26;
    uint8 internal constant RESCALE = 0x27;
    uint8 internal constant EXP2 = 0x28;
    uint8 internal constant DIVIDE = 0x29;
    uint8 internal constant GATE = 0x2a;
    uint8 internal constant WEIGH = 0x2b;
    uint8 internal constant DRAW = 0x2c;
}
