import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Hex, keccak256, stringToHex, type TransactionReceipt, zeroHash } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { getBlock, getTransactionCount } from "viem/actions";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Challenge, challengeHash } from "../attestation/challenge.ts";
import { DevIntel } from "../attestation/dev-root/index.ts";
import { cacheSteps, gpuAux, gpuNonce, NVIDIA_KIND } from "../attestation/gpu-evidence.ts";
import { firmwareOf } from "../attestation/gpu-firmware.ts";
import { parseQuote } from "../attestation/intel/quote.ts";
import { dcapAux } from "../attestation/intel-submissions.ts";
import { parsePem } from "../attestation/x509.ts";
import { fromHex, toHex } from "../commit/bytes.ts";
import { type DevSourceOptions, devRoots, devSource } from "../enclave/dev-source.ts";
import type { Evidence, EvidenceSource } from "../enclave/source.ts";
import { type Actor, Scene, TURN } from "../fisherman/testing/scene.ts";
import { FUZZ } from "../machine/testing/fuzz.ts";
import { Database } from "../store/database.ts";
import { look, type ProveEnclaveParameters, proveEnclave } from "./actions/prove-enclave.ts";
import { enclaveRegistration, isEnclaveActive, revokeEnclave } from "./actions/register-enclave.ts";
import { acceptFirmware, type PolicyTerms, removePolicy, setPolicy, setTerms } from "./actions/set-policy.ts";
import { type Anvil, anvilKey, startAnvil } from "./anvil.ts";
import { attestationContracts, DCAP_KINDS } from "./attestation-contracts.ts";
import { connect } from "./client.ts";
import { callOf, read } from "./context.ts";
import { deploy } from "./deploy.ts";
import { deploymentPath } from "./deployment.ts";
import type { ContractRevertError } from "./errors.ts";
import { MemoryIntentStore } from "./intent.ts";
import { hintOf } from "./proof-hints.ts";
import { CHAIN_SQL, SqliteIntentStore } from "./sqlite.ts";
import { Lifeline } from "./testing/lifeline.ts";
import { Transactor } from "./transactor.ts";

const SEED = new TextEncoder().encode("prove-enclave.test");
const CHOSEN = 0x1fffn;
const SET: Hex = `0x${"48".repeat(32)}`;
const DAY = 86_400;
const TERMS: PolicyTerms = {
  image: zeroHash,
  sources: zeroHash,
  firmwareSet: SET,
  gpus: 1,
  minAssurance: 3,
  lifetime: 0,
};

