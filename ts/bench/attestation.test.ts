import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { HAS_EVIDENCE } from "../attestation/testing/real-evidence.ts";
import { ATTESTATION_BARS, measureAttestation } from "./attestation.ts";
import { attestationEvidence, developmentEvidence } from "./attestation-evidence.ts";

describe("gas of attestation, whole transactions", () => {
  it("meets the bars, whoever's evidence it is", async () => {
    const figures = await measureAttestation(developmentEvidence());
    expect(figures.evidence).toBe("development");
    for (const [name, bar] of Object.entries(ATTESTATION_BARS)) {
      const gas = figures[name as keyof typeof ATTESTATION_BARS];
      expect(gas, name).toBeGreaterThan(0);
      expect(gas, name).toBeLessThanOrEqual(bar);
    }
    // Sums are of the transactions that are said.
    const { transactions, tdxWarm, tdxCold, tdxNoPrecompile, h100Warm, h100NewGpu, hotPath, hotPathAgain } = figures;
    expect(tdxCold - tdxWarm).toBe(transactions.addPck);
    expect(h100NewGpu - h100Warm).toBe(transactions["cache the boot ROM"]! + transactions["cache the leaf"]!);
    // Two signatures that the EVM computes.
    expect(tdxNoPrecompile - tdxWarm).toBeGreaterThan(2 * 200_000);
    expect(hotPath).toBeGreaterThan(hotPathAgain);
    // The same contracts, asked by forge.
    const snapshot = JSON.parse(readFileSync("snapshots/attestation.json", "utf8")) as Record<string, string>;
    expect(Math.abs(hotPath - Number(snapshot.isActiveCold))).toBeLessThan(1000);
  });

  it("is measured with evidence of hardware vendors where that is", () => {
    expect(attestationEvidence().kind).toBe(HAS_EVIDENCE ? "vendors" : "development");
  });
});
