import type { FineStep } from "../dispute/source.ts";
import { accumulatorsOf } from "../dispute/witness.ts";
import type { Accumulator } from "../machine/semantics.ts";
import { elementAt } from "../machine/types.ts";

/**
 * Accumulators of an executor whose row is wrong: honest, except that the last one gives the value that the row claims,
 * because a post that does not is refused.
 *
 * @param claimed Rows as the executor claims them.
 * @param change What it says instead of the others: by default nothing.
 */
export function lyingAccumulators(claimed: FineStep, change = (honest: Accumulator, _block: number) => honest) {
  return (row: number, element: number): readonly Accumulator[] => {
    const accumulators = accumulatorsOf(claimed, row, element);
    const pair = accumulators[0].length === 2;
    const shown = claimed.rows[row];
    const last = pair ? [elementAt(shown, 0), elementAt(shown, 1)] : [elementAt(shown, element)];
    return [...accumulators.slice(0, -1).map(change), last];
  };
}
