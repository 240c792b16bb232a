import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { sha2Vectors } from "./vectors/sha2.ts";

const committed = (name: string): unknown => JSON.parse(readFileSync(`test/vectors/attestation/${name}.json`, "utf8"));

describe("vectors of the attestation libraries", () => {
  it("are what node:crypto gives for SHA-384 and SHA-512", () => {
    expect(committed("sha2")).toEqual(sha2Vectors());
  });
});
