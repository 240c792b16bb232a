import type { Command } from "commander";
import { type Address, encodeEventTopics, type Hex, keccak256, parseEventLogs } from "viem";
import { getBlock, getBlockNumber } from "viem/actions";
import { challengeHash } from "../attestation/challenge.ts";
import { firmwareOf } from "../attestation/gpu-firmware.ts";
import { ABIS } from "../chain/abis.ts";
import { look, type ProveEnclaveParameters } from "../chain/actions/prove-enclave.ts";
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
import { dateOf, UsageError } from "./errors.ts";
import { table } from "./output.ts";
import { address, bytes32, type Run } from "./program.ts";
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

/** `otr enclave show | measure | register | renew | revoke` */
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
    .command("measure")
    .description("what the machine's evidence measures: what policies and sets of firmware have to accept")
    .action(
      run(async (session) => {
        const { measurement, evidence } = await look(await sourceOf(session));
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
          modelId: bytes32(modelId),
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
        const key = address(text);
        if (await sendOrSimulate(session, options, (actions) => actions.revokeEnclave(key)))
          session.output.result({ key, revoked: true }, () => `${key}: revoked`);
      }),
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

const TIMES = ["registeredAt", "expiresAt", "revokedAt"];

const textOf = ([name, value]: [string, unknown]): string[] => {
  const text = TIMES.includes(name) ? (value === 0 ? "-" : dateOf(BigInt(value as number))) : String(value);
  return [name, text];
};
