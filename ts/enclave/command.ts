import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { EvidenceUnavailableError } from "./errors.ts";

/** Runs a program and gives what it prints. Tests put their own in its place. */
export type Command = (program: string, args: readonly string[]) => Promise<string>;

const MOST_OUTPUT = 16 << 20;
const TIMEOUT_MS = 60_000;

/** Without a shell: arguments are arguments. @throws EvidenceUnavailableError if the program fails or is silent for a minute */
export const runCommand: Command = async (program, args) => {
  try {
    const options = { timeout: TIMEOUT_MS, maxBuffer: MOST_OUTPUT, encoding: "utf8" } as const;
    return (await promisify(execFile)(program, [...args], options)).stdout;
  } catch (cause) {
    throw new EvidenceUnavailableError(program, "It failed, or did not end in a minute.", { cause, retryable: true });
  }
};
