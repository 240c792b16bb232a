// What is drawn (docs/draws.md): the same as `src/spotcheck/DrawLib.sol`, function by function.
import { addressWord, fromHex, type Hex, hashWords, tag, toHex } from "../commit/bytes.ts";
import { NothingToDrawFromError } from "./errors.ts";

const TAGS = {
  batch: tag("OTR/draw-batch/1"),
  lot: tag("OTR/draw-lot/1"),
  step: tag("OTR/draw-step/1"),
  pair: tag("OTR/draw-pair/1"),
  element: tag("OTR/draw-element/1"),
  block: tag("OTR/draw-block/1"),
} as const;

/** Chain and rollup that draw. */
export type DrawDomain = { readonly chainId: bigint; readonly rollup: Hex };

/** Seed of a batch's lots, of the value of the first round after the commit and Delta. */
export function batchSeed({ chainId, rollup }: DrawDomain, value: Hex, batch: bigint): Hex {
  return toHex(hashWords(TAGS.batch, fromHex(value), chainId, addressWord(rollup), batch));
}

/** How many strips of `stride` receipts a batch of `count` has. */
export function strips(count: number, stride: number): number {
  if (stride === 0) throw new NothingToDrawFromError("strips of no receipt");
  return Math.ceil(count / stride);
}

/**
 * The receipt that is drawn of a strip, by its number in the batch; undefined if the place that was drawn is empty, which
 * happens in a last strip that is shorter than the others. Every receipt is drawn with the probability `1 / stride`.
 */
export function drawnIn(seed: Hex, strip: number, count: number, stride: number): number | undefined {
  if (strip >= strips(count, stride)) throw new NothingToDrawFromError(`strip ${strip} of ${strips(count, stride)}`);
  const index = strip * stride + below(hashWords(TAGS.lot, fromHex(seed), strip), stride);
  return index < count ? index : undefined;
}

/** Whether a receipt of a batch is drawn. */
export function isDrawn(seed: Hex, index: number, stride: number): boolean {
  if (stride === 0) throw new NothingToDrawFromError("strips of no receipt");
  const strip = Math.floor(index / stride);
  return index % stride === below(hashWords(TAGS.lot, fromHex(seed), strip), stride);
}

/** All receipts of a batch that are drawn, in order. */
export function drawnOf(seed: Hex, count: number, stride: number): number[] {
  const drawn = Array.from({ length: strips(count, stride) }, (_, strip) => drawnIn(seed, strip, count, stride));
  return drawn.filter((index) => index !== undefined);
}

/** The step that is drawn of a receipt, by the round that drew the receipt. */
export function stepOf(value: Hex, receipt: Hex, steps: number): number {
  return below(hashWords(TAGS.step, fromHex(value), fromHex(receipt)), steps);
}

/** The instruction of a pair, by the first round after the step's root was posted and Delta. */
export function instructionOf(value: Hex, receipt: Hex, pair: number, instructions: number): number {
  return below(hashWords(TAGS.pair, fromHex(value), fromHex(receipt), pair), instructions);
}

/** The element of a pair, of the row that its instruction makes in the drawn step. */
export function elementOf(value: Hex, receipt: Hex, pair: number, elements: number): number {
  return below(hashWords(TAGS.element, fromHex(value), fromHex(receipt), pair), elements);
}

/** A block of the fold that makes a pair's element, by the first round after its accumulators were posted and Delta. */
export function blockOf(value: Hex, receipt: Hex, pair: number, number: number, blocks: number): number {
  return below(hashWords(TAGS.block, fromHex(value), fromHex(receipt), pair, number), blocks);
}

function below(hash: Uint8Array, n: number): number {
  if (n === 0) throw new NothingToDrawFromError("a range of nothing");
  return Number(BigInt(toHex(hash)) % BigInt(n));
}
