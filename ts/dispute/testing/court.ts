import { BaseError, parseEther, type TransactionReceipt } from "viem";
import { getTransactionReceipt } from "viem/actions";
import type { Answer, Asked, FaultyModel } from "../../adversary/random-fault.ts";
import { type Anvil, anvilKey, startAnvil } from "../../chain/anvil.ts";
import { type ChainClient, connect } from "../../chain/client.ts";
import { type CommittedReceipt, openReceipt } from "../../chain/committed.ts";
import { read } from "../../chain/context.ts";
import { deploy } from "../../chain/deploy.ts";
import type { Deployment } from "../../chain/deployment.ts";
import { ContractRevertError } from "../../chain/errors.ts";
import { type GameOutcome, getGame } from "../../chain/game-state.ts";
import { type OtrActions, otrActions } from "../../chain/otr-actions.ts";
import { moveCall, timeoutCall } from "../../chain/play.ts";
import { batchRoot, openRecord } from "../../commit/batch.ts";
import { type Hex, tag, toHex, word } from "../../commit/bytes.ts";
import { programTree, rowsTree } from "../../commit/model-trees.ts";
import { saltKey, type TraceRecord, tokenTree, traceTree } from "../../commit/record.ts";
import { TAGS } from "../../commit/tags.ts";
import {
  hashReceipt,
  hashRequest,
  NOBODY,
  type Receipt,
  type Request,
  SAMPLER,
  STOP_REASON,
} from "../../commit/typed-data.ts";
import { compileLlama } from "../../compiler/llama.ts";
import type { Prng } from "../../compiler/prng.ts";
import { randomConfig, randomTensors } from "../../compiler/random.ts";
import { encodeInstruction } from "../../machine/instruction.ts";
import { cacheRowCount } from "../../machine/program.ts";
import { ELEMENT_CODE, rowBytes } from "../../machine/types.ts";
import type { Move } from "../moves.ts";
import type { DisputedModel } from "../step-trace.ts";
import type { GameView } from "../view.ts";
import { FastChain } from "./fast-chain.ts";
import { LiveGame } from "./live-game.ts";

/** A model registered and validated on the court's chain. */
export interface CourtModel extends FaultyModel, DisputedModel {
  readonly modelId: Hex;
}

/** An answer as its executor has committed it, in a batch of its own. */
export interface CommittedCase {
  readonly executor: OtrActions;
  readonly committed: CommittedReceipt;
  readonly request: Request;
}

/** Plays one side: its move, or `undefined` to let its turn pass. */
export type Player = (view: GameView) => Move | undefined | Promise<Move | undefined>;

/** How a game went. */
export interface Verdict {
  readonly outcome: GameOutcome | undefined;
  readonly moves: readonly Played[];
  readonly executorMoves: number;
  /** The row that was chosen, or jumped to. */
  readonly row: number | undefined;
  readonly game: LiveGame;
}

/** A transaction of a game. */
export interface Played {
  readonly call: Move["call"] | "timeout";
  readonly by: "executor" | "challenger";
  readonly gas: bigint;
}

/** Cases between two recesses. */
const CASES = 64;
const STAKE = parseEther("1");
const NEVER = 2n ** 39n;

/** A local chain with the whole deployment: commits answers and plays games about them to the end, on the EVM. */
export class Court {
  readonly models: CourtModel[] = [];
  private accounts = 0;
  /** Cases since the last recess, and the chain and the number of models at that time. */
  private session: { cases: number; snapshot: Hex; models: number } | undefined;

  private constructor(
    private readonly anvil: Anvil,
    readonly client: ChainClient,
    readonly chain: FastChain,
    readonly deployment: Deployment,
    /** Who deployed, and registers models. */
    readonly deployer: OtrActions,
  ) {}

  /** @param turnDuration Seconds that a side has for a move. */
  static async open({ turnDuration = 24 * 3600 } = {}): Promise<Court> {
    const anvil = await startAnvil();
    const deployment = await deploy({
      url: anvil.url,
      privateKey: anvilKey(0),
      parameters: { development: true, turnDuration },
    });
    const client = await connect({ url: anvil.url, pollMs: 5 });
    const chain = await FastChain.over(client);
    const sender = chain.sender(toHex(tag("court deployer")).slice(0, 42) as Hex);
    await chain.fund(sender.address, STAKE);
    const deployer = otrActions({ addresses: deployment.addresses, sender })(client);
    return new Court(anvil, client, chain, deployment, deployer);
  }

  close(): Promise<void> {
    return this.anvil.stop();
  }

