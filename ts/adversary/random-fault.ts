import { equal, type Hex, toHex } from "../commit/bytes.ts";
import { recordLeaf, type TraceRecord } from "../commit/record.ts";
import type { Prng } from "../compiler/prng.ts";
import { referenceEngine } from "../engine/reference.ts";
import type { Engine, SequenceInput } from "../engine/types.ts";
import type { Program } from "../machine/program.ts";
import { rowShape } from "../machine/shape.ts";
import { type InstructionName, instructionName } from "../machine/table.ts";
import { ELEMENT_BYTES } from "../machine/types.ts";
import type { Weights } from "../machine/weights.ts";
import { bitFlip } from "./lie.ts";
import { lyingEngine } from "./lying-engine.ts";

/** A model that faults are made for. */
export interface FaultyModel {
  readonly program: Program;
  readonly weights: Weights;
  readonly vocabSize: number;
}

/** One wrong bit in one answer, which the records show. */
export interface Fault<M extends FaultyModel = FaultyModel> {
  readonly name: string;
  readonly model: M;
  readonly row: number;
  readonly liar: Engine;
  readonly honest: Engine;
  readonly input: SequenceInput;
  readonly outputs: readonly number[];
  /** What the liar commits. */
  readonly records: readonly TraceRecord[];
}

/** Bits of a row that are tried before another row is. */
const TRIES = 400;

/**
 * A random bit of a random row made by `name` in a random answer of one of the models, such that the committed records differ
 * from the honest ones: a bit that changes no K or V row and no token is no fault.
 */
export async function randomFault<M extends FaultyModel>(
  models: readonly M[],
  name: InstructionName,
  random: Prng,
  options: { propagate?: boolean } = {},
): Promise<Fault<M>> {
  const propagate = options.propagate ?? true;
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const model = random.pick(models);
    const { program, weights } = model;
    const rows = program.instructions.flatMap((instruction, i) => {
      const made = instructionName(instruction.opcode) === name;
      // Without propagation only rows that the record binds can be wrong.
      return made && (propagate || instruction.role !== 0) ? [i] : [];
    });
    if (rows.length === 0) continue;
    const input = randomInput(model, random);
    const steps = input.prompt.length + random.int(1, 3) - 1;
    const step = random.int(0, steps - 1);
    const row = random.pick(rows);
    const { type, length } = rowShape(program.instructions[row], step);
    const bit = random.int(0, 8 * ELEMENT_BYTES[type] * length - 1);
    const lie = bitFlip(step, row, bit, propagate);
    const liar = lyingEngine(program, weights, lie);
    const sequence = liar.sequence(input);
    while (sequence.records.length < steps) await sequence.next();
    const honest = referenceEngine(program, weights);
    const replay = await honest.replay(input, sequence.outputs);
    const wrong = replay.records.some((record, t) => !equal(recordLeaf(record), recordLeaf(sequence.records[t])));
    if (!wrong) continue;
    const { outputs, records } = sequence;
    return { name: `${name}: ${lie.name}`, model, row, liar, honest, input, outputs, records };
  }
  return Promise.reject(new FaultNotFoundError(name));
}

/** A short prompt, greedy or sampled. */
export function randomInput({ vocabSize }: FaultyModel, random: Prng): SequenceInput {
  const word = (): Hex => `0x${Array.from({ length: 4 }, () => random.bits().toString(16).padStart(16, "0")).join("")}`;
  const key = new Uint8Array(32).map(() => random.int(0, 255));
  return {
    prompt: Array.from({ length: random.int(1, 4) }, () => random.int(0, vocabSize - 1)),
    requestHash: word(),
    temperature: random.pick([0, 65_536, 4 * 65_536]),
    saltKey: toHex(key) === "0x" ? key : key,
  };
}
