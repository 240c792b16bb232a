import { readFileSync } from "node:fs";
import { loadavg } from "node:os";
import { sha256 } from "@noble/hashes/sha2.js";
import type { CircuitInputs } from "../circuits/calculator.ts";
import { CIRCUIT_NAMES, CIRCUITS, type CircuitName } from "../circuits/catalogue.ts";
import { elementInputs, linkInputs } from "../circuits/inputs.ts";
import { circuitKey, openProver, verifyProof } from "../circuits/keys.ts";
import { elementCase } from "../circuits/testing/cases.ts";
import { proverOf } from "../circuits/testing/prover.ts";
import { chunkAt } from "../commit/row.ts";
import { prng } from "../compiler/prng.ts";
import type { InstructionName } from "../machine/table.ts";
import { rowBytes } from "../machine/types.ts";
import { DrawGas, type StepGas, type StepTerms } from "./draw-gas.ts";
import { SMOL_135M, shapeOf } from "./geometries.ts";

/** Gas of verifying proofs, and of the court of draws, which forge measures. */
const DRAWS_SNAPSHOT = "snapshots/draws.json";
/** Gas of answering one drawn element, with all that the verifier opens for it, by instruction: whole transactions that forge measures. */
const ANSWERS_SNAPSHOT = "snapshots/spotchecks.json";
/** The dearest element that takes one proof of the circuit; of `attention` and `link` a drawn segment and an element of a cached row, two proofs. */
const ANSWERS: Readonly<Record<CircuitName, readonly string[]>> = {
  map: ["add", "dequant", "divide", "draw", "exp2", "gate", "norm", "quantize", "rms", "weigh"],
  gather: ["embed", "rope"],
  dot: ["fold_dot"],
  fold: ["fold_amax", "fold_sumsq"],
  attention: ["fold_mix"],
  link: ["rescale of a cached row", "rope of a cached row"],
};
/** Four pairs of one proof each, in one transaction. */
const FOUR = "four pairs together: dequant, gate, fold_dot, quantize";
/** What the court takes besides, spread over the receipts of a batch of which one in `STRIDE` is drawn. */
const COURT = "answer without verifier, a receipt of the batch";
/** The same as transactions of their own. */
const COURT_ONE_BY_ONE = ["postStep, batch of 1000", "provePairs without verifier, four pairs"];
/** And of a step with a long fold: the posting of its states, and a second transaction of proofs. */
const COURT_LONG = ["postFolds, one pair", "provePairs without verifier, three pairs"];
const STRIDE = 100;
const TRANSACTION = 21_000;
/** Of SmolLM2-135M, at the end of its context, as the deploy script draws by default. */
const TERMS: StepTerms = { t: SMOL_135M.steps - 1, pairs: 4, blocks: 4 };

export type CircuitFigures = {
  readonly name: CircuitName;
  readonly constraints: number;
  /** Median, witness included, with the key in memory. */
  readonly proveMs: number;
  /** The same of all threads together: what the proof takes where the machine is shared. */
  readonly proveCpuMs: number;
  readonly zkeyBytes: number;
  readonly verifyGas: number;
  /** Of one drawn element alone. */
  readonly answerGas: number;
};

export type SpotcheckFigures = {
  readonly circuits: readonly CircuitFigures[];
  /** What is expected of the draws of a step of SmolLM2-135M. */
  readonly step: StepTerms & StepGas;
  /** Of each receipt of a batch, at rho = 1%, expected over these draws; rounds aside. */
  readonly gasPerReceipt: number;
  /** The same if each call is a transaction of its own, as `ts/spotcheck/draw-answerer.ts` sends them. */
  readonly gasPerReceiptOneByOne: number;
  /** As `gasPerReceipt` if each of the four pairs takes one proof. */
  readonly gasPerReceiptOfOneProofPairs: number;
  /** Load of the machine in the last minute, when the proofs were done: beyond two the times are not those of two free cores. */
  readonly load: number;
};

/** Instructions whose elements are proven, on rows of SmolLM2's size where that makes a difference. */
const SUBJECTS: Readonly<Record<Exclude<CircuitName, "link">, InstructionName>> = {
  map: "gate",
  gather: "rope",
  dot: "fold_dot",
  fold: "fold_pick",
  attention: "fold_scores",
};
/** Inputs of the down projection, the longest products of SmolLM2-135M. */
const LONGEST = 1536;

