import { keccak256, stringToHex, zeroAddress, zeroHash } from "viem";
import { describe, expect, it } from "vitest";
import { fromHex, toHex } from "../commit/bytes.ts";
import { hashReceipt } from "../commit/typed-data.ts";
import { challengeHash } from "./challenge.ts";
import { cacheSteps, gpuEvidenceHash, gpuNonce, NVIDIA_KIND } from "./gpu-evidence.ts";
import { firmwareOf } from "./gpu-firmware.ts";
import { type Claims, registerInSession, type SessionPort } from "./session.ts";
import { devGpu } from "./testing/dev-gpus.ts";

const never = (): never => {
  throw new Error("not reached");
};

describe("a session that a host makes up", () => {
  const registration = {
    ...{ executor: zeroAddress, modelId: zeroHash, enclaveKey: zeroAddress },
    encryptionKeyHash: keccak256("0x"),
  };
  const challenge = {
    ...{ chainId: 1, registry: zeroAddress, sessions: zeroAddress, registration, policyId: zeroHash },
    anchor: keccak256(stringToHex("anchor")),
  };

  // The quote of an honest guest registered any key that the host held: it named the session of that key, and took quote and reports.
  it("is refused before the machine answers it: it could be another key's, or the hash of a receipt", async () => {
    const roots = { requestHash: zeroHash, inputRoot: zeroHash, outputRoot: zeroHash, traceRoot: zeroHash };
    const receipt = hashReceipt(
      { chainId: 1, rollup: zeroAddress },
      {
        ...{ machineVersion: 1, modelId: zeroHash, executor: zeroAddress, enclaveKey: zeroAddress },
        ...{ seq: 0n, commitBy: 10n, expiry: 20n, ...roots, nIn: 1, nOut: 1, stopReason: 0 },
      },
    );
    const otherKey = { ...registration, enclaveKey: `0x${"11".repeat(20)}` } as const;
    for (const session of [receipt, challengeHash({ ...challenge, registration: otherKey })]) {
      const port: SessionPort = {
        ...{ isCached: never, cache: never, prove: never, evidenceOf: never, finalize: never },
        resume: async () => undefined,
        open: async () => ({ session, anchor: challenge.anchor, challenge, proved: [] }),
      };
      const rest = { registration, measurement: zeroHash, chosen: 0n, imageConfig: zeroHash };
      const machine = { gpus: { chains: [], firmware: [], reports: never }, cpu: { kind: zeroHash, tcbEval: 0 } };
      await expect(
        registerInSession(port, { ...rest, ...machine, quote: never, consent: never }),
      ).rejects.toMatchObject({ code: "attestation.binding" });
    }
  });

  // The quote of a guest with GPUs that no contract would have taken named reports of another machine's, which answer whatever nonce they are asked.
  it("gets no quote for reports of GPUs that are not this machine's", async () => {
    const [own, others] = [devGpu(1), devGpu(2)];
    const session = challengeHash(challenge);
    const nonce = gpuNonce(session, 0);
    const firmware = firmwareOf(own!.report(new Uint8Array(32)), 1n);
    const claimsOf = (report: Uint8Array): Claims => ({
      ...{ kind: NVIDIA_KIND, deviceId: zeroHash, measurement: firmware, rd0: nonce, rd1: zeroHash },
      ...{ tcbStatus: 0, tcbEval: 0, notAfter: 1n, evidenceHash: gpuEvidenceHash(report) },
      certificate: cacheSteps(own!.chain).at(-1)!.id,
    });
    const quoted = new Error("quoted");
    const outcome = (shown: Uint8Array, resumed: boolean) => {
      const open = { session, anchor: challenge.anchor, challenge, proved: resumed ? [claimsOf(shown)] : [] };
      const port: SessionPort = {
        ...{ isCached: async () => true, cache: never, finalize: never, open: never },
        resume: async () => open,
        prove: async () => claimsOf(shown),
        evidenceOf: async () => toHex(shown),
      };
      const reports = async (nonces: readonly Uint8Array[]) => nonces.map((asked) => own!.report(asked));
      return registerInSession(port, {
        ...{ registration, measurement: zeroHash, chosen: 1n, imageConfig: zeroHash, consent: never },
        ...{ gpus: { chains: [own!.chain], firmware: [firmware], reports }, cpu: { kind: zeroHash, tcbEval: 0 } },
        quote: async () => {
          throw quoted;
        },
      });
    };
    for (const resumed of [false, true]) {
      await expect(outcome(own!.report(fromHex(nonce)), resumed)).rejects.toBe(quoted);
      for (const report of [others!.report(fromHex(nonce)), own!.report(new Uint8Array(32))])
        await expect(outcome(report, resumed)).rejects.toMatchObject({ code: "attestation.binding" });
    }
  });
});
