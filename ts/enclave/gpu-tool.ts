import { z } from "zod";
import { parseReport } from "../attestation/nvidia/report.ts";
import { parseGpuEvidence } from "../attestation/nvidia/verify.ts";
import { equal, toHex } from "../commit/bytes.ts";
import { type Command, runCommand } from "./command.ts";
import { EvidenceUnavailableError } from "./errors.ts";
import type { GpuDriver, GpuEvidence } from "./source.ts";

/** How GPUs are asked. */
export interface GpuToolOptions {
  /** GPUs that the machine must have. */
  readonly count: number;
  /** NVIDIA's tool, or another program with its arguments and output. */
  readonly program?: string;
  readonly command?: Command;
}

const answerSchema = z.object({ result_code: z.literal(0), evidences: z.array(z.unknown()).max(64) });

/**
 * Reports by NVIDIA's `nvattest collect-evidence`, which asks all GPUs with one nonce. For GPUs with nonces of their own it runs once for each, and
 * the report of that GPU is taken.
 */
export function gpuToolDriver({ count, program = "nvattest", command = runCommand }: GpuToolOptions): GpuDriver {
  const collect = async (nonce: Uint8Array): Promise<readonly GpuEvidence[]> => {
    const args = ["collect-evidence", "--device", "gpu", "--nonce", toHex(nonce).slice(2), "--format", "json"];
    const reports = evidencesOf(program, await command(program, args));
    if (reports.length !== count)
      throw new EvidenceUnavailableError(program, `It reports ${reports.length} GPUs, not ${count}.`);
    // Without a GPU some tools answer with a sample: its nonce is not this one.
    if (reports.some(({ report }) => !equal(parseReport(report).nonce, nonce)))
      throw new EvidenceUnavailableError(program, "A report answers another nonce.");
    return reports;
  };
  return {
    count,
    async evidence(nonces) {
      const out: GpuEvidence[] = [];
      const known = new Map<string, readonly GpuEvidence[]>();
      for (const [k, nonce] of nonces.entries()) {
        const reports = known.get(toHex(nonce)) ?? (await collect(nonce));
        known.set(toHex(nonce), reports);
        out.push(reports[k]!);
      }
      return out;
    },
  };
}

function evidencesOf(program: string, output: string): GpuEvidence[] {
  // The tool may print log lines before its JSON.
  const start = output.indexOf("{");
  let value: unknown;
  try {
    value = JSON.parse(output.slice(Math.max(start, 0)));
  } catch {
    throw new EvidenceUnavailableError(program, "It prints no JSON.");
  }
  const answer = answerSchema.safeParse(value);
  if (!answer.success) throw new EvidenceUnavailableError(program, "Its result is not 0, or it lists no evidence.");
  return parseGpuEvidence(answer.data.evidences);
}
