import { randomBytes } from "node:crypto";
import { type Address, type Hex, hexToString, numberToHex, toHex, zeroHash } from "viem";
import { getBlock } from "viem/actions";
import { z } from "zod";
import { callOf, type OtrContext, read } from "../chain/context.ts";
import type { Call } from "../chain/sender.ts";
import type { RpcHeader } from "./block-header.ts";
import { blockMixProof, type HeaderSource } from "./block-mix-proof.ts";
import { DRAND_URLS } from "./drand-urls.ts";
import { BeaconError } from "./errors.ts";

/** How rounds are brought to the chain. */
export interface RoundOptions {
  /** drand's HTTP endpoints; default `DRAND_URLS`. */
  readonly drandUrls?: readonly string[];
  /** Milliseconds until an endpoint counts as silent; default 10,000. */
  readonly timeoutMs?: number;
  /** Value that a round of a development source gets if nobody has delivered another one; default: random. */
  readonly developmentValue?: (round: bigint) => Hex;
}

/** The value of a round; undefined while the chain does not know it. */
export async function roundValue(context: OtrContext, randomness: Address, round: bigint): Promise<Hex | undefined> {
  const value = await read(context, "randomness", "valueOf", [round], { address: randomness });
  return value === zeroHash ? undefined : value;
}

/**
 * The call that brings a round of a source to the chain, or the next step towards it if the beacon is dead (docs/draws.md).
 * Undefined if the round is known, or nothing can be done yet.
 * @throws BeaconError if no endpoint of the beacon gives the round, and the beacon cannot be declared dead yet
 */
export async function deliveryOf(
  context: OtrContext,
  randomness: Address,
  round: bigint,
  options: RoundOptions = {},
): Promise<Call | undefined> {
  const at = { address: randomness };
  if ((await roundValue(context, randomness, round)) !== undefined) return undefined;
  const { timestamp: now } = await getBlock(context.client);
  const dueAt = BigInt(await read(context, "randomness", "dueAt", [round], at));
  if (dueAt > now) return undefined;
  const deliver = (proof: Hex) => callOf(randomness, "randomness", "deliver", [round, proof]);
  switch (hexToString(await read(context, "randomness", "kind", [], at), { size: 32 })) {
    case "DEV":
      return deliver(options.developmentValue?.(round) ?? toHex(randomBytes(32)));
    case "DRAND":
      return deliver(await drandSignature(round, options));
    case "BLOCKS":
      return deliver(await blockMixProof(headersOf(context), dueAt));
    default: {
      const signature = await drandSignature(round, options).catch((error: unknown) => error);
      if (typeof signature === "string") return deliver(signature as Hex);
      const replaced = await replacementOf(context, randomness, round, dueAt, now);
      if (replaced === "early") throw signature;
      return replaced;
    }
  }
}

/** What replaces a round of a dead beacon: its declaration, then a round of the fallback. */
async function replacementOf(
  context: OtrContext,
  randomness: Address,
  round: bigint,
  dueAt: bigint,
  now: bigint,
): Promise<Call | undefined | "early"> {
  const at = { address: randomness };
  const declare = callOf(randomness, "randomness", "declareDead", [round]);
  const seconds = async (name: "DEAD_AFTER" | "LOST_AFTER") => BigInt(await read(context, "randomness", name, [], at));
  const fallbackRound = await read(context, "randomness", "fallbackRoundOf", [round], at);
  if (fallbackRound === 0n) {
    if (now < dueAt + (await seconds("DEAD_AFTER"))) return "early";
    // Whoever shows any later round refutes the death; then only the beacon's own round helps.
    return (await read(context, "randomness", "newest", [], at)) >= round ? "early" : declare;
  }
  const fallback = { address: await read(context, "randomness", "FALLBACK", [], at) };
  const due = BigInt(await read(context, "randomness", "dueAt", [fallbackRound], fallback));
  if (now < due) return undefined;
  if (now >= due + (await seconds("LOST_AFTER"))) return declare;
  const known = await read(context, "randomness", "valueOf", [fallbackRound], fallback);
  const proof = known === zeroHash ? await blockMixProof(headersOf(context), due) : "0x";
  return callOf(randomness, "randomness", "deliverFallback", [round, proof]);
}

const drandRound = z.object({ round: z.number(), signature: z.string().regex(/^[0-9a-f]{128}$/) });

/** The signature of a round of drand, from the first endpoint that has it. Whether it is right the contract finds out. */
async function drandSignature(
  round: bigint,
  { drandUrls = DRAND_URLS, timeoutMs = 10_000 }: RoundOptions,
): Promise<Hex> {
  const failures: string[] = [];
  for (const url of drandUrls) {
    try {
      const reply = await fetch(`${url}/rounds/${round}`, { signal: AbortSignal.timeout(timeoutMs) });
      if (!reply.ok) throw new Error(`status ${reply.status}`);
      const found = drandRound.parse(await reply.json());
      if (BigInt(found.round) !== round) throw new Error(`it answers with round ${found.round}`);
      return `0x${found.signature}`;
    } catch (error) {
      failures.push(`${url}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new BeaconError(round, failures);
}

function headersOf({ client }: OtrContext): HeaderSource {
  return async (block) => {
    const params = [typeof block === "bigint" ? numberToHex(block) : block, false] as const;
    return (await client.request({ method: "eth_getBlockByNumber", params: params as never })) as unknown as RpcHeader;
  };
}
