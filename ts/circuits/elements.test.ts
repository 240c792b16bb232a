// SPDX-License-Identifier: GPL-3.0-only
import { sha256 } from "@noble/hashes/sha2.js";
import { beforeAll, describe, expect, it } from "vitest";
import { FIELD } from "../commit/poseidon-parameters.ts";
import { SENTINEL_TOKEN } from "../commit/record.ts";
import { chunkAt, chunkCount } from "../commit/row.ts";
import { prng } from "../compiler/prng.ts";
import { type Instruction, NO_OPERAND } from "../machine/instruction.ts";
import { SEMANTICS } from "../machine/registry.ts";
import { INSTRUCTIONS, type InstructionName } from "../machine/table.ts";
import { caseInputs } from "../machine/testing/cases.ts";
import { FUZZ } from "../machine/testing/fuzz.ts";
import { elementAt, type Row, rowBytes } from "../machine/types.ts";
import { type CircuitInputs, WitnessCalculator } from "./calculator.ts";
import { CIRCUITS, type CircuitName, optionsOf } from "./catalogue.ts";
import { type CompiledCircuit, compileCircuit } from "./compile.ts";
import { CircuitLimitError, NoWitnessError } from "./errors.ts";
import { type ElementProofInputs, elementInputs, linkInputs } from "./inputs.ts";
import { freeWires } from "./pinned.ts";
import { constraintsByWire, holds, parseR1cs, violated } from "./r1cs.ts";
import { statementOf } from "./statement.ts";
import { largestRow, RowOpener } from "./step-commitment.ts";
import { type ElementCase, elementCase } from "./testing/cases.ts";
import { proverOf } from "./testing/prover.ts";

/** Whole circuits, openings included: a few cases each; ts/circuits/cores.test.ts has the many. */
const CASES = 2 * FUZZ;
/** Wires altered per circuit; all of them with `OTR_FUZZ=200`. */
const ALTERED = 400 * FUZZ;

const NAMES = Object.keys(INSTRUCTIONS) as InstructionName[];
const SALT = 0x1234567890abcdefn;

type Loaded = { readonly compiled: CompiledCircuit; readonly calculator: WitnessCalculator };
const loaded = new Map<CircuitName, Loaded>();

// Less simplified than the circuits with keys (O2), which have the same solutions: it compiles in a third of the time, and
// leaves more signals to alter.
beforeAll(async () => {
  for (const name of Object.keys(CIRCUITS) as CircuitName[]) {
    const compiled = await compileCircuit({ ...optionsOf(name), optimisation: "O1" });
    loaded.set(name, { compiled, calculator: await WitnessCalculator.of(compiled) });
  }
}, 1_800_000);

const witness = (circuit: CircuitName, inputs: CircuitInputs) => loaded.get(circuit)!.calculator.calculate(inputs);

/** A case and one segment of it. */
function anyProof(name: InstructionName, random: ReturnType<typeof prng>): [ElementCase, ElementProofInputs] {
  const subject = elementCase(name, random);
  const proofs = elementInputs(proverOf(subject, SALT), subject.at, subject.subject.instruction, subject.element);
  return [subject, random.pick([proofs[0], proofs[proofs.length - 1]])];
}

describe("honest elements have a witness, and nothing else has", () => {
  it.each(NAMES)(
    "%s",
    (name) => {
      const random = prng(1000 + INSTRUCTIONS[name].opcode);
      for (let n = 0; n < CASES; n++) {
        const [subject, { statement, inputs }] = anyProof(name, random);
        const { circuit } = statement;
        const values = witness(circuit, inputs);
        expect(values.slice(1, 1 + CIRCUITS[circuit].length)).toEqual(CIRCUITS[circuit].map((key) => inputs[key]));
        // Another root, another element, other states.
        for (const key of CIRCUITS[circuit]) {
          // The parameters hold fields that an instruction does not read; states that the first or last segment does not have
          // are 0, and so are roots and chunks that are not read.
          const needless = key === "weightsRoot" && circuit === "map" && statement.c.length === 0;
          if (needless || inputs[key] === 0n || key === "params") continue;
          const other = { ...inputs, [key]: ((inputs[key] as bigint) + 1n) % FIELD };
          expect(() => witness(circuit, other), `${name}: ${key}`).toThrow(NoWitnessError);
        }
        // The executor commits to another element: what a lie is. Only what ends a fold sees it.
        const { segment } = statement;
        if (segment.index < segment.count - 1) continue;
        const lie = {
          ...subject,
          rows: subject.rows.map((row, i) => (i === subject.at ? altered(row, subject.element) : row)),
        };
        const proofs = elementInputs(proverOf(lie, SALT), subject.at, subject.subject.instruction, subject.element);
        expect(() => witness(circuit, proofs[segment.index].inputs), `${name}: a lie`).toThrow(NoWitnessError);
      }
    },
    600_000 * FUZZ,
  );
});

