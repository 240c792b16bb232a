// Makes the development keys of the circuits: proving keys into the cache folder, the rest into circuits/keys. The same
// phase-1 file gives the same bytes. `--check` compares the proving keys of the cache with what is committed.
import { parseArgs } from "node:util";
import { CIRCUIT_NAMES, type CircuitName } from "../ts/circuits/catalogue.ts";
import { makeKeys, provingKey, writeKey } from "../ts/circuits/keys.ts";
import { BaseError } from "../ts/errors.ts";

const USAGE = `Usage: tsx tools/circuit-keys.ts (--phase1 <file.ptau> | --check) [${CIRCUIT_NAMES.join(" | ")}] ...`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { phase1: { type: "string" }, check: { type: "boolean", default: false } },
  });
  const names = positionals.length === 0 ? CIRCUIT_NAMES : (positionals as CircuitName[]);
  if (!names.every((name) => CIRCUIT_NAMES.includes(name)) || (values.phase1 === undefined) !== values.check) {
    console.error(USAGE);
    return 2;
  }
  for (const name of names) {
    if (values.phase1 === undefined) {
      console.log(`${name}: ${await provingKey(name)}`);
      continue;
    }
    const started = performance.now();
    const key = await makeKeys(name, values.phase1);
    await writeKey(key);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(`${name}: ${key.constraints} constraints, ${key.zkeyBytes} bytes, ${seconds} s. DEVELOPMENT KEY`);
  }
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof BaseError ? `${error.code}: ${error.message}` : error);
  process.exitCode = 1;
}
// snarkjs leaves threads behind.
process.exit();
