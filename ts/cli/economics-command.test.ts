import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { main } from "./program.ts";

const MODEL = fileURLToPath(new URL("../../models/tale-300k", import.meta.url));

async function otr(...args: string[]) {
  let [out, err] = ["", ""];
  const streams = {
    stdout: { write: (text: string) => (out += text) },
    stderr: { write: (text: string) => (err += text) },
  };
  return { code: await main(args, {}, streams), out, err };
}

describe("otr economics", () => {
  it("says what each lie costs", async () => {
    const { code, out } = await otr("--json", "economics", MODEL, "--gain", "2", "--burnt", "0.5");
    expect(code).toBe(0);
    const { instructions, withheld, lies, terms } = JSON.parse(out);
    expect(terms).toEqual({ rho: 0.01, pairs: 4, blocks: 1 });
    expect(withheld).toBe(0.01);
    for (const { spared, detection, requiredStake } of lies) {
      expect(requiredStake / ((2 * spared) / detection / 0.5)).toBeCloseTo(1, 9);
      expect(detection).toBeLessThanOrEqual(0.01 * (1 - (1 - 1.01 / instructions) ** 4));
    }
    const [embedding] = lies;
    // Ten times as many draws, ten times less at stake; fishermen make the rest small.
    const more = JSON.parse((await otr("--json", "economics", MODEL, "--rate", "0.1", "--gain", "2")).out);
    expect(more.lies[0].requiredStake).toBeCloseTo(embedding.requiredStake / 10, 6);
    const watched = JSON.parse((await otr("--json", "economics", MODEL, "--recomputed", "1", "--gain", "2")).out);
    expect(watched.lies[0].requiredStake).toBeLessThan(4.01);
    expect((await otr("economics", MODEL)).out).toContain("constant embedding");
  });

  it("refuses shares that are none", async () => {
    for (const args of [
      ["--rate", "0"],
      ["--rate", "2"],
      ["--burnt", "0"],
      ["--recomputed", "1.5"],
      ["--pairs", "0"],
    ])
      expect((await otr("economics", MODEL, ...args)).code, args.join(" ")).toBe(2);
  });
});
