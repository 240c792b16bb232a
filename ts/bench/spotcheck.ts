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
/** Four pairs of one proof each, of ten receipts, in one transaction. */
const TEN_TIMES_FOUR = "the same four pairs of 10 steps together";
/** What the court takes besides: for each drawn receipt, for the proofs of one, and of ten together. */
const COURT_STEP = "postStep, batch of 1000";
const COURT_PAIRS = "provePairs without verifier, four pairs";
const COURT_TOGETHER = "provePairs without verifier, 10 receipts together";
/** And of steps with a long fold: the posting of its states, and a second transaction of proofs. */
const COURT_FOLDS = "postFolds, one pair";
const COURT_LONG_PAIRS = "provePairs without verifier, three pairs";
/** One in so many is drawn. */
const STRIDE = 100;
/** Receipts drawn of one batch of 1,000, so of one executor by one round: their proofs are due at once, and `ts/executor/draw-responder.ts` sends them together. */
const TOGETHER = 10;
const TRANSACTION = 21_000;
/** Of SmolLM2-135M, at the end of its context, as the deploy script draws by default. */
const TERMS: Omit<StepTerms, "steps"> = { t: SMOL_135M.steps - 1, pairs: 4, blocks: 4 };

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
  /** What is expected of the draw of a step of SmolLM2-135M alone. */
  readonly step: StepTerms & StepGas;
  /** Drawn receipts whose proofs are verified as one. */
  readonly receiptsTogether: number;
  /** Of each receipt of a batch, at rho = 1%, expected over the draws of so many together; each call that the executor sends, rounds aside. */
  readonly gasPerReceipt: number;
  /** The same if the proofs of each drawn receipt are a transaction of their own. */
  readonly gasPerReceiptAlone: number;
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
  const price = (name: string) => gasIn(court, DRAWS_SNAPSHOT, name);
  const gas = new DrawGas();
  const { program } = shapeOf(SMOL_135M);
  /** All that the answers of so many drawn receipts cost, of which the court's share of the proofs is known. */
  const answers = (steps: number, pairsInCourt: number) => {
    const drawn = gas.expected(program, { ...TERMS, steps });
    const { longSteps, longTransactions } = drawn;
    const further = (price(COURT_TOGETHER) - price(COURT_PAIRS)) / (TOGETHER - 1);
    const long = price(COURT_LONG_PAIRS) * longTransactions + further * (longSteps - longTransactions);
    const verified = drawn.gas - TRANSACTION * drawn.transactions;
    return steps * price(COURT_STEP) + pairsInCourt + longSteps * price(COURT_FOLDS) + long + verified;
  };
  const perReceipt = (all: number, steps: number) => Math.round(all / steps / STRIDE);
  const ofOneProof = gasIn(readSnapshot(ANSWERS_SNAPSHOT), ANSWERS_SNAPSHOT, TEN_TIMES_FOUR) - TRANSACTION;
  const step = gas.expected(program, { ...TERMS, steps: 1 });
  return {
    step: { ...TERMS, steps: 1, ...step, gas: Math.round(step.gas), alone: Math.round(step.alone) },
    receiptsTogether: TOGETHER,
    gasPerReceipt: perReceipt(answers(TOGETHER, price(COURT_TOGETHER)), TOGETHER),
    gasPerReceiptAlone: perReceipt(answers(1, price(COURT_PAIRS)), 1),
    gasPerReceiptOfOneProofPairs: perReceipt(
      TOGETHER * price(COURT_STEP) + price(COURT_TOGETHER) + ofOneProof,
      TOGETHER,
    ),
  };
}

function gasIn(snapshot: Readonly<Record<string, string>>, path: string, name: string): number {
  const gas = snapshot[name];
  if (gas === undefined) throw new Error(`${path} has no ${name}`);
  return Number(gas);
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
