import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { parseEventLogs, recoverAddress } from "viem";
import { getBlockNumber } from "viem/actions";
import { ABIS } from "../chain/abis.ts";
import { openReceipt } from "../chain/committed.ts";
import { chainFacts } from "../chain/executor-port.ts";
import { rangedLogs } from "../chain/ranged-logs.ts";
import { type Domain, hashReceipt } from "../commit/typed-data.ts";
import { loadModels } from "../dispute/load-models.ts";
import { answerContradiction, contradiction } from "../fisherman/contradiction.ts";
import { findFault } from "../fisherman/verify.ts";
import { type Bundle, parseBundle } from "../sdk/bundle.ts";
import { fetchBatch, fetchReceipt } from "../sdk/fetch-bundles.ts";
import { NegativeResultError, UsageError } from "./errors.ts";
import { table } from "./output.ts";
import type { Run } from "./program.ts";
import type { Session } from "./session.ts";

interface Source {
  /** Executor's URL; then the argument is a chat id. */
  readonly endpoint?: string;
}

/** `otr receipt ...` */
export function receiptCommands(program: Command, run: Run): void {
  const receipt = program.command("receipt").description("receipts of answers");

  receipt
    .command("verify <bundle>")
    .description("check a receipt: hashes, roots, signatures, the chain; with --model by re-execution")
    .option("--endpoint <url>", "the argument is a chat id at this executor, not a file (- is standard input)")
    .option("--model <folder>", "re-execute with this model")
    .action(
      run(async (session, name: string, options: Source & { model?: string }) => {
        const bundle = await bundleOf(name, options);
        const checks: { name: string; ok: boolean; detail: string }[] = [];
        const check = (title: string, problem: string | undefined) =>
          checks.push({ name: title, ok: problem === undefined, detail: problem ?? "" });
        const domain = await domainOf(session);
        const hash = hashReceipt(domain, bundle.receipt);
        check("content", contradiction(domain, bundle) ?? answerContradiction(bundle));
        check("enclave signature", await signed(hash, bundle.enclaveSignature, bundle.receipt.enclaveKey));
        check("operator signature", await signed(hash, bundle.operatorSignature, bundle.receipt.executor));
        const { otr } = await session.reader();
        const facts = await chainFacts(otr, bundle.receipt);
        check("enclave key active", facts.keyActive ? undefined : `${bundle.receipt.enclaveKey} is not`);
        check("executor serves", facts.suspended ? "it was convicted" : facts.exiting ? "it is leaving" : undefined);
        if (options.model !== undefined) check("re-execution", await reexecute(session, bundle, options.model));
        session.output.result({ receiptHash: hash, ok: checks.every(({ ok }) => ok), checks }, () =>
          table([["receipt", hash, ""], ...checks.map((c) => [c.ok ? "ok" : "FAIL", c.name, c.detail])]),
        );
        if (checks.some(({ ok }) => !ok)) throw new NegativeResultError("The receipt does not hold");
      }),
    );

  receipt
    .command("status <bundle>")
    .description("where a receipt stands on the chain; finds its batch at the executor's endpoint")
    .option("--endpoint <url>", "the argument is a chat id at this executor, not a file (- is standard input)")
    .action(
      run(async (session, name: string, options: Source) => {
        const bundle = await bundleOf(name, options);
        const found = await findInBatches(session, bundle, options.endpoint);
        session.output.result(
          found,
          () => `${found.status}${found.batchId === null ? "" : ` (batch ${found.batchId}, index ${found.index})`}`,
        );
      }),
    );
}

async function bundleOf(name: string, { endpoint }: Source): Promise<Bundle> {
  if (endpoint !== undefined) return (await fetchReceipt(name, { url: endpoint })).bundle;
  let text: string;
  try {
    text = readFileSync(name === "-" ? 0 : name, "utf8");
  } catch {
    throw new UsageError(
      `${name} is not readable.`,
      "Give a file with the JSON of GET /v1/otr/receipt/:chatId, or --endpoint.",
    );
  }
  return parseBundle(JSON.parse(text));
}

async function domainOf(session: Session): Promise<Domain> {
  const [{ chain }, { addresses }] = [await session.client(), await session.deployment()];
  return { chainId: chain.id, rollup: addresses.rollup };
}

async function signed(hash: `0x${string}`, signature: `0x${string}`, by: string): Promise<string | undefined> {
  const signer = await recoverAddress({ hash, signature }).catch(() => "nobody");
  return signer.toLowerCase() === by.toLowerCase() ? undefined : `signed by ${signer}, not ${by}`;
}

async function reexecute(session: Session, bundle: Bundle, folder: string): Promise<string | undefined> {
  const bar = session.output.progress(folder);
  const { source } = await loadModels([folder], session.config.engine, (_, __, done, total) => bar(done, total));
  const model = await source(bundle.receipt.modelId);
  if (model === undefined) return `${folder} holds another model`;
  const fault = await findFault(model.engine, bundle, model.contextLength);
  return fault === undefined ? undefined : JSON.stringify(fault);
}

/** Looks through the executor's batches, newest first, for the receipt. */
async function findInBatches(session: Session, bundle: Bundle, endpoint: string | undefined) {
  const reader = await session.reader();
  const { receipt } = bundle;
  const receiptHash = hashReceipt(await domainOf(session), receipt);
  const fromBlock = BigInt(session.config.fromBlock);
  const url = endpoint ?? (await reader.getEndpoint({ executor: receipt.executor, fromBlock }));
  if (url === undefined) throw new UsageError("The executor announces no endpoint.", "Give --endpoint.");
  const { addresses, client } = reader.otr;
  const toBlock = await getBlockNumber(client);
  const maxRange = BigInt(session.config.rpc.maxBlockRange);
  const raw = await rangedLogs(client, { address: addresses.rollup, fromBlock, toBlock, maxRange });
  const logs = parseEventLogs({
    abi: ABIS.rollup,
    logs: raw as never,
    eventName: "BatchCommitted",
    args: { executor: receipt.executor },
  });
  for (const { args } of logs.toReversed()) {
    const hashes: `0x${string}`[] = [];
    for await (const item of fetchBatch(args.root, { url }))
      hashes.push(hashReceipt(await domainOf(session), "bundle" in item ? item.bundle.receipt : item.head.receipt));
    const index = hashes.indexOf(receiptHash);
    if (index === -1) continue;
    const status = await reader.statusOf(openReceipt(args.batchId, receipt, hashes, index));
    return { receiptHash, status, batchId: args.batchId, index };
  }
  return { receiptHash, status: "none" as const, batchId: null, index: null };
}
