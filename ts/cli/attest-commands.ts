import type { Command } from "commander";
import { verifySnp } from "../attestation/amd/verify.ts";
import { fingerprint } from "../attestation/chain.ts";
import { type Check, Checks } from "../attestation/checks.ts";
import { DevIntel, DevNvidia } from "../attestation/dev-root/index.ts";
import { pem } from "../attestation/dev-root/x509.ts";
import { CollateralError, ReferenceValueError } from "../attestation/errors.ts";
import { readEvidence } from "../attestation/evidence-file.ts";
import { parseCollateral, TCB_STATUSES, type TcbStatus } from "../attestation/intel/collateral.ts";
import { verifyQuote } from "../attestation/intel/verify.ts";
import { compareMeasurements, verifyRim } from "../attestation/nvidia/rim.ts";
import { type TokenKey, verifyToken } from "../attestation/nvidia/token.ts";
import { parseGpuEvidence, type VerifiedGpu, verifyGpu } from "../attestation/nvidia/verify.ts";
import { verifyAttestationReport } from "../attestation/report.ts";
import type { X509 } from "../attestation/x509.ts";
import { fromHex, toHex } from "../commit/bytes.ts";
import { BaseError } from "../errors.ts";
import { certificatesOf, readFile, readJson, timeOf } from "./attest-files.ts";
import { collateralCommand } from "./collateral-command.ts";
import { NegativeResultError, UsageError } from "./errors.ts";
import { ocspCommand } from "./ocsp-command.ts";
import { table } from "./output.ts";
import { integer, type Run } from "./program.ts";

interface VerifyOptions {
  readonly at?: string;
  readonly nonce?: string;
  readonly reportData?: string;
  readonly signingAddress?: string;
  readonly tlsFingerprint?: string;
  readonly collateral?: string;
  readonly chain?: string;
  readonly jwks?: string;
  readonly root: readonly string[];
  readonly accept?: string;
  readonly minTcbEval?: number;
  readonly gpus?: number;
  readonly rim: readonly string[];
  readonly rimRoot?: string;
  readonly allowServiceTd?: boolean;
}

/** `otr attest ...` */
export function attestCommands(program: Command, run: Run): void {
  const attest = program.command("attest").description("evidence of hardware vendors");
  attest
    .command("verify <files...>")
    .description(
      "verify attestation reports of executors, TDX and SGX quotes, GPU reports, SEV-SNP reports, NVIDIA's tokens",
    )
    .option("--nonce <hex>", "32 bytes that the evidence has to answer")
    .option("--report-data <hex>", "64 bytes that a quote or an SEV-SNP report has to carry")
    .option("--signing-address <address>", "key that an attestation report has to be about")
    .option("--tls-fingerprint <hex>", "SHA-256 of the server's TLS key, which the report has to bind")
    .option("--collateral <file>", "Intel's TCB info, QE identity and lists, as PCCS clients write them")
    .option("--chain <file>", "certificates of a GPU report, or of an AMD chip: PEM, leaf first")
    .option("--jwks <file>", "keys of NVIDIA's service, for tokens")
    .option(
      "--root <file>",
      "root certificate to pin in place of the vendor's; repeatable",
      (file, all: string[]) => [...all, file],
      [],
    )
    .option("--accept <statuses>", "TCB statuses to accept, separated by commas; default UpToDate,SWHardeningNeeded")
    .option(
      "--min-tcb-eval <n>",
      "least TCB evaluation data number of collateral; default: of those known here the one that is good at the time",
      integer,
    )
    .option("--gpus <n>", "GPUs that an attestation report has to have at least", integer)
    .option(
      "--rim <file>",
      "NVIDIA's reference manifest of a GPU's driver or VBIOS; repeatable",
      (file, all: string[]) => [...all, file],
      [],
    )
    .option("--rim-root <file>", "root certificate of manifests to pin in place of NVIDIA's")
    .option("--allow-service-td", "accept guests that a service TD may move to another machine")
    .option("--at <time>", "time to verify for, ISO 8601 or seconds since 1970; default: now")
    .action(
      run(async (session, files: readonly string[], options: VerifyOptions) => {
        const context = contextOf(options);
        const results = files.map((file) => resultOf(file, context));
        const ok = results.every((result) => result.ok);
        session.output.result({ ok, files: results }, () =>
          results.map(({ file, kind, checks }) => table([["", file, kind], ...checks.map(rowOf)])).join("\n\n"),
        );
        if (!ok) throw new NegativeResultError("The evidence does not hold");
      }),
    );

  collateralCommand(attest, run);
  ocspCommand(attest, run);

  attest
    .command("dev-roots")
    .description("roots of a development executor's evidence, in PEM, for --root: they prove nothing")
    .option("--seed <text>", "executor.attestation.devSeed of the executor; default: of the configuration")
    .action(
      run(async (session, { seed = session.config.executor.attestation.devSeed }: { seed?: string }) => {
        const bytes = new TextEncoder().encode(seed);
        const roots = { intel: new DevIntel(bytes).certificates.root, nvidia: new DevNvidia(bytes).root };
        const shownRoots = Object.fromEntries(Object.entries(roots).map(([name, der]) => [name, fingerprint(der)]));
        session.output.result(shownRoots, () => (pem(roots.intel) + pem(roots.nvidia)).trimEnd());
      }),
    );
}

