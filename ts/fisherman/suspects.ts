import { downgradeEngine, sameShapes } from "../adversary/downgrade.ts";
import type { Hex } from "../commit/bytes.ts";
import type { Engine } from "../engine/types.ts";
import type { Program } from "../machine/program.ts";

/** Engines that may have made the answers which claim to be a model's; the likelier ones first. */
export type SuspectSource = (modelId: Hex) => readonly Engine[];

/** What a model is suspected by. */
export interface SuspectModel {
  readonly modelId: Hex;
  readonly program: Program;
  /** Runs it; shared with whoever else uses the model. */
  readonly engine: Engine;
  readonly manifest: { readonly tokenizerHash: Hex };
}

/**
 * The suspects of each loaded model: those that the operator names for it, else every other loaded model with the same tokenizer, since
 * whoever sells a model and runs a cheaper one must show text that clients can read.
 *
 * A suspect that made the answer ends its game with a jump, at half the gas. One that did not costs the computation of one step.
 *
 * @param named Models by the id, in lower case, of the one that they may stand in for; an empty list: none.
 */
export function suspectsOf(
  loaded: readonly SuspectModel[],
  named: ReadonlyMap<string, readonly SuspectModel[]> = new Map(),
): SuspectSource {
  const engines = new Map<Hex, readonly Engine[]>();
  return (id) => {
    const modelId = id.toLowerCase() as Hex;
    const known = engines.get(modelId);
    if (known !== undefined) return known;
    const claimed = loaded.find((model) => model.modelId === modelId);
    if (claimed === undefined) return [];
    const { tokenizerHash } = claimed.manifest;
    const siblings = named.get(modelId) ?? loaded.filter(({ manifest }) => manifest.tokenizerHash === tokenizerHash);
    const others = siblings.filter((sibling) => sibling.modelId !== modelId);
    const made = others.flatMap((sibling) => enginesOf(claimed, sibling));
    engines.set(modelId, made);
    return made;
  };
}

/**
 * How an executor may answer a game for the sibling's answer: with the claimed model's rows, and the sibling's where its records bind it;
 * or, if these have the same shapes, with the sibling's rows throughout.
 */
function enginesOf(claimed: SuspectModel, sibling: SuspectModel): Engine[] {
  const bound = downgradeEngine(claimed, sibling);
  const same = sameShapes(claimed.program.instructions, sibling.program.instructions);
  return same ? [bound, sibling.engine] : [bound];
}
