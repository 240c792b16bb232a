import { createHash } from "node:crypto";
import { bytesToHex, concat, encodeAbiParameters, type Hex, hexToBytes, keccak256 } from "viem";

const CASES = 1024;
const EVERY = 128;

/** The first 512 bytes of a stream that `test/attestation/Sha384.t.sol` makes again. */
function stream(name: string): Uint8Array {
  const words = Array.from({ length: 16 }, (_, k) =>
    hexToBytes(keccak256(encodeAbiParameters([{ type: "string" }, { type: "uint256" }], [name, BigInt(k)]))),
  );
  return concat(words);
}

/** Keccak chains over the digests of 1,024 messages, with a link every 128 digests: small vectors for many cases. */
function chain(algorithm: "sha384" | "sha512"): Hex[] {
  const message = stream(algorithm);
  const links: Hex[] = [];
  let link = new Uint8Array(32);
  for (let k = 0; k < CASES; k++) {
    message[0] = (k >> 2) & 0xff;
    const digest = createHash(algorithm)
      .update(message.subarray(0, k % 512))
      .digest();
    link = hexToBytes(keccak256(concat([link, digest]))) as Uint8Array<ArrayBuffer>;
    if (k % EVERY === EVERY - 1) links.push(bytesToHex(link));
  }
  return links;
}

/** What node:crypto says of the cases in `test/attestation/Sha384.t.sol`. */
export function sha2Vectors(): { sha384: Hex[]; sha512: Hex[] } {
  return { sha384: chain("sha384"), sha512: chain("sha512") };
}
