import { type Address, encodeEventTopics, type Hex, parseEventLogs } from "viem";
import { getBlockNumber } from "viem/actions";
import { ABIS } from "../abis.ts";
import { type OtrContext, read } from "../context.ts";
import { rangedLogs } from "../ranged-logs.ts";

/** An executor's account. Amounts in wei, times in seconds since 1970 (0: never). */
export interface ExecutorAccount {
  readonly stake: bigint;
  readonly locked: bigint;
  readonly convictedAt: bigint;
  readonly exitRequestedAt: bigint;
  readonly exitDueAt: bigint;
}

/** An executor's account in the vault. */
export async function getExecutor(context: OtrContext, executor: Address): Promise<ExecutorAccount> {
  const { stake, locked, convictedAt, exitRequestedAt, exitDueAt } = await read(context, "vault", "executorOf", [
    executor,
  ]);
  return {
    stake,
    locked,
    convictedAt: BigInt(convictedAt),
    exitRequestedAt: BigInt(exitRequestedAt),
    exitDueAt: BigInt(exitDueAt),
  };
}

/** URL that an executor published last, `undefined` if it never did. */
export async function getEndpoint(
  context: OtrContext,
  parameters: { executor: Address; fromBlock: bigint },
): Promise<string | undefined> {
  const { executor, fromBlock } = parameters;
  const topics = encodeEventTopics({ abi: ABIS.vault, eventName: "EndpointSet", args: { executor } });
  const toBlock = await getBlockNumber(context.client, { cacheTime: 0 });
  const address = context.addresses.vault;
  const logs = await rangedLogs(context.client, { address, topics: topics as Hex[], fromBlock, toBlock });
  const parsed = parseEventLogs({ abi: ABIS.vault, logs: logs as never, eventName: "EndpointSet" });
  return parsed.at(-1)?.args.url;
}
