import { lyingAccumulators } from "../../adversary/accumulators.ts";
import { flipBit } from "../../adversary/lie.ts";
import { type Answer, type Ask, generate, randomPrompt } from "../../adversary/random-fault.ts";
import { chunksOf, misshapenLeaf, overgrownTree, type RowClaim, tampered } from "../../adversary/tampered.ts";
import { hashWords, toHex } from "../../commit/bytes.ts";
import { recordLeaf, SENTINEL_TOKEN, type TraceRecord, traceTree } from "../../commit/record.ts";
import { CHUNK } from "../../commit/row.ts";
import { TAGS } from "../../commit/tags.ts";
import { Tree, width } from "../../commit/tree.ts";
import type { Receipt } from "../../commit/typed-data.ts";
import type { Prng } from "../../compiler/prng.ts";
import { referenceEngine } from "../../engine/reference.ts";
import { rowBytes } from "../../machine/types.ts";
import type { NodeTree } from "../node-tree.ts";
import type { FineStep } from "../source.ts";
import { StepTrace } from "../step-trace.ts";
import { blocksOf } from "../witness.ts";
import type { CourtModel } from "./court.ts";
import type { ExecutorMeans } from "./sides.ts";

/** A committed answer that is a lie, and how its executor defends it. */
export interface Deceit {
  readonly answer: Answer<CourtModel>;
  /** The first wrong step; `undefined` if no record opens, so that the trace has to be walked. */
  readonly step: number | undefined;
  readonly receipt: Partial<Receipt>;
  readonly executor: ExecutorMeans;
}

/** What a deceit is made from: an honest answer, and a step of it. */
interface Draft {
  readonly answer: Answer<CourtModel>;
  readonly step: number;
  readonly random: Prng;
}

type Maker = (draft: Draft) => Deceit;

/** Lies of which the record does not tell what they are: the game has to find out. */
export const DECEITS = {
  "rows of the fine trace, other than its record implies": withClaim((step, random) => {
    let rows = [...step.rows];
    for (let k = random.int(1, 3); k > 0; k--) {
      const row = random.int(0, rows.length - 1);
      rows = rows.with(row, flipBit(rows[row], random.int(0, 1 << 20)));
    }
    return new StepTrace(step.model, step.answer, step.step, { rows, cache: step.cache });
  }),
  "a row's padding": withClaim((step, random) => {
    const padded = step.rows.flatMap((row, i) => (rowBytes(row).length % CHUNK === 0 ? [] : [i]));
    const row = random.pick(padded);
    const chunks = chunksOf(step, row);
    chunks[chunks.length - 1][random.int(rowBytes(step.rows[row]).length % CHUNK, CHUNK - 1)] = random.int(1, 255);
    return tampered(step, new Map<number, RowClaim>([[row, { chunks }]]));
  }),
  "a row of another type or length": withClaim((step, random) => {
    const row = random.int(0, step.rows.length - 1);
    const { type, data } = step.rows[row];
    const shape = random.int(0, 1) === 0 ? { type, length: data.length + 1 } : { type: "i64" as const, length: 3 };
    return tampered(step, new Map<number, RowClaim>([[row, { leaf: misshapenLeaf(step, row, shape) }]]));
  }),
  "nodes beyond the fine tree's rows": withClaim((step, random) =>
    tampered(step, new Map(), (leaves) => overgrownTree(leaves, noise(random))),
  ),
  "the number of rows": withClaim((step, random) =>
    tampered(step, new Map(), (leaves) =>
      Tree.of(random.int(0, 1) === 0 ? [...leaves, noise(random)] : leaves.slice(0, -1)),
    ),
  ),
  "a fine top out of thin air": withClaim((step, random) => withFine(step, noiseTree(step.fine, noise(random)))),
  "a fine tree that it does not stand by": withClaim((step, random) => {
    const row = random.int(0, step.rows.length - 1);
    const rows = step.rows.with(row, flipBit(step.rows[row], random.int(0, 1 << 20)));
    const lie = new StepTrace(step.model, step.answer, step.step, { rows, cache: step.cache });
    // The top is the lie's, everything below is honest.
    const fine: NodeTree = Object.create(step.fine, {
      descendants: {
        value: (level: number, index: number, levels: number) =>
          (level === step.fine.depth ? lie.fine : step.fine).descendants(level, index, levels),
      },
    });
    return withFine(step, fine);
  }),
  "accumulators, differently at each post": (draft) => {
    const deceit = withClaim((step, random) => {
      const folds = step.rows.flatMap((_, i) => (blocksOf(step.instruction(i), step.step) > 1 ? [i] : []));
      const row = folds.length > 0 ? random.pick(folds) : random.int(0, step.rows.length - 1);
      const rows = step.rows.with(row, flipBit(step.rows[row], random.int(0, 1 << 20)));
      return new StepTrace(step.model, step.answer, step.step, { rows, cache: step.cache });
    })(draft);
    const { random } = draft;
    const accumulators = (claimed: FineStep) =>
      lyingAccumulators(claimed, (honest) =>
        random.int(0, 2) === 0 ? honest : honest.map((value) => value + BigInt(random.int(-9, 9))),
      );
    return { ...deceit, executor: { ...deceit.executor, accumulators } };
  },
  "a record that it does not show": (draft) => ({
    ...recordDeceit(draft, { cacheRoot: noise(draft.random) }),
    executor: { shows: { ...draft.answer.records[draft.step], cacheRoot: noise(draft.random) } },
  }),
  "a record's salt": (draft) => recordDeceit(draft, { salt: noise(draft.random) }),
  "a record's cache root": (draft) => recordDeceit(draft, { cacheRoot: noise(draft.random) }),
  "a record's token": (draft) => {
    const { token } = draft.answer.records[draft.step];
    return recordDeceit(draft, { token: token === SENTINEL_TOKEN ? 0 : (token + 1) % draft.answer.model.vocabSize });
  },
  "nodes beyond the cache tree's rows": (draft) => {
    let root: Uint8Array | undefined;
    return {
      ...recordDeceit(draft, { cacheRoot: noise(draft.random) }),
      executor: {
        claim(step) {
          const tree = step.cacheTree;
          if (tree === undefined) return step;
          root ??= noise(draft.random);
          const leaves = Array.from({ length: tree.count }, (_, i) => tree.node(0, i));
          return Object.create(step, { cacheTree: { value: overgrownTree(leaves, root) } }) as FineStep;
        },
      },
    };
  },
  "a trace root out of thin air": (draft) => traceDeceit(draft, {}, noise(draft.random)),
  "nodes beyond the trace's records": (draft) => {
    const leaves = draft.answer.records.map(recordLeaf);
    const tree = overgrownTree(leaves, noise(draft.random));
    return traceDeceit(draft, { trace: tree }, tree.root(TAGS.trace));
  },
  "the number of records": (draft) => {
    const leaves = draft.answer.records.map(recordLeaf);
    const tree = Tree.of([...leaves, noise(draft.random)]);
    return traceDeceit(draft, { trace: tree }, tree.root(TAGS.trace));
  },
  "a trace whose top it does not stand by": (draft) => {
    const lie = noiseTree(traceTree(draft.answer.records), noise(draft.random));
    const top = lie.node(lie.depth, 0);
    return traceDeceit(draft, { trace: lie }, hashWords(TAGS.trace, lie.count, top));
  },
} as const satisfies Record<string, Maker>;

