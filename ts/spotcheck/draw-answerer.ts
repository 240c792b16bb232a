import { type Address, keccak256, toHex } from "viem";
import {
  type BatchDraws,
  countCall,
  type DrawTerms,
  exemptCall,
  getStatesRoot,
  getStepClaim,
  getStrip,
  linkCall,
  type ProvenClaim,
  type ProvenPair,
  postFoldsCall,
  postStepCall,
  provePairsCall,
  type StepClaim,
  type StripDraw,
} from "../chain/actions/draws.ts";
import { fitsOneTransaction } from "../chain/actions/parts.ts";
import type { CommittedReceipt } from "../chain/committed.ts";
import type { OtrContext } from "../chain/context.ts";
import { ContractRevertError, NoSenderError } from "../chain/errors.ts";
import type { Call } from "../chain/sender.ts";
import { type AnswerSource, type Claim, publicWords, StepAnswer, stepSalt } from "../circuits/answer.ts";
import type { Prover } from "../circuits/claim-prover.ts";
import type { DrawnPair } from "../circuits/drawn-element.ts";
import type { WeightsOpener } from "../circuits/inputs.ts";
import { concat, type Hex } from "../commit/bytes.ts";
import type { Logger } from "../config/logger.ts";
import { bundleSaltKey, committedAnswer, type PlayableModel } from "../dispute/answer.ts";
import { StepTrace } from "../dispute/step-trace.ts";
import type { Bundle } from "../sdk/bundle.ts";
import { stepOf } from "./draws.ts";
import { ModelForDrawError, ReceiptForDrawError } from "./errors.ts";
import { roundValue } from "./rounds.ts";

/** A model whose steps can be proven. */
export interface ProvableModel extends Pick<PlayableModel, "engine" | "disputed"> {
  /** Opens weight rows under `weightsRootP`: computed when it is first asked for. */
  weights(): Promise<WeightsOpener>;
}

/** Where finished proofs wait until all of a pair's are there. */
export interface ProofStore {
  get(key: Hex): Uint8Array | undefined;
  put(key: Hex, claim: Hex, proof: Uint8Array): void;
  /** Forgets the proofs of a claim. */
  drop(claim: Hex): void;
}

/** A strip that an answer is wanted for. */
export interface StripOfBatch {
  readonly batchId: bigint;
  readonly strip: number;
  readonly draws: BatchDraws;
  /** The receipt at a place of the batch, with its opening and its evidence; undefined if that is not known. */
  at(index: number): { readonly committed: CommittedReceipt; readonly bundle: Bundle } | undefined;
  /** Rounds that draw from other batches which hold this receipt: a claim by an earlier one answers. */
  otherRounds(receiptHash: Hex): Promise<readonly bigint[]>;
}

export interface DrawAnswererOptions {
  /** Its sender is the executor or one of its delegates. */
  readonly context: OtrContext;
  readonly prover: Prover;
  readonly proofs: ProofStore;
  models(modelId: Hex): Promise<ProvableModel | undefined>;
  readonly log: Logger;
}

/**
 * What became of a strip: answered; missed, so that nothing helps any more; something was sent, and there may be more to do; nothing to do
 * before a round is known; or proofs are to be made before the deadline.
 */
export type StripProgress =
  | { readonly kind: "answered" | "missed" | "sent" }
  | { readonly kind: "waits"; readonly round: bigint }
  | { readonly kind: "proofs"; readonly deadline: bigint; prove(): Promise<"sent" | "missed"> };

const ANSWERED: StripProgress = { kind: "answered" };
const SENT: StripProgress = { kind: "sent" };

/** Pairs in one transaction at most: what `Groth16` shares among them pays off, and a block holds it. */
const MOST_TOGETHER = 4;

/**
 * Answers draws, step by step as rounds become known (docs/draws.md). All that it does follows from the chain, the bundle and the model, so
 * that it goes on wherever it was interrupted: salts come from the request, proofs are kept as they are made.
 */
export class DrawAnswerer {
  readonly #o: DrawAnswererOptions;
  #last: { readonly key: string; readonly answer: Promise<StepAnswer> } | undefined;

  constructor(options: DrawAnswererOptions) {
    this.#o = options;
  }

