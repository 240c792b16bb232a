import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LlamaConfigInput } from "../compiler/config.ts";
import { compileLlama, PRECISE_ACTIVATIONS } from "../compiler/llama.ts";
import { randomTensors } from "../compiler/random.ts";
import { generate } from "../machine/generate.ts";
import { rowBytes } from "../machine/types.ts";
import { ModelFileMissingError, ModelFormatError, SafetensorsError } from "./errors.ts";
import { openHuggingFace } from "./huggingface.ts";
import { importModel } from "./import.ts";
import { loadModel } from "./load.ts";
import { writePackage } from "./pack.ts";
import { safetensorsOf } from "./testing/families.ts";
import { byteLevelTokenizer, TEST_TEMPLATE } from "./testing/packages.ts";

const config: LlamaConfigInput = {
  hidden_size: 16,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  head_dim: 8,
  intermediate_size: 24,
  vocab_size: 264,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: true,
  max_position_embeddings: 32,
};
const tensors = randomTensors(config, 5);
const about = { licence: "MIT", source: "random", notes: [] };

const safetensors = () => safetensorsOf(tensors);

let root: string;
let folders = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "otr-import-"));
});
afterAll(() => rm(root, { recursive: true }));

/** A Hugging Face folder; a file given as `undefined` is left out. */
async function folder(changes: Record<string, string | Uint8Array | undefined> = {}): Promise<string> {
  const dir = join(root, String(folders++));
  await mkdir(dir);
  const { tokenizerJson, tokenizerConfigJson, chatTemplate } = byteLevelTokenizer();
  const files = {
    "config.json": JSON.stringify({ ...config, model_type: "llama", eos_token_id: 3 }),
    "model.safetensors": safetensors(),
    "tokenizer.json": tokenizerJson,
    "tokenizer_config.json": tokenizerConfigJson,
    "chat_template.jinja": chatTemplate,
    "generation_config.json": JSON.stringify({ eos_token_id: [3, 0] }),
    ...changes,
  };
  for (const [name, content] of Object.entries(files)) {
    if (content !== undefined) await writeFile(join(dir, name), content);
  }
  return dir;
}

describe("import", () => {
  it("compiles and packs a Hugging Face folder", async () => {
    const out = join(root, "package");
    const packed = await importModel({ path: await folder(), name: "random", about });
    await writePackage(out, packed);
    const model = await loadModel(out, { modelId: packed.description.modelId });
    const direct = compileLlama(config, tensors, { activations: PRECISE_ACTIVATIONS });
    expect(model.program).toEqual(direct.program);
    for (let i = 0; i < direct.weights.count; i++) {
      expect(rowBytes(model.weights.row(i)), `row ${i}`).toEqual(rowBytes(direct.weights.row(i)));
    }
    expect(model.stopTokens).toEqual([3, 0]);
    expect(model.description.weights.map(({ name }) => name)).toContain("embedding");
    const prompt = model.tokenizer.applyChatTemplate([{ role: "user", content: "hey" }]);
    const request = { prompt, maxOut: 5, requestHash: `0x${"07".repeat(32)}`, temperature: 65536 } as const;
    expect(generate(model.program, model.weights, request)).toEqual(generate(direct.program, direct.weights, request));
  });

  it("rounds weights by what the model does on a text, the same every time", async () => {
    const path = await folder();
    const parameters = { path, name: "random", about, threads: 1 };
    const plain = await importModel(parameters);
    const first = await importModel({ ...parameters, calibrate: 40 });
    const second = await importModel({ ...parameters, calibrate: 40 });
    const { modelId, manifest } = first.description;
    expect(second.description.modelId).toBe(modelId);
    expect(manifest.programRoot).toBe(plain.description.manifest.programRoot);
    expect(manifest.weightsRoot).not.toBe(plain.description.manifest.weightsRoot);
  });

  it("finds the template in tokenizer_config.json and stop tokens in config.json", async () => {
    const dir = await folder({
      "chat_template.jinja": undefined,
      "generation_config.json": undefined,
      "tokenizer_config.json": JSON.stringify({ chat_template: TEST_TEMPLATE }),
    });
    const source = await openHuggingFace(dir);
    expect(source.tokenizer.chatTemplate).toBe(TEST_TEMPLATE);
    expect(source.stopTokens).toEqual([3]);
  });

  it("says what is wrong with a folder", async () => {
    const read = async (changes: Record<string, string | Uint8Array | undefined>) =>
      openHuggingFace(await folder(changes));
    await expect(read({ "config.json": undefined })).rejects.toThrow(ModelFileMissingError);
    await expect(read({ "config.json": "{" })).rejects.toThrow(ModelFormatError);
    await expect(read({ "tokenizer.json": Uint8Array.of(0xff) })).rejects.toThrow(ModelFormatError);
    await expect(read({ "model.safetensors": safetensors().subarray(0, 1000) })).rejects.toThrow(SafetensorsError);
    await expect(read({ "config.json": JSON.stringify(config), "generation_config.json": undefined })).rejects.toThrow(
      /eos_token_id/,
    );
  });
});
