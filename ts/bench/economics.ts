import { fileURLToPath } from "node:url";
import { nameOf } from "../machine/instruction.ts";
import { loadModel } from "../model/load.ts";
import type { DrawTerms } from "../spotcheck/economics.ts";
import { economicsOf, type ModelEconomics } from "../spotcheck/economics-report.ts";
import { falseEmbeddingShare, type LieSubject } from "../spotcheck/lies.ts";
import { SMOL_135M, shapeOf } from "./geometries.ts";

/** What `bench economics` prints. */
export type EconomicsFigures = {
  readonly terms: DrawTerms;
  /** Each model at a short position and at the end of its context. */
  readonly models: readonly ModelEconomics[];
};

export const DEFAULT_TERMS: DrawTerms = { rho: 0.01, pairs: 4, blocks: 1 };

/** A model to lie about, at any position. */
export type LiarsModel = { readonly name: string; at(t: number): LieSubject; readonly positions: readonly number[] };

/** The models of the package, and SmolLM2-135M by its dimensions: its weights are not at hand, so its embedding counts as false throughout. */
export async function liarsModels(): Promise<LiarsModel[]> {
  const { mostSegments: segments } = await import("../circuits/statement.ts");
  const shipped = ["tale-300k", "tale-2m"].map(async (name) => {
    const { program, weights } = await loadModel(fileURLToPath(new URL(`../../models/${name}`, import.meta.url)));
    const { b } = program.instructions.find((instruction) => nameOf(instruction) === "embed")!;
    const embeddingShare = falseEmbeddingShare(weights.range(b.index, b.count).data as Int8Array);
    return {
      name,
      at: (t: number) => ({ program, t, embeddingShare, segments }),
      positions: [31, program.contextLength - 1],
    };
  });
  const { program } = shapeOf(SMOL_135M);
  const smol = {
    name: "SmolLM2-135M",
    at: (t: number) => ({ program, t, embeddingShare: 1, segments }),
    positions: [31, 511],
  };
  return [...(await Promise.all(shipped)), smol];
}

/** Searches the lies about each model. Pairs of rows are searched in full for the small programs at the short position. */
export async function measureEconomics(
  onProgress: (line: string) => void,
  terms: DrawTerms = DEFAULT_TERMS,
): Promise<EconomicsFigures> {
  const models: ModelEconomics[] = [];
  for (const { name, at, positions } of await liarsModels()) {
    for (const [i, t] of positions.entries()) {
      onProgress(`${name} at position ${t}`);
      const subject = at(t);
      const search = i === 0 && subject.program.instructions.length < 500 ? "all pairs" : "embedding";
      models.push(economicsOf(name, subject, terms, search));
    }
  }
  return { terms, models };
}
