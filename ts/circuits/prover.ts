// SPDX-License-Identifier: GPL-3.0-only
import { buildBn128, type Curve } from "ffjavascript";
import type { Groth16Proof } from "snarkjs";
import { type CircuitInputs, WitnessCalculator } from "./calculator.ts";
import type { CompiledCircuit } from "./compile.ts";
import { reserve } from "./curve-memory.ts";
import { ProvingKeyError } from "./errors.ts";
import { multiExp } from "./multiexp.ts";

/** A Groth16 proof and its public signals, in the order of the catalogue. */
export type CircuitProof = { readonly proof: Groth16Proof; readonly publicSignals: readonly string[] };

/** Bytes of a field element, of a point of G1 and of a term of the constraints. */
const ELEMENT = 32;
const POINT = 64;
const TERM = 44;

/** Points of a key that are not infinity, and the wires that they belong to. */
type Points = { readonly points: Uint8Array; readonly wires: Uint32Array };

/**
 * Proves one circuit again and again. The same proofs as snarkjs's `groth16.prove` from the same key, by the same library (ffjavascript), but
 * key and witness program stay in memory, each thread gets points and scalars once, terms of constraints are summed up meanwhile, and points at
 * infinity, for wires that a matrix does not have, are left out.
 */
export class CircuitProver {
  readonly #curve: Curve;
  readonly #calculator: WitnessCalculator;
  readonly #key: Key;
  /** Pointers: terms, witness, and three vectors of the domain. */
  readonly #memory: { readonly terms: number; readonly witness: number; readonly vectors: readonly number[] };

  private constructor(curve: Curve, calculator: WitnessCalculator, key: Key) {
    this.#curve = curve;
    this.#calculator = calculator;
    this.#key = key;
    const sizes = [key.terms.byteLength, key.wires * ELEMENT, ...Array<number>(3).fill(key.domain * ELEMENT)];
    let at = reserve(
      curve,
      sizes.reduce((sum, size) => sum + size + 8, 0),
    );
    const [terms, witness, ...vectors] = sizes.map((size) => {
      const pointer = (at + 7) & ~7;
      at = pointer + size;
      return pointer;
    });
    this.#memory = { terms, witness, vectors };
    curve.tm.u8.set(key.terms, terms);
  }

  /** @param zkey A proving key in snarkjs's format. @throws ProvingKeyError */
  static async of(circuit: Pick<CompiledCircuit, "wasm">, zkey: Uint8Array): Promise<CircuitProver> {
    return new CircuitProver(await buildBn128(), await WitnessCalculator.of(circuit), parseKey(zkey));
  }

