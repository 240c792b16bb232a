import { type DestinationStream, type Logger, pino, stdTimeFunctions } from "pino";
import { BaseError } from "../errors.ts";
import { redactUrl } from "./print.ts";
import type { Config } from "./schema.ts";

export type { Logger } from "pino";

/** Fields that never reach a log, wherever they stand in an entry. */
const REDACTED = ["privateKey", "password", "authorization", "prompt", "messages", "outputs", "saltKey", "secret"];

/**
 * The daemons' logger: one JSON object a line, or readable text. Levels: `error` needs a human, `warn` may, `info` is what an operator wants
 * to see in a quiet hour, `debug` follows one request. Prompts, answers and keys are at no level.
 *
 * @param service Name that every entry carries, e.g. `fisherman`.
 */
export function createLogger(service: string, config: Config["log"], destination?: DestinationStream): Logger {
  const options = {
    level: config.level,
    base: { service },
    timestamp: stdTimeFunctions.isoTime,
    redact: { paths: REDACTED.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: "[redacted]" },
    formatters: { level: (label: string) => ({ level: label }), log: plain },
    serializers: { err: errorFields },
  };
  const out = destination ?? process.stderr;
  return pino(options, config.format === "json" ? out : { write: (line: string) => out.write(textLine(line)) });
}

/** A logger that says nothing. */
export function silentLogger(): Logger {
  return pino({ level: "silent" });
}

/** What a log keeps of an error. */
export function errorFields(error: unknown): Record<string, unknown> {
  if (error instanceof BaseError) {
    const { name, shortMessage, metaMessages, code, retryable } = error;
    return { name, message: shortMessage, details: metaMessages, code, retryable };
  }
  if (!(error instanceof Error)) return { message: withoutKeys(String(error)) };
  const { name, message, stack } = error;
  // viem's errors quote the whole request in their message, with the endpoint's URL, which holds its access key.
  const { shortMessage, details } = error as { readonly shortMessage?: unknown; readonly details?: unknown };
  if (typeof shortMessage === "string")
    return { name, message: withoutKeys(shortMessage), details: withoutKeys(String(details ?? "")) };
  return { name, message: withoutKeys(message), stack: stack && withoutKeys(stack) };
}

/** A text whose URLs show no credentials. */
function withoutKeys(text: string): string {
  return text.replaceAll(/https?:\/\/[^\s"'<>]+/g, redactUrl);
}

/** JSON knows no bigint: amounts and ids become decimal strings. */
function plain(entry: Record<string, unknown>): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(entry)) out[key] = typeof value === "bigint" ? value.toString() : value;
  return out;
}

function textLine(line: string): string {
  const { level, time, service, msg, ...rest } = JSON.parse(line) as Record<string, unknown>;
  const fields = Object.entries(rest).map(
    ([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  return `${[String(time).slice(11, 23), String(level).toUpperCase().padEnd(5), service, msg ?? "", ...fields].join(" ")}\n`;
}
