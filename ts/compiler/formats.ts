/**
 * Fixed-point formats of compiled programs. A value x is stored as `round(x * 2^f)`, f its fraction bits.
 */

/** Fixed-point format of a row: fraction bits, and the bits that it is saturated to. */
export type Format = { readonly fraction: number; readonly bits: number };

/**
 * Residual stream: 10 fraction bits, and as many bits as let the sum of its squares fit 62, 26 at most and 24 at 2^14
 * elements. Trained models need the range: at the first position of a text a few elements reach tens of thousands
 * (SmolLM2-135M: 21,711), and a norm of a row that is cut there is another row.
 */
export function residualFormat(elements: number): Format {
  return { fraction: 10, bits: Math.min(26, Math.floor((62 - Math.ceil(Math.log2(elements))) / 2)) };
}

/** q and k before their norms, if they have any: squares below 2^48, of which a head has at most 256. */
export const HEAD = { fraction: 12, bits: 24 } as const satisfies Format;

/**
 * RMSNorm of rows with f fraction bits. Their mean square has 2f; times 2^(2u) its root has f + u, and 2^c over it
 * 48 - 8 - f. So `a * reciprocal` has 40 fraction bits, whatever f, and s1 = 24 leaves 16. Gains have 16 fraction bits,
 * which s2 removes.
 */
export const NORM = { u: 8, c: 48, s1: 24, s2: 16, gainFraction: 16 } as const;

/** Rows that are about to be quantised, and logits: 16 fraction bits in 31. */
export const ACTIVATION = { fraction: 16, bits: 31 } as const;

/** Rope's table holds cosines and sines in Q14, where 1 is exact. */
export const ROPE_FRACTION = 14;
/** q and k after rope: i16, magnitudes below 128. */
export const QUERY_KEY_FRACTION = 8;
/** v: i16, magnitudes below 32. */
export const VALUE = { fraction: 10, bits: 15 } as const;

/** Scores are base-2 logarithms with 16 fraction bits. */
export const SCORE_FRACTION = 16;

/** Table of one octave, `2^(-i / 2^12)` in Q30; softmax's numerators are Q15 (s = 15), sampling weights Q22 (s = 8). */
export const EXP2 = { tableBits: 12, fraction: 30, numeratorShift: 15, weightShift: 8 } as const;

/** Sigmoid in Q15 over [-16, 16), 2^9 entries a unit; gate and up projections have 12 fraction bits. */
export const GATE = { entries: 16_384, entriesPerUnitBits: 9, tableFraction: 15, inputFraction: 12 } as const;

/** Bits of scale mantissas: below 2^30, so that products with 31-bit row scales stay below 2^61. */
export const SCALE_BITS = 30;

/** Logits of one segment of the vocabulary; a scale row has as many entries. */
export const SEGMENT = 2_048;