/** The row with the lowest bit of one element changed. */
function altered(row: ElementCase["rows"][number], element: number): ElementCase["rows"][number] {
  const data = row.data.slice();
  if (typeof data[element] === "bigint") (data as BigInt64Array)[element] ^= 1n;
  else (data as Int32Array)[element] ^= 1;
  return { type: row.type, data } as typeof row;
}

describe("the token of a step", () => {
  /** A last instruction over `weights` from (token, threshold), and the proof of its first element under `emitted`. */
  function pickProof(weights: readonly number[], before: readonly bigint[], emitted: number | undefined) {
    const subject = tokenCase(weights, before);
    const prover = proverOf(subject, SALT);
    const { instruction } = subject.subject;
    const made = elementAt(subject.rows[subject.at], 0);
    const proofs = elementInputs({ ...prover, context: { ...prover.context, emitted } }, subject.at, instruction, 0);
    return { made, proofs: proofs.map(({ inputs }) => inputs) };
  }
  const MOST = SENTINEL_TOKEN - 1;

  it.each([
    ["picked", [3, 4, 5], [-1n, 6n], 2048 + 1],
    ["picked before", [3, 4, 5], [77n, 6n], 77],
    ["nothing to pick: the clamp's 0", [0, -4, 0], [-1n, 6n], 0],
    ["beyond a token: the clamp's end", [3, 4, 5], [2n ** 62n, 6n], MOST],
    ["the last token", [3, 4, 5], [BigInt(MOST), 6n], MOST],
  ] as const)("is what the last row says: %s", (_, weights, before, token) => {
    const { proofs } = pickProof(weights, before, token);
    expect(witness("fold", proofs[0])).toBeDefined();
    // Another token in the receipt, the same step: no proof, whatever the row holds.
    for (const other of [token + 1, token - 1, 0, SENTINEL_TOKEN].filter((x) => x !== token && x >= 0)) {
      expect(() => witness("fold", pickProof(weights, before, other).proofs[0]), `${other}`).toThrow(NoWitnessError);
    }
    // A step that emits none, as at a prompt position, is not asked.
    expect(witness("fold", pickProof(weights, before, undefined).proofs[0])).toBeDefined();
  });

  it("is asked of the last segment only, and of element 0 of the last instruction only", () => {
    const weights = Array<number>(300).fill(1);
    const { proofs } = pickProof(weights, [-1n, 299n], 2048 + 299);
    expect(proofs).toHaveLength(2);
    for (const inputs of proofs) expect(witness("fold", inputs)).toBeDefined();
    const other = pickProof(weights, [-1n, 299n], 5).proofs;
    expect(witness("fold", other[0])).toBeDefined();
    expect(() => witness("fold", other[1])).toThrow(NoWitnessError);
    const { subject, at } = tokenCase([3, 4, 5], [-1n, 6n]);
    const { instruction, context } = subject;
    const params = (role: 0 | 2, element: number, emitted?: number) =>
      statementOf(at, { ...instruction, role }, { ...context, emitted }, element).params;
    expect(params(2, 0, 9)).toBe(params(2, 0) + (1n << 81n) + (9n << 82n));
    expect(params(2, 1, 9)).toBe(params(2, 1));
    expect(params(0, 0, 9)).toBe(params(0, 0));
  });
});

/** fold_pick as the last instruction: base 2,048, i32 weights, and the row (token, threshold) before it. */
function tokenCase(weights: readonly number[], before: readonly bigint[]): ElementCase {
  const rows: Row[] = [
    { type: "i32", data: Int32Array.from(weights) },
    { type: "i64", data: BigInt64Array.from(before) },
  ];
  const [a, b] = rows.map(({ type, data }, index) => ({
    ...NO_OPERAND,
    kind: "row" as const,
    type,
    index,
    length: data.length,
  }));
  const instruction: Instruction = {
    opcode: INSTRUCTIONS.fold_pick.opcode,
    outType: "i64",
    outMode: 0,
    role: 2,
    outLength: 2,
    cacheSlot: 0,
    a,
    b,
    c: NO_OPERAND,
    p: [2048, 0, 0, 0, 0, 0, 0, 0],
  };
  const any = elementCase("fold_pick", prng(0)).subject;
  const subject = { ...any, instruction, rows };
  const made = SEMANTICS.fold_pick.run(instruction, subject.context, caseInputs(subject));
  return { subject, rows: [...rows, made], at: 2, element: 0, expected: elementAt(made, 0) };
}

