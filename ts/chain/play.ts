import type { Hex } from "viem";
import type { Disclosure, Move } from "../dispute/moves.ts";
import { type GameView, REVEAL_LEVELS } from "../dispute/view.ts";
import { callOf } from "./context.ts";
import { GameLogError } from "./errors.ts";
import type { GameLog } from "./game-log.ts";
import { concatNodes } from "./nodes.ts";
import type { Call } from "./sender.ts";

/** The transaction that plays a move in the game as `view` shows it. Pure. */
export function moveCall(log: GameLog, view: GameView, move: Move): Call {
  const { key, subject } = log;
  const { gameId, address } = key;
  switch (move.call) {
    case "postFine":
      return callOf(address, "game", "postFine", [subject, move.nodes]);
    case "choose":
      return callOf(address, "game", "choose", [gameId, BigInt(childOf(view, move.child))]);
    case "reveal":
      return callOf(address, "game", "reveal", [gameId, concatNodes(move.siblings), move.nodes]);
    case "chooseRow":
      return callOf(address, "game", "chooseRow", [subject, openedInstruction(move)]);
    case "revealRow":
      return callOf(address, "game", "revealRow", [gameId, concatNodes(move.siblings), move.nodes, move.chunks]);
    case "revealChunks":
      return callOf(address, "game", "revealChunks", [gameId, concatNodes(move.siblings), move.chunks]);
    case "chooseCache":
      return callOf(address, "game", "chooseCache", [subject, view.record]);
    case "revealCache":
      return callOf(address, "game", "revealCache", [gameId, move.nodes]);
    case "settleCache": {
      const cached = { index: move.leafIndex, leaf: move.leaf, siblings: concatNodes(move.siblings) };
      const fine = { index: move.row, leaf: move.fineLeaf, siblings: concatNodes(move.fineSiblings) };
      return callOf(address, "game", "settleCache", [subject, openedInstruction(move), cached, fine]);
    }
    case "settleToken":
      return callOf(address, "game", "settleToken", [subject, view.record, move.chunk, concatNodes(move.fineSiblings)]);
    case "settle": {
      const request = requestOf(move.disclosure);
      return callOf(address, "game", "settle", [subject, move.instruction, openedElement(move), request, move.witness]);
    }
    case "chooseElement":
      return callOf(address, "game", "chooseElement", [subject, move.instruction, openedElement(move)]);
    case "postAccumulators":
      return callOf(address, "game", "postAccumulators", [subject, move.instruction, move.accumulators]);
    case "choosePart": {
      const instruction = chosenInstruction(log);
      return callOf(address, "game", "choosePart", [subject, instruction, BigInt(move.part), move.accumulators]);
    }
    case "conclude":
      return callOf(address, "game", "conclude", [subject]);
    case "settleBlock": {
      const block = { index: move.block, accumulators: move.accumulators };
      const request = requestOf(move.disclosure);
      return callOf(address, "game", "settleBlock", [subject, move.instruction, block, request, move.witness]);
    }
  }
}

/** Anyone: the side whose deadline has passed loses. */
export function timeoutCall(log: GameLog): Call {
  return callOf(log.key.address, "game", "timeout", [log.subject]);
}

/** Anyone: ends a game whose executor was convicted elsewhere. */
export function closeCall(log: GameLog): Call {
  return callOf(log.key.address, "game", "close", [log.subject]);
}

/** Strategies count nodes across the whole level, the contract among those shown last. */
function childOf(view: GameView, node: number): number {
  const levels = Math.min(REVEAL_LEVELS, view.level);
  return node - view.index * 2 ** levels;
}

function openedInstruction(move: { row: number; instruction: Hex; programSiblings: readonly Hex[] }) {
  return { row: move.row, instruction: move.instruction, siblings: concatNodes(move.programSiblings) };
}

function openedElement(move: { element: number; chunk: Hex; siblings: readonly Hex[] }) {
  return { element: move.element, chunk: move.chunk, siblings: concatNodes(move.siblings) };
}

function requestOf(disclosure: Disclosure | undefined) {
  return disclosure === undefined ? [] : [disclosure.request];
}

function chosenInstruction(log: GameLog): Hex {
  if (log.instruction === undefined) throw new GameLogError(log.key.gameId, "no row was chosen");
  return log.instruction;
}
