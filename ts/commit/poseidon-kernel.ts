import { word } from "./bytes.ts";
import { type KernelExports, KernelMemory } from "./kernel-memory.ts";
import { GROUP, rowDomain } from "./poseidon.ts";
import { poseidonHash, scheduleOf } from "./poseidon-hash.ts";
import { FIELD } from "./poseidon-parameters.ts";

/** What ts/commit/assembly/poseidon.ts exports. */
type Exports = KernelExports & {
  rows(
    schedule: number,
    pair: number,
    square: number,
    initial: number,
    bytes: number,
    rowBytes: number,
    count: number,
    nodes: number,
    out: number,
  ): void;
  parents(schedule: number, nodes: number, count: number, out: number): void;
  elements(integers: number, square: number, count: number, out: number): void;
  integers(elements: number, count: number, out: number): void;
};

/** Bytes of an element in the kernel's form: limbs of 29 bits in Montgomery form with R = 2^261. */
const ELEMENT = 36;
const LIMB_BITS = 29n;
const R = (1n << 261n) % FIELD;

/** Bytes of a digest: an integer below the field's order, little-endian. */
export const DIGEST = 32;

/** The kernel's tables, made once and sent to every thread: they take a second. */
export type PoseidonTables = { readonly wide: Uint8Array; readonly pair: Uint8Array };

export function poseidonTables(): PoseidonTables {
  return { wide: packSchedule(16), pair: packSchedule(2) };
}

/** What the top of a row of this type and length is hashed with, in the kernel's form. */
export function digestStart(typeCode: number, length: number): Uint8Array {
  return element(poseidonHash([rowDomain(typeCode, length), 0n]));
}

/**
 * The fast writing of `poseidonRow` and of the tree over its digests: WebAssembly, for one thread. ts/commit/poseidon.ts is
 * the specification that it is tested against.
 */
export class PoseidonKernel {
  readonly #exports: Exports;
  readonly #wide: number;
  readonly #pair: number;
  readonly #square: number;
  readonly #start: number;
  readonly #memory: KernelMemory;

  constructor(module: WebAssembly.Module, { wide, pair }: PoseidonTables) {
    this.#exports = new WebAssembly.Instance(module, {}).exports as Exports;
    this.#memory = new KernelMemory(this.#exports);
    this.#wide = this.#memory.put("wide", wide);
    this.#pair = this.#memory.put("pair", pair);
    this.#square = this.#memory.put("square", element(R));
    this.#start = this.#memory.room("start", ELEMENT);
  }

  /** Digests of `count` rows of equal size that lie one after the other. @param start `digestStart` of their type. */
  rows(start: Uint8Array, bytes: Uint8Array, count: number): Uint8Array {
    const at = this.#memory.put("in", bytes);
    const out = this.#memory.room("elements", count * ELEMENT);
    const rowBytes = bytes.length / count;
    const nodes = this.#memory.room("nodes", Math.max(1, Math.ceil(rowBytes / GROUP)) * ELEMENT);
    this.#memory.put("start", start);
    this.#exports.rows(this.#wide, this.#pair, this.#square, this.#start, at, rowBytes, count, nodes, out);
    return this.#digests(out, count);
  }

  /** The node `levels` above the first of these digests, which are the first of its leaves; missing ones are 0. */
  ancestor(digests: Uint8Array, levels: number): Uint8Array {
    let count = digests.length / DIGEST;
    const at = this.#memory.put("in", digests);
    const nodes = this.#memory.room("elements", count * ELEMENT);
    this.#exports.elements(at, this.#square, count, nodes);
    for (let level = 0; level < levels; level++) {
      this.#exports.parents(this.#pair, nodes, count, nodes);
      count = Math.ceil(count / 2);
    }
    return this.#digests(nodes, 1);
  }

  #digests(elements: number, count: number): Uint8Array {
    const out = this.#memory.room("out", count * DIGEST);
    this.#exports.integers(elements, count, out);
    return this.#memory.take(out, count * DIGEST);
  }
}

/** A digest as an integer. */
export function digestInteger(digest: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(digest).reverse().toString("hex")}`);
}

/** An integer below the field's order in the kernel's form. */
function element(x: bigint): Uint8Array {
  const form = (x * R) % FIELD;
  const limbs = Array.from({ length: 9 }, (_, i) => Number(BigInt.asUintN(29, form >> (LIMB_BITS * BigInt(i)))));
  return new Uint8Array(Uint32Array.from(limbs).buffer);
}

/** The layout that `permute` of the kernel describes. */
function packSchedule(inputs: number): Uint8Array {
  const { t, mds, before, partial, leftover, after } = scheduleOf(inputs);
  const zeros = Array<bigint>(t).fill(0n);
  const elements = [
    ...mds.flat(),
    ...before.slice(1).flat(),
    partial[0].constant,
    ...zeros.slice(1),
    ...partial.flatMap(({ row, column }, i) => [...row, ...column, partial[i + 1]?.constant ?? 0n]),
    ...leftover.flat(),
    ...after.flat(),
    ...zeros,
    ...before[0],
  ];
  const out = new Uint8Array(16 + ELEMENT * elements.length);
  new Uint32Array(out.buffer, 0, 2).set([t, partial.length]);
  elements.forEach((x, i) => {
    out.set(element(x), 16 + i * ELEMENT);
  });
  return out;
}

/** The digest of an integer. */
export function digestBytes(x: bigint): Uint8Array {
  return word(x).slice().reverse();
}
