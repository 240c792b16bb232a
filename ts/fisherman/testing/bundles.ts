import { type Hex, toHex, word } from "../../commit/bytes.ts";
import { saltKey, type TraceRecord, tokenTree, traceTree } from "../../commit/record.ts";
import { TAGS } from "../../commit/tags.ts";
import {
  type Domain,
  hashReceipt,
  hashRequest,
  NOBODY,
  type Receipt,
  type Request,
  STOP_REASON,
} from "../../commit/typed-data.ts";
import type { Engine } from "../../engine/types.ts";
import type { Bundle } from "../../sdk/bundle.ts";

/** What is to be wrong about an answer. */
export interface Wrong {
  readonly outputs?: number[];
  readonly records?: (honest: TraceRecord[]) => void;
  readonly request?: Partial<Request>;
  readonly receipt?: Partial<Receipt>;
}

/** Makes bundles of one greedy answer, and whatever about it is to be wrong; roots are those of the wrong content. No chain is needed. */
export function bundles(
  engine: Engine,
  answer: { domain: Domain; modelId: Hex; prompt: readonly number[]; outputs: readonly number[] },
): (wrong?: Wrong) => Promise<Bundle> {
  return (wrong = {}) => bundleOf(engine, answer, wrong);
}

async function bundleOf(
  engine: Engine,
  { domain, modelId, prompt, outputs: honestOutputs }: Parameters<typeof bundles>[1],
  wrong: Wrong,
): Promise<Bundle> {
  const salted = { requester: NOBODY, seed: toHex(word(9)), nonce: 0n };
  const key = saltKey({ ...salted, secret: salted.seed });
  const outputs = wrong.outputs ?? honestOutputs;
  const request: Request = {
    ...salted,
    modelId,
    inputRoot: toHex(tokenTree(key, "input", prompt).root(TAGS.input)),
    nIn: prompt.length,
    maxOut: honestOutputs.length,
    stopTokens: [],
    sampler: 0,
    temperature: 0,
    deadline: 0n,
    confidential: false,
    watchers: [],
    ...wrong.request,
  };
  const requestHash = hashRequest(domain, request);
  const honest = await engine.replay(
    { prompt, requestHash, temperature: 0, saltKey: key },
    honestOutputs.slice(0, outputs.length),
  );
  const records = [...honest.records];
  wrong.records?.(records);
  const receipt: Receipt = {
    ...{ machineVersion: 1, modelId, executor: NOBODY, enclaveKey: NOBODY, seq: 0n, commitBy: 0n, expiry: 0n },
    requestHash,
    inputRoot: request.inputRoot,
    nIn: prompt.length,
    outputRoot: toHex(tokenTree(key, "output", outputs).root(TAGS.output)),
    nOut: outputs.length,
    stopReason: STOP_REASON.length,
    traceRoot: toHex(traceTree(records).root(TAGS.trace)),
    ...wrong.receipt,
  };
  const signature = toHex(new Uint8Array(65));
  const signatures = { enclaveSignature: signature, operatorSignature: signature };
  const receiptHash = hashReceipt(domain, receipt);
  return {
    domain,
    receiptHash,
    receipt,
    ...signatures,
    request,
    inputTokens: prompt,
    outputTokens: outputs,
    records,
  };
}
