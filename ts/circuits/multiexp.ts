// SPDX-License-Identifier: GPL-3.0-only
import type { Curve, Group, Task } from "ffjavascript";

/** Bits of a scalar, of which a window takes some. */
const SCALAR_BITS = 254;

/**
 * Sum of affine points times scalars (32 bytes each, little-endian), as the group's own `multiExpAffine`. That sends points and scalars to a
 * thread once for each window of bits; here each thread gets them once, with its share of the windows.
 */
export async function multiExp(
  curve: Curve,
  group: "G1" | "G2",
  points: Uint8Array,
  scalars: Uint8Array,
): Promise<Uint8Array> {
  const G: Group<unknown> = curve[group];
  const [affine, projective] = [2 * G.F.n8, 3 * G.F.n8];
  const count = points.byteLength / affine;
  if (count === 0) return G.zero;
  // Adding into 2^bits buckets and adding these up cost the same at about this size.
  const bits = Math.max(2, Math.round(Math.log2(count)) - 4);
  const windows = Math.ceil(SCALAR_BITS / bits);
  const threads = Math.min(curve.tm.concurrency, windows);
  const sums: Uint8Array[] = Array(windows);
  await Promise.all(
    Array.from({ length: threads }, async (_, thread) => {
      const task: Task[] = [
        { cmd: "ALLOCSET", var: 0, buff: points },
        { cmd: "ALLOCSET", var: 1, buff: scalars },
        { cmd: "ALLOC", var: 2, len: projective },
      ];
      const own = Array.from({ length: Math.ceil((windows - thread) / threads) }, (_, i) => thread + i * threads);
      own.forEach((window, i) => {
        const first = window * bits;
        const params = [
          { var: 0 },
          { var: 1 },
          { val: 32 },
          { val: count },
          { val: first },
          { val: Math.min(bits, 256 - first) },
          { var: 2 },
        ];
        task.push({ cmd: "CALL", fnName: `${group === "G1" ? "g1m" : "g2m"}_multiexpAffine_chunk`, params });
        task.push({ cmd: "GET", out: i, var: 2, len: projective });
      });
      const found = await curve.tm.queueAction(task);
      own.forEach((window, i) => {
        sums[window] = found[i];
      });
    }),
  );
  return sums.reduceRight((sum, part) => {
    let shifted = sum;
    for (let i = 0; i < bits; i++) shifted = G.double(shifted);
    return G.add(shifted, part);
  }, G.zero);
}