/** Proves with each circuit, `rounds` times. Makes proving keys that the cache lacks. */
export async function measureSpotchecks(rounds: number, onProgress: (line: string) => void): Promise<SpotcheckFigures> {
  const [verify, answers] = [readSnapshot(DRAWS_SNAPSHOT), readSnapshot(ANSWERS_SNAPSHOT)];
  const circuits: CircuitFigures[] = [];
  for (const name of CIRCUIT_NAMES) {
    onProgress(`${name}: key`);
    const prover = await openProver(name);
    const inputs = inputsOf(name);
    const [wall, cpu]: number[][] = [[], []];
    for (let round = 0; round < rounds; round++) {
      onProgress(`${name}: proof ${round + 1} of ${rounds}`);
      const [started, before] = [performance.now(), process.cpuUsage()];
      const proof = await prover.prove(inputs);
      wall.push(performance.now() - started);
      const { user, system } = process.cpuUsage(before);
      cpu.push((user + system) / 1000);
      if (!(await verifyProof(name, proof))) throw new Error(`${name}: a proof is wrong`);
    }
    const { constraints, zkeyBytes } = circuitKey(name);
    circuits.push({
      name,
      constraints,
      proveMs: median(wall),
      proveCpuMs: median(cpu),
      zkeyBytes,
      verifyGas: verifyGas(verify, CIRCUITS[name].length),
      answerGas: Math.max(...ANSWERS[name].map((each) => Number(answers[each]))),
    });
  }
  return { circuits, ...gasOfDraws(), load: Math.round(100 * loadavg()[0]!) / 100 };
}

/** What draws cost a receipt of a batch, from the gas that forge measured. */
export function gasOfDraws(): Omit<SpotcheckFigures, "circuits" | "load"> {
  const court = readSnapshot(DRAWS_SNAPSHOT);
  const step = new DrawGas().step(shapeOf(SMOL_135M).program, TERMS);
  const verified = step.gas - TRANSACTION * step.transactions;
  const sum = (names: readonly string[]) => names.reduce((all, name) => all + Number(court[name]), 0);
  const drawn = verified + step.longFold * sum(COURT_LONG);
  const ofOneProof = Number(readSnapshot(ANSWERS_SNAPSHOT)[FOUR]) - TRANSACTION;
  return {
    step: { ...TERMS, ...step, gas: Math.round(step.gas), alone: Math.round(step.alone) },
    gasPerReceipt: Number(court[COURT]) + Math.round(drawn / STRIDE),
    gasPerReceiptOneByOne: Math.round((sum(COURT_ONE_BY_ONE) + drawn) / STRIDE),
    gasPerReceiptOfOneProofPairs: Number(court[COURT]) + Math.round(ofOneProof / STRIDE),
  };
}

function readSnapshot(path: string): Readonly<Record<string, string>> {
  return JSON.parse(readFileSync(path, "utf8")) as Record<string, string>;
}

function inputsOf(name: CircuitName): CircuitInputs {
  if (name === "link") {
    const subject = elementCase("rope", prng(3));
    const chunk = chunkAt(rowBytes(subject.rows[0]!), 0);
    return linkInputs(proverOf(subject, 5n), chunk, sha256(chunk), { index: 0, first: 0 }).inputs;
  }
  for (let seed = 3; ; seed++) {
    const subject = elementCase(SUBJECTS[name], prng(seed));
    const { instruction } = subject.subject;
    if (name === "dot" && !(instruction.a.length === LONGEST && instruction.a.type === "i16")) continue;
    return elementInputs(proverOf(subject, 5n), subject.at, instruction, subject.element)[0]!.inputs;
  }
}

/** Measured for 3 and for 6 inputs; each input is one multiplication, one addition and one word more. */
function verifyGas(snapshot: Readonly<Record<string, string>>, inputs: number): number {
  const [three, six] = [3, 6].map((count) => Number(snapshot[`verify a proof of ${count} inputs`]));
  return Math.round(three! + ((six! - three!) * (inputs - 3)) / 3);
}

function median(values: readonly number[]): number {
  return Math.round([...values].sort((x, y) => x - y)[values.length >> 1]!);
}
