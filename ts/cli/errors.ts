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

/** What was asked for becomes possible later. */
export class NotDueError extends BaseError {
  /** @param at Seconds since 1970 from which on it is possible. */
  constructor(what: string, at: bigint) {
    super(what, { code: "receipt.not-due", metaMessages: [`Possible from: ${dateOf(at)}`], retryable: true });
  }
}

/** A time in seconds since 1970, for people. */
export function dateOf(seconds: bigint): string {
  // Receipts may name times that no calendar has.
  return seconds > 8_640_000_000_000n ? "never" : new Date(Number(seconds) * 1000).toISOString();
}

/** Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 the answer of a check is no. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof NegativeResultError) return 3;
  if (error instanceof BaseError && (error.code.startsWith("cli.") || error.code.startsWith("config."))) return 2;
  return 1;
}
