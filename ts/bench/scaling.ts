import { randomFillSync } from "node:crypto";
import { readFileSync } from "node:fs";
import type { LlamaConfigInput } from "../compiler/config.ts";
import { PRECISE_ACTIVATIONS } from "../compiler/llama.ts";
import { Court } from "../dispute/testing/court.ts";
import type { Machine } from "../engine/machine.ts";
import { nativeKinds, nativeMachine } from "../engine/native/native-machine.ts";
import { wasmMachine } from "../engine/wasm/wasm-machine.ts";
import { stepContext } from "../machine/step.ts";
import { ELEMENT_BYTES } from "../machine/types.ts";
import { WeightStore } from "../machine/weights.ts";
import { DisputeBench } from "./disputes.ts";
import { LLAMA_70B, SMOL_135M, shapeOf } from "./geometries.ts";
import { generateOnH100, type OnPaper, replayOnH100 } from "./h100.ts";
import { type Law, lineThrough } from "./law.ts";
import type { Shape } from "./sparse-answer.ts";
import { SteadyTime } from "./steady-time.ts";
import { fineTraceBytes, RECORD_BYTES, type StepCost, stepCost } from "./step-cost.ts";

/** Where the figures are kept; docs/scaling.svg is drawn from them, and a test counts again what can be counted. */
export const SCALING_SNAPSHOT = "snapshots/scaling.json";

const SMOL_360M: LlamaConfigInput = {
  ...SMOL_135M.config,
  num_hidden_layers: 32,
  hidden_size: 960,
  num_attention_heads: 15,
  num_key_value_heads: 5,
  intermediate_size: 2560,
};
const LLAMA_1B: LlamaConfigInput = {
  ...LLAMA_70B.config,
  num_hidden_layers: 16,
  hidden_size: 2048,
  num_attention_heads: 32,
  intermediate_size: 8192,
  tie_word_embeddings: true,
};
const LLAMA_8B: LlamaConfigInput = {
  ...LLAMA_70B.config,
  num_hidden_layers: 32,
  hidden_size: 4096,
  num_attention_heads: 32,
  intermediate_size: 14_336,
};
const LLAMA_405B: LlamaConfigInput = {
  ...LLAMA_70B.config,
  num_hidden_layers: 126,
  hidden_size: 16_384,
  num_attention_heads: 128,
  intermediate_size: 53_248,
};

/** Geometries of real models, the largest last. Nobody holds their weights here. */
export const MODELS: Readonly<Record<string, LlamaConfigInput>> = {
  "135M": SMOL_135M.config,
  "360M": SMOL_360M,
  "1B": LLAMA_1B,
  "8B": LLAMA_8B,
  "70B": LLAMA_70B.config,
  "405B": LLAMA_405B,
};

/** Tokens of a prompt and its answer. */
export const CONTEXTS = [512, 2048, 8192, 32_768, 131_072] as const;

/** Each size at one context, and the 70B at each context. */
const DISPUTES = [
  ...Object.keys(MODELS).map((model) => ({ model, steps: 8192 })),
  ...CONTEXTS.filter((steps) => steps !== 8192).map((steps) => ({ model: "70B", steps })),
];
/** Makes rows of the hidden size, and reads weights. */
const DISPUTED = "norm";

/** Answers at once, and tokens of each. */
const BATCHES = [
  [1, 8192],
  [8, 2048],
  [16, 1024],
  [32, 512],
] as const;

/** Synthetic models that are run: weights are random bytes. The last is SmolLM2-360M's geometry. */
const RUN: readonly LlamaConfigInput[] = [
  {
    ...SMOL_135M.config,
    num_hidden_layers: 12,
    hidden_size: 256,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    intermediate_size: 704,
    vocab_size: 16_384,
  },
  {
    ...SMOL_135M.config,
    num_hidden_layers: 24,
    hidden_size: 384,
    num_attention_heads: 6,
    num_key_value_heads: 2,
    intermediate_size: 1024,
    vocab_size: 32_768,
  },
  SMOL_135M.config,
  SMOL_360M,
];
const POSITIONS = [0, 511, 1023, 2047, 4095, 8191];
/** The least of so many is taken: whatever else runs, and the first use of memory, only add to a time. */
const REPEATS = 15;

