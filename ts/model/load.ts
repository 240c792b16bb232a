import { keccak_256 } from "@noble/hashes/sha3.js";
import { type Hex, toHex } from "../commit/bytes.ts";
import { programTree } from "../commit/model-trees.ts";
import { TAGS } from "../commit/tags.ts";
import type { Tree } from "../commit/tree.ts";
import { decodeInstruction, INSTRUCTION_BYTES } from "../machine/instruction.ts";
import { cacheRowCount, type Program, validateProgram } from "../machine/program.ts";
import type { WeightStore } from "../machine/weights.ts";
import { type CommitOptions, commitWeights, weightsTreeOf } from "./commitment.ts";
import { ModelCorruptError, ModelFormatError, ModelMismatchError, ModelTruncatedError } from "./errors.ts";
import { readModelFile, sha256Hex } from "./folder.ts";
import { type Manifest, modelIdOf } from "./manifest.ts";
import { fieldHex, MACHINE_VERSION } from "./pack.ts";
import { MODEL_JSON, type ModelDescription, PACKAGE_FILES, type PackageFile, parseDescription } from "./package.ts";
import { tokenBytesRootOf } from "./token-bytes.ts";
import { Tokenizer } from "./tokenizer.ts";
import { decodeWeights } from "./weights-file.ts";

/** A verified model, ready to run, to commit to and to open. */
export type LoadedModel = {
  readonly dir: string;
  readonly name: string;
  readonly modelId: Hex;
  readonly manifest: Manifest;
  readonly description: ModelDescription;
  readonly program: Program;
  readonly weights: WeightStore;
  readonly tokenizer: Tokenizer;
  readonly stopTokens: readonly number[];
  /** Opens instructions under `programRoot`. */
  readonly programTree: Tree;
  /** Opens weight rows under `weightsRoot`. */
  readonly weightsTree: Tree;
};

export type LoadModelOptions = CommitOptions & {
  /** The model that is wanted: another one is refused. */
  readonly modelId?: Hex;
};

/** What a package says of itself: parsed, not verified. */
export async function readDescription(dir: string): Promise<ModelDescription> {
  return parseDescription(new TextDecoder().decode(await readModelFile(dir, MODEL_JSON)));
}

/** The program of a package: valid, but nothing says that it is the one that the manifest commits to. */
export async function readProgram(dir: string, { manifest }: ModelDescription): Promise<Program> {
  return programOf(cut(await readModelFile(dir, "program.bin"), INSTRUCTION_BYTES), manifest);
}

/** @throws InvalidProgramError */
function programOf(encoded: readonly Uint8Array[], { weightRows, contextLength }: Manifest): Program {
  const program: Program = { instructions: encoded.map(decodeInstruction), weightRows, contextLength };
  validateProgram(program);
  return program;
}

/**
 * Loads a package and verifies it, always: sizes and SHA-256 of all files, then every root of the manifest and the
 * `modelId` recomputed from the loaded content, but for `weightsRootP` (see `verifyDeep`).
 */
export async function loadModel(dir: string, options: LoadModelOptions = {}): Promise<LoadedModel> {
  const description = await readDescription(dir);
  const { manifest, modelId } = description;
  if (manifest.machineVersion !== MACHINE_VERSION) {
    const got = `machine version ${manifest.machineVersion}`;
    throw new ModelFormatError(MODEL_JSON, `machine version ${MACHINE_VERSION}`, got);
  }
  requireSame("modelId", modelId, modelIdOf(manifest));
  if (options.modelId !== undefined && options.modelId.toLowerCase() !== modelId) {
    throw new ModelMismatchError(options.modelId, modelId);
  }
  const files = await readFiles(dir, description);
  requireSame("tokenizerHash", manifest.tokenizerHash, toHex(keccak_256(files["tokenizer.json"])));
  requireSame("chatTemplateHash", manifest.chatTemplateHash, toHex(keccak_256(files["chat_template.jinja"])));

  const encoded = cut(files["program.bin"], INSTRUCTION_BYTES);
  requireSame("instructions", manifest.instructions, encoded.length);
  const instructionTree = programTree(encoded);
  requireSame("programRoot", manifest.programRoot, toHex(instructionTree.root(TAGS.program)));
  const program = programOf(encoded, manifest);
  requireSame("cacheRows", manifest.cacheRows, cacheRowCount(program));

  const weights = decodeWeights(files["weights.bin"], description.weights);
  requireSame("weightRows", manifest.weightRows, weights.count);
  const weightsTree = await weightsTreeOf(weights, options);
  requireSame("weightsRoot", manifest.weightsRoot, toHex(weightsTree.root(TAGS.weights)));

  const text = (file: PackageFile) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(files[file]);
  const tokenizer = new Tokenizer(
    {
      tokenizerJson: text("tokenizer.json"),
      tokenizerConfigJson: text("tokenizer_config.json"),
      chatTemplate: text("chat_template.jinja"),
    },
    manifest.vocabSize,
  );
  requireSame("tokenBytesRoot", manifest.tokenBytesRoot, tokenBytesRootOf(tokenizer.tokenBytes));
  return {
    dir,
    name: description.name,
    modelId,
    manifest,
    description,
    program,
    weights,
    tokenizer,
    stopTokens: description.stopTokens,
    programTree: instructionTree,
    weightsTree,
  };
}

/**
 * Recomputes `weightsRootP` too, which whoever adopts a model does once: minutes for a large one, from the cache
 * afterwards. Only spot-check proofs open weights under it.
 * @returns Rows whose hashes were in the cache.
 */
export async function verifyDeep(
  { weights, manifest }: LoadedModel,
  options: CommitOptions = {},
): Promise<{ cachedRows: number }> {
  const { weightsRootP, cachedRows } = await commitWeights(weights, options);
  requireSame("weightsRootP", manifest.weightsRootP, fieldHex(weightsRootP));
  return { cachedRows };
}

async function readFiles(dir: string, description: ModelDescription): Promise<Record<PackageFile, Uint8Array>> {
  const out: Partial<Record<PackageFile, Uint8Array>> = {};
  for (const file of PACKAGE_FILES) {
    const stated = description.files[file];
    const bytes = await readModelFile(dir, file);
    if (bytes.length !== stated.bytes) throw new ModelTruncatedError(file, stated.bytes, bytes.length);
    requireSame(file, stated.sha256, sha256Hex(bytes));
    out[file] = bytes;
  }
  return out as Record<PackageFile, Uint8Array>;
}

function requireSame(what: string, expected: string | number, got: string | number): void {
  if (expected !== got) throw new ModelCorruptError(what, String(expected), String(got));
}

/** The bytes in pieces of `size`; a rest is a piece of its own, which decoding refuses. */
function cut(bytes: Uint8Array, size: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
}
