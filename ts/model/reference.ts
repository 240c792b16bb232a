import { fileURLToPath } from "node:url";

/** Held-out text that shipped models are measured on: chat samples as they were trained on, from parts of the books that they never saw. */
export const HELD_OUT = fileURLToPath(new URL("fixtures/held-out.json", import.meta.url));

/** What the float model behind a package does on the held-out text, as recorded by `tools/measure-models.ts`. */
export type FloatReference = {
  /** Package that was made from it. */
  readonly modelId: string;
  /** Mean nats per token. */
  readonly loss: number;
  /** Greedy choice at each position but the last of each text. */
  readonly predictions: readonly (readonly number[])[];
};

/** Where the record of a shipped model is kept. */
export function referencePath(name: string): string {
  return fileURLToPath(new URL(`fixtures/${name}.float.json`, import.meta.url));
}

/** Share of equal predictions, 0 to 1. */
export function agreement(x: readonly (readonly number[])[], y: readonly (readonly number[])[]): number {
  const [flatX, flatY] = [x.flat(), y.flat()];
  return flatX.filter((token, i) => token === flatY[i]).length / flatX.length;
}