describe("link", () => {
  it("ties a chunk of a row to its SHA-256 leaf", () => {
    const random = prng(7);
    const subject = elementCase("rope", random);
    const prover = proverOf(subject, SALT);
    const bytes = rowBytes(subject.rows[0]);
    for (const first of new Set([0, chunkCount(bytes.length) - 1])) {
      const chunk = chunkAt(bytes, first);
      const leaf = sha256(chunk);
      const { inputs } = linkInputs(prover, chunk, leaf, { index: 0, first });
      expect(witness("link", inputs)).toBeDefined();
      const other = chunk.slice();
      other[3] ^= 1;
      // Another leaf; another chunk than the row's; another row.
      expect(() => witness("link", linkInputs(prover, chunk, sha256(other), { index: 0, first }).inputs)).toThrow();
      const elsewhere = linkInputs(prover, other, sha256(other), { index: 0, first });
      expect(() => witness("link", elsewhere.inputs)).toThrow(NoWitnessError);
      // Of a row of another step nothing is opened.
      expect(witness("link", linkInputs(prover, other, sha256(other)).inputs)).toBeDefined();
    }
  }, 600_000);
});

describe("rows of more than one level", () => {
  // 41 groups: the chunks lie in one group, across two of one node, in groups of two nodes, and in the last group.
  const row: Row = { type: "i8", data: Int8Array.from({ length: 41 * 496 - 40 }, (_, i) => (i * 7) % 256) };
  it.each([0, 15, 240, 263, chunkCount(41 * 496 - 40) - 1])("opens chunk %i", (first) => {
    const subject = elementCase("rope", prng(7));
    const prover = proverOf({ ...subject, rows: [row, ...subject.rows] }, SALT);
    const chunk = chunkAt(rowBytes(row), first);
    const { inputs } = linkInputs(prover, chunk, sha256(chunk), { index: 0, first });
    expect(witness("link", inputs)).toBeDefined();
    const children = inputs.children as readonly (readonly (readonly bigint[])[])[];
    const highest = inputs.highest as readonly bigint[];
    const raised = (nodes: readonly bigint[]) => nodes.map((x, i) => (i === 0 ? x + 1n : x));
    for (const other of [
      { children: [[raised(children[0][0])], children[1]] },
      { children: [children[0], [raised(children[1][0])]] },
      { highest: raised(highest) },
      { top: raised(inputs.top as readonly bigint[]) },
    ]) {
      expect(() => witness("link", { ...inputs, ...other })).toThrow(NoWitnessError);
    }
  });

  it("says where the circuits end", () => {
    const opener = new RowOpener({ type: "i8", data: new Int8Array(largestRow(2) + 1) });
    expect(() => opener.element(0, 2)).toThrow(CircuitLimitError);
    expect(opener.element(0, 3).children).toHaveLength(3);
  });
});

describe("every wire is constrained", () => {
  // What no constraint needs to fix: the inverse that shows that 0 has none, which of several largest elements is named, and
  // the states before the first segment and behind the last one.
  const FREE = /\.inv$|\.reached\[|^main\.state(In|Out)$/;
  it.each([
    ["map", "gate"],
    ["gather", "rope"],
    ["dot", "fold_dot"],
    ["fold", "fold_pick"],
    ["attention", "fold_scores"],
    ["link", undefined],
  ] as const)(
    "%s",
    (circuit, name) => {
      const random = prng(3);
      const { compiled } = loaded.get(circuit)!;
      const r1cs = parseR1cs(compiled.r1cs);
      const subject = elementCase(name ?? "rope", random);
      const chunk = chunkAt(rowBytes(subject.rows[0]), 0);
      const { inputs } =
        name === undefined
          ? linkInputs(proverOf(subject, SALT), chunk, sha256(chunk), { index: 0, first: 0 })
          : elementInputs(proverOf(subject, SALT), subject.at, subject.subject.instruction, subject.element)[0];
      const values = witness(circuit, inputs);
      expect(violated(r1cs, values)).toEqual([]);
      const users = constraintsByWire(r1cs);
      const step = Math.max(1, Math.floor(r1cs.wires / ALTERED));
      for (let wire = 1 + random.int(0, step - 1); wire < r1cs.wires; wire += step) {
        const honest = values[wire];
        for (const delta of [1n, FIELD - 1n]) {
          values[wire] = (honest + delta) % FIELD;
          const noticed = users[wire].some((constraint) => !holds(constraint, values));
          const label = compiled.wires.get(wire) ?? "";
          if (!noticed && !FREE.test(label)) expect.unreachable(`wire ${wire} (${label}) is free`);
        }
        values[wire] = honest;
      }
      // With all inputs fixed nothing can move, however much is changed at once.
      const given = Array.from(
        { length: r1cs.publicInputs + r1cs.privateInputs },
        (_, i) => 1 + r1cs.publicOutputs + i,
      );
      const free = [...freeWires(r1cs, values, given)].map((wire) => compiled.wires.get(wire) ?? `${wire}`);
      expect(free.filter((label) => !FREE.test(label))).toEqual([]);
    },
    600_000,
  );
});
