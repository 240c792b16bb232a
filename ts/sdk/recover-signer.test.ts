import { recoverAddress } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { describe, expect, it } from "vitest";
import { fromHex, type Hex, toHex, word } from "../commit/bytes.ts";
import { recoverSigner } from "./recover-signer.ts";

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const DIGEST: Hex = `0x${"5a".repeat(32)}`;

describe("recoverSigner", () => {
  it("recovers what viem recovers, for random keys and digests", async () => {
    for (let i = 0; i < 50; i++) {
      const account = privateKeyToAccount(generatePrivateKey());
      const digest = generatePrivateKey();
      const signature = await account.sign({ hash: digest });
      expect(recoverSigner(digest, signature)).toBe(account.address.toLowerCase());
      expect(recoverSigner(digest, signature)).toBe((await recoverAddress({ hash: digest, signature })).toLowerCase());
      expect(recoverSigner(DIGEST, signature)).not.toBe(account.address.toLowerCase());
    }
  });

  it("refuses what the contracts refuse", async () => {
    const signature = fromHex(await privateKeyToAccount(generatePrivateKey()).sign({ hash: DIGEST }));
    const changed = (change: (bytes: Uint8Array) => void) => {
      const bytes = signature.slice();
      change(bytes);
      return recoverSigner(DIGEST, toHex(bytes));
    };
    const high = word(ORDER - BigInt(toHex(signature.subarray(32, 64))));
    expect(changed((bytes) => bytes.set(high, 32))).toBeUndefined();
    expect(changed((bytes) => bytes.fill(0, 0, 32))).toBeUndefined();
    expect(changed((bytes) => bytes.fill(0, 32, 64))).toBeUndefined();
    expect(changed((bytes) => bytes.fill(255, 0, 32))).toBeUndefined();
    for (const v of [0, 1, 26, 29]) expect(changed((bytes) => bytes.fill(v, 64))).toBeUndefined();
    expect(recoverSigner(DIGEST, toHex(signature.subarray(0, 64)))).toBeUndefined();
  });
});
