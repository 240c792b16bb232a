import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BaseError } from "../errors.ts";
import { generate } from "../machine/generate.ts";
import { rowsEqual } from "../machine/types.ts";
import {
  ModelCorruptError,
  ModelExistsError,
  ModelFileMissingError,
  ModelFormatError,
  ModelMismatchError,
  ModelTruncatedError,
} from "./errors.ts";
import { sha256Hex, writeFolder } from "./folder.ts";
import { loadModel, verifyDeep } from "./load.ts";
import { modelIdOf } from "./manifest.ts";
import { type PackedModel, packModel, writePackage } from "./pack.ts";
import { formatDescription, MODEL_JSON, type ModelDescription, PACKAGE_FILES, parseDescription } from "./package.ts";
import { bigramModel } from "./testing/packages.ts";

const content = bigramModel();
let root: string;
let good: string;
let packed: PackedModel;
let copies = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "otr-model-"));
  good = join(root, "bigram");
  packed = await packModel(content);
  await writePackage(good, packed);
});
afterAll(() => rm(root, { recursive: true }));

/** A copy of the good package, to be damaged. */
async function copy(): Promise<string> {
  const dir = join(root, `copy-${copies++}`);
  await cp(good, dir, { recursive: true });
  return dir;
}

async function flip(dir: string, file: string, at: number): Promise<void> {
  const bytes = await readFile(join(dir, file));
  bytes[at] ^= 1;
  await writeFile(join(dir, file), bytes);
}

async function edit(dir: string, change: (description: ModelDescription) => ModelDescription): Promise<void> {
  const path = join(dir, MODEL_JSON);
  await writeFile(path, formatDescription(change(parseDescription(await readFile(path, "utf8")))));
}

/** States the manifest's hash anew, as somebody would who forges a package with care. */
const restate = (description: ModelDescription, manifest: Partial<ModelDescription["manifest"]>): ModelDescription => {
  const changed = { ...description.manifest, ...manifest };
  return { ...description, manifest: changed, modelId: modelIdOf(changed) };
};

async function failure(dir: string): Promise<BaseError> {
  return loadModel(dir).then(
    () => expect.unreachable("the package was accepted"),
    (error: BaseError) => error,
  );
}

