import { equal, type Hex } from "../commit/bytes.ts";
import { recordLeaf } from "../commit/record.ts";
import type { Logger } from "../config/logger.ts";
import { sequenceInput } from "../dispute/answer.ts";
import type { Engine } from "../engine/types.ts";
import type { Answer } from "../store/executor-rows.ts";
import type { ExecutorStore } from "../store/executor-store.ts";

export interface CrossCheckOptions {
  readonly store: ExecutorStore;
  /** Engines by model, of another backend than the one that serves. */
  readonly engines: ReadonlyMap<Hex, Engine>;
  /** Share of the receipts that are checked, 0 to 1. */
  readonly share: number;
  readonly log: Logger;
}

/**
 * Computes a share of the executor's own answers once more, on another backend, before their receipts are committed: hardware that computes
 * wrong costs a stake. An answer about which two backends disagree is never committed by us, and its model takes no new requests until the
 * process is started again, with weights loaded and verified anew.
 */
export class CrossCheck {
  readonly #options: CrossCheckOptions;
  /** Waiting receipts that agreed. */
  #passed = new Set<Hex>();
  readonly #distrusted = new Set<Hex>();
  #checked = 0;

  constructor(options: CrossCheckOptions) {
    this.#options = options;
  }

  /** Answers computed again. */
  get checked(): number {
    return this.#checked;
  }

  /** Whether two backends have disagreed about this model. */
  distrusts(modelId: Hex): boolean {
    return this.#distrusted.has(modelId.toLowerCase() as Hex);
  }

  /** Checks what waits for a batch. When it resolves, everything that still waits may be committed. */
  async pass(): Promise<void> {
    const { store, share, engines, log } = this.#options;
    const waiting = store.answersIn("queued");
    this.#passed = new Set(waiting.map(({ receiptHash }) => receiptHash).filter((hash) => this.#passed.has(hash)));
    for (const answer of waiting) {
      const { receiptHash, request } = answer;
      const engine = engines.get(request.modelId.toLowerCase() as Hex);
      if (engine === undefined || this.#passed.has(receiptHash)) continue;
      // What a distrusted model has answered is checked whatever the share.
      if (!isDrawn(receiptHash, share) && !this.distrusts(request.modelId)) continue;
      this.#checked++;
      const verdict = await agrees(engine, answer).catch((err: unknown) => {
        // No answer is no other answer: a promise to commit in time is kept.
        log.error({ err, receipt: receiptHash, backend: engine.backend }, "an answer could not be computed again");
        return true;
      });
      if (verdict) this.#passed.add(receiptHash);
      else this.#quarantine(answer, engine.backend);
    }
  }

  /** Frees the engines. */
  close(): void {
    for (const engine of this.#options.engines.values()) engine.close();
  }

  #quarantine({ receiptHash, request }: Answer, backend: string): void {
    const { store, log } = this.#options;
    this.#distrusted.add(request.modelId.toLowerCase() as Hex);
    store.quarantine(receiptHash);
    log.fatal(
      { receipt: receiptHash, model: request.modelId, backend },
      "two backends disagree about an answer: its receipt is not committed, and the model takes no new requests; test this machine's memory, then restart",
    );
  }
}

/** A draw that comes out the same after a restart. */
function isDrawn(receiptHash: Hex, share: number): boolean {
  return Number.parseInt(receiptHash.slice(2, 10), 16) < share * 2 ** 32;
}

async function agrees(engine: Engine, answer: Answer): Promise<boolean> {
  const { tokens, records } = await engine.replay(sequenceInput(answer), answer.outputTokens);
  return (
    tokens.every((token, i) => token === answer.outputTokens[i]) &&
    records.length === answer.records.length &&
    records.every((record, t) => equal(recordLeaf(record), recordLeaf(answer.records[t]!)))
  );
}
