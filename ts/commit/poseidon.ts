import type { CommittedRow } from "./model-trees.ts";
import { poseidonHash } from "./poseidon-hash.ts";
import { width } from "./tree.ts";

/** Bytes of a limb: the most that fit a BN254 scalar whatever they are. */
export const LIMB = 31;
/** Children of a node of a row's tree: what one permutation absorbs. */
export const ARITY = 16;
/** Bytes under a lowest node of a row's tree. A multiple of every element's size, so no element lies in two of them. */
export const GROUP = ARITY * LIMB;

/** Kinds of Poseidon trees, the first input of their root. */
export const POSEIDON_KIND = { weights: 2n, step: 3n } as const;

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

/** What a row's digest says of its shape: type and length. */
export function rowDomain(typeCode: number, length: number): bigint {
  return BigInt(typeCode) + 4n * BigInt(length);
}

/** Each 16 of these under one node, missing ones 0: the next level of a row's tree. */
export function wideLevel(nodes: readonly bigint[]): bigint[] {
  const out: bigint[] = [];
  for (let at = 0; at < nodes.length; at += ARITY) {
    out.push(poseidonHash(Array.from({ length: ARITY }, (_, i) => nodes[at + i] ?? 0n)));
  }
  return out;
}

/** Levels of a row's tree: limbs, then nodes over 16 below each, up to the single top. */
export function rowLevels(bytes: Uint8Array): bigint[][] {
  const limbs = limbsOf(bytes);
  const levels = [limbs.length === 0 ? [0n] : limbs];
  do levels.push(wideLevel(levels[levels.length - 1]));
  while (levels[levels.length - 1].length > 1);
  return levels;
}

/** `P(row)` from the top of its tree. */
export function rowDigest(domain: bigint, salt: bigint, top: bigint): bigint {
  return poseidonHash([poseidonHash([domain, salt]), top]);
}

/** `P(row)` of docs/protocol.md, section 1. The salt is 0 for weights. `circuits/row.circom` opens it. */
export function poseidonRow(row: CommittedRow, salt = 0n): bigint {
  const [top] = rowLevels(row.bytes).at(-1)!;
  return rowDigest(rowDomain(row.typeCode, row.length), salt, top);
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
