import { type Abi, encodeFunctionData, type Hex, keccak256, stringToHex, type TransactionReceipt } from "viem";
import { getBlock } from "viem/actions";
import { z } from "zod";
import { parseCrl } from "../../attestation/crl.ts";
import { CollateralError } from "../../attestation/errors.ts";
import type { Collateral } from "../../attestation/intel/collateral.ts";
import { evaluationsIn, type SignedEvaluations } from "../../attestation/intel/fetch-collateral.ts";
import { readPck } from "../../attestation/intel/pck.ts";
import { parseQuote } from "../../attestation/intel/quote.ts";
import {
  authorityName,
  authoritySubmissions,
  certificateName,
  type DocumentKind,
  dcapAux,
  documentSubmission,
  pckSubmission,
  type SignedDocument,
  type Submission,
  signerSubmission,
} from "../../attestation/intel-submissions.ts";
import { parsePem, type X509 } from "../../attestation/x509.ts";
import { fromHex } from "../../commit/bytes.ts";
import { ABIS, errorsAbi } from "../abis.ts";
import type { IntelContracts } from "../attestation-contracts.ts";
import { type ClientContext, read } from "../context.ts";
import { CollateralStaleError, ContractRevertError, PinnedRootError, TransactionRevertedError } from "../errors.ts";
import type { Call } from "../sender.ts";

/** What a quote needs on the chain before it verifies. */
export interface SubmitIntelParameters {
  readonly contracts: IntelContracts;
  readonly quote: Uint8Array;
  /** What Intel signs about the platform. Left out, the chain has to have it. */
  readonly collateral?: Collateral | undefined;
  /** The list of TCB evaluation data numbers, if it is to be there as well; default: the one that comes with the collateral. */
  readonly evaluations?: SignedEvaluations | undefined;
  /** Seconds since 1970: what the chain has is kept if it holds as long, and replaced if the collateral holds longer. */
  readonly until: bigint;
  send(call: Call, id: string): Promise<TransactionReceipt>;
}

/** A time for `until` that nothing reaches: whatever holds longer than what the chain has is submitted. */
export const NEWEST = 2n ** 63n;
/** Entries of a revocation list in one transaction: each new one costs 22,100 gas and its reading. */
const ENTRIES = 400;

/** From when and until when something holds, seconds since 1970; 0 if it is not there. */
interface Span {
  readonly issued: bigint;
  readonly ends: bigint;
}

/** What is at hand, and the calls that submit it. */
interface Held {
  readonly span: Span;
  readonly submissions: readonly Submission[];
}

interface Need {
  readonly what: string;
  /** Quotes verify without it, or with an old one: nobody is stopped for it. */
  readonly optional?: true;
  /** What is at hand, if anything is. */
  readonly ours?: Held | undefined;
  /** Seconds since 1970 until which what the chain has is good enough. */
  readonly until: bigint;
  known(): Promise<Span>;
}

/**
 * Brings certificates, lists and documents of Intel's onto the chain as far as a quote needs them, in their order, and pays for nothing that is
 * there and holds long enough.
 *
 * @returns `aux` of the quote for `DcapVerifier`, and the TCB evaluation data number in it.
 * @throws PinnedRootError if the quote leads to another root. @throws CollateralStaleError if something is missing or too old.
 */
export async function submitIntel(
  context: ClientContext,
  parameters: SubmitIntelParameters,
): Promise<{ aux: Hex; tcbEval: number }> {
  const { contracts, quote, collateral } = parameters;
  const { tee, pck, authority, root } = await checkedChain(context, contracts, quote);
  const tcbEval =
    collateral === undefined
      ? Number(await read(context, "dcap", "MIN_TCB_EVAL", [], { address: contracts.dcap }))
      : (headOf("tcbInfo", collateral.tcb_info).tcbEval ?? 0);
  const { timestamp: now } = await getBlock(context.client);
  for (const need of needs(context, parameters, { tee, pck, authority, root, tcbEval, now }))
    await meet(need, now, parameters.send, contracts);
  return { aux: dcapAux(pck.der, tcbEval), tcbEval };
}

