import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Hex } from "../commit/bytes.ts";
import { type Domain, hashReceipt } from "../commit/typed-data.ts";
import type { Logger } from "../config/logger.ts";
import { type Bundle, parseBundle } from "../sdk/bundle.ts";

/**
 * Bundles of confidential answers that requesters handed to this watcher: the JSON files of a folder. Executors show such answers to nobody
 * else, so what is not here cannot be judged.
 */
export class HandedBundles {
  readonly #folder: string;
  readonly #domain: Domain;
  readonly #log: Logger;
  /** Version of each file that was looked at. */
  readonly #seen = new Map<string, string>();
  #isReadable = true;
  readonly #files = new Map<Hex, string>();

  /** @param folder Made if it is not there, and closed to others: bundles hold secrets. */
  constructor(folder: string, domain: Domain, log: Logger) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#folder = folder;
    this.#domain = domain;
    this.#log = log;
  }

  /** Takes up the files that are new, or were written once more. @returns Hashes of their receipts */
  takeUp(): Hex[] {
    const taken: Hex[] = [];
    for (const name of this.#names()) {
      if (!name.endsWith(".json")) continue;
      const file = join(this.#folder, name);
      // Gone meanwhile, or a link to nothing.
      const stat = statSync(file, { throwIfNoEntry: false });
      if (stat === undefined) continue;
      const version = `${stat.mtimeMs}:${stat.size}`;
      if (this.#seen.get(name) === version) continue;
      this.#seen.set(name, version);
      try {
        const receiptHash = hashReceipt(this.#domain, read(file).receipt);
        this.#files.set(receiptHash, file);
        taken.push(receiptHash);
        this.#log.info({ receipt: receiptHash, file }, "bundle taken up");
      } catch (err) {
        this.#log.error({ file, err }, "no bundle");
      }
    }
    return taken;
  }

  /** Names in the folder. Without it, what is served to everybody is checked all the same. */
  #names(): string[] {
    try {
      const names = readdirSync(this.#folder);
      this.#isReadable = true;
      return names;
    } catch (err) {
      if (this.#isReadable) this.#log.error({ folder: this.#folder, err }, "the folder of bundles cannot be read");
      this.#isReadable = false;
      return [];
    }
  }

  /** The bundle of a receipt; undefined if nobody handed it over. */
  get(receiptHash: Hex): Bundle | undefined {
    const file = this.#files.get(receiptHash);
    return file === undefined ? undefined : read(file);
  }
}

function read(file: string): Bundle {
  return parseBundle(JSON.parse(readFileSync(file, "utf8")));
}
