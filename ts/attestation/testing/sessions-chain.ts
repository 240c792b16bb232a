import { readFileSync } from "node:fs";
import {
  type Abi,
  createTestClient,
  encodeFunctionData,
  type Hex,
  http,
  keccak256,
  parseEventLogs,
  publicActions,
  stringToHex,
  type TransactionReceipt,
  walletActions,
} from "viem";
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { anvilKey, startAnvil } from "../../chain/anvil.ts";
import type { Certificate } from "../certificate.ts";
import { cacheSteps } from "../gpu-evidence.ts";
import type { Claims, SessionPort } from "../session.ts";

/** A contract on the chain. */
export interface Contract {
  readonly abi: Abi;
  readonly address: Hex;
}

/** ABI and bytecode, as Foundry and Hardhat write them. */
export interface Artifact {
  readonly abi: Abi;
  readonly bytecode: Hex | { readonly object: Hex };
}

/** What Foundry built. */
export const built = (name: string, file = name): Artifact =>
  JSON.parse(readFileSync(`out/${file}.sol/${name}.json`, "utf8"));

const word = (text: string): Hex => stringToHex(text, { size: 32 });
export const MODEL = keccak256(stringToHex("model"));
export const MEASUREMENT = keccak256(stringToHex("measurement"));
export const FIRMWARE_SET = word("H100");
export const TDX = word("TDX_DCAP");
const YEAR = 31_536_000n;

/** A chain with registry, sessions, the verifier of GPUs under this root, and doubles of vault and of a CPU's verifier. */
export async function startSessionsChain(root: Hex) {
  const anvil = await startAnvil();
  const account = privateKeyToAccount(anvilKey(0));
  const client = createTestClient({ mode: "anvil", account, transport: http(anvil.url, { timeout: 120_000 }) })
    .extend(publicActions)
    .extend(walletActions);
  const mined = async (hash: Hex) => {
    const receipt = await client.waitForTransactionReceipt({ hash });
    if (receipt.status !== "success") throw new Error(`Transaction ${hash} failed.`);
    return receipt;
  };
  const deploy = async (artifact: Artifact, args: readonly unknown[] = []): Promise<Contract> => {
    const { abi, bytecode } = artifact;
    const code = typeof bytecode === "string" ? bytecode : bytecode.object;
    const { contractAddress } = await mined(await client.deployContract({ abi, bytecode: code, args, chain: null }));
    return { abi, address: contractAddress! };
  };
  const read = <T>({ abi, address }: Contract, functionName: string, args: readonly unknown[] = []): Promise<T> =>
    client.readContract({ abi, address, functionName, args }) as Promise<T>;
  const send = async ({ abi, address }: Contract, functionName: string, args: readonly unknown[]) =>
    mined((await client.writeContract({ abi, address, functionName, args, chain: null })) as Hex);

  const manager = await deploy(built("AccessManager"), [account.address]);
  const vault = await deploy(built("VaultDouble", "AttestationDoubles"));
  const implementation = await deploy(built("EnclaveRegistry"), [vault.address]);
  const { abi } = implementation;
  const data = encodeFunctionData({ abi, functionName: "initialize", args: [manager.address, 30 * 86_400, false] });
  const proxy = await deploy(built("ERC1967Proxy"), [implementation.address, data]);
  const registry = { abi, address: proxy.address };
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
  const cache = async (chain: readonly Certificate[]) => {
    const gas: bigint[] = [];
    let id: Hex = "0x";
    for (const step of cacheSteps(chain)) {
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
        return { ...opened, proved: [] };
      },
      prove: async (evidence) =>
        (event(await noted("prove", sessions, [evidence]), "EvidenceProved") as { claims: Claims }).claims,
      finalize: (...args) => noted("finalize", sessions, args),
    };
    return { ...calls, gas };
  };

  const contracts = { manager, vault, registry, sessions, certificates, nvidia, tdx };
  return {
    port,
    url: anvil.url,
    account: account as PrivateKeyAccount,
    client,
    deploy,
    read,
    send,
    cache,
    contracts,
    stop: () => anvil.stop(),
  };
}

/** A running one. */
export type SessionsChain = Awaited<ReturnType<typeof startSessionsChain>>;
