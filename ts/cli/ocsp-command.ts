import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import type { Address } from "viem";
import { fingerprint, verifyChain } from "../attestation/chain.ts";
import { readEvidence } from "../attestation/evidence-file.ts";
import { type CertificateStatus, fetchOcsp, readOcsp } from "../attestation/nvidia/fetch-ocsp.ts";
import { parseGpuEvidence } from "../attestation/nvidia/verify.ts";
import { ROOTS } from "../attestation/roots.ts";
import { commonName, parsePem, type X509 } from "../attestation/x509.ts";
import { submitOcsp } from "../chain/actions/submit-ocsp.ts";
import { BaseError } from "../errors.ts";
import { certificatesOf, readFile, timeOf } from "./attest-files.ts";
import { dateOf, NegativeResultError, UsageError } from "./errors.ts";
import { table } from "./output.ts";
import { address, integer, type Run } from "./program.ts";
import { type Sending, sendCallsOrSimulate } from "./send-or-simulate.ts";
import type { Session } from "./session.ts";

interface Options extends Sending {
  readonly certificate: readonly number[];
  readonly answer: readonly string[];
  readonly url?: string;
  readonly out?: string;
  readonly root?: string;
  readonly timeout?: number;
  readonly at?: string;
  readonly submit?: boolean;
  readonly revoker?: Address;
}

/** What became of the question about one certificate. */
type Row = { readonly certificate: X509; readonly place: number } & (
  | { readonly status: CertificateStatus; readonly failure?: undefined }
  | { readonly status?: undefined; readonly failure: BaseError }
);

const LENGTH = 5;
const repeated = (value: string, all: readonly string[]): readonly string[] => [...all, value];

/** `otr attest ocsp` */
export function ocspCommand(attest: Command, run: Run): void {
  attest
    .command("ocsp <gpu>")
    .description(
      "ask NVIDIA's responder whether a GPU's certificates are revoked: <gpu> is its evidence, or its chain in PEM, leaf first. Exit code 3 if one is, or is unknown",
    )
    .option(
      "--certificate <n>",
      "place in the chain, 0 is the leaf; repeatable. Default: 1 to 3, which NVIDIA answers for",
      (text, all: readonly number[]) => [...all, place(text)],
      [],
    )
    .option("--url <url>", "responder to ask; default: the one that the certificate, or the next above it, names")
    .option("--timeout <ms>", "longest wait for one answer; default: 20000", integer)
    .option("--answer <file>", "take this answer (OCSPResponse, DER) and ask nobody; repeatable", repeated, [])
    .option("-o, --out <folder>", "write answers there, for --answer on another machine")
    .option("--root <file>", "root certificate to pin in place of NVIDIA's")
    .option("--at <time>", "time to verify for, ISO 8601 or seconds since 1970; default: now")
    .option("--submit", "revoke on the chain what is revoked (NvidiaOcsp), for which the configured account pays")
    .option("--revoker <address>", "contract that takes answers; default: the deployment's NvidiaOcsp", address)
    .option("--dry-run", "with --submit: only simulate the first transaction")
    .action(run((session, file: string, options: Options) => ocsp(session, file, options)));
}

async function ocsp(session: Session, file: string, options: Options): Promise<void> {
  const time = timeOf(options.at);
  const chain = chainOf(file, options, time);
  const rows = options.answer.length > 0 ? readAll(options.answer, chain, time) : await askAll(chain, options, time);
  const revoked = rows.filter(({ status }) => status?.answer.status === "revoked");
  if (options.out !== undefined) writeAll(options.out, rows);
  const submitted = options.submit ? await submit(session, options, { chain, revoked }) : undefined;
  if (options.submit && submitted === undefined) return;
  const certificates = rows.map(shown);
  session.output.result({ certificates, ...(submitted && { submitted }) }, () =>
    [
      table(certificates.map((one) => [String(one.place), one.name, one.status, one.detail])),
      ...(submitted ?? []).map(({ name }) => `submitted ${name}`),
      ...(submitted?.length === 0 ? ["nothing to submit"] : []),
    ].join("\n"),
  );
  // An answer that did not come says nothing good.
  const failed = rows.find(({ failure }) => failure !== undefined);
  if (failed !== undefined) throw failed.failure;
  const bad = rows.find(({ status }) => status?.answer.status !== "good");
  if (bad !== undefined && !options.submit)
    throw new NegativeResultError(`A certificate of the GPU is ${bad.status?.answer.status}`);
}

