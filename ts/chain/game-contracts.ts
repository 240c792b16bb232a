import { type Address, zeroAddress } from "viem";
import { sameAddress } from "./client.ts";
import { type OtrContext, read } from "./context.ts";

/** The courts of all rules so far: each batch is judged by those that its rules name, for good. */
export class GameContracts {
  readonly #context: OtrContext;
  readonly #games = new Set<Address>();
  readonly #availability = new Set<Address>();
  readonly #frauds = new Set<Address>();
  readonly #spotChecks = new Set<Address>();
  #versions = 0;

  constructor(context: OtrContext) {
    this.#context = context;
  }

  /** The game contracts. Asks only for rules that were added since the last call. */
  async list(): Promise<Address[]> {
    await this.#refresh();
    return [...this.#games];
  }

  /** The courts that hear demands for data. */
  async availability(): Promise<Address[]> {
    await this.#refresh();
    return [...this.#availability];
  }

  /** The courts of one-shot frauds. */
  async frauds(): Promise<Address[]> {
    await this.#refresh();
    return [...this.#frauds];
  }

  /** The courts of draws, if there are any. */
  async spotChecks(): Promise<Address[]> {
    await this.#refresh();
    return [...this.#spotChecks];
  }

  async #refresh(): Promise<void> {
    const current = await read(this.#context, "rollup", "currentRules", []);
    // Calls overlap: none counts a version that it has not read itself.
    for (let version = this.#versions + 1; version <= current; version++) {
      const { game, availability, frauds, spotChecks } = await read(this.#context, "rollup", "rulesOf", [version]);
      this.#games.add(game);
      this.#availability.add(availability);
      this.#frauds.add(frauds);
      if (!sameAddress(spotChecks, zeroAddress)) this.#spotChecks.add(spotChecks);
      this.#versions = Math.max(this.#versions, version);
    }
  }
}
