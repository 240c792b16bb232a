import type { Instruction, Operand } from "../../machine/instruction.ts";
import type { Program } from "../../machine/program.ts";
import { cachePlan } from "../../machine/step.ts";
import { INSTRUCTIONS, OPERAND_KINDS } from "../../machine/table.ts";
import { ELEMENT_BYTES, ELEMENT_CODE, type ElementType } from "../../machine/types.ts";
import { Arena, padded } from "./arena.ts";
import * as L from "./layout.ts";

/** Where everything of a step lies, for positions below `capacity`. */
export interface Plan {
  /** The instruction table as a machine reads it. */
  readonly ops: Uint8Array;
  /** Bytes of a lane's arena. */
  readonly arenaBytes: number;
  /** Place of each instruction's row in it; with `keep`, they stay until the step is over. */
  readonly rows: readonly number[];
}

/** A cached row of a program. */
export interface CacheSlot {
  readonly instruction: number;
  readonly rowBytes: number;
  /** Bytes of the slots before it, of one position. */
  readonly prefix: number;
}

export interface PlanOptions {
  /** Positions that the rows must have room for. */
  readonly capacity: number;
  /** Keeps every row: for fine traces. Else memory is used again as soon as nobody reads it any more. */
  readonly keep: boolean;
  /** Address of a weight row. */
  readonly weightAt: (row: number) => number | bigint;
  /** Bytes of the copies of a row that the machine's dot products read; 0 if they read the row itself. */
  readonly dotCopyBytes: (type: ElementType, length: number) => number;
}

/** The cached rows of a program, by slot. */
export function cacheSlots({ instructions }: Program): CacheSlot[] {
  const slots: CacheSlot[] = [];
  let prefix = 0;
  instructions.forEach(({ role, outLength, outType }, instruction) => {
    if (role !== 1) return;
    const rowBytes = outLength * ELEMENT_BYTES[outType];
    slots.push({ instruction, rowBytes, prefix });
    prefix += padded(rowBytes);
  });
  return slots;
}

/** Bytes of a cache for one position. */
export function cacheBytes(slots: readonly CacheSlot[]): number {
  const last = slots.at(-1);
  return last === undefined ? 0 : last.prefix + padded(last.rowBytes);
}

/**
 * Lays out a program: where rows lie, how threads share instructions, and where they must wait for each other.
 *
 * INVARIANT: between two barriers no thread reads what another one writes, nor writes where another one reads or writes. A row that
 * lanes share is read by the thread that made it; everything else waits, and memory is used again only after a barrier.
 */
export function planProgram(program: Program, { capacity, keep, weightAt, dotCopyBytes }: PlanOptions): Plan {
  const { instructions } = program;
  const needed = cachePlan(program);
  const slots = cacheSlots(program);
  const lastUse = lastUses(instructions);
  const copies = dotRows(instructions, dotCopyBytes);
  const arena = new Arena();
  const rows: number[] = [];
  const copiesAt: number[] = [];
  const ops = new Uint8Array(instructions.length * L.OP_BYTES);
  /** Rows made since the last barrier, with how they were shared. */
  const fresh = new Map<number, string>();
  /** Rows that nobody reads any more, once all threads are past the next barrier. */
  let dead: number[] = [];

  const bytesOf = ({ outType, outMode, outLength }: Instruction) =>
    outLength * (outMode === 1 ? capacity : 1) * ELEMENT_BYTES[outType];

  // For a fine trace every row is stored.
  const fused = instructions.map((_, i) => !keep && lastUse[i] === i + 1 && canFuse(instructions, i));

  instructions.forEach((instruction, i) => {
    const { share, heads } = sharing(instruction);
    // Heads are shared only if there are few lanes, and steps whose token nobody wants are no lanes of every instruction.
    const sharers = share === L.SHARE_HEADS ? `${share}:${heads}:${needed[i]}` : `${share}`;
    const operands = [instruction.a, instruction.b, instruction.c];
    if (fused[i]) operands.push(instructions[i + 1]!.b);
    const unmade = operands.some(
      ({ kind, index }) =>
        (kind === "cache" && fresh.has(index)) ||
        (kind === "row" && fresh.has(index) && (share === L.SHARE_ELEMENTS || fresh.get(index) !== sharers)),
    );
    // What is fused with the instruction before has waited with it.
    const waits = unmade && !fused[i - 1];
    if (waits) {
      fresh.clear();
      for (const row of dead) {
        arena.give(rows[row]!, bytesOf(instructions[row]!));
        if (copies.has(row)) arena.give(copiesAt[row]!, copies.get(row)!);
      }
      dead = [];
    }
    rows[i] = arena.take(bytesOf(instruction));
    copiesAt[i] = copies.has(i) ? arena.take(copies.get(i)!) : -1;
    fresh.set(i, fused[i - 1] ? `${L.SHARE_ELEMENTS}` : sharers);
    const slot = slots[instruction.cacheSlot];
    writeOp(new DataView(ops.buffer, i * L.OP_BYTES, L.OP_BYTES), instruction, {
      needed: needed[i] === 1,
      barrier: waits,
      share,
      heads,
      fused: fused[i]!,
      out: rows[i]!,
      copies: copiesAt[i]!,
      cached: instruction.role === 1 ? slot : undefined,
      place({ kind, index, count }) {
        if (kind === "row") return rows[index]!;
        if (kind === "weights") return weightAt(index);
        return kind === "cache" ? slots[count]!.prefix : 0;
      },
      copiesPlace: ({ kind, index }) => (kind === "row" ? copiesAt[index]! : -1),
    });
    if (!keep) for (let row = 0; row <= i; row++) if (lastUse[row] === i) dead.push(row);
  });
  return { ops, arenaBytes: staggered(arena.size), rows };
}

