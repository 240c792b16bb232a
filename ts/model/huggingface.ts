import { access } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { parseLlamaConfig } from "../compiler/config.ts";
import { huggingFaceConfig } from "./architectures.ts";
import { type ByteSource, fileBytes } from "./byte-source.ts";
import { ModelFormatError, SafetensorsError } from "./errors.ts";
import { readModelFile } from "./folder.ts";
import { openSafetensors, type SafetensorsFile } from "./safetensors.ts";
import { type ModelSource, tally } from "./source.ts";

const eosSchema = z.looseObject({
  eos_token_id: z.union([z.number().int().nonnegative(), z.array(z.number().int().nonnegative())]).nullish(),
});
const templateSchema = z.looseObject({ chat_template: z.string().nullish() });

const INDEX = "model.safetensors.index.json";
const indexSchema = z.looseObject({ weight_map: z.record(z.string(), z.string().regex(/^[\w.-]+$/)) });

/**
 * Opens a folder in Hugging Face's layout: `config.json`, `tokenizer.json`, `tokenizer_config.json`, the weights
 * (`model.safetensors`, or the shards that `model.safetensors.index.json` names) and, where present,
 * `chat_template.jinja` and `generation_config.json`.
 */
export async function openHuggingFace(dir: string): Promise<ModelSource> {
  const raw = await readJson(dir, "config.json", eosSchema);
  const config = huggingFaceConfig(raw);
  parseLlamaConfig(config);
  const tokenizerJson = await readText(dir, "tokenizer.json");
  const tokenizerConfigJson = await readText(dir, "tokenizer_config.json");
  const chatTemplate = (await exists(dir, "chat_template.jinja"))
    ? await readText(dir, "chat_template.jinja")
    : (parseJson("tokenizer_config.json", tokenizerConfigJson, templateSchema).chat_template ?? "");
  const generation = (await exists(dir, "generation_config.json"))
    ? await readJson(dir, "generation_config.json", eosSchema)
    : {};
  const eos = generation.eos_token_id ?? raw.eos_token_id;
  if (eos === null || eos === undefined) {
    throw new ModelFormatError("config.json", "an eos_token_id, there or in generation_config.json", "none");
  }
  const { tensors, tensorTypes, close } = await openWeights(dir);
  return {
    config,
    tensors,
    tokenizer: { tokenizerJson, tokenizerConfigJson, chatTemplate },
    stopTokens: Array.isArray(eos) ? eos : [eos],
    licence: "",
    tensorTypes,
    close,
  };
}

/** The safetensors files of a folder as one source of tensors. */
async function openWeights(dir: string): Promise<Pick<ModelSource, "tensors" | "tensorTypes" | "close">> {
  const sharded = await exists(dir, INDEX);
  const map = sharded ? (await readJson(dir, INDEX, indexSchema)).weight_map : {};
  const shards = new Map<string, SafetensorsFile>();
  const open: ByteSource[] = [];
  const close = () => {
    for (const source of open) source.close();
  };
  try {
    for (const file of sharded ? new Set(Object.values(map)) : ["model.safetensors"]) {
      const source = fileBytes(join(dir, file));
      open.push(source);
      shards.set(file, openSafetensors(source));
    }
    for (const [tensor, file] of Object.entries(map)) {
      if (!shards.get(file)?.names.has(tensor)) {
        throw new SafetensorsError(join(dir, file), `${tensor} is not there, but ${INDEX} says so.`);
      }
    }
    const only = shards.get("model.safetensors");
    const fileOf = (tensor: string) => (sharded ? shards.get(map[tensor] ?? "") : only);
    const tensorTypes = tally([...shards.values()].flatMap(({ types }) => types));
    return { tensors: { get: (tensor) => fileOf(tensor)?.read(tensor) }, tensorTypes, close };
  } catch (error) {
    close();
    throw error;
  }
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
