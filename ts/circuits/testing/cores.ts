// SPDX-License-Identifier: GPL-3.0-only
import { chunkAt } from "../../commit/row.ts";
import { evaluateElement, memoryReader, tracedReader } from "../../machine/evaluate.ts";
import { nameOf } from "../../machine/instruction.ts";
import { sat } from "../../machine/numbers.ts";
import { ELEMENT_BITS, elementAt, type Row, rowBytes } from "../../machine/types.ts";
import { chunkLanes, segmentStates } from "../accumulator.ts";
import type { CircuitInputs } from "../calculator.ts";
import type { CompileOptions } from "../compile.ts";
import { DOT_SEGMENT, FOLD_SEGMENT, type Statement, segmentCount, statementOf } from "../statement.ts";
import type { CircuitRead } from "../words.ts";
import type { ElementCase } from "./cases.ts";

/** The arithmetic of a circuit without its openings: small enough for thousands of witnesses. */
export const CORES = {
  map: core("map", "MapElement"),
  gather: core("gather", "GatherElement"),
  dot: core("dot", "DotBlock"),
  fold: core("fold", "FoldBlock"),
  attention: core("attention", "AttentionBlock"),
} as const;

function core(file: string, template: string): CompileOptions {
  return { main: `component main = ${template}();`, include: [`${file}.circom`], optimisation: "O1" };
}

/** Inputs of a core, and the outputs that it must give, in order; undefined where any is right. */
export type CoreCase = {
  readonly circuit: keyof typeof CORES;
  readonly inputs: CircuitInputs;
  readonly outputs: readonly (bigint | undefined)[];
};

/** What the core of an element's circuit must make of it, segment by segment. */
export function coreCases(subject: ElementCase): CoreCase[] {
  const { instruction, context } = subject.subject;
  const count = segmentCount(instruction, context, subject.element);
  const statements = Array.from({ length: count }, (_, i) =>
    statementOf(subject.at, instruction, context, subject.element, i),
  );
  const [first] = statements;
  if (first.circuit === "map") return [mapCase(subject, first)];
  if (first.circuit === "gather") return [gatherCase(subject, first)];
  return foldCases(subject, statements);
}

const bitsOf = (x: bigint | number, count: number) =>
  Array.from({ length: count }, (_, i) => (BigInt(x) >> BigInt(i)) & 1n);
const field = (word: bigint, at: number, bits: number) => (word >> BigInt(at)) & ((1n << BigInt(bits)) - 1n);

/** The element that a read of the step names, 0 if it names none. */
const readValue = (rows: readonly Row[], { row, length, first }: CircuitRead) =>
  length === 0 ? 0n : elementAt(rows[row], first);

function mapCase({ subject, rows, element, expected }: ElementCase, statement: Statement): CoreCase {
  const { params, a, b, c } = statement;
  const code = Number(field(params, 243, 4));
  const bias = field(params, 249, 1) === 1n;
  const weight = (e: number) => (c.length === 0 ? 0n : elementAt(subject.weights.row(c.row), e));
  // Where the reference reads its table; where it does not, the entry makes no difference.
  let place: number | undefined;
  const reader = tracedReader(memoryReader({ ...subject, token: subject.context.token }), (read) => {
    if (read.kind === "weights") place = read.first;
  });
  evaluateElement(subject.instruction, subject.context, element, reader);
  const isTable = code === 8 || code === 10 || code === 11;
  return {
    circuit: "map",
    inputs: {
      is: Array.from({ length: 13 }, (_, i) => BigInt(i === code)),
      outType: bitsOf(field(params, 247, 2), 2),
      p: Array.from({ length: 5 }, (_, k) => bitsOf(field(params, 83 + 32 * k, 32), 32)),
      entries: BigInt(c.length),
      a: readValue(rows, a),
      b: bias ? weight(c.first) : readValue(rows, b),
      c: weight(isTable ? (place ?? 0) : c.first),
    },
    outputs: [isTable ? (place === undefined ? undefined : BigInt(place)) : 0n, expected],
  };
}

