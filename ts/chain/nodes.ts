import type { Hex } from "viem";

/** Concatenated 32-byte nodes, as the contracts take openings. */
export function concatNodes(nodes: readonly Hex[]): Hex {
  return `0x${nodes.map((node) => node.slice(2)).join("")}`;
}