/** The quote's certificates. @throws PinnedRootError if they lead to another root than the chain's */
export async function checkedChain(
  context: ClientContext,
  { intelCertificates: address }: IntelContracts,
  quote: Uint8Array,
): Promise<Pick<Named, "tee" | "pck" | "authority" | "root">> {
  const parsed = parseQuote(quote);
  const chain = parsePem(parsed.chain);
  const [pck, authority, root] = chain;
  if (pck === undefined || authority === undefined || root === undefined || chain.length !== 3)
    throw new CollateralError(`The quote has ${chain.length} certificates, not PCK certificate, authority and root.`);
  const pinned = await read(context, "intelCertificates", "ROOT", [], { address });
  if (keccak256(root.der) !== pinned) throw new PinnedRootError("Intel", pinned, keccak256(root.der));
  return { tee: parsed.report.kind, pck, authority, root };
}

interface Named {
  readonly tee: "sgx" | "tdx";
  readonly pck: X509;
  readonly authority: X509;
  readonly root: X509;
  readonly tcbEval: number;
  readonly now: bigint;
}

/** Everything, each behind what it needs itself. */
function needs(
  context: ClientContext,
  { contracts, collateral, evaluations = collateral && evaluationsIn(collateral), until }: SubmitIntelParameters,
  { tee, pck, authority, root, tcbEval, now }: Named,
): Need[] {
  const certificates = { address: contracts.intelCertificates };
  const store = { address: contracts.intelCollateral };
  const [rootName, authorityId] = [keccak256(root.der), authorityName(authority.der)];
  const ours = collateral && oursOf(collateral, { authority, root });
  const list =
    evaluations &&
    listOf(
      evaluations,
      [...(ours?.signers ?? [])].map(({ name }) => name),
    );
  const certificate = (what: string, held: Need["ours"], known: () => Promise<bigint | number>): Need => ({
    what,
    ours: held,
    until: now,
    known: async () => ({ issued: 0n, ends: BigInt(await known()) }),
  });
  const revocations = (what: string, held: Need["ours"], name: Hex): Need => ({
    what,
    ours: held,
    until,
    known: async () => {
      const [issued, ends] = await read(context, "intelCertificates", "crlOf", [name], certificates);
      return { issued: BigInt(issued), ends: BigInt(ends) };
    },
  });
  const authorityEnd = async (name: Hex) =>
    (await read(context, "intelCertificates", "authorityOf", [name], certificates))[5];
  const stored = ([, issued, ends]: readonly [Hex, number, number]): Span => ({
    issued: BigInt(issued),
    ends: BigInt(ends),
  });
  const { fmspc } = readPck(pck);
  const [info, identity] = DOCUMENTS[tee];
  return [
    certificate("root certificate", ours?.root, () => authorityEnd(rootName)),
    certificate("certificate of the platforms' authority", ours?.authority, () => authorityEnd(authorityId)),
    ...[...(ours?.signers ?? []), ...(list?.signers ?? [])].map(({ name, held }) =>
      certificate("certificate of who signs TCB info", held, async () => {
        return (await read(context, "intelCertificates", "signerOf", [name], certificates))[3];
      }),
    ),
    revocations("revocation list of the root", ours?.rootCrl, rootName),
    revocations("revocation list of the platforms' authority", ours?.authorityCrl, authorityId),
    certificate(
      "PCK certificate",
      { span: spanOf(pck), submissions: [pckSubmission(pck.der, authority.der)] },
      async () => (await read(context, "intelCertificates", "pckOf", [certificateName(pck.der)], certificates))[5],
    ),
    {
      what: `TCB info of platform ${fmspc}, number ${tcbEval}`,
      ours: ours?.tcbInfo,
      until,
      known: async () =>
        stored(await read(context, "intelCollateral", "tcbInfoOf", [info, fmspc, BigInt(tcbEval)], store)),
    },
    {
      what: `identity of the quoting enclave, number ${tcbEval}`,
      ours: ours?.qeIdentity,
      until,
      known: async () =>
        stored(await read(context, "intelCollateral", "qeIdentityOf", [identity, BigInt(tcbEval)], store)),
    },
    ...(list === undefined
      ? []
      : [
          {
            what: "list of TCB evaluation data numbers",
            optional: true as const,
            ours: list.document,
            until,
            known: async () => stored(await read(context, "intelCollateral", "evaluationOf", [info], store)),
          },
        ]),
  ];
}

