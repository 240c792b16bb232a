import { describe, expect, it } from "vitest";
import { type Prng, prng } from "../../compiler/prng.ts";
import { evaluateElement, memoryReader } from "../evaluate.ts";
import { sat } from "../numbers.ts";
import { SEMANTICS } from "../registry.ts";
import { type Case, CaseBuilder, caseInputs } from "../testing/cases.ts";
import { FUZZ } from "../testing/fuzz.ts";
import { elementAt, type Row } from "../types.ts";

/*
 * Random operands almost never come close to where rounding changes its mind, and an adversary always does: here the
 * operands are made so that the exact quotient lies on a boundary or next to it.
 */

const CASES = 3_000 * FUZZ;

function put(row: Row, e: number, value: bigint): void {
  if (row.type === "i64") row.data[e] = value;
  else row.data[e] = Number(value);
}

function compare(subject: Case, name: "quantize" | "divide" | "rms"): void {
  const row = SEMANTICS[name].run(subject.instruction, subject.context, caseInputs(subject));
  const reader = memoryReader({ ...subject, token: 0 });
  for (let e = 0; e < row.data.length; e++) {
    const expected = evaluateElement(subject.instruction, subject.context, e, reader);
    if (elementAt(row, e) !== expected) expect({ e, got: elementAt(row, e), rows: subject.rows }).toBe(expected);
  }
}

const width = (random: Prng, lo: number, hi: number) => {
  const bits = random.int(lo, hi);
  return BigInt.asUintN(bits, random.bits()) | (1n << BigInt(bits - 1));
};

describe("rounding boundaries", () => {
  it("divide", () => {
    const random = prng(1);
    for (let n = 0; n < CASES; n++) {
      const builder = new CaseBuilder(random);
      const k = random.int(0, 6);
      const size = 8;
      const operands = { a: builder.row("i64", size), b: builder.row("i64", 1) };
      const subject = builder.done("divide", { type: "i32", length: size }, operands, [k]);
      const divisor = width(random, 1, 56);
      put(subject.rows[1], 0, divisor);
      for (let e = 0; e < size; e++) {
        // The next a at or below, or above, q - 1/2 times the divisor.
        const q = width(random, 1, 31) * (random.int(0, 1) === 0 ? 1n : -1n);
        const a = ((q * divisor - divisor / 2n) >> BigInt(k)) + BigInt(random.int(-1, 1));
        put(subject.rows[0], e, BigInt.asIntN(64, a));
      }
      compare(subject, "divide");
    }
  });

  it("quantize", () => {
    const random = prng(2);
    for (let n = 0; n < CASES; n++) {
      const builder = new CaseBuilder(random);
      const type = random.pick(["i8", "i16"] as const);
      const largest = type === "i8" ? 127n : 32_767n;
      const size = 8;
      const operands = { a: builder.row("i32", size), b: builder.row("i32", 1) };
      const subject = builder.done("quantize", { type, length: size }, operands);
      const amax = width(random, 1, 31);
      put(subject.rows[1], 0, amax);
      for (let e = 0; e < size; e++) {
        const q = BigInt(random.int(0, Number(largest)));
        const a = ((2n * q + 1n) * amax) / (2n * largest) + BigInt(random.int(-1, 1));
        put(subject.rows[0], e, BigInt.asIntN(32, random.int(0, 1) === 0 ? a : -a));
      }
      compare(subject, "quantize");
    }
  });

  it("rms", () => {
    const random = prng(3);
    for (let n = 0; n < CASES; n++) {
      const builder = new CaseBuilder(random);
      const size = 4;
      const u = random.int(0, 16);
      const subject = builder.done("rms", { type: "i64", length: size }, { a: builder.row("i64", size) }, [
        1,
        1,
        u,
        62,
      ]);
      for (let e = 0; e < size; e++) {
        const root = width(random, 1, 31);
        put(subject.rows[0], e, root * root - 1n + BigInt(random.int(-1, 1)));
      }
      compare(subject, "rms");
    }
  });
});

describe("largest sums", () => {
  it.each([
    ["i8", 65_536],
    ["i8", 65_537],
    ["i16", 1_024],
    ["i16", 70_000],
  ] as const)("fold_dot of %s, %d terms", (type, length) => {
    const lowest = type === "i8" ? -128 : -32_768;
    for (const weight of [-128, 127]) {
      const builder = new CaseBuilder(prng(4));
      const operands = { a: builder.row(type, length), b: builder.weights("i8", length, 5) };
      const out = { type: type === "i8" ? "i32" : "i64", length: 5 } as const;
      const subject = builder.done("fold_dot", out, operands);
      subject.rows[0].data.fill(lowest as never);
      subject.weights.range(0, 5).data.fill(weight as never);
      const row = SEMANTICS.fold_dot.run(subject.instruction, subject.context, caseInputs(subject));
      const sum = BigInt(lowest) * BigInt(weight) * BigInt(length);
      for (let e = 0; e < 5; e++) expect(elementAt(row, e)).toBe(sat(sum, type === "i8" ? 31 : 63));
    }
  });

  it("fold_sum of more terms than a double adds exactly", () => {
    const length = 2 ** 22 + 3;
    const builder = new CaseBuilder(prng(5));
    const subject = builder.done("fold_sum", { type: "i64", length: 1 }, { a: builder.row("i32", length) });
    subject.rows[0].data.fill(-(2 ** 31) as never);
    put(subject.rows[0], 7, 1n);
    const row = SEMANTICS.fold_sum.run(subject.instruction, subject.context, caseInputs(subject));
    expect(elementAt(row, 0)).toBe(-(2n ** 31n) * BigInt(length - 1) + 1n);
  });

  it("fold_sumsq of the lowest pattern", () => {
    const builder = new CaseBuilder(prng(6));
    const subject = builder.done("fold_sumsq", { type: "i64", length: 2 }, { a: builder.row("i32", 1_000) });
    subject.rows[0].data.fill(-(2 ** 31) as never, 0, 500);
    subject.rows[0].data.fill((2 ** 26) as never, 500);
    const row = SEMANTICS.fold_sumsq.run(subject.instruction, subject.context, caseInputs(subject));
    expect(elementAt(row, 0)).toBe(2n ** 63n - 1n);
    expect(elementAt(row, 1)).toBe(2n ** 52n * 500n);
  });
});
