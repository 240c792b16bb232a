import { z } from "zod";
import { addressSchema, type BundleItem, bundleItemSchema, bytes32Schema } from "../commit/bundle.ts";
import type { Hex } from "../commit/bytes.ts";
import type { Domain } from "../commit/typed-data.ts";
import { MalformedBundleError } from "./errors.ts";
import { firstIssue } from "./zod-issue.ts";

/** What `GET /v1/otr/receipt/:chatId` returns: one answer with everything to verify, re-execute and dispute it. */
export interface ReceiptBundle {
  readonly domain: Domain;
  readonly receiptHash: Hex;
  /** Batch that the receipt is a leaf of; null while it waits for one. */
  readonly batchRoot: Hex | null;
  readonly item: BundleItem;
}

const schema = z.object({
  domain: z.strictObject({ chainId: z.number().int().positive(), rollup: addressSchema }),
  receiptHash: bytes32Schema,
  batchRoot: bytes32Schema.nullable(),
  item: bundleItemSchema,
}) satisfies z.ZodType<ReceiptBundle, unknown>;

/** Reads a bundle from parsed JSON. Checks the form only: `verifyReceipt` checks the content. */
export function parseReceiptBundle(json: unknown): ReceiptBundle {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const { path, message } = firstIssue(parsed.error);
  throw new MalformedBundleError(path, message);
}
