// Writes what the tests of the attestation libraries compare with, and the table of P-384; `ts/attestation/vectors.test.ts` fails on drift.
import { writeFileSync } from "node:fs";
import { ATTESTATION_FILES } from "../ts/attestation/vectors/files.ts";

for (const [path, content] of Object.entries(ATTESTATION_FILES)) writeFileSync(path, content());
