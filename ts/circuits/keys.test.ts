// SPDX-License-Identifier: GPL-3.0-only
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CircuitKeyError } from "./errors.ts";
import { type CircuitKey, circuitKey, provingKey, requireUsable } from "./keys.ts";

const key: CircuitKey = {
  circuit: "map",
  development: true,
  constraints: 0,
  r1csSha256: "",
  zkeySha256: "",
  zkeyBytes: 0,
  verification: circuitKey("map").verification,
};

describe("keys of circuits", () => {
  it("refuses development keys on any chain that is not local, unless forced", () => {
    for (const chain of [1, 10, 42_161, 11_155_111]) {
      expect(() => requireUsable(key, chain)).toThrow(CircuitKeyError);
      expect(() => requireUsable(key, chain, true)).not.toThrow();
      expect(() => requireUsable({ ...key, development: false }, chain)).not.toThrow();
    }
    expect(() => requireUsable(key, 31_337)).not.toThrow();
  });

  it("says what to do where a proving key is absent", async () => {
    const empty = mkdtempSync(join(tmpdir(), "otr-keys-"));
    await expect(provingKey("map", empty)).rejects.toThrow(CircuitKeyError);
  });
});
