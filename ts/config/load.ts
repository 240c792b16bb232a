import { readFileSync } from "node:fs";
import { z } from "zod";
import { ConfigError } from "./errors.ts";
import { type Config, configSchema } from "./schema.ts";

/** Where a value came from. */
export type Source = "default" | "file" | "environment" | "flag";

/** A configuration and, by dotted key, where each value came from. */
export interface LoadedConfig {
  readonly config: Config;
  readonly sources: ReadonlyMap<string, Source>;
}

/** What a configuration is made of; later sources win: file, environment, flags. */
export interface LoadOptions {
  /** JSON file. */
  readonly file?: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `key=value` with dotted keys, e.g. `rpc.url=http://127.0.0.1:8545`. */
  readonly flags?: readonly string[];
}

/** Environment variables that are no configuration keys: read by the command line, ts/config/secrets.ts, script/Deploy.s.sol. */
export const OTHER_VARIABLES: ReadonlySet<string> = new Set([
  "OTR_CONFIG",
  "OTR_PRIVATE_KEY",
  "OTR_PRIVATE_KEY_FILE",
  ...["DEVELOPMENT", "DEV_ALLOW_ANY_CHAIN", "DEV_ROOT", "GOVERNANCE", "GUARDIAN", "TIMELOCK_DELAY"].map(deployVariable),
  ...["KEY_LIFETIME", "WINDOW", "TURN", "CLAIM_PERIOD", "EXPIRY_CAP", "EXIT_DELAY"].map(deployVariable),
  ...["LOCK", "BOND", "CHALLENGER_BPS", "REQUESTER_BPS", "AIR_GAP", "RESERVE", "DEMAND_BOND"].map(deployVariable),
  ...["GAS_PRICE", "UPTIME_FEED", "GRACE", "DELIVERY_PERIOD"].map(deployVariable),
  ...["INTEL_ROOT", "INTEL_SIGNER", "TCB_EVAL", "TCB_PROMOTION", "TCB_GRACE", "TCB_CONFIGURATION"].map(deployVariable),
  ...["COLLATERAL_AGE", "NVIDIA_ROOT", "REVOKER", "VOUCHER", "EAS"].map(deployVariable),
  ...["CIRCUIT_KEYS", "ELEMENT_VERIFIER", "DRAND", "DEAD_AFTER", "LOST_AFTER", "ROUND_TIMEOUT"].map(deployVariable),
  ...["DRAW_BLOCKS", "DRAW_DELTA", "DRAW_EPOCH", "DRAW_STRIDE", "DRAW_PAIRS"].map(deployVariable),
  // Of tests and benches.
  ...["OTR_FUZZ", "OTR_FLIPS", "OTR_SEARCH", "OTR_VECTORS"],
]);

function deployVariable(name: string): string {
  return `OTR_${name}`;
}

/** Every leaf of the schema: dotted key to its type. */
export function configKeys(): ReadonlyMap<string, z.ZodType> {
  const keys = new Map<string, z.ZodType>();
  const walk = (type: z.ZodType, path: string) => {
    const inner = unwrap(type);
    if (inner instanceof z.ZodObject)
      for (const [name, child] of Object.entries(inner.shape))
        walk(child as z.ZodType, path === "" ? name : `${path}.${name}`);
    else keys.set(path, type);
  };
  walk(configSchema, "");
  return keys;
}

/** `rpc.chainId` to `OTR_RPC_CHAIN_ID`. */
export function environmentName(key: string): string {
  return `OTR_${key
    .replaceAll(".", "_")
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2")
    .toUpperCase()}`;
}

