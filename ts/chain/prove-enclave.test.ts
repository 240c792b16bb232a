import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Hex, keccak256, zeroHash } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { getBlock, getTransactionCount } from "viem/actions";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { firmwareOf } from "../attestation/gpu-firmware.ts";
import { type DevSourceOptions, devRoots, devSource } from "../enclave/dev-source.ts";
import type { EvidenceSource } from "../enclave/source.ts";
import { type Actor, Scene, TURN } from "../fisherman/testing/scene.ts";
import { FUZZ } from "../machine/testing/fuzz.ts";
import { Database } from "../store/database.ts";
import { look, type ProveEnclaveParameters, proveEnclave } from "./actions/prove-enclave.ts";
import { enclaveRegistration, isEnclaveActive, revokeEnclave } from "./actions/register-enclave.ts";
import { acceptFirmware, type PolicyTerms, removePolicy, setPolicy, setTerms } from "./actions/set-policy.ts";
import { anvilKey } from "./anvil.ts";
import { attestationContracts } from "./attestation-contracts.ts";
import { callOf, read } from "./context.ts";
import type { ContractRevertError } from "./errors.ts";
import { hintOf } from "./proof-hints.ts";
import { CHAIN_SQL, SqliteIntentStore } from "./sqlite.ts";
import { Lifeline } from "./testing/lifeline.ts";
import { Transactor } from "./transactor.ts";

const SEED = new TextEncoder().encode("prove-enclave.test");
const CHOSEN = 0x1fffn;
const SET: Hex = `0x${"48".repeat(32)}`;
const DAY = 86_400;
const TERMS: PolicyTerms = { image: zeroHash, sources: zeroHash, firmwareSet: SET, gpus: 1, minAssurance: 3, lifetime: 0 };

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
    consent: (session) => enclave.sign({ hash: session }),
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
    snapshot = await scene.chain.snapshot();
  });
  afterEach(() => scene.chain.revert({ id: snapshot }));
  afterAll(() => scene?.close());

  it("is registered with quote and GPU, and a second one for the price of its evidence", async () => {
    const names: string[] = [];
    const begin = performance.now();
    const done = await proveEnclave(executor.context, proof({ onSent: (name) => names.push(name) }));
    console.log(`first key: ${done.transactions} transactions, ${done.gas} gas, ${performance.now() - begin} ms`);
    console.log(names.join(" "));
    expect(done).toMatchObject({ changed: true, measurement, transactions: names.length });
    expect(await isActive()).toBe(true);
    expect(await read(executor.context, "enclaves", "standingOf", [enclave.address])).toMatchObject({
      gpus: 1,
      assurance: 3,
    });
  });
});
