// SPDX-License-Identifier: GPL-3.0-only
import { decodeFunctionResult, encodeFunctionData } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toHex } from "../commit/bytes.ts";
import { prng } from "../compiler/prng.ts";
import { encodeInstruction } from "../machine/instruction.ts";
import { rowShape } from "../machine/shape.ts";
import { INSTRUCTIONS, type InstructionName } from "../machine/table.ts";
import { type Deployed, deployed } from "../machine/testing/deployed.ts";
import { FUZZ } from "../machine/testing/fuzz.ts";
import { randomCase } from "../machine/testing/random-case.ts";
import { CIRCUIT_NAMES } from "./catalogue.ts";
import { segmentCount, statementOf } from "./statement.ts";

/** Statements compared per instruction; `OTR_FUZZ=50` makes it 15,000. */
const CASES = 300 * FUZZ;
/** In one `eth_call`. */
const BATCH = 150;
const CALL_GAS = 2n ** 40n;

/** What the harness gives of a statement. */
type Solidity = {
  readonly circuit: number;
  readonly reads: bigint;
  readonly params: bigint;
  readonly cached: boolean;
  readonly position: bigint;
  readonly chunk: bigint;
};

let harness: Deployed;
beforeAll(async () => {
  harness = await deployed("StatementHarness");
});
afterAll(() => harness.stop());

/** A random element, and one of its segments, in both languages' words. */
function anyStatement(name: InstructionName, random: ReturnType<typeof prng>) {
  const subject = randomCase(name, random);
  // Roles and places that the cases do not have; of the last row the first element is the token.
  const role = name.startsWith("fold_") ? random.pick([0, 2] as const) : 0;
  const instruction = { ...subject.instruction, role };
  const emitted = random.pick([undefined, 0, random.int(0, 2 ** 32 - 2)]);
  // Later positions than the operands have rows for: a statement looks at none.
  const t = random.pick([subject.context.t, random.int(0, 400), 1000]);
  const context = { ...subject.context, t, emitted };
  const { length } = rowShape(instruction, t);
  const element = random.pick([0, length - 1, random.int(0, length - 1), random.int(0, length - 1)]);
  const at = random.pick([0, 4095, random.int(0, 4095)]);
  const count = segmentCount(instruction, context, element);
  const segment = random.pick([0, count - 1, random.int(0, count - 1)]);
  const statement = statementOf(at, instruction, context, element, segment);
  const { token, temperature, requestHash, outputIndex } = context;
  return {
    count,
    statement,
    encoded: {
      instruction: toHex(encodeInstruction(instruction)),
      element: {
        row: BigInt(at),
        t: BigInt(t),
        element: BigInt(element),
        ...{ token: BigInt(token), temperature: BigInt(temperature), requestHash, outputIndex: BigInt(outputIndex) },
        ...{ emits: emitted !== undefined, emitted: BigInt(emitted ?? 0) },
      },
      segment: BigInt(segment),
    },
  };
}

async function compare(batch: ReturnType<typeof anyStatement>[]): Promise<void> {
  const { abi, address, client } = harness;
  const args = [batch.map(({ encoded }) => encoded)];
  const data = encodeFunctionData({ abi, functionName: "statementsOf", args });
  const result = await client.call({ to: address, data, gas: CALL_GAS });
  const decoded = decodeFunctionResult({ abi, functionName: "statementsOf", data: result.data! });
  const [segments, statements] = decoded as readonly [bigint[], Solidity[]];
  batch.forEach(({ encoded, count, statement }, i) => {
    const { chunk } = statement.segment;
    // One comparison a case: the message shows the whole case.
    const { circuit, reads, params, cached, position, chunk: index } = statements[i];
    expect({ ...encoded, segments: segments[i], circuit, reads, params, cached, position, index }).toEqual({
      ...encoded,
      segments: BigInt(count),
      circuit: CIRCUIT_NAMES.indexOf(statement.circuit),
      reads: statement.reads,
      params: statement.params,
      cached: chunk !== undefined,
      position: BigInt(chunk?.position ?? 0),
      index: BigInt(chunk?.index ?? 0),
    });
  });
}

describe("the contract's statements are those of TypeScript", () => {
  it.each(Object.keys(INSTRUCTIONS) as InstructionName[])(
    `%s: ${CASES} random segments`,
    async (name) => {
      const random = prng(INSTRUCTIONS[name].opcode + 7000 * FUZZ);
      for (let done = 0; done < CASES; done += BATCH) {
        await compare(Array.from({ length: BATCH }, () => anyStatement(name, random)));
      }
    },
    120_000 * FUZZ,
  );
});
