// SPDX-License-Identifier: GPL-3.0-only
import { FIELD } from "../commit/poseidon-parameters.ts";
import type { CompiledCircuit } from "./compile.ts";
import { NoWitnessError } from "./errors.ts";

/** Values of the `main` component's inputs, by name; arrays may be nested. */
export type CircuitInputs = { readonly [name: string]: InputValue };
export type InputValue = bigint | readonly InputValue[];

/** What a circuit compiled by circom 2 exports. 32-bit words, least significant first, go through a shared area. */
type Exports = {
  init(sanityCheck: number): void;
  getWitnessSize(): number;
  getInputSize(): number;
  getInputSignalSize(hashHigh: number, hashLow: number): number;
  readSharedRWMemory(word: number): number;
  writeSharedRWMemory(word: number, value: number): void;
  setInputSignal(hashHigh: number, hashLow: number, index: number): void;
  getWitness(wire: number): void;
  getMessageChar(): number;
};

const WORDS = 8;

/** Computes witnesses: one instance of the circuit's program, used again and again. */
export class WitnessCalculator {
  readonly #exports: Exports;
  #messages: string[] = [];

  private constructor(module: WebAssembly.Module) {
    const message = () => this.#messages.push(this.#message());
    const instance = new WebAssembly.Instance(module, {
      runtime: {
        exceptionHandler: (code: number) => {
          throw new NoWitnessError(code, this.#messages);
        },
        printErrorMessage: message,
        writeBufferMessage: message,
        showSharedRWMemory: () => {},
      },
    });
    this.#exports = instance.exports as Exports;
  }

  static async of(circuit: Pick<CompiledCircuit, "wasm">): Promise<WitnessCalculator> {
    return new WitnessCalculator(await WebAssembly.compile(circuit.wasm.slice()));
  }

  /** Value of every wire. @throws NoWitnessError if a constraint that the circuit asserts does not hold. */
  calculate(inputs: CircuitInputs): bigint[] {
    this.#run(inputs);
    return Array.from({ length: this.#exports.getWitnessSize() }, (_, wire) => {
      this.#exports.getWitness(wire);
      return this.#read();
    });
  }

  /** As `calculate`; 32 bytes a wire, little-endian. */
  calculateBytes(inputs: CircuitInputs): Uint8Array {
    this.#run(inputs);
    const words = new Uint32Array(WORDS * this.#exports.getWitnessSize());
    for (let wire = 0; wire < words.length / WORDS; wire++) {
      this.#exports.getWitness(wire);
      for (let i = 0; i < WORDS; i++) words[WORDS * wire + i] = this.#exports.readSharedRWMemory(i);
    }
    return new Uint8Array(words.buffer);
  }

  #run(inputs: CircuitInputs): void {
    this.#messages = [];
    this.#exports.init(1);
    let given = 0;
    for (const [name, value] of Object.entries(inputs)) {
      const [high, low] = nameHash(name);
      const values = flat(value);
      const size = this.#exports.getInputSignalSize(high, low);
      if (size !== values.length) throw new RangeError(`${name} takes ${size} values, not ${values.length}`);
      values.forEach((x, i) => {
        this.#write(x);
        this.#exports.setInputSignal(high, low, i);
      });
      given += values.length;
    }
    if (given !== this.#exports.getInputSize()) throw new RangeError("some inputs are missing");
  }

  #write(x: bigint): void {
    const value = ((x % FIELD) + FIELD) % FIELD;
    for (let i = 0; i < WORDS; i++) {
      this.#exports.writeSharedRWMemory(i, Number((value >> BigInt(32 * i)) & 0xffffffffn));
    }
  }

  #read(): bigint {
    let out = 0n;
    for (let i = WORDS - 1; i >= 0; i--) out = (out << 32n) | BigInt(this.#exports.readSharedRWMemory(i) >>> 0);
    return out;
  }

  #message(): string {
    let out = "";
    for (let code = this.#exports.getMessageChar(); code !== 0; code = this.#exports.getMessageChar()) {
      out += String.fromCharCode(code);
    }
    return out;
  }
}

function flat(value: InputValue): bigint[] {
  return typeof value === "bigint" ? [value] : value.flatMap(flat);
}

/** FNV-1a of 64 bits, in two halves: what circom knows signals by. */
function nameHash(name: string): [high: number, low: number] {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(name)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return [Number(hash >> 32n), Number(hash & 0xffffffffn)];
}
