import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import { nameOf } from "../machine/instruction.ts";
import { loadModel } from "../model/load.ts";
import { economicsOf, type LiePrice, type ModelEconomics, stakeOf } from "../spotcheck/economics-report.ts";
import { falseEmbeddingShare } from "../spotcheck/lies.ts";
import { table } from "./output.ts";
import { integer, number, type Run } from "./program.ts";

interface Options {
  readonly rate: number;
  readonly pairs: number;
  readonly blocks: number;
  readonly tokens: number;
  readonly gain: number;
  readonly burnt: number;
  readonly recomputed: number;
}

const LIES = {
  embedding: "constant embedding: nothing computed, output constant",
  forged: "constant embedding, one element of the head",
  scalar: "the scalar that spares most for its risk",
  worst: "the best paid of all lies in one row, or the embedding and one",
  token: "one element of the head: any token",
} as const satisfies Partial<Record<keyof ModelEconomics, string>>;

/** `otr economics` */
export function economicsCommand(program: Command, run: Run): void {
  program
    .command("economics")
    .description(
      "what spot-checks of a model are worth: how often lies are caught, and the stake at which they pay nothing",
    )
    .argument("<model>", "model package folder")
    .option("--rate <share>", "share of receipts that are drawn", share, 0.01)
    .option("--pairs <n>", "elements drawn of a step", integer, 4)
    .option("--blocks <n>", "proofs drawn of an element that takes several", integer, 1)
    .option("--tokens <n>", "position of the step, in tokens from the start", integer, 128)
    .option("--gain <amount>", "what not computing a receipt brings; the unit is that of the stake", number, 1)
    .option("--burnt <share>", "share of a convicted lock that is burnt", share, 0.5)
    .option("--recomputed <share>", "share of receipts that independent fishermen recompute in time", fraction, 0)
    .action(
      run(async (session, dir: string, options: Options) => {
        const { program: instructions, weights, name } = await loadModel(dir);
        const { mostSegments: segments } = await import("../circuits/statement.ts");
        const embed = instructions.instructions.find((instruction) => nameOf(instruction) === "embed");
        const codes = embed && (weights.range(embed.b.index, embed.b.count).data as Int8Array);
        const t = Math.min(options.tokens, instructions.contextLength) - 1;
        const subject = { program: instructions, t, embeddingShare: codes ? falseEmbeddingShare(codes) : 1, segments };
        const terms = { rho: options.rate, pairs: options.pairs, blocks: options.blocks };
        const found = economicsOf(name, subject, terms, "embedding");
        const stakes = { gain: options.gain, burntShare: options.burnt, recomputed: options.recomputed };
        const lies = (Object.keys(LIES) as (keyof typeof LIES)[]).map((lie) => ({
          lie,
          ...found[lie],
          requiredStake: stakeOf(found[lie], stakes),
        }));
        const { instructions: count, embeddingShare, widestHeadRow, withheld } = found;
        session.output.result(
          { model: name, t, instructions: count, embeddingShare, widestHeadRow, withheld, terms, lies },
          () =>
            [
              `${name}: ${count} instructions, position ${t}; a receipt that is drawn and not answered is caught: ${percent(withheld)}`,
              table([
                ["lie", "rows", "work spared", "caught", "stake"],
                ...lies.map(({ lie, requiredStake, ...price }) => [
                  LIES[lie],
                  rowsOf(price),
                  percent(price.spared),
                  percent(price.detection),
                  significant(requiredStake),
                ]),
              ]),
            ].join("\n"),
        );
      }),
    );
}

const rowsOf = ({ rows }: LiePrice) => rows.join(", ") || "-";
const significant = (x: number) => x.toPrecision(3);
const percent = (x: number) => `${significant(100 * x)}%`;

/** Parses a share from 0 to 1. */
function fraction(text: string): number {
  const value = number(text);
  if (value > 1) throw new InvalidArgumentError("expected a share from 0 to 1");
  return value;
}

/** Parses a share above 0. */
function share(text: string): number {
  const value = fraction(text);
  if (value === 0) throw new InvalidArgumentError("expected a share above 0");
  return value;
}
