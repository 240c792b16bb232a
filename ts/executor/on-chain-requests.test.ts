import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Abi,
  createTestClient,
  createWalletClient,
  encodeDeployData,
  http,
  type LocalAccount,
  parseEther,
  publicActions,
  type TestClient,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { getBlock, getCode } from "viem/actions";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { generate } from "../adversary/random-fault.ts";
import { type Anvil, anvilKey, startAnvil } from "../chain/anvil.ts";
import { type ChainClient, connect } from "../chain/client.ts";
import { eventOf } from "../chain/context.ts";
import { deploy } from "../chain/deploy.ts";
import { type Deployment, deploymentPath } from "../chain/deployment.ts";
import { SOFTWARE_MEASUREMENT } from "../chain/dev-evidence.ts";
import { ExecutorPort } from "../chain/executor-port.ts";
import { type OtrActions, otrActions } from "../chain/otr-actions.ts";
import { SqliteIntentStore } from "../chain/sqlite.ts";
import { systemClock } from "../chain/time.ts";
import { Transactor } from "../chain/transactor.ts";
import { walletSender } from "../chain/wallet-sender.ts";
import type { Hex } from "../commit/bytes.ts";
import { toHex } from "../commit/bytes.ts";
import { saltKey, tokenTree } from "../commit/record.ts";
import { TAGS } from "../commit/tags.ts";
import { hashRequest, type Request } from "../commit/typed-data.ts";
import { silentLogger } from "../config/logger.ts";
import { referenceEngine } from "../engine/reference.ts";
import type { Engine } from "../engine/types.ts";
import { sceneModel, wordOf } from "../fisherman/testing/scene-model.ts";
import { Database } from "../store/database.ts";
import { ExecutorStore } from "../store/executor-store.ts";
import { AskedStore } from "./asked-store.ts";
import { SoftwareEnclave } from "./enclave.ts";
import { Executor } from "./executor.ts";
import type { Offer } from "./offer.ts";
import { OnChainRequests } from "./on-chain-requests.ts";
import { accountSigner } from "./operator.ts";
import { registerSoftwareEnclave } from "./register-software-enclave.ts";
import { random, TEST_MODEL, until } from "./testing/setup.ts";

const CHAIN = 41_012;
const WINDOW = 1000;
const PRICE: Offer = { perInputToken: 0n, perOutputToken: 10n, perRequest: 1n, perCallbackGas: 0n, marginSeconds: 60 };

let anvil: Anvil;
let client: ChainClient;
let deployment: Deployment;
let chain: TestClient<"anvil">;
let folder: string;
let modelId: Hex;
let engine: Engine;
let nonce = 0n;
const { content, instructions, manifest } = sceneModel();
const [governance, operator, customer] = [0, 1, 2].map((i) => privateKeyToAccount(anvilKey(i))) as [
  LocalAccount,
  LocalAccount,
  LocalAccount,
];
const domain = () => ({ chainId: CHAIN, rollup: deployment.addresses.rollup.toLowerCase() as Hex });

function actionsOf(account: LocalAccount): OtrActions {
  const wallet = createWalletClient({ account, chain: client.chain, transport: http(anvil.url) });
  return otrActions({ addresses: deployment.addresses, sender: walletSender(wallet, 10) })(client);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "otr-requests-"));
  anvil = await startAnvil({ chainId: CHAIN });
  const parameters = { development: true, allowAnyChain: true, challengeWindow: WINDOW, lockPerReceipt: 1000n };
  deployment = await deploy({ url: anvil.url, privateKey: anvilKey(0), parameters });
  client = await connect({ url: anvil.url, chainId: CHAIN, pollMs: 10 });
  chain = createTestClient({ mode: "anvil", chain: client.chain, transport: http(anvil.url) });
  const deployer = actionsOf(governance);
  ({ modelId } = await deployer.registerModel(manifest));
  await deployer.validateProgram({ modelId, instructions });
  const { timestamp } = await getBlock(client);
  await deployer.setPolicy({ modelId, measurement: SOFTWARE_MEASUREMENT, validUntil: Number(timestamp) + 10 ** 7 });
  await actionsOf(operator).deposit({ amount: parseEther("1") });
  engine = referenceEngine(content.program, content.weights);
}, 300_000);

afterAll(async () => {
  await anvil.stop();
  rmSync(folder, { recursive: true });
  rmSync(deploymentPath(CHAIN), { force: true });
});

interface Serving {
  readonly executor: Executor;
  readonly asked: AskedStore;
  readonly store: ExecutorStore;
  readonly stop: () => Promise<void>;
}

