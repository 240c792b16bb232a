import { parseLlamaConfig } from "../compiler/config.ts";
import { type CompileOptions, compileLlama } from "../compiler/llama.ts";
import { type PackedModel, type PackProgress, packModel } from "./pack.ts";
import type { ModelAbout } from "./package.ts";
import { openModelSource } from "./source.ts";

export type ImportParameters = {
  /** A GGUF file, or a folder in Hugging Face's layout: a Llama-family model. */
  readonly path: string;
  /** Lower-case name of the package. */
  readonly name: string;
  readonly about: ModelAbout;
  readonly compile?: CompileOptions;
  readonly onProgress?: PackProgress;
};

/** Compiles a model to a program with int8 weights and packs it, in memory; `writePackage` writes it. */
export async function importModel(parameters: ImportParameters): Promise<PackedModel> {
  const source = await openModelSource(parameters.path);
  try {
    const { program, weights } = compileLlama(source.config, source.tensors, parameters.compile);
    const content = {
      name: parameters.name,
      program,
      weights,
      vocabSize: parseLlamaConfig(source.config).vocabSize,
      tokenizer: source.tokenizer,
      stopTokens: source.stopTokens,
      about: parameters.about,
    };
    return packModel(content, parameters.onProgress);
  } finally {
    source.close();
  }
}
