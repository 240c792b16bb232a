import {
  type Address,
  decodeFunctionData,
  encodeEventTopics,
  type Hex,
  hexToString,
  parseEventLogs,
  stringToHex,
  type TransactionReceipt,
  zeroAddress,
} from "viem";
import { call as ethCall, getBlockNumber, getTransaction } from "viem/actions";
import { evictionCall, findProof, type KeyProof } from "../../attestation/eviction.ts";
import { revokedTcbProof } from "../../attestation/intel-submissions.ts";
import type { Claims } from "../../attestation/session.ts";
import { fromHex } from "../../commit/bytes.ts";
import { ABIS } from "../abis.ts";
import { DCAP_KINDS, intelContracts } from "../attestation-contracts.ts";
import { type OtrContext, read } from "../context.ts";
import { ContractRevertError, NoSenderError, StillProvedError } from "../errors.ts";
import { rangedLogs } from "../ranged-logs.ts";
import { decodeRevert } from "../revert.ts";

/** A key that its vendors may have given up. */
export interface EvictEnclaveParameters {
  readonly enclaveKey: Address;
  /** First block to look at: that of the deployment, or any before the registration. */
  readonly fromBlock: bigint;
  /** Blocks per log query at most. */
  readonly maxRange?: bigint;
  /** The quote that proved the key, if its transaction cannot be read: the proof by a document of Intel's takes it. */
  readonly quote?: Uint8Array | undefined;
}

/** What ended a key. */
export interface EvictedEnclave {
  readonly reason: string;
  readonly receipt: TransactionReceipt;
}

/** One way in which a key may end: what is revoked, of which part of its proof, and what shows it. */
interface Way {
  readonly reason: string;
  readonly part: number;
  shown(): Hex;
}

/**
 * Ends a live key by what the chain knows to be revoked: its processor's certificates, a GPU's certificates or firmware, or the platform's
 * security version by one of Intel's documents. Anybody may. All ways are tried without a transaction; the first that works is sent.
 *
 * @throws ProofNotFoundError if its claims are not found. @throws StillProvedError if nothing ends it
 */
export async function evictEnclave(context: OtrContext, parameters: EvictEnclaveParameters): Promise<EvictedEnclave> {
  const { enclaveKey, fromBlock, maxRange } = parameters;
  const { client, addresses, sender } = context;
  if (sender === undefined) throw new NoSenderError("evictEnclave");
  const sessions = await read(context, "enclaves", "sessions", []);
  const range = { fromBlock, ...(maxRange === undefined ? {} : { maxRange }) };
  const proof = await findProof(client, { registry: addresses.enclaves, enclaveKey, ...range });
  const tried: string[] = [];
  for (const way of await waysOf(context, { sessions, proof, ...parameters })) {
    const call = evictionCall(sessions, enclaveKey, proof, way.part, way.shown());
    const refusal = await ethCall(client, { account: sender.address, to: call.to, data: call.data }).then(
      () => undefined,
      (error: unknown) => decodeRevert(error, call),
    );
    if (refusal === undefined) return { reason: way.reason, receipt: await sender.send(call) };
    if (!(refusal instanceof ContractRevertError)) throw refusal;
    tried.push(`${way.reason}: ${refusal.errorName === "StillProved" ? "no" : refusal.errorName}`);
  }
  throw new StillProvedError(enclaveKey, tried);
}

async function waysOf(
  context: OtrContext,
  { sessions, proof, ...parameters }: EvictEnclaveParameters & { sessions: Address; proof: KeyProof },
): Promise<Way[]> {
  const certificates = [proof.cpu, ...proof.gpus].map(
    (_, part): Way => ({
      reason: part === 0 ? "certificates of the processor" : `certificates or firmware of GPU ${part - 1}`,
      part,
      shown: () => "0x",
    }),
  );
  const { cpu } = proof;
  if (!Object.values(DCAP_KINDS).includes(cpu.kind)) return certificates;
  const numbers = await documentsOf(context, cpu, parameters);
  if (numbers.length === 0) return certificates;
  const quote = parameters.quote ?? (await quoteOf(context, sessions, cpu, parameters));
  if (quote === undefined) return certificates;
  return [
    ...certificates,
    ...numbers.map(
      ({ document, tcbEval }): Way => ({
        reason: `Intel's ${document}, number ${tcbEval}`,
        part: 0,
        shown: () => revokedTcbProof(document, tcbEval, quote),
      }),
    ),
  ];
}

