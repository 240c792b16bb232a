import { describe, expect, it } from "vitest";
import type { Hex } from "../commit/bytes.ts";
import { type Manifest, modelIdOf } from "./manifest.ts";

const word = (byte: number): Hex => `0x${byte.toString(16).padStart(2, "0").repeat(32)}`;

const manifest: Manifest = {
  machineVersion: 1,
  programRoot: word(1),
  weightsRoot: word(2),
  weightsRootP: word(3),
  tokenizerHash: word(4),
  chatTemplateHash: word(5),
  tokenBytesRoot: word(6),
  instructions: 143,
  weightRows: 10000,
  cacheRows: 8,
  contextLength: 512,
  vocabSize: 2048,
};

describe("modelId", () => {
  it("is the hash that Foundry computes", () => {
    // cast keccak $(cast abi-encode "f(bytes32,uint32,bytes32 x6,uint32 x5)" $(cast keccak "OTR/model/1") 1 0x01.. .. 0x06.. 143 10000 8 512 2048)
    expect(modelIdOf(manifest)).toBe("0x9b3b8ff7ec87255957a6cb803c7c2f4ce910163dd75c721b7f82dbda798158cf");
  });

  it("commits to every field", () => {
    const ids = (Object.keys(manifest) as (keyof Manifest)[]).map((field) => {
      const value = manifest[field];
      return modelIdOf({ ...manifest, [field]: typeof value === "number" ? value + 1 : word(0xff) });
    });
    expect(new Set([modelIdOf(manifest), ...ids]).size).toBe(ids.length + 1);
  });
});
