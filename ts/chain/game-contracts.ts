import type { Address } from "viem";
import { type OtrContext, read } from "./context.ts";

/** The game contracts of all rules so far: each batch is played in the one that its rules name, for good. */
export class GameContracts {
  readonly #context: OtrContext;
  readonly #addresses = new Set<Address>();
  #versions = 0;

  constructor(context: OtrContext) {
    this.#context = context;
  }

  /** Asks only for rules that were added since the last call. */
  async list(): Promise<Address[]> {
    const current = await read(this.#context, "rollup", "currentRules", []);
    for (; this.#versions < current; this.#versions++) {
      const { game } = await read(this.#context, "rollup", "rulesOf", [this.#versions + 1]);
      this.#addresses.add(game);
    }
    return [...this.#addresses];
  }
}