/** An executor on a database file. `blind`: it does not find its batches, as if it died before it could deliver. */
async function serve(name: string, { blind = false } = {}): Promise<Serving> {
  const database = Database.open(join(folder, name), ExecutorStore.schema);
  const store = new ExecutorStore(database, domain(), systemClock.now);
  const sender = new Transactor({ client, account: operator, store: new SqliteIntentStore(database), pollMs: 10 });
  const context = { client, addresses: deployment.addresses, sender };
  const enclave = new SoftwareEnclave({ engine, modelId, manifest, domain: domain(), random });
  const { timestamp } = await getBlock(client);
  const registration = { enclave, executor: operator.address, devRoot: governance, notAfter: timestamp + 10n ** 6n };
  await registerSoftwareEnclave(context, registration);
  const port = new ExecutorPort({ context, executor: operator.address, fromBlock: 0n });
  const log = silentLogger();
  const executor = new Executor({
    domain: domain(),
    served: [{ model: { ...TEST_MODEL, modelId, manifest, stopTokens: [] }, enclave }],
    operator: accountSigner(operator),
    chain: port,
    requests: new OnChainRequests({
      context,
      domain: domain(),
      chain: blind ? { findBatch: async () => undefined } : port,
      modelIds: [modelId],
      offer: PRICE,
      database,
      answers: store,
      log,
      fromBlock: 0n,
      pollMs: 20,
    }),
    store,
    // The chain's time: the tests move it.
    clock: { ...systemClock, now: () => Number(chainTime) * 1000 },
    random,
    log,
    terms: { commitWithinSeconds: 600, lifetimeSeconds: 3600 },
    batches: { intervalMs: 0, pollMs: 20, confirmations: 1 },
    standingPollMs: 50,
    // The tests have a database each.
    acceptUnknownBatches: true,
  });
  await executor.start({ host: "127.0.0.1", port: 0 });
  return { executor, asked: new AskedStore(database, systemClock.now), store, stop: () => executor.stop(5000) };
}

let chainTime = 0n;

/** Moves the chain on. */
async function pass(seconds: number): Promise<void> {
  await chain.increaseTime({ seconds });
  await chain.mine({ blocks: 1 });
  chainTime = (await getBlock(client)).timestamp;
}

async function requestOf(changes: Partial<Request> = {}): Promise<Request> {
  await pass(1);
  return {
    requester: customer.address.toLowerCase() as Hex,
    modelId,
    inputRoot: wordOf(0),
    nIn: 0,
    maxOut: 3,
    stopTokens: [],
    sampler: 0,
    temperature: 0,
    seed: wordOf(5),
    nonce: nonce++,
    deadline: chainTime + 3000n,
    confidential: false,
    watchers: [],
    ...changes,
  };
}

/** What the model says, by another run. */
async function expected(request: Request, prompt: readonly number[]): Promise<readonly number[]> {
  const key = saltKey({ ...request, secret: request.seed });
  const whole = {
    ...request,
    nIn: prompt.length,
    inputRoot: toHex(tokenTree(key, "input", prompt).root(TAGS.input)),
  };
  const input = { prompt, requestHash: hashRequest(domain(), whole), temperature: 0, saltKey: key };
  return (await generate(engine, input, request.maxOut)).outputs;
}

