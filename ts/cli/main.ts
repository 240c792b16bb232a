#!/usr/bin/env -S npx tsx
import { main } from "./program.ts";

const code = await main(process.argv.slice(2), process.env);
// What verifies proofs leaves snarkjs's threads behind, which would keep the process for ever.
process.exit(code);
