import { nameOf } from "../machine/instruction.ts";
import { rowShape } from "../machine/shape.ts";
import { type DrawTerms, pairDetection, receiptDetection, requiredStake, withFishermen } from "./economics.ts";
import { type Lie, LieSearch, type LieSubject } from "./lies.ts";

/** What a lie costs a liar. */
export type LiePrice = {
  /** Names of the instructions whose rows are false. */
  readonly rows: readonly string[];
  readonly token: boolean;
  readonly spared: number;
  /** Chance of a pair, times the program's instructions: 1 for one row that is false throughout and takes one proof an element. */
  readonly falseRows: number;
  /** Chance that a receipt is caught. */
  readonly detection: number;
  /** Burnt stake per receipt and unit of gain, where sparing all of a step's work gains 1. */
  readonly burntPerGain: number;
};

/** Economics of one model at a position. */
export type ModelEconomics = {
  readonly model: string;
  readonly t: number;
  readonly instructions: number;
  readonly embeddingShare: number;
  readonly widestHeadRow: number;
  /** The embedding's row is a constant: nothing is computed, and the output says nothing. */
  readonly embedding: LiePrice;
  /** That, and one false element of the head: nothing is computed, and the output is the liar's. */
  readonly forged: LiePrice;
  /** One false element of the head only. */
  readonly token: LiePrice;
  /** The scalar (row of one element) that spares most for its risk. */
  readonly scalar: LiePrice;
  /** Of all lies in one or two rows without a forged token, the one that spares most for its risk: what the bound is made of. */
  readonly worst: LiePrice;
  /** Chance that a receipt is caught that is never answered: that it is drawn. */
  readonly withheld: number;
};

/** @param search How many partners each row has in lies of two rows: all, or the embedding only (programs of a thousand rows). */
export function economicsOf(
  model: string,
  subject: LieSubject,
  terms: DrawTerms,
  search: "all pairs" | "embedding",
): ModelEconomics {
  const { program, t } = subject;
  const { instructions } = program;
  const lies = new LieSearch(subject);
  const price = (lie: Lie) => priceOf(lie, subject, terms);
  const embed = instructions.findIndex((instruction) => nameOf(instruction) === "embed");
  const partners = search === "embedding" ? [embed] : instructions.map((_, i) => i);
  let worst = price(lies.lie([embed], false));
  for (const lie of lies.lies(partners)) {
    if (lie.token || lie.spared <= 0) continue;
    const next = price(lie);
    if (next.burntPerGain > worst.burntPerGain) worst = next;
  }
  const scalars = instructions.flatMap((instruction, i) =>
    rowShape(instruction, t).length === 1 ? [price(lies.lie([i], false))] : [],
  );
  return {
    model,
    t,
    instructions: instructions.length,
    embeddingShare: subject.embeddingShare,
    widestHeadRow: lies.widestHeadRow,
    embedding: price(lies.lie([embed], false)),
    forged: price(lies.lie([embed], true)),
    token: price(lies.lie([], true)),
    scalar: scalars.reduce((best, next) => (next.burntPerGain > best.burntPerGain ? next : best)),
    worst,
    withheld: terms.rho,
  };
}

function priceOf({ rows, token, spared }: Lie, { program }: LieSubject, terms: DrawTerms): LiePrice {
  const { instructions } = program;
  const byPair = pairDetection(rows, instructions.length, terms.blocks);
  const detection = receiptDetection(byPair, terms);
  const named = token ? rows.slice(0, -1) : rows;
  return {
    rows: named.map(({ instruction }) => nameOf(instructions[instruction]!)),
    token,
    spared,
    falseRows: byPair * instructions.length,
    detection,
    burntPerGain: spared / detection,
  };
}

/** What an executor must have at stake, for a lie and its surroundings. */
export type StakeTerms = {
  /** What sparing all work of a receipt brings. */
  readonly gain: number;
  /** Share of a convicted lock that is burnt. */
  readonly burntShare: number;
  /** Share of receipts that independent fishermen recompute in time. */
  readonly recomputed: number;
};

/** Stake per receipt at which a lie pays nothing. */
export function stakeOf({ spared, detection }: LiePrice, { gain, burntShare, recomputed }: StakeTerms): number {
  return requiredStake(gain * spared, withFishermen(detection, recomputed), burntShare);
}
