import type { Abi, Address, Hex } from "viem";
import { getBlock } from "viem/actions";
import { ABIS } from "../chain/abis.ts";
import { getBatch } from "../chain/actions/batch.ts";
import { answerCall, type DemandKey, getDemand } from "../chain/actions/demand.ts";
import { answerOfPartsCall, fitsOneTransaction, postedParts, promptParts } from "../chain/actions/parts.ts";
import { sameAddress } from "../chain/client.ts";
import { openReceipt } from "../chain/committed.ts";
import { type EventArgs, type OtrContext, read } from "../chain/context.ts";
import { DueStore } from "../chain/due-store.ts";
import { NoSenderError, TransactorClosedError } from "../chain/errors.ts";
import { GameContracts } from "../chain/game-contracts.ts";
import type { Sender } from "../chain/sender.ts";
import { SqliteCursorStore } from "../chain/sqlite.ts";
import { type Clock, systemClock } from "../chain/time.ts";
import { type WatchedLog, Watcher } from "../chain/watch.ts";
import type { Logger } from "../config/logger.ts";
import type { Bundle } from "../sdk/bundle.ts";
import type { Database, SqlRow } from "../store/database.ts";
import { EvidenceMissingError } from "./errors.ts";
import type { DisputeResponder, EvidenceSource } from "./ports.ts";

/** How the responder to demands works. */
export interface DemandResponderOptions {
  /** Its sender is the executor or one of its delegates; a `Transactor`, so that nothing is answered twice. */
  readonly context: OtrContext;
  /** Whose batches these are. */
  readonly executor: Address;
  /** The executor's database: its migrations contain `CHAIN_SQL`, `DEMANDS_SQL` and `DUES_SQL`. */
  readonly database: Database;
  readonly log: Logger;
  /** First block that can hold a batch: the deployment's. */
  readonly fromBlock: bigint;
  readonly clock?: Clock;
  /** Milliseconds between two looks at the chain. */
  readonly pollMs?: number;
  /** Blocks per log query at most. */
  readonly maxRange?: bigint;
  /** Milliseconds that an endpoint's machines may lag behind each other. */
  readonly lagMs?: number;
}

interface OpenDemand extends DemandKey {
  readonly block: bigint;
  readonly deadline: bigint;
}

type Evidence = Pick<EvidenceSource, "bundle" | "leaves">;

/** Between two attempts at an answer that failed. */
const RETRY_MS = 5000;

/**
 * Answers demands for the data of this executor's receipts out of its store, the next deadline first, and notes what it may collect one day.
 * After `kill -9` it goes on where it was: every answer is a deed with a name.
 */
export class DemandResponder implements DisputeResponder {
  readonly #o: DemandResponderOptions & { readonly clock: Clock; readonly pollMs: number };
  readonly #dues: DueStore;
  readonly #stop = new AbortController();
  readonly #paused = new Map<string, number>();
  #loop: Promise<void> = Promise.resolve();

  constructor(options: DemandResponderOptions) {
    this.#o = { clock: systemClock, pollMs: 1000, ...options };
    this.#dues = new DueStore(options.database);
  }

  async start(evidence: Evidence): Promise<void> {
    const { clock, log, pollMs } = this.#o;
    const watcher = this.#watcher();
    this.#loop = (async () => {
      while (!this.#stop.signal.aborted) {
        // Demands that are known are answered even if no new ones can be read: their deadlines do not wait.
        await watcher.sync(this.#stop.signal).catch((err: unknown) => log.warn({ err }, "new demands cannot be read"));
        await this.#answerAll(evidence).catch((err: unknown) => log.warn({ err }, "demands cannot be answered"));
        await clock.sleep(pollMs, this.#stop.signal);
      }
    })();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  /** Demands that wait for an answer, the next deadline first. */
  open(): OpenDemand[] {
    const sql = "SELECT * FROM demands WHERE status = 'open' ORDER BY deadline";
    return this.#o.database.all(sql).map(demandOf);
  }

  async #answerAll(evidence: Evidence): Promise<void> {
    const { clock, log } = this.#o;
    for (const demand of this.open()) {
      const key = `${demand.batchId}:${demand.index}`;
      if (this.#stop.signal.aborted || clock.now() < (this.#paused.get(key) ?? 0)) continue;
      try {
        await this.#answer(evidence, demand);
      } catch (err) {
        this.#paused.set(key, clock.now() + RETRY_MS);
        log.error(
          { batch: demand.batchId, index: demand.index, deadline: demand.deadline, err },
          "demand not answered",
        );
      }
    }
  }

  async #answer(evidence: Evidence, demand: OpenDemand): Promise<void> {
    const { context, log } = this.#o;
    const { batchId, index, availability } = demand;
    const { state, deadline } = await getDemand(context, demand);
    // Not there: its demand was reorganised away and may come back.
    if (state === "none") return;
    if (state !== "open") return this.#over(demand);
    if ((await getBlock(context.client)).timestamp > deadline) {
      log.error({ batch: batchId, index, deadline }, "a demand's deadline has passed: it convicts");
      return this.#over(demand);
    }
    const batch = await getBatch(context, batchId);
    if (batch === undefined) return;
    const hashes = evidence.leaves(batch.root) ?? this.#single(batchId);
    const bundle = hashes === undefined ? undefined : evidence.bundle(hashes[index]);
    if (hashes === undefined || bundle === undefined)
      throw new EvidenceMissingError(hashes?.[index] ?? batch.root, "the answer is not in the store");
    const { receipt, request } = bundle;
    const committed = openReceipt(batchId, receipt, hashes, index);
    // Of a confidential answer the prompt stays hidden.
    const input = request.confidential ? [] : bundle.inputTokens;
    const whole = answerCall({ availability, committed, request, input });
    const { sender } = context;
    if (sender === undefined) throw new NoSenderError(whole.name);
    const call = fitsOneTransaction(whole) ? whole : answerOfPartsCall({ availability, committed, request });
    if (call !== whole) await this.#postParts(sender, demand, bundle);
    const { transactionHash, gasUsed } = await sender.send(call, { id: `answer:${batchId}:${index}` });
    log.warn({ batch: batchId, index, hash: transactionHash, gas: gasUsed }, "demand answered");
    this.#over(demand);
  }

