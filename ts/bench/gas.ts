import { readFileSync } from "node:fs";
import { parseEther } from "viem";
import { getTransactionReceipt } from "viem/actions";
import { flipBit } from "../adversary/lie.ts";
import { lyingEngine } from "../adversary/lying-engine.ts";
import { generate } from "../adversary/random-fault.ts";
import { tag, toHex } from "../commit/bytes.ts";
import { prng } from "../compiler/prng.ts";
import type { FineStep } from "../dispute/source.ts";
import { Court, type CourtModel } from "../dispute/testing/court.ts";
import { challengerSide, executorSide } from "../dispute/testing/sides.ts";
import { accumulatorsOf } from "../dispute/witness.ts";
import { referenceEngine } from "../engine/reference.ts";
import { INSTRUCTIONS, type InstructionName, instructionName } from "../machine/table.ts";
import { elementAt } from "../machine/types.ts";
import { loadModel } from "../model/load.ts";

/** Where the measured figures are kept; a test compares. */
export const GAS_SNAPSHOT = "snapshots/gas.json";

/** Gas of whole transactions under Osaka rules. */
export interface GasFigures {
  /** Per receipt, in a batch of 1,000. */
  readonly commitPerReceipt: number;
  /** The transaction in which the contract computes one element or block, by instruction, on the shipped model. */
  readonly oneStep: Readonly<Record<string, number>>;
}

const MODEL = "models/tale-2m";
const BATCH = 1000;

/** The figures as committed. */
export function readGasSnapshot(): GasFigures {
  return JSON.parse(readFileSync(GAS_SNAPSHOT, "utf8")) as GasFigures;
}

/**
 * Measures on a local chain with the whole deployment: a batch of 1,000, and for each instruction a game about one flipped bit of
 * its last row in the program, at a step behind the prompt. In folds of several blocks the first block is wrong, which is a full one.
 */
export async function measureGas(onProgress?: (done: number, total: number) => void): Promise<GasFigures> {
  const court = await Court.open();
  try {
    const commitPerReceipt = Number(await commitGas(court, BATCH)) / BATCH;
    const { program, weights, manifest } = await loadModel(MODEL);
    const model = await court.register({ program, weights, vocabSize: manifest.vocabSize });
    const names = Object.keys(INSTRUCTIONS) as InstructionName[];
    const oneStep: Record<string, number> = {};
    for (const [i, name] of names.entries()) {
      oneStep[name] = await oneStepGas(court, model, name);
      onProgress?.(i + 1, names.length);
    }
    return { commitPerReceipt, oneStep };
  } finally {
    await court.close();
  }
}

async function oneStepGas(court: Court, model: CourtModel, name: InstructionName): Promise<number> {
  const { program, weights } = model;
  const row = program.instructions.findLastIndex(({ opcode }) => instructionName(opcode) === name);
  const honest = referenceEngine(program, weights);
  const { request, input } = court.ask(model, [5, 300, 77, 1200, 9, 41], 4, prng(1));
  const { outputs, records } = await generate(honest, input, 4);
  const answer = { model, honest, request, input, outputs, records, honestRecords: records };
  const step = input.prompt.length + 1;
  const engine = lyingEngine(program, weights, {
    name,
    committed: (t, i, computed) => (t === step && i === row ? flipBit(computed, 0) : undefined),
  });
  const accumulators = (claimed: FineStep) => (r: number, element: number) => {
    const computed = accumulatorsOf(claimed, r, element);
    const last = computed.at(-1)!;
    const shift = last.map((value, i) => elementAt(claimed.rows[r], last.length === 2 ? i : element) - value);
    return computed.map((accumulator) => accumulator.map((value, i) => value + shift[i]));
  };
  const committed = await court.commit(answer);
  const challenger = await court.account();
  const game = await court.open(committed, challenger, { step, records });
  const { moves } = await court.play(
    game,
    { actions: committed.executor, move: executorSide(answer, { engine, accumulators }) },
    { actions: challenger, move: challengerSide(answer) },
  );
  const judged = moves.find(({ call }) => call === "settle" || call === "settleBlock");
  return Number(judged?.gas);
}

/** Gas of one commitment of `count` receipts, the executor's second: the first writes fresh slots. */
async function commitGas(court: Court, count: number): Promise<bigint> {
  const executor = await court.executor();
  await executor.deposit({ amount: parseEther("1") });
  await executor.commitBatch({ root: toHex(tag("first")), count: 1 });
  const { hash } = await executor.commitBatch({ root: toHex(tag("second")), count });
  return (await getTransactionReceipt(court.client, { hash })).gasUsed;
}
