import { readFileSync } from "node:fs";
import { CIRCUIT_NAMES, type CircuitName } from "../circuits/catalogue.ts";
import { type DrawnElement, drawableElements, elementAt } from "../circuits/drawn-element.ts";
import { type ClaimedStep, segmentCount, statementOf } from "../circuits/statement.ts";
import { nameOf } from "../machine/instruction.ts";
import type { Program } from "../machine/program.ts";
import { stepContext } from "../machine/step.ts";

/** Gas of a transaction that proves pairs, taken apart: `test/spotcheck/PairGas.t.sol`. */
const PARTS_SNAPSHOT = new URL("../../snapshots/pairs.json", import.meta.url);
/** What those pairs were: how many proofs each of them took. */
const ANSWERS = new URL("../../test/vectors/answers.json", import.meta.url);

/** What is drawn of steps whose proofs are sent together. */
export type StepTerms = {
  /** Steps: one of each drawn receipt. */
  readonly steps: number;
  /** Their position. */
  readonly t: number;
  /** Pairs of instruction and element, of each. */
  readonly pairs: number;
  /** Segments that are drawn of a long fold. */
  readonly blocks: number;
};

/** What it takes to prove an element. */
export type ElementProof = {
  readonly circuits: readonly CircuitName[];
  readonly proofs: number;
  /** Beyond what a transaction and its circuits cost anyway. */
  readonly gas: number;
  /** Proven in a transaction of its own, after a third round. */
  readonly long: boolean;
};

/** An expectation over what may be drawn of steps. */
export type StepGas = {
  /** Proofs for all pairs of all steps. */
  readonly proofs: number;
  /** Gas of the verifier's transactions: one for what is proven whole, one for long folds. */
  readonly gas: number;
  /** How many such transactions there are, and how many have long folds. */
  readonly transactions: number;
  readonly longTransactions: number;
  /** How many of the steps have a long fold. */
  readonly longSteps: number;
  /** Of a pair that is proven alone. */
  readonly alone: number;
  /** Chance that such a pair takes more than 300,000. */
  readonly aloneBeyondBar: number;
};

const BAR_ALONE = 300_000;
const FURTHER_STEP = "another step";

/** Prices of what pairs are made of, as measured. */
export class DrawGas {
  readonly #parts: ReadonlyMap<string, number>;
  /** Of one more segment of a fold, and of a pair without its proofs. */
  readonly #segment: number;
  readonly #opening: number;
  /** Of a chunk with its link: of a key, whose chunks are opened together, and of a drawn position. */
  readonly #keyChunk: number;
  readonly #position: number;

  constructor() {
    const parts = JSON.parse(readFileSync(PARTS_SNAPSHOT, "utf8")) as Record<string, string>;
    this.#parts = new Map(Object.entries(parts).map(([name, gas]) => [name, Number(gas)]));
    const { cases } = JSON.parse(readFileSync(ANSWERS, "utf8")) as { cases: { name: string; proofs: unknown[] }[] };
    const proofs = (name: string) => cases.find((each) => each.name === name)!.proofs.length;
    const [few, many] = ["fold_max", "fold_pick"] as const;
    this.#segment = (this.#part(many) - this.#part(few)) / (proofs(many) - proofs(few));
    this.#opening = this.#part("fold_amax") - proofs("fold_amax") * this.#segment;
    this.#keyChunk = (this.#part("fold_scores") - this.#opening) / (proofs("fold_scores") / 2);
    this.#position = (this.#part("fold_mix") - this.#opening) / (proofs("fold_mix") / 2);
  }

