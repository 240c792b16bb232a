import { randomBytes } from "node:crypto";
import OpenAI from "openai";
import type { LocalAccount } from "viem";
import type { OtrContext } from "../chain/context.ts";
import { chainFactsSource } from "../chain/executor-port.ts";
import { type Hex, toHex } from "../commit/bytes.ts";
import type { Bundle } from "../sdk/bundle.ts";
import type { ChainFacts } from "../sdk/chain-facts.ts";
import { fetchReceipt } from "../sdk/fetch-bundles.ts";
import { type PreparedRequest, prepareRequest } from "../sdk/prepare-request.ts";
import type { PromptModel } from "../sdk/prompt-model.ts";
import { ReceiptStream } from "../sdk/receipt-stream.ts";
import { assertVerdict } from "../sdk/verify-receipt.ts";
import { DemoError } from "./errors.ts";
import type { Serving } from "./town.ts";

/** An answer that its buyer has checked. */
export interface Bought {
  readonly prepared: PreparedRequest;
  readonly bundle: Bundle;
  readonly text: string;
  readonly tokens: number;
  readonly tokensPerSecond: number;
  /** Milliseconds from the last token to the verified receipt. */
  readonly provisionalMs: number;
}

/** What a buyer brings. */
export interface BuyParameters {
  readonly context: OtrContext;
  readonly serving: Serving;
  readonly model: PromptModel;
  readonly account: LocalAccount;
  readonly prompt: string;
  readonly maxTokens: number;
  readonly seed: number;
  readonly onText: (text: string) => void;
}

/**
 * Buys an answer with an unmodified `openai` client: the signed request travels in a header, the answer streams, and the receipt
 * that ends the stream is checked in every item. Tokens are hashed and chain facts are asked while the answer streams.
 */
export async function buy(parameters: BuyParameters): Promise<Bought> {
  const { context, serving, model, account, prompt, maxTokens, seed, onText } = parameters;
  const domain = { chainId: context.client.chain.id, rollup: context.addresses.rollup.toLowerCase() as Hex };
  const prepared = await prepareRequest({
    model,
    domain,
    account,
    body: {
      messages: [{ role: "user", content: prompt }],
      max_tokens: maxTokens,
      temperature: 0.7,
      seed,
      stream: true,
      stream_options: { include_otr: true },
    },
    seed: toHex(new Uint8Array(randomBytes(32))),
    deadline: BigInt(Math.floor(Date.now() / 1000) + 600),
  });
  const receipts = new ReceiptStream(prepared);
  const openai = new OpenAI({ baseURL: `${serving.url}/v1`, apiKey: "unused", fetch: receipts.fetch() });
  const body = { ...prepared.body, stream: true } as OpenAI.ChatCompletionCreateParamsStreaming;
  const stream = await openai.chat.completions.create(body, { headers: prepared.headers });
  const facts = executorFacts(context, serving, model);
  let text = "";
  let chunks = 0;
  let [firstToken, lastToken] = [0, 0];
  for await (const chunk of stream) {
    const delta = chunk.choices[0]?.delta.content;
    if (delta === undefined || delta === null || delta === "") continue;
    lastToken = performance.now();
    firstToken ||= lastToken;
    chunks++;
    text += delta;
    onText(delta);
  }
  const now = BigInt(Math.floor(Date.now() / 1000));
  assertVerdict(await receipts.verify({ model, text, facts: await facts, now }));
  const provisionalMs = performance.now() - lastToken;
  const tokensPerSecond = ((chunks - 1) * 1000) / (lastToken - firstToken);
  const { bundle } = await fetchReceipt(receipts.receipt!.chatId, { url: serving.url });
  return { prepared, bundle, text, tokens: bundle.outputTokens.length, tokensPerSecond, provisionalMs };
}

/** What the chain says of the executor and the key that it announces. */
async function executorFacts(context: OtrContext, { url, account }: Serving, model: PromptModel): Promise<ChainFacts> {
  const known = (await (await fetch(`${url}/.well-known/otr.json`)).json()) as {
    models: { modelId: Hex; enclaveKey: Hex }[];
  };
  const served = known.models.find(({ modelId }) => modelId === model.modelId);
  if (served === undefined) throw new DemoError("The executor does not serve the model.");
  const executor = account.address.toLowerCase() as Hex;
  return chainFactsSource(context).facts({ executor, enclaveKey: served.enclaveKey, modelId: model.modelId });
}
