import { readFileSync } from "node:fs";
import { type Collateral, parseCollateral } from "../attestation/intel/collateral.ts";
import { EvidenceUnavailableError } from "./errors.ts";

/**
 * Intel's collateral out of a file.
 *
 * @throws EvidenceUnavailableError if it cannot be read or is no JSON, EvidenceEncodingError if it is no collateral.
 */
export function readCollateral(path: string): Collateral {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new EvidenceUnavailableError("The file of collateral", `${path} is not readable, or no JSON.`, { cause });
  }
  return parseCollateral(json);
}
