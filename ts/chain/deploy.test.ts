import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { privateKeyToAccount } from "viem/accounts";
import { getTransactionCount } from "viem/actions";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Anvil, anvilKey, startAnvil } from "./anvil.ts";
import { connect } from "./client.ts";
import { deploy } from "./deploy.ts";
import { type Deployment, deploymentPath } from "./deployment.ts";

const CHAIN_ID = 41_006;
const FILE = deploymentPath(CHAIN_ID);
const PARAMETERS = { development: true, allowAnyChain: true, turnDuration: 600, challengeWindow: 100_000 };

describe("a deployment that stands", () => {
  let anvil: Anvil;
  let first: Deployment;
  let json: Record<string, string>;
  beforeAll(async () => {
    anvil = await startAnvil({ chainId: CHAIN_ID });
    first = await again();
    json = JSON.parse(readFileSync(FILE, "utf8")) as Record<string, string>;
  });
  afterAll(async () => {
    rmSync(FILE, { force: true });
    await anvil.stop();
  });

  const again = (changes: Partial<typeof PARAMETERS> = {}) =>
    deploy({ url: anvil.url, privateKey: anvilKey(0), parameters: { ...PARAMETERS, ...changes } });
  const sent = async () =>
    getTransactionCount(await connect({ url: anvil.url }), { address: privateKeyToAccount(anvilKey(0)).address });
  const named = (changes: Record<string, string>) => writeFileSync(FILE, JSON.stringify({ ...json, ...changes }));

  it("is found again: nothing is sent", async () => {
    const before = await sent();
    expect((await again()).addresses).toEqual(first.addresses);
    expect(await sent()).toBe(before);
  });

  it("is no longer trusted once its address file names something else, or parameters differ: nothing is sent", async () => {
    const before = await sent();
    named({ FraudProofs: json.Availability! });
    await expect(again()).rejects.toThrow(/UnknownCode\("FraudProofs"/);
    named({});
    await expect(again({ turnDuration: 700 })).rejects.toThrow(/UnknownCode\("DisputeGame"/);
    expect(await sent()).toBe(before);
  });
});
