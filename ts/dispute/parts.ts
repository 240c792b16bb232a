/** Most accumulators of a single post when every part is one block. */
export const SINGLE_POST_BLOCKS = 64;

/** Blocks per part of a fold of `blocks` blocks (docs/protocol.md, section 4): at most two posts decide any fold. */
export function partSize(blocks: number): number {
  return blocks <= SINGLE_POST_BLOCKS ? 1 : Math.ceil(blocks / Math.ceil(Math.sqrt(blocks)));
}

/** Number of parts, i.e. of accumulators in the first post. */
export function partCount(blocks: number): number {
  return Math.ceil(blocks / partSize(blocks));
}