/** A random deceit of a kind, over a random honest answer of a model. */
export async function randomDeceit(
  models: readonly CourtModel[],
  kind: keyof typeof DECEITS,
  random: Prng,
  ask: Ask<CourtModel>,
  promptLength?: number,
): Promise<Deceit> {
  // An odd number of steps, and more than one: else no node of the trace lies beyond its records.
  const odd = kind === "nodes beyond the trace's records";
  const nOut = random.int(1, 3);
  const answer = await honestAnswer(random.pick(models), random, ask, nOut, odd ? 6 - nOut : promptLength);
  const step = random.int((promptLength ?? 1) - 1, answer.records.length - 1);
  return DECEITS[kind]({ answer, step, random });
}

/** An honest answer to a random prompt. */
export async function honestAnswer(
  model: CourtModel,
  random: Prng,
  ask: Ask<CourtModel>,
  nOut = random.int(1, 3),
  promptLength?: number,
): Promise<Answer<CourtModel>> {
  const honest = referenceEngine(model.program, model.weights);
  const { request, input } = ask(model, randomPrompt(model, random, promptLength), nOut, random);
  const { outputs, records } = await generate(honest, input, nOut);
  return { model, honest, request, input, outputs, records, honestRecords: records };
}

/** A wrong record at the step, and a claim about its rows. */
function withClaim(claim: (step: StepTrace, random: Prng) => FineStep): Maker {
  return (draft) => ({
    ...recordDeceit(draft, { cacheRoot: noise(draft.random) }),
    executor: { claim: (step) => claim(step, draft.random) },
  });
}

function recordDeceit({ answer, step }: Draft, wrong: Partial<TraceRecord>): Deceit {
  const records = answer.records.with(step, { ...answer.records[step], ...wrong });
  return { answer: { ...answer, records }, step, receipt: {}, executor: {} };
}

function traceDeceit({ answer }: Draft, executor: ExecutorMeans, root: Uint8Array): Deceit {
  return { answer, step: undefined, receipt: { traceRoot: toHex(root) }, executor };
}

function withFine(step: FineStep, fine: NodeTree): FineStep {
  return Object.create(step, { fine: { value: fine } }) as FineStep;
}

/** A tree of the same shape whose nodes have nothing to do with each other. */
function noiseTree({ count, depth }: NodeTree, seed: Uint8Array): NodeTree {
  const node = (level: number, index: number) => hashWords(seed, level, index);
  const tree: NodeTree = Object.create(Tree.prototype, {
    count: { value: count },
    levels: { value: Array.from({ length: depth + 1 }, (_, level) => new Uint8Array(32 * width(count, level))) },
    node: { value: node },
  });
  return tree;
}

function noise(random: Prng): Uint8Array {
  return new Uint8Array(32).map(() => random.int(1, 255));
}
