import type { Address, Hex } from "viem";

/** One signed transaction of an intent. All attempts of an intent share its nonce, so at most one can ever be mined. */
export interface Attempt {
  readonly hash: Hex;
  /** The signed bytes: sending them again after a crash is the same transaction. */
  readonly raw: Hex;
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
  /** Milliseconds since 1970. */
  readonly sentAt: number;
}

/** A deed that a sender has decided on: written before anything is sent. */
export interface Intent {
  readonly id: string;
  readonly chainId: number;
  readonly sender: Address;
  readonly to: Address;
  readonly data: Hex;
  readonly value: bigint;
  readonly gas: bigint;
  readonly name: string;
  nonce: number;
  attempts: Attempt[];
  /** `pending`: may be mined; `mined`, `reverted`: in a block; `dropped`: its nonce went to a transaction that is not ours. */
  status: "pending" | "mined" | "reverted" | "dropped";
  /** Hash of the attempt that was mined. */
  minedHash?: Hex;
}

/** Where a transactor remembers its intents. Writes are on disk when the call returns. */
export interface IntentStore {
  get(id: string): Intent | undefined;
  put(intent: Intent): void;
  /** Intents of one sender that may still be mined, by nonce. */
  pending(chainId: number, sender: Address): Intent[];
}

/** A store that forgets at the end of the process. */
export class MemoryIntentStore implements IntentStore {
  readonly #intents = new Map<string, Intent>();

  get(id: string): Intent | undefined {
    const found = this.#intents.get(id);
    return found === undefined ? undefined : structuredClone(found);
  }

  put(intent: Intent): void {
    this.#intents.set(intent.id, structuredClone(intent));
  }

  pending(chainId: number, sender: Address): Intent[] {
    return [...this.#intents.values()]
      .filter((i) => i.status === "pending" && i.chainId === chainId && i.sender.toLowerCase() === sender.toLowerCase())
      .map((i) => structuredClone(i))
      .sort((a, b) => a.nonce - b.nonce);
  }
}
