import { describe, expect, it } from "vitest";
import { KvCache } from "../machine/kv-cache.ts";
import { runStep, stepContext } from "../machine/step.ts";
import { dataOf } from "../machine/types.ts";
import type { WeightStore } from "../machine/weights.ts";
import { Calibration } from "./calibration.ts";
import { parseLlamaConfig } from "./config.ts";
import { compileLlama, PRECISE_ACTIVATIONS } from "./llama.ts";
import { prng } from "./prng.ts";
import { randomConfig, randomTensors } from "./random.ts";
import { inputMoments, roundRows } from "./rounding.ts";
import { quantizeRows, rowMagnitudes } from "./tensors.ts";

const config = { ...randomConfig(4), tie_word_embeddings: false, vocab_size: 300 };
const tensors = randomTensors(config, 4);
const { hiddenSize, intermediateSize, vocabSize } = parseLlamaConfig(config);

/** Rows of a section. */
function section(weights: WeightStore, name: string): Int8Array {
  const { byteOffset, count, length } = weights.sections.find((each) => each.name === name)!;
  return new Int8Array(weights.buffer, byteOffset, count * length);
}

/** A run over random tokens, and the samples of the rows that enter q, and down, and the head. */
function run() {
  const options = { activations: PRECISE_ACTIVATIONS };
  const { program, weights } = compileLlama(config, tensors, options);
  const calibration = new Calibration(program, weights);
  const cache = new KvCache(program);
  const random = prng(9);
  const samples: Record<string, Float32Array[]> = { "layers.0.q": [], "layers.0.down": [], head: [] };
  for (let t = 0; t < program.contextLength; t++) {
    const token = random.int(0, vocabSize - 1);
    const rows = runStep(
      program,
      weights,
      stepContext({ t, nIn: 1, token, requestHash: `0x${"00".repeat(32)}`, temperature: 0 }),
      cache,
    );
    calibration.add(rows);
    for (const [name, list] of Object.entries(samples)) {
      const { first } = weights.sections.find((each) => each.name === name)!;
      const product = program.instructions.find(({ b }) => b.kind === "weights" && b.index === first)!;
      const quantize = program.instructions[product.a.index];
      list.push(Float32Array.from(dataOf(rows[quantize.a.index], "i32")));
    }
  }
  return { calibration, samples, calibrated: compileLlama(config, tensors, { ...options, calibration }) };
}

describe("calibration", () => {
  const { calibration, samples, calibrated } = run();

  it.each([
    ["layers.0.q", "model.layers.0.self_attn.q_proj.weight", hiddenSize],
    ["layers.0.down", "model.layers.0.mlp.down_proj.weight", intermediateSize],
    ["head", "lm_head.weight", hiddenSize],
  ])("rounds %s by the moments of what enters it", (name, tensorName, inputs) => {
    const data = tensors.get(tensorName)!;
    const magnitudes = rowMagnitudes(tensorName, data, data.length / inputs);
    const [expected, plain] = [new Int8Array(data.length), new Int8Array(data.length)];
    roundRows(data, magnitudes, inputMoments(samples[name]), expected);
    quantizeRows(data, magnitudes, plain);
    const got = section(calibrated.weights, name);
    expect(got).toEqual(expected);
    expect(got).not.toEqual(plain);
  });

  it("leaves a matrix that is in no product as it is", () => {
    expect(calibration.moments("embedding")).toBeUndefined();
    const data = tensors.get("model.embed_tokens.weight")!;
    const plain = new Int8Array(data.length);
    quantizeRows(data, rowMagnitudes("embedding", data, vocabSize), plain);
    expect(section(calibrated.weights, "embedding")).toEqual(plain);
  });

  it("changes weights only", () => {
    const { program } = compileLlama(config, tensors, { activations: PRECISE_ACTIVATIONS });
    expect(calibrated.program).toEqual(program);
  });

  it("without a step, says nothing", () => {
    const { program, weights } = compileLlama(config, tensors);
    expect(new Calibration(program, weights).moments("head")).toBeUndefined();
  });
});
