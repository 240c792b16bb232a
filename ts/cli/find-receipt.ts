import { readFileSync } from "node:fs";
import { type Hex, parseEventLogs } from "viem";
import { getBlockNumber } from "viem/actions";
import { ABIS } from "../chain/abis.ts";
import { type CommittedReceipt, openReceipt } from "../chain/committed.ts";
import { read } from "../chain/context.ts";
import { rangedLogs } from "../chain/ranged-logs.ts";
import { type Domain, hashReceipt } from "../commit/typed-data.ts";
import { type Bundle, parseBundle } from "../sdk/bundle.ts";
import { fetchBatch, fetchReceipt } from "../sdk/fetch-bundles.ts";
import { UsageError } from "./errors.ts";
import type { Session } from "./session.ts";

/** Where a command's `<bundle>` comes from. */
export interface Source {
  /** Executor's URL; then the argument is a chat id. */
  readonly endpoint?: string;
}

/** Option of every command that takes a bundle. */
export const ENDPOINT = [
  "--endpoint <url>",
  "the argument is a chat id at this executor, not a file (- is standard input)",
] as const;

/** The bundle that an argument names. @throws UsageError if there is none */
export async function bundleOf(name: string, { endpoint }: Source): Promise<Bundle> {
  if (endpoint !== undefined) return (await fetchReceipt(name, { url: endpoint })).bundle;
  let text: string;
  try {
    text = readFileSync(name === "-" ? 0 : name, "utf8");
  } catch {
    throw new UsageError(
      `${name} is not readable.`,
      "Give a file with the JSON of GET /v1/otr/receipt/:chatId, or --endpoint.",
    );
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new UsageError(`${name} is not JSON.`, "Give a file with the JSON of GET /v1/otr/receipt/:chatId.");
  }
  return parseBundle(json);
}

/** What the session's rollup signs and hashes for. */
export async function domainOf(session: Session): Promise<Domain> {
  const [{ chain }, { addresses }] = [await session.client(), await session.deployment()];
  return { chainId: chain.id, rollup: addresses.rollup };
}

/**
 * The receipt with its opening: from the chain if it was committed alone, else from the executor's batches, the newest first, as `url` serves
 * them (by default the executor's own endpoint). `undefined` if no batch holds it.
 */
export async function findCommitted(
  session: Session,
  { receipt }: Pick<Bundle, "receipt">,
  url?: string,
): Promise<CommittedReceipt | undefined> {
  const { otr, getBatch, getEndpoint } = await session.reader();
  const { addresses, client } = otr;
  const domain = await domainOf(session);
  const receiptHash = hashReceipt(domain, receipt);
  const alone = await read(otr, "rollup", "singleBatchOf", [receiptHash]);
  // A batch of one that was dropped, because another one holds the receipt, opens nothing.
  if (alone !== 0n && (await getBatch(alone)) !== undefined) return openReceipt(alone, receipt, [receiptHash], 0);
  const fromBlock = BigInt(session.config.fromBlock);
  const serving = url ?? (await getEndpoint({ executor: receipt.executor, fromBlock }));
  if (serving === undefined) throw new UsageError("The executor announces no endpoint.", "Give --endpoint.");
  const toBlock = await getBlockNumber(client);
  const maxRange = BigInt(session.config.rpc.maxBlockRange);
  const raw = await rangedLogs(client, { address: addresses.rollup, fromBlock, toBlock, maxRange });
  const logs = parseEventLogs({
    abi: ABIS.rollup,
    logs: raw as never,
    eventName: "BatchCommitted",
    args: { executor: receipt.executor },
  });
  const bar = session.output.progress("batches");
  for (const [done, { args }] of logs.toReversed().entries()) {
    bar(done, logs.length);
    const hashes: Hex[] = [];
    for await (const item of fetchBatch(args.root, { url: serving }))
      hashes.push(hashReceipt(domain, "bundle" in item ? item.bundle.receipt : item.head.receipt));
    const index = hashes.indexOf(receiptHash);
    if (index !== -1) return openReceipt(args.batchId, receipt, hashes, index);
  }
  return undefined;
}
