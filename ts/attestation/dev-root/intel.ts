import { createHash } from "node:crypto";
import { concat, fromHex, toHex } from "../../commit/bytes.ts";
import { encode, TAG } from "../der.ts";
import type { Collateral } from "../intel/collateral.ts";
import { bytesOf, little } from "./bytes.ts";
import { type CollateralIssuer, type CollateralOptions, collateralOf } from "./intel-collateral.ts";
import { DevKey } from "./key.ts";
import {
  type Authority,
  certificate,
  constraints,
  distributionPoint,
  extension,
  integer,
  type Name,
  octets,
  oid,
  pem,
  sequence,
  serialOf,
  USAGE,
  usage,
} from "./x509.ts";

/** 1 January 2026 and 31 December 2049: development certificates do not run out under anybody's hands. */
const NOT_BEFORE = 1_767_225_600;
const NOT_AFTER = 2_524_607_999;

const INTEL_VENDOR = fromHex("0x939a7233f79c4ca9940a0db3957f0607");
const URL = "https://development.invalid/intel";
/** Identifier of Intel's extension; those of its parts begin with it. */
const SGX = "2a864886f84d010d01";

/** Fields of a TD's report; what is not named is 0, or made from the seed. */
export interface TdFields {
  readonly teeTcbSvn?: Uint8Array;
  readonly mrSeam?: Uint8Array;
  readonly mrSignerSeam?: Uint8Array;
  readonly seamAttributes?: Uint8Array;
  readonly tdAttributes?: Uint8Array;
  readonly xfam?: Uint8Array;
  readonly mrTd?: Uint8Array;
  readonly mrConfigId?: Uint8Array;
  readonly mrOwner?: Uint8Array;
  readonly mrOwnerConfig?: Uint8Array;
  /** RTMR0 to 3. */
  readonly rtmrs?: readonly Uint8Array[];
  /** Of version 5 only. */
  readonly mrServiceTd?: Uint8Array;
}

/** Fields of an enclave's report. */
export interface SgxFields {
  readonly mrEnclave?: Uint8Array;
  readonly mrSigner?: Uint8Array;
  readonly attributes?: Uint8Array;
  readonly product?: number;
  readonly securityVersion?: number;
}

/** What is beside a quote's report. */
export interface QuoteOptions {
  /** Version of a TD's quote: 4 (default) or 5, which carries a report of TDX 1.5. */
  readonly version?: 4 | 5;
  readonly qeAttributes?: Uint8Array;
  /** Another chain in the quote than the platform's own, PEM. */
  readonly chain?: string;
}

type QuotingEnclave = CollateralIssuer["enclave"] & { readonly kind: "td-qe" | "qe" };

const VERSION_TDX = fromHex("0x06010300000000000000000000000000");

/**
 * A development stand-in for Intel: a root, and one platform below it, with quoting enclaves for TDX and SGX. The seed determines all keys,
 * certificates and, with a message, all signatures. What it issues has the structure of Intel's, byte by byte, and its names but for the
 * organisation: a verifier differs only in the pinned root.
 */
export class DevIntel {
  readonly #seed: Uint8Array;
  readonly #root: Authority;
  readonly #platformCa: Authority;
  readonly #signer: DevKey;
  readonly #pck: DevKey;
  readonly #platform: CollateralIssuer["platform"] & { readonly ppid: Uint8Array };
  /** DER of root, platform CA, PCK certificate, and of who signs TCB info and QE identity. */
  readonly certificates: Readonly<Record<"root" | "platformCa" | "pck" | "signer", Uint8Array>>;
  readonly serials: Readonly<Record<"root" | "platformCa" | "pck" | "signer", bigint>>;

