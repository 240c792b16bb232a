import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex, toHex } from "../commit/bytes.ts";
import { replayEvents } from "./intel/event-log.ts";
import { parseQuote } from "./intel/quote.ts";
import { evidence, HAS_EVIDENCE } from "./testing/real-evidence.ts";
import { refusal } from "./testing/refusal.ts";

const sha384 = (...parts: (string | Uint8Array)[]) => {
  const hash = createHash("sha384");
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
};
const TYPE = Uint8Array.of(1, 0, 0, 8);
const zero = new Uint8Array(48);

/** A log of one firmware event and one of the guest's, and the registers that it leads to. */
const gate = { imr: 3, event_type: 0x08000001, event: "gate", event_payload: "01" };
const firmware = { imr: 0, event_type: 2147483659, digest: "ab", event: "", event_payload: "" };
const digest = sha384(TYPE, ":", "gate", ":", Uint8Array.of(1));
const log = [firmware, { ...gate, digest: toHex(digest).slice(2) }];
const first = new Uint8Array(48);
first[0] = 0xab;
const rtmrs = [sha384(zero, first), zero, zero, sha384(zero, digest)];

describe("event logs", () => {
  it("lead to the registers, and give the guest's own events", () => {
    expect(replayEvents(log, { rtmrs })).toEqual([{ name: "gate", payload: Uint8Array.of(1) }]);
    expect(replayEvents([], { rtmrs: [zero, zero, zero, zero] })).toEqual([]);
  });

  it("are refused if an event is missing, added, exchanged or named otherwise", () => {
    const take = (value: unknown) => refusal(() => replayEvents(value, { rtmrs }));
    const [one, two] = log;
    for (const wrong of [
      [one],
      [two],
      [one, two, two],
      [{ ...one, digest: "ac" }, two],
      [one, { ...two, event: "date" }],
    ])
      expect(take(wrong)).toBe("attestation.identity");
    expect(take([one, { ...two, event_payload: "02" }])).toBe("attestation.identity");
    expect(take([one, { ...two, event_type: 1 }])).toBe("attestation.identity");
    for (const wrong of [null, {}, [{}], [{ ...one, imr: 4 }], [{ ...one, digest: "zz" }], Array(5000).fill(one)])
      expect(take(wrong)).toBe("attestation.encoding");
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        take(value);
      }),
    );
  });
});

describe.skipIf(!HAS_EVIDENCE)("a real event log", () => {
  it("leads to its quote's registers", () => {
    const { quote, event_log: events } = JSON.parse(evidence("intel-tdx/H_dstack_quote_with_eventlog.json").toString());
    const { report } = parseQuote(fromHex(`0x${quote}`));
    if (report.kind !== "tdx") throw new TypeError("no TD");
    const list = typeof events === "string" ? JSON.parse(events) : events;
    expect(replayEvents(list, report).map(({ name }) => name)).toContain("system-ready");
    expect(refusal(() => replayEvents(list.slice(1), report))).toBe("attestation.identity");
  });
});
