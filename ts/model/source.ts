import { statSync } from "node:fs";
import type { LlamaConfigInput } from "../compiler/config.ts";
import type { TensorSource } from "../compiler/tensors.ts";
import { ModelFileMissingError } from "./errors.ts";
import { openGgufModel } from "./gguf-model.ts";
import { openHuggingFace } from "./huggingface.ts";
import type { TokenizerFiles } from "./tokenizer.ts";

/** A float model on disk, before it is compiled: open until `close`. */
export type ModelSource = {
  readonly config: LlamaConfigInput;
  /** By Hugging Face name; a tensor is read and decoded each time it is asked for. */
  readonly tensors: TensorSource;
  readonly tokenizer: TokenizerFiles;
  /** Tokens that end an answer. */
  readonly stopTokens: readonly number[];
  /** What the files state; empty if they do not. */
  readonly licence: string;
  /** How many tensors the files hold of each type. */
  readonly tensorTypes: Readonly<Record<string, number>>;
  close(): void;
};

/** Opens a GGUF file, or a folder in Hugging Face's layout. */
export async function openModelSource(path: string): Promise<ModelSource> {
  return isFolder(path) ? openHuggingFace(path) : openGgufModel(path);
}

/** Counts of equal names. */
export function tally(names: Iterable<string>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (cause) {
    throw new ModelFileMissingError(path, cause);
  }
}
