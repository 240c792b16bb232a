import { BaseError } from "../errors.ts";

/** The database file belongs to another program, to a later version of this one, or is in use. */
export class StoreOpenError extends BaseError {
  constructor(reason: string, next: string, cause?: unknown) {
    super("The store cannot be opened.", { code: "store.open", metaMessages: [reason, next], cause });
  }
}

/** A row was asked to change in a way that its state does not allow. */
export class StoreStateError extends BaseError {
  constructor(what: string, expected: string, got: string) {
    super(`${what} is not in the expected state.`, {
      code: "store.state",
      metaMessages: [
        `Expected: ${expected}`,
        `Got: ${got}`,
        "Two writers on one store, or a caller that skipped a step; nothing was changed.",
      ],
    });
  }
}
