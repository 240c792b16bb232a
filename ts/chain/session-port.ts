import { decodeFunctionData, encodeEventTopics, type Hex, parseEventLogs, type TransactionReceipt } from "viem";
import { getBlock, getChainId, getTransaction } from "viem/actions";
import type { SessionRegistration } from "../attestation/challenge.ts";
import type { Claims, OpenSession, SessionPort } from "../attestation/session.ts";
import { ABIS } from "./abis.ts";
import type { AttestationContracts } from "./attestation-contracts.ts";
import { callOf, eventOf, type OtrContext, read } from "./context.ts";
import { NotInstalledError } from "./errors.ts";
import { rangedLogs } from "./ranged-logs.ts";
import type { Call } from "./sender.ts";

/** Seconds that a session lasts, as `EnclaveSessions` has it: none that is open is older. */
const LIFE = 3600n;
/** Seconds that have to be left for what is still to be proved. */
const MARGIN = 300n;

/** How a registration's transactions go out. */
export interface SessionPortOptions {
  readonly context: OtrContext;
  readonly contracts: AttestationContracts;
  /** Names the registration or renewal: what is sent under it is sent once, by senders that remember. */
  readonly deed: string;
  /** Sends; told what for. */
  send(call: Call, id: string): Promise<TransactionReceipt>;
  /** Blocks per log query at most. */
  readonly maxRange?: bigint;
}

/**
 * A session's transactions on a chain. What the chain has already is found there, by the events of the last hour: a process that was killed, or
 * another one with the same enclave key, goes on where the last one was.
 */
