// SPDX-License-Identifier: GPL-3.0-only
import { sha256 } from "@noble/hashes/sha2.js";
import { concat, fromHex, type Hex, hashWords, tag, toHex, word } from "../commit/bytes.ts";
import { FIELD } from "../commit/poseidon-parameters.ts";
import { saltOf, tokenTree } from "../commit/record.ts";
import { chunkAt, rowTree } from "../commit/row.ts";
import { TAGS } from "../commit/tags.ts";
import { Tree } from "../commit/tree.ts";
import type { Domain, Receipt, Request } from "../commit/typed-data.ts";
import type { StepTrace } from "../dispute/step-trace.ts";
import { encodeInstruction } from "../machine/instruction.ts";
import { stepContext } from "../machine/step.ts";
import { INSTRUCTIONS } from "../machine/table.ts";
import { ELEMENT_BYTES, rowBytes } from "../machine/types.ts";
import type { CircuitInputs } from "./calculator.ts";
import { CIRCUITS, type CircuitName } from "./catalogue.ts";
import { type DrawnElement, type DrawnPair, drawnElement, provenSegments } from "./drawn-element.ts";
import { elementInputs, linkInputs, type ProverStep, type WeightsOpener } from "./inputs.ts";
import { domainSeparator, requestWords } from "./request-words.ts";
import type { CachedChunk, ClaimedStep, Statement } from "./statement.ts";
import { StepCommitment } from "./step-commitment.ts";

/** What an executor answers a draw from. */
export type AnswerSource = {
  readonly receipt: Receipt;
  readonly receiptHash: Hex;
  readonly request: Request;
  readonly domain: Domain;
  /** The drawn step: its rows, and the receipt's trees. */
  readonly trace: StepTrace;
  readonly weights: WeightsOpener;
  /** Of the step's commitment: `stepSalt`. */
  readonly salt: bigint;
};

/** One proof that a pair takes. All of its public words are among the inputs. */
export type Claim = { readonly circuit: CircuitName; readonly inputs: CircuitInputs };

/** What a pair takes: proofs of the claims, in this order, and the opening. */
export type PairAnswer = {
  readonly drawn: DrawnElement;
  readonly claims: readonly Claim[];
  readonly opening: Uint8Array;
};

const STEP_SALT = tag("OTR/step-salt/1");

/**
 * The salt of a step's commitment: the same whenever it is asked for, so that an answer can be made again after a restart.
 * @param secret 32 bytes that the executor keeps.
 */
export function stepSalt(secret: Uint8Array, receiptHash: Hex, step: number): bigint {
  return BigInt(toHex(hashWords(STEP_SALT, secret, fromHex(receiptHash), step))) % FIELD;
}

/** Public words of a claim, in the verifier's order. */
export function publicWords({ circuit, inputs }: Claim): bigint[] {
  return CIRCUITS[circuit].map((name) => inputs[name] as bigint);
}

/** The public states of a segment: those that are posted, or stand in the opening. Nothing of a map. */
function statesAround({ circuit, segment: { index, count } }: Statement, states: readonly bigint[]): CircuitInputs {
  if (circuit === "map" || circuit === "gather") return {};
  return { stateIn: index === 0 ? 0n : states[index - 1], stateOut: index === count - 1 ? 0n : states[index] };
}

/**
 * Answers to the draws of one step of a receipt: pure functions of the source and of the draw. docs/spotchecks.md, section 7,
 * has the bytes of openings.
 */
export class StepAnswer {
  readonly #source: AnswerSource;
  readonly #prover: ProverStep;

