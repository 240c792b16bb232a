import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { encodeFunctionData, type Hex, keccak256, parseEventLogs, stringToHex, type TransactionReceipt } from "viem";
import type { AnvilOptions } from "../../chain/anvil.ts";
import { cacheSteps } from "../gpu-evidence.ts";
import type { Claims, SessionPort } from "../session.ts";
import type { X509 } from "../x509.ts";
import { type Artifact, built, type Contract, startContractsChain } from "./contracts-chain.ts";

const word = (text: string): Hex => stringToHex(text, { size: 32 });
export const MODEL = keccak256(stringToHex("model"));
export const MEASUREMENT = keccak256(stringToHex("measurement"));
export const FIRMWARE_SET = word("H100");
export const TDX = word("TDX_DCAP");
const YEAR = 31_536_000n;

/** `Claims` in the ABI: what the double of a CPU's verifier takes as evidence. */
export const CLAIMS = {
  type: "tuple",
  components: [
    { name: "kind", type: "bytes32" },
    { name: "deviceId", type: "bytes32" },
    { name: "measurement", type: "bytes32" },
    { name: "rd0", type: "bytes32" },
    { name: "rd1", type: "bytes32" },
    { name: "tcbStatus", type: "uint8" },
    { name: "tcbEval", type: "uint32" },
    { name: "notAfter", type: "uint64" },
    { name: "evidenceHash", type: "bytes32" },
    { name: "certificate", type: "bytes32" },
  ],
} as const;

/** A chain with vault, registry, sessions, the verifier of GPUs under this root, and a double of a CPU's verifier. */
export async function startSessionsChain(root: Hex, options: AnvilOptions = {}) {
  const chain = await startContractsChain(options);
  const { account, client, deploy, read, send } = chain;
  /** An upgradeable contract behind its proxy. */
  const proxied = async (name: string, args: readonly unknown[], initial: readonly unknown[]): Promise<Contract> => {
    const { abi, address } = await deploy(built(name), args);
    const data = encodeFunctionData({ abi, functionName: "initialize", args: initial });
    const proxy = await deploy(built("ERC1967Proxy"), [address, data]);
    return { abi, address: proxy.address };
  };

  const manager = await deploy(built("AccessManager"), [account.address]);
  const vault = await proxied("StakeVault", [], [manager.address, 86_400]);
  const registry = await proxied("EnclaveRegistry", [vault.address], [manager.address, 30 * 86_400, false]);
  const sessions = await deploy(built("EnclaveSessions"), [manager.address, registry.address, vault.address]);
  const signatures = await deploy(built("P384Verifier"));
  const certificates = await deploy(built("NvidiaCertificates"), [manager.address, root, signatures.address]);
  const nvidia = await deploy(built("NvidiaVerifier"), [certificates.address]);
  const tdx = await deploy(built("VerifierDouble", "AttestationDoubles"), [TDX]);
  const { timestamp } = await client.getBlock();
  await send(registry, "setSessions", [sessions.address]);
  await send(registry, "setVerifier", [nvidia.address]);
  await send(registry, "setVerifier", [tdx.address]);
  await send(registry, "setPolicy", [MODEL, MEASUREMENT, timestamp + YEAR]);

  /** Caches a chain; the gas of each transaction, and the leaf's id. */
  const cache = async (list: readonly X509[]) => {
    const gas: bigint[] = [];
    let id: Hex = "0x";
    for (const step of cacheSteps(list)) {
      const done =
        step.parent === undefined
          ? await send(certificates, "cacheRoot", [step.der])
          : await send(certificates, "cache", [step.der, step.parent, step.hints()]);
      gas.push(done.gasUsed);
      id = step.id;
    }
    return { gas, id };
  };
  /** The port of a session, and the gas of its transactions in their order. */
  const port = () => {
    const gas: { name: string; used: bigint }[] = [];
    const proved = new Map<Hex, Hex>();
    const noted = async (name: string, contract: Contract, args: readonly unknown[]) => {
      const receipt = await send(contract, name, args);
      gas.push({ name, used: receipt.gasUsed });
      return receipt;
    };
    const event = (receipt: TransactionReceipt, eventName: string): never => {
      const [log] = parseEventLogs({ abi: sessions.abi, logs: receipt.logs, eventName });
      return (log as unknown as { args: never }).args;
    };
    const calls: SessionPort = {
      isCached: async (id) => (await read<{ notAfter: bigint }>(certificates, "entryOf", [id])).notAfter !== 0n,
      cache: (step) =>
        step.parent === undefined
          ? noted("cacheRoot", certificates, [step.der])
          : noted("cache", certificates, [step.der, step.parent, step.hints()]),
      resume: async () => undefined,
      open: async (...args) => {
        const opened: { session: Hex; anchor: Hex } = event(await noted("open", sessions, args), "SessionOpened");
        const policyId = await read<Hex>(registry, "policyIdOf", [args[0].modelId, args[1]]);
        const where = { chainId: await client.getChainId(), registry: registry.address, sessions: sessions.address };
        const challenge = { ...where, registration: args[0], policyId, anchor: opened.anchor };
        return { ...opened, challenge, proved: [] };
      },
      async prove(evidence) {
        const { claims }: { claims: Claims } = event(await noted("prove", sessions, [evidence]), "EvidenceProved");
        proved.set(claims.evidenceHash, evidence.evidence);
        return claims;
      },
      evidenceOf: async ({ evidenceHash }) => proved.get(evidenceHash),
      finalize: (...args) => noted("finalize", sessions, args),
    };
    return { ...calls, gas };
  };

  const contracts = { manager, vault, registry, sessions, certificates, nvidia, tdx };
  return { ...chain, port, cache, contracts };
}

/** A running one. */
export type SessionsChain = Awaited<ReturnType<typeof startSessionsChain>>;

const require = createRequire(import.meta.url);
const easArtifact = (name: string): Artifact => {
  const path = `@ethereum-attestation-service/eas-contracts/artifacts/contracts/${name}.sol/${name}.json`;
  return JSON.parse(readFileSync(require.resolve(path), "utf8"));
};

/** Deploys EAS as its package has it, registers the schema of receipts, and tells the registry. */
export async function installEas({ deploy, send, read, contracts }: SessionsChain) {
  const schemas = await deploy(easArtifact("SchemaRegistry"));
  const eas = await deploy(easArtifact("EAS"), [schemas.address]);
  const resolver = await deploy(built("TeeResolver"), [eas.address, contracts.registry.address]);
  const schemaText = await read<string>(resolver, "SCHEMA");
  const { logs } = await send(schemas, "register", [schemaText, resolver.address, true]);
  const [log] = parseEventLogs({ abi: schemas.abi, logs, eventName: "Registered" });
  const schema = (log as unknown as { args: { uid: Hex } }).args.uid;
  await send(contracts.registry, "setAttestations", [eas.address, schema]);
  return { eas, schema, schemaText };
}
