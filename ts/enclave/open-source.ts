import type { Config } from "../config/schema.ts";
import { inspectGpus, passBootGate } from "./boot-gate.ts";
import { type Command, runCommand } from "./command.ts";
import { devSource } from "./dev-source.ts";
import { gpuToolDriver } from "./gpu-tool.ts";
import { type EvidenceSource, machineSource } from "./source.ts";
import { type TsmOptions, tsmDriver } from "./tsm.ts";

/** What a source is opened with beside its configuration. */
export interface OpenSourceOptions {
  /** What the guest is started with: a development source commits to it. */
  readonly configuration: string;
  readonly tsm?: TsmOptions;
  readonly command?: Command;
}

/**
 * The machine's source of evidence, behind the boot gate: whoever has one may make keys.
 *
 * @returns undefined if none is configured.
 * @throws BootGateError if the machine does not protect what keys would sign.
 */
export async function openSource(
  config: Config["executor"]["attestation"],
  { configuration, tsm, command = runCommand }: OpenSourceOptions,
): Promise<EvidenceSource | undefined> {
  const { source: kind, gpus, gpuProgram, devSeed } = config;
  if (kind === "none") return undefined;
  const machine = (cpu: "tdx" | "snp") => {
    const driver = tsmDriver(cpu, tsm);
    return gpus === 0
      ? machineSource(driver)
      : machineSource(driver, gpuToolDriver({ count: gpus, program: gpuProgram, command }));
  };
  const source =
    kind === "dev" ? devSource({ seed: new TextEncoder().encode(devSeed), gpus, configuration }) : machine(kind);
  await passBootGate(source, () => inspectGpus("nvidia-smi", command));
  return source;
}
