import { createHash, randomBytes } from "node:crypto";
import { access, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { ModelExistsError, ModelFileMissingError } from "./errors.ts";

/** Lower-case hex SHA-256. */
export function sha256Hex(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The bytes of a file of a model's folder. */
export async function readModelFile(dir: string, file: string): Promise<Uint8Array> {
  return readFile(join(dir, file)).catch((cause: unknown) => {
    throw new ModelFileMissingError(join(dir, file), cause);
  });
}

/**
 * Writes a folder of files as a whole: into a sibling folder first, synced, then renamed. Whatever fails, nothing
 * half-written is left at `dir`, and a folder that was there before is there still.
 */
export async function writeFolder(
  dir: string,
  files: ReadonlyMap<string, Uint8Array>,
  { replace = false }: { replace?: boolean } = {},
): Promise<void> {
  const target = resolve(dir);
  const parent = dirname(target);
  const exists = await access(target).then(
    () => true,
    () => false,
  );
  if (exists && !replace) throw new ModelExistsError(dir);
  await mkdir(parent, { recursive: true });
  const unique = randomBytes(6).toString("hex");
  const fresh = join(parent, `.${basename(target)}.${unique}.new`);
  const old = join(parent, `.${basename(target)}.${unique}.old`);
  try {
    await mkdir(fresh);
    for (const [name, bytes] of files) {
      const file = await open(join(fresh, name), "wx");
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
    }
    if (exists) await rename(target, old);
    try {
      await rename(fresh, target);
    } catch (error) {
      if (exists) await rename(old, target);
      throw error;
    }
    await rm(old, { recursive: true, force: true });
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    throw error;
  }
}
