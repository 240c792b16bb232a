// Makes the development keys of the circuits: proving keys into the cache folder, and with --write the rest into
// circuits/keys. They follow from a public seed, the same bytes everywhere. Without --write proving keys that are there are checked only.
import { parseArgs } from "node:util";
import { CIRCUIT_NAMES, type CircuitName } from "../ts/circuits/catalogue.ts";
import { circuitKey, makeKeys, provingKey, writeKey } from "../ts/circuits/keys.ts";
import { writeVerifierKeys } from "../ts/circuits/verifier-keys.ts";
import { BaseError } from "../ts/errors.ts";

const USAGE = `Usage: tsx tools/circuit-keys.ts [--write [--phase1 <file.ptau>]] [${CIRCUIT_NAMES.join(" | ")}] ...`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { phase1: { type: "string" }, write: { type: "boolean", default: false } },
  });
  const names = positionals.length === 0 ? CIRCUIT_NAMES : (positionals as CircuitName[]);
  if (!names.every((name) => CIRCUIT_NAMES.includes(name)) || (values.phase1 !== undefined && !values.write)) {
    console.error(USAGE);
    return 2;
  }
  for (const [i, name] of names.entries()) {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${i + 1}/${names.length} ${name} ...\r`);
    const started = performance.now();
    if (values.write) await writeKey(await makeKeys(name, undefined, values.phase1));
    const path = await provingKey(name);
    const { constraints, zkeyBytes } = circuitKey(name);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(`${name}: ${constraints} constraints, ${zkeyBytes} bytes, ${seconds} s. DEVELOPMENT KEY: ${path}`);
  }
  if (values.write) await writeVerifierKeys();
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
