import { readFile } from "node:fs/promises";
import { parseLlamaConfig } from "../compiler/config.ts";
import type { CompileOptions } from "../compiler/llama.ts";
import { fastestMachine } from "../engine/backends.ts";
import type { Machine } from "../engine/machine.ts";
import { compileSource } from "../model/import.ts";
import { scoreTokens } from "../model/score.ts";
import { openModelSource } from "../model/source.ts";
import { Tokenizer } from "../model/tokenizer.ts";
import { openLlamaCpp } from "./llama-cpp.ts";

export type AccuracyOptions = {
  /** GGUF file. */
  readonly model: string;
  /** Predictions to compare. */
  readonly tokens: number;
  /** Positions after which both start afresh. */
  readonly window?: number;
  readonly compile?: CompileOptions;
  /** As of an import; default: none. */
  readonly calibrate?: number;
  readonly onProgress?: (done: number, total: number) => void;
};

export type AccuracyFigures = {
  /** The machine's perplexity over llama.cpp's. */
  readonly perplexityRatio: number;
  /** Share of positions where both choose the same greedy token. */
  readonly agreement: number;
  /** Predictions compared. */
  readonly tokens: number;
  readonly perplexity: number;
  readonly llamaCppPerplexity: number;
};

/** "The Wisdom of Father Brown" by G. K. Chesterton (1914), its beginning. */
const TEXT = new URL("text/father-brown.txt", import.meta.url);

/** Compares the canonical machine with llama.cpp on the same file and text, teacher-forced. */
export async function measureAccuracy(options: AccuracyOptions): Promise<AccuracyFigures> {
  const { model, tokens: wanted, window = 512, compile, calibrate, onProgress } = options;
  const llama = await openLlamaCpp(model, window);
  const source = await openModelSource(model);
  let machine: Machine | undefined;
  try {
    const { vocabSize } = parseLlamaConfig(source.config);
    const { program, weights } = await compileSource(source, {
      compile: { contextLength: window, ...compile },
      ...(calibrate === undefined ? {} : { calibrate }),
    });
    const running = await fastestMachine(program, weights);
    machine = running;
    const text = await readFile(TEXT, "utf8");
    const all = new Tokenizer(source.tokenizer, vocabSize).encode(text);
    let [done, same, ours, theirs] = [0, 0, 0, 0];
    for (let at = 0; at + 1 < all.length && done < wanted; at += window) {
      const tokens = all.slice(at, at + Math.min(window, wanted - done + 1));
      const reference = await llama.predict(tokens);
      const cache = running.cache();
      const score = await scoreTokens(program, (context) => running.rows({ cache, context }), tokens);
      cache.free();
      reference.forEach(({ token, surprise }, i) => {
        theirs += surprise;
        if (token === score.predictions[i]) same++;
      });
      ours += score.loss * reference.length;
      done += reference.length;
      onProgress?.(done, wanted);
    }
    const [perplexity, llamaCppPerplexity] = [ours, theirs].map((sum) => Math.exp(sum / done));
    return {
      perplexityRatio: perplexity / llamaCppPerplexity,
      agreement: same / done,
      tokens: done,
      perplexity,
      llamaCppPerplexity,
    };
  } finally {
    machine?.close();
    source.close();
    await llama.close();
  }
}
