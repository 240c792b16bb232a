import { readFileSync } from "node:fs";
import type { LocalAccount } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import type { Hex } from "../commit/bytes.ts";
import { SecretError } from "./errors.ts";
import { openKeystore } from "./keystore.ts";
import type { Config } from "./schema.ts";

/**
 * The sending account: from a keystore, a key file, or the environment (`OTR_PRIVATE_KEY_FILE`, `OTR_PRIVATE_KEY`), in this order.
 *
 * @throws SecretError if none is configured or the one configured cannot be read.
 */
export function loadAccount(
  config: Config["account"],
  environment: Readonly<Record<string, string | undefined>>,
): LocalAccount {
  if (config.keystoreFile !== undefined) {
    if (config.passwordFile === undefined) throw new SecretError("keystore", "account.passwordFile is not set");
    const password = readSecret("keystore's password", config.passwordFile);
    return privateKeyToAccount(openKeystore(readSecret("keystore", config.keystoreFile), password));
  }
  const file = config.privateKeyFile ?? environment.OTR_PRIVATE_KEY_FILE;
  const text = file === undefined ? environment.OTR_PRIVATE_KEY?.trim() : readSecret("private key", file);
  if (text === undefined || text === "") throw new SecretError("sending account", "no key is configured");
  const key = text.startsWith("0x") ? text : `0x${text}`;
  if (!/^0x[0-9a-fA-F]{64}$/.test(key)) throw new SecretError("private key", "expected 32 bytes in hex");
  try {
    return privateKeyToAccount(key as Hex);
  } catch {
    // The library's message may quote its input.
    throw new SecretError("private key", "it is no scalar of the curve");
  }
}

function readSecret(what: string, path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (cause) {
    throw new SecretError(what, `${path} is not readable`, cause);
  }
}
