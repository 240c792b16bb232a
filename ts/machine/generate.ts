import type { Hex } from "../commit/bytes.ts";
import { StepInputError } from "./errors.ts";
import { KvCache } from "./kv-cache.ts";
import type { Program } from "./program.ts";
import { cachePlan, fillCache, runStep, stepContext, stepToken } from "./step.ts";
import type { Weights } from "./weights.ts";

/** What a plain generation needs to know. */
export type GenerateParameters = {
  readonly prompt: readonly number[];
  /** Most tokens to make; the context length may end the output before. */
  readonly maxOut: number;
  readonly requestHash: Hex;
  /** Unsigned 16.16 fixed point; 0 is greedy. */
  readonly temperature: number;
  readonly stopTokens?: readonly number[];
};

/** The output tokens of a request: the shortest path through the machine, without traces or batching. */
export function generate(program: Program, weights: Weights, parameters: GenerateParameters): number[] {
  const { prompt, requestHash, temperature } = parameters;
  const nIn = prompt.length;
  if (nIn === 0) throw new StepInputError("prompt", "at least one token", "none");
  const cache = new KvCache(program);
  const plan = cachePlan(program);
  const output: number[] = [];
  const context = (t: number, token: number) => stepContext({ t, nIn, token, requestHash, temperature });
  for (let t = 0; t < nIn - 1; t++) fillCache(program, weights, context(t, prompt[t]), cache, plan);
  let token = prompt[nIn - 1];
  for (let t = nIn - 1; t < program.contextLength && output.length < parameters.maxOut; t++) {
    token = stepToken(runStep(program, weights, context(t, token), cache));
    output.push(token);
    if (parameters.stopTokens?.includes(token)) break;
  }
  return output;
}
