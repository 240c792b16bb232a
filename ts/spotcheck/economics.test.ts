import { keccak_256 } from "@noble/hashes/sha3.js";
import { beforeAll, describe, expect, it } from "vitest";
import { type Hex, toHex } from "../commit/bytes.ts";
import { nameOf } from "../machine/instruction.ts";
import { rowShape } from "../machine/shape.ts";
import { loadModel } from "../model/load.ts";
import { batchSeed, blockOf, elementOf, instructionOf, isDrawn } from "./draws.ts";
import {
  type DrawTerms,
  elementDetection,
  expectedProfit,
  type FalseRow,
  pairDetection,
  receiptDetection,
  requiredStake,
  stepDetection,
  withFishermen,
} from "./economics.ts";
import { economicsOf, stakeOf } from "./economics-report.ts";
import { falseEmbeddingShare, LieSearch, type LieSubject } from "./lies.ts";

const TERMS: DrawTerms = { rho: 0.01, pairs: 4, blocks: 1 };
/** Proofs of an element: of dot products and row folds one for 992 bytes, of fold_mix one a position; as the circuits have them. */
const segments: LieSubject["segments"] = (instruction, t) =>
  nameOf(instruction) === "fold_mix" ? t + 1 : nameOf(instruction) === "fold_pick" ? 9 : 1;

let subject: LieSubject;
beforeAll(async () => {
  const { program, weights } = await loadModel(new URL("../../models/tale-300k", import.meta.url).pathname);
  const { b } = program.instructions.find((instruction) => nameOf(instruction) === "embed")!;
  const codes = weights.range(b.index, b.count).data as Int8Array;
  subject = { program, t: 31, embeddingShare: falseEmbeddingShare(codes), segments };
});

describe("formulas", () => {
  it("agree with each other where they are easy", () => {
    expect(stepDetection(0.25, 2)).toBeCloseTo(1 - 0.75 ** 2, 12);
    expect(stepDetection(1e-12, 4)).toBeCloseTo(4e-12, 20);
    expect(elementDetection(1, 1)).toBe(1);
    expect(elementDetection(4, 1)).toBe(0.25);
    expect(elementDetection(4, 2)).toBeCloseTo(7 / 16, 12);
    expect(pairDetection([{ instruction: 0, share: 0.5, segments: 4 }], 10, 1)).toBeCloseTo(1 / 80, 12);
    expect(receiptDetection(0.1, { rho: 0.5, pairs: 1, blocks: 1 }, 0.5)).toBeCloseTo(0.025, 12);
    expect(withFishermen(0, 0.3)).toBeCloseTo(0.3, 12);
    expect(withFishermen(0.5, 0.5)).toBe(0.75);
    // Only what is burnt counts, and at the required stake a lie pays nothing.
    const stake = requiredStake(2, 0.01, 0.5);
    expect(stake).toBeCloseTo(400, 9);
    expect(expectedProfit(2, stake, 0.01, 0.5)).toBeCloseTo(0, 9);
    expect(expectedProfit(2, 2 * stake, 0.01, 0.5)).toBeLessThan(0);
  });
});

describe("lies", () => {
  it("spare what depends on nothing but constants, and what nothing posted depends on", () => {
    const search = new LieSearch(subject);
    const { instructions } = subject.program;
    const embed = instructions.findIndex((instruction) => nameOf(instruction) === "embed");
    expect(search.lie([], false).spared).toBe(0);
    expect(search.lie([embed], false).spared).toBeGreaterThan(0.99);
    expect(search.lie([embed], true).spared).toBe(1);
    // Without the head, the layers are left: their rows are in the records.
    const head = search.lie([], true).spared;
    expect(head).toBeGreaterThan(0.1);
    expect(head).toBeLessThan(0.9);
    expect(search.widestHeadRow).toBe(2048);
    // A cached row alone spares little: the others are posted too.
    const cached = instructions.findIndex(({ role }) => role === 1);
    expect(search.lie([cached], false).spared).toBeLessThan(0.1);
  });

  it("in whole rows of one proof an element are found as the bound says, and no less: 1 / R, not 2 / R", () => {
    const simple: LieSubject = { ...subject, segments: () => 1 };
    const count = simple.program.instructions.length;
    const { embedding, forged, worst, token } = economicsOf("tale-300k", simple, TERMS, "all pairs");
    const bound = (w: number) => TERMS.rho * (1 - (1 - w / count) ** TERMS.pairs);
    // The search over all lies of one row and of two finds nothing that pays better than a constant embedding.
    expect(worst).toEqual(embedding);
    expect(embedding.detection).toBeCloseTo(bound(subject.embeddingShare), 12);
    expect(embedding.detection).toBeLessThan(bound(1));
    // To choose the output on top takes one element of one row, not a second row.
    expect(forged.detection).toBeCloseTo(bound(subject.embeddingShare + 1 / 2048), 12);
    expect(forged.detection).toBeLessThan(bound(2) / 1.9);
    // That element alone: what tier 3 hardly sees.
    expect(token.detection).toBeCloseTo(bound(1 / 2048), 12);
    const search = new LieSearch(simple);
    for (const lie of search.lies()) {
      if (lie.token) continue;
      expect(pairDetection(lie.rows, count, 1)).toBeGreaterThanOrEqual(subject.embeddingShare / count - 1e-15);
    }
  });

  it("in elements of many proofs are found less often, by as many as are not drawn", () => {
    const long: LieSubject = { ...subject, t: 255 };
    const { worst, embedding } = economicsOf("tale-300k", long, TERMS, "embedding");
    expect(worst.rows).toEqual(["fold_mix"]);
    expect(worst.falseRows).toBeCloseTo(1 / 256, 12);
    expect(worst.burntPerGain).toBeGreaterThan(embedding.burntPerGain);
    const more = economicsOf("tale-300k", long, { ...TERMS, blocks: 16 }, "embedding");
    expect(more.worst.burntPerGain).toBeLessThan(worst.burntPerGain / 4);
  });

  it("take the stake that the formulas say", () => {
    const { embedding } = economicsOf("tale-300k", subject, TERMS, "embedding");
    const terms = { gain: 3, burntShare: 0.5, recomputed: 0 };
    expect(stakeOf(embedding, terms)).toBeCloseTo(2 * 3 * embedding.burntPerGain, 6);
    // One fisherman that recomputes one receipt in a hundred is worth more than all draws.
    expect(stakeOf(embedding, { ...terms, recomputed: 0.01 })).toBeLessThan(stakeOf(embedding, terms) / 30);
  });
});

