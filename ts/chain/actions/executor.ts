import { type Address, parseEventLogs } from "viem";
import { getLogs } from "viem/actions";
import { ABIS } from "../abis.ts";
import { type OtrContext, read } from "../context.ts";

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
  const [event] = ABIS.vault.filter((item) => item.type === "event" && item.name === "EndpointSet");
  const logs = await getLogs(context.client, {
    address: context.addresses.vault,
    event: event as never,
    args: { executor: parameters.executor } as never,
    fromBlock: parameters.fromBlock,
  });
  const parsed = parseEventLogs({ abi: ABIS.vault, logs, eventName: "EndpointSet" });
  return parsed.at(-1)?.args.url;
}
