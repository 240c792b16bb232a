// Generated from ts/machine/table.ts by tools/generate-opcodes.ts: do not edit.

export const FOLD_SUMSQ = 0x01;
export const FOLD_AMAX = 0x02;
export const FOLD_MAX = 0x03;
export const FOLD_SUM = 0x04;
export const FOLD_PICK = 0x05;
export const FOLD_DOT = 0x06;
export const FOLD_SCORES = 0x07;
export const FOLD_MIX = 0x08;
export const EMBED = 0x20;
export const RMS = 0x21;
export const NORM = 0x22;
export const QUANTIZE = 0x23;
export const DEQUANT = 0x24;
export const ADD = 0x25;
export const ROPE = 0x26;
export const RESCALE = 0x27;
export const EXP2 = 0x28;
export const DIVIDE = 0x29;
export const GATE = 0x2a;
export const WEIGH = 0x2b;
export const DRAW = 0x2c;
