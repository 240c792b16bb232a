// SPDX-License-Identifier: GPL-3.0-only
import { ARITY, GROUP, POSEIDON_KIND, rowDigest, rowDomain, rowLevels, wideLevel } from "../commit/poseidon.ts";
import { poseidonHash } from "../commit/poseidon-hash.ts";
import { FIELD } from "../commit/poseidon-parameters.ts";
import { ELEMENT_BYTES, ELEMENT_CODE, type Row, rowBytes } from "../machine/types.ts";
import { CircuitLimitError } from "./errors.ts";

/** Most levels of a row's tree above its groups. */
export const LEVELS = 3;
/** Levels that circuits have room for where no row has an element a position. */
export const FEW_LEVELS = 2;
/**
 * Levels that each circuit has room for above the groups of the rows that it opens: the contract knows their lengths, and whoever serves a
 * model whether they fit.
 */
export const ROOM = {
  map: { out: LEVELS, a: LEVELS, b: LEVELS, c: LEVELS },
  gather: { out: FEW_LEVELS, a: FEW_LEVELS, b: FEW_LEVELS, c: FEW_LEVELS },
  dot: { out: FEW_LEVELS, a: FEW_LEVELS, b: FEW_LEVELS },
  fold: { out: FEW_LEVELS, a: LEVELS, b: FEW_LEVELS },
  attention: { out: LEVELS, a: LEVELS },
  link: { row: FEW_LEVELS },
} as const;
/** Binary levels over the weight rows. */
export const WEIGHT_LEVELS = 24;
/** Most weight rows. */
export const MOST_WEIGHT_ROWS = 2 ** WEIGHT_LEVELS;

/** Levels of the tree over a step's rows. */
const STEP_LEVELS = 3;
/** Most rows of a step. */
export const MOST_ROWS = ARITY ** STEP_LEVELS;

/** Most bytes of a row whose tree has this many levels. */
export const largestRow = (levels: number): number => ARITY ** levels * GROUP;

/** The 16 children a level on the way up from a node. */
export type Path = readonly (readonly bigint[])[];
/** A group's limbs and the children above it. */
export type GroupOpening = { readonly limbs: readonly bigint[]; readonly children: Path };
/** Two groups of a row: their own children below the highest level, and those of the highest, which they share. */
export type PairOpening = {
  readonly limbs: readonly (readonly bigint[])[];
  readonly children: readonly Path[];
  readonly highest: readonly bigint[];
};

const NOTHING: readonly bigint[] = Array<bigint>(ARITY).fill(0n);
/** What stands for the opening of a row that is not used. */
export const noOpening = (levels: number): GroupOpening => ({ limbs: NOTHING, children: noPath(levels) });
const noPath = (levels: number): Path => Array<readonly bigint[]>(levels).fill(NOTHING);
/** What stands for the path of a row that is not used to the highest nodes of the step. */
export const NO_PATH: Path = noPath(STEP_LEVELS - 1);

/** The opening of two groups of a row that is not used. */
export function noPair(levels: number): PairOpening {
  return shared([noOpening(levels), noOpening(levels)]);
}

function shared(groups: readonly GroupOpening[]): PairOpening {
  return {
    limbs: groups.map(({ limbs }) => limbs),
    children: groups.map(({ children }) => children.slice(0, -1)),
    highest: groups[0].children[groups[0].children.length - 1],
  };
}

/** The limbs and nodes of a row: what openings of it consist of. */
export class RowOpener {
  readonly row: Row;
  /** Limbs, groups, and so on up to the top. */
  readonly #levels: readonly (readonly bigint[])[];

  constructor(row: Row) {
    const { byteLength } = row.data;
    checkRow(byteLength, LEVELS);
    this.row = row;
    this.#levels = rowLevels(rowBytes(row));
  }

