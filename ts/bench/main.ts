// `npm run -s bench -- NAME --json`: measurements, one JSON line each.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { cacheFolder } from "../commit/cache-folder.ts";
import { BaseError } from "../errors.ts";
import { CALIBRATION_TOKENS } from "../model/calibrate.ts";
import { DEFAULT_INDEX, FETCHABLE, fetchModel } from "../model/fetch.ts";
import { dearest, GAS_SNAPSHOT, measureGas } from "./gas.ts";

const USAGE = `Usage: npm run -s bench -- NAME [OPTIONS]

Benches:
  gas       gas of commitments, of the one-step transaction of every instruction and of whole disputes, as whole transactions
            (build the contracts first: npx forge build)
  engine    speed, memory and tracing of the backends against llama.cpp, with SmolLM2 (build the native backend first: npm run native)
  scaling   cost against context length and model size: counts, whole disputes, times of synthetic models, fitted laws (minutes)
  spotcheck  the circuits: constraints, proving times, bytes of keys, gas (two cores free: proofs are timed)
  economics  what draws are worth: the lies that pay best, by model, and the stake against them
  attestation  gas of proving enclaves, with evidence of hardware vendors (OTR_VECTORS) or of development roots
  accuracy  the canonical machine against llama.cpp on one GGUF file and text: perplexity ratio, greedy agreement

engine and accuracy want the peer, beside the project: npm install --no-save node-llama-cpp@3.22.1

Options:
  --json         print one JSON line
  --write        gas: write ${GAS_SNAPSHOT}; scaling: its snapshot, and docs/scaling.svg; economics: docs/economics.svg
  --model FILE   engine, accuracy: GGUF file; default: that of "otr model fetch smollm2"
  --rounds N     engine: measurements of each, in turn; default 5
  --tokens N     accuracy: predictions to compare; default 8192
  --plain        accuracy: compile as "otr model import --no-calibrate" does
  --help         this text`;

const OPTIONS = {
  json: { type: "boolean" },
  write: { type: "boolean" },
  model: { type: "string" },
  tokens: { type: "string" },
  plain: { type: "boolean" },
  rounds: { type: "string" },
  help: { type: "boolean" },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>["values"];

const BENCHES: Readonly<Record<string, (values: Values) => Promise<void>>> = {
  gas,
  engine,
  scaling,
  spotcheck,
  economics,
  attestation,
  accuracy,
};

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: OPTIONS });
  const bench = BENCHES[positionals[0] ?? ""];
  if (values.help || bench === undefined) {
    (values.help ? console.log : console.error)(USAGE);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  await bench(values);
}

async function gas(values: Values): Promise<void> {
  const { figures, disputes } = await measureGas((done, total) => {
    progress(`${done}/${total} instructions${done === total ? "\n" : ""}`);
  });
  if (values.write) writeFileSync(GAS_SNAPSHOT, `${JSON.stringify(figures, null, 2)}\n`);
  if (values.json) {
    console.log(JSON.stringify(figures));
    return;
  }
  console.log(`commit, per receipt in a batch of 1,000: ${figures.commitPerReceipt}`);
  for (const [instruction, gas] of Object.entries(figures.oneStep))
    console.log(`${instruction.padEnd(12)} ${String(gas).padStart(8)}`);
  for (const [name, { instruction, gas, executorMoves, transactions, payout, calls }] of Object.entries(disputes)) {
    console.log(
      `\n${name}, a lie in a row of ${instruction}: ${gas} gas in ${transactions} transactions, ${executorMoves} of the executor; payout ${payout}`,
    );
    for (const { call, by, gas: used } of calls)
      console.log(`  ${call.padEnd(18)} ${by.padEnd(11)} ${String(used).padStart(8)}`);
  }
  const { walk, jump } = figures.byInstruction;
  console.log("\nwhole disputes at 2^24 leaves      walk     jump");
  for (const instruction of Object.keys(walk))
    console.log(
      `${instruction.padEnd(30)} ${String(walk[instruction]).padStart(8)} ${String(jump[instruction]).padStart(8)}`,
    );
  for (const [way, gas] of Object.entries({ walk, jump })) {
    const most = dearest(gas);
    console.log(`dearest ${way}: ${most.instruction}, ${most.gas} gas`);
  }
}

