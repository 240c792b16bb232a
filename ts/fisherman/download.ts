import type { Hex } from "viem";
import { type Bundle, bundleSchema } from "../commit/bundle.ts";
import { BundleError } from "./errors.ts";

/** Limits of a download: the other side is hostile. */
export interface DownloadOptions {
  readonly timeoutMs: number;
  readonly maxBytes: number;
  readonly signal?: AbortSignal;
}

/** Gets and parses the bundle of a batch from an executor's endpoint. @throws BundleError */
export async function downloadBundle(endpoint: string, root: Hex, options: DownloadOptions): Promise<Bundle> {
  const base = endpoint.endsWith("/") ? endpoint : `${endpoint}/`;
  if (!URL.canParse(base) || !/^https?:$/.test(new URL(base).protocol))
    throw new BundleError(endpoint === "" ? "(no endpoint)" : endpoint, "the executor's endpoint is no http(s) URL");
  const url = new URL(`v1/otr/batches/${root}`, base).href;
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]);
  try {
    // A redirect would let the executor choose whom this machine asks.
    const response = await fetch(url, { signal, redirect: "error", headers: { accept: "application/json" } });
    if (!response.ok) {
      await response.body?.cancel();
      throw new BundleError(url, `status ${response.status}`);
    }
    const text = await readLimited(response, url, options.maxBytes);
    const parsed = bundleSchema.safeParse(JSON.parse(text));
    if (parsed.success) return parsed.data;
    const issue = parsed.error.issues[0]!;
    throw new BundleError(url, `malformed at ${issue.path.join(".")}: ${issue.message}`);
  } catch (cause) {
    if (cause instanceof BundleError) throw cause;
    throw new BundleError(url, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

async function readLimited(response: Response, url: string, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > maxBytes) throw new BundleError(url, `more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
