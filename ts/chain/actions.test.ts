import { rmSync } from "node:fs";
import { createWalletClient, http, parseEther } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { getBlock } from "viem/actions";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Challenge, challengeHash } from "../attestation/challenge.ts";
import { batchRoot } from "../commit/batch.ts";
import { type Hex, toHex, word } from "../commit/bytes.ts";
import { programTree } from "../commit/model-trees.ts";
import { TAGS } from "../commit/tags.ts";
import { hashReceipt, type Receipt, receiptTypedData } from "../commit/typed-data.ts";
import { compileLlama } from "../compiler/llama.ts";
import { randomConfig, randomTensors } from "../compiler/random.ts";
import { registerSoftwareEnclave } from "../executor/register-software-enclave.ts";
import { encodeInstruction } from "../machine/instruction.ts";
import { cacheRowCount } from "../machine/program.ts";
import { type Anvil, anvilKey, startAnvil } from "./anvil.ts";
import { type ChainClient, connect } from "./client.ts";
import { openReceipt } from "./committed.ts";
import { read } from "./context.ts";
import { deploy } from "./deploy.ts";
import { type Deployment, deploymentPath } from "./deployment.ts";
import { SOFTWARE_MEASUREMENT } from "./dev-evidence.ts";
import { ContractRevertError, NoSenderError, WrongChainError } from "./errors.ts";
import { chainFacts, ExecutorPort } from "./executor-port.ts";
import { MemoryIntentStore } from "./intent.ts";
import { type OtrActions, otrActions } from "./otr-actions.ts";
import { Transactor } from "./transactor.ts";
import { walletSender } from "./wallet-sender.ts";

const CHAIN = 41_003;

