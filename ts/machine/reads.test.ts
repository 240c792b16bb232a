import { describe, expect, it } from "vitest";
import { prng } from "../compiler/prng.ts";
import { memoryReader, type Read, tracedReader } from "./evaluate.ts";
import type { Operand } from "./instruction.ts";
import { SEMANTICS } from "./registry.ts";
import type { Accumulator } from "./semantics.ts";
import { lengthAt, outShape, rowShape } from "./shape.ts";
import { INSTRUCTIONS, type InstructionName } from "./table.ts";
import type { Case } from "./testing/cases.ts";
import { FUZZ } from "./testing/fuzz.ts";
import { randomCase } from "./testing/random-case.ts";

/** A read in short: operand, row or position (-1 for a row of the step), first element, count. */
type Short = readonly [slot: "a" | "b" | "c" | "token", row: number, first: number, count: number];

function short({ instruction: { a, b } }: Case, read: Read): Short {
  if (read.kind === "token") return ["token", -1, 0, 1];
  const slot = read.operand === a ? "a" : read.operand === b ? "b" : "c";
  const row = read.kind === "row" ? -1 : read.kind === "cache" ? read.position : read.row;
  return [slot, row, read.first, read.count];
}

/**
 * The reads of element e, block k, as the table of docs/machine.md, section 7, lists them; `c[..]` has no fixed index:
 * NaN.
 */
function expected({ instruction, context }: Case, e: number, k: number): Short[] {
  const { a, b, c, p } = instruction;
  const { t } = context;
  const size = (grouped: Operand) => rowShape(instruction, t).length / lengthAt(grouped, t);
  const block = (): Short => {
    const g = lengthAt(a, t) / lengthAt(outShape(instruction), t);
    return ["a", -1, e * g + 128 * k, Math.min(128, g - 128 * k)];
  };
  const start: Short[] = b.kind !== "none" && k === 0 ? [["b", -1, e, 1]] : [];
  const own: Short = ["a", -1, e, 1];
  const makers: Record<InstructionName, () => Short[]> = {
    fold_sumsq: () => [block()],
    fold_amax: () => [block()],
    fold_max: () => [block(), ...start],
    fold_sum: () => [block(), ...start],
    fold_pick: () => {
      const first = 128 * k;
      const reads: Short[] = [["a", -1, first, Math.min(128, lengthAt(a, t) - first)]];
      return k === 0 ? [...reads, ["b", -1, 0, 2]] : reads;
    },
    fold_dot: () => {
      const whole = b.length <= (a.type === "i8" ? 1024 : 512);
      const first = whole ? 0 : 512 * k;
      const count = whole ? b.length : Math.min(512, b.length - first);
      return [
        ["a", -1, first, count],
        ["b", e, first, count],
      ];
    },
    fold_scores: () => {
      const [d, , , window] = p;
      const position = e % (t + 1);
      const h = Math.floor(e / (t + 1));
      if (window > 0 && position + window <= t) return [];
      const kv = Math.floor(h / (instruction.outLength / (b.length / d)));
      return [
        ["a", -1, h * d, d],
        ["b", position, kv * d, d],
      ];
    },
    fold_mix: () => {
      const [d] = p;
      const h = Math.floor(e / d);
      const kv = Math.floor(h / (a.length / (b.length / d)));
      return [
        ["a", -1, h * (t + 1) + k, 1],
        ["b", k, kv * d + (e % d), 1],
      ];
    },
    embed: () => {
      const tok = Math.min(context.token, b.count - 1);
      return [
        ["token", -1, 0, 1],
        ["b", tok, e, 1],
        ["c", Math.floor(tok / c.length), tok % c.length, 1],
      ];
    },
    rms: () => [own],
    rescale: () => [own],
    draw: () => (e === 0 ? [] : [["a", -1, 0, 1]]),
    norm: () => [own, ["b", -1, Math.floor(e / size(b)), 1], ["c", 0, e % size(b), 1]],
    quantize: () => [own, ["b", -1, Math.floor(e / size(b)), 1]],
    divide: () => [own, ["b", -1, Math.floor(e / size(b)), 1]],
    dequant: () => [own, ["b", -1, 0, 1], ["c", 0, e, 1]],
    add: () => [own, ["b", b.kind === "weights" ? 0 : -1, e, 1]],
    rope: () => {
      const half = b.length / 2;
      const i = e % b.length;
      const row = Math.min(t, b.count - 1);
      const j = i % half;
      return [own, ["a", -1, i < half ? e + half : e - half, 1], ["b", row, j, 1], ["b", row, half + j, 1]];
    },
    exp2: () => [own, ["b", -1, Math.floor(e / size(b)), 1], ["c", 0, Number.NaN, 1]],
    gate: () => [own, ["b", -1, e, 1], ["c", 0, Number.NaN, 1]],
    weigh: () => [own, ["b", -1, 0, 1], ["c", 0, Number.NaN, 1]],
  };
  return makers[SEMANTICS_NAME.get(instruction.opcode)!]();
}

const NAMES = Object.keys(INSTRUCTIONS) as InstructionName[];
const SEMANTICS_NAME = new Map<number, InstructionName>(NAMES.map((name) => [INSTRUCTIONS[name].opcode, name]));
/** Instructions that leave out the table's entry where its weight is known to be 0 (or, greedy, 1). */
const MAY_SKIP_TABLE: readonly InstructionName[] = ["exp2", "weigh"];

describe.each(NAMES)("%s", (name) => {
  it("reads what section 7 lists, in that order", () => {
    const semantics = SEMANTICS[name];
    const random = prng(99 + INSTRUCTIONS[name].opcode);
    for (let n = 0; n < 60 * FUZZ; n++) {
      const subject = randomCase(name, random);
      const { instruction, context } = subject;
      const reads: Short[] = [];
      const reader = tracedReader(memoryReader({ ...subject, token: context.token }), (r) =>
        reads.push(short(subject, r)),
      );
      const e = random.int(0, rowShape(instruction, context.t).length - 1);
      let accumulator: Accumulator | undefined;
      const blocks = semantics.kind === "fold" ? semantics.blocks(instruction, context.t) : 1;
      for (let k = 0; k < blocks; k++) {
        reads.length = 0;
        if (semantics.kind === "map") semantics.evaluate(instruction, context, e, reader);
        else accumulator = semantics.evaluate(instruction, context, e, k, accumulator, reader);
        const wanted = expected(subject, e, k);
        if (MAY_SKIP_TABLE.includes(name) && reads.length < wanted.length) wanted.pop();
        // An index that depends on values is whatever was read; the values themselves are tested elsewhere.
        const filled = wanted.map((read, i) =>
          Number.isNaN(read[2]) && reads[i] ? [read[0], read[1], reads[i][2], 1] : read,
        );
        expect(reads).toEqual(filled);
      }
    }
  });
});
