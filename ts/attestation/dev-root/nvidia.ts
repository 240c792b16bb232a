import { concat, fromHex, toHex } from "../../commit/bytes.ts";
import { encode, TAG } from "../der.ts";
import { OPAQUE } from "../nvidia/report.ts";
import { parseCertificate } from "../x509.ts";
import { bytesOf, little } from "./bytes.ts";
import { DevKey } from "./key.ts";
import { type DevOcspAnswer, ocspResponse, responderCertificate } from "./ocsp.ts";
import {
  type Authority,
  certificate,
  constraints,
  distributionPoint,
  extension,
  integer,
  keyInfo,
  type Name,
  octets,
  oid,
  pem,
  sequence,
  serialOf,
  USAGE,
  usage,
} from "./x509.ts";

/** As on real GPUs: from 17 October 2020 on, without end. */
const NOT_BEFORE = 1_602_892_800;
const NOT_AFTER = 253_402_300_799;
const URL = "http://development.invalid/nvidia";
const OID_SHA384 = "608648016503040202";
const BLOCKS = 64;
const RESPONDER: Name = [
  ["CN", "NVIDIA OCSP Responder"],
  ["O", "OTR Development"],
];

/** What a report may say otherwise. */
export interface ReportFields {
  /** Values by index from 1 on, 48 bytes each; all others follow from the seed, as the same on every GPU. */
  readonly measurements?: Readonly<Record<number, Uint8Array>>;
  /** Opaque fields by type, in place of those of a real report; undefined leaves one out. */
  readonly opaque?: Readonly<Record<number, Uint8Array | undefined>>;
}

/** One GPU: its chain, and reports under the key at the chain's end. */
export interface DevGpu {
  /** What a responder answers about the certificate at this place of the chain, an OCSPResponse in DER (`DevOcspAnswer`). */
  ocsp(place: number, answer: DevOcspAnswer): Uint8Array;
  /** As in the leaf's alternative name: "NVIDIA:GH100:" and 16 digits. */
  readonly name: string;
  readonly serial: bigint;
  /** DER, leaf first: firmware, boot ROM, provisioner, GH100 identity, device identity CA. */
  readonly chain: readonly Uint8Array[];
  /** The same in PEM. */
  readonly pem: string;
  /** The report that answers this 32-byte nonce. */
  report(nonce: Uint8Array, fields?: ReportFields): Uint8Array;
}

/**
 * A development stand-in for NVIDIA: a device root with any number of H100 GPUs below it. The seed determines everything, as with
 * `DevIntel`; a report's own nonce follows from the requester's.
 */
export class DevNvidia {
  readonly #seed: Uint8Array;
  readonly #authorities: readonly [Authority, Authority, Authority];
  /** DER of provisioner, GH100 identity and device identity CA. */
  readonly authorities: readonly [Uint8Array, Uint8Array, Uint8Array];

  constructor(seed: Uint8Array) {
    this.#seed = seed;
    const authority = (label: string, commonName: string): Authority => ({
      name: [
        ["CN", commonName],
        ["O", "OTR Development"],
      ],
      key: DevKey.derive(seed, "P-384", `nvidia/${label}`),
    });
    const root = authority("root", "NVIDIA Device Identity CA");
    const identity = authority("identity", "NVIDIA GH100 Identity");
    const provisioner = authority("provisioner", "NVIDIA GH100 Provisioner ICA 1");
    this.#authorities = [provisioner, identity, root];
    const certify = ({ name, key }: Authority, issuer: Authority, label: string, list?: string) =>
      certificate({
        subject: name,
        key,
        issuer,
        serial: serialOf(seed, `nvidia/${label}`),
        notBefore: NOT_BEFORE,
        notAfter: NOT_AFTER,
        extensions: [
          constraints(true),
          usage(USAGE.certify | USAGE.revoke),
          ...(list === undefined ? [] : [distributionPoint(`${URL}/${list}`)]),
        ],
      });
    this.authorities = [
      certify(provisioner, identity, "provisioner", "l2-gh100.crl"),
      certify(identity, root, "identity", "l1-root.crl"),
      certify(root, root, "root"),
    ];
  }

  /** DER of the root to pin. */
  get root(): Uint8Array {
    return this.authorities[2];
  }

