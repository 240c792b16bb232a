import { describe, expect, it } from "vitest";
import { flipBit } from "../adversary/lie.ts";
import { misrecordingEngine } from "../adversary/misrecording.ts";
import { requantised } from "../adversary/requantised.ts";
import { toHex, word } from "../commit/bytes.ts";
import { NOBODY } from "../commit/typed-data.ts";
import { compileLlama } from "../compiler/llama.ts";
import { randomConfig, randomTensors } from "../compiler/random.ts";
import type { PlayableModel } from "../dispute/answer.ts";
import { openEngine } from "../engine/backends.ts";
import { referenceEngine } from "../engine/reference.ts";
import type { Engine } from "../engine/types.ts";
import { secondOpinion } from "./second-opinion.ts";
import { bundles } from "./testing/bundles.ts";
import { findFault } from "./verify.ts";

const CONFIG = randomConfig(4);
const { program, weights } = compileLlama(CONFIG, randomTensors(CONFIG, 4));
const ANSWER = {
  domain: { chainId: 1, rollup: NOBODY },
  modelId: toHex(word(1)),
  prompt: [1, 2, 3],
  outputs: [] as number[],
};
const ROW = program.instructions.findIndex(({ role }) => role === 1);
const STEP = 4;

const reference = referenceEngine(program, weights);
ANSWER.outputs = await (async () => {
  const input = { prompt: ANSWER.prompt, requestHash: toHex(word(0)), temperature: 0, saltKey: word(0) };
  const sequence = reference.sequence(input);
  for (let i = 0; i < 4; i++) await sequence.next();
  return [...sequence.outputs];
})();

/** The model as a fisherman has it: everything but one step of the reference machine runs on the first engine. */
const playable = (engine: Engine): PlayableModel => ({
  engine,
  fresh: async () => ({ program, weights, engine: () => Promise.reject(new Error("no step needs another engine")) }),
  disputed: {} as never,
  contextLength: program.contextLength,
});

describe("the second opinion of a record", () => {
  it.each(["reference", "wasm"] as const)(
    "is that of the reference machine, over rows that %s cached",
    async (backend) => {
      const engine = await openEngine(program, weights, { backend, threads: 2 });
      const liar = misrecordingEngine(engine, program, { step: STEP, row: ROW, change: (row) => flipBit(row, 0) });
      const bundle = await bundles(liar, ANSWER)();
      const fault = await findFault(engine, bundle, program.contextLength);
      expect(fault).toEqual({ kind: "record", step: STEP });
      expect(await secondOpinion(playable(engine), bundle, fault!)).toEqual(fault);
      // A machine that finds fault with an honest record is alone with it.
      const honest = await bundles(engine, ANSWER)();
      for (const step of [0, 2, STEP])
        expect(await secondOpinion(playable(engine), honest, { kind: "record", step })).toBeUndefined();
      engine.close();
    },
  );

  it("sees a wrong token, a wrong salt and the weights of a cheaper copy", async () => {
    const make = bundles(reference, ANSWER);
    const cheap = referenceEngine(program, requantised(weights, 3));
    for (const [step, bundle] of [
      [3, await make({ records: (records) => (records[3] = { ...records[3], token: 1 + records[3].token }) })],
      [1, await make({ records: (records) => (records[1] = { ...records[1], salt: word(7) }) })],
      [0, await bundles(cheap, ANSWER)()],
    ] as const)
      expect(await secondOpinion(playable(reference), bundle, { kind: "record", step })).toEqual({
        kind: "record",
        step,
      });
  });

  it("takes no cached row that the executor's own records do not hold", async () => {
    // The first engine computes step 2 otherwise than the executor, and blames step 4.
    const broken = misrecordingEngine(reference, program, { step: 2, row: ROW, change: (row) => flipBit(row, 3) });
    const liar = misrecordingEngine(reference, program, { step: STEP, row: ROW, change: (row) => flipBit(row, 0) });
    const bundle = await bundles(liar, ANSWER)();
    expect(await secondOpinion(playable(broken), bundle, { kind: "record", step: STEP })).toEqual({
      kind: "record",
      step: 2,
    });
  });
});