function gatherCase({ subject, rows, expected }: ElementCase, { params, a, b, c }: Statement): CoreCase {
  const embed = field(params, 67, 1) === 1n;
  const second = [Number(field(params, 0, 28)), Number(field(params, 28, 28))];
  const weight = (read: CircuitRead, e: number) => elementAt(subject.weights.row(read.row), e);
  const [x, y] = embed ? [b, c] : [a, b];
  const ofX = (e: number) => (embed ? weight(x, e) : elementAt(rows[x.row], e));
  return {
    circuit: "gather",
    inputs: {
      x: [ofX(x.first), ofX(second[0])],
      y: [weight(y, y.first), weight(y, second[1])],
      sign: embed ? 0n : field(params, 68, 1) === 1n ? -1n : 1n,
      shift: bitsOf(field(params, 56, 6), 6),
      width: bitsOf(field(params, 62, 5), 5),
    },
    outputs: [expected],
  };
}

function foldCases({ subject, rows, element, expected }: ElementCase, statements: readonly Statement[]): CoreCase[] {
  const { instruction, context, weights, cache } = subject;
  const name = nameOf(instruction);
  const { a, b } = statements[0];
  const rowB = b.length === 0 ? undefined : name === "fold_dot" ? weights.row(b.row) : rows[b.row];
  const cached = (slot: number, position: number) => cache.row(slot, position);
  const states = segmentStates(statements, instruction, context, { a: rows[a.row], b: rowB, cached });
  return statements.map((statement, i) => {
    const last = i === statements.length - 1;
    if (last && name !== "fold_scores") {
      // What the circuit's `Finish` makes of the last state must be the reference's element.
      const end = states[i + 1][name === "fold_pick" ? element : 0];
      if (sat(end, ELEMENT_BITS[instruction.outType]) !== expected) throw new Error(`${name}: ${end}, not ${expected}`);
    }
    const { params } = statement;
    if (statement.circuit === "dot") return dotCase(rows[a.row], rowB!, i, states[i + 1][0] - states[i][0]);
    if (statement.circuit === "fold") {
      const from = Number(field(params, 0, 12)) * FOLD_SEGMENT;
      const bytes = bytesOf(rows[a.row], from, FOLD_SEGMENT);
      const code = Number(field(params, 75, 3));
      return {
        circuit: "fold",
        inputs: {
          is: Array.from({ length: 5 }, (_, k) => BigInt(k === code)),
          narrow: BigInt(instruction.a.type === "i16"),
          ...bytes,
          lo: field(params, 24, 9),
          hi: field(params, 33, 9),
          base: field(params, 42, 33),
          before: states[i],
        },
        outputs: states[i + 1],
      };
    }
    const { skip, count } = chunkLanes(statement);
    const { chunk } = statement.segment;
    const chunkBytes = chunk && chunkAt(rowBytes(cached(chunk.slot, chunk.position)), chunk.index);
    return {
      circuit: "attention",
      inputs: {
        query: bytesOf(rows[a.row], 2 * statement.a.first, 32).bytes,
        cached: Array.from(chunkBytes ?? new Uint8Array(32), BigInt),
        skip: bitsOf(skip, 4),
        count: BigInt(count),
        mix: BigInt(name === "fold_mix"),
        masked: BigInt(chunk === undefined),
        mul: field(params, 37, 24),
        shift: bitsOf(field(params, 61, 6), 6),
        before: states[i][0],
      },
      outputs: [states[i + 1][0], last ? expected : undefined],
    };
  });
}

function dotCase(a: Row, b: Row, segment: number, sum: bigint): CoreCase {
  const wide = a.type === "i16";
  const ofA = bytesOf(a, segment * DOT_SEGMENT * (wide ? 2 : 1), 1984);
  const ofB = bytesOf(b, segment * DOT_SEGMENT, 992);
  const second = BigInt(b.data.length > segment * DOT_SEGMENT + DOT_SEGMENT / 2);
  return {
    circuit: "dot",
    inputs: {
      wide: BigInt(wide),
      aBytes: ofA.bytes,
      aHigh: ofA.high,
      bBytes: ofB.bytes,
      bHigh: ofB.high,
      second,
    },
    outputs: [sum],
  };
}

/** Bytes of a row from `from` on, zeros beyond it, and their highest bits. */
function bytesOf(row: Row, from: number, count: number) {
  const all = rowBytes(row);
  const bytes = Array.from({ length: count }, (_, i) => BigInt(all[from + i] ?? 0));
  return { bytes, high: bytes.map((byte) => byte >> 7n) };
}
