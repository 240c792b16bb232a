import type { CommittedRow } from "./model-trees.ts";
import { poseidonHash } from "./poseidon-hash.ts";
import { width } from "./tree.ts";

/** Bytes of a limb: the most that fit a BN254 scalar whatever they are. */
export const LIMB = 31;
/** Limbs that one link of the chain absorbs, beside the accumulator. */
export const LIMBS_PER_LINK = 15;

/** Kinds of Poseidon trees, the first input of their root; docs/protocol.md names only the weights so far. */
export const POSEIDON_KIND = { weights: 2n } as const;

/** The bytes as little-endian limbs of 31 bytes, the last one zero-padded. */
export function limbsOf(bytes: Uint8Array): bigint[] {
  const out: bigint[] = [];
  for (let at = 0; at < bytes.length; at += LIMB) {
    let hex = "";
    for (let i = Math.min(at + LIMB, bytes.length) - 1; i >= at; i--) hex += bytes[i].toString(16).padStart(2, "0");
    out.push(BigInt(`0x${hex}`));
  }
  return out;
}

/** First input of a row's chain: its type and length. */
export function rowDomain(typeCode: number, length: number): bigint {
  return BigInt(typeCode) + 4n * BigInt(length);
}

/**
 * The chain `acc = Poseidon2(domain, salt)`, then `acc = Poseidon16(acc, 15 limbs)`, missing limbs 0.
 * `circuits/row_digest.circom` proves it.
 */
export function poseidonChain(domain: bigint, salt: bigint, limbs: readonly bigint[]): bigint {
  let acc = poseidonHash([domain, salt]);
  for (let at = 0; at < limbs.length; at += LIMBS_PER_LINK) {
    const link: bigint[] = [acc];
    for (let i = at; i < at + LIMBS_PER_LINK; i++) link.push(limbs[i] ?? 0n);
    acc = poseidonHash(link);
  }
  return acc;
}

/** `P(row)` of docs/protocol.md, section 1. The salt is 0 for weights. */
export function poseidonRow(row: CommittedRow, salt = 0n): bigint {
  return poseidonChain(rowDomain(row.typeCode, row.length), salt, limbsOf(row.bytes));
}

/**
 * The binary tree over Poseidon digests: `parent = Poseidon2(l, r)`, nodes beyond a level's width are 0 and not stored.
 */
export class PoseidonTree {
  /** Level 0 holds the leaves. */
  readonly levels: readonly (readonly bigint[])[];

  /** @param leaves At least one. */
  constructor(leaves: readonly bigint[]) {
    const levels: (readonly bigint[])[] = [leaves];
    for (let below = leaves; below.length > 1; below = levels[levels.length - 1]) {
      const next: bigint[] = [];
      for (let i = 0; i < below.length; i += 2) next.push(poseidonHash([below[i], below[i + 1] ?? 0n]));
      levels.push(next);
    }
    this.levels = levels;
  }

  get count(): number {
    return this.levels[0].length;
  }

  get top(): bigint {
    return this.levels[this.levels.length - 1][0];
  }

  /** `Poseidon3(kind, count, top)`. */
  root(kind: bigint): bigint {
    return poseidonHash([kind, BigInt(this.count), this.top]);
  }

  /** One sibling per level from leaf `index` up to the top; a missing one is 0. */
  siblings(index: number): bigint[] {
    const out: bigint[] = [];
    for (let level = 0; width(this.count, level) > 1; level++) {
      out.push(this.levels[level][(index >> level) ^ 1] ?? 0n);
    }
    return out;
  }
}

/** Called after each row with the number of rows done. */
export type PoseidonProgress = (done: number) => void;

/**
 * The tree over `P(row)` of all weight rows, in order. Milliseconds a row: computed once, when a model is packed or
 * adopted.
 */
export function poseidonWeightsTree(rows: Iterable<CommittedRow>, onProgress?: PoseidonProgress): PoseidonTree {
  const leaves: bigint[] = [];
  for (const row of rows) {
    leaves.push(poseidonRow(row));
    onProgress?.(leaves.length);
  }
  return new PoseidonTree(leaves);
}

/** `weightsRootP`: the root that spot-check proofs open weight rows against. */
export function weightsRootP(rows: Iterable<CommittedRow>, onProgress?: PoseidonProgress): bigint {
  return poseidonWeightsTree(rows, onProgress).root(POSEIDON_KIND.weights);
}
