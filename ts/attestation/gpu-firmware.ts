import { encodeAbiParameters, keccak256 } from "viem";
import { concat, equal, fromHex, type Hex, tag, toHex } from "../commit/bytes.ts";
import { EvidenceEncodingError, ManifestError } from "./errors.ts";
import type { Rim } from "./rim.ts";

/** Opaque fields of a report that name driver, VBIOS, board and mode; `H100.firmwareOf` hashes them in this order. */
const KINDS = {
  driver: 3,
  vbios: 6,
  nvdec0: 11,
  chipSku: 15,
  project: 17,
  projectSku: 18,
  protectedPcie: 21,
  feature: 36,
};
const BLOCKS = 45;
const BLOCK = 55;
const VALUE = 7;
/** A measurement of the video decoder 0, and what its status is while the decoder is off. */
const NVDEC0_INDEX = 35;
const NVDEC0_OFF = 0x55;
const MOST_IDS = 4096;
const TAG = toHex(tag("OTR/gpu-firmware/1"));

/** The opaque fields of a report, by type. @throws EvidenceEncodingError */
export function opaqueFields(report: Uint8Array): ReadonlyMap<number, Uint8Array> {
  const fail = (reason: string): never => {
    throw new EvidenceEncodingError("SPDM report", reason);
  };
  const little = (at: number): number => (report[at] ?? 0) | ((report[at + 1] ?? 0) << 8);
  const out = new Map<number, Uint8Array>();
  const start = BLOCKS + BLOCK * (report[41] ?? 0) + 34;
  const end = start + little(start - 2);
  if (end + 96 !== report.length) fail("Its lengths do not add up.");
  for (let at = start; at < end; ) {
    const next = at + 4 + little(at + 2);
    if (next > end) fail("An opaque field reaches beyond the others.");
    if (out.has(little(at))) fail(`It has two opaque fields of type ${little(at)}.`);
    out.set(little(at), report.slice(at + 4, next));
    at = next;
  }
  return out;
}

/** Measurement `index`, from 0 on. */
const measurement = (report: Uint8Array, index: number): Uint8Array =>
  report.subarray(BLOCKS + BLOCK * index + VALUE, BLOCKS + BLOCK * (index + 1));

function id(fields: ReadonlyMap<number, Uint8Array>, chosen: bigint, values: readonly Uint8Array[]): Hex {
  const hashes = Object.values(KINDS).map((kind) => keccak256(fields.get(kind) ?? new Uint8Array()));
  const words = [TAG, toHex(bytes32(chosen)), keccak256(concat(values)), ...hashes] as Hex[];
  return keccak256(
    encodeAbiParameters(
      words.map(() => ({ type: "bytes32" as const })),
      words,
    ),
  );
}

const bytes32 = (value: bigint): Uint8Array => fromHex(`0x${value.toString(16).padStart(64, "0")}`);
const indices = (chosen: bigint): number[] =>
  Array.from({ length: 64 }, (_, k) => k).filter((k) => (chosen >> BigInt(k)) & 1n);

/** What `H100.firmwareOf` says of a report, if those measurements are chosen (bit k stands for index k). */
export function firmwareOf(report: Uint8Array, chosen: bigint): Hex {
  return id(
    opaqueFields(report),
    chosen,
    indices(chosen).map((index) => measurement(report, index)),
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
}

/**
 * The firmware that two verified manifests accept on boards and in the mode of a report, which need not be verified: driver, VBIOS
 * and board are named in what is hashed, and the values come from the manifests alone.
 *
 * @throws ManifestError if the manifests are of other versions than the report, or contradict each other.
 */
export function acceptedFirmware(driver: Rim, vbios: Rim, report: Uint8Array): AcceptedFirmware {
  const fields = opaqueFields(report);
  if (driver.kind !== "driver" || vbios.kind !== "vbios")
    throw new ManifestError("One of a driver and one of a VBIOS are needed.");
  const [driverVersion, vbiosVersion] = [textOf(fields.get(KINDS.driver)), versionOf(fields.get(KINDS.vbios))];
  if (driverVersion !== driver.version || vbiosVersion !== vbios.version)
    throw new ManifestError(`The report is of driver ${driverVersion} and VBIOS ${vbiosVersion}.`);
  const accepted = new Map(driver.measurements);
  for (const [index, values] of vbios.measurements) {
    if (accepted.has(index)) throw new ManifestError(`Both manifests name measurement ${index}.`);
    accepted.set(index, values);
  }
  if (fields.get(KINDS.nvdec0)?.[0] === NVDEC0_OFF) accepted.delete(NVDEC0_INDEX);
  let combinations: Uint8Array[][] = [[]];
  let chosen = 0n;
  for (const [index, values] of [...accepted].sort(([a], [b]) => a - b)) {
    chosen |= 1n << BigInt(index);
    combinations = combinations.flatMap((before) => values.map((value) => [...before, value]));
    if (combinations.length > MOST_IDS) throw new ManifestError("They accept too many combinations of values.");
  }
  const ids = combinations.map((values) => id(fields, chosen, values));
  return { chosen, ids, notAfter: Math.min(driver.notAfter, vbios.notAfter) };
}

/** Indices at which a report's measurements are not those of the manifests. */
export function deviations(driver: Rim, vbios: Rim, report: Uint8Array): number[] {
  const off = opaqueFields(report).get(KINDS.nvdec0)?.[0] === NVDEC0_OFF;
  return [...driver.measurements, ...vbios.measurements]
    .filter(([index]) => !(off && index === NVDEC0_INDEX))
    .filter(([index, values]) => !values.some((value) => equal(value, measurement(report, index))))
    .map(([index]) => index);
}

/** A text with zeros behind it. */
const textOf = (value: Uint8Array = new Uint8Array()): string =>
  Buffer.from(value).toString("latin1").replace(/\0+$/, "");

/** A VBIOS version as manifests write it: four bytes, the highest last, then one. */
function versionOf(value: Uint8Array = new Uint8Array(8)): string {
  return [3, 2, 1, 0, 4].map((k) => (value[k] ?? 0).toString(16).padStart(2, "0").toUpperCase()).join(".");
}