/** A model's step in figures. */
export interface ModelFigures extends StepCost {
  readonly model: string;
  /** Bytes of the fine trace of the last step, by context. */
  readonly fineTraceBytes: Readonly<Record<string, number>>;
}

/** A whole dispute about the last step of an answer. */
export interface DisputePoint {
  readonly model: string;
  readonly steps: number;
  readonly gas: number;
  readonly transactions: number;
  readonly executorMoves: number;
}

/** A step of generation on one thread, in milliseconds of the processor, with and without its cache root. */
export interface TimePoint {
  readonly weightBytes: number;
  readonly position: number;
  readonly ms: number;
  readonly tracedMs: number;
}

export interface ScalingFigures {
  readonly models: readonly ModelFigures[];
  /** The 70B on one H100, on paper. */
  readonly h100: { readonly generate: readonly OnPaper[]; readonly replay: ReturnType<typeof replayOnH100> };
  readonly disputes: readonly DisputePoint[];
  /** Gas over the binary logarithm of bytes of weights, at 8,192 tokens; and of the tokens, of the 70B. */
  readonly gasBySize: Law;
  readonly gasByContext: Law;
  readonly backend: string;
  readonly bySize: readonly TimePoint[];
  readonly byPosition: readonly TimePoint[];
  /** Milliseconds over megabytes of weights, and over the position. */
  readonly sizeLaw: Law;
  readonly positionLaw: Law;
}

/** The figures as committed. */
export function readScaling(): ScalingFigures {
  return JSON.parse(readFileSync(SCALING_SNAPSHOT, "utf8")) as ScalingFigures;
}

/** What a model's geometry costs, with two bytes per activation, as imported models have. */
export function countModel(model: string): ModelFigures {
  const shape = shapeOf(geometryAt(model, CONTEXTS[0]));
  const fine = CONTEXTS.map((steps) => [String(steps), fineTraceBytes(shape, steps - 1)] as const);
  return { model, ...stepCost(shape), fineTraceBytes: Object.fromEntries(fine) };
}

/** Bytes that an executor publishes of an answer, and those of its cached rows, of which it publishes none. */
export function answerBytes({ cachedBytes }: StepCost, steps: number): { records: number; cached: number } {
  return { records: steps * RECORD_BYTES, cached: steps * cachedBytes };
}

/** Counts, disputes on a local chain, and times a step of synthetic models. */
export async function measureScaling(progress: (what: string) => void): Promise<ScalingFigures> {
  const models = Object.keys(MODELS).map(countModel);
  const disputes = await playDisputes(progress);
  return { models, h100: onH100(models), disputes, ...gasLaws(models, disputes), ...(await measureTimes(progress)) };
}

/** The 70B on one H100, at batches whose caches fit beside its weights. */
export function onH100(models: readonly ModelFigures[]): ScalingFigures["h100"] {
  const large = models.find(({ model }) => model === "70B")!;
  const generate = BATCHES.map(([batch, context]) => generateOnH100(large, batch, context));
  return { generate, replay: replayOnH100(large, 8192) };
}

/** How gas grows with a model's size, and with the context. */
export function gasLaws(
  models: readonly ModelFigures[],
  disputes: readonly DisputePoint[],
): Pick<ScalingFigures, "gasBySize" | "gasByContext"> {
  const bytesOf = new Map(models.map(({ model, weightBytes }) => [model, weightBytes]));
  const bySize = disputes.filter(({ steps }) => steps === 8192);
  const byContext = disputes.filter(({ model }) => model === "70B");
  return {
    gasBySize: lineThrough(bySize.map(({ model, gas }) => [Math.log2(bytesOf.get(model)!), gas])),
    gasByContext: lineThrough(byContext.map(({ steps, gas }) => [Math.log2(steps), gas])),
  };
}

