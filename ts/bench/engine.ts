import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder } from "../commit/cache-folder.ts";
import { traceTree } from "../commit/record.ts";
import { TAGS } from "../commit/tags.ts";
import { StepTrace } from "../dispute/step-trace.ts";
import { accumulatorsOf } from "../dispute/witness.ts";
import { openEngine } from "../engine/backends.ts";
import type { Machine } from "../engine/machine.ts";
import { nativeMachine } from "../engine/native/native-machine.ts";
import type { Engine, SequenceInput } from "../engine/types.ts";
import { stepContext } from "../machine/step.ts";
import { commitWeights } from "../model/commitment.ts";
import { importModel } from "../model/import.ts";
import { loadModel } from "../model/load.ts";
import { writePackage } from "../model/pack.ts";
import { openLlamaCpp } from "./llama-cpp.ts";
import { q8Copy } from "./q8-gguf.ts";

export interface EngineBenchOptions {
  /** SmolLM2 as GGUF. */
  readonly gguf: string;
  readonly rounds: number;
  readonly progress: (what: string) => void;
}

/** Ratios: ours over llama.cpp's; to verify: time to verify over time to generate. */
export interface EngineFigures {
  readonly decodeRatio: number;
  readonly prefillRatio: number;
  readonly wasmDecodeRatio: number;
  readonly wasmPrefillRatio: number;
  readonly traceOverhead: number;
  readonly verifyRatioNative: number;
  readonly verifyRatioWasm: number;
  readonly batch8Speedup: number;
  readonly rssRatio: number;
  readonly coldLoadMs: number;
  readonly fineTraceMs: number;
  /** Accumulators of one element, of the kind of fold that takes longest. */
  readonly microTraceMs: number;
  readonly commitSeconds: number;
  readonly threads: number;
  readonly tokensPerSecond: Readonly<Record<string, number>>;
}

const PROMPT = 128;
const DECODED = 64;
const ANSWER = 256;
const CONTEXT = 1024;
const TEXT =
  "The harbour was quiet in the morning. Boats lay side by side, and an old man mended a net while he told the children how the storm had come, what it had taken, and why the lighthouse keeper never spoke of it again. ";

/** Speed of the backends against llama.cpp: same model, threads and prompt, in turn, medians. */
export async function measureEngine({ gguf, rounds, progress }: EngineBenchOptions): Promise<EngineFigures> {
  const threads = availableParallelism();
  progress("the model");
  const llama = await openLlamaCpp(await q8Copy(gguf, join(cacheFolder(), "bench")), CONTEXT, threads);
  const prompt = llama.tokenize(TEXT.repeat(8)).slice(0, PROMPT);
  progress("first commitment to the weights");
  const { folder, commitSeconds } = await pack(gguf);
  const loaded = await loadModel(folder);
  const { program, weights } = loaded;
  const native = await openEngine(program, weights, { backend: "native", threads });
  const wasm = await openEngine(program, weights, { backend: "wasm", threads });
  const bare = await nativeMachine(program, weights, { threads });

  const times: Record<string, number[]> = {};
  const steps: StepTimes[] = [];
  const record = async <T>(name: string, run: () => Promise<T>): Promise<T> => {
    const start = performance.now();
    const result = await run();
    times[name] = [...(times[name] ?? []), performance.now() - start];
    return result;
  };
  for (let round = 0; round < rounds; round++) {
    progress(`round ${round + 1} of ${rounds}: llama.cpp`);
    await llama.clear();
    await record("llamaPrefill", () => llama.prefill(prompt.slice(0, -1)));
    await record("llamaDecode", () => llama.decode(prompt.at(-1)!, DECODED));
    for (const [name, engine] of [
      ["native", native],
      ["wasm", wasm],
    ] as const) {
      progress(`round ${round + 1} of ${rounds}: ${name}`);
      await generation(engine, ask(prompt, round), DECODED, (phase, run) => record(`${name}${phase}`, run));
    }
    progress(`round ${round + 1} of ${rounds}: tracing`);
    await decodeTwice(bare, prompt, steps);
    progress(`round ${round + 1} of ${rounds}: eight at once`);
    await record("eight", async () => {
      await Promise.all(
        Array.from({ length: 8 }, (_, i) => generation(native, ask(prompt.slice(0, 8), 100 + 8 * round + i), DECODED)),
      );
    });
    await record("one", () => generation(native, ask(prompt.slice(0, 8), 1000 + round), DECODED));
  }
  const verify = { native: [] as number[], wasm: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    for (const [name, engine] of [
      ["native", native],
      ["wasm", wasm],
    ] as const) {
      progress(`round ${round + 1} of ${rounds}: an answer of ${ANSWER} tokens, ${name}`);
      const input = ask(prompt, 2000 + round);
      let start = performance.now();
      const outputs = await generation(engine, input, ANSWER);
      const generated = performance.now() - start;
      start = performance.now();
      await engine.replay(input, outputs);
      verify[name].push((performance.now() - start) / generated);
    }
  }
  progress("a fine trace");
  const input = ask(prompt, 8);
  const { tokens: outputs, records } = await native.replay(input, prompt.slice(0, 4));
  await native.fine(input, outputs, PROMPT);
  const fineTraces: number[] = [];
  const microTraces: number[] = [];
  for (let i = 0; i < 3; i++) {
    let start = performance.now();
    const trace = new StepTrace(loaded, { input, outputs, records }, PROMPT, await native.fine(input, outputs, PROMPT));
    fineTraces.push(performance.now() - start);
    const each = program.instructions.map((_, row) => {
      start = performance.now();
      accumulatorsOf(trace, row, 0);
      return performance.now() - start;
    });
    microTraces.push(Math.max(...each));
  }
  native.close();
  wasm.close();
  bare.close();
  await llama.close();
  const of = (name: string) => median(times[name]!);
  progress("a process of its own");
  const { rssRatio, coldLoadMs } = loadInChild(folder);
  rmSync(dirname(folder), { recursive: true });
  return {
    decodeRatio: of("llamaDecode") / of("nativeDecode"),
    prefillRatio: of("llamaPrefill") / of("nativePrefill"),
    wasmDecodeRatio: of("llamaDecode") / of("wasmDecode"),
    wasmPrefillRatio: of("llamaPrefill") / of("wasmPrefill"),
    // Of pairs, not of two medians: what disturbs a step disturbs the other one of its pair.
    traceOverhead:
      median(steps.map(({ traced, untraced }) => traced - untraced)) / median(steps.map(({ untraced }) => untraced)),
    verifyRatioNative: median(verify.native),
    verifyRatioWasm: median(verify.wasm),
    batch8Speedup: (8 * of("one")) / of("eight"),
    rssRatio,
    coldLoadMs,
    fineTraceMs: median(fineTraces),
    microTraceMs: median(microTraces),
    commitSeconds,
    threads,
    tokensPerSecond: Object.fromEntries(
      ["llama", "native", "wasm"].map((name) => [name, (1000 * DECODED) / of(`${name}Decode`)]),
    ),
  };
}

