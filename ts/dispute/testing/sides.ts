import type { Answer, FaultyModel } from "../../adversary/random-fault.ts";
import { type TraceRecord, traceTree } from "../../commit/record.ts";
import type { Engine } from "../../engine/types.ts";
import { nextChallengerMove, nextTraceChoice } from "../challenger.ts";
import { plainRecord } from "../minds.ts";
import type { NodeTree } from "../node-tree.ts";
import { nextExecutorMove, nextTraceAnswer, type ResponderKnowledge } from "../responder.ts";
import type { FineStep } from "../source.ts";
import { type DisputedModel, StepTrace } from "../step-trace.ts";
import { UNKNOWN_STEP } from "../view.ts";
import type { Player } from "./court.ts";

type DisputedAnswer = Answer<FaultyModel & DisputedModel>;

/** What a challenger has besides the model and the request. */
export interface ChallengerMeans {
  /** The records were published; else it makes the honest answer itself. */
  readonly knowsRecords?: boolean;
  /** What the executor may have computed. */
  readonly suspects?: readonly FineStep[];
}

/** An honest challenger. */
export function challengerSide(answer: DisputedAnswer, means: ChallengerMeans = {}): Player {
  const { model, honest, request, input, records, honestRecords } = answer;
  const { knowsRecords = true, suspects = [] } = means;
  const stepOf = memo(async (step: number) => {
    // Without the records it knows honest ones, which are the committed ones up to the disputed step.
    const known = { input, outputs: answer.outputs, records: knowsRecords ? records : honestRecords };
    const trace = await StepTrace.build(model, honest, known, step);
    return { trace, record: plainRecord(honestRecords[step]), request, secret: request.seed, suspects };
  });
  return async (view) =>
    view.step === UNKNOWN_STEP
      ? nextTraceChoice(view, traceTree(honestRecords))
      : nextChallengerMove(view, await stepOf(view.step));
}

/** How an executor deviates from its own engine and records. */
export interface ExecutorMeans {
  readonly engine?: Engine;
  /** The step as it claims it, from the step as its engine has it. */
  readonly claim?: (step: StepTrace) => FineStep;
  readonly accumulators?: (claimed: FineStep) => NonNullable<ResponderKnowledge["accumulators"]>;
  /** The tree over its records, if it is not one. */
  readonly trace?: NodeTree;
  /** The record that it shows. */
  readonly shows?: TraceRecord;
}

/** An executor that answers from what it has computed and committed, in every phase; an honest one without means. */
export function executorSide(answer: DisputedAnswer, means: ExecutorMeans = {}): Player {
  const { model, honest, records } = answer;
  const stepOf = memo(async (step: number): Promise<ResponderKnowledge> => {
    const computed = await StepTrace.build(model, means.engine ?? honest, answer, step);
    const trace = means.claim?.(computed) ?? computed;
    const accumulators = means.accumulators?.(trace);
    return { trace, record: plainRecord(means.shows ?? records[step]), ...(accumulators && { accumulators }) };
  });
  return async (view) =>
    view.step === UNKNOWN_STEP
      ? nextTraceAnswer(view, means.trace ?? traceTree(records))
      : nextExecutorMove(view, await stepOf(view.step));
}

function memo<V>(make: (key: number) => Promise<V>): (key: number) => Promise<V> {
  const made = new Map<number, Promise<V>>();
  return (key) => {
    const known = made.get(key) ?? make(key);
    made.set(key, known);
    return known;
  };
}
