// SPDX-License-Identifier: GPL-3.0-only
import type { CompileOptions } from "./compile.ts";

/** Circuits with keys of their own, and their public signals in the order in which a verifier takes them. */
export const CIRCUITS = {
  map: ["stepRoot", "weightsRoot", "reads", "params"],
  gather: ["stepRoot", "weightsRoot", "reads", "params"],
  dot: ["stepRoot", "weightsRoot", "reads", "params", "stateIn", "stateOut"],
  fold: ["stepRoot", "reads", "params", "stateIn", "stateOut"],
  attention: ["stepRoot", "reads", "params", "chunk", "stateIn", "stateOut"],
  link: ["stepRoot", "chunk", "target", "shaLow"],
} as const;

export type CircuitName = keyof typeof CIRCUITS;
export const CIRCUIT_NAMES = Object.keys(CIRCUITS) as CircuitName[];

/** Most constraints of a circuit: the phase-1 file has room for no more. */
export const MOST_CONSTRAINTS = 2 ** 16;

/** How a circuit is compiled for its keys. */
export function optionsOf(name: CircuitName): CompileOptions {
  const template = name[0].toUpperCase() + name.slice(1);
  return {
    main: `component main {public [${CIRCUITS[name].join(", ")}]} = ${template}();`,
    include: [`${name}.circom`],
    optimisation: "O2",
  };
}
