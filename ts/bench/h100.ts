import type { StepCost } from "./step-cost.ts";

/** One H100 SXM as its data sheet has it (dense, 80 GB): peaks, of which kernels reach a part. */
export const H100 = {
  memoryBytesPerSecond: 3.35e12,
  /** Products and sums of int8, counted apart. */
  int8PerSecond: 1.979e15,
  /** 132 multiprocessors of 64 lanes at 1.98 GHz. */
  int32PerSecond: 132 * 64 * 1.98e9,
  pcieBytesPerSecond: 64e9,
} as const;

/**
 * 32-bit operations of one hash, counted from the standards, rotations as one. SHA-256 (FIPS 180-4): 64 rounds of 25, 48 words of 13, 8
 * sums. Keccak-f (FIPS 202): 24 rounds of 155 operations of 64 bits.
 */
export const SHA256_OPERATIONS = 64 * 25 + 48 * 13 + 8;
export const KECCAK_OPERATIONS = 24 * 155 * 2;

/** Activations of two bytes take two products of int8 each, and each is followed by a sum. */
const OPERATIONS_PER_PRODUCT = 4;
/** Cache root up; token up and down. */
const PCIE_BYTES_PER_TOKEN = 32 + 4 + 4;

/** What a GPU does on paper. */
export interface OnPaper {
  readonly batch: number;
  readonly context: number;
  readonly cacheGB: number;
  /** The longer of reading weights and caches, and of multiplying, for one step of each answer. */
  readonly stepMs: number;
  readonly tokensPerSecond: number;
  /** Hashes of these steps if nothing runs beside them, as a share of the step. */
  readonly hashShare: number;
  /** If roots are hashed on the GPU, and if cached rows are fetched to hash them elsewhere. */
  readonly pcieKBPerSecond: number;
  readonly pcieRowsMBPerSecond: number;
}

/** Generation of `batch` answers at once that are `context` tokens long. */
export function generateOnH100(cost: StepCost, batch: number, context: number): OnPaper {
  const cache = batch * context * cost.cachedBytes;
  const read = (cost.weightBytes + cache) / H100.memoryBytesPerSecond;
  const products = batch * (cost.products + cost.productsPerPosition * context);
  const step = Math.max(read, (OPERATIONS_PER_PRODUCT * products) / H100.int8PerSecond);
  const tokensPerSecond = batch / step;
  return {
    batch,
    context,
    cacheGB: round(cache / 1e9, 1),
    stepMs: round(step * 1e3, 1),
    tokensPerSecond: Math.round(tokensPerSecond),
    hashShare: round((batch * hashSeconds(cost)) / step, 4),
    pcieKBPerSecond: round((tokensPerSecond * PCIE_BYTES_PER_TOKEN) / 1e3, 1),
    pcieRowsMBPerSecond: Math.round((tokensPerSecond * cost.cachedBytes) / 1e6),
  };
}

/** Seconds of a replay of `steps` steps, which multiplies all positions at once, and of its hashes. */
export function replayOnH100(cost: StepCost, steps: number): { seconds: number; hashSeconds: number } {
  const products = steps * cost.products + (cost.productsPerPosition * steps * (steps + 1)) / 2;
  const seconds = (OPERATIONS_PER_PRODUCT * products) / H100.int8PerSecond;
  return { seconds: round(seconds, 2), hashSeconds: round(steps * hashSeconds(cost), 3) };
}

function hashSeconds({ sha256, keccak }: StepCost): number {
  return (sha256 * SHA256_OPERATIONS + keccak * KECCAK_OPERATIONS) / H100.int32PerSecond;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
