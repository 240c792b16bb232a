import { hashTypedData } from "viem";
import type { Hex } from "./bytes.ts";

/** Sampler codes of a request. */
export const SAMPLER = { greedy: 0, temperature: 1 } as const;
/** Stop reasons of a receipt. */
export const STOP_REASON = { stop: 0, length: 1, cancelled: 2 } as const;
/** The address of a request that nobody signs. */
export const NOBODY: Hex = "0x0000000000000000000000000000000000000000";

/** EIP-712 types of everything that is signed; docs/protocol.md, section 2. */
export const TYPES = {
  Request: [
    { name: "requester", type: "address" },
    { name: "modelId", type: "bytes32" },
    { name: "inputRoot", type: "bytes32" },
    { name: "nIn", type: "uint32" },
    { name: "maxOut", type: "uint32" },
    { name: "stopTokens", type: "uint32[]" },
    { name: "sampler", type: "uint8" },
    { name: "temperature", type: "uint32" },
    { name: "seed", type: "bytes32" },
    { name: "nonce", type: "uint64" },
    { name: "deadline", type: "uint64" },
    { name: "confidential", type: "bool" },
    { name: "watchers", type: "address[]" },
  ],
  Receipt: [
    { name: "machineVersion", type: "uint32" },
    { name: "modelId", type: "bytes32" },
    { name: "executor", type: "address" },
    { name: "enclaveKey", type: "address" },
    { name: "seq", type: "uint64" },
    { name: "commitBy", type: "uint64" },
    { name: "expiry", type: "uint64" },
    { name: "requestHash", type: "bytes32" },
    { name: "inputRoot", type: "bytes32" },
    { name: "nIn", type: "uint32" },
    { name: "outputRoot", type: "bytes32" },
    { name: "nOut", type: "uint32" },
    { name: "stopReason", type: "uint8" },
    { name: "traceRoot", type: "bytes32" },
  ],
} as const;

/** What a requester asks for. Times in seconds since 1970; `temperature` 16.16 fixed point. */
export interface Request {
  requester: Hex;
  modelId: Hex;
  inputRoot: Hex;
  nIn: number;
  maxOut: number;
  stopTokens: readonly number[];
  sampler: number;
  temperature: number;
  seed: Hex;
  nonce: bigint;
  deadline: bigint;
  confidential: boolean;
  watchers: readonly Hex[];
}

/** What an executor answers for. Times in seconds since 1970. */
export interface Receipt {
  machineVersion: number;
  modelId: Hex;
  executor: Hex;
  enclaveKey: Hex;
  seq: bigint;
  commitBy: bigint;
  expiry: bigint;
  requestHash: Hex;
  inputRoot: Hex;
  nIn: number;
  outputRoot: Hex;
  nOut: number;
  stopReason: number;
  traceRoot: Hex;
}

/** Where signatures are valid: one rollup on one chain. */
export interface Domain {
  chainId: number;
  rollup: Hex;
}

/** The EIP-712 domain of a rollup. */
export function domainOf(domain: Domain) {
  return { name: "OTR", version: "1", chainId: domain.chainId, verifyingContract: domain.rollup } as const;
}

/** Everything viem's `signTypedData` and `hashTypedData` need for a request. */
export function requestTypedData(domain: Domain, message: Request) {
  return { domain: domainOf(domain), types: TYPES, primaryType: "Request", message } as const;
}

/** Everything viem's `signTypedData` and `hashTypedData` need for a receipt. */
export function receiptTypedData(domain: Domain, message: Receipt) {
  return { domain: domainOf(domain), types: TYPES, primaryType: "Receipt", message } as const;
}

/** EIP-712 digest of a request. */
export function hashRequest(domain: Domain, request: Request): Hex {
  return hashTypedData(requestTypedData(domain, request));
}

/** EIP-712 digest of a receipt. */
export function hashReceipt(domain: Domain, receipt: Receipt): Hex {
  return hashTypedData(receiptTypedData(domain, receipt));
}

/** Temperature that the machine sees: 0 for the greedy sampler. */
export function effectiveTemperature(request: Pick<Request, "sampler" | "temperature">): number {
  return request.sampler === SAMPLER.greedy ? 0 : request.temperature;
}