  /**
   * Before each of many cases that need nothing of one another: now and then the chain goes back to where it was at the first of them, models
   * included. A local chain's blocks take the longer the more there is in its state.
   */
  async nextCase(): Promise<void> {
    const { session } = this;
    if (session !== undefined && session.cases++ < CASES) return;
    if (session !== undefined) await this.chain.revert(session.snapshot);
    this.models.length = session?.models ?? this.models.length;
    this.session = { cases: 0, snapshot: await this.chain.snapshot(), models: this.models.length };
  }

  /** Compiles the random model of a seed, and registers it. */
  addModel(seed: number, overrides: Partial<ReturnType<typeof randomConfig>> = {}): Promise<CourtModel> {
    const config = { ...randomConfig(seed), ...overrides };
    const { program, weights } = compileLlama(config, randomTensors(config, seed));
    return this.register({ program, weights, vocabSize: config.vocab_size });
  }

  /** Registers a model under a manifest of its own and brings its program through the on-chain validator. */
  async register({ program, weights, vocabSize }: FaultyModel): Promise<CourtModel> {
    const instructions = program.instructions.map(encodeInstruction);
    const tree = programTree(instructions);
    const weightsTree = rowsTree(weights.count, (i) => {
      const row = weights.row(i);
      return { typeCode: ELEMENT_CODE[row.type], length: row.data.length, bytes: rowBytes(row) };
    });
    const modelId = await this.registerRoots({
      program,
      vocabSize,
      weightsRoot: toHex(weightsTree.root(TAGS.weights)),
    });
    const model = { program, weights, programTree: tree, weightsTree, modelId, vocabSize };
    this.models.push(model);
    return model;
  }

  /** The same for weights of which only the root is known. */
  async registerRoots({
    program,
    vocabSize,
    weightsRoot,
  }: Pick<FaultyModel, "program" | "vocabSize"> & { weightsRoot: Hex }): Promise<Hex> {
    const instructions = program.instructions.map(encodeInstruction);
    // What the game does not read is any value here.
    const unread = toHex(word(++this.accounts));
    const { modelId } = await this.deployer.registerModel({
      machineVersion: 1,
      programRoot: toHex(programTree(instructions).root(TAGS.program)),
      weightsRoot,
      weightsRootP: unread,
      tokenizerHash: unread,
      chatTemplateHash: unread,
      tokenBytesRoot: unread,
      instructions: instructions.length,
      weightRows: program.weightRows,
      cacheRows: cacheRowCount(program),
      contextLength: program.contextLength,
      vocabSize,
    });
    await this.deployer.validateProgram({ modelId, instructions });
    return modelId;
  }

  /** A request of nobody's for `nOut` tokens: greedy, or sampled at temperature 1 or 4. */
  ask = (model: CourtModel, prompt: readonly number[], nOut: number, random: Prng): Asked => {
    const temperature = random.pick([0, 65_536, 4 * 65_536]);
    const seed = toHex(new Uint8Array(32).map(() => random.int(0, 255)));
    const salted = { requester: NOBODY, seed, nonce: random.bits() };
    const key = saltKey({ ...salted, secret: salted.seed });
    const request: Request = {
      ...salted,
      modelId: model.modelId,
      inputRoot: toHex(tokenTree(key, "input", prompt).root(TAGS.input)),
      nIn: prompt.length,
      maxOut: nOut,
      stopTokens: [],
      sampler: temperature === 0 ? SAMPLER.greedy : SAMPLER.temperature,
      temperature,
      deadline: NEVER,
      confidential: false,
      watchers: [],
    };
    return { request, input: { prompt, requestHash: hashRequest(this.domain, request), temperature, saltKey: key } };
  };

  /** Commits an answer by a fresh executor, since a conviction is for good. @param wrong Fields that contradict the answer */
  async commit(answer: Answer<CourtModel>, wrong: Partial<Receipt> = {}): Promise<CommittedCase> {
    const [committed] = await this.commitAll([answer], wrong);
    return committed;
  }

  /** The same for several answers of one executor, in one batch. */
  async commitAll(
    answers: readonly Answer<CourtModel>[],
    wrong: Partial<Receipt> = {},
  ): Promise<[CommittedCase, ...CommittedCase[]]> {
    const executor = await this.executor();
    const receipts = answers.map((answer) => ({
      ...this.receiptOf(answer, executor.otr.sender!.address),
      ...wrong,
    }));
    const hashes = receipts.map((receipt) => hashReceipt(this.domain, receipt));
    const { batchId } = await executor.commitBatch({ root: batchRoot(hashes), count: hashes.length });
    return receipts.map((receipt, i) => ({
      executor,
      committed: openReceipt(batchId, receipt, hashes, i),
      request: answers[i].request,
    })) as [CommittedCase, ...CommittedCase[]];
  }

