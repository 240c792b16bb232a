import { createECDH, createHash, createHmac } from "node:crypto";
import { concat, fromHex, toHex } from "../../commit/bytes.ts";
import { inverse, mod, N as ORDER_P384 } from "../p384.ts";

/** Curves of attestation chains, each with its hash: P-256 with SHA-256 (Intel), P-384 with SHA-384 (NVIDIA). */
export type Curve = "P-256" | "P-384";

interface CurveFacts {
  /** The group's order. */
  readonly order: bigint;
  /** Bytes of a number of the curve. */
  readonly size: number;
  readonly hash: "sha256" | "sha384";
  /** OpenSSL's name. */
  readonly name: string;
}

/** What the curves are. */
export const CURVES: Readonly<Record<Curve, CurveFacts>> = {
  "P-256": {
    order: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
    size: 32,
    hash: "sha256",
    name: "prime256v1",
  },
  "P-384": { order: ORDER_P384, size: 48, hash: "sha384", name: "secp384r1" },
};

/**
 * A signing key that its secret alone determines, with signatures that key and message alone determine (RFC 6979). For development roots
 * and test vectors: nothing here takes constant time.
 */
export class DevKey {
  readonly curve: Curve;
  readonly #secret: bigint;
  /** x and y, big-endian. */
  readonly publicKey: Uint8Array;

  /** @param secret In `[1, order)`. */
  constructor(curve: Curve, secret: bigint) {
    this.curve = curve;
    this.#secret = secret;
    this.publicKey = multipleOfGenerator(CURVES[curve], secret);
  }

  /** The key that the seed determines under this label. */
  static derive(seed: Uint8Array, curve: Curve, label: string): DevKey {
    // 64 bytes for orders of at most 48: the bias is below 2^-128.
    const wide = createHmac("sha512", seed).update(`OTR/dev-root/1/${curve}/${label}`).digest();
    return new DevKey(curve, mod(big(wide), CURVES[curve].order - 1n) + 1n);
  }

  /** ECDSA over the message's hash: r and s, big-endian. High values of s occur, as with Intel's own keys. */
  sign(message: Uint8Array): Uint8Array {
    const { order, size, hash } = CURVES[this.curve];
    // Of both curves the order has as many bits as the hash.
    const digest = createHash(hash).update(message).digest();
    for (const nonce of nonces(CURVES[this.curve], this.#secret, digest)) {
      const r = mod(big(multipleOfGenerator(CURVES[this.curve], nonce).subarray(0, size)), order);
      const s = mod(inverse(nonce, order) * (big(digest) + r * this.#secret), order);
      if (r !== 0n && s !== 0n) return concat([fixed(r, size), fixed(s, size)]);
    }
    // The generator has no end.
    throw new RangeError("no nonce");
  }
}

/** RFC 6979, 3.2: HMAC_DRBG over key and digest. */
function* nonces({ order, size, hash }: CurveFacts, secret: bigint, digest: Uint8Array): Generator<bigint> {
  const hmac = (key: Uint8Array, ...parts: Uint8Array[]): Uint8Array =>
    createHmac(hash, key).update(concat(parts)).digest();
  const input = concat([fixed(secret, size), fixed(mod(big(digest), order), size)]);
  let k: Uint8Array = new Uint8Array(size);
  let v: Uint8Array = new Uint8Array(size).fill(1);
  for (const step of [0, 1]) {
    k = hmac(k, v, Uint8Array.of(step), input);
    v = hmac(k, v);
  }
  for (;;) {
    v = hmac(k, v);
    const nonce = big(v);
    if (nonce > 0n && nonce < order) yield nonce;
    k = hmac(k, v, Uint8Array.of(0));
    v = hmac(k, v);
  }
}

function multipleOfGenerator({ name, size }: CurveFacts, scalar: bigint): Uint8Array {
  const ecdh = createECDH(name);
  ecdh.setPrivateKey(fixed(scalar, size));
  return new Uint8Array(ecdh.getPublicKey().subarray(1));
}

const big = (bytes: Uint8Array): bigint => BigInt(toHex(bytes));
const fixed = (value: bigint, size: number): Uint8Array => fromHex(`0x${value.toString(16).padStart(2 * size, "0")}`);
