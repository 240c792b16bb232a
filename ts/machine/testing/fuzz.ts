/** Factor on the number of fuzz cases: `OTR_FUZZ=100 vitest` runs a hundred times as many. */
export const FUZZ = Math.max(1, Number(process.env.OTR_FUZZ ?? "1") || 1);
