import type { Hex } from "viem";
import type { Evidence, Move, OpenedElement, OpenedInstruction } from "../dispute/moves.ts";
import type { GameView } from "../dispute/view.ts";
import { callOf } from "./context.ts";
import { GameLogError } from "./errors.ts";
import type { GameLog } from "./game-log.ts";
import { concatNodes } from "./nodes.ts";
import type { Call } from "./sender.ts";

/** Which game, and what it is about. */
type Game = Pick<GameLog, "key" | "subject" | "events">;

/** The transaction that plays a move in the game as `view` shows it. Pure. */
export function moveCall(log: Game, view: GameView, move: Move): Call {
  const { key, subject } = log;
  const { gameId, address } = key;
  switch (move.call) {
    case "revealTrace":
      return callOf(address, "game", "revealTrace", [subject, move.nodes]);
    case "chooseStep":
      return callOf(address, "game", "chooseStep", [subject, move.step, move.record, concatNodes(move.siblings)]);
    case "postFine":
      return callOf(address, "game", "postFine", [subject, move.record, move.nodes]);
    case "choose":
      return callOf(address, "game", "choose", [gameId, BigInt(move.levels), BigInt(move.child)]);
    case "reveal":
      return callOf(address, "game", "reveal", [gameId, concatNodes(move.siblings), move.nodes]);
    case "revealFine":
      return callOf(address, "game", "revealFine", [subject, concatNodes(move.siblings), move.nodes]);
    case "chooseRow":
      return callOf(address, "game", "chooseRow", [subject, openedInstruction(move)]);
    case "revealRow":
      return callOf(address, "game", "revealRow", [gameId, concatNodes(move.siblings), move.nodes, move.chunks]);
    case "revealChunks":
      return callOf(address, "game", "revealChunks", [gameId, concatNodes(move.siblings), move.chunks]);
    case "chooseCache":
      return callOf(address, "game", "chooseCache", [subject, shownRecord(view)]);
    case "revealCache":
      return callOf(address, "game", "revealCache", [gameId, move.nodes]);
    case "settleCache": {
      const cached = { index: move.leafIndex, leaf: move.leaf, siblings: concatNodes(move.siblings) };
      const fine = { index: move.row, leaf: move.fineLeaf, siblings: concatNodes(move.fineSiblings) };
      return callOf(address, "game", "settleCache", [subject, openedInstruction(move), cached, fine]);
    }
    case "settleToken": {
      const siblings = concatNodes(move.fineSiblings);
      return callOf(address, "game", "settleToken", [subject, shownRecord(view), move.chunk, siblings]);
    }
    case "settleSalt":
      return callOf(address, "game", "settleSalt", [subject, shownRecord(view), move.request, move.secret]);
    case "settle": {
      const { instruction, witness } = move;
      return callOf(address, "game", "settle", [subject, instruction, openedElement(move), requestOf(move), witness]);
    }
    case "settleJump": {
      const row = { byteRoot: move.byteRoot, siblings: concatNodes(move.rowSiblings) };
      const [instruction, element] = [openedInstruction(move), openedElement(move)];
      const args = [subject, instruction, row, element, requestOf(move), move.witness] as const;
      return callOf(address, "game", "settleJump", args);
    }
    case "chooseElement":
      return callOf(address, "game", "chooseElement", [subject, move.instruction, openedElement(move)]);
    case "postAccumulators":
      return callOf(address, "game", "postAccumulators", [subject, move.instruction, move.accumulators]);
    case "choosePart": {
      const instruction = chosenInstruction(log);
      return callOf(address, "game", "choosePart", [subject, instruction, BigInt(move.part), move.accumulators]);
    }
    case "settleBlock": {
      const { instruction, witness } = move;
      const block = { index: move.block, accumulators: move.accumulators };
      return callOf(address, "game", "settleBlock", [subject, instruction, block, requestOf(move), witness]);
    }
    case "conclude":
      return callOf(address, "game", "conclude", [subject]);
  }
}

/** Anyone: the side whose deadline has passed loses. */
export function timeoutCall({ key, subject }: Game): Call {
  return callOf(key.address, "game", "timeout", [subject]);
}

/** Ends a game whose executor was convicted elsewhere: anyone if it was not opened before the winning case, else its challenger. */
export function closeCall({ key, subject }: Game): Call {
  return callOf(key.address, "game", "close", [subject]);
}

/** Anyone: pays a decided game after the air gap. */
export function payOutCall({ key, subject }: Game): Call {
  return callOf(key.address, "game", "payOut", [subject]);
}

function openedInstruction(move: OpenedInstruction) {
  return { row: move.row, instruction: move.instruction, siblings: concatNodes(move.programSiblings) };
}

function openedElement(move: OpenedElement) {
  return { element: move.element, chunk: move.chunk, siblings: concatNodes(move.siblings) };
}

function requestOf({ request }: Evidence) {
  return request === undefined ? [] : [request];
}

function shownRecord({ id, record }: GameView) {
  if (record === undefined) throw new GameLogError(id, "the record was not shown");
  return record;
}

function chosenInstruction({ key, events }: Game): Hex {
  const chosen = events.find((event) => event.eventName === "RowChosen");
  if (chosen === undefined) throw new GameLogError(key.gameId, "no row was chosen");
  return chosen.args.instruction as Hex;
}
