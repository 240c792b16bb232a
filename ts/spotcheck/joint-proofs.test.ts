import {
  decodeFunctionData,
  encodeAbiParameters,
  encodeEventTopics,
  keccak256,
  type TransactionReceipt,
  zeroAddress,
  zeroHash,
} from "viem";
import { describe, expect, it } from "vitest";
import { ABIS } from "../chain/abis.ts";
import { provePairsCall } from "../chain/actions/draws.ts";
import { fitsOneTransaction } from "../chain/actions/parts.ts";
import type { OtrContext } from "../chain/context.ts";
import {
  ContractRevertError,
  NoSenderError,
  TransactionRevertedError,
  TransactorClosedError,
} from "../chain/errors.ts";
import type { Call, SendOptions } from "../chain/sender.ts";
import { type Hex, toHex, word } from "../commit/bytes.ts";
import type { Receipt } from "../commit/typed-data.ts";
import { prng } from "../compiler/prng.ts";
import { createLogger } from "../config/logger.ts";
import { fitTogether, JointProofs, type ProofPart, transactionsDue } from "./joint-proofs.ts";

const LOG = createLogger("test", { level: "silent", format: "text" });
const COURT = "0x00000000000000000000000000000000000000C1";
const OTHER = "0x00000000000000000000000000000000000000C2";
const TURN = 600n;

const RECEIPT: Receipt = {
  ...{ machineVersion: 1, modelId: zeroHash, executor: zeroAddress, enclaveKey: zeroAddress },
  ...{ seq: 1n, commitBy: 1n, expiry: 2n, requestHash: zeroHash, inputRoot: zeroHash, nIn: 1 },
  ...{ outputRoot: zeroHash, nOut: 1, stopReason: 0, traceRoot: zeroHash },
};

interface Shape {
  readonly court?: Hex;
  readonly deadline?: bigint;
  /** Proofs of each pair. */
  readonly proofs?: readonly number[];
  readonly opening?: number;
}

function claimOf(n: number): Hex {
  return keccak256(encodeAbiParameters([{ type: "bytes32" }, { type: "uint64" }], [toHex(word(n)), 5n]));
}

/** A part of claim number `n`. */
function part(
  n: number,
  { court = COURT, deadline = 1000n, proofs = [2, 2, 2, 3], opening = 544 }: Shape = {},
): ProofPart {
  const bytes = (length: number): Hex => `0x${"ab".repeat(length)}`;
  const proven = proofs.map((count, pair) => ({ pair, opening: bytes(opening), proofs: bytes(256 * count) }));
  const receipt = { ...RECEIPT, seq: BigInt(n) };
  return { court, claimId: claimOf(n), deadline, turnDuration: TURN, receipt, round: 5n, proven };
}

const NUMBERS = (groups: readonly (readonly ProofPart[])[]) =>
  groups.map((group) => group.map(({ receipt }) => Number(receipt.seq)));
const early = { now: 100n, more: () => true };

