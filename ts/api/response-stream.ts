import { createHash } from "node:crypto";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { Clock } from "../chain/time.ts";

/**
 * A response written piece by piece: waits while the client does not read, and says something harmless now and then, so that no
 * proxy or client takes a slow model for a dead connection.
 */
export class ResponseStream {
  readonly #response: ServerResponse;
  readonly #done = new AbortController();
  readonly #onGone: () => void;
  readonly #hash = createHash("sha256");

  /** @param onGone Called if the client goes away before `end`. */
  constructor(response: ServerResponse, onGone: () => void) {
    this.#response = response;
    this.#onGone = onGone;
    response.on("close", this.#closed);
    // The client may have gone before anybody listened.
    if (response.destroyed) this.#closed();
  }

  readonly #closed = () => {
    this.#done.abort();
    if (!this.#response.writableEnded) this.#onGone();
  };

  /** True once the client cannot be reached any more. */
  get gone(): boolean {
    return this.#response.destroyed;
  }

  /** True once status and headers are on the wire: an error can then only break the connection. */
  get started(): boolean {
    return this.#response.headersSent;
  }

  /** Sends status and headers at once. */
  start(status: number, headers: Record<string, string>): void {
    this.#response.writeHead(status, headers);
    this.#response.flushHeaders();
  }

  /** Writes and waits until there is room for more. After the client has gone it does nothing. */
  async write(text: string): Promise<void> {
    if (!this.gone) this.#hash.update(text);
    if (this.gone || this.#response.write(text)) return;
    // `close` also ends the wait: a client that went away never drains.
    await once(this.#response, "drain", { signal: this.#done.signal }).catch(() => undefined);
  }

  /** Runs `beat` every `ms` milliseconds until the response ends. */
  async heartbeat(clock: Clock, ms: number, beat: () => Promise<void>): Promise<void> {
    for (;;) {
      await clock.sleep(ms, this.#done.signal);
      if (this.#done.signal.aborted) return;
      await beat();
    }
  }

  /** SHA-256 in hex of the whole body, should it end with this text. */
  hashWith(text: string): string {
    return this.#hash.copy().update(text).digest("hex");
  }

  end(text = ""): void {
    this.#done.abort();
    if (!this.gone) this.#response.end(text);
  }

  /** Breaks the connection: the client must not take what it has for a whole response. */
  break(): void {
    this.#done.abort();
    this.#response.destroy();
  }
}
