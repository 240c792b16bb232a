import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concat } from "../commit/bytes.ts";
import { fileBytes, memoryBytes } from "./byte-source.ts";
import { ModelFileMissingError, SafetensorsError } from "./errors.ts";
import { halfToFloat } from "./half.ts";
import { openSafetensors } from "./safetensors.ts";

function file(header: unknown, data: Uint8Array): Uint8Array {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(json.length), true);
  return concat([length, json, data]);
}

const parseSafetensors = (bytes: Uint8Array) => openSafetensors(memoryBytes("model.safetensors", bytes));
const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);

describe("safetensors", () => {
  it("reads F32, F16 and BF16", () => {
    const tensors = parseSafetensors(
      file(
        {
          __metadata__: { format: "pt" },
          a: { dtype: "F32", shape: [1, 2], data_offsets: [0, 8] },
          b: { dtype: "F16", shape: [2], data_offsets: [8, 12] },
          c: { dtype: "BF16", shape: [2], data_offsets: [12, 16] },
          d: { dtype: "F32", shape: [0], data_offsets: [16, 16] },
        },
        concat([floats(1.5, -2), Uint8Array.of(0x00, 0x3c, 0x01, 0x80), Uint8Array.of(0xc0, 0x3f, 0x00, 0xc0)]),
      ),
    );
    expect(tensors.read("a")).toEqual(Float32Array.of(1.5, -2));
    expect(tensors.read("b")).toEqual(Float32Array.of(1, -(2 ** -24)));
    expect(tensors.read("c")).toEqual(Float32Array.of(1.5, -2));
    expect(tensors.read("d")).toHaveLength(0);
    expect([halfToFloat(0x7c00), halfToFloat(0xfc00), halfToFloat(0x7e00), halfToFloat(0x7bff)]).toEqual([
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      Number.NaN,
      65504,
    ]);
  });

  const good = file({ a: { dtype: "F32", shape: [2], data_offsets: [0, 8] } }, floats(1, 2));

  it.each([
    ["an empty file", new Uint8Array(0)],
    ["a cut header", good.subarray(0, 20)],
    ["cut data", good.subarray(0, good.length - 1)],
    ["bytes after the data", concat([good, Uint8Array.of(0)])],
    ["a header that is not JSON", file("{", floats())],
    ["a header that is an array", file([], floats())],
    ["an unknown type", file({ a: { dtype: "I64", shape: [1], data_offsets: [0, 8] } }, floats(1, 2))],
    ["a shape that does not fit", file({ a: { dtype: "F32", shape: [3], data_offsets: [0, 8] } }, floats(1, 2))],
    ["a negative range", file({ a: { dtype: "F32", shape: [0], data_offsets: [8, 0] } }, floats(1, 2))],
    [
      "overlapping tensors",
      file(
        {
          a: { dtype: "F32", shape: [2], data_offsets: [0, 8] },
          b: { dtype: "F32", shape: [1], data_offsets: [4, 8] },
        },
        floats(1, 2),
      ),
    ],
    ["a huge header length", concat([new Uint8Array(8).fill(255), floats(1)])],
  ])("refuses %s", (_, bytes) => {
    expect(() => parseSafetensors(bytes)).toThrow(SafetensorsError);
  });

  it("never fails otherwise, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: good.length }), fc.nat(good.length), (noise, at) => {
        const bytes = good.slice();
        bytes.set(noise.subarray(0, bytes.length - at), at);
        try {
          parseSafetensors(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(SafetensorsError);
        }
      }),
    );
  });

  it("reads from disk", async () => {
    const dir = await mkdtemp(join(tmpdir(), "otr-"));
    try {
      const path = join(dir, "model.safetensors");
      expect(() => fileBytes(path)).toThrow(ModelFileMissingError);
      await writeFile(path, good);
      const source = fileBytes(path);
      expect(openSafetensors(source).read("a")).toEqual(Float32Array.of(1, 2));
      source.close();
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});
