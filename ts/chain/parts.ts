/**
 * Items of a part of what is too long for one transaction: tokens of a prompt, records of an output (`src/libraries/PartLib.sol`). Pools refuse
 * transactions beyond 128 KiB.
 */
export const PART_ITEMS = 2 ** 11;

/** The parts of `count` items: number, first item, and the one behind the last. */
export function partsOf(count: number): { readonly part: number; readonly first: number; readonly end: number }[] {
  return Array.from({ length: Math.ceil(count / PART_ITEMS) }, (_, part) => {
    const first = part * PART_ITEMS;
    return { part, first, end: Math.min(first + PART_ITEMS, count) };
  });
}
