import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Hex, toHex } from "../../commit/bytes.ts";
import { BaseError } from "../../errors.ts";
import { Checks } from "../checks.ts";
import { CollateralError, CollateralFetchError } from "../errors.ts";
import { documentOf, type SignedDocument } from "../intel-submissions.ts";
import { ROOTS } from "../roots.ts";
import { commonName, parsePem } from "../x509.ts";
import { type Collateral, parseCollateral, verifyCollateral } from "./collateral.ts";
import { readPck } from "./pck.ts";
import { Pcs, type PcsAnswer, type PcsOptions } from "./pcs.ts";
import { parseQuote } from "./quote.ts";

/** What collateral is asked for. */
export interface QuotePlatform {
  readonly tee: "sgx" | "tdx";
  /** 12 hexadecimal digits. */
  readonly fmspc: string;
  /** Which authority signed the platform's PCK certificate. */
  readonly ca: "platform" | "processor";
}

/** How collateral is fetched and kept. */
export interface FetchCollateralOptions extends PcsOptions {
  /** Seconds since 1970 at which it has to hold. */
  readonly time: number;
  /** SHA-256 of the root certificate; default: Intel's. */
  readonly root?: Hex;
  /** A TCB evaluation data number; default: the service's standard one. */
  readonly evaluation?: number;
  /** Folder for what was fetched; nothing is kept without one. */
  readonly cacheDir?: string;
  /** Seconds for which what was fetched before is not asked for again; 0 asks each time. */
  readonly maxAge?: number;
}

/** Collateral, verified, and where it is from. */
export interface FetchedCollateral {
  readonly collateral: Collateral;
  readonly platform: QuotePlatform;
  readonly evaluation: number;
  /** Until when all of it holds, in seconds since 1970. */
  readonly notAfter: number;
  readonly source: "service" | "cache" | "file";
  /** Why the service was not, though the cached one is old. */
  readonly failure?: CollateralFetchError;
}

const HOUR = 3600;

/** The platform that a quote names by the certificates inside. @throws EvidenceEncodingError, CollateralError if it names none */
export function platformOf(quote: Uint8Array): QuotePlatform {
  const { report, chain } = parseQuote(quote);
  if (chain.trim() === "")
    throw new CollateralError("The quote has no certificates inside: take it as the machine made it.");
  const [pck] = parsePem(chain);
  const issuer = commonName(pck!.issuer);
  const ca = (["platform", "processor"] as const).find((one) => issuer.toLowerCase().includes(`pck ${one} ca`));
  if (ca === undefined) throw new CollateralError(`${issuer} is no authority of PCK certificates.`);
  return { tee: report.kind, fmspc: readPck(pck!).fmspc.slice(2).toUpperCase(), ca };
}

/**
 * Collateral for a quote's platform, from the cache while it is fresh, else from the service. It is verified before it is used or kept; if the
 * service fails, what is in the cache serves for as long as it holds.
 *
 * @throws CollateralFetchError if there is none to be had; errors of `verifyCollateral` if what the service says does not hold
 */
export async function fetchCollateral(quote: Uint8Array, options: FetchCollateralOptions): Promise<FetchedCollateral> {
  const platform = platformOf(quote);
  const pcs = new Pcs(options);
  const file = options.cacheDir && cacheFile(options.cacheDir, pcs.url, platform, options);
  const known = file === undefined ? undefined : readCache(file, platform, options);
  if (known !== undefined && known.age < (options.maxAge ?? HOUR)) return { ...known.fetched, source: "cache" };
  let collateral: Collateral;
  try {
    collateral = await ask(pcs, platform, options.evaluation);
  } catch (error) {
    if (!(error instanceof CollateralFetchError) || known === undefined) throw error;
    return { ...known.fetched, source: "cache", failure: error };
  }
  const fetched = verified(collateral, platform, options);
  if (file !== undefined) writeCache(file, collateral);
  return { ...fetched, source: "service" };
}

/**
 * Collateral that was fetched elsewhere, for a quote's platform: verified as if the service had answered with it.
 *
 * @throws CollateralError and errors of `verifyCollateral` if it is of something else or does not hold
 */
export function checkCollateral(
  quote: Uint8Array,
  collateral: Collateral,
  options: Pick<FetchCollateralOptions, "time" | "root" | "evaluation">,
): FetchedCollateral {
  return { ...verified(collateral, platformOf(quote), options), source: "file" };
}

/** A list of TCB evaluation data numbers, and its signer's chain. */
export interface SignedEvaluations {
  readonly document: SignedDocument;
  /** In PEM, its signer's certificate first. */
  readonly chain: string;
}

/**
 * The list of TCB evaluation data numbers, for the chain, which verifies it; undefined where a service has none, as older caches.
 *
 * @throws CollateralFetchError, EvidenceEncodingError
 */
