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
