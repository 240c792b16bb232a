import { privateKeyToAccount } from "viem/accounts";
import { type Challenge, challengeHash } from "../attestation/challenge.ts";
import { type Hex, toHex } from "../commit/bytes.ts";
import { recordLeaf, saltKey, saltOf, secretOf, type TraceRecord, tokenLeaf, tokenTree } from "../commit/record.ts";
import { TAGS } from "../commit/tags.ts";
import { TreeFrontier } from "../commit/tree-frontier.ts";
import {
  type Domain,
  effectiveTemperature,
  hashReceipt,
  hashRequest,
  type Receipt,
  type Request,
  SAMPLER,
  STOP_REASON,
} from "../commit/typed-data.ts";
import type { Engine, Sequence } from "../engine/types.ts";
import type { Manifest } from "../model/manifest.ts";
import { EnclaveOrderError, EnclaveSequenceError, EngineTokenError } from "./errors.ts";
import type { Random } from "./ports.ts";

/** What the host asks of the enclave. */
export interface EnclaveOrder {
  readonly request: Request;
  /** What the seed of a confidential request commits to. Absent of any other. */
  readonly secret?: Hex;
  readonly prompt: readonly number[];
}

/** What the host, not the enclave, decides of a receipt. Times in seconds since 1970. */
export interface ReceiptTerms {
  readonly executor: Hex;
  readonly commitBy: bigint;
  readonly expiry: bigint;
}

/** A finished answer whose receipt is built but not signed. */
export interface SealedOutput {
  readonly receipt: Receipt;
  readonly receiptHash: Hex;
  readonly outputs: readonly number[];
  readonly records: readonly TraceRecord[];
}

/** One output token, and what the trace commits to beside it. */
export interface EnclaveStep {
  readonly token: number;
  /** `cacheRoot` of each step since the token before: all prompt steps for the first token, one for every other. */
  readonly cacheRoots: readonly Uint8Array[];
}

/** One answer in the making. Calls come one at a time. */
export interface EnclaveSession {
  /** The next output token, or undefined once the answer has ended. */
  next(): Promise<EnclaveStep | undefined>;
  /**
   * Ends the answer and takes a seq for its receipt. Before the natural end this cancels; without any token there is nothing to seal and
   * the result is undefined. A second call returns the same.
   */
  seal(terms: ReceiptTerms): Promise<SealedOutput | undefined>;
  /** Signs what was sealed. The host calls it after it has persisted the sealed answer, so that no signed receipt is unknown to it. */
  sign(): Promise<Hex>;
  close(): Promise<void>;
}

/**
 * The boundary of trust. What is behind it holds the signing key and the model; the host only sees this interface, so a driver
 * for a hardware enclave takes the place of `SoftwareEnclave` without another change.
 */
export interface Enclave {
  /** Address of the signing key. */
  readonly address: Hex;
  /** The key itself: x and y on secp256k1, 64 bytes. */
  readonly publicKey: Hex;
  readonly modelId: Hex;
  /**
   * Signs a text with the key (EIP-191). The prefix keeps it apart from receipts and challenges, whatever the text says; the enclave does not
   * know whether it is true.
   */
  signText(text: string): Promise<Hex>;
  open(order: EnclaveOrder): Promise<EnclaveSession>;
  close(): Promise<void>;
}

/** What a software enclave is made of. */
export interface SoftwareEnclaveOptions {
  readonly engine: Engine;
  readonly modelId: Hex;
  readonly manifest: Pick<Manifest, "machineVersion" | "contextLength" | "vocabSize">;
  readonly domain: Domain;
  readonly random: Random;
}

/**
 * The enclave without hardware: same code path, a key that lives and dies with the process. It trusts nothing of an order: prompt
 * and request are checked against each other before the first step.
 *
 * INVARIANT: seq is contiguous from 0 for each key, and no seq is in two receipts.
 */
export class SoftwareEnclave implements Enclave {
  readonly address: Hex;
  readonly publicKey: Hex;
  readonly modelId: Hex;
  readonly #options: SoftwareEnclaveOptions;
  readonly #account: ReturnType<typeof privateKeyToAccount>;
  #nextSeq = 0n;

  constructor(options: SoftwareEnclaveOptions) {
    this.#options = options;
    // A random 256-bit string is no valid key with probability 2^-128; viem then throws, and booting again helps.
    this.#account = privateKeyToAccount(toHex(options.random(32)));
    this.address = this.#account.address.toLowerCase() as Hex;
    this.publicKey = `0x${this.#account.publicKey.slice(4)}`;
    this.modelId = options.modelId;
  }

