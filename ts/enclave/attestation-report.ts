import { createHash } from "node:crypto";
import { getAddress } from "viem";
import type { Collateral } from "../attestation/intel/collateral.ts";
import { parseQuote } from "../attestation/intel/quote.ts";
import { reportDataOf } from "../attestation/report-data.ts";
import { type Hex, toHex } from "../commit/bytes.ts";
import type { Domain } from "../commit/typed-data.ts";
import { AttestationBusyError } from "./errors.ts";
import type { Evidence, EvidenceSource } from "./source.ts";

/** A key that the machine's evidence is about. */
export interface AttestedKey {
  readonly model: string;
  readonly modelId: Hex;
  readonly address: Hex;
  /** x and y on secp256k1, 64 bytes in hex. */
  readonly publicKey: Hex;
}

/** What a report is asked for. */
export interface ReportQuery {
  /** 32 bytes. */
  readonly nonce: Uint8Array;
  readonly keys: readonly AttestedKey[];
  readonly includeTls: boolean;
}

/** What attests an executor's keys. */
export interface AttestationServiceOptions {
  readonly source: EvidenceSource;
  readonly domain: Domain;
  readonly executor: Hex;
  /** SHA-256 of the TLS key behind which the executor is reached, if that key is in the same machine. */
  readonly tlsFingerprint?: Uint8Array;
}

/** One key's evidence, in the field names of the confidential-inference gateways that clients know. */
export interface KeyAttestation {
  readonly model: string;
  readonly signing_address: string;
  readonly signing_algo: "ecdsa";
  readonly signing_public_key: string;
  readonly request_nonce: string;
  readonly report_data: string;
  readonly tls_cert_fingerprint: string | null;
  /** Hex without 0x; null of AMD's machines, which have `amd_report`. */
  readonly intel_quote: string | null;
  readonly quote: string | null;
  readonly amd_report: string | null;
  readonly amd_certificates: string | null;
  /** JSON text, as NVIDIA's service takes it; empty text without GPUs. */
  readonly nvidia_payload: string;
  /** JSON texts. */
  readonly event_log: string;
  readonly vm_config: string;
  readonly info: { readonly tcb_info: Readonly<Record<string, string>> };
  readonly otr: {
    readonly chainId: number;
    readonly rollup: Hex;
    readonly executor: Hex;
    readonly modelId: Hex;
    readonly collateral: Collateral | null;
  };
}

/** The answer of `GET /v1/attestation/report`: the first key's evidence, and all keys' in the places where clients look for lists. */
export interface AttestationReport extends KeyAttestation {
  readonly all_attestations: readonly KeyAttestation[];
  readonly model_attestations: readonly KeyAttestation[];
  readonly gateway_attestation: null;
}

/** Requests that may wait: evidence takes seconds, and one machine makes one at a time. */
const MOST_WAITING = 8;

/** Makes reports for clients, one after the other. */
export class AttestationService {
  readonly #o: AttestationServiceOptions;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(options: AttestationServiceOptions) {
    this.#o = options;
  }

  /** Whether clients can bind their TLS connection. */
  get hasTls(): boolean {
    return this.#o.tlsFingerprint !== undefined;
  }

  /**
   * Evidence for a client's nonce.
   *
   * @throws AttestationBusyError if too many wait. @throws EvidenceUnavailableError if the machine gives none.
   */
  async report(query: ReportQuery): Promise<AttestationReport> {
    if (this.#waiting >= MOST_WAITING) throw new AttestationBusyError();
    this.#waiting++;
    const turn = this.#last.then(() => this.#make(query));
    this.#last = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      this.#waiting--;
    }
  }

  async #make({ nonce, keys, includeTls }: ReportQuery): Promise<AttestationReport> {
    const { source, tlsFingerprint } = this.#o;
    const all: KeyAttestation[] = [];
    let gpus: Evidence["gpus"] = [];
    for (const key of keys) {
      const binding = {
        signingAddress: key.address,
        nonce,
        ...(includeTls && tlsFingerprint ? { tlsFingerprint } : {}),
      };
      const reportData = reportDataOf(binding);
      // GPUs know no keys: one report of each is every key's.
      const nonces = all.length === 0 ? Array.from({ length: source.gpus }, () => nonce) : [];
      const evidence = await source.evidence(reportData, nonces);
      if (all.length === 0) gpus = evidence.gpus;
      all.push(this.#shown(key, { nonce, reportData, includeTls, evidence: { ...evidence, gpus } }));
    }
    return { ...all[0]!, all_attestations: all, model_attestations: all, gateway_attestation: null };
  }

  #shown(
    key: AttestedKey,
    {
      nonce,
      reportData,
      includeTls,
      evidence,
    }: { nonce: Uint8Array; reportData: Uint8Array; includeTls: boolean; evidence: Evidence },
  ): KeyAttestation {
    const { source, domain, executor, tlsFingerprint } = this.#o;
    const { cpu, gpus, collateral } = evidence;
    const quote = cpu.kind === "snp" ? null : plain(cpu.quote);
    return {
      model: key.model,
      signing_address: getAddress(key.address),
      signing_algo: "ecdsa",
      signing_public_key: key.publicKey.slice(2),
      request_nonce: plain(nonce),
      report_data: plain(reportData),
      tls_cert_fingerprint: includeTls && tlsFingerprint ? plain(tlsFingerprint) : null,
      intel_quote: quote,
      quote,
      amd_report: cpu.kind === "snp" ? plain(cpu.report) : null,
      amd_certificates: cpu.kind === "snp" ? plain(cpu.certificates) : null,
      nvidia_payload: gpus.length === 0 ? "" : payloadOf(nonce, gpus),
      event_log: "[]",
      vm_config: "{}",
      info: { tcb_info: tcbInfoOf(evidence, source.configuration) },
      otr: {
        chainId: domain.chainId,
        rollup: domain.rollup,
        executor,
        modelId: key.modelId,
        collateral: collateral ?? null,
      },
    };
  }
}

/** What NVIDIA's attestation service takes. */
function payloadOf(nonce: Uint8Array, gpus: Evidence["gpus"]): string {
  const base64 = (value: string | Uint8Array) => Buffer.from(value as string).toString("base64");
  const evidence_list = gpus.map(({ report, chain }) => ({
    arch: "HOPPER",
    certificate: base64(chain),
    evidence: base64(report),
    nonce: plain(nonce),
  }));
  return JSON.stringify({ nonce: plain(nonce), evidence_list, arch: "HOPPER" });
}

/** Measurements once more, for people: verifiers take them from the quote. */
function tcbInfoOf({ cpu }: Evidence, configuration: string | undefined): Record<string, string> {
  const compose =
    configuration === undefined
      ? {}
      : { app_compose: configuration, compose_hash: createHash("sha256").update(configuration).digest("hex") };
  if (cpu.kind === "snp") return compose;
  const { report } = parseQuote(cpu.quote);
  if (report.kind !== "tdx") return compose;
  const rtmrs = report.rtmrs.map((value, k) => [`rtmr${k}`, plain(value)]);
  return { mrtd: plain(report.mrTd), ...Object.fromEntries(rtmrs), ...compose };
}

const plain = (bytes: Uint8Array): string => toHex(bytes).slice(2);
