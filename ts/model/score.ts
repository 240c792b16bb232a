import { KvCache } from "../machine/kv-cache.ts";
import type { Program } from "../machine/program.ts";
import type { StepContext } from "../machine/semantics.ts";
import { runStep, stepContext, stepToken } from "../machine/step.ts";
import { INSTRUCTIONS } from "../machine/table.ts";
import { dataOf, type Row } from "../machine/types.ts";
import type { Weights } from "../machine/weights.ts";

/** How a model predicts a given text. */
export type Score = {
  /** Greedy choice at each position but the last: what follows tokens 0..i. */
  readonly predictions: readonly number[];
  /** Mean negative log-likelihood of tokens 1.., in nats. */
  readonly loss: number;
};

/** A request's hash does not matter to greedy steps. */
const NO_REQUEST = `0x${"00".repeat(32)}` as const;

/** Makes the rows of one step after the other. */
export type StepRows = (context: StepContext) => Promise<readonly Row[]>;

/** Rows of the specification. */
export function referenceRows(program: Program, weights: Weights): StepRows {
  const cache = new KvCache(program);
  return async (context) => runStep(program, weights, context, cache);
}

/**
 * Teacher-forced greedy run of the integer machine over one text. Likelihoods are those that `weigh` gives at
 * temperature 1: the program itself says how far apart its logits are.
 * @param tokens At least two.
 */
export async function scoreTokens(program: Program, rowsOf: StepRows, tokens: readonly number[]): Promise<Score> {
  const predictions: number[] = [];
  let loss = 0;
  for (let t = 0; t + 1 < tokens.length; t++) {
    const context = stepContext({ t, nIn: 1, token: tokens[t], temperature: 0, requestHash: NO_REQUEST });
    const rows = await rowsOf(context);
    predictions.push(stepToken(rows));
    loss += surprise(logits(program, rows), tokens[t + 1]);
  }
  return { predictions, loss: loss / predictions.length };
}

/** The logits of a step in nats, from the rows that `weigh` reads, segment after segment. */
function logits(program: Program, rows: readonly Row[]): Float64Array {
  const segments = program.instructions.filter(({ opcode }) => opcode === INSTRUCTIONS.weigh.opcode);
  // weigh at temperature 1: 2^-((max - x) * mul / 2^(16 + tableBits)).
  return Float64Array.from(
    segments.flatMap(({ a, p: [mul, tableBits] }) =>
      Array.from(dataOf(rows[a.index], "i32"), (x) => (x * mul * Math.LN2) / 2 ** (16 + tableBits)),
    ),
  );
}

/** `-log softmax(logits)[token]`. */
export function surprise(logits: Float64Array, token: number): number {
  let max = Number.NEGATIVE_INFINITY;
  for (const x of logits) max = Math.max(max, x);
  let sum = 0;
  for (const x of logits) sum += Math.exp(x - max);
  return max + Math.log(sum) - logits[token];
}
