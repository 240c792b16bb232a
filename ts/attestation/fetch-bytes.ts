import type { FetchFailure } from "./errors.ts";

/** How one answer is asked for, and what to say if it does not come. */
export interface FetchBytesOptions {
  readonly init?: RequestInit;
  /** For the whole answer. */
  readonly timeoutMs: number;
  readonly mostBytes: number;
  /** What to do if nobody answers in time, and about an answer that is too long. */
  readonly unreachable: string;
  readonly other: string;
  /** What to do about a status. */
  fixOf(status: number): string;
  /** The error with its kind, reason and way out. */
  fail(kind: FetchFailure, reason: string, fix: string, more?: { cause?: unknown; status?: number }): Error;
}

/** One answer over HTTP, with one clock and one limit for the whole of it, and no redirections. @throws what `fail` makes */
export async function fetchBytes(
  url: string,
  options: FetchBytesOptions,
): Promise<{ body: Uint8Array; headers: Headers }> {
  const { init, timeoutMs, mostBytes, unreachable, other, fixOf, fail } = options;
  // One clock for the whole answer: a service that trickles has no more time than one that is silent.
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, { ...init, signal, redirect: "error" });
    const { status, headers } = response;
    if (status !== 200) {
      await response.body?.cancel();
      throw new Refusal(fail("status", `It answers with status ${status}.`, fixOf(status), { status }));
    }
    const parts: Uint8Array[] = [];
    let size = 0;
    // Not by the stated length, which may be none or a lie.
    for await (const part of response.body ?? []) {
      size += part.length;
      if (size > mostBytes) throw new Refusal(fail("size", `Its answer has more than ${mostBytes} bytes.`, other));
      parts.push(part);
    }
    return { body: new Uint8Array(Buffer.concat(parts)), headers };
  } catch (error) {
    if (error instanceof Refusal) throw error.reason;
    if (signal.aborted) throw fail("timeout", `It took longer than ${timeoutMs} ms.`, unreachable, { cause: error });
    const { cause } = error as { cause?: { code?: unknown; message?: unknown } };
    const why = String(cause?.code ?? cause?.message ?? error);
    throw fail("network", `The connection failed: ${why}.`, unreachable, { cause: error });
  }
}

/** Carries an error of an answer past the errors of the connection. */
class Refusal {
  constructor(readonly reason: Error) {}
}