/** Bytes of which the nearest cache keeps few copies: addresses that differ by a multiple compete for the same places. */
const CACHE_STRIDE = 4096;
/** A bit more than a quarter: four lanes' rows lie in different places. */
const STAGGER = 1088;

/** Bytes from one lane's arena to the next, so that the same row of neighbours does not compete for one place of the nearest cache. */
function staggered(bytes: number): number {
  return Math.ceil(Math.max(bytes - STAGGER, 0) / CACHE_STRIDE) * CACHE_STRIDE + STAGGER;
}

/** What an instruction of a plan says besides the instruction itself. */
export interface OpPlace {
  readonly needed: boolean;
  readonly barrier: boolean;
  readonly share: number;
  readonly heads: number;
  readonly fused: boolean;
  readonly out: number;
  readonly copies: number;
  readonly cached: CacheSlot | undefined;
  place(operand: Operand): number | bigint;
  copiesPlace(operand: Operand): number;
}

/** Writes one instruction of a plan. */
export function writeOp(view: DataView, instruction: Instruction, place: OpPlace): void {
  const i32 = (offset: number, value: number) => view.setInt32(offset, value, true);
  const i64 = (offset: number, value: number | bigint) => view.setBigInt64(offset, BigInt(value), true);
  i32(L.OP_OPCODE, instruction.opcode);
  i32(L.OP_NEEDED, place.needed ? 1 : 0);
  i32(L.OP_BARRIER, place.barrier ? 1 : 0);
  i32(L.OP_SHARE, place.share);
  i32(L.OP_OUT_TYPE, ELEMENT_CODE[instruction.outType]);
  i32(L.OP_OUT_MODE, instruction.outMode);
  i32(L.OP_OUT_LENGTH, instruction.outLength);
  i32(L.OP_HEADS, place.heads);
  i32(L.OP_FUSED, place.fused ? 1 : 0);
  i64(L.OP_OUT, place.out);
  i64(L.OP_COPIES, place.copies);
  i64(L.OP_CACHED_BYTES, place.cached?.rowBytes ?? 0);
  i64(L.OP_CACHED_PREFIX, place.cached?.prefix ?? 0);
  for (const [at, operand] of [
    [L.OP_A, instruction.a],
    [L.OP_B, instruction.b],
    [L.OP_C, instruction.c],
  ] as const) {
    i32(at + L.ARG_KIND, OPERAND_KINDS.indexOf(operand.kind));
    i32(at + L.ARG_TYPE, ELEMENT_CODE[operand.type]);
    i32(at + L.ARG_MODE, operand.mode);
    i32(at + L.ARG_LENGTH, operand.length);
    i32(at + L.ARG_COUNT, operand.count);
    i64(at + L.ARG_AT, place.place(operand));
    i64(at + L.ARG_COPIES, place.copiesPlace(operand));
  }
  instruction.p.forEach((value, k) => {
    i32(L.OP_P + 4 * k, value);
  });
}

/** The instruction after which a row is not read any more; the last row is read by whoever wants the token. */
function lastUses(instructions: readonly Instruction[]): number[] {
  const last = instructions.map((_, i) => i);
  instructions.forEach(({ a, b, c }, i) => {
    for (const { kind, index } of [a, b, c]) if (kind === "row") last[index] = i;
  });
  last[instructions.length - 1] = instructions.length;
  return last;
}

/** Rows of which dot products read copies, and the bytes of these. */
function dotRows(instructions: readonly Instruction[], copyBytes: PlanOptions["dotCopyBytes"]): Map<number, number> {
  const rows = new Map<number, number>();
  for (const { opcode, a } of instructions) {
    const bytes = opcode === INSTRUCTIONS.fold_dot.opcode ? copyBytes(a.type, a.length) : 0;
    if (bytes > 0) rows.set(a.index, bytes);
  }
  return rows;
}

/** Whether instruction i is a plain `fold_dot`, and the next one a `dequant` of all of its row. */
function canFuse(instructions: readonly Instruction[], i: number): boolean {
  const [dot, next] = [instructions[i]!, instructions[i + 1]];
  return (
    dot.opcode === INSTRUCTIONS.fold_dot.opcode &&
    dot.role === 0 &&
    next?.opcode === INSTRUCTIONS.dequant.opcode &&
    next.role === 0 &&
    next.a.index === i &&
    next.outLength === dot.outLength
  );
}

/** How threads share an instruction. Heads only where the row, and each operand of this step, is one group a head. */
export function sharing(instruction: Instruction): { share: number; heads: number } {
  const { opcode, role, outMode, outLength, a, b } = instruction;
  const headsOf = (): number => {
    switch (opcode) {
      case INSTRUCTIONS.fold_scores.opcode:
        return outLength;
      case INSTRUCTIONS.fold_mix.opcode:
        return a.length;
      case INSTRUCTIONS.fold_max.opcode:
      case INSTRUCTIONS.fold_sum.opcode:
        return a.mode === 1 && outMode === 0 && a.length === outLength && b.kind === "none" ? outLength : 0;
      case INSTRUCTIONS.exp2.opcode:
        return a.mode === 1 && b.mode === 0 && a.length === b.length ? outLength : 0;
      default:
        return 0;
    }
  };
  const heads = headsOf();
  if (opcode === INSTRUCTIONS.fold_dot.opcode && role === 0) return { share: L.SHARE_ELEMENTS, heads: 0 };
  return { share: heads > 0 && role === 0 ? L.SHARE_HEADS : L.SHARE_LANES, heads };
}
