import { type Address, type Hex, type RpcLog, toHex } from "viem";
import type { ChainClient } from "./client.ts";

/** Which logs. Topics as `eth_getLogs` takes them: null matches anything. */
export interface RangedLogsParameters {
  readonly address: Address | readonly Address[];
  readonly topics?: readonly (Hex | readonly Hex[] | null)[];
  readonly fromBlock: bigint;
  readonly toBlock: bigint;
  /** Blocks per query at most; halved when the node refuses. */
  readonly maxRange?: bigint;
}

/** All logs of a range of any length, in order: nodes limit how many blocks one query may span. */
export async function rangedLogs(client: ChainClient, parameters: RangedLogsParameters): Promise<RpcLog[]> {
  const { address, topics = [], fromBlock, toBlock, maxRange = 5000n } = parameters;
  const found: RpcLog[] = [];
  let size = maxRange;
  for (let from = fromBlock; from <= toBlock; ) {
    const to = from + size - 1n < toBlock ? from + size - 1n : toBlock;
    const filter = { address, topics, fromBlock: toHex(from), toBlock: toHex(to) };
    try {
      found.push(...(await client.request({ method: "eth_getLogs", params: [filter as never] })));
      from = to + 1n;
    } catch (error) {
      if (to === from) throw error;
      size = (to - from + 1n) / 2n;
    }
  }
  return found;
}
