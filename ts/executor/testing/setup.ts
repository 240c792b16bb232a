import { randomBytes } from "node:crypto";
import { privateKeyToAccount } from "viem/accounts";
import { systemClock } from "../../chain/time.ts";
import type { Hex } from "../../commit/bytes.ts";
import type { Domain } from "../../commit/typed-data.ts";
import { silentLogger } from "../../config/logger.ts";
import type { Engine } from "../../engine/types.ts";
import { byteLevelTokenizer } from "../../model/testing/packages.ts";
import { Tokenizer } from "../../model/tokenizer.ts";
import type { PromptModel } from "../../sdk/prompt-model.ts";
import { Database } from "../../store/database.ts";
import { ExecutorStore } from "../../store/executor-store.ts";
import { SoftwareEnclave } from "../enclave.ts";
import { Executor, type ExecutorOptions } from "../executor.ts";
import { accountSigner } from "../operator.ts";
import { FakeChain } from "./fake-chain.ts";
import { FakeEngine } from "./fake-engine.ts";

export const TEST_DOMAIN: Domain = { chainId: 31337, rollup: "0x00000000000000000000000000000000000000aa" };
export const OPERATOR_KEY: Hex = `0x${"11".repeat(32)}`;
const VOCAB = 262;

/** A model without weights: byte-level tokens, `<|end|>` (3) ends answers. */
export const TEST_MODEL: PromptModel = {
  name: "tiny",
  modelId: `0x${"ab".repeat(32)}`,
  manifest: { machineVersion: 1, contextLength: 512, vocabSize: VOCAB },
  stopTokens: [3],
  tokenizer: new Tokenizer(byteLevelTokenizer(), VOCAB),
};

/** Tokens that spell a text, and end the answer. */
export function scriptOf(text: string): number[] {
  return [...TEST_MODEL.tokenizer.encode(text), 3];
}

export const random = (bytes: number): Uint8Array => Uint8Array.from(randomBytes(bytes));

export interface TestExecutorOptions extends Partial<Omit<ExecutorOptions, "served">> {
  readonly engine?: Engine;
  readonly model?: PromptModel;
  /** Database file; in memory if left out. */
  readonly path?: string;
}

/** An executor with test doubles for everything outside it. It is not started. */
export function testExecutor(options: TestExecutorOptions = {}) {
  const { engine = new FakeEngine({ script: scriptOf("Hello, wörld!") }), model = TEST_MODEL, path, ...rest } = options;
  const chain = options.chain ?? new FakeChain();
  const store = options.store ?? openStore(path);
  const enclave = new SoftwareEnclave({
    engine,
    modelId: model.modelId,
    manifest: model.manifest,
    domain: TEST_DOMAIN,
    random,
  });
  const executor = new Executor({
    domain: TEST_DOMAIN,
    served: [{ model, enclave }],
    operator: accountSigner(privateKeyToAccount(OPERATOR_KEY)),
    clock: systemClock,
    random,
    log: silentLogger(),
    terms: { commitWithinSeconds: 600, lifetimeSeconds: 3600 },
    ...rest,
    batches: { intervalMs: 20, pollMs: 10, maxBackoffMs: 50, confirmations: 1, ...options.batches },
    standingPollMs: options.standingPollMs ?? 20,
    chain,
    store,
  });
  return { executor, chain, store, enclave, engine };
}

export function openStore(path = ":memory:"): ExecutorStore {
  return new ExecutorStore(Database.open(path, ExecutorStore.schema), TEST_DOMAIN, () => Date.now());
}

/** Waits until a condition holds. */
export async function until(condition: () => boolean | Promise<boolean>, ms = 30_000): Promise<void> {
  const end = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > end) throw new UntilError(`condition did not hold within ${ms} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export class UntilError extends Error {}
