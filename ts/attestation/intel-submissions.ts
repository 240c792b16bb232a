import { encodeAbiParameters, encodePacked, type Hex, keccak256, stringToHex } from "viem";
import { concat, fromHex, toHex } from "../commit/bytes.ts";
import { EvidenceEncodingError } from "./errors.ts";
import { parseQuote } from "./intel/quote.ts";
import { parseCertificate, parsePem } from "./x509.ts";

/**
 * What `IntelCertificates`, `IntelCollateral` and `DcapVerifier` take: names of certificates, calls in their order, and evidence. Nothing is
 * verified here, because the contracts verify everything.
 */

/** A call of one of the contracts. */
export interface Submission {
  readonly contract: "IntelCertificates" | "IntelCollateral";
  readonly functionName: string;
  readonly args: readonly (Hex | bigint)[];
}

/** A document of Intel's with its signature. */
export interface SignedDocument {
  /** The inner object, as it was signed: never parsed and printed again. */
  readonly json: string;
  /** r and s, 64 bytes. */
  readonly signature: Hex;
}

/** Names of the members that hold the inner object in answers of Intel's service. */
export type DocumentKind = "tcbInfo" | "enclaveIdentity" | "tcbEvaluationDataNumbers";

const FUNCTIONS: Readonly<Record<DocumentKind, string>> = {
  tcbInfo: "submitTcbInfo",
  enclaveIdentity: "submitQeIdentity",
  tcbEvaluationDataNumbers: "submitTcbEvaluation",
};

/**
 * Takes the signed object out of an answer of Intel's service, byte for byte.
 *
 * @throws EvidenceEncodingError if the answer is not one object with this member and a signature.
 */
export function documentOf(kind: DocumentKind, answer: string): SignedDocument {
  const start = `{"${kind}":`;
  const match = /,"signature":"([0-9a-fA-F]{128})"\}\s*$/.exec(answer);
  if (!answer.startsWith(start) || match === null)
    throw new EvidenceEncodingError("document of Intel's", `It has not the form ${start}{...},"signature":"..."}.`);
  return { json: answer.slice(start.length, match.index), signature: `0x${match[1]!}` };
}

/** The name of a signer's or a platform's certificate: the hash of what its issuer signed. */
export function certificateName(der: Uint8Array): Hex {
  return keccak256(parseCertificate(der).tbs);
}

/** The name of an authority: the hash of its subject's hash and its key. The root's name is the hash of its certificate instead. */
export function authorityName(der: Uint8Array): Hex {
  const { subject, key } = parseCertificate(der);
  return keccak256(concat([fromHex(keccak256(subject)), key]));
}

/** The hash of a certificate's subject, a name in DER. */
export function subjectHash(der: Uint8Array): Hex {
  return keccak256(parseCertificate(der).subject);
}

/** Certificates that quotes and documents need. */
export interface Chains {
  /** Root certificate, DER; `IntelCertificates` is deployed with its hash, and with the hash of the signer's subject. */
  readonly root: Uint8Array;
  /** The Platform or Processor CA, and the signer of documents, DER. */
  readonly authority: Uint8Array;
  readonly signer: Uint8Array;
  /** Lists of the root and of that authority, DER. */
  readonly rootCrl: Uint8Array;
  readonly authorityCrl: Uint8Array;
}

/** Calls that add chains; each needs those before it. Those for certificates and lists that are known may be left out. */
export function chainSubmissions(chains: Chains): Submission[] {
  const { root, authority, rootCrl, authorityCrl } = authoritySubmissions(chains);
  return [root, authority, signerSubmission(chains.signer), rootCrl, authorityCrl];
}

/** The calls that add root, authority and their lists, in this order. */
export function authoritySubmissions({ root, authority, rootCrl, authorityCrl }: Omit<Chains, "signer">) {
  const call = (functionName: string, ...args: Submission["args"]): Submission => ({
    contract: "IntelCertificates",
    functionName,
    args,
  });
  return {
    root: call("addRoot", toHex(root)),
    authority: call("addAuthority", toHex(authority)),
    rootCrl: call("addCrl", toHex(rootCrl), keccak256(root)),
    authorityCrl: call("addCrl", toHex(authorityCrl), authorityName(authority)),
  };
}

/** The call that adds a signer of documents: behind the root. */
export function signerSubmission(signer: Uint8Array): Submission {
  return { contract: "IntelCertificates", functionName: "addSigner", args: [toHex(signer)] };
}

/** The call that adds a platform's PCK certificate, once per platform and TCB. */
export function pckSubmission(pck: Uint8Array, authority: Uint8Array): Submission {
  return { contract: "IntelCertificates", functionName: "addPck", args: [toHex(pck), authorityName(authority)] };
}

/** The call that submits a document, which the signer signed. */
export function documentSubmission(kind: DocumentKind, document: SignedDocument, signer: Uint8Array): Submission {
  return {
    contract: "IntelCollateral",
    functionName: FUNCTIONS[kind],
    args: [toHex(new TextEncoder().encode(document.json)), document.signature, certificateName(signer)],
  };
}

/** The certificates inside a quote, PCK first, root last, DER. @throws EvidenceEncodingError, UnsupportedEvidenceError */
export function certificatesOf(quote: Uint8Array): Uint8Array[] {
  return parsePem(parseQuote(quote).chain).map(({ der }) => der);
}

/** `aux` of a quote: which PCK certificate signed it, and the TCB evaluation data number to judge by. */
export function dcapAux(pck: Uint8Array, tcbEval: number): Hex {
  return encodeAbiParameters([{ type: "bytes32" }, { type: "uint256" }], [certificateName(pck), BigInt(tcbEval)]);
}

/**
 * Shows `EnclaveSessions.evict` that one of Intel's documents, which is on the chain, has a part of a quote's platform as revoked.
 *
 * @param document TCB info ("TDX", "SGX"), or identity of the quoting enclave ("TD_QE", "QE").
 * @param tcbEval Its TCB evaluation data number: not below the one that the key was judged by.
 */
export function revokedTcbProof(document: "TDX" | "SGX" | "TD_QE" | "QE", tcbEval: number, quote: Uint8Array): Hex {
  const head = [stringToHex(document, { size: 32 }), BigInt(tcbEval), toHex(withoutCertificates(quote))] as const;
  return encodePacked(["bytes32", "uint256", "bytes"], head);
}

/**
 * The quote without the certificates inside and what follows it, which the contracts do not read: two thirds of the calldata. Nobody has
 * signed them, nor the lengths that change.
 *
 * @throws EvidenceEncodingError, UnsupportedEvidenceError if the bytes are no quote that the contracts take.
 */
export function withoutCertificates(quote: Uint8Array): Uint8Array {
  const { version, signed, auth, chain } = parseQuote(quote);
  // Signature and key, from version 4 on a header, the enclave's report and signature, its own data, and the certificates.
  const outer = signed.length + 4 + 128;
  const end = outer + (version === 3 ? 0 : 6) + 384 + 64 + 2 + auth.length + 6;
  const short = quote.slice(0, end);
  const lengths = new DataView(short.buffer);
  for (const at of [signed.length, ...(version === 3 ? [] : [outer + 2]), end - 4])
    lengths.setUint32(at, lengths.getUint32(at, true) - chain.length, true);
  return short;
}
