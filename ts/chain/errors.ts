import { BaseError } from "../errors.ts";

/** Where something on the chain was looked up. */
const at = (what: string, value: string | number | bigint) => `${what}: ${value}`;

/** A contract refused a call; `name` and `args` are its custom error. */
export class ContractRevertError extends BaseError {
  /** Name of the custom error, `Error` for a revert string, `Panic`, or undefined for a bare revert. */
  readonly errorName: string | undefined;
  readonly errorArgs: readonly unknown[];

  constructor(parameters: { call: string; errorName?: string; errorArgs?: readonly unknown[]; cause?: unknown }) {
    const args = parameters.errorArgs ?? [];
    const shown = parameters.errorName === undefined ? "no reason given" : `${parameters.errorName}(${args.map(show)})`;
    super(`The contract refused ${parameters.call}: ${shown}.`, {
      code: "chain.revert",
      ...(parameters.cause === undefined ? {} : { cause: parameters.cause }),
    });
    this.errorName = parameters.errorName;
    this.errorArgs = args;
  }
}

/** A court did not say how long the parts are that it takes. */
export class PartSizeError extends BaseError {
  constructor(call: string, cause: unknown) {
    super(`The court does not say how long the parts of ${call} are.`, {
      code: "chain.parts",
      metaMessages: [at("Answer", cause instanceof Error ? cause.message : "none")],
      retryable: true,
      cause,
    });
  }
}

/** A transaction was mined and reverted, though its simulation passed: the state changed in between. */
export class TransactionRevertedError extends BaseError {
  readonly hash: string;

  constructor(call: string, hash: string) {
    super(`The transaction for ${call} was mined and reverted.`, {
      code: "chain.reverted",
      metaMessages: [at("Transaction", hash), "Read the state again: another transaction came first."],
      retryable: true,
    });
    this.hash = hash;
  }
}

/** A transaction did not enter a block in the time given. It may still do so. */
export class TransactionStuckError extends BaseError {
  /** @param refusal What the endpoint said when the bytes were given to it last; undefined if it took them. */
  constructor(call: string, seconds: number, hashes: readonly string[], refusal?: string) {
    super(`The transaction for ${call} is not in a block after ${seconds} s.`, {
      code: "chain.stuck",
      metaMessages: [
        ...hashes.map((hash) => at("Sent", hash)),
        ...(refusal === undefined ? [] : [at("The endpoint says", refusal)]),
        "It is kept and followed further at the next start.",
      ],
      retryable: true,
    });
  }
}

/** A transaction that this process did not send has used the nonce: the deed was not carried out. */
export class NonceTakenError extends BaseError {
  constructor(call: string, nonce: number) {
    super(`Nonce ${nonce}, signed for ${call}, was used by another transaction.`, {
      code: "chain.nonce",
      metaMessages: ["Give every daemon a key of its own.", "The call can be sent again."],
      retryable: true,
    });
  }
}

/** The sender was closed while it waited. What was sent stays in its store. */
export class TransactorClosedError extends BaseError {
  constructor() {
    super("The transaction sender was closed.", { code: "chain.closed", retryable: true });
  }
}

/** A block reorganisation went deeper than the watcher remembers. */
export class DeepReorgError extends BaseError {
  constructor(block: bigint, depth: number) {
    super(`The chain was reorganised below block ${block}.`, {
      code: "chain.deep-reorg",
      metaMessages: [`Blocks remembered: ${depth}.`, "Delete the watcher's cursor to scan again from the deployment."],
    });
  }
}

/** A transaction's receipt lacks the event that the call promises. */
export class MissingEventError extends BaseError {
  constructor(event: string, hash: string) {
    super(`Transaction ${hash} emitted no ${event}.`, {
      code: "chain.event",
      metaMessages: ["The addresses may belong to another version of the contracts."],
    });
  }
}

/** A process that this one depends on did not start, or ended with an error. */
export class ChildProcessError extends BaseError {
  constructor(command: string, reason: string, output: string) {
    super(`${command} ${reason}.`, {
      code: "chain.process",
      metaMessages: output === "" ? [] : output.trimEnd().split("\n").slice(-30),
    });
  }
}

