import { type Abi, type Address, encodeFunctionData, keccak256, stringToHex } from "viem";
import { readContract } from "viem/actions";
import { errorsAbi } from "../../chain/abis.ts";
import type { ChainClient } from "../../chain/client.ts";
import { dcapVerifierAbi, intelCertificatesAbi, intelCollateralAbi } from "../../chain/generated.ts";
import type { Call } from "../../chain/sender.ts";
import { fromHex, type Hex } from "../../commit/bytes.ts";
import { fingerprint } from "../chain.ts";
import { Checks } from "../checks.ts";
import { parseCrl } from "../crl.ts";
import { RootMismatchError } from "../errors.ts";
import {
  authorityName,
  certificateName,
  chainSubmissions,
  documentSubmission,
  pckSubmission,
  type SignedDocument,
  type Submission,
} from "../intel-submissions.ts";
import { parsePem, type X509 } from "../x509.ts";
import { type Collateral, type VerifiedCollateral, verifyCollateral } from "./collateral.ts";
import type { SignedEvaluations } from "./fetch-collateral.ts";
import { parseQuote } from "./quote.ts";

/** Contracts that hold what is Intel's. */
export type IntelContracts = Readonly<Record<Submission["contract"], Address>>;

/** Entries of a revocation list in one transaction: each new one costs 22,100 gas and its reading. */
const ENTRIES = 400;

/** The contracts behind a verifier of quotes. */
export async function intelContracts(client: ChainClient, verifier: Address): Promise<IntelContracts> {
  const contract = { address: verifier, abi: dcapVerifierAbi } as const;
  const [IntelCollateral, IntelCertificates] = await Promise.all([
    readContract(client, { ...contract, functionName: "COLLATERAL" }),
    readContract(client, { ...contract, functionName: "CERTIFICATES" }),
  ]);
  return { IntelCollateral, IntelCertificates };
}

/** What a quote needs on a chain. */
export interface Needed {
  readonly quote: Uint8Array;
  readonly collateral: Collateral;
  /** Seconds since 1970 at which the collateral holds. */
  readonly time: number;
  /** The list of TCB evaluation data numbers, if it is to be there as well. */
  readonly evaluations?: SignedEvaluations;
}

/**
 * The submissions that a chain lacks for a quote, in their order: certificates, lists and documents that are not there, or of which an older one
 * is.
 *
 * @throws RootMismatchError if the contracts pin another root; errors of `verifyCollateral`
 */
export async function missingSubmissions(
  client: ChainClient,
  contracts: IntelContracts,
  { quote, collateral, time, evaluations }: Needed,
): Promise<Submission[]> {
  const [signer, root] = chainOf(collateral.tcb_info_issuer_chain);
  const [authority] = chainOf(collateral.pck_crl_issuer_chain);
  const [identitySigner] = chainOf(collateral.qe_identity_issuer_chain);
  const at = { address: contracts.IntelCertificates, abi: intelCertificatesAbi } as const;
  const pinned = await readContract(client, { ...at, functionName: "ROOT" });
  const got = keccak256(root.der);
  if (got !== pinned) throw new RootMismatchError(pinned, got, "keccak256");
  const held = verifyCollateral(collateral, { root: fingerprint(root.der), time, checks: new Checks() });
  const signers = new Map([signer, identitySigner].map(({ der }) => [certificateName(der), der]));
  if (evaluations) signers.set(certificateName(evaluations.signer), evaluations.signer);
  const documents = [
    { kind: "tcbInfo", json: collateral.tcb_info, signature: collateral.tcb_info_signature, signer: signer.der },
    {
      kind: "enclaveIdentity",
      json: collateral.qe_identity,
      signature: collateral.qe_identity_signature,
      signer: identitySigner.der,
    },
  ] as const;
  const signed = documents.map(({ kind, json, signature, signer }) =>
    documentSubmission(kind, { json, signature: `0x${signature}` }, signer),
  );
  const isNew = await newDocuments(client, contracts, held, evaluations?.document);
  return [
    ...(await missingCertificates(client, contracts, { root, authority, signers, collateral })),
    ...(await missingPck(client, contracts, quote, authority)),
    ...signed.filter((_, k) => isNew[k]),
    ...(evaluations && isNew[2]
      ? [documentSubmission("tcbEvaluationDataNumbers", evaluations.document, evaluations.signer)]
      : []),
  ];
}