  /** What proving this element takes. */
  proofOf(drawn: DrawnElement, context: ClaimedStep, blocks: number): ElementProof {
    const { at, instruction, element, segments, long } = drawn;
    const { circuit, segment } = statementOf(at, instruction, context, element);
    const proven = long ? blocks : segments;
    const name = nameOf(instruction);
    if (circuit === "attention" && segment.chunk !== undefined) {
      const together = name === "fold_scores" && !long;
      const gas = this.#opening + proven * (together ? this.#keyChunk : this.#position);
      return { circuits: [circuit, "link"], proofs: 2 * proven, gas, long };
    }
    if (instruction.role === 1) {
      const gas = this.#part(`${name} of a cached row`);
      return { circuits: [circuit, "link"], proofs: proven + 1, gas: gas + (proven - 1) * this.#segment, long };
    }
    // The folds that were measured with several segments differ from the others in these only.
    const first = circuit === "fold" || circuit === "attention" ? "fold_amax" : name;
    const gas = this.#part(instruction.role === 2 ? "the emitted token" : first) + (proven - 1) * this.#segment;
    return { circuits: [circuit], proofs: proven, gas, long };
  }

  /** Gas of a transaction with such pairs, of so many steps. */
  transaction(pairs: readonly ElementProof[], steps = 1): number {
    const circuits = new Set(pairs.flatMap((pair) => pair.circuits));
    const keys = [...circuits].reduce((sum, circuit) => sum + this.#circuit(circuit), 0);
    const proofs = pairs.reduce((sum, pair) => sum + pair.proofs, 0);
    const saved = proofs === 1 ? this.#part("saved by a proof alone") : 0;
    const further = (steps - 1) * this.#part(FURTHER_STEP);
    return this.#part("transaction") + further + keys + pairs.reduce((sum, { gas }) => sum + gas, 0) - saved;
  }

  /** The expectation over all draws of steps of a program: an instruction, then an element of its row, `pairs` times of each. */
  expected(program: Program, { steps, t, pairs, blocks }: StepTerms): StepGas {
    const context = { ...stepContext({ t, nIn: 1, token: 0, temperature: 0, requestHash: `0x${"00".repeat(32)}` }) };
    const kinds: [share: number, proof: ElementProof][] = [];
    for (const [at, instruction] of program.instructions.entries()) {
      const elements = drawableElements(instruction, t);
      // Elements of one row differ in the number of their segments, if in anything.
      const bySegments = new Map<number, { first: number; count: number }>();
      for (let element = 0; element < elements; element++) {
        const segments = segmentCount(instruction, context, element);
        const seen = bySegments.get(segments);
        if (seen === undefined) bySegments.set(segments, { first: element, count: 1 });
        else seen.count++;
      }
      for (const { first, count } of bySegments.values()) {
        const proof = this.proofOf(elementAt(at, instruction, context, first), context, blocks);
        kinds.push([count / elements / program.instructions.length, proof]);
      }
    }
    const mean = (of: (proof: ElementProof) => number) => kinds.reduce((sum, [p, proof]) => sum + p * of(proof), 0);
    const all = steps * pairs;
    /** Chance that one of so many pairs at least is such. */
    const any = (is: (proof: ElementProof) => boolean, of = all) => 1 - (1 - mean((proof) => Number(is(proof)))) ** of;
    let gas = all * mean((proof) => proof.gas);
    const sent = (long: boolean) => any((proof) => proof.long === long);
    const stepsWith = (long: boolean) => steps * any((proof) => proof.long === long, pairs);
    for (const long of [false, true]) {
      gas += this.#part("transaction") * sent(long) + this.#part(FURTHER_STEP) * (stepsWith(long) - sent(long));
      for (const circuit of CIRCUIT_NAMES)
        gas += this.#circuit(circuit) * any((proof) => proof.long === long && proof.circuits.includes(circuit));
    }
    return {
      proofs: all * mean(({ proofs }) => proofs),
      gas,
      transactions: sent(false) + sent(true),
      longTransactions: sent(true),
      longSteps: stepsWith(true),
      alone: mean((proof) => this.transaction([proof])),
      aloneBeyondBar: mean((proof) => Number(this.transaction([proof]) > BAR_ALONE)),
    };
  }

  #circuit(name: CircuitName): number {
    return this.#part(`circuit ${name}`);
  }

  #part(name: string): number {
    const gas = this.#parts.get(name);
    if (gas === undefined) throw new Error(`snapshots/pairs.json has no ${name}`);
    return gas;
  }
}
