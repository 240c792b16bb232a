import { Command, CommanderError, InvalidArgumentError } from "commander";
import type { Hex } from "viem";
import { attestCommands } from "./attest-commands.ts";
import { chainCommands } from "./chain-commands.ts";
import { courtCommands } from "./court-commands.ts";
import { daemonCommands } from "./daemon-commands.ts";
import { drawCommands } from "./draw-commands.ts";
import { economicsCommand } from "./economics-command.ts";
import { enclaveCommands } from "./enclave-commands.ts";
import { exitCodeOf, NegativeResultError, UsageError } from "./errors.ts";
import { executorCommands } from "./executor-commands.ts";
import { gameCommands } from "./game-commands.ts";
import { modelCommands } from "./model-commands.ts";
import { errorJson, errorText, type Streams } from "./output.ts";
import { policyCommands } from "./policy-commands.ts";
import { receiptCommands } from "./receipt-commands.ts";
import { requestCommands } from "./request-commands.ts";
import { type GlobalOptions, Session } from "./session.ts";

/**
 * Wraps a command's body: it gets the session, then the command's arguments and its options as commander parsed them. What a
 * body takes is what its command declares.
 */
export type Run = (
  body: (session: Session, ...args: never[]) => Promise<void>,
) => (...args: unknown[]) => Promise<void>;

/** The whole command line. @returns The exit code. */
export async function main(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  streams: Streams = process,
): Promise<number> {
  const program = new Command("otr")
    .description("Optimistic TEE-Rollups: verifiable LLM inference")
    .option("-c, --config <file>", "JSON configuration; default: OTR_CONFIG")
    .option(
      "-s, --set <key=value>",
      "set a configuration key; repeatable",
      (value, all: string[]) => [...all, value],
      [],
    )
    .option("--json", "results and errors as one JSON line")
    .showHelpAfterError("`otr <command> --help` explains.")
    .configureOutput({
      writeOut: (text) => void streams.stdout.write(text),
      writeErr: (text) => void streams.stderr.write(text),
    })
    .exitOverride();
  const run: Run =
    (body) =>
    async (...args) => {
      // Commander adds the command itself.
      args.pop();
      const session = new Session(program.opts<GlobalOptions>(), environment, streams);
      await body(session, ...(args as never[]));
    };
  for (const add of [
    modelCommands,
    economicsCommand,
    daemonCommands,
    requestCommands,
    gameCommands,
    receiptCommands,
    chainCommands,
    executorCommands,
    courtCommands,
    drawCommands,
    attestCommands,
    enclaveCommands,
    policyCommands,
  ])
    add(program, run);
  try {
    await program.parseAsync([...argv], { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const json = program.opts<GlobalOptions>().json ?? false;
    if (!(json && error instanceof NegativeResultError))
      streams.stderr.write(`${json ? errorJson(error) : errorText(error)}\n`);
    return exitCodeOf(error);
  }
}

/** An argument by position, parsed inside of a command as options are before it. @throws UsageError */
export function argument<T>(parse: (text: string) => T, text: string): T {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw new UsageError(`The argument '${text}' is invalid: ${error.message}.`);
  }
}

/** Parses a number option. */
export function number(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < 0) throw new InvalidArgumentError("expected a number");
  return value;
}

/** Parses a positive integer option. */
export function integer(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError("expected a positive integer");
  return value;
}

/** Parses 32 bytes in hex. */
export function bytes32(text: string): Hex {
  if (!/^0x[0-9a-fA-F]{64}$/.test(text)) throw new InvalidArgumentError("expected 0x and 64 hexadecimal digits");
  return text as Hex;
}

/** Parses an address. */
export function address(text: string): Hex {
  if (!/^0x[0-9a-fA-F]{40}$/.test(text)) throw new InvalidArgumentError("expected 0x and 40 hexadecimal digits");
  return text as Hex;
}
