import { BaseError } from "../errors.ts";

/** What is used of `node-llama-cpp`, which carries llama.cpp: the peer to compare with. Not a dependency, since it is large. */
export interface Llama {
  tokenize(text: string): number[];
  /** Forgets everything. */
  clear(): Promise<void>;
  /** Reads tokens. */
  prefill(tokens: readonly number[]): Promise<void>;
  /** Goes on greedily from a token, for so many tokens. */
  decode(token: number, count: number): Promise<number[]>;
  close(): Promise<void>;
}

/** `node-llama-cpp` is not installed. */
export class PeerMissingError extends BaseError {
  constructor(cause: unknown) {
    super("The peer of this comparison is not installed.", {
      code: "bench.peer",
      metaMessages: ["Install it beside the project, without saving it: npm install --no-save node-llama-cpp@3"],
      cause,
    });
  }
}

/** Opens a GGUF model with llama.cpp on the CPU. @throws PeerMissingError */
export async function openLlama(path: string, { threads, contextLength }: { threads: number; contextLength: number }) {
  // A name that the type checker does not look for.
  const name = "node-llama-cpp";
  const { getLlama } = await import(name).catch((cause: unknown) => {
    throw new PeerMissingError(cause);
  });
  const llama = await getLlama({ gpu: false, build: "never", maxThreads: threads, logLevel: "error" });
  const model = await llama.loadModel({ modelPath: path });
  const context = await model.createContext({ contextSize: contextLength, threads, batchSize: 512 });
  const sequence = context.getSequence();
  const peer: Llama = {
    tokenize: (text) => [...model.tokenize(text)],
    clear: () => sequence.clearHistory(),
    prefill: (tokens) => sequence.evaluateWithoutGeneratingNewTokens([...tokens]),
    async decode(token, count) {
      const tokens: number[] = [];
      for await (const next of sequence.evaluate([token], { temperature: 0 })) {
        tokens.push(next);
        if (tokens.length === count) break;
      }
      return tokens;
    },
    close: () => llama.dispose(),
  };
  return peer;
}
