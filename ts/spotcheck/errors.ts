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

/** No endpoint of the beacon gives a round. */
export class BeaconError extends BaseError {
  constructor(round: bigint, failures: readonly string[]) {
    super("The beacon's round cannot be had.", {
      code: "spotcheck.beacon",
      metaMessages: [
        `Round ${round}.`,
        ...failures,
        "Set executor.draws.drandUrls or fisherman.draws.drandUrls to endpoints that this machine reaches.",
      ],
      retryable: true,
    });
  }
}

/** The model of a drawn receipt is not loaded. */
export class ModelForDrawError extends BaseError {
  constructor(modelId: string) {
    super("The model of a drawn receipt is not loaded.", {
      code: "spotcheck.model",
      metaMessages: [modelId, "Load it until its receipts are final: a draw that is not answered convicts."],
    });
  }
}

/** A drawn receipt cannot be answered for. */
export class ReceiptForDrawError extends BaseError {
  constructor(receiptHash: string, why: string) {
    super("A drawn receipt cannot be answered for.", {
      code: "spotcheck.receipt",
      metaMessages: [receiptHash, why, "A draw that is not answered convicts."],
    });
  }
}
