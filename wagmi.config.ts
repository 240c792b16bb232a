import { defineConfig } from "@wagmi/cli";
import { foundry } from "@wagmi/cli/plugins";

/** Contracts whose ABIs TypeScript uses. `forge build` must have run: this only reads `out/`. */
const CONTRACTS = [
  "OtrRollup",
  "OtrRequests",
  "StakeVault",
  "ModelRegistry",
  "EnclaveRegistry",
  "EnclaveSessions",
  "NvidiaCertificates",
  "NvidiaVerifier",
  "NvidiaOcsp",
  "IntelCertificates",
  "IntelCollateral",
  "DcapVerifier",
  "TeeResolver",
  "DisputeGame",
  "FraudProofs",
  "Availability",
  "SpotChecks",
  "ElementVerifier",
  "FallbackRandomness",
  "IRandomness",
  "IJudge",
  "IProgramValidator",
  "IEvidenceVerifier",
];

export default defineConfig({
  out: "ts/chain/generated.ts",
  plugins: [
    foundry({
      artifacts: "out",
      include: CONTRACTS.map((name) => `${name}.json`),
      forge: { build: false, rebuild: false, clean: false },
    }),
  ],
});