describe("package", () => {
  it("comes back as it was packed", async () => {
    const model = await loadModel(good, { modelId: packed.description.modelId });
    expect(model.program).toEqual(content.program);
    expect(model.weights.count).toBe(content.weights.count);
    for (let i = 0; i < model.weights.count; i++) {
      expect(rowsEqual(model.weights.row(i), content.weights.row(i)), `row ${i}`).toBe(true);
    }
    expect(model.manifest).toEqual(packed.description.manifest);
    expect(model.modelId).toBe(modelIdOf(model.manifest));
    expect(model.weightsTree.count).toBe(model.manifest.weightRows);
    const prompt = model.tokenizer.applyChatTemplate([{ role: "user", content: "hey" }]);
    const request = { prompt, maxOut: 8, requestHash: `0x${"11".repeat(32)}`, temperature: 0 } as const;
    expect(generate(model.program, model.weights, request)).toEqual(
      generate(content.program, content.weights, request),
    );
    await verifyDeep(model);
    expect((await readdir(good)).sort()).toEqual([MODEL_JSON, ...PACKAGE_FILES].sort());
  });

  it("is the same bytes whenever it is packed", async () => {
    const again = await packModel(bigramModel());
    expect(again.files).toEqual(packed.files);
  });

  it.each(PACKAGE_FILES)("refuses an altered %s and names its hash", async (file) => {
    const dir = await copy();
    await flip(dir, file, 3);
    const error = await failure(dir);
    expect(error).toBeInstanceOf(ModelCorruptError);
    expect(error).toMatchObject({ file, code: "model.corrupt", expected: packed.description.files[file].sha256 });
  });

  it.each(PACKAGE_FILES)("refuses a truncated or missing %s", async (file) => {
    const dir = await copy();
    const size = packed.description.files[file].bytes;
    await truncate(join(dir, file), size - 1);
    const error = await failure(dir);
    expect(error).toBeInstanceOf(ModelTruncatedError);
    expect(error).toMatchObject({ file, expected: size, got: size - 1 });
    await rm(join(dir, file));
    expect(await failure(dir)).toBeInstanceOf(ModelFileMissingError);
  });

  it.each([
    ["tokenizer.json", "tokenizerHash"],
    ["chat_template.jinja", "chatTemplateHash"],
    ["program.bin", "programRoot"],
    ["weights.bin", "weightsRoot"],
  ] as const)("refuses %s with a matching SHA-256 by its %s", async (file, hash) => {
    const dir = await copy();
    // The last byte: of weights, of a parameter, of JSON's closing brace, of template text.
    await flip(dir, file, packed.description.files[file].bytes - 1);
    const sha256 = sha256Hex(await readFile(join(dir, file)));
    await edit(dir, (description) => ({
      ...description,
      files: { ...description.files, [file]: { ...description.files[file], sha256 } },
    }));
    const error = await failure(dir);
    expect(error).toBeInstanceOf(ModelCorruptError);
    expect(error).toMatchObject({ file: hash, expected: packed.description.manifest[hash] });
  });

  it.each([
    "programRoot",
    "weightsRoot",
    "tokenizerHash",
    "chatTemplateHash",
    "tokenBytesRoot",
    "instructions",
    "weightRows",
    "cacheRows",
    "vocabSize",
  ] as const)("refuses a forged %s, with or without the modelId to match", async (field) => {
    const { manifest } = packed.description;
    const forged = { [field]: typeof manifest[field] === "number" ? manifest[field] + 1 : `0x${"ab".repeat(32)}` };
    const careless = await copy();
    await edit(careless, (description) => ({ ...description, manifest: { ...description.manifest, ...forged } }));
    expect(await failure(careless)).toMatchObject({ file: "modelId" });
    const careful = await copy();
    await edit(careful, (description) => restate(description, forged));
    // A vocabulary of another size has other token bytes.
    expect(await failure(careful)).toMatchObject({ file: field === "vocabSize" ? "tokenBytesRoot" : field });
    await expect(loadModel(careful, { modelId: packed.description.modelId })).rejects.toThrow(ModelMismatchError);
  });

  it("refuses a forged weightsRootP when it is verified deeply", async () => {
    const dir = await copy();
    await edit(dir, (description) => restate(description, { weightsRootP: `0x${"00".repeat(31)}01` }));
    const model = await loadModel(dir);
    const seen: number[] = [];
    await expect(
      verifyDeep(model, { onProgress: (root, done) => root === "weightsRootP" && seen.push(done) }),
    ).rejects.toThrow(ModelCorruptError);
    expect(seen).toHaveLength(model.weights.count);
  });

  it("refuses a weight table that does not fit the file", async () => {
    const dir = await copy();
    await edit(dir, (description) => ({ ...description, weights: description.weights.slice(1) }));
    expect(await failure(dir)).toMatchObject({ file: "weights" });
  });

  it("refuses other formats, other machines and malformed descriptions", async () => {
    const dir = await copy();
    const path = join(dir, MODEL_JSON);
    const text = await readFile(path, "utf8");
    for (const broken of [
      "",
      "[]",
      "{}",
      text.replace("otr-model/1", "otr-model/2"),
      text.replace('"name"', '"nom"'),
    ]) {
      await writeFile(path, broken);
      expect(await failure(dir)).toBeInstanceOf(ModelFormatError);
    }
    await writeFile(path, text.replace('"stopTokens": [\n    3', '"stopTokens": [\n    262'));
    expect((await failure(dir)).message).toContain("stop tokens are below vocabSize");
    await writeFile(path, text);
    await edit(dir, (description) => restate(description, { machineVersion: 2 }));
    expect((await failure(dir)).message).toContain("machine version 2");
    expect(await failure(join(root, "nowhere"))).toBeInstanceOf(ModelFileMissingError);
  });
});

describe("writing", () => {
  it("refuses to overwrite unless asked, and then replaces as a whole", async () => {
    const dir = await copy();
    await writeFile(join(dir, "left-over"), "x");
    await expect(writePackage(dir, packed)).rejects.toThrow(ModelExistsError);
    await writePackage(dir, packed, { replace: true });
    expect(await readdir(dir)).not.toContain("left-over");
    await loadModel(dir);
  });

  it("leaves nothing half-written, and what was there, if it fails", async () => {
    const dir = await copy();
    const before = await readdir(root);
    const files = new Map([...packed.files, ["no/such/folder", new Uint8Array(1)]]);
    await expect(writeFolder(dir, files, { replace: true })).rejects.toThrow();
    await expect(writeFolder(join(root, "new"), files)).rejects.toThrow();
    expect(await readdir(root)).toEqual(before);
    await loadModel(dir);
  });
});