/** Authorities, signers, and the lists of root and authority. */
async function missingCertificates(
  client: ChainClient,
  { IntelCertificates }: IntelContracts,
  given: { root: X509; authority: X509; signers: ReadonlyMap<Hex, Uint8Array>; collateral: Collateral },
): Promise<Submission[]> {
  const { root, authority, signers, collateral } = given;
  const at = { address: IntelCertificates, abi: intelCertificatesAbi } as const;
  const [rootCrl, authorityCrl] = [bytes(collateral.root_ca_crl), bytes(collateral.pck_crl)];
  const calls = (signer: Uint8Array) =>
    chainSubmissions({ root: root.der, authority: authority.der, signer, rootCrl, authorityCrl });
  const [addRoot, addAuthority, , addRootCrl, addAuthorityCrl] = calls(root.der);
  const names: [Hex, Hex] = [keccak256(root.der), authorityName(authority.der)];
  const [rootKnown, authorityKnown] = await Promise.all(
    names.map((name) => readContract(client, { ...at, functionName: "authorityOf", args: [name] })),
  );
  const out: Submission[] = [];
  if (rootKnown![5] === 0) out.push(addRoot!);
  // The contract takes a renewed certificate as well, which holds longer.
  if (authorityKnown![5] < Math.min(authority.notAfter, root.notAfter)) out.push(addAuthority!);
  for (const [name, der] of signers) {
    const known = await readContract(client, { ...at, functionName: "signerOf", args: [name] });
    if (known[3] === 0) out.push(calls(der)[2]!);
  }
  for (const [name, list, add] of [
    [names[0], rootCrl, addRootCrl!],
    [names[1], authorityCrl, addAuthorityCrl!],
  ] as const) {
    const [thisUpdate] = await readContract(client, { ...at, functionName: "crlOf", args: [name] });
    const { thisUpdate: issued, revoked } = parseCrl(list);
    if (thisUpdate < issued) out.push(...inParts(add, revoked.size));
  }
  return out;
}

/** A list with more entries than one transaction should bring, in parts first. */
function inParts(add: Submission, entries: number): Submission[] {
  const parts = entries > ENTRIES ? Math.ceil(entries / ENTRIES) : 0;
  const part = (k: number) => [BigInt(ENTRIES * k), BigInt(Math.min(ENTRIES, entries - ENTRIES * k))];
  return [
    ...Array.from({ length: parts }, (_, k) => ({ ...add, functionName: "revoke", args: [...add.args, ...part(k)] })),
    add,
  ];
}

async function missingPck(
  client: ChainClient,
  { IntelCertificates }: IntelContracts,
  quote: Uint8Array,
  authority: X509,
): Promise<Submission[]> {
  const [pck] = parsePem(parseQuote(quote).chain);
  const known = await readContract(client, {
    ...{ address: IntelCertificates, abi: intelCertificatesAbi },
    ...{ functionName: "pckOf", args: [certificateName(pck!.der)] },
  });
  return known[5] === 0 ? [pckSubmission(pck!.der, authority.der)] : [];
}

/** Whether TCB info, the quoting enclave's identity and the list of numbers are newer than the chain's. */
async function newDocuments(
  client: ChainClient,
  { IntelCollateral }: IntelContracts,
  { tcbInfo, qeIdentity }: VerifiedCollateral,
  evaluations: SignedDocument | undefined,
): Promise<boolean[]> {
  const at = { address: IntelCollateral, abi: intelCollateralAbi } as const;
  const word = (text: string): Hex => stringToHex(text, { size: 32 });
  const [info, identity, list] = await Promise.all([
    readContract(client, {
      ...at,
      functionName: "tcbInfoOf",
      args: [word(tcbInfo.id), `0x${tcbInfo.fmspc.toLowerCase()}`, BigInt(tcbInfo.tcbEvaluationDataNumber)],
    }),
    readContract(client, {
      ...at,
      functionName: "qeIdentityOf",
      args: [word(qeIdentity.id), BigInt(qeIdentity.tcbEvaluationDataNumber)],
    }),
    readContract(client, { ...at, functionName: "evaluationOf", args: [word(tcbInfo.id)] }),
  ]);
  const issued = (date: string) => Date.parse(date) / 1000;
  // Read by its one member: the contract reads the rest.
  const listed = /"issueDate":"([^"]+)"/.exec(evaluations?.json ?? "")?.[1];
  return [
    info[1] < issued(tcbInfo.issueDate),
    identity[1] < issued(qeIdentity.issueDate),
    listed !== undefined && list[1] < issued(listed),
  ];
}

/** A submission as a transaction. */
export function submissionCall(contracts: IntelContracts, { contract, functionName, args }: Submission): Call {
  const abi: Abi = contract === "IntelCertificates" ? intelCertificatesAbi : intelCollateralAbi;
  const data = encodeFunctionData({ abi, functionName, args });
  return { to: contracts[contract], data, value: 0n, abi: errorsAbi, name: `${contract}.${functionName}` };
}

/** Certificate and root; the collateral's own reader has refused other chains. */
const chainOf = (pem: string) => parsePem(pem) as [X509, X509];
const bytes = (hex: string): Uint8Array => fromHex(`0x${hex}`);
