import { randomBytes } from "node:crypto";
import { equal, fromHex, toHex } from "../../commit/bytes.ts";
import { children, contentsOf, encode, only, TAG } from "../der.ts";
import { extension, integer, octets, sequence } from "../dev-root/x509.ts";
import { OcspError, OcspFetchError } from "../errors.ts";
import { fetchBytes } from "../fetch-bytes.ts";
import { commonName, type X509 } from "../x509.ts";
import { basicResponse, issuerHashes, NONCE, type OcspAnswer, parseOcsp, placeOf, SHA384, verifyOcsp } from "./ocsp.ts";

/** How a responder is asked. */
export interface FetchOcspOptions {
  /** Seconds since 1970 at which the answer has to hold. */
  readonly time: number;
  /** The responder; default: the one that the certificate names, or the next above it that names one. */
  readonly url?: string | undefined;
  /** Milliseconds for one whole answer. */
  readonly timeoutMs?: number | undefined;
}

/** What was said of a certificate of a chain, verified. */
export interface CertificateStatus {
  /** Its place in the chain: 0 is the leaf. */
  readonly place: number;
  readonly answer: OcspAnswer;
  /** The OCSPResponse as it was sent, DER. */
  readonly der: Uint8Array;
}

/** Contents of identifiers in hex: authority information access, and OCSP as one way of it. */
const ACCESS = "2b06010505070101";
const OCSP = "0x2b06010505073001";
/** Tag of a name that is a URI. */
const URI = 0x86;
const NONCE_BYTES = 32;
/** An answer has some kB, with its certificates. */
const MOST_BYTES = 1 << 16;

/** The responder that a certificate names; undefined if it names none. @throws EvidenceEncodingError */
export function responderUrl({ extensions }: X509): string | undefined {
  const access = extensions.get(ACCESS);
  if (access === undefined) return undefined;
  for (const way of children(only(access.value, TAG.sequence), TAG.sequence)) {
    const [method, place] = children(way, TAG.sequence);
    if (toHex(contentsOf(method, TAG.oid)) === OCSP && place?.tag === URI)
      return new TextDecoder("latin1").decode(place.contents);
  }
  return undefined;
}

/** An OCSPRequest (RFC 6960, 4.1.1) about one certificate of this issuer's, named by SHA-384, DER. */
export function ocspRequest(serial: bigint, issuer: X509, nonce: Uint8Array): Uint8Array {
  const { nameHash, keyHash } = issuerHashes(issuer);
  const certificate = sequence(fromHex(SHA384), octets(nameHash), octets(keyHash), integer(serial));
  const extensions = encode(0xa2, sequence(extension(NONCE, false, octets(nonce))));
  return sequence(sequence(sequence(sequence(certificate)), extensions));
}

/**
 * Asks a responder about the certificate at this place of a chain (leaf first, root last), which the caller has verified, and verifies the
 * answer.
 *
 * @throws OcspFetchError if none comes, OcspError if it is about something else, and errors of `verifyOcsp`
 */
export async function fetchOcsp(
  chain: readonly X509[],
  place: number,
  { time, url: given, timeoutMs = 20_000 }: FetchOcspOptions,
): Promise<CertificateStatus> {
  const [certificate, issuer] = [chain[place], chain[place + 1]];
  if (certificate === undefined || issuer === undefined) throw new OcspError(`Nobody issued certificate ${place}.`);
  const url = given ?? chain.slice(place).map(responderUrl).find(Boolean);
  if (url === undefined)
    throw new OcspFetchError("url", "nowhere", "No certificate of the chain names a responder.", "Name one: --url.");
  requireHttp(url);
  const nonce = new Uint8Array(randomBytes(NONCE_BYTES));
  const { body } = await fetchBytes(url, {
    init: {
      method: "POST",
      headers: { "content-type": "application/ocsp-request", accept: "application/ocsp-response" },
      body: Buffer.from(ocspRequest(certificate.serial, issuer, nonce)),
    },
    ...{ timeoutMs, mostBytes: MOST_BYTES, unreachable: REACHABLE, other: WHICH, fixOf },
    fail: (kind, reason, fix, more) => new OcspFetchError(kind, url, reason, fix, more),
  });
  const status = readOcsp(body, chain, time);
  if (status.place !== place)
    throw new OcspError(`It is about ${commonName(chain[status.place]!.subject)}, and not what was asked for.`);
  // INVARIANT: whoever is between the responder and us replays no answer of before. Responders that make theirs beforehand name no nonce:
  // theirs hold until they say.
  if (status.answer.nonce !== undefined && !equal(status.answer.nonce, octets(nonce)))
    throw new OcspError("It answers another question: its nonce is not the one that was sent.");
  return status;
}

/** An answer that was fetched elsewhere, verified. @throws EvidenceEncodingError, OcspError and errors of `verifyOcsp` */
export function readOcsp(der: Uint8Array, chain: readonly X509[], time: number): CertificateStatus {
  const answer = parseOcsp(basicResponse(der));
  const place = placeOf(answer, chain);
  verifyOcsp(answer, chain[place + 1]!, time);
  return { place, answer, der };
}

const REACHABLE =
  "Check that the responder can be reached from here, or use another one: --url. Without a network, hand answers over that were fetched elsewhere: --answer.";
const WHICH = "Check that it is an OCSP responder, or use another one: --url.";

const fixOf = (status: number): string =>
  status === 429 || status >= 500 ? "Try again later, or use another responder: --url." : WHICH;

function requireHttp(url: string): void {
  const fix = "Give one such as http://ocsp.ndis.nvidia.com: --url.";
  const protocol = URL.canParse(url) ? new URL(url).protocol : "";
  if (!["http:", "https:"].includes(protocol)) throw new OcspFetchError("url", url, "It is no URL of HTTP.", fix);
}
