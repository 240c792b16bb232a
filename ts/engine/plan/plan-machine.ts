import { SENTINEL_TOKEN } from "../../commit/record.ts";
import { CacheRangeError, StepInputError } from "../../machine/errors.ts";
import { clamp } from "../../machine/numbers.ts";
import type { Program } from "../../machine/program.ts";
import type { StepContext } from "../../machine/semantics.ts";
import { rowShape } from "../../machine/shape.ts";
import { ELEMENT_BYTES, type ElementType, type Row, sliceRow, viewRow } from "../../machine/types.ts";
import type { WeightStore } from "../../machine/weights.ts";
import type { CachedRows, Machine, MachineCache, MachineResult, MachineStep } from "../machine.ts";
import { leafBytes, viewOf, writeBatch, writeJob, writeLane } from "./job.ts";
import * as L from "./layout.ts";
import { type CacheSlot, cacheBytes, cacheSlots, type Plan, planProgram } from "./plan.ts";

/** First room of a cache, in positions; it doubles. */
const FIRST_POSITIONS = 64;

/** Memory that host and machine share: addresses are the machine's. */
export interface MachineMemory {
  /** Takes bytes, aligned to 64; not cleared. @throws MachineMemoryError */
  take(bytes: number): number;
  /** Address of bytes that exist already: a copy of them where that cannot be. */
  adopt(buffer: ArrayBufferLike): number;
  give(at: number): void;
  /** The bytes at an address. */
  bytes(at: number, length: number): Uint8Array;
}

/** What runs the job at an address. */
export interface Executor {
  readonly threads: number;
  /** Bytes of the copies of a row that its dot products read; 0 if they read the row itself. */
  dotCopyBytes(type: ElementType, length: number): number;
  run(job: number): Promise<void>;
  close(): void;
}

export interface PlanMachineOptions {
  readonly backend: string;
  readonly memory: MachineMemory;
  readonly executor: Executor;
  readonly maxBatch: number;
}

/** A plan that is in memory. */
interface Placed extends Plan {
  readonly at: number;
  readonly capacity: number;
}

/** A machine that runs plans in a memory of its own: the host's side of the wasm and the native backend. */
export class PlanMachine implements Machine {
  readonly backend: string;
  readonly memory: MachineMemory;
  readonly maxBatch: number;
  readonly #executor: Executor;
  readonly #slots: readonly CacheSlot[];
  readonly #weightsAt: number;
  readonly #job: number;
  readonly #lanes: number;
  readonly #leaves: number;
  #plan: Placed | undefined;
  /** For fine traces. */
  #keepingPlan: Placed | undefined;
  #arenas: { at: number; bytes: number } | undefined;

  constructor(
    readonly program: Program,
    private readonly weights: WeightStore,
    { backend, memory, executor, maxBatch }: PlanMachineOptions,
  ) {
    this.backend = backend;
    this.memory = memory;
    this.maxBatch = maxBatch;
    this.#executor = executor;
    this.#slots = cacheSlots(program);
    this.#weightsAt = memory.adopt(weights.buffer);
    this.#job = memory.take(L.JOB_BYTES);
    this.#lanes = memory.take(maxBatch * L.LANE_BYTES);
    this.#leaves = memory.take(maxBatch * leafBytes(this.#slots.length));
    writeJob(memory, this.#job, program, { lanes: this.#lanes, threads: executor.threads });
  }

  cache(): MachineCache {
    return new PlanCache(this, this.#slots);
  }

  async run(steps: readonly MachineStep[]): Promise<readonly MachineResult[]> {
    for (const { context } of steps) this.#requirePosition(context);
    const capacity = Math.max(...steps.map(({ context }) => context.t + 1));
    this.#plan = this.#planFor(capacity, false, this.#plan);
    const plan = this.#plan;
    // Steps whose token is wanted come first; those of one sequence stay in order only where they must: none reads another's rows.
    const order = steps.map((_, i) => i).sort((x, y) => Number(steps[y]!.token) - Number(steps[x]!.token));
    const arenas = this.#arenasFor(steps.length * plan.arenaBytes);
    // First all of them: a cache that grows moves.
    for (const { cache, context } of steps) cache.reserve(context.t + 1);
    for (const [lane, i] of order.entries()) {
      const { cache, context, trace } = steps[i]!;
      this.#writeLane(lane, arenas + lane * plan.arenaBytes, cache as PlanCache, context, trace);
    }
    await this.#execute(plan, steps.length, steps.filter(({ token }) => token).length);
    const results: MachineResult[] = [];
    for (const [lane, i] of order.entries()) {
      const { token, trace } = steps[i]!;
      const leaves = this.#leaves + lane * leafBytes(this.#slots.length);
      results[i] = {
        token: token ? this.#token(arenas + lane * plan.arenaBytes + plan.rows.at(-1)!) : undefined,
        cacheRoot: trace ? this.#root(leaves) : undefined,
      };
    }
    return results;
  }

  async rows({ cache, context }: Omit<MachineStep, "token" | "trace">): Promise<Row[]> {
    const { instructions } = this.program;
    this.#requirePosition(context);
    this.#keepingPlan = this.#planFor(context.t + 1, true, this.#keepingPlan);
    const plan = this.#keepingPlan;
    const arena = this.memory.take(plan.arenaBytes);
    try {
      cache.reserve(context.t + 1);
      this.#writeLane(0, arena, cache as PlanCache, context, false);
      await this.#execute(plan, 1, 1);
      return instructions.map((instruction, i) => {
        const { type, length } = rowShape(instruction, context.t);
        const bytes = this.memory.bytes(arena + plan.rows[i]!, length * ELEMENT_BYTES[type]).slice();
        return viewRow(type, bytes.buffer, 0, length);
      });
    } finally {
      this.memory.give(arena);
    }
  }

  close(): void {
    this.#executor.close();
  }

  /** As the reference does: plans and caches end with the context. */
  #requirePosition({ t }: StepContext): void {
    const { contextLength } = this.program;
    if (t >= contextLength)
      throw new StepInputError("position", `below the context length ${contextLength}`, String(t));
  }

  #planOptions(capacity: number, keep: boolean) {
    const weightAt = (row: number) => {
      const range = this.weights.row(row);
      return this.#weightsAt + range.data.byteOffset;
    };
    const { dotCopyBytes } = this.#executor;
    return { capacity, keep, weightAt, dotCopyBytes };
  }

