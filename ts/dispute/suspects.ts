import { holds } from "./known-tree.ts";
import type { FineStep } from "./source.ts";
import type { GameView } from "./view.ts";

/**
 * The suspected trace that is the executor's: the one whose fine tree begins as the executor has posted it. A challenger that knows
 * the executor's rows (they were published, or the lie can be recomputed) need not have them revealed one by one.
 */
export function suspectOf(view: GameView, suspects: readonly FineStep[]): FineStep | undefined {
  const posted = view.reveals.find(({ tree }) => tree === "fine");
  return posted && suspects.find(({ fine }) => holds(fine, posted));
}
