import { z } from "zod";
import type { Hex } from "../commit/bytes.ts";
import { type Bundle, type BundleHead, parseBatchItem, parseBundle } from "./bundle.ts";
import { EndpointError, MalformedBundleError } from "./errors.ts";
import { bytes32Schema, firstIssue } from "./wire.ts";

/** Where and how to ask an executor. */
export interface EndpointOptions {
  /** Base URL of the executor, e.g. `https://executor.example`. */
  readonly url: string;
  /** Default: the global one. */
  readonly fetch?: typeof fetch;
  readonly signal?: AbortSignal;
  /** More is refused, in bytes, all pages of a batch together. Default 256 MiB. */
  readonly maxBytes?: number;
}

/** An answer's bundle, and the batch that its receipt is a leaf of; undefined while it waits for one. */
export interface FetchedReceipt {
  readonly bundle: Bundle;
  readonly batchRoot: Hex | undefined;
}

const batchRootSchema = z.object({ batchRoot: bytes32Schema.nullish() });

/**
 * The bundle of a chat.
 * @param chat Id of the completion (`chatcmpl-...`), or the path in the response header `x-otr-receipt`.
 */
export async function fetchReceipt(chat: string, options: EndpointOptions): Promise<FetchedReceipt> {
  const path = chat.startsWith("/") ? chat : `/v1/otr/receipt/${encodeURIComponent(chat)}`;
  const json = await get(path, options);
  return { bundle: parseBundle(json), batchRoot: batchRootSchema.parse(json).batchRoot ?? undefined };
}

const pageSchema = z.object({
  count: z.number().int().min(1),
  from: z.number().int().min(0),
  next: z.number().int().min(1).nullable(),
  bundles: z.array(z.unknown()),
});

/**
 * All items of a batch in leaf order, page by page: bundles, and only the heads of confidential ones. What an executor serves is not
 * trusted: the caller checks that the receipt hashes make the batch's root.
 */
export async function* fetchBatch(
  root: Hex,
  options: EndpointOptions,
): AsyncGenerator<{ index: number; bundle: Bundle } | { index: number; head: BundleHead }> {
  const budget = budgetOf(options);
  for (let from: number | null = 0; from !== null; ) {
    const page = pageSchema.safeParse(await get(`/v1/otr/batches/${root}?from=${from}`, options, budget));
    if (!page.success) {
      const { path, message } = firstIssue(page.error);
      throw new MalformedBundleError(path, message);
    }
    const { next, bundles } = page.data;
    let index: number = from;
    for (const item of bundles) yield { index: index++, ...parseBatchItem(item) };
    // A server that does not get on would keep us here for ever.
    if (next !== null && next !== index) throw new MalformedBundleError("next", `expected ${index}, got ${next}`);
    from = next;
  }
}

/** Bytes that may still come. */
interface Budget {
  readonly maxBytes: number;
  left: number;
}

function budgetOf({ maxBytes = 1 << 28 }: EndpointOptions): Budget {
  return { maxBytes, left: maxBytes };
}

async function get(path: string, options: EndpointOptions, budget = budgetOf(options)): Promise<unknown> {
  const { url, signal } = options;
  const target = new URL(path, url).toString();
  let response: Response;
  try {
    response = await (options.fetch ?? fetch)(target, signal === undefined ? {} : { signal });
  } catch (cause) {
    throw new EndpointError(target, "no response", true, cause);
  }
  if (!response.ok) {
    await response.body?.cancel();
    throw new EndpointError(target, `status ${response.status}`, response.status >= 500 || response.status === 409);
  }
  const text = await limitedText(response, budget, target);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new EndpointError(target, "not JSON", false, cause);
  }
}

async function limitedText(response: Response, budget: Budget, target: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  try {
    for await (const part of response.body ?? []) {
      budget.left -= part.length;
      if (budget.left < 0) break;
      text += decoder.decode(part, { stream: true });
    }
  } catch (cause) {
    throw new EndpointError(target, "the response broke off", true, cause);
  }
  if (budget.left < 0) throw new EndpointError(target, `more than ${budget.maxBytes} bytes`, false);
  return text + decoder.decode();
}
