import { join } from "node:path";
import type { Hex } from "viem";
import { Collector, collectorSettings } from "../../chain/collector.ts";
import { DueStore } from "../../chain/due-store.ts";
import { SqliteIntentStore } from "../../chain/sqlite.ts";
import { systemClock } from "../../chain/time.ts";
import { silentLogger } from "../../config/logger.ts";
import { type Config, configSchema } from "../../config/schema.ts";
import type { Engine } from "../../engine/types.ts";
import { DemandResponder } from "../../executor/demand-responder.ts";
import { Responder } from "../../executor/responder.ts";
import type { Bundle } from "../../sdk/bundle.ts";
import { Database } from "../../store/database.ts";
import { ExecutorStore } from "../../store/executor-store.ts";
import { Fisherman } from "../fisherman.ts";
import { openFishermanDatabase } from "../store.ts";
import type { Actor, Scene } from "./scene.ts";

const DEFAULTS = configSchema.parse({});
const LOG = silentLogger();
const COLLECTOR: Config["collector"] = { ...DEFAULTS.collector, everySeconds: 0.05 };

/** A running fisherman of a test. */
export interface FleetFisherman {
  readonly fisherman: Fisherman;
  readonly actor: Actor;
  /** Ends it as a crash would: nothing is awaited but its loops. */
  stop(): Promise<void>;
}

/** Daemons on a scene whose chain makes blocks all the time, as proofs need them. */
export class Fleet {
  readonly #stops: (() => Promise<void>)[] = [];
  readonly #abort = new AbortController();
  readonly #mining: Promise<void>;

  constructor(
    private readonly scene: Scene,
    private readonly folder: string,
  ) {
    this.#mining = this.#mine();
  }

  async close(): Promise<void> {
    for (const stop of this.#stops.splice(0).reverse()) await stop();
    this.#abort.abort();
    await this.#mining;
  }

  /** Starts a fisherman on a database file, with the key that the file had before if `key` is given. */
  async fish(name: string, settings: Partial<Config["fisherman"]> = {}, key?: Hex): Promise<FleetFisherman> {
    const { scene } = this;
    const { model, engine } = scene;
    const database = openFishermanDatabase(join(this.folder, name));
    const actor = await scene.actor(new SqliteIntentStore(database), key);
    const playable = { engine, disputed: model, contextLength: model.program.contextLength };
    const brisk = { retrySeconds: 1, downloadAttempts: 2, demandAfterSeconds: 0 };
    const fisherman = new Fisherman({
      context: actor.context,
      models: async (id) => (id === model.modelId ? playable : undefined),
      database,
      settings: { ...DEFAULTS.fisherman, ...brisk, ...settings },
      collector: COLLECTOR,
      log: LOG,
      fromBlock: 0n,
      pollMs: 20,
    });
    const abort = new AbortController();
    const done = fisherman.run(abort.signal);
    const stop = this.#once(async () => {
      abort.abort();
      await actor.context.sender.close();
      await done;
      database.close();
    });
    return { fisherman, actor, stop };
  }

  /** An executor's answers to demands, and its collector. `actor` is its account. */
  async answerer(actor: Actor, items: readonly Bundle[], root: Hex) {
    const database = Database.open(":memory:", ExecutorStore.schema);
    const context = actor.context;
    const responder = new DemandResponder({
      context,
      executor: actor.address,
      database,
      log: LOG,
      fromBlock: 0n,
      pollMs: 20,
    });
    const byHash = new Map(items.map((item) => [item.receiptHash, item]));
    const leaves = items.map(({ receiptHash }) => receiptHash);
    const dues = new DueStore(database);
    await responder.start({
      bundle: (hash) => byHash.get(hash),
      leaves: (wanted) => (wanted === root ? leaves : undefined),
    });
    const settings = collectorSettings(COLLECTOR, actor.address);
    const collector = new Collector({
      ...settings,
      context,
      store: dues,
      role: "executor",
      clock: systemClock,
      log: LOG,
    });
    const abort = new AbortController();
    const collecting = collector.run(abort.signal);
    const stop = this.#once(async () => {
      abort.abort();
      await responder.stop();
      await collecting;
      database.close();
    });
    return { dues, stop };
  }

  /** An executor's side of games on what it signed. */
  async respond(actor: Actor, items: readonly Bundle[], engine: Engine): Promise<void> {
    const database = Database.open(":memory:", ExecutorStore.schema);
    const { model } = this.scene;
    const playable = { engine, disputed: model, contextLength: model.program.contextLength };
    const responder = new Responder({
      context: actor.context,
      executor: actor.address,
      models: async (id) => (id === model.modelId ? playable : undefined),
      database,
      log: LOG,
      fromBlock: 0n,
      pollMs: 20,
    });
    const byHash = new Map(items.map((item) => [item.receiptHash, item]));
    await responder.start({ bundle: (hash) => byHash.get(hash) });
    this.#once(async () => {
      await responder.stop();
      database.close();
    });
  }

  #once(end: () => Promise<void>): () => Promise<void> {
    let ended: Promise<void> | undefined;
    const stop = () => {
      ended ??= end();
      return ended;
    };
    this.#stops.push(stop);
    return stop;
  }

  async #mine(): Promise<void> {
    while (!this.#abort.signal.aborted) {
      await this.scene.chain.mine({ blocks: 1 });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Polls until the value is there. */
export async function until<T>(
  value: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<NonNullable<T>> {
  for (;;) {
    const now = await value();
    if (now !== undefined && now !== false && now !== null) return now as NonNullable<T>;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
