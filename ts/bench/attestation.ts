import { createHash } from "node:crypto";
import { encodeAbiParameters, encodeFunctionData, type Hex, keccak256, stringToHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { cacheSteps, gpuAux, NVIDIA_KIND, reportData } from "../attestation/gpu-evidence.ts";
import {
  chainSubmissions,
  dcapAux,
  documentSubmission,
  pckSubmission,
  type Submission,
  subjectHash,
} from "../attestation/intel-submissions.ts";
import { parseReport } from "../attestation/nvidia/report.ts";
import { p384Hints, statementOf } from "../attestation/p384-hints.ts";
import type { SessionEvidence } from "../attestation/session.ts";
import { built, type Contract } from "../attestation/testing/contracts-chain.ts";
import {
  CLAIMS,
  installEas,
  MEASUREMENT,
  MODEL,
  type SessionsChain,
  startSessionsChain,
  TDX,
} from "../attestation/testing/sessions-chain.ts";
import { anvilAddress, anvilKey } from "../chain/anvil.ts";
import { forgeScript } from "../chain/forge-script.ts";
import { toHex } from "../commit/bytes.ts";
import { type AttestationEvidence, attestationEvidence } from "./attestation-evidence.ts";

/** Gas of whole transactions (calldata with EIP-7623's floor, cold storage) under Osaka's rules, but for the two that are calls. */
export interface AttestationFigures {
  /** Whose evidence was at hand: hardware vendors', or that of development roots. */
  readonly evidence: AttestationEvidence["kind"];
  /** A TDX quote of version 4 is proved: `EnclaveSessions.prove`, the platform's certificates known. */
  readonly tdxWarm: number;
  /** The same of a platform that nobody knows yet: its PCK certificate is submitted before. All others are their authorities'. */
  readonly tdxCold: number;
  /** As `tdxWarm`, on a chain without the precompile for P-256. */
  readonly tdxNoPrecompile: number;
  /** Intel's largest TCB info. */
  readonly tcbInfo: number;
  /** One P-384 signature with its hints, over a digest. */
  readonly p384: number;
  /** SHA-384 of 4,096 bytes. */
  readonly sha384: number;
  /** An H100's report is proved, its certificates known. */
  readonly h100Warm: number;
  /** The same of a new GPU: its boot ROM's and its firmware's certificate are submitted before. */
  readonly h100NewGpu: number;
  /** What an EAS receipt adds to the transaction that registers a key. */
  readonly eas: number;
  /** Execution of `EnclaveRegistry.isActive` in a consumer's transaction: all accounts and storage cold, and asked again. */
  readonly hotPath: number;
  readonly hotPathAgain: number;
  /** Gas of each single transaction. */
  readonly transactions: Readonly<Record<string, number>>;
}

/** Most gas that the design allows for each. A check that finds everything cold reads accounts and storage behind two proxies, which alone take more. */
export const ATTESTATION_BARS = {
  tdxWarm: 400_000,
  tdxCold: 1_000_000,
  tcbInfo: 2_000_000,
  p384: 5_000_000,
  sha384: 1_600_000,
  h100Warm: 7_500_000,
  eas: 450_000,
  hotPathAgain: 10_000,
} as const satisfies Partial<Record<keyof AttestationFigures, number>>;

const POLICY = {
  minTcbEval: 17,
  promotionDelay: 365 * 86_400,
  grace: 30 * 86_400,
  maxAge: 0,
  acceptConfiguration: true,
};
const TCB_EVALUATION = 17;
/** Measurements that are chosen: how many does not show in the gas. */
const CHOSEN = 0x1fffn;
const SHA384_BYTES = 4096;
const ZERO: Hex = `0x${"00".repeat(32)}`;
const NOBODY: Hex = `0x${"00".repeat(20)}`;

/** Measures on a local chain with vault, registry, sessions and verifiers. */
export async function measureAttestation(evidence = attestationEvidence()): Promise<AttestationFigures> {
  const root = keccak256(evidence.gpuChain.at(-1)!.der);
  const chain = await startSessionsChain(root, { timestamp: evidence.intelTime });
  try {
    const bench = new AttestationBench(chain, evidence);
    const figures = {
      evidence: evidence.kind,
      ...(await bench.tdx()),
      ...(await bench.primitives()),
      ...(await bench.h100()),
      ...(await bench.receipt()),
    };
    return { ...figures, transactions: bench.transactions };
  } finally {
    await chain.stop();
  }
}

/** The transactions, in an order in which each pays for its own storage. */
class AttestationBench {
  readonly transactions: Record<string, number> = {};

  constructor(
    private readonly chain: SessionsChain,
    private readonly evidence: AttestationEvidence,
  ) {}

  async tdx(): Promise<Pick<AttestationFigures, "tdxWarm" | "tdxCold" | "tdxNoPrecompile" | "tcbInfo">> {
    const { chain, evidence } = this;
    const { chains, pck, quote } = evidence;
    const certificates = await chain.deploy(built("IntelCertificates"), [
      keccak256(chains.root),
      subjectHash(chains.signer),
    ]);
    const collateral = await chain.deploy(built("IntelCollateral"), [certificates.address]);
    const tee = stringToHex("TDX", { size: 32 });
    const verifier = await chain.deploy(built("DcapVerifier"), [collateral.address, POLICY, tee]);
    const submit = ({ contract, functionName, args }: Submission, name = functionName) =>
      this.#send(name, contract === "IntelCollateral" ? collateral : certificates, functionName, args);
    const names = ["addRoot", "addAuthority", "addSigner", "addCrl of the root", "addCrl of the authority"];
    for (const [k, call] of chainSubmissions(chains).entries()) await submit(call, names[k]);
    const { tcbInfo, qeIdentity, largestTcbInfo } = evidence;
    const ofQuote = await submit(documentSubmission("tcbInfo", tcbInfo, chains.signer));
    await submit(documentSubmission("enclaveIdentity", qeIdentity, chains.signer));
    await this.#setVerifier(verifier);
    const added = await submit(pckSubmission(pck, chains.authority));
    const proof = { kind: TDX, evidence: toHex(quote), aux: dcapAux(pck, TCB_EVALUATION) };
    const tdxNoPrecompile = await this.#withoutP256(chain.contracts.sessions, "prove", [proof]);
    const tdxWarm = await this.#prove("prove a TDX quote", proof);
    await this.#setVerifier(chain.contracts.tdx);
    const isLarger = largestTcbInfo.json !== tcbInfo.json;
    if (isLarger) await this.#waitUntil(largestTcbInfo.time);
    const largest = isLarger
      ? await submit(documentSubmission("tcbInfo", largestTcbInfo, chains.signer), "submitTcbInfo, the largest")
      : ofQuote;
    return { tdxWarm, tdxCold: added + tdxWarm, tdxNoPrecompile, tcbInfo: largest };
  }

  /** Libraries in contracts of their own: what a signature and a hash cost by themselves. */
  async primitives(): Promise<Pick<AttestationFigures, "p384" | "sha384">> {
    const { chain, evidence } = this;
    const { signed, signature } = parseReport(evidence.report);
    const { key } = evidence.gpuChain[0]!;
    const digest = createHash("sha384").update(signed).digest();
    const hints = p384Hints(statementOf(signed, signature, key));
    const ecdsa = await chain.deploy(built("P384Harness"));
    const p384 = await this.#send("P-384", ecdsa, "verify", [digest, signature, key, hints].map(toHex));
    const hash = await chain.deploy(built("Sha384Harness", "Sha384.t"));
    const message = toHex(new Uint8Array(SHA384_BYTES).fill(0xff));
    return { p384, sha384: await this.#send("SHA-384", hash, "sha384", [message]) };
  }

  async h100(): Promise<Pick<AttestationFigures, "h100Warm" | "h100NewGpu">> {
    const { chain, evidence } = this;
    await this.#waitUntil(evidence.nvidiaTime);
    const { certificates } = chain.contracts;
    const names = ["cacheRoot", "cache the identity", "cache the provisioner", "cache the boot ROM", "cache the leaf"];
    const gas: number[] = [];
    const steps = cacheSteps(evidence.gpuChain);
    for (const [k, { der, parent, hints }] of steps.entries())
      gas.push(
        parent === undefined
          ? await this.#send(names[k]!, certificates, "cacheRoot", [der])
          : await this.#send(names[k]!, certificates, "cache", [der, parent, hints()]),
      );
    const { report, gpuChain } = evidence;
    const aux = gpuAux(report, { id: steps.at(-1)!.id, der: gpuChain[0]!.der }, CHOSEN);
    const proof = { kind: NVIDIA_KIND, evidence: toHex(report), aux };
    const h100Warm = await this.#prove("prove an H100's report", proof);
    return { h100Warm, h100NewGpu: gas.at(-1)! + gas.at(-2)! + h100Warm };
  }

  /** Registers a key with a receipt and another without, and asks for one. What their evidence was makes no difference here. */
  async receipt(): Promise<Pick<AttestationFigures, "eas" | "hotPath" | "hotPathAgain">> {
    const { chain } = this;
    const { registry } = chain.contracts;
    await this.#register(4, "register a first key");
    await installEas(chain);
    const withReceipt = await this.#register(5, "finalize with a receipt");
    await chain.send(registry, "setAttestations", [NOBODY, ZERO]);
    const without = await this.#register(6, "finalize without one");
    const consumer = await chain.deploy(built("Consumer", "EnclaveRegistry.t"));
    const asked = [registry.address, anvilAddress(5), chain.account.address, MODEL];
    const [hotPath, hotPathAgain] = await chain.read<readonly [bigint, bigint]>(consumer, "ask", asked);
    return { eas: withReceipt - without, hotPath: Number(hotPath), hotPathAgain: Number(hotPathAgain) };
  }

  /** Registers the local chain's key `k` in a session without GPUs; gas of the last transaction. */
  async #register(k: number, name: string): Promise<number> {
    const { chain } = this;
    const enclave = privateKeyToAccount(anvilKey(k));
    const executor = chain.account.address;
    const registration = { executor, modelId: MODEL, enclaveKey: enclave.address, encryptionKeyHash: keccak256("0x") };
    const port = chain.port();
    const { session, anchor } = await port.open(registration, MEASUREMENT);
    const { timestamp } = await chain.client.getBlock();
    const claims = {
      ...{
        kind: TDX,
        deviceId: keccak256("0x01"),
        measurement: MEASUREMENT,
        rd1: ZERO,
        evidenceHash: session,
        certificate: ZERO,
      },
      ...{ rd0: reportData(session, [], ZERO), tcbStatus: 0, tcbEval: 20, notAfter: timestamp + 500_000n },
    };
    const evidence = encodeAbiParameters([CLAIMS], [claims]);
    const proved = await port.prove({ kind: TDX, evidence, aux: "0x" }, name);
    await port.finalize(registration, anchor, proved, [], ZERO, await enclave.sign({ hash: session }));
    const gas = Number(port.gas.at(-1)!.used);
    this.transactions[name] = gas;
    return gas;
  }

  #prove(name: string, proof: SessionEvidence): Promise<number> {
    return this.#send(name, this.chain.contracts.sessions, "prove", [proof]);
  }

  async #send(name: string, contract: Contract, functionName: string, args: readonly unknown[]): Promise<number> {
    const gas = Number((await this.chain.send(contract, functionName, args)).gasUsed);
    this.transactions[name] = gas;
    return gas;
  }

  /** What the transaction would cost on a copy of the chain that has no precompile for P-256. */
  async #withoutP256({ abi, address }: Contract, functionName: string, args: readonly unknown[]): Promise<number> {
    const data = encodeFunctionData({ abi, functionName, args });
    const script = ["test/harness/WithoutP256.sol", "--rpc-url", this.chain.url];
    const output = await forgeScript([...script, "--sig", "run(address,bytes)", address, data]);
    return Number(/^gas: uint256 (\d+)/m.exec(output)![1]);
  }

  async #setVerifier({ address }: Contract): Promise<void> {
    await this.chain.send(this.chain.contracts.registry, "setVerifier", [address]);
  }

  /** The next block is of this time, unless it is later already. */
  async #waitUntil(time: number): Promise<void> {
    const { timestamp } = await this.chain.client.getBlock();
    if (timestamp < time) await this.chain.client.setNextBlockTimestamp({ timestamp: BigInt(time) });
  }
}
