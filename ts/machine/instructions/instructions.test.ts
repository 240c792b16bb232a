import { describe, expect, it } from "vitest";
import { prng } from "../../compiler/prng.ts";
import { evaluateElement, memoryReader, type Read, tracedReader } from "../evaluate.ts";
import { SEMANTICS } from "../registry.ts";
import { rowShape } from "../shape.ts";
import { INSTRUCTIONS, type InstructionName } from "../table.ts";
import { caseInputs } from "../testing/cases.ts";
import { FUZZ } from "../testing/fuzz.ts";
import { randomCase } from "../testing/random-case.ts";
import { elementAt } from "../types.ts";

const NAMES = Object.keys(INSTRUCTIONS) as InstructionName[];
const ELEMENTS = 1_500 * FUZZ;
/** Elements compared per row: rows are long, and their first and last elements are the interesting ones. */
const PER_ROW = 24;

describe.each(NAMES)("%s", (name) => {
  const semantics = SEMANTICS[name];

  it("is the semantics of its line in the table", () => {
    expect(semantics.name).toBe(name);
    expect(semantics.opcode).toBe(INSTRUCTIONS[name].opcode);
    expect(semantics.kind).toBe(INSTRUCTIONS[name].kind);
  });

  it("run equals evaluate on random rows and extremes", () => {
    const random = prng(BigInt(INSTRUCTIONS[name].opcode));
    for (let compared = 0; compared < ELEMENTS; ) {
      const subject = randomCase(name, random);
      const { instruction, context } = subject;
      expect(semantics.validate(instruction, context.t + 1)).toBeUndefined();
      const row = semantics.run(instruction, context, caseInputs(subject));
      expect(row.type).toBe(instruction.outType);
      expect(row.data.length).toBe(rowShape(instruction, context.t).length);
      const reader = memoryReader({ ...subject, token: context.token });
      for (let i = 0; i < Math.min(PER_ROW, row.data.length); i++, compared++) {
        const e = i < PER_ROW / 2 ? i : row.data.length - 1 - (i - PER_ROW / 2);
        const expected = evaluateElement(instruction, context, e, reader);
        if (elementAt(row, e) !== expected) {
          expect({ e, got: elementAt(row, e), instruction, context }).toEqual({
            e,
            got: expected,
            instruction,
            context,
          });
        }
      }
    }
  });

  it("reads nothing for padding", () => {
    const subject = randomCase(name, prng(7));
    const reads: Read[] = [];
    const reader = tracedReader(memoryReader({ ...subject, token: 0 }), (read) => reads.push(read));
    const { length } = rowShape(subject.instruction, subject.context.t);
    expect(evaluateElement(subject.instruction, subject.context, length, reader)).toBe(0n);
    expect(reads).toEqual([]);
  });
});
