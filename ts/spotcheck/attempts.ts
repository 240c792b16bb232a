import type { Clock } from "../chain/time.ts";
import type { Logger } from "../config/logger.ts";

/** Between two attempts at what failed. */
const RETRY_MS = 5000;

export interface AttemptsOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Nothing is reported any more once it fires: what fails then was cut off. */
  readonly signal: AbortSignal;
  /** What the log says of a failure. */
  readonly message: string;
}

/** Keeps what fails from holding up the rest: it is reported, and left alone for a moment. */
export class Attempts {
  readonly #o: AttemptsOptions;
  /** Milliseconds since 1970 before which nothing is tried again. */
  readonly #paused = new Map<string, number>();

  constructor(options: AttemptsOptions) {
    this.#o = options;
  }

  /** Does something unless it failed a moment ago. @returns Whether it was done. */
  async attempt(key: string, deed: () => Promise<void>): Promise<boolean> {
    const { clock, log, signal, message } = this.#o;
    if (clock.now() < (this.#paused.get(key) ?? 0)) return false;
    try {
      await deed();
      this.#paused.delete(key);
      return true;
    } catch (err) {
      this.#paused.set(key, clock.now() + RETRY_MS);
      if (!signal.aborted) log.error({ what: key, err }, message);
      return false;
    }
  }
}
