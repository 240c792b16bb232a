import { basename, resolve } from "node:path";
import { parseLlamaConfig } from "../compiler/config.ts";
import { type CompileOptions, compileLlama, PRECISE_ACTIVATIONS } from "../compiler/llama.ts";
import type { CommitOptions } from "./commitment.ts";
import { type PackedModel, packModel } from "./pack.ts";
import type { ModelAbout } from "./package.ts";
import { openModelSource } from "./source.ts";

export type ImportParameters = CommitOptions & {
  /** A GGUF file, or a folder in Hugging Face's layout: a Llama-family model. */
  readonly path: string;
  /** Lower-case name of the package. */
  readonly name: string;
  /** What `model.json` says of where the model comes from; default: what its files state. */
  readonly about?: ModelAbout;
  /** Default: `PRECISE_ACTIVATIONS`, all positions of the model. */
  readonly compile?: CompileOptions;
};

/** Compiles a model to a program with int8 weights and packs it, in memory; `writePackage` writes it. */
export async function importModel(parameters: ImportParameters): Promise<PackedModel> {
  const source = await openModelSource(parameters.path);
  try {
    const { program, weights } = compileLlama(source.config, source.tensors, {
      activations: PRECISE_ACTIVATIONS,
      ...parameters.compile,
    });
    const content = {
      name: parameters.name,
      program,
      weights,
      vocabSize: parseLlamaConfig(source.config).vocabSize,
      tokenizer: source.tokenizer,
      stopTokens: source.stopTokens,
      about: parameters.about ?? { licence: source.licence, source: basename(resolve(parameters.path)), notes: [] },
    };
    return await packModel(content, parameters);
  } finally {
    source.close();
  }
}