/** Makes a package of the model, as if no commitment to its weights were known. */
async function pack(gguf: string): Promise<{ folder: string; commitSeconds: number }> {
  const folder = mkdtempSync(join(tmpdir(), "otr-bench-"));
  const [first, second] = [join(folder, "first"), join(folder, "second")];
  const dir = join(folder, "model");
  const packed = await importModel({ path: gguf, name: "bench", cacheDir: first, compile: { contextLength: CONTEXT } });
  await writePackage(dir, packed);
  const { weights } = await loadModel(dir);
  const start = performance.now();
  await commitWeights(weights, { cacheDir: second });
  return { folder: dir, commitSeconds: (performance.now() - start) / 1000 };
}

function median(values: readonly number[]): number {
  return values.toSorted((x, y) => x - y)[values.length >> 1]!;
}

/** A request of its own: no two share cached rows. */
function ask(prompt: readonly number[], number: number): SequenceInput {
  return {
    prompt: [number + 1000, ...prompt.slice(1)],
    temperature: 0,
    requestHash: `0x${"11".repeat(32)}`,
    saltKey: new Uint8Array(32).fill(3),
  };
}

type Timed = <T>(phase: "Prefill" | "Decode", run: () => Promise<T>) => Promise<T>;

/** An answer with all that its receipt commits to. */
async function generation(
  engine: Engine,
  input: SequenceInput,
  count: number,
  timed: Timed = (_, run) => run(),
): Promise<number[]> {
  const sequence = engine.sequence(input);
  await timed("Prefill", () => sequence.next());
  await timed("Decode", async () => {
    for (let i = 0; i < count; i++) await sequence.next();
    traceTree(sequence.records).root(TAGS.trace);
  });
  const outputs = [...sequence.outputs];
  sequence.close();
  return outputs;
}

/** Milliseconds of one step, with and without its cache root. */
interface StepTimes {
  readonly traced: number;
  readonly untraced: number;
}

/** Decoding without an engine around it. Each step runs twice, with and without its cache root, in turn first: both write the same rows. */
async function decodeTwice(machine: Machine, prompt: readonly number[], times: StepTimes[]): Promise<void> {
  const cache = machine.cache();
  const step = (t: number, token: number, wanted: boolean, trace: boolean) => ({
    cache,
    context: stepContext({ t, nIn: prompt.length, token, temperature: 0, requestHash: `0x${"11".repeat(32)}` }),
    token: wanted,
    trace,
  });
  const first = prompt.slice(0, 64).map((token, t) => step(t, token, t === 63, false));
  let token = (await machine.run(first)).at(-1)!.token!;
  for (let t = 64; t < 64 + DECODED; t++) {
    let next = token;
    const took = async (trace: boolean) => {
      const start = performance.now();
      next = (await machine.run([step(t, token, true, trace)]))[0]!.token!;
      return performance.now() - start;
    };
    if (t % 2 === 0) times.push({ traced: await took(true), untraced: await took(false) });
    else {
      const untraced = await took(false);
      times.push({ traced: await took(true), untraced });
    }
    token = next;
  }
  cache.free();
}

/** Load time and resident memory of a process of its own, which answers once. */
function loadInChild(packageFolder: string): { rssRatio: number; coldLoadMs: number } {
  const script = fileURLToPath(new URL("./load-child.ts", import.meta.url));
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--import", "tsx", script, packageFolder], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`The process that loads the model failed: ${stderr}`);
  const { rss, coldLoadMs } = JSON.parse(stdout) as { rss: number; coldLoadMs: number };
  const size = statSync(join(packageFolder, "weights.bin")).size;
  return { rssRatio: rss / (1.5 * size + 300e6), coldLoadMs };
}
