import {
  type DrawTerms,
  pairDetection,
  receiptDetection,
  requiredStake,
  withFishermen,
} from "../spotcheck/economics.ts";
import { LieSearch } from "../spotcheck/lies.ts";
import { DEFAULT_TERMS, liarsModels } from "./economics.ts";
import { drawPanels, type Panel } from "./plot.ts";

/** What `bench economics --write` draws. */
export const ECONOMICS_PLOT = "docs/economics.svg";

const [BLUE, ORANGE, GREEN, GREY] = ["#1f6feb", "#d9730d", "#2a9d5c", "#9a9a9a"];
const RATES = [0.001, 0.01, 0.1, 1];
const percent = (x: number) => `${100 * x}%`;
const power = (x: number) => `1e${Math.round(Math.log10(x))}`;
/** Evenly spread factors from one tick to the last. */
const spread = (ticks: readonly number[], count = 40) =>
  Array.from({ length: count + 1 }, (_, i) => ticks[0]! * (ticks.at(-1)! / ticks[0]!) ** (i / count));

/** Four diagrams of what draws are worth, for a constant embedding unless they say otherwise. */
export async function drawEconomics(): Promise<string> {
  const models = await liarsModels();
  const byPair = new Map(
    models.map(({ name, at, positions }) => {
      const { program, embeddingShare } = at(positions[0]!);
      return [name, embeddingShare / program.instructions.length];
    }),
  );
  const smol = models.at(-1)!;
  const ofSmol = byPair.get(smol.name)!;
  const colours = [GREEN, ORANGE, BLUE];
  const line = (name: string, colour: string, points: readonly (readonly [number, number])[]) => ({
    name,
    colour,
    line: true,
    points,
  });
  const stakes = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7];

  const detection: Panel = {
    title: "Chance that a false receipt is caught, 4 pairs",
    x: { label: "share of receipts drawn", ticks: RATES, format: percent, log: true },
    y: { label: "chance", ticks: [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1], format: power, log: true },
    series: [...byPair].map(([name, pair], i) =>
      line(
        name,
        colours[i]!,
        spread(RATES).map((rho) => [rho, receiptDetection(pair, { ...DEFAULT_TERMS, rho })] as const),
      ),
    ),
  };
  const stake: Panel = {
    title: `Burnt stake per unit of gain, ${smol.name}`,
    x: { label: "share of receipts drawn", ticks: RATES, format: percent, log: true },
    y: { label: "times the gain", ticks: [1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7], format: power, log: true },
    series: [1, 4, 16, 64].map((pairs, i) =>
      line(
        `${pairs} ${pairs === 1 ? "pair" : "pairs"}`,
        [GREY, BLUE, ORANGE, GREEN][i]!,
        spread(RATES).map(
          (rho) => [rho, requiredStake(1, receiptDetection(ofSmol, { ...DEFAULT_TERMS, rho, pairs }), 1)] as const,
        ),
      ),
    ),
  };
  const shares = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1];
  const token = receiptDetection(1 / 2048 / smol.at(31).program.instructions.length, DEFAULT_TERMS);
  const fishermen: Panel = {
    title: `With fishermen, ${smol.name}, 1% drawn, 4 pairs`,
    x: { label: "share of receipts recomputed in time", ticks: shares, format: power, log: true },
    y: { label: "times the gain", ticks: [...stakes, 1e8], format: power, log: true },
    series: (
      [
        ["constant embedding", BLUE, receiptDetection(ofSmol, DEFAULT_TERMS)],
        ["one element of the head", ORANGE, token],
        ["no draws", GREY, 0],
      ] as const
    ).map(([name, colour, caught]) =>
      line(
        name,
        colour,
        spread(shares).map((share) => [share, requiredStake(1, withFishermen(caught, share), 1)] as const),
      ),
    ),
  };
  return drawPanels([detection, stake, fishermen, mixing(smol)]);
}

/** A lie in the mix of values of one layer, whose elements take a proof a position. */
function mixing({ name, at }: Awaited<ReturnType<typeof liarsModels>>[number]): Panel {
  const positions = [16, 32, 64, 128, 256, 512];
  const { instructions } = at(0).program;
  const mix = instructions.findIndex(({ opcode }) => opcode === 0x08);
  const worth = (t: number, blocks: number) => {
    const { rows, spared } = new LieSearch(at(t)).lie([mix], false);
    const terms: DrawTerms = { ...DEFAULT_TERMS, blocks };
    return requiredStake(spared, receiptDetection(pairDetection(rows, instructions.length, blocks), terms), 1);
  };
  return {
    title: `A false fold_mix of ${name}, by proofs drawn`,
    x: { label: "positions", ticks: positions, format: String, log: true },
    y: { label: "times the gain", ticks: [1e2, 1e3, 1e4, 1e5, 1e6], format: power, log: true },
    series: (
      [
        [1, BLUE],
        [4, ORANGE],
        [16, GREEN],
      ] as const
    ).map(([blocks, colour]) => ({
      name: `${blocks} drawn`,
      colour,
      line: true,
      points: positions.map((t) => [t, worth(t - 1, blocks)] as const),
    })),
  };
}
