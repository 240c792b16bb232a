import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { drawnElement } from "../circuits/drawn-element.ts";
import { hashWords, toHex } from "../commit/bytes.ts";
import { stepContext } from "../machine/step.ts";
import { gasAtMost, MOST_GAS } from "../spotcheck/joint-proofs.ts";
import { DrawGas } from "./draw-gas.ts";
import { SMOL_135M, shapeOf } from "./geometries.ts";
import { gasOfDraws } from "./spotcheck.ts";

const { program } = shapeOf(SMOL_135M);
const readSnapshot = (name: string) =>
  JSON.parse(readFileSync(`snapshots/${name}.json`, "utf8")) as Record<string, string>;
const HASH = `0x${"11".repeat(32)}` as const;

describe("the gas of what is drawn", () => {
  const gas = new DrawGas();

  for (const [t, blocks, steps, rounds] of [
    [511, 4, 1, 3000],
    [31, 1, 1, 3000],
    [3, 4, 1, 3000],
    [511, 4, 10, 500],
  ] as const)
    it(`is expected as real draws give it, at position ${t}, of ${steps} steps together`, () => {
      const pairs = 4;
      const expected = gas.expected(program, { steps, t, pairs, blocks });
      const context = { ...stepContext({ t, nIn: 1, token: 0, temperature: 0, requestHash: HASH }), emitted: 5 };
      let [spent, spentSquared, proofs, transactions, longSteps] = [0, 0, 0, 0, 0];
      for (let round = 0; round < rounds; round++) {
        const value = toHex(hashWords(new Uint8Array(32), round));
        // As many numbers of pairs as all steps have: they are independent.
        const drawn = Array.from({ length: steps }, (_, step) =>
          Array.from({ length: pairs }, (_, k) => {
            const element = drawnElement(program.instructions, HASH, context, { pair: pairs * step + k, value });
            return gas.proofOf(element, context, blocks);
          }),
        );
        let all = 0;
        for (const long of [false, true]) {
          const together = drawn
            .map((each) => each.filter((proof) => proof.long === long))
            .filter((each) => each.length);
          if (together.length === 0) continue;
          all += gas.transaction(together.flat(), together.length);
          transactions++;
          if (long) longSteps += together.length;
        }
        spent += all;
        spentSquared += all ** 2;
        for (const proof of drawn.flat()) proofs += proof.proofs;
      }
      const mean = spent / rounds;
      const error = Math.sqrt((spentSquared / rounds - mean ** 2) / rounds);
      expect(Math.abs(mean - expected.gas)).toBeLessThan(4 * error);
      expect(Math.abs(proofs / rounds / expected.proofs - 1)).toBeLessThan(0.03);
      expect(Math.abs(longSteps / rounds - expected.longSteps)).toBeLessThan(0.05 * steps);
      expect(transactions / rounds).toBeCloseTo(expected.transactions, 1);
    });

  it("of ten receipts together is within what the executor sends in one transaction, of 99% of all draws", () => {
    const court = Number(readSnapshot("draws")["provePairs without verifier, 10 receipts together"]);
    const context = { ...stepContext({ t: 511, nIn: 1, token: 0, temperature: 0, requestHash: HASH }), emitted: 5 };
    let fit = 0;
    const rounds = 300;
    for (let round = 0; round < rounds; round++) {
      const value = toHex(hashWords(new Uint8Array(32), round));
      const pairs = Array.from({ length: 40 }, (_, pair) =>
        gas.proofOf(drawnElement(program.instructions, HASH, context, { pair, value }), context, 4),
      ).filter(({ long }) => !long);
      const most = gasAtMost(
        10,
        pairs.reduce((sum, { proofs }) => sum + proofs, 0),
      );
      expect(gas.transaction(pairs, 10) + court).toBeLessThan(most);
      if (most <= MOST_GAS) fit++;
    }
    expect(fit / rounds).toBeGreaterThan(0.99);
  });

  it("stays below 10,000 for each receipt at 1%, four pairs each, ten receipts together", () => {
    const { receiptsTogether, gasPerReceipt, gasPerReceiptAlone } = gasOfDraws();
    expect(receiptsTogether).toBe(10);
    expect(gasPerReceipt).toBeLessThan(10_000);
    expect(gasPerReceipt).toBeLessThan(gasPerReceiptAlone);
  });

  it("is what forge measured of four pairs together, to 2%, and no less than those of ten steps", () => {
    const snapshot = readSnapshot("spotchecks");
    const names = ["dequant", "gate", "fold_dot", "quantize"];
    const measured = Number(snapshot[`four pairs together: ${names.join(", ")}`]);
    const parts = readSnapshot("pairs");
    const sum = (some: readonly string[]) => some.reduce((all, name) => all + Number(parts[name]), 0);
    const once = sum(["transaction", "circuit map", "circuit dot"]);
    expect(Math.abs((once + sum(names)) / measured - 1)).toBeLessThan(0.02);
    // An input that is zero in a pair of each circuit is paid with each other pair here, and once there.
    const ten =
      (once + 10 * sum(names) + 9 * sum(["another step"])) /
      Number(snapshot["the same four pairs of 10 steps together"]);
    expect(ten).toBeGreaterThan(1);
    expect(ten).toBeLessThan(1.06);
  });
});
