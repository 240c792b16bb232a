// `npm run -s bench -- NAME --json`: measurements, one JSON line each.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { cacheFolder } from "../commit/cache-folder.ts";
import { BaseError } from "../errors.ts";
import { FETCHABLE } from "../model/fetch.ts";
import { measureAccuracy } from "./accuracy.ts";
import { GAS_SNAPSHOT, measureGas } from "./gas.ts";

const USAGE = `Usage: npm run -s bench -- NAME [OPTIONS]

Benches:
  gas       gas of commitments, of the one-step transaction of every instruction and of whole disputes, as whole transactions
            (build the contracts first: npx forge build)
  accuracy  the canonical machine against llama.cpp on one GGUF file and text: perplexity ratio, greedy agreement
            (install the peer first: npm install --no-save node-llama-cpp@3.22.1)

Options:
  --json          print one JSON line
  --write         gas: write ${GAS_SNAPSHOT}
  --model FILE    accuracy: GGUF file; default: what \`otr model fetch smollm2\` fetched
  --tokens COUNT  accuracy: predictions to compare; default 8192
  --help          this text`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: "boolean" },
      write: { type: "boolean" },
      model: { type: "string" },
      tokens: { type: "string" },
      help: { type: "boolean" },
    },
  });
  const [name] = positionals;
  if (!values.help && name === "gas") return gas(values.json ?? false, values.write ?? false);
  const tokens = Number(values.tokens ?? 8192);
  if (!values.help && name === "accuracy" && Number.isInteger(tokens) && tokens > 0) {
    return accuracy(
      values.json ?? false,
      values.model ?? join(cacheFolder(), "models", FETCHABLE.smollm2.file),
      tokens,
    );
  }
  (values.help ? console.log : console.error)(USAGE);
  process.exitCode = values.help ? 0 : 2;
}

async function accuracy(json: boolean, model: string, tokens: number): Promise<void> {
  const onProgress = (done: number, total: number) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${done}/${total} predictions${done === total ? "\n" : ""}`);
  };
  const figures = await measureAccuracy({ model, tokens, onProgress });
  if (json) {
    console.log(JSON.stringify(figures));
    return;
  }
  const { perplexityRatio, agreement, perplexity, llamaCppPerplexity } = figures;
  console.log(
    `perplexity ${perplexity.toFixed(3)}, llama.cpp ${llamaCppPerplexity.toFixed(3)}: ${perplexityRatio.toFixed(4)}`,
  );
  console.log(`same greedy token at ${(100 * agreement).toFixed(2)}% of ${figures.tokens} positions`);
}

async function gas(json: boolean, write: boolean): Promise<void> {
  const progress = (done: number, total: number) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${done}/${total} instructions${done === total ? "\n" : ""}`);
  };
  const { figures, disputes } = await measureGas(progress);
  if (write) writeFileSync(GAS_SNAPSHOT, `${JSON.stringify(figures, null, 2)}\n`);
  if (json) {
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
}

main().catch((error: unknown) => {
  console.error(error instanceof BaseError ? `${error.name}: ${error.message}` : error);
  process.exitCode = 1;
});
