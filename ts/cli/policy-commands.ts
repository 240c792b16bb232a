import { type Command, InvalidArgumentError } from "commander";
import { type Hex, stringToHex, zeroHash } from "viem";
import { systemClock, unixSeconds } from "../chain/time.ts";
import { dateOf, UsageError } from "./errors.ts";
import { table } from "./output.ts";
import { argument, bytes32, integer, number, type Run } from "./program.ts";
import { type Sending, sendOrSimulate } from "./send-or-simulate.ts";
import type { Session } from "./session.ts";

const DRY_RUN = ["--dry-run", "simulate only: say what would be sent, and whether it would succeed"] as const;
const DAY = 24 * 3600;
const ASSURANCE = 3;

interface TermsFlags extends Sending {
  readonly measurement: Hex;
  readonly days: number;
  readonly gpus?: number;
  readonly minAssurance?: number;
  readonly firmwareSet?: Hex;
  readonly keyDays?: number;
  readonly image?: Hex;
  readonly sources?: Hex;
}

/** `otr enclave policy show | set | end`, `otr enclave firmware accept | withdraw` */
export function policyCommands(program: Command, run: Run): void {
  const enclave = program.commands.find((command) => command.name() === "enclave") ?? program.command("enclave");
  const policy = enclave.command("policy").description("which machines may serve a model");

  policy
    .command("show <modelId> <measurement>")
    .description("until when a measurement is accepted, and what is asked besides")
    .action(
      run(async (session, modelId: string, measurement: string) => {
        await showPolicy(session, argument(bytes32, modelId), argument(bytes32, measurement));
      }),
    );

  policy
    .command("set <modelId>")
    .description("governance: accept a measurement for a model, under terms. Terms that are not named stay as they are")
    .requiredOption("--measurement <bytes32>", "as `otr enclave measure` prints it", bytes32)
    .option("--days <number>", "how long", number, 30)
    .option("--gpus <n>", "least number of GPUs in a key's proof", count)
    .option("--min-assurance <n>", "3: all verified by contracts, 2: without GPUs, 1 and 0: vouched for", assurance)
    .option("--firmware-set <name>", "set of GPU firmware: up to 32 letters, or 32 bytes in hex", setName)
    .option("--key-days <number>", "longest life of a key; 0: the registry's", number)
    .option("--image <bytes32>", "digest of the image that has the measurement", bytes32)
    .option("--sources <bytes32>", "digest of what the image is built from", bytes32)
    .option(...DRY_RUN)
    .action(
      run(async (session, id: string, flags: TermsFlags) => {
        const [modelId, { measurement, days, keyDays }] = [argument(bytes32, id), flags];
        const validUntil = Number(unixSeconds(systemClock)) + Math.round(days * DAY);
        const { terms: before } = await (await session.reader()).getPolicy({ modelId, measurement });
        const terms = {
          image: flags.image ?? before.image,
          sources: flags.sources ?? before.sources,
          firmwareSet: flags.firmwareSet ?? before.firmwareSet,
          gpus: flags.gpus ?? before.gpus,
          minAssurance: flags.minAssurance ?? before.minAssurance,
          lifetime: keyDays === undefined ? before.lifetime : Math.round(keyDays * DAY),
        };
        if (terms.gpus > 0 && terms.firmwareSet === zeroHash)
          throw new UsageError("GPUs need a set of firmware.", "Name one with --firmware-set.");
        const isOther = Object.entries(terms).some(([key, value]) => before[key as keyof typeof before] !== value);
        const sent = await sendOrSimulate(session, flags, async (actions) => {
          // Terms first: no key is admitted without them.
          if (isOther) await actions.setTerms({ modelId, measurement, terms });
          await actions.setPolicy({ modelId, measurement, validUntil });
        });
        if (sent) await showPolicy(session, modelId, measurement);
      }),
    );

  policy
    .command("end <modelId> <measurement>")
    .description("guardian: end a policy now; its keys read as inactive from then on")
    .option(...DRY_RUN)
    .action(
      run(async (session, id: string, measured: string, options: Sending) => {
        const [modelId, measurement] = [argument(bytes32, id), argument(bytes32, measured)];
        if (await sendOrSimulate(session, options, (actions) => actions.removePolicy({ modelId, measurement })))
          await showPolicy(session, modelId, measurement);
      }),
    );

  const firmware = enclave.command("firmware").description("firmware that GPUs may have");
  firmware
    .command("accept <set> <firmware...>")
    .description("governance: a set accepts firmware, as `otr enclave measure` and tools/gpu-firmware.ts print it")
    .option("--days <number>", "how long", number, 30)
    .option(...DRY_RUN)
    .action(
      run(async (session, name: string, ids: readonly string[], options: Sending & { days: number }) => {
        const validUntil = Number(unixSeconds(systemClock)) + Math.round(options.days * DAY);
        const accepted = { set: setName(name), firmware: ids.map(bytes32), validUntil };
        if (await sendOrSimulate(session, options, (actions) => actions.acceptFirmware(accepted)))
          session.output.result(accepted, () => `accepted until ${dateOf(BigInt(validUntil))}`);
      }),
    );
  firmware
    .command("withdraw <firmware>")
    .description("guardian: no set accepts this firmware any more; keys that it proved can be evicted")
    .option(...DRY_RUN)
    .action(
      run(async (session, id: string, options: Sending) => {
        const withdrawn = argument(bytes32, id);
        if (await sendOrSimulate(session, options, (actions) => actions.withdrawFirmware(withdrawn)))
          session.output.result({ withdrawn }, () => `${withdrawn}: withdrawn`);
      }),
    );
}

async function showPolicy(session: Session, modelId: Hex, measurement: Hex): Promise<void> {
  const { validUntil, policyId, terms } = await (await session.reader()).getPolicy({ modelId, measurement });
  session.output.result({ modelId, measurement, validUntil, policyId, terms }, () =>
    table([
      ["policy", policyId],
      ["accepted until", validUntil === 0 ? "never was" : dateOf(BigInt(validUntil))],
      ...Object.entries(terms).map(([key, value]) => [key, String(value)]),
    ]),
  );
}

/** A set's name: 32 bytes, or text that is padded to them. */
function setName(text: string): Hex {
  if (/^0x[0-9a-fA-F]{64}$/.test(text)) return text as Hex;
  if (!/^[\x21-\x7e]{1,32}$/.test(text))
    throw new InvalidArgumentError("expected up to 32 letters, or 32 bytes in hex");
  return stringToHex(text, { size: 32 });
}

function count(text: string): number {
  return text === "0" ? 0 : integer(text);
}

function assurance(text: string): number {
  const value = count(text);
  if (value > ASSURANCE) throw new InvalidArgumentError(`expected 0 to ${ASSURANCE}`);
  return value;
}
