import type { Address } from "viem";
import { getBlock } from "viem/actions";
import { enclaveRegistration } from "../chain/actions/register-enclave.ts";
import type { OtrContext } from "../chain/context.ts";
import type { Clock } from "../chain/time.ts";
import type { Logger } from "../config/logger.ts";
import { gaugeBy, type Metric } from "../metrics/metric.ts";
import type { SoftwareEnclave } from "./enclave.ts";

/** A key that is kept registered. */
export type KeptEnclave = Pick<SoftwareEnclave, "address" | "modelId" | "consent">;

/**
 * Brings a key's proof onto the chain; resolves when it is registered, or registered for longer.
 *
 * `id` names the deed: two calls under one id are one registration or renewal.
 */
export type ProveKey = (enclave: KeptEnclave, deed: { readonly id: string; readonly renew?: boolean }) => Promise<void>;

/** How the keeper works. */
export interface KeyKeeperOptions {
  /** Its sender is the executor or one of its delegates. */
  readonly context: OtrContext;
  readonly enclaves: readonly KeptEnclave[];
  readonly prove: ProveKey;
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
  /** Of each key: when its registration ends, and since when that is so. */
  readonly #terms = new Map<Address, { readonly expiry: bigint; readonly since: bigint }>();
  #passing: Promise<void> | undefined;
  readonly #stop = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  constructor(options: KeyKeeperOptions) {
    this.#o = { pollMs: 60_000, ...options };
  }

  /** When each key's registration ends, as last seen. */
  metrics(): Metric[] {
    const ends = Object.fromEntries([...this.#terms].map(([key, { expiry }]) => [key, Number(expiry)]));
    const help = "End of each enclave key's registration, in seconds since 1970.";
    return [gaugeBy("otr_enclave_key_expiry_timestamp_seconds", help, "key", ends)];
  }

  /** Registers and renews what needs it. Failures are logged: games and batches must go on, whatever becomes of keys. */
  pass(): Promise<void> {
    // A proof takes many transactions: whoever comes meanwhile waits for it.
    this.#passing ??= this.#once().finally(() => {
      this.#passing = undefined;
    });
    return this.#passing;
  }

  async #once(): Promise<void> {
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

  async #look(enclave: KeptEnclave): Promise<void> {
    const { context, log, prove } = this.#o;
    const { address: key } = enclave;
    const { registeredAt, expiresAt, revokedAt } = await enclaveRegistration(context, key);
    if (revokedAt !== 0n) return log.error({ key }, "enclave key revoked: restart with a new one");
    const { timestamp: now } = await getBlock(context.client);
    if (expiresAt === 0n) await prove(enclave, { id: `register:${key}` });
    else if (now >= expiresAt) return log.error({ key }, "enclave key expired: restart with a new one");
    else {
      const known = this.#terms.get(key);
      const since = known?.expiry === expiresAt ? known.since : registeredAt;
      this.#terms.set(key, { expiry: expiresAt, since });
      if ((expiresAt - now) * 3n > expiresAt - since) return;
      // A renewal that is under way is joined under its id: the expiry changes only when it has taken effect.
      await prove(enclave, { renew: true, id: `renew:${key}:${expiresAt}` });
    }
    const { expiresAt: expiry } = await enclaveRegistration(context, key);
    if (expiry === expiresAt) return;
    this.#terms.set(key, { expiry, since: now });
    log.info({ key, expiry }, "enclave key registered");
  }
}
