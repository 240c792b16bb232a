import { parseUnits } from "viem";

const DECIMALS = { ether: 18, gwei: 9 } as const;

/** An amount of a configuration in wei, rounded. Small numbers print as `1e-7`, which no parser of amounts takes. */
export function weiOf(amount: number, unit: keyof typeof DECIMALS = "ether"): bigint {
  const decimals = DECIMALS[unit];
  const text = String(amount);
  return parseUnits(text.includes("e") ? amount.toFixed(decimals) : text, decimals);
}
