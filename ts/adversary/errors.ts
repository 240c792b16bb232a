import { BaseError } from "../errors.ts";

/** No wrong bit was found that the records show. */
export class FaultNotFoundError extends BaseError {
  constructor(instruction: string) {
    super(`No fault in a row of ${instruction} changed the records.`, {
      code: "adversary.fault",
      metaMessages: ["Try models in which the instruction's rows matter, or more tries."],
    });
  }
}

/** Somebody asks for what was never computed. */
export class InventedError extends BaseError {
  constructor() {
    super("The answer was made up: there is no trace of it.", { code: "adversary.invented" });
  }
}
