import type { Command } from "commander";
import { recoverAddress } from "viem";
import { chainFacts } from "../chain/executor-port.ts";
import { hashReceipt } from "../commit/typed-data.ts";
import { loadModels } from "../dispute/load-models.ts";
import { answerContradiction, contradiction } from "../fisherman/contradiction.ts";
import { findFault } from "../fisherman/verify.ts";
import type { Bundle } from "../sdk/bundle.ts";
import { NegativeResultError } from "./errors.ts";
import { bundleOf, domainOf, ENDPOINT, findCommitted, type Source } from "./find-receipt.ts";
import { table } from "./output.ts";
import type { Run } from "./program.ts";
import { receiptClaimCommands } from "./receipt-claims.ts";
import type { Session } from "./session.ts";

/** `otr receipt ...` */
export function receiptCommands(program: Command, run: Run): void {
  const receipt = program.command("receipt").description("receipts of answers");

  receipt
    .command("verify <bundle>")
    .description("check a receipt: hashes, roots, signatures, the chain; with --model by re-execution")
    .option(...ENDPOINT)
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
        const { executor, enclaveKey, modelId } = bundle.receipt;
        const facts = await chainFacts(otr, { executor, enclaveKey, modelId, receiptHash: hash });
        check("enclave key active", facts.keyActive ? undefined : `${bundle.receipt.enclaveKey} is not`);
        const { batchId, scarce } = facts.single ?? { scarce: false };
        check(
          "stake locked",
          scarce ? `batch ${batchId} was committed while the stake was taken: it locks nothing` : undefined,
        );
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
    .option(...ENDPOINT)
    .action(
      run(async (session, name: string, options: Source) => {
        const bundle = await bundleOf(name, options);
        const receiptHash = hashReceipt(await domainOf(session), bundle.receipt);
        const committed = await findCommitted(session, bundle, options.endpoint);
        const found =
          committed === undefined
            ? { receiptHash, status: "none", batchId: null, index: null }
            : {
                receiptHash,
                status: await (await session.reader()).statusOf(committed),
                batchId: committed.batchId,
                index: committed.index,
              };
        session.output.result(
          found,
          () => `${found.status}${found.batchId === null ? "" : ` (batch ${found.batchId}, index ${found.index})`}`,
        );
      }),
    );

  receiptClaimCommands(receipt, run);
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
