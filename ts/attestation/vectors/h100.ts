import { createHash } from "node:crypto";
import { keccak256 } from "viem";
import { concat, fromHex, type Hex, toHex } from "../../commit/bytes.ts";
import { elements, encode, TAG } from "../der.ts";
import { chainHints, reportHints } from "../h100.ts";
import { SAMPLE_NONCES } from "../nvidia/verify.ts";
import { G, N, times } from "../p384.ts";
import { numbers } from "../p384-hints.ts";
import { parseCertificate } from "../x509.ts";
import {
  authority,
  bytes48,
  CERTIFIES,
  certificate,
  extension,
  integer,
  keyInfo,
  SIGNS,
  secretOf,
  signedBytes,
  time,
  usage,
} from "./certificates.ts";

const ROOT = "Device Identity CA";
const IDENTITY = "Identity";
const PROVISIONER = "Provisioner";
export const BROM = "Boot ROM";
export const LEAF = "Firmware";
const BLOCKS = 64;
/** Some point in the form of a P-256 key, DER. */
const P256_KEY = encode(
  TAG.sequence,
  fromHex("0x301306072a8648ce3d020106082a8648ce3d030107"),
  encode(TAG.bitString, Uint8Array.of(0, 4, ...new Uint8Array(64).fill(1))),
);

export const sha384 = (text: string): Uint8Array => new Uint8Array(createHash("sha384").update(text).digest());
const little = (value: number, size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, k) => (value >> (8 * k)) & 0xff);

/** The leaf's identity of the device and its firmware, as on Hopper GPUs. */
export function deviceIdentity(firmware: Uint8Array): Uint8Array {
  const sequence = (...parts: Uint8Array[]) => encode(TAG.sequence, ...parts);
  const hash = encode(TAG.oid, fromHex("0x608648016503040202"));
  const key = keyInfo(times(secretOf("device"), G)!);
  return extension(
    "678105050401",
    false,
    sequence(integer(1n), key, sequence(hash, encode(TAG.octetString, firmware))),
  );
}

/** The alternative name of a device, as on NVIDIA's. */
export function deviceName(name: string, oid = "0x2b06010401831c821201"): Uint8Array {
  const utf8 = encode(TAG.utf8String, new TextEncoder().encode(name));
  const other = encode(0xa0, encode(TAG.oid, fromHex(oid)), encode(0xa0, utf8));
  return extension("551d11", false, encode(TAG.sequence, other));
}

const leafExtensions = [usage(SIGNS), deviceName("NVIDIA:GH100:0123456789ABCDEF"), deviceIdentity(sha384("firmware"))];

/** A report as an H100 makes it, signed by the leaf's key. */
export function report(
  fields: { firmware?: Uint8Array; blocks?: number; kinds?: readonly number[]; nonce?: Uint8Array; leaf?: string } = {},
): Uint8Array {
  const count = fields.blocks ?? BLOCKS;
  const blocks = Array.from({ length: count }, (_, k) =>
    concat([Uint8Array.of(k + 1, 1, 51, 0, 1, 48, 0), sha384(`measurement ${k + 1}`)]),
  );
  const values: Record<number, Uint8Array> = {
    3: new TextEncoder().encode("550.90.07\0"),
    6: fromHex("0x009f009601000000"),
    12: new Uint8Array(256),
    11: Uint8Array.of(0x55),
    20: fields.firmware ?? sha384("firmware"),
  };
  const opaque = concat(
    (fields.kinds ?? [3, 6, 12, 11, 20]).map((kind) =>
      concat([little(kind, 2), little(values[kind]!.length, 2), values[kind]!]),
    ),
  );
  const body = concat([
    fromHex("0x11e001ff"),
    fields.nonce ?? sha384("nonce").subarray(0, 32),
    fromHex("0x0011600000"),
    Uint8Array.of(count),
    little(55 * count, 3),
    ...blocks,
    sha384("responder").subarray(0, 32),
    little(opaque.length, 2),
    opaque,
  ]);
  const { r, s } = signedBytes(body, fields.leaf ?? LEAF);
  return concat([body, bytes48(r), bytes48(s)]);
}

/** The report with the other signature that verifies: r and n - s. */
function twinOf(one: Uint8Array): Uint8Array {
  return concat([one.subarray(0, -48), bytes48(N - BigInt(toHex(one.subarray(-48))))]);
}

/** Likewise a certificate. */
function twinOfCertificate(der: Uint8Array): Uint8Array {
  const { tbs, signature: genuine } = parseCertificate(der);
  const [r, s] = numbers(genuine);
  const [, algorithm] = elements(elements(der)[0]!.contents);
  const signature = encode(TAG.sequence, integer(r), integer(N - s));
  return encode(TAG.sequence, tbs, algorithm!.whole, encode(TAG.bitString, Uint8Array.of(0), signature));
}

