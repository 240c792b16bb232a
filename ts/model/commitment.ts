import { setImmediate } from "node:timers/promises";
import { concat } from "../commit/bytes.ts";
import { cacheFolder } from "../commit/cache-folder.ts";
import { CommitPool } from "../commit/commit-pool.ts";
import type { CommitJob } from "../commit/commit-worker.ts";
import { kernelModule } from "../commit/kernel-module.ts";
import { rowsTree } from "../commit/model-trees.ts";
import { POSEIDON_KIND, PoseidonTree, poseidonRow } from "../commit/poseidon.ts";
import { poseidonHash } from "../commit/poseidon-hash.ts";
import { DIGEST, digestBytes, digestInteger, digestStart } from "../commit/poseidon-kernel.ts";
import { leafHead, RowKernel } from "../commit/row-kernel.ts";
import { depth, Tree } from "../commit/tree.ts";
import { ELEMENT_BYTES, ELEMENT_CODE, rowBytes } from "../machine/types.ts";
import type { WeightStore } from "../machine/weights.ts";
import { CommitmentCache, type RowHashes, weightsKey } from "./commitment-cache.ts";
import { committedRow, committedRows } from "./weights-file.ts";

/** Called while roots are computed: rows done of all rows. `weightsRootP` takes nearly all of the time. */
export type CommitProgress = (root: "weightsRoot" | "weightsRootP", done: number, total: number) => void;

export type CommitOptions = {
  readonly onProgress?: CommitProgress;
  /** Where commitments and compiled kernels are kept; default `cacheFolder()`. */
  readonly cacheDir?: string;
  /** Default: one a core. */
  readonly threads?: number;
  /** Weights from this many bytes on are committed to by the WebAssembly kernels; tests set it. */
  readonly kernelsFrom?: number;
};

/** Both commitments to a model's weights. */
export type WeightsCommitment = {
  /** Opens rows under `weightsRoot`. */
  readonly tree: Tree;
  readonly weightsRootP: bigint;
  /** `P(row)` of each row, 32 bytes each, little-endian: `DigestTree` opens rows under `weightsRootP`. */
  readonly digests: Uint8Array;
  /** Rows whose hashes were in the cache. */
  readonly cachedRows: number;
};

/** Below these sizes the specification in plain TypeScript is done before the kernels are compiled. */
const KERNELS_FROM = { leaves: 8 << 20, digests: 1 << 20 } as const;

/** Most rows, and most bytes, of one job: what is lost if the process is killed. */
const JOB_ROWS = 512;
const JOB_BYTES = 1 << 20;

/** Levels of the Poseidon tree that one job climbs. */
const GROUP_LEVELS = 12;

const NODE = 32;

/** The tree whose root, tagged `weights`, is `weightsRoot`. Never from the cache. */
export async function weightsTreeOf(weights: WeightStore, options: CommitOptions = {}): Promise<Tree> {
  const { onProgress } = options;
  if (sizeOf(weights) < (options.kernelsFrom ?? KERNELS_FROM.leaves)) {
    return rowsTree(
      weights.count,
      (i) => committedRow(weights, i),
      (done) => onProgress?.("weightsRoot", done, weights.count),
    );
  }
  const leaves = new Uint8Array(weights.count * NODE);
  const pool = await CommitPool.open({ ...options, poseidon: false });
  try {
    let done = 0;
    await pool.run(jobs(weights, false), (first, { leaves: some }) => {
      leaves.set(some, first * NODE);
      done += some.length / NODE;
      onProgress?.("weightsRoot", done, weights.count);
    });
  } finally {
    await pool.close();
  }
  return treeOf(leaves, options);
}

