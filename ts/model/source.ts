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
  close(): void;
};

/** Opens a GGUF file, or a folder in Hugging Face's layout. */
export async function openModelSource(path: string): Promise<ModelSource> {
  return isFolder(path) ? openHuggingFace(path) : openGgufModel(path);
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (cause) {
    throw new ModelFileMissingError(path, cause);
  }
}
