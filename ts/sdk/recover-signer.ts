import { keccak_256 } from "@noble/hashes/sha3.js";
import { type RecoveryIdType, recover } from "tiny-secp256k1";
import { fromHex, type Hex, toHex } from "../commit/bytes.ts";

/** Half of the curve's order: the largest s that the contracts accept (EIP-2). */
const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;

/**
 * Address (lower case) of the key behind a 65-byte signature over a 32-byte digest; `undefined` for what the contracts would refuse:
 * another length or `v`, a high `s`, or no point of the curve. WebAssembly, because this is most of what is left to do after the
 * last token.
 */
export function recoverSigner(digest: Hex, signature: Hex): Hex | undefined {
  const bytes = fromHex(signature);
  const v = bytes[64];
  if (bytes.length !== 65 || (v !== 27 && v !== 28)) return undefined;
  if (BigInt(toHex(bytes.subarray(32, 64))) > HALF_ORDER) return undefined;
  let key: Uint8Array | null;
  try {
    key = recover(fromHex(digest), bytes.subarray(0, 64), (v - 27) as RecoveryIdType, false);
  } catch {
    // r or s is zero or not below the order.
    return undefined;
  }
  return key === null ? undefined : toHex(keccak_256(key.subarray(1)).subarray(12));
}
