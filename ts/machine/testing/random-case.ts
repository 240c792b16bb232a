import type { Prng } from "../../compiler/prng.ts";
import type { Mode } from "../instruction.ts";
import type { InstructionName } from "../table.ts";
import { type Case, CaseBuilder } from "./cases.ts";

type MakeCase = (builder: CaseBuilder) => Case;

type Shape = { readonly length: number; readonly mode: Mode };

/**
 * A row of one entry a group, and the row that falls into the groups: fixed lengths, or one group of all positions per
 * entry.
 */
function foldGroups({ random }: CaseBuilder): { out: Shape; grouped: Shape } {
  const length = random.int(1, 4);
  if (random.int(0, 2) === 0) return { out: { length, mode: 0 }, grouped: { length, mode: 1 } };
  const size = random.pick([1, 3, 30, 127, 128, 129, 300]);
  return { out: { length, mode: 0 }, grouped: { length: length * size, mode: 0 } };
}

/** As `foldGroups`, or with both rows per position. */
function mapGroups(builder: CaseBuilder): { group: Shape; grouped: Shape } {
  const { out, grouped } = foldGroups(builder);
  if (grouped.mode === 1 || builder.random.int(0, 3) > 0) return { group: out, grouped };
  const length = out.length * builder.random.int(1, 9);
  return { group: { ...out, mode: 1 }, grouped: { length, mode: 1 } };
}

/** A fixed or per-position shape. */
function shape({ random }: CaseBuilder): Shape {
  return { length: random.int(1, 40), mode: random.int(0, 3) === 0 ? 1 : 0 };
}

/** Heads of queries and of keys and values, and their size. */
function heads({ random }: CaseBuilder): { kv: number; query: number; size: number } {
  const kv = random.int(1, 3);
  return { kv, query: kv * random.int(1, 3), size: random.pick([1, 2, 6, 16, 65]) };
}

