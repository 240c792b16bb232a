// SPDX-License-Identifier: GPL-3.0-only
import { buildBn128, type Curve } from "ffjavascript";
import { beforeAll, describe, expect, it } from "vitest";
import { FIELD } from "../commit/poseidon-parameters.ts";
import { prng } from "../compiler/prng.ts";
import { FixedBase } from "./fixed-base.ts";
import { multiExp } from "./multiexp.ts";

let curve: Curve;
let bases: Record<"G1" | "G2", FixedBase>;
beforeAll(async () => {
  curve = await buildBn128();
  bases = { G1: new FixedBase(curve, "G1"), G2: new FixedBase(curve, "G2") };
}, 600_000);

const GROUPS = ["G1", "G2"] as const;
const EXTREMES = [0n, 1n, 2n, 4095n, 4096n, 4097n, 2n ** 252n, FIELD - 1n, FIELD - 2n];
const bytesOf = (scalars: readonly bigint[]) =>
  Uint8Array.from(scalars.flatMap((x) => Array.from({ length: 32 }, (_, i) => Number((x >> BigInt(8 * i)) & 255n))));

function scalarsOf(count: number): bigint[] {
  const random = prng(count);
  return Array.from({ length: count }, (_, i) => EXTREMES[i] ?? BigInt(random.int(0, 2 ** 31)) ** 9n % FIELD);
}

describe.each(GROUPS)("points of %s", (group) => {
  it("are the generator's multiples", () => {
    const G = curve[group];
    const base = bases[group];
    const scalars = scalarsOf(40);
    const made = base.multiply(scalars);
    const size = made.length / scalars.length;
    scalars.forEach((scalar, i) => {
      const expected = G.toAffine(G.timesFr(G.g, curve.Fr.e(scalar)));
      expect(made.subarray(i * size, (i + 1) * size), `${scalar}`).toEqual(expected);
    });
    // More than are made affine together.
    const many = base.multiply([...Array<bigint>(4100).fill(3n), 5n]);
    expect(many.subarray(4099 * size, 4100 * size)).toEqual(G.toAffine(G.timesFr(G.g, curve.Fr.e(3n))));
    expect(many.subarray(4100 * size)).toEqual(G.toAffine(G.timesFr(G.g, curve.Fr.e(5n))));
    expect(base.multiply([])).toHaveLength(0);
  });

  it.each([0, 1, 9, 700])("%i of them add up as the library says", async (count) => {
    const G = curve[group];
    const scalars = scalarsOf(count);
    const points = bases[group].multiply(scalars.map((x) => (x * 7n + 1n) % FIELD));
    const sum = await multiExp(curve, group, points, bytesOf(scalars));
    const expected = scalars.reduce((total, x) => (total + x * ((x * 7n + 1n) % FIELD)) % FIELD, 0n);
    expect(G.toAffine(sum)).toEqual(G.toAffine(G.timesFr(G.g, curve.Fr.e(expected))));
    if (count > 0) expect(G.toAffine(await G.multiExpAffine(points, bytesOf(scalars)))).toEqual(G.toAffine(sum));
  });
});
