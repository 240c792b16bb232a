import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { BLOCK_FORMATS, decodeBlocks } from "./gguf-blocks.ts";

/** Random blocks of each type and their values as the Python package gguf 0.19.0 (llama.cpp) decodes them, float32 in hex. */
const golden: Record<string, { bytes: string; values: string }> = JSON.parse(
  readFileSync(new URL("fixtures/gguf-blocks.json", import.meta.url), "utf8"),
);

describe("GGUF blocks", () => {
  it.each(Object.values(BLOCK_FORMATS))("$name decodes to the values that llama.cpp's package gives", (format) => {
    const { bytes, values } = golden[format.name];
    const expected = new Float32Array(Uint8Array.from(Buffer.from(values, "hex")).buffer);
    const got = decodeBlocks(format, Buffer.from(bytes, "hex"), expected.length);
    // Equal but for the sign of zero.
    expect([...got].filter((x, i) => x !== expected[i])).toEqual([]);
  });
});
