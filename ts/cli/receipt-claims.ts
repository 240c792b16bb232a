import type { Command } from "commander";
import { formatEther, type Hex } from "viem";
import { getBlock } from "viem/actions";
import { sameAddress } from "../chain/client.ts";
import { eventOf, read } from "../chain/context.ts";
import { ContractRevertError } from "../chain/errors.ts";
import { hashReceipt, hashRequest, NOBODY, type Receipt, requestTypedData } from "../commit/typed-data.ts";
import { BaseError } from "../errors.ts";
import type { Bundle } from "../sdk/bundle.ts";
import { dateOf, NegativeResultError, NotDueError, UsageError } from "./errors.ts";
import { bundleOf, domainOf, ENDPOINT, findCommitted, type Source } from "./find-receipt.ts";
import type { Run } from "./program.ts";
import { type Sending, sendOrSimulate } from "./send-or-simulate.ts";
import type { Session } from "./session.ts";

const DRY_RUN = ["--dry-run", "simulate only: say what would be sent, and whether it would succeed"] as const;

/** `otr receipt commit | compensate`: what the holder of a receipt can have its executor answer for. */
export function receiptClaimCommands(receipt: Command, run: Run): void {
  receipt
    .command("commit <bundle>")
    .description(
      "commit a signed receipt that its executor left out, so that it is liable; anyone may from commitBy on",
    )
    .option(...ENDPOINT)
    .option(...DRY_RUN)
    .action(run(commit));

  receipt
    .command("compensate <bundle>")
    .description("pay the requester of a reverted receipt its share of the lock; anyone may, it waits in the vault")
    .option(...ENDPOINT)
    .option("--batches <url>", "who serves the executor's batches; default: --endpoint, else the executor's endpoint")
    .option(...DRY_RUN)
    .action(run(compensate));
}

async function commit(session: Session, name: string, options: Source & Sending): Promise<void> {
  const { output } = session;
  const bundle = await bundleOf(name, options);
  const { receipt, enclaveSignature, operatorSignature } = bundle;
  const receiptHash = hashReceipt(await domainOf(session), receipt);
  const known = await committedAlready(session, bundle, options.endpoint);
  if (known !== undefined) {
    const { batchId, index } = known;
    const text = `committed already: batch ${batchId}, index ${index}`;
    return output.result({ receiptHash, batchId, index, sent: false }, () => text);
  }
  await requireCommittable(session, receipt);
  output.note(`committing ${receiptHash}`);
  await sendOrSimulate(session, options, async (actions) => {
    const { batchId, hash } = await actions.commitReceipt({ receipt, enclaveSignature, operatorSignature });
    const scarce = (await actions.getBatch(batchId))?.scarce ?? false;
    const result = { receiptHash, batchId, index: 0, sent: true, hash, scarce };
    output.result(
      result,
      () => `committed as batch ${batchId}${scarce ? ", without a lock: the executor's stake is taken" : ""}`,
    );
  });
}

async function compensate(
  session: Session,
  name: string,
  options: Source & Sending & { batches?: string },
): Promise<void> {
  const { output } = session;
  const bundle = await bundleOf(name, options);
  const { request } = bundle;
  const requestHash = hashRequest(await domainOf(session), request);
  const signature = await requesterSignature(session, bundle);
  const { otr, statusOf } = await session.reader();
  if (await read(otr, "rollup", "isCompensated", [requestHash]))
    return output.result({ requestHash, sent: false }, () => "compensated already");
  output.note("looking for the receipt in the executor's batches");
  const committed = await findCommitted(session, bundle, options.batches ?? options.endpoint);
  if (committed === undefined) throw new NegativeResultError("No batch of the executor holds the receipt");
  const status = await statusOf(committed);
  if (status !== "reverted")
    throw new NegativeResultError(`The receipt is ${status}: only reverted ones are compensated`);
  output.note(`claiming for ${requestHash}`);
  await sendOrSimulate(session, options, async (actions) => {
    const mined = await actions.claimCompensation({ committed, request, signature }).catch((error: unknown) => {
      throw refusalOf(error);
    });
    const { requester, batchId, amount } = eventOf(mined, "rollup", "Compensated");
    output.result(
      { requestHash, batchId, requester, amount, sent: true, hash: mined.transactionHash },
      () => `${formatEther(amount)} ETH wait for ${requester} in the vault (otr fisherman claim)`,
    );
  });
}

/** Where the receipt is committed, as far as anybody shows: an executor that left it out may show nothing. */
async function committedAlready(session: Session, bundle: Bundle, endpoint: string | undefined) {
  session.output.note("looking for the receipt in the executor's batches");
  try {
    return await findCommitted(session, bundle, endpoint);
  } catch (error) {
    if (!(error instanceof BaseError)) throw error;
    session.output.note(`not all batches can be read: ${error.shortMessage}`);
    return undefined;
  }
}

/** @throws NotDueError, NegativeResultError if the receipt's times rule its commitment out */
async function requireCommittable(session: Session, { executor, commitBy, expiry }: Receipt): Promise<void> {
  const reader = await session.reader();
  const { timestamp } = await getBlock(reader.otr.client);
  if (timestamp > expiry) throw new NegativeResultError(`The receipt expired at ${dateOf(expiry)} and binds nobody`);
  if (timestamp >= commitBy || (await reader.mayActFor({ executor, account: session.account().address }))) return;
  throw new NotDueError("Before commitBy only the executor and its delegates may commit the receipt.", commitBy);
}

/** The requester's signature over its request: the bundle's, else the account's own. */
async function requesterSignature(session: Session, { request, requestSignature }: Bundle): Promise<Hex> {
  if (request.requester === NOBODY)
    throw new NegativeResultError("The request names no requester: nobody is compensated");
  if (requestSignature !== undefined) return requestSignature;
  const account = session.account();
  if (sameAddress(account.address, request.requester))
    return account.signTypedData(requestTypedData(await domainOf(session), request));
  throw new UsageError(
    "The bundle lacks the requester's signature over its request.",
    `Run this with the account of ${request.requester}, or add requestSignature to the bundle.`,
  );
}

/** What a refusal means to whoever waits for the money. */
function refusalOf(error: unknown): unknown {
  if (!(error instanceof ContractRevertError)) return error;
  const [first] = error.errorArgs;
  if (error.errorName === "NotDue")
    return new NotDueError("Compensation is paid after the air gap of the verdict.", BigInt(String(first)));
  if (error.errorName === "NoLock")
    return new NegativeResultError("The receipt was committed while the executor's stake was taken: it locks nothing");
  return error;
}
