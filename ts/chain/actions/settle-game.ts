import type { Address, TransactionReceipt } from "viem";
import { type OtrContext, read, write } from "../context.ts";
import { NoSenderError } from "../errors.ts";
import { loadGame } from "../game-log.ts";
import { type GameKey, getGame, isDecided } from "../game-state.ts";
import { closeCall, payOutCall } from "../play.ts";
import type { Call } from "../sender.ts";

/** A game of some batch, and the block from which on its events are looked for. */
export interface GameParameters extends GameKey {
  readonly openedAt: bigint;
  /** Names the deed for senders that remember. */
  readonly id?: string;
}

/** The verdict on an executor: who earns by it, when its case was opened (seconds since 1970), and on which batch. */
export interface ConvictionState {
  readonly challenger: Address;
  readonly openedAt: bigint;
  readonly batchId: bigint;
}

/** The verdict on an executor, `undefined` if there is none. */
export async function getConviction(context: OtrContext, executor: Address): Promise<ConvictionState | undefined> {
  const { challenger, openedAt, batchId } = await read(context, "rollup", "convictionOf", [executor]);
  return openedAt === 0 ? undefined : { challenger, openedAt: BigInt(openedAt), batchId };
}

/** From when a decided game can be paid, in seconds since 1970; `undefined` if it is not decided, or paid. */
export async function gamePayoutDueAt(
  context: OtrContext,
  game: GameKey & { batchId: bigint },
): Promise<bigint | undefined> {
  const { phase, deadline } = await getGame(context, game);
  if (!isDecided(phase) || phase === "Paid") return undefined;
  const [dueAt] = await read(context, "rollup", "payoutOf", [game.batchId, Number(deadline)]);
  return BigInt(dueAt);
}

/** Pays a decided game, after the air gap: won or moot, bond and gas to the challenger; lost, half of the bond to the executor. */
export async function payOutGame(context: OtrContext, game: GameParameters): Promise<TransactionReceipt> {
  return send(context, payOutCall(await loadGame(context, game, game.openedAt)), game.id);
}

/** Ends a game whose executor was convicted elsewhere; one that was opened before the winning case only its challenger can close. */
export async function closeGame(context: OtrContext, game: GameParameters): Promise<TransactionReceipt> {
  return send(context, closeCall(await loadGame(context, game, game.openedAt)), game.id);
}

/** When the challenger's share of a conviction is due, in seconds since 1970; `undefined` if there is none, or it is paid. */
export async function rewardDueAt(context: OtrContext, executor: Address): Promise<bigint | undefined> {
  const dueAt = await read(context, "rollup", "rewardDueAt", [executor]);
  return dueAt === 0 ? undefined : BigInt(dueAt);
}

/** Pays the challenger's share of a conviction to whoever opened the earliest winning case. */
export function payReward(
  context: OtrContext,
  parameters: { executor: Address; id?: string },
): Promise<TransactionReceipt> {
  const options = parameters.id === undefined ? {} : { id: parameters.id };
  return write(context, "rollup", "payReward", [parameters.executor], options);
}

function send({ sender }: OtrContext, call: Call, id: string | undefined): Promise<TransactionReceipt> {
  if (sender === undefined) throw new NoSenderError(call.name);
  return sender.send(call, id === undefined ? {} : { id });
}
