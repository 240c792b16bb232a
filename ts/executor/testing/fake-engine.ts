import { keccak_256 } from "@noble/hashes/sha3.js";
import { hashWords, word } from "../../commit/bytes.ts";
import { SENTINEL_TOKEN, saltOf, type TraceRecord } from "../../commit/record.ts";
import type { Engine, Replay, Sequence, SequenceInput } from "../../engine/types.ts";
import type { Row } from "../../machine/types.ts";

export interface FakeEngineOptions {
  /** Output tokens, repeated for ever. */
  readonly script: readonly number[];
  /** Before every token, in milliseconds. */
  delayMs?: number;
  /** Fails before this output token. */
  failAt?: number;
}

/** Test double of an engine: says its script, whatever it is asked, with records that depend on every token before. */
export class FakeEngine implements Engine {
  readonly backend = "fake";
  readonly options: FakeEngineOptions;
  /** Sequences that were opened and not closed. */
  open = 0;
  /** Tokens made so far, over all sequences. */
  made = 0;

  constructor(options: FakeEngineOptions) {
    this.options = options;
  }

  sequence(input: SequenceInput): Sequence {
    this.open++;
    const outputs: number[] = [];
    let closed = false;
    const engine = this;
    return {
      outputs,
      get records() {
        return recordsOf(input, outputs);
      },
      async next() {
        const { script, delayMs, failAt } = engine.options;
        if (delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, delayMs));
        if (outputs.length === failAt) throw new FakeEngineFailure("the fake engine fails as told");
        const token = script[outputs.length % script.length];
        outputs.push(token);
        engine.made++;
        return token;
      },
      close() {
        if (!closed) engine.open--;
        closed = true;
      },
    };
  }

  async replay(input: SequenceInput, outputs: readonly number[]): Promise<Replay> {
    const { script } = this.options;
    return { tokens: outputs.map((_, i) => script[i % script.length]), records: recordsOf(input, outputs) };
  }

  async rows(): Promise<readonly Row[]> {
    return [];
  }

  async cached(): Promise<readonly (readonly Row[])[]> {
    return [];
  }

  close(): void {}
}

export class FakeEngineFailure extends Error {}

function recordsOf({ prompt, saltKey }: SequenceInput, outputs: readonly number[]): TraceRecord[] {
  let cacheRoot: Uint8Array = new Uint8Array(32);
  return Array.from({ length: outputs.length === 0 ? 0 : prompt.length + outputs.length - 1 }, (_, t) => {
    const token = t < prompt.length - 1 ? SENTINEL_TOKEN : outputs[t - prompt.length + 1];
    cacheRoot = hashWords(cacheRoot, keccak_256(word(t < prompt.length ? prompt[t] : outputs[t - prompt.length])));
    return { salt: saltOf(saltKey, "record", t), token, cacheRoot };
  });
}
