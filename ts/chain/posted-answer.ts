import { type Address, decodeFunctionData, encodeEventTopics, type Hex, parseEventLogs } from "viem";
import { getBlockNumber, getTransaction } from "viem/actions";
import type { Request } from "../commit/typed-data.ts";
import { ABIS } from "./abis.ts";
import type { DemandKey } from "./actions/demand.ts";
import type { CommittedReceipt } from "./committed.ts";
import type { OtrContext } from "./context.ts";
import { AnswerDataError } from "./errors.ts";
import { rangedLogs } from "./ranged-logs.ts";

/** What an executor posted on the chain of a demanded leaf. The court has checked all of it. */
export interface PostedAnswer {
  readonly committed: CommittedReceipt;
  readonly request: Request;
  /** The prompt's tokens; none if the request is confidential. */
  readonly input: readonly number[];
  /** Transaction of the answer. */
  readonly hash: Hex;
}

type Frame = { readonly to?: Address; readonly input: Hex; readonly calls?: readonly Frame[] };

/**
 * The answer to a demand, out of the calldata of its transaction; undefined if there is none. If the answer came through another contract,
 * the node is asked for a trace.
 *
 * @param fromBlock Block of the demand.
 * @throws AnswerDataError if the calldata cannot be had.
 */
export async function loadPostedAnswer(
  context: OtrContext,
  key: DemandKey,
  fromBlock: bigint,
): Promise<PostedAnswer | undefined> {
  const { batchId, index, availability } = key;
  const args = { batchId, index: BigInt(index) };
  const topics = encodeEventTopics({ abi: ABIS.availability, eventName: "Answered", args }) as Hex[];
  const hash = (await hashesOf(context, availability, topics, fromBlock)).at(-1);
  if (hash === undefined) return undefined;
  for (const { functionName, args } of await callsOf(context, availability, hash)) {
    if (functionName !== "answer" && functionName !== "answerOfParts") continue;
    const [{ receipt, siblings, ...place }, request] = args;
    if (place.batchId !== batchId || place.index !== BigInt(index)) continue;
    const committed = { receipt, batchId, index, siblings: nodesOf(siblings) };
    const input = functionName === "answer" ? args[2] : await partsOf(context, key, receipt.requestHash);
    return { committed, request, input, hash };
  }
  throw new AnswerDataError(hash);
}

/** The prompt of an answer that came in parts. Parts of several posters may be there: those of one number are the same tokens or useless. */
async function partsOf(context: OtrContext, { availability }: DemandKey, requestHash: Hex): Promise<number[]> {
  const topics = encodeEventTopics({ abi: ABIS.availability, eventName: "PartPosted", args: { requestHash } }) as Hex[];
  const parts = new Map<bigint, readonly number[]>();
  for (const hash of await hashesOf(context, availability, topics, 0n))
    for (const { functionName, args } of await callsOf(context, availability, hash))
      if (functionName === "postPart") parts.set(args[1], args[2]);
  return [...parts].sort(([a], [b]) => Number(a - b)).flatMap(([, tokens]) => [...tokens]);
}

async function hashesOf(
  { client }: OtrContext,
  address: Address,
  topics: readonly Hex[],
  fromBlock: bigint,
): Promise<Hex[]> {
  const toBlock = await getBlockNumber(client, { cacheTime: 0 });
  const logs = await rangedLogs(client, { address, topics, fromBlock, toBlock });
  return parseEventLogs({ abi: ABIS.availability, logs: logs as never }).map((log) => log.transactionHash);
}

/** Calls of the court within a transaction. */
async function callsOf({ client }: OtrContext, availability: Address, hash: Hex) {
  const { to, input } = await getTransaction(client, { hash });
  const direct = to?.toLowerCase() === availability.toLowerCase();
  const frames = direct ? [{ to: availability, input }] : flatten(await traceOf(client, hash));
  return frames
    .filter((frame) => frame.to?.toLowerCase() === availability.toLowerCase())
    .flatMap(({ input: data }) => {
      try {
        return [decodeFunctionData({ abi: ABIS.availability, data })];
      } catch {
        return [];
      }
    });
}

async function traceOf(client: OtrContext["client"], hash: Hex): Promise<Frame> {
  try {
    const params = [hash, { tracer: "callTracer" }] as never;
    return (await client.request({ method: "debug_traceTransaction" as never, params })) as Frame;
  } catch (cause) {
    throw new AnswerDataError(hash, cause);
  }
}

function flatten(frame: Frame): Frame[] {
  return [frame, ...(frame.calls ?? []).flatMap(flatten)];
}

function nodesOf(bytes: Hex): Hex[] {
  return Array.from({ length: (bytes.length - 2) / 64 }, (_, i): Hex => `0x${bytes.slice(2 + 64 * i, 66 + 64 * i)}`);
}
