import type { LlamaConfig } from "./config.ts";

/** Angle per position of each of the headSize / 2 pairs, with the model's scaling applied. */
export function ropeFrequencies({ headSize, ropeTheta, ropeScaling }: LlamaConfig): number[] {
  return Array.from({ length: headSize / 2 }, (_, j) => {
    const frequency = ropeTheta ** ((-2 * j) / headSize);
    if (ropeScaling === undefined) return frequency;
    if (ropeScaling.kind === "linear") return frequency / ropeScaling.factor;
    if (ropeScaling.kind === "divisors") return frequency / ropeScaling.divisors[j];
    // Llama 3.1: long wavelengths are stretched, short ones kept, those between blended.
    const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContext } = ropeScaling;
    const turns = (originalContext * frequency) / (2 * Math.PI);
    if (turns < low) return frequency / factor;
    if (turns > high) return frequency;
    const blend = (turns - low) / (high - low);
    return ((1 - blend) * frequency) / factor + blend * frequency;
  });
}
