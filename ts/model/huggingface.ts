import { access } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { LlamaConfigInput } from "../compiler/config.ts";
import { ModelFormatError } from "./errors.ts";
import { readModelFile } from "./folder.ts";
import { readSafetensors } from "./safetensors.ts";
import type { TokenizerFiles } from "./tokenizer.ts";

/** What a folder in Hugging Face's layout holds. */
export type HuggingFaceModel = {
  /** `config.json` as it is: the compiler checks the fields that it reads. */
  readonly config: LlamaConfigInput;
  /** Row-major float32 tensors by name. */
  readonly tensors: ReadonlyMap<string, Float32Array>;
  readonly tokenizer: TokenizerFiles;
  /** Tokens that end an answer, from `generation_config.json`, else `config.json`. */
  readonly stopTokens: readonly number[];
};

const configSchema = z.custom<LlamaConfigInput>((value) => typeof value === "object" && value !== null);
const eosSchema = z.looseObject({
  eos_token_id: z.union([z.number().int().nonnegative(), z.array(z.number().int().nonnegative())]).nullish(),
});
const templateSchema = z.looseObject({ chat_template: z.string().nullish() });

/**
 * Reads `config.json`, `model.safetensors`, `tokenizer.json`, `tokenizer_config.json` and, where present,
 * `chat_template.jinja` and `generation_config.json`.
 */
export async function readHuggingFace(dir: string): Promise<HuggingFaceModel> {
  const config = await readJson(dir, "config.json", configSchema);
  const tokenizerJson = await readText(dir, "tokenizer.json");
  const tokenizerConfigJson = await readText(dir, "tokenizer_config.json");
  const chatTemplate = (await exists(dir, "chat_template.jinja"))
    ? await readText(dir, "chat_template.jinja")
    : (parseJson("tokenizer_config.json", tokenizerConfigJson, templateSchema).chat_template ?? "");
  const generation = (await exists(dir, "generation_config.json"))
    ? await readJson(dir, "generation_config.json", eosSchema)
    : {};
  const eos = generation.eos_token_id ?? parseJson("config.json", JSON.stringify(config), eosSchema).eos_token_id;
  if (eos === null || eos === undefined) {
    throw new ModelFormatError("config.json", "an eos_token_id, there or in generation_config.json", "none");
  }
  const tensors = await readSafetensors(join(dir, "model.safetensors"));
  return {
    config,
    tensors: new Map([...tensors].map(([name, { data }]) => [name, data])),
    tokenizer: { tokenizerJson, tokenizerConfigJson, chatTemplate },
    stopTokens: Array.isArray(eos) ? eos : [eos],
  };
}

async function exists(dir: string, file: string): Promise<boolean> {
  return access(join(dir, file)).then(
    () => true,
    () => false,
  );
}

async function readText(dir: string, file: string): Promise<string> {
  const bytes = await readModelFile(dir, file);
  try {
    // ignoreBOM: the text is hashed and written again byte for byte.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new ModelFormatError(file, "UTF-8", "other bytes", cause);
  }
}

async function readJson<T>(dir: string, file: string, schema: z.ZodType<T>): Promise<T> {
  return parseJson(file, await readText(dir, file), schema);
}

function parseJson<T>(file: string, text: string, schema: z.ZodType<T>): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new ModelFormatError(file, "a JSON object of the Hugging Face layout", "something else", cause);
  }
}
