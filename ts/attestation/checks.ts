import { BaseError } from "../errors.ts";

/** One step of a verification, as people read it. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
  /** Code of the error, of a step that failed. */
  readonly code?: string;
}

/** Keeps what was checked, so that a refusal shows how far the evidence held. */
export class Checks {
  readonly rows: Check[] = [];

  /** Takes a step, and notes how it ended. @throws what the step throws */
  run<T>(name: string, step: () => T, detail: (value: T) => string = () => ""): T {
    try {
      const value = step();
      this.rows.push({ name, ok: true, detail: detail(value) });
      return value;
    } catch (error) {
      const known = error instanceof BaseError;
      const told = known ? [error.shortMessage, ...error.metaMessages].join(" ") : String(error);
      this.rows.push({ name, ok: false, detail: told, ...(known ? { code: error.code } : {}) });
      throw error;
    }
  }
}
