import type { POSEIDON_KIND, PoseidonPaths } from "./poseidon.ts";
import { poseidonHash } from "./poseidon-hash.ts";
import { DIGEST, digestInteger } from "./poseidon-kernel.ts";

/** `PoseidonTree` over nodes that the kernel computed, in bytes. */
export class DigestTree implements PoseidonPaths {
  readonly #levels: readonly Uint8Array[];

  /** @param levels `PoseidonKernel.levels`. */
  constructor(levels: readonly Uint8Array[]) {
    this.#levels = levels;
  }

  get count(): number {
    return this.#levels[0]!.length / DIGEST;
  }

  root(kind: (typeof POSEIDON_KIND)[keyof typeof POSEIDON_KIND]): bigint {
    return poseidonHash([kind, BigInt(this.count), digestInteger(this.#levels.at(-1)!)]);
  }

  siblings(index: number): bigint[] {
    return this.#levels.slice(0, -1).map((level, height) => {
      const at = ((index >> height) ^ 1) * DIGEST;
      return at < level.length ? digestInteger(level.subarray(at, at + DIGEST)) : 0n;
    });
  }
}
