import { keccak256, stringToHex, zeroAddress, zeroHash } from "viem";
import { describe, expect, it } from "vitest";
import { hashReceipt } from "../commit/typed-data.ts";
import { challengeHash } from "./challenge.ts";
import { registerInSession, type SessionPort } from "./session.ts";

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
        ...{ isCached: never, cache: never, prove: never, finalize: never },
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
});
