import { rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createTestClient, http, parseEther, type TestClient } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { getTransactionCount } from "viem/actions";
import { type Asked, type FaultyModel, generate } from "../../adversary/random-fault.ts";
import { type Anvil, anvilKey, startAnvil } from "../../chain/anvil.ts";
import { type ChainClient, connect } from "../../chain/client.ts";
import type { OtrContext } from "../../chain/context.ts";
import { type DeployParameters, deploy } from "../../chain/deploy.ts";
import { type Deployment, deploymentPath } from "../../chain/deployment.ts";
import { type IntentStore, MemoryIntentStore } from "../../chain/intent.ts";
import { type OtrActions, otrActions } from "../../chain/otr-actions.ts";
import { Transactor } from "../../chain/transactor.ts";
import { batchRoot } from "../../commit/batch.ts";
import { type Hex, toHex } from "../../commit/bytes.ts";
import { saltKey, type TraceRecord, tokenTree, traceTree } from "../../commit/record.ts";
import { TAGS } from "../../commit/tags.ts";
import { hashReceipt, hashRequest, NOBODY, type Receipt, type Request, STOP_REASON } from "../../commit/typed-data.ts";
import type { DisputedModel } from "../../dispute/step-trace.ts";
import { referenceEngine } from "../../engine/reference.ts";
import type { Engine } from "../../engine/types.ts";
import { type Bundle, bundleJson, redactedJson } from "../../sdk/bundle.ts";
import { sceneModel, wordOf } from "./scene-model.ts";

/** A model on the scene's chain. */
export interface SceneModel extends FaultyModel, DisputedModel {
  readonly modelId: Hex;
}

/** An account with its own transactor. */
export interface Actor {
  readonly address: Hex;
  readonly key: Hex;
  readonly actions: OtrActions;
  readonly context: OtrContext & { readonly sender: Transactor };
}

/** Seconds that a side has for a move. */
export const TURN = 300;

/** A local chain with the whole deployment, one small model, and a server that plays the executors' endpoints. */
export class Scene {
  /** What the server shows, by batch root; other roots get status 404. */
  readonly served = new Map<Hex, string>();
  readonly chain: TestClient<"anvil">;
  nonce = 0n;
  #still: Promise<unknown> = Promise.resolve();

  private constructor(
    readonly anvil: Anvil,
    readonly client: ChainClient,
    readonly deployment: Deployment,
    private readonly server: Server,
    readonly model: SceneModel,
    readonly engine: Engine,
  ) {
    this.chain = testClient(client);
  }

  /**
   * @param turnDuration Seconds that a side has for a move.
   * @param more Further parameters of the deployment.
   */
  static async open(chainId: number, turnDuration = TURN, more: DeployParameters = {}): Promise<Scene> {
    const anvil = await startAnvil({ chainId });
    const challengeWindow = Math.max(100_000, 2 * turnDuration);
    const parameters = { development: true, allowAnyChain: true, turnDuration, challengeWindow, ...more };
    const deployment = await deploy({ url: anvil.url, privateKey: anvilKey(0), parameters });
    const client = await connect({ url: anvil.url, pollMs: 10 });
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const deployer = actor(client, deployment, anvilKey(0)).actions;
    const model = await addModel(deployer);
    const scene = new Scene(anvil, client, deployment, server, model, referenceEngine(model.program, model.weights));
    server.on("request", (request, response) => {
      const body = scene.served.get((request.url ?? "").split(/[/?]/)[4] as Hex);
      response.writeHead(body === undefined ? 404 : 200, { "content-type": "application/json" }).end(body ?? "{}");
    });
    return scene;
  }

  async close(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await this.anvil.stop();
    rmSync(deploymentPath(this.client.chain.id), { force: true });
  }

  /** The chain as it is now, for one `revert`. */
  snapshot(): Promise<Hex> {
    return this.withoutBlocks(() => this.chain.snapshot());
  }

  /** A reorganisation: the chain is again what it was at the snapshot. */
  revert(id: Hex): Promise<void> {
    return this.withoutBlocks(() => this.chain.revert({ id }));
  }