/** Reads, merges and checks. @throws ConfigError */
export function loadConfig(options: LoadOptions): LoadedConfig {
  const keys = configKeys();
  const sources = new Map<string, Source>([...keys.keys()].map((key) => [key, "default"]));
  const raw: Record<string, unknown> = {};
  const apply = (source: Source, values: Iterable<[string, unknown]>) => {
    for (const [key, value] of values) {
      put(raw, key.split("."), value);
      sources.set(key, source);
    }
  };
  if (options.file !== undefined) apply("file", fileValues(options.file, keys));
  apply("environment", environmentValues(options.environment, keys));
  apply("flag", flagValues(options.flags ?? [], keys));
  const parsed = configSchema.safeParse(raw);
  if (!parsed.success)
    throw new ConfigError(
      "file, environment and flags",
      parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`),
      parsed.error,
    );
  return { config: parsed.data, sources };
}

function fileValues(file: string, keys: ReadonlyMap<string, z.ZodType>): [string, unknown][] {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    throw new ConfigError(file, [cause instanceof Error ? cause.message : String(cause)], cause);
  }
  const values: [string, unknown][] = [];
  const unknown: string[] = [];
  const walk = (value: unknown, path: string) => {
    if (keys.has(path)) values.push([path, value]);
    else if (
      typeof value === "object" &&
      value !== null &&
      !Array.isArray(value) &&
      (path === "" || isGroup(path, keys))
    )
      for (const [name, child] of Object.entries(value)) walk(child, path === "" ? name : `${path}.${name}`);
    else unknown.push(`${path === "" ? "the whole file" : path}: no such key`);
  };
  // A `$schema` line lets editors complete keys.
  if (typeof content === "object" && content !== null && "$schema" in content) delete content.$schema;
  walk(content, "");
  if (unknown.length > 0) throw new ConfigError(file, unknown);
  return values;
}

function environmentValues(environment: LoadOptions["environment"], keys: ReadonlyMap<string, z.ZodType>) {
  const byName = new Map([...keys.keys()].map((key) => [environmentName(key), key]));
  const values: [string, unknown][] = [];
  const unknown: string[] = [];
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith("OTR_") || text === undefined || OTHER_VARIABLES.has(name)) continue;
    const key = byName.get(name);
    if (key === undefined) unknown.push(`${name}: no such variable`);
    else values.push([key, fromText(text, keys.get(key)!)]);
  }
  if (unknown.length > 0) throw new ConfigError("the environment", unknown);
  return values;
}

function flagValues(flags: readonly string[], keys: ReadonlyMap<string, z.ZodType>): [string, unknown][] {
  return flags.map((flag) => {
    const at = flag.indexOf("=");
    const key = at === -1 ? flag : flag.slice(0, at);
    const type = keys.get(key);
    if (at === -1) throw new ConfigError("the command line", [`${flag}: expected key=value`]);
    if (type === undefined) throw new ConfigError("the command line", [`${key}: no such key`]);
    return [key, fromText(flag.slice(at + 1), type)];
  });
}

/** Text to what the key's type expects; text that does not fit is left as it is, so that the schema says what is wrong. */
function fromText(text: string, type: z.ZodType): unknown {
  const inner = unwrap(type);
  if (inner instanceof z.ZodNumber) return text.trim() === "" || Number.isNaN(Number(text)) ? text : Number(text);
  if (inner instanceof z.ZodBoolean) return text === "true" ? true : text === "false" ? false : text;
  if (inner instanceof z.ZodArray) return text === "" ? [] : text.split(",").map((part) => part.trim());
  if (inner instanceof z.ZodRecord) return jsonOr(text);
  return text;
}

function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function isGroup(path: string, keys: ReadonlyMap<string, z.ZodType>): boolean {
  for (const key of keys.keys()) if (key.startsWith(`${path}.`)) return true;
  return false;
}

function unwrap(type: z.ZodType): z.ZodType {
  let inner = type;
  while (inner instanceof z.ZodDefault || inner instanceof z.ZodOptional || inner instanceof z.ZodPrefault)
    inner = inner.unwrap() as z.ZodType;
  return inner;
}

function put(into: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [head, ...rest] = path;
  if (rest.length === 0) into[head!] = value;
  else {
    into[head!] ??= {};
    put(into[head!] as Record<string, unknown>, rest, value);
  }
}
