import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UnsupportedConfigError } from "../compiler/errors.ts";
import { compileLlama } from "../compiler/llama.ts";
import { BaseError } from "../errors.ts";
import { FUZZ } from "../machine/testing/fuzz.ts";
import { memoryBytes } from "./byte-source.ts";
import { GgufError, ModelFileMissingError, SafetensorsError, UnsupportedTokenizerError } from "./errors.ts";
import { openGguf } from "./gguf.ts";
import { halvesFromPairs, openGgufModel } from "./gguf-model.ts";
import { openSafetensors } from "./safetensors.ts";
import { FAMILIES, familyGguf, familyTensors, safetensorsOf } from "./testing/families.ts";
import { type GgufValue, type WrittenTensor, writeGguf } from "./testing/gguf-writer.ts";

const family = FAMILIES.find(({ name }) => name === "SmolLM2")!;
const tensors = familyTensors(family, 3);

let dir: string;
let path: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "otr-gguf-"));
  path = join(dir, "model.gguf");
});
afterAll(() => rmSync(dir, { recursive: true }));

/** Opens these bytes as a model and reads every tensor. */
async function open(bytes: Uint8Array): Promise<Map<string, Float32Array>> {
  writeFileSync(path, bytes);
  const source = await openGgufModel(path);
  try {
    compileLlama(source.config, source.tensors);
    return new Map([...tensors.keys()].map((name) => [name, source.tensors.get(name)!]));
  } finally {
    source.close();
  }
}

const openTensors = async (written: readonly WrittenTensor[]) => {
  writeFileSync(path, writeGguf({}, written));
  const file = await openGguf(path);
  file.close();
  return file;
};

describe("GGUF", () => {
  it("undoes llama.cpp's order of q and k rows", () => {
    // Two heads of four rows: pairs (0, 1) and (2, 3) are what rope turns.
    expect([...halvesFromPairs(Float32Array.of(0, 1, 2, 3, 10, 11, 12, 13), 1, 4)]).toEqual([
      0, 2, 1, 3, 10, 12, 11, 13,
    ]);
  });

  it("reads its own metadata: licence, stop tokens, template", async () => {
    writeFileSync(path, familyGguf(family, tensors, { "tokenizer.ggml.eot_token_id": { u32: 2 } }));
    const source = await openGgufModel(path);
    source.close();
    expect(source.licence).toBe("mit");
    expect(source.stopTokens).toEqual([3, 2]);
    expect(source.tokenizer.chatTemplate).toContain("add_generation_prompt");
  });

  const f32 = (name: string, shape: number[], length = shape.reduce((x, y) => x * y, 4)) => ({
    name,
    type: 0,
    shape,
    bytes: new Uint8Array(length),
  });

  it.each<[string, WrittenTensor[], RegExp]>([
    ["a type that is not decoded", [{ ...f32("w", [256]), type: 10 }], /Tensor w: Type 10 is not supported/],
    ["a row that is no whole number of blocks", [{ ...f32("w", [2, 20]), type: 2 }], /Tensor w: Shape \[2,20\]/],
    ["a tensor beyond the end", [f32("a", [8]), f32("b", [100], 80)], /Tensor b: It ends at byte .* cut short/],
    ["two tensors of one name", [f32("a", [8]), f32("a", [8])], /Tensor a: It is there twice/],
    ["a tensor in another's place", [f32("a", [100], 80), f32("b", [100])], /Tensor b: It overlaps/],
    ["an empty tensor", [f32("a", [0])], /Tensor a: Shape \[0\]/],
  ])("refuses %s", async (_, written, message) => {
    await expect(openTensors(written)).rejects.toThrow(GgufError);
    await expect(openTensors(written)).rejects.toThrow(message);
  });

  it.each<[string, Record<string, GgufValue | undefined>, new (...args: never[]) => Error, RegExp]>([
    ["architecture", { "general.architecture": { text: "gemma2" } }, UnsupportedConfigError, /architecture/],
    ["layers", { "llama.block_count": undefined }, GgufError, /llama\.block_count/],
    ["rotary size", { "llama.rope.dimension_count": { u32: 4 } }, UnsupportedConfigError, /rope\.dimension_count/],
    ["experts", { "llama.expert_count": { u32: 8 } }, UnsupportedConfigError, /expert_count/],
    ["scaling", { "llama.rope.scaling.type": { text: "yarn" } }, UnsupportedConfigError, /rope_scaling/],
    ["tokens", { "tokenizer.ggml.tokens": undefined }, GgufError, /tokenizer\.ggml\.tokens/],
    ["end", { "tokenizer.ggml.eos_token_id": undefined }, GgufError, /eos_token_id/],
    ["kind of tokenizer", { "tokenizer.ggml.model": { text: "bert" } }, UnsupportedTokenizerError, /bert/],
    ["pre-tokenizer", { "tokenizer.ggml.pre": { text: "poro" } }, UnsupportedTokenizerError, /poro/],
    ["merges", { "tokenizer.ggml.merges": undefined }, UnsupportedTokenizerError, /merges/],
    ["scores", { "tokenizer.ggml.model": { text: "llama" } }, UnsupportedTokenizerError, /scores/],
  ])("says what is wrong with the metadata: %s", async (_, changes, type, message) => {
    writeFileSync(path, familyGguf(family, tensors, changes));
    await expect(openGgufModel(path)).rejects.toThrow(type);
    await expect(openGgufModel(path)).rejects.toThrow(message);
  });

  it("says that a file is missing, or that it became shorter while it was open", async () => {
    await expect(openGgufModel(join(dir, "none.gguf"))).rejects.toThrow(ModelFileMissingError);
    writeFileSync(path, familyGguf(family, tensors));
    const source = await openGgufModel(path);
    truncateSync(path, 5000);
    expect(() => source.tensors.get("model.norm.weight")).toThrow(/Tensor output_norm\.weight/);
    source.close();
  });
});