/** Details quote what was read, and that may be anything: terminals must not obey it. */
const rowOf = ({ name, ok, detail }: Check): string[] =>
  [ok ? "ok" : "FAIL", name, detail].map((cell) => cell.replace(/[^\x20-\x7e]/g, "?"));

type Context = ReturnType<typeof contextOf>;

function contextOf(options: VerifyOptions) {
  const accept = options.accept?.split(",").map((one): TcbStatus => {
    const status = TCB_STATUSES.find((known) => known === one.trim());
    if (status === undefined) throw new UsageError(`${one} is no TCB status.`, `Known: ${TCB_STATUSES.join(", ")}.`);
    return status;
  });
  return {
    time: timeOf(options.at),
    nonce: sized(options.nonce, 32, "--nonce"),
    reportData: sized(options.reportData, 64, "--report-data"),
    tlsFingerprint: sized(options.tlsFingerprint, 32, "--tls-fingerprint"),
    signingAddress: sized(options.signingAddress, 20, "--signing-address"),
    collateral: options.collateral === undefined ? undefined : parseCollateral(readJson(options.collateral)),
    chain: options.chain === undefined ? undefined : readFile(options.chain),
    keys: options.jwks === undefined ? [] : ((readJson(options.jwks) as { keys?: TokenKey[] } | null)?.keys ?? []),
    rims: options.rim.map((file) => new TextDecoder().decode(readFile(file))),
    roots: rootsOf(options),
    accept,
    gpus: options.gpus,
    least: options.minTcbEval === undefined ? {} : { minEvaluation: options.minTcbEval },
    allowServiceTd: options.allowServiceTd ?? false,
  };
}

/** Fingerprints of pinned roots by vendor: each signs with another kind of key. */
function rootsOf({ root, rimRoot }: VerifyOptions) {
  const given = root.flatMap((file) => certificatesOf(readFile(file)));
  const of = (kind: X509["keyKind"]) =>
    given.filter(({ keyKind }) => keyKind === kind).map(({ der }) => fingerprint(der));
  const [[intel], [nvidia], amd] = [of("P-256"), of("P-384"), of("RSA")];
  const [rim] = rimRoot === undefined ? [] : certificatesOf(readFile(rimRoot));
  return {
    ...(intel && { intel }),
    ...(nvidia && { nvidia }),
    ...(amd.length > 0 && { amd }),
    ...(rim && { rim: fingerprint(rim.der) }),
  };
}

/** One file's result; what is wrong with the evidence is in it, and not thrown. */
function resultOf(file: string, context: Context) {
  const checks = new Checks();
  let kind = "evidence";
  let claims: unknown;
  try {
    const evidence = checks.run(
      "file",
      () => readEvidence(readFile(file)),
      (found) => found.kind,
    );
    kind = evidence.kind;
    claims = claimsOf(evidence, context, checks);
  } catch (error) {
    if (!(error instanceof BaseError) || error instanceof UsageError) throw error;
    const { code, shortMessage, metaMessages } = error;
    if (checks.rows.at(-1)?.ok !== false)
      checks.rows.push({ name: kind, ok: false, code, detail: [shortMessage, ...metaMessages].join(" ") });
  }
  return {
    file,
    kind,
    ok: checks.rows.every(({ ok }) => ok),
    checks: checks.rows,
    ...(claims === undefined ? {} : { claims }),
  };
}

