import {
  type Abi,
  type Address,
  decodeFunctionData,
  encodeAbiParameters,
  encodeEventTopics,
  encodeFunctionData,
  getAbiItem,
  type Hex,
  keccak256,
  parseEventLogs,
} from "viem";
import { getBlockNumber, getTransaction, getTransactionReceipt, readContract } from "viem/actions";
import { errorsAbi } from "../chain/abis.ts";
import type { ChainClient } from "../chain/client.ts";
import { enclaveRegistryAbi, enclaveSessionsAbi } from "../chain/generated.ts";
import { rangedLogs } from "../chain/ranged-logs.ts";
import type { Call } from "../chain/sender.ts";
import { ProofNotFoundError } from "./errors.ts";
import type { Claims } from "./session.ts";

/** The claims that proved a key: its CPU's and its GPUs', in the order of their nonces. */
export interface KeyProof {
  readonly cpu: Claims;
  readonly gpus: readonly Claims[];
}

/**
 * Finds what proved a key in the transaction that registered or last renewed it: a `finalize` of the sessions, or a `register`.
 *
 * @param fromBlock First block to look at: that of the deployment, or any before the registration. `maxRange`: blocks per log query at most.
 * @throws ProofNotFoundError if no such transaction holds claims with the hash that the registry has kept
 */
export async function findProof(
  client: ChainClient,
  {
    registry,
    enclaveKey,
    fromBlock,
    maxRange,
  }: { registry: Address; enclaveKey: Address; fromBlock: bigint; maxRange?: bigint },
): Promise<KeyProof> {
  const { evidenceHash } = await readContract(client, {
    ...{ address: registry, abi: enclaveRegistryAbi },
    ...{ functionName: "standingOf", args: [enclaveKey] },
  });
  const toBlock = await getBlockNumber(client, { cacheTime: 0 });
  const topics = encodeEventTopics({ abi: enclaveRegistryAbi, eventName: "EnclaveProved", args: { enclaveKey } });
  const limit = maxRange === undefined ? {} : { maxRange };
  const logs = await rangedLogs(client, { address: registry, topics, fromBlock, toBlock, ...limit });
  for (const { transactionHash: hash } of logs.reverse()) {
    if (hash === null) continue;
    const [{ input }, receipt] = await Promise.all([
      getTransaction(client, { hash }),
      getTransactionReceipt(client, { hash }),
    ]);
    const own = receipt.logs.filter(({ address }) => address.toLowerCase() === registry.toLowerCase());
    const registered = parseEventLogs({ abi: enclaveRegistryAbi, logs: own, eventName: "EvidenceProved" });
    const found = [...registered.map(({ args }) => ({ cpu: args.claims as Claims, gpus: [] })), finalized(input)];
    // INVARIANT: calldata may say anything; the registry knows what counted.
    const proof = found.find((one) => one !== undefined && hashOf(one) === evidenceHash);
    if (proof !== undefined) return proof;
  }
  throw new ProofNotFoundError(enclaveKey);
}

/** Claims of a call of `finalize`; undefined for other calls. */
function finalized(input: Hex): KeyProof | undefined {
  try {
    const { functionName, args } = decodeFunctionData({ abi: enclaveSessionsAbi, data: input });
    return functionName === "finalize" ? { cpu: args[2] as Claims, gpus: args[3] as readonly Claims[] } : undefined;
  } catch {
    return undefined;
  }
}

/** What the registry keeps of a proof: the hash of all claims. */
function hashOf({ cpu, gpus }: KeyProof): Hex {
  const { inputs } = getAbiItem({ abi: enclaveSessionsAbi, name: "evict" });
  return keccak256(encodeAbiParameters(inputs.slice(1, 3), [cpu, gpus] as never));
}

/**
 * The call that ends a key whose CPU (part 0) or GPU number `part - 1` its vendor has revoked.
 *
 * @param shown What shows it: nothing for certificates and firmware, else e.g. `revokedTcbProof`.
 */
export function evictionCall(
  sessions: Address,
  enclaveKey: Address,
  { cpu, gpus }: KeyProof,
  part: number,
  shown: Hex = "0x",
): Call {
  const args = [enclaveKey, cpu, gpus, BigInt(part), shown];
  const data = encodeFunctionData({ abi: enclaveSessionsAbi as Abi, functionName: "evict", args });
  return { to: sessions, data, value: 0n, abi: errorsAbi, name: "sessions.evict" };
}