/** The GPU's certificates, down from the pinned root: nobody else names responders to us. */
function chainOf(file: string, { root }: Options, time: number): X509[] {
  const data = readFile(file);
  const isPem = new TextDecoder("latin1").decode(data.subarray(0, 64)).trimStart().startsWith("-----BEGIN");
  const chain = isPem ? certificatesOf(data) : evidenceChain(file, data);
  const [pinned] = root === undefined ? [] : certificatesOf(readFile(root));
  const options = { root: pinned ? fingerprint(pinned.der) : ROOTS.nvidiaDevice, time };
  verifyChain(chain, { ...options, algorithm: "P-384", length: LENGTH });
  return chain;
}

function evidenceChain(file: string, data: Uint8Array): X509[] {
  const evidence = readEvidence(data);
  if (evidence.kind !== "gpu-list")
    throw new UsageError(
      `${file} has no GPU's certificates.`,
      "Give GPU evidence of NVIDIA's tools, or a chain in PEM.",
    );
  const gpus = parseGpuEvidence(evidence.value);
  if (gpus.length !== 1)
    throw new UsageError(`${file} has evidence of ${gpus.length} GPUs.`, "Give one GPU's: its chain in PEM.");
  return parsePem(gpus[0]!.chain);
}

async function askAll(chain: readonly X509[], options: Options, time: number): Promise<Row[]> {
  const places = options.certificate.length > 0 ? options.certificate : [1, 2, 3];
  const { url, timeout: timeoutMs } = options;
  return Promise.all(
    places.map(async (place): Promise<Row> => {
      const certificate = chain[place]!;
      try {
        return { certificate, place, status: await fetchOcsp(chain, place, { time, url, timeoutMs }) };
      } catch (failure) {
        if (!(failure instanceof BaseError)) throw failure;
        return { certificate, place, failure };
      }
    }),
  );
}

function readAll(files: readonly string[], chain: readonly X509[], time: number): Row[] {
  return files.map((file) => {
    const status = readOcsp(readFile(file), chain, time);
    return { certificate: chain[status.place]!, place: status.place, status };
  });
}

function writeAll(folder: string, rows: readonly Row[]): void {
  mkdirSync(folder, { recursive: true });
  for (const { certificate, status } of rows)
    if (status !== undefined) writeFileSync(join(folder, `${certificate.serial.toString(16)}.ocsp`), status.der);
}

/** Names and transactions of what was submitted; undefined if it was only simulated. */
async function submit(
  session: Session,
  options: Options,
  { chain, revoked }: { chain: readonly X509[]; revoked: readonly Row[] },
) {
  const nvidiaOcsp = options.revoker ?? (await session.deployment()).nvidiaOcsp;
  if (nvidiaOcsp === undefined)
    throw new UsageError("The deployment has no contract that takes OCSP answers.", "Name one: --revoker.");
  const done: { name: string; transaction: string }[] = [];
  if (revoked.length === 0) return done;
  const client = await session.client();
  const answers = revoked.map(({ status }) => status!.der);
  const sent = await sendCallsOrSimulate(session, options, (sender) =>
    submitOcsp(
      { client },
      {
        ...{ nvidiaOcsp, chain, answers },
        async send(call, id) {
          const receipt = await sender.send(call, { id });
          const { transactionHash: transaction, gasUsed } = receipt;
          session.output.note(`${call.name} ${transaction}: ${gasUsed} gas`);
          done.push({ name: call.name, transaction });
          return receipt;
        },
      },
    ),
  );
  return sent ? done : undefined;
}

function shown({ certificate, place, status, failure }: Row) {
  const names = { place, name: commonName(certificate.subject), serial: certificate.serial.toString(16) };
  if (failure !== undefined) return { ...names, status: "no answer", code: failure.code, detail: failure.shortMessage };
  const { thisUpdate, nextUpdate } = status.answer;
  const detail = `since ${dateOf(BigInt(thisUpdate))}, holds until ${dateOf(BigInt(nextUpdate))}`;
  return { ...names, status: status.answer.status, thisUpdate, nextUpdate, detail };
}

/** Parses a certificate's place: the root has no issuer. */
function place(text: string): number {
  if (!/^[0-3]$/.test(text))
    throw new UsageError(`${text} is no place of a certificate that is not the root.`, "0 to 3.");
  return Number(text);
}
