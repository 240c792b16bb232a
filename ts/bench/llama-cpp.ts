import { BaseError } from "../errors.ts";

/** llama.cpp is an optional peer: only comparisons need it. */
export class LlamaCppMissingError extends BaseError {
  constructor(cause: unknown) {
    super("node-llama-cpp is not installed.", {
      code: "bench.llama_cpp",
      metaMessages: ["It is an optional peer dependency: npm install --no-save node-llama-cpp@3.22.1"],
      cause,
    });
  }
}

/** llama.cpp's prediction behind one token. */
export type LlamaPrediction = {
  /** Its greedy choice. */
  readonly token: number;
  /** Negative log-likelihood of the token that follows in the text, in nats. */
  readonly surprise: number;
};

/** What is used of node-llama-cpp. */
type Result = { next: { token?: number | null; logits?: Map<number, number>; totalLogitWeight?: number } };
type Sequence = {
  controlledEvaluate(input: readonly unknown[]): Promise<(Result | undefined)[]>;
  evaluateWithoutGeneratingNewTokens(tokens: readonly number[]): Promise<void>;
  evaluate(tokens: readonly number[], options: object): AsyncIterable<number>;
  clearHistory(): Promise<void>;
};
type Library = {
  getLlama(options: object): Promise<{
    loadModel(options: { modelPath: string }): Promise<{
      tokenize(text: string): number[];
      createContext(options: object): Promise<{ getSequence(): Sequence; dispose(): Promise<void> }>;
    }>;
    dispose(): Promise<void>;
  }>;
};

/** A GGUF model in llama.cpp, on the CPU. */
export type LlamaCpp = {
  tokenize(text: string): readonly number[];
  /** Teacher-forced predictions over one window: element i follows tokens 0..i; one fewer than tokens. */
  predict(tokens: readonly number[]): Promise<readonly LlamaPrediction[]>;
  /** Reads tokens after those that it has read. */
  prefill(tokens: readonly number[]): Promise<void>;
  /** Goes on greedily from a token, for so many tokens. */
  decode(token: number, count: number): Promise<readonly number[]>;
  /** Forgets what it has read. */
  clear(): Promise<void>;
  close(): Promise<void>;
};

/** Opens a GGUF model. @param threads Default: llama.cpp's own. @throws LlamaCppMissingError */
export async function openLlamaCpp(modelPath: string, contextSize: number, threads?: number): Promise<LlamaCpp> {
  // A name in a variable: the type checker must not look for a package that need not be there.
  const name = "node-llama-cpp";
  const library = (await import(name).catch((cause: unknown) => {
    throw new LlamaCppMissingError(cause);
  })) as Library;
  const llama = await library.getLlama({
    gpu: false,
    build: "never",
    logLevel: "error",
    ...(threads === undefined ? {} : { maxThreads: threads }),
  });
  const model = await llama.loadModel({ modelPath });
  const context = await model.createContext({ contextSize, ...(threads === undefined ? {} : { threads }) });
  const sequence = context.getSequence();
  return {
    tokenize: (text) => model.tokenize(text),
    async predict(tokens) {
      await sequence.clearHistory();
      const input = tokens.slice(0, -1).map((token, i) => {
        const logits = { filter: { tokens: [tokens[i + 1]], includeTop: 1 } };
        return [token, { generateNext: { token: true, totalLogitWeight: true, logits, options: { temperature: 0 } } }];
      });
      const results = await sequence.controlledEvaluate(input);
      return results.map((result, i) => {
        const { token, logits, totalLogitWeight } = result!.next;
        const max = Math.max(...logits!.values());
        return { token: token!, surprise: max + Math.log(totalLogitWeight!) - logits!.get(tokens[i + 1])! };
      });
    },
    prefill: (tokens) => sequence.evaluateWithoutGeneratingNewTokens(tokens),
    async decode(token, count) {
      const tokens: number[] = [];
      for await (const next of sequence.evaluate([token], { temperature: 0 })) {
        tokens.push(next);
        if (tokens.length === count) break;
      }
      return tokens;
    },
    clear: () => sequence.clearHistory(),
    async close() {
      await context.dispose();
      await llama.dispose();
    },
  };
}
