import type { GameMind } from "../chain/game-player.ts";
import { SENTINEL_TOKEN } from "../commit/record.ts";
import type { Bundle } from "../sdk/bundle.ts";
import { committedAnswer, type PlayableModel } from "./answer.ts";
import { nextChallengerMove } from "./challenger.ts";
import { nextExecutorMove } from "./responder.ts";
import { StepTrace } from "./step-trace.ts";

/** The executor's side of a game on one step of its answer: re-executes the step once. */
export async function responderMind(model: PlayableModel, bundle: Bundle, step: number): Promise<GameMind> {
  const trace = await StepTrace.build(model.disputed, model.engine, committedAnswer(bundle), step);
  return { record: bundle.records[step], move: (view) => nextExecutorMove(view, { trace }) };
}

/** The challenger's side of a game on one step of somebody's answer: re-executes the answer and the step once. */
export async function challengerMind(model: PlayableModel, bundle: Bundle, step: number): Promise<GameMind> {
  const answer = committedAnswer(bundle);
  const replay = await model.engine.replay(answer.input, answer.outputs);
  const output = step - (bundle.receipt.nIn - 1);
  const token = output < 0 ? SENTINEL_TOKEN : replay.tokens[output];
  const record = { token, cacheRoot: replay.records[step].cacheRoot };
  const trace = await StepTrace.build(model.disputed, model.engine, answer, step);
  const knowledge = { trace, record, request: bundle.request };
  return { record: bundle.records[step], move: (view) => nextChallengerMove(view, knowledge) };
}
