import type { Address } from "viem";
import { type OtrContext, read } from "../context.ts";

/** What batches are committed under. Durations in seconds, amounts in wei. */
export interface RulesState {
  /** The three courts: games, one-shot frauds, demands for data. */
  readonly game: Address;
  readonly frauds: Address;
  readonly availability: Address;
  readonly judge: Address;
  /** The court of draws; zero if nothing is drawn. */
  readonly spotChecks: Address;
  readonly challengeWindow: bigint;
  readonly turnDuration: bigint;
  readonly claimPeriod: bigint;
  readonly lockPerReceipt: bigint;
  /** Free stake that an executor keeps beside its locks. */
  readonly reserve: bigint;
  readonly bond: bigint;
  readonly demandBond: bigint;
  /** Wei per gas at which moves are repaid. */
  readonly gasPrice: bigint;
  /** Time between a verdict and its payouts. */
  readonly airGap: bigint;
  readonly machineVersion: number;
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
    airGap: BigInt(rules.airGap),
    expiryCap: BigInt(rules.expiryCap),
  };
}
