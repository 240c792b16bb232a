import { readFileSync } from "node:fs";
import type { LocalAccount } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import type { Hex } from "../commit/bytes.ts";
import { SecretError } from "./errors.ts";
import { openKeystore } from "./keystore.ts";
import type { Config } from "./schema.ts";

/** Order of secp256k1's group. */
const CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

/** The sending account of a configuration. @throws SecretError */
export function loadAccount(
  config: Config["account"],
  environment: Readonly<Record<string, string | undefined>>,
): LocalAccount {
  return privateKeyToAccount(loadPrivateKey(config, environment));
}

/**
 * The key of the sending account: from a keystore, a key file, or the environment (`OTR_PRIVATE_KEY_FILE`, `OTR_PRIVATE_KEY`), in this order.
 *
 * @throws SecretError if none is configured or the one configured cannot be read.
 */
export function loadPrivateKey(
  config: Config["account"],
  environment: Readonly<Record<string, string | undefined>>,
): Hex {
  if (config.keystoreFile !== undefined) {
    if (config.passwordFile === undefined) throw new SecretError("keystore", "account.passwordFile is not set");
    const password = readSecret("keystore's password", config.passwordFile);
    return openKeystore(readSecret("keystore", config.keystoreFile), password);
  }
  const file = config.privateKeyFile ?? environment.OTR_PRIVATE_KEY_FILE;
  const text = file === undefined ? environment.OTR_PRIVATE_KEY?.trim() : readSecret("private key", file);
  if (text === undefined || text === "") throw new SecretError("sending account", "no key is configured");
  return parseKey(text);
}

/** A key file's account, e.g. the root of development evidence. @throws SecretError */
export function accountFromFile(what: string, path: string): LocalAccount {
  return privateKeyToAccount(parseKey(readSecret(what, path)));
}

function parseKey(text: string): Hex {
  const key = text.startsWith("0x") ? text : `0x${text}`;
  if (!/^0x[0-9a-fA-F]{64}$/.test(key)) throw new SecretError("private key", "expected 32 bytes in hex");
  const scalar = BigInt(key);
  if (scalar === 0n || scalar >= CURVE_ORDER) throw new SecretError("private key", "it is no scalar of the curve");
  return key as Hex;
}

function readSecret(what: string, path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (cause) {
    throw new SecretError(what, `${path} is not readable`, cause);
  }
}
