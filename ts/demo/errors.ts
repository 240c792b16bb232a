import { BaseError } from "../errors.ts";

/** The demo did not go as it should. */
export class DemoError extends BaseError {
  constructor(reason: string) {
    super(reason, {
      code: "demo",
      metaMessages: ["Run it again with --verbose to see what the daemons log, and report it with that output."],
    });
  }
}
