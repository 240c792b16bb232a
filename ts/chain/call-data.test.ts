import { readFileSync } from "node:fs";
import { type Abi, type AbiFunction, type AbiParameter, encodeFunctionData, type Hex, size } from "viem";
import { describe, expect, it } from "vitest";
import { ABIS, type ContractName } from "./abis.ts";

/** Tokens or records of a part of what is too long for one transaction. */
const PART_ITEMS = 2 ** Number(/LEVELS = (\d+);/.exec(readFileSync("src/libraries/PartLib.sol", "utf8"))![1]);
/** Bytes of a transaction that nodes' pools take (geth's `txMaxSize`). */
const POOL_LIMIT = 128 * 1024;
/** What a transaction has besides its call data: fees, signature, an access list of the few contracts that it touches. */
const ENVELOPE = 1024;

const WORD = 32;
/** Siblings of a batch of 2^24 leaves, of a trace of 2^22 records, of trees of 2^32 rows and 2^26 chunks. */
const [BATCH, TRACE, ROWS, CHUNKS] = [24 * WORD, 22 * WORD, 32 * WORD, 26 * WORD];
/** Instruction of the machine, and the chunks that one move shows. */
const [INSTRUCTION, SHOWN] = [128, 16 * WORD];
/** A longer witness would make a call dearer than any that the search of `test/machine/DearestGas.t.sol` finds: 280,000 gas, 10 a byte at least. */
const WITNESS = 28_000;
/** A fold has at most 2^24 blocks, and a post the square root of that. */
const ACCUMULATORS = 4096 * 16;
/** A signature: 65 bytes, or what a wallet that is a contract wants. */
const SIGNATURE = 4096;
/** What `validateProgram` brings of the instructions before: eight bytes each, of 15,000 (docs/contracts.md). */
const DESCRIPTORS = 8 * 15_000;

/** Most items or bytes of whatever has no fixed size, by function and place, or by the end of the place if it is the same everywhere. */
const LIMITS: Readonly<Record<string, number>> = {
  // Of a request: executors refuse more (docs/protocol.md, section 7).
  stopTokens: 64,
  watchers: 16,
  "request_.stopTokens": 16,
  "request_.watchers": 16,
  // Games take none or one.
  "settle.request": 1,
  "settleJump.request": 1,
  "settleBlock.request": 1,
  "committed.siblings": BATCH,
  "original.siblings": BATCH,
  "other.committed.siblings": BATCH,
  "other.enclaveSignature": 65,
  "other.operatorSignature": SIGNATURE,
  enclaveSignature: SIGNATURE,
  operatorSignature: SIGNATURE,
  signature: SIGNATURE,
  instruction: INSTRUCTION,
  witness: WITNESS,
  chunks: SHOWN,
  // A move shows the nodes four levels down.
  nodes: 16,
  siblings: ROWS,
  "open.traceSiblings": TRACE,
  "opened.instruction": INSTRUCTION,
  "opened.siblings": Math.max(ROWS, CHUNKS),
  "instruction.instruction": INSTRUCTION,
  "instruction.siblings": ROWS,
  "row.siblings": ROWS,
  "opened.accumulators": ACCUMULATORS,
  // What the game hands on to its extension has no names there.
  "chooseElement.1": INSTRUCTION,
  "choosePart.1": INSTRUCTION,
  "choosePart.3": ACCUMULATORS,
  "chooseStep.3": TRACE,
  "postAccumulators.1": INSTRUCTION,
  "postAccumulators.2": ACCUMULATORS,
  "revealCache.1": 16,
  "revealTrace.1": 16,
  "settleToken.3": ROWS,
  // Parts, and what is no longer than a part.
  "postPart.input": PART_ITEMS,
  "answer.input": PART_ITEMS,
  "proveOutput.records": 36 * PART_ITEMS,
  "noteOutputPart.records": 36 * PART_ITEMS,
  "proveOutput.siblings": 2 * TRACE,
  "noteOutputPart.siblings": 2 * TRACE,
  // `MAX_OUTPUT`; a prompt is as long as its requester likes, who sends it.
  "deliver.output": 2048,
  "request.input": 3500,
  // One instruction at a time does.
  "validateProgram.instructions": INSTRUCTION,
  "validateProgram.siblings": 2 * ROWS,
  "validateProgram.descriptors": DESCRIPTORS - INSTRUCTION,
  // Evidence of an enclave key: its certificates.
  "evidence.evidence": 32_768,
  "evidence.aux": 32_768,
  // As many GPUs as a key's proof counts, and firmware of as many kinds; what shows a revocation is two words and a quote.
  gpus: 255,
  "setFirmware.firmware": 255,
  "evict.proof": 16_384,
  // Certificates, revocation lists of 2,200 entries (more would not fit a transaction's gas), documents of twice the largest one's size.
  der: 4096,
  "addCrl.der": 2200 * 38,
  "revoke.der": 2200 * 38,
  json: 16_384,
  // An OCSP answer with its responder's certificate.
  "revoke.response": 4096,
  "revoke.issuerName": 512,
  // Hints of a P-384 signature.
  hints: 16_512,
  responderHints: 16_512,
  "setEndpoint.url": 2048,
  // Four pairs of a claim go together (ts/spotcheck/draw-answerer.ts): at most nine proofs each, or four drawn blocks with a path of chunks each.
  // Of several claims only as many as fit.
  "provePairs.claims": 1,
  "claims.pairs": 4,
  "provePairs.openings": 4,
  "provePairs.openings[]": 4 * (6 * WORD + CHUNKS + ROWS + TRACE) + INSTRUCTION + ROWS,
  "provePairs.proofs": 4 * 9 * 256,
  "postFolds.pairs": 16,
  "postFolds.roots": 16,
  // A signature, or two headers of blocks.
  proof: 2 * 1500,
};

