import { BaseError } from "../errors.ts";

/** No hints exist: the signature does not verify. */
export class SignatureInvalidError extends BaseError {
  constructor(reason: string) {
    super("The P-384 signature does not verify.", {
      code: "attestation.signature",
      metaMessages: [reason, "Check that key, signature and SHA-384 digest belong together."],
    });
  }
}

/** Evidence or a certificate is not encoded as its format says. */
export class EvidenceEncodingError extends BaseError {
  constructor(format: string, reason: string) {
    super(`Bytes are no ${format}.`, { code: "attestation.encoding", metaMessages: [reason] });
  }
}

/** A reference integrity manifest is not signed as it must be, or does not fit. */
export class ManifestError extends BaseError {
  constructor(reason: string) {
    super("The reference integrity manifest is not accepted.", {
      code: "attestation.manifest",
      metaMessages: [reason],
    });
  }
}
