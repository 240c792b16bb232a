import { readFile } from "node:fs/promises";
import { Calibration } from "../compiler/calibration.ts";
import { parseLlamaConfig } from "../compiler/config.ts";
import { type CompileOptions, compileLlama } from "../compiler/llama.ts";
import { fastestMachine } from "../engine/backends.ts";
import { stepContext } from "../machine/step.ts";
import type { ModelSource } from "./source.ts";
import { Tokenizer } from "./tokenizer.ts";

/** Of "Alice's Adventures in Wonderland" by Lewis Carroll (1865) and "Stories to Tell to Children" by Sara Cone Bryant (1907). */
const TEXT = new URL("calibration.txt", import.meta.url);
/** Positions of the text that a calibration reads unless told otherwise. */
export const CALIBRATION_TOKENS = 1_024;
/** Positions after which the model starts afresh. */
const WINDOW = 512;

/** A request's hash does not matter to rows of activations. */
const NO_REQUEST = `0x${"00".repeat(32)}` as const;

export type CalibrateOptions = {
  readonly compile?: CompileOptions;
  /** Positions of the text to read; default: `CALIBRATION_TOKENS`. */
  readonly tokens?: number;
  readonly threads?: number;
  readonly onProgress?: (done: number, total: number) => void;
};

/** Runs a model, compiled with plain rounding, over a text, and collects what enters its matrix products. */
export async function calibrateModel(source: ModelSource, options: CalibrateOptions = {}): Promise<Calibration> {
  const { compile, tokens: wanted = CALIBRATION_TOKENS, threads, onProgress } = options;
  const config = parseLlamaConfig(source.config);
  const window = Math.min(WINDOW, compile?.contextLength ?? config.contextLength);
  const { program, weights } = compileLlama(source.config, source.tensors, { ...compile, contextLength: window });
  const tokens = new Tokenizer(source.tokenizer, config.vocabSize)
    .encode(await readFile(TEXT, "utf8"))
    .slice(0, wanted);
  const calibration = new Calibration(program, weights);
  const machine = await fastestMachine(program, weights, { threads });
  try {
    for (let at = 0; at < tokens.length; at += window) {
      const cache = machine.cache();
      for (const [t, token] of tokens.slice(at, at + window).entries()) {
        const context = stepContext({ t, nIn: 1, token, temperature: 0, requestHash: NO_REQUEST });
        calibration.add(await machine.rows({ cache, context }));
        onProgress?.(at + t + 1, tokens.length);
      }
      cache.free();
    }
  } finally {
    machine.close();
  }
  return calibration;
}
