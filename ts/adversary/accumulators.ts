import type { StepTrace } from "../dispute/step-trace.ts";
import { accumulatorsOf } from "../dispute/witness.ts";
import type { Accumulator } from "../machine/semantics.ts";
import { elementAt } from "../machine/types.ts";

/**
 * Accumulators of an executor whose row is wrong: honest, except that the last one gives the value that the row claims,
 * because a post that does not is refused.
 */
export function lyingAccumulators(trace: StepTrace) {
  return (row: number, element: number): readonly Accumulator[] => {
    const accumulators = accumulatorsOf(trace, row, element);
    const claimed = trace.rows[row];
    const pair = accumulators[0].length === 2;
    const last = pair ? [elementAt(claimed, 0), elementAt(claimed, 1)] : [elementAt(claimed, element)];
    return [...accumulators.slice(0, -1), last];
  };
}
