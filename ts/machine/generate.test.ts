import { describe, expect, it } from "vitest";
import { toHex } from "../commit/bytes.ts";
import { compileLlama } from "../compiler/llama.ts";
import { prng } from "../compiler/prng.ts";
import { randomTensors } from "../compiler/random.ts";
import { generate } from "./generate.ts";
import { KvCache } from "./kv-cache.ts";
import { runStep, stepContext, stepToken } from "./step.ts";
import { FUZZ } from "./testing/fuzz.ts";
import { dataOf } from "./types.ts";

const CONFIG = {
  hidden_size: 20,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  head_dim: 6,
  intermediate_size: 37,
  vocab_size: 40,
  rms_norm_eps: 1e-5,
  max_position_embeddings: 64,
};
const ONE = 65_536;

function hash(seed: number): `0x${string}` {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, seed);
  return toHex(bytes) as `0x${string}`;
}

/** Logits with 16 fraction bits at the only prompt position, and the token drawn there. */
function firstToken(model: ReturnType<typeof compileLlama>, temperature: number, requestHash: `0x${string}`) {
  const context = stepContext({ t: 0, nIn: 1, token: 5, requestHash, temperature });
  const rows = runStep(model.program, model.weights, context, new KvCache(model.program));
  const logits = model.logits.flatMap((i) => Array.from(dataOf(rows[i], "i32")));
  return { logits, token: stepToken(rows) };
}

describe("generate", () => {
  const model = compileLlama(CONFIG, randomTensors(CONFIG, 11));

  it("is greedy at temperature 0, whatever the request", () => {
    const parameters = { prompt: [1, 2, 3], maxOut: 12, temperature: 0 };
    const output = generate(model.program, model.weights, { ...parameters, requestHash: hash(1) });
    expect(output.length).toBe(12);
    expect(generate(model.program, model.weights, { ...parameters, requestHash: hash(2) })).toEqual(output);
    const { logits, token } = firstToken(model, 0, hash(1));
    expect(token).toBe(logits.indexOf(Math.max(...logits)));
  });

  it("follows the request's hash at temperature 1", () => {
    const parameters = { prompt: [1, 2, 3], maxOut: 20, temperature: ONE };
    const of = (seed: number) => generate(model.program, model.weights, { ...parameters, requestHash: hash(seed) });
    expect(of(1)).toEqual(of(1));
    expect(of(1)).not.toEqual(of(2));
  });

  it("stops at a stop token and at the end of the context", () => {
    const all = { prompt: [1, 2, 3], maxOut: 1_000, temperature: ONE, requestHash: hash(3) };
    const output = generate(model.program, model.weights, all);
    expect(output.length).toBe(CONFIG.max_position_embeddings - 2);
    const stop = output[4];
    const stopped = generate(model.program, model.weights, { ...all, stopTokens: [stop] });
    expect(stopped).toEqual(output.slice(0, output.indexOf(stop) + 1));
  });

  it.each([0.7, 1, 1.5])("draws tokens as often as softmax says, at temperature %d", (temperature) => {
    const draws = 1_500 * FUZZ;
    const fixed = Math.round(temperature * ONE);
    const { logits } = firstToken(model, fixed, hash(0));
    const max = Math.max(...logits);
    const weights = logits.map((x) => Math.exp((x - max) / ONE / temperature));
    const sum = weights.reduce((a, b) => a + b, 0);
    const counts = new Array<number>(logits.length).fill(0);
    for (let seed = 0; seed < draws; seed++) counts[firstToken(model, fixed, hash(seed)).token]++;
    // Chi-squared over tokens expected at least five times, the others together; mean = degrees, deviation sqrt(2
    // degrees).
    const expected = weights.map((w) => (w / sum) * draws);
    const common = expected.flatMap((x, i) => (x >= 5 ? [i] : []));
    const rest = common.reduce((n, i) => n - expected[i], draws);
    const restCount = common.reduce((n, i) => n - counts[i], draws);
    let chi = common.reduce((s, i) => s + (counts[i] - expected[i]) ** 2 / expected[i], 0);
    if (rest >= 5) chi += (restCount - rest) ** 2 / rest;
    expect(common.length).toBeGreaterThan(5);
    expect(chi).toBeLessThan(common.length + 5 * Math.sqrt(2 * common.length));
  });

  it("breaks ties to the lowest token, across segments too", () => {
    // Every head row twice, in both halves of a vocabulary of two segments: the maximum always occurs twice.
    const half = 2_100;
    const config = { ...CONFIG, vocab_size: 2 * half };
    const tensors = randomTensors(config, 5);
    const head = tensors.get("lm_head.weight")!;
    head.copyWithin(half * CONFIG.hidden_size, 0, half * CONFIG.hidden_size);
    const tied = compileLlama(config, tensors);
    expect(tied.logits.length).toBe(3);
    const random = prng(1);
    for (let n = 0; n < 8; n++) {
      const prompt = [random.int(0, half), random.int(0, half)];
      for (const token of generate(tied.program, tied.weights, {
        prompt,
        maxOut: 2,
        temperature: 0,
        requestHash: hash(n),
      })) {
        expect(token).toBeLessThan(half);
      }
    }
    const { logits, token } = firstToken(tied, 0, hash(0));
    expect(token).toBe(logits.indexOf(Math.max(...logits)));
    expect(logits[token + half]).toBe(logits[token]);
  });
});
