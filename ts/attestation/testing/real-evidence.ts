import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Where real evidence of hardware vendors lies; it is not part of the repository. */
const FOLDER = process.env.OTR_VECTORS ?? "../shared/vectors";

/** Whether real evidence is at hand; says so on the console if it is not. */
export const HAS_EVIDENCE = existsSync(FOLDER);
if (!HAS_EVIDENCE) console.warn(`No real evidence in ${FOLDER} (set OTR_VECTORS): its tests do not run.`);

/** A file of real evidence. */
export function evidence(name: string): Buffer {
  return readFileSync(join(FOLDER, name));
}
