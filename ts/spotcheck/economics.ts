// What draws are worth: docs/economics.md derives these formulas. Probabilities are numbers from 0 to 1; amounts have the unit of their caller.

/** How a deployment draws. */
export type DrawTerms = {
  /** Share of receipts that are drawn: 1 / stride. */
  readonly rho: number;
  /** Pairs of instruction and element that are drawn of a drawn step. */
  readonly pairs: number;
  /** Segments that are drawn of a drawn element that takes several proofs, with repetition. */
  readonly blocks: number;
};

/** A false row of a step. */
export type FalseRow = {
  readonly instruction: number;
  /** Share of its elements that are false. */
  readonly share: number;
  /** Proofs that a false element takes, of which one at least is impossible: 1 for an element of one proof. */
  readonly segments: number;
};

/** Chance that the proofs that are drawn of a false element include the impossible one. */
export function elementDetection(segments: number, blocks: number): number {
  return segments === 1 ? 1 : 1 - (1 - 1 / segments) ** blocks;
}

/** Chance that one pair of a step of `instructions` shows the lie. */
export function pairDetection(rows: readonly FalseRow[], instructions: number, blocks: number): number {
  return rows.reduce((sum, { share, segments }) => sum + share * elementDetection(segments, blocks), 0) / instructions;
}

/** Chance that a drawn step with this chance for each pair is caught. */
export function stepDetection(byPair: number, pairs: number): number {
  // Exact for chances near 0, too.
  return -Math.expm1(pairs * Math.log1p(-byPair));
}

/** Chance that a receipt is caught whose steps are false in this share. */
export function receiptDetection(byPair: number, { rho, pairs }: DrawTerms, falseSteps = 1): number {
  return rho * falseSteps * stepDetection(byPair, pairs);
}

/** As `receiptDetection`, where independent fishermen recompute this share of receipts in time (tier 2). */
export function withFishermen(detection: number, recomputed: number): number {
  return 1 - (1 - detection) * (1 - recomputed);
}

/**
 * Stake per receipt at which a lie pays nothing, for a gain per false receipt. A liar is convicted once in 1 / detection false
 * receipts, and loses for certain only what is burnt: the challenger may be its friend, and so may the requester.
 */
export function requiredStake(gain: number, detection: number, burntShare: number): number {
  return gain / (detection * burntShare);
}

/** What a false receipt gains on average, with this stake locked. Below 0: lying costs more than it brings. */
export function expectedProfit(gain: number, stake: number, detection: number, burntShare: number): number {
  return gain - detection * burntShare * stake;
}
