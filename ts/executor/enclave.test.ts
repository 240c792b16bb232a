import { recoverAddress } from "viem";
import { describe, expect, it } from "vitest";
import { challengeHash } from "../attestation/challenge.ts";
import { toHex } from "../commit/bytes.ts";
import { saltKey, seedOf, tokenTree } from "../commit/record.ts";
import { TAGS } from "../commit/tags.ts";
import { NOBODY, type Request } from "../commit/typed-data.ts";
import { type EnclaveOrder, type EnclaveSession, SoftwareEnclave } from "./enclave.ts";
import { EnclaveOrderError, EnclaveSequenceError, EngineTokenError } from "./errors.ts";
import { FakeEngine } from "./testing/fake-engine.ts";
import { random, TEST_DOMAIN, TEST_MODEL } from "./testing/setup.ts";

const terms = { executor: NOBODY, commitBy: 10n, expiry: 20n };

function enclaveOf(engine = new FakeEngine({ script: [20, 21, 22, 3] })) {
  const { modelId, manifest } = TEST_MODEL;
  return new SoftwareEnclave({ engine, modelId, manifest, domain: TEST_DOMAIN, random });
}

function order(change: Partial<Request> = {}, prompt: readonly number[] = [1, 20, 3]): EnclaveOrder {
  const salting = { requester: NOBODY, seed: toHex(random(32)), nonce: 0n };
  const request: Request = {
    ...salting,
    modelId: TEST_MODEL.modelId,
    inputRoot: toHex(tokenTree(saltKey({ ...salting, secret: salting.seed }), "input", prompt).root(TAGS.input)),
    nIn: prompt.length,
    maxOut: 10,
    stopTokens: [3],
    sampler: 0,
    temperature: 0,
    deadline: 100n,
    confidential: false,
    watchers: [],
    ...change,
  };
  return { request, prompt };
}

async function drain(session: EnclaveSession): Promise<number[]> {
  const tokens: number[] = [];
  for (let step = await session.next(); step !== undefined; step = await session.next()) tokens.push(step.token);
  return tokens;
}

