// Generated from ts/machine/table.ts by tools/generate-opcodes.ts: do not edit.
#pragma once

enum Opcode {
  FOLD_SUMSQ = 0x01,
  FOLD_AMAX = 0x02,
  FOLD_MAX = 0x03,
  FOLD_SUM = 0x04,
  FOLD_PICK = 0x05,
  FOLD_DOT = 0x06,
  FOLD_SCORES = 0x07,
  FOLD_MIX = 0x08,
  EMBED = 0x20,
  RMS = 0x21,
  NORM = 0x22,
  QUANTIZE = 0x23,
  DEQUANT = 0x24,
  ADD = 0x25,
  ROPE = 0x26,
  RESCALE = 0x27,
  EXP2 = 0x28,
  DIVIDE = 0x29,
  GATE = 0x2a,
  WEIGH = 0x2b,
  DRAW = 0x2c,
};
