import { configKeys, type LoadedConfig, type Source } from "./load.ts";

/** One line of `config print`. */
export interface ConfigLine {
  readonly key: string;
  readonly value: unknown;
  readonly source: Source;
}

/** Every key with its value and source. `redact` hides where secrets lie, and credentials within URLs. */
export function configLines(loaded: LoadedConfig, redact: boolean): ConfigLine[] {
  return [...configKeys().keys()].map((key) => {
    const value = key.split(".").reduce<unknown>((at, name) => (at as Record<string, unknown>)?.[name], loaded.config);
    return { key, value: redact ? redacted(key, value) : value, source: loaded.sources.get(key) ?? "default" };
  });
}

function redacted(key: string, value: unknown): unknown {
  if (value === undefined) return value;
  if (key.startsWith("account.") || key.endsWith("File")) return "[redacted]";
  return typeof value === "string" && /^https?:/.test(value) ? redactUrl(value) : value;
}

/** A URL without user, password, query and path: providers put access keys into all of them. */
export function redactUrl(text: string): string {
  if (!URL.canParse(text)) return "[redacted]";
  const url = new URL(text);
  const bare = url.username === "" && url.password === "" && url.search === "" && url.pathname.length < 16;
  return bare ? text : `${url.protocol}//${url.host}/[redacted]`;
}
