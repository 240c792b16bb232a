import type { Address, LocalAccount } from "viem";
import { getBlock } from "viem/actions";
import { enclaveExpiry } from "../chain/actions/register-enclave.ts";
import { type OtrContext, read } from "../chain/context.ts";
import type { Clock } from "../chain/time.ts";
import type { Logger } from "../config/logger.ts";
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

  /** When each key's registration ends, in seconds since 1970, as last seen. */
  get expiries(): ReadonlyMap<Address, bigint> {
    return this.#expiries;
  }

  /** Registers the keys that are not active. @throws what the registry's refusal says, for the operator to act on */
  async register(): Promise<void> {
    for (const enclave of this.#o.enclaves) {
      const { context, executor, devRoot } = this.#o;
      const { timestamp } = await getBlock(context.client);
      await registerSoftwareEnclave(context, { enclave, executor, devRoot, notAfter: timestamp + EVIDENCE_SECONDS });
    }
  }

  start(): void {
    this.#loop = (async () => {
      while (!this.#stop.signal.aborted) {
        for (const enclave of this.#o.enclaves)
          await this.#look(enclave).catch((err: unknown) => {
            this.#o.log.error({ key: enclave.address, err }, "enclave key not renewed; tried again");
          });
        await this.#o.clock.sleep(this.#o.pollMs, this.#stop.signal);
      }
    })();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  async #look(enclave: KeyKeeperOptions["enclaves"][number]): Promise<void> {
    const { context, executor, devRoot, log } = this.#o;
    const { address: key } = enclave;
    const expiry = await enclaveExpiry(context, key);
    if (expiry === undefined) return log.error({ key }, "enclave key revoked or unknown: restart with a new one");
    this.#expiries.set(key, expiry);
    const { timestamp } = await getBlock(context.client);
    if (timestamp >= expiry) return log.error({ key }, "enclave key expired: restart with a new one");
    const lifetime = BigInt(await read(context, "enclaves", "keyLifetime", []));
    const life = lifetime < EVIDENCE_SECONDS ? lifetime : EVIDENCE_SECONDS;
    if ((expiry - timestamp) * 3n > life) return;
    // A renewal that is under way is joined under its id: the expiry changes only when it has taken effect.
    const deed = { renew: true, id: `renew:${key}:${expiry}` };
    await registerSoftwareEnclave(context, {
      enclave,
      executor,
      devRoot,
      notAfter: timestamp + EVIDENCE_SECONDS,
      ...deed,
    });
    const renewed = await enclaveExpiry(context, key);
    if (renewed !== undefined) this.#expiries.set(key, renewed);
    log.info({ key, expiry: renewed }, "enclave key renewed");
  }
}
