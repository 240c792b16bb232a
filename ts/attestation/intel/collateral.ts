import { z } from "zod";
import { fromHex, type Hex } from "../../commit/bytes.ts";
import { fingerprint, verifyChain } from "../chain.ts";
import type { Checks } from "../checks.ts";
import { parseCrl, type VerifiedCrl, verifyCrl } from "../crl.ts";
import { CertificateChainError, CollateralError, EvidenceEncodingError, ValidityError } from "../errors.ts";
import { verifyBy } from "../signature.ts";
import { commonName, KEY_USAGE, parsePem, type X509 } from "../x509.ts";

const hexText = (bytes?: number) =>
  z.string().regex(bytes === undefined ? /^(?:[0-9a-fA-F]{2})+$/ : new RegExp(`^[0-9a-fA-F]{${2 * bytes}}$`));
/** More than any collateral that Intel serves has. */
const MOST_TEXT = 1 << 20;
const text = z.string().max(MOST_TEXT);

/** Collateral in the form of Intel's PCCS clients: lists in hex, chains in PEM, JSON as the very text that Intel signed. */
export const collateralSchema = z.object({
  pck_crl_issuer_chain: text,
  root_ca_crl: hexText().max(MOST_TEXT),
  pck_crl: hexText().max(MOST_TEXT),
  tcb_info_issuer_chain: text,
  tcb_info: text,
  tcb_info_signature: hexText(64),
  qe_identity_issuer_chain: text,
  qe_identity: text,
  qe_identity_signature: hexText(64),
  /** The list of TCB evaluation data numbers, for chains: whoever has it in the file brings it along. */
  tcb_evaluation_issuer_chain: text.optional(),
  tcb_evaluation: text.optional(),
  tcb_evaluation_signature: hexText(64).optional(),
});
export type Collateral = z.infer<typeof collateralSchema>;

/** Whom Intel's root has made the signer of TCB info and identities: as `IntelCertificates` pins it. */
const SIGNER = "Intel SGX TCB Signing";

/** What Intel may say of a security version. */
export const TCB_STATUSES = [
  "UpToDate",
  "SWHardeningNeeded",
  "ConfigurationNeeded",
  "ConfigurationAndSWHardeningNeeded",
  "OutOfDate",
  "OutOfDateConfigurationNeeded",
  "Revoked",
] as const;
const status = z.enum(TCB_STATUSES);
export type TcbStatus = z.infer<typeof status>;

const svn = z.number().int().min(0).max(65_535);
const components = z.array(z.object({ svn })).length(16);
const level = { tcbStatus: status, advisoryIDs: z.array(z.string()).default([]) };
const enclaveLevels = z.array(z.object({ tcb: z.object({ isvsvn: svn }), ...level }));
const seam = { mrsigner: hexText(48), attributes: hexText(8), attributesMask: hexText(8) };
const moments = {
  issueDate: z.iso.datetime(),
  nextUpdate: z.iso.datetime(),
  tcbEvaluationDataNumber: z.number().int().min(0),
};

const tcbInfoSchema = z.object({
  id: z.enum(["SGX", "TDX"]),
  version: z.literal(3),
  ...moments,
  fmspc: hexText(6),
  pceId: hexText(2),
  tcbType: z.literal(0),
  tdxModule: z.object(seam).optional(),
  tdxModuleIdentities: z.array(z.object({ id: z.string(), ...seam, tcbLevels: enclaveLevels })).default([]),
  tcbLevels: z.array(
    z.object({
      tcb: z.object({ sgxtcbcomponents: components, tdxtcbcomponents: components.optional(), pcesvn: svn }),
      ...level,
    }),
  ),
});
const qeIdentitySchema = z.object({
  id: z.enum(["QE", "TD_QE"]),
  version: z.literal(2),
  ...moments,
  miscselect: hexText(4),
  miscselectMask: hexText(4),
  attributes: hexText(16),
  attributesMask: hexText(16),
  mrsigner: hexText(32),
  isvprodid: svn,
  tcbLevels: enclaveLevels,
});
export type TcbInfo = z.infer<typeof tcbInfoSchema>;
export type QeIdentity = z.infer<typeof qeIdentitySchema>;

