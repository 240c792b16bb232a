import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Address } from "viem";
import { z } from "zod";
import type { Addresses } from "./context.ts";
import { DeploymentError } from "./errors.ts";

const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/)
  .transform((value) => value as Address);

const deploymentSchema = z.object({
  OtrRollup: address,
  StakeVault: address,
  ModelRegistry: address,
  EnclaveRegistry: address,
  DisputeGame: address,
  FraudProofs: address,
  Availability: address,
  OtrRequests: address,
  JudgeV1: address,
  ProgramValidatorV1: address,
  AccessManager: address,
  TimelockController: address,
  DevEvidenceVerifier: address.optional(),
  SpotChecks: address.optional(),
  Randomness: address.optional(),
  NvidiaOcsp: address.optional(),
});

/** A deployment: what actions need, and what only operators look at. */
export interface Deployment {
  readonly addresses: Addresses;
  readonly judge: Address;
  readonly validator: Address;
  readonly manager: Address;
  readonly timelock: Address;
  /** Only in development deployments. */
  readonly devVerifier: Address | undefined;
  /** The court of draws, and what it draws by; only in deployments whose rules have draws. */
  readonly spotChecks: Address | undefined;
  readonly randomness: Address | undefined;
  /** Takes answers of NVIDIA's responder; only where evidence of GPUs is taken. The registry names the verifiers. */
  readonly nvidiaOcsp: Address | undefined;
}

/** Folder of the address files, seen from the repository's root. */
export const DEPLOYMENTS = "deployments";

/** Where script/Deploy.s.sol writes the addresses of a chain. */
export function deploymentPath(chainId: number, folder = DEPLOYMENTS): string {
  return join(folder, `${chainId}.json`);
}

/** Reads an address file. @throws DeploymentError */
export function readDeployment(path: string): Deployment {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new DeploymentError(path, "it is missing or no JSON", cause);
  }
  const parsed = deploymentSchema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new DeploymentError(path, `${issue?.path.join(".")}: ${issue?.message}`, parsed.error);
  }
  const d = parsed.data;
  return {
    addresses: {
      rollup: d.OtrRollup,
      vault: d.StakeVault,
      models: d.ModelRegistry,
      enclaves: d.EnclaveRegistry,
      game: d.DisputeGame,
      frauds: d.FraudProofs,
      availability: d.Availability,
      requests: d.OtrRequests,
    },
    judge: d.JudgeV1,
    validator: d.ProgramValidatorV1,
    manager: d.AccessManager,
    timelock: d.TimelockController,
    devVerifier: d.DevEvidenceVerifier,
    spotChecks: d.SpotChecks,
    randomness: d.Randomness,
    nvidiaOcsp: d.NvidiaOcsp,
  };
}
