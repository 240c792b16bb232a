// SPDX-License-Identifier: GPL-3.0-only
import { encodeFunctionData, parseAbi } from "viem";
import { concat, type Hex, toHex } from "../commit/bytes.ts";
import type { AnswerSource } from "./answer.ts";
import type { DrawnPair } from "./drawn-element.ts";

/** What is called of `src/spotcheck/ElementVerifier.sol`. */
export const ELEMENT_VERIFIER_ABI = parseAbi([
  "struct DrawnStep { bytes32 modelId; bytes32 receiptHash; bytes32 requestHash; bytes32 inputRoot; bytes32 outputRoot; bytes32 traceRoot; uint32 nIn; uint32 nOut; uint32 step; uint256 stepRoot; DrawnPair[] pairs; }",
  "struct DrawnPair { uint256 pair; bytes32 value; bytes32 statesRoot; bytes32 blockValue; }",
  "struct Claim { address key; uint256[] inputs; }",
  "function BLOCKS() view returns (uint256)",
  "function development() view returns (bool)",
  "function keyOf(uint8 circuit) view returns (address)",
  "function claimsOf(DrawnStep[] steps, bytes[] openings) view returns (Claim[])",
  "function requireProven(DrawnStep[] steps, bytes[] openings, bytes proofs) view",
]);

const NOTHING: Hex = `0x${"00".repeat(32)}`;

/** A drawn step, with those of its pairs that are to be proven, as the contract takes it. */
export function drawnStep(
  { receipt, receiptHash, trace }: AnswerSource,
  stepRoot: bigint,
  pairs: readonly DrawnPair[],
) {
  const { modelId, requestHash, inputRoot, outputRoot, traceRoot, nIn, nOut } = receipt;
  return {
    ...{ modelId, receiptHash, requestHash, inputRoot, outputRoot, traceRoot, nIn, nOut },
    ...{ step: trace.step, stepRoot, pairs: pairs.map(pairWords) },
  };
}

/** A pair as the contract takes it. */
export function pairWords({ pair, value, statesRoot = NOTHING, blockValue = NOTHING }: DrawnPair) {
  return { pair: BigInt(pair), value, statesRoot, blockValue };
}

/** What proves the pairs of some steps, in their order: the opening of each, and the proofs of all of their claims, 256 bytes each. */
export type PairProofs = {
  readonly openings: readonly Uint8Array[];
  readonly proofs: readonly Uint8Array[];
};

/** Calldata of `requireProven`. */
export function requireProvenCall(
  steps: readonly ReturnType<typeof drawnStep>[],
  { openings, proofs }: PairProofs,
): Hex {
  const args = [steps, openings.map(toHex), toHex(concat(proofs))] as const;
  return encodeFunctionData({ abi: ELEMENT_VERIFIER_ABI, functionName: "requireProven", args });
}