  /** The plan at hand, or one with more room in its place. */
  #planFor(positions: number, keep: boolean, known: Placed | undefined): Placed {
    if (known !== undefined && known.capacity >= positions) return known;
    const capacity = roomFor(positions, this.program.contextLength);
    if (known !== undefined) this.memory.give(known.at);
    return this.#place(planProgram(this.program, this.#planOptions(capacity, keep)), capacity);
  }

  #place(plan: Plan, capacity: number): Placed {
    const at = this.memory.take(plan.ops.length);
    this.memory.bytes(at, plan.ops.length).set(plan.ops);
    return { ...plan, at, capacity };
  }

  #arenasFor(bytes: number): number {
    if (this.#arenas === undefined || this.#arenas.bytes < bytes) {
      if (this.#arenas !== undefined) this.memory.give(this.#arenas.at);
      this.#arenas = { at: this.memory.take(bytes), bytes };
    }
    return this.#arenas.at;
  }

  #writeLane(lane: number, arena: number, cache: PlanCache, context: StepContext, trace: boolean): void {
    const wanted = trace && this.#slots.length > 0;
    writeLane(this.memory, this.#lanes + lane * L.LANE_BYTES, {
      arena,
      cache: cache.at,
      capacity: cache.capacity,
      leaves: wanted ? this.#leaves + lane * leafBytes(this.#slots.length) : 0,
      context,
    });
  }

  async #execute(plan: Placed, lanes: number, full: number): Promise<void> {
    writeBatch(this.memory, this.#job, { ops: plan.at, opCount: this.program.instructions.length, lanes, full });
    await this.#executor.run(this.#job);
  }

  #token(at: number): number {
    const token = viewOf(this.memory.bytes(at, 8)).getBigInt64(0, true);
    return Number(clamp(token, 0n, BigInt(SENTINEL_TOKEN - 1)));
  }

  #root(leaves: number): Uint8Array {
    return this.#slots.length === 0 ? new Uint8Array(32) : this.memory.bytes(leaves, 32).slice();
  }
}

/** A cache in the machine's memory: slot after slot, each with room for `capacity` positions. */
class PlanCache implements MachineCache {
  at = 0;
  capacity = 0;

  constructor(
    private readonly machine: PlanMachine,
    private readonly slots: readonly CacheSlot[],
  ) {}

  get bytes(): number {
    return this.capacity * cacheBytes(this.slots);
  }

  bytesFor(positions: number): number {
    return Math.max(this.capacity, roomFor(positions, this.machine.program.contextLength)) * cacheBytes(this.slots);
  }

  reserve(positions: number): void {
    if (positions <= this.capacity) return;
    const capacity = roomFor(positions, this.machine.program.contextLength);
    const at = this.machine.memory.take(capacity * cacheBytes(this.slots));
    this.#copyTo(at, capacity, this.capacity);
    this.free();
    this.at = at;
    this.capacity = capacity;
  }

  copy(from: MachineCache, positions: number): void {
    this.reserve(positions);
    (from as PlanCache).#copyTo(this.at, this.capacity, positions);
  }

  snapshot(positions: number): CachedRows {
    const kept = this.slots.map(({ instruction, prefix, rowBytes }) => {
      const { outType, outLength } = this.machine.program.instructions[instruction]!;
      const bytes = this.machine.memory.bytes(this.at + prefix * this.capacity, positions * rowBytes).slice();
      return viewRow(outType, bytes.buffer, 0, positions * outLength);
    });
    return {
      row: (slot, position) => {
        const rows = kept[slot];
        if (rows === undefined || position >= positions) throw new CacheRangeError(slot, position, positions);
        return sliceRow(rows, position * (rows.data.length / positions), rows.data.length / positions);
      },
    };
  }

  free(): void {
    this.machine.memory.give(this.at);
    this.at = 0;
    this.capacity = 0;
  }

  #copyTo(at: number, capacity: number, positions: number): void {
    const { memory } = this.machine;
    for (const { prefix, rowBytes } of this.slots) {
      const bytes = positions * rowBytes;
      memory.bytes(at + prefix * capacity, bytes).set(memory.bytes(this.at + prefix * this.capacity, bytes));
    }
  }
}

/** Positions to make room for: at least twice as many each time, so that growing costs little in all. */
function roomFor(positions: number, contextLength: number): number {
  let room = FIRST_POSITIONS;
  while (room < positions) room *= 2;
  return Math.max(Math.min(room, contextLength), positions);
}
