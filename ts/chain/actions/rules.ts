import type { Address } from "viem";
import { type OtrContext, read } from "../context.ts";

/** What batches are committed under. Durations in seconds, amounts in wei. */
export interface RulesState {
  readonly game: Address;
  readonly judge: Address;
  readonly challengeWindow: bigint;
  readonly turnDuration: bigint;
  readonly claimPeriod: bigint;
  readonly lockPerReceipt: bigint;
  readonly bond: bigint;
  readonly challengerBps: number;
  readonly requesterBps: number;
  readonly expiryCap: bigint;
}

/** Rules of a version, by default of the one that new batches get. */
export async function getRules(context: OtrContext, version?: number): Promise<RulesState> {
  const wanted = version ?? (await read(context, "rollup", "currentRules", []));
  const rules = await read(context, "rollup", "rulesOf", [wanted]);
  return {
    ...rules,
    challengeWindow: BigInt(rules.challengeWindow),
    turnDuration: BigInt(rules.turnDuration),
    claimPeriod: BigInt(rules.claimPeriod),
    expiryCap: BigInt(rules.expiryCap),
  };
}
