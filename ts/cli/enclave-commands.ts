import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import { type Address, encodeEventTopics, type Hex, keccak256, parseEventLogs, stringToHex, zeroAddress } from "viem";
import { getBlock, getBlockNumber } from "viem/actions";
import { challengeHash } from "../attestation/challenge.ts";
import { readEvidence } from "../attestation/evidence-file.ts";
import { firmwareOf } from "../attestation/gpu-firmware.ts";
import { ABIS } from "../chain/abis.ts";
import type { EvictedEnclave } from "../chain/actions/evict-enclave.ts";
import { look, type ProveEnclaveParameters } from "../chain/actions/prove-enclave.ts";
import { DCAP_KINDS, intelContracts } from "../chain/attestation-contracts.ts";
import { read } from "../chain/context.ts";
import { otrActions } from "../chain/otr-actions.ts";
import { rangedLogs } from "../chain/ranged-logs.ts";
import { CHAIN_SQL, SqliteIntentStore } from "../chain/sqlite.ts";
import { Transactor } from "../chain/transactor.ts";
import { accountFromFile } from "../config/secrets.ts";
import { readCollateral } from "../enclave/collateral-file.ts";
import { openSource } from "../enclave/open-source.ts";
import type { EvidenceSource } from "../enclave/source.ts";
import { guestConfiguration } from "../executor/open-executor.ts";
import { readDescription } from "../model/load.ts";
import { Database } from "../store/database.ts";
import { readFile } from "./attest-files.ts";
import { dateOf, UsageError } from "./errors.ts";
import { table } from "./output.ts";
import { address, argument, bytes32, type Run } from "./program.ts";
import { type Sending, sendOrSimulate } from "./send-or-simulate.ts";
import type { Session } from "./session.ts";

const DRY_RUN = ["--dry-run", "simulate only: say what would be sent, and whether it would succeed"] as const;
const KEY_FILE = ["--key-file <file>", "file with the enclave key in hex: it signs the session"] as const;
const COLLATERAL = [
  "--collateral <file>",
  "Intel's collateral (JSON of PCCS clients); default: executor.attestation.collateral",
] as const;
/** In the file's header: "OTRE". */
const APPLICATION_ID = 0x4f545245;

interface ProofFlags extends Sending {
  readonly keyFile: string;
  readonly collateral?: string;
}

/** `otr enclave show | verifiers | measure | register | renew | revoke | evict` */
export function enclaveCommands(program: Command, run: Run): void {
  const enclave = program.command("enclave").description("enclave keys: what proves them, and until when");

  enclave
    .command("show [keys...]")
    .description("registrations of enclave keys; without keys: of all that an executor ever registered")
    .option("--executor <address>", "default: the account", address)
    .action(
      run(async (session, named: readonly string[], options: { executor?: Address }) => {
        const keys = named.length > 0 ? named.map(address) : await keysOf(session, options.executor);
        const { otr } = await session.reader();
        const { timestamp: now } = await getBlock(otr.client);
        const found = await Promise.all(keys.map((key) => shownKey(session, key, now)));
        if (found.length === 0) session.output.note("no key was registered since fromBlock");
        session.output.result(found, () => found.map((key) => table(Object.entries(key).map(textOf))).join("\n\n"));
      }),
    );

  enclave
    .command("verifiers")
    .description("which kinds of evidence the registry takes now: the verifier of each, and how it judges")
    .action(
      run(async (session) => {
        const found = (await Promise.all(KINDS.map((kind) => shownVerifier(session, kind)))).filter(
          ({ verifier }) => verifier !== zeroAddress,
        );
        session.output.result(found, () =>
          table(found.map(({ kind, verifier, ...policy }) => [kind, verifier, termsText(policy)])),
        );
      }),
    );

  enclave
    .command("measure")
    .description("what the machine's evidence measures: what policies and sets of firmware have to accept")
    .option("--quote <file>", "write the machine's quote there: `otr attest collateral` asks for its platform")
    .action(
      run(async (session, options: { quote?: string }) => {
        const { measurement, evidence, quote } = await look(await sourceOf(session));
        if (options.quote !== undefined) writeFileSync(options.quote, quote);
        const { gpuMeasurements } = session.config.executor.attestation;
        const gpus = evidence.gpus.map(({ report }) => firmwareOf(report, BigInt(gpuMeasurements)));
        session.output.result({ measurement, gpuMeasurements, firmware: gpus }, () =>
          table([["measurement", measurement], ...gpus.map((id, k) => [`firmware of GPU ${k}`, id])]),
        );
      }),
    );

  enclave
    .command("register <modelId>")
    .description(
      "prove a key with the machine's evidence: certificates, collateral, a session, GPUs, quote; goes on where it stopped",
    )
    .requiredOption(...KEY_FILE)
    .option("--executor <address>", "whom the key serves; default: the account", address)
    .option(...COLLATERAL)
    .option(...DRY_RUN)
    .action(
      run(async (session, modelId: string, options: ProofFlags & { executor?: Address }) => {
        const key = keyOf(options);
        const executor = options.executor ?? session.account().address;
        // Keys of software have no encryption key.
        const registration = {
          executor,
          modelId: argument(bytes32, modelId),
          enclaveKey: key.address,
          encryptionKeyHash: NO_KEY,
        };
        await prove(session, options, { registration, renew: false });
      }),
    );

  enclave
    .command("renew")
    .description("prove a key anew, before it expires: its receipts go on without a gap")
    .requiredOption(...KEY_FILE)
    .option(...COLLATERAL)
    .option(...DRY_RUN)
    .action(
      run(async (session, options: ProofFlags) => {
        const { address: enclaveKey } = keyOf(options);
        const { otr } = await session.reader();
        const { executor, modelId, encryptionKeyHash } = await read(otr, "enclaves", "enclaveOf", [enclaveKey]);
        await prove(session, options, {
          registration: { executor, modelId, enclaveKey, encryptionKeyHash },
          renew: true,
        });
      }),
    );

  enclave
    .command("revoke <key>")
    .description("end a key for good: receipts that it signs from then on do not stand")
    .option(...DRY_RUN)
    .action(
      run(async (session, text: string, options: Sending) => {
        const key = argument(address, text);
        if (await sendOrSimulate(session, options, (actions) => actions.revokeEnclave(key)))
          session.output.result({ key, revoked: true }, () => `${key}: revoked`);
      }),
    );

  enclave
    .command("evict <key>")
    .description(
      "end anybody's key that Intel or NVIDIA has given up since, by what the chain knows: revoked certificates, firmware, security versions. Anybody may",
    )
    .option(
      "--quote <file>",
      "quote that proved the key; default: from its transaction, which not every account sends as its own",
    )
    .option(...DRY_RUN)
    .action(
      run(async (session, text: string, options: Sending & { quote?: string }) => {
        await evict(session, argument(address, text), options);
      }),
    );
}

