import fc from "fast-check";
import { hexToBytes, keccak256 } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Hex, toHex } from "../commit/bytes.ts";
import { FUZZ } from "../machine/testing/fuzz.ts";
import { encode, TAG } from "./der.ts";
import type { DevOcspAnswer } from "./dev-root/ocsp.ts";
import { sequence } from "./dev-root/x509.ts";
import { cacheSteps } from "./gpu-evidence.ts";
import { basicResponse, type OcspAnswer, ocspRevocation, parseOcsp } from "./nvidia/ocsp.ts";
import { built, type Contract } from "./testing/contracts-chain.ts";
import { refusal } from "./testing/refusal.ts";
import { type SessionsChain, startSessionsChain } from "./testing/sessions-chain.ts";
import { OCSP_ANSWERS, OCSP_DAY, OCSP_TIME, ocspGpu } from "./vectors/ocsp.ts";
import { parseCertificate } from "./x509.ts";

const { chain } = ocspGpu;
const REVOKED: DevOcspAnswer = { status: "revoked", thisUpdate: OCSP_TIME, nextUpdate: OCSP_TIME + OCSP_DAY };
const answerOf = (name: string) => {
  const [place, answer] = OCSP_ANSWERS[name]!;
  return ocspGpu.ocsp(place, answer);
};

describe("answers of an OCSP responder", () => {
  it("say what the development root's responder put in", () => {
    const answer = parseOcsp(basicResponse(answerOf("delegated")));
    const steps = chain.map((der) => parseCertificate(der));
    expect(answer).toMatchObject({
      status: "revoked",
      producedAt: OCSP_TIME,
      thisUpdate: OCSP_TIME,
      nextUpdate: OCSP_TIME + OCSP_DAY,
    });
    expect(answer.certificates).toHaveLength(1);
    expect(answer.responder).toBeDefined();
    expect(parseOcsp(basicResponse(answerOf("identity"))).responder).toBeUndefined();
    expect(parseOcsp(basicResponse(answerOf("byIssuer"))).certificates).toEqual([]);
    expect(steps).toHaveLength(5);
  });

  it.each([
    ["delegated", "accepted"],
    ["identity", "accepted"],
    ["byIssuer", "accepted"],
    ["byIssuersKey", "accepted"],
    ["onHold", "accepted"],
    ["bare", "accepted"],
    ["purposesNotCritical", "accepted"],
    ["newer", "attestation.not-yet-valid"],
    ["later", "attestation.not-yet-valid"],
    ["good", "attestation.ocsp"],
    ["unknown", "attestation.ocsp"],
    ["notAResponder", "attestation.chain"],
    ["withoutPurposes", "attestation.chain"],
    ["authority", "attestation.chain"],
    ["notSigning", "attestation.chain"],
    ["expiredResponder", "attestation.expired"],
    ["withoutNextUpdate", "attestation.encoding"],
    ["sha256", "attestation.encoding"],
    ["twoAnswers", "attestation.encoding"],
    ["noAnswer", "attestation.encoding"],
    ["criticalExtension", "attestation.encoding"],
  ])("%s: %s", (name, code) => {
    expect(refusal(() => ocspRevocation(answerOf(name), chain, OCSP_TIME))).toBe(code);
  });

  it("are of this chain, of this time, and of a responder that answers", () => {
    const other = ocspGpu.ocsp(1, { ...REVOKED, serial: 5n });
    expect(refusal(() => ocspRevocation(other, chain, OCSP_TIME))).toBe("attestation.ocsp");
    expect(refusal(() => ocspRevocation(answerOf("delegated"), chain.slice(0, 2), OCSP_TIME))).toBe("attestation.ocsp");
    expect(refusal(() => ocspRevocation(answerOf("delegated"), chain, OCSP_TIME + OCSP_DAY + 1))).toBe(
      "attestation.expired",
    );
    const tryLater = sequence(encode(TAG.enumerated, Uint8Array.of(3)));
    expect(refusal(() => ocspRevocation(tryLater, chain, OCSP_TIME))).toBe("attestation.ocsp");
    expect(refusal(() => ocspRevocation(new Uint8Array(), chain, OCSP_TIME))).toBe("attestation.encoding");
    // Revoked itself, the leaf would still not answer for its issuer: it has no purposes.
    expect(() => ocspGpu.ocsp(4, REVOKED)).toThrow(RangeError);
  });

  it("have no byte that may be another", () => {
    const good = answerOf("delegated");
    fc.assert(
      fc.property(fc.nat({ max: 8 * good.length - 1 }), (bit) => {
        const bad = new Uint8Array(good);
        bad[bit >> 3]! ^= 1 << (bit & 7);
        expect(refusal(() => ocspRevocation(bad, chain, OCSP_TIME))).not.toBe("accepted");
      }),
      { numRuns: 200 * FUZZ },
    );
    for (let end = 0; end < good.length; end += 7)
      expect(refusal(() => ocspRevocation(good.slice(0, end), chain, OCSP_TIME))).not.toBe("accepted");
  });
});

