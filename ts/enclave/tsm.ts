import { constants } from "node:fs";
import { mkdtemp, open, readFile, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, systemClock } from "../chain/time.ts";
import { EvidenceUnavailableError } from "./errors.ts";
import type { CpuDriver, CpuEvidence } from "./source.ts";

/** Where Linux (6.7 and later) makes attestation reports, for guests of all vendors. */
export const TSM_FOLDER = "/sys/kernel/config/tsm/report";

/** How the driver works. */
export interface TsmOptions {
  readonly folder?: string;
  /** Tries until the machine counts as unable; the quoting service of the host may be busy. */
  readonly attempts?: number;
  readonly retryMs?: number;
  readonly clock?: Clock;
  readonly files?: TsmFiles;
}

/** What the driver does with files. The kernel fills a report's folder when it is made, and empties it when it is removed. */
export interface TsmFiles {
  make(folder: string): Promise<string>;
  remove(entry: string): Promise<void>;
  read(path: string): Promise<Uint8Array>;
  /** Writes at once: the kernel takes each write as the whole. */
  write(path: string, bytes: Uint8Array): Promise<void>;
}

/** Files of the file system. */
export const TSM_FILES: TsmFiles = {
  make: (folder) => mkdtemp(join(folder, "otr-")),
  remove: (entry) => rmdir(entry),
  read: async (path) => new Uint8Array(await readFile(path)),
  async write(path, bytes) {
    // For writing only: the kernel lets nobody open this file to read. It takes the bytes when the file is closed.
    const file = await open(path, constants.O_WRONLY);
    try {
      await file.write(bytes);
    } finally {
      await file.close();
    }
  },
};

/** What the kernel calls its drivers. */
const PROVIDERS = { tdx: "tdx_guest", snp: "sev_guest" } as const;
/** More than any quote has. */
const MOST_BYTES = 1 << 16;
const REPORT_DATA = 64;

/**
 * Quotes and reports by configfs-tsm (Documentation/ABI/testing/configfs-tsm-report). One report is one folder: `inblob` takes the report data, `outblob` gives
 * the evidence, and `generation` counts the writes, so that a second writer in the same folder is noticed: a report made of its bytes is
 * never handed out for these.
 */
export function tsmDriver(kind: "tdx" | "snp", options: TsmOptions = {}): CpuDriver {
  const { folder = TSM_FOLDER, attempts = 5, retryMs = 200, clock = systemClock, files = TSM_FILES } = options;
  return {
    kind,
    async evidence(reportData) {
      if (reportData.length !== REPORT_DATA)
        throw new EvidenceUnavailableError("The processor", `Report data has ${reportData.length} bytes, not 64.`);
      let last: unknown;
      for (let attempt = 0; attempt < attempts; attempt++) {
        if (attempt > 0) await clock.sleep(retryMs * attempt);
        const entry = await files.make(folder).catch((cause: unknown) => {
          throw new EvidenceUnavailableError("The processor", `${folder} takes no reports.`, { cause });
        });
        try {
          return await evidenceOf(files, entry, { kind, reportData });
        } catch (error) {
          // A machine of another kind stays one.
          if (error instanceof EvidenceUnavailableError && !error.retryable) throw error;
          last = error;
        } finally {
          await files.remove(entry).catch(() => undefined);
        }
      }
      const reason = `${attempts} attempts failed; is the host's quoting service running?`;
      throw new EvidenceUnavailableError("The processor", reason, { cause: last, retryable: true });
    },
  };
}

async function evidenceOf(
  files: TsmFiles,
  entry: string,
  { kind, reportData }: { kind: "tdx" | "snp"; reportData: Uint8Array },
): Promise<CpuEvidence> {
  const textOf = async (name: string) => new TextDecoder().decode(await files.read(join(entry, name))).trim();
  const retry = (reason: string) => new EvidenceUnavailableError("The processor", reason, { retryable: true });
  const generationOf = async () => {
    const text = await textOf("generation");
    if (!/^\d{1,20}$/.test(text)) throw retry("The kernel's generation is no number.");
    return BigInt(text);
  };
  const provider = await textOf("provider");
  if (provider !== PROVIDERS[kind])
    throw new EvidenceUnavailableError("The processor", `The kernel's driver is ${provider}, not ${PROVIDERS[kind]}.`);
  const before = await generationOf();
  await files.write(join(entry, "inblob"), reportData);
  const blob = await files.read(join(entry, "outblob"));
  // Hosts hand chip certificates over, or do not.
  const noCertificates = () => new Uint8Array();
  const certificates =
    kind === "snp" ? await files.read(join(entry, "auxblob")).catch(noCertificates) : noCertificates();
  const after = await generationOf();
  // INVARIANT: exactly one write since the folder was looked at, ours.
  if (after !== before + 1n) throw retry(`Generation went from ${before} to ${after}: somebody else wrote, or nobody.`);
  if (blob.length === 0 || blob.length > MOST_BYTES) throw retry(`The kernel gave ${blob.length} bytes.`);
  return kind === "tdx" ? { kind, quote: blob } : { kind, report: blob, certificates };
}
