import { equal } from "../commit/bytes.ts";
import { EvidenceEncodingError } from "./errors.ts";

/** What a file of evidence holds. */
export type EvidenceFile =
  | { readonly kind: "report" | "gpu-list" | "token"; readonly value: unknown }
  | { readonly kind: "quote" | "gpu-report" | "snp-report"; readonly bytes: Uint8Array };

const SNP_BYTES = 1184;
/** More than reports of the largest machines have. */
const MOST_BYTES = 1 << 22;
const SPDM = Uint8Array.of(0x11, 0xe0, 0x01, 0xff);

/**
 * Tells kinds of evidence apart, whatever they are written in: bytes, hexadecimal, or JSON of an executor, of NVIDIA's tools, or of dstack.
 *
 * @throws EvidenceEncodingError if the bytes are none of them.
 */
export function readEvidence(data: Uint8Array): EvidenceFile {
  if (data.length > MOST_BYTES) throw new EvidenceEncodingError("evidence", `It has ${data.length} bytes.`);
  const text = new TextDecoder("latin1").decode(data).trim();
  const hex = /^(?:0x)?((?:[0-9a-fA-F]{2})+)$/.exec(text)?.[1];
  if (hex !== undefined) return binary(new Uint8Array(Buffer.from(hex, "hex")));
  if (!/^[[{]/.test(text)) return binary(data);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(data));
  } catch {
    // A quote may begin with any byte but these two.
    throw new EvidenceEncodingError("evidence", "It begins like JSON and is none.");
  }
  return structured(value);
}

function binary(bytes: Uint8Array): EvidenceFile {
  if (bytes.length === SNP_BYTES) return { kind: "snp-report", bytes };
  if (equal(bytes.subarray(0, 4), SPDM)) return { kind: "gpu-report", bytes };
  if ([3, 4, 5].includes(bytes[0] ?? 0) && bytes[1] === 0) return { kind: "quote", bytes };
  throw new EvidenceEncodingError("evidence", "It is no quote, no SPDM report and no SEV-SNP report.");
}

function structured(value: unknown): EvidenceFile {
  const fields = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (Array.isArray(value)) return { kind: Array.isArray(value[0]) ? "token" : "gpu-list", value };
  if ("signing_address" in fields) return { kind: "report", value };
  if ("evidence_list" in fields) return { kind: "gpu-list", value };
  if ("evidences" in fields) return { kind: "gpu-list", value: fields.evidences };
  if (typeof fields.quote === "string" && /^(?:0x)?(?:[0-9a-fA-F]{2})+$/.test(fields.quote))
    return binary(new Uint8Array(Buffer.from(fields.quote.replace(/^0x/, ""), "hex")));
  throw new EvidenceEncodingError(
    "evidence",
    "The JSON is no attestation report, no GPU evidence, no token and no quote.",
  );
}
