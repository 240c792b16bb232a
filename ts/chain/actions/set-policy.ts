import type { Hex, TransactionReceipt } from "viem";
import { callOf, type OtrContext, read, write } from "../context.ts";
import { NoSenderError, NotInstalledError } from "../errors.ts";

/** Governance: accepts a measurement for a model until `validUntil` (seconds since 1970). */
export function setPolicy(
  context: OtrContext,
  parameters: { modelId: Hex; measurement: Hex; validUntil: number },
): Promise<TransactionReceipt> {
  const { modelId, measurement, validUntil } = parameters;
  return write(context, "enclaves", "setPolicy", [modelId, measurement, validUntil]);
}

/** Guardian: ends a policy now. Its keys read as inactive from then on. */
export function removePolicy(
  context: OtrContext,
  parameters: { modelId: Hex; measurement: Hex },
): Promise<TransactionReceipt> {
  return write(context, "enclaves", "removePolicy", [parameters.modelId, parameters.measurement]);
}

/** What a policy asks for beside its measurement. */
export interface PolicyTerms {
  /** Digests of the image and of the sources that it is built from; zero: not stated. */
  readonly image: Hex;
  readonly sources: Hex;
  /** Names the firmware that GPUs may have. */
  readonly firmwareSet: Hex;
  /** Least number of GPUs in a key's proof. */
  readonly gpus: number;
  /** Least assurance: 3 all verified by contracts, 2 no GPU verified by them, 1 and 0 vouched for. */
  readonly minAssurance: number;
  /** Longest life of a key, in seconds; 0: the registry's. */
  readonly lifetime: number;
}

/** Governance: sets a policy's terms. Sessions under way end with that, keys do not. */
export function setTerms(
  context: OtrContext,
  parameters: { modelId: Hex; measurement: Hex; terms: PolicyTerms },
): Promise<TransactionReceipt> {
  const { modelId, measurement, terms } = parameters;
  return write(context, "enclaves", "setTerms", [modelId, measurement, terms]);
}

/** A policy as it stands. `validUntil` in seconds since 1970, 0 if there never was one. */
export async function getPolicy(
  context: OtrContext,
  parameters: { modelId: Hex; measurement: Hex },
): Promise<{ validUntil: number; policyId: Hex; terms: PolicyTerms }> {
  const { modelId, measurement } = parameters;
  const [validUntil, policyId, terms] = await Promise.all([
    read(context, "enclaves", "policyOf", [modelId, measurement]),
    read(context, "enclaves", "policyIdOf", [modelId, measurement]),
    read(context, "enclaves", "termsOf", [modelId, measurement]),
  ]);
  return { validUntil, policyId, terms };
}

/** Governance: a set accepts GPU firmware until `validUntil` (seconds since 1970), also if it was withdrawn. */
export function acceptFirmware(
  context: OtrContext,
  parameters: { set: Hex; firmware: readonly Hex[]; validUntil: number },
): Promise<TransactionReceipt> {
  const { set, firmware, validUntil } = parameters;
  return toSessions(context, (to) => callOf(to, "sessions", "setFirmware", [set, firmware, validUntil]));
}

/** Guardian: ends the acceptance of firmware in all sets. Its keys can be evicted. */
export function withdrawFirmware(context: OtrContext, firmware: Hex): Promise<TransactionReceipt> {
  return toSessions(context, (to) => callOf(to, "sessions", "withdrawFirmware", [firmware]));
}

async function toSessions(
  context: OtrContext,
  callTo: (sessions: Hex) => ReturnType<typeof callOf>,
): Promise<TransactionReceipt> {
  const sessions = await read(context, "enclaves", "sessions", []);
  if (BigInt(sessions) === 0n) throw new NotInstalledError("sessions (EnclaveSessions)");
  const call = callTo(sessions);
  if (context.sender === undefined) throw new NoSenderError(call.name);
  return context.sender.send(call);
}
