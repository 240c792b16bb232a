import { getBlock } from "viem/actions";
import { errorsAbi } from "../chain/abis.ts";
import { announcementOf, announceProof, getAnnouncement } from "../chain/actions/fraud-proof.ts";
import { notedParts, outputPartSize, outputParts } from "../chain/actions/parts.ts";
import { getRules } from "../chain/actions/rules.ts";
import { type OtrContext, read } from "../chain/context.ts";
import { ContractRevertError, NoSenderError } from "../chain/errors.ts";
import type { Call } from "../chain/sender.ts";
import type { Clock } from "../chain/time.ts";
import type { Logger } from "../config/logger.ts";
import type { ModelSource } from "../dispute/answer.ts";
import type { Engine } from "../engine/types.ts";
import type { Bundle } from "../sdk/bundle.ts";
import type { CaseStore, StoredProof } from "./case-store.ts";
import { EvidenceGoneError } from "./errors.ts";
import { isOneShot, type OneShotFault, outputEvidence, proofOfContent, proofOfTwo } from "./proof.ts";
import type { FishermanStore, StoredVerdict } from "./store.ts";
import { describeFault } from "./verify.ts";

/** What one-shot proofs need. */
export interface FraudsOptions {
  readonly context: OtrContext;
  readonly models: ModelSource;
  readonly store: FishermanStore;
  readonly cases: CaseStore;
  readonly clock: Clock;
  readonly log: Logger;
  /** Told of each conviction that this account's proof brought. */
  readonly onConvicted: (batchId: bigint, executor: `0x${string}`) => void;
  /** Milliseconds that evidence outlives its case. */
  readonly evidenceMs: number;
}

/** Between two attempts at a proof that failed. */
const RETRY_MS = 2000;
/** Seconds before its end at which an announcement is made anew: the proof must still be mined within its time. */
const MARGIN_S = 30n;

/** The proof that compares noted parts. */
const OF_PARTS = "frauds.proveOutputOfParts";

/** Refusals that time does not heal. */
const FINAL = new Set([
  "NotChallengeable",
  "NothingProven",
  "NotTwice",
  "RequestMismatch",
  "RootMismatch",
  "SecretMismatch",
  "EnclaveSignature",
  "OperatorSignature",
  "RecordBytes",
]);

/**
 * Convicts by one transaction what needs no game: announces the proof, waits for a later timestamp, proves. The proof's bytes are on disk
 * before its announcement is sent, since the announcement is over exactly these bytes; every step looks at the chain first, so that a
 * process killed at any point goes on from there.
 */
export class Frauds {
  readonly #o: FraudsOptions;
  /** Milliseconds since 1970 before which a receipt is left alone. */
  readonly #paused = new Map<string, number>();

  constructor(options: FraudsOptions) {
    this.#o = options;
  }

