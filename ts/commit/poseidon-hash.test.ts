import fc from "fast-check";
import * as lite from "poseidon-lite";
import { describe, expect, it } from "vitest";
import { poseidonHash } from "./poseidon-hash.ts";
import { FIELD, inverse } from "./poseidon-parameters.ts";

const REFERENCE = [
  lite.poseidon1,
  lite.poseidon2,
  lite.poseidon3,
  lite.poseidon4,
  lite.poseidon5,
  lite.poseidon6,
  lite.poseidon7,
  lite.poseidon8,
  lite.poseidon9,
  lite.poseidon10,
  lite.poseidon11,
  lite.poseidon12,
  lite.poseidon13,
  lite.poseidon14,
  lite.poseidon15,
  lite.poseidon16,
];

const element = fc.oneof(
  fc.bigInt({ min: 0n, max: FIELD - 1n }),
  fc.constantFrom(0n, 1n, FIELD - 1n, (1n << 248n) - 1n),
);

describe("poseidonHash", () => {
  it("has circomlib's known values", () => {
    // test/poseidoncircuit.js of circomlib.
    expect(poseidonHash([1n, 2n])).toBe(7853200120776062878684798364095072458815029376092732009249414926327459813530n);
  });

  it.each([2, 3, 16])("agrees with poseidon-lite on %i inputs", (inputs) => {
    fc.assert(
      fc.property(fc.array(element, { minLength: inputs, maxLength: inputs }), (values) => {
        expect(poseidonHash(values)).toBe(REFERENCE[inputs - 1](values));
      }),
      { numRuns: 30 },
    );
  });

  it("agrees with poseidon-lite on every number of inputs", () => {
    for (const [i, reference] of REFERENCE.entries()) {
      const values = Array.from({ length: i + 1 }, (_, j) => FIELD - BigInt(1 + i * j));
      expect(poseidonHash(values), `${i + 1} inputs`).toBe(reference(values));
    }
  });

  it("inverts in the field", () => {
    fc.assert(fc.property(fc.bigInt({ min: 1n, max: FIELD - 1n }), (x) => (inverse(x) * x) % FIELD === 1n));
  });
});
