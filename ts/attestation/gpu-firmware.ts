import { encodeAbiParameters, keccak256 } from "viem";
import { concat, fromHex, type Hex, tag, toHex } from "../commit/bytes.ts";
import { EvidenceEncodingError, ReferenceValueError } from "./errors.ts";
import { OPAQUE, opaqueField, parseReport, type SpdmReport } from "./nvidia/report.ts";
import { deviations, type Rims, referenceValues } from "./nvidia/rim.ts";

/** Opaque fields that name driver, VBIOS, board and mode, in the order in which `H100.firmwareOf` hashes them. */
const FIELDS = [
  OPAQUE.driver,
  OPAQUE.vbios,
  OPAQUE.nvdec0,
  OPAQUE.chipSku,
  OPAQUE.project,
  OPAQUE.projectSku,
  OPAQUE.protectedPcie,
  OPAQUE.featureFlag,
] as const;
/** The only devices whose certificates the contract takes. */
const PRODUCT = "GH100";
const MOST_IDS = 4096;
const TAG = toHex(tag("OTR/gpu-firmware/1"));

function id(report: SpdmReport, chosen: bigint, values: readonly Uint8Array[]): Hex {
  const hashes = FIELDS.map((kind) => keccak256(opaqueField(report, kind) ?? new Uint8Array()));
  const words = [TAG, toHex(bytes32(chosen)), keccak256(concat(values)), ...hashes] as Hex[];
  return keccak256(
    encodeAbiParameters(
      words.map(() => ({ type: "bytes32" as const })),
      words,
    ),
  );
}

const bytes32 = (value: bigint): Uint8Array => fromHex(`0x${value.toString(16).padStart(64, "0")}`);

/**
 * What `H100.firmwareOf` says of a report, if those measurements are chosen (bit k stands for index k).
 *
 * @throws EvidenceEncodingError if the bytes are no report, or it lacks a chosen measurement, or has a field twice.
 */
export function firmwareOf(data: Uint8Array, chosen: bigint): Hex {
  const report = parseReport(data);
  const { measurements } = report;
  if (chosen >> BigInt(measurements.length))
    throw new EvidenceEncodingError(
      "SPDM report",
      `It has ${measurements.length} measurements, fewer than are chosen.`,
    );
  return id(
    report,
    chosen,
    measurements.filter((_, index) => (chosen >> BigInt(index)) & 1n),
  );
}

/** Firmware that a policy's set may accept. */
export interface AcceptedFirmware {
  /** The measurements that count. */
  readonly chosen: bigint;
  /** One for each combination of values that the manifests accept. */
  readonly ids: readonly Hex[];
  /** When the first manifest's signer ends, seconds since 1970. */
  readonly notAfter: number;
  /** Indices, from 0 on, at which the report itself has none of those values. */
  readonly differs: readonly number[];
}

/**
 * The firmware that two verified manifests accept on boards and in the mode of a report, which need not be verified: driver, VBIOS
 * and board are named in what is hashed, and the values come from the manifests alone.
 *
 * @throws EvidenceEncodingError if the bytes are no report
 * @throws ReferenceValueError if the manifests are of other firmware or devices, contradict each other, or accept too much to be listed.
 */
export function acceptedFirmware(rims: Rims, data: Uint8Array): AcceptedFirmware {
  const report = parseReport(data);
  const values = referenceValues(report, rims);
  const { driver, vbios } = rims;
  if (driver.product !== PRODUCT) throw new ReferenceValueError(`The manifests are of ${driver.product}.`);
  let combinations: Uint8Array[][] = [[]];
  let chosen = 0n;
  for (const [index, admissible] of [...values].sort(([a], [b]) => a - b)) {
    chosen |= 1n << BigInt(index);
    combinations = combinations.flatMap((before) => admissible.map((value) => [...before, value]));
    if (combinations.length > MOST_IDS) throw new ReferenceValueError("They accept too many combinations of values.");
  }
  return {
    chosen,
    ids: combinations.map((one) => id(report, chosen, one)),
    notAfter: Math.min(driver.notAfter, vbios.notAfter),
    differs: deviations(values, report),
  };
}
