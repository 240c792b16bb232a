/** When a requester wants to hear of an answer, in the order of the contract's codes. */
export const FINALITIES = ["provisional", "final"] as const;
export type Finality = (typeof FINALITIES)[number];

/** Where a request stands, in the order of the contract's codes. */
export const REQUEST_STATES = ["none", "open", "provisional", "final", "refunded"] as const;
export type RequestState = (typeof REQUEST_STATES)[number];