/** Whoever comes second finds what the first has done. */
async function evict(session: Session, key: Address, options: Sending & { quote?: string }): Promise<void> {
  const { otr } = await session.reader();
  const { expiresAt, revokedAt } = await read(otr, "enclaves", "enclaveOf", [key]);
  if (expiresAt === 0) throw new UsageError(`${key} was never registered.`, "`otr enclave show` lists keys.");
  if (revokedAt !== 0) {
    const ended = dateOf(BigInt(revokedAt));
    session.output.result({ key, evicted: false, revokedAt }, () => `${key} is revoked already, since ${ended}`);
    return;
  }
  const evidence = options.quote === undefined ? undefined : readEvidence(readFile(options.quote));
  if (evidence !== undefined && evidence.kind !== "quote")
    throw new UsageError(`${options.quote} is no quote but of kind ${evidence.kind}.`);
  let done: EvictedEnclave | undefined;
  const sent = await sendOrSimulate(session, options, async (actions) => {
    const { fromBlock, rpc } = session.config;
    const range = { fromBlock: BigInt(fromBlock), maxRange: BigInt(rpc.maxBlockRange) };
    done = await actions.evictEnclave({ enclaveKey: key, ...range, quote: evidence?.bytes });
  });
  if (!sent || done === undefined) return;
  const { reason, receipt } = done;
  const { transactionHash: transaction, gasUsed: gas } = receipt;
  session.output.result(
    { key, evicted: true, reason, transaction, gas },
    () => `${key} is revoked: ${reason} (${gas} gas)`,
  );
}

const NO_KEY = keccak256("0x");

const keyOf = ({ keyFile }: ProofFlags) => accountFromFile("enclave key", keyFile);

/** Registers or renews. Transactions have names in a file, so that a command that was killed sends none twice. */
async function prove(
  session: Session,
  options: ProofFlags,
  deed: Pick<ProveEnclaveParameters, "registration" | "renew">,
): Promise<void> {
  const { collateral: configured, gpuMeasurements } = session.config.executor.attestation;
  const file = options.collateral ?? configured;
  const key = keyOf(options);
  const source = await sourceOf(session);
  const parameters: ProveEnclaveParameters = {
    ...deed,
    source,
    chosen: BigInt(gpuMeasurements),
    consent: (challenge) => key.sign!({ hash: challengeHash(challenge) }),
    maxRange: BigInt(session.config.rpc.maxBlockRange),
    ...(file === undefined ? {} : { collateral: readCollateral(file) }),
    onSent: (name, { gasUsed }) => session.output.note(`${name}: ${gasUsed} gas`),
  };
  if (options.dryRun) {
    await sendOrSimulate(session, options, (actions) => actions.proveEnclave(parameters));
    return;
  }
  const [client, { addresses }] = [await session.client(), await session.deployment()];
  const schema = { applicationId: APPLICATION_ID, migrations: [CHAIN_SQL] };
  const database = Database.open(session.dataFile("enclave.sqlite"), schema);
  const store = new SqliteIntentStore(database);
  const sender = new Transactor({ client, account: session.account(), store, ...session.transactions() });
  try {
    const proved = await otrActions({ addresses, sender })(client).proveEnclave(parameters);
    const { changed, expiresAt, transactions, gas } = proved;
    session.output.result({ key: key.address, ...proved }, () =>
      changed
        ? `${key.address} is registered until ${dateOf(expiresAt)} (${transactions} transactions, ${gas} gas)`
        : `${key.address} is registered already, until ${dateOf(expiresAt)}`,
    );
  } finally {
    await sender.close();
    database.close();
  }
}