  /**
   * Runs what must not meet a block in the making, one after the other: anvil writes a block's state before the block itself, and a snapshot
   * or a reversal in between leaves a chain for good that has one without the other.
   */
  withoutBlocks<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#still.then(async () => {
      const automine = await this.chain.getAutomine();
      if (!automine) return work();
      await this.chain.setAutomine(false);
      // Made after the one that may be in the making.
      await this.chain.mine({ blocks: 1 });
      try {
        return await work();
      } finally {
        await this.chain.setAutomine(true);
        if ((await this.chain.getTxpoolStatus()).pending > 0) await this.chain.mine({ blocks: 1 });
      }
    });
    this.#still = done.catch(() => undefined);
    return done;
  }

  get domain() {
    return { chainId: this.client.chain.id, rollup: this.deployment.addresses.rollup };
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** The same program under another id, which differs by what neither replay nor game reads. */
  async addModel(mark: number): Promise<Hex> {
    const { instructions, manifest } = sceneModel();
    const deployer = actor(this.client, this.deployment, anvilKey(0)).actions;
    const { modelId } = await deployer.registerModel({ ...manifest, tokenizerHash: wordOf(mark) });
    await deployer.validateProgram({ modelId, instructions });
    return modelId;
  }

  /** A funded account. */
  async actor(store?: IntentStore, key = generatePrivateKey()): Promise<Actor> {
    const made = actor(this.client, this.deployment, key, store);
    await this.chain.setBalance({ address: made.address, value: parseEther("10") });
    return made;
  }

  /** The same account behind another endpoint, with a transactor of its own: the first one must be at rest. */
  behind(client: ChainClient, { key }: Actor): Actor {
    return actor(client, this.deployment, key);
  }

  /** An account with stake and an endpoint. */
  async executor(store?: IntentStore): Promise<Actor> {
    const made = await this.actor(store);
    await made.actions.registerExecutor({ endpoint: this.endpoint, stake: parseEther("1") });
    return made;
  }

  /** A request of nobody's. */
  ask = (model: FaultyModel, prompt: readonly number[], nOut: number): Asked => {
    const salted = { requester: NOBODY, seed: wordOf(7), nonce: this.nonce++ };
    const key = saltKey({ ...salted, secret: salted.seed });
    const request: Request = {
      ...salted,
      modelId: (model as SceneModel).modelId,
      inputRoot: toHex(tokenTree(key, "input", prompt).root(TAGS.input)),
      nIn: prompt.length,
      maxOut: nOut,
      stopTokens: [],
      sampler: 0,
      temperature: 0,
      deadline: 2n ** 40n,
      confidential: false,
      watchers: [],
    };
    return { request, input: { prompt, requestHash: hashRequest(this.domain, request), temperature: 0, saltKey: key } };
  };

  /** An honest answer of `executor`, not committed yet. */
  async answer(executor: Hex, prompt = [1, 2, 3], nOut = 2, changes: Partial<Receipt> = {}): Promise<Bundle> {
    const asked = this.ask(this.model, prompt, nOut);
    const { outputs, records } = await generate(this.engine, asked.input, nOut);
    return this.item(executor, asked, outputs, records, changes);
  }

  /** What an executor publishes of an answer. */
  item(
    executor: Hex,
    { request, input }: Asked,
    outputs: readonly number[],
    records: readonly TraceRecord[],
    changes: Partial<Receipt> = {},
  ): Bundle {
    const receipt: Receipt = {
      machineVersion: 1,
      modelId: request.modelId,
      executor,
      enclaveKey: executor,
      seq: this.nonce,
      commitBy: 2n ** 40n,
      expiry: 2n ** 40n,
      requestHash: input.requestHash,
      inputRoot: request.inputRoot,
      nIn: request.nIn,
      outputRoot: toHex(tokenTree(input.saltKey, "output", outputs).root(TAGS.output)),
      nOut: outputs.length,
      stopReason: STOP_REASON.length,
      traceRoot: toHex(traceTree(records).root(TAGS.trace)),
      ...changes,
    };
    const nothing: Hex = `0x${"00".repeat(65)}`;
    return {
      domain: this.domain,
      receiptHash: hashReceipt(this.domain, receipt),
      receipt,
      enclaveSignature: nothing,
      operatorSignature: nothing,
      request,
      inputTokens: input.prompt,
      outputTokens: outputs,
      records,
    };
  }

  /** Serves a batch as one page. */
  serve(root: Hex, items: readonly Bundle[]): void {
    const page = { root, count: items.length, from: 0, next: null, bundles: items.map(bundleJson) };
    this.served.set(root, JSON.stringify(page));
  }

  /** Serves a batch as if all its answers were confidential. */
  serveHeads(root: Hex, items: readonly Bundle[]): void {
    const page = { root, count: items.length, from: 0, next: null, bundles: items.map(redactedJson) };
    this.served.set(root, JSON.stringify(page));
  }

  /** How many transactions an account has sent. */
  sent(address: Hex): Promise<number> {
    return getTransactionCount(this.client, { address });
  }

  /** Commits a batch and, unless told otherwise, serves it. */
  async commit(executor: Actor, items: readonly Bundle[], serve = true): Promise<{ batchId: bigint; root: Hex }> {
    const root = batchRoot(items.map((item) => item.receiptHash));
    if (serve) this.serve(root, items);
    const { batchId } = await executor.actions.commitBatch({ root, count: items.length });
    return { batchId, root };
  }
}

function actor(client: ChainClient, deployment: Deployment, key: Hex, store?: IntentStore): Actor {
  const account = privateKeyToAccount(key);
  const sender = new Transactor({
    client,
    account,
    store: store ?? new MemoryIntentStore(),
    pollMs: 10,
    dropAfterMs: 500,
  });
  const actions = otrActions({ addresses: deployment.addresses, sender })(client);
  return { address: account.address, key, actions, context: { ...actions.otr, sender } };
}

async function addModel(deployer: OtrActions): Promise<SceneModel> {
  const { content, instructions, manifest } = sceneModel();
  const { modelId } = await deployer.registerModel(manifest);
  await deployer.validateProgram({ modelId, instructions });
  return { ...content, modelId };
}

function testClient(client: ChainClient): TestClient<"anvil"> {
  const { chain } = client;
  return createTestClient({ mode: "anvil", chain, transport: http(chain.rpcUrls.default.http[0]) });
}
