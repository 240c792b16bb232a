import { BaseError } from "../errors.ts";

/** An executor's endpoint did not give a usable bundle. */
export class BundleError extends BaseError {
  constructor(url: string, reason: string, cause?: unknown) {
    super(`The bundle at ${url} cannot be had: ${reason}.`, {
      code: "fisherman.bundle",
      retryable: true,
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

/** Two computations of one answer on this machine differ: it must not accuse anyone. */
export class UnstableReplayError extends BaseError {
  constructor(receiptHash: string) {
    super(`Two re-executions of receipt ${receiptHash} differ.`, {
      code: "fisherman.unstable",
      metaMessages: [
        "Memory or processor may be faulty: nothing is disputed. Run the vectors (`npm test`) on this machine.",
      ],
    });
  }
}
