import { readFileSync } from "node:fs";
import { BaseError, ContractFunctionRevertedError, type Hex } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toHex } from "../commit/bytes.ts";
import { prng } from "../compiler/prng.ts";
import { InstructionDecodeError, InvalidProgramError } from "./errors.ts";
import { decodeInstruction, type Instruction } from "./instruction.ts";
import { validateProgram } from "./program.ts";
import { INSTRUCTIONS, type InstructionName, instructionName } from "./table.ts";
import { type Deployed, deployed } from "./testing/deployed.ts";
import { FUZZ } from "./testing/fuzz.ts";
import { mutatedProgram, type ProgramBytes, programsAtBorders, randomProgram } from "./testing/random-program.ts";

/** Programs compared; `OTR_FUZZ=100` makes it 240,000. */
const PROGRAMS = 2400 * FUZZ;
/** Calls in flight. */
const WIDTH = 24;

/** What a validator says: accepted, or where it stopped. `undefined`: not a matter of one instruction. */
type Verdict = { accepted: true } | { accepted: false; at: number | undefined; rule: string };

let validator: Deployed;
beforeAll(async () => {
  validator = await deployed("ProgramValidatorV1");
});
afterAll(() => validator.stop());

/** TypeScript: bytes are decoded, then the rules are checked. */
function inTypeScript({ instructions, weightRows, contextLength }: ProgramBytes): Verdict {
  const decoded: Instruction[] = [];
  try {
    for (const bytes of instructions) decoded.push(decodeInstruction(bytes));
    validateProgram({ instructions: decoded, weightRows, contextLength });
    return { accepted: true };
  } catch (error) {
    // All is decoded before rules are checked, so a broken rule may hide behind bytes that do not decode.
    if (error instanceof InstructionDecodeError) return { accepted: false, at: undefined, rule: error.message };
    if (error instanceof InvalidProgramError)
      return { accepted: false, at: error.instruction, rule: `${error.instruction}: ${error.rule}` };
    throw error;
  }
}

/** Solidity, in one chunk. Its registry asks afterwards whether the program has ended. */
async function inSolidity({ instructions, weightRows, contextLength }: ProgramBytes): Promise<Verdict> {
  const bytes = toHex(Buffer.concat(instructions));
  try {
    const next = (await validator.client.readContract({
      address: validator.address,
      abi: validator.abi,
      functionName: "validate",
      args: [
        { count: 0, cacheRows: 0, ended: false, descriptors: `0x${"00".repeat(32)}` },
        bytes,
        "0x",
        weightRows,
        contextLength,
      ],
    })) as { ended: boolean; count: number };
    if (next.ended) return { accepted: true };
    return { accepted: false, at: instructions.length - 1, rule: "not ended" };
  } catch (error) {
    const reverted =
      error instanceof BaseError ? error.walk((cause) => cause instanceof ContractFunctionRevertedError) : null;
    if (!(reverted instanceof ContractFunctionRevertedError) || reverted.data?.errorName !== "InvalidInstruction")
      throw error;
    const [index, rule] = reverted.data.args as [bigint, Hex];
    const name = Buffer.from(rule.slice(2), "hex").toString().replaceAll("\0", "");
    if (name === "context") return { accepted: false, at: undefined, rule: name };
    // TypeScript blames the instruction that ends too early, Solidity the one behind it.
    return { accepted: false, at: Number(index) - (name === "after-token" ? 1 : 0), rule: name };
  }
}

function shown(program: ProgramBytes): string {
  const lines = program.instructions.map((bytes, i) => `${i}: ${Buffer.from(bytes).toString("hex")}`);
  return [`weightRows ${program.weightRows}, contextLength ${program.contextLength}`, ...lines].join("\n");
}

async function compare(program: ProgramBytes): Promise<Verdict> {
  const ours = inTypeScript(program);
  const theirs = await inSolidity(program);
  expect(theirs.accepted, `${JSON.stringify({ ours, theirs })}\n${shown(program)}`).toBe(ours.accepted);
  if (!ours.accepted && !theirs.accepted && ours.at !== undefined)
    expect(theirs.at, `${JSON.stringify({ ours, theirs })}\n${shown(program)}`).toBe(ours.at);
  return theirs;
}

function oraclesProgram(): ProgramBytes {
  const json = JSON.parse(readFileSync("test/vectors/machine/program.json", "utf8")) as {
    weightRows: number;
    contextLength: number;
    instructions: string[];
  };
  const instructions = json.instructions.map((hex) => Buffer.from(hex.replace("0x", ""), "hex"));
  return { ...json, instructions };
}

describe("the two program validators", () => {
  it(
    `agree on ${PROGRAMS} random programs, most of them broken somewhere`,
    async () => {
      const random = prng(7000 + FUZZ);
      const names = Object.keys(INSTRUCTIONS) as InstructionName[];
      const oracle = oraclesProgram();
      const accepted = new Map<string, number>();
      const blamed = new Map<string, number>();
      const rules = new Map<string, number>();
      const add = (map: Map<string, number>, key: string) => map.set(key, (map.get(key) ?? 0) + 1);
      for (let done = 0; done < PROGRAMS; done += WIDTH) {
        const batch = Array.from({ length: WIDTH }, (_, k) => {
          const name = names[(done + k) % names.length];
          const base = random.int(0, 9) === 0 ? oracle : randomProgram(name, random);
          return random.int(0, 3) === 0 ? base : mutatedProgram(base, random);
        });
        const verdicts = await Promise.all(batch.map(compare));
        verdicts.forEach((verdict, k) => {
          const { instructions } = batch[k];
          const nameAt = (i: number) => instructionName(instructions[i][0]) ?? "unknown";
          if (verdict.accepted) for (const name of new Set(instructions.map((_, i) => nameAt(i)))) add(accepted, name);
          else {
            add(rules, verdict.rule);
            if (verdict.at !== undefined) add(blamed, nameAt(verdict.at));
          }
        });
      }
      // Nothing is shown by programs that are all refused at once: every instruction is accepted often and blamed often.
      for (const name of names) {
        expect(accepted.get(name) ?? 0, `accepted programs with ${name}`).toBeGreaterThanOrEqual(10);
        expect(blamed.get(name) ?? 0, `programs refused at ${name}`).toBeGreaterThanOrEqual(5);
      }
      expect(rules.size, [...rules].join(" ")).toBeGreaterThanOrEqual(20);
    },
    300_000 * FUZZ,
  );

  it.each(Object.keys(INSTRUCTIONS) as InstructionName[])(
    "agree on %s with any of its fields at a border",
    async (name) => {
      const random = prng(INSTRUCTIONS[name].opcode + 500 * FUZZ);
      let base: ProgramBytes;
      let at: number;
      // The instruction is to be the one that was asked for, not one that makes its operands, and the program valid.
      do {
        base = randomProgram(name, random, 0);
        at = base.instructions.findLastIndex(
          (bytes, i) => i < base.instructions.length - 4 && bytes[0] === INSTRUCTIONS[name].opcode,
        );
      } while (!inTypeScript(base).accepted);
      const programs = programsAtBorders(base, at);
      let accepted = 0;
      for (let k = 0; k < programs.length; k += WIDTH) {
        const verdicts = await Promise.all(programs.slice(k, k + WIDTH).map(compare));
        accepted += verdicts.filter((verdict) => verdict.accepted).length;
      }
      expect(accepted).toBeGreaterThan(10);
      expect(programs.length - accepted).toBeGreaterThan(100);
    },
    120_000,
  );

  it("agree on the oracle's program", async () => {
    expect(await compare(oraclesProgram())).toEqual({ accepted: true });
  });
});
