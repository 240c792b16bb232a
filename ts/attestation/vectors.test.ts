import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ATTESTATION_FILES } from "./vectors/files.ts";

describe("generated files of the attestation libraries", () => {
  it.each(Object.entries(ATTESTATION_FILES))("%s is up to date", (path, content) => {
    // Not `toBe`: its message would print both.
    expect(readFileSync(path, "utf8") === content(), "run: tsx tools/attestation-vectors.ts").toBe(true);
  });
});
