import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { formatEther, parseEther } from "viem";
import type { Hex } from "../commit/bytes.ts";
import { createLogger } from "../config/logger.ts";
import type { Config } from "../config/schema.ts";
import { accountFromFile } from "../config/secrets.ts";
import { loadModels, type ReadyModel } from "../dispute/load-models.ts";
import { openEngine } from "../engine/backends.ts";
import { BACKENDS, type BackendName, type Engine } from "../engine/types.ts";
import { openExecutor } from "../executor/open-executor.ts";
import { openFisherman } from "../fisherman/open-fisherman.ts";
import { type SuspectModel, type SuspectSource, suspectsOf } from "../fisherman/suspects.ts";
import { openHealthServer } from "../metrics/health-server.ts";
import { UsageError } from "./errors.ts";
import type { Run } from "./program.ts";
import { random, type Session, shutdownSignal } from "./session.ts";

/** `otr executor ...` and `otr fisherman ...` */
export function daemonCommands(program: Command, run: Run): void {
  const executor = program.command("executor").description("serve a model");
  executor
    .command("register")
    .description("bring the account's stake and public endpoint to what is asked")
    .requiredOption("--stake <ether>", "stake to have at least")
    .option("--endpoint <url>", "public URL; default: executor.endpoint of the configuration")
    .action(
      run(async (session, options: { stake: string; endpoint?: string }) => {
        const endpoint = options.endpoint ?? session.config.executor.endpoint;
        if (endpoint === undefined)
          throw new UsageError("No endpoint is given.", "Use --endpoint or executor.endpoint.");
        const actions = await session.writer();
        await actions.registerExecutor({ endpoint, stake: parseEther(options.stake) });
        const address = session.account().address;
        const { stake } = await actions.getExecutor(address);
        session.output.result(
          { executor: address, stake, endpoint },
          () => `${address} has ${formatEther(stake)} ETH, serves at ${endpoint}`,
        );
      }),
    );

  executor
    .command("run")
    .description("serve, commit and answer games until stopped")
    .addOption(
      new Option("--cross-check <backend>", "compute a share of the answers again before they are committed").choices([
        ...BACKENDS,
      ]),
    )
    .action(
      run(async (session, options: { crossCheck?: BackendName }) => {
        const { config } = session;
        if (options.crossCheck !== undefined) config.executor.crossCheck.backend = options.crossCheck;
        const log = createLogger("executor", config.log);
        const signal = shutdownSignal((line) => log.info(line));
        const { models, source } = await modelsOf(session);
        const { devRootFile, host, port, shutdownSeconds, metricsPort } = config.executor;
        const daemon = await openExecutor({
          client: await session.client(),
          deployment: await session.deployment(),
          account: session.account(),
          models,
          source,
          config,
          path: session.dataFile("executor.sqlite"),
          devRoot: devRootFile === undefined ? undefined : accountFromFile("development root key", devRootFile),
          transactions: session.transactions(),
          crossCheckEngines: await crossCheckers(config, models),
          random,
          log,
        });
        const closers = [() => daemon.stop(shutdownSeconds * 1000)];
        try {
          const health = await openHealthServer(daemon, { host: config.metrics.host, port: metricsPort });
          closers.push(health.close);
          session.output.note(`health at ${health.url}`);
          const url = await daemon.start({ host, port });
          session.output.note(`serving at ${url}`);
          await new Promise<void>((resolve) => {
            if (signal.aborted) resolve();
            else signal.addEventListener("abort", () => resolve(), { once: true });
          });
        } finally {
          for (const close of closers) await close();
        }
      }),
    );

  program
    .command("fisherman")
    .description("check executors")
    .command("run")
    .description("re-execute what is committed, dispute what is wrong, until stopped")
    .option("--watch-only", "report only: needs no account")
    .action(
      run(async (session, options: { watchOnly?: boolean }) => {
        const { config } = session;
        const log = createLogger("fisherman", config.log);
        const signal = shutdownSignal((line) => log.info(line));
        const { models, source } = await modelsOf(session);
        const { run: watch, health } = openFisherman({
          client: await session.client(),
          deployment: await session.deployment(),
          account: options.watchOnly ? undefined : session.account(),
          models: source,
          suspects: await suspectsFor(session, models),
          config,
          path: session.dataFile("fisherman.sqlite"),
          transactions: session.transactions(),
          log,
        });
        const { metricsPort: port } = config.fisherman;
        const server = await openHealthServer(health, { host: config.metrics.host, port });
        session.output.note(`health at ${server.url}`);
        await watch(signal).finally(server.close);
      }),
    );
}

async function modelsOf(session: Session) {
  const { models } = session.config;
  if (models.length === 0) throw new UsageError("No model is given.", "Set models, e.g. --set models=./models/tale-2m");
  return loaded(session, models);
}

/** Engines that compute a share of an executor's answers again, by model. */
async function crossCheckers({ executor, engine }: Config, models: readonly ReadyModel[]): Promise<Map<Hex, Engine>> {
  const { backend } = executor.crossCheck;
  const engines = new Map<Hex, Engine>();
  if (backend === undefined) return engines;
  if (backend === engine.backend)
    throw new UsageError(`${backend} serves already.`, "Cross-check with another backend: a machine repeats itself.");
  for (const { loaded } of models)
    engines.set(loaded.modelId, await openEngine(loaded.program, loaded.weights, { ...engine, backend }));
  return engines;
}

/** Suspects as the configuration names them. Folders that are loaded already are not loaded twice. */
async function suspectsFor(session: Session, models: readonly ReadyModel[]): Promise<SuspectSource> {
  const named = Object.entries(session.config.fisherman.suspects);
  const known = new Map(models.map((model) => [resolve(model.loaded.dir), suspectModel(model)]));
  const missing = new Set(named.flatMap(([, folders]) => folders.map((folder) => resolve(folder))));
  for (const folder of known.keys()) missing.delete(folder);
  for (const model of (await loaded(session, [...missing])).models)
    known.set(resolve(model.loaded.dir), suspectModel(model));
  const byModel = named.map(([modelId, folders]) => {
    if (!models.some(({ loaded: model }) => model.modelId === modelId.toLowerCase()))
      throw new UsageError(`fisherman.suspects names ${modelId}, which is not loaded.`, "Add its folder to models.");
    return [modelId.toLowerCase(), folders.map((folder) => known.get(resolve(folder))!)] as const;
  });
  return suspectsOf(models.map(suspectModel), new Map(byModel));
}

/** Suspects run on the engines that the models have anyway. */
function suspectModel({ loaded, engine }: ReadyModel): SuspectModel {
  return { ...loaded, engine };
}

function loaded({ config, output }: Session, folders: readonly string[]) {
  const bars = new Map<string, (done: number, total: number) => void>();
  return loadModels(folders, config.engine, (folder, _, done, total) => {
    const bar = bars.get(folder) ?? output.progress(folder);
    bars.set(folder, bar);
    bar(done, total);
  });
}
