import type { Abi } from "viem";
import { getBlock } from "viem/actions";
import { ABIS } from "../chain/abis.ts";
import { deliverAnswer } from "../chain/actions/deliver-answer.ts";
import { finishRequest } from "../chain/actions/finish-request.ts";
import { getAnswer, getRequest, isDelivered, type OnChainRequest } from "../chain/actions/get-request.ts";
import { statusOf } from "../chain/actions/status-of.ts";
import { type CommittedReceipt, openReceipt } from "../chain/committed.ts";
import type { EventArgs, OtrContext } from "../chain/context.ts";
import { ContractRevertError } from "../chain/errors.ts";
import { FINALITIES } from "../chain/request-state.ts";
import { SqliteCursorStore } from "../chain/sqlite.ts";
import { type Clock, systemClock } from "../chain/time.ts";
import { Watcher } from "../chain/watch.ts";
import type { Hex } from "../commit/bytes.ts";
import { type Domain, hashRequest, type Request, STOP_REASON } from "../commit/typed-data.ts";
import type { Logger } from "../config/logger.ts";
import { gaugeBy, type Metric } from "../metrics/metric.ts";
import type { Database } from "../store/database.ts";
import type { Answer } from "../store/executor-rows.ts";
import type { ExecutorStore } from "../store/executor-store.ts";
import { type AskedRequest, AskedStore } from "./asked-store.ts";
import {
  AlreadyAnsweredError,
  EnclaveOrderError,
  NotServingError,
  OverloadedError,
  PromptTooLongError,
  TooLongToProveError,
} from "./errors.ts";
import { type Offer, refusalOf } from "./offer.ts";
import type { AnswerSource, ChainPort, RequestServer } from "./ports.ts";

/** How requests on the chain are served. */
export interface OnChainRequestsOptions {
  /** Its sender is a `Transactor`, so that no answer is delivered twice. */
  readonly context: OtrContext;
  readonly domain: Domain;
  /** Knows this executor's batches. */
  readonly chain: Pick<ChainPort, "findBatch">;
  /** Models that are served. */
  readonly modelIds: readonly Hex[];
  readonly offer: Offer;
  /** The executor's database, and the answers in it. */
  readonly database: Database;
  readonly answers: Pick<ExecutorStore, "answerOf" | "leaves">;
  readonly log: Logger;
  /** First block that can hold a request: the deployment's. */
  readonly fromBlock: bigint;
  readonly clock?: Clock;
  /** Milliseconds between two looks at the chain. */
  readonly pollMs?: number;
  /** Blocks per log query at most. */
  readonly maxRange?: bigint;
  /** See `WatcherOptions`. */
  readonly lagMs?: number;
  /** Blocks until what the chain says counts as settled. */
  readonly confirmations?: number;
}

/** Errors of the coordinator that no later attempt changes. */
const FOR_GOOD = new Set(["WrongState", "DeliveryOver", "CommittedLate", "NoLock", "ReceiptContradicts"]);

/** What is over is kept this long, for whoever wonders. */
const RETENTION_MS = 90 * 24 * 3600 * 1000;

/**
 * Watches for requests of contracts, has them answered on the same path as any other, and delivers the answers. Each pass looks at the
 * chain and at the store anew and takes the next step, so that a process that was killed goes on where it was; every transaction is a deed
 * with a name, carried out once.
 */
export class OnChainRequests implements RequestServer {
  readonly #o: OnChainRequestsOptions & Required<Pick<OnChainRequestsOptions, "clock" | "pollMs" | "confirmations">>;
  readonly #asked: AskedStore;
  readonly #stop = new AbortController();
  readonly #running = new Set<Hex>();
  #loop: Promise<void> = Promise.resolve();

  constructor(options: OnChainRequestsOptions) {
    this.#o = { clock: systemClock, pollMs: 1000, confirmations: 1, ...options };
    this.#asked = new AskedStore(options.database, () => this.#o.clock.now());
  }

