import { createTestClient, createWalletClient, http, parseEther } from "viem";
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { getTransactionReceipt } from "viem/actions";
import { lyingAccumulators } from "../../adversary/accumulators.ts";
import { type Asked, type Fault, type FaultyModel, generate, randomPrompt } from "../../adversary/random-fault.ts";
import { type Anvil, anvilKey, startAnvil } from "../../chain/anvil.ts";
import { type ChainClient, connect } from "../../chain/client.ts";
import { openReceipt } from "../../chain/committed.ts";
import { deploy } from "../../chain/deploy.ts";
import type { Deployment } from "../../chain/deployment.ts";
import { gameView, loadGame } from "../../chain/game-log.ts";
import { type GameOutcome, OUTCOMES } from "../../chain/game-state.ts";
import { type OtrActions, otrActions } from "../../chain/otr-actions.ts";
import { moveCall, timeoutCall } from "../../chain/play.ts";
import { walletSender } from "../../chain/wallet-sender.ts";
import { batchRoot, openRecord } from "../../commit/batch.ts";
import { equal, type Hex, tag, toHex, word } from "../../commit/bytes.ts";
import { programTree, rowsTree } from "../../commit/model-trees.ts";
import { recordLeaf, saltKey, tokenTree, traceTree } from "../../commit/record.ts";
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
import { referenceEngine } from "../../engine/reference.ts";
import { encodeInstruction } from "../../machine/instruction.ts";
import { cacheRowCount } from "../../machine/program.ts";
import { ELEMENT_CODE, rowBytes } from "../../machine/types.ts";
import { nextChallengerMove } from "../challenger.ts";
import type { Move } from "../moves.ts";
import { nextExecutorMove } from "../responder.ts";
import { type DisputedModel, StepTrace } from "../step-trace.ts";

/** A model registered and validated on the court's chain. */
export interface CourtModel extends FaultyModel, DisputedModel {
  readonly modelId: Hex;
}

/** How a game went. */
export interface Verdict {
  readonly outcome: GameOutcome | undefined;
  readonly moves: readonly Move["call"][];
  readonly executorMoves: number;
  /** The row that was chosen. */
  readonly row: number | undefined;
  /** Gas of each move. */
  readonly gas: readonly bigint[];
}

const STAKE = parseEther("1");

/** A local chain with the whole deployment: commits answers of lying engines and plays their games to the end, on the EVM. */
export class Court {
  readonly models: CourtModel[] = [];
  private accounts = 0;

  private constructor(
    private readonly anvil: Anvil,
    private readonly client: ChainClient,
    private readonly deployment: Deployment,
    private readonly deployer: OtrActions,
  ) {}

  static async open(): Promise<Court> {
    const anvil = await startAnvil();
    const deployment = await deploy({ url: anvil.url, privateKey: anvilKey(0), parameters: { development: true } });
    const client = await connect({ url: anvil.url, pollMs: 5 });
    const deployer = actionsOf(client, deployment, privateKeyToAccount(anvilKey(0)));
    return new Court(anvil, client, deployment, deployer);
  }

