import { type Hex, keccak256, toRlp } from "viem";
import { HeaderEncodingError } from "./errors.ts";

/** A block's header as `eth_getBlockByNumber` gives it, undecoded. Fields of later forks are absent before them. */
export type RpcHeader = { readonly hash: Hex } & {
  readonly [field in (typeof FIELDS)[number]]: Hex;
} & {
  readonly [field in (typeof LATER_FIELDS)[number]]?: Hex;
};

const FIELDS = [
  "parentHash",
  "sha3Uncles",
  "miner",
  "stateRoot",
  "transactionsRoot",
  "receiptsRoot",
  "logsBloom",
  "difficulty",
  "number",
  "gasLimit",
  "gasUsed",
  "timestamp",
  "extraData",
  "mixHash",
  "nonce",
] as const;
/** London, Shanghai, Cancun (three), Prague. */
const LATER_FIELDS = [
  "baseFeePerGas",
  "withdrawalsRoot",
  "blobGasUsed",
  "excessBlobGas",
  "parentBeaconBlockRoot",
  "requestsHash",
] as const;
/** Numbers: RLP has them without leading zeros. The other fields are bytes. */
const NUMBERS: ReadonlySet<string> = new Set([
  "difficulty",
  "number",
  "gasLimit",
  "gasUsed",
  "timestamp",
  "baseFeePerGas",
  "blobGasUsed",
  "excessBlobGas",
]);

/**
 * The RLP encoding whose keccak256 is the block's hash.
 *
 * @throws HeaderEncodingError if it is not: the chain's headers have other fields.
 */
export function encodeHeader(header: RpcHeader): Hex {
  const items = [...FIELDS, ...LATER_FIELDS].flatMap((field) => {
    const value = header[field];
    if (value === undefined || value === null) return [];
    return [NUMBERS.has(field) ? minimal(value) : value];
  });
  const encoded = toRlp(items);
  if (keccak256(encoded) !== header.hash) throw new HeaderEncodingError(BigInt(header.number), header.hash);
  return encoded;
}

function minimal(quantity: Hex): Hex {
  const digits = BigInt(quantity).toString(16);
  if (digits === "0") return "0x";
  return `0x${digits.length % 2 === 0 ? digits : `0${digits}`}`;
}
