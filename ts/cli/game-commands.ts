import type { Command } from "commander";
import { type Address, parseEventLogs } from "viem";
import { getBlockNumber } from "viem/actions";
import { ABIS } from "../chain/abis.ts";
import type { EventArgs } from "../chain/context.ts";
import { GameContracts } from "../chain/game-contracts.ts";
import { loadGame } from "../chain/game-log.ts";
import { type ContractPhase, getGame, isDecided, OUTCOMES } from "../chain/game-state.ts";
import { rangedLogs } from "../chain/ranged-logs.ts";
import { UsageError } from "./errors.ts";
import { table } from "./output.ts";
import { address, type Run } from "./program.ts";
import type { Session } from "./session.ts";

type Opened = EventArgs<"game", "GameOpened"> & { readonly blockNumber: bigint; readonly contract: Address };

interface GameRow extends Pick<Opened, "receiptHash" | "batchId" | "step" | "challenger"> {
  readonly gameId: string;
  readonly executor: Address;
  readonly phase: ContractPhase;
  readonly turn: string;
  readonly deadline: bigint;
}

/** `otr games ...` */
export function gameCommands(program: Command, run: Run): void {
  const games = program.command("games").description("dispute games");

  games
    .command("list")
    .description("games on the chain, newest last")
    .option("--executor <address>", "only against this executor", address)
    .option("--challenger <address>", "only by this challenger", address)
    .option("--open", "only those that are not over")
    .action(
      run(async (session, options: { executor?: Address; challenger?: Address; open?: boolean }) => {
        const reader = await session.reader();
        const rows: GameRow[] = [];
        for (const game of await openedGames(session)) {
          const { executor } = game.receipt;
          if (options.executor !== undefined && executor.toLowerCase() !== options.executor.toLowerCase()) continue;
          if (options.challenger !== undefined && game.challenger.toLowerCase() !== options.challenger.toLowerCase())
            continue;
          const { phase, turn, deadline } = await getGame(reader.otr, { address: game.contract, gameId: game.gameId });
          if (options.open && isDecided(phase)) continue;
          const { gameId, receiptHash, batchId, step, challenger } = game;
          rows.push({ gameId: idOf(gameId), receiptHash, batchId, step, executor, challenger, phase, turn, deadline });
        }
        session.output.result(rows, () =>
          rows.length === 0
            ? "no games"
            : table([
                ["game", "batch", "step", "phase", "turn", "executor"],
                ...rows.map((r) => [r.gameId, String(r.batchId), String(r.step), r.phase, r.turn, r.executor]),
              ]),
        );
      }),
    );

  games
    .command("show <gameId>")
    .description("all moves of a game")
    .action(
      run(async (session, id: string) => {
        const wanted = /^(0x[0-9a-fA-F]{1,64}|\d+)$/.test(id) ? BigInt(id) : undefined;
        const game = (await openedGames(session)).find(({ gameId }) => gameId === wanted);
        if (game === undefined) throw new UsageError(`There is no game ${id}.`, "`otr games list` shows all.");
        const reader = await session.reader();
        const log = await loadGame(reader.otr, { address: game.contract, gameId: game.gameId }, game.blockNumber);
        const { receiptHash, batchId, step, challenger, receipt } = game;
        const ended = log.events.find((event) => event.eventName === "GameEnded");
        const outcome = ended === undefined ? null : OUTCOMES[Number(ended.args.outcome)];
        const { phase, turn, deadline } = log.state;
        const moves = log.events.map((event) => event.eventName);
        const head = { gameId: idOf(game.gameId), receiptHash, batchId, step, executor: receipt.executor, challenger };
        session.output.result({ ...head, phase, turn, deadline, outcome, events: log.events }, () =>
          [
            table(Object.entries({ ...head, phase, turn, deadline, outcome }).map(([k, v]) => [k, String(v)])),
            ...moves.map((name, i) => `${String(i).padStart(3)} ${name}`),
          ].join("\n"),
        );
      }),
    );
}

/** All games of the rollup, in the game contracts of all its rules. */
async function openedGames(session: Session): Promise<Opened[]> {
  const { otr } = await session.reader();
  const address = await new GameContracts(otr).list();
  const toBlock = await getBlockNumber(otr.client);
  const { fromBlock, rpc } = session.config;
  const range = { fromBlock: BigInt(fromBlock), toBlock, maxRange: BigInt(rpc.maxBlockRange) };
  const logs = await rangedLogs(otr.client, { address, ...range });
  return parseEventLogs({ abi: ABIS.game, logs: logs as never, eventName: "GameOpened" }).map((log) => {
    const { args, blockNumber, address: contract } = log as typeof log & { blockNumber: bigint; address: Address };
    return { ...args, blockNumber: BigInt(blockNumber), contract };
  });
}

function idOf(gameId: bigint): string {
  return `0x${gameId.toString(16).padStart(64, "0")}`;
}
