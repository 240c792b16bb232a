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
