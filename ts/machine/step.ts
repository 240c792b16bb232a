import { fromHex } from "../commit/bytes.ts";
import { SENTINEL_TOKEN } from "../commit/record.ts";
import { RowMismatchError, StepInputError } from "./errors.ts";
import type { KvCache } from "./kv-cache.ts";
import { clamp } from "./numbers.ts";
import type { Program } from "./program.ts";
import { semanticsOf } from "./registry.ts";
import type { RunInputs, StepContext } from "./semantics.ts";
import { within } from "./shape.ts";
import { dataOf, type Row } from "./types.ts";
import type { Weights } from "./weights.ts";

/** What a step's context is made of: the rest follows. */
export type StepInput = Omit<StepContext, "outputIndex">;

/** Completes and checks a step's input. */
export function stepContext(input: StepInput): StepContext {
  const { t, nIn, token, temperature, requestHash } = input;
  const check = (ok: boolean, field: string, expected: string, got: unknown) => {
    if (!ok) throw new StepInputError(field, expected, String(got));
  };
  check(within(t, 0, 2 ** 32 - 1), "position", "an integer from 0", t);
  check(within(nIn, 1, 2 ** 32 - 1), "nIn", "an integer from 1", nIn);
  check(within(token, 0, 2 ** 32 - 1), "token", "an unsigned 32-bit integer", token);
  check(within(temperature, 0, 2 ** 32 - 1), "temperature", "unsigned 16.16 fixed point", temperature);
  check(fromHex(requestHash).length === 32, "requestHash", "32 bytes", requestHash);
  return { ...input, outputIndex: Math.max(t - (nIn - 1), 0) };
}

/**
 * Runs one step of a validated program: the row of every instruction. Needs the cached rows of positions before
 * `context.t` in `cache` and stores those of `context.t` there.
 */
export function runStep(program: Program, weights: Weights, context: StepContext, cache: KvCache): Row[] {
  const rows: Row[] = [];
  execute(program, weights, context, cache, rows);
  return rows;
}

/** Which instructions the cached rows depend on: all that a prompt position before the last one needs. */
export function cachePlan(program: Program): Uint8Array {
  const needed = new Uint8Array(program.instructions.length);
  for (let i = needed.length - 1; i >= 0; i--) {
    const { role, a, b, c } = program.instructions[i];
    if (role === 1) needed[i] = 1;
    if (needed[i] === 0) continue;
    for (const { kind, index } of [a, b, c]) if (kind === "row" || kind === "cache") needed[index] = 1;
  }
  return needed;
}

/**
 * As `runStep`, but makes only the rows that the cached rows of this position depend on (`plan`, from `cachePlan`) and
 * keeps those.
 */
export function fillCache(
  program: Program,
  weights: Weights,
  context: StepContext,
  cache: KvCache,
  plan: Uint8Array,
): void {
  execute(program, weights, context, cache, [], plan);
}

/** The step's token, from the row that the last instruction made. */
export function stepToken(rows: readonly Row[]): number {
  const [token] = dataOf(rows[rows.length - 1], "i64");
  return Number(clamp(token, 0n, BigInt(SENTINEL_TOKEN - 1)));
}

function execute(
  program: Program,
  weights: Weights,
  context: StepContext,
  cache: KvCache,
  rows: Row[],
  plan?: Uint8Array,
): void {
  if (context.t >= program.contextLength) {
    throw new StepInputError("position", `below the context length ${program.contextLength}`, String(context.t));
  }
  const inputs: RunInputs = {
    row: ({ index }) => rows[index],
    weights({ index, count, length, type }) {
      const range = weights.range(index, count);
      if (range.type !== type || range.data.length !== count * length) {
        throw new RowMismatchError(
          "the weights",
          `${type}[${length}] x ${count}`,
          `${range.type}, ${range.data.length} elements`,
        );
      }
      return range;
    },
    cache: ({ count }) => cache.rows(count, context.t + 1),
  };
  for (let i = 0; i < program.instructions.length; i++) {
    if (plan !== undefined && plan[i] === 0) continue;
    const instruction = program.instructions[i];
    const row = semanticsOf(instruction).run(instruction, context, inputs);
    rows[i] = row;
    if (instruction.role === 1) cache.store(instruction.cacheSlot, context.t, row);
  }
}
