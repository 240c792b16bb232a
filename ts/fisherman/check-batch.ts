import type { Hex } from "viem";
import { batchRoot } from "../commit/batch.ts";
import { type Domain, hashReceipt } from "../commit/typed-data.ts";
import type { ModelSource } from "../dispute/answer.ts";
import type { Bundle, BundleHead } from "../sdk/bundle.ts";
import { fetchBatch } from "../sdk/fetch-bundles.ts";
import { contradiction } from "./contradiction.ts";
import { BundleError } from "./errors.ts";
import type { VerdictKind, WatchedBatch } from "./store.ts";
import { type Fault, findFault } from "./verify.ts";

/** One item of a downloaded batch: the whole bundle, or what a confidential one shows. */
export type BatchItem = { readonly bundle: Bundle } | { readonly head: BundleHead };

/** A downloaded batch: its items lead to the root on the chain. */
export interface DownloadedBatch {
  readonly items: readonly BatchItem[];
  /** Receipt hashes in the order of the leaves. */
  readonly hashes: readonly Hex[];
}

/** Limits of a download: the other side is hostile. */
export interface DownloadOptions {
  readonly timeoutMs: number;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  readonly fetch?: typeof fetch;
}

/** Downloads a batch from its executor. @throws BundleError, or what the SDK throws of the endpoint */
export async function downloadBatch(
  domain: Domain,
  batch: Pick<WatchedBatch, "root" | "count">,
  endpoint: string | undefined,
  options: DownloadOptions,
): Promise<DownloadedBatch> {
  if (endpoint === undefined || !URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol))
    throw new BundleError(endpoint ?? "(no endpoint)", "the executor announces no http(s) URL");
  const items: BatchItem[] = [];
  const get = options.fetch ?? fetch;
  const source = fetchBatch(batch.root, {
    url: endpoint,
    maxBytes: options.maxBytes,
    signal: AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs)]),
    // A redirect would let the executor choose whom this machine asks.
    fetch: (input, init) => get(input, { ...init, redirect: "error" }),
  });
  for await (const item of source) {
    items.push(item);
    if (items.length > batch.count) throw new BundleError(endpoint, `more than the batch's ${batch.count} items`);
  }
  if (items.length !== batch.count)
    throw new BundleError(endpoint, `${items.length} items, the batch has ${batch.count}`);
  const hashes = items.map((item) => hashReceipt(domain, receiptOf(item)));
  if (batchRoot(hashes) !== batch.root) throw new BundleError(endpoint, "the receipts do not lead to the batch root");
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
  if (!("bundle" in item)) return unavailable("confidential: only requester and watchers see its content");
  const wrong = contradiction(domain, item.bundle);
  if (wrong !== undefined) return unavailable(wrong);
  const { modelId } = item.bundle.receipt;
  const model = await models(modelId);
  if (model === undefined) return unavailable(`model ${modelId} is not loaded here`);
  if (item.bundle.records.length > model.contextLength) return unavailable("longer than the model's context");
  const fault = await findFault(model.engine, item.bundle, model.contextLength);
  return { verdict: fault === undefined ? "valid" : "invalid", fault, reason: undefined };
}

/** The receipt of an item. */
export function receiptOf(item: BatchItem) {
  return "bundle" in item ? item.bundle.receipt : item.head.receipt;
}
