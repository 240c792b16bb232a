import * as L from "../../plan/layout";
import { attentionMix, attentionScores } from "./attention";
import { BLOCK_ROWS, dot1x1, dotTile, SPAN, widenPair } from "./dot";
import { KECCAK_STATE, keccak, putWord, sha256of32, sha256of32x4, treeTop } from "./hash";
import { runInstruction } from "./instructions";
import * as Op from "./opcodes";

/** How often a thread looks whether the others have arrived before it goes to sleep. */
const SPINS = 2000;

/** Waits until all threads have come here. */
function barrier(job: usize, threads: i32): void {
  if (threads == 1) return;
  const round = atomic.load<i32>(job, L.JOB_ROUND);
  if (atomic.add<i32>(job, 1, L.JOB_ARRIVED) == threads - 1) {
    atomic.store<i32>(job, 0, L.JOB_ARRIVED);
    atomic.add<i32>(job, 1, L.JOB_ROUND);
    atomic.notify(job + L.JOB_ROUND, threads);
    return;
  }
  for (let i = 0; i < SPINS; i++) if (atomic.load<i32>(job, L.JOB_ROUND) != round) return;
  while (atomic.load<i32>(job, L.JOB_ROUND) == round) atomic.wait<i32>(job + L.JOB_ROUND, round, -1);
}

/** One thread's part of a batch of steps. All threads must run the same job. */
export function run(job: usize, thread: i32, threads: i32): void {
  const ops = <usize>load<u32>(job, L.JOB_OPS);
  const count = load<i32>(job, L.JOB_OP_COUNT);
  const lanes = <usize>load<u32>(job, L.JOB_LANES);
  const all = load<i32>(job, L.JOB_LANE_COUNT);
  const full = load<i32>(job, L.JOB_FULL_COUNT);
  for (let i = 0; i < count; i++) {
    const op = ops + <usize>i * L.OP_BYTES;
    // A barrier is for whoever comes later too: it is never left out.
    if (load<i32>(op, L.OP_BARRIER) != 0) barrier(job, threads);
    const active = activeOf(op, all, full);
    if (byLanes(op, active, threads)) {
      // All up to the next barrier for one lane after the other: its rows stay in the nearest cache.
      let end = i + 1;
      for (; end < count; end++) {
        const next = ops + <usize>end * L.OP_BYTES;
        if (load<i32>(next, L.OP_BARRIER) != 0 || !byLanes(next, activeOf(next, all, full), threads)) break;
      }
      for (let lane = thread; lane < all; lane += threads) {
        for (let k = i; k < end; k++) {
          const next = ops + <usize>k * L.OP_BYTES;
          if (lane < activeOf(next, all, full)) one(next, lanes + <usize>lane * L.LANE_BYTES, 0, -1);
        }
      }
      i = end - 1;
    } else if (load<i32>(op, L.OP_SHARE) == L.SHARE_HEADS) {
      const heads = load<i32>(op, L.OP_HEADS);
      const first = (heads * thread) / threads;
      const last = (heads * (thread + 1)) / threads;
      for (let lane = 0; lane < active; lane++) one(op, lanes + <usize>lane * L.LANE_BYTES, first, last);
    } else {
      // In pairs, so that all threads but the last use the kernel for two rows only.
      const length = load<i32>(op, L.OP_OUT_LENGTH);
      const pairs = (length + 1) >> 1;
      const first = ((pairs * thread) / threads) << 1;
      const last = min(((pairs * (thread + 1)) / threads) << 1, length);
      dots(op, lanes, active, first, last, scratch(job, thread));
      if (load<i32>(op, L.OP_FUSED) == 0) continue;
      i++;
      for (let lane = 0; lane < active; lane++) one(op + L.OP_BYTES, lanes + <usize>lane * L.LANE_BYTES, first, last);
    }
  }
  barrier(job, threads);
  leaves(job, lanes, all, thread, threads);
  barrier(job, threads);
  roots(job, lanes, all, thread, threads);
}

/** Lanes that an instruction is for: all, or those whose token is wanted. */
// @ts-expect-error: decorator
@inline
function activeOf(op: usize, all: i32, full: i32): i32 {
  return load<i32>(op, L.OP_NEEDED) != 0 ? all : full;
}

