import { createHash } from "node:crypto";
import { concat } from "../../commit/bytes.ts";
import { encode, TAG } from "../der.ts";
import type { DevKey } from "./key.ts";
import {
  type Authority,
  certificate,
  constraints,
  extension,
  integer,
  keyId,
  name,
  octets,
  oid,
  sequence,
  serialOf,
  signedBy,
  USAGE,
  usage,
} from "./x509.ts";

const BASIC = oid("2b0601050507300101");
const NONCE = "2b0601050507300102";
const NO_CHECK = "2b0601050507300105";
const PURPOSES = "551d25";
const OCSP_SIGNING = "2b06010505070309";
const SHA384 = sequence(oid("608648016503040202"), encode(0x05));

/** What a responder says of a certificate. Times in seconds since 1970. */
export interface DevOcspAnswer {
  readonly status: "good" | "revoked" | "unknown";
  readonly thisUpdate: number;
  /** Undefined leaves it out. */
  readonly nextUpdate: number | undefined;
  readonly producedAt?: number;
  /** Reason of a revocation (RFC 5280, 5.3.1). */
  readonly reason?: number;
  /** The issuer answers itself, without a certificate for that. */
  readonly byIssuer?: boolean;
  /** Names the responder by the hash of its key. */
  readonly byKey?: boolean;
  readonly nonce?: Uint8Array;
  /** Another serial number than the certificate's. */
  readonly serial?: bigint;
  /** What the responder's certificate says otherwise: no purpose but others, an authority, other times. */
  readonly purposes?: readonly string[];
  readonly criticalPurposes?: boolean;
  readonly isAuthority?: boolean;
  readonly keyUsage?: number;
  readonly notBefore?: number;
  readonly notAfter?: number;
  /** Members in place of those of a valid answer, DER: of the identifier, behind the answer, behind the list. */
  readonly hash?: Uint8Array;
  readonly extensions?: Uint8Array;
  readonly singles?: number;
}

/** A certificate with which an authority lets another key answer for it (RFC 6960, 4.2.2.2). */
export function responderCertificate(fields: {
  seed: Uint8Array;
  issuer: Authority;
  signer: Authority;
  notBefore: number;
  notAfter: number;
  purposes?: readonly string[];
  criticalPurposes?: boolean;
  isAuthority?: boolean;
  keyUsage?: number;
}): Uint8Array {
  const { seed, issuer, signer, notBefore, notAfter, purposes = [OCSP_SIGNING] } = fields;
  return certificate({
    ...{ issuer, notBefore, notAfter },
    subject: signer.name,
    key: signer.key,
    serial: serialOf(seed, "nvidia/ocsp"),
    extensions: [
      constraints(fields.isAuthority ?? false),
      usage(fields.keyUsage ?? USAGE.sign),
      ...(purposes.length === 0
        ? []
        : [extension(PURPOSES, fields.criticalPurposes ?? true, sequence(...purposes.map(oid)))]),
      extension(NO_CHECK, false, encode(0x05)),
    ],
  });
}

/** An OCSPResponse that is successful (RFC 6960, 4.2.1), DER. */
export function ocspResponse(
  fields: DevOcspAnswer & {
    issuer: Authority;
    signer: Authority;
    serial: bigint;
    certificates: readonly Uint8Array[];
  },
): Uint8Array {
  const { issuer, signer, certificates, thisUpdate, nextUpdate, producedAt = thisUpdate } = fields;
  const identifier = sequence(
    fields.hash ?? SHA384,
    octets(sha384(name(issuer.name))),
    octets(sha384(point(issuer.key))),
    integer(fields.serial),
  );
  const single = sequence(
    identifier,
    statusOf(fields),
    generalizedTime(thisUpdate),
    ...(nextUpdate === undefined ? [] : [encode(0xa0, generalizedTime(nextUpdate))]),
  );
  const nonce = fields.nonce && sequence(extension(NONCE, false, octets(fields.nonce)));
  const extensions = fields.extensions ?? nonce;
  const data = sequence(
    fields.byKey ? encode(0xa2, octets(keyId(signer.key))) : encode(0xa1, name(signer.name)),
    generalizedTime(producedAt),
    sequence(...Array.from({ length: fields.singles ?? 1 }, () => single)),
    ...(extensions === undefined ? [] : [encode(0xa1, extensions)]),
  );
  const chain = certificates.length === 0 ? [] : [encode(0xa0, sequence(...certificates))];
  const basic = signedBy(signer.key, data, ...chain);
  return sequence(encode(TAG.enumerated, Uint8Array.of(0)), encode(0xa0, sequence(BASIC, octets(basic))));
}

function statusOf({ status, thisUpdate, reason }: DevOcspAnswer): Uint8Array {
  if (status !== "revoked") return encode(status === "good" ? 0x80 : 0x82);
  const why = reason === undefined ? [] : [encode(0xa0, encode(TAG.enumerated, Uint8Array.of(reason)))];
  return encode(0xa1, generalizedTime(thisUpdate), ...why);
}

/** As in all answers: not UTCTime, whatever the year. */
function generalizedTime(seconds: number): Uint8Array {
  const digits = new Date(1000 * seconds).toISOString().replace(/\.\d+Z$|[-:T]/g, "");
  return encode(TAG.generalizedTime, new TextEncoder().encode(`${digits}Z`));
}

const sha384 = (data: Uint8Array): Uint8Array => new Uint8Array(createHash("sha384").update(data).digest());
/** The contents of a key's bit string. */
const point = ({ publicKey }: DevKey): Uint8Array => concat([Uint8Array.of(4), publicKey]);
