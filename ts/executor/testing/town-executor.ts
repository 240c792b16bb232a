import { privateKeyToAccount } from "viem/accounts";
import type { ChainClient } from "../../chain/client.ts";
import { SOFTWARE_MEASUREMENT } from "../../chain/dev-evidence.ts";
import { Lifeline } from "../../chain/testing/lifeline.ts";
import { silentLogger } from "../../config/logger.ts";
import { configSchema } from "../../config/schema.ts";
import type { ReadyModel } from "../../dispute/load-models.ts";
import type { Actor, Scene } from "../../fisherman/testing/scene.ts";
import type { Executor } from "../executor.ts";
import { type OpenExecutorOptions, openExecutor } from "../open-executor.ts";
import { random } from "./setup.ts";

/** The scene's model with words for its tokens: t0, t1, ... */
function readyModel({ model, engine }: Scene): ReadyModel {
  const { contextLength } = model.program;
  const { vocabSize } = model;
  const numbers = (text: string) => [...text.matchAll(/t(\d+)/g)].map(([, n]) => Number(n));
  const loaded = {
    name: "scene",
    modelId: model.modelId,
    manifest: { machineVersion: 1, contextLength, vocabSize },
    stopTokens: [],
    tokenizer: {
      encode: numbers,
      applyChatTemplate: (messages: readonly { content: string }[]) => numbers(messages[0]!.content),
      stream: () => ({ push: (token: number) => `t${token}`, end: () => "" }),
    },
  } as unknown as ReadyModel["loaded"];
  return { loaded, engine, disputed: model, contextLength };
}

/** Lets software enclaves serve the scene's model, for a time that no test reaches. */
export async function acceptSoftware(scene: Scene, governance: Actor): Promise<void> {
  const { modelId } = scene.model;
  await governance.actions.setPolicy({ modelId, measurement: SOFTWARE_MEASUREMENT, validUntil: 2 ** 33 });
}

/** An executor over the scene's chain, as the daemon is put together. */
export async function townExecutor(
  scene: Scene,
  options: Pick<OpenExecutorOptions, "path"> &
    Partial<OpenExecutorOptions> & { actor: Actor; root: Actor; life?: Lifeline; uncut?: ChainClient },
): Promise<{ executor: Executor; url: string }> {
  const { actor, root, life = new Lifeline(), uncut = scene.client, ...rest } = options;
  const model = readyModel(scene);
  const executor = await openExecutor({
    client: life.client(uncut),
    deployment: scene.deployment,
    account: privateKeyToAccount(actor.key),
    models: [model],
    source: async (modelId) => (modelId.toLowerCase() === scene.model.modelId ? model : undefined),
    config: configSchema.parse({ rpc: { pollMs: 10, lagSeconds: 0 }, executor: { batchSeconds: 1, batchReceipts: 1 } }),
    devRoot: privateKeyToAccount(root.key),
    transactions: { pollMs: 10 },
    random,
    pulseMs: 10,
    // A daemon that is killed while it waits for this shall not hold up its test.
    registrationMs: 3000,
    hooks: life,
    log: silentLogger(),
    ...rest,
  });
  try {
    return { executor, url: await executor.start({ host: "127.0.0.1", port: 0 }) };
  } catch (error) {
    await executor.stop(1).catch(() => undefined);
    throw error;
  }
}
