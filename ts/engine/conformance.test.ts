import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toHex } from "../commit/bytes.ts";
import type { TraceRecord } from "../commit/record.ts";
import { compileLlama } from "../compiler/llama.ts";
import { type Prng, prng } from "../compiler/prng.ts";
import { randomConfig, randomTensors } from "../compiler/random.ts";
import { StepInputError } from "../machine/errors.ts";
import {
  decodeInstruction,
  type Instruction,
  NO_OPERAND,
  type Operand,
  type Parameters8,
  TOKEN_OPERAND,
} from "../machine/instruction.ts";
import { type Program, validateProgram } from "../machine/program.ts";
import { SEMANTICS } from "../machine/registry.ts";
import { INSTRUCTIONS, type InstructionName } from "../machine/table.ts";
import { caseInputs } from "../machine/testing/cases.ts";
import { FUZZ } from "../machine/testing/fuzz.ts";
import { randomCase } from "../machine/testing/random-case.ts";
import { randomProgram } from "../machine/testing/random-program.ts";
import { ELEMENT_BYTES, type ElementType, rowsEqual } from "../machine/types.ts";
import { type WeightSection, WeightStore } from "../machine/weights.ts";
import { batchEngine } from "./batch-engine.ts";
import type { Machine, MachineCache } from "./machine.ts";
import { referenceEngine } from "./reference.ts";
import { BACKENDS } from "./testing/backends.ts";
import { runCase } from "./testing/run-case.ts";
import type { Engine, SequenceInput } from "./types.ts";

const NAMES = Object.keys(INSTRUCTIONS) as InstructionName[];
const CASES = 150 * FUZZ;
const MODELS = 4 * FUZZ;
const THREADS = [1, 2, 3];
const BATCHES = [1, 2, 5, 64, 128];

const model = (seed: number) => {
  const config = randomConfig(seed);
  return { vocabSize: config.vocab_size, ...compileLlama(config, randomTensors(config, seed)) };
};

const ask = (random: Prng, vocabSize: number, length: number): SequenceInput => ({
  prompt: Array.from({ length }, () => random.int(0, vocabSize - 1)),
  temperature: random.pick([0, 65_536, 30_000]),
  requestHash: `0x${random.bits().toString(16).padStart(64, "0")}`,
  saltKey: new Uint8Array(32).fill(random.int(0, 255)),
});

/** Everything that an answer commits to. */
const answer = ({ outputs, records }: { outputs: readonly number[]; records: readonly TraceRecord[] }) => ({
  outputs: [...outputs],
  records: records.map(({ salt, token, cacheRoot }) => [toHex(salt), token, toHex(cacheRoot)]),
});

async function generate(engine: Engine, input: SequenceInput, count: number) {
  const sequence = engine.sequence(input);
  for (let i = 0; i < count; i++) await sequence.next();
  const result = answer(sequence);
  sequence.close();
  return result;
}

