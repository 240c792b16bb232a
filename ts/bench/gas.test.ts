import { beforeAll, describe, expect, it } from "vitest";
import { type GasFigures, measureGas, readGasSnapshot } from "./gas.ts";

/** Bars of the design, in gas. */
const COMMIT_BAR = 110;
const STEP_BAR = 160_000;
const WHOLE_ROW_BAR = 210_000;

let measured: GasFigures;
beforeAll(async () => {
  measured = await measureGas();
});

describe("gas of whole transactions", () => {
  it("is what the snapshot says; after a change that is meant: npm run -s bench -- gas --write", () => {
    expect(measured).toEqual(readGasSnapshot());
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
