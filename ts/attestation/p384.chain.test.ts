import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toHex } from "../commit/bytes.ts";
import { prng } from "../compiler/prng.ts";
import { type Deployed, deployed } from "../machine/testing/deployed.ts";
import { FUZZ } from "../machine/testing/fuzz.ts";
import { SignatureInvalidError } from "./errors.ts";
import { G, inverse, isOnCurve, mod, N, P, plus, slope, times } from "./p384.ts";
import { multiplesOf, type P384Statement, p384Hints, prove, schedule, statementOf } from "./p384-hints.ts";
import { numberOf } from "./vectors/p384.ts";

/** Signatures verified by the contract; `OTR_FUZZ=100` makes it 2,500. */
const CASES = 25 * FUZZ;

let harness: Deployed;
beforeAll(async () => {
  harness = await deployed("P384Harness");
});
afterAll(() => harness.stop());

const number = (value: bigint): string => value.toString(16).padStart(96, "0");
const base64url = (value: bigint): string => Buffer.from(number(value), "hex").toString("base64url");
const big = (bytes: Uint8Array): bigint => BigInt(toHex(bytes));

/** A key pair of node:crypto with this secret. */
function keyOf(secret: bigint): KeyObject {
  const { x, y } = times(secret, G)!;
  return createPrivateKey({
    format: "jwk",
    key: { kty: "EC", crv: "P-384", d: base64url(secret), x: base64url(x), y: base64url(y) },
  });
}

/** What node:crypto signs. */
function signedByNode(secret: KeyObject, message: string): P384Statement {
  const signature = sign("sha384", Buffer.from(message), { key: secret, dsaEncoding: "ieee-p1363" });
  const { x, y } = createPublicKey(secret).export({ format: "jwk" });
  return {
    digest: big(createHash("sha384").update(message).digest()),
    r: big(signature.subarray(0, 48)),
    s: big(signature.subarray(48)),
    key: { x: big(Buffer.from(x!, "base64url")), y: big(Buffer.from(y!, "base64url")) },
  };
}

/** Whether the contract takes the hints; else the name of its error. */
async function verified({ digest, r, s, key }: P384Statement, hints: Uint8Array): Promise<string> {
  const args = [number(digest), number(r) + number(s), number(key.x) + number(key.y)].map((text) => `0x${text}`);
  try {
    await harness.client.readContract({ ...harness, functionName: "verify", args: [...args, toHex(hints)] });
    return "verified";
  } catch (error) {
    return /Error: (P384\w+)|(0x[0-9a-f]{8})/.exec(String(error))?.[0] ?? String(error);
  }
}

describe("P-384 in TypeScript", () => {
  it("agrees with the curve's constants", () => {
    expect(isOnCurve(G)).toBe(true);
    expect(times(N, G)).toBe(undefined);
    expect(times(N - 1n, G)).toEqual({ x: G.x, y: P - G.y });
    expect(inverse(0n, P)).toBe(0n);
    expect(plus(undefined, G)).toBe(G);
  });

  it("finds no hints for what does not verify", () => {
    const statement = signedByNode(keyOf(5n), "message");
    const wrong: P384Statement[] = [
      { ...statement, digest: statement.digest ^ 1n },
      { ...statement, r: 0n },
      { ...statement, r: N },
      { ...statement, s: 0n },
      { ...statement, s: N },
      { ...statement, s: statement.s ^ 1n },
      { ...statement, key: G },
      { ...statement, key: { x: statement.key.x, y: statement.key.y ^ 1n } },
      { ...statement, key: { x: statement.key.x + P, y: statement.key.y } },
    ];
    for (const one of wrong) expect(() => p384Hints(one)).toThrow(SignatureInvalidError);
    // Numbers of P-256, and none.
    const bytes = (size: number) => new Uint8Array(size).fill(1);
    for (const [signature, key] of [
      [64, 96],
      [96, 64],
      [96, 0],
    ] as const)
      expect(() => statementOf(bytes(1), bytes(signature), bytes(key))).toThrow(SignatureInvalidError);
  });
});

describe("P384.sol", () => {
  it("verifies what node:crypto signs", { timeout: 120_000 * FUZZ }, async () => {
    const random = prng(384);
    for (let k = 0; k < CASES; k++) {
      const secret = mod(numberOf(`secret ${random.int(0, 2 ** 31)}`), N - 1n) + 1n;
      const statement = signedByNode(keyOf(secret), `message ${k}`);
      expect(await verified(statement, p384Hints(statement))).toBe("verified");
    }
  });

  it("verifies keys and digests at the ends of their ranges", async () => {
    const digests = [0n, 1n, N - 1n, N, N + 1n, 2n ** 384n - 1n];
    const secrets = [1n, 2n, 3n, N - 1n, N - 2n, 1n << 192n, (1n << 192n) - 1n];
    for (const [k, secret] of secrets.entries()) {
      const digest = digests[k % digests.length]!;
      for (const nonce of [1n, N - 1n, 1n << 191n, numberOf("nonce") % N]) {
        const r = mod(times(nonce, G)!.x, N);
        const s = mod(inverse(nonce, N) * (digest + r * secret), N);
        if (s === 0n) continue;
        const statement = { digest, r, s, key: times(secret, G)! };
        const hints = p384Hints(statement);
        expect(await verified(statement, hints), `${secret} ${nonce} ${digest}`).toBe("verified");
      }
    }
  });

  it("refuses one false slope anywhere, even with the best quotients", async () => {
    const statement = signedByNode(keyOf(7n), "message");
    const nonce = plus(
      times(mod(statement.digest * inverse(statement.s, N), N), G),
      times(mod(statement.r * inverse(statement.s, N), N), statement.key),
    )!;
    const multiples = multiplesOf(statement);
    const steps = schedule(multiples);
    for (let k = 0; k < 20 * FUZZ; k++) {
      let left = (k * 17) % (steps.length + 14);
      const lie: typeof slope = (a, b) => (left-- === 0 ? (slope(a, b)! + BigInt(k + 1)) % P : slope(a, b));
      const { hints, holds } = prove(statement, nonce, multiples, steps, lie);
      expect(holds).toBe(false);
      expect(await verified(statement, hints)).toBe("Error: P384Sum");
    }
  });
});
