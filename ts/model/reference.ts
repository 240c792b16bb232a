import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type Hex, isHex } from "viem";
import { z } from "zod";

/** What the float model behind a package does on the held-out text, as recorded by `tools/measure-models.ts`. */
export type FloatReference = z.output<typeof referenceSchema>;

const referenceSchema = z.object({
  /** Package that was made from it. */
  modelId: z.string().refine((value): value is Hex => isHex(value)),
  /** Mean nats per token. */
  loss: z.number(),
  /** Greedy choice at each position but the last of each text; in the file one string of numbers a text. */
  predictions: z.array(z.string().transform((line) => line.split(" ").map(Number))),
});

const heldOutSchema = z.array(z.object({ source: z.string(), text: z.string() }));

const fixture = (file: string) => fileURLToPath(new URL(`fixtures/${file}`, import.meta.url));

/**
 * Held-out text that shipped models are measured on: chat samples as they were trained on, from parts of the books that
 * they never saw.
 */
export async function readHeldOut(): Promise<string[]> {
  return heldOutSchema.parse(JSON.parse(await readFile(fixture("held-out.json"), "utf8"))).map(({ text }) => text);
}

/** The record of a shipped model. */
export async function readReference(name: string): Promise<FloatReference> {
  return referenceSchema.parse(JSON.parse(await readFile(fixture(`${name}.float.json`), "utf8")));
}

/** Replaces the record of a shipped model. */
export async function writeReference(name: string, reference: FloatReference): Promise<void> {
  const predictions = reference.predictions.map((tokens) => tokens.join(" "));
  await writeFile(fixture(`${name}.float.json`), `${JSON.stringify({ ...reference, predictions }, null, 2)}\n`);
}

/** Share of equal predictions, 0 to 1. */
export function agreement(x: readonly (readonly number[])[], y: readonly (readonly number[])[]): number {
  const [flatX, flatY] = [x.flat(), y.flat()];
  return flatX.filter((token, i) => token === flatY[i]).length / flatX.length;
}
