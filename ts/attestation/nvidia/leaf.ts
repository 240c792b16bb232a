import { equal, fromHex, toHex } from "../../commit/bytes.ts";
import { children, contentsOf, only, TAG } from "../der.ts";
import { EvidenceEncodingError } from "../errors.ts";
import type { X509 } from "../x509.ts";

/** Families of devices that attest under one root, by how their names begin. */
export type Architecture = "HOPPER" | "BLACKWELL" | "NVSWITCH" | "UNKNOWN";

/** What a leaf says of its device. */
export interface DeviceLeaf {
  readonly architecture: Architecture;
  /** E.g. "NVIDIA:GH100:48B02D92494BADF4": the device's stable identity. */
  readonly name: string;
  /** Digests of firmware, each SHA-384. */
  readonly firmware: readonly Uint8Array[];
}

const DEVICE_NAME = fromHex("0x2b06010401831c821201");
const SHA384 = fromHex("0x608648016503040202");
const ALTERNATIVE_NAME = "551d11";
/** TCG's DICE extensions: 2.23.133.5.4.1 of Hopper and LS10, 2.23.133.5.4.1.1 of Blackwell. */
const COMPOSITE_DEVICE_ID = "678105050401";
const TCB_INFO = "67810505040101";
const FWIDS = 0xa6;
const OTHER_NAME = 0xa0;
const DIGEST = 48;

const fail = (reason: string): never => {
  throw new EvidenceEncodingError("certificate of an NVIDIA device", reason);
};

/** Reads a leaf's name and firmware. @throws EvidenceEncodingError if one is missing */
export function readLeaf({ extensions }: Pick<X509, "extensions">): DeviceLeaf {
  const value = (id: string) => extensions.get(id)?.value;
  const name = nameOf(value(ALTERNATIVE_NAME) ?? fail("It has no alternative name."));
  const [identity, tcb] = [value(COMPOSITE_DEVICE_ID), value(TCB_INFO)];
  if (identity === undefined && tcb === undefined) fail("It has no identity of its firmware.");
  const firmware = identity === undefined ? firmwaresOf(tcb!) : [firmwareOf(identity)];
  return { architecture: architectureOf(name), name, firmware };
}

function architectureOf(name: string): Architecture {
  if (name.startsWith("NVIDIA:GH100:")) return "HOPPER";
  if (/^NVIDIA:GB[12]\d\d:/.test(name)) return "BLACKWELL";
  return name.startsWith("NVIDIA:LS_10:") ? "NVSWITCH" : "UNKNOWN";
}

function nameOf(extension: Uint8Array): string {
  const [other, ...more] = children(only(extension, TAG.sequence), TAG.sequence);
  const [id, value, ...rest] = children(other, OTHER_NAME);
  if (more.length > 0 || rest.length > 0 || !equal(contentsOf(id, TAG.oid), DEVICE_NAME))
    fail("Its alternative name is not DMTF's of a device.");
  const text = new TextDecoder("latin1").decode(
    contentsOf(only(contentsOf(value, OTHER_NAME), TAG.utf8String), TAG.utf8String),
  );
  return /^[\x21-\x7e]{1,64}$/.test(text) ? text : fail("Its alternative name is no name.");
}

/** Version, device key, and hash algorithm with digest. */
function firmwareOf(extension: Uint8Array): Uint8Array {
  const [, , measured] = children(only(extension, TAG.sequence), TAG.sequence);
  return digestOf(measured?.whole ?? fail("Its identity of the firmware has not three parts."));
}

function firmwaresOf(extension: Uint8Array): Uint8Array[] {
  const list = children(only(extension, TAG.sequence), TAG.sequence).find(({ tag }) => tag === FWIDS);
  return children(list, FWIDS).map(({ whole }) => digestOf(whole));
}

function digestOf(element: Uint8Array): Uint8Array {
  const [algorithm, value, ...rest] = children(only(element, TAG.sequence), TAG.sequence);
  const digest = contentsOf(value, TAG.octetString);
  if (rest.length > 0 || !equal(contentsOf(algorithm, TAG.oid), SHA384) || digest.length !== DIGEST)
    fail(`A digest of firmware is no SHA-384: ${toHex(digest)}.`);
  return digest;
}
