import { parentPort, workerData } from "node:worker_threads";
import { PoseidonKernel, type PoseidonTables } from "./poseidon-kernel.ts";
import { RowKernel } from "./row-kernel.ts";

/** What a thread starts with. Without `poseidon` it makes leaves only. */
export type CommitWorkerData = {
  readonly rows: WebAssembly.Module;
  readonly poseidon: { readonly module: WebAssembly.Module; readonly tables: PoseidonTables } | undefined;
};

/** A piece of work for a thread. */
export type CommitJob =
  | {
      readonly kind: "rows";
      /** Rows of one type and length, one after the other. */
      readonly bytes: Uint8Array;
      readonly count: number;
      /** `leafHead` of their type. */
      readonly head: Uint8Array;
      /** `digestStart` of their type; undefined if no digests are wanted. */
      readonly start: Uint8Array | undefined;
    }
  | { readonly kind: "ancestor"; readonly digests: Uint8Array; readonly levels: number };

/** Leaves and digests of rows, 32 bytes each; for `ancestor` one digest. */
export type CommitJobResult = { readonly leaves: Uint8Array; readonly digests: Uint8Array };

const NOTHING = new Uint8Array(0);

const { rows, poseidon } = workerData as CommitWorkerData;
const rowKernel = new RowKernel(rows);
const poseidonKernel = poseidon && new PoseidonKernel(poseidon.module, poseidon.tables);

parentPort?.on("message", (job: CommitJob) => parentPort?.postMessage(run(job)));

function run(job: CommitJob): CommitJobResult {
  if (job.kind === "ancestor") {
    return { leaves: NOTHING, digests: poseidonKernel?.ancestor(job.digests, job.levels) ?? NOTHING };
  }
  const { head, start, bytes, count } = job;
  const leaves = rowKernel.leaves(head, bytes, count);
  return { leaves, digests: (start && poseidonKernel?.rows(start, bytes, count)) ?? NOTHING };
}
