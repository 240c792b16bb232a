import { readFileSync } from "node:fs";
import { type Abi, createTestClient, type Hex, http, publicActions, walletActions } from "viem";
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { type AnvilOptions, anvilKey, startAnvil } from "../../chain/anvil.ts";

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

/** A local chain, and one account of it that deploys contracts, reads and sends. */
export async function startContractsChain(options: AnvilOptions = {}) {
  const anvil = await startAnvil(options);
  const account = privateKeyToAccount(anvilKey(0));
  const client = createTestClient({ mode: "anvil", account, transport: http(anvil.url, { timeout: 120_000 }) })
    .extend(publicActions)
    .extend(walletActions);
  const mined = async (hash: Hex) => {
    const receipt = await client.waitForTransactionReceipt({ hash });
    if (receipt.status !== "success") throw new Error(`Transaction ${hash} failed.`);
    return receipt;
  };
  return {
    url: anvil.url,
    account: account as PrivateKeyAccount,
    client,
    async deploy(artifact: Artifact, args: readonly unknown[] = []): Promise<Contract> {
      const { abi, bytecode } = artifact;
      const code = typeof bytecode === "string" ? bytecode : bytecode.object;
      const { contractAddress } = await mined(await client.deployContract({ abi, bytecode: code, args, chain: null }));
      return { abi, address: contractAddress! };
    },
    read: <T>({ abi, address }: Contract, functionName: string, args: readonly unknown[] = []): Promise<T> =>
      client.readContract({ abi, address, functionName, args }) as Promise<T>,
    /** Resolves to the receipt; a transaction that reverts is refused before it is sent. */
    send: async ({ abi, address }: Contract, functionName: string, args: readonly unknown[]) =>
      mined((await client.writeContract({ abi, address, functionName, args, chain: null })) as Hex),
    stop: () => anvil.stop(),
  };
}

/** A running one. */
export type ContractsChain = Awaited<ReturnType<typeof startContractsChain>>;
