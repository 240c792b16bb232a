import { describe, expect, it } from "vitest";
import { toHex, word } from "../commit/bytes.ts";
import { SENTINEL_TOKEN, saltOf, type TraceRecord } from "../commit/record.ts";
import { NOBODY, STOP_REASON } from "../commit/typed-data.ts";
import type { ModelSource } from "../dispute/answer.ts";
import type { Engine } from "../engine/types.ts";
import type { Bundle } from "../sdk/bundle.ts";
import { checkItem } from "./check-batch.ts";
import { contradiction } from "./contradiction.ts";
import { UnstableReplayError } from "./errors.ts";
import { bundles } from "./testing/bundles.ts";
import { fieldFault, findFault } from "./verify.ts";

const DOMAIN = { chainId: 1, rollup: NOBODY };
const MODEL = toHex(word(1));
const CONTEXT = 16;
const PROMPT = [4, 5];

/** A machine whose next token is one more than the token before, and whose cache root is the step. */
const engine = {
  backend: "counting",
  async replay(input, outputs) {
    const tokens = outputs.map((_, i) => (i === 0 ? input.prompt.at(-1)! : outputs[i - 1]) + 1);
    const count = input.prompt.length + outputs.length - 1;
    const records = Array.from({ length: count }, (_, t): TraceRecord => {
      const token = t < input.prompt.length - 1 ? SENTINEL_TOKEN : tokens[t - (input.prompt.length - 1)];
      return { salt: saltOf(input.saltKey, "record", t), token, cacheRoot: word(t) };
    });
    return { tokens, records };
  },
  sequence(input) {
    const outputs: number[] = [];
    let records: readonly TraceRecord[] = [];
    return {
      outputs,
      get records() {
        return records;
      },
      async next() {
        outputs.push((outputs.at(-1) ?? input.prompt.at(-1)!) + 1);
        records = (await engine.replay(input, outputs)).records;
        return outputs.at(-1)!;
      },
      close() {},
    };
  },
} satisfies Partial<Engine> as unknown as Engine;

const bundleOf = bundles(engine, { domain: DOMAIN, modelId: MODEL, prompt: PROMPT, outputs: [6, 7, 8] });

const models = async (id: string) =>
  id === MODEL ? { engine, disputed: {} as never, contextLength: CONTEXT } : undefined;

