import { decodeFunctionResult, encodeFunctionData } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toHex } from "../commit/bytes.ts";
import { prng } from "../compiler/prng.ts";
import { encodeInstruction, type Operand } from "./instruction.ts";
import { SEMANTICS } from "./registry.ts";
import { INSTRUCTIONS, type InstructionName } from "./table.ts";
import { type Case, caseInputs } from "./testing/cases.ts";
import { type Deployed, deployed } from "./testing/deployed.ts";
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

let harness: Deployed;
beforeAll(async () => {
  harness = await deployed("JudgeHarness");
});
afterAll(() => harness.stop());

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
    abi: harness.abi,
    functionName: "evaluateMany",
    args: [batch.map(({ encoded }) => encoded)],
  });
  const result = await harness.client.call({ to: harness.address, data, gas: CALL_GAS });
  const got = decodeFunctionResult({
    abi: harness.abi,
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
