import { describe, expect, it } from "vitest";
import { type Hex, hashWords, toHex, word } from "../commit/bytes.ts";
import {
  batchSeed,
  blockOf,
  type DrawDomain,
  drawnIn,
  drawnOf,
  elementOf,
  instructionOf,
  isDrawn,
  stepOf,
  strips,
} from "./draws.ts";
import { NothingToDrawFromError } from "./errors.ts";

const DOMAIN: DrawDomain = { chainId: 31337n, rollup: `0x${"a7".repeat(20)}` };

/** The value of a made-up round. */
const roundValue = (i: number): Hex => toHex(hashWords(word(0xdaden), i));
const receiptHash = (i: number): Hex => toHex(hashWords(word(0x7ece197n), i));

/**
 * Chi-squared of counts that should be equal, in standard deviations from its mean: `(chi2 - dof) / sqrt(2 dof)`. Beyond 5
 * for the seeds here means a bias, for nothing here is random from run to run.
 */
function deviation(counts: readonly number[]): number {
  const mean = counts.reduce((a, b) => a + b, 0) / counts.length;
  const chi2 = counts.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0);
  const dof = counts.length - 1;
  return (chi2 - dof) / Math.sqrt(2 * dof);
}

function histogram(size: number, samples: number, draw: (i: number) => number): number[] {
  const counts = new Array<number>(size).fill(0);
  for (let i = 0; i < samples; i++) counts[draw(i)]!++;
  return counts;
}

describe("receipts of a batch", () => {
  const seed = batchSeed(DOMAIN, roundValue(1), 7n);

  it("are one of each full strip, and of a shorter one at most one", () => {
    for (const [count, stride] of [
      [1, 1],
      [7, 3],
      [100, 100],
      [1000, 100],
      [1001, 100],
      [5, 9],
    ] as const) {
      const drawn = drawnOf(seed, count, stride);
      expect(drawn.length).toBeGreaterThanOrEqual(Math.floor(count / stride));
      expect(drawn.length).toBeLessThanOrEqual(Math.ceil(count / stride));
      expect(new Set(drawn.map((index) => Math.floor(index / stride))).size).toBe(drawn.length);
      expect(drawn.every((index) => index >= 0 && index < count)).toBe(true);
      const other = Array.from({ length: count }, (_, index) => index).filter((index) => isDrawn(seed, index, stride));
      expect(other).toEqual(drawn);
    }
  });

  it("are all of them for a stride of one, and none of an empty batch", () => {
    expect(drawnOf(seed, 5, 1)).toEqual([0, 1, 2, 3, 4]);
    expect(drawnOf(seed, 0, 4)).toEqual([]);
  });

  it("are drawn with the same probability wherever they lie, in a last strip too", () => {
    const [count, stride, rounds] = [23, 10, 8_000];
    const counts = new Array<number>(count).fill(0);
    for (let i = 0; i < rounds; i++) {
      for (const index of drawnOf(batchSeed(DOMAIN, roundValue(i), 1n), count, stride)) counts[index]!++;
    }
    expect(Math.abs(deviation(counts))).toBeLessThan(5);
    const total = counts.reduce((a, b) => a + b, 0);
    // One in ten of each; a standard deviation of the total is below sqrt(rounds * 0.3).
    expect(Math.abs(total - (rounds * count) / stride)).toBeLessThan(5 * Math.sqrt(rounds * 0.3));
  });

  it("are no fewer if an executor makes many batches of one", () => {
    const [batches, stride] = [8_000, 20];
    const value = roundValue(3);
    let drawn = 0;
    for (let i = 0; i < batches; i++) drawn += drawnOf(batchSeed(DOMAIN, value, BigInt(i)), 1, stride).length;
    expect(Math.abs(drawn - batches / stride)).toBeLessThan(5 * Math.sqrt(batches / stride));
  });

  it("differ by round, batch, rollup and chain", () => {
    const seeds = [
      seed,
      batchSeed(DOMAIN, roundValue(2), 7n),
      batchSeed(DOMAIN, roundValue(1), 8n),
      batchSeed({ ...DOMAIN, chainId: 1n }, roundValue(1), 7n),
      batchSeed({ ...DOMAIN, rollup: `0x${"a8".repeat(20)}` }, roundValue(1), 7n),
    ];
    expect(new Set(seeds).size).toBe(seeds.length);
  });

  it("are refused beyond the batch", () => {
    expect(() => drawnIn(seed, 3, 30, 10)).toThrow(NothingToDrawFromError);
    expect(() => strips(3, 0)).toThrow(NothingToDrawFromError);
    expect(() => isDrawn(seed, 3, 0)).toThrow(NothingToDrawFromError);
    expect(() => stepOf(seed, seed, 0)).toThrow(NothingToDrawFromError);
  });
});