export function chainSessionPort({ context, contracts, deed, send, maxRange }: SessionPortOptions): SessionPort {
  const { client } = context;
  const { sessions: address, gpus } = contracts;
  const certificates = (): Hex => {
    if (gpus === undefined) throw new NotInstalledError("verifier of GPU reports (NvidiaVerifier)");
    return gpus.nvidiaCertificates;
  };
  const ofSessions = async (topics: readonly (Hex | null)[], fromBlock: bigint) => {
    const { number: toBlock } = await getBlock(client);
    const range = { address, topics, fromBlock, toBlock };
    return (await rangedLogs(client, { ...range, ...(maxRange === undefined ? {} : { maxRange }) })) as never[];
  };
  /** The transaction that has proved evidence, by its hash. */
  const proofs = new Map<Hex, Hex>();
  const proofsSince = async (fromBlock: bigint): Promise<Claims[]> => {
    const [topic] = encodeEventTopics({ abi: ABIS.sessions, eventName: "EvidenceProved" });
    const logs = parseEventLogs({
      abi: ABIS.sessions,
      eventName: "EvidenceProved",
      logs: await ofSessions([topic], fromBlock),
    });
    // INVARIANT: a verifier that was replaced meanwhile does not count.
    const installed = [contracts.dcap, gpus?.nvidia].map((verifier) => verifier?.toLowerCase());
    const counted = logs.filter(({ args }) => installed.includes(args.verifier.toLowerCase()));
    for (const { args, transactionHash } of counted) proofs.set(args.claims.evidenceHash, transactionHash);
    return counted.map(({ args }) => args.claims);
  };
  /** The session, if it is this registration's under the terms as they are now, and has time left. */
  const usable = async (
    { session, anchor }: { session: Hex; anchor: Hex },
    registration: SessionRegistration,
    measurement: Hex,
  ): Promise<boolean> => {
    const { timestamp } = await getBlock(client);
    const end = BigInt(await read(context, "sessions", "endOf", [session], { address }));
    if (end < timestamp + MARGIN) return false;
    return (
      (await read(context, "sessions", "challengeOf", [registration, measurement, anchor], { address })) === session
    );
  };
  /** A session with what its challenge is made of, and what was proved since this block. */
  const openSince = async (
    { session, anchor }: { session: Hex; anchor: Hex },
    { registration, measurement, block }: { registration: SessionRegistration; measurement: Hex; block: bigint },
  ): Promise<OpenSession> => {
    const policyId = await read(context, "enclaves", "policyIdOf", [registration.modelId, measurement]);
    const where = { chainId: await getChainId(client), registry: context.addresses.enclaves, sessions: address };
    const challenge = { ...where, registration, policyId, anchor };
    return { session, anchor, challenge, proved: await proofsSince(block) };
  };
  return {
    async isCached(id) {
      const entry = await read(context, "nvidiaCertificates", "entryOf", [id], { address: certificates() });
      return entry.notAfter !== 0n;
    },
    cache(step) {
      const [to, id] = [certificates(), `gpu-certificate:${step.id}`];
      return step.parent === undefined
        ? send(callOf(to, "nvidiaCertificates", "cacheRoot", [step.der]), id)
        : send(callOf(to, "nvidiaCertificates", "cache", [step.der, step.parent, step.hints()]), id);
    },
    async resume(registration, measurement): Promise<OpenSession | undefined> {
      const since = await blockSince(context, LIFE);
      const [topic] = encodeEventTopics({ abi: ABIS.sessions, eventName: "SessionOpened" });
      const logs = parseEventLogs({
        abi: ABIS.sessions,
        eventName: "SessionOpened",
        logs: await ofSessions([topic], since),
      });
      for (const { args, blockNumber } of logs.reverse())
        if (isSame(args.registration, registration) && (await usable(args, registration, measurement)))
          return openSince(args, { registration, measurement, block: blockNumber });
      return undefined;
    },
    async open(registration, measurement): Promise<OpenSession> {
      const call = callOf(address, "sessions", "open", [registration, measurement]);
      const { number: head } = await getBlock(client);
      // A sender that remembers answers with the session of an earlier process. Is that one over, the next name has a new one.
      for (let attempt = 0; ; attempt++) {
        const receipt = await send(call, `open:${deed}:${attempt}`);
        const opened = eventOf(receipt, "sessions", "SessionOpened");
        if (receipt.blockNumber > head || (await usable(opened, registration, measurement)))
          return openSince(opened, { registration, measurement, block: receipt.blockNumber });
      }
    },
    async prove(evidence, name) {
      const receipt = await send(callOf(address, "sessions", "prove", [evidence]), `prove:${name}`);
      const { claims } = eventOf(receipt, "sessions", "EvidenceProved");
      proofs.set(claims.evidenceHash, receipt.transactionHash);
      return claims;
    },
    async evidenceOf({ evidenceHash }) {
      const hash = proofs.get(evidenceHash);
      return hash && provedBy((await getTransaction(client, { hash })).input);
    },
    finalize: (registration, anchor, cpu, proved, imageConfig, signature) =>
      send(
        callOf(address, "sessions", "finalize", [registration, anchor, cpu, proved, imageConfig, signature]),
        `finalize:${deed}:${anchor}`,
      ),
  };
}

/** The evidence in a call of `prove`; undefined of other calls: whoever proves for others may do so by a contract of his. */
function provedBy(data: Hex): Hex | undefined {
  try {
    const { functionName, args } = decodeFunctionData({ abi: ABIS.sessions, data });
    return functionName === "prove" ? args[0].evidence : undefined;
  } catch {
    return undefined;
  }
}

const isSame = (a: SessionRegistration, b: SessionRegistration): boolean =>
  (["executor", "modelId", "enclaveKey", "encryptionKeyHash"] as const).every(
    (field) => a[field].toLowerCase() === b[field].toLowerCase(),
  );

/** A block at least so many seconds old, or the first; not much older. */
async function blockSince({ client }: OtrContext, seconds: bigint): Promise<bigint> {
  const head = await getBlock(client);
  const isOld = async (number: bigint) =>
    (await getBlock(client, { blockNumber: number })).timestamp <= head.timestamp - seconds;
  let [step, young] = [1n, head.number];
  while (young >= step && !(await isOld(young - step))) [young, step] = [young - step, step * 2n];
  // Between the last step's ends: the first that is young.
  let old = young >= step ? young - step : 0n;
  while (young - old > 1n) {
    const middle = (young + old) / 2n;
    if (await isOld(middle)) old = middle;
    else young = middle;
  }
  return old;
}
