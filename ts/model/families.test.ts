import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FloatModel } from "../compiler/float.ts";
import { compileLlama } from "../compiler/llama.ts";
import { prng } from "../compiler/prng.ts";
import { keptTensors } from "../compiler/tensors.ts";
import { KvCache } from "../machine/kv-cache.ts";
import { runStep, stepContext } from "../machine/step.ts";
import { dataOf } from "../machine/types.ts";
import { huggingFaceConfig } from "./architectures.ts";
import { ModelFileMissingError, SafetensorsError } from "./errors.ts";
import { openModelSource } from "./source.ts";
import { FAMILIES, type Family, familyGguf, familyTensors, safetensorsOf } from "./testing/families.ts";
import { byteLevelTokenizer } from "./testing/packages.ts";

let root: string;
let count = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "otr-families-"));
});
afterAll(() => rm(root, { recursive: true }));

/** The family's model as a folder, its weights in as many files as `shards`. */
async function folder({ config }: Family, tensors: ReadonlyMap<string, Float32Array>, shards: number): Promise<string> {
  const dir = join(root, String(count++));
  await mkdir(dir);
  await writeFile(join(dir, "config.json"), JSON.stringify(config));
  const { tokenizerJson, tokenizerConfigJson, chatTemplate } = byteLevelTokenizer();
  await writeFile(join(dir, "tokenizer.json"), tokenizerJson);
  await writeFile(join(dir, "tokenizer_config.json"), tokenizerConfigJson);
  await writeFile(join(dir, "chat_template.jinja"), chatTemplate);
  if (shards === 1) {
    await writeFile(join(dir, "model.safetensors"), safetensorsOf(tensors));
    return dir;
  }
  const map: Record<string, string> = {};
  for (let shard = 0; shard < shards; shard++) {
    const file = `model-0000${shard + 1}-of-0000${shards}.safetensors`;
    const part = [...tensors].filter((_, i) => i % shards === shard);
    for (const [name] of part) map[name] = file;
    await writeFile(join(dir, file), safetensorsOf(part));
  }
  await writeFile(join(dir, "model.safetensors.index.json"), JSON.stringify({ metadata: {}, weight_map: map }));
  return dir;
}

/** Mean relative error of the integer machine's logits against the float64 model's, over random tokens. */
function meanError(family: Family, tensors: ReadonlyMap<string, Float32Array>): number {
  const config = huggingFaceConfig(family.config);
  const { program, weights, logits } = compileLlama(config, tensors);
  const float = new FloatModel(config, tensors);
  const cache = new KvCache(program);
  const random = prng(9);
  let error = 0;
  for (let t = 0; t < program.contextLength; t++) {
    const token = random.int(0, config.vocab_size - 1);
    const context = stepContext({ t, nIn: 1, token, requestHash: `0x${"00".repeat(32)}`, temperature: 0 });
    const rows = runStep(program, weights, context, cache);
    const got = logits.flatMap((i) => Array.from(dataOf(rows[i], "i32"), (x) => x / 2 ** 16));
    const expected = float.step(token);
    const norm = (of: (x: number, i: number) => number) => Math.hypot(...expected.map(of));
    error += norm((x, i) => x - got[i]) / norm((x) => x) / program.contextLength;
  }
  return error;
}

describe.each(FAMILIES)("$name", (family) => {
  const tensors = familyTensors(family, 11);

  it("comes out within quantisation noise of the float64 model", () => {
    expect(meanError(family, tensors)).toBeLessThan(0.04);
  });

  it("compiles to the same program and weights from a folder, from shards and from a GGUF file", async () => {
    const config = huggingFaceConfig(family.config);
    const expected = compileLlama(config, tensors);
    const file = join(root, `${count++}.gguf`);
    await writeFile(file, familyGguf(family, tensors));
    for (const path of [await folder(family, tensors, 1), await folder(family, tensors, 3), file]) {
      const source = await openModelSource(path);
      const got = compileLlama(source.config, source.tensors);
      expect(source.stopTokens).toEqual([3]);
      source.close();
      expect(got.program).toEqual(expected.program);
      expect(got.weights.sections).toEqual(expected.weights.sections);
      for (const { name, first, count: rows } of expected.weights.sections) {
        const [want, have] = [expected, got].map(({ weights }) => Array.from(weights.range(first, rows).data, Number));
        // GGUF states eps, theta and Llama 3's scaling in float32, which may turn a rounding in rope's table.
        const most = name === "rope" && path === file ? 1 : 0;
        const apart = want.reduce((max, x, i) => Math.max(max, Math.abs(x - have[i])), 0);
        expect(apart, `${name} of ${path}`).toBeLessThanOrEqual(most);
      }
    }
  });
});

describe("folders", () => {
  const [family] = FAMILIES;
  const tensors = familyTensors(family, 12);

  it("keep nothing in memory that is not asked for", async () => {
    const source = await openModelSource(await folder(family, tensors, 2));
    const name = "model.layers.0.mlp.up_proj.weight";
    expect(source.tensors.get(name)).toEqual(tensors.get(name));
    expect(source.tensors.get(name)).not.toBe(source.tensors.get(name));
    const kept = keptTensors(source.tensors);
    expect(kept.get(name)).toBe(kept.get(name));
    expect(source.tensors.get("no such tensor")).toBeUndefined();
    source.close();
  });

  it("name the shard that is missing, or that lacks a tensor", async () => {
    const dir = await folder(family, tensors, 2);
    const shard = join(dir, "model-00002-of-00002.safetensors");
    await writeFile(shard, safetensorsOf([["other", Float32Array.of(1)]]));
    await expect(openModelSource(dir)).rejects.toThrow(SafetensorsError);
    await expect(openModelSource(dir)).rejects.toThrow(/00002-of-00002.*\n.*is not there/);
    await rm(shard);
    await expect(openModelSource(dir)).rejects.toThrow(ModelFileMissingError);
  });

  it("say which configuration the compiler has no program for", () => {
    const { config } = family;
    const refused = (changes: object) => () => huggingFaceConfig({ ...config, ...changes });
    expect(refused({ model_type: "gemma2" })).toThrow(/model_type/);
    expect(refused({ model_type: "toString" })).toThrow(/model_type/);
    expect(refused({ mlp_bias: true })).toThrow(/mlp_bias/);
    expect(refused({ partial_rotary_factor: 0.5 })).toThrow(/partial_rotary_factor/);
    expect(refused({ quantization_config: { bits: 4 } })).toThrow(/quantization_config/);
    const qwen = { model_type: "qwen2", use_sliding_window: true, sliding_window: 8 };
    expect(refused({ ...qwen, max_window_layers: 1 })).toThrow(/sliding_window/);
    expect(refused({ ...qwen, layer_types: ["full_attention", "sliding_attention"] })).toThrow(/sliding_window/);
    expect(refused({ ...qwen, max_window_layers: 0 })()).toMatchObject({ sliding_window: 8 });
    expect(refused({ ...qwen, max_window_layers: 2 })()).toMatchObject({ sliding_window: null });
    // transformers' Llama has no window, whatever the file says.
    expect(refused({ sliding_window: 8 })()).toMatchObject({ sliding_window: null });
  });
});
