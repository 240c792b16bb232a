import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Hex } from "viem";
import { sealKeystore } from "../config/keystore.ts";
import { connect } from "./client.ts";
import { type Deployment, deploymentPath, readDeployment } from "./deployment.ts";
import { forgeScript, ROOT } from "./forge-script.ts";

/** What `script/Deploy.s.sol` takes; it names the defaults. Durations in seconds, amounts in wei. */
export interface DeployParameters {
  /** Accept development evidence, and let governance act without the timelock. */
  readonly development?: boolean;
  /** Let the development verifier stand on chains other than 31337. */
  readonly allowAnyChain?: boolean;
  /** Address of the key that signs development evidence. */
  readonly devRoot?: Hex;
  /** keccak256 of root certificates, and of the name of who signs TCB info: other than the vendors' in development only. */
  readonly intelRoot?: Hex;
  readonly intelSigner?: Hex;
  readonly nvidiaRoot?: Hex;
  readonly governance?: Hex;
  readonly guardian?: Hex;
  readonly challengeWindow?: number;
  readonly turnDuration?: number;
  readonly claimPeriod?: number;
  readonly airGap?: number;
  readonly expiryCap?: number;
  readonly exitDelay?: number;
  readonly keyLifetime?: number;
  readonly lockPerReceipt?: bigint;
  readonly bond?: bigint;
  readonly reserve?: bigint;
  readonly demandBond?: bigint;
  readonly gasPrice?: bigint;
  readonly deliveryPeriod?: number;
  /** File of the circuits' verification keys (`VERIFIER_KEYS`). Without it, rules have no draws, and what follows here is not looked at. */
  readonly circuitKeys?: string;
  /** Blocks of a long fold that are drawn. */
  readonly drawBlocks?: number;
  /** Decides proofs about drawn elements in place of a verifier with these keys. */
  readonly elementVerifier?: Hex;
  /** Draw by drand's rounds; else by values that anybody may choose. */
  readonly drand?: boolean;
  readonly deadAfter?: number;
  readonly lostAfter?: number;
  readonly drawDelta?: number;
  readonly drawEpoch?: number;
  readonly roundTimeout?: number;
  readonly drawStride?: number;
  readonly drawPairs?: number;
}

/** Variable of the script for each parameter. */
const VARIABLES: Readonly<Record<keyof DeployParameters, string>> = {
  development: "OTR_DEVELOPMENT",
  allowAnyChain: "OTR_DEV_ALLOW_ANY_CHAIN",
  devRoot: "OTR_DEV_ROOT",
  intelRoot: "OTR_INTEL_ROOT",
  intelSigner: "OTR_INTEL_SIGNER",
  nvidiaRoot: "OTR_NVIDIA_ROOT",
  governance: "OTR_GOVERNANCE",
  guardian: "OTR_GUARDIAN",
  challengeWindow: "OTR_WINDOW",
  turnDuration: "OTR_TURN",
  claimPeriod: "OTR_CLAIM_PERIOD",
  airGap: "OTR_AIR_GAP",
  expiryCap: "OTR_EXPIRY_CAP",
  exitDelay: "OTR_EXIT_DELAY",
  keyLifetime: "OTR_KEY_LIFETIME",
  lockPerReceipt: "OTR_LOCK",
  bond: "OTR_BOND",
  reserve: "OTR_RESERVE",
  demandBond: "OTR_DEMAND_BOND",
  gasPrice: "OTR_GAS_PRICE",
  deliveryPeriod: "OTR_DELIVERY_PERIOD",
  circuitKeys: "OTR_CIRCUIT_KEYS",
  drawBlocks: "OTR_DRAW_BLOCKS",
  elementVerifier: "OTR_ELEMENT_VERIFIER",
  drand: "OTR_DRAND",
  deadAfter: "OTR_DEAD_AFTER",
  lostAfter: "OTR_LOST_AFTER",
  drawDelta: "OTR_DRAW_DELTA",
  drawEpoch: "OTR_DRAW_EPOCH",
  roundTimeout: "OTR_ROUND_TIMEOUT",
  drawStride: "OTR_DRAW_STRIDE",
  drawPairs: "OTR_DRAW_PAIRS",
};

/** How to deploy. */
export interface DeployOptions {
  readonly url: string;
  /** The deployer's key. It reaches forge through a keystore that only this user can read, never through arguments. */
  readonly privateKey: Hex;
  readonly parameters?: DeployParameters;
  /** Parameters of the script that are set already, e.g. the process's environment. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Receives forge's output as it comes. */
  readonly onOutput?: (text: string) => void;
}

/** Runs `script/Deploy.s.sol` against a chain. Idempotent: what is deployed already is kept. @throws ChildProcessError */
export async function deploy(options: DeployOptions): Promise<Deployment & { chainId: number }> {
  const { url, privateKey, parameters, environment = process.env, onOutput } = options;
  const { chain } = await connect({ url });
  const folder = mkdtempSync(join(tmpdir(), "otr-deploy-"));
  try {
    const [keystore, password] = [join(folder, "key.json"), join(folder, "password")];
    const secret = randomBytes(24).toString("hex");
    writeFileSync(keystore, sealKeystore(privateKey, secret, randomBytes(48), 2 ** 12), { mode: 0o600 });
    writeFileSync(password, secret, { mode: 0o600 });
    mkdirSync(join(ROOT, "deployments"), { recursive: true });
    const args = ["script/Deploy.s.sol:Deploy", "--rpc-url", url, "--broadcast", "--slow", "--non-interactive"];
    args.push("--keystore", keystore, "--password-file", password);
    await forgeScript(args, { environment: { ...environment, ...variables(parameters ?? {}) }, onOutput });
  } finally {
    rmSync(folder, { recursive: true });
  }
  return { chainId: chain.id, ...readDeployment(join(ROOT, deploymentPath(chain.id))) };
}

function variables(parameters: DeployParameters): Record<string, string> {
  const entries = Object.entries(parameters) as [keyof DeployParameters, string | number | bigint | boolean][];
  return Object.fromEntries(entries.map(([name, value]) => [VARIABLES[name], String(value)]));
}
