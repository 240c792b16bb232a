import type { LlamaConfig } from "./config.ts";
import { EXP2, GATE, ROPE_FRACTION } from "./formats.ts";
import { ropeFrequencies } from "./rope.ts";

/** `2^(-i / 2^12)` in Q30, i = 0 .. 2^12 - 1. */
export function exp2Table(): Int32Array {
  const entries = 2 ** EXP2.tableBits;
  return Int32Array.from({ length: entries }, (_, i) => Math.round(2 ** (EXP2.fraction - i / entries)));
}

/** Sigmoid in Q15 at `(i - T/2) / 2^9`, saturated below 1. */
export function sigmoidTable(): Int16Array {
  return Int16Array.from({ length: GATE.entries }, (_, i) => {
    const x = (i - GATE.entries / 2) / 2 ** GATE.entriesPerUnitBits;
    return Math.min(Math.round(2 ** GATE.tableFraction / (1 + Math.exp(-x))), 2 ** 15 - 1);
  });
}

/** One row per position: the cosines of the headSize / 2 angles, then their sines, in Q14. */
export function ropeTable(config: LlamaConfig): Int16Array {
  const frequencies = ropeFrequencies(config);
  const half = frequencies.length;
  const table = new Int16Array(config.contextLength * config.headSize);
  for (let t = 0; t < config.contextLength; t++) {
    for (let j = 0; j < half; j++) {
      const angle = t * frequencies[j];
      table[t * config.headSize + j] = Math.round(Math.cos(angle) * 2 ** ROPE_FRACTION);
      table[t * config.headSize + half + j] = Math.round(Math.sin(angle) * 2 ** ROPE_FRACTION);
    }
  }
  return table;
}
