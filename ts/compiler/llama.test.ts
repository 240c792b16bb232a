import { describe, expect, it } from "vitest";
import { decodeInstruction, encodeInstruction } from "../machine/instruction.ts";
import { KvCache } from "../machine/kv-cache.ts";
import { validateProgram } from "../machine/program.ts";
import { runStep, stepContext } from "../machine/step.ts";
import { FUZZ } from "../machine/testing/fuzz.ts";
import { dataOf, rowBytes } from "../machine/types.ts";
import type { Activations } from "./compilation.ts";
import { type LlamaConfigInput, parseLlamaConfig } from "./config.ts";
import { TensorError, TensorRangeError, UnsupportedConfigError } from "./errors.ts";
import { FloatModel } from "./float.ts";
import { compileLlama } from "./llama.ts";
import { prng } from "./prng.ts";
import { randomConfig, randomTensors } from "./random.ts";
import { quantizeRows, rowMagnitudes } from "./tensors.ts";

const WIDE: Activations = { attention: "i16", mixed: "i16", mlp: "i16", gated: "i16", head: "i16" };

/**
 * Teacher-forced comparison of integer and float logits: share of positions with one argmax, and mean relative error.
 */
function compare(
  config: LlamaConfigInput,
  tensors: Map<string, Float32Array>,
  float: Map<string, Float32Array>,
  seed: number,
  activations: Partial<Activations> = {},
): { positions: number; agreeing: number; error: number } {
  const { program, weights, logits } = compileLlama(config, tensors, { activations });
  const reference = new FloatModel(config, float);
  const cache = new KvCache(program);
  const random = prng(seed);
  let agreeing = 0;
  let error = 0;
  for (let t = 0; t < program.contextLength; t++) {
    const token = random.int(0, config.vocab_size - 1);
    const context = stepContext({ t, nIn: 1, token, requestHash: `0x${"00".repeat(32)}`, temperature: 0 });
    const rows = runStep(program, weights, context, cache);
    const got = logits.flatMap((i) => Array.from(dataOf(rows[i], "i32"), (x) => x / 2 ** 16));
    const expected = reference.step(token);
    const norm = (of: (x: number, i: number) => number) =>
      Math.sqrt(expected.reduce((s, x, i) => s + of(x, i) ** 2, 0));
    error += norm((x, i) => x - got[i]) / norm((x) => x) / program.contextLength;
    if (got.indexOf(Math.max(...got)) === expected.indexOf(Math.max(...expected))) agreeing++;
  }
  return { positions: program.contextLength, agreeing, error };
}

/** The matrices as int8 with one scale per channel, back in floats. */
function quantized(tensors: Map<string, Float32Array>, config: LlamaConfigInput): Map<string, Float32Array> {
  const out = new Map(tensors);
  const { hiddenSize, intermediateSize, heads, headSize } = parseLlamaConfig(config);
  for (const [name, data] of tensors) {
    const inputs = name.includes("down_proj")
      ? intermediateSize
      : name.includes("o_proj")
        ? heads * headSize
        : hiddenSize;
    if (name.includes("norm") || name.endsWith("bias")) continue;
    const magnitudes = rowMagnitudes(name, data, data.length / inputs);
    const ints = new Int8Array(data.length);
    quantizeRows(data, magnitudes, ints);
    out.set(
      name,
      Float32Array.from(ints, (x, i) => (x * magnitudes[Math.floor(i / inputs)]) / 127),
    );
  }
  return out;
}