  constructor(source: AnswerSource) {
    const { trace, weights, salt } = source;
    const { nIn, token, requestHash, temperature, step } = trace;
    const context: ClaimedStep = {
      ...stepContext({ t: step, nIn, token, requestHash, temperature }),
      emitted: trace.answer.outputs[step - (nIn - 1)],
    };
    this.#source = source;
    this.#prover = {
      step: new StepCommitment(trace.rows, salt),
      weights,
      context,
      cached: (slot, position) => trace.cache.row(slot, position),
    };
  }

  /** What is posted when the step is drawn. */
  get stepRoot(): bigint {
    return this.#prover.step.root;
  }

  /** The element that a pair is about. */
  drawn(pair: DrawnPair): DrawnElement {
    const { receiptHash, trace } = this.#source;
    return drawnElement(trace.model.program.instructions, receiptHash, this.#prover.context, pair);
  }

  /** Root over the states of a long fold, to be posted before its segments are drawn; undefined if the pair draws none. */
  statesRoot(pair: DrawnPair): Hex | undefined {
    const drawn = this.drawn(pair);
    return drawn.long ? toHex(Tree.of(this.#states(drawn).map(word)).root(TAGS.states)) : undefined;
  }

  /**
   * Claims and opening of a pair.
   * @param blocks `BLOCKS` of the verifier.
   * @throws BlocksNotDrawnError of a long fold whose segments are not drawn yet.
   */
  pair(pair: DrawnPair, blocks: number): PairAnswer {
    const { receiptHash, trace } = this.#source;
    const drawn = this.drawn(pair);
    const { at, instruction, element } = drawn;
    const segments = provenSegments(drawn, receiptHash, pair, blocks);
    const proofs = elementInputs(this.#prover, at, instruction, element, segments);
    const states = this.#states(drawn);
    const claims: Claim[] = [];
    for (const { statement, inputs } of proofs) {
      claims.push({ circuit: statement.circuit, inputs: { ...inputs, ...statesAround(statement, states) } });
      const { chunk } = statement.segment;
      // At the step itself a cached row is a row of the step too.
      const own = chunk?.position === trace.step ? instruction.b.index : undefined;
      if (chunk !== undefined) claims.push(this.#link(chunk, own));
    }
    const parts = [
      encodeInstruction(instruction),
      ...trace.programSiblings(at),
      ...this.#inputs(drawn),
      ...this.#segments(drawn, states, proofs),
    ];
    if (instruction.role === 1) {
      const index = Math.floor((element * ELEMENT_BYTES[instruction.outType]) / 32);
      const chunk = { slot: instruction.cacheSlot, position: trace.step, index };
      claims.push(this.#link(chunk, at));
      parts.push(...this.#chunks([chunk]));
    }
    return { drawn, claims, opening: concat(parts) };
  }

  /** What the instruction reads besides rows: the input token, the temperature, the emitted token. */
  #inputs({ instruction, element }: DrawnElement): Uint8Array[] {
    const { trace, request, domain, receipt } = this.#source;
    const { step, nIn } = trace;
    const { opcode, role } = instruction;
    if (opcode === INSTRUCTIONS.embed.opcode) {
      if (step >= nIn) return this.#output(step - nIn);
      return [trace.inputSalt(step), word(trace.token).subarray(28), ...trace.inputSiblings(step)];
    }
    if (opcode === INSTRUCTIONS.weigh.opcode || opcode === INSTRUCTIONS.draw.opcode) {
      return [domainSeparator(domain), ...requestWords(request)];
    }
    const emits = role === 2 && element === 0 && opcode <= INSTRUCTIONS.fold_pick.opcode && step + 1 >= receipt.nIn;
    if (!emits) return [];
    const { salt, cacheRoot } = trace.record(step);
    return [...this.#output(step - (nIn - 1)), salt, cacheRoot, ...trace.traceSiblings(step)];
  }

  /** Output token `index` with its path to the root of the answer. */
  #output(index: number): Uint8Array[] {
    const { outputs, input } = this.#source.trace.answer;
    const tree = tokenTree(input.saltKey, "output", outputs);
    return [saltOf(input.saltKey, "output", index), word(outputs[index]).subarray(28), ...tree.siblings(index)];
  }

  /** States and cached chunks of the segments that are proven. */
  #segments(drawn: DrawnElement, states: readonly bigint[], proofs: ReturnType<typeof elementInputs>): Uint8Array[] {
    const cached = proofs.flatMap(({ statement }) => statement.segment.chunk ?? []);
    if (!drawn.long) {
      // Chunks of a key are opened together.
      const together = drawn.instruction.opcode === INSTRUCTIONS.fold_scores.opcode && cached.length > 0;
      const groups = together ? [cached] : cached.map((chunk) => [chunk]);
      return [...states.map(word), ...groups.flatMap((group) => this.#chunks(group))];
    }
    const tree = Tree.of(states.map(word));
    return proofs.flatMap(({ statement: { segment } }) => {
      const [lo, hi] = [Math.max(segment.index - 1, 0), Math.min(segment.index, tree.count - 1)];
      const chunks = segment.chunk === undefined ? [] : this.#chunks([segment.chunk]);
      return [...states.slice(lo, hi + 1).map(word), ...tree.range(lo, hi), ...chunks];
    });
  }

  /** The states between all segments of an element: one fewer than there are segments. */
  #states({ at, instruction, element }: DrawnElement): bigint[] {
    const proofs = elementInputs(this.#prover, at, instruction, element);
    return proofs.slice(0, -1).map(({ inputs }) => inputs.stateOut as bigint);
  }

  #bytes({ slot, position, index }: CachedChunk): Uint8Array {
    return chunkAt(rowBytes(this.#prover.cached(slot, position)), index);
  }

  /** That a chunk has its digest and leaf; with `own`, that it is a chunk of this row of the step, too. */
  #link(chunk: CachedChunk, own: number | undefined): Claim {
    const bytes = this.#bytes(chunk);
    const row = own === undefined ? undefined : { index: own, first: chunk.index };
    return { circuit: "link", inputs: linkInputs(this.#prover, bytes, sha256(bytes), row).inputs };
  }

  /** Neighbouring chunks of one cached row: digests, leaves, and their way to the root of the trace. */
  #chunks(chunks: readonly CachedChunk[]): Uint8Array[] {
    const { trace } = this.#source;
    const [{ slot, position, index }] = chunks;
    const { salt, token } = trace.record(position);
    return [
      ...chunks.map((chunk) => word(this.#link(chunk, undefined).inputs.chunk as bigint)),
      ...chunks.map((chunk) => sha256(this.#bytes(chunk))),
      ...rowTree(rowBytes(this.#prover.cached(slot, position))).range(index, index + chunks.length - 1),
      ...trace.cacheSiblings(position, slot),
      salt,
      word(token).subarray(28),
      ...trace.traceSiblings(position),
    ];
  }
}
