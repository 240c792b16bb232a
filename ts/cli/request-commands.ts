import type { Command } from "commander";
import { formatEther, type Hex, parseEther } from "viem";
import { getBlock } from "viem/actions";
import { systemClock } from "../chain/time.ts";
import { toHex } from "../commit/bytes.ts";
import type { Request } from "../commit/typed-data.ts";
import { STOP_REASON } from "../commit/typed-data.ts";
import { loadModel } from "../model/load.ts";
import { chatParameters, parseChatBody } from "../sdk/chat-parameters.ts";
import { answerText, type PromptModel } from "../sdk/prompt-model.ts";
import { NegativeResultError, UsageError } from "./errors.ts";
import { table } from "./output.ts";
import { argument, bytes32, number, type Run } from "./program.ts";
import { random, type Session } from "./session.ts";

interface AskOptions {
  readonly model?: string;
  readonly pay: string;
  readonly maxOut: number;
  readonly temperature: number;
  readonly lifetime: number;
  readonly final?: boolean;
  readonly wait?: boolean;
}

/** `otr request ...` */
export function requestCommands(program: Command, run: Run): void {
  const request = program.command("request").description("ask on the chain, with the payment in escrow");

  request
    .command("ask <text>")
    .description("ask a model; the text, and the answer, are public")
    .requiredOption("--pay <ether>", "payment for the executor of the final answer")
    .option("--model <folder>", "model to ask; default: the first of the configuration's models")
    .option("--max-out <tokens>", "longest answer", number, 64)
    .option("--temperature <number>", "0 is greedy", number, 0)
    .option("--lifetime <seconds>", "time for the answer's commitment", number, 3600)
    .option("--final", "no provisional answer: only the one that is final")
    .option("--wait", "wait for the answer")
    .action(
      run(async (session, text: string, options: AskOptions) => {
        const model = await modelOf(session, options.model);
        const actions = await session.writer();
        const { timestamp } = await getBlock(await session.client());
        const { input, ...asked } = question(model, text, options);
        const { requestHash } = await actions.ask({
          request: { ...asked, requester: session.account().address, deadline: timestamp + BigInt(options.lifetime) },
          input,
          finality: options.final ? "final" : "provisional",
          payment: parseEther(options.pay),
        });
        if (!options.wait) return session.output.result({ requestHash }, () => requestHash);
        session.output.note(`asked as ${requestHash}`);
        await show(
          session,
          requestHash,
          model,
          await waited(session, requestHash, timestamp + BigInt(options.lifetime)),
        );
      }),
    );

  request
    .command("show <hash>")
    .description("where a request stands, and its answer")
    .option("--model <folder>", "turns the answer's tokens into text")
    .action(
      run(async (session, hash: string, options: { model?: string }) => {
        const model = options.model === undefined ? undefined : await modelOf(session, options.model);
        await show(session, argument(bytes32, hash), model);
      }),
    );

  request
    .command("refund <hash>")
    .description("take the payment of a request back that nobody answered in time")
    .action(
      run(async (session, hash: string) => {
        const actions = await session.writer();
        const requestHash = argument(bytes32, hash);
        const { state, requester } = await actions.getRequest(requestHash);
        if (state !== "refunded") await actions.refundRequest({ requestHash });
        const own = requester.toLowerCase() === session.account().address.toLowerCase();
        const claimed = own ? await actions.claim() : 0n;
        session.output.result({ requestHash, claimed }, () => `refunded; claimed ${formatEther(claimed)} ETH`);
      }),
    );
}

/** What is asked, but for requester and deadline. */
function question(
  model: PromptModel,
  text: string,
  { maxOut, temperature }: AskOptions,
): Omit<Request, "requester" | "deadline"> & { input: readonly number[] } {
  const messages = [{ role: "user", content: text }];
  const body = parseChatBody({ model: model.name, messages, temperature, max_tokens: maxOut });
  const { prompt, sampler, temperature: fixed, stopTokens } = chatParameters(model, body);
  return {
    modelId: model.modelId,
    // The contract fills both in.
    inputRoot: toHex(new Uint8Array(32)),
    nIn: 0,
    maxOut,
    stopTokens,
    sampler,
    temperature: fixed,
    seed: toHex(random(32)),
    nonce: 0n,
    confidential: false,
    watchers: [],
    input: prompt,
  };
}

async function modelOf(session: Session, folder = session.config.models[0]): Promise<PromptModel> {
  if (folder === undefined) throw new UsageError("No model is given.", "Use --model, or set models.");
  return loadModel(folder);
}

/** Waits for an answer; gives up when nobody can deliver one any more. */
async function waited(session: Session, requestHash: Hex, deadline: bigint): Promise<"answered" | "too late"> {
  const actions = await session.reader();
  for (;;) {
    const { state, candidates } = await actions.getRequest(requestHash);
    if (state === "provisional" || state === "final") return "answered";
    const { timestamp } = await getBlock(await session.client());
    if (state === "refunded" || (candidates === 0 && timestamp > deadline)) return "too late";
    await systemClock.sleep(session.config.rpc.pollMs);
  }
}

async function show(session: Session, requestHash: Hex, model?: PromptModel, wait?: "answered" | "too late") {
  const actions = await session.reader();
  const [info, { output }] = await Promise.all([actions.getRequest(requestHash), actions.getAnswer(requestHash)]);
  const { state, requester, payment, deadline, candidates } = info;
  if (state === "none") throw new UsageError(`No request ${requestHash} is known to this chain.`);
  const text = model === undefined ? undefined : textOf(model, output);
  session.output.result({ requestHash, state, requester, payment, deadline, candidates, output, text }, () =>
    table([
      ["request", requestHash],
      ["state", state],
      ["payment", `${formatEther(payment)} ETH`],
      ["answer until", new Date(Number(deadline) * 1000).toISOString()],
      ["delivered, not settled", String(candidates)],
      ["answer", text ?? output.join(" ")],
    ]),
  );
  if (wait === "too late")
    throw new NegativeResultError("Nobody answered in time; `otr request refund` takes the payment back");
}

/** The answer as text; a stop token at its end is not part of it. */
function textOf(model: PromptModel, output: readonly number[]): string {
  const stopped = output.length > 0 && model.stopTokens.includes(output.at(-1)!);
  return answerText(model, output, stopped ? STOP_REASON.stop : STOP_REASON.length);
}
