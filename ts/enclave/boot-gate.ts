import { type Command, runCommand } from "./command.ts";
import { BootGateError } from "./errors.ts";
import type { EvidenceSource } from "./source.ts";

/** What a machine says of itself. */
export interface MachineState {
  /** Confidential computing is on, in every GPU. */
  readonly confidentialComputing: boolean;
  /** Developers' tools may look into GPUs. */
  readonly devTools: boolean;
  readonly gpus: number;
}

/** Looks at a machine's GPUs by `nvidia-smi`. */
export async function inspectGpus(program = "nvidia-smi", command: Command = runCommand): Promise<MachineState> {
  const [mode, tools, list] = await Promise.all([
    command(program, ["conf-compute", "-f"]),
    command(program, ["conf-compute", "-d"]),
    command(program, ["-L"]),
  ]);
  // Anything that is not plainly the safe answer counts as the other.
  return {
    confidentialComputing: /^\s*CC status:\s*ON\s*$/im.test(mode) && !/CC status:\s*(?!ON\b)\S/i.test(mode),
    devTools: !/^\s*DevTools Mode:\s*OFF\s*$/im.test(tools) || /DevTools Mode:\s*(?!OFF\b)\S/i.test(tools),
    gpus: (list.match(/^GPU \d+: /gm) ?? []).length,
  };
}

/**
 * The gate that measured guest code passes before it makes a key. A GPU's report does not say that confidential computing is on, nor that the
 * GPU is in this machine: that only this code looked says it, and only because the processor measured this code.
 *
 * @throws BootGateError with everything that is wrong.
 */
export async function passBootGate(
  source: Pick<EvidenceSource, "kind" | "gpus">,
  inspect: () => Promise<MachineState> = inspectGpus,
): Promise<void> {
  // A development source has no hardware that could be wrong; a machine without GPUs computes in its processor.
  if (source.kind === "dev" || source.gpus === 0) return;
  const state = await inspect();
  const problems = [
    ...(state.confidentialComputing ? [] : ["Confidential computing is off, or not plainly on, in a GPU."]),
    ...(state.devTools ? ["DevTools mode is on, or not plainly off: tools may read GPU memory."] : []),
    ...(state.gpus === source.gpus
      ? []
      : [`The machine has ${state.gpus} GPUs, and ${source.gpus} are to be attested.`]),
  ];
  if (problems.length > 0) throw new BootGateError(problems);
}
