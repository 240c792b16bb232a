// SPDX-License-Identifier: GPL-3.0-only
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { toHex } from "../commit/bytes.ts";
import { CIRCUIT_NAMES } from "./catalogue.ts";
import { circuitKey } from "./keys.ts";
import { keyWords, wordBytes } from "./wire.ts";

/** Verification keys of all circuits as `script/Deploy.s.sol` reads them; seen from the repository's root, where forge may read. */
export const VERIFIER_KEYS = "circuits/keys/verifier.json";

/** What stands in that file: the keys in the order of the catalogue, as `src/spotcheck/KeyStore.sol` takes them. */
export function verifierKeys(): { development: boolean; keys: string[] } {
  const keys = CIRCUIT_NAMES.map(circuitKey);
  return {
    // One key that can be forged is enough.
    development: keys.some(({ development }) => development),
    keys: keys.map(({ verification }) => toHex(wordBytes(keyWords(verification)))),
  };
}

/** Writes the file, after keys were made. */
export async function writeVerifierKeys(): Promise<void> {
  const path = fileURLToPath(new URL(`../../${VERIFIER_KEYS}`, import.meta.url));
  await writeFile(path, `${JSON.stringify(verifierKeys(), undefined, 2)}\n`);
}
