import { expect, it } from "vitest";
import { toHex } from "../commit/bytes.ts";
import { type TraceRecord, traceTree } from "../commit/record.ts";
import { TAGS } from "../commit/tags.ts";
import { compileLlama } from "../compiler/llama.ts";
import { prng } from "../compiler/prng.ts";
import { randomConfig, randomTensors } from "../compiler/random.ts";
import { FUZZ } from "../machine/testing/fuzz.ts";
import { batchEngine } from "./batch-engine.ts";
import { referenceEngine } from "./reference.ts";
import { BACKENDS } from "./testing/backends.ts";
import type { Engine, SequenceInput } from "./types.ts";

/** `OTR_FUZZ=50` makes 10,000. */
const REPLAYS = 200 * FUZZ;
/** Generations of each model; they are replayed at once, so that batches mix them. */
const ANSWERS = 10;
const THREADS = [1, 2, 3];
/** Most steps of a batch. */
const BATCHES = [1, 2, 3, 5, 8, 16, 33, 64, 127, 128];

const names = ["reference", ...BACKENDS.map(({ name }) => name)];

interface Answer {
  readonly input: SequenceInput;
  readonly outputs: readonly number[];
  readonly traceRoot: string;
}

const rootOf = (records: readonly TraceRecord[]) => toHex(traceTree(records).root(TAGS.trace));

async function generate(engine: Engine, input: SequenceInput, count: number): Promise<Answer> {
  const sequence = engine.sequence(input);
  for (let i = 0; i < count; i++) await sequence.next();
  const answer = { input, outputs: [...sequence.outputs], traceRoot: rootOf(sequence.records) };
  sequence.close();
  return answer;
}

it(`${REPLAYS} replays of generations have equal trace roots: ${names.join(", ")}`, {
  timeout: 120_000 * FUZZ,
}, async () => {
  const done = new Map(names.map((name) => [name, 0]));
  const batches = new Set<number>();
  let total = 0;
  for (let seed = 1; total < REPLAYS; seed++) {
    const config = randomConfig(seed);
    const { program, weights } = compileLlama(config, randomTensors(config, seed));
    const random = prng(seed);
    const maxBatch = BATCHES[seed % BATCHES.length]!;
    batches.add(maxBatch);
    const engines = await Promise.all(
      BACKENDS.map(async ({ machine }) =>
        batchEngine(await machine(program, weights, { threads: random.pick(THREADS), maxBatch }), program),
      ),
    );
    const all = [referenceEngine(program, weights), ...engines];
    const asked = Array.from({ length: ANSWERS }, (_, n) => ({
      input: {
        prompt: Array.from({ length: random.int(1, program.contextLength - 8) }, () =>
          random.int(0, config.vocab_size - 1),
        ),
        temperature: random.pick([0, 30_000, 65_536]),
        requestHash: toHex(new Uint8Array(32).fill(random.int(0, 255))),
        saltKey: new Uint8Array(32).fill(n),
      },
      count: random.int(1, 8),
      // Backends take turns in generating what all replay.
      by: all[(seed + n) % all.length]!,
    }));
    const answers = await Promise.all(asked.map(({ input, count, by }) => generate(by, input, count)));
    for (const [i, engine] of all.entries()) {
      const replays = await Promise.all(answers.map(({ input, outputs }) => engine.replay(input, outputs)));
      const got = replays.map(({ tokens, records }) => [tokens, rootOf(records)]);
      expect(got, `${names[i]}, model ${seed}, batches of ${maxBatch}`).toEqual(
        answers.map(({ outputs, traceRoot }) => [outputs, traceRoot]),
      );
      done.set(names[i]!, done.get(names[i]!)! + replays.length);
      total += replays.length;
    }
    for (const engine of engines) engine.close();
  }
  // Every backend has taken its part.
  for (const count of done.values()) expect(count).toBeGreaterThanOrEqual(Math.floor(REPLAYS / names.length));
  if (FUZZ > 1) console.log({ replays: total, byBackend: Object.fromEntries(done), batches: [...batches] });
});