describe("an executor and requests on the chain", () => {
  it("answers, delivers, and is paid once the answer is final", async () => {
    const actions = actionsOf(customer);
    const request = await requestOf();
    const input = [1, 2, 3];
    const asked = await actions.ask({ request, input, finality: "provisional", payment: 31n });
    const cheap = await actions.ask({
      request: await requestOf(),
      input,
      finality: "provisional",
      payment: 30n,
    });
    const serving = await serve("first.sqlite");
    try {
      const answer = () => actions.getAnswer(asked.requestHash);
      await until(async () => (await answer()).state === "provisional");
      expect(await answer()).toEqual({ state: "provisional", round: 1, output: await expected(request, input) });
      expect(serving.asked.stateOf(cheap.requestHash)).toEqual({ state: "left", note: "it pays 30 wei of 31" });
      await pass(WINDOW);
      await until(() => serving.asked.stateOf(asked.requestHash)?.state === "settled");
      expect((await answer()).state).toBe("final");
    } finally {
      await serving.stop();
    }
    const balance = await readClaim(operator.address);
    expect(balance).toBe(31n);
    // The other one is its requester's again.
    await pass(3000 + 6 * 3600);
    await actions.refundRequest({ requestHash: cheap.requestHash });
    expect((await actions.getRequest(cheap.requestHash)).state).toBe("refunded");
    expect(await readClaim(customer.address)).toBe(30n);
  }, 120_000);

  it("leaves alone, before it computes, what it could not afford to post on demand", async () => {
    const actions = actionsOf(customer);
    const ask = async (input: readonly number[]) =>
      (await actions.ask({ request: await requestOf(), input, finality: "final", payment: 100n })).requestHash;
    const long = await ask([1, 2, 3, 4]);
    const short = await ask([1, 2, 3]);
    const { availability } = await actions.getRules();
    const code = await getCode(client, { address: availability });
    // Returns 3 whatever it is asked: the limit is the court's, not ours.
    await chain.setCode({ address: availability, bytecode: "0x60035f5260205ff3" });
    const serving = await serve("limit.sqlite");
    try {
      const state = (hash: Hex) => serving.asked.stateOf(hash);
      await until(() => state(long) !== undefined && state(long)!.state !== "open");
      expect(state(long)).toMatchObject({ state: "left", note: expect.stringContaining("Tokens: 4, at most 3") });
      expect(serving.store.answerOf(long)).toBeUndefined();
      await until(() => serving.store.answerOf(short) !== undefined);
    } finally {
      await serving.stop();
      await chain.setCode({ address: availability, bytecode: code! });
    }
  }, 120_000);

  it("goes on after a death between commitment and delivery, with the one receipt that there is", async () => {
    const actions = actionsOf(customer);
    const { requestHash } = await actions.ask({
      request: await requestOf(),
      input: [4, 5],
      finality: "final",
      payment: 100n,
    });
    const first = await serve("second.sqlite", { blind: true });
    await until(() => first.store.answerOf(requestHash)?.batchRoot !== undefined);
    const { receiptHash } = first.store.answerOf(requestHash)!;
    await first.stop();
    expect((await actions.getRequest(requestHash)).candidates).toBe(0);

    const second = await serve("second.sqlite");
    await until(async () => (await actions.getRequest(requestHash)).candidates === 1);
    expect(second.store.answerOf(requestHash)?.receiptHash).toBe(receiptHash);
    await second.stop();

    await pass(WINDOW);
    const third = await serve("second.sqlite");
    await until(() => third.asked.stateOf(requestHash)?.state === "settled");
    await third.stop();
    expect((await actions.getAnswer(requestHash)).state).toBe("final");
    expect((await actions.getRequest(requestHash)).candidates).toBe(1);
  }, 120_000);

  it("decides a bet of two accounts on a text that a third publishes", async () => {
    const { abi, bytecode } = JSON.parse(readFileSync("out/TextBet.sol/TextBet.json", "utf8")) as {
      abi: Abi;
      bytecode: { object: Hex };
    };
    const prompt = [7, 8, 9];
    const probe = await requestOf({ maxOut: 1 });
    const [yes] = await expected(probe, prompt);
    const wallet = createWalletClient({ account: customer, chain: client.chain, transport: http(anvil.url) }).extend(
      publicActions,
    );
    const data = encodeDeployData({
      abi,
      bytecode: bytecode.object,
      args: [deployment.addresses.requests, modelId, yes, yes! + 1],
    });
    const mined = await wallet.waitForTransactionReceipt({ hash: await wallet.sendTransaction({ data }), ...POLL });
    const address = mined.contractAddress!;
    const send = async (functionName: string, args: unknown[], value: bigint, account = customer) => {
      const hash = await createWalletClient({ account, chain: client.chain, transport: http(anvil.url) }).writeContract(
        { address, abi, functionName, args, value },
      );
      return wallet.waitForTransactionReceipt({ hash, ...POLL });
    };
    await send("offer", [customer.address, [7], [9]], 1000n);
    await send("take", [1n], 1000n, governance);
    const published = await send("publish", [1n, [7], [8], [9]], 50n);
    const { requestHash } = eventOf(published, "requests", "Requested");
    const serving = await serve("third.sqlite");
    try {
      const balance = (of: Hex) => wallet.readContract({ address, abi, functionName: "balanceOf", args: [of] });
      const request = () => actionsOf(customer).getRequest(requestHash);
      await until(async () => (await request()).candidates === 1);
      expect(await balance(customer.address)).toBe(0n);
      await pass(WINDOW);
      await until(async () => (await balance(customer.address)) === 2000n);
      expect(await balance(governance.address)).toBe(0n);
    } finally {
      await serving.stop();
    }
  }, 120_000);
});

const POLL = { pollingInterval: 10 };

function readClaim(account: Hex): Promise<bigint> {
  const reader = createWalletClient({ account, chain: client.chain, transport: http(anvil.url) }).extend(publicActions);
  return reader.readContract({
    address: deployment.addresses.vault,
    abi: CLAIMABLE,
    functionName: "claimableOf",
    args: [account],
  });
}

const CLAIMABLE = [
  {
    type: "function",
    name: "claimableOf",
    stateMutability: "view",
    inputs: [{ type: "address" }],
    outputs: [{ type: "uint256" }],
  },
] as const;
