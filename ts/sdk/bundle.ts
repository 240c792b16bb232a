import { z } from "zod";
import type { Hex } from "../commit/bytes.ts";
import { SENTINEL_TOKEN, type TraceRecord } from "../commit/record.ts";
import type { Domain, Receipt, Request } from "../commit/typed-data.ts";
import { MalformedBundleError } from "./errors.ts";
import {
  addressSchema,
  bytes32Schema,
  firstIssue,
  jsonOf,
  receiptSchema,
  recordJson,
  recordSchema,
  requestSchema,
  signatureSchema,
  uint32Schema,
} from "./wire.ts";

/** The part of a bundle that a confidential request lets everybody see. */
export interface BundleHead {
  readonly domain: Domain;
  readonly receiptHash: Hex;
  readonly receipt: Receipt;
  readonly enclaveSignature: Hex;
  readonly operatorSignature: Hex;
}

/** One answer with everything that is needed to verify, re-execute and dispute it. */
export interface Bundle extends BundleHead {
  readonly request: Request;
  /** Absent if nobody signed the request. */
  readonly requestSignature?: Hex;
  /** What the seed of a confidential request commits to. Absent of any other. */
  readonly secret?: Hex;
  readonly inputTokens: readonly number[];
  readonly outputTokens: readonly number[];
  /** Leaves of the trace: one record per step. */
  readonly records: readonly TraceRecord[];
}

/** Fields that every form of a bundle has. */
export const headShape = {
  domain: z.strictObject({ chainId: z.number().int().positive(), rollup: addressSchema }),
  receiptHash: bytes32Schema,
  receipt: receiptSchema,
  enclaveSignature: signatureSchema,
  operatorSignature: signatureSchema,
};

const token = uint32Schema.max(SENTINEL_TOKEN - 1);
const bundleSchema = z.object({
  ...headShape,
  request: requestSchema,
  requestSignature: signatureSchema.exactOptional(),
  secret: bytes32Schema.exactOptional(),
  inputTokens: z.array(token).min(1),
  outputTokens: z.array(token).min(1),
  records: z.array(recordSchema).min(1),
}) satisfies z.ZodType<Bundle, unknown>;

const headSchema = z.object({ ...headShape, redacted: z.literal(true) });

/** JSON value of a bundle. */
export function bundleJson(bundle: Bundle) {
  return {
    ...headJson(bundle),
    request: jsonOf(bundle.request),
    ...(bundle.requestSignature === undefined ? {} : { requestSignature: bundle.requestSignature }),
    ...(bundle.secret === undefined ? {} : { secret: bundle.secret }),
    inputTokens: bundle.inputTokens,
    outputTokens: bundle.outputTokens,
    records: bundle.records.map(recordJson),
  };
}

/** JSON value of what may be shown of a bundle to anyone: its request, secret, tokens and salts stay hidden. */
export function redactedJson(bundle: Bundle) {
  return { ...headJson(bundle), redacted: true };
}

/** JSON value of the head. */
export function headJson({ domain, receiptHash, receipt, enclaveSignature, operatorSignature }: BundleHead) {
  return { domain, receiptHash, receipt: jsonOf(receipt), enclaveSignature, operatorSignature };
}

/** Reads a bundle from parsed JSON. Checks the form only: `verifyReceipt` checks the content. */
export function parseBundle(json: unknown): Bundle {
  const parsed = bundleSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = firstIssue(parsed.error);
  throw new MalformedBundleError(issue.path, issue.message);
}

/** Reads an item of a batch: a bundle, or the head of a confidential one. */
export function parseBatchItem(json: unknown): { bundle: Bundle } | { head: BundleHead } {
  const head = headSchema.safeParse(json);
  if (!head.success) return { bundle: parseBundle(json) };
  const { redacted: _, ...rest } = head.data;
  return { head: rest };
}
