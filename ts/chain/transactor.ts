import {
  type Address,
  BaseError,
  type Chain,
  type Client,
  type Hex,
  keccak256,
  type LocalAccount,
  type TransactionReceipt,
  TransactionReceiptNotFoundError,
  type Transport,
} from "viem";
import {
  call,
  estimateFeesPerGas,
  estimateGas,
  getBlock,
  getBlockNumber,
  getTransactionCount,
  getTransactionReceipt,
  sendRawTransaction,
} from "viem/actions";
import { NonceTakenError, TransactionRevertedError, TransactionStuckError, TransactorClosedError } from "./errors.ts";
import { type Fees, gasLimitOf, raiseFees } from "./gas.ts";
import type { Attempt, Intent, IntentStore } from "./intent.ts";
import { decodeRevert } from "./revert.ts";
import type { Call, Sender, SendOptions } from "./sender.ts";
import { type Clock, systemClock } from "./time.ts";

/** How a transactor works. Times in milliseconds, fees in wei per gas. */
export interface TransactorOptions {
  readonly client: Client<Transport, Chain>;
  readonly account: LocalAccount;
  readonly store: IntentStore;
  readonly clock?: Clock;
  /** Between two looks for a receipt. */
  readonly pollMs?: number;
  /** After this long outside a block an attempt is replaced with higher fees. */
  readonly replaceAfterMs?: number;
  /** `send` gives up waiting after this long; the intent stays pending. */
  readonly sendTimeoutMs?: number;
  /** Replacements never offer more than this per gas. */
  readonly feeLimit?: bigint;
  /** Blocks that a transaction must have, its own included, to count as carried out. */
  readonly confirmations?: number;
  /**
   * A used nonce without a receipt counts as taken by a stranger, and one that nobody holds as a gap, only after this long: indexes and
   * other nodes lag.
   */
  readonly dropAfterMs?: number;
  /** Told of every attempt sent and every intent settled. */
  readonly onEvent?: (event: TransactorEvent) => void;
}

/** What happened to an intent, for logs. */
export interface TransactorEvent {
  readonly kind: "sent" | "replaced" | "mined" | "reverted" | "dropped" | "resumed" | "vanished";
  readonly intent: Intent;
  readonly hash?: Hex;
}

const DEFAULTS = {
  pollMs: 500,
  replaceAfterMs: 30_000,
  sendTimeoutMs: 600_000,
  feeLimit: 500_000_000_000n,
  confirmations: 1,
  dropAfterMs: 10_000,
};

/** A deed under way. */
interface Running {
  /** Set once it is signed. */
  intent: Intent | undefined;
  readonly done: Promise<TransactionReceipt>;
}

/**
 * The one sender of a key. Each call is simulated, then signed, written to the store and only then sent; a deed with an id is
 * carried out once, whatever crashes in between, because after a crash the same signed bytes are sent again.
 *
 * INVARIANT: two intents of one sender never share a nonce unless the first was dropped, and all attempts of one intent share
 * theirs: the chain itself then refuses to carry out an intent twice. That holds across reorganisations: an intent that was mined
 * keeps its nonce when its block vanishes, and goes back to the pool, as nodes do it too.
 */
export class Transactor implements Sender {
  readonly #o: Required<Omit<TransactorOptions, "onEvent">> & Pick<TransactorOptions, "onEvent">;
  readonly #closed = new AbortController();
  readonly #waiting = new Map<string, Running>();
  #turn: Promise<unknown> = Promise.resolve();
  #anonymous = 0;

  constructor(options: TransactorOptions) {
    this.#o = { clock: systemClock, ...DEFAULTS, ...options };
  }

  get address(): Address {
    return this.#o.account.address;
  }

  /**
   * Carries out a call. Under an id that is known and not yet mined, a call with other content replaces the earlier one: it takes the
   * same nonce, so that only one of the two can take effect.
   */
  async send(request: Call, options: SendOptions = {}): Promise<TransactionReceipt> {
    const id = options.id ?? `${this.address}:${this.#o.clock.now()}:${process.pid}:${this.#anonymous++}`;
    const running = this.#waiting.get(id);
    if (running === undefined) return this.#start(id, undefined, (started) => this.#carryOut(id, request, started));
    const { intent, done } = running;
    if (intent !== undefined && !sameCall(intent, request)) {
      done.catch(() => undefined);
      await this.#exclusive(() => this.#decideAnew(intent, request));
    }
    return done;
  }

