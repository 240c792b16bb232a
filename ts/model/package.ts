import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { z } from "zod";
import type { Hex } from "../commit/bytes.ts";
import { ELEMENT_TYPES } from "../machine/types.ts";
import { ModelFormatError } from "./errors.ts";

/** Name of the package format, the first thing a reader checks. */
export const MODEL_FORMAT = "otr-model/1";
export const MODEL_JSON = "model.json";
/** Files of a package beside `model.json`, in the order in which they are verified. */
export const PACKAGE_FILES = [
  "program.bin",
  "weights.bin",
  "tokenizer.json",
  "tokenizer_config.json",
  "chat_template.jinja",
] as const;
export type PackageFile = (typeof PACKAGE_FILES)[number];

/** Whether a path is a package's folder. */
export function isPackage(path: string): boolean {
  return existsSync(join(path, MODEL_JSON));
}

/** A package's default name: its source's file or folder, in lower case and the characters that names may have. */
export function packageName(path: string): string {
  const base = basename(resolve(path)).replace(/\.gguf$/i, "");
  return (
    base
      .toLowerCase()
      .replaceAll(/[^a-z0-9._-]+/g, "-")
      .replace(/^[^a-z0-9]+/, "") || "model"
  );
}

const hash = z.templateLiteral(["0x", z.string().regex(/^[0-9a-f]{64}$/)]).transform((value): Hex => value);
const u32 = z.number().int().min(0).max(0xffffffff);

const manifestSchema = z.strictObject({
  machineVersion: u32,
  programRoot: hash,
  weightsRoot: hash,
  weightsRootP: hash,
  tokenizerHash: hash,
  chatTemplateHash: hash,
  tokenBytesRoot: hash,
  instructions: u32.min(1),
  weightRows: u32.min(1),
  cacheRows: u32,
  contextLength: u32.min(1),
  vocabSize: u32.min(1),
});

const rangeSchema = z.strictObject({
  /** What it is, for example `layers.0.q_proj`. */
  name: z.string(),
  type: z.enum(ELEMENT_TYPES),
  /** Elements of each row. */
  length: u32.min(1),
  /** Rows. */
  count: u32.min(1),
});

const fileSchema = z.strictObject({
  bytes: z.number().int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

const aboutSchema = z.strictObject({
  licence: z.string(),
  source: z.string(),
  notes: z.array(z.string()),
});

const descriptionSchema = z
  .strictObject({
    format: z.literal(MODEL_FORMAT),
    name: z.string().regex(/^[a-z0-9][a-z0-9._-]*$/),
    modelId: hash,
    manifest: manifestSchema,
    /** Tokens that end an answer. */
    stopTokens: z.array(u32).min(1),
    /** Consecutive weight rows of one shape, in row order; together they are `weights.bin`. */
    weights: z.array(rangeSchema).min(1),
    files: z.strictObject(
      Object.fromEntries(PACKAGE_FILES.map((file) => [file, fileSchema])) as Record<PackageFile, typeof fileSchema>,
    ),
    about: aboutSchema,
  })
  .refine(({ stopTokens, manifest }) => stopTokens.every((token) => token < manifest.vocabSize), {
    error: "stop tokens are below vocabSize",
  });

/** The content of `model.json`. */
export type ModelDescription = z.output<typeof descriptionSchema>;
/** Rows of one type and length: an entry of the weight table. */
export type WeightRange = z.output<typeof rangeSchema>;
/** Where a model comes from and what may be done with it. */
export type ModelAbout = z.output<typeof aboutSchema>;

/** Parses `model.json`; the format's name is checked before the rest. */
export function parseDescription(text: string): ModelDescription {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new ModelFormatError(MODEL_JSON, "JSON", "something else", cause);
  }
  const named = z.looseObject({ format: z.string() }).safeParse(json);
  const format = named.success ? named.data.format : "no format";
  if (format !== MODEL_FORMAT) throw new ModelFormatError(MODEL_JSON, MODEL_FORMAT, format);
  const parsed = descriptionSchema.safeParse(json);
  if (!parsed.success) {
    throw new ModelFormatError(MODEL_JSON, MODEL_FORMAT, z.prettifyError(parsed.error), parsed.error);
  }
  return parsed.data;
}

/** `model.json` as it is written: stable order, one weight range a line. */
export function formatDescription(description: ModelDescription): string {
  const { weights, ...rest } = description;
  const marker = "@weights@";
  const lines = weights.map((range) => `    ${JSON.stringify(range)}`).join(",\n");
  return `${JSON.stringify({ ...rest, weights: marker }, null, 2).replace(`"${marker}"`, () => `[\n${lines}\n  ]`)}\n`;
}
