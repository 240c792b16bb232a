import { fromHex, hashWords } from "../../commit/bytes.ts";
import { TAGS } from "../../commit/tags.ts";
import type { Program } from "../../machine/program.ts";
import type { StepContext } from "../../machine/semantics.ts";
import { ELEMENT_CODE } from "../../machine/types.ts";
import * as L from "./layout.ts";
import { cacheSlots } from "./plan.ts";
import type { MachineMemory } from "./plan-machine.ts";

/** Little-endian access to bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Bytes of the row leaves of one lane: a tree fills up an odd level, so there is one node more than leaves. */
export function leafBytes(slots: number): number {
  return (slots + 1) * 32;
}

/** Writes what is the same for all batches of a program, and takes memory for slots and scratch. */
export function writeJob(
  memory: MachineMemory,
  at: number,
  program: Program,
  { lanes, threads }: { lanes: number; threads: number },
): void {
  const slots = cacheSlots(program);
  const slotsAt = memory.take(slots.length * L.SLOT_BYTES);
  slots.forEach(({ instruction, rowBytes, prefix }, i) => {
    const { outType, outLength } = program.instructions[instruction]!;
    const slot = viewOf(memory.bytes(slotsAt + i * L.SLOT_BYTES, L.SLOT_BYTES));
    slot.setInt32(L.SLOT_TYPE, ELEMENT_CODE[outType], true);
    slot.setInt32(L.SLOT_LENGTH, outLength, true);
    slot.setBigInt64(L.SLOT_PREFIX, BigInt(prefix), true);
    slot.setBigInt64(L.SLOT_ROW_BYTES, BigInt(rowBytes), true);
  });
  const longest = Math.max(0, ...slots.map(({ rowBytes }) => rowBytes));
  const scratch = Math.max(L.SCRATCH_BASE + (Math.ceil(longest / 32) + 1) * 32, L.SCRATCH_LEAST);
  const bytes = memory.bytes(at, L.JOB_BYTES);
  bytes.fill(0);
  bytes.set(TAGS.row, L.JOB_ROW_TAG);
  bytes.set(TAGS.cache, L.JOB_CACHE_TAG);
  const job = viewOf(bytes);
  job.setBigInt64(L.JOB_LANES, BigInt(lanes), true);
  job.setBigInt64(L.JOB_SLOTS, BigInt(slotsAt), true);
  job.setBigInt64(L.JOB_SCRATCH, BigInt(memory.take(scratch * threads)), true);
  job.setInt32(L.JOB_SLOT_COUNT, slots.length, true);
  job.setInt32(L.JOB_SCRATCH_BYTES, scratch, true);
}

/** Writes what changes from batch to batch. */
export function writeBatch(
  memory: MachineMemory,
  at: number,
  { ops, opCount, lanes, full }: { ops: number; opCount: number; lanes: number; full: number },
): void {
  const job = viewOf(memory.bytes(at, L.JOB_BYTES));
  job.setBigInt64(L.JOB_OPS, BigInt(ops), true);
  job.setInt32(L.JOB_OP_COUNT, opCount, true);
  job.setInt32(L.JOB_LANE_COUNT, lanes, true);
  job.setInt32(L.JOB_FULL_COUNT, full, true);
}

/** Where a lane's memory is. */
export interface LanePlace {
  readonly arena: number;
  readonly cache: number;
  /** Positions that the cache has room for. */
  readonly capacity: number;
  /** 0: nobody wants the cache root. */
  readonly leaves: number;
  readonly context: StepContext;
}

/** Writes one lane. */
export function writeLane(memory: MachineMemory, at: number, place: LanePlace): void {
  const { t, token, temperature, requestHash, outputIndex } = place.context;
  const lane = viewOf(memory.bytes(at, L.LANE_BYTES));
  lane.setBigInt64(L.LANE_ARENA, BigInt(place.arena), true);
  lane.setBigInt64(L.LANE_CACHE, BigInt(place.cache), true);
  lane.setBigInt64(L.LANE_LEAVES, BigInt(place.leaves), true);
  lane.setBigUint64(L.LANE_RANDOM, temperature === 0 ? 0n : randomBits(requestHash, outputIndex), true);
  lane.setInt32(L.LANE_CAPACITY, place.capacity, true);
  lane.setInt32(L.LANE_T, t, true);
  lane.setUint32(L.LANE_TOKEN, token, true);
  lane.setUint32(L.LANE_TEMPERATURE, temperature, true);
}

/** The first 64 bits of `H(requestHash, outputIndex)`. */
function randomBits(requestHash: StepContext["requestHash"], outputIndex: number): bigint {
  return viewOf(hashWords(fromHex(requestHash), outputIndex)).getBigUint64(0);
}