  /** One round over all that is to be proven. */
  async tick(): Promise<void> {
    const { store, clock } = this.#o;
    for (const state of ["open", "wanted"] as const)
      for (const verdict of store.disputes(state)) {
        const { fault, receiptHash } = verdict;
        if (fault === undefined || !isOneShot(fault) || clock.now() < (this.#paused.get(receiptHash) ?? 0)) continue;
        await this.#attempt(verdict, fault);
      }
  }

  /** Whether a proof is under way against an executor: one conviction is enough, so no game is opened beside it. */
  accuses(executor: string): boolean {
    const { store } = this.#o;
    return (["open", "wanted"] as const).some((state) =>
      store.disputes(state).some(({ fault, batchId }) => {
        if (fault === undefined || !isOneShot(fault)) return false;
        return store.batch(batchId)?.executor.toLowerCase() === executor.toLowerCase();
      }),
    );
  }

  async #attempt(verdict: StoredVerdict, fault: OneShotFault): Promise<void> {
    const { clock, log } = this.#o;
    const { receiptHash } = verdict;
    try {
      await this.#advance(verdict, fault);
    } catch (err) {
      if (err instanceof EvidenceGoneError) return this.#giveUp(verdict, err.shortMessage);
      const refused = err instanceof ContractRevertError ? err.errorName : undefined;
      if (refused !== undefined && FINAL.has(refused)) {
        log.error({ receipt: receiptHash, fault, err }, "proof refused");
        if (refused === "NotChallengeable") this.#accuseOther(receiptHash, fault);
        return this.#giveUp(verdict, (err as ContractRevertError).shortMessage);
      }
      this.#paused.set(receiptHash, clock.now() + RETRY_MS);
      // The simulation runs on the newest block, which may be the one of the announcement.
      log[refused === "NotAnnounced" ? "debug" : "warn"]({ receipt: receiptHash, err }, "not proven yet");
    }
  }

  /** A receipt that came too late, or is final already, is not convicted; but it shows that the other one is one too many. */
  #accuseOther(receiptHash: StoredVerdict["receiptHash"], fault: OneShotFault): void {
    const { store, log } = this.#o;
    const other = fault.kind === "twice" ? store.verdict(fault.other) : undefined;
    if (fault.kind !== "twice" || other === undefined || other.fault !== undefined) return;
    const turned = { ...fault, other: receiptHash };
    const reason = describeFault(turned);
    store.saveVerdict({ ...other, verdict: "invalid", fault: turned, reason, dispute: "wanted" });
    log.warn(
      { batch: other.batchId, index: other.index, receipt: other.receiptHash, fault: turned, reason },
      "receipt contradicted",
    );
  }

  async #advance(verdict: StoredVerdict, fault: OneShotFault): Promise<void> {
    const { context, store, cases, log } = this.#o;
    const { receiptHash, batchId } = verdict;
    const { sender } = context;
    if (sender === undefined) throw new NoSenderError("frauds.announce");
    const { executor, rules: version } = await read(context, "rollup", "batchOf", [batchId]);
    if ((await read(context, "vault", "convictedAt", [executor])) !== 0) {
      const known = cases.proof(receiptHash, batchId);
      const own = known !== undefined && (await this.#isOwn(executor, batchId, sender.address));
      return own ? this.#won(verdict, executor) : this.#giveUp(verdict, "the executor is convicted already");
    }
    let proof = cases.proof(receiptHash, batchId);
    if (proof === undefined) {
      const { frauds } = await getRules(context, version);
      const { to, name, data } = await this.#build(verdict, fault, frauds);
      proof = { receiptHash, batchId, to, name, data, announcements: 1 };
      const made = proof;
      store.transaction(() => {
        cases.saveProof(made);
        store.saveVerdict({ ...verdict, dispute: "open" });
      });
    }
    const call: Call = { ...proof, value: 0n, abi: errorsAbi };
    const { timestamp } = await getBlock(context.client);
    const announcedAt = await this.#announced(proof, call, timestamp);
    // Parts tell everybody what is about to be proven: the announcement is made before the first of them.
    if (proof.name === OF_PARTS) await this.#noteParts(verdict, proof);
    // The proof is taken at a later timestamp only.
    if (timestamp <= announcedAt) return;
    const id = `prove:${batchId}:${receiptHash}:${cases.proof(receiptHash, batchId)!.announcements}`;
    const { transactionHash, gasUsed } = await sender.send(call, { id });
    log.warn({ receipt: receiptHash, executor, fault, hash: transactionHash, gas: gasUsed }, "fraud proven");
    this.#won(verdict, executor);
  }

