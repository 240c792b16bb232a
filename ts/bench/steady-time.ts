import type { FastChain } from "../dispute/testing/fast-chain.ts";

/** Longer than a game with its payouts, in seconds. */
const APART = 0x0100_0000n;
/** From a commitment to the game. */
const LATER = 0x0100n;

/** Times of commitments and games without zero bytes: a game's opening time is in the calldata of its moves, where zero bytes are cheaper. */
export class SteadyTime {
  readonly #chain: FastChain;
  #at = 0x7101_0101n;

  constructor(chain: FastChain) {
    this.#chain = chain;
  }

  /** The next block is that of a commitment, long after the last one. */
  async commitNext(): Promise<void> {
    this.#at += APART;
    await this.#chain.nextBlockAt(this.#at);
  }

  /** The next block is that in which a game about it is opened. */
  openNext(): Promise<void> {
    return this.#chain.nextBlockAt(this.#at + LATER);
  }
}
