// SPDX-License-Identifier: GPL-3.0-only
import { type Hex, toHex } from "../../commit/bytes.ts";
import { programTree, rowsTree } from "../../commit/model-trees.ts";
import { POSEIDON_KIND, PoseidonTree, poseidonRow } from "../../commit/poseidon.ts";
import { saltKey, tokenTree, traceTree } from "../../commit/record.ts";
import { TAGS } from "../../commit/tags.ts";
import { type Domain, effectiveTemperature, hashReceipt, hashRequest, type Receipt } from "../../commit/typed-data.ts";
import type { Prng } from "../../compiler/prng.ts";
import { type DisputedModel, StepTrace } from "../../dispute/step-trace.ts";
import { referenceEngine } from "../../engine/reference.ts";
import { encodeInstruction } from "../../machine/instruction.ts";
import { cacheRowCount, type Program } from "../../machine/program.ts";
import type { Weights } from "../../machine/weights.ts";
import { committedRow } from "../../model/weights-file.ts";
import { type AnswerSource, stepSalt } from "../answer.ts";
import { weightsOpener } from "../weights-opener.ts";

/** A model with everything that answers are made from, and what the chain knows of it. */
export type ProvableModel = DisputedModel & {
  readonly tree: PoseidonTree;
  readonly modelId: Hex;
  readonly vocabSize: number;
  readonly dimensions: { readonly instructions: number; readonly weightRows: number; readonly cacheRows: number };
  readonly programRoot: Hex;
  readonly weightsRootP: Hex;
};

const bytes32 = (random: Prng): Hex => `0x${random.bits().toString(16).padStart(64, "0")}`;

/** Commits to a model as its registrar does. */
export function provableModel(program: Program, weights: Weights, vocabSize: number, random: Prng): ProvableModel {
  const rows = Array.from({ length: program.weightRows }, (_, i) => committedRow(weights, i));
  const trees = {
    programTree: programTree(program.instructions.map(encodeInstruction)),
    weightsTree: rows.length === 0 ? rowsTree(1, () => EMPTY) : rowsTree(rows.length, (i) => rows[i]),
    tree: new PoseidonTree(rows.length === 0 ? [0n] : rows.map((row) => poseidonRow(row))),
  };
  return {
    ...{ program, weights, vocabSize, ...trees },
    modelId: bytes32(random),
    dimensions: {
      instructions: program.instructions.length,
      weightRows: program.weightRows,
      cacheRows: cacheRowCount(program),
    },
    programRoot: toHex(trees.programTree.root(TAGS.program)),
    weightsRootP: `0x${trees.tree.root(POSEIDON_KIND.weights).toString(16).padStart(64, "0")}`,
  };
}

const EMPTY = { typeCode: 0, length: 1, bytes: new Uint8Array(1) };

/** An honest answer of `nIn` prompt tokens and `nOut` output tokens, one step of which is drawn. */
export async function drawnAnswer(
  model: ProvableModel,
  { nIn, nOut, step, domain }: { nIn: number; nOut: number; step: number; domain: Domain },
  random: Prng,
): Promise<AnswerSource> {
  const prompt = Array.from({ length: nIn }, () => random.int(0, model.vocabSize - 1));
  const secret = bytes32(random);
  const requester: Hex = `0x${"12".repeat(20)}`;
  const key = saltKey({ requester, secret, nonce: 7n });
  const inputRoot = toHex(tokenTree(key, "input", prompt).root(TAGS.input));
  const request = {
    ...{ requester, modelId: model.modelId, inputRoot, nIn, maxOut: nOut, stopTokens: [3, 9], seed: secret, nonce: 7n },
    ...{ sampler: random.int(0, 1), temperature: random.pick([0, 65_536, random.int(1, 2 ** 20), 2 ** 32 - 1]) },
    ...{ deadline: 10n ** 10n, confidential: false, watchers: [requester] },
  };
  const requestHash = hashRequest(domain, request);
  const input = { prompt, requestHash, temperature: effectiveTemperature(request), saltKey: key };
  const engine = referenceEngine(model.program, model.weights);
  const sequence = engine.sequence(input);
  while (sequence.outputs.length < nOut) await sequence.next();
  const [outputs, records] = [[...sequence.outputs], [...sequence.records]];
  sequence.close();
  const receipt: Receipt = {
    ...{ machineVersion: 1, modelId: model.modelId, executor: requester, enclaveKey: requester, seq: 1n, commitBy: 1n },
    ...{ expiry: 2n, requestHash, inputRoot, nIn, nOut, stopReason: 1 },
    outputRoot: toHex(tokenTree(key, "output", outputs).root(TAGS.output)),
    traceRoot: toHex(traceTree(records).root(TAGS.trace)),
  };
  const receiptHash = hashReceipt(domain, receipt);
  return {
    ...{ receipt, receiptHash, request, domain },
    trace: await StepTrace.build(model, engine, { input, outputs, records }, step),
    weights: weightsOpener(model.weights, model.tree),
    salt: stepSalt(new Uint8Array(32).fill(5), receiptHash, step),
  };
}
