import { type Abi, decodeErrorResult, type Hex } from "viem";
import { ContractRevertError } from "./errors.ts";

/** Revert data of a failed `eth_call` or `eth_estimateGas`; undefined if the failure is no revert (network, bad parameters). */
export function revertData(error: unknown): Hex | undefined {
  let reverted = false;
  for (let at: unknown = error; typeof at === "object" && at !== null; at = (at as { cause?: unknown }).cause) {
    const { data, code, name } = at as { data?: unknown; code?: unknown; name?: unknown };
    const { raw } = at as { raw?: unknown };
    const hex = raw ?? (typeof data === "object" && data !== null ? (data as { data?: unknown }).data : data);
    if (typeof hex === "string" && hex.startsWith("0x")) return hex as Hex;
    // Code 3 is what nodes answer to a revert (geth, anvil); some give no data when the reason is empty.
    if (code === 3 || name === "ExecutionRevertedError") reverted = true;
  }
  return reverted ? "0x" : undefined;
}

/**
 * Turns a failed simulation into a `ContractRevertError` with the custom error's name and arguments; anything that is no
 * revert comes back as it is.
 */
export function decodeRevert(error: unknown, call: { name: string; abi: Abi }): unknown {
  const data = revertData(error);
  if (data === undefined) return error;
  if (data === "0x") return new ContractRevertError({ call: call.name, cause: error });
  try {
    const { errorName, args } = decodeErrorResult({ abi: call.abi, data });
    return new ContractRevertError({ call: call.name, errorName, errorArgs: args ?? [], cause: error });
  } catch {
    // An error of a contract that the ABI does not know: its selector is all there is to say.
    return new ContractRevertError({ call: call.name, errorName: `unknown error ${data.slice(0, 10)}`, cause: error });
  }
}