  /** The GPU with this number. */
  gpu(index: number): DevGpu {
    const seed = this.#seed;
    const label = `nvidia/gpu/${index}`;
    const name = `NVIDIA:GH100:${hex(bytesOf(seed, `${label}/id`, 8))}`;
    const brom: Authority = {
      name: partName(hex(bytesOf(seed, `${label}/brom`, 9)), "GH100 A01 GSP BROM"),
      key: DevKey.derive(seed, "P-384", `${label}/brom`),
    };
    const key = DevKey.derive(seed, "P-384", `${label}/leaf`);
    const serial = serialOf(seed, `${label}/leaf`);
    const firmware = bytesOf(seed, "nvidia/firmware", 48);
    const dates = { notBefore: NOT_BEFORE, notAfter: NOT_AFTER };
    const leafDer = certificate({
      ...dates,
      subject: partName(serial.toString(16).toUpperCase(), "GH100 A01 GSP FMC LF"),
      key,
      issuer: brom,
      serial,
      extensions: [usage(USAGE.sign), alternativeName(name), deviceIdentity(brom.key, firmware)],
    });
    const bromDer = certificate({
      ...dates,
      subject: brom.name,
      key: brom.key,
      issuer: this.#authorities[0],
      serial: serialOf(seed, `${label}/brom`),
      extensions: [constraints(true), usage(USAGE.certify)],
    });
    const chain = [leafDer, bromDer, ...this.authorities];
    const issuers = [brom, ...this.#authorities];
    return {
      ocsp: (place, answer) => {
        const issuer = issuers[place];
        const { serial: about } = parseCertificate(chain[place] ?? new Uint8Array());
        if (issuer === undefined) throw new RangeError(`Nobody issued certificate ${place}.`);
        const signer = { key: DevKey.derive(seed, "P-384", "nvidia/ocsp"), name: RESPONDER };
        const certificates = answer.byIssuer
          ? []
          : [responderCertificate({ seed, issuer, signer, ...dates, ...answer })];
        return ocspResponse({
          ...answer,
          issuer,
          signer: answer.byIssuer ? issuer : signer,
          serial: answer.serial ?? about,
          certificates,
        });
      },
      name,
      serial,
      chain,
      pem: chain.map(pem).join(""),
      report: (nonce, fields = {}) => spdmReport({ seed, nonce, key, firmware, fields }),
    };
  }
}

function partName(serialNumber: string, commonName: string): Name {
  return [
    ["SERIALNUMBER", serialNumber],
    ["C", "US"],
    ["O", "OTR Development"],
    ["CN", commonName],
  ];
}

/** DMTF's otherName with the device's identity. */
function alternativeName(name: string): Uint8Array {
  const text = encode(TAG.utf8String, new TextEncoder().encode(name));
  return extension("551d11", false, sequence(encode(0xa0, oid("2b06010401831c821201"), encode(0xa0, text))));
}

/** TCG's identity of device and firmware (DICE), in the form of Hopper GPUs. */
function deviceIdentity(device: DevKey, firmware: Uint8Array): Uint8Array {
  const measured = sequence(oid(OID_SHA384), octets(firmware));
  return extension("678105050401", false, sequence(integer(1), keyInfo(device), measured));
}

/** GET_MEASUREMENTS and its answer, signed (SPDM 1.1). */
function spdmReport({
  seed,
  nonce,
  key,
  firmware,
  fields,
}: {
  seed: Uint8Array;
  nonce: Uint8Array;
  key: DevKey;
  firmware: Uint8Array;
  fields: ReportFields;
}): Uint8Array {
  if (nonce.length !== 32) throw new RangeError(`A nonce has ${nonce.length} bytes, not 32.`);
  const blocks = Array.from({ length: BLOCKS }, (_, k) => {
    const value = fields.measurements?.[k + 1] ?? bytesOf(seed, `nvidia/measurement/${k + 1}`, 48);
    return concat([Uint8Array.of(k + 1, 1), little(51, 2), Uint8Array.of(1), little(48, 2), value]);
  });
  const opaque = opaqueData({ ...opaqueDefaults(firmware), ...fields.opaque });
  const body = concat([
    fromHex("0x11e001ff"),
    nonce,
    fromHex("0x0011600000"),
    Uint8Array.of(BLOCKS),
    little(55 * BLOCKS, 3),
    ...blocks,
    bytesOf(nonce, "nvidia/responder-nonce", 32),
    little(opaque.length, 2),
    opaque,
  ]);
  return concat([body, key.sign(body)]);
}

/** As in a report of an H100 in a machine of its own, with confidential computing on. */
function opaqueDefaults(firmware: Uint8Array): Record<number, Uint8Array> {
  const text = (value: string) => new TextEncoder().encode(`${value}\0`);
  return {
    [OPAQUE.vbios]: fromHex("0x009f009601000000"),
    [OPAQUE.chipSku]: text("882"),
    [OPAQUE.project]: text("1010"),
    [OPAQUE.projectSku]: text("0200"),
    [OPAQUE.driver]: text("590.12"),
    [OPAQUE.counts]: new Uint8Array(256),
    [OPAQUE.nvdec0]: Uint8Array.of(0x55),
    [OPAQUE.firmwareId]: firmware,
    [OPAQUE.protectedPcie]: Uint8Array.of(0x55),
    [OPAQUE.opaqueVersion]: little(1, 2),
    [OPAQUE.featureFlag]: little(0, 2),
  };
}

function opaqueData(values: Readonly<Record<number, Uint8Array | undefined>>): Uint8Array {
  const parts = Object.entries(values).map(([kind, value]) =>
    value === undefined ? new Uint8Array() : concat([little(Number(kind), 2), little(value.length, 2), value]),
  );
  return concat(parts);
}

const hex = (bytes: Uint8Array): string => toHex(bytes).slice(2).toUpperCase();
