import { basename, resolve } from "node:path";
import { parseLlamaConfig } from "../compiler/config.ts";
import { type CompiledModel, type CompileOptions, compileLlama, PRECISE_ACTIVATIONS } from "../compiler/llama.ts";
import { calibrateModel } from "./calibrate.ts";
import type { CommitOptions } from "./commitment.ts";
import { type PackedModel, packModel } from "./pack.ts";
import type { ModelAbout } from "./package.ts";
import { type ModelSource, openModelSource } from "./source.ts";

export type ImportOptions = {
  /** Default: `PRECISE_ACTIVATIONS`, all positions of the model. */
  readonly compile?: CompileOptions;
  /** Positions of a text that the model is run over, to round its weights by what it does there (docs/accuracy.md); default: none. */
  readonly calibrate?: number;
  readonly threads?: number;
  readonly onCalibration?: (done: number, total: number) => void;
};

export type ImportParameters = CommitOptions &
  ImportOptions & {
    /** A GGUF file, or a folder in Hugging Face's layout: a Llama-family model. */
    readonly path: string;
    /** Lower-case name of the package. */
    readonly name: string;
    /** What `model.json` says of where the model comes from; default: what its files state. */
    readonly about?: ModelAbout;
  };

/** Compiles a model as an import does. */
export async function compileSource(source: ModelSource, options: ImportOptions = {}): Promise<CompiledModel> {
  const { calibrate = 0, threads, onCalibration } = options;
  const compile = { activations: PRECISE_ACTIVATIONS, ...options.compile };
  if (calibrate === 0) return compileLlama(source.config, source.tensors, compile);
  const calibration = await calibrateModel(source, {
    compile,
    tokens: calibrate,
    ...(threads === undefined ? {} : { threads }),
    ...(onCalibration === undefined ? {} : { onProgress: onCalibration }),
  });
  return compileLlama(source.config, source.tensors, { ...compile, calibration });
}

/** Compiles a model to a program with int8 weights and packs it, in memory; `writePackage` writes it. */
export async function importModel(parameters: ImportParameters): Promise<PackedModel> {
  const source = await openModelSource(parameters.path);
  try {
    const { program, weights } = await compileSource(source, parameters);
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
