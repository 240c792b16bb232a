import { isDeepStrictEqual } from "node:util";
import type { Hex } from "viem";
import { batchTree } from "../commit/batch.ts";
import { toHex } from "../commit/bytes.ts";
import { TAGS } from "../commit/tags.ts";
import { type Domain, hashReceipt } from "../commit/typed-data.ts";
import type { ModelSource } from "../dispute/answer.ts";
import type { Bundle, BundleHead } from "../sdk/bundle.ts";
import { fetchBatch } from "../sdk/fetch-bundles.ts";
import { contradiction, requestContradiction } from "./contradiction.ts";
import { BundleError } from "./errors.ts";
import { secondOpinion } from "./second-opinion.ts";
import type { VerdictKind, WatchedBatch } from "./store.ts";
import { describeFault, type Fault, findFault, requestFault } from "./verify.ts";

/** One item of a downloaded batch: the whole bundle, or what a confidential one shows. */
export type BatchItem = { readonly bundle: Bundle } | { readonly head: BundleHead };

/** A downloaded batch: its items lead to the root on the chain. */
export interface DownloadedBatch {
  /** Where it was served. */
  readonly url: string;
  readonly items: readonly BatchItem[];
  /** Receipt hashes in the order of the leaves. */
  readonly hashes: readonly Hex[];
  /** Siblings of a leaf in the batch tree. */
  siblings(index: number): Hex[];
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
  const tree = batchTree(hashes);
  if (toHex(tree.root(TAGS.batch)) !== batch.root)
    throw new BundleError(endpoint, "the receipts do not lead to the batch root");
  return { url: endpoint, items, hashes, siblings: (index) => tree.siblings(index).map(toHex) };
}

/**
 * What keeps a receipt from being judged: its content is hidden, is not what the receipt answers, or needs a model that is not here
 * or cannot run it; or this machine computed two different things.
 */
export type Obstacle = "confidential" | "content" | "model" | "unstable";

/** What a check concluded about one receipt. */
export interface Verdict {
  readonly verdict: VerdictKind;
  readonly fault: Fault | undefined;
  /** For `unavailable`. */
  readonly obstacle: Obstacle | undefined;
  /** Why, in words; undefined for `valid`. */
  readonly reason: string | undefined;
}

/**
 * Checks one item of a downloaded batch: against its request, then by re-execution. A fault that re-execution finds is believed when a second
 * opinion is the same: a fault of this machine must not become an accusation. So without agreement there is no verdict.
 */
export async function checkItem(domain: Domain, models: ModelSource, item: BatchItem): Promise<Verdict> {
  if (!("bundle" in item))
    return unavailable("confidential", "confidential: only requester and watchers see its content");
  const { bundle } = item;
  const { receipt, request } = bundle;
  const foreign = requestContradiction(domain, bundle);
  if (foreign !== undefined) return unavailable("content", foreign);
  // Whoever has the request needs neither prompt nor model to see these.
  const byRequest = requestFault(receipt, request);
  if (byRequest !== undefined) return invalid(byRequest);
  if (request.confidential && bundle.inputTokens.length === 0)
    return unavailable("confidential", "confidential: its prompt stays hidden");
  const wrong = contradiction(domain, bundle);
  if (wrong !== undefined) return unavailable("content", wrong);
  const model = await models(receipt.modelId);
  if (model === undefined) return unavailable("model", `model ${receipt.modelId} is not loaded here`);
  if (receipt.nIn + receipt.nOut - 1 > model.contextLength)
    return unavailable("model", "longer than the model's context");
  const fault = await findFault(model.engine, bundle, model.contextLength);
  if (fault === undefined) return { verdict: "valid", fault, obstacle: undefined, reason: undefined };
  const again = await secondOpinion(model, bundle, fault);
  if (!isDeepStrictEqual(fault, again))
    return unavailable(
      "unstable",
      `two re-executions on this machine differ: ${describeFault(fault)}; ${again === undefined ? "no fault" : describeFault(again)}`,
    );
  return invalid(fault);
}

/** What a fault concludes. */
export function invalid(fault: Fault): Verdict {
  return { verdict: "invalid", fault, obstacle: undefined, reason: describeFault(fault) };
}

function unavailable(obstacle: Obstacle, reason: string): Verdict {
  return { verdict: "unavailable", fault: undefined, obstacle, reason };
}

/** The receipt of an item. */
export function receiptOf(item: BatchItem) {
  return "bundle" in item ? item.bundle.receipt : item.head.receipt;
}

const NOT_SHOWN: Hex = `0x${"00".repeat(65)}`;

/**
 * What was posted on the chain, as a bundle. Tokens, records and signatures are not posted: the first two are made again where they are
 * needed, what stands in their place leads to no root.
 */
export function postedBundle(
  domain: Domain,
  receiptHash: Hex,
  receipt: Bundle["receipt"],
  request: Bundle["request"],
  inputTokens: readonly number[],
): Bundle {
  const nothing = new Uint8Array(32);
  return {
    domain,
    receiptHash,
    receipt,
    enclaveSignature: NOT_SHOWN,
    operatorSignature: NOT_SHOWN,
    request,
    inputTokens,
    outputTokens: [0],
    records: [{ salt: nothing, token: 0, cacheRoot: nothing }],
  };
}
