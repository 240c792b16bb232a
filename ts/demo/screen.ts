/** Where the demo tells its story. */
export interface Screen {
  heading(text: string): void;
  line(text?: string): void;
  /** Text without a line break, for streams. */
  text(text: string): void;
  /** A line that replaces itself; the last call of a run ends it. */
  progress(text: string, done: boolean): void;
}

/** A screen on a stream; colours and self-replacing lines only on terminals. */
export function screenOn(stream: NodeJS.WriteStream): Screen {
  const terminal = stream.isTTY === true;
  const style = (code: number, text: string) => (terminal ? `\u001b[${code}m${text}\u001b[0m` : text);
  return {
    heading: (text) => void stream.write(`\n${style(1, text)}\n`),
    line: (text = "") => void stream.write(`${text}\n`),
    text: (text) => void stream.write(style(36, text)),
    progress(text, done) {
      if (terminal) stream.write(`\r\u001b[K${text}${done ? "\n" : ""}`);
      else if (done) stream.write(`${text}\n`);
    },
  };
}

/** A table with right-aligned columns but for the first. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((cell, i) => Math.max(cell.length, ...rows.map((row) => row[i].length)));
  const format = (row: readonly string[]) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  ");
  return [format(head), widths.map((width) => "-".repeat(width)).join("  "), ...rows.map(format)];
}
