import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { hashReceipt, type Receipt } from "../commit/typed-data.ts";
import type { Database } from "../store/database.ts";
import { CaseStore, isSigned, type SeenReceipt } from "./case-store.ts";
import { FishermanStore, openFishermanDatabase } from "./store.ts";
import { wordOf } from "./testing/scene-model.ts";
import { findTwice } from "./twice.ts";

const DOMAIN = { chainId: 31_337, rollup: `0x${"11".repeat(20)}` } as const;
const NO_SIGNATURE = `0x${"00".repeat(65)}` as const;
const operator = privateKeyToAccount(generatePrivateKey());
const enclave = privateKeyToAccount(generatePrivateKey());

function seen(batchId: bigint, changes: Partial<Receipt> = {}): SeenReceipt {
  const receipt: Receipt = {
    machineVersion: 1,
    modelId: wordOf(1),
    executor: operator.address,
    enclaveKey: enclave.address,
    seq: 1n,
    commitBy: 2n ** 40n,
    expiry: 2n ** 40n,
    requestHash: wordOf(2),
    inputRoot: wordOf(3),
    nIn: 1,
    outputRoot: wordOf(4),
    nOut: 1,
    stopReason: 1,
    traceRoot: wordOf(5),
    ...changes,
  };
  const receiptHash = hashReceipt(DOMAIN, receipt);
  const signatures = { enclaveSignature: NO_SIGNATURE, operatorSignature: NO_SIGNATURE };
  return { receiptHash, batchId, index: 0, siblings: [], receipt, ...signatures };
}

async function signed(item: SeenReceipt): Promise<SeenReceipt> {
  const [enclaveSignature, operatorSignature] = await Promise.all([
    enclave.sign({ hash: item.receiptHash }),
    operator.sign({ hash: item.receiptHash }),
  ]);
  return { ...item, enclaveSignature, operatorSignature };
}

describe("two receipts where only one can be", () => {
  let database: Database;
  let store: FishermanStore;
  let cases: CaseStore;
  beforeEach(() => {
    database = openFishermanDatabase(":memory:");
    [store, cases] = [new FishermanStore(database), new CaseStore(database)];
    for (const id of [1n, 2n, 3n])
      store.addBatch({ id, executor: operator.address, root: wordOf(9), count: 1, block: 10n * id });
  });
  afterEach(() => database.close());

  const note = (item: SeenReceipt) => {
    cases.addReceipt(item);
    return item;
  };

  it("are found by their request, then by key and seq; one receipt in two batches is one", () => {
    const first = note(seen(1n));
    expect(findTwice(cases, note(seen(2n)))).toBeUndefined();
    const again = note(seen(2n, { seq: 2n }));
    expect(findTwice(cases, again)).toEqual({ kind: "twice", subject: "request", other: first.receiptHash });
    const reused = note(seen(3n, { requestHash: wordOf(7) }));
    expect(findTwice(cases, reused)).toEqual({ kind: "twice", subject: "seq", other: first.receiptHash });
    expect(findTwice(cases, note(seen(3n, { requestHash: wordOf(8), seq: 3n })))).toBeUndefined();
  });

  it("need both signatures to be signed, and these of whom the receipt names", async () => {
    const item = seen(1n);
    const both = await signed(item);
    expect(isSigned(both)).toBe(true);
    expect(isSigned(item)).toBe(false);
    expect(isSigned({ ...both, operatorSignature: both.enclaveSignature })).toBe(false);
    expect(isSigned({ ...both, enclaveSignature: NO_SIGNATURE })).toBe(false);
  });

  it("outlast a reorganisation if they are signed; others go with their batch", async () => {
    const kept = note(await signed(seen(2n)));
    const gone = note(seen(2n, { seq: 2n }));
    const early = note(seen(1n, { seq: 3n }));
    cases.rewind(15n);
    store.rewind(15n);
    expect(cases.receipt(kept.receiptHash)?.enclaveSignature).toBe(kept.enclaveSignature);
    expect(cases.receipt(gone.receiptHash)).toBeUndefined();
    expect(cases.receipt(early.receiptHash)?.batchId).toBe(1n);
  });
});
