import { BaseError } from "../errors.ts";

/** A draw from an empty range, or from a strip that the batch does not have. */
export class NothingToDrawFromError extends BaseError {
  constructor(what: string) {
    super("There is nothing to draw from.", { code: "spotcheck.nothingToDrawFrom", metaMessages: [what] });
  }
}
