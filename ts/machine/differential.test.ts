import { readFileSync } from "node:fs";
import {
  type Abi,
  createTestClient,
  decodeFunctionResult,
  encodeFunctionData,
  type Hex,
  http,
  publicActions,
  walletActions,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Anvil, anvilKey, startAnvil } from "../chain/anvil.ts";
import { toHex } from "../commit/bytes.ts";
import { prng } from "../compiler/prng.ts";
import { encodeInstruction, type Operand } from "./instruction.ts";
import { SEMANTICS } from "./registry.ts";
import { INSTRUCTIONS, type InstructionName } from "./table.ts";
import { type Case, caseInputs } from "./testing/cases.ts";
import { FUZZ } from "./testing/fuzz.ts";
import { randomCase } from "./testing/random-case.ts";
import { elementAt, rowBytes } from "./types.ts";

/** Elements compared per instruction; `OTR_FUZZ=100` makes it 100,000. */
const ELEMENTS = 1000 * FUZZ;
/** Most elements of one row, so that a count of elements is a count of cases too. */
const ELEMENTS_PER_CASE = 10;
/** Bytes of operands in one `eth_call`. */
const CALL_BYTES = 400_000;
const CALL_GAS = 2n ** 40n;

const artifact = JSON.parse(readFileSync("out/JudgeHarness.sol/JudgeHarness.json", "utf8")) as {
  abi: Abi;
  bytecode: { object: Hex };
};

let anvil: Anvil;
let harness: Hex;
let client: ReturnType<typeof connect>;

function connect(url: string) {
  const account = privateKeyToAccount(anvilKey(0));
  return createTestClient({ mode: "anvil", account, transport: http(url, { timeout: 120_000 }) })
    .extend(publicActions)
    .extend(walletActions);
}

beforeAll(async () => {
  anvil = await startAnvil();
  client = connect(anvil.url);
  const hash = await client.deployContract({ abi: artifact.abi, bytecode: artifact.bytecode.object, chain: null });
  harness = (await client.waitForTransactionReceipt({ hash })).contractAddress!;
});
afterAll(() => anvil.stop());

/** An operand's rows in plain, as the harness takes them. */
function plainRows(operand: Operand, { rows, weights, cache, context }: Case) {
  switch (operand.kind) {
    case "row":
      return [{ number: 0n, data: toHex(rowBytes(rows[operand.index])) }];
    case "weights":
      return Array.from({ length: operand.count }, (_, i) => ({
        number: BigInt(i),
        data: toHex(rowBytes(weights.row(operand.index + i))),
      }));
    case "cache":
      return Array.from({ length: context.t + 1 }, (_, p) => ({
        number: BigInt(p),
        data: toHex(rowBytes(cache.row(operand.count, p))),
      }));
    default:
      return [];
  }
}

/** The case for the harness, with some elements (one of them in the padding) and the values that TypeScript gives them. */
function prepare(name: InstructionName, test: Case, random: ReturnType<typeof prng>) {
  const row = SEMANTICS[name].run(test.instruction, test.context, caseInputs(test));
  const length = row.data.length;
  const picks = Math.min(length, ELEMENTS_PER_CASE - 1);
  const elements = Array.from({ length: picks }, (_, k) => (k === 0 ? length - 1 : random.int(0, length - 1)));
  const values = [...elements.map((e) => elementAt(row, e)), 0n];
  const { t, nIn, token, requestHash, temperature } = test.context;
  const { a, b, c } = test.instruction;
  return {
    values,
    encoded: {
      instruction: toHex(encodeInstruction(test.instruction)),
      ...{ t, nIn, token, requestHash, temperature },
      ...{ a: plainRows(a, test), b: plainRows(b, test), c: plainRows(c, test) },
      elements: [...elements, length].map(BigInt),
    },
  };
}

type Prepared = ReturnType<typeof prepare>;

async function compare(batch: Prepared[]): Promise<void> {
  const data = encodeFunctionData({
    abi: artifact.abi,
    functionName: "evaluateMany",
    args: [batch.map(({ encoded }) => encoded)],
  });
  const result = await client.call({ to: harness, data, gas: CALL_GAS });
  const got = decodeFunctionResult({
    abi: artifact.abi,
    functionName: "evaluateMany",
    data: result.data!,
  }) as readonly bigint[];
  let at = 0;
  for (const { values, encoded } of batch) {
    const ours = got.slice(at, at + values.length);
    at += values.length;
    // One comparison a case: the message shows the whole case.
    expect({ ...encoded, values: ours }).toEqual({ ...encoded, values });
  }
  expect(at).toBe(got.length);
}

const sizeOf = ({ encoded }: Prepared) =>
  [encoded.a, encoded.b, encoded.c].flat().reduce((sum, row) => sum + row.data.length / 2 + 96, 512);

describe("Solidity against TypeScript", () => {
  it.each(Object.keys(INSTRUCTIONS) as InstructionName[])(
    `%s: ${ELEMENTS} random elements`,
    async (name) => {
      const random = prng(INSTRUCTIONS[name].opcode + 1000 * FUZZ);
      let batch: Prepared[] = [];
      let bytes = 0;
      for (let done = 0; done < ELEMENTS; ) {
        const prepared = prepare(name, randomCase(name, random), random);
        batch.push(prepared);
        bytes += sizeOf(prepared);
        done += prepared.values.length - 1;
        if (bytes < CALL_BYTES && done < ELEMENTS) continue;
        await compare(batch);
        batch = [];
        bytes = 0;
      }
    },
    120_000 * FUZZ,
  );
});
