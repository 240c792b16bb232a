import { rowShape } from "../../machine/shape.ts";
import type { Case } from "../../machine/testing/cases.ts";
import { ELEMENT_BYTES, type Row, rowBytes, viewRow } from "../../machine/types.ts";
import { padded } from "../plan/arena.ts";
import { writeBatch, writeJob, writeLane } from "../plan/job.ts";
import * as L from "../plan/layout.ts";
import { type CacheSlot, cacheBytes, sharing, writeOp } from "../plan/plan.ts";
import type { Executor, MachineMemory } from "../plan/plan-machine.ts";

/** Runs one instruction on operands of any bits, which no program need be able to make, for several lanes at once. */
export async function runCase(
  { instruction, context, rows, weights, cache }: Case,
  lanes: number,
  memory: MachineMemory,
  executor: Executor,
): Promise<Row[]> {
  const places: number[] = [];
  const put = (bytes: Uint8Array) => {
    const at = memory.take(bytes.length);
    memory.bytes(at, bytes.length).set(bytes);
    places.push(at);
    return at;
  };

  // Arena: the operands' rows, i16 copies of those of i8, and the result.
  let arenaBytes = 0;
  const room = (bytes: number) => {
    const at = arenaBytes;
    arenaBytes += padded(bytes);
    return at;
  };
  const rowAt = rows.map((row) => room(row.data.byteLength));
  const wideAt = rows.map((row) => (row.type === "i8" ? room(2 * row.data.length) : -1));
  const shape = rowShape(instruction, context.t);
  const outBytes = shape.length * ELEMENT_BYTES[shape.type];
  const out = room(outBytes);

  const positions = context.t + 1;
  const slots: CacheSlot[] = [];
  for (const { kind, type, length } of [instruction.a, instruction.b, instruction.c]) {
    if (kind !== "cache") continue;
    slots.push({ instruction: 0, rowBytes: length * ELEMENT_BYTES[type], prefix: cacheBytes(slots) });
  }
  const cached = new Uint8Array(positions * cacheBytes(slots));
  slots.forEach(({ prefix, rowBytes: size }, slot) => {
    for (let p = 0; p < positions; p++) cached.set(rowBytes(cache.row(slot, p)), prefix * positions + p * size);
  });
  const cacheAt = put(cached);
  const weightsAt = put(new Uint8Array(weights.buffer));

  const op = new Uint8Array(L.OP_BYTES);
  writeOp(new DataView(op.buffer), instruction, {
    ...sharing(instruction),
    needed: true,
    barrier: false,
    out,
    fused: false,
    copies: -1,
    cached: undefined,
    place({ kind, index, count }) {
      if (kind === "row") return rowAt[index]!;
      if (kind === "weights") return weightsAt + weights.row(index).data.byteOffset;
      return kind === "cache" ? slots[count]!.prefix : 0;
    },
    copiesPlace: ({ kind, index }) => (kind === "row" ? wideAt[index]! : -1),
  });
  const opAt = put(op);

  const job = memory.take(L.JOB_BYTES);
  const laneAt = memory.take(lanes * L.LANE_BYTES);
  const arena = memory.take(lanes * arenaBytes);
  const program = { instructions: [], weightRows: 0, contextLength: positions };
  writeJob(memory, job, program, { lanes: laneAt, threads: executor.threads });
  for (let lane = 0; lane < lanes; lane++) {
    const bytes = memory.bytes(arena + lane * arenaBytes, arenaBytes);
    rows.forEach((row, i) => {
      bytes.set(rowBytes(row), rowAt[i]);
      const wide = wideAt[i]!;
      if (wide >= 0) bytes.set(rowBytes({ type: "i16", data: Int16Array.from(row.data as Int8Array) }), wide);
    });
    const at = { arena: arena + lane * arenaBytes, cache: cacheAt, capacity: positions, leaves: 0 };
    writeLane(memory, laneAt + lane * L.LANE_BYTES, { ...at, context });
  }
  writeBatch(memory, job, { ops: opAt, opCount: 1, lanes, full: lanes });
  await executor.run(job);
  const results = Array.from({ length: lanes }, (_, lane) => {
    const bytes = memory.bytes(arena + lane * arenaBytes + out, outBytes).slice();
    return viewRow(shape.type, bytes.buffer, 0, shape.length);
  });
  for (const at of [...places, job, laneAt, arena]) memory.give(at);
  return results;
}
