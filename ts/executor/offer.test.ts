import { describe, expect, it } from "vitest";
import { type Offer, priceOf, refusalOf } from "./offer.ts";

const offer: Offer = {
  perInputToken: 2n,
  perOutputToken: 10n,
  perRequest: 100n,
  perCallbackGas: 3n,
  marginSeconds: 60,
};
const request = { nIn: 5, maxOut: 7, deadline: 1000n };

describe("offer", () => {
  it("prices the longest answer and every callback", () => {
    expect(priceOf(offer, { request, finality: "final", callbackGas: 0 })).toBe(100n + 10n + 70n);
    expect(priceOf(offer, { request, finality: "final", callbackGas: 4 })).toBe(180n + 12n);
    expect(priceOf(offer, { request, finality: "provisional", callbackGas: 4 })).toBe(180n + 24n);
  });

  it("refuses what pays too little or leaves too little time", () => {
    const asked = { request, finality: "final", callbackGas: 0, payment: 180n } as const;
    expect(refusalOf(offer, asked, 940n)).toBeUndefined();
    expect(refusalOf(offer, { ...asked, payment: 179n }, 940n)).toBe("it pays 179 wei of 180");
    expect(refusalOf(offer, asked, 941n)).toBe("its deadline is too near");
  });
});
