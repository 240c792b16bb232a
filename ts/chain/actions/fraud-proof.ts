import { type Address, encodeAbiParameters, type Hex, keccak256, type TransactionReceipt } from "viem";
import { fromHex, toHex } from "../../commit/bytes.ts";
import type { TraceRecord } from "../../commit/record.ts";
import { recordWire } from "../../commit/record-wire.ts";
import type { Receipt, Request } from "../../commit/typed-data.ts";
import { type CommittedReceipt, committedArgument } from "../committed.ts";
import { callOf, type OtrContext, read, write } from "../context.ts";
import { NoSenderError } from "../errors.ts";
import { concatNodes } from "../nodes.ts";
import type { Call } from "../sender.ts";

/** What every one-shot proof names. */
interface ProofParameters {
  /** The court of the batch's rules: `frauds` of `getRules`. */
  readonly frauds: Address;
  readonly committed: CommittedReceipt;
}

/** The receipt contradicts its request in a field, a length, or the stop reason that the lengths allow. */
export interface FieldProofParameters extends ProofParameters {
  readonly request: Request;
}

/** A stop token in the wrong place, or a stop reason that the last token does not have. */
export interface StopProofParameters extends ProofParameters {
  readonly request: Request;
  /** Output token `index` with its salt, opened under `outputRoot`. */
  readonly index: number;
  readonly token: number;
  readonly salt: Uint8Array;
  readonly siblings: readonly Hex[];
}

/** The output root is not over the tokens of the trace. */
export interface OutputProofParameters extends ProofParameters {
  readonly request: Request;
  /** The request's seed, or what a confidential request's seed commits to. */
  readonly secret: Hex;
  /** The records that emit output tokens, and their range opening under `traceRoot`. */
  readonly records: readonly TraceRecord[];
  readonly siblings: readonly Hex[];
}

/** A receipt, and what shows that its executor made it: both its signatures, or that the executor committed it. */
export type OtherReceipt =
  | { readonly receipt: Receipt; readonly enclaveSignature: Hex; readonly operatorSignature: Hex }
  | { readonly committed: CommittedReceipt };

/** Another receipt that cannot be true beside the committed one. */
export interface TwiceProofParameters extends ProofParameters {
  readonly other: OtherReceipt;
}

/** The call that proves a wrong field. */
export function fieldProof({ frauds, committed, request }: FieldProofParameters): Call {
  return callOf(frauds, "frauds", "proveField", [committedArgument(committed), request]);
}

/** The call that proves a wrong stop. */
export function stopProof(parameters: StopProofParameters): Call {
  const { frauds, committed, request, index, token, salt, siblings } = parameters;
  const opened = [index, token, toHex(salt), concatNodes(siblings)] as const;
  return callOf(frauds, "frauds", "proveStop", [committedArgument(committed), request, ...opened]);
}

/** The call that proves a wrong output root. */
export function outputProof(parameters: OutputProofParameters): Call {
  const { frauds, committed, request, secret, records, siblings } = parameters;
  const opened = [secret, toHex(recordWire(records)), concatNodes(siblings)] as const;
  return callOf(frauds, "frauds", "proveOutput", [committedArgument(committed), request, ...opened]);
}

/** The call that proves two answers to one request. */
export function secondAnswerProof(parameters: TwiceProofParameters): Call {
  return callOf(parameters.frauds, "frauds", "proveSecondAnswer", twiceArguments(parameters));
}

/** The call that proves two receipts of one key with one `seq`. */
export function seqReuseProof(parameters: TwiceProofParameters): Call {
  return callOf(parameters.frauds, "frauds", "proveSeqReuse", twiceArguments(parameters));
}

function twiceArguments({ committed, other }: TwiceProofParameters) {
  return [committedArgument(committed), otherArgument(other)] as const;
}

function otherArgument(other: OtherReceipt) {
  if ("committed" in other)
    return { committed: committedArgument(other.committed), enclaveSignature: "0x", operatorSignature: "0x" } as const;
  const { receipt, enclaveSignature, operatorSignature } = other;
  const uncommitted = committedArgument({ receipt, batchId: 0n, index: 0, siblings: [] });
  return { committed: uncommitted, enclaveSignature, operatorSignature };
}

/** What `sender` announces before it sends a proof: nobody else can use it. */
export function announcementOf(sender: Address, proof: Pick<Call, "data">): Hex {
  const words = [sender, keccak256(fromHex(proof.data))] as const;
  return keccak256(encodeAbiParameters([{ type: "address" }, { type: "bytes32" }], words));
}

/** When an announcement was made, in seconds since 1970; 0 if never, or if it was used. And how long it can be used. */
export async function getAnnouncement(
  context: OtrContext,
  parameters: { frauds: Address; announcement: Hex },
): Promise<{ announcedAt: bigint; lifetime: bigint }> {
  const { frauds: address, announcement } = parameters;
  const [announcedAt, lifetime] = await Promise.all([
    read(context, "frauds", "announcedAt", [announcement], { address }),
    read(context, "frauds", "ANNOUNCEMENT_LIFETIME", [], { address }),
  ]);
  return { announcedAt: BigInt(announcedAt), lifetime: BigInt(lifetime) };
}

/** Announces a proof of the sender's. The proof itself is taken at a later timestamp. */
export async function announceProof(
  context: OtrContext,
  parameters: { proof: Pick<Call, "to" | "data">; id?: string },
): Promise<TransactionReceipt> {
  const { proof, id } = parameters;
  if (context.sender === undefined) throw new NoSenderError("frauds.announce");
  const announcement = announcementOf(context.sender.address, proof);
  const options = { address: proof.to, ...(id === undefined ? {} : { id }) };
  return write(context, "frauds", "announce", [announcement], options);
}

/** Sends an announced proof: it convicts at once. */
export async function sendProof(
  context: OtrContext,
  parameters: { proof: Call; id?: string },
): Promise<TransactionReceipt> {
  const { proof, id } = parameters;
  if (context.sender === undefined) throw new NoSenderError(proof.name);
  return context.sender.send(proof, id === undefined ? {} : { id });
}