/** Collateral that holds at a time. */
export interface VerifiedCollateral {
  readonly tcbInfo: TcbInfo;
  readonly qeIdentity: QeIdentity;
  /** Of the root, and of the authority of PCK certificates. */
  readonly lists: readonly [VerifiedCrl, VerifiedCrl];
  /** Until when all of it holds, in seconds since 1970. */
  readonly notAfter: number;
}

/** Reads collateral. @throws EvidenceEncodingError if a field is missing or is none */
export function parseCollateral(value: unknown): Collateral {
  const parsed = collateralSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw new EvidenceEncodingError("collateral", `Field '${path.join(".")}': ${message}.`);
}

/**
 * Verifies collateral against the root: lists, signers, signatures, dates. The signatures are checked before what they sign is parsed.
 *
 * @param root SHA-256 of the root certificate.
 * @param time Seconds since 1970.
 */
export function verifyCollateral(
  collateral: Collateral,
  { root, time, checks }: { root: Hex; time: number; checks: Checks },
): VerifiedCollateral {
  const bytes = (hex: string) => fromHex(`0x${hex}`);
  const lists = checks.run(
    "revocation lists",
    () => {
      const [platformCa, rootCa] = chainOf(collateral.pck_crl_issuer_chain, root);
      const rootList = verifyCrl(parseCrl(bytes(collateral.root_ca_crl)), rootCa, time);
      // The authority may itself be revoked, by the root.
      const chain = { root, time, algorithm: "P-256", length: 2, lists: [rootList], everyList: true } as const;
      verifyChain([platformCa, rootCa], chain);
      return [rootList, verifyCrl(parseCrl(bytes(collateral.pck_crl)), platformCa, time)] as const;
    },
    ([rootList, list]) => `${rootList.revoked.size} and ${list.revoked.size} entries`,
  );
  const ends: number[] = [];
  const signed = <T extends { issueDate: string; nextUpdate: string }>(
    what: string,
    { chain, content, signature, schema }: { chain: string; content: string; signature: string; schema: z.ZodType<T> },
  ): T =>
    checks.run(
      what,
      () => {
        const certificates = chainOf(chain, root);
        const options = { root, time, algorithm: "P-256", length: 2, lists, everyList: true } as const;
        ends.push(...certificates.map(({ notAfter }) => notAfter));
        const signer = verifyChain(certificates, options);
        // INVARIANT: an authority does not sign collateral, nor does a key that may not sign, nor any other of Intel's.
        const isSigner = commonName(signer.subject) === SIGNER;
        if (!isSigner || signer.isAuthority || (signer.keyUsage & KEY_USAGE.sign) === 0)
          throw new CertificateChainError(`${commonName(signer.subject)} may not sign collateral.`);
        verifyBy(signer, { message: new TextEncoder().encode(content), signature: bytes(signature), what });
        const value = parsed(what, content, schema);
        const [from, until] = [value.issueDate, value.nextUpdate].map((date) => Date.parse(date) / 1000);
        if (time < from! || time > until!) throw new ValidityError(what, from!, until!, time);
        ends.push(until!);
        return value;
      },
      ({ issueDate, nextUpdate }) => `${issueDate} to ${nextUpdate}`,
    );
  const tcbInfo = signed("TCB info", {
    chain: collateral.tcb_info_issuer_chain,
    content: collateral.tcb_info,
    signature: collateral.tcb_info_signature,
    schema: tcbInfoSchema,
  });
  const qeIdentity = signed("QE identity", {
    chain: collateral.qe_identity_issuer_chain,
    content: collateral.qe_identity,
    signature: collateral.qe_identity_signature,
    schema: qeIdentitySchema,
  });
  return { tcbInfo, qeIdentity, lists, notAfter: Math.min(...ends, ...lists.map(({ nextUpdate }) => nextUpdate)) };
}

/** A signer and its root; the root may be left out of neither. */
function chainOf(pem: string, root: Hex): [X509, X509] {
  const [first, second, ...rest] = parsePem(pem);
  if (first === undefined || second === undefined || rest.length > 0)
    throw new CertificateChainError("Collateral is signed by a certificate below the root: two are needed.");
  if (fingerprint(second.der) !== root) throw new CollateralError("It is signed under another root.");
  return [first, second];
}

function parsed<T>(what: string, content: string, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    throw new EvidenceEncodingError(what, "It is no JSON.");
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  throw new EvidenceEncodingError(what, `Field '${path.join(".")}': ${message}.`);
}
