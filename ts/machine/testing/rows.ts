import type { Prng } from "../../compiler/prng.ts";
import { ELEMENT_BITS, type ElementType, newRow, type Row } from "../types.ts";

/** How the elements of a random row are drawn. */
const FLAVOURS = ["any", "extreme", "small", "width", "zero", "mixed", "constant"] as const;

/**
 * A random row: every bit pattern, the extremes of the type, small values, values up to some random width, or one extreme
 * everywhere, which makes the largest sums.
 */
export function randomRow(random: Prng, type: ElementType, length: number): Row {
  const row = newRow(type, length);
  const flavour = random.pick(FLAVOURS);
  const width = random.int(1, ELEMENT_BITS[type]);
  const constant = randomElement(random, type, "extreme", width);
  for (let e = 0; e < length; e++) {
    const value =
      flavour === "constant"
        ? constant
        : randomElement(random, type, flavour === "mixed" ? random.pick(FLAVOURS) : flavour, width);
    if (row.type === "i64") row.data[e] = value;
    else row.data[e] = Number(value);
  }
  return row;
}

function randomElement(random: Prng, type: ElementType, flavour: (typeof FLAVOURS)[number], width: number): bigint {
  const bits = ELEMENT_BITS[type];
  const top = (1n << BigInt(bits)) - 1n;
  switch (flavour) {
    case "any":
    case "mixed":
    case "constant":
      return BigInt.asIntN(bits + 1, random.bits());
    case "extreme":
      return random.pick([top, -top, -top - 1n, 0n, 1n, -1n]);
    case "small":
      return BigInt(random.int(-3, 3));
    case "width":
      return BigInt.asIntN(width + 1, random.bits());
    case "zero":
      return 0n;
  }
}
