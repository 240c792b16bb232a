import { BaseError } from "../errors.ts";
import { EndpointError } from "./errors.ts";
import { parseReceiptBundle, type ReceiptBundle } from "./receipt-bundle.ts";

/** Where and how to ask an executor. */
export interface EndpointOptions {
  /** Base URL of the executor, e.g. `https://executor.example`. */
  readonly url: string;
  /** Default: the global one. */
  readonly fetch?: typeof fetch;
  readonly signal?: AbortSignal;
}

/**
 * The bundle of a chat.
 * @param chat Id of the completion (`chatcmpl-...`), or the path in the response header `x-otr-receipt`.
 */
export async function fetchReceipt(chat: string, options: EndpointOptions): Promise<ReceiptBundle> {
  const path = chat.startsWith("/") ? chat : `/v1/otr/receipt/${encodeURIComponent(chat)}`;
  const target = new URL(path, options.url).toString();
  try {
    const response = await (options.fetch ?? fetch)(target, {
      headers: { accept: "application/json" },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    if (response.ok) return parseReceiptBundle(await response.json());
    await response.body?.cancel();
    throw new EndpointError(target, `status ${response.status}`, response.status >= 500 || response.status === 409);
  } catch (cause) {
    if (cause instanceof BaseError) throw cause;
    throw new EndpointError(target, cause instanceof Error ? cause.message : String(cause), true, cause);
  }
}
