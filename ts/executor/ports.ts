import type { Hex } from "../commit/bytes.ts";
import type { Domain, Receipt } from "../commit/typed-data.ts";
import type { Bundle } from "../sdk/bundle.ts";
import type { Order } from "./receipts.ts";
import type { RunReader } from "./run.ts";

/** A source of unpredictable bytes. */
export type Random = (bytes: number) => Uint8Array;

/** What the chain says of the executor and one of its enclave keys, all at one block. Amounts in wei, times in seconds. */
export interface ExecutorStanding {
  readonly blockNumber: bigint;
  readonly blockTime: bigint;
  /** Stake that no receipt locks. */
  readonly freeStake: bigint;
  /** Stake that each committed receipt locks. */
  readonly lockPerReceipt: bigint;
  /** Free stake that must be left beside the locks of each commit. */
  readonly reserve: bigint;
  /** Convicted: takes on nothing new, for good. */
  readonly suspended: boolean;
  readonly exiting: boolean;
  /** The key is registered for this executor and model, not revoked and not expired. */
  readonly keyActive: boolean;
  /** Tokens of the longest prompt whose data half of a demand's bond pays for posting, by the rules that new batches get. */
  readonly promptLimit: number;
  /** The court that draws from new batches; undefined if none does. */
  readonly drawCourt?: Hex | undefined;
}

/** A batch that the chain has. */
export interface CommittedBatch {
  /** Blocks on top of it, its own included: 1 is the head. */
  readonly confirmations: number;
  /** Its number. */
  readonly batchId: bigint;
}

/** A batch of this executor, whoever committed it. */
export interface OwnBatch {
  readonly batchId: bigint;
  readonly root: Hex;
  /** If somebody committed one receipt by itself: its hash. */
  readonly single?: Hex;
}

/** What an executor needs of the chain. Every method may fail while the chain is out of reach, and is then called again. */
export interface ChainPort {
  /**
   * Commits a batch and waits until it is in a block. Calls with the same root are one deed: across crashes and repeated calls at most one
   * transaction for it takes effect.
   */
  commitBatch(root: Hex, count: number): Promise<{ transactionHash: Hex }>;
  /** This executor's batch of that root, if the chain has it. */
  findBatch(root: Hex): Promise<CommittedBatch | undefined>;
  /** All batches of this executor, the oldest first. */
  ownBatches(): Promise<readonly OwnBatch[]>;
  /** When a batch was committed, in seconds since 1970. */
  committedAt(batchId: bigint): Promise<bigint>;
  /** Standing of this executor and of the given key for the given model. */
  standing(enclaveKey: Hex, modelId: Hex): Promise<ExecutorStanding>;
  /** Stops waiting; nothing is sent any more. Calls under way reject. */
  close(): Promise<void>;
}

/** Whether what may be drawn of this executor's answers can be proven. */
export interface ProvabilityPort {
  /**
   * At how many positions of a model, from the first on, all elements can be proven under a court of draws.
   * @throws UnprovableModelError if at none
   * @throws VerifierMismatchError, CircuitKeyError if nothing can be proven here
   */
  positions(court: Hex, modelId: Hex): Promise<number>;
}

/** The operator's key, which never is where the enclave is. */
export interface OperatorSigner {
  readonly address: Hex;
  /** EIP-712 signature over the receipt. */
  signReceipt(domain: Domain, receipt: Receipt): Promise<Hex>;
}

/** Where a dispute responder finds the evidence. */
export interface EvidenceSource {
  /** The bundle of a receipt that this executor signed. */
  bundle(receiptHash: Hex): Bundle | undefined;
  /** Receipt hashes of a batch that this executor formed, in order. */
  leaves(root: Hex): readonly Hex[] | undefined;
  /** Root of the batch that this executor put a receipt into. */
  batchRoot(receiptHash: Hex): Hex | undefined;
}

/** Where answers are made. */
export interface AnswerSource {
  /** Starts, joins or replays the answer to an order. */
  begin(order: Order): RunReader;
}

/** Serves the requests of contracts. */
export interface RequestServer {
  start(answers: AnswerSource): Promise<void>;
  /** Takes up nothing new; resolves when no transaction is half sent. Answers under way are their maker's to end. */
  stop(): Promise<void>;
}

/** Answers what is brought against this executor: games, or demands for data. */
export interface DisputeResponder {
  start(evidence: EvidenceSource): Promise<void>;
  /** Stops watching; resolves when no move is half sent. */
  stop(): Promise<void>;
}
