/**
 * When Intel announced its TCB recoveries, by TCB evaluation data number: from its signed list of 2025-10-13. A number is good until the next one
 * has been current for a while; Intel goes on signing documents of old numbers, in which platforms stay up to date for ever.
 */
const ANNOUNCED: readonly (readonly [number: number, date: string])[] = [
  [17, "2024-03-12"],
  [18, "2024-11-12"],
  [19, "2025-05-13"],
  [20, "2025-08-12"],
];
const DAY = 86_400;
/** Seconds from the announcement until a number is current, and for which the one before stays good: as deployments have it. */
const PROMOTION_DELAY = 365 * DAY;
const GRACE = 30 * DAY;

/** The least number that is good at this time, in seconds since 1970, as far as is known here: there may be newer ones. */
export function leastEvaluation(time: number): number {
  const past = ANNOUNCED.filter(([, date]) => Date.parse(date) / 1000 + PROMOTION_DELAY + GRACE <= time);
  return Math.max(0, ...past.map(([number]) => number));
}
