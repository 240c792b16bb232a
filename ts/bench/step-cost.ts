import { chunkCount } from "../commit/row.ts";
import { depth, width } from "../commit/tree.ts";
import type { Instruction } from "../machine/instruction.ts";
import { rowShape } from "../machine/shape.ts";
import { INSTRUCTIONS } from "../machine/table.ts";
import { ELEMENT_BYTES } from "../machine/types.ts";
import type { Shape } from "./sparse-answer.ts";

/** What one step of a model costs, counted from its program. Hashes are those of serving: the cached rows, and the record. */
export interface StepCost {
  readonly instructions: number;
  readonly cachedRows: number;
  /** Bytes of weights that every step reads: all but the table of positions and, if it is not the head too, the embedding. */
  readonly weightBytes: number;
  /** Products of a weight with an activation. */
  readonly products: number;
  /** Products of a cached element with another one, for each position that the step sees. */
  readonly productsPerPosition: number;
  /** Bytes that a step adds to the cache, and reads of each position. */
  readonly cachedBytes: number;
  /** Compressions of SHA-256, and permutations of Keccak: every input is of one block. */
  readonly sha256: number;
  readonly keccak: number;
  /** Bytes that go into them. */
  readonly hashedBytes: number;
}

/** Bytes of a published record: salt, token, cache root. */
export const RECORD_BYTES = 68;
/** Nodes have 64 bytes of input, leaves of rows and records, and salts, 4 words, roots 3. */
const [CHUNK, NODE, LEAF, ROOT] = [32, 64, 128, 96];

/** Nodes of a tree above its leaves. */
export function nodesAbove(leaves: number): number {
  let nodes = 0;
  for (let level = 1; level <= depth(leaves); level++) nodes += width(leaves, level);
  return nodes;
}

/** Counts a step. */
export function stepCost({ program, sections }: Shape): StepCost {
  const { instructions } = program;
  const cached = instructions.filter(({ role }) => role === 1).map((instruction) => bytesAt(instruction, 0));
  const untied = sections.some(({ name }) => name === "head");
  const read = sections.filter(({ name }) => name !== "rope" && !(untied && name.startsWith("embedding")));
  const bytesOf = (some: typeof read) =>
    some.reduce((sum, { type, length, count }) => sum + length * count * ELEMENT_BYTES[type], 0);
  const chunks = cached.reduce((sum, bytes) => sum + chunkCount(bytes), 0);
  const nodes = cached.reduce((sum, bytes) => sum + nodesAbove(chunkCount(bytes)), 0);
  // The record's salt and leaf; of the trace's nodes one for each record.
  const [leaves, allNodes] = [cached.length + 2, nodes + nodesAbove(cached.length) + 1];
  return {
    instructions: instructions.length,
    cachedRows: cached.length,
    weightBytes: bytesOf(read),
    products: bytesOf(read.filter(({ type }) => type === "i8")),
    productsPerPosition: instructions.reduce((sum, instruction) => sum + attended(instruction), 0),
    cachedBytes: cached.reduce((sum, bytes) => sum + bytes, 0),
    sha256: chunks,
    keccak: leaves + allNodes + 1,
    hashedBytes: CHUNK * chunks + LEAF * leaves + NODE * allNodes + ROOT,
  };
}

/** Bytes of all rows of step t: the fine trace. */
export function fineTraceBytes({ program }: Shape, t: number): number {
  return program.instructions.reduce((sum, instruction) => sum + bytesAt(instruction, t), 0);
}

function bytesAt(instruction: Instruction, t: number): number {
  const { type, length } = rowShape(instruction, t);
  return length * ELEMENT_BYTES[type];
}

/** Products that attention makes for each position: scores of all heads against keys, and the mix of values. */
function attended({ opcode, outLength, a }: Instruction): number {
  if (opcode === INSTRUCTIONS.fold_scores.opcode) return a.length;
  return opcode === INSTRUCTIONS.fold_mix.opcode ? outLength : 0;
}
