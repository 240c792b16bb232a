// `npm run demo`: the whole protocol on this machine, in three acts. See README.md.
import { parseArgs } from "node:util";
import { type Address, formatEther } from "viem";
import { downgradeEngine } from "../adversary/downgrade.ts";
import { flipBit } from "../adversary/lie.ts";
import { lyingEngine } from "../adversary/lying-engine.ts";
import { loadGame } from "../chain/game-log.ts";
import { loadModels, type ReadyModel } from "../dispute/load-models.ts";
import type { Engine } from "../engine/types.ts";
import { BaseError } from "../errors.ts";
import type { Fisherman } from "../fisherman/fisherman.ts";
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
import { DemoError } from "./errors.ts";
import { type Screen, screenOn, table } from "./screen.ts";
import { AIR_GAP, CHALLENGE_WINDOW, CLAIM_PERIOD, type Role, Town } from "./town.ts";

const USAGE = `Usage: npm run demo [-- OPTIONS]

Runs the whole protocol on a local chain: an honest answer, a model downgrade and a flipped bit.

  --json      print one JSON object as the last line of standard output; the story goes to standard error
  --verbose   show what the daemons log
  --help      this text`;

const LARGE = "models/tale-2m";
const SMALL = "models/tale-300k";
const PROMPT = "Once upon a time there was a king who had three daughters.";
const MAX_TOKENS = 48;

interface Story {
  readonly town: Town;
  readonly screen: Screen;
  readonly model: ReadyModel;
  readonly fisherman: Fisherman;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { json: { type: "boolean" }, verbose: { type: "boolean" }, help: { type: "boolean" } },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const screen = screenOn(values.json ? process.stderr : process.stdout);
  const result = await play(screen, values.verbose ? "info" : "silent");
  if (values.json) console.log(JSON.stringify(result));
  if (!result.ok) process.exitCode = 1;
}

async function play(screen: Screen, logLevel: "silent" | "info") {
  const begin = performance.now();
  screen.line("Starting a local chain; deploying (the first run compiles the contracts) ...");
  const town = await Town.build(logLevel);
  const interrupted = () => void town.close().finally(() => process.exit(130));
  process.once("SIGINT", interrupted);
  try {
    const [model, sibling] = (await loadModels([LARGE, SMALL])).models;
    await town.registerModel(model);
    const fisherman = await town.watch(LARGE);
    screen.line(`Deployed behind proxies; ${describe(model)} registered and validated; fisherman awake.`);
    const story: Story = { town, screen, model, fisherman };

    const first = await honestAct(story);
    const downgrade = downgradeEngine(model.loaded, sibling.loaded);
    const cases = [
      await cheatingAct(story, {
        title: `Act 2. A model downgrade: ${sibling.loaded.name} is sold as ${model.loaded.name}`,
        kind: "model-downgrade",
        role: "downgrader",
        engine: downgrade,
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
    const ok = first.final && disputes.every(({ winner }) => winner === "fisherman");
    const seconds = ((performance.now() - begin) / 1000).toFixed(0);
    screen.line(`\n${ok ? "All lies were found and slashed." : "SOMETHING WENT WRONG."} (${seconds} s)`);
    return {
      ok,
      provisionalMs: Number(first.bought.provisionalMs.toFixed(2)),
      tokens: first.bought.tokens,
      tokensPerSecond: Number(first.bought.tokensPerSecond.toFixed(1)),
      commitGasPerReceipt: first.commitGasPerReceipt,
      disputes,
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
async function honestAct({ town, screen, model }: Story) {
  screen.heading("Act 1. An honest answer");
  const serving = await town.serve("honest", model);
  const bought = await purchase({ town, screen, model }, serving, 1);
  const reader = town.actions("requester");
  const batch = await batchOf(reader.otr, bought.bundle, serving.account.address);
  const commitGasPerReceipt = Number(batch.gas) / batch.count;
  screen.line(
    `Batch ${batch.batchId} committed: ${batch.gas} gas for ${batch.count} receipt; the price is per batch, not per receipt.`,
  );
  await waitOutWindow(town, screen);
  const status = await reader.statusOf(batch.committed);
  screen.line(`The window has passed: the receipt is ${status}.`);
  return { bought, commitGasPerReceipt, final: status === "final" };
}

/** Waits in real time, with a block a second: this local chain makes blocks only when asked. */
async function waitOutWindow(town: Town, screen: Screen): Promise<void> {
  for (let left = CHALLENGE_WINDOW; left > 0; left--) {
    screen.progress(`Challenge window: ${left} s left, nobody has anything to say ...`, false);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await town.clock.mine({ blocks: 1 });
  }
  screen.progress(`Challenge window of ${CHALLENGE_WINDOW} s: nobody had anything to say.`, true);
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
  const { town, screen, model, fisherman } = story;
  screen.heading(title);
  const serving = await town.serve(role, { ...model, engine });
  const bought = await purchase(story, serving, 2);
  const requester = town.actions("requester");
  const batch = await batchOf(requester.otr, bought.bundle, serving.account.address);
  const begin = performance.now();
  screen.line("Committed. The fisherman re-executes ...");
  const stake = (await requester.getExecutor(serving.account.address)).stake;
  await waitFor("The conviction", async () =>
    (await requester.statusOf(batch.committed)) === "reverted" ? true : undefined,
  );
  const seconds = (performance.now() - begin) / 1000;
  const game = fisherman.games.all().find(({ receiptHash }) => receiptHash === bought.bundle.receiptHash);
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
    seconds: Number(seconds.toFixed(1)),
    winner: winnerOf(log),
  };
  screen.line(`Convicted ${verdict.seconds} s after the commitment: suspended at once, paid after the air gap.`);
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
  await town.clock.increaseTime({ seconds: CLAIM_PERIOD });
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
  { town, screen, model }: Omit<Story, "fisherman">,
  serving: Awaited<ReturnType<Town["serve"]>>,
  seed: number,
): Promise<Bought> {
  screen.line(`> ${PROMPT}`);
  const bought = await buy({
    context: town.actions("requester").otr,
    serving,
    model: model.loaded,
    account: town.account("requester"),
    prompt: PROMPT,
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
function bitFlipEngine({ loaded }: ReadyModel): Engine {
  const { program, weights } = loaded;
  const row = program.instructions.findIndex(({ role }) => role === 1);
  return lyingEngine(program, weights, {
    name: "one bit of a K row",
    committed: (t, i, honest) => (t === 1 && i === row ? flipBit(honest, 0) : undefined),
  });
}

function summary(screen: Screen, disputes: readonly DisputeResult[]): void {
  screen.heading("Disputes");
  const rows = disputes.map((d) => [
    d.kind,
    d.winner,
    String(d.moves),
    String(d.transactions),
    d.gas.toLocaleString("en"),
    String(d.seconds),
    formatEther(BigInt(d.slashedWei)),
    formatEther(BigInt(d.requesterWei)),
  ]);
  const head = ["lie", "winner", "executor's moves", "transactions", "gas", "seconds", "slashed ETH", "requester ETH"];
  for (const line of table(head, rows)) screen.line(line);
}

main().catch((error: unknown) => {
  console.error(error instanceof BaseError ? `${error.name}: ${error.message}` : error);
  process.exitCode = 1;
});
