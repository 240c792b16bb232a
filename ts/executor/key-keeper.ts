import type { Address, LocalAccount } from "viem";
import { getBlock } from "viem/actions";
import { enclaveRegistration } from "../chain/actions/register-enclave.ts";
import { type OtrContext, read } from "../chain/context.ts";
import type { Clock } from "../chain/time.ts";
import type { Logger } from "../config/logger.ts";
import { gaugeBy, type Metric } from "../metrics/metric.ts";
import type { SoftwareEnclave } from "./enclave.ts";
import { registerSoftwareEnclave } from "./register-software-enclave.ts";

/** Seconds that evidence of a software enclave holds: the registry shortens it to its own lifetime of keys. */
const EVIDENCE_SECONDS = 30n * 24n * 3600n;

/** How the keeper works. */
export interface KeyKeeperOptions {
  /** Its sender is the executor or one of its delegates. */
  readonly context: OtrContext;
  readonly executor: Address;
  readonly enclaves: readonly Pick<SoftwareEnclave, "address" | "modelId" | "consent">[];
  /** Root of development evidence. */
  readonly devRoot: Pick<LocalAccount, "sign">;
  readonly clock: Clock;
  readonly log: Logger;
  /** Milliseconds between two looks at the registrations. */
  readonly pollMs?: number;
}

/**
 * Registers enclave keys, and renews them while they serve. A renewal comes when two thirds of a key's life are over: the last third is
 * time for a chain that is away or a policy that is missing. The registry takes no renewal of a key that has expired, since receipts of the
 * gap must not come to stand: such a key is replaced by a restart.
 */
export class KeyKeeper {
  readonly #o: KeyKeeperOptions & { readonly pollMs: number };
  readonly #expiries = new Map<Address, bigint>();
  readonly #stop = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  constructor(options: KeyKeeperOptions) {
    this.#o = { pollMs: 60_000, ...options };
  }

  /** When each key's registration ends, as last seen. */
  metrics(): Metric[] {
    const ends = Object.fromEntries([...this.#expiries].map(([key, expiry]) => [key, Number(expiry)]));
    const help = "End of each enclave key's registration, in seconds since 1970.";
    return [gaugeBy("otr_enclave_key_expiry_timestamp_seconds", help, "key", ends)];
  }

  /** Registers and renews what needs it. Failures are logged: games and batches must go on, whatever becomes of keys. */
  async pass(): Promise<void> {
    for (const enclave of this.#o.enclaves)
      await this.#look(enclave).catch((err: unknown) => {
        this.#o.log.error({ key: enclave.address, err }, "enclave key not registered or renewed; tried again");
      });
  }

  start(): void {
    this.#loop = (async () => {
      while (!this.#stop.signal.aborted) {
        await this.pass();
        await this.#o.clock.sleep(this.#o.pollMs, this.#stop.signal);
      }
    })();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  async #look(enclave: KeyKeeperOptions["enclaves"][number]): Promise<void> {
    const { context, log } = this.#o;
    const { address: key } = enclave;
    const { expiresAt, revokedAt } = await enclaveRegistration(context, key);
    if (revokedAt !== 0n) return log.error({ key }, "enclave key revoked: restart with a new one");
    const { timestamp } = await getBlock(context.client);
    if (expiresAt === 0n) await this.#prove(enclave, timestamp, { id: `register:${key}` });
    else if (timestamp >= expiresAt) return log.error({ key }, "enclave key expired: restart with a new one");
    else if ((expiresAt - timestamp) * 3n <= (await this.#life()))
      // A renewal that is under way is joined under its id: the expiry changes only when it has taken effect.
      await this.#prove(enclave, timestamp, { renew: true, id: `renew:${key}:${expiresAt}` });
    const { expiresAt: expiry } = await enclaveRegistration(context, key);
    this.#expiries.set(key, expiry);
    if (expiry !== expiresAt) log.info({ key, expiry }, "enclave key registered");
  }

  /** Seconds that a new registration lasts. */
  async #life(): Promise<bigint> {
    const lifetime = BigInt(await read(this.#o.context, "enclaves", "keyLifetime", []));
    return lifetime < EVIDENCE_SECONDS ? lifetime : EVIDENCE_SECONDS;
  }

  async #prove(
    enclave: KeyKeeperOptions["enclaves"][number],
    timestamp: bigint,
    deed: { readonly id: string; readonly renew?: boolean },
  ): Promise<void> {
    const { context, executor, devRoot } = this.#o;
    const notAfter = timestamp + EVIDENCE_SECONDS;
    await registerSoftwareEnclave(context, { enclave, executor, devRoot, notAfter, ...deed });
  }
}
