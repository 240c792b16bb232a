// SPDX-License-Identifier: GPL-3.0-only
import { readFileSync } from "node:fs";
import type { Groth16Key } from "snarkjs";
import { type Abi, ContractFunctionRevertedError, BaseError as ViemError } from "viem";
import { type Hex, toHex } from "../../commit/bytes.ts";
import { type Deployed, deployed } from "../../machine/testing/deployed.ts";
import type { AnswerSource } from "../answer.ts";
import { CIRCUIT_NAMES, CIRCUITS } from "../catalogue.ts";
import type { DrawnPair } from "../drawn-element.ts";
import { circuitKey } from "../keys.ts";
import { drawnStep } from "../verifier-call.ts";
import { keyWords, wordBytes } from "../wire.ts";
import type { ProvableModel } from "./drawn.ts";

/** A verifier on a chain of its own, with a registry that believes what it is told. */
export type DeployedVerifier = {
  readonly abi: Abi;
  readonly address: Hex;
  addModel(model: ProvableModel): Promise<void>;
  /** Circuit and public inputs of each claim. @throws the contract's error, by name */
  claimsOf(
    source: AnswerSource,
    stepRoot: bigint,
    pairs: readonly DrawnPair[],
    openings: readonly Uint8Array[],
  ): Promise<{ circuit: string; inputs: readonly bigint[] }[]>;
  stop(): Promise<void>;
};

/** A key that takes as many inputs as the circuit, for tests that look at claims and verify no proofs. */
function sizedKey(name: keyof typeof CIRCUITS): Groth16Key {
  const key = circuitKey("map").verification;
  return { ...key, IC: Array.from({ length: CIRCUITS[name].length + 1 }, (_, i) => key.IC[i % key.IC.length]) };
}

/** @param blocks Segments of a long fold that are drawn. */
export async function deployedVerifier(blocks: number): Promise<DeployedVerifier> {
  const models: Deployed = await deployed("ModelsHarness");
  const { client } = models;
  const file = readFileSync("out/ElementVerifier.sol/ElementVerifier.json", "utf8");
  const { abi, bytecode } = JSON.parse(file) as { abi: Abi; bytecode: { object: Hex } };
  const keys = CIRCUIT_NAMES.map((name) => toHex(wordBytes(keyWords(sizedKey(name)))));
  const args = [models.address, keys, BigInt(blocks), true];
  const hash = await client.deployContract({ abi, bytecode: bytecode.object, args, chain: null });
  const { contractAddress } = await client.waitForTransactionReceipt({ hash });
  const address = contractAddress!;
  const holders = new Map<string, string>();
  for (const [i, name] of CIRCUIT_NAMES.entries()) {
    const holder = await client.readContract({ address, abi, functionName: "keyOf", args: [i] });
    holders.set(holder as string, name);
  }
  return {
    abi,
    address,
    async addModel({ modelId, dimensions, programRoot, weightsRootP }) {
      const sizes = { ...dimensions, machineVersion: 1, contextLength: 0, vocabSize: 0, usableAt: 1 };
      await client.waitForTransactionReceipt({
        hash: await client.writeContract({
          abi: models.abi,
          address: models.address,
          functionName: "set",
          args: [modelId, sizes, programRoot, weightsRootP],
          chain: null,
        }),
      });
    },
    async claimsOf(source, stepRoot, pairs, openings) {
      const claims = await client
        .readContract({
          address,
          abi,
          functionName: "claimsOf",
          args: [[drawnStep(source, stepRoot, pairs)], openings.map(toHex)],
        })
        .catch(rethrowByName);
      return (claims as { key: string; inputs: bigint[] }[]).map(({ key, inputs }) => ({
        circuit: holders.get(key)!,
        inputs,
      }));
    },
    stop: () => models.stop(),
  };
}

/** Contract errors as errors whose message is their name. */
function rethrowByName(error: unknown): never {
  const revert = error instanceof ViemError && error.walk((cause) => cause instanceof ContractFunctionRevertedError);
  throw revert instanceof ContractFunctionRevertedError ? new Error(revert.data?.errorName ?? revert.reason) : error;
}