function claimsOf(evidence: ReturnType<typeof readEvidence>, context: Context, checks: Checks): unknown {
  const { time, nonce, reportData, accept, allowServiceTd, chain, roots, least } = context;
  const shared = { time, checks };
  const data = reportData && { reportData };
  const gpu = (bytes: Uint8Array, pem: string) => {
    const options = { ...shared, ...(nonce && { nonce }), ...(roots.nvidia && { root: roots.nvidia }) };
    const verified = verifyGpu(bytes, pem, options);
    compareRims([verified], context, checks);
    return shown(verified);
  };
  switch (evidence.kind) {
    case "quote": {
      const { collateral } = context;
      if (!collateral) throw new CollateralError("A quote needs Intel's collateral: --collateral.");
      const root = roots.intel && { root: roots.intel };
      return shown(
        verifyQuote(evidence.bytes, collateral, {
          ...shared,
          ...data,
          ...(accept && { accept }),
          ...least,
          ...root,
          allowServiceTd,
        }),
      );
    }
    case "gpu-report":
      return gpu(evidence.bytes, new TextDecoder("latin1").decode(chain ?? new Uint8Array()));
    case "gpu-list":
      return parseGpuEvidence(evidence.value).map(({ report, chain: pem }) => gpu(report, pem));
    case "snp-report": {
      const certificates = chain === undefined ? [] : certificatesOf(chain);
      return shown(
        verifySnp(evidence.bytes, certificates, { ...shared, ...data, ...(roots.amd && { roots: roots.amd }) }),
      );
    }
    case "token":
      return verifyToken(evidence.value, { ...shared, ...(nonce && { nonce }), keys: context.keys });
    case "report":
      return reportClaims(evidence.value, context, checks);
  }
}

function reportClaims(value: unknown, context: Context, checks: Checks): unknown {
  const { time, nonce, roots, signingAddress, tlsFingerprint, collateral, chain, accept, gpus, least } = context;
  if (nonce === undefined)
    throw new UsageError("An attestation report answers a nonce.", "Give the one that you sent: --nonce.");
  const verified = verifyAttestationReport(value, {
    ...{ time, nonce, checks, roots, ...least },
    ...(signingAddress && { signingAddress: toHex(signingAddress) }),
    ...(tlsFingerprint && { tlsFingerprint }),
    ...(collateral && { collateral }),
    ...(chain && { amdChain: certificatesOf(chain) }),
    ...(accept && { accept }),
    ...(gpus === undefined ? {} : { gpus }),
  });
  compareRims(verified.gpus, context, checks);
  return shown(verified);
}

/** Compares GPUs with the manifests of their driver and VBIOS, if manifests were given. */
function compareRims(gpus: readonly VerifiedGpu[], { rims, time, roots }: Context, checks: Checks): void {
  if (rims.length === 0) return;
  const options = { time, checks, ...(roots.rim && { root: roots.rim }) };
  const known = rims.map((source) => verifyRim(source, options));
  for (const gpu of gpus)
    checks.run(
      "reference values",
      () => {
        const of = (version: string | undefined) =>
          known.find((rim) => version !== undefined && rim.version.toUpperCase() === version.toUpperCase());
        const [driver, vbios] = [of(gpu.driver), of(gpu.vbios)];
        if (driver === undefined || vbios === undefined)
          throw new ReferenceValueError(
            `No manifest is of ${driver === undefined ? "driver" : "VBIOS"} of ${gpu.device}.`,
          );
        return compareMeasurements(gpu, { driver, vbios });
      },
      (count) => `${count} of ${gpu.device}`,
    );
}

/** Claims as JSON can hold them. */
function shown(value: object): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, inner: unknown) => {
      if (inner instanceof Uint8Array) return toHex(inner);
      if (inner instanceof Map) return Object.fromEntries(inner);
      return typeof inner === "bigint" ? `0x${inner.toString(16)}` : inner;
    }),
  );
}

function sized(text: string | undefined, size: number, option: string): Uint8Array | undefined {
  if (text === undefined) return undefined;
  const hex = text.replace(/^0x/, "");
  if (!/^[0-9a-fA-F]*$/.test(hex) || hex.length !== 2 * size)
    throw new UsageError(`${option} is not ${size} bytes in hexadecimal.`);
  return fromHex(`0x${hex}`);
}
