import { keccak_256 } from "@noble/hashes/sha3.js";
import { type Hex, toHex, word } from "../commit/bytes.ts";
import { programTree } from "../commit/model-trees.ts";
import { TAGS } from "../commit/tags.ts";
import { encodeInstruction, INSTRUCTION_BYTES } from "../machine/instruction.ts";
import { cacheRowCount, type Program, validateProgram } from "../machine/program.ts";
import type { WeightStore } from "../machine/weights.ts";
import { type CommitOptions, commitWeights } from "./commitment.ts";
import { sha256Hex, writeFolder } from "./folder.ts";
import { type Manifest, modelIdOf } from "./manifest.ts";
import {
  formatDescription,
  MODEL_FORMAT,
  MODEL_JSON,
  type ModelAbout,
  type ModelDescription,
  PACKAGE_FILES,
  type PackageFile,
  parseDescription,
} from "./package.ts";
import { tokenBytesRootOf } from "./token-bytes.ts";
import { Tokenizer, type TokenizerFiles } from "./tokenizer.ts";
import { encodeWeights, weightTable } from "./weights-file.ts";

/** Version of the machine that packages are made for; docs/machine.md. */
export const MACHINE_VERSION = 1;

/** A model in memory, before it is packed. */
export type ModelContent = {
  /** Lower-case name, for example `tale-2m`. */
  readonly name: string;
  readonly program: Program;
  readonly weights: WeightStore;
  readonly vocabSize: number;
  readonly tokenizer: TokenizerFiles;
  /** Tokens that end an answer. */
  readonly stopTokens: readonly number[];
  readonly about: ModelAbout;
};

/** Every file of a package, by name, and what `model.json` says. */
export type PackedModel = {
  readonly description: ModelDescription;
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Weight rows whose hashes were in the cache. */
  readonly cachedRows: number;
};

/** Computes all roots and the bytes of all files of a package. Validates the program first. */
export async function packModel(content: ModelContent, options: CommitOptions = {}): Promise<PackedModel> {
  const { program, weights, vocabSize } = content;
  validateProgram(program);
  const tokenizer = new Tokenizer(content.tokenizer, vocabSize);
  const utf8 = new TextEncoder();
  const instructions = program.instructions.map(encodeInstruction);
  const programBytes = new Uint8Array(instructions.length * INSTRUCTION_BYTES);
  instructions.forEach((bytes, i) => {
    programBytes.set(bytes, i * INSTRUCTION_BYTES);
  });
  const bytes: Record<PackageFile, Uint8Array> = {
    "program.bin": programBytes,
    "weights.bin": encodeWeights(weights),
    "tokenizer.json": utf8.encode(content.tokenizer.tokenizerJson),
    "tokenizer_config.json": utf8.encode(content.tokenizer.tokenizerConfigJson),
    "chat_template.jinja": utf8.encode(content.tokenizer.chatTemplate),
  };
  const { tree, weightsRootP, cachedRows } = await commitWeights(weights, options);
  const manifest: Manifest = {
    machineVersion: MACHINE_VERSION,
    programRoot: toHex(programTree(instructions).root(TAGS.program)),
    weightsRoot: toHex(tree.root(TAGS.weights)),
    weightsRootP: fieldHex(weightsRootP),
    tokenizerHash: toHex(keccak_256(bytes["tokenizer.json"])),
    chatTemplateHash: toHex(keccak_256(bytes["chat_template.jinja"])),
    tokenBytesRoot: tokenBytesRootOf(tokenizer.tokenBytes),
    instructions: instructions.length,
    weightRows: weights.count,
    cacheRows: cacheRowCount(program),
    contextLength: program.contextLength,
    vocabSize,
  };
  const json = formatDescription({
    format: MODEL_FORMAT,
    name: content.name,
    modelId: modelIdOf(manifest),
    manifest,
    stopTokens: [...content.stopTokens],
    files: Object.fromEntries(
      PACKAGE_FILES.map((file) => [file, { bytes: bytes[file].length, sha256: sha256Hex(bytes[file]) }]),
    ) as ModelDescription["files"],
    about: content.about,
    weights: weightTable(weights),
  });
  // Parsed again: what a reader would refuse is never written.
  const description = parseDescription(json);
  const files = new Map<string, Uint8Array>(Object.entries(bytes));
  files.set(MODEL_JSON, utf8.encode(json));
  return { description, files, cachedRows };
}

/** Writes a package as a whole: whatever fails, nothing half-written stays. */
export async function writePackage(
  dir: string,
  { files }: PackedModel,
  options: { replace?: boolean } = {},
): Promise<void> {
  await writeFolder(dir, files, options);
}

/** A field element as bytes32. */
export function fieldHex(x: bigint): Hex {
  return toHex(word(x));
}
