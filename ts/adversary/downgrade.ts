import { setImmediate } from "node:timers/promises";
import { saltOf, type TraceRecord } from "../commit/record.ts";
import { cacheRootOfRows } from "../engine/reference.ts";
import type { Engine, SequenceInput } from "../engine/types.ts";
import type { Instruction } from "../machine/instruction.ts";
import { cacheRowCount, type Program } from "../machine/program.ts";
import { newRow, type Row } from "../machine/types.ts";

/** A model with an engine that runs it, which stays its owner's. */
interface Model {
  readonly program: Program;
  readonly engine: Engine;
}

/**
 * The model downgrade attack: answers come from a smaller sibling, receipts claim the large model. The cheater never runs the
 * large model while serving; it dresses the sibling's cached rows up in the large model's shapes, so that every root looks
 * right. Challenged, it computes the disputed step of the large model and lies only where it is bound: in the cached
 * rows (and token) that its record holds. The rows of a sibling with the same shapes, such as a coarser quantisation, need no dress.
 */
export function downgradeEngine(claimed: Model, sibling: Model): Engine {
  const { engine: small } = sibling;
  const { engine: large } = claimed;
  const cachedInstructions = cachedBy(claimed.program);
  const siblingSlots = cacheRowCount(sibling.program);
  const fits = sameShapes(cachedInstructions, cachedBy(sibling.program));

  /** The cached rows that the cheater claims for a step, by slot of the large model. */
  const claimedRows = (cache: { row(slot: number, position: number): Row }, t: number): Row[] =>
    cachedInstructions.map(({ outType, outLength }, slot) =>
      dressUp(cache.row(slot % siblingSlots, t), newRow(outType, outLength)),
    );
  const dress = async (input: SequenceInput, outputs: readonly number[], records: readonly TraceRecord[]) => {
    if (fits) return records;
    const { cache } = await small.fine(input, outputs, records.length - 1);
    return records.map(({ token }, t) => ({
      salt: saltOf(input.saltKey, "record", t),
      token,
      cacheRoot: cacheRootOfRows(claimedRows(cache, t)),
    }));
  };

  return {
    backend: "downgrade",
    sequence(input) {
      const sequence = small.sequence(input);
      let records: readonly TraceRecord[] = [];
      return {
        outputs: sequence.outputs,
        get records() {
          return records;
        },
        async next() {
          const token = await sequence.next();
          records = await dress(input, sequence.outputs, sequence.records);
          return token;
        },
        close: () => sequence.close(),
      };
    },
    async replay(input, outputs) {
      const { tokens, records } = await small.replay(input, outputs);
      return { tokens, records: await dress(input, outputs, records) };
    },
    async fine(input, outputs, step) {
      const { cache } = await small.fine(input, outputs, step);
      const { rows } = await large.fine(input, outputs, step);
      await setImmediate();
      const lies = claimedRows(cache, step);
      return {
        rows: rows.map((row, i) => {
          const { role, cacheSlot } = claimed.program.instructions[i];
          return role === 1 ? lies[cacheSlot] : row;
        }),
        cache: { row: (slot, position) => claimedRows(cache, position)[slot] },
      };
    },
    close() {},
  };
}

function cachedBy({ instructions }: Program): Instruction[] {
  return instructions.filter(({ role }) => role === 1);
}

/** Whether two lists of instructions make rows of the same types and lengths. */
export function sameShapes(a: readonly Instruction[], b: readonly Instruction[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ outType, outLength, role }, i) => {
      const other = b[i]!;
      return outType === other.outType && outLength === other.outLength && role === other.role;
    })
  );
}

/** The sibling's elements in a row of another shape: repeated to its length, which looks less fake than zeros. */
function dressUp(from: Row, into: Row): Row {
  for (let e = 0; e < into.data.length; e++) {
    const value = from.data[e % from.data.length];
    if (into.type === "i64") into.data[e] = BigInt(value);
    else into.data[e] = Number(value);
  }
  return into;
}
