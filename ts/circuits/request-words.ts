// SPDX-License-Identifier: GPL-3.0-only
import { keccak_256 } from "@noble/hashes/sha3.js";
import { addressWord, concat, fromHex, hashWords, tag, word } from "../commit/bytes.ts";
import type { Domain, Request } from "../commit/typed-data.ts";
import { domainOf } from "../commit/typed-data.ts";

/** EIP-712's hash of a rollup's domain. */
export function domainSeparator(domain: Domain): Uint8Array {
  const { name, version, chainId, verifyingContract } = domainOf(domain);
  const type = tag("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
  return hashWords(type, tag(name), tag(version), chainId, addressWord(verifyingContract));
}

/** The 13 words of a request as EIP-712 encodes them, without its type: arrays by the hash of their elements. */
export function requestWords(request: Request): Uint8Array[] {
  const list = (words: readonly Uint8Array[]) => keccak_256(concat(words));
  return [
    addressWord(request.requester),
    fromHex(request.modelId),
    fromHex(request.inputRoot),
    word(request.nIn),
    word(request.maxOut),
    list(request.stopTokens.map(word)),
    word(request.sampler),
    word(request.temperature),
    fromHex(request.seed),
    word(request.nonce),
    word(request.deadline),
    word(Number(request.confidential)),
    list(request.watchers.map(addressWord)),
  ];
}