describe("an enclave key, proved in sessions under development roots", () => {
  let scene: Scene;
  let governance: Actor;
  let executor: Actor;
  let snapshot: Hex;
  let measurement: Hex;
  const enclave = privateKeyToAccount(keccak256("0x01"));
  /** The machine, whose clock is the chain's. */
  const machine = (changes: Partial<DevSourceOptions> & { late?: number } = {}): EvidenceSource => {
    const { late = 0, ...options } = changes;
    let now = 0;
    const source = devSource({ seed: SEED, clock: { now: () => now, sleep: async () => undefined }, ...options });
    return {
      ...source,
      async evidence(...asked) {
        now = 1000 * (Number((await getBlock(scene.client)).timestamp) + late);
        return source.evidence(...asked);
      },
    };
  };
  const proof = (changes: Partial<ProveEnclaveParameters> = {}): ProveEnclaveParameters => ({
    registration: {
      executor: executor.address,
      modelId: scene.model.modelId,
      enclaveKey: enclave.address,
      encryptionKeyHash: keccak256("0x"),
    },
    source: machine(),
    chosen: CHOSEN,
    consent: (challenge) => enclave.sign({ hash: challengeHash(challenge) }),
    ...changes,
  });
  const policy = (terms: Partial<PolicyTerms> = {}) =>
    setTerms(governance.context, { modelId: scene.model.modelId, measurement, terms: { ...TERMS, ...terms } });
  const isActive = () =>
    isEnclaveActive(executor.context, {
      enclaveKey: enclave.address,
      executor: executor.address,
      modelId: scene.model.modelId,
    });
  const sent = () => getTransactionCount(scene.client, { address: executor.address });
  const pass = async (seconds: number) => {
    await scene.chain.increaseTime({ seconds });
    await scene.chain.mine({ blocks: 1 });
  };

  beforeAll(async () => {
    scene = await Scene.open(41_066, TURN, devRoots(SEED));
    governance = await scene.actor(undefined, anvilKey(0));
    executor = await scene.executor();
    const { evidence, measurement: measured } = await look(machine());
    measurement = measured;
    const { modelId } = scene.model;
    await setPolicy(governance.context, { modelId, measurement, validUntil: 2 ** 33 });
    const firmware = [firmwareOf(evidence.gpus[0]!.report, CHOSEN)];
    await acceptFirmware(governance.context, { set: SET, firmware, validUntil: 2 ** 33 });
    await policy();
  });
  beforeEach(async () => {
    // Senders that remember what the snapshots took back would send it again.
    governance = await scene.actor(undefined, governance.key);
    executor = await scene.actor(undefined, executor.key);
    snapshot = await scene.snapshot();
  });
  afterEach(() => scene.revert(snapshot));
  afterAll(() => scene?.close());

  it("is registered with quote and GPU, and the next one for the price of its own evidence", async () => {
    const names: string[] = [];
    const done = await proveEnclave(executor.context, proof({ onSent: (name) => names.push(name) }));
    console.log(`first key: ${done.transactions} transactions, ${done.gas} gas`);
    expect(done).toMatchObject({ changed: true, measurement, transactions: names.length });
    expect(await isActive()).toBe(true);
    expect(await read(executor.context, "enclaves", "standingOf", [enclave.address])).toMatchObject({
      ...{ gpus: 1, assurance: 3 },
    });
    // An active key costs nothing.
    expect(await proveEnclave(executor.context, proof())).toMatchObject({ changed: false, transactions: 0 });
    const next = privateKeyToAccount(keccak256("0x02"));
    const registration = { ...proof().registration, enclaveKey: next.address };
    const consent = (challenge: Challenge) => next.sign({ hash: challengeHash(challenge) });
    const after = await proveEnclave(executor.context, proof({ registration, consent }));
    console.log(`next key: ${after.transactions} transactions, ${after.gas} gas`);
    expect(after.transactions).toBe(4);
    expect(after.gas).toBeLessThan(4_000_000n);
  });

  it("is registered without GPUs where the policy allows it, with assurance 2", async () => {
    const source = machine({ gpus: 0 });
    await expect(proveEnclave(executor.context, proof({ source }))).rejects.toMatchObject({ code: "enclave.policy" });
    await policy({ gpus: 0 });
    await expect(proveEnclave(executor.context, proof({ source }))).rejects.toThrow(/assurance 3/);
    await policy({ gpus: 0, minAssurance: 2 });
    const { transactions } = await proveEnclave(executor.context, proof({ source }));
    expect(transactions).toBe(11);
    expect(await read(executor.context, "enclaves", "standingOf", [enclave.address])).toMatchObject({
      ...{ gpus: 0, assurance: 2 },
    });
  });

  it("of an SGX enclave is registered and renewed by the same way, under the verifier of its kind", async () => {
    const source = machine({ gpus: 0, tee: "sgx" });
    const { evidence, measurement: enclaves, tee } = await look(source);
    expect([tee, enclaves === measurement]).toEqual(["sgx", false]);
    // The policy of a virtual machine on this platform takes no enclave.
    await expect(proveEnclave(executor.context, proof({ source }))).rejects.toMatchObject({ code: "enclave.policy" });
    const { modelId } = scene.model;
    await setPolicy(governance.context, { modelId, measurement: enclaves, validUntil: 2 ** 33 });
    const terms = { ...TERMS, gpus: 0, minAssurance: 2 };
    await setTerms(governance.context, { modelId, measurement: enclaves, terms });
    const { transactions, gas } = await proveEnclave(executor.context, proof({ source }));
    console.log(`SGX key: ${transactions} transactions, ${gas} gas`);
    expect(transactions).toBe(11);
    expect(await read(executor.context, "enclaves", "enclaveOf", [enclave.address])).toMatchObject({
      kind: DCAP_KINDS.sgx,
      measurement: enclaves,
    });
    expect(await read(executor.context, "enclaves", "standingOf", [enclave.address])).toMatchObject({ assurance: 2 });
    await pass(2 * DAY);
    expect(await proveEnclave(executor.context, proof({ source, renew: true }))).toMatchObject({ changed: true });
    // Either kind of quote is refused under the other's name, by the contracts behind the registry.
    const virtual = await look(machine({ gpus: 0 }));
    for (const [kind, { quote }] of [
      [DCAP_KINDS.tdx, { quote: (evidence.cpu as { quote: Uint8Array }).quote }],
      [DCAP_KINDS.sgx, virtual],
    ] as const) {
      const { sessions } = await attestationContracts(executor.context, "sgx");
      const aux = dcapAux(parsePem(parseQuote(quote).chain)[0]!.der, 20);
      const call = callOf(sessions, "sessions", "prove", [{ kind, evidence: toHex(quote), aux }]);
      await expect(executor.context.sender.send(call)).rejects.toThrow(/QuoteVersion/);
    }
    const removal = callOf(executor.context.addresses.enclaves, "enclaves", "removeVerifier", [DCAP_KINDS.sgx]);
    await governance.context.sender.send(removal);
    const registration = { ...proof().registration, enclaveKey: governance.address };
    await expect(proveEnclave(executor.context, proof({ source, registration }))).rejects.toThrow(/SGX quotes/);
  });

  it("is renewed with fresh collateral, before it expires and not after", async () => {
    const { expiresAt } = await proveEnclave(executor.context, proof());
    await expect(
      proveEnclave(executor.context, proof({ source: without(machine()), renew: true })),
    ).rejects.toMatchObject({
      code: "enclave.collateral",
    });
    await pass(20 * DAY);
    const before = await sent();
    const renewed = await proveEnclave(executor.context, proof({ renew: true }));
    expect(renewed.expiresAt).toBeGreaterThan(expiresAt);
    // Two lists, TCB info, QE identity; the session and its proofs.
    expect(renewed.transactions).toBe(8);
    expect(await sent()).toBe(before + 8);
    await pass(40 * DAY);
    await expect(proveEnclave(executor.context, proof({ renew: true }))).rejects.toThrow(/has expired/);
    const registration = { ...proof().registration, enclaveKey: governance.address };
    await expect(proveEnclave(executor.context, proof({ registration, renew: true }))).rejects.toThrow(
      /nothing to renew/,
    );
  });

  it("ends with its revocation, for good", async () => {
    await proveEnclave(executor.context, proof());
    await revokeEnclave(executor.context, enclave.address);
    expect(await isActive()).toBe(false);
    for (const renew of [false, true])
      await expect(proveEnclave(executor.context, proof({ renew }))).rejects.toMatchObject({ code: "enclave.key" });
    expect((await enclaveRegistration(executor.context, enclave.address)).revokedAt).toBeGreaterThan(0n);
  });

  it("killed between any two steps, goes on where it was and pays for nothing twice", async () => {
    const folder = mkdtempSync(join(tmpdir(), "otr-prove-"));
    /** A process that ends after so many writes and transactions; `remembers` unless its database is lost with it. */
    const process = async (path: string, end?: number) => {
      const life = new Lifeline(end);
      const database = Database.open(join(folder, path), { applicationId: 1, migrations: [CHAIN_SQL] }, life);
      const client = life.client(scene.client);
      const account = privateKeyToAccount(executor.key);
      const sender = new Transactor({ client, account, store: new SqliteIntentStore(database), pollMs: 10 });
      const context = { ...executor.context, client, sender };
      // Nobody waits for what a dead process had sent.
      life.death.addEventListener("abort", () => void sender.close());
      try {
        return { ...(await proveEnclave(context, proof())), steps: life.steps };
      } catch (error) {
        if (!life.death.aborted) throw error;
        return undefined;
      } finally {
        await sender.close();
        database.close();
      }
    };
    try {
      const whole = await process("whole.sqlite");
      const count = await sent();
      await scene.revert(snapshot);
      // Each transaction is three steps: on disk, handed over, mined.
      expect(whole!.steps).toBeGreaterThan(3 * 17 - 1);
      const stride = FUZZ > 1 ? 1 : 7;
      for (let end = 1; end < whole!.steps; end += stride) {
        snapshot = await scene.snapshot();
        const path = `${end}.sqlite`;
        expect(await process(path, end)).toBeUndefined();
        // A machine that lost its database finds all that is in blocks; here all of it is.
        const done = await process(end % 2 === 0 ? path : `${end}-lost.sqlite`);
        expect([end, await sent(), await isActive()]).toEqual([end, count, true]);
        expect(done!.transactions).toBeLessThanOrEqual(17);
        await scene.revert(snapshot);
      }
      snapshot = await scene.snapshot();
    } finally {
      rmSync(folder, { recursive: true });
    }
  }, 600_000);

  it("begins a new session when the old one is over, or the terms have changed", async () => {
    const opened: string[] = [];
    const onSent = (name: string) => opened.push(name);
    const consent = async (): Promise<Hex> => {
      throw new Error("the enclave is gone");
    };
    await expect(proveEnclave(executor.context, proof({ consent, onSent }))).rejects.toThrow(/gone/);
    expect(opened.filter((name) => name.startsWith("sessions"))).toEqual([
      ...["sessions.open", "sessions.prove", "sessions.prove"],
    ]);
    opened.length = 0;
    await policy({ lifetime: DAY });
    await expect(proveEnclave(executor.context, proof({ consent, onSent }))).rejects.toThrow(/gone/);
    expect(opened).toEqual(["sessions.open", "sessions.prove", "sessions.prove"]);
    opened.length = 0;
    await pass(3400);
    await expect(proveEnclave(executor.context, proof({ consent, onSent }))).rejects.toThrow(/gone/);
    expect(opened).toEqual(["sessions.open", "sessions.prove", "sessions.prove"]);
    opened.length = 0;
    await proveEnclave(executor.context, proof({ onSent }));
    expect(opened).toEqual(["sessions.finalize"]);
  });

  it("is not held up by what others prove under its nonces", async () => {
    let calls = 0;
    const busy = machine();
    const broken: EvidenceSource = {
      ...busy,
      async evidence(...asked) {
        if (calls++ > 0) throw new Error("the machine is busy");
        return busy.evidence(...asked);
      },
    };
    let session: Hex = zeroHash;
    const onSent = (name: string, { logs }: TransactionReceipt) => {
      if (name === "sessions.open") session = logs[0]!.topics[1]!;
    };
    await expect(proveEnclave(executor.context, proof({ source: broken, onSent }))).rejects.toThrow(/busy/);
    // The machine's own report, with the hint that other measurements count: another firmware, which no set accepts.
    const { gpus } = await machine().evidence(new Uint8Array(64), [fromHex(gpuNonce(session, 0))]);
    const { report, chain } = gpus[0]!;
    const certificates = parsePem(chain);
    const leaf = { id: cacheSteps(certificates).at(-1)!.id, der: certificates[0]!.der };
    const evidence = { kind: NVIDIA_KIND, evidence: toHex(report), aux: gpuAux(report, leaf, 1n) };
    const { sessions } = await attestationContracts(executor.context, "tdx");
    await governance.context.sender.send(callOf(sessions, "sessions", "prove", [evidence]));
    const names: string[] = [];
    await proveEnclave(executor.context, proof({ onSent: (name) => names.push(name) }));
    expect(names).toEqual(["sessions.prove", "sessions.prove", "sessions.finalize"]);
    expect(await isActive()).toBe(true);
  });

  it("is refused for nothing, with what to do, where no policy takes the machine", async () => {
    const before = await sent();
    const refused = (changes: Partial<ProveEnclaveParameters>, reason: RegExp) =>
      expect(proveEnclave(executor.context, proof(changes))).rejects.toMatchObject({
        code: "enclave.policy",
        message: expect.stringMatching(reason),
      });
    await refused({ source: machine({ configuration: "another guest" }) }, /otr enclave policy set/);
    await refused({ chosen: 1n }, /otr enclave firmware accept/);
    await policy({ gpus: 2 });
    await refused({}, /asks for 2 GPUs, and 1 are attested/);
    await removePolicy(governance.context, { modelId: scene.model.modelId, measurement });
    await refused({}, /otr enclave policy set/);
    expect(await sent()).toBe(before);
  });

  it("brings the list of TCB evaluation data numbers along, where it comes with the collateral", async () => {
    const now = Number((await getBlock(scene.client)).timestamp);
    const issued = { issuedAt: now - 60, evaluation: 20, announced: { 20: now - 400 * DAY, 21: now - 10 * DAY } };
    const collateral = new DevIntel(SEED).tdxCollateral(issued);
    const names: string[] = [];
    const onSent = (name: string) => names.push(name);
    await proveEnclave(executor.context, proof({ source: without(machine()), collateral, onSent }));
    expect(names).toContain("intelCollateral.submitTcbEvaluation");
    const { intelCollateral: address } = await attestationContracts(executor.context, "tdx");
    const kind = stringToHex("TDX", { size: 32 });
    const [, since] = await read(executor.context, "intelCollateral", "evaluationOf", [kind], { address });
    expect(since).toBe(now - 60);
    expect(await isActive()).toBe(true);
  });

  it("is refused with stale collateral, with none, and with some from the future", async () => {
    const refused = (source: EvidenceSource, reason: RegExp) =>
      expect(proveEnclave(executor.context, proof({ source }))).rejects.toMatchObject({
        code: "enclave.collateral",
        message: expect.stringMatching(reason),
      });
    await refused(machine({ late: -40 * DAY }), /The chain has none, and the one handed over held until/);
    await refused(machine({ late: 3 * DAY }), /issued in the future/);
    await refused(without(machine()), /none was handed over/);
    await expect(
      proveEnclave(
        executor.context,
        proof({ source: without(machine()), collateral: (await collateralOf(machine()))! }),
      ),
    ).resolves.toMatchObject({ changed: true });
    await pass(31 * DAY);
    const next = { ...proof().registration, enclaveKey: governance.address };
    await expect(
      proveEnclave(executor.context, proof({ registration: next, source: without(machine()) })),
    ).rejects.toThrow(/The chain's held until .*, and none was handed over/s);
  });

  it("says what to do when contracts are called in the wrong order", async () => {
    const { evidence } = await look(machine());
    const contracts = await attestationContracts(executor.context, "tdx");
    const send = async (call: ReturnType<typeof callOf>) => {
      const error = await executor.context.sender.send(call).catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code: "chain.revert" });
      return (error as ContractRevertError).errorName;
    };
    const { intelCertificates, sessions } = contracts;
    const pck = callOf(intelCertificates, "intelCertificates", "addPck", [certificate(evidence, 0), zeroHash]);
    expect(hintOf(await send(pck))).toMatch(/root down/);
    const early = { ...proof().registration };
    const claims = { ...NO_CLAIMS, kind: zeroHash };
    const end = callOf(sessions, "sessions", "finalize", [early, zeroHash, claims, [], zeroHash, "0x"]);
    expect(hintOf(await send(end))).toMatch(/begin again/);
    expect(hintOf("X509Der")).toBeUndefined();
    expect(hintOf(undefined)).toBeUndefined();
  });

  it("has no way for SEV-SNP evidence, and says so", async () => {
    const source: EvidenceSource = {
      kind: "snp",
      gpus: 0,
      evidence: async () => ({
        cpu: { kind: "snp", report: new Uint8Array(1184), certificates: new Uint8Array() },
        gpus: [],
      }),
    };
    await expect(proveEnclave(executor.context, proof({ source }))).rejects.toMatchObject({
      code: "attestation.unsupported",
      message: expect.stringMatching(/No contract verifies it/),
    });
  });

  it("is not registered under roots that the chain does not pin", async () => {
    const before = await sent();
    const source = machine({ seed: new TextEncoder().encode("another") });
    await expect(proveEnclave(executor.context, proof({ source }))).rejects.toMatchObject({ code: "enclave.root" });
    expect(await sent()).toBe(before);
  });
});

