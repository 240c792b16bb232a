import {
  type Abi,
  type Address,
  type ContractEventName,
  type ContractFunctionArgs,
  type ContractFunctionName,
  type ContractFunctionReturnType,
  encodeFunctionData,
  type ParseEventLogsReturnType,
  parseEventLogs,
  type TransactionReceipt,
} from "viem";
import { readContract } from "viem/actions";
import { ABIS, type ContractName, errorsAbi, type NamedOnChain } from "./abis.ts";
import type { ChainClient } from "./client.ts";
import { MissingEventError, NoSenderError } from "./errors.ts";
import { decodeRevert } from "./revert.ts";
import type { Call, Sender, SendOptions } from "./sender.ts";

/** Where the contracts are. */
export type Addresses = Readonly<Record<Deployed, Address>>;

/** What every action works on. */
export interface OtrContext {
  readonly client: ChainClient;
  readonly addresses: Addresses;
  /** Needed by actions that change state. */
  readonly sender?: Sender | undefined;
}

/** What reads at addresses that are told need of it. */
export type ClientContext = Pick<OtrContext, "client">;

type Abis = typeof ABIS;
/** Contracts that a deployment names: the others' addresses are told with each call. */
type Deployed = Exclude<ContractName, NamedOnChain>;
type ReadOptions = { readonly address?: Address; readonly blockNumber?: bigint };
type WriteMutability = "nonpayable" | "payable";
type ReadMutability = "view" | "pure";

/** Reads from a contract, by default at the latest block. @throws ContractRevertError if it refuses */
export async function read<
  C extends ContractName,
  F extends ContractFunctionName<Abis[C], ReadMutability>,
  A extends ContractFunctionArgs<Abis[C], ReadMutability, F>,
>(
  context: C extends NamedOnChain ? ClientContext : OtrContext,
  contract: C,
  functionName: F,
  args: A,
  ...[options = {}]: C extends NamedOnChain ? [ReadOptions & { readonly address: Address }] : [ReadOptions?]
): Promise<ContractFunctionReturnType<Abis[C], ReadMutability, F, A>> {
  const name = `${contract}.${functionName}`;
  const result = await readContract(context.client, {
    address: options.address ?? (context as OtrContext).addresses[contract as Deployed],
    abi: ABIS[contract] as Abi,
    functionName,
    args: args as readonly unknown[],
    ...(options.blockNumber === undefined ? {} : { blockNumber: options.blockNumber }),
  }).catch((error: unknown) => {
    throw decodeRevert(error, { name, abi: errorsAbi });
  });
  return result as ContractFunctionReturnType<Abis[C], ReadMutability, F, A>;
}

/** A state-changing call, encoded. */
export function callOf<
  C extends ContractName,
  F extends ContractFunctionName<Abis[C], WriteMutability>,
  A extends ContractFunctionArgs<Abis[C], WriteMutability, F>,
>(to: Address, contract: C, functionName: F, args: A, value = 0n): Call {
  const abi = ABIS[contract] as Abi;
  const data = encodeFunctionData<Abi>({ abi, functionName, args: args as readonly unknown[] });
  return { to, data, value, abi: errorsAbi, name: `${contract}.${functionName}` };
}

/** What a state-changing action takes besides its arguments. */
export interface WriteOptions extends SendOptions {
  /** Wei sent along. */
  readonly value?: bigint;
  /** Another deployment of the contract than the context's, e.g. the game of a batch's rules. */
  readonly address?: Address | undefined;
}

/** Sends a call and waits for its receipt. @throws NoSenderError, and what `Sender.send` throws. */
export async function write<
  C extends Deployed,
  F extends ContractFunctionName<Abis[C], WriteMutability>,
  A extends ContractFunctionArgs<Abis[C], WriteMutability, F>,
>(context: OtrContext, contract: C, functionName: F, args: A, options: WriteOptions = {}): Promise<TransactionReceipt> {
  const call = callOf(options.address ?? context.addresses[contract], contract, functionName, args, options.value);
  if (context.sender === undefined) throw new NoSenderError(call.name);
  return context.sender.send(call, options.id === undefined ? {} : { id: options.id });
}

/** Decoded arguments of an event. */
export type EventArgs<C extends ContractName, E extends ContractEventName<Abis[C]>> = ParseEventLogsReturnType<
  Abis[C],
  E,
  true
>[number]["args"];

/** Arguments of the first event of that name in a receipt. @throws MissingEventError */
export function eventOf<C extends ContractName, E extends ContractEventName<Abis[C]>>(
  receipt: TransactionReceipt,
  contract: C,
  eventName: E,
): EventArgs<C, E> {
  const [log] = parseEventLogs({ abi: ABIS[contract] as Abi, logs: receipt.logs, eventName });
  if (log === undefined) throw new MissingEventError(eventName, receipt.transactionHash);
  return (log as unknown as { args: unknown }).args as EventArgs<C, E>;
}
