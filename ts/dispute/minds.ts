import type { GameMind } from "../chain/game-player.ts";
import type { BundleItem } from "../commit/bundle.ts";
import { SENTINEL_TOKEN } from "../commit/record.ts";
import { committedAnswer, type PlayableModel } from "./answer.ts";
import { nextChallengerMove } from "./challenger.ts";
import { nextExecutorMove } from "./responder.ts";
import { StepTrace } from "./step-trace.ts";

/** The executor's side of a game on one step of its answer: re-executes the step once. */
export async function responderMind(model: PlayableModel, item: BundleItem, step: number): Promise<GameMind> {
  const trace = await StepTrace.build(model.disputed, model.engine, committedAnswer(item), step);
  return { record: item.records[step], move: (view) => nextExecutorMove(view, { trace }) };
}

/** The challenger's side of a game on one step of somebody's answer: re-executes the answer and the step once. */
export async function challengerMind(model: PlayableModel, item: BundleItem, step: number): Promise<GameMind> {
  const answer = committedAnswer(item);
  const replay = await model.engine.replay(answer.input, answer.outputs);
  const output = step - (item.receipt.nIn - 1);
  const token = output < 0 ? SENTINEL_TOKEN : replay.tokens[output];
  const record = { token, cacheRoot: replay.records[step].cacheRoot };
  const trace = await StepTrace.build(model.disputed, model.engine, answer, step);
  const knowledge = { trace, record, request: item.request };
  return { record: item.records[step], move: (view) => nextChallengerMove(view, knowledge) };
}