/** Times of single steps, with their laws. */
export async function measureTimes(progress: (what: string) => void) {
  const kinds = await nativeKinds();
  const open = kinds.length > 0 ? nativeMachine : wasmMachine;
  const bySize: TimePoint[] = [];
  for (const [i, config] of RUN.entries()) {
    progress(`synthetic model ${i + 1} of ${RUN.length}`);
    bySize.push(...(await timeSteps(open, config, [0])));
  }
  progress("positions");
  const byPosition = await timeSteps(open, SMOL_135M.config, POSITIONS);
  return {
    backend: kinds.length > 0 ? `native ${kinds[0]}` : "wasm",
    bySize,
    byPosition,
    sizeLaw: lineThrough(bySize.map(({ weightBytes, ms }) => [weightBytes / 1e6, ms])),
    positionLaw: lineThrough(byPosition.map(({ position, ms }) => [position, ms])),
  };
}

function geometryAt(model: string, steps: number) {
  const config = { ...MODELS[model]!, max_position_embeddings: steps };
  return { config, steps, activations: PRECISE_ACTIVATIONS };
}

async function playDisputes(progress: (what: string) => void): Promise<DisputePoint[]> {
  const court = await Court.open();
  const time = new SteadyTime(court.chain);
  const points: DisputePoint[] = [];
  try {
    for (const { model, steps } of DISPUTES) {
      progress(`a dispute about ${model}, ${steps} tokens`);
      const geometry = geometryAt(model, steps);
      const bench = await DisputeBench.open(court, time, geometry, [DISPUTED]);
      const { gas, transactions, executorMoves } = await bench.dispute(DISPUTED, "walk");
      points.push({
        model,
        steps,

        gas,
        transactions,
        executorMoves,
      });
    }
  } finally {
    await court.close();
  }
  return points;
}

/** Times single steps at positions whose earlier rows are whatever memory holds: the machine is total, and takes as long for any bits. */
async function timeSteps(
  open: typeof nativeMachine | typeof wasmMachine,
  config: LlamaConfigInput,
  positions: readonly number[],
): Promise<TimePoint[]> {
  const steps = Math.max(512, ...positions.map((position) => position + 1));
  const shape = shapeOf({
    config: { ...config, max_position_embeddings: steps },
    steps,
    activations: PRECISE_ACTIVATIONS,
  });
  const { weightBytes } = stepCost(shape);
  const machine = await open(shape.program, randomWeights(shape), { threads: 1 });
  const points: TimePoint[] = [];
  for (const position of positions) points.push({ weightBytes, position, ...(await timeStep(machine, position)) });
  machine.close();
  return points;
}

async function timeStep(machine: Machine, t: number): Promise<Pick<TimePoint, "ms" | "tracedMs">> {
  const cache = machine.cache();
  const context = stepContext({ t, nIn: 1, token: 1, temperature: 0, requestHash: `0x${"11".repeat(32)}` });
  const once = async (trace: boolean) => {
    const begin = process.cpuUsage();
    await machine.run([{ cache, context, token: true, trace }]);
    const { user, system } = process.cpuUsage(begin);
    return (user + system) / 1000;
  };
  let [ms, tracedMs] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let i = 0; i < REPEATS; i++) {
    ms = Math.min(ms, await once(false));
    tracedMs = Math.min(tracedMs, await once(true));
  }
  cache.free();
  return { ms: Number(ms.toFixed(2)), tracedMs: Number(tracedMs.toFixed(2)) };
}

function randomWeights({ sections }: Shape): WeightStore {
  const last = sections.at(-1)!;
  const buffer = new ArrayBuffer(last.byteOffset + last.length * last.count * ELEMENT_BYTES[last.type]);
  const bytes = new Uint8Array(buffer);
  for (let at = 0; at < bytes.length; at += 1 << 28) randomFillSync(bytes.subarray(at, at + (1 << 28)));
  return new WeightStore(buffer, sections);
}