const word = (text: string): Hex => stringToHex(text, { size: 32 });
/** Names of TCB info and of the quoting enclave's identity. */
const DOCUMENTS = { tdx: [word("TDX"), word("TD_QE")], sgx: [word("SGX"), word("QE")] } as const;

/** Submits what is needed, unless the chain has it and it holds. */
async function meet(
  { what, ours, until, known, optional }: Need,
  now: bigint,
  send: SubmitIntelParameters["send"],
  contracts: IntelContracts,
): Promise<void> {
  const there = await known();
  if (there.ends >= until && there.ends >= now) return;
  if (ours !== undefined && ours.span.ends > there.ends && ours.span.ends >= now && ours.span.issued <= now) {
    try {
      for (const submission of ours.submissions) {
        const { call, id } = callOfSubmission(submission, contracts);
        await send(call, id);
      }
      return;
    } catch (error) {
      // Anybody may submit it, and somebody may have come first.
      const refused = error instanceof ContractRevertError || error instanceof TransactionRevertedError;
      if (!refused || (await known()).ends < ours.span.ends) throw error;
      return;
    }
  }
  // What holds now is good enough where nothing better is at hand.
  if (there.ends >= now || optional) return;
  const chain = there.ends === 0n ? "The chain has none" : `The chain's held until ${show(there.ends)}`;
  const held =
    ours === undefined
      ? "none was handed over"
      : ours.span.issued > now
        ? `the one handed over is issued in the future, ${show(ours.span.issued)}`
        : `the one handed over held until ${show(ours.span.ends)}`;
  throw new CollateralStaleError(what, `${chain}, and ${held}. It is ${show(now)}.`);
}

function callOfSubmission(
  { contract, functionName, args }: Submission,
  { intelCertificates, intelCollateral }: IntelContracts,
): { call: Call; id: string } {
  const [to, name] =
    contract === "IntelCertificates"
      ? ([intelCertificates, "intelCertificates"] as const)
      : ([intelCollateral, "intelCollateral"] as const);
  const data = encodeFunctionData({ abi: ABIS[name] as Abi, functionName, args });
  const call = { to, data, value: 0n, abi: errorsAbi, name: `${name}.${functionName}` };
  return { call, id: `intel:${to}:${keccak256(data)}` };
}

