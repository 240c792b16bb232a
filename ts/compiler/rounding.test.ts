import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { prng } from "./prng.ts";
import { inputMoments, roundRows } from "./rounding.ts";
import { quantizeRows, rowMagnitudes } from "./tensors.ts";

const INPUTS = 96;
const OUTPUTS = 40;

/** Samples that lie in a few directions but for a share of noise. Uniform numbers only: the same bits everywhere. */
function samples(seed: number, count: number, noise: number): Float32Array[] {
  const directions = prng(7);
  const [a, b] = [0, 1].map(() => Float32Array.from({ length: INPUTS }, () => directions.uniform() - 0.3));
  const random = prng(seed);
  return Array.from({ length: count }, () => {
    const [x, y] = [random.uniform() + 1, random.uniform() - 0.5];
    return a.map((v, k) => x * v + y * b[k] + noise * (random.uniform() - 0.5));
  });
}

function weights(): Float32Array {
  const random = prng(11);
  return Float32Array.from({ length: OUTPUTS * INPUTS }, () => random.uniform() - 0.5);
}

/** Mean square error of the products with these inputs. */
function productError(data: Float32Array, rounded: Int8Array, inputs: readonly Float32Array[]): number {
  const magnitudes = rowMagnitudes("test", data, OUTPUTS);
  let sum = 0;
  for (const x of inputs) {
    for (let row = 0; row < OUTPUTS; row++) {
      let error = 0;
      for (let k = 0; k < INPUTS; k++) {
        const i = row * INPUTS + k;
        error += ((rounded[i] * magnitudes[row]) / 127 - data[i]) * x[k];
      }
      sum += error ** 2;
    }
  }
  return sum / inputs.length / OUTPUTS;
}

function errors(noise: number): { plain: number; fed: number } {
  const data = weights();
  const magnitudes = rowMagnitudes("test", data, OUTPUTS);
  const [plain, fed] = [new Int8Array(data.length), new Int8Array(data.length)];
  quantizeRows(data, magnitudes, plain);
  roundRows(data, magnitudes, inputMoments(samples(1, 200, noise)), fed);
  // Inputs that the rounding has not seen.
  const unseen = samples(2, 50, noise);
  return { plain: productError(data, plain, unseen), fed: productError(data, fed, unseen) };
}

describe("rounding with error feedback", () => {
  it("makes products of inputs that vary together several times more exact", () => {
    const { plain, fed } = errors(0.1);
    expect(fed).toBeLessThan(plain / 4);
  });

  it("does next to no harm where inputs share little", () => {
    const { plain, fed } = errors(30);
    expect(fed).toBeLessThan(plain * 1.5);
  });

  it("leaves weights that int8 holds exactly as they are", () => {
    const random = prng(3);
    const data = Float32Array.from({ length: OUTPUTS * INPUTS }, (_, i) =>
      i % INPUTS === 0 ? 127 : random.int(-127, 127),
    );
    const out = new Int8Array(data.length);
    roundRows(data, rowMagnitudes("test", data, OUTPUTS), inputMoments(samples(1, 64, 1)), out);
    expect(Array.from(out)).toEqual(Array.from(data));
  });

  it("takes rows of zeros, inputs that are always zero, and fewer samples than directions", () => {
    const data = weights();
    data.fill(0, 0, INPUTS);
    const few = samples(1, 3, 1).map((x) => x.fill(0, 0, 8));
    // The same twice, and one without anything.
    const moments = inputMoments([few[0], few[0], few[1], new Float32Array(INPUTS)]);
    const out = new Int8Array(data.length);
    roundRows(data, rowMagnitudes("test", data, OUTPUTS), moments, out);
    expect(out.subarray(0, INPUTS).every((x) => x === 0)).toBe(true);
    expect(out.subarray(INPUTS).some((x) => x === 127 || x === -127)).toBe(true);
    expect([...moments.directions, ...moments.rest].every(Number.isFinite)).toBe(true);
  });

  it("gives the same integers on every machine", () => {
    const data = weights();
    const out = new Int8Array(data.length);
    roundRows(data, rowMagnitudes("test", data, OUTPUTS), inputMoments(samples(1, 200, 0.5)), out);
    expect(createHash("sha256").update(out).digest("hex")).toBe(
      "139e37932cdcfebf23d1df13045803f1a2906517ea05b2c06a9b93f6fdd33735",
    );
  });
});
