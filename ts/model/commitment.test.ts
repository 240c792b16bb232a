import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toHex } from "../commit/bytes.ts";
import { TAGS } from "../commit/tags.ts";
import { compileLlama } from "../compiler/llama.ts";
import type { WeightStore } from "../machine/weights.ts";
import { huggingFaceConfig } from "./architectures.ts";
import { commitWeights, weightsTreeOf } from "./commitment.ts";
import { weightsKey } from "./commitment-cache.ts";
import { FAMILIES, familyTensors } from "./testing/families.ts";

let cacheDir: string;
let weights: WeightStore;
let expected: { root: string; rootP: bigint };
beforeAll(async () => {
  cacheDir = mkdtempSync(join(tmpdir(), "otr-commit-"));
  const [family] = FAMILIES;
  weights = compileLlama(huggingFaceConfig(family.config), familyTensors(family, 5)).weights;
  const plain = await commitWeights(weights, { cacheDir, kernelsFrom: Number.POSITIVE_INFINITY });
  expected = { root: toHex(plain.tree.root(TAGS.weights)), rootP: plain.weightsRootP };
});
afterAll(() => rmSync(cacheDir, { recursive: true }));

const commit = async (threads = 2, onProgress?: (done: number) => void) => {
  const options = { cacheDir, threads, kernelsFrom: 0 };
  const got = await commitWeights(weights, {
    ...options,
    ...(onProgress && { onProgress: (_, done) => onProgress(done) }),
  });
  expect(toHex(got.tree.root(TAGS.weights))).toBe(expected.root);
  expect(got.weightsRootP).toBe(expected.rootP);
  return got.cachedRows;
};
const folder = () => join(cacheDir, "commitments");
const whole = () => join(folder(), `${weightsKey(weights)}.bin`);
const partial = () => join(folder(), `${weightsKey(weights)}.partial`);

describe("commitments to weights", () => {
  it("by threads and kernels are those of the specification, and come from the cache afterwards", async () => {
    const seen: number[] = [];
    expect(await commit(2, (done) => seen.push(done))).toBe(0);
    expect(seen).toEqual([...seen].sort((x, y) => x - y));
    expect(seen.at(-1)).toBe(weights.count);
    expect(await commit()).toBe(weights.count);
    expect(readdirSync(folder())).toEqual([`${weightsKey(weights)}.bin`]);
    const tree = await weightsTreeOf(weights, { cacheDir, kernelsFrom: 0 });
    expect(toHex(tree.root(TAGS.weights))).toBe(expected.root);
  });

  it("go on where a process stopped, whatever it left at the end of the log", async () => {
    rmSync(whole(), { force: true });
    // Killed: the log is kept as it was when half of the rows were done.
    let log: Buffer | undefined;
    await commit(1, (done) => {
      if (log === undefined && done > weights.count / 2) log = readFileSync(partial());
    });
    expect(existsSync(partial())).toBe(false);
    for (const torn of [0, 1, 50]) {
      rmSync(whole());
      writeFileSync(partial(), log!.subarray(0, log!.length - torn));
      if (torn === 0) appendFileSync(partial(), "half a record");
      const cached = await commit();
      expect(cached).toBeGreaterThan(0);
      expect(cached).toBeLessThan(weights.count);
      expect(existsSync(partial())).toBe(false);
    }
  });

  it("are computed again if the cache is damaged", async () => {
    await commit();
    const bytes = readFileSync(whole());
    for (const at of [0, Math.floor(bytes.length / 2), bytes.length - 1]) {
      const damaged = Buffer.from(bytes);
      damaged[at] ^= 1;
      writeFileSync(whole(), damaged);
      expect(await commit()).toBe(0);
    }
    truncateSync(whole(), 100);
    expect(await commit()).toBe(0);
  });
});
