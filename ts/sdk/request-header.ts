import { z } from "zod";
import type { Hex } from "../commit/bytes.ts";
import type { Request } from "../commit/typed-data.ts";
import { InvalidChatError } from "./errors.ts";
import { bytes32Schema, firstIssue, jsonOf, requestSchema, signatureSchema } from "./wire.ts";

/** Header in which a requester brings its own request, its signature if it wants compensation, and the secret of a confidential one. */
export const REQUEST_HEADER = "x-otr-request";

const headerSchema = z.strictObject({
  request: requestSchema,
  signature: signatureSchema.exactOptional(),
  secret: bytes32Schema.exactOptional(),
});

/** A request as its requester made it. */
export type CarriedRequest = { readonly request: Request; readonly signature?: Hex; readonly secret?: Hex };

/** Header value: base64url of `{"request": ..., "signature": ..., "secret": ...}`. */
export function encodeRequestHeader({ request, ...rest }: CarriedRequest): string {
  const json = JSON.stringify({ request: jsonOf(request), ...rest });
  return Buffer.from(json).toString("base64url");
}

/** Reads the header. */
export function decodeRequestHeader(value: string): CarriedRequest {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(value, "base64url").toString("utf8"));
  } catch {
    throw new InvalidChatError(`Invalid '${REQUEST_HEADER}': not base64url of JSON.`, REQUEST_HEADER);
  }
  const parsed = headerSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const { path, message } = firstIssue(parsed.error);
  const param = path === "" ? REQUEST_HEADER : `${REQUEST_HEADER}.${path}`;
  throw new InvalidChatError(`Invalid '${param}': ${message}.`, param);
}
