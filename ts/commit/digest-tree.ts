import { cacheFolder } from "./cache-folder.ts";
import { kernelModule } from "./kernel-module.ts";
import { poseidonHash } from "./poseidon-hash.ts";
import { DIGEST, digestInteger, PoseidonKernel, poseidonTables } from "./poseidon-kernel.ts";
import { depth, width } from "./tree.ts";

/** Levels that the kernel climbs at once; nodes above are kept. */
const KERNEL_LEVELS = 12;

/**
 * The tree of `PoseidonTree` over digests of millions of rows: nodes are computed when a path needs them. The first path takes a pass
 * over all digests, others one over 2^12.
 */
export class DigestTree {
  readonly #digests: Uint8Array;
  readonly #kernel: PoseidonKernel;
  readonly #known = new Map<string, bigint>();

  readonly #atOnce: number;

  private constructor(digests: Uint8Array, kernel: PoseidonKernel, atOnce: number) {
    this.#digests = digests;
    this.#kernel = kernel;
    this.#atOnce = atOnce;
  }

  /**
   * @param digests Of all rows, 32 bytes each, little-endian; at least one.
   * @param cacheDir Where compiled kernels are kept.
   * @param atOnce Levels that are climbed at once; tests set it.
   */
  static async open(digests: Uint8Array, cacheDir = cacheFolder(), atOnce = KERNEL_LEVELS): Promise<DigestTree> {
    const kernel = new PoseidonKernel(await kernelModule("poseidon", cacheDir), poseidonTables());
    return new DigestTree(digests, kernel, atOnce);
  }

  get count(): number {
    return this.#digests.length / DIGEST;
  }

  /** `Poseidon3(kind, count, top)`. */
  root(kind: bigint): bigint {
    return poseidonHash([kind, BigInt(this.count), this.#node(depth(this.count), 0)]);
  }

  /** One sibling per level from leaf `index` up to the top; a missing one is 0. */
  siblings(index: number): bigint[] {
    return Array.from({ length: depth(this.count) }, (_, level) =>
      this.#node(level, Math.floor(index / 2 ** level) ^ 1),
    );
  }

  #node(level: number, index: number): bigint {
    if (index >= width(this.count, level)) return 0n;
    if (level < this.#atOnce) return this.#climb(level, index);
    const key = `${level} ${index}`;
    let node = this.#known.get(key);
    if (node === undefined) {
      const children = () => poseidonHash([this.#node(level - 1, 2 * index), this.#node(level - 1, 2 * index + 1)]);
      node = level === this.#atOnce ? this.#climb(level, index) : children();
      this.#known.set(key, node);
    }
    return node;
  }

  /** From the leaves. */
  #climb(level: number, index: number): bigint {
    const size = DIGEST * 2 ** level;
    return digestInteger(this.#kernel.ancestor(this.#digests.subarray(index * size, (index + 1) * size), level));
  }
}
