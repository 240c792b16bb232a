import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { downgradeEngine } from "../adversary/downgrade.ts";
import { generate } from "../adversary/random-fault.ts";
import { toHex } from "../commit/bytes.ts";
import { ModelFileMissingError } from "../model/errors.ts";
import { DEFAULT_INDEX } from "../model/fetch.ts";
import { FAMILIES, familyGguf, familyTensors } from "../model/testing/families.ts";
import { type Cast, realCast } from "./cast.ts";
import type { Screen } from "./screen.ts";

const lines: string[] = [];
const screen: Screen = {
  heading: (text) => void lines.push(text),
  line: (text = "") => void lines.push(text),
  text: (text) => void lines.push(text),
  progress: (text) => void lines.push(text),
};
const INPUT = {
  prompt: [1, 2, 3],
  requestHash: toHex(new Uint8Array(32)),
  temperature: 0,
  saltKey: new Uint8Array(32),
};

describe("the demo's cast", () => {
  let scratch: string;
  beforeAll(() => {
    scratch = mkdtempSync(join(tmpdir(), "otr-cast-"));
  });
  afterAll(() => rmSync(scratch, { recursive: true }));

  const cheats = async ({ model, cheaper }: Cast) => {
    const sold = { ...model.loaded, engine: model.engine };
    const [honest, cheap] = [model.engine, downgradeEngine(sold, cheaper)];
    const [first, second] = [await generate(honest, INPUT, 3), await generate(cheap, INPUT, 3)];
    expect(second.records).toHaveLength(first.records.length);
    expect(second.records[0]).not.toEqual(first.records[0]);
    for (const engine of [model.engine, cheaper.engine]) engine.close();
  };

  it("plays with a package where it lies, and with a copy of fewer bits", async () => {
    const cast = await realCast("models/tale-300k", DEFAULT_INDEX, screen);
    expect(cast.folder).toBe("models/tale-300k");
    await cheats(cast);
  });

  it("imports a GGUF file, tells how far it is, and keeps the package until the process ends", async () => {
    const [family] = FAMILIES;
    const file = join(scratch, "A Model.Q8.gguf");
    writeFileSync(file, familyGguf(family!, familyTensors(family!, 3)));
    const cast = await realCast(file, DEFAULT_INDEX, screen);
    expect(cast.model.loaded.name).toBe("a-model.q8");
    expect(lines.filter((line) => line.startsWith("weightsRoot over")).at(-1)).toContain("100%");
    expect(lines.filter((line) => line.startsWith("weightsRootP over")).at(-1)).toContain("100%");
    expect(existsSync(cast.folder)).toBe(true);
    rmSync(dirname(cast.folder), { recursive: true });
    await cheats(cast);
  });

  it("refuses what is no model", async () => {
    await expect(realCast(join(scratch, "none"), DEFAULT_INDEX, screen)).rejects.toThrow(ModelFileMissingError);
  });
});
