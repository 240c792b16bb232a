import { p384TableSource } from "../p384-table.ts";
import { h100Vectors } from "./h100.ts";
import { ocspVectors } from "./ocsp.ts";
import { p384Vectors } from "./p384.ts";
import { sha2Vectors } from "./sha2.ts";

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** Committed files that code makes, by path: `tsx tools/attestation-vectors.ts` writes them. */
export const ATTESTATION_FILES: Readonly<Record<string, () => string>> = {
  "src/attestation/P384Table.sol": p384TableSource,
  "test/vectors/attestation/sha2.json": () => json(sha2Vectors()),
  "test/vectors/attestation/p384.json": () => json({ cases: p384Vectors() }),
  "test/vectors/attestation/ocsp.json": () => json(ocspVectors()),
  "test/vectors/attestation/h100.json": () => json(h100Vectors()),
};