async function engine(values: Values): Promise<void> {
  const { measureEngine } = await import("./engine.ts");
  const rounds = wholeNumber("rounds", values.rounds ?? "5");
  const figures = await measureEngine({ gguf: await modelFile(values), rounds, progress });
  progress("\n");
  if (values.json) console.log(JSON.stringify(figures));
  else console.dir(figures);
}

async function scaling(values: Values): Promise<void> {
  const { measureScaling, SCALING_SNAPSHOT } = await import("./scaling.ts");
  const { drawScaling, SCALING_PLOT } = await import("./scaling-plot.ts");
  const figures = await measureScaling(progress);
  progress("\n");
  if (values.write) {
    writeFileSync(SCALING_SNAPSHOT, `${JSON.stringify(figures, null, 2)}\n`);
    writeFileSync(SCALING_PLOT, drawScaling(figures));
  }
  if (values.json) console.log(JSON.stringify(figures));
  else console.dir(figures, { depth: null });
}

async function spotcheck(values: Values): Promise<void> {
  const { measureSpotchecks } = await import("./spotcheck.ts");
  const figures = await measureSpotchecks(wholeNumber("rounds", values.rounds ?? "3"), progress);
  progress("\n");
  if (values.json) console.log(JSON.stringify(figures));
  else console.dir(figures, { depth: null });
  // snarkjs's arithmetic leaves threads behind.
  process.exit();
}

async function economics(values: Values): Promise<void> {
  const { measureEconomics } = await import("./economics.ts");
  const figures = await measureEconomics(progress);
  progress("\n");
  if (values.write) {
    const { drawEconomics, ECONOMICS_PLOT } = await import("./economics-plot.ts");
    writeFileSync(ECONOMICS_PLOT, await drawEconomics());
  }
  if (values.json) console.log(JSON.stringify(figures));
  else console.dir(figures, { depth: null });
}

async function attestation(values: Values): Promise<void> {
  const { measureAttestation } = await import("./attestation.ts");
  const figures = await measureAttestation();
  if (values.json) console.log(JSON.stringify(figures));
  else console.dir(figures);
}

async function accuracy(values: Values): Promise<void> {
  const { measureAccuracy } = await import("./accuracy.ts");
  const tokens = wholeNumber("tokens", values.tokens ?? "8192");
  const figures = await measureAccuracy({
    model: await modelFile(values),
    tokens,
    calibrate: values.plain ? 0 : CALIBRATION_TOKENS,
    onProgress: (done, total) => progress(`${done}/${total} predictions${done === total ? "\n" : ""}`),
  });
  if (values.json) {
    console.log(JSON.stringify(figures));
    return;
  }
  const { perplexityRatio, agreement, perplexity, llamaCppPerplexity } = figures;
  console.log(
    `perplexity ${perplexity.toFixed(3)}, llama.cpp ${llamaCppPerplexity.toFixed(3)}: ${perplexityRatio.toFixed(4)}`,
  );
  console.log(`same greedy token at ${(100 * agreement).toFixed(2)}% of ${figures.tokens} positions`);
}

async function modelFile({ model }: Values): Promise<string> {
  if (model !== undefined) return model;
  return (await fetchModel(FETCHABLE.smollm2, { index: DEFAULT_INDEX, cacheDir: cacheFolder() })).path;
}

function wholeNumber(name: string, value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1) throw new UsageError(name, value);
  return number;
}

/** An option that is no count. */
class UsageError extends BaseError {
  constructor(name: string, value: string) {
    super(`--${name} is a whole number from 1.`, { code: "bench.usage", metaMessages: [`Got: ${value}`] });
  }
}

/** One line that is written over, where somebody looks. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

main().catch((error: unknown) => {
  console.error(error instanceof BaseError ? `${error.name}: ${error.message}` : error);
  process.exitCode = 1;
});
