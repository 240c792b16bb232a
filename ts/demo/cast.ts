import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requantised } from "../adversary/requantised.ts";
import { cacheFolder } from "../commit/cache-folder.ts";
import { loadModels, type ReadyModel } from "../dispute/load-models.ts";
import { openEngine } from "../engine/backends.ts";
import type { Engine } from "../engine/types.ts";
import type { Program } from "../machine/program.ts";
import { FETCHABLE, type FetchableModel, fetchModel } from "../model/fetch.ts";
import { importModel } from "../model/import.ts";
import { writePackage } from "../model/pack.ts";
import { isPackage, packageName } from "../model/package.ts";
import type { Screen } from "./screen.ts";
import type { Pace } from "./town.ts";

/** Who plays: the model that is sold, and the cheaper one that a cheater runs instead. */
export interface Cast {
  /** The sold model's package. */
  readonly folder: string;
  readonly model: ReadyModel;
  readonly cheaper: { readonly name: string; readonly program: Program; readonly engine: Engine };
  readonly prompt: string;
  readonly pace: Pace;
}

/** Bits of the weights that the cheater keeps of a real model: the answer still reads well. */
const CHEAP_BITS = 5;

/** The two shipped story models. */
export async function storyCast(): Promise<Cast> {
  const folder = "models/tale-2m";
  const [model, sibling] = (await loadModels([folder, "models/tale-300k"])).models as [ReadyModel, ReadyModel];
  return {
    folder,
    model,
    cheaper: { name: sibling.loaded.name, program: sibling.loaded.program, engine: sibling.engine },
    prompt: "Once upon a time there was a king who had three daughters.",
    pace: { window: 30, turn: 30 },
  };
}

/** A real model, and the same with weights of fewer bits. What is made for this demo only is gone when the process is. */
export async function realCast(model: string, index: string, screen: Screen): Promise<Cast> {
  const folder = isPackage(model) ? model : await packageOf(model, index, screen);
  const [ready] = (await loadModels([folder], undefined, (_, ...done) => progress(screen, ...done))).models as [
    ReadyModel,
  ];
  const { program, weights } = ready.loaded;
  const engine = await openEngine(program, requantised(weights, CHEAP_BITS), { backend: "wasm" });
  return {
    folder,
    model: ready,
    cheaper: { name: `a copy with weights of ${CHEAP_BITS} bits`, program, engine },
    prompt: "Why is the sky blue?",
    // Room for re-execution on a slow machine.
    pace: { window: 90, turn: 60 },
  };
}

/** Imports a model that is no package yet. Its commitments come from the cache but for the first time. */
async function packageOf(model: string, index: string, screen: Screen): Promise<string> {
  const scratch = mkdtempSync(join(tmpdir(), "otr-demo-model-"));
  const interrupted = () => process.exit(130);
  process.once("exit", () => rmSync(scratch, { recursive: true, force: true }));
  process.once("SIGINT", interrupted);
  const known = Object.hasOwn(FETCHABLE, model) ? FETCHABLE[model] : undefined;
  const path = known === undefined ? model : await fetched(known, index, screen);
  const name = known === undefined ? packageName(path) : model;
  screen.line(`Importing ${path}: int8 weights, two commitments (about a minute on two cores, once) ...`);
  const packed = await importModel({
    path,
    name,
    onProgress: (...done) => progress(screen, ...done),
  });
  const folder = join(scratch, name);
  await writePackage(folder, packed);
  process.removeListener("SIGINT", interrupted);
  return folder;
}

async function fetched(known: FetchableModel, index: string, screen: Screen): Promise<string> {
  const onProgress = (done: number, total: number) =>
    screen.progress(`Download: ${percent(done, total)} of ${Math.round(total / 1e6)} MB`, done >= total);
  return (await fetchModel(known, { index, cacheDir: cacheFolder(), onProgress })).path;
}

function progress(screen: Screen, root: string, done: number, total: number): void {
  screen.progress(`${root} over ${total} weight rows: ${percent(done, total)}`, done >= total);
}

function percent(done: number, total: number): string {
  return `${Math.floor((100 * done) / total)}%`;
}
