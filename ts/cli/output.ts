import { BaseError } from "../errors.ts";

/** Where a command's results and remarks go. */
export interface Output {
  /** The result: JSON with `--json`, else lines of `text`. */
  result(value: unknown, text: () => string): void;
  /** A remark for humans, on stderr; silent with `--json`. */
  note(line: string): void;
  /** A progress bar on stderr; only on terminals and without `--json`. */
  progress(label: string): (done: number, total: number) => void;
}

/** The two streams of a process, as far as a command line needs them. */
export interface Streams {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown; readonly isTTY?: boolean };
}

const BAR = 28;

/** Output of one run of the command line. */
export function createOutput(json: boolean, { stdout, stderr }: Streams): Output {
  return {
    result: (value, text) => void stdout.write(json ? `${toJson(value)}\n` : `${text()}\n`),
    note: (line) => void (json || stderr.write(`${line}\n`)),
    progress(label) {
      if (json || !stderr.isTTY) return () => {};
      let shown = -1;
      return (done, total) => {
        const percent = Math.floor((100 * done) / Math.max(total, 1));
        if (percent === shown) return;
        shown = percent;
        const filled = Math.round((BAR * percent) / 100);
        stderr.write(`\r${label} [${"#".repeat(filled)}${".".repeat(BAR - filled)}] ${String(percent).padStart(3)}%`);
        if (done >= total) stderr.write("\n");
      };
    },
  };
}

/** An error as it is shown: one sentence, then what is known and what to do. */
export function errorText(error: unknown): string {
  if (error instanceof BaseError)
    return [`error: ${error.shortMessage}`, ...error.metaMessages.map((line) => `  ${line}`)].join("\n");
  return `error: ${plainMessage(error)}`;
}

/** An error as JSON. */
export function errorJson(error: unknown): string {
  const known = error instanceof BaseError;
  const message = known ? error.shortMessage : plainMessage(error);
  const more = known ? { code: error.code, details: error.metaMessages, retryable: error.retryable } : {};
  return toJson({ error: { message, ...more } });
}

/** Columns of text, padded. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function toJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => (typeof inner === "bigint" ? inner.toString() : inner));
}

/** viem's messages quote the request with the endpoint's URL, which may hold an access key: only their summary is shown. */
function plainMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { shortMessage, details } = error as { shortMessage?: unknown; details?: unknown };
  if (typeof shortMessage !== "string") return error.message;
  return typeof details === "string" && details !== "" ? `${shortMessage} ${details}` : shortMessage;
}
