import type { Address } from "viem";
import { type OtrContext, read } from "../chain/context.ts";
import { NoSenderError } from "../chain/errors.ts";
import type { Logger } from "../config/logger.ts";
import type { Attempts } from "./attempts.ts";
import { deliveryOf, type RoundOptions } from "./rounds.ts";

export interface RoundCourierOptions {
  readonly context: OtrContext;
  readonly attempts: Attempts;
  readonly log: Logger;
  readonly rounds?: RoundOptions | undefined;
}

/** Brings rounds to the chain. When a round is due is asked once, however many batches wait for it. */
export class RoundCourier {
  readonly #o: RoundCourierOptions;
  readonly #dueAt = new Map<string, bigint>();
  #delivered = 0;

  constructor(options: RoundCourierOptions) {
    this.#o = options;
  }

  /** Calls that were sent since the start. */
  get delivered(): number {
    return this.#delivered;
  }

  /** When a round is due, in seconds since 1970: it never changes. */
  async dueAt(randomness: Address, round: bigint): Promise<bigint> {
    const key = `${randomness}:${round}`;
    const known = this.#dueAt.get(key);
    if (known !== undefined) return known;
    const dueAt = BigInt(await read(this.#o.context, "randomness", "dueAt", [round], { address: randomness }));
    this.#dueAt.set(key, dueAt);
    return dueAt;
  }

  /** Sends what brings a round nearer, unless that failed a moment ago. @returns Whether it is known, or on its way. */
  deliver(randomness: Address, round: bigint): Promise<boolean> {
    const { context, attempts, log, rounds = {} } = this.#o;
    return attempts.attempt(`round:${randomness}:${round}`, async () => {
      const call = await deliveryOf(context, randomness, round, rounds);
      if (call === undefined) return;
      if (context.sender === undefined) throw new NoSenderError(call.name);
      const { gasUsed } = await context.sender.send(call);
      this.#delivered++;
      log.info({ round, call: call.name, gas: gasUsed }, "round delivered");
    });
  }
}
