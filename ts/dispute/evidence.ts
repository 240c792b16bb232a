import { toHex } from "../commit/bytes.ts";
import { CHUNK } from "../commit/row.ts";
import type { Request } from "../commit/typed-data.ts";
import { INSTRUCTIONS } from "../machine/table.ts";
import { ELEMENT_BYTES } from "../machine/types.ts";
import { KnownTree } from "./known-tree.ts";
import type { Evidence, OpenedElement } from "./moves.ts";
import { hexes } from "./openings.ts";
import type { FineStep, StepSource } from "./source.ts";
import { suspectOf } from "./suspects.ts";
import type { GameView } from "./view.ts";
import { elementWitness } from "./witness.ts";

/** Instructions that read the request's temperature, which no receipt holds. */
const DISCLOSING: ReadonlySet<number> = new Set([INSTRUCTIONS.weigh, INSTRUCTIONS.draw].map(({ opcode }) => opcode));

/** The step's operands, opened in the executor's trees: those of a suspect that it is, else as far as the game has shown them. */
export function sourceOf(
  view: GameView,
  { trace, suspects = [] }: { readonly trace: FineStep; readonly suspects?: readonly FineStep[] },
): StepSource {
  const fine = suspectOf(view, suspects)?.fine ?? new KnownTree(trace.fine, "fine", view.reveals);
  const records = new KnownTree(trace.trace, "trace", view.reveals);
  return Object.create(trace, {
    fineSiblings: { value: (row: number) => fine.siblings(row) },
    traceSiblings: { value: (position: number) => records.siblings(position) },
  }) as StepSource;
}

/** What the judge needs to compute `element` of row `row`. */
export function elementEvidence(source: StepSource, row: number, element: number, request: Request): Evidence {
  return { witness: toHex(elementWitness(source, row, element)), request: requestFor(source, row, request) };
}

/** The request, if the instruction of row `row` reads it. */
export function requestFor(source: StepSource, row: number, request: Request): Request | undefined {
  return DISCLOSING.has(source.instruction(row).opcode) ? request : undefined;
}

/** The first element in which a claimed chunk of a row differs from the honest one; `undefined` if none does. */
export function openElement(
  honest: FineStep,
  row: number,
  chunk: number,
  claimed: Uint8Array,
  siblings: readonly Uint8Array[],
): OpenedElement | undefined {
  const own = honest.chunk(row, chunk);
  const byte = claimed.findIndex((value, i) => value !== own[i]);
  if (byte === -1) return undefined;
  const element = Math.floor((chunk * CHUNK + byte) / ELEMENT_BYTES[honest.rows[row].type]);
  return { element, chunk: toHex(claimed), siblings: hexes(siblings) };
}