  /** Follows every intent that an earlier process left pending; resolves when all are settled or timed out. */
  async resume(): Promise<void> {
    const left = this.#o.store.pending(this.#o.client.chain.id, this.address);
    await Promise.allSettled(
      left.map((intent) => {
        if (this.#waiting.has(intent.id)) return undefined;
        this.#emit({ kind: "resumed", intent });
        return this.#start(intent.id, intent, () => this.#follow(intent));
      }),
    );
  }

  /** Stops waiting. Nothing more is sent; pending intents stay in the store for `resume`. */
  async close(): Promise<void> {
    this.#closed.abort();
    await Promise.allSettled([...[...this.#waiting.values()].map(({ done }) => done), this.#turn]);
  }

  #start(
    id: string,
    intent: Intent | undefined,
    work: (running: Pick<Running, "intent">) => Promise<TransactionReceipt>,
  ): Promise<TransactionReceipt> {
    const started: Pick<Running, "intent"> = { intent };
    const done = work(started).finally(() => this.#waiting.delete(id));
    this.#waiting.set(id, Object.assign(started, { done }));
    return done;
  }

  async #carryOut(id: string, request: Call, running: Pick<Running, "intent">): Promise<TransactionReceipt> {
    const known = this.#o.store.get(id);
    if (known?.status === "mined" || known?.status === "reverted") {
      const receipt = await this.#receipt(known.minedHash!);
      if (receipt === undefined) this.#vanished(known);
      else if (known.status === "mined") return receipt;
    }
    if (known?.status === "dropped") {
      // Whoever had its nonce may have lost it again to a reorganisation.
      const receipt = await this.#settled(known);
      if (receipt !== undefined) return this.#settle(known, receipt);
    }
    if (known?.status === "pending") {
      running.intent = known;
      if (!sameCall(known, request)) await this.#exclusive(() => this.#decideAnew(known, request));
      return this.#follow(known);
    }
    running.intent = await this.#exclusive(() => this.#sign(id, request));
    return this.#follow(running.intent);
  }

  /** A reorganisation took it out of the chain: the same bytes go back to the pool. */
  #vanished(intent: Intent): void {
    intent.status = "pending";
    this.#o.store.put(intent);
    this.#emit({ kind: "vanished", intent });
  }

  /** Gas limit of a call that passes its simulation. @throws ContractRevertError if it does not */
  async #simulate(request: Call): Promise<bigint> {
    const { client, account } = this.#o;
    const { to, data, value } = request;
    try {
      await call(client, { account: account.address, to, data, value });
      return gasLimitOf(await estimateGas(client, { account: account.address, to, data, value }));
    } catch (error) {
      throw decodeRevert(error, request);
    }
  }

  /** Puts another call under the same nonce: what was decided before a reorganisation may be wrong after it. */
  async #decideAnew(intent: Intent, request: Call): Promise<void> {
    const gas = await this.#simulate(request);
    const { to, data, value, name } = request;
    await this.#replace(intent, { to, data, value, name, gas });
  }

  /** Simulates, takes the next nonce, signs, stores, sends: one intent at a time. */
  async #sign(id: string, request: Call): Promise<Intent> {
    const { client, account, store } = this.#o;
    const { to, data, value, name } = request;
    const gas = await this.#simulate(request);
    const fees = await estimateFeesPerGas(client);
    const intent: Intent = {
      id,
      chainId: client.chain.id,
      sender: account.address,
      to,
      data,
      value,
      gas,
      name,
      nonce: await this.#nextNonce(),
      attempts: [],
      status: "pending",
    };
    intent.attempts.push(await this.#signAttempt(intent, fees));
    if (this.#closed.signal.aborted) throw new TransactorClosedError();
    store.put(intent);
    await this.#broadcast(intent.attempts[0]!);
    this.#emit({ kind: "sent", intent, hash: intent.attempts[0]!.hash });
    return intent;
  }

  /** The first nonce from the chain's count on that no intent holds. */
  async #nextNonce(): Promise<number> {
    const mined = await getTransactionCount(this.#o.client, { address: this.address, blockTag: "latest" });
    const taken = this.#underway(mined);
    let nonce = mined;
    while (taken.has(nonce)) nonce++;
    return nonce;
  }

  /** Whether a nonce before this one is held by nobody, so that the chain cannot come to it. */
  #gap(mined: number, nonce: number): boolean {
    if (mined >= nonce) return false;
    const taken = this.#underway(mined);
    for (let n = mined; n < nonce; n++) if (!taken.has(n)) return true;
    return false;
  }

