import type { Address, Hex } from "viem";
import type { Manifest } from "../model/manifest.ts";
import { type AskParameters, ask } from "./actions/ask.ts";
import { getBatch, releaseBatch } from "./actions/batch.ts";
import { claim } from "./actions/claim.ts";
import { type ClaimCompensationParameters, claimCompensation } from "./actions/claim-compensation.ts";
import { type CommitBatchParameters, commitBatch } from "./actions/commit-batch.ts";
import { type CommitReceiptParameters, commitReceipt } from "./actions/commit-receipt.ts";
import { mayActFor, setDelegate } from "./actions/delegate.ts";
import { type DeliverAnswerParameters, deliverAnswer } from "./actions/deliver-answer.ts";
import {
  type AnswerDemandParameters,
  answerDemand,
  closeDemand,
  type DemandDataParameters,
  type DemandKey,
  demandData,
  getDemand,
  payOutDemand,
  type SettleDemandParameters,
  timeoutDemand,
} from "./actions/demand.ts";
import { type DepositParameters, deposit } from "./actions/deposit.ts";
import { type EvictEnclaveParameters, evictEnclave } from "./actions/evict-enclave.ts";
import { getEndpoint, getExecutor } from "./actions/executor.ts";
import { cancelExit, requestExit, withdraw } from "./actions/exit.ts";
import { type FinishRequestParameters, finishRequest } from "./actions/finish-request.ts";
import {
  announceProof,
  type FieldProofParameters,
  fieldProof,
  getAnnouncement,
  type OutputProofParameters,
  outputProof,
  type StopProofParameters,
  secondAnswerProof,
  sendProof,
  seqReuseProof,
  stopProof,
  type TwiceProofParameters,
} from "./actions/fraud-proof.ts";
import { getAnswer, getRequest } from "./actions/get-request.ts";
import { type OpenGameParameters, type OpenTraceGameParameters, openGame, openTraceGame } from "./actions/open-game.ts";
import { getPayout, isInRefundMode } from "./actions/payout.ts";
import { type ProveEnclaveParameters, proveEnclave } from "./actions/prove-enclave.ts";
import { refundRequest } from "./actions/refund-request.ts";
import {
  type EnclaveRegistration,
  getEnclaveChallenge,
  isEnclaveActive,
  type RegisterEnclaveParameters,
  registerEnclave,
  revokeEnclave,
} from "./actions/register-enclave.ts";
import { type RegisterExecutorParameters, registerExecutor } from "./actions/register-executor.ts";
import { getManifest, isModelUsable, registerModel } from "./actions/register-model.ts";
import { getRules } from "./actions/rules.ts";
import {
  acceptFirmware,
  getPolicy,
  type PolicyTerms,
  removePolicy,
  setPolicy,
  setTerms,
  withdrawFirmware,
} from "./actions/set-policy.ts";
import {
  closeGame,
  type GameParameters,
  gamePayoutDueAt,
  getConviction,
  payOutGame,
  payReward,
  rewardDueAt,
} from "./actions/settle-game.ts";
import { statusOf } from "./actions/status-of.ts";
import { type ValidateProgramParameters, validateProgram } from "./actions/validate-program.ts";
import type { ChainClient } from "./client.ts";
import type { CommittedReceipt } from "./committed.ts";
import { type Addresses, type OtrContext, read } from "./context.ts";
import { loadGame } from "./game-log.ts";
import { type GameKey, getGame } from "./game-state.ts";
import type { Call, Sender } from "./sender.ts";

/** What binds the actions: where the contracts are, and who sends. */
export interface OtrActionsParameters {
  readonly addresses: Addresses;
  /** Left out, only reads work. */
  readonly sender?: Sender;
}

/**
 * All actions of the protocol, bound to a client: `client.extend(otrActions({ addresses, sender }))`. Each is also a function
 * `(context, parameters)` in a file of its own under ts/chain/actions.
 */
