import { createCipheriv, createDecipheriv, pbkdf2Sync, randomUUID, scryptSync, timingSafeEqual } from "node:crypto";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { z } from "zod";
import { concat, fromHex, type Hex, toHex } from "../commit/bytes.ts";
import { SecretError } from "./errors.ts";

const hex = z.string().regex(/^[0-9a-fA-F]*$/);
const params = z.object({ dklen: z.literal(32), salt: hex });
const keystoreSchema = z.object({
  version: z.literal(3),
  crypto: z.object({
    cipher: z.literal("aes-128-ctr"),
    ciphertext: hex.length(64),
    cipherparams: z.object({ iv: hex.length(32) }),
    mac: hex.length(64),
    kdf: z.enum(["scrypt", "pbkdf2"]),
    kdfparams: z.union([
      params.extend({
        n: z
          .number()
          .int()
          .max(2 ** 20),
        r: z.number().int().max(64),
        p: z.number().int().max(16),
      }),
      params.extend({ c: z.number().int().max(10_000_000), prf: z.literal("hmac-sha256") }),
    ]),
  }),
});

/** Private key out of Web3 secret storage, version 3. @throws SecretError for a malformed file or a wrong password. */
export function openKeystore(json: string, password: string): Hex {
  let parsed: z.infer<typeof keystoreSchema>;
  try {
    parsed = keystoreSchema.parse(JSON.parse(json));
  } catch (cause) {
    throw new SecretError("keystore", "not a V3 keystore with AES-128-CTR and scrypt or PBKDF2", cause);
  }
  const { kdfparams, ciphertext, cipherparams, mac } = parsed.crypto;
  const derived = derive(password, kdfparams);
  const encrypted = fromHex(`0x${ciphertext}`);
  const expected = keccak_256(concat([derived.subarray(16, 32), encrypted]));
  if (!timingSafeEqual(expected, fromHex(`0x${mac}`))) throw new SecretError("keystore", "the password is wrong");
  const cipher = createDecipheriv("aes-128-ctr", derived.subarray(0, 16), fromHex(`0x${cipherparams.iv}`));
  return toHex(cipher.update(encrypted));
}

/**
 * A private key as Web3 secret storage, version 3 (scrypt).
 *
 * @param random Source of salt and nonce: 48 bytes, never used before.
 * @param n Scrypt's cost, a power of two.
 */
export function sealKeystore(key: Hex, password: string, random: Uint8Array, n = 2 ** 18): string {
  const salt = random.subarray(0, 32);
  const iv = random.subarray(32, 48);
  const kdfparams = { dklen: 32 as const, salt: toHex(salt).slice(2), n, r: 8, p: 1 };
  const derived = derive(password, kdfparams);
  const ciphertext = createCipheriv("aes-128-ctr", derived.subarray(0, 16), iv).update(fromHex(key));
  const mac = toHex(keccak_256(concat([derived.subarray(16, 32), ciphertext]))).slice(2);
  const cipherparams = { iv: toHex(iv).slice(2) };
  const crypto = {
    cipher: "aes-128-ctr",
    cipherparams,
    ciphertext: toHex(ciphertext).slice(2),
    kdf: "scrypt",
    kdfparams,
    mac,
  };
  // A random UUID (RFC 9562, version 4) names the file; Foundry insists on one.
  return JSON.stringify({ version: 3, id: randomUUID(), crypto }, null, 2);
}

function derive(password: string, kdf: z.infer<typeof keystoreSchema>["crypto"]["kdfparams"]): Uint8Array {
  const salt = fromHex(`0x${kdf.salt}`);
  if ("c" in kdf) return pbkdf2Sync(password, salt, kdf.c, 32, "sha256");
  return scryptSync(password, salt, 32, { N: kdf.n, r: kdf.r, p: kdf.p, maxmem: 256 * kdf.n * kdf.r });
}