  /**
   * Uses up the first nonce that nobody holds, if it still comes before this one, by a call that does nothing. Such a gap is left when a
   * deed that had reverted, and was carried out anew under a later nonce, vanishes in a reorganisation with all that came after.
   */
  async #fill(before: number): Promise<void> {
    const nonce = await this.#nextNonce();
    if (nonce >= before) return;
    const nothing: Call = { abi: [], to: this.address, data: "0x", value: 0n, name: "nothing, to use up a nonce" };
    const id = `gap:${nonce}:${this.#o.clock.now()}`;
    const intent = await this.#sign(id, nothing);
    this.#start(id, intent, () => this.#follow(intent)).catch(() => undefined);
  }

  /** Follows whatever holds a nonce from the chain's count on, though nobody may ask for it again: later nonces wait for it. */
  #underway(mined: number): Set<number> {
    const holding = this.#o.store.holding(this.#o.client.chain.id, this.address, mined);
    for (const intent of holding) {
      if (this.#waiting.has(intent.id)) continue;
      if (intent.status !== "pending") this.#vanished(intent);
      this.#start(intent.id, intent, () => this.#follow(intent)).catch(() => undefined);
    }
    return new Set(holding.map((intent) => intent.nonce));
  }

  async #signAttempt(intent: Intent, fees: Fees): Promise<Attempt> {
    const { nonce, gas, to, data, value, chainId } = intent;
    const raw = await this.#o.account.signTransaction({
      type: "eip1559",
      chainId,
      nonce,
      gas,
      to,
      data,
      value,
      maxFeePerGas: fees.maxFeePerGas,
      maxPriorityFeePerGas: fees.maxPriorityFeePerGas,
    });
    return { hash: keccak256(raw), raw, ...fees, sentAt: this.#o.clock.now() };
  }

  /**
   * Whether the chain asks more than an attempt offers: no block can take it, and pools refuse it. So it is with most that come back
   * after a reorganisation, and every later nonce waits behind it.
   */
  async #outbid({ maxFeePerGas }: Attempt): Promise<boolean> {
    const { baseFeePerGas } = await getBlock(this.#o.client).catch(() => ({ baseFeePerGas: null }));
    return baseFeePerGas !== null && baseFeePerGas > maxFeePerGas;
  }

  /**
   * Gives the bytes to the node. Refusals are no failure here: what counts is whether an attempt gets mined.
   * @returns What the node said if it did not take them: known already, nonce used, too little ether, node away.
   */
  async #broadcast(attempt: Attempt): Promise<string | undefined> {
    try {
      await sendRawTransaction(this.#o.client, { serializedTransaction: attempt.raw });
      return undefined;
    } catch (error) {
      return error instanceof BaseError ? error.details : String(error);
    }
  }

  /** Waits until one attempt is in a block; sends again and replaces on the way. */
  async #follow(intent: Intent): Promise<TransactionReceipt> {
    const { clock, pollMs, replaceAfterMs, sendTimeoutMs, dropAfterMs } = this.#o;
    const giveUpAt = clock.now() + sendTimeoutMs;
    let takenSince: number | undefined;
    let gapSince: number | undefined;
    while (!this.#closed.signal.aborted) {
      const nonce = await this.#minedNonce();
      if (nonce === undefined || !this.#gap(nonce, intent.nonce)) gapSince = undefined;
      else gapSince ??= clock.now();
      if (gapSince !== undefined && clock.now() - gapSince >= dropAfterMs) {
        await this.#exclusive(() => this.#fill(intent.nonce)).catch(() => undefined);
      }
      // Asked after the count: if the nonce is used and no attempt has a receipt, the nonce went elsewhere. Or so it seems: a node's
      // index of receipts, or another node behind the same endpoint, may be late.
      const receipt = await this.#settled(intent);
      if (receipt !== undefined) return this.#settle(intent, receipt);
      if (nonce === undefined || nonce <= intent.nonce || (await this.#known(intent))) takenSince = undefined;
      else takenSince ??= clock.now();
      if (takenSince !== undefined && clock.now() - takenSince >= dropAfterMs) {
        this.#mark(intent, "dropped");
        throw new NonceTakenError(intent.name, intent.nonce);
      }
      const last = intent.attempts.at(-1)!;
      const isDue = clock.now() - last.sentAt >= replaceAfterMs || (await this.#outbid(last));
      const refusal = isDue ? await this.#replace(intent) : await this.#broadcast(last);
      if (clock.now() >= giveUpAt) {
        const hashes = intent.attempts.map((attempt) => attempt.hash);
        throw new TransactionStuckError(intent.name, sendTimeoutMs / 1000, hashes, refusal);
      }
      await clock.sleep(pollMs, this.#closed.signal);
    }
    throw new TransactorClosedError();
  }

  #settle(intent: Intent, receipt: TransactionReceipt): TransactionReceipt {
    intent.minedHash = receipt.transactionHash;
    this.#mark(intent, receipt.status === "success" ? "mined" : "reverted");
    if (receipt.status === "success") return receipt;
    throw new TransactionRevertedError(intent.name, receipt.transactionHash);
  }

  #mark(intent: Intent, status: "mined" | "reverted" | "dropped"): void {
    intent.status = status;
    this.#o.store.put(intent);
    const hash = intent.minedHash;
    this.#emit({ kind: status, intent, ...(hash === undefined ? {} : { hash }) });
  }

  /** Signs the same nonce again with higher fees, if the limit allows; else sends the old bytes again. */
  async #replace(
    intent: Intent,
    changes?: Pick<Intent, "to" | "data" | "value" | "name" | "gas">,
  ): Promise<string | undefined> {
    const last = intent.attempts.at(-1)!;
    const now = await estimateFeesPerGas(this.#o.client).catch(() => last);
    const fees = raiseFees(last, now, this.#o.feeLimit);
    if (fees === undefined) return this.#broadcast(last);
    const attempt = await this.#signAttempt({ ...intent, ...changes }, fees);
    if (this.#closed.signal.aborted || intent.status !== "pending") return undefined;
    Object.assign(intent, changes);
    intent.attempts.push(attempt);
    this.#o.store.put(intent);
    const refusal = await this.#broadcast(attempt);
    this.#emit({ kind: "replaced", intent, hash: attempt.hash });
    return refusal;
  }

  /** Receipt of the attempt that is in a block deep enough, if one is. */
  async #settled(intent: Intent): Promise<TransactionReceipt | undefined> {
    for (const attempt of intent.attempts.toReversed()) {
      const receipt = await this.#receipt(attempt.hash);
      if (receipt === undefined) continue;
      if (this.#o.confirmations <= 1) return receipt;
      const head = await getBlockNumber(this.#o.client, { cacheTime: 0 }).catch(() => receipt.blockNumber);
      if (head - receipt.blockNumber + 1n >= BigInt(this.#o.confirmations)) return receipt;
    }
    return undefined;
  }

  /** True if the chain has any attempt in a block, at whatever depth. A failed look counts as true: nothing is given up. */
  async #known(intent: Intent): Promise<boolean> {
    for (const { hash } of intent.attempts) {
      try {
        await getTransactionReceipt(this.#o.client, { hash });
        return true;
      } catch (error) {
        if (!(error instanceof TransactionReceiptNotFoundError)) return true;
      }
    }
    return false;
  }

  async #receipt(hash: Hex): Promise<TransactionReceipt | undefined> {
    return getTransactionReceipt(this.#o.client, { hash }).catch(() => undefined);
  }

  /** Number of mined transactions of this sender; undefined when the node does not answer. */
  async #minedNonce(): Promise<number | undefined> {
    return getTransactionCount(this.#o.client, { address: this.address, blockTag: "latest" }).catch(() => undefined);
  }

  /** Runs one task at a time, in order of the calls. */
  #exclusive<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(task);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  #emit(event: TransactorEvent): void {
    this.#o.onEvent?.(event);
  }
}

/** Whether an intent is to call just that. */
function sameCall(intent: Intent, { to, data, value }: Call): boolean {
  return intent.data === data && intent.value === value && intent.to.toLowerCase() === to.toLowerCase();
}
