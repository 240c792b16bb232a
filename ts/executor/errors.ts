import { BaseError } from "../errors.ts";

/** The enclave refuses an order or a consent: host and enclave disagree on what was asked. */
export class EnclaveOrderError extends BaseError {
  /** Field of the request that is wrong. */
  readonly field: string;

  constructor(field: string, expected: string, got: string) {
    super(`The enclave refuses the request's ${field}.`, {
      code: "executor.order",
      metaMessages: [`Expected: ${expected}`, `Got: ${got}`],
    });
    this.field = field;
  }
}

/** The enclave was asked for a step that does not follow from the one before. */
export class EnclaveSequenceError extends BaseError {
  constructor(expected: string, got: string) {
    super("The enclave's session is in another state.", {
      code: "executor.session",
      metaMessages: [`Expected: ${expected}`, `Got: ${got}`],
    });
  }
}

/** The engine made a token that the model does not have. */
export class EngineTokenError extends BaseError {
  constructor(token: number, vocabSize: number) {
    super("The engine made a token outside the vocabulary.", {
      code: "executor.token",
      metaMessages: [`Got: ${token}`, `Vocabulary: 0..${vocabSize - 1}`, "Check the model with `otr model verify`."],
    });
  }
}

/** New work is refused for now. */
export class NotServingError extends BaseError {
  /** Machine-readable reason, also in the HTTP error. */
  readonly reason: string;

  constructor(reason: NotServingReason, detail: string) {
    super(`This executor takes no new requests: ${NOT_SERVING[reason]}.`, {
      code: `executor.not-serving.${reason}`,
      metaMessages: [detail],
      retryable: true,
    });
    this.reason = reason;
  }
}

const NOT_SERVING = {
  shutting_down: "it is shutting down",
  chain_unreachable: "it has not heard from the chain for too long",
  executor_suspended: "it is suspended",
  executor_exiting: "it is leaving",
  enclave_key_inactive: "its enclave key is not active",
  quarantined: "another backend computes other bytes than the one that serves",
  database_outdated: "its database does not know all of its batches on the chain",
  unprovable: "it could not answer for what the rules draw",
  insufficient_stake: "its free stake, less the reserve, covers no more receipts",
} as const;

/** Why an executor takes no new work. */
export type NotServingReason = keyof typeof NOT_SERVING;

/**
 * The prompt is longer than `PROMPT_LIMIT` of the court that demands are made at: posting it would cost more than half of the bond pays.
 * Confidential prompts are never posted, and have no such limit.
 */
export class PromptTooLongError extends BaseError {
  constructor(tokens: number, limit: number) {
    super("The prompt is longer than executors answer.", {
      code: "executor.prompt",
      metaMessages: [
        `Tokens: ${tokens}, at most ${limit}`,
        "Shorten it: if its data were demanded on the chain, posting it would cost more than the bond pays.",
      ],
    });
  }
}

/** The rules draw, and a drawn element of this model could not be proven: its honest receipts would convict. */
export class UnprovableModelError extends BaseError {
  constructor(modelId: string, reason: string) {
    super("The model cannot be served under rules with draws: not all of its elements can be proven.", {
      code: "executor.unprovable",
      metaMessages: [
        modelId,
        reason,
        "Serve another model: `otr model inspect` says which can be proven. Limits: docs/spotchecks.md, section 3.",
      ],
    });
  }
}

/** The verifier of the rules' court takes other proofs than those that are made here. */
export class VerifierMismatchError extends BaseError {
  constructor(verifier: string, reason: string) {
    super("The chain's verifier of drawn elements does not take the proofs that are made here.", {
      code: "executor.verifier",
      metaMessages: [
        `Verifier ${verifier}: ${reason}.`,
        "Run the release whose circuits/keys the deployment has: what cannot be proven convicts.",
      ],
    });
  }
}

/** An answer could become longer than what can be proven of it. Confidential ones are not proven. */
export class TooLongToProveError extends BaseError {
  constructor(positions: number, limit: number) {
    super("The answer might become longer than what can be proven of it.", {
      code: "executor.too-long-to-prove",
      metaMessages: [
        `Positions of prompt and answer: ${positions}, at most ${limit}`,
        "Ask for fewer tokens (max_tokens), or shorten the prompt.",
      ],
    });
  }
}

/** More requests than the executor queues. */
export class OverloadedError extends BaseError {
  constructor(waiting: number) {
    super("This executor is at capacity.", {
      code: "executor.overloaded",
      metaMessages: [`Requests waiting: ${waiting}`, "Try again shortly."],
      retryable: true,
    });
  }
}

/** The request has a receipt already: a second one for it would be a fraud of the executor. */
export class AlreadyAnsweredError extends BaseError {
  constructor(requestHash: string) {
    super("This request was answered before; the answer was cut short by a cancellation, or forgotten long after.", {
      code: "executor.answered",
      metaMessages: [`Request: ${requestHash}`, "Ask again with another nonce: no request has two receipts."],
    });
  }
}

/**
 * The chain has batches of this executor that its database does not know: the database is older than what it signed, or another's. What it has
 * forgotten it could answer once more, and two receipts for one request convict.
 */
export class DatabaseOutdatedError extends BaseError {
  constructor(unknown: number, newest: bigint) {
    super("The chain has batches of this executor that its database does not know.", {
      code: "executor.database",
      metaMessages: [
        `Unknown batches: ${unknown}, the newest is ${newest}`,
        "Restore the newest copy of the database (with its -wal file), and stop whatever else runs with this account.",
        "If it is lost: leave with this account (`otr executor exit`), and serve with another one. A new enclave key is not enough.",
        "To answer games and demands with what there is, or if other software commits batches in this executor's name, set " +
          "executor.acceptUnknownBatches: requests that were answered before may then be answered twice.",
      ],
    });
  }
}

/** The idempotency key was used for another request. */
export class IdempotencyMismatchError extends BaseError {
  constructor() {
    super("This Idempotency-Key was used with another body.", {
      code: "executor.idempotency",
      metaMessages: ["Use a fresh key for every request that differs."],
    });
  }
}

/** The operator's signer did not sign; the answer is kept and signed later. */
export class OperatorSignerError extends BaseError {
  constructor(attempts: number, cause: unknown) {
    super("The operator's signer did not sign the receipt.", {
      code: "executor.operator",
      metaMessages: [`Attempts: ${attempts}`, "The receipt is kept and signed as soon as the signer answers."],
      retryable: true,
      cause,
    });
  }
}

/** The answer ended before a token was made: there is nothing to commit. */
export class CancelledError extends BaseError {
  constructor() {
    super("The request was cancelled before its first token.", { code: "executor.cancelled", retryable: true });
  }
}

/** A game asks about an answer that this executor cannot show: the turn will be lost. */
export class EvidenceMissingError extends BaseError {
  constructor(receiptHash: string, reason: string) {
    super(`A game on receipt ${receiptHash} cannot be answered: ${reason}.`, {
      code: "executor.evidence",
      metaMessages: ["Restore the executor's database, or load the model, before the turn's deadline."],
      retryable: true,
    });
  }
}
