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
  type ProvenPair,
  postFoldsCall,
  postStepCall,
  type StepClaim,
  type StripDraw,
} from "../chain/actions/draws.ts";
import type { CommittedReceipt } from "../chain/committed.ts";
import type { OtrContext } from "../chain/context.ts";
import { NoSenderError } from "../chain/errors.ts";
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
import { fitTogether, isOver, type ProofPart } from "./joint-proofs.ts";
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
 * before a round is known; proofs are to be made, after which it is looked at again; or they are there, to be sent (`JointProofs`).
 */
export type StripProgress =
  | { readonly kind: "answered" | "missed" | "sent" }
  | { readonly kind: "waits"; readonly round: bigint }
  | { readonly kind: "proofs"; readonly court: Address; readonly deadline: bigint; prove(): Promise<void> }
  | { readonly kind: "ready"; readonly deadline: bigint; readonly parts: readonly ProofPart[] };

const ANSWERED: StripProgress = { kind: "answered" };
const MISSED: StripProgress = { kind: "missed" };
const SENT: StripProgress = { kind: "sent" };

/** Pairs of a claim in one transaction at most: what `Groth16` shares among them pays off, and a block holds it. */
const MOST_TOGETHER = 4;

/** What is known of the claim that answers a strip, so that its step is not run again with each look. */
interface Work {
  readonly claimId: Hex;
  /** Draws its pairs: another one, if the claim is posted anew after a reorganisation. */
  readonly value: Hex;
  /** Roots of the states of long folds, by pair. */
  readonly long: ReadonlyMap<number, Hex>;
  /** Proofs that wait to be sent, what they were made for, and whether nothing is left to prove after them. */
  made?: { readonly asked: string; readonly parts: readonly ProofPart[]; readonly last: boolean } | undefined;
}

/**
 * Answers draws, step by step as rounds become known (docs/draws.md). All that it does follows from the chain, the bundle and the model, so
 * that it goes on wherever it was interrupted: salts come from the request, proofs are kept as they are made.
 */
export class DrawAnswerer {
  readonly #o: DrawAnswererOptions;
  readonly #work = new Map<string, Work>();
  #last: { readonly key: string; readonly answer: Promise<StepAnswer> } | undefined;

  constructor(options: DrawAnswererOptions) {
    this.#o = options;
  }

  /** Sends whatever the strip wants now that needs no proof, and says what is left. */
  async advance(terms: DrawTerms, wanted: StripOfBatch): Promise<StripProgress> {
    const progress = await this.#advance(terms, wanted).catch((error: unknown) => {
      if (isOver(error)) return MISSED;
      throw error;
    });
    if (progress.kind === "answered" || progress.kind === "missed") this.#forget(terms.court, wanted);
    return progress;
  }

  /** Forgets what is kept for parts that the chain shows to be proven. */
  proven(parts: readonly ProofPart[]): void {
    for (const [key, work] of this.#work) {
      const { made, claimId } = work;
      if (made === undefined || !parts.some((part) => part.claimId === claimId)) continue;
      const left = made.parts.filter(({ proven }) => !parts.some((part) => part.proven === proven));
      work.made = left.length === 0 ? undefined : { ...made, parts: left };
      if (left.length > 0 || !made.last) continue;
      this.#o.proofs.drop(claimId);
      this.#work.delete(key);
    }
  }

  #forget(court: Address, wanted: StripOfBatch): void {
    const key = keyOf(court, wanted);
    const work = this.#work.get(key);
    if (work !== undefined) this.#o.proofs.drop(work.claimId);
    this.#work.delete(key);
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
    const missing: DrawnPair[] = [];
    for (let pair = 0; pair < terms.pairs; pair++) {
      if (!claim.isProven(pair)) missing.push({ pair, value });
    }
    const answer = () => this.#stepAnswer(terms, bundle, round);
    const work = await this.#workOn(keyOf(court, wanted), { claimId: claim.id, value }, missing, answer);
    const { long } = work;
    const at = { receipt: bundle.receipt, round };
    if (missing.some(({ pair }) => long.has(pair)) && claim.blocksRound === undefined) {
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
    const { deadline } = draw;
    const asked = `${ready.map(({ pair }) => pair).join(",")} ${blockValue}`;
    if (work.made?.asked === asked)
      return { kind: "ready", deadline, parts: work.made.parts.map((part) => ({ ...part, deadline })) };
    const { turnDuration } = terms;
    const part = (proven: ProvenPair[]) => ({ court, claimId: claim.id, deadline, turnDuration, ...at, proven });
    const prove = async () => {
      const parts: ProofPart[] = [];
      const together: ProvenPair[] = [];
      for (const pair of ready) {
        const proven = await this.#prove(terms, claim.id, await answer(), pair);
        const full = together.length === MOST_TOGETHER || !fitTogether([part([...together, proven])]);
        if (together.length > 0 && full) parts.push(part(together.splice(0)));
        together.push(proven);
      }
      work.made = { asked, parts: [...parts, part(together)], last: ready.length === missing.length };
    };
    return { kind: "proofs", court, deadline, prove };
  }

  /** What is known of a claim; the step is run for it once. */
  async #workOn(
    key: string,
    { claimId, value }: Pick<Work, "claimId" | "value">,
    missing: readonly DrawnPair[],
    answer: () => Promise<StepAnswer>,
  ): Promise<Work> {
    const known = this.#work.get(key);
    if (known?.claimId === claimId && known.value === value) return known;
    const made = await answer();
    const long = new Map<number, Hex>();
    for (const pair of missing) {
      const root = made.statesRoot(pair);
      if (root !== undefined) long.set(pair.pair, root);
    }
    const work: Work = { claimId, value, long };
    this.#work.set(key, work);
    return work;
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

function keyOf(court: Address, { batchId, strip }: StripOfBatch): string {
  return `${court}:${batchId}:${strip}`;
}

/** The drawn receipt with its evidence. */
function receiptAt({ at, batchId }: StripOfBatch, index: number) {
  const found = at(index);
  if (found === undefined) throw new ReceiptForDrawError(`leaf ${index} of batch ${batchId}`, "it is not in the store");
  return found;
}