  /** @throws NoWitnessError if a constraint that the circuit asserts does not hold. */
  async prove(inputs: CircuitInputs): Promise<CircuitProof> {
    const witness = this.#calculator.calculateBytes(inputs);
    const { G1, G2, Fr } = this.#curve;
    const key = this.#key;
    const sum = (group: "G1" | "G2", { points, wires }: Points) =>
      multiExp(this.#curve, group, points, gather(witness, wires));
    // All but the last need the witness only: they keep the other threads busy from the start.
    const sums = [sum("G2", key.b2), sum("G1", key.a), sum("G1", key.b1), sum("G1", key.c)];
    const quotient = await this.#quotient(witness);
    const [b2, a, b1, c, h] = await Promise.all([...sums, multiExp(this.#curve, "G1", key.h, quotient)]);
    const [r, s] = [Fr.random(), Fr.random()];
    const piA = G1.add(G1.add(a, key.alpha1), G1.timesFr(key.delta1, r));
    const piB = G2.add(G2.add(b2, key.beta2), G2.timesFr(key.delta2, s));
    const piB1 = G1.add(G1.add(b1, key.beta1), G1.timesFr(key.delta1, s));
    const blinded = G1.add(G1.timesFr(piA, s), G1.timesFr(piB1, r));
    const piC = G1.add(G1.add(c, h), G1.add(blinded, G1.timesFr(key.delta1, Fr.neg(Fr.mul(r, s)))));
    return {
      proof: {
        pi_a: G1.toObject(G1.toAffine(piA)).map(String),
        pi_b: G2.toObject(G2.toAffine(piB)).map((coordinate) => coordinate.map(String)),
        pi_c: G1.toObject(G1.toAffine(piC)).map(String),
        protocol: "groth16",
        curve: "bn128",
      },
      publicSignals: Array.from({ length: key.publics }, (_, i) => String(elementAt(witness, 1 + i))),
    };
  }

  /** Values of `A B - C` between the roots of the domain, where C = A B at the roots. */
  async #quotient(witness: Uint8Array): Promise<Uint8Array> {
    const { Fr, tm } = this.#curve;
    const { domain, wires, termCount, power } = this.#key;
    const { terms, witness: at, vectors } = this.#memory;
    const [a, b, c] = vectors;
    const call = tm.instance.exports;
    tm.u8.set(witness, at);
    call.qap_buildABC(terms, termCount, at, a, b, c, 0, domain, 0, wires);
    const values = vectors.map((pointer) => tm.u8.slice(pointer, pointer + domain * ELEMENT));
    const between = await Promise.all(
      values.map(async (value) => Fr.fft(await Fr.batchApplyKey(await Fr.ifft(value), Fr.e(1n), Fr.w[power + 1]))),
    );
    between.forEach((value, i) => void tm.u8.set(value, vectors[i]));
    call.qap_joinABC(a, b, c, domain, a);
    call.frm_batchFromMontgomery(a, domain, a);
    return tm.u8.slice(a, a + domain * ELEMENT);
  }
}

/** The scalars of these wires. */
function gather(witness: Uint8Array, wires: Uint32Array): Uint8Array {
  const from = new BigUint64Array(witness.buffer, witness.byteOffset, witness.byteLength / 8);
  const out = new BigUint64Array(4 * wires.length);
  wires.forEach((wire, i) => {
    for (let w = 0; w < 4; w++) out[4 * i + w] = from[4 * wire + w];
  });
  return new Uint8Array(out.buffer);
}

function elementAt(witness: Uint8Array, wire: number): bigint {
  return witness.slice(wire * ELEMENT, (wire + 1) * ELEMENT).reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n);
}

type Key = ReturnType<typeof parseKey>;

function parseKey(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const u32 = (at: number) => view.getUint32(at, true);
  if (bytes.byteLength < 12 || new TextDecoder().decode(bytes.subarray(0, 4)) !== "zkey" || u32(4) !== 1)
    throw new ProvingKeyError("wrong magic or version");
  const sections = new Map<number, Uint8Array>();
  for (let i = 0, at = 12; i < u32(8); i++) {
    const size = at + 12 > bytes.byteLength ? Number.NaN : Number(view.getBigUint64(at + 4, true));
    if (!(at + 12 + size <= bytes.byteLength)) throw new ProvingKeyError(`section ${i + 1} ends behind the file`);
    sections.set(u32(at), bytes.subarray(at + 12, at + 12 + size));
    at += 12 + size;
  }
  const section = (id: number, size?: number): Uint8Array => {
    const found = sections.get(id);
    if (found === undefined || (size !== undefined && found.byteLength !== size))
      throw new ProvingKeyError(`section ${id} is absent or has another size`);
    return found;
  };
  const header = section(2, 4 + 32 + 4 + 32 + 12 + 3 * POINT + 3 * 2 * POINT);
  const numbers = new DataView(header.buffer, header.byteOffset + 72);
  const [wires, publics, domain] = [0, 4, 8].map((at) => numbers.getUint32(at, true));
  // Points of G1 and G2 in turn; gamma, which only a verifier needs, is left out.
  const point = (at: number, size: number) => header.slice(84 + at * POINT, 84 + at * POINT + size);
  const terms = section(4);
  const termCount = (terms.byteLength - 4) / TERM;
  return {
    wires,
    publics,
    domain,
    power: Math.log2(domain),
    alpha1: point(0, POINT),
    beta1: point(1, POINT),
    beta2: point(2, 2 * POINT),
    delta1: point(6, POINT),
    delta2: point(7, 2 * POINT),
    termCount,
    terms: terms.slice(4),
    a: finite(section(5, wires * POINT), POINT, 0),
    b1: finite(section(6, wires * POINT), POINT, 0),
    b2: finite(section(7, wires * 2 * POINT), 2 * POINT, 0),
    c: finite(section(8, (wires - publics - 1) * POINT), POINT, publics + 1),
    h: section(9, domain * POINT).slice(),
  };
}

/** Points that are not infinity (all zeros), and their wires, of which the first has number `first`. */
function finite(bytes: Uint8Array, size: number, first: number): Points {
  const wires: number[] = [];
  for (let i = 0; i < bytes.byteLength / size; i++) {
    if (bytes.subarray(i * size, (i + 1) * size).some((byte) => byte !== 0)) wires.push(i);
  }
  const points = new Uint8Array(wires.length * size);
  wires.forEach((wire, i) => void points.set(bytes.subarray(wire * size, (wire + 1) * size), i * size));
  return { points, wires: Uint32Array.from(wires, (wire) => wire + first) };
}
