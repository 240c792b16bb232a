import { keccak_256 } from "@noble/hashes/sha3.js";
import { concat, fromHex, word } from "../commit/bytes.ts";
import { SENTINEL_TOKEN, saltOf, type TraceRecord } from "../commit/record.ts";
import type { Engine, SequenceInput } from "../engine/types.ts";
import { InventedError } from "./errors.ts";

/**
 * Computes nothing: tokens and records are made up, and look like any other to whoever does not compute. What an operator does who can
 * sign with its enclave's key outside the enclave. Nothing of it can be shown again, step by step.
 */
export function inventingEngine(vocabSize: number): Engine {
  const number = (input: SequenceInput, kind: number, index: number) =>
    keccak_256(concat([fromHex(input.requestHash), word(kind), word(index)]));
  return {
    backend: "invented",
    sequence(input) {
      const outputs: number[] = [];
      const records: TraceRecord[] = [];
      const record = (t: number, token: number) =>
        records.push({ salt: saltOf(input.saltKey, "record", t), token, cacheRoot: number(input, 0, t) });
      return {
        outputs,
        records,
        async next() {
          while (records.length < input.prompt.length - 1) record(records.length, SENTINEL_TOKEN);
          const bytes = number(input, 1, outputs.length);
          const token = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) % vocabSize;
          record(records.length, token);
          outputs.push(token);
          return token;
        },
        close() {},
      };
    },
    replay: () => Promise.reject(new InventedError()),
    fine: () => Promise.reject(new InventedError()),
    close() {},
  };
}