const MAKERS: Record<InstructionName, MakeCase> = {
  fold_sumsq(b) {
    const { grouped, out } = foldGroups(b);
    return b.done("fold_sumsq", { type: "i64", ...out }, { a: b.row("i32", grouped.length, grouped.mode) });
  },
  fold_amax(b) {
    const { grouped, out } = foldGroups(b);
    return b.done("fold_amax", { type: "i32", ...out }, { a: b.row("i32", grouped.length, grouped.mode) });
  },
  fold_max(b) {
    const { grouped, out } = foldGroups(b);
    const a = b.row("i32", grouped.length, grouped.mode);
    const initial = b.random.int(0, 1) === 0 ? {} : { b: b.row("i32", out.length, out.mode) };
    return b.done("fold_max", { type: "i32", ...out }, { a, ...initial });
  },
  fold_sum(b) {
    const { grouped, out } = foldGroups(b);
    const a = b.row(b.random.pick(["i16", "i32"]), grouped.length, grouped.mode);
    const initial = b.random.int(0, 1) === 0 ? {} : { b: b.row("i64", out.length, out.mode) };
    return b.done("fold_sum", { type: "i64", ...out }, { a, ...initial });
  },
  fold_pick(b) {
    const a = b.row("i32", b.random.pick([1, 5, 128, 129, 300]), b.random.int(0, 3) === 0 ? 1 : 0);
    return b.done("fold_pick", { type: "i64", length: 2 }, { a, b: b.row("i64", 2) }, [
      b.random.pick([0, 2048, 2 ** 31 - 1]),
    ]);
  },
  fold_dot(b) {
    const length = b.random.pick([1, 7, 20, 255, 256, 512, 513, 1024, 1025, 1536, 2000]);
    const count = b.random.int(1, 6);
    const type = b.random.pick(["i8", "i16"] as const);
    const out = { type: type === "i8" ? "i32" : "i64", length: count } as const;
    return b.done("fold_dot", out, { a: b.row(type, length), b: b.weights("i8", length, count) });
  },
  fold_scores(b) {
    const { kv, query, size } = heads(b);
    const operands = { a: b.row("i16", query * size), b: b.cache("i16", kv * size) };
    const mul = b.random.pick([1, 2 ** 24 - 1, b.random.int(1, 2 ** 24 - 1)]);
    const window = b.random.pick([0, 0, 1, 3, 2 ** 31 - 1]);
    return b.done("fold_scores", { type: "i32", length: query, mode: 1 }, operands, [size, mul, b.shift(), window]);
  },
  fold_mix(b) {
    const { kv, query, size } = heads(b);
    const operands = { a: b.row("i16", query, 1), b: b.cache("i16", kv * size) };
    return b.done("fold_mix", { type: "i64", length: query * size }, operands, [size]);
  },
  embed(b) {
    const vocabulary = b.random.int(1, 30);
    const length = b.random.int(1, 12);
    const scaleLength = b.random.pick([1, 7, 40]);
    const operands = {
      a: { kind: "token", type: "i8", mode: 0, index: 0, length: 0, count: 0 } as const,
      b: b.weights("i8", length, vocabulary),
      c: b.weights("i32", scaleLength, Math.ceil(vocabulary / scaleLength)),
    };
    const token = b.random.pick([b.random.int(0, vocabulary - 1), vocabulary, 2 ** 32 - 1]);
    return b.done("embed", { type: "i32", length }, operands, [b.shift(), b.bits()], { token });
  },
  rms(b) {
    const out = shape(b);
    const n = b.random.pick([1, 20, 2 ** 31 - 1]);
    const eps = b.random.pick([1, 168, 2 ** 31 - 1]);
    return b.done("rms", { type: "i64", ...out }, { a: b.row("i64", out.length, out.mode) }, [
      n,
      eps,
      b.random.int(0, 16),
      b.shift(),
    ]);
  },
  norm(b) {
    const count = b.random.int(1, 4);
    const size = b.random.int(1, 20);
    const mode = b.random.int(0, 3) === 0 ? 1 : 0;
    const out = { type: "i32", length: count * size, mode } as const;
    const operands = { a: b.row("i32", out.length, mode), b: b.row("i64", count, mode), c: b.weights("i32", size, 1) };
    return b.done("norm", out, operands, [b.shift(), b.shift()]);
  },
  quantize(b) {
    const { grouped, group } = mapGroups(b);
    const type = b.random.pick(["i8", "i16"] as const);
    const operands = { a: b.row("i32", grouped.length, grouped.mode), b: b.row("i32", group.length, group.mode) };
    return b.done("quantize", { type, ...grouped }, operands);
  },
  dequant(b) {
    const length = b.random.int(1, 40);
    const operands = {
      a: b.row(b.random.pick(["i32", "i64"]), length),
      b: b.row("i32", 1),
      c: b.weights("i32", length + b.random.int(0, 3), 1),
    };
    const abits = b.random.pick([1, 31, 38, b.random.int(1, 61), 61]);
    const mbits = b.random.pick([Math.min(62 - abits, 61), b.random.int(1, Math.min(62 - abits, 61))]);
    return b.done("dequant", { type: "i32", length }, operands, [b.shift(), mbits, abits, b.shift(), b.bits()]);
  },
  add(b) {
    const fromWeights = b.random.int(0, 1) === 0;
    const out = fromWeights ? { length: b.random.int(1, 40), mode: 0 as const } : shape(b);
    const operand = fromWeights ? b.weights("i32", out.length, 1) : b.row("i32", out.length, out.mode);
    const operands = { a: b.row("i32", out.length, out.mode), b: operand };
    return b.done("add", { type: "i32", ...out }, operands, [b.bits()]);
  },
  rope(b) {
    const size = b.random.pick([2, 6, 16]);
    const mode = b.random.int(0, 3) === 0 ? 1 : 0;
    const length = size * b.random.int(1, 4);
    const operands = { a: b.row("i32", length, mode), b: b.weights("i16", size, b.random.int(1, 8)) };
    return b.done("rope", { type: "i16", length, mode }, operands, [b.shift()]);
  },
  rescale(b) {
    const out = shape(b);
    const mul = b.random.pick([1, 2 ** 31 - 1, b.random.int(1, 2 ** 31 - 1)]);
    const type = b.random.pick(["i8", "i16", "i32"] as const);
    return b.done("rescale", { type, ...out }, { a: b.row("i32", out.length, out.mode) }, [mul, b.shift()]);
  },
  exp2(b) {
    const { grouped, group } = mapGroups(b);
    const tableBits = b.random.pick([1, 4, 10, 16]);
    const operands = {
      a: b.row("i32", grouped.length, grouped.mode),
      b: b.row("i32", group.length, group.mode),
      c: b.weights("i32", 2 ** tableBits, 1),
    };
    const f = tableBits + b.random.pick([0, 4, 20, 62 - tableBits]);
    return b.done("exp2", { type: b.random.pick(["i16", "i32"]), ...grouped }, operands, [f, tableBits, b.shift()]);
  },
  divide(b) {
    const { grouped, group } = mapGroups(b);
    const operands = { a: b.row("i64", grouped.length, grouped.mode), b: b.row("i64", group.length, group.mode) };
    return b.done("divide", { type: "i32", ...grouped }, operands, [b.shift()]);
  },
  gate(b) {
    const out = shape(b);
    const operands = {
      a: b.row("i32", out.length, out.mode),
      b: b.row("i32", out.length, out.mode),
      c: b.weights("i16", b.random.pick([2, 64, 1024]), 1),
    };
    return b.done("gate", { type: "i32", ...out }, operands, [b.shift(), b.shift(), b.shift()]);
  },
  weigh(b) {
    const out = shape(b);
    const tableBits = b.random.pick([1, 4, 10, 16]);
    const operands = {
      a: b.row("i32", out.length, out.mode),
      b: b.row("i32", 1),
      c: b.weights("i32", 2 ** tableBits, 1),
    };
    const mul = b.random.pick([1, 5909, 2 ** 24 - 1]);
    return b.done("weigh", { type: "i32", ...out }, operands, [mul, tableBits, b.shift()]);
  },
  draw: (b) => b.done("draw", { type: "i64", length: 2 }, { a: b.row("i64", 1) }),
};

/** A random valid instruction of this name with random operands, extremes included. */
export function randomCase(name: InstructionName, random: Prng): Case {
  return MAKERS[name](new CaseBuilder(random));
}
