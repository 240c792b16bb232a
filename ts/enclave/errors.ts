import { BaseError } from "../errors.ts";

/** The machine cannot make evidence, or not now. */
export class EvidenceUnavailableError extends BaseError {
  constructor(what: string, reason: string, options: { retryable?: boolean; cause?: unknown } = {}) {
    super(`${what} gives no evidence.`, { code: "enclave.evidence", metaMessages: [reason], ...options });
  }
}

/** The machine is not in the state in which keys may be made. */
export class BootGateError extends BaseError {
  constructor(problems: readonly string[]) {
    super("The machine does not protect what an enclave would do: no key is made.", {
      code: "enclave.boot-gate",
      metaMessages: problems,
    });
  }
}

/** Too many clients wait for evidence. */
export class AttestationBusyError extends BaseError {
  constructor() {
    super("Too many clients wait for evidence.", { code: "enclave.busy", retryable: true });
  }
}
