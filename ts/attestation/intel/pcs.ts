import { CollateralFetchError } from "../errors.ts";
import { fetchBytes } from "../fetch-bytes.ts";
import { parsePem } from "../x509.ts";

/** Intel's Provisioning Certification Service; caches of it (PCCS) have the same paths. */
export const INTEL_PCS = "https://api.trustedservices.intel.com";
/** Where Intel has the root's list: its service has no path for it, caches have. */
const INTEL_ROOT_CRL = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der";
const VERSION = "certification/v4";
/** More than any answer has: lists have some KiB, TCB info some dozens. */
const MOST_BYTES = 1 << 18;

/** How a service is asked. */
export interface PcsOptions {
  /** Base URL, without `/sgx/...`. What it says is believed by Intel's signatures only, so plain HTTP in one's own network does. */
  readonly url?: string;
  /** Milliseconds for one whole answer. */
  readonly timeoutMs?: number;
}

/** An answer, and the chain of certificates in its header, in PEM. */
export interface PcsAnswer {
  readonly body: Uint8Array;
  readonly chain: string;
}

const HEADERS = {
  tcbInfo: ["TCB-Info-Issuer-Chain", "SGX-TCB-Info-Issuer-Chain"],
  qeIdentity: ["SGX-Enclave-Identity-Issuer-Chain"],
  pckCrl: ["SGX-PCK-CRL-Issuer-Chain"],
  evaluations: ["TCB-Evaluation-Data-Numbers-Issuer-Chain"],
} as const;

/** A service of version 4. Nothing is verified here but sizes and forms of answers. @throws CollateralFetchError from all methods */
export class Pcs {
  readonly url: string;
  readonly #timeoutMs: number;

  constructor({ url = INTEL_PCS, timeoutMs = 20_000 }: PcsOptions = {}) {
    this.url = baseOf(url);
    this.#timeoutMs = timeoutMs;
  }

  /** TCB info of platforms with this FMSPC (12 digits), of one TCB evaluation data number or of the standard one. */
  tcbInfo(tee: "sgx" | "tdx", fmspc: string, evaluation?: number): Promise<PcsAnswer> {
    return this.#signed("tcbInfo", `${tee}/${VERSION}/tcb`, { fmspc, ...numbered(evaluation) });
  }

  qeIdentity(tee: "sgx" | "tdx", evaluation?: number): Promise<PcsAnswer> {
    return this.#signed("qeIdentity", `${tee}/${VERSION}/qe/identity`, numbered(evaluation));
  }

  /** The list of TCB evaluation data numbers. */
  evaluations(tee: "sgx" | "tdx"): Promise<PcsAnswer> {
    return this.#signed("evaluations", `${tee}/${VERSION}/tcbevaluationdatanumbers`, {});
  }

  /** The list of the authority that signs PCK certificates, DER. */
  async pckCrl(ca: "platform" | "processor"): Promise<PcsAnswer> {
    const { body, chain } = await this.#signed("pckCrl", `sgx/${VERSION}/pckcrl`, { ca, encoding: "der" });
    return { body: derOf(body, this.#address(`sgx/${VERSION}/pckcrl`, {})), chain };
  }

  /** The root's list, DER. */
  async rootCrl(): Promise<Uint8Array> {
    const url = this.url === INTEL_PCS ? INTEL_ROOT_CRL : this.#address(`sgx/${VERSION}/rootcacrl`, {});
    return derOf((await this.#get(url)).body, url);
  }

  async #signed(kind: keyof typeof HEADERS, path: string, query: Record<string, string>): Promise<PcsAnswer> {
    const url = this.#address(path, query);
    const { body, headers } = await this.#get(url);
    const value = HEADERS[kind].map((name) => headers.get(name)).find((found) => found !== null);
    if (value == null)
      throw new CollateralFetchError("answer", url, `Its header ${HEADERS[kind][0]} is missing.`, WHICH_SERVICE);
    return { body, chain: chainOf(value, url) };
  }

  #address(path: string, query: Record<string, string>): string {
    const search = new URLSearchParams(query).toString();
    return `${this.url}/${path}${search === "" ? "" : `?${search}`}`;
  }

  #get(url: string): Promise<{ body: Uint8Array; headers: Headers }> {
    return fetchBytes(url, {
      ...{ timeoutMs: this.#timeoutMs, mostBytes: MOST_BYTES, unreachable: REACHABLE, other: WHICH_SERVICE, fixOf },
      fail: (kind, reason, fix, more) => new CollateralFetchError(kind, url, reason, fix, more),
    });
  }
}

const REACHABLE = "Check that the service can be reached from here, or use another one: --url.";
const WHICH_SERVICE = "Use a service with version 4 of Intel's interface: --url.";

/** What helps against a status. */
function fixOf(status: number): string {
  if (status === 404)
    return "It has nothing for this platform or number: check that the quote is of a machine in production, or leave out --tcb-eval.";
  if (status === 410) return "Intel serves this TCB evaluation data number no more: leave out --tcb-eval.";
  if (status === 401 || status === 403)
    return "It wants credentials, which these paths of Intel's do not: use another one, --url.";
  return status === 429 || status >= 500 ? "Try again later, or use another service: --url." : WHICH_SERVICE;
}

/** A chain as headers have it: PEM, percent-encoded. */
function chainOf(header: string, url: string): string {
  try {
    const chain = decodeURIComponent(header);
    parsePem(chain);
    return chain;
  } catch (cause) {
    throw new CollateralFetchError("answer", url, "The chain in its header is no certificates.", WHICH_SERVICE, {
      cause,
    });
  }
}

/** DER: as it is, or in hexadecimal as some caches answer. */
function derOf(body: Uint8Array, url: string): Uint8Array {
  if (body[0] === 0x30 && body[1] !== undefined && body[1] >= 0x80) return body;
  const text = new TextDecoder("latin1").decode(body).trim();
  if (text.length > 0 && /^(?:[0-9a-fA-F]{2})+$/.test(text)) return new Uint8Array(Buffer.from(text, "hex"));
  throw new CollateralFetchError("answer", url, "Its answer is no revocation list.", WHICH_SERVICE);
}

function baseOf(url: string): string {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch (cause) {
    throw new CollateralFetchError("url", url, "It is no URL.", "Give one such as https://pccs.example:8081.", {
      cause,
    });
  }
  if (!["http:", "https:"].includes(parsed.protocol) || parsed.search !== "" || parsed.hash !== "")
    throw new CollateralFetchError("url", url, "It is no base URL.", "Give one such as https://pccs.example:8081.");
  return parsed.href.replace(/\/+$/, "");
}

const numbered = (evaluation: number | undefined): Record<string, string> =>
  evaluation === undefined ? {} : { tcbEvaluationDataNumber: String(evaluation) };
