import { equal } from "../commit/bytes.ts";
import { recordLeaf } from "../commit/record.ts";
import { committedAnswer, type FreshModel, type PlayableModel } from "../dispute/answer.ts";
import { cacheRootAt, referenceRecord } from "../engine/reference.ts";
import type { Engine } from "../engine/types.ts";
import { KvCache } from "../machine/kv-cache.ts";
import type { Bundle } from "../sdk/bundle.ts";
import { type Fault, findFault } from "./verify.ts";

/**
 * The fault that this machine finds if it looks once more, in another way: with weights that are read and verified again, and another
 * implementation. A wrong record is judged by the reference machine, which makes that one step; all else by another backend from the start.
 */
export async function secondOpinion(model: PlayableModel, bundle: Bundle, fault: Fault): Promise<Fault | undefined> {
  const fresh = await model.fresh?.();
  if (fresh === undefined) return findFault(model.engine, bundle, model.contextLength);
  if (fault.kind === "record") return recordFault(model.engine, fresh, bundle, fault.step);
  const engine = await fresh.engine();
  try {
    return await findFault(engine, bundle, model.contextLength);
  } finally {
    engine.close();
  }
}

/**
 * Whether the record of one step is wrong. The rows that earlier steps have cached come from the first engine, but only as far as they lead
 * to the executor's own records: by these the judge decides the step, whoever made them. So the specification need not make them again,
 * which would take it a second for two to three steps of a model of 135 million parameters.
 */
async function recordFault(
  engine: Engine,
  { program, weights }: FreshModel,
  bundle: Bundle,
  step: number,
): Promise<Fault | undefined> {
  const { input, outputs, records } = committedAnswer(bundle);
  const cache = new KvCache(program);
  if (step > 0) {
    const { cache: made } = await engine.fine(input, outputs, step - 1);
    for (let position = 0; position < step; position++) {
      for (let slot = 0; slot < cache.slots; slot++) cache.store(slot, position, made.row(slot, position));
      if (!equal(cacheRootAt(cache, position), records[position].cacheRoot)) return { kind: "record", step: position };
    }
  }
  const honest = referenceRecord(program, weights, { input, outputs, step, cache });
  return equal(recordLeaf(honest), recordLeaf(records[step])) ? undefined : { kind: "record", step };
}