/** The machine's source, as the executor of this configuration has it. */
async function sourceOf(session: Session): Promise<EvidenceSource> {
  const { models, executor } = session.config;
  const { addresses } = await session.deployment();
  const domain = { chainId: (await session.client()).chain.id, rollup: addresses.rollup };
  const modelIds = await Promise.all(models.map(async (folder) => (await readDescription(folder)).modelId));
  const source = await openSource(executor.attestation, { configuration: guestConfiguration(domain, modelIds) });
  if (source === undefined)
    throw new UsageError("No source of evidence is configured.", "Set executor.attestation.source: tdx, snp or dev.");
  return source;
}

/** All keys that an executor registered, oldest first. */
async function keysOf(session: Session, executor?: Address): Promise<Address[]> {
  const { otr } = await session.reader();
  const toBlock = await getBlockNumber(otr.client);
  const { fromBlock, rpc } = session.config;
  const logs = parseEventLogs({
    abi: ABIS.enclaves,
    logs: (await rangedLogs(otr.client, {
      address: otr.addresses.enclaves,
      topics: encodeEventTopics({
        ...{ abi: ABIS.enclaves, eventName: "EnclaveRegistered" },
        args: { executor: executor ?? session.account().address },
      }) as (Hex | null)[],
      ...{ fromBlock: BigInt(fromBlock), toBlock, maxRange: BigInt(rpc.maxBlockRange) },
    })) as never[],
    eventName: "EnclaveRegistered",
  });
  return [...new Set(logs.map(({ args }) => args.enclaveKey))];
}

async function shownKey(session: Session, key: Address, now: bigint) {
  const { otr } = await session.reader();
  const [enclave, standing] = await Promise.all([
    read(otr, "enclaves", "enclaveOf", [key]),
    read(otr, "enclaves", "standingOf", [key]),
  ]);
  const { executor, modelId, measurement, deviceId, kind, registeredAt, expiresAt, revokedAt } = enclave;
  if (expiresAt === 0) return { key, state: "unknown" };
  const active = await read(otr, "enclaves", "isActive", [key, executor, modelId]);
  const ended = revokedAt !== 0 ? "revoked" : BigInt(expiresAt) <= now ? "expired" : "inactive";
  const { assurance, gpus, attestation } = standing;
  return {
    ...{ key, state: active ? "active" : ended, executor, modelId, measurement },
    ...{ kind: Buffer.from(kind.slice(2), "hex").toString("latin1").replaceAll("\0", ""), deviceId },
    ...{ assurance, gpus, registeredAt, expiresAt, revokedAt, attestation },
  };
}

/** Kinds of evidence that any contract verifies, as `Assurance` ranks them. */
const KINDS = ["TDX_DCAP", "SGX_DCAP", "NV_SPDM", "VERIFIER_ENCLAVE", "GOVERNANCE", "DEV"] as const;
const DCAP: readonly Hex[] = Object.values(DCAP_KINDS);

/** The verifier of a kind; of one of quotes also its policy. */
async function shownVerifier(session: Session, kind: (typeof KINDS)[number]) {
  const { otr } = await session.reader();
  const name = stringToHex(kind, { size: 32 });
  const verifier = await read(otr, "enclaves", "verifierOf", [name]);
  if (verifier === zeroAddress || !DCAP.includes(name)) return { kind, verifier };
  const at = { address: verifier };
  const [minTcbEval, maxAge, acceptConfiguration, { intelCertificates, intelCollateral }] = await Promise.all([
    read(otr, "dcap", "MIN_TCB_EVAL", [], at),
    read(otr, "dcap", "MAX_AGE", [], at),
    read(otr, "dcap", "ACCEPT_CONFIGURATION", [], at),
    intelContracts(otr, verifier),
  ]);
  return { kind, verifier, minTcbEval, maxAge, acceptConfiguration, intelCertificates, intelCollateral };
}

const termsText = (terms: object): string =>
  Object.entries(terms)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");

const TIMES = ["registeredAt", "expiresAt", "revokedAt"];

const textOf = ([name, value]: [string, unknown]): string[] => {
  const text = TIMES.includes(name) ? (value === 0 ? "-" : dateOf(BigInt(value as number))) : String(value);
  return [name, text];
};