describe.each(BACKENDS)("$name", (backend) => {
  describe.each([1, 3])("each instruction on %i threads", (threads) => {
    let bare: Awaited<ReturnType<typeof backend.bare>>;
    beforeAll(async () => {
      bare = await backend.bare(threads);
    });
    afterAll(() => bare.executor.close());

    it.each(NAMES)("%s makes the reference's row of any operands", async (name) => {
      const random = prng(INSTRUCTIONS[name].opcode * 31 + threads);
      for (let n = 0; n < CASES; n++) {
        const subject = randomCase(name, random);
        const { instruction, context } = subject;
        const expected = SEMANTICS[name].run(instruction, context, caseInputs(subject));
        const lanes = random.pick([1, 1, 2, 3, 7]);
        for (const row of await runCase(subject, lanes, bare.memory, bare.executor)) {
          if (!rowsEqual(row, expected))
            expect({ row, instruction, context, n }).toEqual({ row: expected, instruction, context, n });
        }
      }
    });
  });

  it("gives the reference's records whatever threads and batches", async () => {
    for (let seed = 1; seed <= MODELS; seed++) {
      const { program, weights, vocabSize } = model(seed);
      const random = prng(seed);
      const input = ask(random, vocabSize, random.int(1, program.contextLength - 8));
      const count = random.int(1, 8);
      const expected = await generate(referenceEngine(program, weights), input, count);
      for (const threads of THREADS) {
        const maxBatch = random.pick(BATCHES);
        const engine = batchEngine(await backend.machine(program, weights, { threads, maxBatch }), program);
        expect(await generate(engine, input, count), `threads ${threads}, batch ${maxBatch}`).toEqual(expected);
        const replay = await engine.replay(input, expected.outputs);
        expect(answer({ outputs: replay.tokens, records: replay.records })).toEqual(expected);
        engine.close();
      }
    }
  });

  it("gives the same when requests come and go in mid-generation", async () => {
    const { program, weights, vocabSize } = model(3);
    const random = prng(77);
    const reference = referenceEngine(program, weights);
    const asked = Array.from({ length: 12 }, () => ({
      input: ask(random, vocabSize, random.int(1, 12)),
      count: random.int(1, 12),
      after: random.int(0, 30),
    }));
    const expected = [];
    for (const { input, count } of asked) expected.push(await generate(reference, input, count));
    const engine = batchEngine(await backend.machine(program, weights, { threads: 2, maxBatch: 16 }), program);
    const got = await Promise.all(
      asked.map(async ({ input, count, after }) => {
        await new Promise((resolve) => setTimeout(resolve, after));
        return generate(engine, input, count);
      }),
    );
    expect(got).toEqual(expected);
    engine.close();
  });

  it("makes every row of a step", async () => {
    for (let seed = 10; seed < 10 + MODELS; seed++) {
      const { program, weights, vocabSize } = model(seed);
      const random = prng(seed);
      const input = ask(random, vocabSize, 5);
      const reference = referenceEngine(program, weights);
      const { outputs } = await generate(reference, input, 4);
      const engine = batchEngine(await backend.machine(program, weights, { threads: 2 }), program);
      for (const step of [0, 3, 4, 7]) {
        const [expected, got] = [await reference.fine(input, outputs, step), await engine.fine(input, outputs, step)];
        expected.rows.forEach((row, i) => {
          if (!rowsEqual(row, got.rows[i]!)) expect({ i, row: got.rows[i] }).toEqual({ i, row });
        });
        expect(got.rows).toHaveLength(expected.rows.length);
        expect(got.cache.row(0, step)).toEqual(expected.cache.row(0, step));
        expect(got.cache.row(0, 0)).toEqual(expected.cache.row(0, 0));
      }
      engine.close();
    }
  });

  it("replays hundreds of positions of heads as real models have them", async () => {
    const config = {
      ...randomConfig(1),
      head_dim: 64,
      hidden_size: 64,
      max_position_embeddings: 300,
      sliding_window: null,
    };
    const { program, weights } = compileLlama(config, randomTensors(config, 1));
    const random = prng(31);
    const input = ask(random, config.vocab_size, 280);
    const outputs = Array.from({ length: 8 }, () => random.int(0, config.vocab_size - 1));
    const engine = batchEngine(await backend.machine(program, weights, { threads: 2 }), program);
    expect(answer(await replayed(engine, input, outputs))).toEqual(
      answer(await replayed(referenceEngine(program, weights), input, outputs)),
    );
    engine.close();
  });

  it("runs programs that no compiler makes", async () => {
    let ran = 0;
    for (const name of NAMES) {
      for (let n = 0; n < 3 * FUZZ; n++) {
        const random = prng(INSTRUCTIONS[name].opcode * 1009 + n);
        const bytes = randomProgram(name, random);
        const program: Program = {
          instructions: bytes.instructions.map(decodeInstruction),
          weightRows: bytes.weightRows,
          contextLength: 12,
        };
        validateProgram(program);
        const weights = randomWeights(program, random);
        const input = ask(random, 50, 3);
        const reference = referenceEngine(program, weights);
        const expected = answer(await replayed(reference, input, [4, 2]));
        const engine = batchEngine(await backend.machine(program, weights, { threads: 2 }), program);
        expect(answer(await replayed(engine, input, [4, 2]))).toEqual(expected);
        engine.close();
        ran++;
      }
    }
    expect(ran).toBe(NAMES.length * 3 * FUZZ);
  });

  it.each([
    ["i16", 397, 75],
    ["i8", 130, 33],
    ["i16", 3, 5],
    // More than one span of widened weights.
    ["i16", 2053, 21],
    ["i8", 1027, 10],
  ] as const)(
    "multiplies activations of %s that saturate with %i weights, many positions at once",
    async (type, size, outs) => {
      const weights = (index: number, type: ElementType, length: number, count: number): Operand => ({
        ...NO_OPERAND,
        kind: "weights",
        type,
        index,
        length,
        count,
      });
      const row = (index: number, type: ElementType, length: number): Operand => ({
        ...NO_OPERAND,
        kind: "row",
        type,
        index,
        length,
      });
      const make = (name: InstructionName, outType: ElementType, outLength: number, more: Partial<Instruction>) => ({
        opcode: INSTRUCTIONS[name].opcode,
        outType,
        outLength,
        outMode: 0 as const,
        role: 0 as const,
        cacheSlot: 0,
        a: NO_OPERAND,
        b: NO_OPERAND,
        c: NO_OPERAND,
        p: parameters(),
        ...more,
      });
      const parameters = (...p: number[]) => [...p, ...Array(8 - p.length).fill(0)] as unknown as Parameters8;
      const sums = type === "i8" ? "i32" : "i64";
      const program: Program = {
        instructions: [
          make("embed", "i32", size, {
            a: TOKEN_OPERAND,
            b: weights(0, "i8", size, 50),
            c: weights(50, "i32", 50, 1),
            p: parameters(20, 31),
          }),
          make("rescale", type, size, { a: row(0, "i32", size), p: parameters(1, 0) }),
          make("fold_amax", "i32", 1, { a: row(0, "i32", size) }),
          make("fold_dot", sums, outs, { a: row(1, type, size), b: weights(51, "i8", size, outs) }),
          // The scale is 1 or -1 almost always: sums come out as they are.
          make("dequant", "i32", outs, {
            a: row(3, sums, outs),
            b: row(2, "i32", 1),
            c: weights(51 + outs, "i32", outs, 1),
            p: parameters(0, 1, 40, 0, 31),
          }),
          make("rescale", "i32", outs, { role: 1, a: row(4, "i32", outs), p: parameters(1, 0) }),
          make("fold_sumsq", "i64", 1, { a: row(5, "i32", outs) }),
          make("draw", "i64", 2, { role: 2, a: row(6, "i64", 1) }),
        ],
        weightRows: 52 + outs,
        contextLength: 40,
      };
      validateProgram(program);
      const random = prng(size);
      const store = randomWeights(program, random);
      const input = ask(random, 50, 37);
      const expected = answer(await replayed(referenceEngine(program, store), input, [4, 2]));
      const engine = batchEngine(await backend.machine(program, store, { threads: 2 }), program);
      expect(answer(await replayed(engine, input, [4, 2]))).toEqual(expected);
      engine.close();
    },
  );

  it("starts from the cached rows of earlier conversations, and gives the same", async () => {
    const { program, weights, vocabSize } = model(6);
    const random = prng(9);
    const first = ask(random, vocabSize, 12);
    const machine = await backend.machine(program, weights, { threads: 2 });
    let steps = 0;
    const counting: Machine = {
      ...machineMethods(machine),
      run(batch) {
        steps += batch.length;
        return machine.run(batch);
      },
    };
    const engine = batchEngine(counting, program);
    const reference = referenceEngine(program, weights);
    const { outputs } = await generate(engine, first, 4);
    expect(steps).toBe(15);
    // The conversation goes on; another one begins alike; a third one does not.
    for (const [prompt, expectedSteps] of [
      [[...first.prompt, ...outputs, 7, 8], 18 - 15 + 3],
      [[...first.prompt.slice(0, 10), 1, 2], 2 + 3],
      [[...first.prompt].reverse(), 12 + 3],
    ] as const) {
      const input = { ...ask(random, vocabSize, 1), prompt };
      steps = 0;
      expect(await generate(engine, input, 4)).toEqual(await generate(reference, input, 4));
      expect(steps).toBe(expectedSteps);
    }
    // A replay computes everything itself.
    steps = 0;
    await engine.replay(first, outputs);
    expect(steps).toBe(15);
    engine.close();
  });

  it("gives up caches when memory is short, computes them again, and gives the same", async () => {
    const { program, weights, vocabSize } = model(6);
    const random = prng(10);
    const inputs = Array.from({ length: 5 }, () => ask(random, vocabSize, 9));
    const reference = referenceEngine(program, weights);
    const engine = batchEngine(await backend.machine(program, weights, { threads: 2 }), program, { cacheBytes: 1 });
    const sequences = inputs.map((input) => engine.sequence(input));
    // One after the other: each turn takes the memory of the last one.
    for (let i = 0; i < 4; i++) for (const sequence of sequences) await sequence.next();
    for (const [i, sequence] of sequences.entries()) {
      expect(answer(sequence)).toEqual(await generate(reference, inputs[i]!, 4));
      const [got, expected] = [
        await engine.fine(inputs[i]!, sequence.outputs, 6),
        await reference.fine(inputs[i]!, sequence.outputs, 6),
      ];
      expect(got.rows.every((row, k) => rowsEqual(row, expected.rows[k]!))).toBe(true);
    }
    engine.close();
  });

  it("frees no cache that it computes with, whoever comes and goes meanwhile", async () => {
    const { program, weights, vocabSize } = model(6);
    const random = prng(11);
    const inputs = Array.from({ length: 8 }, () => ask(random, vocabSize, 9));
    const reference = referenceEngine(program, weights);
    const machine = await backend.machine(program, weights, { threads: 2, maxBatch: 4 });
    let running = 0;
    let freed = 0;
    const watched: Machine = {
      ...machineMethods(machine),
      cache() {
        const cache = machine.cache();
        const free = cache.free.bind(cache);
        cache.free = () => {
          if (inRun.has(cache)) freed++;
          free();
        };
        return cache;
      },
      async run(batch) {
        for (const { cache, context } of batch) {
          cache.reserve(context.t + 1);
          inRun.add(cache);
        }
        running++;
        // Long enough for others to end in the meantime.
        await new Promise((resolve) => setTimeout(resolve, 3));
        return machine.run(batch).finally(() => inRun.clear());
      },
    };
    const inRun = new Set<MachineCache>();
    const engine = batchEngine(watched, program, { cacheBytes: 2 * machine.cache().bytesFor(1) });
    const got = await Promise.all(
      inputs.map(async (input, i) => {
        const sequence = engine.sequence(input);
        const steps = 2 + (i >> 1);
        for (let n = 0; n < steps; n++) await sequence.next();
        const result = answer(sequence);
        // Every other client hangs up while its next token is being computed.
        const last = i % 2 === 0 ? sequence.next() : undefined;
        if (last !== undefined) await new Promise((resolve) => setTimeout(resolve, 2));
        sequence.close();
        await last;
        return result;
      }),
    );
    for (const [i, input] of inputs.entries()) expect(got[i]).toEqual(await generate(reference, input, 2 + (i >> 1)));
    expect(running).toBeGreaterThan(10);
    expect(freed).toBe(0);
    engine.close();
  });

  it("refuses positions beyond the context, as the reference does", async () => {
    const { program, weights } = model(2);
    const engine = batchEngine(await backend.machine(program, weights, { threads: 1 }), program);
    const input = ask(prng(1), 20, program.contextLength);
    for (const each of [engine, referenceEngine(program, weights)])
      await expect(each.replay(input, [1, 2])).rejects.toBeInstanceOf(StepInputError);
    engine.close();
  });

  it("goes on answering after its caches have grown and gone", async () => {
    const { program, weights, vocabSize } = model(2);
    const engine = batchEngine(await backend.machine(program, weights, { threads: 2 }), program);
    const random = prng(5);
    const long = ask(random, vocabSize, program.contextLength - 10);
    const expected = await generate(referenceEngine(program, weights), long, 10);
    for (let n = 0; n < 5; n++) expect(await generate(engine, long, 10)).toEqual(expected);
    engine.close();
  });
});

