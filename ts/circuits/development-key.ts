// SPDX-License-Identifier: GPL-3.0-only
import { sha512 } from "@noble/hashes/sha2.js";
import type { Curve } from "ffjavascript";
import { FIELD } from "../commit/poseidon-parameters.ts";
import type { FixedBase } from "./fixed-base.ts";
import { type LinearCombination, parseR1cs, type R1cs } from "./r1cs.ts";

/**
 * What the secrets of the development keys follow from. It is public, so anyone can forge proofs under these keys: they are for local
 * chains and tests. In exchange everybody makes the same bytes in seconds, without a ceremony's files.
 */
const SEED = "OTR development keys: whoever reads this can forge proofs";

/** A secret of the setup: the same for all circuits, or of one. */
function secret(name: string): bigint {
  const digest = sha512(new TextEncoder().encode(`${SEED}\0${name}`));
  return digest.reduce((sum, byte) => (sum * 256n + BigInt(byte)) % FIELD, 0n);
}

const mod = (x: bigint) => ((x % FIELD) + FIELD) % FIELD;

/** The generator's multiples in both groups. */
export type Generators = { readonly g1: FixedBase; readonly g2: FixedBase };

/**
 * A Groth16 proving key in the format of snarkjs (zkey, version 1), with secrets that are known: points are multiples of the generators by
 * what a ceremony computes without knowing it. Fr of the curve gives the roots of unity, so that they are the prover's.
 */
export function developmentKey(
  circuit: string,
  r1csBytes: Uint8Array,
  curve: Curve,
  { g1, g2 }: Generators,
): Uint8Array {
  const r1cs = parseR1cs(r1csBytes);
  const [tau, alpha, beta] = ["tau", "alpha", "beta"].map(secret);
  const delta = secret(`delta ${circuit}`);
  const byDelta = invert(delta);
  const publics = r1cs.publicOutputs + r1cs.publicInputs;
  const power = Math.floor(Math.log2(r1cs.constraints.length + publics)) + 1;
  const lagrange = lagrangeAt(curve, power, tau);
  const { a, b, c } = polynomials(r1cs, publics, lagrange);
  const wires = a.map((_, wire) => mod(beta * a[wire] + alpha * b[wire] + c[wire]));
  // The quotient is given by its values between the roots of the domain: those of twice as many, every second one.
  const between = lagrangeAt(curve, power + 1, tau).filter((_, i) => i % 2 === 1);
  return file([
    [1, [u32(1)]],
    [
      2,
      [
        u32(32),
        bytesOf(curve.q),
        u32(32),
        bytesOf(FIELD),
        u32(r1cs.wires),
        u32(publics),
        u32(2 ** power),
        g1.multiply([alpha, beta]),
        g2.multiply([beta, 1n]),
        g1.multiply([delta]),
        g2.multiply([delta]),
      ],
    ],
    [3, [g1.multiply(wires.slice(0, publics + 1))]],
    [4, [coefficients(r1cs, publics)]],
    [5, [g1.multiply(a)]],
    [6, [g1.multiply(b)]],
    [7, [g2.multiply(b)]],
    [8, [g1.multiply(wires.slice(publics + 1).map((x) => (x * byDelta) % FIELD))]],
    [9, [g1.multiply(between.map((x) => (x * byDelta) % FIELD))]],
    // Nobody has contributed.
    [10, [sha512(r1csBytes), u32(0)]],
  ]);
}

/** Values at `tau` of the polynomials that are 1 at one root of unity of order `2^power` and 0 at the others. */
function lagrangeAt(curve: Curve, power: number, tau: bigint): bigint[] {
  const size = 2 ** power;
  const root = curve.Fr.toObject(curve.Fr.w[power]);
  const roots = [1n];
  while (roots.length < size) roots.push((roots[roots.length - 1] * root) % FIELD);
  let vanishing = tau;
  for (let i = 0; i < power; i++) vanishing = (vanishing * vanishing) % FIELD;
  const scale = ((vanishing - 1n) * invert(BigInt(size))) % FIELD;
  const inverses = invertAll(roots.map((x) => mod(tau - x)));
  return roots.map((x, i) => mod(((scale * x) % FIELD) * inverses[i]));
}

