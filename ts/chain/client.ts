import { type Address, type Chain, type Client, createClient, defineChain, http, type Transport } from "viem";
import { getChainId } from "viem/actions";
import { redactUrl } from "../config/print.ts";
import { EndpointUnreachableError, WrongChainError } from "./errors.ts";

/** A viem client bound to one chain: what every action here takes. */
export type ChainClient = Client<Transport, Chain>;

/** How to reach a chain. */
export interface ConnectOptions {
  readonly url: string;
  /** If given, the endpoint must serve this chain. */
  readonly chainId?: number;
  /** Milliseconds until a request counts as failed. */
  readonly timeoutMs?: number;
  /** Milliseconds between looks for news. */
  readonly pollMs?: number;
}

/** A client for whatever chain the endpoint serves; its id is asked once. */
export async function connect(options: ConnectOptions): Promise<ChainClient> {
  const transport = http(options.url, { timeout: options.timeoutMs ?? 30_000, retryCount: 2 });
  const chainId = await getChainId(createClient({ transport })).catch((cause: unknown) => {
    throw new EndpointUnreachableError(redactUrl(options.url), cause);
  });
  if (options.chainId !== undefined && options.chainId !== chainId) throw new WrongChainError(options.chainId, chainId);
  return createClient({ chain: chainOf(chainId, options.url), transport, pollingInterval: options.pollMs ?? 1000 });
}

/** A chain of which only the id and the endpoint are known. */
export function chainOf(chainId: number, url: string): Chain {
  return defineChain({
    id: chainId,
    name: `chain ${chainId}`,
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: [url] } },
  });
}

/** True if two addresses are the same, whatever their case. */
export function sameAddress(a: Address, b: Address): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
