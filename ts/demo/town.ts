import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createTestClient, createWalletClient, http, type LocalAccount, parseEther, stringToHex, zeroHash } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { firmwareOf } from "../attestation/gpu-firmware.ts";
import { look } from "../chain/actions/prove-enclave.ts";
import { type Anvil, anvilKey, startAnvil } from "../chain/anvil.ts";
import { type ChainClient, connect } from "../chain/client.ts";
import { type DeployParameters, deploy } from "../chain/deploy.ts";
import type { Deployment } from "../chain/deployment.ts";
import { type OtrActions, otrActions } from "../chain/otr-actions.ts";
import { walletSender } from "../chain/wallet-sender.ts";
import { VERIFIER_KEYS } from "../circuits/verifier-keys.ts";
import { createLogger, type Logger } from "../config/logger.ts";
import { configSchema } from "../config/schema.ts";
import { loadModels, type ReadyModel } from "../dispute/load-models.ts";
import { devRoots } from "../enclave/dev-source.ts";
import { openSource } from "../enclave/open-source.ts";
import { guestConfiguration, openExecutor } from "../executor/open-executor.ts";
import { type OpenFisherman, openFisherman } from "../fisherman/open-fisherman.ts";
import { encodeInstruction } from "../machine/instruction.ts";
import { DemoError } from "./errors.ts";

/** From a verdict until it is paid, in seconds. */
export const AIR_GAP = 60;
/** Chains of their own: a development chain of the user's beside it keeps its deployment file. */
export const [FIRST_CHAIN, SECOND_CHAIN] = [31_338, 31_339] as const;
/** Turns of a longest game. */
const TURNS = 42;
const STAKE = parseEther("1");
const YEAR = 365 * 24 * 3600;
/** Milliseconds between looks at the chain; all daemons share this process. */
const POLL_MS = 300;

/** Determines the roots of the machines' evidence. */
const DEV_SEED = "demo";
/** All measurements of a GPU count: the default of `executor.attestation.gpuMeasurements`. */
const ALL_MEASUREMENTS = 2n ** 64n - 1n;
const FIRMWARE_SET = stringToHex("H100", { size: 32 });

/** Who is who, by account of the local chain. */
const ACCOUNTS = ["governance", "honest", "downgrader", "bitflipper", "fisherman", "requester", "inventor"] as const;
export type Role = (typeof ACCOUNTS)[number];

/** An executor that serves, and where. */
export interface Serving {
  readonly url: string;
  readonly account: LocalAccount;
  /** What it took to start and to prove the enclave's key on the chain. */
  readonly startSeconds: number;
}

/** The chain's rules, in seconds: a lie must be found within the window, and answered within turns. On a real chain both are hours to days. */
export interface Pace {
  readonly window: number;
  readonly turn: number;
}

/** What the demo happens in: a local chain with the whole deployment, the daemons on it, and their files in one folder. */
export class Town {
  private readonly folder = mkdtempSync(join(tmpdir(), "otr-demo-"));
  private readonly closers: (() => Promise<unknown>)[] = [];
  private closed = false;

  private constructor(
    readonly anvil: Anvil,
    readonly client: ChainClient,
    readonly deployment: Deployment,
    readonly pace: Pace,
    private readonly log: Logger,
  ) {}

  /** From a verdict until the rest of the locks is burnt, in seconds: no shorter than a longest game. */
  get claimPeriod(): number {
    return TURNS * this.pace.turn;
  }

  /** Rules that draw every receipt, by a source whose values anybody may choose: real chains draw one of a hundred, by drand. */
  static readonly DRAWS: DeployParameters = {
    circuitKeys: VERIFIER_KEYS,
    drand: false,
    drawStride: 1,
    drawPairs: 4,
    drawDelta: 0,
    drawEpoch: 1,
  };

  /** Starts the chain and deploys with `forge script`. */
  static async build(
    pace: Pace,
    logLevel: "silent" | "info",
    chainId: number,
    draws: DeployParameters = {},
  ): Promise<Town> {
    const anvil = await startAnvil({ chainId });
    const deploying = deploy({
      url: anvil.url,
      privateKey: anvilKey(0),
      parameters: {
        development: true,
        allowAnyChain: true,
        challengeWindow: pace.window,
        turnDuration: pace.turn,
        airGap: AIR_GAP,
        claimPeriod: TURNS * pace.turn,
        ...devRoots(new TextEncoder().encode(DEV_SEED)),
        ...draws,
      },
    });
    const deployment = await deploying.catch(async (error: unknown) => {
      await anvil.stop();
      throw error;
    });
    const client = await connect({ url: anvil.url, pollMs: POLL_MS });
    return new Town(anvil, client, deployment, pace, createLogger("demo", { level: logLevel, format: "text" }));
  }

