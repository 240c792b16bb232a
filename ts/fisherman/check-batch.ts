import type { Hex } from "viem";
import { type BundleItem, batchRoot, contradiction } from "../commit/bundle.ts";
import { type Domain, hashReceipt } from "../commit/typed-data.ts";
import type { ModelSource } from "../dispute/answer.ts";
import { type BatchItem, type DownloadOptions, downloadItems } from "./download.ts";
import { BundleError } from "./errors.ts";
import type { VerdictKind, WatchedBatch } from "./store.ts";
import { type Fault, findFault } from "./verify.ts";

/** A downloaded batch: its items lead to the root on the chain. */
export interface DownloadedBatch {
  readonly items: readonly BatchItem[];
  /** Receipt hashes in the order of the leaves. */
  readonly hashes: readonly Hex[];
}

/** Downloads a batch from its executor. @throws BundleError */
export async function downloadBatch(
  domain: Domain,
  batch: Pick<WatchedBatch, "root" | "count">,
  endpoint: string | undefined,
  options: DownloadOptions,
): Promise<DownloadedBatch> {
  const items = await downloadItems(endpoint ?? "", batch.root, options);
  const shown = endpoint ?? "(no endpoint)";
  if (items.length !== batch.count) throw new BundleError(shown, `${items.length} items, the batch has ${batch.count}`);
  const hashes = items.map((item) => hashReceipt(domain, item.receipt));
  if (batchRoot(hashes) !== batch.root) throw new BundleError(shown, "the receipts do not lead to the batch root");
  return { items, hashes };
}

/** What a check concluded about one receipt. */
export interface Verdict {
  readonly verdict: VerdictKind;
  readonly fault: Fault | undefined;
  /** Why there is no other verdict, for `unavailable`. */
  readonly reason: string | undefined;
}

/** Checks one item of a downloaded batch by re-execution. */
export async function checkItem(domain: Domain, models: ModelSource, item: BatchItem): Promise<Verdict> {
  const unavailable = (reason: string): Verdict => ({ verdict: "unavailable", fault: undefined, reason });
  if (isWithheld(item)) return unavailable("confidential: only requester and watchers see its content");
  const wrong = contradiction(domain, item);
  if (wrong !== undefined) return unavailable(wrong);
  const { modelId } = item.receipt;
  const model = await models(modelId);
  if (model === undefined) return unavailable(`model ${modelId} is not loaded here`);
  if (item.records.length > model.contextLength) return unavailable("longer than the model's context");
  const fault = await findFault(model.engine, item, model.contextLength);
  return { verdict: fault === undefined ? "valid" : "invalid", fault, reason: undefined };
}

/** Whether an item's content is kept from the public. */
export function isWithheld(item: BatchItem): item is Exclude<BatchItem, BundleItem> {
  return "withheld" in item;
}
