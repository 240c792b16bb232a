import { equal } from "../commit/bytes.ts";
import { recordLeaf, type TraceRecord } from "../commit/record.ts";
import type { Request } from "../commit/typed-data.ts";
import type { Prng } from "../compiler/prng.ts";
import { referenceEngine } from "../engine/reference.ts";
import type { Engine, SequenceInput } from "../engine/types.ts";
import type { Program } from "../machine/program.ts";
import { rowShape } from "../machine/shape.ts";
import { type InstructionName, instructionName } from "../machine/table.ts";
import { ELEMENT_BYTES } from "../machine/types.ts";
import type { Weights } from "../machine/weights.ts";
import { FaultNotFoundError } from "./errors.ts";
import { bitFlip } from "./lie.ts";
import { lyingEngine } from "./lying-engine.ts";

/** A model that faults are made for. */
export interface FaultyModel {
  readonly program: Program;
  readonly weights: Weights;
  readonly vocabSize: number;
}

/** An answer as its executor commits it, and an honest engine that tells what is wrong with it. */
export interface Answer<M extends FaultyModel = FaultyModel> {
  readonly model: M;
  readonly honest: Engine;
  readonly request: Request;
  readonly input: SequenceInput;
  readonly outputs: readonly number[];
  readonly records: readonly TraceRecord[];
  /** What the records should be, given the outputs. */
  readonly honestRecords: readonly TraceRecord[];
}

/** One wrong bit in one answer, which the records show. */
export interface Fault<M extends FaultyModel = FaultyModel> extends Answer<M> {
  readonly name: string;
  readonly row: number;
  /** The first step whose record is wrong. */
  readonly step: number;
  readonly liar: Engine;
}

/** A request, and what the machine sees of it. */
export interface Asked {
  readonly request: Request;
  readonly input: SequenceInput;
}

/** Makes a request for `nOut` tokens. */
export type Ask<M> = (model: M, prompt: readonly number[], nOut: number, random: Prng) => Asked;

/** Answers that are tried before a fault counts as impossible. */
const TRIES = 400;

/**
 * A random bit of a random row made by `name` in a random answer of one of the models, such that the committed records differ
 * from the honest ones: a bit that changes no K or V row and no token is no fault. Without `propagate` nothing is computed
 * from the wrong row.
 */
export async function randomFault<M extends FaultyModel>(
  models: readonly M[],
  name: InstructionName,
  random: Prng,
  ask: Ask<M>,
  { propagate = true, promptLength }: { propagate?: boolean; promptLength?: number } = {},
): Promise<Fault<M>> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const model = random.pick(models);
    const { program, weights } = model;
    const rows = program.instructions.flatMap((instruction, i) => {
      const made = instructionName(instruction.opcode) === name;
      // Without propagation only rows that the record binds can be wrong.
      return made && (propagate || instruction.role !== 0) ? [i] : [];
    });
    if (rows.length === 0) continue;
    const prompt = randomPrompt(model, random, promptLength);
    const nOut = random.int(1, 3);
    const { request, input } = ask(model, prompt, nOut, random);
    const steps = prompt.length + nOut - 1;
    // With a long prompt the interesting steps are those that look back on it.
    const step = random.int(promptLength === undefined ? 0 : promptLength - 1, steps - 1);
    const row = random.pick(rows);
    const { type, length } = rowShape(program.instructions[row], step);
    const bit = random.int(0, 8 * ELEMENT_BYTES[type] * length - 1);
    const lie = bitFlip(step, row, bit, propagate);
    const liar = lyingEngine(program, weights, lie);
    const { outputs, records } = await generate(liar, input, nOut);
    const honest = referenceEngine(program, weights);
    const { records: honestRecords } = await honest.replay(input, outputs);
    const wrong = firstDifference(records, honestRecords);
    if (wrong === undefined) continue;
    const answer = { model, honest, request, input, outputs, records, honestRecords };
    return { ...answer, name: `${name}: ${lie.name}`, row, step: wrong, liar };
  }
  throw new FaultNotFoundError(name);
}

/** The first step whose records differ. */
export function firstDifference(a: readonly TraceRecord[], b: readonly TraceRecord[]): number | undefined {
  const step = a.findIndex((record, t) => !equal(recordLeaf(record), recordLeaf(b[t])));
  return step === -1 ? undefined : step;
}

/** A random prompt, by default a short one. */
export function randomPrompt({ vocabSize }: FaultyModel, random: Prng, length = random.int(1, 4)): number[] {
  return Array.from({ length }, () => random.int(0, vocabSize - 1));
}

/** `nOut` tokens of an engine's answer, with its records. */
export async function generate(engine: Engine, input: SequenceInput, nOut: number) {
  const sequence = engine.sequence(input);
  while (sequence.outputs.length < nOut) await sequence.next();
  return { outputs: [...sequence.outputs], records: [...sequence.records] };
}
