import { concat, type Hex } from "viem";
import { encodeHeader, type RpcHeader } from "./block-header.ts";
import { BlocksOutOfReachError } from "./errors.ts";

/** Blocks that EIP-2935's history reaches back. */
const HISTORY = 8191n;
/** Blocks that give a bit each (`BlockMix.BLOCKS`). */
export const MIXED_BLOCKS = 128n;

/** Reads a header: of a block by its number, or of the latest. */
export type HeaderSource = (block: bigint | "latest") => Promise<RpcHeader>;

/**
 * Proof of a round of `BlockMix`: the headers of the first block whose time is not before `dueAt` and, before it, of its
 * parent.
 *
 * @param dueAt Seconds since 1970 (`BlockMix.dueAt`).
 * @throws BlocksOutOfReachError if the round's blocks are not all there yet, or the history no longer holds them.
 */
export async function blockMixProof(headerOf: HeaderSource, dueAt: bigint): Promise<Hex> {
  const latest = await headerOf("latest");
  const head = BigInt(latest.number);
  const isBefore = async (number: bigint) => BigInt((await headerOf(number)).timestamp) < dueAt;
  // `low` is before the round, `high` is not, or is the block after the latest one.
  let low = head < HISTORY ? 0n : head - HISTORY;
  let high = head + 1n;
  if (!(await isBefore(low))) throw new BlocksOutOfReachError(dueAt, "they are older than the history of block hashes");
  while (high - low > 1n) {
    const middle = (low + high) / 2n;
    if (await isBefore(middle)) low = middle;
    else high = middle;
  }
  const missing = high + MIXED_BLOCKS - 1n - head;
  if (missing > 0n) throw new BlocksOutOfReachError(dueAt, `${missing} of them are yet to come`);
  return concat([encodeHeader(await headerOf(low)), encodeHeader(await headerOf(high))]);
}
