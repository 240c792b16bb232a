import { describe, expect, it } from "vitest";
import { bitFlip } from "../adversary/lie.ts";
import { lyingEngine } from "../adversary/lying-engine.ts";
import { equal } from "../commit/bytes.ts";
import { cacheRootOf, recordLeaf, SENTINEL_TOKEN, traceTree } from "../commit/record.ts";
import { rowLeaf } from "../commit/row.ts";
import { compileLlama } from "../compiler/llama.ts";
import { randomConfig, randomTensors } from "../compiler/random.ts";
import { ELEMENT_CODE, rowBytes } from "../machine/types.ts";
import { referenceEngine } from "./reference.ts";
import type { SequenceInput } from "./types.ts";

const model = (seed: number) => {
  const config = randomConfig(seed);
  return { config, ...compileLlama(config, randomTensors(config, seed)) };
};

const input = (prompt: number[], temperature = 65_536): SequenceInput => ({
  prompt,
  temperature,
  requestHash: `0x${"17".repeat(32)}`,
  saltKey: new Uint8Array(32).fill(5),
});

async function generate(engine: ReturnType<typeof referenceEngine>, request: SequenceInput, count: number) {
  const sequence = engine.sequence(request);
  for (let i = 0; i < count; i++) await sequence.next();
  return { outputs: [...sequence.outputs], records: [...sequence.records] };
}

describe("referenceEngine", () => {
  it("replays what it generates, record for record", async () => {
    for (const seed of [1, 2, 3]) {
      const { program, weights } = model(seed);
      const engine = referenceEngine(program, weights);
      const request = input([3, 1, 4]);
      const { outputs, records } = await generate(engine, request, 6);
      const replay = await engine.replay(request, outputs);
      expect(replay.tokens).toEqual(outputs);
      expect(records).toHaveLength(3 + 6 - 1);
      expect(equal(traceTree(replay.records).top, traceTree(records).top)).toBe(true);
      expect(records.slice(0, 2).map(({ token }) => token)).toEqual([SENTINEL_TOKEN, SENTINEL_TOKEN]);
    }
  });

  it("gives for every step a fine trace that its record commits to", async () => {
    const { program, weights } = model(4);
    const engine = referenceEngine(program, weights);
    const request = input([1, 2, 3, 4], 0);
    const { outputs, records } = await generate(engine, request, 4);
    for (let step = 0; step < records.length; step++) {
      const { rows, cache } = await engine.fine(request, outputs, step);
      const cached = rows.filter((_, i) => program.instructions[i].role === 1);
      const leaves = cached.map((row) => rowLeaf(ELEMENT_CODE[row.type], row.data.length, rowBytes(row)));
      expect(equal(cacheRootOf(leaves), records[step].cacheRoot)).toBe(true);
      expect(cached[0]).toEqual(cache.row(0, step));
    }
  });

  it("differs from a lying engine from the step of the lie on", async () => {
    const { program, weights } = model(5);
    const row = program.instructions.findIndex(({ role }) => role === 1);
    const request = input([1, 2, 3], 0);
    const honest = referenceEngine(program, weights);
    const { outputs, records } = await generate(honest, request, 4);
    const liar = lyingEngine(program, weights, bitFlip(2, row, 3, false));
    const lied = await generate(liar, request, 4);
    expect(lied.outputs).toEqual(outputs);
    const same = records.map((record, t) => equal(recordLeaf(record), recordLeaf(lied.records[t])));
    expect(same).toEqual([true, true, false, true, true, true]);
  });
});
