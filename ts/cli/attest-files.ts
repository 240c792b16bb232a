import { readFileSync } from "node:fs";
import { parseCertificate, parsePem, type X509 } from "../attestation/x509.ts";
import { UsageError } from "./errors.ts";

/** Certificates in PEM or one in DER. */
export function certificatesOf(data: Uint8Array): X509[] {
  const text = new TextDecoder("latin1").decode(data);
  return text.trimStart().startsWith("-----BEGIN") ? parsePem(text) : [parseCertificate(data)];
}

/** Seconds since 1970 of an option such as `--at`; now without one. */
export function timeOf(at: string | undefined): number {
  const time = at === undefined ? Date.now() / 1000 : /^\d+$/.test(at) ? Number(at) : Date.parse(at) / 1000;
  if (!Number.isFinite(time) || time > 8.64e12)
    throw new UsageError(`${at} is no time.`, "Use e.g. 2026-11-22T00:00:00Z.");
  return Math.floor(time);
}

/** A file that a command names. */
export function readFile(file: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(file));
  } catch {
    throw new UsageError(`${file} cannot be read.`);
  }
}

/** A file of JSON. */
export function readJson(file: string): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(readFile(file)));
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${file} is no JSON.`);
  }
}
