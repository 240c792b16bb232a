import type { Hex } from "../commit/bytes.ts";
import type { EnclaveStep } from "./enclave.ts";
import { CancelledError } from "./errors.ts";
import type { Order } from "./receipts.ts";

/** How an answer ended: its receipt is signed and on disk. */
export interface RunOutcome {
  readonly receiptHash: Hex;
  /** As in the receipt: 0 stop token, 1 length, 2 cancelled. */
  readonly stopReason: number;
}

/** One reader of an answer. */
export interface RunReader {
  /** All steps from the first, as they are made; ends when the answer does, or throws what it failed with. */
  steps(): AsyncGenerator<EnclaveStep, RunOutcome>;
  /** Leaves. When the last reader leaves an unfinished answer, it is cancelled. */
  leave(): void;
}

type RunState =
  | { readonly kind: "running" }
  | { readonly kind: "ended"; readonly outcome: RunOutcome }
  | { readonly kind: "failed"; readonly error: unknown };

/** An answer in the making, or a finished one: several readers may follow it, each from its first token. */
export class Run {
  readonly order: Order;
  readonly #steps: EnclaveStep[];
  #state: RunState = { kind: "running" };
  #readers = 0;
  #cancelled = false;
  #wake: () => void = () => {};
  #changed: Promise<void> = Promise.resolve();

  constructor(order: Order, finished?: { steps: readonly EnclaveStep[]; outcome: RunOutcome }) {
    this.order = order;
    this.#steps = [...(finished?.steps ?? [])];
    if (finished !== undefined) this.#state = { kind: "ended", outcome: finished.outcome };
    this.#renew();
  }

  /** True once nobody wants the rest. */
  get cancelled(): boolean {
    return this.#cancelled;
  }

  /** True while steps or the receipt are still to come. */
  get running(): boolean {
    return this.#state.kind === "running";
  }

  push(step: EnclaveStep): void {
    this.#steps.push(step);
    this.#signal();
  }

  end(outcome: RunOutcome): void {
    this.#state = { kind: "ended", outcome };
    this.#signal();
  }

  fail(error: unknown): void {
    this.#state = { kind: "failed", error };
    this.#signal();
  }

  cancel(): void {
    this.#cancelled = true;
  }

  read(): RunReader {
    this.#readers++;
    let left = false;
    const steps = this.#follow(() => left);
    return {
      steps: () => steps,
      leave: () => {
        if (left) return;
        left = true;
        this.#readers--;
        if (this.#readers === 0 && this.running) this.#cancelled = true;
        this.#signal();
      },
    };
  }

  async *#follow(left: () => boolean): AsyncGenerator<EnclaveStep, RunOutcome> {
    for (let at = 0; ; ) {
      // Taken before looking: a change after the look wakes this promise, not a later one.
      const changed = this.#changed;
      if (at < this.#steps.length) {
        yield this.#steps[at++];
      } else if (this.#state.kind === "ended") {
        return this.#state.outcome;
      } else if (this.#state.kind === "failed") {
        throw this.#state.error;
      } else if (left()) {
        throw new CancelledError();
      } else {
        await changed;
      }
    }
  }

  #signal(): void {
    this.#wake();
    this.#renew();
  }

  #renew(): void {
    this.#changed = new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
