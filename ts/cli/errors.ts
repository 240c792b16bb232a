import { BaseError } from "../errors.ts";

/** A command was called with arguments that make no sense. */
export class UsageError extends BaseError {
  constructor(message: string, next?: string) {
    super(message, { code: "cli.usage", metaMessages: next === undefined ? [] : [next] });
  }
}

/** What was checked is not as it should be; the report has been printed already. */
export class NegativeResultError extends BaseError {
  constructor(what: string) {
    super(`${what}.`, { code: "cli.negative" });
  }
}

/** Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 the answer of a check is no. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof NegativeResultError) return 3;
  if (error instanceof BaseError && (error.code.startsWith("cli.") || error.code.startsWith("config."))) return 2;
  return 1;
}
