import { z } from "zod";
import { concat, fromHex, type Hex, toHex } from "../commit/bytes.ts";
import type { Request } from "../commit/typed-data.ts";
import { type Bundle, type BundleHead, headJson, headShape } from "./bundle.ts";
import { MalformedBundleError } from "./errors.ts";
import { firstIssue, jsonOf, requestSchema, uint32Schema } from "./wire.ts";

/** What a stream with `include_otr` says of each output token. */
export interface StreamedStep {
  readonly token: number;
  /** `cacheRoot` of each step since the token before. */
  readonly cacheRoots: readonly Uint8Array[];
}

/** What a stream with `include_otr` says at its end. */
export interface StreamedReceipt extends BundleHead {
  readonly chatId: string;
  readonly request: Request;
}

/** Comment lines carry these: parsers of server-sent events skip lines that begin with a colon. */
const PREFIX = ": otr ";

/** A step as a comment of the stream. */
export function stepComment({ token, cacheRoots }: StreamedStep): string {
  return `${PREFIX}${JSON.stringify({ token, cacheRoots: toHex(concat(cacheRoots)) })}\n\n`;
}

/** The receipt as a comment of the stream: the last one before `[DONE]`. */
export function receiptComment(chatId: string, bundle: BundleHead & Pick<Bundle, "request">): string {
  return `${PREFIX}${JSON.stringify({ chatId, ...headJson(bundle), request: jsonOf(bundle.request) })}\n\n`;
}

const stepSchema = z.strictObject({
  token: uint32Schema,
  cacheRoots: z
    .string()
    .regex(/^0x([0-9a-f]{64})+$/)
    .transform((hex) => {
      const bytes = fromHex(hex as Hex);
      return Array.from({ length: bytes.length / 32 }, (_, i) => bytes.subarray(32 * i, 32 * i + 32));
    }),
}) satisfies z.ZodType<StreamedStep, unknown>;

const receiptSchema = z.object({
  chatId: z.string(),
  ...headShape,
  request: requestSchema,
}) satisfies z.ZodType<StreamedReceipt, unknown>;

/** Reads a line of a stream; undefined if it is none of ours. */
export function parseComment(line: string): { step: StreamedStep } | { receipt: StreamedReceipt } | undefined {
  if (!line.startsWith(PREFIX)) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(line.slice(PREFIX.length));
  } catch {
    throw new MalformedBundleError("comment", "not JSON");
  }
  const isStep = typeof json === "object" && json !== null && "token" in json;
  const parsed = isStep ? stepSchema.safeParse(json) : receiptSchema.safeParse(json);
  if (!parsed.success) {
    const { path, message } = firstIssue(parsed.error);
    throw new MalformedBundleError(path, message);
  }
  return "token" in parsed.data ? { step: parsed.data } : { receipt: parsed.data };
}
