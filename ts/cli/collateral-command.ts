import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import { type Address, type Hex, zeroAddress } from "viem";
import { fingerprint } from "../attestation/chain.ts";
import { CollateralFetchError } from "../attestation/errors.ts";
import { readEvidence } from "../attestation/evidence-file.ts";
import { parseCollateral } from "../attestation/intel/collateral.ts";
import {
  checkCollateral,
  type FetchedCollateral,
  fetchCollateral,
  fetchEvaluations,
  withEvaluations,
} from "../attestation/intel/fetch-collateral.ts";
import { INTEL_PCS } from "../attestation/intel/pcs.ts";
import { NEWEST, submitIntel } from "../chain/actions/submit-intel.ts";
import { DCAP_KINDS, intelContracts } from "../chain/attestation-contracts.ts";
import { read as readChain } from "../chain/context.ts";
import { certificatesOf, readFile, readJson, timeOf } from "./attest-files.ts";
import { UsageError } from "./errors.ts";
import { address, integer, number, type Run } from "./program.ts";
import { type Sending, sendCallsOrSimulate } from "./send-or-simulate.ts";
import type { Session } from "./session.ts";

interface Options extends Sending {
  readonly from?: string;
  readonly url?: string;
  readonly out?: string;
  readonly root?: string;
  readonly at?: string;
  readonly tcbEval?: number;
  readonly timeout?: number;
  readonly maxAge?: number;
  readonly submit?: boolean;
  readonly verifier?: Address;
}

/** `otr attest collateral` */
export function collateralCommand(attest: Command, run: Run): void {
  attest
    .command("collateral <quote>")
    .description(
      "fetch Intel's collateral for a quote's platform, or take it from a file, verify it, and write it for `otr attest verify --collateral`",
    )
    .option("--url <url>", `Intel's service, or a cache of it (PCCS); default: ${INTEL_PCS}`)
    .option("--from <file>", "take what was fetched elsewhere (--out) and ask nobody")
    .option("-o, --out <file>", "where to write it; default: standard output")
    .option("--root <file>", "root certificate to pin in place of Intel's")
    .option("--tcb-eval <n>", "TCB evaluation data number; default: the service's standard one", integer)
    .option("--timeout <ms>", "longest wait for one answer; default: 20000", integer)
    .option("--max-age <seconds>", "take what was fetched less long ago; default: 3600, 0 asks again", number)
    .option("--at <time>", "time to verify for, ISO 8601 or seconds since 1970; default: now")
    .option("--submit", "submit what the chain lacks, for which the configured account pays")
    .option("--verifier <address>", "contract that verifies quotes; default: the registry's", address)
    .option("--dry-run", "with --submit: only simulate the first transaction")
    .action(
      run(async (session, file: string, options: Options) => {
        const evidence = readEvidence(readFile(file));
        if (evidence.kind !== "quote") throw new UsageError(`${file} is no quote but of kind ${evidence.kind}.`);
        const { bytes: quote } = evidence;
        const fetched = await collateralOf(session, quote, options);
        if (options.out !== undefined) writeFileSync(options.out, JSON.stringify(fetched.collateral));
        const submitted = options.submit ? await submit(session, { quote, fetched, options }) : undefined;
        if (options.submit && submitted === undefined) return;
        const { collateral, platform, evaluation, notAfter, source } = fetched;
        const summary = { ...platform, evaluation, notAfter, source, ...(submitted && { submitted }) };
        session.output.result(
          { ...summary, ...(options.out === undefined ? { collateral } : { file: options.out }) },
          () =>
            options.out === undefined && submitted === undefined
              ? JSON.stringify(collateral)
              : textOf(fetched, submitted),
        );
      }),
    );
}

/** Collateral and, if it is for a file or a chain, the list of numbers with it. */
async function collateralOf(session: Session, quote: Uint8Array, options: Options): Promise<FetchedCollateral> {
  const asked = fetchOptionsOf(session, options);
  if (options.from !== undefined) {
    if (options.url !== undefined) throw new UsageError("--from asks nobody.", "Leave out --url.");
    return checkCollateral(quote, parseCollateral(readJson(options.from)), asked);
  }
  const fetched = await fetchCollateral(quote, asked);
  if (fetched.failure !== undefined)
    session.output.note(`${fetched.failure.shortMessage} What was fetched before still holds and is used.`);
  if (options.out === undefined && !options.submit) return fetched;
  const evaluations = await fetchEvaluations(fetched.platform.tee, asked).catch((error: unknown) => {
    if (!(error instanceof CollateralFetchError)) throw error;
    session.output.note(`${error.shortMessage} The list of TCB evaluation data numbers is left out.`);
    return undefined;
  });
  return evaluations === undefined
    ? fetched
    : { ...fetched, collateral: withEvaluations(fetched.collateral, evaluations) };
}

function fetchOptionsOf(session: Session, options: Options) {
  const { url, root, tcbEval, timeout, maxAge } = options;
  const [pinned] = root === undefined ? [] : certificatesOf(readFile(root));
  return {
    time: timeOf(options.at),
    cacheDir: session.cacheDir,
    ...(url === undefined ? {} : { url }),
    ...(pinned && { root: fingerprint(pinned.der) }),
    ...(tcbEval === undefined ? {} : { evaluation: tcbEval }),
    ...(timeout === undefined ? {} : { timeoutMs: timeout }),
    ...(maxAge === undefined ? {} : { maxAge }),
  };
}

/** Names and transactions of what was submitted; undefined if it was only simulated. */
async function submit(
  session: Session,
  { quote, fetched, options }: { quote: Uint8Array; fetched: FetchedCollateral; options: Options },
): Promise<{ name: string; transaction: Hex }[] | undefined> {
  const client = await session.client();
  let { verifier } = options;
  if (verifier === undefined) {
    const { addresses } = await session.deployment();
    verifier = await readChain({ client, addresses }, "enclaves", "verifierOf", [DCAP_KINDS[fetched.platform.tee]]);
    if (verifier === zeroAddress)
      throw new UsageError("The registry has no verifier for this kind of quote.", "Name one: --verifier.");
  }
  const contracts = await intelContracts({ client }, verifier);
  const done: { name: string; transaction: Hex }[] = [];
  const sent = await sendCallsOrSimulate(session, options, (sender) =>
    submitIntel(
      { client },
      {
        ...{ contracts, quote, collateral: fetched.collateral, until: NEWEST },
        async send(call, id) {
          const receipt = await sender.send(call, { id });
          session.output.note(`${call.name} ${receipt.transactionHash}`);
          done.push({ name: call.name, transaction: receipt.transactionHash });
          return receipt;
        },
      },
    ),
  );
  return sent ? done : undefined;
}

function textOf(
  { platform, evaluation, notAfter, source }: FetchedCollateral,
  submitted?: readonly { name: string }[],
) {
  const { tee, fmspc } = platform;
  const until = new Date(1000 * notAfter).toISOString();
  const lines = [`${tee.toUpperCase()} ${fmspc}, number ${evaluation}, from the ${source}: holds until ${until}`];
  if (submitted?.length === 0) lines.push("the chain has all of it");
  return [...lines, ...(submitted ?? []).map(({ name }) => `submitted ${name}`)].join("\n");
}
