import { type Address, parseEventLogs } from "viem";
import { call, getBlock, getBlockNumber } from "viem/actions";
import { ABIS } from "./abis.ts";
import { getBatch } from "./actions/batch.ts";
import { getDemand } from "./actions/demand.ts";
import { repayMissedCall } from "./actions/draws.ts";
import { getPayout } from "./actions/payout.ts";
import { getRules } from "./actions/rules.ts";
import { getConviction, rewardDueAt } from "./actions/settle-game.ts";
import { sameAddress } from "./client.ts";
import type { OtrContext } from "./context.ts";
import { ContractRevertError } from "./errors.ts";
import { GameContracts } from "./game-contracts.ts";
import { getGame } from "./game-state.ts";
import { rangedLogs } from "./ranged-logs.ts";
import { decodeRevert } from "./revert.ts";

/** Money that is on its way to an account, or may be. */
export interface Payout {
  readonly kind: "game" | "demand" | "reward" | "draw";
  /** The court that holds it; the rollup for rewards. */
  readonly address: Address;
  /** Game id; `batch:index` of a demand; executor of a reward; batch id of a missed draw. */
  readonly key: string;
  readonly batchId: bigint;
  readonly executor: Address;
  /** Phase of the game, state of the demand, `convicted` for rewards, `missed` for draws. */
  readonly state: string;
  /** Whether this account gets it as things stand; false while it may still go either way. */
  readonly own: boolean;
  /** From when it is paid, in seconds since 1970; undefined while it is undecided. */
  readonly dueAt: bigint | undefined;
  /** Block in which it was opened. */
  readonly block: bigint;
}

/** Everything that games, demands and convictions may still bring to an account, read from the chain alone. */
export async function findPayouts(
  context: OtrContext,
  { account, fromBlock, maxRange }: { account: Address; fromBlock: bigint; maxRange?: bigint },
): Promise<Payout[]> {
  const { client, addresses } = context;
  const courts = new GameContracts(context);
  const [games, availability, frauds] = [await courts.list(), await courts.availability(), await courts.frauds()];
  const draws = await courts.spotChecks();
  const toBlock = await getBlockNumber(client, { cacheTime: 0 });
  const range = { fromBlock, toBlock, ...(maxRange === undefined ? {} : { maxRange }) };
  const logs = (await rangedLogs(client, {
    address: [...games, ...availability, ...frauds, ...draws],
    ...range,
  })) as never[];
  const payouts: Payout[] = [];
  const accused = new Set<Address>();
  for (const { args, address, blockNumber } of parseEventLogs({ abi: ABIS.game, logs, eventName: "GameOpened" })) {
    const { challenger, gameId, batchId, receipt } = args;
    const mine = sameAddress(challenger, account);
    if (!mine && !sameAddress(receipt.executor, account)) continue;
    if (mine) accused.add(receipt.executor);
    const { phase, deadline } = await getGame(context, { address, gameId });
    if (phase === "Paid" || phase === "None") continue;
    const decided = phase === "Won" || phase === "Lost" || phase === "Moot";
    const { dueAt, refunds } = await getPayout(context, { batchId, verdictAt: deadline });
    const own = decided && (phase === "Lost" && !refunds ? !mine : mine);
    const due = { batchId, executor: receipt.executor, block: BigInt(blockNumber), dueAt: decided ? dueAt : undefined };
    payouts.push({ kind: "game", address, key: gameId.toString(), state: phase, own, ...due });
  }
  for (const { args, address, blockNumber } of parseEventLogs({
    abi: ABIS.availability,
    logs,
    eventName: "Demanded",
  })) {
    const { batchId, index, demander } = args;
    const executor = (await getBatch(context, batchId))?.executor;
    if (executor === undefined) continue;
    const mine = sameAddress(demander, account);
    if (!mine && !sameAddress(executor, account)) continue;
    if (mine) accused.add(executor);
    const { state, deadline } = await getDemand(context, { availability: address, batchId, index: Number(index) });
    if (state === "paid" || state === "none") continue;
    const { dueAt, refunds } = await getPayout(context, { batchId, verdictAt: deadline });
    const own = state !== "open" && (state === "answered" && !refunds ? !mine : mine);
    const due = { batchId, executor, block: BigInt(blockNumber), dueAt: state === "open" ? undefined : dueAt };
    payouts.push({ kind: "demand", address, key: `${batchId}:${index}`, state, own, ...due });
  }
  for (const { args, address, blockNumber } of parseEventLogs({
    abi: ABIS.spotChecks,
    logs,
    eventName: "DrawMissed",
  })) {
    const { batchId, by } = args;
    const batch = sameAddress(by, account) ? await getBatch(context, batchId) : undefined;
    if (batch === undefined || (await isRepaid(context, address, batchId))) continue;
    const { timestamp } = await getBlock(client, { blockNumber: BigInt(blockNumber) });
    const { dueAt, refunds } = await getPayout(context, { batchId, verdictAt: timestamp });
    const due = { batchId, executor: batch.executor, block: BigInt(blockNumber), dueAt };
    payouts.push({ kind: "draw", address, key: batchId.toString(), state: "missed", own: !refunds, ...due });
  }
  for (const { args } of parseEventLogs({ abi: ABIS.frauds, logs, eventName: "FraudProven" })) {
    const batch = sameAddress(args.by, account) ? await getBatch(context, args.batchId) : undefined;
    if (batch !== undefined) accused.add(batch.executor);
  }
  for (const executor of accused) {
    const conviction = await getConviction(context, executor);
    if (conviction === undefined || !sameAddress(conviction.challenger, account)) continue;
    const dueAt = await rewardDueAt(context, executor);
    if (dueAt === undefined) continue;
    const { batchId } = conviction;
    const { refunds } = await getPayout(context, { batchId, verdictAt: 0n });
    const reward = { batchId, executor, state: "convicted", own: !refunds, dueAt, block: fromBlock };
    payouts.push({ kind: "reward", address: addresses.rollup, key: executor, ...reward });
  }
  return payouts;
}

/** Whether the gas of a conviction by a missed draw was paid: no view says so, the payment itself does. */
async function isRepaid({ client }: OtrContext, court: Address, batchId: bigint): Promise<boolean> {
  const repay = repayMissedCall(court, batchId);
  const refusal = await call(client, { to: repay.to, data: repay.data }).then(
    () => undefined,
    (error: unknown) => decodeRevert(error, repay),
  );
  if (refusal === undefined) return false;
  if (!(refusal instanceof ContractRevertError)) throw refusal;
  return refusal.errorName === "NothingToRepay";
}

/** What a batch looks like to people: how long its window is open, and what it locks. */
export async function batchStatus(context: OtrContext, batchId: bigint) {
  const batch = await getBatch(context, batchId);
  if (batch === undefined) return undefined;
  const rules = await getRules(context, batch.rules);
  const windowEnd = batch.committedAt + rules.challengeWindow;
  const released = batch.openGames === RELEASED;
  return {
    batchId,
    ...batch,
    windowEnd,
    openGames: released ? 0 : batch.openGames,
    released,
    locked: released || batch.scarce ? 0n : BigInt(batch.count) * rules.lockPerReceipt,
    demandsUntil: batch.committedAt + rules.challengeWindow / 2n,
  };
}

/** `Batch.openGames` of a batch whose locks are gone. */
const RELEASED = 65_535;
