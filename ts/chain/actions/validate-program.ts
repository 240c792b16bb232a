import type { Hex } from "viem";
import { estimateGas } from "viem/actions";
import { concat, toHex } from "../../commit/bytes.ts";
import { programTree } from "../../commit/model-trees.ts";
import { callOf, type OtrContext, read, write } from "../context.ts";
import { ContractRevertError, NoSenderError } from "../errors.ts";
import { TRANSACTION_GAS_CAP } from "../gas.ts";
import { concatNodes } from "../nodes.ts";
import { decodeRevert } from "../revert.ts";

/** Gas that a chunk aims at: room for an estimate's margin of a fifth below the cap. */
const TARGET_GAS = (TRANSACTION_GAS_CAP * 3n) / 4n;
const FIRST_CHUNK = 64;

/** A program to validate. */
export interface ValidateProgramParameters {
  readonly modelId: Hex;
  /** All instructions, 128 bytes each. */
  readonly instructions: readonly Uint8Array[];
  /** Called after each chunk. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Brings a registered program through the validator in as many transactions as the gas cap asks for, going on where an earlier
 * call or anyone else stopped.
 *
 * @returns Number of transactions sent.
 * @throws ContractRevertError `InvalidInstruction(index, rule)` for a program that breaks a rule.
 */
export async function validateProgram(context: OtrContext, parameters: ValidateProgramParameters): Promise<number> {
  const { modelId, instructions, onProgress } = parameters;
  if (context.sender === undefined) throw new NoSenderError("models.validateProgram");
  if (await read(context, "models", "isUsable", [modelId])) return 0;
  const tree = programTree(instructions);
  const descriptors = concat(instructions.map(descriptorOf));
  const argsOf = (from: number, size: number) =>
    [
      modelId,
      toHex(concat(instructions.slice(from, from + size))),
      concatNodes(tree.range(from, from + size - 1).map(toHex)),
      toHex(descriptors.subarray(0, 8 * from)),
    ] as const;
  let done = (await read(context, "models", "validationOf", [modelId])).count;
  let size = FIRST_CHUNK;
  let sent = 0;
  while (done < instructions.length) {
    size = Math.min(size, instructions.length - done);
    const gas = await gasOf(context, argsOf(done, size), size);
    if (gas === undefined || (gas > TARGET_GAS && size > 1)) {
      size = Math.max(1, gas === undefined ? Math.floor(size / 2) : Number((BigInt(size) * TARGET_GAS) / gas));
      continue;
    }
    await write(context, "models", "validateProgram", argsOf(done, size));
    sent++;
    done += size;
    onProgress?.(done, instructions.length);
    size = Math.max(1, Number((BigInt(size) * TARGET_GAS) / gas));
  }
  return sent;
}

/** Gas of a chunk, undefined if it is too large for a transaction. */
async function gasOf(
  context: OtrContext,
  args: readonly [Hex, Hex, Hex, Hex],
  size: number,
): Promise<bigint | undefined> {
  const call = callOf(context.addresses.models, "models", "validateProgram", args);
  try {
    return await estimateGas(context.client, { account: context.sender!.address, to: call.to, data: call.data });
  } catch (cause) {
    const error = decodeRevert(cause, call);
    const refused = error instanceof ContractRevertError && error.errorName !== undefined;
    if (refused || size === 1) throw error;
    return undefined;
  }
}

/** `type, mode, role, 0, length`: what the validator keeps of a row (src/interfaces/IProgramValidator.sol). */
function descriptorOf(instruction: Uint8Array): Uint8Array {
  const out = new Uint8Array(8);
  out.set(instruction.subarray(1, 4), 0);
  out.set(instruction.subarray(4, 8), 4);
  return out;
}
