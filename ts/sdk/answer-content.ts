import { equal, type Hex, toHex } from "../commit/bytes.ts";
import { recordLeaf, SENTINEL_TOKEN, saltOf, tokenLeaf } from "../commit/record.ts";
import { TAGS } from "../commit/tags.ts";
import { TreeFrontier } from "../commit/tree-frontier.ts";
import type { Bundle } from "./bundle.ts";
import type { PreparedRequest } from "./prepare-request.ts";
import type { StreamedStep } from "./stream-comments.ts";

/** What an answer commits to, recomputed from its tokens and cache roots. */
export interface AnswerContent {
  readonly outputs: readonly number[];
  readonly outputRoot: Hex;
  readonly traceRoot: Hex;
  /** Steps of the trace. */
  readonly steps: number;
  /** Why the records cannot be those of these tokens. */
  readonly recordProblem: string | undefined;
}

/** Hashes an answer while it arrives, so that nothing but two roots is left to do after its last token. */
export class ContentHasher {
  readonly outputs: number[] = [];
  readonly #prepared: PreparedRequest;
  readonly #output = new TreeFrontier();
  readonly #trace = new TreeFrontier();

  constructor(prepared: PreparedRequest) {
    this.#prepared = prepared;
  }

  push({ token, cacheRoots }: StreamedStep): void {
    const { saltKey } = this.#prepared;
    this.#output.push(tokenLeaf(saltOf(saltKey, "output", this.outputs.length), token));
    this.outputs.push(token);
    cacheRoots.forEach((cacheRoot, i) => {
      const salt = saltOf(saltKey, "record", this.#trace.count);
      const emits = i === cacheRoots.length - 1;
      this.#trace.push(recordLeaf({ salt, token: emits ? token : SENTINEL_TOKEN, cacheRoot }));
    });
  }

  /** Undefined while there is no token. */
  content(): AnswerContent | undefined {
    const [outputs, steps] = [this.outputs, this.#trace.count];
    if (outputs.length === 0 || steps === 0) return undefined;
    const outputRoot = toHex(this.#output.root(TAGS.output));
    return { outputs, outputRoot, traceRoot: toHex(this.#trace.root(TAGS.trace)), steps, recordProblem: undefined };
  }
}

/** The content of a downloaded bundle. */
export function bundleContent(prepared: PreparedRequest, bundle: Bundle): AnswerContent {
  const { outputTokens: outputs, records } = bundle;
  const { tokens, saltKey } = prepared;
  const [output, trace] = [new TreeFrontier(), new TreeFrontier()];
  outputs.forEach((token, i) => {
    output.push(tokenLeaf(saltOf(saltKey, "output", i), token));
  });
  for (const record of records) trace.push(recordLeaf(record));
  const tokenAt = (t: number) => (t < tokens.length - 1 ? SENTINEL_TOKEN : outputs[t - tokens.length + 1]);
  const wrong = records.findIndex(
    ({ salt, token }, t) => token !== tokenAt(t) || !equal(salt, saltOf(saltKey, "record", t)),
  );
  return {
    outputs,
    outputRoot: toHex(output.root(TAGS.output)),
    traceRoot: toHex(trace.root(TAGS.trace)),
    steps: records.length,
    recordProblem: wrong < 0 ? undefined : `record ${wrong} has another salt or token than its step`,
  };
}