describe("compileLlama", () => {
  it("agrees with the float model on random models", () => {
    let positions = 0;
    let agreeing = 0;
    for (let seed = 1; seed <= 16 * FUZZ; seed++) {
      const config = randomConfig(seed);
      const tensors = randomTensors(config, seed + 100);
      const result = compare(config, tensors, tensors, seed);
      expect(result.error).toBeLessThan(0.04);
      positions += result.positions;
      agreeing += result.agreeing;
    }
    expect(agreeing / positions).toBeGreaterThan(0.95);
  });

  it("is exact to a few parts in a thousand, given the same int8 weights and 16-bit activations", () => {
    for (let seed = 30; seed < 36; seed++) {
      const config = randomConfig(seed);
      const tensors = randomTensors(config, seed);
      expect(compare(config, tensors, quantized(tensors, config), seed, WIDE).error).toBeLessThan(0.006);
    }
  });

  it("keeps large and small weights in range", () => {
    const config = randomConfig(2);
    for (const scale of [2 ** -8, 2 ** 6]) {
      const tensors = randomTensors(config, 2);
      // Scaling q and k both ways, and up against down, changes no logit.
      for (const [name, data] of tensors) {
        const factor = /q_proj|up_proj/.test(name) ? scale : /k_proj|down_proj/.test(name) ? 1 / scale : 1;
        if (factor !== 1 && !(scale < 1 && /[qk]_proj/.test(name)))
          tensors.set(
            name,
            data.map((x) => x * factor),
          );
      }
      expect(compare(config, tensors, tensors, 1).error).toBeLessThan(0.2);
    }
  });

  it("writes valid programs that survive encoding, the same bytes every time", () => {
    for (let seed = 50; seed < 66; seed++) {
      const config = randomConfig(seed);
      const tensors = randomTensors(config, seed);
      const { program, weights } = compileLlama(config, tensors);
      validateProgram(program);
      for (const instruction of program.instructions) {
        expect(decodeInstruction(encodeInstruction(instruction))).toEqual(instruction);
      }
      const again = compileLlama(config, randomTensors(config, seed));
      expect(again.program).toEqual(program);
      expect(
        Buffer.compare(Buffer.from(weights.buffer as ArrayBuffer), Buffer.from(again.weights.buffer as ArrayBuffer)),
      ).toBe(0);
    }
  });

  it("shares the embedding with a tied head", () => {
    const config = { ...randomConfig(1), vocab_size: 2_500, tie_word_embeddings: true };
    const { program, weights } = compileLlama(config, randomTensors(config, 1));
    expect(weights.sections.map(({ name }) => name)).not.toContain("head");
    const embedding = weights.sections.find(({ name }) => name === "embedding")!;
    const readers = program.instructions.filter(
      ({ b }) =>
        b.kind === "weights" && b.index >= embedding.first && b.index + b.count <= embedding.first + embedding.count,
    );
    // The embedding itself, and a product for each segment of the head.
    expect(readers.length).toBe(3);
  });

  it("pads the last scale row with zeros", () => {
    const config = { ...randomConfig(1), vocab_size: 2_500 };
    const { weights } = compileLlama(config, randomTensors(config, 1));
    const scales = weights.sections.find(({ name }) => name === "embedding.scale")!;
    expect([scales.count, scales.length]).toEqual([2, 2_048]);
    const last = dataOf(weights.row(scales.first + 1), "i32");
    expect(last.subarray(0, 2_500 - 2_048).every((x) => x > 0)).toBe(true);
    expect(last.subarray(2_500 - 2_048).every((x) => x === 0)).toBe(true);
  });

  it("takes a shorter context", () => {
    const config = randomConfig(1);
    const { program } = compileLlama(config, randomTensors(config, 1), { contextLength: 5 });
    expect(program.contextLength).toBe(5);
  });

  it("compiles all-zero matrices", () => {
    const config = randomConfig(3);
    const tensors = randomTensors(config, 1);
    for (const [name, data] of tensors)
      if (name.includes("proj.weight")) tensors.set(name, new Float32Array(data.length));
    const { weights, program } = compileLlama(config, tensors);
    const context = stepContext({ t: 0, nIn: 1, token: 1, requestHash: `0x${"00".repeat(32)}`, temperature: 0 });
    const rows = runStep(program, weights, context, new KvCache(program));
    expect(rows.every((row) => rowBytes(row).length > 0)).toBe(true);
  });

  it("says what is wrong with a configuration or a tensor", () => {
    const config = randomConfig(1);
    const tensors = randomTensors(config, 1);
    expect(() => compileLlama({ ...config, hidden_act: "gelu" }, tensors)).toThrow(UnsupportedConfigError);
    expect(() => compileLlama({ ...config, head_dim: 5 }, tensors)).toThrow(UnsupportedConfigError);
    expect(() => compileLlama({ ...config, num_key_value_heads: 2, num_attention_heads: 3 }, tensors)).toThrow(
      UnsupportedConfigError,
    );
    expect(() => compileLlama({ ...config, rope_scaling: { rope_type: "yarn" } }, tensors)).toThrow(
      UnsupportedConfigError,
    );
    expect(() => compileLlama({ ...config, vocab_size: 0 }, tensors)).toThrow(UnsupportedConfigError);
    expect(() => compileLlama({ ...config, vocab_size: config.vocab_size + 1 }, tensors)).toThrow(TensorError);
    const name = "model.layers.0.mlp.up_proj.weight";
    expect(() => compileLlama(config, new Map([...tensors, [name, undefined as never]]))).toThrow(TensorError);
    const broken = tensors.get(name)!.slice().fill(Number.NaN, 3, 4);
    expect(() => compileLlama(config, new Map([...tensors, [name, broken]]))).toThrow(TensorRangeError);
  });
});