/** Calls that carry bytes of their sender's choice: governance's, and those that pack others. */
const FREE = new Set(["upgradeToAndCall", "multicall"]);

const used = new Set<string>();

function limitOf(fn: string, path: readonly string[]): number {
  const place = path.join(".");
  const keys = [`${fn}.${place}`, place, path.slice(-2).join("."), path.at(-1)!];
  const key = keys.find((candidate) => candidate in LIMITS);
  if (key === undefined) throw new Error(`no limit is known of ${fn}.${place}`);
  used.add(key);
  return LIMITS[key]!;
}

/** The longest value of a parameter. */
function longest(fn: string, parameter: AbiParameter, path: readonly string[]): unknown {
  const { type } = parameter;
  const array = /^(.*)\[(\d*)\]$/.exec(type);
  if (array !== null) {
    const item = { ...parameter, type: array[1]! };
    const length = array[2] === "" ? limitOf(fn, path) : Number(array[2]);
    // Pieces of bytes have a limit of their own, beside that of their number.
    const place = item.type === "bytes" ? [...path.slice(0, -1), `${path.at(-1)}[]`] : path;
    return Array.from({ length }, () => longest(fn, item, place));
  }
  if ("components" in parameter)
    return Object.fromEntries(
      parameter.components.map((part) => [part.name!, longest(fn, part, [...path, part.name!])]),
    );
  if (type === "bytes") return `0x${"ff".repeat(limitOf(fn, path))}`;
  if (type === "string") return "x".repeat(limitOf(fn, path));
  if (type === "bool") return true;
  const fixed = /^bytes(\d+)$/.exec(type);
  if (fixed !== null) return `0x${"ff".repeat(Number(fixed[1]))}`;
  if (type === "address") return `0x${"ff".repeat(20)}`;
  const bits = Number(/\d+$/.exec(type)?.[0] ?? 256);
  return bits <= 48 ? 2 ** bits - 1 : 2n ** BigInt(bits) - 1n;
}

function largestCall(abi: Abi, fn: AbiFunction): Hex {
  const args = fn.inputs.map((input, place) => longest(fn.name, input, [input.name || `${place}`]));
  return encodeFunctionData({ abi: abi.filter((item) => item === fn), functionName: fn.name, args });
}

const CALLS = (Object.keys(ABIS) as ContractName[]).flatMap((contract) =>
  (ABIS[contract] as Abi)
    .filter((item): item is AbiFunction => item.type === "function" && !/view|pure/.test(item.stateMutability))
    .filter(({ name }) => !FREE.has(name))
    .map((fn) => [`${contract}.${fn.name}`, size(largestCall(ABIS[contract] as Abi, fn))] as const),
);

describe("the largest transaction of each call", () => {
  it.each(CALLS)("%s fits into nodes' pools: %i bytes", (_name, bytes) => {
    expect(bytes + ENVELOPE).toBeLessThanOrEqual(POOL_LIMIT);
  });

  it("knows no limit that no call has", () => {
    expect(Object.keys(LIMITS).filter((key) => !used.has(key))).toEqual([]);
  });
});

describe("parts", () => {
  it("of twice as many tokens would not fit", () => {
    expect(2 * PART_ITEMS * WORD + ENVELOPE).toBeGreaterThan(POOL_LIMIT);
  });
});