  /** Opens a game on one step, or, without `records`, a walk down the trace. */
  async open(
    accused: CommittedCase,
    challenger: OtrActions,
    at?: { step: number; records: readonly TraceRecord[] },
  ): Promise<LiveGame> {
    const opening = at && { step: at.step, record: openRecord(at.records, at.step) };
    return (await this.openWith(accused, challenger, opening)).game;
  }

  /** The same with the record's opening, and its transaction. */
  async openWith(
    { committed, request }: CommittedCase,
    challenger: OtrActions,
    opening?: { step: number; record: { leaf: Hex; siblings: readonly Hex[] } },
  ): Promise<{ game: LiveGame; mined: TransactionReceipt }> {
    const rules = await challenger.getRules();
    const what = { rules, committed, request };
    const { address, hash } = await (opening === undefined
      ? challenger.openTraceGame(what)
      : challenger.openGame({ ...what, ...opening }));
    const mined = await getTransactionReceipt(this.client, { hash });
    const { receipt } = committed;
    const dimensions = await read(challenger.otr, "models", "dimensionsOf", [receipt.modelId]);
    const leaves = {
      trace: receipt.nIn + receipt.nOut - 1,
      fine: dimensions.instructions,
      cache: dimensions.cacheRows,
    };
    return { game: new LiveGame(address, leaves, mined), mined };
  }

  /**
   * Plays a game to its verdict. A side that has no move, or whose move the contract refuses, lets its turn pass.
   *
   * @param limit Plays at most so many moves.
   */
  async play(
    game: LiveGame,
    executor: { readonly actions: OtrActions; readonly move: Player },
    challenger: { readonly actions: OtrActions; readonly move: Player },
    limit = Number.POSITIVE_INFINITY,
  ): Promise<Verdict> {
    const moves: Played[] = [];
    let row: number | undefined;
    while (game.outcome === undefined && moves.length < limit) {
      const { view } = game;
      const by = view.turn === "executor" ? "executor" : "challenger";
      const { actions, move: play } = by === "executor" ? executor : challenger;
      const { move, mined } = await this.turn(actions, game, view, play);
      if (move !== undefined && mined !== undefined) {
        game.add(mined);
        moves.push({ call: move.call, by, gas: mined.gasUsed });
        if (move.call === "chooseRow" || move.call === "settleJump") row = move.row;
        continue;
      }
      const { deadline } = await getGame(actions.otr, game.key);
      await this.chain.nextBlockAt(deadline);
      const timeout = await challenger.actions.otr.sender!.send(timeoutCall(game));
      game.add(timeout);
      moves.push({ call: "timeout", by: "challenger", gas: timeout.gasUsed });
    }
    const executorMoves = moves.filter(({ by }) => by === "executor").length;
    return { outcome: game.outcome, moves, executorMoves, row, game };
  }

  private async turn({ otr }: OtrActions, game: LiveGame, view: GameView, play: Player) {
    const move = await play(view);
    if (move === undefined) return {};
    try {
      return { move, mined: await otr.sender!.send(moveCall(game, view, move)) };
    } catch (error) {
      // Refused by the contract, or not even a transaction: nodes that do not exist cannot be encoded.
      if (error instanceof ContractRevertError || error instanceof BaseError) return {};
      throw error;
    }
  }

  receiptOf({ model, input, request, outputs, records }: Answer<CourtModel>, executor: Hex): Receipt {
    return {
      machineVersion: 1,
      modelId: model.modelId,
      executor,
      enclaveKey: executor,
      seq: 0n,
      commitBy: NEVER,
      expiry: NEVER,
      requestHash: input.requestHash,
      inputRoot: request.inputRoot,
      nIn: request.nIn,
      outputRoot: toHex(tokenTree(input.saltKey, "output", outputs).root(TAGS.output)),
      nOut: outputs.length,
      stopReason: STOP_REASON.length,
      traceRoot: toHex(traceTree(records).root(TAGS.trace)),
    };
  }

  get domain() {
    return { chainId: this.client.chain.id, rollup: this.deployment.addresses.rollup };
  }

  /** A fresh funded account. */
  async account(): Promise<OtrActions> {
    // Addresses by number: the same games cost the same gas, down to the zero bytes.
    const address = toHex(tag(`court ${this.accounts++}`)).slice(0, 42) as Hex;
    await this.chain.fund(address, 10n * STAKE);
    return otrActions({ addresses: this.deployment.addresses, sender: this.chain.sender(address) })(this.client);
  }

  /** A fresh account with stake. */
  async executor(): Promise<OtrActions> {
    const executor = await this.account();
    await executor.deposit({ amount: STAKE });
    return executor;
  }
}
