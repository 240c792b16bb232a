import type { TransactorEvent } from "../chain/transactor.ts";
import type { Logger } from "../config/logger.ts";
import type { Metric } from "./metric.ts";

/** What an operator should hear of a transaction; the rest is routine. */
const LEVELS: Readonly<Record<TransactorEvent["kind"], "debug" | "info" | "warn">> = {
  sent: "debug",
  mined: "debug",
  resumed: "info",
  replaced: "info",
  vanished: "warn",
  dropped: "warn",
  reverted: "warn",
};

/** Logs and counts what becomes of a daemon's transactions. */
export class TransactionLog {
  readonly #log: Logger;
  readonly #counts = new Map<string, { readonly labels: Record<string, string>; value: number }>();

  constructor(log: Logger) {
    this.#log = log;
  }

  note = ({ kind, intent, hash }: TransactorEvent): void => {
    const { name: call, id, nonce } = intent;
    this.#log[LEVELS[kind]]({ call, id, nonce, hash }, `transaction ${kind}`);
    const labels = { call, event: kind };
    const key = `${call} ${kind}`;
    const sample = this.#counts.get(key) ?? { labels, value: 0 };
    sample.value++;
    this.#counts.set(key, sample);
  };

  metrics(): Metric[] {
    const help = "Transactions since the start, by call and by what became of them.";
    return [{ name: "otr_transactions_total", help, type: "counter", samples: [...this.#counts.values()] }];
  }
}
