import type { Hex } from "../commit/bytes.ts";
import { hashReceipt } from "../commit/typed-data.ts";
import { type AnswerContent, ContentHasher } from "./answer-content.ts";
import { ReceiptMissingError } from "./errors.ts";
import type { PreparedRequest } from "./prepare-request.ts";
import { recoverSigner } from "./recover-signer.ts";
import { parseComment, receiptComment, type StreamedReceipt } from "./stream-comments.ts";
import { type ReceiptExpectations, type ReceiptVerdict, verifyContent } from "./verify-receipt.ts";

/**
 * Follows a stream with `stream_options.include_otr` beside an unmodified `openai` client: its `fetch` hands the response on as it is and
 * reads the comments in it. Every token is hashed when it arrives, so that after the last one only two roots and two signatures
 * are left. One instance serves one request.
 */
export class ReceiptStream {
  readonly #hasher: ContentHasher;
  readonly #prepared: PreparedRequest;
  #receipt: StreamedReceipt | undefined;
  #problem: unknown;

  constructor(prepared: PreparedRequest) {
    this.#prepared = prepared;
    this.#hasher = new ContentHasher(prepared);
  }

  /** The `fetch` to give to the client: `new OpenAI({ fetch: receipts.fetch() })`. */
  fetch(inner: typeof fetch = fetch): typeof fetch {
    return async (input, init) => {
      const response = await inner(input, init);
      const streams = response.headers.get("content-type")?.startsWith("text/event-stream");
      if (!response.ok || !streams || response.body === null) return response;
      // The first check of a process pays for compilation and tables: better now than after the last token.
      void warmUp(this.#prepared);
      const { status, statusText, headers } = response;
      return new Response(response.body.pipeThrough(this.#tap()), { status, statusText, headers });
    };
  }

  /** The receipt, once the stream has ended. */
  get receipt(): StreamedReceipt | undefined {
    return this.#receipt;
  }

  /**
   * Checks the receipt of the stream in every item.
   * @throws ReceiptMissingError if the stream ended without one.
   */
  async verify(expected: Omit<ReceiptExpectations, "prepared">): Promise<ReceiptVerdict> {
    const content: AnswerContent | undefined = this.#hasher.content();
    if (this.#receipt === undefined || content === undefined) throw new ReceiptMissingError(this.#problem);
    return verifyContent({ ...expected, prepared: this.#prepared }, this.#receipt, content);
  }

  #tap(): TransformStream<Uint8Array, Uint8Array> {
    const decoder = new TextDecoder();
    let rest = "";
    return new TransformStream({
      transform: (chunk, controller) => {
        controller.enqueue(chunk);
        const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
        rest = lines.pop()!;
        for (const line of lines) this.#line(line);
      },
    });
  }

  /** A comment that makes no sense is not the client's stream's problem: it shows when the receipt is verified. */
  #line(line: string): void {
    try {
      const comment = parseComment(line);
      if (comment === undefined) return;
      if ("step" in comment) this.#hasher.push(comment.step);
      else this.#receipt = comment.receipt;
    } catch (error) {
      this.#problem ??= error;
    }
  }
}

/** A point of the curve as `r`: recovery takes its whole way with it. */
const ANY_SIGNATURE: Hex = `0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798${"1".padStart(64, "0")}1b`;

/** Rounds until the engine has compiled what the check runs through. */
const WARM_UPS = 8;

/** Reads and hashes a made-up receipt and recovers its signers, while the answer streams: the real one then finds compiled code. */
async function warmUp({ domain, request, requestHash }: PreparedRequest): Promise<void> {
  const { modelId, inputRoot, nIn, requester } = request;
  const digests = { modelId, inputRoot, requestHash, outputRoot: inputRoot, traceRoot: inputRoot };
  const numbers = { machineVersion: 1, nIn, nOut: 1, stopReason: 0, seq: 0n, commitBy: 1n, expiry: 1n };
  const receipt = { ...digests, ...numbers, executor: requester, enclaveKey: requester };
  const head = {
    domain,
    receiptHash: requestHash,
    receipt,
    enclaveSignature: ANY_SIGNATURE,
    operatorSignature: ANY_SIGNATURE,
  };
  const comment = receiptComment("warm-up", { ...head, request });
  // One turn of the event loop each, so that the stream goes on in between.
  for (let i = 0; i < WARM_UPS; i++) {
    parseComment(comment.trimEnd());
    recoverSigner(hashReceipt(domain, receipt), ANY_SIGNATURE);
    await new Promise((resolve) => setTimeout(resolve));
  }
}
