import { parseEther, type TransactionReceipt } from "viem";
import type { CommittedReceipt } from "../chain/committed.ts";
import { read } from "../chain/context.ts";
import type { OtrActions } from "../chain/otr-actions.ts";
import { payOutCall } from "../chain/play.ts";
import { fromHex, type Hex, hashWords, toHex } from "../commit/bytes.ts";
import { recordLeaf } from "../commit/record.ts";
import { TAGS } from "../commit/tags.ts";
import { hashReceipt, hashRequest, type Receipt, type Request, SAMPLER, STOP_REASON } from "../commit/typed-data.ts";
import { nextChallengerMove } from "../dispute/challenger.ts";
import { plainRecord } from "../dispute/minds.ts";
import { nextExecutorMove } from "../dispute/responder.ts";
import type { FineStep } from "../dispute/source.ts";
import type { CommittedCase, Court, Played } from "../dispute/testing/court.ts";
import { accumulatorsOf, blocksOf } from "../dispute/witness.ts";
import { INSTRUCTIONS, type InstructionName } from "../machine/table.ts";
import { elementAt } from "../machine/types.ts";
import { type Geometry, shapeOf } from "./geometries.ts";
import { type Planted, SparseAnswer, weightsRoot } from "./sparse-answer.ts";
import { SparseTree } from "./sparse-tree.ts";

/** Receipts of the batch that holds the disputed one. */
const BATCH = 1000;
const NEVER = 2n ** 39n;

/** A whole dispute about one element of a row that an instruction makes. */
export interface DisputeFigures {
  readonly instruction: string;
  /** Of all transactions from `open` to the verdict. */
  readonly gas: number;
  readonly executorMoves: number;
  readonly transactions: number;
  /** Of `payOut` and `payReward`, after the air gap. */
  readonly payout: number;
  readonly calls: readonly (Omit<Played, "gas" | "call"> & { call: string; gas: number })[];
}

/** How the challenger plays: walk by walk, or knowing the executor's rows. */
export type Way = "walk" | "jump";

/** Disputes on one geometry: a program that the validator has accepted, over roots of trees that nobody could hold. */
export class DisputeBench {
  readonly #court: Court;
  readonly #answer: SparseAnswer;
  readonly #request: Request;
  readonly #requestHash: Hex;
  readonly #planted: ReadonlyMap<InstructionName, Planted>;

