import { z } from "zod";
import type { Hex } from "../commit/bytes.ts";
import { fromHex, toHex } from "../commit/bytes.ts";
import type { TraceRecord } from "../commit/record.ts";
import type { Receipt, Request } from "../commit/typed-data.ts";

/** Hex of a fixed number of bytes, lower-cased: two spellings of one value must not be two values. */
function hexOf(bytes: number) {
  return z
    .string()
    .regex(new RegExp(`^0x[0-9a-fA-F]{${2 * bytes}}$`), `expected 0x and ${2 * bytes} hexadecimal digits`)
    .transform((value) => value.toLowerCase() as Hex);
}

export const addressSchema = hexOf(20);
export const bytes32Schema = hexOf(32);
/** r, s, v: the 65 bytes of a secp256k1 signature. */
export const signatureSchema = hexOf(65);
const uint8Schema = z.number().int().min(0).max(0xff);
export const uint32Schema = z.number().int().min(0).max(0xffffffff);
/** 64-bit integers travel as decimal strings: JSON numbers lose them above 2^53. */
const uint64Schema = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,19})$/, "expected a decimal string")
  .transform((value) => BigInt(value))
  .refine((value) => value < 1n << 64n, "expected an unsigned 64-bit integer");

/** JSON of a `Request`. */
export const requestSchema = z.strictObject({
  requester: addressSchema,
  modelId: bytes32Schema,
  inputRoot: bytes32Schema,
  nIn: uint32Schema,
  maxOut: uint32Schema,
  stopTokens: z.array(uint32Schema).max(64),
  sampler: uint8Schema,
  temperature: uint32Schema,
  seed: bytes32Schema,
  nonce: uint64Schema,
  deadline: uint64Schema,
  confidential: z.boolean(),
  watchers: z.array(addressSchema).max(16),
}) satisfies z.ZodType<Request, unknown>;

/** JSON of a `Receipt`. */
export const receiptSchema = z.strictObject({
  machineVersion: uint32Schema,
  modelId: bytes32Schema,
  executor: addressSchema,
  enclaveKey: addressSchema,
  seq: uint64Schema,
  commitBy: uint64Schema,
  expiry: uint64Schema,
  requestHash: bytes32Schema,
  inputRoot: bytes32Schema,
  nIn: uint32Schema,
  outputRoot: bytes32Schema,
  nOut: uint32Schema,
  stopReason: uint8Schema,
  traceRoot: bytes32Schema,
}) satisfies z.ZodType<Receipt, unknown>;

/** JSON of a trace record. */
export const recordSchema = z
  .strictObject({ salt: bytes32Schema, token: uint32Schema, cacheRoot: bytes32Schema })
  .transform(
    ({ salt, token, cacheRoot }): TraceRecord => ({ salt: fromHex(salt), token, cacheRoot: fromHex(cacheRoot) }),
  );

/** Turns 64-bit integers into decimal strings, for `JSON.stringify`. */
export function jsonOf<T extends Request | Receipt>(value: T): { [K in keyof T]: T[K] extends bigint ? string : T[K] } {
  const entries = Object.entries(value).map(([key, v]) => [key, typeof v === "bigint" ? v.toString() : v]);
  return Object.fromEntries(entries) as { [K in keyof T]: T[K] extends bigint ? string : T[K] };
}

/** JSON of a record. */
export function recordJson(record: TraceRecord): { salt: Hex; token: number; cacheRoot: Hex } {
  return { salt: toHex(record.salt), token: record.token, cacheRoot: toHex(record.cacheRoot) };
}

/** First problem that zod found, as the path of the field and a sentence. */
export function firstIssue(error: z.ZodError): { path: string; message: string } {
  const issue = deepest(error.issues[0]!);
  const extra = issue.code === "unrecognized_keys" ? issue.keys.slice(0, 1) : [];
  const path = [...issue.path, ...extra].map((part, i) =>
    typeof part === "number" ? `[${part}]` : `${i > 0 ? "." : ""}${String(part)}`,
  );
  return { path: path.join(""), message: extra.length > 0 ? "not supported here" : issue.message };
}

/** Of a union's branches, the one that got furthest says best what is wrong. */
function deepest(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== "invalid_union") return issue;
  const branches = issue.errors.flatMap((branch) => branch.slice(0, 1)).map(deepest);
  const inner = branches.toSorted((x, y) => y.path.length - x.path.length)[0];
  if (inner === undefined || inner.path.length === 0) return issue;
  return { ...inner, path: [...issue.path, ...inner.path] };
}
