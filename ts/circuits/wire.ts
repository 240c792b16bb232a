// SPDX-License-Identifier: GPL-3.0-only

import type { Groth16Key, Groth16Proof } from "snarkjs";
import { concat, word } from "../commit/bytes.ts";

/** Bytes of a proof as the contract takes it. */
export const PROOF_BYTES = 256;

type G1 = readonly string[];
type G2 = readonly (readonly string[])[];

const g1 = ([x, y]: G1): bigint[] => [BigInt(x), BigInt(y)];
/** The contract wants imaginary parts first. */
const g2 = ([[x0, x1], [y0, y1]]: G2): bigint[] => [x1, x0, y1, y0].map(BigInt);

/** A proof in words: A, B, C. */
export function proofWords({ pi_a, pi_b, pi_c }: Groth16Proof): bigint[] {
  return [...g1(pi_a), ...g2(pi_b), ...g1(pi_c)];
}

/** A verification key in words, as `src/spotcheck/KeyStore.sol` has it. */
export function keyWords({ vk_alpha_1, vk_beta_2, vk_gamma_2, vk_delta_2, IC }: Groth16Key): bigint[] {
  return [...g1(vk_alpha_1), ...g2(vk_beta_2), ...g2(vk_gamma_2), ...g2(vk_delta_2), ...IC.flatMap(g1)];
}

/** Words of 32 bytes, big-endian. */
export function wordBytes(words: readonly bigint[]): Uint8Array {
  return concat(words.map(word));
}
