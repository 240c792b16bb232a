import { readFileSync } from "node:fs";
import { type Abi, createTestClient, type Hex, http, publicActions, walletActions } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { anvilKey, startAnvil } from "../../chain/anvil.ts";

/** A contract without constructor arguments on a chain of its own. */
export type Deployed = {
  readonly abi: Abi;
  readonly address: Hex;
  readonly client: ReturnType<typeof connect>;
  stop(): Promise<void>;
};

/** Starts a chain and deploys a built contract there. */
export async function deployed(contract: string): Promise<Deployed> {
  const artifact = JSON.parse(readFileSync(`out/${contract}.sol/${contract}.json`, "utf8")) as {
    abi: Abi;
    bytecode: { object: Hex };
  };
  const anvil = await startAnvil();
  const client = connect(anvil.url);
  const hash = await client.deployContract({ abi: artifact.abi, bytecode: artifact.bytecode.object, chain: null });
  const { contractAddress } = await client.waitForTransactionReceipt({ hash });
  return { abi: artifact.abi, address: contractAddress!, client, stop: () => anvil.stop() };
}

function connect(url: string) {
  const account = privateKeyToAccount(anvilKey(0));
  return createTestClient({ mode: "anvil", account, transport: http(url, { timeout: 120_000 }) })
    .extend(publicActions)
    .extend(walletActions);
}