  constructor(seed: Uint8Array) {
    this.#seed = seed;
    const serial = (label: string) => serialOf(seed, `intel/${label}`);
    this.serials = {
      root: serial("root"),
      platformCa: serial("platform-ca"),
      pck: serial("pck"),
      signer: serial("signer"),
    };
    const key = (label: string) => DevKey.derive(seed, "P-256", `intel/${label}`);
    const authority = (label: string, commonName: string): Authority => ({ name: nameOf(commonName), key: key(label) });
    this.#root = authority("root", "Intel SGX Root CA");
    this.#platformCa = authority("platform-ca", "Intel SGX PCK Platform CA");
    this.#signer = key("signer");
    this.#pck = key("pck");
    this.#platform = {
      ppid: bytesOf(seed, "intel/ppid", 16),
      fmspc: concat([bytesOf(seed, "intel/fmspc", 3), new Uint8Array(3)]),
      pceId: new Uint8Array(2),
      cpuSvn: fromHex("0x03030202040100050000000000000000"),
      pceSvn: 11,
    };
    this.certificates = this.#certify();
  }

  /** What identifies the one platform: its kind, and itself. */
  get platform(): { readonly fmspc: Uint8Array; readonly ppid: Uint8Array } {
    return { fmspc: this.#platform.fmspc, ppid: this.#platform.ppid };
  }

  /** PCK certificate, platform CA, root, in PEM, as in quotes. */
  get chain(): string {
    const { pck, platformCa, root } = this.certificates;
    return pem(pck) + pem(platformCa) + pem(root);
  }

  /** A quote of a TD with these 64 bytes of report data. */
  tdxQuote(reportData: Uint8Array, fields: TdFields = {}, options: QuoteOptions = {}): Uint8Array {
    const seeded = (label: string) => bytesOf(this.#seed, `intel/td/${label}`, 48);
    const zero = (size: number) => new Uint8Array(size);
    const version = options.version ?? 4;
    const svn = fields.teeTcbSvn ?? VERSION_TDX;
    const rtmrs = fields.rtmrs ?? [0, 1, 2].map((k) => seeded(`rtmr${k}`)).concat(zero(48));
    const body = concat([
      sized(svn, 16),
      sized(fields.mrSeam ?? seeded("mrseam"), 48),
      sized(fields.mrSignerSeam ?? zero(48), 48),
      sized(fields.seamAttributes ?? zero(8), 8),
      // SEPT_VE_DISABLE, as Linux guests set it.
      sized(fields.tdAttributes ?? fromHex("0x0000001000000000"), 8),
      sized(fields.xfam ?? fromHex("0xe702060000000000"), 8),
      sized(fields.mrTd ?? seeded("mrtd"), 48),
      ...[fields.mrConfigId, fields.mrOwner, fields.mrOwnerConfig].map((value) => sized(value ?? zero(48), 48)),
      ...rtmrs.map((value) => sized(value, 48)),
      sized(reportData, 64),
      ...(version === 5 ? [svn, sized(fields.mrServiceTd ?? zero(48), 48)] : []),
    ]);
    const head = concat([little(version, 2), little(2, 2), little(0x81, 4), zero(4), INTEL_VENDOR, this.#userData()]);
    const described = version === 5 ? concat([little(3, 2), little(body.length, 4), body]) : body;
    return this.#signed(concat([head, described]), { signer: this.#enclave("td-qe"), wrapped: true, options });
  }

  /** A quote (version 3) of an SGX enclave. */
  sgxQuote(reportData: Uint8Array, fields: SgxFields = {}, options: QuoteOptions = {}): Uint8Array {
    const seeded = (label: string) => bytesOf(this.#seed, `intel/sgx/${label}`, 32);
    const body = enclaveReport({
      cpuSvn: this.#platform.cpuSvn,
      attributes: sized(fields.attributes ?? fromHex("0x0500000000000000e700000000000000"), 16),
      mrEnclave: sized(fields.mrEnclave ?? seeded("mrenclave"), 32),
      mrSigner: sized(fields.mrSigner ?? seeded("mrsigner"), 32),
      product: fields.product ?? 0,
      securityVersion: fields.securityVersion ?? 0,
      reportData: sized(reportData, 64),
    });
    const { securityVersion } = this.#enclave("qe");
    const svns = concat([little(securityVersion, 2), little(this.#platform.pceSvn, 2)]);
    const head = concat([little(3, 2), little(2, 2), little(0, 4), svns, INTEL_VENDOR, this.#userData()]);
    return this.#signed(concat([head, body]), { signer: this.#enclave("qe"), wrapped: false, options });
  }

  /** Collateral for quotes of TDs. */
  tdxCollateral(options: CollateralOptions): Collateral {
    return collateralOf({ ...this.#issuer("td-qe"), teeTcbSvn: VERSION_TDX }, options);
  }

  /** Collateral for quotes of SGX enclaves. */
  sgxCollateral(options: CollateralOptions): Collateral {
    return collateralOf(this.#issuer("qe"), options);
  }

  #issuer(enclave: QuotingEnclave["kind"]): CollateralIssuer {
    const [root, platformCa, signer] = [this.#root, this.#platformCa, this.#signer];
    const { certificates } = this;
    return { root, platformCa, signer, certificates, platform: this.#platform, enclave: this.#enclave(enclave) };
  }

  /** The quoting enclaves, which Intel signs: product 2 quotes TDs, product 1 SGX enclaves. */
  #enclave(kind: QuotingEnclave["kind"]): QuotingEnclave {
    return {
      kind,
      signer: bytesOf(this.#seed, `intel/${kind}/mrsigner`, 32),
      product: kind === "td-qe" ? 2 : 1,
      securityVersion: kind === "td-qe" ? 6 : 10,
    };
  }

  #userData(): Uint8Array {
    return concat([bytesOf(this.#seed, "intel/qe-id", 16), new Uint8Array(4)]);
  }

  /** Signature data: the quote's signature, its key, and the quoting enclave's report that vouches for the key. */
  #signed(
    signed: Uint8Array,
    { signer, wrapped, options }: { signer: QuotingEnclave; wrapped: boolean; options: QuoteOptions },
  ): Uint8Array {
    const key = DevKey.derive(this.#seed, "P-256", `intel/${signer.kind}/attestation-key`);
    const auth = Uint8Array.from({ length: 32 }, (_, k) => k);
    const binding = createHash("sha256").update(key.publicKey).update(auth).digest();
    const report = enclaveReport({
      cpuSvn: this.#platform.cpuSvn,
      attributes: options.qeAttributes ?? fromHex("0x1500000000000000e700000000000000"),
      mrEnclave: bytesOf(this.#seed, `intel/${signer.kind}/mrenclave`, 32),
      mrSigner: signer.signer,
      product: signer.product,
      securityVersion: signer.securityVersion,
      reportData: concat([binding, new Uint8Array(32)]),
    });
    const chain = new TextEncoder().encode(options.chain ?? this.chain);
    const certified = concat([
      report,
      this.#pck.sign(report),
      little(auth.length, 2),
      auth,
      little(5, 2),
      little(chain.length, 4),
      chain,
    ]);
    const data = concat([
      key.sign(signed),
      key.publicKey,
      ...(wrapped ? [little(6, 2), little(certified.length, 4)] : []),
      certified,
    ]);
    return concat([signed, little(data.length, 4), data]);
  }

  #certify(): DevIntel["certificates"] {
    const [root, platformCa] = [this.#root, this.#platformCa];
    const dates = { notBefore: NOT_BEFORE, notAfter: NOT_AFTER };
    const authority = (pathLength: number) => [
      distributionPoint(`${URL}/root.crl`),
      usage(USAGE.certify | USAGE.revoke),
      constraints(true, pathLength),
    ];
    const leaf = [usage(USAGE.sign | USAGE.nonRepudiation), constraints(false)];
    const platformList = distributionPoint(`${URL}/platform.crl`);
    return {
      root: certificate({
        ...dates,
        subject: root.name,
        key: root.key,
        issuer: root,
        serial: this.serials.root,
        extensions: authority(1),
      }),
      platformCa: certificate({
        ...dates,
        subject: platformCa.name,
        key: platformCa.key,
        issuer: root,
        serial: this.serials.platformCa,
        extensions: authority(0),
      }),
      signer: certificate({
        ...dates,
        subject: nameOf("Intel SGX TCB Signing"),
        key: this.#signer,
        issuer: root,
        serial: this.serials.signer,
        extensions: [distributionPoint(`${URL}/root.crl`), ...leaf],
      }),
      pck: certificate({
        ...dates,
        subject: nameOf("Intel SGX PCK Certificate"),
        key: this.#pck,
        issuer: platformCa,
        serial: this.serials.pck,
        extensions: [platformList, ...leaf, sgxExtension(this.#seed, this.#platform)],
      }),
    };
  }
}

function nameOf(commonName: string): Name {
  return [
    ["CN", commonName],
    ["O", "OTR Development"],
    ["C", "US"],
  ];
}

/** An enclave's report, 384 bytes. */
function enclaveReport(fields: {
  cpuSvn: Uint8Array;
  attributes: Uint8Array;
  mrEnclave: Uint8Array;
  mrSigner: Uint8Array;
  product: number;
  securityVersion: number;
  reportData: Uint8Array;
}): Uint8Array {
  const zero = (size: number) => new Uint8Array(size);
  const { cpuSvn, attributes, mrEnclave, mrSigner, product, securityVersion, reportData } = fields;
  return concat([
    ...[cpuSvn, zero(32), attributes, mrEnclave, zero(32), mrSigner, zero(96)],
    ...[little(product, 2), little(securityVersion, 2), zero(60), reportData],
  ]);
}

/** Intel's extension of PCK certificates, with all its parts. */
function sgxExtension(
  seed: Uint8Array,
  { ppid, fmspc, pceId, cpuSvn, pceSvn }: CollateralIssuer["platform"] & { readonly ppid: Uint8Array },
): Uint8Array {
  const part = (path: string, value: Uint8Array) => sequence(oid(SGX + path), value);
  const components = [...cpuSvn].map((svn, k) => part(`02${toHex(Uint8Array.of(k + 1)).slice(2)}`, integer(svn)));
  const on = (path: string) => part(path, encode(TAG.boolean, Uint8Array.of(0xff)));
  return extension(
    SGX,
    false,
    sequence(
      part("01", octets(ppid)),
      part("02", sequence(...components, part("0211", integer(pceSvn)), part("0212", octets(cpuSvn)))),
      part("03", octets(pceId)),
      part("04", octets(fmspc)),
      part("05", encode(TAG.enumerated, Uint8Array.of(1))),
      part("06", octets(bytesOf(seed, "intel/platform-instance", 16))),
      part("07", sequence(on("0701"), on("0702"), on("0703"))),
    ),
  );
}

/** @throws RangeError if a field has not its size: a caller's mistake. */
function sized(value: Uint8Array, size: number): Uint8Array {
  if (value.length !== size) throw new RangeError(`A field has ${value.length} bytes, not ${size}.`);
  return value;
}