describe("steps, pairs and blocks", () => {
  it("are uniform", () => {
    const samples = 8_000;
    const step = histogram(37, samples, (i) => stepOf(roundValue(i), receiptHash(0), 37));
    const bySame = histogram(37, samples, (i) => stepOf(roundValue(0), receiptHash(i), 37));
    const instruction = histogram(64, samples, (i) => instructionOf(roundValue(i >> 2), receiptHash(0), i & 3, 64));
    const element = histogram(48, samples, (i) => elementOf(roundValue(i >> 2), receiptHash(0), i & 3, 48));
    const block = histogram(33, samples, (i) => blockOf(roundValue(i >> 2), receiptHash(0), 1, i & 3, 33));
    for (const counts of [step, bySame, instruction, element, block]) {
      expect(Math.abs(deviation(counts))).toBeLessThan(5);
    }
  });

  it("are independent: instruction and element, one pair and the next, step and pair", () => {
    const samples = 8_000;
    const value = (i: number) => roundValue(i);
    const joint = [
      histogram(64, samples, (i) => {
        return 8 * instructionOf(value(i), receiptHash(1), 0, 8) + elementOf(value(i), receiptHash(1), 0, 8);
      }),
      histogram(64, samples, (i) => {
        return 8 * instructionOf(value(i), receiptHash(1), 0, 8) + instructionOf(value(i), receiptHash(1), 1, 8);
      }),
      histogram(64, samples, (i) => {
        return 8 * stepOf(value(i), receiptHash(1), 8) + instructionOf(value(i), receiptHash(1), 0, 8);
      }),
    ];
    for (const counts of joint) expect(Math.abs(deviation(counts))).toBeLessThan(5);
  });

  it("find a lie in one instruction as often as the bound says, wherever it lies", () => {
    // One receipt in `stride`, one of `steps`, `pairs` of `instructions`: every element of one row of every step is wrong.
    const [stride, steps, instructions, pairs, trials] = [4, 5, 12, 4, 12_000];
    const bound = (1 / stride) * (1 - (1 - 1 / instructions) ** pairs);
    for (const [place, wrong] of [
      [0, 0],
      [6, 11],
      [9, 5],
    ] as const) {
      let found = 0;
      for (let i = 0; i < trials; i++) {
        if (!isDrawn(batchSeed(DOMAIN, roundValue(i), 1n), place, stride)) continue;
        expect(stepOf(roundValue(i), receiptHash(place), steps)).toBeLessThan(steps);
        const second = roundValue(i + trials);
        const hit = (pair: number) => instructionOf(second, receiptHash(place), pair, instructions) === wrong;
        if ([0, 1, 2, 3].slice(0, pairs).some(hit)) found++;
      }
      const sigma = Math.sqrt(trials * bound * (1 - bound));
      expect(Math.abs(found - trials * bound)).toBeLessThan(4.5 * sigma);
    }
  });
});

/** What `DrawLib` must draw; test/spotcheck/DrawLib.t.sol reads the file. */
function vector(i: number) {
  const value = roundValue(100 + i);
  const receipt = receiptHash(100 + i);
  const batch = BigInt(i) << 30n;
  const seed = batchSeed(DOMAIN, value, batch);
  const count = [1, 10, 999, 16_777_215][i % 4]!;
  const stride = [1, 3, 100, 65_536, 7][i % 5]!;
  const size = [1, 2, 511, 2 ** 22, 2 ** 32 - 1][(i >> 1) % 5]!;
  const last = strips(count, stride) - 1;
  const drawn = [0, last].map((strip) => drawnIn(seed, strip, count, stride));
  const place = { receipt, step: stepOf(value, receipt, size), pair: i % 5, number: i % 3 };
  return {
    value,
    receipt,
    batch: Number(batch),
    count,
    stride,
    size,
    seed,
    // One more than the receipt's number, 0 if the place is empty: of the first and of the last strip.
    drawn: drawn.map((index) => (index === undefined ? 0 : index + 1)),
    step: place.step,
    pair: place.pair,
    number: place.number,
    instruction: instructionOf(value, receipt, place.pair, size),
    element: elementOf(value, receipt, place.pair, size),
    block: blockOf(value, receipt, place.pair, place.number, size),
  };
}

it("writes the vectors for the contracts", async () => {
  const cases = Array.from({ length: 40 }, (_, i) => vector(i));
  await expect(
    `${JSON.stringify({ domain: { chainId: 31337, rollup: DOMAIN.rollup }, cases }, null, 2)}\n`,
  ).toMatchFileSnapshot("../../test/vectors/draws.json");
});