export async function fetchEvaluations(
  tee: QuotePlatform["tee"],
  options: PcsOptions,
): Promise<SignedEvaluations | undefined> {
  const answer = await new Pcs(options).evaluations(tee).catch((error: unknown) => {
    if (error instanceof CollateralFetchError && error.status === 404) return undefined;
    throw error;
  });
  return (
    answer && {
      document: documentOf("tcbEvaluationDataNumbers", new TextDecoder().decode(answer.body)),
      chain: answer.chain,
    }
  );
}

/** Collateral with the list in it, as files carry both. */
export function withEvaluations(collateral: Collateral, { document, chain }: SignedEvaluations): Collateral {
  return {
    ...collateral,
    tcb_evaluation_issuer_chain: chain,
    tcb_evaluation: document.json,
    tcb_evaluation_signature: document.signature.slice(2),
  };
}

/** The list in a file of collateral; undefined if it has none. @throws EvidenceEncodingError if its chain is no certificates */
export function evaluationsIn({
  tcb_evaluation_issuer_chain: chain,
  tcb_evaluation: json,
  tcb_evaluation_signature: signature,
}: Collateral): SignedEvaluations | undefined {
  if (chain === undefined || json === undefined || signature === undefined) return undefined;
  return { document: { json, signature: `0x${signature}` }, chain };
}

async function ask(pcs: Pcs, { tee, fmspc, ca }: QuotePlatform, evaluation: number | undefined): Promise<Collateral> {
  const [tcb, identity, pckCrl, rootCrl] = await Promise.all([
    pcs.tcbInfo(tee, fmspc, evaluation),
    pcs.qeIdentity(tee, evaluation),
    pcs.pckCrl(ca),
    pcs.rootCrl(),
  ]);
  const [tcbInfo, qeIdentity] = [document("tcbInfo", tcb), document("enclaveIdentity", identity)];
  return parseCollateral({
    pck_crl_issuer_chain: pckCrl.chain,
    root_ca_crl: plain(rootCrl),
    pck_crl: plain(pckCrl.body),
    tcb_info_issuer_chain: tcb.chain,
    tcb_info: tcbInfo.json,
    tcb_info_signature: tcbInfo.signature.slice(2),
    qe_identity_issuer_chain: identity.chain,
    qe_identity: qeIdentity.json,
    qe_identity_signature: qeIdentity.signature.slice(2),
  });
}

const document = (kind: "tcbInfo" | "enclaveIdentity", { body }: PcsAnswer) =>
  documentOf(kind, new TextDecoder().decode(body));
const plain = (bytes: Uint8Array): string => toHex(bytes).slice(2);

/** INVARIANT: nothing is used that Intel has not signed, for this platform, at this time. */
function verified(
  collateral: Collateral,
  platform: QuotePlatform,
  { time, root = ROOTS.intel, evaluation }: Pick<FetchCollateralOptions, "time" | "root" | "evaluation">,
): Omit<FetchedCollateral, "source"> {
  const { tcbInfo, qeIdentity, notAfter } = verifyCollateral(collateral, { root, time, checks: new Checks() });
  const tee = platform.tee === "tdx" ? "TDX TD_QE" : "SGX QE";
  const got = `${tcbInfo.id} ${qeIdentity.id}`;
  if (got !== tee || tcbInfo.fmspc.toUpperCase() !== platform.fmspc)
    throw new CollateralError(`It is of ${got}, FMSPC ${tcbInfo.fmspc}, not of ${tee}, FMSPC ${platform.fmspc}.`);
  const numbers = [tcbInfo, qeIdentity].map((one) => one.tcbEvaluationDataNumber);
  if (numbers.some((number) => number !== (evaluation ?? numbers[0])))
    throw new CollateralError(`It is of the TCB evaluation data numbers ${numbers.join(" and ")}.`);
  return { collateral, platform, evaluation: numbers[0]!, notAfter };
}

function cacheFile(folder: string, url: string, platform: QuotePlatform, options: FetchCollateralOptions): string {
  const key = JSON.stringify([url, platform.tee, platform.fmspc, platform.ca, options.evaluation ?? "standard"]);
  return join(folder, "collateral", `${createHash("sha256").update(key).digest("hex")}.json`);
}

/** What is in the cache, if it still holds; whatever else is there counts as nothing. */
function readCache(file: string, platform: QuotePlatform, options: FetchCollateralOptions) {
  try {
    const age = (Date.now() - statSync(file).mtimeMs) / 1000;
    const collateral = parseCollateral(JSON.parse(readFileSync(file, "utf8")));
    return { age: Math.abs(age), fetched: verified(collateral, platform, options) };
  } catch (error) {
    if (error instanceof BaseError || error instanceof SyntaxError || (error as { code?: unknown }).code === "ENOENT")
      return undefined;
    throw error;
  }
}

function writeCache(file: string, collateral: Collateral): void {
  const fresh = `${file}.${process.pid}.new`;
  mkdirSync(join(file, ".."), { recursive: true });
  try {
    writeFileSync(fresh, JSON.stringify(collateral));
    renameSync(fresh, file);
  } finally {
    rmSync(fresh, { force: true });
  }
}