/** A machine as an object whose methods can be replaced. */
function machineMethods(machine: Machine): Machine {
  return {
    backend: machine.backend,
    maxBatch: machine.maxBatch,
    cache: () => machine.cache(),
    run: (steps) => machine.run(steps),
    rows: (step) => machine.rows(step),
    close: () => machine.close(),
  };
}

/** Weights of any bits, in one section for each operand. */
function randomWeights({ instructions, weightRows }: Program, random: Prng): WeightStore {
  const sections: WeightSection[] = [];
  let byteOffset = 0;
  const operands = instructions.flatMap(({ a, b, c }) => [a, b, c]).filter(({ kind }) => kind === "weights");
  for (const { type, length, index, count } of operands.sort((x, y) => x.index - y.index)) {
    sections.push({ name: `w${index}`, type, length, first: index, count, byteOffset });
    byteOffset += Math.ceil((count * length * ELEMENT_BYTES[type]) / 8) * 8;
  }
  const last = operands.at(-1);
  const first = last === undefined ? 0 : last.index + last.count;
  if (first < weightRows)
    sections.push({ name: "rest", type: "i8", length: 1, first, count: weightRows - first, byteOffset });
  const buffer = new ArrayBuffer(byteOffset + weightRows);
  const bytes = new Uint8Array(buffer);
  for (let i = 0; i < bytes.length; i++) bytes[i] = random.int(0, 255);
  return new WeightStore(buffer, sections);
}

async function replayed(engine: Engine, input: SequenceInput, outputs: readonly number[]) {
  const { tokens, records } = await engine.replay(input, outputs);
  return { outputs: tokens, records };
}
