import { encodeAbiParameters, keccak256, type LocalAccount, stringToHex } from "viem";
import { type Hex, tag, toHex } from "../commit/bytes.ts";
import { NoSenderError } from "./errors.ts";

/** Kind of development evidence, as src/attestation/DevEvidenceVerifier.sol names it. */
export const DEV_KIND: Hex = stringToHex("DEV", { size: 32 });

/** Measurement that a software enclave states: it says that nothing was measured. */
export const SOFTWARE_MEASUREMENT: Hex = toHex(tag("OTR/software-enclave/1"));

/** What development evidence states. */
export interface DevEvidenceParameters {
  /** The key that stands in for a hardware vendor. */
  readonly root: Pick<LocalAccount, "sign">;
  readonly measurement: Hex;
  /** First half of the report data: `rd0` of `EnclaveRegistry.challengeOf`. */
  readonly rd0: Hex;
  readonly rd1?: Hex;
  /** Seconds since 1970. */
  readonly notAfter: bigint;
  readonly deviceId: Hex;
}

const WORD = { type: "bytes32" } as const;
const TIME = { type: "uint64" } as const;
const TAG = toHex(tag("OTR/dev-evidence/1"));
const ZERO: Hex = `0x${"00".repeat(32)}`;

/** Evidence signed by a software root, for chains whose registry accepts it. */
export async function devEvidence(parameters: DevEvidenceParameters): Promise<Hex> {
  const { root, measurement, rd0, rd1 = ZERO, notAfter, deviceId } = parameters;
  if (root.sign === undefined) throw new NoSenderError("devEvidence");
  const stated = [measurement, rd0, rd1, notAfter, deviceId] as const;
  const digest = keccak256(encodeAbiParameters([WORD, WORD, WORD, WORD, TIME, WORD], [TAG, ...stated]));
  const signature = await root.sign({ hash: digest });
  return encodeAbiParameters([WORD, WORD, WORD, TIME, WORD, { type: "bytes" }], [...stated, signature]);
}
