import { homedir } from "node:os";
import { join } from "node:path";

/**
 * Where what can be made again is kept (compiled kernels, commitments, downloads): `OTR_CACHE_DIR`, else `otr` in the user's
 * cache folder.
 */
export function cacheFolder(environment: Readonly<Record<string, string | undefined>> = process.env): string {
  return environment.OTR_CACHE_DIR ?? join(environment.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "otr");
}
