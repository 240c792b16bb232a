import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import type { Address, Hex } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { toHex } from "../commit/bytes.ts";
import { ChildProcessError } from "./errors.ts";

/** The mnemonic that every local development chain starts with. Its keys are public: never fund them elsewhere. */
const MNEMONIC = "test test test test test test test test test test test junk";

/** How a local chain starts. */
export interface AnvilOptions {
  /** Seconds between blocks; without it every transaction gets a block at once. */
  readonly blockTime?: number;
  readonly chainId?: number;
  /** Seconds since 1970 of the first block. */
  readonly timestamp?: number;
  /** Loopback port; a free one is chosen by default. */
  readonly port?: number;
}

/** A running local chain. */
export interface Anvil {
  readonly url: string;
  readonly port: number;
  /** Stops the process and waits until it is gone. */
  stop(): Promise<void>;
}

/** Private key of the local chain's account `index` (0 to 9). */
export function anvilKey(index: number): Hex {
  return toHex(mnemonicToAccount(MNEMONIC, { addressIndex: index }).getHdKey().privateKey!);
}

/** Address of the local chain's account `index` (0 to 9). */
export function anvilAddress(index: number): Address {
  return mnemonicToAccount(MNEMONIC, { addressIndex: index }).address;
}

/** Starts anvil with Osaka's rules on the loopback interface and resolves once it answers. */
export async function startAnvil(options: AnvilOptions = {}): Promise<Anvil> {
  const port = options.port ?? (await freePort());
  const args = ["--port", String(port), "--host", "127.0.0.1", "--hardfork", "osaka", "--quiet"];
  args.push("--chain-id", String(options.chainId ?? 31337), "--mnemonic", MNEMONIC);
  // Else a long campaign fills the disk: states that leave memory are written there, megabytes each.
  args.push("--max-persisted-states", "64");
  if (options.blockTime !== undefined) args.push("--block-time", String(options.blockTime));
  if (options.timestamp !== undefined) args.push("--timestamp", String(options.timestamp));
  const child = spawn(foundryBinary("anvil"), args, { stdio: ["ignore", "ignore", "pipe"] });
  let output = "";
  child.stderr.on("data", (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-4096);
  });
  let failure: string | undefined;
  const gone = new Promise<void>((resolve) => {
    child.once("error", (error) => {
      failure = `did not start (${error.message})`;
      resolve();
    });
    child.once("exit", (code, signal) => {
      failure ??= `ended (${signal ?? `code ${code}`})`;
      resolve();
    });
  });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const url = `http://127.0.0.1:${port}`;
  for (let waited = 0; !(await answers(url)); waited += 20) {
    if (failure === undefined && waited > 20_000) kill();
    if (failure !== undefined) throw new ChildProcessError("anvil", failure, output);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    url,
    port,
    async stop() {
      process.removeListener("exit", kill);
      if (failure === undefined) child.kill("SIGTERM");
      const hard = setTimeout(kill, 2000);
      await gone;
      clearTimeout(hard);
    },
  };
}

/**
 * Path of a Foundry program out of its npm package. The platform's own binary is run, not the package's launcher: signals
 * then reach it, and no Node process stands in between. Falls back to the name on PATH.
 */
export function foundryBinary(tool: "anvil" | "forge" | "cast"): string {
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  const require = createRequire(import.meta.url);
  try {
    return require.resolve(`@foundry-rs/${tool}-${process.platform}-${architecture}/bin/${tool}`);
  } catch {
    return tool;
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_chainId", params: [] });
    const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
    return response.ok;
  } catch {
    return false;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