describe("actions on a deployment", () => {
  let anvil: Anvil;
  let client: ChainClient;
  let deployment: Deployment;
  let governance: OtrActions;
  let executor: OtrActions & { otr: { sender: Transactor } };
  let enclave: ReturnType<typeof softwareEnclave>;
  let modelId: Hex;
  const executorAccount = privateKeyToAccount(anvilKey(1));
  const devRoot = privateKeyToAccount(anvilKey(0));

  beforeAll(async () => {
    anvil = await startAnvil({ chainId: CHAIN });
    const parameters = {
      development: true,
      allowAnyChain: true,
      lockPerReceipt: parseEther("0.01"),
      challengeWindow: 100,
    };
    deployment = await deploy({ url: anvil.url, privateKey: anvilKey(0), parameters });
    client = await connect({ url: anvil.url, chainId: CHAIN, pollMs: 10 });
    const wallet = createWalletClient({ account: devRoot, chain: client.chain, transport: http(anvil.url) });
    governance = otrActions({ addresses: deployment.addresses, sender: walletSender(wallet, 10) })(client);
    const sender = new Transactor({ client, account: executorAccount, store: new MemoryIntentStore(), pollMs: 10 });
    executor = client.extend(otrActions({ addresses: deployment.addresses, sender })) as unknown as typeof executor;
  });
  afterAll(async () => {
    await anvil.stop();
    rmSync(deploymentPath(CHAIN), { force: true });
  });

  it("keeps a deployment that is there", async () => {
    const again = await deploy({
      url: anvil.url,
      privateKey: anvilKey(0),
      parameters: { development: true, allowAnyChain: true },
    });
    expect(again.addresses).toEqual(deployment.addresses);
  });

  it("refuses the wrong chain, and writes without a sender", async () => {
    await expect(connect({ url: anvil.url, chainId: 1 })).rejects.toBeInstanceOf(WrongChainError);
    const reader = otrActions({ addresses: deployment.addresses })(client);
    await expect(reader.deposit({ amount: 1n })).rejects.toBeInstanceOf(NoSenderError);
  });

  it("registers an executor once, whatever it had before", async () => {
    await executor.registerExecutor({ endpoint: "http://one.example", stake: parseEther("0.5") });
    const delegates = [privateKeyToAccount(anvilKey(2)).address];
    await executor.registerExecutor({ endpoint: "http://two.example", stake: parseEther("1"), delegates });
    expect(await executor.getExecutor(executorAccount.address)).toMatchObject({
      stake: parseEther("1"),
      locked: 0n,
      convictedAt: 0n,
    });
    expect(await executor.getEndpoint({ executor: executorAccount.address, fromBlock: 0n })).toBe("http://two.example");
  });

  it("registers a model and validates its program in chunks, going on where it stopped", async () => {
    const config = randomConfig(2);
    const { program, weights } = compileLlama(config, randomTensors(config, 2));
    const instructions = program.instructions.map(encodeInstruction);
    const any = toHex(word(1));
    ({ modelId } = await governance.registerModel({
      machineVersion: 1,
      programRoot: toHex(programTree(instructions).root(TAGS.program)),
      weightsRoot: any,
      weightsRootP: any,
      tokenizerHash: any,
      chatTemplateHash: any,
      tokenBytesRoot: any,
      instructions: instructions.length,
      weightRows: weights.count,
      cacheRows: cacheRowCount(program),
      contextLength: program.contextLength,
      vocabSize: config.vocab_size,
    }));
    expect(await governance.isModelUsable(modelId)).toBe(false);
    const progress: number[] = [];
    const sent = await governance.validateProgram({ modelId, instructions, onProgress: (done) => progress.push(done) });
    expect(progress).toHaveLength(sent);
    expect(progress.at(-1)).toBe(instructions.length);
    expect(await governance.isModelUsable(modelId)).toBe(true);
    expect(await governance.validateProgram({ modelId, instructions })).toBe(0);
    expect((await governance.getManifest(modelId))?.instructions).toBe(instructions.length);
  });

  it("decodes custom errors of the called contract and of those below", async () => {
    const error = await executor.commitBatch({ root: toHex(word(0)), count: 1 }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ContractRevertError);
    expect(error).toMatchObject({ errorName: "EmptyRoot", code: "chain.revert", retryable: false });
    // The vault refuses the lock that the rollup asks for.
    await expect(executor.commitBatch({ root: toHex(word(1)), count: 1000 })).rejects.toMatchObject({
      errorName: "InsufficientFreeStake",
      // The locks, and the reserve that must be left beside them.
      errorArgs: [parseEther("10.01"), parseEther("1")],
    });
    await expect(governance.getRules(99)).rejects.toMatchObject({ errorName: "UnknownRules", errorArgs: [99] });
  });

  it("registers a software enclave whose measurement a policy accepts", async () => {
    enclave = softwareEnclave(modelId);
    const { timestamp } = await getBlock(client);
    const parameters = { enclave, executor: executorAccount.address, devRoot, notAfter: timestamp + 3600n };
    await expect(registerSoftwareEnclave(executor.otr, parameters)).rejects.toMatchObject({
      errorName: "MeasurementNotAccepted",
    });
    await governance.setPolicy({ modelId, measurement: SOFTWARE_MEASUREMENT, validUntil: Number(timestamp) + 86_400 });
    await registerSoftwareEnclave(executor.otr, parameters);
    expect(await registerSoftwareEnclave(executor.otr, parameters)).toBeUndefined();
    const facts = await chainFacts(executor.otr, {
      executor: executorAccount.address,
      enclaveKey: enclave.address,
      modelId,
    });
    expect(facts).toMatchObject({
      keyActive: true,
      suspended: false,
      exiting: false,
      freeStake: parseEther("1"),
      coverage: parseEther("0.0025"),
    });
  });

  it("commits a batch once, finds it, follows a receipt to Final, and frees its lock", async () => {
    const receipt = receiptOf(executorAccount.address, enclave.address, modelId, 0n);
    const hashes = [hashOf(receipt), toHex(word(7))];
    const root = batchRoot(hashes);
    const context = { ...executor.otr, sender: executor.otr.sender };
    const port = new ExecutorPort({ context, executor: executorAccount.address, fromBlock: 0n });
    const { promptLimit } = await port.standing(enclave.address, modelId);
    expect(promptLimit).toBe(Number(await read(context, "availability", "PROMPT_LIMIT", [])));
    expect(await port.findBatch(root)).toBeUndefined();
    const first = await port.commitBatch(root, 2);
    expect(await port.commitBatch(root, 2)).toEqual(first);
    expect(await port.findBatch(root)).toEqual({ confirmations: 1, batchId: 1n });
    const committed = openReceipt(1n, receipt, hashes, 0);
    expect(await executor.statusOf(committed)).toBe("provisional");
    expect(await executor.getBatch(1n)).toMatchObject({ count: 2, openGames: 0 });
    expect(await executor.getBatch(2n)).toBeUndefined();
    await expect(executor.releaseBatch({ batchId: 1n })).rejects.toMatchObject({ errorName: "BatchUnsettled" });
    await rpc("evm_increaseTime", [101]);
    await rpc("evm_mine", []);
    expect(await executor.statusOf(committed)).toBe("final");
    await executor.releaseBatch({ batchId: 1n, id: "release:1" });
    expect((await executor.getExecutor(executorAccount.address)).locked).toBe(0n);
  });

  it("commits a single receipt with its two signatures", async () => {
    const receipt = receiptOf(executorAccount.address, enclave.address, modelId, 1n);
    const operatorSignature = await executorAccount.signTypedData(receiptTypedData(domain(), receipt));
    const enclaveSignature = await enclave.account.signTypedData(receiptTypedData(domain(), receipt));
    await expect(
      executor.commitReceipt({ receipt, enclaveSignature: operatorSignature, operatorSignature }),
    ).rejects.toMatchObject({ errorName: "EnclaveSignature" });
    const { batchId } = await executor.commitReceipt({ receipt, enclaveSignature, operatorSignature });
    expect(await executor.statusOf(openReceipt(batchId, receipt, [hashOf(receipt)], 0))).toBe("provisional");
    const context = { ...executor.otr, sender: executor.otr.sender };
    const port = new ExecutorPort({ context, executor: executorAccount.address, fromBlock: 0n });
    const [first, second] = await port.ownBatches();
    expect([first, second]).toMatchObject([{ batchId: 1n }, { batchId, single: hashOf(receipt) }]);
    expect(first).not.toHaveProperty("single");
    expect(await port.committedAt(batchId)).toBe((await executor.getBatch(batchId))!.committedAt);
  });

  const domain = () => ({ chainId: CHAIN, rollup: deployment.addresses.rollup });
  const hashOf = (receipt: Receipt) => hashReceipt(domain(), receipt);
  const rpc = (method: string, params: unknown[]) => client.request({ method, params } as never);
});

function softwareEnclave(modelId: Hex) {
  const account = privateKeyToAccount(toHex(word(99)));
  const consent = (challenge: Challenge) => account.sign({ hash: challengeHash(challenge) });
  return { account, address: account.address, modelId, consent };
}

function receiptOf(executor: Hex, enclaveKey: Hex, modelId: Hex, seq: bigint): Receipt {
  const any = toHex(word(5));
  const roots = { requestHash: any, inputRoot: any, outputRoot: any, traceRoot: any };
  const times = { seq, commitBy: 2n ** 40n - 1n, expiry: 2n ** 40n - 1n };
  return { machineVersion: 1, modelId, executor, enclaveKey, ...times, ...roots, nIn: 1, nOut: 1, stopReason: 1 };
}
