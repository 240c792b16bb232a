/** What a `BaseError` carries beyond its message. */
export type BaseErrorOptions = {
  /** Stable, machine-readable name of the failure, for example `machine.program`. */
  code: string;
  /** Lines that say what was expected, what was found and what to do next. */
  metaMessages?: readonly string[];
  /** True if the same call may succeed later without any change by the caller. */
  retryable?: boolean;
  cause?: unknown;
};

/** Root of every error that OTR throws: subclasses are named after the failure. */
export class BaseError extends Error {
  /** The failure in one sentence, without details. */
  readonly shortMessage: string;
  readonly metaMessages: readonly string[];
  readonly code: string;
  readonly retryable: boolean;

  constructor(shortMessage: string, options: BaseErrorOptions) {
    const metaMessages = options.metaMessages ?? [];
    super(
      [shortMessage, ...metaMessages].join("\n"),
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = new.target.name;
    this.shortMessage = shortMessage;
    this.metaMessages = metaMessages;
    this.code = options.code;
    this.retryable = options.retryable ?? false;
  }
}