/** Commits to weights in both ways; from the cache what was computed before, also by a process that was killed. */
export async function commitWeights(weights: WeightStore, options: CommitOptions = {}): Promise<WeightsCommitment> {
  if (sizeOf(weights) < (options.kernelsFrom ?? KERNELS_FROM.digests)) return commitPlainly(weights, options);
  const { onProgress, cacheDir = cacheFolder() } = options;
  const cache = new CommitmentCache(cacheDir, weightsKey(weights));
  const known = cache.read(weights.count);
  if (known !== undefined) {
    onProgress?.("weightsRootP", weights.count, weights.count);
    return {
      tree: await treeOf(known.leaves, options),
      weightsRootP: rootOf(digestInteger(known.top), weights.count),
      digests: known.digests,
      cachedRows: weights.count,
    };
  }
  const leaves = new Uint8Array(weights.count * NODE);
  const digests = new Uint8Array(weights.count * DIGEST);
  const finished = new Set<number>();
  let done = 0;
  const put = (first: number, hashes: RowHashes) => {
    leaves.set(hashes.leaves, first * NODE);
    digests.set(hashes.digests, first * DIGEST);
    finished.add(first);
    done += hashes.leaves.length / NODE;
    onProgress?.("weightsRootP", done, weights.count);
  };
  cache.resume(put);
  const cachedRows = done;
  const pool = await CommitPool.open({ ...options, cacheDir, poseidon: true });
  try {
    await pool.run(jobs(weights, true, finished), (first, hashes) => {
      cache.append(first, hashes);
      put(first, hashes);
    });
    const top = await poseidonTop(pool, digests);
    cache.write({ leaves, digests, top });
    const weightsRootP = rootOf(digestInteger(top), weights.count);
    return { tree: await treeOf(leaves, options), weightsRootP, digests, cachedRows };
  } finally {
    cache.close();
    await pool.close();
  }
}

/** The specification, row by row: for small models. */
async function commitPlainly(weights: WeightStore, options: CommitOptions): Promise<WeightsCommitment> {
  const tree = await weightsTreeOf(weights, options);
  const leaves: bigint[] = [];
  for (const row of committedRows(weights)) {
    leaves.push(poseidonRow(row));
    options.onProgress?.("weightsRootP", leaves.length, weights.count);
    // A row takes milliseconds: others may have their turn.
    if (leaves.length % 16 === 0) await setImmediate();
  }
  const weightsRootP = new PoseidonTree(leaves).root(POSEIDON_KIND.weights);
  return { tree, weightsRootP, digests: concat(leaves.map(digestBytes)), cachedRows: 0 };
}

async function treeOf(leaves: Uint8Array, { cacheDir = cacheFolder() }: CommitOptions): Promise<Tree> {
  return new Tree(leaves, new RowKernel(await kernelModule("rows", cacheDir)).levels(leaves));
}

function sizeOf(weights: WeightStore): number {
  return weights.sections.reduce((sum, { type, length, count }) => sum + length * count * ELEMENT_BYTES[type], 0);
}

/** The weight rows in jobs, by their first row; those of `finished` are left out. */
function* jobs(
  weights: WeightStore,
  poseidon: boolean,
  finished: ReadonlySet<number> = new Set(),
): Generator<[first: number, CommitJob]> {
  for (const { type, length, first, count } of weights.sections) {
    const code = ELEMENT_CODE[type];
    const head = leafHead(code, length);
    const start = poseidon ? digestStart(code, length) : undefined;
    const step = Math.max(1, Math.min(JOB_ROWS, Math.floor(JOB_BYTES / (length * ELEMENT_BYTES[type]))));
    for (let at = first; at < first + count; at += step) {
      if (finished.has(at)) continue;
      const rows = Math.min(step, first + count - at);
      yield [at, { kind: "rows", bytes: rowBytes(weights.range(at, rows)), count: rows, head, start }];
    }
  }
}

/** The top of the tree over the digests: groups of leaves on all threads, what is above them here. */
async function poseidonTop(pool: CommitPool, digests: Uint8Array): Promise<Uint8Array> {
  const count = digests.length / DIGEST;
  const levels = Math.min(GROUP_LEVELS, depth(count));
  const size = DIGEST * 2 ** levels;
  const tops: Uint8Array[] = [];
  const groups = function* (): Generator<[number, CommitJob]> {
    for (let group = 0; group * size < digests.length; group++) {
      yield [group, { kind: "ancestor", digests: digests.subarray(group * size, (group + 1) * size), levels }];
    }
  };
  await pool.run(groups(), (group, result) => {
    tops[group] = result.digests;
  });
  const { top } = new PoseidonTree(tops.map(digestInteger));
  return digestBytes(top);
}

function rootOf(top: bigint, count: number): bigint {
  return poseidonHash([POSEIDON_KIND.weights, BigInt(count), top]);
}