const NO_CLAIMS = {
  ...{
    deviceId: zeroHash,
    measurement: zeroHash,
    rd0: zeroHash,
    rd1: zeroHash,
    evidenceHash: zeroHash,
    certificate: zeroHash,
  },
  ...{ tcbStatus: 0, tcbEval: 0, notAfter: 0n },
};

const certificate = ({ cpu }: Evidence, index: number): Hex => {
  if (cpu.kind !== "tdx") throw new Error("not a quote");
  return toHex(parsePem(parseQuote(cpu.quote).chain)[index]!.der);
};

const collateralOf = async (source: EvidenceSource) => (await source.evidence(new Uint8Array(64), [])).collateral;

/** A machine whose evidence comes without collateral. */
const without = (source: EvidenceSource): EvidenceSource => ({
  ...source,
  async evidence(...asked) {
    const { collateral: _, ...evidence } = await source.evidence(...asked);
    return evidence;
  },
});

describe("a production deployment", () => {
  const CHAIN = 41_067;
  let anvil: Anvil;
  beforeAll(async () => {
    anvil = await startAnvil({ chainId: CHAIN });
  });
  afterAll(async () => {
    await anvil?.stop();
    rmSync(deploymentPath(CHAIN), { force: true });
  });

  it("pins the vendors' roots, and takes no others' evidence", async () => {
    const [url, privateKey] = [anvil.url, anvilKey(0)];
    const roots = devRoots(SEED);
    await expect(deploy({ url, privateKey, parameters: { ...roots, allowAnyChain: true } })).rejects.toThrow(
      /NotTheVendors/,
    );
    const { addresses } = await deploy({ url, privateKey });
    const client = await connect({ url, pollMs: 10 });
    const account = privateKeyToAccount(anvilKey(1));
    const sender = new Transactor({ client, account, store: new MemoryIntentStore(), pollMs: 10 });
    const context = { client, addresses, sender };
    const source = devSource({ seed: SEED });
    const enclave = privateKeyToAccount(keccak256("0x01"));
    const registration = {
      ...{ executor: account.address, modelId: zeroHash, enclaveKey: enclave.address },
      encryptionKeyHash: keccak256("0x"),
    };
    const consent = (challenge: Challenge) => enclave.sign({ hash: challengeHash(challenge) });
    await expect(proveEnclave(context, { registration, source, chosen: CHOSEN, consent })).rejects.toMatchObject({
      code: "enclave.root",
      message: expect.stringMatching(/0xa1acc73eb45794fa1734f14d882e91925b6006f79d3bb2460df9d01b333d7009/),
    });
    // Nor do the contracts themselves.
    const { evidence } = await look(source);
    const contracts = await attestationContracts(context, "tdx");
    const root = callOf(contracts.intelCertificates, "intelCertificates", "addRoot", [certificate(evidence, 2)]);
    await expect(sender.send(root)).rejects.toMatchObject({ errorName: "PckRoot" });
    const gpu = evidence.gpus[0]!.chain;
    const last = toHex(parsePem(gpu).at(-1)!.der);
    const gpuRoot = callOf(contracts.gpus!.nvidiaCertificates, "nvidiaCertificates", "cacheRoot", [last]);
    await expect(sender.send(gpuRoot)).rejects.toMatchObject({ code: "chain.revert" });
    await sender.close();
  });
});
