import type { Instruction, Operand } from "./instruction.ts";
import type { KvCache } from "./kv-cache.ts";
import { semanticsOf } from "./registry.ts";
import type { Accumulator, Reader, StepContext } from "./semantics.ts";
import { rowShape } from "./shape.ts";
import { elementAt, type Row } from "./types.ts";
import type { Weights } from "./weights.ts";

/**
 * One element of the row that an instruction makes, computed as a judge does: from reads, over all blocks. 0 beyond the
 * row's length.
 */
export function evaluateElement(
  instruction: Instruction,
  context: StepContext,
  element: number,
  reader: Reader,
): bigint {
  if (element >= rowShape(instruction, context.t).length) return 0n;
  const semantics = semanticsOf(instruction);
  if (semantics.kind === "map") return semantics.evaluate(instruction, context, element, reader);
  let accumulator: Accumulator | undefined;
  const blocks = semantics.blocks(instruction, context.t);
  for (let block = 0; block < blocks; block++) {
    accumulator = semantics.evaluate(instruction, context, element, block, accumulator, reader);
  }
  return semantics.finish(instruction, context.t, element, accumulator!);
}

/** Rows that a reader over plain memory reads from. */
export type ReaderSource = {
  /** Rows of this step, by instruction. */
  readonly rows: readonly Row[];
  readonly weights: Weights;
  /** Cached rows of positions 0..t. */
  readonly cache: Pick<KvCache, "row">;
  readonly token: number;
};

/** A reader over a step's rows in memory. */
export function memoryReader({ rows, weights, cache, token }: ReaderSource): Reader {
  return {
    row: (operand, first, count) => elements(rows[operand.index], first, count),
    cache: (operand, position, first, count) => elements(cache.row(operand.count, position), first, count),
    weights: (operand, row, first, count) => elements(weights.row(operand.index + row), first, count),
    token: () => BigInt(token),
  };
}

/** One read of docs/machine.md, section 7, for logs, witnesses and tests. */
export type Read =
  | { readonly kind: "row"; readonly operand: Operand; readonly first: number; readonly count: number }
  | {
      readonly kind: "cache";
      readonly operand: Operand;
      readonly position: number;
      readonly first: number;
      readonly count: number;
    }
  | {
      readonly kind: "weights";
      readonly operand: Operand;
      readonly row: number;
      readonly first: number;
      readonly count: number;
    }
  | { readonly kind: "token" };

/** A reader that passes reads on to `reader` and reports each of them, in order. */
export function tracedReader(reader: Reader, report: (read: Read) => void): Reader {
  return {
    row(operand, first, count) {
      report({ kind: "row", operand, first, count });
      return reader.row(operand, first, count);
    },
    cache(operand, position, first, count) {
      report({ kind: "cache", operand, position, first, count });
      return reader.cache(operand, position, first, count);
    },
    weights(operand, row, first, count) {
      report({ kind: "weights", operand, row, first, count });
      return reader.weights(operand, row, first, count);
    },
    token() {
      report({ kind: "token" });
      return reader.token();
    },
  };
}

function elements(row: Row, first: number, count: number): readonly bigint[] {
  return Array.from({ length: count }, (_, i) => elementAt(row, first + i));
}
