// `npm run -s bench -- NAME --json`: measurements, one JSON line each.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { BaseError } from "../errors.ts";
import { dearest, GAS_SNAPSHOT, measureGas } from "./gas.ts";

const USAGE = `Usage: npm run -s bench -- NAME [OPTIONS]

Benches:
  gas      gas of commitments, of the one-step transaction of every instruction and of whole disputes, as whole transactions

Options:
  --json   print one JSON line
  --write  gas: write ${GAS_SNAPSHOT}
  --help   this text

Build the contracts first: npx forge build`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: "boolean" }, write: { type: "boolean" }, help: { type: "boolean" } },
  });
  const [name] = positionals;
  if (values.help || name !== "gas") {
    (values.help ? console.log : console.error)(USAGE);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const progress = (done: number, total: number) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${done}/${total} instructions${done === total ? "\n" : ""}`);
  };
  const { figures, disputes } = await measureGas(progress);
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

main().catch((error: unknown) => {
  console.error(error instanceof BaseError ? `${error.name}: ${error.message}` : error);
  process.exitCode = 1;
});