describe("damaged files", () => {
  const good = familyGguf(family, tensors);
  /** Where the tensors begin: what comes before is header. */
  const dataStart = good.length - [...tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);

  it("cut anywhere, a GGUF file gives a typed error", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), async (length) => {
        await expect(open(good.subarray(0, length))).rejects.toBeInstanceOf(BaseError);
      }),
      { numRuns: 40 * FUZZ },
    );
  });

  it("with other bytes in the header, a GGUF file gives a typed error or a whole model", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(dataStart - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const bytes = good.slice();
        bytes[at] ^= flip;
        const outcome = await open(bytes).catch((error: unknown) => error);
        if (outcome instanceof Map) for (const data of outcome.values()) expect(data).toBeInstanceOf(Float32Array);
        else expect(outcome).toBeInstanceOf(BaseError);
      }),
      { numRuns: 100 * FUZZ },
    );
  });

  it("with another byte in a tensor, that tensor alone changes, or the compiler names it", async () => {
    const names = [...tensors.keys()];
    const starts = names.map((_, i) =>
      names.slice(0, i).reduce((at, name) => at + tensors.get(name)!.byteLength, dataStart),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: dataStart, max: good.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        async (at, flip) => {
          const bytes = good.slice();
          bytes[at] ^= flip;
          const hit = names[starts.findLastIndex((start) => start <= at)];
          const outcome = await open(bytes).catch((error: unknown) => error);
          if (!(outcome instanceof Map)) {
            expect(outcome).toBeInstanceOf(BaseError);
            expect(String(outcome)).toContain(hit);
            return;
          }
          for (const name of names) {
            const same = Buffer.compare(Buffer.from(outcome.get(name).buffer), Buffer.from(tensors.get(name)!.buffer));
            expect(same !== 0, name).toBe(name === hit);
          }
        },
      ),
      { numRuns: 30 * FUZZ },
    );
  });

  it("cut or altered, a safetensors file gives a typed error or whole tensors", () => {
    const file = safetensorsOf(tensors);
    const read = (bytes: Uint8Array) => {
      try {
        const opened = openSafetensors(memoryBytes("model.safetensors", bytes));
        return new Map([...opened.names].map((name) => [name, opened.read(name)!.length]));
      } catch (error) {
        return error;
      }
    };
    const header = 8 + Number(new DataView(file.buffer).getBigUint64(0, true));
    fc.assert(
      fc.property(fc.nat(file.length - 1), (length) => {
        expect(read(file.subarray(0, length))).toBeInstanceOf(SafetensorsError);
      }),
    );
    fc.assert(
      fc.property(fc.nat(header - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bytes = file.slice();
        bytes[at] ^= flip;
        const outcome = read(bytes);
        if (!(outcome instanceof Map)) expect(outcome).toBeInstanceOf(SafetensorsError);
        else expect([...outcome.values()].sort()).toEqual([...tensors.values()].map(({ length }) => length).sort());
      }),
      { numRuns: 300 * FUZZ },
    );
  });
});
