import { BaseError } from "../errors.ts";

/** A configuration that cannot be used: a key that does not exist, a value out of range, or a missing one. */
export class ConfigError extends BaseError {
  constructor(source: string, problems: readonly string[], cause?: unknown) {
    super(`The configuration from ${source} cannot be used.`, {
      code: "config.invalid",
      metaMessages: [...problems, "`otr config print` shows every key with its value and where it came from."],
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

/** A secret's file is missing, unreadable or malformed. The secret itself is never part of the message. */
export class SecretError extends BaseError {
  constructor(what: string, reason: string, cause?: unknown) {
    super(`The ${what} cannot be read: ${reason}.`, {
      code: "config.secret",
      metaMessages: [
        "Give account.keystoreFile with account.passwordFile, or account.privateKeyFile (in the environment: OTR_ACCOUNT_...).",
        "Keys are not accepted on the command line: other users of the machine can read it.",
      ],
      ...(cause === undefined ? {} : { cause }),
    });
  }
}
