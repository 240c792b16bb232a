import type { Address } from "viem";
import { getBalance, getBlock } from "viem/actions";
import type { OtrContext } from "../chain/context.ts";
import { getGame } from "../chain/game-state.ts";
import type { GameStore } from "../chain/game-store.ts";
import type { Clock } from "../chain/time.ts";
import type { CursorStore } from "../chain/watch.ts";
import type { Logger } from "../config/logger.ts";
import type { ReadinessCheck } from "./health-server.ts";
import { gauge, type Metric } from "./metric.ts";

/** How the pulse is taken. */
export interface ChainPulseOptions {
  readonly context: OtrContext;
  /** Whose balance pays for moves; left out, nobody sends. */
  readonly account: Address | undefined;
  readonly games: GameStore;
  /** Which side of its games the daemon plays. */
  readonly role: "challenger" | "executor";
  readonly cursors: CursorStore;
  /** Name of the daemon's watcher. */
  readonly watcher: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Milliseconds between two looks. */
  readonly pollMs?: number;
  /** Milliseconds without an answer after which the chain counts as away. */
  readonly maxSilenceMs?: number;
  /** Blocks that the watcher may be behind. */
  readonly maxLag?: number;
}

interface Beat {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly head: bigint;
  /** Seconds since 1970, as all times of the chain. */
  readonly time: bigint;
  readonly balance: bigint | undefined;
  /** Of the game that this side must move in first. */
  readonly deadline: bigint | undefined;
}

const DEFAULTS = { pollMs: 5000, maxSilenceMs: 60_000, maxLag: 64 };

/** Looks at the chain now and then for an operator's numbers, so that no scrape waits for an endpoint. */
export class ChainPulse {
  readonly #o: ChainPulseOptions & typeof DEFAULTS;
  readonly #stop = new AbortController();
  #loop: Promise<void> = Promise.resolve();
  #beat: Beat | undefined;

  constructor(options: ChainPulseOptions) {
    this.#o = { ...DEFAULTS, ...options };
  }

  start(): void {
    this.#loop = (async () => {
      while (!this.#stop.signal.aborted) {
        await this.#look().catch((err: unknown) => this.#o.log.debug({ err }, "the chain does not answer"));
        await this.#o.clock.sleep(this.#o.pollMs, this.#stop.signal);
      }
    })();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  readiness(): ReadinessCheck[] {
    const { clock, maxSilenceMs, maxLag } = this.#o;
    const silence = this.#beat && clock.now() - this.#beat.at;
    const chain =
      silence === undefined
        ? "no answer since the start"
        : silence > maxSilenceMs && `no answer for ${Math.round(silence / 1000)} s`;
    const lag = this.#lag();
    const watcher = lag === undefined ? "nothing read yet" : lag > maxLag && `${lag} blocks behind`;
    const funds = this.#beat?.balance === 0n && "the account is empty";
    const checks = { chain, watcher, funds };
    return Object.entries(checks).map(([name, problem]) => (problem ? { name, problem } : { name }));
  }

  metrics(): Metric[] {
    const { clock, games } = this.#o;
    const beat = this.#beat;
    const balance = beat?.balance === undefined ? undefined : Number(beat.balance) / 1e18;
    const now = clock.now() / 1000;
    const lag = this.#lag();
    const since = beat && now - beat.at / 1000;
    // A turn's clock runs on while the chain is silent.
    const left = beat && (beat.deadline === undefined ? Infinity : Number(beat.deadline - beat.time) - since!);
    return [
      gauge("otr_chain_head_block", "Newest block that the endpoint gave.", beat && Number(beat.head)),
      gauge("otr_chain_head_age_seconds", "Age of that block.", beat && now - Number(beat.time)),
      gauge("otr_chain_silence_seconds", "Time since the endpoint answered.", since),
      gauge("otr_watcher_lag_blocks", "Blocks that are not read yet.", lag),
      gauge("otr_balance_ether", "What the sending account has.", balance),
      gauge("otr_games_open", "Games under way.", games.open().length),
      gauge("otr_game_deadline_seconds", "Until the first deadline of a turn of this side.", left),
    ];
  }

  #lag(): number | undefined {
    const read = this.#o.cursors.checkpoints(this.#o.watcher).at(-1);
    if (this.#beat === undefined || read === undefined) return undefined;
    return Math.max(0, Number(this.#beat.head - read.number));
  }

  async #look(): Promise<void> {
    const { context, account, games, role, clock } = this.#o;
    const { number: head, timestamp: time } = await getBlock(context.client);
    const balance = account && (await getBalance(context.client, { address: account }));
    let deadline: bigint | undefined;
    for (const game of games.open()) {
      const state = await getGame(context, game);
      // A proven lie waits for its conclusion without a deadline.
      if (state.turn !== role || state.phase === "Proven") continue;
      if (deadline === undefined || state.deadline < deadline) deadline = state.deadline;
    }
    this.#beat = { at: clock.now(), head, time, balance, deadline };
  }
}
