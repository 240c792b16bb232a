import type { Command } from "commander";
import { type Address, formatEther, parseEventLogs } from "viem";
import { getBlock, getBlockNumber } from "viem/actions";
import { ABIS } from "../chain/abis.ts";
import { batchStatus } from "../chain/find-payouts.ts";
import { rangedLogs } from "../chain/ranged-logs.ts";
import { UsageError } from "./errors.ts";
import { table } from "./output.ts";
import { address, argument, type Run } from "./program.ts";
import { type Sending, sendOrSimulate } from "./send-or-simulate.ts";
import type { Session } from "./session.ts";

const DRY_RUN = ["--dry-run", "simulate only: say what would be sent, and whether it would succeed"] as const;

/** `otr executor exit | cancel-exit | withdraw | claim | delegate | release` */
export function executorCommands(program: Command, run: Run): void {
  const executor = program.commands.find((command) => command.name() === "executor") ?? program.command("executor");

  executor
    .command("exit")
    .description("start to leave: keys read as inactive at once, stake may leave after the exit delay")
    .option(...DRY_RUN)
    .action(
      run(async (session, options: Sending) => {
        await sendOrSimulate(session, options, (actions) => actions.requestExit());
        await showAccount(session, options);
      }),
    );

  executor
    .command("cancel-exit")
    .description("stay after all")
    .option(...DRY_RUN)
    .action(
      run(async (session, options: Sending) => {
        await sendOrSimulate(session, options, (actions) => actions.cancelExit());
        await showAccount(session, options);
      }),
    );

  executor
    .command("withdraw")
    .description("take the whole stake, once the exit is due and nothing is locked")
    .option("--to <address>", "receiver; default: the account", address)
    .option(...DRY_RUN)
    .action(
      run(async (session, options: Sending & { to?: Address }) => {
        const to = options.to ?? session.account().address;
        await sendOrSimulate(session, options, (actions) => actions.withdraw({ to }));
        await showAccount(session, options);
      }),
    );

  executor
    .command("claim")
    .description("take what the vault owes to the account: halves of lost bonds, compensation, rewards")
    .option("--to <address>", "receiver; default: the account", address)
    .option(...DRY_RUN)
    .action(run(claimFor));

  const delegate = executor.command("delegate").description("accounts that may act in the executor's name");
  for (const [name, allowed] of [
    ["add", true],
    ["remove", false],
  ] as const)
    delegate
      .command(`${name} <address>`)
      .description(allowed ? "let an account commit batches and answer games and demands" : "stop letting it")
      .option(...DRY_RUN)
      .action(
        run(async (session, who: string, options: Sending) => {
          const account = argument(address, who);
          const sent = await sendOrSimulate(session, options, (actions) =>
            actions.setDelegate({ delegate: account, allowed }),
          );
          if (sent)
            session.output.result(
              { delegate: account, allowed },
              () => `${account}: ${allowed ? "may act" : "may not act"}`,
            );
        }),
      );

  executor
    .command("release [batchIds...]")
    .description("free the locks of settled batches; without ids: of all own batches that are due")
    .option(...DRY_RUN)
    .action(
      run(async (session, ids: readonly string[], options: Sending) => {
        const batchIds = ids.length > 0 ? ids.map(batchIdOf) : await releasable(session);
        if (batchIds.length === 0) session.output.note("no batch is due");
        const released: bigint[] = [];
        for (const batchId of batchIds)
          if (await sendOrSimulate(session, options, (actions) => actions.releaseBatch({ batchId })))
            released.push(batchId);
        if (!options.dryRun) session.output.result({ released }, () => `released: ${released.join(", ") || "none"}`);
      }),
    );
}

/** Takes what is owed; also `otr fisherman claim`. */
export async function claimFor(session: Session, options: Sending & { to?: Address }): Promise<void> {
  let owed = 0n;
  const sent = await sendOrSimulate(session, options, async (actions) => {
    owed = await actions.claim(options.to === undefined ? {} : { to: options.to });
  });
  if (!sent) return;
  const to = options.to ?? session.account().address;
  session.output.result({ claimed: owed, to }, () =>
    owed === 0n ? "nothing is owed" : `${formatEther(owed)} ETH to ${to}`,
  );
}

/** Parses the number of a batch. */
export function batchIdOf(text: string): bigint {
  if (!/^[1-9]\d{0,18}$/.test(text)) throw new UsageError(`${text} is no batch.`, "Batches are numbered from 1.");
  return BigInt(text);
}

async function showAccount(session: Session, { dryRun }: Sending): Promise<void> {
  if (dryRun) return;
  const { address: executor } = session.account();
  const account = await (await session.reader()).getExecutor(executor);
  session.output.result({ executor, ...account }, () =>
    table(Object.entries({ executor, ...account }).map(([k, v]) => [k, String(v)])),
  );
}

/** Own batches whose window is over and whose locks are still there. */
async function releasable(session: Session): Promise<bigint[]> {
  const { otr } = await session.reader();
  const { client, addresses } = otr;
  const { fromBlock, rpc } = session.config;
  const toBlock = await getBlockNumber(client);
  const range = { fromBlock: BigInt(fromBlock), toBlock, maxRange: BigInt(rpc.maxBlockRange) };
  const logs = (await rangedLogs(client, { address: addresses.rollup, ...range })) as never[];
  const args = { executor: session.account().address };
  const { timestamp: now } = await getBlock(client);
  const due: bigint[] = [];
  for (const log of parseEventLogs({ abi: ABIS.rollup, logs, eventName: "BatchCommitted", args })) {
    const status = await batchStatus(otr, log.args.batchId);
    if (status !== undefined && !status.released && status.openGames === 0 && status.windowEnd <= now)
      due.push(log.args.batchId);
  }
  return due;
}
