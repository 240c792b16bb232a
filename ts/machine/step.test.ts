import { describe, expect, it } from "vitest";
import { SENTINEL_TOKEN } from "../commit/record.ts";
import { compileLlama } from "../compiler/llama.ts";
import { prng } from "../compiler/prng.ts";
import { randomConfig, randomTensors } from "../compiler/random.ts";
import { CacheRangeError, RowMismatchError, StepInputError, WeightRangeError } from "./errors.ts";
import { evaluateElement, memoryReader } from "./evaluate.ts";
import { KvCache } from "./kv-cache.ts";
import { cachePlan, fillCache, runStep, stepContext, stepToken } from "./step.ts";
import { FUZZ } from "./testing/fuzz.ts";
import { elementAt, type Row, rowOf, rowsEqual, viewRow } from "./types.ts";

const REQUEST = { nIn: 2, requestHash: `0x${"5a".repeat(32)}`, temperature: 65_536 } as const;

function model(seed: number) {
  const config = randomConfig(seed);
  return compileLlama(config, randomTensors(config, seed + 1));
}

/** Rows of the first steps on random tokens. */
function steps({ program, weights }: ReturnType<typeof model>, count: number, seed: number): Row[][] {
  const random = prng(seed);
  const cache = new KvCache(program);
  return Array.from({ length: count }, (_, t) => {
    const token = random.int(0, 39);
    return runStep(program, weights, stepContext({ ...REQUEST, t, token }), cache);
  });
}

describe("runStep", () => {
  it("makes rows whose every element a judge would compute", () => {
    for (let seed = 0; seed < 6 * FUZZ; seed++) {
      const { program, weights } = model(seed);
      const random = prng(seed);
      const cache = new KvCache(program);
      for (let t = 0; t < 6; t++) {
        const token = random.int(0, 39);
        const context = stepContext({ ...REQUEST, t, token });
        const rows = runStep(program, weights, context, cache);
        const reader = memoryReader({ rows, weights, cache, token });
        rows.forEach((row, i) => {
          for (let n = 0; n < 3; n++) {
            const e = random.int(0, row.data.length - 1);
            expect(elementAt(row, e)).toBe(evaluateElement(program.instructions[i], context, e, reader));
          }
        });
      }
    }
  });

  it("makes the same rows again, from fresh weights and cache", () => {
    const first = steps(model(3), 8, 1);
    const second = steps(model(3), 8, 1);
    first.forEach((rows, t) => {
      rows.forEach((row, i) => {
        expect(rowsEqual(row, second[t][i])).toBe(true);
      });
    });
  });

  it("may run a position again: the cache forgets what came after", () => {
    const { program, weights } = model(4);
    const cache = new KvCache(program);
    const run = (t: number, token: number) => runStep(program, weights, stepContext({ ...REQUEST, t, token }), cache);
    run(0, 1);
    const before = run(1, 2);
    run(2, 3);
    const again = run(1, 2);
    expect(again.every((row, i) => rowsEqual(row, before[i]))).toBe(true);
    expect(() => cache.row(0, 2)).toThrow(CacheRangeError);
  });

  it("refuses positions out of order, beyond the context, and inputs out of range", () => {
    const { program, weights } = model(4);
    const run = (t: number, cache = new KvCache(program)) =>
      runStep(program, weights, stepContext({ ...REQUEST, t, token: 0 }), cache);
    expect(() => run(1)).toThrow(CacheRangeError);
    expect(() => run(program.contextLength)).toThrow(StepInputError);
    for (const bad of [{ token: -1 }, { token: 2 ** 32 }, { t: 0.5 }, { nIn: 0 }, { temperature: -1 }]) {
      expect(() => stepContext({ ...REQUEST, t: 0, token: 0, ...bad })).toThrow(StepInputError);
    }
    expect(() => stepContext({ ...REQUEST, t: 0, token: 0, requestHash: "0x00" })).toThrow(StepInputError);
  });

  it("refuses weights of another model", () => {
    const { program } = model(4);
    const { weights } = model(5);
    const run = () => runStep(program, weights, stepContext({ ...REQUEST, t: 0, token: 0 }), new KvCache(program));
    let thrown: unknown;
    try {
      run();
    } catch (error) {
      thrown = error;
    }
    expect(thrown instanceof RowMismatchError || thrown instanceof WeightRangeError).toBe(true);
  });
});

describe("fillCache", () => {
  it("stores the same cached rows without the head", () => {
    const { program, weights } = model(2);
    const plan = cachePlan(program);
    expect(plan.reduce((sum, x) => sum + x, 0)).toBeLessThan(program.instructions.length - 5);
    const whole = new KvCache(program);
    const short = new KvCache(program);
    for (let t = 0; t < 5; t++) {
      const context = stepContext({ ...REQUEST, t, token: 7 * t });
      runStep(program, weights, context, whole);
      fillCache(program, weights, context, short, plan);
      for (let slot = 0; slot < whole.slots; slot++) {
        expect(rowsEqual(whole.row(slot, t), short.row(slot, t))).toBe(true);
      }
    }
  });
});

describe("KvCache", () => {
  it("keeps rows contiguous while it grows", () => {
    const { program } = model(2);
    const cache = new KvCache({ ...program, contextLength: 1000 });
    const { outLength } = program.instructions.find(({ role }) => role === 1)!;
    const row = (p: number) =>
      rowOf(
        "i16",
        Array.from({ length: outLength }, (_, e) => (p * 31 + e) % 30_000),
      );
    for (let p = 0; p < 1000; p++) cache.store(0, p, row(p));
    const all = cache.rows(0, 1000);
    for (let p = 0; p < 1000; p++) {
      expect(rowsEqual(cache.row(0, p), row(p))).toBe(true);
      expect(all.data[p * outLength]).toBe(row(p).data[0]);
    }
    expect(() => cache.store(0, 1000, row(0))).toThrow(CacheRangeError);
    expect(() => cache.rows(1, 1)).toThrow(CacheRangeError);
  });
});

describe("WeightStore", () => {
  it("hands out contiguous ranges, within one section only", () => {
    const { weights, program } = model(2);
    expect(weights.count).toBe(program.weightRows);
    const section = weights.sections[3];
    const range = weights.range(section.first + 1, 2);
    const second = weights.row(section.first + 2);
    const tail = viewRow(range.type, range.data.buffer, range.data.byteOffset + section.length, section.length);
    expect(rowsEqual(second, tail)).toBe(true);
    expect(() => weights.range(section.first, section.count + 1)).toThrow(WeightRangeError);
    expect(() => weights.row(weights.count)).toThrow(WeightRangeError);
    expect(() => weights.row(-1)).toThrow(WeightRangeError);
  });
});

describe("stepToken", () => {
  it("clamps to what a record can hold", () => {
    const token = (x: bigint) => stepToken([{ type: "i64", data: BigInt64Array.of(x, 0n) }]);
    expect(token(-1n)).toBe(0);
    expect(token(5n)).toBe(5);
    expect(token(2n ** 40n)).toBe(SENTINEL_TOKEN - 1);
  });
});
