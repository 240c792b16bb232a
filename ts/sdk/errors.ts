import { BaseError } from "../errors.ts";

/** An executor's endpoint returned something that is not a bundle. */
export class MalformedBundleError extends BaseError {
  constructor(path: string, reason: string) {
    super("The executor's bundle is malformed.", {
      code: "sdk.bundle",
      metaMessages: [`Field: ${path === "" ? "(whole)" : path}`, `Reason: ${reason}`, "Do not rely on this answer."],
    });
  }
}

/** A chat body asks for something that cannot be done, or not in a way that a receipt states. */
export class InvalidChatError extends BaseError {
  /** Path of the field at fault, e.g. `messages[0].role`. */
  readonly param: string | undefined;
  /** OpenAI's code for the failure, where it has one. */
  readonly apiCode: string | undefined;

  constructor(message: string, param?: string, apiCode?: string) {
    super(message, { code: `sdk.chat.${apiCode ?? "invalid"}` });
    this.param = param;
    this.apiCode = apiCode;
  }
}

/** A receipt does not bind its executor to this answer, or the chain does not stand behind it. */
export class ReceiptInvalidError extends BaseError {
  /** Names of the checks that failed. */
  readonly failed: readonly string[];

  constructor(failures: readonly { readonly name: string; readonly detail: string }[]) {
    super("The receipt does not cover this answer.", {
      code: "sdk.receipt",
      metaMessages: [
        ...failures.map(({ name, detail }) => `${name}: ${detail}`),
        "Do not rely on the answer; keep the bundle, it may be evidence.",
      ],
    });
    this.failed = failures.map(({ name }) => name);
  }
}

/** An executor's endpoint did not give what was asked for. */
export class EndpointError extends BaseError {
  constructor(url: string, reason: string, retryable: boolean, cause?: unknown) {
    super("The executor's endpoint gave no answer.", {
      code: "sdk.endpoint",
      metaMessages: [`URL: ${url}`, `Reason: ${reason}`],
      retryable,
      cause,
    });
  }
}

/** A stream ended without a receipt. */
export class ReceiptMissingError extends BaseError {
  constructor(cause?: unknown) {
    super("The stream brought no receipt.", {
      code: "sdk.receipt-missing",
      metaMessages: [
        "Ask with `stream_options: { include_otr: true }`, and read the stream to its end.",
        "The receipt may also be fetched: see the response header x-otr-receipt.",
      ],
      cause,
    });
  }
}
