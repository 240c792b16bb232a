import type { Command } from "commander";
import { type Address, formatEther, zeroAddress } from "viem";
import { getBlock } from "viem/actions";
import { payOutDemand } from "../chain/actions/demand.ts";
import { repayMissed } from "../chain/actions/draws.ts";
import { payOutGame, payReward } from "../chain/actions/settle-game.ts";
import type { OtrContext } from "../chain/context.ts";
import { batchStatus, findPayouts, type Payout } from "../chain/find-payouts.ts";
import { UsageError } from "./errors.ts";
import { batchIdOf, claimFor } from "./executor-commands.ts";
import { table } from "./output.ts";
import { address, type Run } from "./program.ts";
import { type Sending, sendOrSimulate } from "./send-or-simulate.ts";
import type { Session } from "./session.ts";

const DRY_RUN = ["--dry-run", "simulate only: say what would be sent, and whether it would succeed"] as const;
const ACCOUNT = ["--account <address>", "another account than the configured one", address] as const;

interface Whose {
  readonly account?: Address;
}

/** `otr fisherman games | claims | claim`, `otr demand`, `otr payouts`, `otr batch`, `otr status` */
export function courtCommands(program: Command, run: Run): void {
  const fisherman = program.commands.find((command) => command.name() === "fisherman") ?? program.command("fisherman");

  fisherman
    .command("games")
    .description("games of the account that are not paid yet, and when they are")
    .option(...ACCOUNT)
    .action(
      run(async (session, options: Whose) => {
        const games = (await payoutsOf(session, options)).filter(({ kind }) => kind === "game");
        show(session, games, "no games");
      }),
    );

  fisherman
    .command("claims")
    .description("what the vault owes to the account, and what will come")
    .option(...ACCOUNT)
    .action(
      run(async (session, options: Whose) => {
        const { account, claimable } = await owedTo(session, options);
        const coming = (await payoutsOf(session, options)).filter(({ own }) => own);
        session.output.result({ account, claimable, coming }, () =>
          [
            `${formatEther(claimable)} ETH can be claimed (otr fisherman claim)`,
            rows(coming, "nothing is to come"),
          ].join("\n"),
        );
      }),
    );

  fisherman
    .command("claim")
    .description("take what the vault owes to the account")
    .option("--to <address>", "receiver; default: the account", address)
    .option(...DRY_RUN)
    .action(run(claimFor));

  program
    .command("demand <batchId> <index>")
    .description(
      "demand the data of a leaf on the chain, for a bond: its executor posts it within a turn, or is convicted",
    )
    .option(...DRY_RUN)
    .action(
      run(async (session, batch: string, leaf: string, options: Sending) => {
        const [batchId, index] = [batchIdOf(batch), indexOf(leaf)];
        const reader = await session.reader();
        const status = await batchStatus(reader.otr, batchId);
        if (status === undefined) throw new UsageError(`There is no batch ${batchId}.`);
        if (index >= status.count) throw new UsageError(`Batch ${batchId} has ${status.count} leaves, from 0.`);
        const rules = await reader.getRules(status.rules);
        const sent = await sendOrSimulate(session, options, (actions) => actions.demandData({ rules, batchId, index }));
        if (!sent) return;
        const demand = await reader.getDemand({ availability: rules.availability, batchId, index });
        session.output.result({ batchId, index, ...demand }, () =>
          table(Object.entries({ batch: batchId, index, ...demand }).map(([k, v]) => [k, String(v)])),
        );
      }),
    );

  program
    .command("payouts")
    .description("what games, demands and convictions still bring to the account, and from when")
    .option(...ACCOUNT)
    .option("--collect", "collect everything that is due")
    .option(...DRY_RUN)
    .action(
      run(async (session, options: Whose & Sending & { collect?: boolean }) => {
        const payouts = await payoutsOf(session, options);
        if (!options.collect) return show(session, payouts, "nothing is to come");
        const { otr } = await session.reader();
        const { timestamp } = await getBlock(otr.client);
        const due = payouts.filter(({ own, dueAt }) => own && dueAt !== undefined && dueAt <= timestamp);
        if (due.length === 0) session.output.note("nothing is due");
        const collected: Payout[] = [];
        for (const payout of due) if (await sendOrSimulate(session, options, collect(payout))) collected.push(payout);
        if (!options.dryRun) show(session, collected, "nothing collected");
      }),
    );

  program
    .command("batch")
    .description("batches")
    .command("status <batchId>")
    .description("root, executor, window, games and locks of a batch")
    .action(
      run(async (session, id: string) => {
        const batchId = batchIdOf(id);
        const status = await batchStatus((await session.reader()).otr, batchId);
        if (status === undefined) throw new UsageError(`There is no batch ${batchId}.`);
        session.output.result(status, () => table(Object.entries(status).map(([k, v]) => [k, String(v)])));
      }),
    );

  program
    .command("status")
    .description("where the account stands: stake, locks, reserve, what is owed and what is to come")
    .option(...ACCOUNT)
    .action(
      run(async (session, options: Whose) => {
        const reader = await session.reader();
        const { account, claimable } = await owedTo(session, options);
        const executor = await reader.getExecutor(account);
        const { reserve, lockPerReceipt } = await reader.getRules();
        const free = executor.stake - executor.locked;
        const receipts = free > reserve ? (free - reserve) / lockPerReceipt : 0n;
        const conviction = await reader.getConviction(account);
        const coming = (await payoutsOf(session, options)).filter(({ own, dueAt }) => own || dueAt === undefined);
        const head = { account, ...executor, free, reserve, receiptsLeft: receipts, claimable };
        session.output.result({ ...head, conviction: conviction ?? null, coming }, () =>
          [
            table(Object.entries(head).map(([k, v]) => [k, String(v)])),
            conviction === undefined
              ? "not convicted"
              : `convicted by ${conviction.challenger === zeroAddress ? "a draw that it missed" : conviction.challenger}`,
            rows(coming, "nothing is to come"),
          ].join("\n"),
        );
      }),
    );
}

