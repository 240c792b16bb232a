import type { Request } from "../commit/typed-data.ts";

/** What an executor asks for the answers to requests on the chain. Amounts in wei. */
export interface Offer {
  readonly perInputToken: bigint;
  /** For each of `maxOut`: the payment is for the whole answer, however long. */
  readonly perOutputToken: bigint;
  /** For commitment, delivery and settlement. */
  readonly perRequest: bigint;
  /** For each unit of a callback's gas. */
  readonly perCallbackGas: bigint;
  /** Seconds that must be left to the deadline. */
  readonly marginSeconds: number;
}

/** Callbacks that an answer makes at least, by what its requester wants to hear: the provisional and the final one, or the final one. */
const CALLBACKS = { provisional: 2n, final: 1n } as const;

/** What of a request decides whether it is served. */
export interface AskedTerms {
  readonly request: Pick<Request, "nIn" | "maxOut" | "deadline">;
  readonly finality: keyof typeof CALLBACKS;
  readonly callbackGas: number;
  readonly payment: bigint;
}

/** The least payment for a request. */
export function priceOf(offer: Offer, { request, finality, callbackGas }: Omit<AskedTerms, "payment">): bigint {
  const tokens = BigInt(request.nIn) * offer.perInputToken + BigInt(request.maxOut) * offer.perOutputToken;
  return offer.perRequest + tokens + CALLBACKS[finality] * BigInt(callbackGas) * offer.perCallbackGas;
}

/** Why a request is not served; undefined if it is. @param now Seconds since 1970, the chain's. */
export function refusalOf(offer: Offer, asked: AskedTerms, now: bigint): string | undefined {
  const price = priceOf(offer, asked);
  if (asked.payment < price) return `it pays ${asked.payment} wei of ${price}`;
  return now + BigInt(offer.marginSeconds) > asked.request.deadline ? "its deadline is too near" : undefined;
}
