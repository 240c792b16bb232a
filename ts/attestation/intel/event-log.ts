import { createHash } from "node:crypto";
import { z } from "zod";
import { concat, equal, fromHex, toHex } from "../../commit/bytes.ts";
import { EvidenceEncodingError, IdentityError } from "../errors.ts";
import type { TdReport } from "./quote.ts";

/** An event that a guest has measured at run time: its name, and what was measured. */
export interface RuntimeEvent {
  readonly name: string;
  readonly payload: Uint8Array;
}

/** dstack's type of events that guests name themselves; others are the firmware's. */
const RUNTIME_EVENT = 0x08000001;
const RUNTIME_REGISTER = 3;
const REGISTERS = 4;
const DIGEST = 48;
const hex = z.string().regex(/^(?:[0-9a-fA-F]{2})*$/);
const logSchema = z
  .array(
    z.object({
      imr: z
        .number()
        .int()
        .min(0)
        .max(REGISTERS - 1),
      event_type: z.number().int().min(0).max(0xffffffff),
      digest: hex.max(2 * DIGEST),
      event: z.string().default(""),
      event_payload: hex.default(""),
    }),
  )
  .max(4096);

/**
 * Replays a guest's event log (in dstack's JSON) against its RTMRs. Of events in RTMR3 the digest must be that of name and payload: only those are handed
 * out. What firmware events say beside their digests is not checked.
 *
 * @throws EvidenceEncodingError if it is no such log.
 * @throws IdentityError if a register or a digest is another one.
 */
export function replayEvents(value: unknown, { rtmrs }: Pick<TdReport, "rtmrs">): RuntimeEvent[] {
  const parsed = logSchema.safeParse(value);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    throw new EvidenceEncodingError("event log", `Field '${path.join(".")}': ${message}.`);
  }
  const registers = Array.from({ length: REGISTERS }, () => new Uint8Array(DIGEST));
  const events: RuntimeEvent[] = [];
  for (const { imr, event_type: type, digest: text, event: name, event_payload } of parsed.data) {
    const digest = new Uint8Array(DIGEST);
    digest.set(fromHex(`0x${text}`));
    if (imr === RUNTIME_REGISTER) {
      const payload = fromHex(`0x${event_payload}`);
      const made = runtimeDigest(type, name, payload);
      // INVARIANT: nobody names an event otherwise than it was measured.
      if (type !== RUNTIME_EVENT || !equal(made, digest))
        throw new IdentityError(`The digest of event ${JSON.stringify(name.slice(0, 40))}`, toHex(made), toHex(digest));
      events.push({ name, payload });
    }
    registers[imr] = sha384(concat([registers[imr]!, digest]));
  }
  for (const [k, register] of registers.entries())
    if (!equal(register, rtmrs[k]!)) throw new IdentityError(`RTMR${k}`, toHex(register), toHex(rtmrs[k]!));
  return events;
}

/** SHA-384 of type (little-endian), name and payload, with colons between. */
function runtimeDigest(type: number, name: string, payload: Uint8Array): Uint8Array {
  const head = Uint8Array.of(type & 0xff, (type >> 8) & 0xff, (type >> 16) & 0xff, type >>> 24);
  const colon = Uint8Array.of(0x3a);
  return sha384(concat([head, colon, new TextEncoder().encode(name), colon, payload]));
}

const sha384 = (data: Uint8Array): Uint8Array<ArrayBuffer> =>
  new Uint8Array(createHash("sha384").update(data).digest());
