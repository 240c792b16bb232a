import { beforeAll, describe, expect, it } from "vitest";
import { type GasFigures, measureGas, readGasSnapshot } from "./gas.ts";

/** Bars of the design, in gas. */
const COMMIT_BAR = 110;
const STEP_BAR = 160_000;
const WHOLE_ROW_BAR = 210_000;
/** Whole disputes, from the opening to the verdict; the executor's moves. */
const DISPUTE_BARS = { dispute24: 1_000_000, dispute70B: 1_300_000, disputeJump: 500_000 } as const;
const EXECUTOR_MOVES_BAR = 9;
/** Whole disputes at 2^24 leaves, about any instruction. */
const WALK_BAR = 1_000_000;
const JUMP_BAR = 500_000;
/** A fold of more than 64 blocks: two posts of accumulators and the choice between them are four transactions more. */
const PARTS_BAR = 1_250_000;
/** Folds of several blocks there: not one move, but posts of the executor, decide them. */
const LONG_FOLDS = ["fold_sumsq", "fold_amax", "fold_max", "fold_sum", "fold_pick", "fold_mix"];

let measured: GasFigures;
beforeAll(async () => {
  measured = (await measureGas()).figures;
});

describe("gas of whole transactions", () => {
  it("is what the snapshot says; after a change that is meant: npm run -s bench -- gas --write", () => {
    expect(measured).toEqual(readGasSnapshot());
  });

  it.each(Object.entries(DISPUTE_BARS))("of a whole dispute is within its bar: %s", (name, bar) => {
    const { gas, executorMoves } = measured[name as keyof typeof DISPUTE_BARS];
    expect(gas).toBeLessThanOrEqual(bar);
    expect(executorMoves).toBeLessThanOrEqual(EXECUTOR_MOVES_BAR);
  });

  it("of a whole dispute is within its bar, whatever the instruction", () => {
    const { walk, jump } = measured.byInstruction;
    const above = (gas: Readonly<Record<string, number>>, bar: number) =>
      Object.keys(gas).filter((instruction) => gas[instruction] > bar);
    expect(above(walk, WALK_BAR)).toEqual(["fold_mix"]);
    expect(above(walk, PARTS_BAR)).toEqual([]);
    expect(above(jump, JUMP_BAR)).toEqual(LONG_FOLDS);
  });

  it("meets the bars", () => {
    expect(measured.commitPerReceipt).toBeLessThanOrEqual(COMMIT_BAR);
    for (const [name, gas] of Object.entries(measured.oneStep))
      expect({ name, gas: Math.max(gas, 0) }).toEqual({
        name,
        gas: Math.min(gas, name === "fold_dot" ? WHOLE_ROW_BAR : STEP_BAR),
      });
  });
});
