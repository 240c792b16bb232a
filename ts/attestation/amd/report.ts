import { UnsupportedEvidenceError } from "../errors.ts";
import { Reader } from "../reader.ts";

/** An SEV-SNP report, parsed and not verified. */
export interface SnpReport {
  readonly version: number;
  readonly guestSvn: number;
  /** 8 bytes, little-endian. */
  readonly policy: bigint;
  readonly familyId: Uint8Array;
  readonly imageId: Uint8Array;
  readonly vmpl: number;
  readonly currentTcb: Uint8Array;
  readonly platformInfo: bigint;
  /** What signed: 0 the chip's key (VCEK), 1 one loaded by a cloud (VLEK), 7 nothing. */
  readonly signingKey: number;
  readonly reportData: Uint8Array;
  readonly measurement: Uint8Array;
  readonly hostData: Uint8Array;
  readonly reportId: Uint8Array;
  readonly reportedTcb: Uint8Array;
  readonly chipId: Uint8Array;
  readonly committedTcb: Uint8Array;
  readonly signed: Uint8Array;
  /** r and s, big-endian. */
  readonly signature: Uint8Array;
}

const SIZE = 1184;
const SIGNED = 0x2a0;
const ECDSA_P384_SHA384 = 1;
/** Of r and s: 72 bytes each, of which P-384 uses 48. */
const NUMBER = 72;
const P384 = 48;

/**
 * Reads a report of version 2 or later: versions only fill what was reserved before.
 *
 * @throws EvidenceEncodingError if the bytes are none.
 * @throws UnsupportedEvidenceError if it is of version 1, or signed another way.
 */
export function parseSnpReport(data: Uint8Array): SnpReport {
  const reader = new Reader("SEV-SNP report", data);
  if (data.length !== SIZE) reader.fail(`It has ${data.length} bytes, not ${SIZE}`);
  const version = reader.number(4);
  if (version < 2 || version > 5)
    throw new UnsupportedEvidenceError(`An SEV-SNP report of version ${version}`, "Versions 2 to 5 are.");
  const guestSvn = reader.number(4);
  const policy = wide(reader.take(8));
  const [familyId, imageId] = [reader.take(16), reader.take(16)];
  const vmpl = reader.number(4);
  const algorithm = reader.number(4);
  if (algorithm !== ECDSA_P384_SHA384)
    throw new UnsupportedEvidenceError(`An SEV-SNP report with signature algorithm ${algorithm}`, "1 is.");
  const currentTcb = reader.take(8);
  const platformInfo = wide(reader.take(8));
  const signingKey = (reader.number(4) >> 2) & 7;
  reader.zeros("reserved word", 4);
  const [reportData, measurement, hostData] = [reader.take(64), reader.take(48), reader.take(32)];
  reader.take(96);
  const reportId = reader.take(32);
  reader.take(32);
  const reportedTcb = reader.take(8);
  reader.take(24);
  const chipId = reader.take(64);
  const committedTcb = reader.take(8);
  reader.take(SIGNED - reader.at);
  const signature = new Uint8Array(2 * P384);
  for (const at of [0, P384]) {
    signature.set(Uint8Array.from(reader.take(P384)).reverse(), at);
    // Numbers above 48 bytes are none of the curve's.
    reader.zeros("end of a signature's number", NUMBER - P384);
  }
  reader.zeros("end of the signature", SIZE - reader.at);
  return {
    ...{ version, guestSvn, policy, familyId, imageId, vmpl, currentTcb, platformInfo, signingKey },
    ...{ reportData, measurement, hostData, reportId, reportedTcb, chipId, committedTcb },
    signed: data.subarray(0, SIGNED),
    signature,
  };
}

/** A little-endian number of 8 bytes. */
function wide(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}