/** What draws find is what the formulas say, for lies in every row. */
describe("draws", () => {
  const DOMAIN = { chainId: 31_337n, rollup: `0x${"c3".repeat(20)}` as Hex };
  const RECEIPT: Hex = `0x${"11".repeat(32)}`;
  const round = (name: string, i: number): Hex => toHex(keccak_256(new TextEncoder().encode(`${name} ${i}`)));
  const [STRIDE, TRIALS] = [4, 24_000];
  const PLACE = 6;

  type Hit = { readonly instruction: number; readonly element: number; readonly block: number };
  let drawn: Hit[][];
  /** Pairs of all trials in which the receipt is drawn, with the block of each element that has several. */
  beforeAll(() => {
    const { instructions } = subject.program;
    drawn = [];
    for (let i = 0; i < TRIALS; i++) {
      if (!isDrawn(batchSeed(DOMAIN, round("first", i), 1n), PLACE, STRIDE)) continue;
      const [second, third] = [round("second", i), round("third", i)];
      drawn.push(
        Array.from({ length: TERMS.pairs }, (_, pair) => {
          const at = instructionOf(second, RECEIPT, pair, instructions.length);
          const element = elementOf(second, RECEIPT, pair, rowShape(instructions[at]!, subject.t).length);
          const count = segments(instructions[at]!, subject.t);
          return { instruction: at, element, block: blockOf(third, RECEIPT, pair, 0, count) };
        }),
      );
    }
  });

  /** Trials in which a lie is found: its false elements are the first of their row, each with its false segment at the end. */
  function found(rows: readonly FalseRow[]): number {
    const { instructions } = subject.program;
    const shows = ({ instruction, element, block }: Hit) =>
      rows.some(
        (row) =>
          row.instruction === instruction &&
          element < row.share * rowShape(instructions[instruction]!, subject.t).length &&
          block === row.segments - 1,
      );
    return drawn.filter((pairs) => pairs.some(shows)).length;
  }

  function agrees(rows: readonly FalseRow[], sigmas: number): void {
    const expected = receiptDetection(pairDetection(rows, subject.program.instructions.length, 1), {
      ...TERMS,
      rho: 1 / STRIDE,
    });
    const sigma = Math.sqrt(TRIALS * expected * (1 - expected));
    expect(Math.abs(found(rows) - TRIALS * expected), JSON.stringify(rows)).toBeLessThan(sigmas * sigma + 1);
  }

  it("pick one receipt in a stride", () => {
    const sigma = Math.sqrt(TRIALS * (1 / STRIDE) * (1 - 1 / STRIDE));
    expect(Math.abs(drawn.length - TRIALS / STRIDE)).toBeLessThan(4.5 * sigma);
  });

  it("find a lie in any one row as often as the formula says", () => {
    subject.program.instructions.forEach((instruction, i) => {
      agrees([{ instruction: i, share: 1, segments: segments(instruction, subject.t) }], 5);
    });
  });

  it("find lies in two rows, half rows and one element as often as the formula says", () => {
    const { instructions } = subject.program;
    const last = instructions.length - 1;
    const embed = instructions.findIndex((instruction) => nameOf(instruction) === "embed");
    agrees([{ instruction: embed, share: 0.5, segments: 1 }], 4.5);
    agrees([{ instruction: last, share: 0.5, segments: 9 }], 4.5);
    for (let other = 0; other < last; other += 7) {
      if (other === embed) continue;
      const row = { instruction: other, share: 1, segments: segments(instructions[other]!, subject.t) };
      agrees([{ instruction: embed, share: 1, segments: 1 }, row], 4.5);
    }
    const wide = instructions.findIndex((instruction) => rowShape(instruction, subject.t).length === 2048);
    agrees([{ instruction: wide, share: 1 / 2048, segments: 1 }], 4.5);
    // All rows: whoever does not compute a drawn step again cannot answer.
    agrees(
      instructions.map((_, i) => ({ instruction: i, share: 1, segments: segments(instructions[i]!, subject.t) })),
      4.5,
    );
  });
});