  account(role: Role): LocalAccount {
    return privateKeyToAccount(anvilKey(ACCOUNTS.indexOf(role)));
  }

  actions(role: Role): OtrActions {
    const { chain } = this.client;
    const wallet = createWalletClient({ account: this.account(role), chain, transport: http(this.anvil.url) });
    return otrActions({ addresses: this.deployment.addresses, sender: walletSender(wallet, POLL_MS) })(this.client);
  }

  /** The local chain's own controls. */
  get clock() {
    return createTestClient({ mode: "anvil", chain: this.client.chain, transport: http(this.anvil.url) });
  }

  /** Registers a model, brings its program through the on-chain validator, and accepts the machines that the demo has for it. */
  async registerModel({ loaded }: ReadyModel): Promise<void> {
    const governance = this.actions("governance");
    const { modelId } = await governance.registerModel(loaded.manifest);
    const instructions = loaded.program.instructions.map(encodeInstruction);
    await governance.validateProgram({ modelId, instructions });
    const validUntil = Math.floor(Date.now() / 1000) + YEAR;
    const { chain } = this.client;
    const configuration = guestConfiguration({ chainId: chain.id, rollup: this.deployment.addresses.rollup }, [
      modelId,
    ]);
    const source = await openSource(this.config.executor.attestation, { configuration });
    if (source === undefined) throw new DemoError("There is no machine to accept.");
    const { measurement, evidence } = await look(source);
    const firmware = evidence.gpus.map(({ report }) => firmwareOf(report, ALL_MEASUREMENTS));
    await governance.acceptFirmware({ set: FIRMWARE_SET, firmware, validUntil });
    const terms = {
      image: zeroHash,
      sources: zeroHash,
      firmwareSet: FIRMWARE_SET,
      gpus: 1,
      minAssurance: 3,
      lifetime: 0,
    };
    await governance.setTerms({ modelId, measurement, terms });
    await governance.setPolicy({ modelId, measurement, validUntil });
  }

  /** Stakes, registers an enclave key with evidence of processor and GPU, and serves the model with its engine, be it honest or not. */
  async serve(role: Role, model: ReadyModel): Promise<Serving> {
    const account = this.account(role);
    const actions = this.actions(role);
    await actions.deposit({ amount: STAKE });
    const begin = performance.now();
    const executor = await openExecutor({
      client: this.client,
      deployment: this.deployment,
      account,
      models: [model],
      source: async (modelId) => (modelId.toLowerCase() === model.loaded.modelId ? model : undefined),
      config: this.config,
      path: join(this.folder, `${role}.sqlite`),
      // A registration has many transactions, one after the other.
      transactions: { pollMs: POLL_MS / 6 },
      random: (bytes) => new Uint8Array(randomBytes(bytes)),
      log: this.log.child({ role }),
    });
    const startSeconds = Number(((performance.now() - begin) / 1000).toFixed(1));
    this.closers.push(() => executor.stop(2000));
    const url = await executor.start({ host: "127.0.0.1", port: 0 });
    await actions.registerExecutor({ endpoint: url, stake: STAKE });
    return { url, account, startSeconds };
  }

  /** Starts the fisherman with its own copy of the model. */
  async watch(modelFolder: string): Promise<OpenFisherman["fisherman"]> {
    const { source } = await loadModels([modelFolder]);
    const { fisherman, run } = openFisherman({
      client: this.client,
      deployment: this.deployment,
      account: this.account("fisherman"),
      models: source,
      config: this.config,
      path: join(this.folder, "fisherman.sqlite"),
      transactions: { pollMs: POLL_MS },
      log: this.log.child({ role: "fisherman" }),
    });
    const stop = new AbortController();
    const running = run(stop.signal);
    this.closers.push(() => {
      stop.abort();
      return running;
    });
    return fisherman;
  }

  /** Stops the daemons in order, then the chain, and removes all files. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    for (const close of this.closers.reverse()) await close();
    await this.anvil.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private get config() {
    return configSchema.parse({
      rpc: { url: this.anvil.url, pollMs: POLL_MS },
      executor: { batchSeconds: 1, attestation: { source: "dev", gpus: 1, devSeed: DEV_SEED } },
      fisherman: { retrySeconds: 1 },
      collector: { everySeconds: 1 },
    });
  }
}