describe("SoftwareEnclave", () => {
  it("signs what it sealed, with the key that it shows", async () => {
    const enclave = enclaveOf();
    const session = await enclave.open(order());
    expect(await drain(session)).toEqual([20, 21, 22, 3]);
    const sealed = (await session.seal(terms))!;
    expect(sealed.receipt).toMatchObject({ ...terms, enclaveKey: enclave.address, nIn: 3, nOut: 4, stopReason: 0 });
    const signer = await recoverAddress({ hash: sealed.receiptHash, signature: await session.sign() });
    expect(signer.toLowerCase()).toBe(enclave.address);
  });

  // It signed whatever 32 bytes the host called a challenge: the hash of a receipt that it had never made.
  it("consents to a registration of its own key, model and chain, and hashes it itself", async () => {
    const enclave = enclaveOf();
    const { address: enclaveKey, modelId } = enclave;
    const registration = { executor: NOBODY, modelId, enclaveKey, encryptionKeyHash: TEST_MODEL.modelId };
    const challenge = { chainId: TEST_DOMAIN.chainId, registry: NOBODY, registration, expiresAt: 0 };
    const signer = await recoverAddress({
      hash: challengeHash(challenge),
      signature: await enclave.consent(challenge),
    });
    expect(signer.toLowerCase()).toBe(enclave.address);
    for (const [field, other] of [
      ["chainId", { ...challenge, chainId: TEST_DOMAIN.chainId + 1 }],
      ["modelId", { ...challenge, registration: { ...registration, modelId: toHex(random(32)) } }],
      ["enclaveKey", { ...challenge, registration: { ...registration, enclaveKey: NOBODY } }],
    ] as const)
      await expect(enclave.consent(other)).rejects.toMatchObject({ code: "executor.order", field });
  });

  it("has a key of its own at every boot", () => {
    expect(enclaveOf().address).not.toBe(enclaveOf().address);
  });

  it("shows the cache roots of all prompt steps with the first token, then one a token", async () => {
    const session = await enclaveOf().open(order());
    const counts: number[] = [];
    for (let step = await session.next(); step !== undefined; step = await session.next())
      counts.push(step.cacheRoots.length);
    expect(counts).toEqual([3, 1, 1, 1]);
  });

  it("numbers receipts without gaps: answers without a token take no seq", async () => {
    const enclave = enclaveOf();
    const seqs: bigint[] = [];
    for (const tokens of [1, 0, 2, 0, 1]) {
      const session = await enclave.open(order());
      for (let i = 0; i < tokens; i++) await session.next();
      const sealed = await session.seal(terms);
      if (sealed === undefined) expect(tokens).toBe(0);
      else seqs.push(sealed.receipt.seq);
    }
    expect(seqs).toEqual([0n, 1n, 2n]);
  });

  it("seals once: a second call gives the same receipt and no new seq", async () => {
    const enclave = enclaveOf();
    const session = await enclave.open(order());
    await session.next();
    const first = await session.seal(terms);
    expect(await session.seal({ ...terms, expiry: 99n })).toBe(first);
    expect(await session.next()).toBeUndefined();
    const other = await enclave.open(order());
    await other.next();
    expect((await other.seal(terms))!.receipt.seq).toBe(1n);
  });

  it("names the reason why an answer ended", async () => {
    const reason = async (change: Partial<Request>, steps: number) => {
      const session = await enclaveOf().open(order(change));
      for (let i = 0; i < steps; i++) await session.next();
      return (await session.seal(terms))!.receipt.stopReason;
    };
    expect(await reason({}, 9)).toBe(0);
    expect(await reason({ maxOut: 4 }, 9)).toBe(0);
    expect(await reason({ maxOut: 2 }, 9)).toBe(1);
    expect(await reason({}, 2)).toBe(2);
  });

  it("does not sign before it sealed", async () => {
    const session = await enclaveOf().open(order());
    await session.next();
    await expect(session.sign()).rejects.toThrow(EnclaveSequenceError);
  });

  it("answers a confidential request with the secret behind its seed, and with nothing else", async () => {
    const prompt = [1, 20, 3];
    const secret = toHex(random(32));
    const inputRoot = toHex(
      tokenTree(saltKey({ requester: NOBODY, secret, nonce: 0n }), "input", prompt).root(TAGS.input),
    );
    const { request } = order({ confidential: true, seed: seedOf(true, secret), inputRoot });
    const session = await enclaveOf().open({ request, prompt, secret });
    expect(await drain(session)).toEqual([20, 21, 22, 3]);
    for (const wrong of [{}, { secret: request.seed }, { secret: toHex(random(32)) }])
      await expect(enclaveOf().open({ request, prompt, ...wrong })).rejects.toMatchObject({ field: "secret" });
    const open = order();
    await expect(enclaveOf().open({ ...open, secret: open.request.seed })).rejects.toMatchObject({ field: "secret" });
  });

  it.each([
    ["modelId", { modelId: `0x${"00".repeat(32)}` }],
    ["nIn", { nIn: 4 }],
    ["inputRoot", { inputRoot: `0x${"00".repeat(32)}` }],
    ["inputRoot", { nonce: 1n }],
    ["maxOut", { maxOut: 0 }],
    ["maxOut", { maxOut: 510 }],
    ["sampler", { sampler: 2 }],
  ] as [string, Partial<Request>][])("refuses an order with a wrong %s", async (field, change) => {
    const engine = new FakeEngine({ script: [3] });
    const error = await enclaveOf(engine)
      .open(order(change))
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(EnclaveOrderError);
    expect(error).toMatchObject({ field });
    expect(engine.open).toBe(0);
  });

  it("refuses prompts that are empty or have tokens that the model lacks", async () => {
    await expect(enclaveOf().open(order({}, [1, 262]))).rejects.toMatchObject({ field: "prompt" });
    await expect(enclaveOf().open({ ...order(), prompt: [] })).rejects.toMatchObject({ field: "nIn" });
  });

  it("does not commit to a token that the model lacks", async () => {
    const session = await enclaveOf(new FakeEngine({ script: [262] })).open(order());
    await expect(session.next()).rejects.toThrow(EngineTokenError);
  });
});
