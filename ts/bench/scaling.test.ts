import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type TraceRecord, traceTree } from "../commit/record.ts";
import { rowTree } from "../commit/row.ts";
import { Tree } from "../commit/tree.ts";
import { compileLlama, compileProgram } from "../compiler/llama.ts";
import { randomConfig, randomTensors } from "../compiler/random.ts";
import { referenceEngine } from "../engine/reference.ts";
import { rowBytes } from "../machine/types.ts";
import { lineThrough } from "./law.ts";
import { countModel, gasLaws, onH100, readScaling } from "./scaling.ts";
import { drawScaling, SCALING_PLOT } from "./scaling-plot.ts";
import { fineTraceBytes, nodesAbove, stepCost } from "./step-cost.ts";

describe("the cost of a step", () => {
  it("is what trees over its rows hash, and what its rows hold", async () => {
    for (const seed of [1, 2, 5]) {
      const config = randomConfig(seed);
      const tensors = randomTensors(config, seed);
      const { program, weights } = compileLlama(config, tensors);
      const { sections } = compileProgram(config, tensors).weights;
      const shape = { program, sections, nIn: 3, steps: 6, vocabSize: config.vocab_size };
      const cost = stepCost(shape);
      const input = {
        prompt: [1, 2, 3],
        requestHash: `0x${"11".repeat(32)}` as const,
        temperature: 0,
        saltKey: new Uint8Array(32),
      };
      const { rows } = await referenceEngine(program, weights).fine(input, [4, 5], 4);
      const cached = rows.filter((_, i) => program.instructions[i]!.role === 1).map(rowBytes);
      const trees = cached.map(rowTree);
      const inner = (tree: Tree) => tree.levels.slice(1).reduce((sum, level) => sum + level.length / 32, 0);
      expect(cost.cachedBytes).toBe(cached.reduce((sum, bytes) => sum + bytes.length, 0));
      expect(cost.sha256).toBe(trees.reduce((sum, tree) => sum + tree.count, 0));
      // Trees of the rows and their leaves, the tree over these with its root, salt, record, and a node of the trace.
      const above = trees.reduce((sum, tree) => sum + inner(tree), 0);
      const overRows = inner(Tree.of(cached.map(() => new Uint8Array(32))));
      expect(cost.keccak).toBe(above + cached.length + overRows + 1 + 2 + 1);
      expect(fineTraceBytes(shape, 4)).toBe(rows.reduce((sum, row) => sum + row.data.byteLength, 0));
      expect(cost.weightBytes).toBeLessThanOrEqual(weights.buffer.byteLength);
    }
  });

  it("has about one node of the trace for each record", () => {
    const record: TraceRecord = { salt: new Uint8Array(32), token: 1, cacheRoot: new Uint8Array(32) };
    for (const count of [1, 2, 5, 512]) {
      const { levels } = traceTree(Array.from({ length: count }, () => record));
      expect(nodesAbove(count)).toBe(levels.slice(1).reduce((sum, level) => sum + level.length / 32, 0));
      expect(nodesAbove(count)).toBeLessThanOrEqual(count + Math.ceil(Math.log2(count)));
    }
  });
});

describe("the committed figures", () => {
  const figures = readScaling();

  it.each(["135M", "1B", "70B"])("count %s as its program does", (model) => {
    expect(countModel(model)).toEqual(figures.models.find((each) => each.model === model));
  });

  it("are what the plot shows; after a change that is meant: npm run -s bench -- scaling --write", () => {
    expect(readFileSync(SCALING_PLOT, "utf8")).toBe(drawScaling(figures));
  });

  it("obey their laws: gas grows by a constant with each doubling of size or context", () => {
    const { models, disputes, gasBySize, gasByContext, h100 } = figures;
    expect(gasLaws(models, disputes)).toEqual({ gasBySize, gasByContext });
    expect(onH100(models)).toEqual(h100);
    expect(gasBySize.worst).toBeLessThan(0.03);
    expect(gasByContext.worst).toBeLessThan(0.01);
    for (const { gas, executorMoves } of disputes) {
      expect(gas).toBeLessThanOrEqual(1_300_000);
      expect(executorMoves).toBeLessThanOrEqual(9);
    }
  });
});

describe("a fitted line", () => {
  it("goes through points on it, and tells how far others are", () => {
    const { base, slope, worst } = lineThrough([
      [1, 5],
      [2, 7],
      [4, 11],
    ]);
    expect([base, slope, worst].map((value) => Number(value.toFixed(9)))).toEqual([3, 2, 0]);
    expect(
      lineThrough([
        [0, 1],
        [1, 3],
        [2, 2],
      ]).worst,
    ).toBeCloseTo(0.5);
  });
});