  async open(order: EnclaveOrder): Promise<EnclaveSession> {
    const key = checkOrder(order, this.#options);
    const { engine, domain, manifest } = this.#options;
    const { request, prompt } = order;
    const requestHash = hashRequest(domain, request);
    const temperature = effectiveTemperature(request);
    const sequence = engine.sequence({ prompt, requestHash, temperature, saltKey: key });
    return new SoftwareSession(order, sequence, {
      domain,
      requestHash,
      saltKey: key,
      manifest,
      enclaveKey: this.address,
      takeSeq: () => this.#nextSeq++,
      sign: (hash) => this.#account.sign({ hash }),
    });
  }

  /**
   * Signs a registration's challenge: the key agrees to serve that executor and model.
   *
   * @throws EnclaveOrderError if the challenge is of another key, model or chain.
   */
  async consent(challenge: Challenge): Promise<Hex> {
    const { enclaveKey, modelId } = challenge.registration;
    const { chainId } = this.#options.domain;
    check("enclaveKey", enclaveKey.toLowerCase() === this.address, this.address, enclaveKey);
    check("modelId", modelId === this.modelId, this.modelId, modelId);
    check("chainId", challenge.chainId === chainId, `${chainId}`, challenge.chainId);
    // INVARIANT: hashed here, from parts under a tag of their own: a hash that the host hands over could be a receipt's.
    return this.#account.sign({ hash: challengeHash(challenge) });
  }

  signText(text: string): Promise<Hex> {
    return this.#account.signMessage({ message: text });
  }

  async close(): Promise<void> {
    this.#options.engine.close();
  }
}

interface SessionContext {
  readonly domain: Domain;
  readonly requestHash: Hex;
  readonly saltKey: Uint8Array;
  readonly manifest: SoftwareEnclaveOptions["manifest"];
  readonly enclaveKey: Hex;
  takeSeq(): bigint;
  sign(hash: Hex): Promise<Hex>;
}

class SoftwareSession implements EnclaveSession {
  readonly #order: EnclaveOrder;
  readonly #sequence: Sequence;
  readonly #context: SessionContext;
  readonly #outputs: number[] = [];
  // Hashed as the answer is made, so that its end does not wait for trees.
  readonly #outputTree = new TreeFrontier();
  readonly #traceTree = new TreeFrontier();
  #stopReason: number | undefined;
  #sealed: SealedOutput | undefined;

  constructor(order: EnclaveOrder, sequence: Sequence, context: SessionContext) {
    this.#order = order;
    this.#sequence = sequence;
    this.#context = context;
  }

  async next(): Promise<EnclaveStep | undefined> {
    if (this.#stopReason !== undefined) return undefined;
    const { request } = this.#order;
    const { vocabSize } = this.#context.manifest;
    const token = await this.#sequence.next();
    if (!Number.isInteger(token) || token < 0 || token >= vocabSize) throw new EngineTokenError(token, vocabSize);
    const salt = saltOf(this.#context.saltKey, "output", this.#outputs.length);
    this.#outputTree.push(tokenLeaf(salt, token));
    this.#outputs.push(token);
    if (request.stopTokens.includes(token)) this.#stopReason = STOP_REASON.stop;
    else if (this.#outputs.length >= request.maxOut) this.#stopReason = STOP_REASON.length;
    const records = this.#sequence.records.slice(this.#traceTree.count);
    for (const record of records) this.#traceTree.push(recordLeaf(record));
    return { token, cacheRoots: records.map(({ cacheRoot }) => cacheRoot) };
  }

  async seal(terms: ReceiptTerms): Promise<SealedOutput | undefined> {
    if (this.#sealed !== undefined) return this.#sealed;
    this.#stopReason ??= STOP_REASON.cancelled;
    const [outputs, records] = [this.#outputs, this.#sequence.records];
    const { request, prompt } = this.#order;
    if (outputs.length === 0) return undefined;
    const steps = prompt.length + outputs.length - 1;
    const hashed = this.#traceTree.count;
    if (hashed !== steps) throw new EnclaveSequenceError(`${steps} records`, `${hashed}`);
    const { domain, manifest, enclaveKey } = this.#context;
    const receipt: Receipt = {
      machineVersion: manifest.machineVersion,
      modelId: request.modelId,
      executor: terms.executor,
      enclaveKey,
      seq: this.#context.takeSeq(),
      commitBy: terms.commitBy,
      expiry: terms.expiry,
      requestHash: this.#context.requestHash,
      inputRoot: request.inputRoot,
      nIn: prompt.length,
      outputRoot: toHex(this.#outputTree.root(TAGS.output)),
      nOut: outputs.length,
      stopReason: this.#stopReason,
      traceRoot: toHex(this.#traceTree.root(TAGS.trace)),
    };
    this.#sealed = { receipt, receiptHash: hashReceipt(domain, receipt), outputs, records };
    return this.#sealed;
  }

  async sign(): Promise<Hex> {
    if (this.#sealed === undefined) throw new EnclaveSequenceError("a sealed answer", "none");
    return this.#context.sign(this.#sealed.receiptHash);
  }

  async close(): Promise<void> {
    this.#sequence.close();
  }
}

function check(field: string, ok: boolean, expected: string, got: unknown): void {
  if (!ok) throw new EnclaveOrderError(field, expected, String(got));
}

/** Everything that the enclave would answer for: what does not fit is refused before any work. Returns the key of the request's salts. */
function checkOrder(order: EnclaveOrder, { modelId, manifest }: SoftwareEnclaveOptions): Uint8Array {
  const { request, prompt } = order;
  const { contextLength, vocabSize } = manifest;
  check("modelId", request.modelId === modelId, modelId, request.modelId);
  check("nIn", request.nIn === prompt.length && prompt.length >= 1, `${prompt.length}, at least 1`, request.nIn);
  check("maxOut", request.maxOut >= 1, "at least 1", request.maxOut);
  const total = request.nIn + request.maxOut;
  check("maxOut", total <= contextLength, `nIn + maxOut <= ${contextLength}`, total);
  check("sampler", Object.values<number>(SAMPLER).includes(request.sampler), "0 or 1", request.sampler);
  const unknown = prompt.find((token) => !Number.isInteger(token) || token < 0 || token >= vocabSize);
  check("prompt", unknown === undefined, `tokens below ${vocabSize}`, unknown);
  const secret = secretOf(request, order.secret);
  // Neither the expected seed nor what came along is shown: one of them may be a secret.
  if (secret === undefined) throw new EnclaveOrderError("secret", "the one that the seed commits to", "another");
  const key = saltKey({ ...request, secret });
  const root = toHex(tokenTree(key, "input", prompt).root(TAGS.input));
  check("inputRoot", request.inputRoot === root, root, request.inputRoot);
  return key;
}