function collect({ kind, address, key, block, executor }: Payout) {
  return ({ otr }: { otr: OtrContext }): Promise<unknown> => {
    if (kind === "draw") return repayMissed(otr, address, BigInt(key));
    if (kind === "reward") return payReward(otr, { executor });
    if (kind === "game") return payOutGame(otr, { address, gameId: BigInt(key), openedAt: block });
    const [batchId, index] = key.split(":");
    return payOutDemand(otr, { availability: address, batchId: BigInt(batchId!), index: Number(index) });
  };
}

async function payoutsOf(session: Session, { account }: Whose): Promise<Payout[]> {
  const { otr } = await session.reader();
  const { fromBlock, rpc } = session.config;
  return findPayouts(otr, {
    account: account ?? session.account().address,
    fromBlock: BigInt(fromBlock),
    maxRange: BigInt(rpc.maxBlockRange),
  });
}

async function owedTo(session: Session, options: Whose) {
  const account = options.account ?? session.account().address;
  return { account, claimable: await (await session.reader()).claimableOf(account) };
}

function indexOf(text: string): number {
  if (!/^\d{1,8}$/.test(text)) throw new UsageError(`${text} is no leaf.`, "Leaves are numbered from 0.");
  return Number(text);
}

function show(session: Session, payouts: readonly Payout[], none: string): void {
  session.output.result(payouts, () => rows(payouts, none));
}

function rows(payouts: readonly Payout[], none: string): string {
  if (payouts.length === 0) return none;
  return table([
    ["kind", "key", "batch", "state", "yours", "due at"],
    ...payouts.map(({ kind, key, batchId, state, own, dueAt }) => [
      kind,
      key,
      String(batchId),
      state,
      own ? "yes" : dueAt === undefined ? "open" : "no",
      dueAt === undefined ? "-" : new Date(Number(dueAt) * 1000).toISOString(),
    ]),
  ]);
}