  async start(answers: AnswerSource): Promise<void> {
    const { clock, pollMs, log } = this.#o;
    const watcher = this.#watcher();
    this.#asked.prune(clock.now() - RETENTION_MS);
    this.#loop = (async () => {
      while (!this.#stop.signal.aborted) {
        // Requests that are known are served even if no new ones can be read: their deadlines do not wait.
        await watcher.sync(this.#stop.signal).catch((err: unknown) => log.warn({ err }, "new requests cannot be read"));
        await this.#pass(answers).catch((err: unknown) =>
          log.warn({ err }, "the chain does not answer; requests wait"),
        );
        await clock.sleep(pollMs, this.#stop.signal);
      }
    })();
  }

  /** An operator's numbers. */
  metrics(): Metric[] {
    return [gaugeBy("otr_requests", "Requests of contracts, by what became of them.", "state", this.#asked.counts())];
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  #watcher(): Watcher {
    const { context, fromBlock, clock, maxRange, lagMs, database } = this.#o;
    return new Watcher({
      client: context.client,
      name: "requests",
      store: new SqliteCursorStore(database),
      addresses: () => [context.addresses.requests],
      abi: ABIS.requests as Abi,
      fromBlock,
      clock,
      ...(maxRange === undefined ? {} : { maxRange }),
      ...(lagMs === undefined ? {} : { lagMs }),
      onRange: (logs) => {
        for (const { eventName, args, blockNumber } of logs)
          if (eventName === "Requested") this.#requested(args as EventArgs<"requests", "Requested">, blockNumber);
      },
      onRewind: (block) => this.#asked.rewind(block),
    });
  }

  /** Takes in a request for a model that is served. */
  #requested(event: EventArgs<"requests", "Requested">, block: bigint): void {
    const { domain, modelIds, log } = this.#o;
    const { requestHash, input, finality } = event;
    if (!modelIds.includes(event.modelId.toLowerCase() as Hex)) return;
    const request = requestOf(event.request);
    if (hashRequest(domain, request) === requestHash) {
      this.#asked.add({ requestHash, request, input, finality: FINALITIES[finality]!, block });
      log.info({ requestHash, payment: event.payment }, "a request was made on the chain");
    } else {
      log.error({ requestHash }, "the coordinator hashes requests for another rollup");
    }
  }

  async #pass(answers: AnswerSource): Promise<void> {
    const asked = this.#asked.open();
    if (asked.length === 0) return;
    const { number, timestamp } = await getBlock(this.#o.context.client);
    for (const request of asked) {
      if (this.#stop.signal.aborted) return;
      try {
        await this.#advance(request, answers, { number, timestamp });
      } catch (err) {
        this.#failed(request, err);
      }
    }
  }

  #failed({ requestHash }: AskedRequest, err: unknown): void {
    const { log } = this.#o;
    if (err instanceof ContractRevertError && err.errorName !== undefined && FOR_GOOD.has(err.errorName))
      this.#leave(requestHash, `the coordinator refuses: ${err.errorName}`);
    else if (err instanceof PromptTooLongError || err instanceof TooLongToProveError)
      this.#leave(requestHash, err.message.replaceAll("\n", " "));
    else if (err instanceof NotServingError || err instanceof OverloadedError)
      log.debug({ requestHash, err }, "a request waits for this executor");
    else log.warn({ requestHash, err }, "a request waits");
  }

  /** The next step for a request. */
  async #advance(
    asked: AskedRequest,
    answers: AnswerSource,
    head: { number: bigint; timestamp: bigint },
  ): Promise<void> {
    const { context, answers: store, confirmations } = this.#o;
    const { requestHash } = asked;
    const info = await getRequest(context, requestHash);
    if (info.state === "refunded") return this.#leave(requestHash, "it was refunded");
    if (info.state === "final") {
      // Over once it is deep enough: what a reorganisation takes out of the chain comes back here.
      const blockNumber = head.number - BigInt(Math.max(0, confirmations - 1));
      const { state } = await getRequest(context, requestHash, { blockNumber });
      return state === "final" ? this.#settled(asked) : undefined;
    }
    // Its block was taken back, and the watcher has not seen it yet.
    if (info.state === "none") return;
    const answer = store.answerOf(requestHash);
    if (answer === undefined || answer.state === "sealed" || answer.state === "lost")
      return this.#answer(asked, answers, info, head.timestamp);
    if (answer.receipt.stopReason === STOP_REASON.cancelled)
      return this.#leave(requestHash, "its answer was cut short");
    if (answer.state === "expired") return this.#leave(requestHash, "its answer was never committed");
    const committed = await this.#committed(answer);
    if (committed !== undefined) await this.#deliver(asked, answer, committed, info);
  }

  /** Has a request answered, if it suits and nobody has delivered an answer. */
  #answer(asked: AskedRequest, answers: AnswerSource, info: OnChainRequest, now: bigint): void {
    const { offer, log } = this.#o;
    const { requestHash, request, input, finality } = asked;
    if (this.#running.has(requestHash)) return;
    const terms = { request, finality, callbackGas: info.callbackGas, payment: info.payment };
    const refusal = refusalOf(offer, terms, now);
    if (refusal !== undefined) this.#leave(requestHash, refusal);
    // If somebody else was first: should that answer be dropped in time, this one is wanted.
    if (refusal !== undefined || info.candidates > 0) return;
    const run = answers.begin({ request, requestHash, prompt: input, whole: true });
    this.#running.add(requestHash);
    const read = async () => {
      for await (const _ of run.steps());
      log.info({ requestHash }, "a request of the chain is answered");
    };
    read()
      .catch((err: unknown) => {
        if (err instanceof EnclaveOrderError || err instanceof AlreadyAnsweredError)
          return this.#leave(requestHash, err.shortMessage);
        log.warn({ requestHash, err }, "a request of the chain could not be answered");
      })
      .finally(() => this.#running.delete(requestHash));
  }

  /** The answer's receipt with its opening, once its batch is on the chain. */
  async #committed({ receipt, receiptHash, batchRoot }: Answer): Promise<CommittedReceipt | undefined> {
    const { chain, answers } = this.#o;
    const batch = batchRoot === undefined ? undefined : await chain.findBatch(batchRoot);
    if (batch === undefined || batchRoot === undefined) return undefined;
    const leaves = answers.leaves(batchRoot);
    if (leaves === undefined) return undefined;
    return openReceipt(batch.batchId, receipt, leaves, leaves.indexOf(receiptHash));
  }

  /** Delivers a committed answer, then acts on what became of it. */
  async #deliver(
    { requestHash, request, finality }: AskedRequest,
    { outputTokens: output }: Answer,
    committed: CommittedReceipt,
    info: OnChainRequest,
  ): Promise<void> {
    const { context, log } = this.#o;
    const { batchId } = committed;
    const status = await statusOf(context, committed);
    if (!(await isDelivered(context, { requestHash, committed }))) {
      if (status === "reverted" || status === "none") return this.#leave(requestHash, `its receipt is ${status}`);
      // The same answer stands already: another one would only cost gas, unless that one is dropped.
      if (info.state === "provisional" && sameTokens((await getAnswer(context, requestHash)).output, output)) return;
      const hash = await deliverAnswer(context, {
        request,
        committed,
        output,
        id: `deliver:${requestHash}:${batchId}`,
      });
      return log.info({ requestHash, batchId, hash }, "answer delivered");
    }
    const shows = status === "provisional" && finality === "provisional" && info.state === "open";
    if (status === "provisional" && !shows) return;
    if (status === "challenged") return;
    const hash = await finishRequest(context, {
      requestHash,
      committed,
      id: `finish:${requestHash}:${batchId}:${status}`,
    });
    log.info({ requestHash, batchId, status, hash }, "request finished");
  }

  /** A request is answered for good: by us, or by somebody else. */
  #settled({ requestHash }: AskedRequest): void {
    this.#o.log.info({ requestHash }, "a request of the chain is settled");
    this.#asked.close(requestHash, "settled", "its answer is final");
  }

  #leave(requestHash: Hex, note: string): void {
    this.#o.log.info({ requestHash, reason: note }, "a request of the chain is left alone");
    this.#asked.close(requestHash, "left", note);
  }
}

/** A request as everything here spells it: lower-case. */
function requestOf(request: EventArgs<"requests", "Requested">["request"]): Request {
  const lower = (hex: Hex) => hex.toLowerCase() as Hex;
  return {
    ...request,
    requester: lower(request.requester),
    modelId: lower(request.modelId),
    inputRoot: lower(request.inputRoot),
    seed: lower(request.seed),
    watchers: request.watchers.map(lower),
  };
}

function sameTokens(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((token, i) => token === b[i]);
}
