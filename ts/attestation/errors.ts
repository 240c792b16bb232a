import { BaseError } from "../errors.ts";

/** A signature does not verify; of P-384, no hints exist for it. */
export class SignatureInvalidError extends BaseError {
  constructor(reason: string) {
    super("A signature does not verify.", {
      code: "attestation.signature",
      metaMessages: [reason, "Check that key, signature and message belong together."],
    });
  }
}

/** Evidence or a certificate is not encoded as its format says. */
export class EvidenceEncodingError extends BaseError {
  constructor(format: string, reason: string) {
    super(`Bytes are no ${format}.`, { code: "attestation.encoding", metaMessages: [reason] });
  }
}

/** Evidence is well formed, but of a kind that is not verified here. */
export class UnsupportedEvidenceError extends BaseError {
  constructor(what: string, reason: string) {
    super(`${what} is not supported.`, { code: "attestation.unsupported", metaMessages: [reason] });
  }
}

/** Certificates do not lead from the leaf to the root as they must. */
export class CertificateChainError extends BaseError {
  constructor(reason: string) {
    super("A certificate chain does not hold.", { code: "attestation.chain", metaMessages: [reason] });
  }
}

/** A chain ends in another certificate than the pinned one. */
export class RootMismatchError extends BaseError {
  constructor(expected: string, got: string, hash = "SHA-256") {
    super("A chain ends in another root than the pinned one.", {
      code: "attestation.root",
      metaMessages: [`Expected the certificate with ${hash} ${expected}, got ${got}.`],
    });
  }
}

/** Something is not valid yet or not any more. Times in seconds since 1970. */
export class ValidityError extends BaseError {
  constructor(what: string, from: number, until: number, time: number) {
    const show = (seconds: number) => new Date(1000 * seconds).toISOString();
    super(`${what} is ${time < from ? "not valid yet" : "not valid any more"}.`, {
      code: time < from ? "attestation.not-yet-valid" : "attestation.expired",
      metaMessages: [`Valid from ${show(from)} to ${show(until)}, looked at for ${show(time)}.`],
    });
  }
}

/** A certificate is in its issuer's revocation list. */
export class RevokedError extends BaseError {
  constructor(subject: string, serial: bigint) {
    super("A certificate is revoked.", {
      code: "attestation.revoked",
      metaMessages: [`${subject}, serial number ${serial.toString(16)}.`],
    });
  }
}

/** Collateral is of another platform, of another kind, or not there. */
export class CollateralError extends BaseError {
  constructor(reason: string) {
    super("Collateral does not belong to the evidence.", { code: "attestation.collateral", metaMessages: [reason] });
  }
}

/** A platform's or enclave's security version has a status that is not accepted, or none. */
export class TcbStatusError extends BaseError {
  readonly status: string;
  readonly advisories: readonly string[];

  constructor(status: string, advisories: readonly string[], accepted: readonly string[]) {
    super(`The platform's TCB status is ${status}.`, {
      code: "attestation.tcb",
      metaMessages: [
        `Accepted: ${accepted.join(", ")}.`,
        ...(advisories.length === 0 ? [] : [`Advisories: ${advisories.join(", ")}.`]),
      ],
    });
    this.status = status;
    this.advisories = advisories;
  }
}

/** Software that takes part in the attestation is not what its vendor's identity says. */
export class IdentityError extends BaseError {
  constructor(what: string, expected: string, got: string) {
    super(`${what} is not the expected one.`, {
      code: "attestation.identity",
      metaMessages: [`Expected ${expected}, got ${got}.`],
    });
  }
}

/** The guest, the enclave or the quoting enclave can be debugged: its memory is no secret. */
export class DebugError extends BaseError {
  constructor(what: string) {
    super(`${what} can be debugged.`, {
      code: "attestation.debug",
      metaMessages: ["Whoever runs the machine can read and change what is inside."],
    });
  }
}

/** Attributes of a guest weaken it in another way than by debugging. */
export class AttributesError extends BaseError {
  constructor(reason: string) {
    super("A guest's attributes are not accepted.", { code: "attestation.attributes", metaMessages: [reason] });
  }
}

/** Evidence answers another challenge, or is bound to something else. */
export class BindingError extends BaseError {
  constructor(what: string, expected: string, got: string) {
    super(`${what} is another one.`, {
      code: "attestation.binding",
      metaMessages: [`Expected ${expected}, got ${got}.`, "The evidence may be somebody else's, or an old one."],
    });
  }
}

/** Evidence carries a nonce of samples that everybody has. */
export class PublicSampleError extends BaseError {
  constructor(nonce: string) {
    super("The evidence is a published sample.", {
      code: "attestation.sample",
      metaMessages: [`Tools return it where there is no GPU. Its nonce is ${nonce}.`],
    });
  }
}

/** A device's measurements are not those of its reference manifests. */
export class ReferenceValueError extends BaseError {
  constructor(reason: string) {
    super("Measurements are not the reference values.", { code: "attestation.reference", metaMessages: [reason] });
  }
}

/** A token is not signed as it must, or does not state what it must. */
export class TokenError extends BaseError {
  constructor(reason: string) {
    super("An attestation token is refused.", { code: "attestation.token", metaMessages: [reason] });
  }
}

/** A responder's answer does not say what it is shown for. */
export class OcspError extends BaseError {
  constructor(reason: string) {
    super("An OCSP answer is refused.", {
      code: "attestation.ocsp",
      metaMessages: [reason, "Ask the responder again for the certificate that you mean, by SHA-384."],
    });
  }
}

/** What failed when a vendor's service was asked: the last part of the error's code. */
export type FetchFailure = "url" | "network" | "timeout" | "status" | "size" | "answer";

/** A service of a vendor's gives no answer that could be used. */
abstract class FetchError extends BaseError {
  /** HTTP status, where there was an answer with another one than 200. */
  readonly status: number | undefined;

  constructor(
    what: string,
    kind: FetchFailure,
    url: string,
    reason: string,
    fix: string,
    { cause, status }: { cause?: unknown; status?: number } = {},
  ) {
    super(`${what} cannot be fetched from ${url}.`, {
      code: `attestation.fetch.${kind}`,
      metaMessages: [reason, fix],
      retryable: ["network", "timeout"].includes(kind) || status === 429 || (status ?? 0) >= 500,
      cause,
    });
    this.status = status;
  }
}

/** Intel's collateral cannot be fetched. */
export class CollateralFetchError extends FetchError {
  constructor(
    kind: FetchFailure,
    url: string,
    reason: string,
    fix: string,
    more?: { cause?: unknown; status?: number },
  ) {
    super("Collateral", kind, url, reason, fix, more);
  }
}

/** An answer about a GPU's certificate cannot be fetched. */
export class OcspFetchError extends FetchError {
  constructor(
    kind: FetchFailure,
    url: string,
    reason: string,
    fix: string,
    more?: { cause?: unknown; status?: number },
  ) {
    super("An OCSP answer", kind, url, reason, fix, more);
  }
}

/** What proved a key is in no transaction that could be read. */
export class ProofNotFoundError extends BaseError {
  constructor(enclaveKey: string) {
    super(`The claims that proved key ${enclaveKey} were not found.`, {
      code: "attestation.proof",
      metaMessages: [
        "No registration of this key from that block on holds them: look from an earlier block, or at a node with history.",
      ],
    });
  }
}
