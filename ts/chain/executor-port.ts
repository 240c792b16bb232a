import { type Abi, type Address, type Hex, zeroAddress } from "viem";
import { getBlock, getBlockNumber } from "viem/actions";
import type { ChainPort, CommittedBatch, ExecutorStanding, OwnBatch } from "../executor/ports.ts";
import type { ChainFacts, ChainFactsSource, FactsSubject } from "../sdk/chain-facts.ts";
import { ABIS } from "./abis.ts";
import { commitBatch } from "./actions/commit-batch.ts";
import { getPromptLimit } from "./actions/demand.ts";
import { getRules } from "./actions/rules.ts";
import { sameAddress } from "./client.ts";
import { type EventArgs, type OtrContext, read } from "./context.ts";
import { systemClock } from "./time.ts";
import type { Transactor } from "./transactor.ts";
import { type Checkpoint, MemoryCursorStore, Watcher } from "./watch.ts";

/** Basis points of a whole. */
const WHOLE = 10_000n;
/** Milliseconds for which a look at the chain counts as the present one. */
const SHARED_MS = 200;

/** How the port works. */
export interface ExecutorPortOptions {
  readonly context: OtrContext & { readonly sender: Transactor };
  /** Whose batches these are; the sender is it or its delegate. */
  readonly executor: Address;
  /** First block that can hold a batch: the deployment's. */
  readonly fromBlock: bigint;
  readonly maxRange?: bigint;
  /** See `WatcherOptions`. */
  readonly lagMs?: number;
}

/** The chain as an executor needs it, over a transactor. */
export class ExecutorPort implements ChainPort {
  readonly #o: ExecutorPortOptions;
  /** This executor's batches by root. */
  readonly #batches = new Map<Hex, OwnBatch & { readonly block: bigint }>();
  readonly #watcher: Watcher;
  /** By court, which is immutable. */
  readonly #promptLimits = new Map<Address, number>();
  #looked: { readonly at: number; readonly head: Promise<Checkpoint | undefined> } | undefined;

