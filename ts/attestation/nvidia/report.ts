import { EvidenceEncodingError } from "../errors.ts";
import { Reader } from "../reader.ts";

/** Types of opaque fields. */
export const OPAQUE = {
  driver: 3,
  vbios: 6,
  nvdec0: 11,
  counts: 12,
  chipSku: 15,
  project: 17,
  projectSku: 18,
  firmwareId: 20,
  protectedPcie: 21,
  opaqueVersion: 34,
  featureFlag: 36,
} as const;

/** An attestation report: an SPDM 1.1 GET_MEASUREMENTS request and its response, parsed and not verified. */
export interface SpdmReport {
  /** The requester's challenge. The responder's own nonce is random and binds nothing. */
  readonly nonce: Uint8Array;
  /** By index from 1 on; SHA-384 digests. */
  readonly measurements: readonly Uint8Array[];
  /** By type; devices may repeat one. */
  readonly opaque: ReadonlyMap<number, readonly Uint8Array[]>;
  /** What is signed. */
  readonly signed: Uint8Array;
  /** r and s. */
  readonly signature: Uint8Array;
}

const MOST_BYTES = 1 << 16;
const VERSION = 0x11;
const GET_MEASUREMENTS = 0xe0;
const MEASUREMENTS = 0x60;

/** Reads a report of a GPU or an NVSwitch. @throws EvidenceEncodingError if the bytes are none */
export function parseReport(data: Uint8Array): SpdmReport {
  const reader = new Reader("SPDM report", data);
  if (data.length > MOST_BYTES) reader.fail(`It has ${data.length} bytes`);
  reader.expect("version of the request", 1, VERSION);
  reader.expect("code of the request", 1, GET_MEASUREMENTS);
  reader.expect("wish for a signature", 1, 1);
  reader.expect("wish for all measurements", 1, 0xff);
  const nonce = reader.take(32);
  reader.expect("slot", 1, 0);
  reader.expect("version of the response", 1, VERSION);
  reader.expect("code of the response", 1, MEASUREMENTS);
  reader.zeros("parameters of the response", 2);
  const count = reader.number(1);
  reader.expect("length of the measurements", 3, 55 * count);
  const measurements = Array.from({ length: count }, (_, k) => {
    reader.expect("index of a measurement", 1, k + 1);
    reader.expect("specification of a measurement", 1, 1);
    reader.expect("size of a measurement", 2, 51);
    reader.expect("type of a measurement", 1, 1);
    reader.expect("size of a digest", 2, 48);
    return reader.take(48);
  });
  reader.take(32);
  const fields = new Reader("SPDM report", reader.take(reader.number(2)));
  const signed = data.subarray(0, reader.at);
  const signature = reader.take(96);
  if (reader.left > 0) reader.fail(`${reader.left} bytes follow the signature`);
  const opaque = new Map<number, Uint8Array[]>();
  while (fields.left > 0) {
    const kind = fields.number(2);
    const value = fields.take(fields.number(2));
    opaque.set(kind, [...(opaque.get(kind) ?? []), value]);
  }
  return { nonce, measurements, opaque, signed, signature };
}

/**
 * The one opaque field of this type; undefined without it.
 *
 * @throws EvidenceEncodingError if it is there twice: a field says one thing.
 */
export function opaqueField({ opaque }: Pick<SpdmReport, "opaque">, kind: number): Uint8Array | undefined {
  const [value, ...more] = opaque.get(kind) ?? [];
  if (more.length > 0) throw new EvidenceEncodingError("SPDM report", `Opaque field ${kind} is there twice.`);
  return value;
}

/** The text of an opaque field, without the zeros behind it. @throws EvidenceEncodingError as `opaqueField`, and of other bytes than text */
export function opaqueText(report: Pick<SpdmReport, "opaque">, kind: number): string | undefined {
  const value = opaqueField(report, kind);
  if (value === undefined) return undefined;
  const text = new TextDecoder("latin1").decode(value).replace(/\0+$/, "");
  if (!/^[\x20-\x7e]*$/.test(text))
    throw new EvidenceEncodingError("SPDM report", `Opaque field ${kind} is no text that ends with zeros.`);
  return text;
}

/** The VBIOS version as NVIDIA writes it, e.g. 96.00.9F.00.01. @throws EvidenceEncodingError as `opaqueField` */
export function vbiosVersion(report: Pick<SpdmReport, "opaque">): string | undefined {
  const value = opaqueField(report, OPAQUE.vbios);
  if (value?.length !== 8) return undefined;
  const order = [3, 2, 1, 0, 4];
  return order.map((k) => value[k]!.toString(16).toUpperCase().padStart(2, "0")).join(".");
}
