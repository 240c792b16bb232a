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
import { DisputeBench, type DisputeFigures, type Way } from "./disputes.ts";
import { LEAVES_24, LLAMA_70B, SMOL_135M } from "./geometries.ts";
import { SteadyTime } from "./steady-time.ts";

/** Where the measured figures are kept; a test compares. */
export const GAS_SNAPSHOT = "snapshots/gas.json";

/** Gas of whole transactions under Osaka rules. */
export interface GasFigures {
  /** Per receipt, in a batch of 1,000. */
  readonly commitPerReceipt: number;
  /** The transaction in which the contract computes one element or block, by instruction, on the shipped model. */
  readonly oneStep: Readonly<Record<string, number>>;
  /** Whole disputes: 2^24 leaves, SmolLM2-135M at 512 tokens, Llama 70B at 8,192 tokens. */
  readonly dispute24: DisputeGas;
  readonly dispute135M: DisputeGas;
  readonly dispute70B: DisputeGas;
  /** One in which the challenger knows the executor's rows, at 2^24 leaves. */
  readonly disputeJump: DisputeGas;
  /** Gas of whole disputes at 2^24 leaves by instruction: walked, and by a challenger that knows the executor's rows. */
  readonly byInstruction: Readonly<Record<Way, Readonly<Record<string, number>>>>;
}

/** A whole dispute in figures: without the single transactions. */
export type DisputeGas = Omit<DisputeFigures, "calls">;

/** What is measured, with the transactions of each dispute. */
export interface GasReport {
  readonly figures: GasFigures;
  readonly disputes: Readonly<Record<DisputeName, DisputeFigures>>;
}

const MODEL = "models/tale-2m";
const BATCH = 1000;

/** Each dispute: where, about a row of which instruction, and how. `norm` and `add` make whole rows of the hidden size, `rescale` a V row. */
const DISPUTES = {
  dispute24: { geometry: LEAVES_24, instruction: "norm", way: "walk" },
  dispute135M: { geometry: SMOL_135M, instruction: "norm", way: "walk" },
  dispute70B: { geometry: LLAMA_70B, instruction: "add", way: "walk" },
  disputeJump: { geometry: LEAVES_24, instruction: "rescale", way: "jump" },
} as const;
type DisputeName = keyof typeof DISPUTES;

/** The dearest instruction of a way to play, and its gas. */
export function dearest(gas: Readonly<Record<string, number>>): { instruction: string; gas: number } {
  const [instruction, most] = Object.entries(gas).reduce((a, b) => (b[1] > a[1] ? b : a));
  return { instruction, gas: most };
}

/** The figures as committed. */
export function readGasSnapshot(): GasFigures {
  return JSON.parse(readFileSync(GAS_SNAPSHOT, "utf8")) as GasFigures;
}

/**
 * Measures on a local chain with the whole deployment: a batch of 1,000, and for each instruction a game about one flipped bit of
 * its last row in the program, at a step behind the prompt. In folds of several blocks the first block is wrong, which is a full one. Then
 * whole disputes (ts/bench/disputes.ts).
 */
export async function measureGas(onProgress?: (done: number, total: number) => void): Promise<GasReport> {
  const court = await Court.open();
  const time = new SteadyTime(court.chain);
  try {
    const commitPerReceipt = Number(await commitGas(court, BATCH)) / BATCH;
    const { program, weights, manifest } = await loadModel(MODEL);
    const model = await court.register({ program, weights, vocabSize: manifest.vocabSize });
    const names = Object.keys(INSTRUCTIONS) as InstructionName[];
    const oneStep: Record<string, number> = {};
    for (const [i, name] of names.entries()) {
      oneStep[name] = await oneStepGas(court, time, model, name);
      onProgress?.(i + 1, names.length);
    }
    const disputes = {} as Record<DisputeName, DisputeFigures>;
    for (const [dispute, { geometry, instruction, way }] of Object.entries(DISPUTES)) {
      const bench = await DisputeBench.open(court, time, geometry, [instruction]);
      disputes[dispute as DisputeName] = await bench.dispute(instruction, way);
    }
    const byInstruction = await disputesByInstruction(court, time, names);
    const { dispute24, dispute135M, dispute70B, disputeJump } = disputes;
    const figures = {
      commitPerReceipt,
      oneStep,
      dispute24: withoutCalls(dispute24),
      dispute135M: withoutCalls(dispute135M),
      dispute70B: withoutCalls(dispute70B),
      disputeJump: withoutCalls(disputeJump),
      byInstruction,
    };
    return { figures, disputes };
  } finally {
    await court.close();
  }
}

function withoutCalls({ calls: _, ...figures }: DisputeFigures): DisputeGas {
  return figures;
}

async function disputesByInstruction(court: Court, time: SteadyTime, names: readonly InstructionName[]) {
  const bench = await DisputeBench.open(court, time, LEAVES_24, names);
  const gas: Record<Way, Record<string, number>> = { walk: {}, jump: {} };
  for (const way of ["walk", "jump"] as const)
    for (const name of names) gas[way][name] = (await bench.dispute(name, way)).gas;
  return gas;
}

async function oneStepGas(court: Court, time: SteadyTime, model: CourtModel, name: InstructionName): Promise<number> {
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
  await time.commitNext();
  const committed = await court.commit(answer);
  const challenger = await court.account();
  await time.openNext();
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
