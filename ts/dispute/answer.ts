import type { Hex } from "../commit/bytes.ts";
import { saltKey } from "../commit/record.ts";
import { effectiveTemperature } from "../commit/typed-data.ts";
import type { Engine, SequenceInput } from "../engine/types.ts";
import type { Program } from "../machine/program.ts";
import type { Weights } from "../machine/weights.ts";
import type { Bundle } from "../sdk/bundle.ts";
import type { CommittedAnswer, DisputedModel } from "./step-trace.ts";

/** A model read and verified once more. */
export interface FreshModel {
  readonly program: Program;
  readonly weights: Weights;
  /** Starts another backend than the one that gave the first opinion; whoever asks closes it. */
  engine(): Promise<Engine>;
}

/** A model that answers can be re-executed and disputed with. */
export interface PlayableModel {
  readonly engine: Engine;
  /** Reads the model again, for a second opinion that shares nothing with the first. Left out, the first engine computes again from the start. */
  readonly fresh?: () => Promise<FreshModel>;
  readonly disputed: DisputedModel;
  /** Most positions of a sequence. */
  readonly contextLength: number;
}

/** Finds a model by id; `undefined` if this machine does not have it. */
export type ModelSource = (modelId: Hex) => Promise<PlayableModel | undefined>;

/** What a machine needs to re-execute an answer. */
export function sequenceInput(bundle: Pick<Bundle, "receipt" | "request" | "secret" | "inputTokens">): SequenceInput {
  const { receipt, request, inputTokens: prompt } = bundle;
  const temperature = effectiveTemperature(request);
  return { prompt, requestHash: receipt.requestHash, temperature, saltKey: bundleSaltKey(bundle) };
}

/** Key of all salts of an answer. */
export function bundleSaltKey({ request, secret = request.seed }: Pick<Bundle, "request" | "secret">): Uint8Array {
  return saltKey({ ...request, secret });
}

/** Tokens that the records claim: what the machine's steps after the prompt read. */
export function recordedTokens({ receipt, records }: Bundle): number[] {
  return records.slice(receipt.nIn - 1).map((record) => record.token);
}

/** An answer as its receipt commits to it. */
export function committedAnswer(bundle: Bundle): CommittedAnswer {
  return { input: sequenceInput(bundle), outputs: recordedTokens(bundle), records: bundle.records };
}