/** Collateral, ready to be submitted. @throws CollateralError if it is of another platform's authority */
function oursOf(collateral: Collateral, { authority, root }: Pick<Named, "authority" | "root">) {
  const [theirs] = parsePem(collateral.pck_crl_issuer_chain);
  if (theirs === undefined || authorityName(theirs.der) !== authorityName(authority.der))
    throw new CollateralError("Its revocation list is of another authority than the quote's.");
  const rootCrl = fromHex(`0x${collateral.root_ca_crl}`);
  const authorityCrl = fromHex(`0x${collateral.pck_crl}`);
  const certificates = { root: root.der, authority: authority.der, rootCrl, authorityCrl };
  const signed = (kind: DocumentKind, { chain, text, signature }: Record<"chain" | "text" | "signature", string>) =>
    signedOf(kind, parsePem(chain)[0]!, { json: text, signature: `0x${signature}` });
  const tcbInfo = signed("tcbInfo", {
    chain: collateral.tcb_info_issuer_chain,
    text: collateral.tcb_info,
    signature: collateral.tcb_info_signature,
  });
  const qeIdentity = signed("enclaveIdentity", {
    chain: collateral.qe_identity_issuer_chain,
    text: collateral.qe_identity,
    signature: collateral.qe_identity_signature,
  });
  const add = authoritySubmissions(certificates);
  return {
    root: { span: spanOf(root), submissions: [add.root] },
    authority: { span: spanOf(authority), submissions: [add.authority] },
    signers: distinct([tcbInfo.signer, qeIdentity.signer]),
    rootCrl: heldList(rootCrl, add.rootCrl),
    authorityCrl: heldList(authorityCrl, add.authorityCrl),
    tcbInfo: tcbInfo.document,
    qeIdentity: qeIdentity.document,
  };
}

/** A signer of documents, by its name on the chain. */
interface Signer {
  readonly name: Hex;
  readonly held: Held;
}

const distinct = (signers: readonly Signer[]): Signer[] => [...new Map(signers.map((one) => [one.name, one])).values()];

/** A document and who signed it. */
function signedOf(kind: DocumentKind, signer: X509, document: SignedDocument): { signer: Signer; document: Held } {
  const held = { span: spanOf(signer), submissions: [signerSubmission(signer.der)] };
  const submissions = [documentSubmission(kind, document, signer.der)];
  return {
    signer: { name: certificateName(signer.der), held },
    document: { span: headOf(kind, document.json).span, submissions },
  };
}

/** The list of numbers, and its signer unless that is among the others. */
function listOf({ document, chain }: SignedEvaluations, others: readonly Hex[]) {
  const list = signedOf("tcbEvaluationDataNumbers", parsePem(chain)[0]!, document);
  return { document: list.document, signers: [list.signer].filter(({ name }) => !others.includes(name)) };
}

const spanOf = ({ notBefore, notAfter }: X509): Span => ({ issued: BigInt(notBefore), ends: BigInt(notAfter) });

/** A revocation list: one with more entries than one transaction should bring, in parts first. */
function heldList(der: Uint8Array, add: Submission): Held {
  const { thisUpdate, nextUpdate, revoked } = parseCrl(der);
  const parts = revoked.size > ENTRIES ? Math.ceil(revoked.size / ENTRIES) : 0;
  const part = (k: number) => [BigInt(ENTRIES * k), BigInt(Math.min(ENTRIES, revoked.size - ENTRIES * k))];
  const revoke = (k: number): Submission => ({ ...add, functionName: "revoke", args: [...add.args, ...part(k)] });
  return {
    span: { issued: BigInt(thisUpdate), ends: BigInt(nextUpdate) },
    submissions: [...Array.from({ length: parts }, (_, k) => revoke(k)), add],
  };
}

const headSchema = z.object({
  issueDate: z.iso.datetime(),
  nextUpdate: z.iso.datetime(),
  /** The list of numbers has none of its own. */
  tcbEvaluationDataNumber: z.number().int().min(0).optional(),
});

/** Dates and number of a document; the contracts verify the rest. */
function headOf(what: string, text: string): { tcbEval: number | undefined; span: Span } {
  const json = ((): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      return undefined;
    }
  })();
  const parsed = headSchema.safeParse(json);
  if (!parsed.success) throw new CollateralError(`Its ${what} has no dates or no number.`);
  const { issueDate, nextUpdate, tcbEvaluationDataNumber: tcbEval } = parsed.data;
  const seconds = (date: string) => BigInt(Math.floor(Date.parse(date) / 1000));
  return { tcbEval, span: { issued: seconds(issueDate), ends: seconds(nextUpdate) } };
}

const show = (seconds: bigint): string => new Date(Number(seconds) * 1000).toISOString();