/** Whether each thread does all of an instruction for lanes of its own. */
// @ts-expect-error: decorator
@inline
function byLanes(op: usize, active: i32, threads: i32): bool {
  const share = load<i32>(op, L.OP_SHARE);
  return share == L.SHARE_LANES || (share == L.SHARE_HEADS && active >= threads);
}

/** An instruction for one lane: of the heads or elements `first .. last - 1`, or of all of its row if `last` is negative. */
function one(op: usize, lane: usize, first: i32, last: i32): void {
  const opcode = load<i32>(op, L.OP_OPCODE);
  const arena = <usize>load<u32>(lane, L.LANE_ARENA);
  const out = arena + load<u32>(op, L.OP_OUT);
  if (opcode == Op.FOLD_SCORES) attentionScores(op, lane, out, first, last < 0 ? load<i32>(op, L.OP_HEADS) : last);
  else if (opcode == Op.FOLD_MIX) attentionMix(op, lane, out, first, last < 0 ? load<i32>(op, L.OP_HEADS) : last);
  else if (opcode == Op.FOLD_DOT) dots(op, lane, 1, 0, load<i32>(op, L.OP_OUT_LENGTH), 0);
  else runInstruction(op, lane, out, first, last);
  const copy = load<i32>(op, L.OP_COPIES);
  if (copy >= 0) widen(out, arena + copy, load<i32>(op, L.OP_OUT_LENGTH));
  const cached = load<i32>(op, L.OP_CACHED_BYTES);
  if (cached > 0) {
    const slot = <usize>load<u32>(op, L.OP_CACHED_PREFIX) * load<u32>(lane, L.LANE_CAPACITY);
    const at = <usize>load<u32>(lane, L.LANE_CACHE) + slot + <usize>load<u32>(lane, L.LANE_T) * cached;
    memory.copy(at, out, cached);
  }
}

/** An i16 copy of an i8 row. */
function widen(from: usize, to: usize, count: i32): void {
  let e = 0;
  for (; e + 8 <= count; e += 8) v128.store(to + (e << 1), v128.load8x8_s(from + e));
  for (; e < count; e++) store<i16>(to + (e << 1), <i16>load<i8>(from + e));
}

/** Lanes from which on arithmetic takes longer than reading weights. */
const MANY_LANES = 8;

/** Elements `first .. last - 1` of `fold_dot`, for all lanes. */
function dots(op: usize, lanes: usize, active: i32, first: i32, last: i32, scratch: usize): void {
  const size = <usize>load<u32>(op + L.OP_A, L.ARG_LENGTH);
  const weights = <usize>load<u32>(op + L.OP_B, L.ARG_AT);
  const fromI8 = load<i32>(op + L.OP_A, L.ARG_TYPE) == 0;
  const from = <usize>(fromI8 ? load<u32>(op + L.OP_A, L.ARG_COPIES) : load<u32>(op + L.OP_A, L.ARG_AT));
  const to = <usize>load<u32>(op, L.OP_OUT);
  const wide = load<i32>(op, L.OP_OUT_TYPE) == 3;
  const bytes: i32 = wide ? 8 : 4;
  const paired = active < MANY_LANES ? first : last - ((last - first) & 1);
  // What lanes make that only fill up a four.
  const sink = scratch + L.SCRATCH_SINK;
  for (let e = first; e < paired; e += BLOCK_ROWS) {
    const pairs = min(BLOCK_ROWS, paired - e) >> 1;
    for (let k: usize = 0; k < size; k += SPAN) {
      const count = min(SPAN, size - k);
      const eights = (count + 7) >> 3;
      for (let pair = 0; pair < pairs; pair++) {
        const w = weights + <usize>(e + 2 * pair) * size + k;
        widenPair(w, w + size, count, scratch + <usize>pair * (eights << 5));
      }
      for (let lane = 0; lane < active; lane += 4) {
        const x = arenaOf(lanes, lane);
        const y = arenaOf(lanes, min(lane + 1, active - 1));
        const z = arenaOf(lanes, min(lane + 2, active - 1));
        const u = arenaOf(lanes, min(lane + 3, active - 1));
        const a = from + (k << 1);
        const o = to + <usize>(e * bytes);
        const outY = lane + 1 < active ? y + o : sink;
        const outZ = lane + 2 < active ? z + o : sink;
        const outU = lane + 3 < active ? u + o : sink;
        dotTile(x + a, y + a, z + a, u + a, scratch, eights, pairs, x + o, outY, outZ, outU, wide, k > 0);
      }
    }
  }
  for (let e = paired; e < last; e++) {
    for (let lane = 0; lane < active; lane++) {
      const x = arenaOf(lanes, lane);
      dot1x1(x + from, weights + <usize>e * size, size, x + to, e, wide);
    }
  }
}