describe("on a chain", () => {
  let node: SessionsChain;
  let ocsp: Contract;
  let harness: Contract;
  const steps = cacheSteps(chain.map((der) => parseCertificate(der)));

  beforeAll(async () => {
    node = await startSessionsChain(keccak256(chain.at(-1)!));
    const { certificates, manager } = node.contracts;
    ocsp = await node.deploy(built("NvidiaOcsp"), [certificates.address]);
    harness = await node.deploy(built("OcspHarness"));
    await node.send(manager, "grantRole", [0n, ocsp.address, 0]);
    await node.cache(chain.map((der) => parseCertificate(der)));
  }, 300_000);
  afterAll(() => node.stop());

  const isRevoked = (place: number) =>
    node.read<boolean>(node.contracts.certificates, "isRevoked", [steps[chain.length - 1 - place]!.id]);

  it("both readers of answers say the same, or both refuse", async () => {
    const goods = Object.keys(OCSP_ANSWERS).map((name) => basicResponse(answerOf(name)));
    const inSolidity = async (der: Uint8Array) => {
      const { abi, address } = harness;
      return node.client
        .readContract({ abi, address, functionName: "parse", args: [toHex(der)] })
        .catch((error: { shortMessage?: string }) => {
          // A panic has no place in a parser.
          expect(String(error.shortMessage)).not.toMatch(/panic|out-of-bounds|overflow/i);
          return undefined;
        }) as Promise<Record<string, unknown> | undefined>;
    };
    const compare = async (der: Uint8Array) => {
      let expected: OcspAnswer | undefined;
      const code = refusal(() => {
        expected = parseOcsp(der);
      });
      const got = await inSolidity(der);
      // More than one certificate is for TypeScript to strip.
      if (expected === undefined || expected.certificates.length > 1)
        return expect([code, got]).toEqual([code, undefined]);
      expect(got).toMatchObject({
        serial: expected.serial,
        isRevoked: expected.status === "revoked",
        producedAt: BigInt(expected.producedAt),
        thisUpdate: BigInt(expected.thisUpdate),
        nextUpdate: BigInt(expected.nextUpdate),
        nameHash: keccak256(expected.nameHash),
        keyHash: keccak256(expected.keyHash),
        signature: toHex(expected.signature),
        responder: expected.responder === undefined ? `0x${"00".repeat(32)}` : keccak256(expected.responder),
      });
      const at = Number(got!.certificate);
      expect(toHex(der.slice(at, Number(got!.certificateEnd)))).toBe(
        toHex(expected.certificates[0] ?? new Uint8Array()),
      );
      expect(toHex(der.slice(Number(got!.tbsStart), Number(got!.tbsEnd)))).toBe(toHex(expected.tbs));
    };
    for (const der of goods) await compare(der);
    const [anyGood, anyByte] = [fc.constantFrom(...goods), fc.integer({ min: 1, max: 255 })];
    await fc.assert(
      fc.asyncProperty(
        anyGood,
        fc.array(fc.tuple(fc.nat(), anyByte), { minLength: 1, maxLength: 3 }),
        async (der, flips) => {
          const bad = new Uint8Array(der);
          // Headers and short fields lie in front.
          for (const [at, flip] of flips) bad[at % 2 === 0 ? at % bad.length : at % Math.min(400, bad.length)]! ^= flip;
          await compare(bad);
        },
      ),
      { numRuns: 250 * FUZZ },
    );
  }, 300_000);

  it("an answer revokes a certificate, whoever brings it; every answer of a good form does", async () => {
    const { timestamp } = await node.client.getBlock();
    const now = Number(timestamp) + 60;
    await node.client.setNextBlockTimestamp({ timestamp: BigInt(now) });
    await node.client.mine({ blocks: 1 });
    const fresh: DevOcspAnswer = { ...REVOKED, thisUpdate: now - 30, nextUpdate: now + OCSP_DAY };
    const answers: readonly (readonly [number, DevOcspAnswer])[] = [
      [0, { ...fresh, reason: 1 }],
      [1, { ...fresh, byIssuer: true, byKey: true }],
      [2, { ...fresh, reason: 6, criticalPurposes: false }],
      [3, { ...fresh, nonce: new Uint8Array(32).fill(1), hash: sequence(hex("0x0609608648016503040202")) }],
    ];
    const gas: bigint[] = [];
    for (const [place, answer] of answers) {
      expect(await isRevoked(place)).toBe(false);
      const call = ocspRevocation(ocspGpu.ocsp(place, answer), chain, now);
      const { response, issuer, issuerName, hints, responderHints } = call;
      gas.push((await node.send(ocsp, "revoke", [response, issuer, issuerName, hints, responderHints])).gasUsed);
      expect(await isRevoked(place)).toBe(true);
    }
    // 2^24 is the most that a transaction may take.
    for (const used of gas) expect(used).toBeLessThan(5_000_000n);
    console.log(`OCSP revocation: ${gas.join(", ")} gas`);
  }, 300_000);
});

const hex = (value: Hex): Uint8Array => hexToBytes(value);