  /** Posts what is missing of a prompt that no single transaction holds. Parts count for their sender, whatever was posted before a crash. */
  async #postParts(sender: Sender, { availability, block }: OpenDemand, { receipt, request, inputTokens }: Bundle) {
    const { context, log } = this.#o;
    const { requestHash } = receipt;
    const by = sender.address;
    const parts = await promptParts(context, { availability, request, input: inputTokens });
    const posted = await postedParts(context, { availability, requestHash, by }, block);
    for (const { part, call } of parts) {
      if (posted.has(part)) continue;
      if (this.#stop.signal.aborted) throw new TransactorClosedError();
      const { gasUsed } = await sender.send(call, { id: `part:${availability}:${by}:${requestHash}:${part}` });
      log.info({ requestHash, part, of: parts.length, gas: gasUsed }, "part of a demanded prompt posted");
    }
  }

  #single(batchId: bigint): readonly Hex[] | undefined {
    const row = this.#o.database.get("SELECT receipt_hash FROM singles WHERE batch_id = ?", batchId.toString());
    return row && [row.receipt_hash as Hex];
  }

  #over({ batchId, index }: OpenDemand): void {
    const sql = "UPDATE demands SET status = 'over' WHERE batch_id = ? AND position = ?";
    this.#o.database.run(sql, batchId.toString(), index);
    this.#paused.delete(`${batchId}:${index}`);
  }

  #watcher(): Watcher {
    const { context, fromBlock, clock, maxRange, lagMs, database, log } = this.#o;
    const courts = new GameContracts(context);
    return new Watcher({
      client: context.client,
      name: "demands",
      store: new SqliteCursorStore(database),
      addresses: async () => [context.addresses.rollup, ...(await courts.availability()), ...(await courts.list())],
      abi: [...ABIS.rollup, ...ABIS.availability, ...ABIS.game] as Abi,
      fromBlock,
      clock,
      ...(maxRange === undefined ? {} : { maxRange }),
      ...(lagMs === undefined ? {} : { lagMs }),
      onRange: async (logs) => {
        for (const event of logs) await this.#note(event);
      },
      onRewind: (block) => {
        log.warn({ block }, "reorganisation");
        database.transaction(() => {
          for (const table of ["demands", "singles"])
            database.run(`DELETE FROM ${table} WHERE block > ?`, Number(block));
          database.run("UPDATE demands SET status = 'open'");
          this.#dues.rewind(block);
        });
      },
    });
  }

  /** Whatever may become a liability or bring money is noted, each time it is read. */
  async #note({ eventName, args, address, blockNumber: block }: WatchedLog): Promise<void> {
    const { database, executor, log } = this.#o;
    if (eventName === "BatchCommitted") {
      const batch = args as EventArgs<"rollup", "BatchCommitted">;
      if (!sameAddress(batch.executor, executor)) return;
      this.#dues.add({ kind: "batch", address, key: batch.batchId.toString(), block });
    } else if (eventName === "ReceiptCommittedAlone") {
      const { batchId, receiptHash } = args as EventArgs<"rollup", "ReceiptCommittedAlone">;
      const sql = "INSERT OR REPLACE INTO singles VALUES (?, ?, ?)";
      if (await this.#isOwn(batchId)) database.run(sql, batchId.toString(), receiptHash, Number(block));
    } else if (eventName === "GameOpened") {
      const { gameId, receipt } = args as EventArgs<"game", "GameOpened">;
      if (sameAddress(receipt.executor, executor))
        this.#dues.add({ kind: "game", address, key: gameId.toString(), block });
    } else if (eventName === "Demanded") {
      const { batchId, index, deadline, demander } = args as EventArgs<"availability", "Demanded">;
      if (!(await this.#isOwn(batchId))) return;
      database.transaction(() => {
        const sql = "INSERT INTO demands VALUES (?, ?, ?, ?, ?, 'open') ON CONFLICT (batch_id, position) DO NOTHING";
        database.run(sql, batchId.toString(), Number(index), address, Number(block), Number(deadline));
        this.#dues.add({ kind: "demand", address, key: `${batchId}:${index}`, block });
      });
      log.warn({ batch: batchId, index, demander, deadline }, "data of this executor was demanded");
    }
  }

  async #isOwn(batchId: bigint): Promise<boolean> {
    const { executor } = await read(this.#o.context, "rollup", "batchOf", [batchId]);
    return sameAddress(executor, this.#o.executor);
  }
}

function demandOf(row: SqlRow): OpenDemand {
  return {
    batchId: BigInt(String(row.batch_id)),
    index: Number(row.position),
    availability: row.court as Address,
    block: BigInt(Number(row.block)),
    deadline: BigInt(Number(row.deadline)),
  };
}
