#!/usr/bin/env -S npx tsx
import { endProcess } from "./end-process.ts";
import { main } from "./program.ts";

process.exitCode = await main(process.argv.slice(2), process.env);
endProcess();
