import { encodeEventTopics, type Hex, parseEventLogs } from "viem";
import { getBlockNumber } from "viem/actions";
import { fromHex, toHex } from "../commit/bytes.ts";
import { saltKey, tokenTree } from "../commit/record.ts";
import { TAGS } from "../commit/tags.ts";
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

/**
 * The answer to a demand, out of the logs of its court; undefined if there is none.
 *
 * @param fromBlock Block of the demand.
 * @throws AnswerDataError if parts of the prompt are missing from the logs.
 */
export async function loadPostedAnswer(
  context: OtrContext,
  key: DemandKey,
  fromBlock: bigint,
): Promise<PostedAnswer | undefined> {
  const { batchId, index } = key;
  const args = { batchId, index: BigInt(index) };
  const topics = encodeEventTopics({ abi: ABIS.availability, eventName: "Answered", args }) as Hex[];
  const logs = await logsOf(context, key, topics, fromBlock);
  const answered = parseEventLogs({ abi: ABIS.availability, logs, eventName: "Answered" }).at(-1);
  if (answered === undefined) return undefined;
  const { receipt, request, input, siblings } = answered.args;
  const hash = answered.transactionHash;
  const committed = { receipt, batchId, index, siblings: nodesOf(siblings) };
  const inParts = input === "0x" && !request.confidential;
  const requestHash = receipt.requestHash;
  const prompt = inParts ? await promptOf(context, key, { request, requestHash, hash }) : tokensOf(input);
  return { committed, request, input: prompt, hash };
}

/** The prompt of an answer that came in parts. Anyone may post parts: the prompt is the one that leads to the request's root. */
async function promptOf(
  context: OtrContext,
  key: DemandKey,
  { request, requestHash, hash }: { request: Request; requestHash: Hex; hash: Hex },
): Promise<number[]> {
  const topics = encodeEventTopics({ abi: ABIS.availability, eventName: "PartPosted", args: { requestHash } }) as Hex[];
  const logs = await logsOf(context, key, topics, 0n);
  const posters = new Map<string, Map<bigint, number[]>>();
  for (const { args } of parseEventLogs({ abi: ABIS.availability, logs, eventName: "PartPosted" })) {
    const parts = posters.get(args.by) ?? new Map<bigint, number[]>();
    posters.set(args.by, parts.set(args.part, tokensOf(args.input)));
  }
  const salts = saltKey({ ...request, secret: request.seed });
  for (const parts of posters.values()) {
    const tokens = [...parts].sort(([a], [b]) => Number(a - b)).flatMap(([, part]) => part);
    if (toHex(tokenTree(salts, "input", tokens).root(TAGS.input)) === request.inputRoot) return tokens;
  }
  throw new AnswerDataError(hash);
}

async function logsOf({ client }: OtrContext, { availability }: DemandKey, topics: readonly Hex[], fromBlock: bigint) {
  const toBlock = await getBlockNumber(client, { cacheTime: 0 });
  return (await rangedLogs(client, { address: availability, topics, fromBlock, toBlock })) as never[];
}

function tokensOf(packed: Hex): number[] {
  const bytes = fromHex(packed);
  const view = new DataView(bytes.buffer);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i));
}

function nodesOf(bytes: Hex): Hex[] {
  return Array.from({ length: (bytes.length - 2) / 64 }, (_, i): Hex => `0x${bytes.slice(2 + 64 * i, 66 + 64 * i)}`);
}