/** What `test/vectors/attestation/h100.json` holds: one chain with hints, certificates that break it, and reports. */
export function h100Vectors(): unknown {
  const root = certificate({ subject: ROOT, issuer: ROOT });
  const identity = certificate({ subject: IDENTITY, issuer: ROOT });
  const provisioner = certificate({ subject: PROVISIONER, issuer: IDENTITY });
  const brom = certificate({ subject: BROM, issuer: PROVISIONER });
  const leafFields = { subject: LEAF, issuer: BROM, extensions: leafExtensions };
  const leaf = certificate(leafFields);
  const chain = [leaf, brom, provisioner, identity, root];
  const read = chain.map((der) => parseCertificate(der));
  const good = report();
  const limited = certificate({ subject: IDENTITY, issuer: ROOT, extensions: [authority(0), usage(CERTIFIES)] });
  const limitedToOne = certificate({
    subject: IDENTITY,
    issuer: ROOT,
    extensions: [authority(1), usage(CERTIFIES)],
  });
  const shortLived = certificate({
    subject: BROM,
    issuer: PROVISIONER,
    validity: [time("260101000000Z"), time("270101000000Z")],
    serial: 7n,
  });
  const leafTwin = twinOfCertificate(leaf);
  const p256 = certificate({ subject: IDENTITY, issuer: ROOT, key: P256_KEY });

  const variant = (extensions: readonly Uint8Array[]) => certificate({ ...leafFields, extensions });
  const valid = (from: string, to: string) => certificate({ ...leafFields, validity: [time(from), time(to)] });
  const certificates: Record<string, Uint8Array> = {
    leaf,
    limited,
    leafTwin,
    limitedToOne,
    shortLived,
    p256,
    withoutUsage: certificate({ subject: BROM, issuer: PROVISIONER, extensions: [authority()] }),
    unknownCritical: variant([...leafExtensions, extension("2a03", true, Uint8Array.of(5, 0))]),
    unknown: variant([...leafExtensions, extension("2a03", false, Uint8Array.of(5, 0))]),
    twice: variant([...leafExtensions, usage(SIGNS)]),
    seventeen: variant([
      ...leafExtensions,
      ...Array.from({ length: 14 }, (_, k) => extension(`2a0${k.toString(16)}`, false, Uint8Array.of(5, 0))),
    ]),
    leafNotSigning: variant([usage(CERTIFIES), ...leafExtensions.slice(1)]),
    leafAuthority: variant([authority(), ...leafExtensions]),
    leafWithoutIdentity: variant(leafExtensions.slice(0, 2)),
    leafWithoutName: variant([leafExtensions[0]!, leafExtensions[2]!]),
    leafOfSwitch: variant([leafExtensions[0]!, deviceName("NVIDIA:LS10:0123456789ABCDEF"), leafExtensions[2]!]),
    leafNameless: variant([leafExtensions[0]!, deviceName("NVIDIA:GH100:"), leafExtensions[2]!]),
    leafOtherName: variant([
      leafExtensions[0]!,
      deviceName("NVIDIA:GH100:0123456789ABCDEF", "0x2b06010401831c821202"),
      leafExtensions[2]!,
    ]),
    leafShortFirmware: variant([...leafExtensions.slice(0, 2), deviceIdentity(new Uint8Array(32))]),
    times: valid("700101000000Z", "20500101000000Z"),
    leapDay: valid("000229235959Z", "491231235959Z"),
    noLeapDay: valid("010229000000Z", "491231235959Z"),
    month13: valid("011301000000Z", "491231235959Z"),
    month0: valid("010001000000Z", "491231235959Z"),
    day0: valid("010100000000Z", "491231235959Z"),
    day31: valid("010431000000Z", "491231235959Z"),
    hour24: valid("010101240000Z", "491231235959Z"),
    minute60: valid("010101006000Z", "491231235959Z"),
    second60: valid("010101000060Z", "491231235959Z"),
    letter: valid("01010100000aZ", "491231235959Z"),
    offset: valid("0101010000000", "491231235959Z"),
    before1970: valid("691231235959Z", "491231235959Z"),
    earlyGeneralized: valid("010101000000Z", "20491231235959Z"),
    serialZero: certificate({ ...leafFields, serial: 0n }),
    serial20: certificate({ ...leafFields, serial: (1n << 160n) - 1n }),
    serial21: certificate({ ...leafFields, serial: 1n << 160n }),
  };
  const reports: Record<string, Uint8Array> = {
    good,
    withoutFirmware: report({ kinds: [3, 6, 12, 11] }),
    otherFirmware: report({ firmware: sha384("other firmware") }),
    twoFirmwares: report({ kinds: [3, 20, 20] }),
    canned: report({ nonce: fromHex(SAMPLE_NONCES[0]!) }),
    cannedToo: report({ nonce: fromHex(SAMPLE_NONCES[1]!) }),
    twin: twinOf(good),
    switch: report({ blocks: 31, kinds: [6, 12] }),
  };
  const hex = (map: Record<string, Uint8Array>): Record<string, Hex> =>
    Object.fromEntries(Object.entries(map).map(([name, bytes]) => [name, toHex(bytes)]));
  return {
    root: keccak256(root),
    nonce: toHex(good.subarray(4, 36)),
    chain: chain.map(toHex),
    hints: chainHints(read).map(toHex),
    reportHints: toHex(reportHints(good, read[0]!)),
    limitedHints: toHex(chainHints([parseCertificate(limited), read[4]!])[0]!),
    limitedToOneHints: toHex(chainHints([parseCertificate(limitedToOne), read[4]!])[0]!),
    shortLivedHints: toHex(chainHints([parseCertificate(shortLived), read[2]!])[0]!),
    leafTwinHints: toHex(chainHints([parseCertificate(leafTwin), read[1]!])[0]!),
    p256Hints: toHex(chainHints([parseCertificate(p256), read[4]!])[0]!),
    withoutFirmwareHints: toHex(reportHints(reports.withoutFirmware!, read[0]!)),
    twinHints: toHex(reportHints(reports.twin!, read[0]!)),
    cannedHints: [reports.canned!, reports.cannedToo!].map((one) => toHex(reportHints(one, read[0]!))),
    certificates: hex(certificates),
    reports: hex(reports),
  };
}