/** The file of deployed addresses is missing or malformed. */
export class DeploymentError extends BaseError {
  constructor(path: string, reason: string, cause?: unknown) {
    super(`The deployment file ${path} cannot be used: ${reason}.`, {
      code: "chain.deployment",
      metaMessages: ["Run `otr deploy` against this chain, or set `deployment` to the right file; check `rpc.url`."],
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

/** The endpoint serves another chain than the one configured. */
export class WrongChainError extends BaseError {
  constructor(expected: number, got: number) {
    super("The RPC endpoint serves another chain.", {
      code: "chain.id",
      metaMessages: [at("Expected chain", expected), at("Got", got)],
    });
  }
}

/** The RPC endpoint does not answer. */
export class EndpointUnreachableError extends BaseError {
  /** @param url Without credentials: it is shown. */
  constructor(url: string, cause: unknown) {
    super(`The RPC endpoint ${url} does not answer.`, {
      code: "chain.endpoint",
      metaMessages: ["Check rpc.url, and that the node is running."],
      retryable: true,
      cause,
    });
  }
}

/** A call that changes state was made without an account. */
export class NoSenderError extends BaseError {
  constructor(call: string) {
    super(`${call} needs an account, and this client only reads.`, {
      code: "chain.sender",
      metaMessages: ["Pass a sender: a transactor, or `walletSender(client)`."],
    });
  }
}

/** What events and storage say of a game do not fit together. */
export class GameLogError extends BaseError {
  constructor(game: bigint, reason: string) {
    super(`Game ${game} cannot be rebuilt: ${reason}.`, {
      code: "chain.game",
      metaMessages: ["The endpoint may have pruned logs or transactions: use one that serves history."],
      retryable: true,
    });
  }
}

/** The answer to a demand came in parts that this endpoint does not show. */
export class AnswerDataError extends BaseError {
  constructor(hash: string, cause?: unknown) {
    super(`What transaction ${hash} posted cannot be read.`, {
      code: "chain.answer",
      metaMessages: ["The endpoint may have pruned logs: use one that serves history."],
      retryable: true,
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

/** The registry of enclave keys has none of what a proof needs. */
export class NotInstalledError extends BaseError {
  constructor(what: string) {
    super(`The registry of enclave keys has no ${what}.`, {
      code: "chain.not-installed",
      metaMessages: ["Deploy it with `otr deploy`, or let governance install it (docs/contracts.md, Deployment)."],
    });
  }
}

/** No policy accepts what a machine measures, or it asks for more than the machine has. */
export class PolicyError extends BaseError {
  constructor(reason: string, fix: string) {
    super("The policy of the model does not take this machine.", {
      code: "enclave.policy",
      metaMessages: [reason, fix],
    });
  }
}

/** Nothing that the chain knows of ends an enclave key. */
export class StillProvedError extends BaseError {
  constructor(enclaveKey: string, tried: readonly string[]) {
    super(`Nothing that the chain knows ends key ${enclaveKey}.`, {
      code: "enclave.still-proved",
      metaMessages: [
        ...tried,
        "Bring what was revoked to the chain first: Intel's lists and documents by `otr attest collateral <quote> --submit`, NVIDIA's answers by `otr attest ocsp <gpu> --submit`.",
      ],
    });
  }
}

/** What Intel signs about platforms is missing on the chain, or too old, and none that would do is at hand. */
export class CollateralStaleError extends BaseError {
  constructor(what: string, reason: string) {
    super(`Intel's ${what} is needed anew.`, {
      code: "enclave.collateral",
      metaMessages: [
        reason,
        "Fetch current collateral and hand it over: executor.attestation.collateral, or --collateral.",
      ],
      retryable: true,
    });
  }
}

/** Evidence leads to another root than the one that the chain's contract was deployed with. */
export class PinnedRootError extends BaseError {
  constructor(vendor: string, expected: string, got: string) {
    super(`The chain takes evidence under another root of ${vendor}'s.`, {
      code: "enclave.root",
      metaMessages: [
        `keccak256 of the root certificate: expected ${expected}, got ${got}.`,
        "Production chains take hardware's evidence only. Source dev needs a deployment made with --dev-roots and its seed.",
      ],
    });
  }
}

/** A key cannot be registered or renewed any more. */
export class EnclaveKeyError extends BaseError {
  constructor(key: string, reason: string) {
    super(`Enclave key ${key} ${reason}.`, {
      code: "enclave.key",
      metaMessages: ["A new key is needed: the executor makes one when it is restarted."],
    });
  }
}

/** A step on the way to a registered key was refused. */
export class EnclaveProofError extends BaseError {
  constructor(step: string, hint: string | undefined, cause: Error) {
    super(`The enclave key is not proved: ${step} was refused.`, {
      code: "enclave.proof",
      metaMessages: [cause.message, ...(hint === undefined ? [] : [hint])],
      cause,
    });
  }
}

function show(value: unknown): string {
  return Array.isArray(value) ? `[${value.map(show)}]` : String(value);
}
