import { type Address, encodeAbiParameters, keccak256, parseEventLogs, type TransactionReceipt } from "viem";
import { ABIS } from "../chain/abis.ts";
import { type ProvenClaim, provePairsCall } from "../chain/actions/draws.ts";
import { fitsOneTransaction } from "../chain/actions/parts.ts";
import type { OtrContext } from "../chain/context.ts";
import { ContractRevertError, NoSenderError, TransactionRevertedError } from "../chain/errors.ts";
import type { Hex } from "../commit/bytes.ts";
import type { Logger } from "../config/logger.ts";

/** Proven pairs of one claim that are sent in one transaction, alone or with those of other claims. */
export interface ProofPart extends ProvenClaim {
  readonly court: Address;
  readonly claimId: Hex;
  /** By when its claim is due, and how long the turn is that ends then: seconds, by the chain's clock. */
  readonly deadline: bigint;
  readonly turnDuration: bigint;
}

/**
 * Gas of a transaction of proofs at most, by what it is made of: what the contracts were measured to take (docs/draws.md, snapshots/pairs.json),
 * with room for the longer paths of larger models.
 */
const GAS = { transaction: 600_000, part: 100_000, proof: 90_000 };
/** Beneath what a transaction may have (EIP-7825), with a fifth to spare. */
export const MOST_GAS = 13_900_000;
const PROOF_BYTES = 256;

/** Gas of a transaction of so many parts with so many proofs, at most. */
export function gasAtMost(parts: number, proofs: number): number {
  return GAS.transaction + parts * GAS.part + proofs * GAS.proof;
}

/** Whether parts for one court go into one transaction. */
export function fitTogether(parts: readonly ProofPart[]): boolean {
  const pairs = parts.flatMap(({ proven }) => proven);
  const proofs = pairs.reduce((sum, { proofs }) => sum + (proofs.length - 2) / 2 / PROOF_BYTES, 0);
  const [first] = parts;
  return (
    first === undefined ||
    (gasAtMost(parts.length, proofs) <= MOST_GAS && fitsOneTransaction(provePairsCall(first.court, parts)))
  );
}

/** What decides which parts are sent now. */
export interface Company {
  /** The chain's time, in seconds since 1970. */
  readonly now: bigint;
  /** Whether proofs for this court are still being made that could come along. */
  readonly more: (court: Address) => boolean;
  /** Whether a part goes by itself: it failed in company. */
  readonly alone?: (part: ProofPart) => boolean;
}

/**
 * The transactions that are to be sent now: parts of the nearest deadline first, as many together as fit. One that could take more waits for
 * what is still being made, but no longer than until half of the turn of one of its parts is over.
 */
export function transactionsDue(
  parts: readonly ProofPart[],
  { now, more, alone = () => false }: Company,
): ProofPart[][] {
  const due: ProofPart[][] = [];
  for (const court of new Set(parts.map((part) => part.court))) {
    const ofCourt = parts.filter((part) => part.court === court).sort(byDeadline);
    due.push(...ofCourt.filter(alone).map((part) => [part]));
    const open: ProofPart[] = [];
    for (const part of ofCourt) {
      if (alone(part)) continue;
      if (open.length > 0 && !fitTogether([...open, part])) due.push(open.splice(0));
      open.push(part);
    }
    const late = open.some(({ deadline, turnDuration }) => now >= deadline - turnDuration / 2n);
    if (open.length > 0 && (late || !more(court))) due.push(open);
  }
  return due;
}

/** The same order after a restart: a transaction is known by the first of its parts. */
function byDeadline(a: ProofPart, b: ProofPart): number {
  if (a.deadline !== b.deadline) return a.deadline < b.deadline ? -1 : 1;
  return idOf(a) < idOf(b) ? -1 : 1;
}

function idOf({ claimId, proven }: ProofPart): string {
  return `prove:${claimId}:${proven.map(({ pair }) => pair).join(",")}`;
}

/** What became of parts that were sent. Those in neither list are proven by a transaction of before, or are to be sent again. */
export interface Sent {
  /** The chain shows it. */
  readonly proven: readonly ProofPart[];
  /** Their time is over. */
  readonly over: readonly ProofPart[];
}

/** Sends proofs of several claims in one transaction, and one by one if that fails. */
export class JointProofs {
  readonly #o: { readonly context: OtrContext; readonly log: Logger };
  readonly #alone = new Set<string>();

  constructor(options: { readonly context: OtrContext; readonly log: Logger }) {
    this.#o = options;
  }

  /** Whether a part failed in company: it is sent by itself from then on. */
  isAlone(part: ProofPart): boolean {
    return this.#alone.has(idOf(part));
  }

  /**
   * Sends parts for one court in one transaction. It has the id of its first part, so that after a crash another choice of company takes the
   * place of a transaction that is under way; what it leaves behind is not proven by then, and sent with the next one.
   */
  async send(parts: readonly ProofPart[]): Promise<Sent> {
    const [first] = parts;
    if (first === undefined) return { proven: [], over: [] };
    try {
      return { proven: await this.#send(first, parts), over: [] };
    } catch (error) {
      if (parts.length === 1 && isOver(error)) return { proven: [], over: [first] };
      if (parts.length === 1) throw error;
      for (const part of parts) this.#alone.add(idOf(part));
      if (!(error instanceof ContractRevertError || error instanceof TransactionRevertedError)) throw error;
      this.#o.log.warn({ err: error, claims: parts.length }, "proofs are refused together: sent one by one");
      return this.#oneByOne(parts);
    }
  }

  async #send(first: ProofPart, parts: readonly ProofPart[]): Promise<ProofPart[]> {
    const { context, log } = this.#o;
    const call = provePairsCall(first.court, parts);
    if (context.sender === undefined) throw new NoSenderError(call.name);
    const receipt = await context.sender.send(call, { id: idOf(first) });
    const shown = claimsIn(receipt);
    const proven = parts.filter(({ claimId }) => shown.has(claimId));
    for (const part of proven) this.#alone.delete(idOf(part));
    log.info({ claims: proven.map(({ claimId }) => claimId), gas: receipt.gasUsed }, "drawn elements proven");
    return proven;
  }

  /** One that fails holds up none of the others. */
  async #oneByOne(parts: readonly ProofPart[]): Promise<Sent> {
    const [proven, over]: ProofPart[][] = [[], []];
    for (const part of parts) {
      try {
        const sent = await this.send([part]);
        proven.push(...sent.proven);
        over.push(...sent.over);
      } catch (err) {
        this.#o.log.error({ claim: part.claimId, err }, "proofs are refused");
      }
    }
    return { proven, over };
  }
}

/** The claims of which a transaction proved pairs: under the name of a part there may be one of before, with other company. */
function claimsIn({ logs }: TransactionReceipt): Set<Hex> {
  const types = [{ type: "bytes32" }, { type: "uint64" }] as const;
  const events = parseEventLogs({ abi: ABIS.spotChecks, eventName: "PairsProven", logs });
  return new Set(events.map(({ args }) => keccak256(encodeAbiParameters(types, [args.receiptHash, args.round]))));
}

/** Whether the court says that the time for this is over. */
export function isOver(error: unknown): boolean {
  return error instanceof ContractRevertError && error.errorName === "DeadlinePassed";
}