describe("checkItem", () => {
  it("finds an honest answer valid", async () => {
    const bundle = await bundleOf();
    expect(contradiction(DOMAIN, bundle)).toBeUndefined();
    expect(await checkItem(DOMAIN, models, { bundle })).toMatchObject({ verdict: "valid" });
  });

  it("believes a fault only when a second opinion is the same", async () => {
    // The records are hidden, so that all of the answer is made again.
    const hidden = await bundleOf({ receipt: { traceRoot: toHex(word(3)) } });
    let [closed, opened] = [0, 0];
    const second = (other: Partial<Engine>): ModelSource => {
      const fresh = async () => ({
        ...({} as { program: never; weights: never }),
        engine: async () => {
          opened++;
          return { ...engine, ...other, close: () => void closed++ };
        },
      });
      return async () => ({ engine, fresh, disputed: {} as never, contextLength: CONTEXT });
    };
    const check = (other: Partial<Engine>, item = hidden) => checkItem(DOMAIN, second(other), { bundle: item });
    expect(await check({})).toMatchObject({ verdict: "invalid", fault: { kind: "trace" } });
    expect([opened, closed]).toEqual([1, 1]);
    // Another fault, since the second computation makes another answer: this machine is not to be trusted.
    const elsewhere: Engine["sequence"] = (input) => engine.sequence({ ...input, prompt: [1] });
    const outputRoot = await bundleOf({ receipt: { outputRoot: toHex(word(3)) } });
    const hiddenOutput = { ...outputRoot, records: [] };
    expect(await check({ sequence: elsewhere }, hiddenOutput)).toMatchObject({
      verdict: "unavailable",
      fault: undefined,
      obstacle: "unstable",
    });
    const broken = () => {
      throw new UnstableReplayError("engine failed");
    };
    await expect(check({ sequence: broken })).rejects.toBeInstanceOf(UnstableReplayError);
    expect([opened, closed]).toEqual([3, 3]);
    // What is found honest at once accuses nobody and is computed once.
    expect(await check({}, await bundleOf())).toMatchObject({ verdict: "valid", reason: undefined });
    expect(opened).toBe(3);
  });

  it("finds the first wrong record, be it a token, a sentinel or a cache root", async () => {
    const at = async (step: number, change: Partial<TraceRecord>) =>
      findFault(
        engine,
        await bundleOf({ records: (records) => (records[step] = { ...records[step], ...change }) }),
        CONTEXT,
      );
    expect(await at(0, { token: 1 })).toEqual({ kind: "record", step: 0 });
    expect(await at(2, { cacheRoot: word(99) })).toEqual({ kind: "record", step: 2 });
    const outputs = [6, 7, 9];
    const last = await bundleOf({ outputs, records: (records) => (records[3] = { ...records[3], token: 9 }) });
    expect(await findFault(engine, last, CONTEXT)).toEqual({ kind: "record", step: 3 });
    // The tokens that were served are others: that alone convicts.
    expect(await at(3, { token: 9 })).toEqual({ kind: "output", index: 2 });
  });

  it("finds foreign salts: the request gives them", async () => {
    const bundle = await bundleOf({ records: (records) => (records[1] = { ...records[1], salt: word(7) }) });
    expect(await findFault(engine, bundle, CONTEXT)).toEqual({ kind: "record", step: 1 });
  });

  it("finds output tokens that the records do not hold", async () => {
    expect(await findFault(engine, await bundleOf({ outputs: [6, 7, 9] }), CONTEXT)).toEqual({
      kind: "output",
      index: 2,
    });
  });

  it.each([
    ["nOut", { request: { maxOut: 2 } }, undefined],
    ["stopTokens", { request: { stopTokens: [7] } }, 1],
    ["stopReason", { receipt: { stopReason: STOP_REASON.stop } }, undefined],
    ["stopReason", { request: { stopTokens: [99] }, receipt: { stopReason: STOP_REASON.stop } }, 2],
    ["stopReason", { receipt: { stopReason: 3 } }, undefined],
    ["stopReason", { receipt: { stopReason: STOP_REASON.cancelled } }, undefined],
    ["stopReason", { request: { stopTokens: [8] } }, 2],
    ["stopReason", { request: { maxOut: 4 } }, undefined],
    ["sampler", { request: { sampler: 2 } }, undefined],
    ["modelId", { receipt: { modelId: toHex(word(2)) } }, undefined],
    ["inputRoot", { receipt: { inputRoot: toHex(word(2)) } }, undefined],
    ["nIn", { receipt: { nIn: 1 } }, undefined],
  ] as const)("finds a wrong %s", async (field, wrong, token) => {
    const bundle = await bundleOf(wrong as never);
    const fault = { kind: "field", field, ...(token === undefined ? {} : { token }) };
    expect(fieldFault(bundle, CONTEXT)).toEqual(fault);
    expect(await checkItem(DOMAIN, models, { bundle })).toMatchObject({ verdict: "invalid", fault });
  });

  it("accepts every honest reason to stop", async () => {
    const stopped = { request: { stopTokens: [8] }, receipt: { stopReason: STOP_REASON.stop } };
    const cancelled = { request: { maxOut: 9 }, receipt: { stopReason: STOP_REASON.cancelled } };
    for (const honest of [stopped, cancelled]) expect(fieldFault(await bundleOf(honest), CONTEXT)).toBeUndefined();
    const full = await bundleOf({ request: { maxOut: 9 } });
    expect(fieldFault(full, PROMPT.length + 3 - 1)).toBeUndefined();
  });

  it("calls unavailable what shows another request or prompt, is withheld, or needs a model that is not here", async () => {
    const honest = await bundleOf();
    const reasonOf = async (bundle: Bundle) => (await checkItem(DOMAIN, models, { bundle })).reason;
    expect(await reasonOf({ ...honest, inputTokens: [4, 4] })).toContain("inputRoot");
    expect(await reasonOf({ ...honest, inputTokens: [4] })).toContain("nIn");
    expect(await reasonOf({ ...honest, request: { ...honest.request, nonce: 5n } })).toContain("requestHash");
    const other = toHex(word(2));
    const foreign = await bundleOf({ request: { modelId: other }, receipt: { modelId: other } });
    expect(await reasonOf(foreign)).toContain("not loaded");
    expect(await checkItem(DOMAIN, models, { head: honest })).toMatchObject({ verdict: "unavailable" });
  });

  it("makes the answer itself where another one is served: honest roots are honest, whatever is shown", async () => {
    const check = async (bundle: Bundle) => checkItem(DOMAIN, models, { bundle });
    const honest = await bundleOf();
    expect(await check({ ...honest, outputTokens: [6, 7] })).toMatchObject({ verdict: "valid" });
    expect(await check({ ...honest, records: honest.records.toReversed() })).toMatchObject({ verdict: "valid" });
    const outputRoot = await bundleOf({ receipt: { outputRoot: toHex(word(3)) } });
    const output = { verdict: "invalid", fault: { kind: "output", index: undefined } };
    expect(await check(outputRoot)).toMatchObject(output);
    expect(await check({ ...outputRoot, records: [] })).toMatchObject(output);
    const traceRoot = await bundleOf({ receipt: { traceRoot: toHex(word(3)) } });
    expect(await check(traceRoot)).toMatchObject({ verdict: "invalid", fault: { kind: "trace" } });
  });
});
