import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { kernelModule } from "../commit/kernel-module.ts";
import { generate } from "../machine/generate.ts";
import { loadModel } from "../model/load.ts";
import { FAMILIES, type Family, familyGguf, familyTensors } from "../model/testing/families.ts";
import { main } from "./program.ts";

let dir: string;
let file: string;
let cacheDir: string;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "otr-models-"));
  cacheDir = join(dir, "cache");
  file = join(dir, "Small Model.gguf");
  const family = FAMILIES.find(({ name }) => name === "SmolLM2")!;
  writeFileSync(file, familyGguf(family, familyTensors(family, 1)));
  // The commands find them compiled.
  await kernelModule("rows", cacheDir);
  await kernelModule("poseidon", cacheDir);
});
afterAll(() => rmSync(dir, { recursive: true }));

/** Runs a command; its exit code, its JSON result and what it said on stderr. */
async function otr(...args: string[]) {
  let [out, err] = ["", ""];
  const streams = {
    stdout: { write: (text: string) => (out += text) },
    stderr: { write: (text: string) => (err += text) },
  };
  const code = await main(["--json", ...args], { OTR_CACHE_DIR: cacheDir }, streams);
  return { code, result: out.startsWith("{") ? JSON.parse(out) : out, error: err };
}

describe("otr model", () => {
  it("imports a GGUF file to a package that runs", async () => {
    const out = join(dir, "package");
    const { code, result } = await otr("model", "import", file, "--out", out, "--context", "40");
    expect(code).toBe(0);
    expect(result).toMatchObject({ folder: out, name: "small-model", manifest: { contextLength: 40, vocabSize: 320 } });
    const model = await loadModel(out, { modelId: result.modelId });
    expect(model.stopTokens).toEqual([3]);
    expect(model.description.about.licence).toBe("mit");
    const request = { prompt: [5, 6], maxOut: 4, requestHash: `0x${"00".repeat(32)}`, temperature: 0 } as const;
    expect(generate(model.program, model.weights, request).length).toBeGreaterThan(0);

    const again = await otr("model", "import", file, "--out", out);
    expect(again.code).toBe(1);
    expect(JSON.parse(again.error).error.code).toBe("model.exists");
    expect((await otr("model", "import", file, "--out", out, "--replace", "--context", "40")).code).toBe(0);
    expect((await otr("model", "verify", out, "--deep")).result).toMatchObject({ ok: true, modelId: result.modelId });
    expect((await otr("model", "inspect", out)).result).toMatchObject({
      kind: "package",
      name: "small-model",
      spotChecks: { provable: true, provablePositions: 40 },
    });
    // The same commitments, from the package and from the file.
    const committed = await otr("model", "commit", out);
    expect(committed.result).toMatchObject({ modelId: result.modelId, ...result.manifest });
    expect((await otr("model", "commit", file, "--context", "40")).result.modelId).toBe(result.modelId);
  });

  it("inspects a GGUF file", async () => {
    const { result } = await otr("model", "inspect", file);
    expect(result).toMatchObject({
      kind: "GGUF",
      licence: "mit",
      tensorTypes: { F32: 20 },
      config: { layers: 2, tied: true },
      tokenizer: { stopTokens: [3], specialTokens: 4, chatTemplate: true },
    });
  });

  it("says what is wrong, and writes nothing", async () => {
    const cut = join(dir, "cut.gguf");
    writeFileSync(cut, "GGUF");
    const before = readdirSync(dir);
    for (const command of ["import", "inspect", "commit"]) {
      const { code, error } = await otr("model", command, cut);
      expect(code).toBe(1);
      expect(JSON.parse(error).error.code).toBe("model.gguf");
    }
    expect((await otr("model", "fetch", "no-such-model")).code).toBe(2);
    expect((await otr("model", "fetch", "smollm2", "--index", "http://127.0.0.1:1")).error).toContain("model.download");
    expect(readdirSync(dir)).toEqual(before);
    expect((await otr("model", "import", "--help")).result).toContain("--context <tokens>");
  });

  it("commit goes on after kill -9", async () => {
    // Large enough that it does not end at once: 1.9 MB of weights.
    const base = FAMILIES.find(({ name }) => name === "SmolLM2")!;
    const family: Family = { ...base, config: { ...base.config, hidden_size: 192, intermediate_size: 1024 } };
    const large = join(dir, "large.gguf");
    writeFileSync(large, familyGguf(family, familyTensors(family, 1)));
    // What is interrupted is the commitment: rounding takes no part.
    const commit = ["model", "commit", large, "--no-calibrate"];
    const args = ["--json", ...commit, "--threads", "1"];
    // The knobs of tests are no settings of the command.
    const environment = Object.entries(process.env).filter(([name]) => !name.startsWith("OTR_"));
    const child = spawn(process.execPath, ["--import", "tsx", "ts/cli/main.ts", ...args], {
      env: { ...Object.fromEntries(environment), OTR_CACHE_DIR: cacheDir },
      stdio: "ignore",
    });
    const folder = join(cacheDir, "commitments");
    const ended = once(child, "exit");
    const begun = () =>
      existsSync(folder) &&
      readdirSync(folder).some((name) => name.endsWith(".partial") && statSync(join(folder, name)).size > 0);
    while (!begun() && child.exitCode === null) await sleep(5);
    child.kill("SIGKILL");
    expect(await ended).toEqual([null, "SIGKILL"]);

    const { code, result } = await otr(...commit, "--threads", "1");
    expect(code).toBe(0);
    expect(result.cachedRows).toBeGreaterThan(0);
    expect(result.cachedRows).toBeLessThan(result.weightRows);
    expect(readdirSync(folder).filter((name) => name.endsWith(".partial"))).toEqual([]);
    rmSync(folder, { recursive: true });
    expect(await otr(...commit)).toMatchObject({ result: { modelId: result.modelId, cachedRows: 0 } });
  });
});