  /** When the proof was announced; announces it if it was not, or too long ago. */
  async #announced(proof: StoredProof, call: Call, now: bigint): Promise<bigint> {
    const { context, cases, log } = this.#o;
    const { receiptHash, batchId, to } = proof;
    const announcement = announcementOf(context.sender!.address, call);
    const known = await getAnnouncement(context, { frauds: to, announcement });
    const outdated = known.announcedAt !== 0n && now + MARGIN_S > known.announcedAt + known.lifetime;
    if (known.announcedAt !== 0n && !outdated) return known.announcedAt;
    // The court takes a second announcement only once the first is over.
    if (outdated && now <= known.announcedAt + known.lifetime) return now;
    const announcements = proof.announcements + (outdated ? 1 : 0);
    cases.saveProof({ ...proof, announcements });
    await announceProof(context, { proof: call, id: `announce:${batchId}:${receiptHash}:${announcements}` });
    log.info({ receipt: receiptHash, proof: proof.name, again: outdated }, "proof announced");
    return (await getAnnouncement(context, { frauds: to, announcement })).announcedAt;
  }

  /** Notes the parts of a long output that nobody has noted yet. */
  async #noteParts({ receiptHash, batchId }: StoredVerdict, { to: frauds }: StoredProof): Promise<void> {
    const { context, store, log } = this.#o;
    const evidence = store.evidence(receiptHash, batchId);
    if (evidence === undefined) throw new EvidenceGoneError(receiptHash);
    const { bundle } = evidence;
    const { receipt, request } = bundle;
    const subject = { frauds, receipt, request, secret: bundle.secret ?? request.seed };
    const noted = await notedParts(context, { frauds, receiptHash }, store.batch(batchId)?.block ?? 0n);
    const size = await outputPartSize(context, subject);
    if (noted.size === Math.ceil(receipt.nOut / size)) return;
    const { records, opening } = await outputEvidence(bundle, () => this.#engine(bundle));
    const parts = outputParts(subject, size, records, opening);
    for (const { part, call } of parts) {
      if (noted.has(part)) continue;
      const { gasUsed } = await context.sender!.send(call, { id: `note:${frauds}:${receiptHash}:${part}` });
      log.info({ receipt: receiptHash, part, of: parts.length, gas: gasUsed }, "part of an output noted");
    }
  }

  async #engine({ receipt, receiptHash }: Bundle): Promise<Engine> {
    const model = await this.#o.models(receipt.modelId);
    if (model === undefined) throw new EvidenceGoneError(receiptHash);
    return model.engine;
  }

  async #build(verdict: StoredVerdict, fault: OneShotFault, frauds: `0x${string}`): Promise<Call> {
    const { store, cases } = this.#o;
    const { receiptHash, batchId, index } = verdict;
    if (fault.kind === "twice") {
      const [accused, witness] = [cases.receipt(receiptHash, batchId), cases.receipt(fault.other)];
      if (accused === undefined || witness === undefined) throw new EvidenceGoneError(receiptHash);
      return proofOfTwo(frauds, fault, accused, witness);
    }
    const evidence = store.evidence(receiptHash, batchId);
    if (evidence === undefined) throw new EvidenceGoneError(receiptHash);
    const place = { frauds, batchId, index, siblings: evidence.siblings };
    return proofOfContent(place, fault, evidence.bundle, () => this.#engine(evidence.bundle));
  }

  /** Whether it was this account's proof on this batch that convicted. */
  async #isOwn(executor: `0x${string}`, batchId: bigint, self: string): Promise<boolean> {
    const { challenger, batchId: convicted } = await read(this.#o.context, "rollup", "convictionOf", [executor]);
    return challenger.toLowerCase() === self.toLowerCase() && (convicted === batchId || convicted === 0n);
  }

  #won(verdict: StoredVerdict, executor: `0x${string}`): void {
    const { store, onConvicted } = this.#o;
    store.transaction(() => {
      this.#end({ ...verdict, dispute: "done", disputeReason: "executorLost" });
      onConvicted(verdict.batchId, executor);
    });
  }

  #giveUp(verdict: StoredVerdict, reason: string): void {
    this.#end({ ...verdict, dispute: "given-up", disputeReason: reason });
    this.#o.log.warn({ receipt: verdict.receiptHash, reason }, "no proof");
  }

  #end(verdict: StoredVerdict): void {
    const { store, clock, evidenceMs } = this.#o;
    store.transaction(() => {
      store.saveVerdict(verdict);
      store.retireEvidence(verdict.receiptHash, verdict.batchId, clock.now() + evidenceMs);
    });
  }
}