/** Values at tau of every wire's three polynomials. Each public wire has a constraint `wire * 0 = 0` more, which binds it. */
function polynomials(r1cs: R1cs, publics: number, lagrange: readonly bigint[]) {
  const zeros = () => Array<bigint>(r1cs.wires).fill(0n);
  const out = { a: zeros(), b: zeros(), c: zeros() };
  const add = (to: bigint[], terms: LinearCombination, at: bigint) => {
    for (const [wire, factor] of terms) to[wire] = (to[wire] + factor * at) % FIELD;
  };
  r1cs.constraints.forEach(({ a, b, c }, i) => {
    add(out.a, a, lagrange[i]);
    add(out.b, b, lagrange[i]);
    add(out.c, c, lagrange[i]);
  });
  for (let wire = 0; wire <= publics; wire++) {
    out.a[wire] = (out.a[wire] + lagrange[r1cs.constraints.length + wire]) % FIELD;
  }
  return out;
}

/** The terms of the first two factors: matrix, constraint, wire, factor times R^2, for R = 2^256. */
function coefficients(r1cs: R1cs, publics: number): Uint8Array {
  const terms = r1cs.constraints.flatMap(({ a, b }, i) =>
    [a, b].flatMap((side, matrix) => side.map(([wire, factor]) => [matrix, i, wire, factor] as const)),
  );
  for (let wire = 0; wire <= publics; wire++) terms.push([0, r1cs.constraints.length + wire, wire, 1n]);
  const out = new Uint8Array(4 + 44 * terms.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, terms.length, true);
  const square = (1n << 512n) % FIELD;
  terms.forEach(([matrix, constraint, wire, factor], i) => {
    const at = 4 + 44 * i;
    view.setUint32(at, matrix, true);
    view.setUint32(at + 4, constraint, true);
    view.setUint32(at + 8, wire, true);
    const scaled = (factor * square) % FIELD;
    for (let w = 0; w < 4; w++)
      view.setBigUint64(at + 12 + 8 * w, (scaled >> BigInt(64 * w)) & 0xffffffffffffffffn, true);
  });
  return out;
}

function file(sections: readonly (readonly [id: number, parts: readonly Uint8Array[]])[]): Uint8Array {
  const parts = [new TextEncoder().encode("zkey"), u32(1), u32(sections.length)];
  for (const [id, data] of sections) {
    const size = data.reduce((sum, { byteLength }) => sum + byteLength, 0);
    parts.push(u32(id), u32(size), u32(0), ...data);
  }
  return Buffer.concat(parts);
}

function u32(x: number): Uint8Array {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, x, true);
  return out;
}

/** 32 bytes, little-endian. */
function bytesOf(x: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((x >> BigInt(8 * i)) & 255n));
}

function invert(x: bigint): bigint {
  let [r0, r1, t0, t1] = [FIELD, mod(x), 0n, 1n];
  while (r1 > 0n) {
    const q = r0 / r1;
    [r0, r1, t0, t1] = [r1, r0 - q * r1, t1, t0 - q * t1];
  }
  return mod(t0);
}

/** Inverses of all, none of them 0, by one inversion. */
function invertAll(values: readonly bigint[]): bigint[] {
  const products = [1n];
  for (const x of values) products.push((products[products.length - 1] * x) % FIELD);
  let rest = invert(products[values.length]);
  const out = Array<bigint>(values.length);
  for (let i = values.length - 1; i >= 0; i--) {
    out[i] = (rest * products[i]) % FIELD;
    rest = (rest * values[i]) % FIELD;
  }
  return out;
}
