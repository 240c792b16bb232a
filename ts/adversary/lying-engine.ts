import { SENTINEL_TOKEN, saltOf, type TraceRecord } from "../commit/record.ts";
import { cacheRootOfRows } from "../engine/reference.ts";
import { type Run, runEngine } from "../engine/run-engine.ts";
import type { Engine, FineTrace, SequenceInput } from "../engine/types.ts";
import { KvCache } from "../machine/kv-cache.ts";
import type { Program } from "../machine/program.ts";
import { semanticsOf } from "../machine/registry.ts";
import { stepContext, stepToken } from "../machine/step.ts";
import type { Row } from "../machine/types.ts";
import type { Weights } from "../machine/weights.ts";
import type { Lie } from "./lie.ts";

/** An engine that computes the program and lies as told. Its receipts look like any other. */
export function lyingEngine(program: Program, weights: Weights, lie: Lie): Engine {
  return runEngine(`lying (${lie.name})`, (input) => new LyingRun(program, weights, lie, input));
}

class LyingRun implements Run {
  readonly records: TraceRecord[] = [];
  /** Cached rows as committed. */
  private readonly committed: KvCache;
  /** Cached rows as computed with. */
  private readonly cache: KvCache;

  constructor(
    private readonly program: Program,
    private readonly weights: Weights,
    private readonly lie: Lie,
    private readonly input: SequenceInput,
  ) {
    this.cache = new KvCache(program);
    this.committed = new KvCache(program);
  }

  step(t: number, outputs: readonly number[]): number | undefined {
    const rows = this.rows(t, outputs);
    const token = t >= this.input.prompt.length - 1 ? stepToken(rows) : undefined;
    const cached = rows.filter((_, i) => this.program.instructions[i].role === 1);
    this.records.push({
      salt: saltOf(this.input.saltKey, "record", t),
      token: token ?? SENTINEL_TOKEN,
      cacheRoot: cacheRootOfRows(cached),
    });
    return token;
  }

  fill(t: number, outputs: readonly number[]): void {
    this.rows(t, outputs);
  }

  fine(t: number, outputs: readonly number[]): FineTrace {
    return { rows: this.rows(t, outputs), cache: this.committed };
  }

  /** The rows of step t as committed. */
  private rows(t: number, outputs: readonly number[]): Row[] {
    const { prompt, requestHash, temperature } = this.input;
    const token = t < prompt.length ? prompt[t] : outputs[t - prompt.length];
    const context = stepContext({ t, nIn: prompt.length, token, requestHash, temperature });
    const computed: Row[] = [];
    const committed: Row[] = [];
    this.program.instructions.forEach((instruction, i) => {
      const honest = semanticsOf(instruction).run(instruction, context, {
        row: ({ index }) => computed[index],
        weights: ({ index, count }) => this.weights.range(index, count),
        cache: ({ count }) => this.cache.rows(count, t + 1),
      });
      computed[i] = this.lie.computed?.(t, i, honest) ?? honest;
      committed[i] = this.lie.committed?.(t, i, computed[i]) ?? computed[i];
      if (instruction.role === 1) {
        this.cache.store(instruction.cacheSlot, t, computed[i]);
        this.committed.store(instruction.cacheSlot, t, committed[i]);
      }
    });
    return committed;
  }
}