export function otrActions({ addresses, sender }: OtrActionsParameters) {
  return (client: ChainClient) => {
    const context: OtrContext = { client, addresses, sender };
    return {
      /** For the functions of ts/chain that are not bound. */
      otr: context,
      registerExecutor: (parameters: RegisterExecutorParameters) => registerExecutor(context, parameters),
      deposit: (parameters: DepositParameters) => deposit(context, parameters),
      getExecutor: (executor: Address) => getExecutor(context, executor),
      getEndpoint: (parameters: { executor: Address; fromBlock: bigint }) => getEndpoint(context, parameters),
      requestExit: () => requestExit(context),
      cancelExit: () => cancelExit(context),
      withdraw: (parameters: { to: Address }) => withdraw(context, parameters),
      claim: (parameters?: { to?: Address; id?: string }) => claim(context, parameters),
      setDelegate: (parameters: { delegate: Address; allowed: boolean }) => setDelegate(context, parameters),
      mayActFor: (parameters: { executor: Address; account: Address }) => mayActFor(context, parameters),
      claimableOf: (account: Address) => read(context, "vault", "claimableOf", [account]),
      registerModel: (manifest: Manifest) => registerModel(context, manifest),
      validateProgram: (parameters: ValidateProgramParameters) => validateProgram(context, parameters),
      getManifest: (modelId: Hex) => getManifest(context, modelId),
      isModelUsable: (modelId: Hex) => isModelUsable(context, modelId),
      getEnclaveChallenge: (registration: EnclaveRegistration) => getEnclaveChallenge(context, registration),
      registerEnclave: (parameters: RegisterEnclaveParameters) => registerEnclave(context, parameters),
      isEnclaveActive: (parameters: { enclaveKey: Address; executor: Address; modelId: Hex }) =>
        isEnclaveActive(context, parameters),
      revokeEnclave: (enclaveKey: Address) => revokeEnclave(context, enclaveKey),
      evictEnclave: (parameters: EvictEnclaveParameters) => evictEnclave(context, parameters),
      proveEnclave: (parameters: ProveEnclaveParameters) => proveEnclave(context, parameters),
      setPolicy: (parameters: { modelId: Hex; measurement: Hex; validUntil: number }) => setPolicy(context, parameters),
      removePolicy: (parameters: { modelId: Hex; measurement: Hex }) => removePolicy(context, parameters),
      setTerms: (parameters: { modelId: Hex; measurement: Hex; terms: PolicyTerms }) => setTerms(context, parameters),
      getPolicy: (parameters: { modelId: Hex; measurement: Hex }) => getPolicy(context, parameters),
      acceptFirmware: (parameters: { set: Hex; firmware: readonly Hex[]; validUntil: number }) =>
        acceptFirmware(context, parameters),
      withdrawFirmware: (firmware: Hex) => withdrawFirmware(context, firmware),
      commitBatch: (parameters: CommitBatchParameters) => commitBatch(context, parameters),
      commitReceipt: (parameters: CommitReceiptParameters) => commitReceipt(context, parameters),
      getBatch: (batchId: bigint) => getBatch(context, batchId),
      getRules: (version?: number) => getRules(context, version),
      statusOf: (committed: CommittedReceipt) => statusOf(context, committed),
      releaseBatch: (parameters: { batchId: bigint; id?: string }) => releaseBatch(context, parameters),
      getPayout: (parameters: { batchId: bigint; verdictAt: bigint }) => getPayout(context, parameters),
      isInRefundMode: (version: number) => isInRefundMode(context, version),
      claimCompensation: (parameters: ClaimCompensationParameters) => claimCompensation(context, parameters),
      ask: (parameters: AskParameters) => ask(context, parameters),
      deliverAnswer: (parameters: DeliverAnswerParameters) => deliverAnswer(context, parameters),
      finishRequest: (parameters: FinishRequestParameters) => finishRequest(context, parameters),
      refundRequest: (parameters: { requestHash: Hex; id?: string }) => refundRequest(context, parameters),
      getRequest: (requestHash: Hex) => getRequest(context, requestHash),
      getAnswer: (requestHash: Hex) => getAnswer(context, requestHash),
      openGame: (parameters: OpenGameParameters) => openGame(context, parameters),
      openTraceGame: (parameters: OpenTraceGameParameters) => openTraceGame(context, parameters),
      closeGame: (parameters: GameParameters) => closeGame(context, parameters),
      gamePayoutDueAt: (game: GameKey & { batchId: bigint }) => gamePayoutDueAt(context, game),
      payOutGame: (parameters: GameParameters) => payOutGame(context, parameters),
      getConviction: (executor: Address) => getConviction(context, executor),
      rewardDueAt: (executor: Address) => rewardDueAt(context, executor),
      payReward: (parameters: { executor: Address; id?: string }) => payReward(context, parameters),
      getGame: (key: GameKey, blockNumber?: bigint) => getGame(context, key, blockNumber),
      loadGame: (key: GameKey, fromBlock: bigint) => loadGame(context, key, fromBlock),
      announceProof: (parameters: { proof: Pick<Call, "to" | "data">; id?: string }) =>
        announceProof(context, parameters),
      getAnnouncement: (parameters: { frauds: Address; announcement: Hex }) => getAnnouncement(context, parameters),
      /** Proofs that were announced before, by the same sender with the same arguments. */
      proveField: (parameters: FieldProofParameters) => sendProof(context, { proof: fieldProof(parameters) }),
      proveStop: (parameters: StopProofParameters) => sendProof(context, { proof: stopProof(parameters) }),
      proveOutput: (parameters: OutputProofParameters) => sendProof(context, { proof: outputProof(parameters) }),
      proveSecondAnswer: (parameters: TwiceProofParameters) =>
        sendProof(context, { proof: secondAnswerProof(parameters) }),
      proveSeqReuse: (parameters: TwiceProofParameters) => sendProof(context, { proof: seqReuseProof(parameters) }),
      demandData: (parameters: DemandDataParameters) => demandData(context, parameters),
      getDemand: (key: DemandKey) => getDemand(context, key),
      answerDemand: (parameters: AnswerDemandParameters & { id?: string }) => answerDemand(context, parameters),
      timeoutDemand: (parameters: SettleDemandParameters) => timeoutDemand(context, parameters),
      closeDemand: (parameters: SettleDemandParameters) => closeDemand(context, parameters),
      payOutDemand: (parameters: SettleDemandParameters) => payOutDemand(context, parameters),
    };
  };
}

/** The bound actions. */
export type OtrActions = ReturnType<ReturnType<typeof otrActions>>;