  /** Sends whatever the strip wants now that needs no proof, and says what is left. */
  advance(terms: DrawTerms, wanted: StripOfBatch): Promise<StripProgress> {
    return orMissed(() => this.#advance(terms, wanted), { kind: "missed" } as const);
  }

  async #advance(terms: DrawTerms, wanted: StripOfBatch): Promise<StripProgress> {
    const { batchId, strip } = wanted;
    const draw = await getStrip(this.#o.context, terms.court, batchId, strip);
    switch (draw.state) {
      case "unknown":
        return { kind: "waits", round: wanted.draws.round };
      case "drawn":
        await this.#claim(terms, wanted, draw);
        return SENT;
      case "posted":
        return this.#answer(terms, wanted, draw);
      case "proven":
        await this.#send(countCall(terms.court, batchId, strip), `count:${batchId}:${strip}`);
        return ANSWERED;
      default:
        return ANSWERED;
    }
  }

  /** Takes a drawn strip up: by the step's root, by an earlier claim about the same receipt, or by showing that it is confidential. */
  async #claim(terms: DrawTerms, wanted: StripOfBatch, { index, deadline }: StripDraw): Promise<void> {
    const { context, log } = this.#o;
    const { batchId, strip, draws } = wanted;
    const { bundle, committed } = receiptAt(wanted, index);
    const { court } = terms;
    if (bundle.request.confidential) {
      await this.#send(exemptCall(court, committed, bundle.request), `exempt:${batchId}:${strip}`);
      return;
    }
    // The earliest draw of a receipt is the one that is answered.
    const others = await wanted.otherRounds(bundle.receiptHash);
    const earlier = others.filter((round) => round < draws.round).sort((a, b) => (a < b ? -1 : 1));
    for (const round of [...earlier, draws.round]) {
      if ((await getStepClaim(context, court, bundle.receiptHash, round)) === undefined) continue;
      await this.#send(linkCall(court, committed, round), `link:${batchId}:${strip}`);
      return;
    }
    const answer = await this.#stepAnswer(terms, bundle, draws.round);
    const { gasUsed } = await this.#send(
      postStepCall(court, committed, answer.stepRoot),
      `step:${bundle.receiptHash}:${draws.round}`,
    );
    log.info({ batch: batchId, strip, receipt: bundle.receiptHash, deadline, gas: gasUsed }, "drawn step posted");
  }

  /** Posts the states of long folds, and says which proofs are wanted. */
  async #answer(terms: DrawTerms, wanted: StripOfBatch, draw: StripDraw): Promise<StripProgress> {
    const { context, log } = this.#o;
    const { court, randomness } = terms;
    const { bundle } = receiptAt(wanted, draw.index);
    const rounds = [wanted.draws.round, ...(await wanted.otherRounds(bundle.receiptHash))];
    const { claim, round } = await this.#claimOf(court, bundle, draw, rounds);
    const value = await roundValue(context, randomness, claim.pairsRound);
    if (value === undefined) return { kind: "waits", round: claim.pairsRound };
    const answer = await this.#stepAnswer(terms, bundle, round);
    const missing: DrawnPair[] = [];
    for (let pair = 0; pair < terms.pairs; pair++) {
      if (!claim.isProven(pair)) missing.push({ pair, value });
    }
    const long = new Map<number, Hex>();
    for (const pair of missing) {
      const root = answer.statesRoot(pair);
      if (root !== undefined) long.set(pair.pair, root);
    }
    const at = { receipt: bundle.receipt, round };
    if (long.size > 0 && claim.blocksRound === undefined) {
      await this.#send(postFoldsCall({ court, ...at }, long), `folds:${claim.id}`);
      log.info({ receipt: bundle.receiptHash, pairs: [...long.keys()] }, "states of long folds posted");
      return SENT;
    }
    const blocks = claim.blocksRound;
    const blockValue = blocks === undefined ? undefined : await roundValue(context, randomness, blocks);
    const ready: DrawnPair[] = [];
    for (const pair of missing) {
      if (!long.has(pair.pair)) ready.push(pair);
      else if (blockValue !== undefined)
        ready.push({ ...pair, statesRoot: await getStatesRoot(context, court, claim.id, pair.pair), blockValue });
    }
    if (ready.length === 0) return blocks === undefined ? ANSWERED : { kind: "waits", round: blocks };
    const proveAll = async () => {
      const together: ProvenPair[] = [];
      for (const pair of ready) {
        const proven = await this.#prove(terms, claim.id, answer, pair);
        const fits = fitsOneTransaction(provePairsCall(court, [{ ...at, proven: [...together, proven] }]));
        if (together.length === MOST_TOGETHER || (together.length > 0 && !fits))
          await this.#sendProofs(court, claim.id, { ...at, proven: together.splice(0) });
        together.push(proven);
      }
      await this.#sendProofs(court, claim.id, { ...at, proven: together });
      if (ready.length === missing.length) this.#o.proofs.drop(claim.id);
      return "sent" as const;
    };
    return { kind: "proofs", deadline: draw.deadline, prove: () => orMissed(proveAll, "missed" as const) };
  }

  async #sendProofs(court: Address, claim: Hex, proven: ProvenClaim) {
    const pairs = proven.proven.map(({ pair }) => pair);
    const { gasUsed } = await this.#send(provePairsCall(court, [proven]), `prove:${claim}:${pairs.join(",")}`);
    this.#o.log.info({ claim, pairs, gas: gasUsed }, "drawn elements proven");
  }

  /** The proofs of a pair; those that were made before are taken from the store. */
  async #prove(terms: DrawTerms, claimId: Hex, answer: StepAnswer, pair: DrawnPair): Promise<ProvenPair> {
    const { claims, opening, drawn } = answer.pair(pair, terms.blocks);
    const proofs: Uint8Array[] = [];
    for (const claim of claims) proofs.push(await this.#proof(claimId, claim));
    this.#o.log.debug({ claim: claimId, pair: pair.pair, instruction: drawn.at, proofs: proofs.length }, "pair proven");
    return { pair: pair.pair, opening: toHex(opening), proofs: toHex(concat(proofs)) };
  }

  async #proof(claimId: Hex, claim: Claim): Promise<Uint8Array> {
    const { prover, proofs } = this.#o;
    // Whatever is private, a proof of the same public words proves the same.
    const key = keccak256(toHex(`${claim.circuit} ${publicWords(claim).join(" ")}`));
    const known = proofs.get(key);
    if (known !== undefined) return known;
    const made = await prover.prove(claim.circuit, claim.inputs);
    proofs.put(key, claimId, made);
    return made;
  }

  async #claimOf(court: Address, { receiptHash }: Bundle, draw: StripDraw, rounds: readonly bigint[]) {
    for (const round of rounds) {
      const claim: StepClaim | undefined = await getStepClaim(this.#o.context, court, receiptHash, round);
      if (claim?.id === draw.claimId) return { claim, round };
    }
    throw new ReceiptForDrawError(receiptHash, "it is answered by a claim of a batch that is not known here");
  }

  /** The answer to the draw of a receipt's step: the last one is kept, since it holds a whole fine trace. */
  #stepAnswer(terms: DrawTerms, bundle: Bundle, round: bigint): Promise<StepAnswer> {
    const key = `${bundle.receiptHash}:${round}`;
    if (this.#last?.key === key) return this.#last.answer;
    const answer = this.#makeAnswer(terms, bundle, round);
    this.#last = { key, answer };
    answer.catch(() => {
      if (this.#last?.answer === answer) this.#last = undefined;
    });
    return answer;
  }

  async #makeAnswer({ randomness }: DrawTerms, bundle: Bundle, round: bigint): Promise<StepAnswer> {
    const { receipt, receiptHash, request, domain } = bundle;
    const value = await roundValue(this.#o.context, randomness, round);
    const model = await this.#o.models(receipt.modelId);
    if (model === undefined || value === undefined) throw new ModelForDrawError(receipt.modelId);
    const step = stepOf(value, receiptHash, receipt.nIn + receipt.nOut - 1);
    const source: AnswerSource = {
      ...{ receipt, receiptHash, request, domain },
      trace: await StepTrace.build(model.disputed, model.engine, committedAnswer(bundle), step),
      weights: await model.weights(),
      // From the request, as all salts: whoever holds the bundle can go on with the answer.
      salt: stepSalt(bundleSaltKey(bundle), receiptHash, step),
    };
    return new StepAnswer(source);
  }

  #send(call: Call, id: string) {
    const { sender } = this.#o.context;
    if (sender === undefined) throw new NoSenderError(call.name);
    return sender.send(call, { id });
  }
}

/** What `deed` gives, or `missed` if the court says that its time is over. */
async function orMissed<T, M>(deed: () => Promise<T>, missed: M): Promise<T | M> {
  try {
    return await deed();
  } catch (error) {
    if (error instanceof ContractRevertError && error.errorName === "DeadlinePassed") return missed;
    throw error;
  }
}

/** The drawn receipt with its evidence. */
function receiptAt({ at, batchId }: StripOfBatch, index: number) {
  const found = at(index);
  if (found === undefined) throw new ReceiptForDrawError(`leaf ${index} of batch ${batchId}`, "it is not in the store");
  return found;
}
