import type { TraceRecord } from "../commit/record.ts";
import { cacheRootOfRows } from "../engine/reference.ts";
import type { Engine, FineTrace, SequenceInput } from "../engine/types.ts";
import type { Program } from "../machine/program.ts";
import type { Row } from "../machine/types.ts";

/** One cached row that is committed differently from what it was computed as. */
export interface Misrecording {
  readonly step: number;
  /** An instruction whose row is cached. */
  readonly row: number;
  readonly change: (honest: Row) => Row;
}

/** Any engine with one lie in its records: answers are the honest ones, as fast as the engine gives them. The engine stays its owner's. */
export function misrecordingEngine(engine: Engine, { instructions }: Program, lie: Misrecording): Engine {
  const { step, row, change } = lie;
  const { cacheSlot } = instructions[row]!;

  const claimed = ({ rows, cache }: FineTrace, at: number): FineTrace => ({
    rows: at === step ? rows.with(row, change(rows[row]!)) : rows,
    cache: {
      row: (slot, position) => {
        const honest = cache.row(slot, position);
        return slot === cacheSlot && position === step ? change(honest) : honest;
      },
    },
  });
  /** The record of the lie, once its step is done. */
  const wrongRecord = async (input: SequenceInput, outputs: readonly number[], honest: TraceRecord) => {
    const { rows } = claimed(await engine.fine(input, outputs, step), step);
    const cached = rows.filter((_, i) => instructions[i]!.role === 1);
    return { ...honest, cacheRoot: cacheRootOfRows(cached) };
  };

  return {
    backend: `misrecording ${engine.backend}`,
    sequence(input) {
      const sequence = engine.sequence(input);
      let wrong: TraceRecord | undefined;
      return {
        outputs: sequence.outputs,
        get records() {
          return wrong === undefined ? sequence.records : sequence.records.with(step, wrong);
        },
        async next() {
          const token = await sequence.next();
          const honest = sequence.records[step];
          if (honest !== undefined) wrong ??= await wrongRecord(input, sequence.outputs, honest);
          return token;
        },
        close: () => sequence.close(),
      };
    },
    async replay(input, outputs) {
      const { tokens, records } = await engine.replay(input, outputs);
      const honest = records[step];
      if (honest === undefined) return { tokens, records };
      return { tokens, records: records.with(step, await wrongRecord(input, outputs, honest)) };
    },
    fine: async (input, outputs, at) => claimed(await engine.fine(input, outputs, at), at),
    close() {},
  };
}