  close(): Promise<void> {
    return this.anvil.stop();
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
    // What the game does not read is any value here.
    const unread = toHex(word(this.models.length + 1));
    const { modelId } = await this.deployer.registerModel({
      machineVersion: 1,
      programRoot: toHex(tree.root(TAGS.program)),
      weightsRoot: toHex(weightsTree.root(TAGS.weights)),
      weightsRootP: unread,
      tokenizerHash: unread,
      chatTemplateHash: unread,
      tokenBytesRoot: unread,
      instructions: instructions.length,
      weightRows: weights.count,
      cacheRows: cacheRowCount(program),
      contextLength: program.contextLength,
      vocabSize,
    });
    await this.deployer.validateProgram({ modelId, instructions });
    const model = { program, weights, programTree: tree, weightsTree, modelId, vocabSize };
    this.models.push(model);
    return model;
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
      deadline: 2n ** 40n,
      confidential: false,
      watchers: [],
    };
    return { request, input: { prompt, requestHash: hashRequest(this.domain, request), temperature, saltKey: key } };
  };

  /** Commits what a liar signed, disputes its first wrong record, and plays both sides to the end. */
  async try(fault: Fault<CourtModel>, options: { answersHonestly?: boolean } = {}): Promise<Verdict> {
    const { model, liar, honest, input, outputs, records } = fault;
    const replay = await honest.replay(input, outputs);
    const step = records.findIndex((record, t) => !equal(recordLeaf(record), recordLeaf(replay.records[t])));
    const answer = { input, outputs, records };
    const claimed = await StepTrace.build(model, liar, answer, step);
    if (!options.answersHonestly) return this.play(fault, claimed, step, nextChallengerMove);
    // Honest rows in the fine trace; the cache tree stays the one that the record commits to.
    const honestTrace = await StepTrace.build(model, honest, answer, step);
    const mixed = Object.create(honestTrace, { cacheTree: { value: claimed.cacheTree } }) as StepTrace;
    return this.play(fault, mixed, step, nextChallengerMove);
  }

  /** Disputes the first step of an honest answer. `challengerMove` plays; where it has no move, its turn passes. */
  async trySham(model: CourtModel, random: Prng, challengerMove: typeof nextChallengerMove): Promise<Verdict> {
    const honest = referenceEngine(model.program, model.weights);
    const { request, input } = this.ask(model, randomPrompt(model, random), 2, random);
    const { outputs, records } = await generate(honest, input, 2);
    const claimed = await StepTrace.build(model, honest, { input, outputs, records }, 0);
    return this.play({ model, honest, request, input, outputs, records }, claimed, 0, challengerMove);
  }

  /** Plays a game in which `claimed` answers for a step of an honest answer. */
  async play(
    answer: Omit<Fault<CourtModel>, "name" | "row" | "liar">,
    claimed: StepTrace,
    step: number,
    challengerMove: typeof nextChallengerMove = nextChallengerMove,
    accumulators = lyingAccumulators(claimed),
  ): Promise<Verdict> {
    const { model, honest, request, input, outputs, records } = answer;
    const [executor, challenger] = [await this.account(), await this.account()];
    await executor.deposit({ amount: STAKE });
    const receipt = this.receiptOf(answer, executor.otr.sender!.address);
    const hash = hashReceipt(this.domain, receipt);
    const { batchId } = await executor.commitBatch({ root: batchRoot([hash]), count: 1 });
    const { openedAt, ...key } = await challenger.openGame({
      rules: await challenger.getRules(),
      committed: openReceipt(batchId, receipt, [hash], 0),
      step,
      record: openRecord(records, step),
    });
    const trace = await StepTrace.build(model, honest, { input, outputs, records }, step);
    const responder = { trace: claimed, accumulators };
    const replay = await honest.replay(input, outputs);
    const knowledge = { trace, record: replay.records[step], request };

    const moves: Move["call"][] = [];
    const gas: bigint[] = [];
    let executorMoves = 0;
    for (;;) {
      const log = await loadGame(challenger.otr, key, openedAt);
      const view = gameView(log, records[step]);
      if (view.phase === "over") {
        const ended = log.events.find(({ eventName }) => eventName === "GameEnded");
        return { outcome: OUTCOMES[Number(ended?.args.outcome)], moves, executorMoves, row: view.row, gas };
      }
      const executorsTurn = view.turn === "executor";
      const move = executorsTurn ? nextExecutorMove(view, responder) : challengerMove(view, knowledge);
      const { sender } = (executorsTurn ? executor : challenger).otr;
      if (move === undefined) {
        await this.chain.setNextBlockTimestamp({ timestamp: view.deadline });
        await this.chain.mine({ blocks: 1 });
        await sender!.send(timeoutCall(log));
        continue;
      }
      const mined = await sender!.send(moveCall(log, view, move));
      moves.push(move.call);
      gas.push(mined.gasUsed);
      if (executorsTurn) executorMoves++;
    }
  }

  private receiptOf(
    { model, input, request, outputs, records }: Omit<Fault<CourtModel>, "name" | "row" | "liar">,
    executor: Hex,
  ): Receipt {
    return {
      machineVersion: 1,
      modelId: model.modelId,
      executor,
      enclaveKey: executor,
      seq: 0n,
      commitBy: 2n ** 40n,
      expiry: 2n ** 40n,
      requestHash: input.requestHash,
      inputRoot: request.inputRoot,
      nIn: request.nIn,
      outputRoot: toHex(tokenTree(input.saltKey, "output", outputs).root(TAGS.output)),
      nOut: outputs.length,
      stopReason: STOP_REASON.length,
      traceRoot: toHex(traceTree(records).root(TAGS.trace)),
    };
  }

  /** The chain's own controls. */
  private get chain() {
    const { chain } = this.client;
    return createTestClient({ mode: "anvil", chain, transport: http(chain.rpcUrls.default.http[0]) });
  }

  private get domain() {
    return { chainId: this.client.chain.id, rollup: this.deployment.addresses.rollup };
  }

  /** Gas of one commitment of `count` receipts, the executor's second: the first writes fresh slots. */
  async commitGas(count: number): Promise<bigint> {
    const executor = await this.account();
    await executor.deposit({ amount: 2n * STAKE });
    await executor.commitBatch({ root: toHex(tag("first")), count: 1 });
    const { hash } = await executor.commitBatch({ root: toHex(tag("second")), count });
    return (await getTransactionReceipt(this.client, { hash })).gasUsed;
  }

  /** A fresh funded account: a conviction suspends an executor for good. */
  private async account(): Promise<OtrActions> {
    // Keys by number: the same games cost the same gas, down to the zero bytes of addresses.
    const account = privateKeyToAccount(toHex(tag(`court ${this.accounts++}`)));
    await this.chain.setBalance({ address: account.address, value: 10n * STAKE });
    return actionsOf(this.client, this.deployment, account);
  }
}

function actionsOf(client: ChainClient, deployment: Deployment, account: PrivateKeyAccount): OtrActions {
  const { chain, pollingInterval } = client;
  const wallet = createWalletClient({ account, chain, transport: http(chain.rpcUrls.default.http[0]) });
  return otrActions({ addresses: deployment.addresses, sender: walletSender(wallet, pollingInterval) })(client);
}