  digest(salt: bigint): bigint {
    const domain = rowDomain(ELEMENT_CODE[this.row.type], this.row.data.length);
    return rowDigest(domain, salt, this.#levels[this.#levels.length - 1][0]);
  }

  /** Groups of the row. */
  get groups(): number {
    return this.#levels[1].length;
  }

  /** Limbs of a group, zeros beyond the last. */
  limbs(group: number): readonly bigint[] {
    return siblings(this.#levels[0], group * ARITY);
  }

  /**
   * Opens a group; one beyond the last has limbs 0, and the path of the last.
   * @param levels That the circuit has room for.
   * @throws CircuitLimitError if the row has more.
   */
  group(group: number, levels: number): GroupOpening {
    checkRow(this.row.data.byteLength, levels);
    const at = Math.min(group, this.groups - 1);
    return { limbs: this.limbs(group), children: climb(this.#levels.slice(1), at, levels) };
  }

  /** Opens the group with this element. */
  element(element: number, levels: number): GroupOpening {
    return this.group(this.#groupOf(element * ELEMENT_BYTES[this.row.type]), levels);
  }

  /** Opens the groups with these two elements. */
  pair(elements: readonly [number, number], levels: number): PairOpening {
    return shared(elements.map((element) => this.element(element, levels)));
  }

  /** Opens the groups of 32 bytes from `offset` on; the same group twice if there is no next one. */
  bytes32(offset: number, levels: number): PairOpening {
    const group = this.#groupOf(offset);
    return shared([this.group(group, levels), this.group(Math.min(group + 1, this.groups - 1), levels)]);
  }

  #groupOf(offset: number): number {
    return Math.floor(offset / GROUP);
  }
}

function checkRow(bytes: number, levels: number): void {
  const limit = largestRow(levels);
  if (bytes > limit) throw new CircuitLimitError("bytes of a row", bytes, limit);
}

/** Nodes of `level` that have the parent of node `index`. */
function siblings(level: readonly bigint[], index: number): readonly bigint[] {
  const first = Math.floor(index / ARITY) * ARITY;
  return Array.from({ length: ARITY }, (_, i) => level[first + i] ?? 0n);
}

/** The children on `count` levels up from node `index` of the lowest one; zeros where there is no such level. */
function climb(levels: readonly (readonly bigint[])[], index: number, count: number): Path {
  return Array.from({ length: count }, (_, k) =>
    k + 1 < levels.length ? siblings(levels[k], Math.floor(index / ARITY ** k)) : NOTHING,
  );
}

/**
 * The Poseidon commitment to a step's rows that an executor posts when the step is drawn (docs/spotchecks.md): a tree of
 * 16 children a node and three levels over `P(row)`, all with the step's salt.
 */
export class StepCommitment {
  readonly salt: bigint;
  readonly root: bigint;
  readonly #rows: readonly RowOpener[];
  readonly #levels: readonly (readonly bigint[])[];

  /** @param salt Below the field's order; 32 random bytes of the step, reduced. */
  constructor(rows: readonly Row[], salt: bigint) {
    if (rows.length > MOST_ROWS) throw new CircuitLimitError("rows of a step", rows.length, MOST_ROWS);
    this.salt = salt;
    this.#rows = rows.map((row) => new RowOpener(row));
    const levels = [this.#rows.map((row) => row.digest(salt))];
    while (levels.length <= STEP_LEVELS) levels.push(wideLevel(levels[levels.length - 1]));
    this.#levels = levels;
    this.root = poseidonHash([POSEIDON_KIND.step, levels[STEP_LEVELS][0]]);
  }

  row(index: number): RowOpener {
    return this.#rows[index];
  }

  /** The children above the digest of row `index`, up to the nodes of the highest level. */
  path(index: number): Path {
    return Array.from({ length: STEP_LEVELS - 1 }, (_, k) => siblings(this.#levels[k], Math.floor(index / ARITY ** k)));
  }

  /** The nodes of the highest level, which all rows share. */
  get top(): readonly bigint[] {
    return siblings(this.#levels[STEP_LEVELS - 1], 0);
  }
}

/** The digest of a chunk that ties proofs about it to each other; `circuits/attention.circom`. */
export function chunkDigest(chunk: Uint8Array, salt: bigint): bigint {
  const half = (at: number) => chunk.slice(at, at + 16).reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n);
  return poseidonHash([half(0), half(16), salt]);
}

/** The commitment to a fold's accumulator at a place between segments; `circuits/state.circom`. */
export function stateCommitment(accumulator: readonly bigint[], salt: bigint, place: number, reads: bigint): bigint {
  const field = (x: bigint) => ((x % FIELD) + FIELD) % FIELD;
  return poseidonHash([field(accumulator[0]), field(accumulator[1] ?? 0n), salt, BigInt(place), reads]);
}