  constructor(options: ExecutorPortOptions) {
    this.#o = options;
    const { context, fromBlock, executor, maxRange, lagMs } = options;
    this.#watcher = new Watcher({
      client: context.client,
      name: "batches",
      store: new MemoryCursorStore(),
      addresses: () => [context.addresses.rollup],
      abi: ABIS.rollup as Abi,
      fromBlock,
      ...(maxRange === undefined ? {} : { maxRange }),
      ...(lagMs === undefined ? {} : { lagMs }),
      onRange: (logs) => {
        // A receipt's own event comes right before that of its batch.
        let alone: EventArgs<"rollup", "ReceiptCommittedAlone"> | undefined;
        for (const { eventName, args, blockNumber: block } of logs) {
          if (eventName === "ReceiptCommittedAlone") alone = args as EventArgs<"rollup", "ReceiptCommittedAlone">;
          if (eventName !== "BatchCommitted") continue;
          const { executor: owner, root, batchId } = args as EventArgs<"rollup", "BatchCommitted">;
          if (!sameAddress(owner, executor)) continue;
          const single = alone?.batchId === batchId ? { single: alone.receiptHash } : {};
          this.#batches.set(root, { block, batchId, root, ...single });
        }
      },
      onRewind: (block) => {
        for (const [root, at] of this.#batches) if (at.block > block) this.#batches.delete(root);
      },
    });
  }

  async commitBatch(root: Hex, count: number): Promise<{ transactionHash: Hex }> {
    const { context, executor } = this.#o;
    const { hash } = await commitBatch(context, { root, count, executor, id: `batch:${root}` });
    // An earlier look does not know of it.
    this.#looked = undefined;
    return { transactionHash: hash };
  }

  async findBatch(root: Hex): Promise<CommittedBatch | undefined> {
    const head = await this.#head();
    const found = this.#batches.get(root);
    if (head === undefined || found === undefined) return undefined;
    return { confirmations: Number(head.number - found.block) + 1, batchId: found.batchId };
  }

  async ownBatches(): Promise<readonly OwnBatch[]> {
    await this.#head();
    return [...this.#batches.values()].sort((a, b) => Number(a.batchId - b.batchId));
  }

  async committedAt(batchId: bigint): Promise<bigint> {
    return BigInt((await read(this.#o.context, "rollup", "batchOf", [batchId])).committedAt);
  }

  /** Newest block read. Batches are asked for one after the other: those of one pass share a look. */
  async #head(): Promise<Checkpoint | undefined> {
    const now = systemClock.now();
    if (this.#looked === undefined || now - this.#looked.at > SHARED_MS) {
      const head = this.#watcher.sync();
      const looked = { at: now, head };
      this.#looked = looked;
      head.catch(() => {
        if (this.#looked === looked) this.#looked = undefined;
      });
    }
    return this.#looked.head;
  }

  async standing(enclaveKey: Hex, modelId: Hex): Promise<ExecutorStanding> {
    const { context, executor } = this.#o;
    const [facts, { availability, spotChecks }] = await Promise.all([
      chainFacts(context, { executor, enclaveKey, modelId }),
      getRules(context),
    ]);
    const promptLimit = this.#promptLimits.get(availability) ?? (await getPromptLimit(context, availability));
    this.#promptLimits.set(availability, promptLimit);
    const drawCourt = sameAddress(spotChecks, zeroAddress) ? undefined : spotChecks;
    return { ...facts, promptLimit, drawCourt };
  }

  close(): Promise<void> {
    return this.#o.context.sender.close();
  }
}

/** Facts about executors for clients that check receipts. */
export function chainFactsSource(context: OtrContext): ChainFactsSource {
  return { facts: (subject) => chainFacts(context, subject) };
}

/** What the chain says of an executor and a key, all at one block. */
export async function chainFacts(context: OtrContext, { receiptHash, ...subject }: FactsSubject): Promise<ChainFacts> {
  const { executor, enclaveKey, modelId } = subject;
  const blockNumber = await getBlockNumber(context.client, { cacheTime: 0 });
  const at = { blockNumber };
  const [block, account, freeStake, keyActive, version] = await Promise.all([
    getBlock(context.client, { blockNumber }),
    read(context, "vault", "executorOf", [executor], at),
    read(context, "vault", "freeStakeOf", [executor], at),
    read(context, "enclaves", "isActive", [enclaveKey, executor, modelId], at),
    read(context, "rollup", "currentRules", [], at),
  ]);
  const [rules, refunding, modelUsable] = await Promise.all([
    read(context, "rollup", "rulesOf", [version], at),
    read(context, "rollup", "inRefundMode", [version], at),
    read(context, "models", "isUsable", [modelId], at),
  ]);
  const single = receiptHash === undefined ? undefined : await singleBatch(context, receiptHash, blockNumber);
  const { lockPerReceipt, requesterBps, expiryCap, reserve, machineVersion } = rules;
  return {
    ...subject,
    blockNumber,
    blockTime: block.timestamp,
    freeStake,
    lockPerReceipt,
    reserve,
    refunding,
    machineVersion,
    modelUsable,
    expiryCap: BigInt(expiryCap),
    coverage: (lockPerReceipt * BigInt(requesterBps)) / WHOLE,
    suspended: account.convictedAt !== 0,
    exiting: account.exitRequestedAt !== 0,
    keyActive,
    ...(single === undefined ? {} : { single }),
  };
}

/** The batch in which a receipt was committed by itself. Only such batches can be scarce. */
async function singleBatch(context: OtrContext, receiptHash: Hex, blockNumber: bigint) {
  const batchId = await read(context, "rollup", "singleBatchOf", [receiptHash], { blockNumber });
  if (batchId === 0n) return undefined;
  const { count, scarce } = await read(context, "rollup", "batchOf", [batchId], { blockNumber });
  // Dropped as a duplicate: an earlier batch holds the receipt.
  return count === 0 ? undefined : { batchId, scarce };
}
