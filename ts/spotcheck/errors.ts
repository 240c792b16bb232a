import { BaseError } from "../errors.ts";

/** A draw from an empty range, or from a strip that the batch does not have. */
export class NothingToDrawFromError extends BaseError {
  constructor(what: string) {
    super("There is nothing to draw from.", { code: "spotcheck.nothingToDrawFrom", metaMessages: [what] });
  }
}

/** A header does not hash to its block's hash: the chain's headers have fields that are not known here. */
export class HeaderEncodingError extends BaseError {
  constructor(number: bigint, hash: string) {
    super("The chain's block headers have another form.", {
      code: "spotcheck.headerEncoding",
      metaMessages: [`Block ${number} has the hash ${hash}, but its known fields do not lead to it.`],
    });
  }
}

/** A round of `BlockMix` cannot be proven now. */
export class BlocksOutOfReachError extends BaseError {
  constructor(dueAt: bigint, why: string) {
    super("The blocks of this round are out of reach.", {
      code: "spotcheck.blocksOutOfReach",
      metaMessages: [`The round is due at ${dueAt}: ${why}.`],
      retryable: true,
    });
  }
}
