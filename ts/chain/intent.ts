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
  /** What is called: changes when the deed is decided anew before it took effect. */
  to: Address;
  data: Hex;
  value: bigint;
  gas: bigint;
  name: string;
  nonce: number;
  attempts: Attempt[];
  /**
   * `pending`: may be mined; `mined`, `reverted`: in a block, which a reorganisation may take away; `dropped`: its nonce went to a
   * transaction that is not ours.
   */
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
  /** Intents of one sender that hold a nonce from `nonce` on, by nonce; those that are dropped hold none. */
  holding(chainId: number, sender: Address, nonce: number): Intent[];
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
    return this.holding(chainId, sender, 0).filter(({ status }) => status === "pending");
  }

  holding(chainId: number, sender: Address, nonce: number): Intent[] {
    return [...this.#intents.values()]
      .filter((i) => i.chainId === chainId && i.sender.toLowerCase() === sender.toLowerCase())
      .filter((i) => i.status !== "dropped" && i.nonce >= nonce)
      .map((i) => structuredClone(i))
      .sort((a, b) => a.nonce - b.nonce);
  }
}
