import { type Address, type Hex, hexToBytes, pad, parseEventLogs, toHex } from "viem";
import { getTransactionReceipt } from "viem/actions";
import { ABIS } from "../chain/abis.ts";
import { type CommittedReceipt, openReceipt } from "../chain/committed.ts";
import type { OtrContext } from "../chain/context.ts";
import { type GameLog, gameView } from "../chain/game-log.ts";
import { OUTCOMES } from "../chain/game-state.ts";
import type { TrackedGame } from "../chain/game-store.ts";
import { committedAnswer } from "../dispute/answer.ts";
import type { ReadyModel } from "../dispute/load-models.ts";
import type { GameView } from "../dispute/view.ts";
import { instructionName } from "../machine/table.ts";
import { ELEMENT_BYTES, elementAt, type Row, viewRow } from "../machine/types.ts";
import type { Bundle } from "../sdk/bundle.ts";
import { DemoError } from "./errors.ts";

/** A batch as the chain has it. */
export interface CommittedBatch {
  readonly batchId: bigint;
  readonly committed: CommittedReceipt;
  readonly gas: bigint;
  readonly count: number;
}

/** One dispute up to the verdict. */
export interface Verdict {
  readonly kind: string;
  /** Moves of the executor: what a dispute makes it say. */
  readonly moves: number;
  readonly transactions: number;
  readonly gas: number;
  /** From the commitment, all in seconds: until the fault is found and confirmed, the game is open, the executor is convicted. */
  readonly foundSeconds: number;
  readonly openedSeconds: number;
  readonly seconds: number;
  readonly winner: "fisherman" | "executor" | "nobody";
}

/** What one dispute came to. */
export interface DisputeResult extends Verdict {
  readonly slashedWei: string;
  readonly requesterWei: string;
}

/** Waits until `look` finds something. */
export async function waitFor<T>(what: string, look: () => Promise<T | undefined>, seconds = 600): Promise<T> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; ) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new DemoError(`${what} did not happen within ${seconds} s.`);
}

/** The batch that holds a receipt, once the executor has committed it. The demo's batches hold one receipt. */
export function batchOf(context: OtrContext, bundle: Bundle, executor: Address): Promise<CommittedBatch> {
  return waitFor("The batch", async () => {
    const logs = await context.client.request({
      method: "eth_getLogs",
      params: [{ address: context.addresses.rollup, fromBlock: "0x0", toBlock: "latest" }],
    });
    for (const log of parseEventLogs({ abi: ABIS.rollup, logs: logs as never, eventName: "BatchCommitted" })) {
      const { batchId, executor: by, count } = log.args;
      if (by.toLowerCase() !== executor.toLowerCase()) continue;
      const { gasUsed } = await getTransactionReceipt(context.client, { hash: log.transactionHash });
      const committed = openReceipt(batchId, bundle.receipt, [bundle.receiptHash], 0);
      return { batchId, committed, gas: gasUsed, count: Number(count) };
    }
    return undefined;
  });
}

/** Transactions of a game with the gas of each, in order. */
export async function gameTransactions(
  context: OtrContext,
  game: TrackedGame,
): Promise<{ from: Address; gas: bigint }[]> {
  const topic = pad(toHex(game.gameId), { size: 32 });
  const logs = (await context.client.request({
    method: "eth_getLogs",
    params: [{ address: game.address, topics: [null, topic], fromBlock: toHex(game.openedAt), toBlock: "latest" }],
  })) as { transactionHash: Hex }[];
  const hashes = [...new Set(logs.map(({ transactionHash }) => transactionHash))];
  const receipts = await Promise.all(hashes.map((hash) => getTransactionReceipt(context.client, { hash })));
  return receipts.map(({ from, gasUsed }) => ({ from, gas: gasUsed }));
}

/** Who won. */
export function winnerOf(log: GameLog): Verdict["winner"] {
  const ended = log.events.find(({ eventName }) => eventName === "GameEnded");
  const outcome = OUTCOMES[Number(ended?.args.outcome)];
  return outcome === "executorLost" ? "fisherman" : outcome === "challengerLost" ? "executor" : "nobody";
}

/** The descent in a few lines, from the whole trace down to two numbers. */
export async function drawDescent(model: ReadyModel, bundle: Bundle, log: GameLog): Promise<string[]> {
  const { step } = log.subject;
  const view = gameView(log);
  const steps = bundle.records.length;
  const lines = [`trace of ${steps} steps`, `└─ step ${step}: the first record that re-execution does not give`];
  const shown = view.reveals.filter(({ tree }) => tree === "fine");
  const walk = shown.map(({ nodes }) => nodes.length).join(" + ");
  lines.push(`   └─ ${log.leaves.fine} rows, walked by ${shown.length} reveals (${walk} nodes)`);
  if (view.row === undefined) return lines;
  const { opcode, outType, outLength } = model.loaded.program.instructions[view.row];
  lines.push(
    `      └─ row ${view.row} of ${log.leaves.fine}: ${instructionName(opcode)}, ${outLength} elements of ${outType}`,
  );
  const honest = (await model.engine.fine(committedAnswer(bundle).input, committedAnswer(bundle).outputs, step)).rows[
    view.row
  ];
  const found = firstDifferentElement(view, honest);
  if (found === undefined) return lines;
  lines.push(
    `         └─ element ${found.element}: the executor says ${found.claimed}, the judge computes ${found.honest}`,
  );
  return lines;
}

function firstDifferentElement({ chunks }: GameView, honest: Row) {
  if (chunks === undefined) return undefined;
  const bytes = hexToBytes(chunks.bytes);
  const size = ELEMENT_BYTES[honest.type];
  const claimed = viewRow(honest.type, bytes.slice().buffer, 0, bytes.length / size);
  const first = (chunks.first * 32) / size;
  for (let i = 0; i < claimed.data.length && first + i < honest.data.length; i++) {
    const [ours, theirs] = [elementAt(honest, first + i), elementAt(claimed, i)];
    if (ours !== theirs) return { element: first + i, claimed: theirs, honest: ours };
  }
  return undefined;
}