// @ts-expect-error: decorator
@inline
function arenaOf(lanes: usize, lane: i32): usize {
  return <usize>load<u32>(lanes + <usize>lane * L.LANE_BYTES, L.LANE_ARENA);
}

/** Row leaves of a thread's share of the cached rows. */
function leaves(job: usize, lanes: usize, count: i32, thread: i32, threads: i32): void {
  const slots = <usize>load<u32>(job, L.JOB_SLOTS);
  const slotCount = load<i32>(job, L.JOB_SLOT_COUNT);
  const state = scratch(job, thread);
  const words = state + KECCAK_STATE;
  const nodes = state + L.SCRATCH_BASE;
  for (let i = thread; i < count * slotCount; i += threads) {
    const lane = lanes + <usize>(i / slotCount) * L.LANE_BYTES;
    const to = <usize>load<u32>(lane, L.LANE_LEAVES);
    if (to == 0) continue;
    const slot = slots + <usize>(i % slotCount) * L.SLOT_BYTES;
    const bytes = <usize>load<u32>(slot, L.SLOT_ROW_BYTES);
    const row =
      <usize>load<u32>(lane, L.LANE_CACHE) +
      <usize>load<u32>(slot, L.SLOT_PREFIX) * load<u32>(lane, L.LANE_CAPACITY) +
      bytes * load<u32>(lane, L.LANE_T);
    const chunks = (bytes + 31) >> 5;
    let c: usize = 0;
    for (; (c + 4) << 5 <= bytes; c += 4) sha256of32x4(words, row + (c << 5), nodes + (c << 5));
    for (; c < chunks; c++) {
      const node = nodes + (c << 5);
      const left = bytes - (c << 5);
      if (left >= 32) sha256of32(words, row + (c << 5), node);
      else {
        memory.fill(node, 0, 32);
        memory.copy(node, row + (c << 5), left);
        sha256of32(words, node, node);
      }
    }
    treeTop(state, nodes, chunks);
    memory.copy(words, job + L.JOB_ROW_TAG, 32);
    putWord(words + 32, load<u32>(slot, L.SLOT_TYPE));
    putWord(words + 64, load<u32>(slot, L.SLOT_LENGTH));
    memory.copy(words + 96, nodes, 32);
    keccak(state, words, 4, to + ((<usize>(i % slotCount)) << 5));
  }
}

/** Cache roots of a thread's share of the lanes. */
function roots(job: usize, lanes: usize, count: i32, thread: i32, threads: i32): void {
  const slotCount = load<i32>(job, L.JOB_SLOT_COUNT);
  const state = scratch(job, thread);
  const words = state + KECCAK_STATE;
  for (let lane = thread; lane < count; lane += threads) {
    const nodes = <usize>load<u32>(lanes + <usize>lane * L.LANE_BYTES, L.LANE_LEAVES);
    if (nodes == 0) continue;
    treeTop(state, nodes, slotCount);
    memory.copy(words, job + L.JOB_CACHE_TAG, 32);
    putWord(words + 32, slotCount);
    memory.copy(words + 64, nodes, 32);
    keccak(state, words, 3, nodes);
  }
}

function scratch(job: usize, thread: i32): usize {
  return <usize>load<u32>(job, L.JOB_SCRATCH) + <usize>load<u32>(job, L.JOB_SCRATCH_BYTES) * thread;
}
