import { toHex } from "../commit/bytes.ts";
import { SENTINEL_TOKEN } from "../commit/record.ts";
import type { ChallengerKnowledge } from "./challenger.ts";
import { UnplayableGameError } from "./errors.ts";
import type { Move } from "./moves.ts";
import { hexes, required } from "./openings.ts";
import type { GameView } from "./view.ts";

/** A chunk that the contract ignores. */
const NO_CHUNK = toHex(new Uint8Array(32));

/** What a record contradicts whatever the fine trace says: one move at the fine top. */
export function recordAlone(view: GameView, knowledge: ChallengerKnowledge): Move | undefined {
  const record = required(view, view.record);
  if (view.step < view.receipt.nIn - 1 && record.token !== SENTINEL_TOKEN)
    return { call: "settleToken", chunk: NO_CHUNK, fineSiblings: [] };
  if (view.leaves.cache === 0 && BigInt(record.cacheRoot) !== 0n) return { call: "chooseCache" };
  // It shows the secret: for a confidential request only where nothing else is wrong.
  return knowledge.request.confidential ? undefined : wrongSalt(view, knowledge);
}

/** What a record contradicts if the fine trace is honest: its token or a cached row. */
export function recordAgainstFine(view: GameView, knowledge: ChallengerKnowledge): Move {
  const { trace, record: honest } = knowledge;
  const record = required(view, view.record);
  const tokenRow = trace.fine.count - 1;
  if (record.token !== honest.token)
    return {
      call: "settleToken",
      chunk: toHex(trace.chunk(tokenRow, 0)),
      fineSiblings: hexes(trace.fine.siblings(tokenRow)),
    };
  if (record.cacheRoot !== honest.cacheRoot) return { call: "chooseCache" };
  const salt = wrongSalt(view, knowledge);
  if (salt !== undefined) return salt;
  throw new UnplayableGameError(view.id, "the executor's fine trace and record are the honest ones");
}

function wrongSalt(view: GameView, { record, request, secret }: ChallengerKnowledge): Move | undefined {
  return required(view, view.record).salt === record.salt ? undefined : { call: "settleSalt", request, secret };
}
