import type { GameMind } from "../chain/game-player.ts";
import { toHex } from "../commit/bytes.ts";
import { SENTINEL_TOKEN, saltOf, type TraceRecord, traceTree } from "../commit/record.ts";
import type { Engine } from "../engine/types.ts";
import type { Bundle } from "../sdk/bundle.ts";
import { committedAnswer, type PlayableModel, sequenceInput } from "./answer.ts";
import { nextChallengerMove, nextTraceChoice } from "./challenger.ts";
import { nextExecutorMove, nextTraceAnswer } from "./responder.ts";
import { type CommittedAnswer, StepTrace } from "./step-trace.ts";
import { type PlainRecord, UNKNOWN_STEP } from "./view.ts";

/** What a challenger knows of an answer whose records its executor hides: all but them. */
export type RecordlessBundle = Omit<Bundle, "records" | "outputTokens">;

/** What may have made somebody's answer instead of the model that its receipt names, e.g. a smaller sibling. */
export interface Suspects {
  readonly engines: readonly Engine[];
  /** Told of each suspect that cannot run the answer's step. */
  readonly onUnfit?: (error: unknown) => void;
}

const NOBODY: Suspects = { engines: [] };

/** The executor's side of a game on one step of its answer: re-executes the step once. A walk down the trace needs the records only. */
export async function responderMind(model: PlayableModel, bundle: Bundle, step: number): Promise<GameMind> {
  const answer = committedAnswer(bundle);
  if (step === UNKNOWN_STEP) {
    const records = traceTree(answer.records);
    return { move: (view) => nextTraceAnswer(view, records) };
  }
  const trace = await StepTrace.build(model.disputed, model.engine, answer, step);
  const knowledge = { trace, record: plainRecord(answer.records[step]) };
  return { move: (view) => nextExecutorMove(view, knowledge) };
}

/**
 * The challenger's side of a game on one step of somebody's answer: re-executes the answer and the step once.
 *
 * @param suspects What may have made the answer instead. If something of it did, the game is shorter.
 */
export async function challengerMind(
  model: PlayableModel,
  bundle: Bundle,
  step: number,
  suspects: Suspects = NOBODY,
): Promise<GameMind> {
  const answer = committedAnswer(bundle);
  const replay = await model.engine.replay(answer.input, answer.outputs);
  const output = step - (bundle.receipt.nIn - 1);
  const token = output < 0 ? SENTINEL_TOKEN : replay.tokens[output];
  const honest = {
    salt: saltOf(answer.input.saltKey, "record", step),
    token,
    cacheRoot: replay.records[step].cacheRoot,
  };
  return stepMind(model, bundle, { answer, step, record: plainRecord(honest), suspects });
}

/**
 * The challenger's side of a game on an answer whose records are hidden, or do not lead to the receipt's `traceRoot`: it makes the honest
 * answer once, and re-executes the step once the walk has found it.
 */
export async function hiddenAnswerMind(
  model: PlayableModel,
  bundle: RecordlessBundle,
  step: number,
  suspects: Suspects = NOBODY,
): Promise<GameMind> {
  const answer = await honestAnswer(model, bundle);
  if (step === UNKNOWN_STEP) {
    const records = traceTree(answer.records);
    return { move: (view) => nextTraceChoice(view, records) };
  }
  // Up to the first wrong record the committed answer is the honest one, and nothing later is read.
  return stepMind(model, bundle, { answer, step, record: plainRecord(answer.records[step]), suspects });
}

interface StepMind {
  readonly answer: CommittedAnswer;
  readonly step: number;
  readonly record: PlainRecord;
  readonly suspects: Suspects;
}

async function stepMind(
  { disputed, engine }: PlayableModel,
  { request, secret = request.seed }: RecordlessBundle,
  { answer, step, record, suspects }: StepMind,
): Promise<GameMind> {
  const trace = await StepTrace.build(disputed, engine, answer, step);
  const suspected: StepTrace[] = [];
  for (const suspect of suspects.engines) {
    try {
      suspected.push(await StepTrace.build(disputed, suspect, answer, step));
    } catch (error) {
      // What cannot run this prompt did not make the answer, and must not keep the game from being played.
      suspects.onUnfit?.(error);
    }
  }
  const knowledge = { trace, record, request, secret, suspects: suspected };
  return { move: (view) => nextChallengerMove(view, knowledge) };
}

/** The answer that the machine gives to the request, as long as the receipt says. */
async function honestAnswer({ engine }: PlayableModel, bundle: RecordlessBundle): Promise<CommittedAnswer> {
  const input = sequenceInput(bundle);
  const sequence = engine.sequence(input);
  while (sequence.outputs.length < bundle.receipt.nOut) await sequence.next();
  const answer = { input, outputs: [...sequence.outputs], records: [...sequence.records] };
  sequence.close();
  return answer;
}

/** A record as on the wire. */
export function plainRecord({ salt, token, cacheRoot }: TraceRecord): PlainRecord {
  return { salt: toHex(salt), token, cacheRoot: toHex(cacheRoot) };
}