type Document = Parameters<typeof revokedTcbProof>[0];
type Range = Pick<EvictEnclaveParameters, "fromBlock" | "maxRange">;

/** Intel's documents about such platforms that the chain has, of numbers not below the one that the key was judged by; the newest first. */
async function documentsOf(
  context: OtrContext,
  cpu: Claims,
  range: Range,
): Promise<{ document: Document; tcbEval: number }[]> {
  const names: readonly Document[] = cpu.kind === DCAP_KINDS.tdx ? ["TDX", "TD_QE"] : ["SGX", "QE"];
  const verifier = await read(context, "enclaves", "verifierOf", [cpu.kind]);
  if (verifier === zeroAddress) return [];
  const { intelCollateral } = await intelContracts(context, verifier);
  const logs = await logsOf(context, range, intelCollateral, [
    encodeEventTopics({ abi: ABIS.intelCollateral, eventName: "CollateralSubmitted" })[0],
    names.map((name) => stringToHex(name, { size: 32 })),
  ]);
  const submitted = parseEventLogs({ abi: ABIS.intelCollateral, logs, eventName: "CollateralSubmitted" });
  const keys = submitted
    .filter(({ args }) => args.tcbEval >= BigInt(cpu.tcbEval))
    .map(({ args }) => `${hexToString(args.id, { size: 32 })} ${args.tcbEval}`);
  // Documents of other platforms have the same numbers: the contract knows which is whose.
  return [...new Set(keys)].reverse().map((key) => {
    const [document, tcbEval] = key.split(" ");
    return { document: document as Document, tcbEval: Number(tcbEval) };
  });
}

/** The quote in the transaction that proved these claims; undefined if none carries it as its own call. */
async function quoteOf(
  context: OtrContext,
  sessions: Address,
  { evidenceHash }: Claims,
  range: Range,
): Promise<Uint8Array | undefined> {
  const topic = encodeEventTopics({ abi: ABIS.sessions, eventName: "EvidenceProved" });
  const logs = await logsOf(context, range, [sessions, context.addresses.enclaves], topic);
  for (const log of parseEventLogs({ abi: ABIS.sessions, logs, eventName: "EvidenceProved" }).reverse()) {
    if (log.args.claims.evidenceHash !== evidenceHash || log.transactionHash === null) continue;
    const { input } = await getTransaction(context.client, { hash: log.transactionHash });
    const evidence = evidenceIn(input);
    if (evidence !== undefined) return fromHex(evidence);
  }
  return undefined;
}

/** The evidence that a call of `prove` or `register` carries. */
function evidenceIn(input: Hex): Hex | undefined {
  try {
    const { functionName, args } = decodeFunctionData({ abi: [...ABIS.sessions, ...ABIS.enclaves], data: input });
    if (functionName === "prove") return args[0].evidence;
    return functionName === "register" ? args[1].evidence : undefined;
  } catch {
    return undefined;
  }
}

async function logsOf(
  { client }: OtrContext,
  { fromBlock, maxRange }: Range,
  address: Address | readonly Address[],
  topics: readonly (Hex | readonly Hex[] | null)[],
): Promise<never[]> {
  const toBlock = await getBlockNumber(client, { cacheTime: 0 });
  const limit = maxRange === undefined ? {} : { maxRange };
  return (await rangedLogs(client, { address, topics, fromBlock, toBlock, ...limit })) as never[];
}