  private constructor(
    court: Court,
    planted: ReadonlyMap<InstructionName, Planted>,
    parts: { answer: SparseAnswer; request: Request; requestHash: Hex },
  ) {
    [this.#court, this.#planted] = [court, planted];
    [this.#answer, this.#request, this.#requestHash] = [parts.answer, parts.request, parts.requestHash];
  }

  /** Compiles, registers and validates. @param names Instructions in whose rows lies can be planted */
  static async open(court: Court, geometry: Geometry, names: readonly InstructionName[]): Promise<DisputeBench> {
    const shape = shapeOf(geometry);
    const planted = new Map(names.map((name) => [name, plant(shape.program.instructions, shape.steps - 1, name)]));
    // The model's id is part of the request, and its weights' root does not depend on the request.
    const draft = new SparseAnswer(shape, [...planted.values()], NOTHING);
    const { program, vocabSize } = shape;
    const modelId = await court.registerRoots({ program, vocabSize, weightsRoot: weightsRoot(draft) });
    const request: Request = {
      requester: toHex(hashWords(1)).slice(0, 42) as Hex,
      modelId,
      inputRoot: toHex(draft.inputs.root(TAGS.input)),
      nIn: shape.nIn,
      maxOut: shape.steps + 1 - shape.nIn,
      stopTokens: [],
      sampler: SAMPLER.temperature,
      temperature: 65_536,
      seed: toHex(hashWords(2)),
      nonce: 2n ** 63n,
      deadline: NEVER,
      confidential: false,
      watchers: [],
    };
    const requestHash = hashRequest(court.domain, request);
    const answer = new SparseAnswer(shape, [...planted.values()], requestHash);
    return new DisputeBench(court, planted, { answer, request, requestHash });
  }

  /** Disputes the last step of an answer to the verdict, and pays it out. */
  async dispute(name: InstructionName, way: Way): Promise<DisputeFigures> {
    const court = this.#court;
    const answer = this.#answer;
    const planted = this.#planted.get(name)!;
    const claimed = answer.lie(planted, this.#requestHash);
    const accused = await this.#commit();
    const challenger = await court.account();
    const { step } = answer;
    const record = { leaf: toHex(recordLeaf(answer.record)), siblings: answer.trace.siblings(step).map(toHex) };
    const { game, mined } = await court.openWith(accused, challenger, { step, record });
    const shown = plainRecord(answer.record);
    const responder = { trace: claimed, record: shown, accumulators: accumulatorsFrom(claimed, planted.block) };
    const knowledge = {
      trace: answer.honest,
      record: shown,
      request: this.#request,
      secret: this.#request.seed,
      suspects: way === "jump" ? [claimed] : [],
    };
    const verdict = await court.play(
      game,
      { actions: accused.executor, move: (view) => nextExecutorMove(view, responder) },
      { actions: challenger, move: (view) => nextChallengerMove(view, knowledge) },
    );
    if (verdict.outcome !== "executorLost") throw new Error(`The dispute about ${name} ended ${verdict.outcome}.`);
    const opening = { call: "open", by: "challenger", gas: Number(mined.gasUsed) } as const;
    const calls = [opening, ...verdict.moves.map((move) => ({ ...move, gas: Number(move.gas) }))];
    return {
      instruction: name,
      gas: calls.reduce((sum, { gas }) => sum + gas, 0),
      executorMoves: verdict.executorMoves,
      transactions: calls.length,
      payout: await this.#payOut(accused, challenger, payOutCall(game)),
      calls,
    };
  }

  /** Commits the answer among 1,000 receipts. */
  async #commit(): Promise<CommittedCase> {
    const court = this.#court;
    const executor = await court.executor();
    await executor.deposit({ amount: parseEther("4") });
    const receipt = this.#receipt(executor.otr.sender!.address);
    const index = BATCH - 1;
    const hash = fromHex(hashReceipt(court.domain, receipt));
    const batch = new SparseTree(BATCH, "batch", new Map([[index, hash]]));
    const { batchId } = await executor.commitBatch({ root: toHex(batch.root(TAGS.batch)), count: BATCH });
    const committed: CommittedReceipt = { receipt, batchId, index, siblings: batch.siblings(index).map(toHex) };
    return { executor, committed, request: this.#request };
  }

  #receipt(executor: Hex): Receipt {
    const { modelId, inputRoot, nIn, maxOut } = this.#request;
    return {
      machineVersion: 1,
      modelId,
      executor,
      enclaveKey: executor,
      seq: 2n ** 63n,
      commitBy: NEVER,
      expiry: NEVER,
      requestHash: this.#requestHash,
      inputRoot,
      nIn,
      outputRoot: toHex(hashWords(TAGS.output)),
      nOut: maxOut,
      stopReason: STOP_REASON.length,
      traceRoot: toHex(this.#answer.trace.root(TAGS.trace)),
    };
  }

  async #payOut(accused: CommittedCase, challenger: OtrActions, call: ReturnType<typeof payOutCall>): Promise<number> {
    const { chain } = this.#court;
    const executor = accused.executor.otr.sender!.address;
    const { airGap } = await read(challenger.otr, "rollup", "rulesOf", [1]);
    await chain.wait(BigInt(airGap));
    const paid = await challenger.otr.sender!.send(call);
    await chain.nextBlockAt((await challenger.rewardDueAt(executor))!);
    const rewarded: TransactionReceipt = await challenger.payReward({ executor });
    return Number(paid.gasUsed + rewarded.gasUsed);
  }
}

const NOTHING = toHex(new Uint8Array(32));

/** The last row that an instruction makes, an element in the middle of it, and a whole block with one before it if there is one. */
function plant(instructions: SparseInstructions, step: number, name: InstructionName): Planted {
  const { opcode } = INSTRUCTIONS[name];
  const row = instructions.findLastIndex((instruction) => instruction.opcode === opcode);
  const { outLength, outMode } = instructions[row];
  const length = outMode === 1 ? outLength * (step + 1) : outLength;
  const blocks = blocksOf(instructions[row], step);
  return { row, element: Math.floor((2 * length) / 3), block: blocks > 2 ? 1 : 0 };
}

type SparseInstructions = readonly Parameters<typeof blocksOf>[0][];

/** Accumulators that are wrong from a block on, so that the last one gives the claimed value. */
function accumulatorsFrom(claimed: FineStep, block: number) {
  return (row: number, element: number) => {
    const computed = accumulatorsOf(claimed, row, element);
    const last = computed.at(-1)!;
    const shift = last.map((value, i) => elementAt(claimed.rows[row], last.length === 2 ? i : element) - value);
    return computed.map((accumulator, b) =>
      b < block ? accumulator : accumulator.map((value, i) => value + shift[i]),
    );
  };
}
