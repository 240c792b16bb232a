import fc from "fast-check";
import { poseidon2 } from "poseidon-lite/poseidon2";
import { poseidon3 } from "poseidon-lite/poseidon3";
import { poseidon16 } from "poseidon-lite/poseidon16";
import { describe, expect, it } from "vitest";
import {
  GROUP,
  LIMB,
  limbsOf,
  PoseidonTree,
  poseidonRow,
  poseidonWeightsTree,
  rowDomain,
  rowLevels,
  weightsRootP,
} from "./poseidon.ts";

const row = (bytes: ArrayLike<number>, typeCode = 0) => ({
  typeCode,
  length: bytes.length / 2 ** typeCode,
  bytes: Uint8Array.from(bytes),
});

describe("poseidon", () => {
  it("has circomlib's parameters", () => {
    // test/poseidoncircuit.js of circomlib.
    expect(poseidon2([1n, 2n])).toBe(7853200120776062878684798364095072458815029376092732009249414926327459813530n);
    expect(poseidon16(Array.from({ length: 16 }, (_, i) => i + 1))).toBe(
      9989051620750914585850546081941653841776809718687451684622678807385399211877n,
    );
  });

  it("cuts bytes into little-endian limbs of 31 bytes", () => {
    expect(limbsOf(Uint8Array.of(1, 2))).toEqual([0x0201n]);
    expect(limbsOf(new Uint8Array(LIMB).fill(255))).toEqual([(1n << 248n) - 1n]);
    expect(limbsOf(Uint8Array.from({ length: 32 }, (_, i) => (i === 31 ? 7 : 0)))).toEqual([0n, 7n]);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const limbs = limbsOf(bytes);
        expect(limbs).toHaveLength(Math.ceil(bytes.length / LIMB));
        bytes.forEach((byte, i) => {
          expect((limbs[Math.floor(i / LIMB)] >> BigInt(8 * (i % LIMB))) & 255n).toBe(BigInt(byte));
        });
      }),
    );
  });

  it("hashes 16 limbs a node and 16 nodes a node, as docs/protocol.md writes it", () => {
    const start = poseidon2([rowDomain(2, 9), 5n]);
    const group = (limb: bigint) => poseidon16([limb, ...Array<bigint>(15).fill(0n)]);
    expect(poseidonRow({ typeCode: 2, length: 9, bytes: Uint8Array.of(7) }, 5n)).toBe(poseidon2([start, group(7n)]));
    const bytes = Uint8Array.from({ length: GROUP + 1 }, (_, i) => (i === GROUP ? 9 : i % LIMB === 0 ? 1 : 0));
    const top = poseidon16([poseidon16(Array(16).fill(1n)), group(9n), ...Array<bigint>(14).fill(0n)]);
    expect(poseidonRow({ typeCode: 2, length: 9, bytes }, 5n)).toBe(poseidon2([start, top]));
    expect(rowLevels(new Uint8Array(17 * GROUP)).map((level) => level.length)).toEqual([272, 17, 2, 1]);
  });

  it("tells rows apart by type, length and salt", () => {
    const digests = [
      poseidonRow(row([1, 0, 0, 0])),
      poseidonRow(row([1, 0, 0, 0], 1)),
      poseidonRow(row([1, 0, 0, 0], 2)),
      poseidonRow(row([1, 0, 0])),
      poseidonRow(row([1, 0, 0, 0]), 1n),
    ];
    expect(new Set(digests).size).toBe(digests.length);
  });

  it("builds trees with zero nodes beyond the count", () => {
    const tree = new PoseidonTree([1n, 2n, 3n]);
    const left = poseidon2([1n, 2n]);
    const right = poseidon2([3n, 0n]);
    expect(tree.top).toBe(poseidon2([left, right]));
    expect(tree.root(2n)).toBe(poseidon3([2n, 3n, tree.top]));
    expect(tree.siblings(2)).toEqual([0n, left]);
    expect(tree.siblings(0)).toEqual([2n, right]);
    expect(new PoseidonTree([9n]).top).toBe(9n);
    expect(new PoseidonTree([9n]).siblings(0)).toEqual([]);
  });

  it("roots weight rows and reports progress", () => {
    const rows = [row([1, 2]), row([3, 4, 5, 6], 2)];
    const seen: number[] = [];
    const root = weightsRootP(rows, (done) => seen.push(done));
    expect(seen).toEqual([1, 2]);
    expect(root).toBe(poseidon3([2n, 2n, poseidon2([poseidonRow(rows[0]), poseidonRow(rows[1])])]));
    expect(poseidonWeightsTree(rows).root(2n)).toBe(root);
  });
});