describe("proofs that are ready", () => {
  it("wait for those that are still being made", () => {
    expect(transactionsDue([part(1), part(2)], early)).toEqual([]);
  });

  it("go at once, together, if none are", () => {
    const due = transactionsDue([part(2), part(1), part(3, { deadline: 900n })], { now: 100n, more: () => false });
    expect(NUMBERS(due)).toEqual([[3, 1, 2]]);
  });

  it("wait no longer than until half of the turn of one of them is over", () => {
    const parts = [part(1, { deadline: 1000n }), part(2, { deadline: 5000n })];
    expect(transactionsDue(parts, { ...early, now: 699n })).toEqual([]);
    expect(NUMBERS(transactionsDue(parts, { ...early, now: 700n }))).toEqual([[1, 2]]);
    expect(NUMBERS(transactionsDue(parts, { ...early, now: 9000n }))).toEqual([[1, 2]]);
  });

  it("wait for company of their own court only", () => {
    const parts = [part(1), part(2, { court: OTHER })];
    const due = transactionsDue(parts, { now: 100n, more: (court) => court === OTHER });
    expect(NUMBERS(due)).toEqual([[1]]);
  });

  it("of ten receipts of as many proofs as are expected fit one transaction", () => {
    const ten = Array.from({ length: 10 }, (_, n) => part(n + 1));
    expect(NUMBERS(transactionsDue(ten, { now: 100n, more: () => false }))).toHaveLength(1);
  });

  it("go as soon as no more fit, by gas or by length", () => {
    for (const shape of [{ proofs: [9, 9, 9, 9] }, { opening: 6000 }]) {
      const parts = Array.from({ length: 8 }, (_, n) => part(n + 1, shape));
      const due = transactionsDue(parts, early);
      expect(due.length).toBeGreaterThan(0);
      expect(due.flat().length).toBeLessThan(parts.length);
      for (const group of due) {
        expect(group.length).toBeGreaterThan(1);
        expect(fitTogether(group)).toBe(true);
      }
      const all = transactionsDue(parts, { ...early, more: () => false });
      expect(NUMBERS(all).flat().sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    }
  });

  it("go by themselves if that is said of them, and hold up no others", () => {
    const alone = ({ receipt }: ProofPart) => receipt.seq === 2n;
    expect(NUMBERS(transactionsDue([part(1), part(2), part(3)], { ...early, alone }))).toEqual([[2]]);
    const due = transactionsDue([part(1), part(2), part(3)], { now: 100n, more: () => false, alone });
    expect(NUMBERS(due)).toEqual([[2], [1, 3]]);
  });

  it("are all sent once, within the limits, whatever they are and come in whatever order", () => {
    const random = prng(7);
    for (let round = 0; round < 100; round++) {
      const parts = Array.from({ length: random.int(0, 14) }, (_, n) =>
        part(n + 1, {
          court: random.int(0, 1) === 0 ? COURT : OTHER,
          deadline: BigInt(random.int(1, 2000)),
          proofs: Array.from({ length: random.int(1, 4) }, () => random.int(1, 9)),
          opening: random.int(0, 12_000),
        }),
      );
      const due = transactionsDue(parts, { now: 0n, more: () => false });
      expect(new Set(due.flat())).toEqual(new Set(parts));
      expect(due.flat()).toHaveLength(parts.length);
      for (const group of due) {
        if (group.length > 1) expect(fitTogether(group)).toBe(true);
        expect(fitsOneTransaction(provePairsCall(group[0]!.court, group))).toBe(true);
        expect(new Set(group.map(({ court }) => court)).size).toBe(1);
      }
      // The first part gives a transaction its id: the same after a restart.
      const again = transactionsDue([...parts].reverse(), { now: 0n, more: () => false });
      expect(NUMBERS(again).sort()).toEqual(NUMBERS(due).sort());
    }
  });
});

describe("joint proofs", () => {
  const provenLog = (n: number) => ({
    address: COURT,
    topics: encodeEventTopics({
      abi: ABIS.spotChecks,
      eventName: "PairsProven",
      args: { receiptHash: toHex(word(n)), round: 5n },
    }),
    data: toHex(word(15)),
  });

  /** Remembers what is sent; refuses what `refuse` names. */
  function joint(
    refuse: (claims: readonly number[]) => Error | undefined = () => undefined,
    shown?: readonly number[],
  ) {
    const sent: { claims: number[]; id: string | undefined }[] = [];
    const send = async ({ data }: Call, { id }: SendOptions = {}) => {
      const { args } = decodeFunctionData({ abi: ABIS.spotChecks, data });
      const claims = (args as unknown as [{ receipt: Receipt }[]])[0].map(({ receipt }) => Number(receipt.seq));
      const error = refuse(claims);
      if (error !== undefined) throw error;
      sent.push({ claims, id });
      const logs = (shown ?? claims).map(provenLog);
      return { gasUsed: 1n, logs } as unknown as TransactionReceipt;
    };
    const context = { sender: { address: zeroAddress, send } } as unknown as OtrContext;
    return { sent, proofs: new JointProofs({ context, log: LOG }) };
  }

  const revert = (errorName: string) => new ContractRevertError({ call: "spotChecks.provePairs", errorName });

  it("are one transaction, known by its first part", async () => {
    const { sent, proofs } = joint();
    const parts = [part(1), part(2)];
    expect(await proofs.send(parts)).toEqual({ proven: parts, over: [] });
    expect(sent).toEqual([{ claims: [1, 2], id: `prove:${claimOf(1)}:0,1,2,3` }]);
    expect(await proofs.send([])).toEqual({ proven: [], over: [] });
    expect(sent).toHaveLength(1);
  });

  for (const error of [revert("ProofsInvalid"), revert("DeadlinePassed"), new TransactionRevertedError("it", "0x")])
    it(`are sent one by one if they are refused together: ${error.message}`, async () => {
      const { sent, proofs } = joint((claims) => (claims.length > 1 ? error : undefined));
      const parts = [part(1), part(2), part(3)];
      expect(await proofs.send(parts)).toEqual({ proven: parts, over: [] });
      expect(sent.map(({ claims }) => claims)).toEqual([[1], [2], [3]]);
      expect(new Set(sent.map(({ id }) => id)).size).toBe(3);
      expect(proofs.isAlone(part(2))).toBe(false);
    });

  it("say which of them are over, and send the others", async () => {
    const { sent, proofs } = joint((claims) => (claims.includes(2) ? revert("DeadlinePassed") : undefined));
    const { proven, over } = await proofs.send([part(1), part(2), part(3)]);
    expect(NUMBERS([proven, over])).toEqual([[1, 3], [2]]);
    expect(sent.map(({ claims }) => claims)).toEqual([[1], [3]]);
  });

  it("of which one is wrong hold up none of the others", async () => {
    const { sent, proofs } = joint((claims) => (claims.includes(1) ? revert("ProofsInvalid") : undefined));
    const { proven, over } = await proofs.send([part(1), part(2), part(3)]);
    expect(NUMBERS([proven, over])).toEqual([[2, 3], []]);
    expect(sent.map(({ claims }) => claims)).toEqual([[2], [3]]);
    expect([1, 2, 3].map((n) => proofs.isAlone(part(n)))).toEqual([true, false, false]);
    await expect(proofs.send([part(1)])).rejects.toThrow("ProofsInvalid");
  });

  it("that do not get out at all are sent one by one the next time", async () => {
    const { sent, proofs } = joint((claims) => (claims.length > 1 ? new TransactorClosedError() : undefined));
    await expect(proofs.send([part(1), part(2)])).rejects.toThrow(TransactorClosedError);
    expect(sent).toEqual([]);
    const alone = (each: ProofPart) => proofs.isAlone(each);
    expect(NUMBERS(transactionsDue([part(1), part(2)], { ...early, alone }))).toEqual([[1], [2]]);
  });

  it("are proven if the chain shows it: a transaction of before, under the same name, had other company", async () => {
    const { proofs } = joint(() => undefined, [1, 9]);
    const { proven, over } = await proofs.send([part(1), part(2)]);
    expect(NUMBERS([proven, over])).toEqual([[1], []]);
  });

  it("need a sender", async () => {
    const proofs = new JointProofs({ context: {} as OtrContext, log: LOG });
    await expect(proofs.send([part(1)])).rejects.toThrow(NoSenderError);
  });
});
