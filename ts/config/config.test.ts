import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HttpRequestError, TimeoutError } from "viem";
import { afterAll, describe, expect, it } from "vitest";
import { weiOf } from "./amounts.ts";
import { ConfigError, SecretError } from "./errors.ts";
import { openKeystore, sealKeystore } from "./keystore.ts";
import { environmentName, loadConfig, OTHER_VARIABLES } from "./load.ts";
import { createLogger } from "./logger.ts";
import { configLines, redactUrl } from "./print.ts";
import { loadAccount } from "./secrets.ts";

const folder = mkdtempSync(join(tmpdir(), "otr-config-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, content: unknown) => {
  const path = join(folder, name);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
};
const problems = (action: () => unknown) => {
  try {
    action();
  } catch (error) {
    if (error instanceof ConfigError) return error.metaMessages.join("\n");
    throw error;
  }
  return "none";
};

describe("loadConfig", () => {
  it("has a default for everything", () => {
    const { config, sources } = loadConfig({ environment: {} });
    expect(config.rpc.url).toBe("http://127.0.0.1:8545");
    expect(new Set(sources.values())).toEqual(new Set(["default"]));
  });

  it("lets flags win over the environment, and the environment over the file", () => {
    const path = file("a.json", { rpc: { url: "http://file:1", pollMs: 1, timeoutMs: 1 }, models: ["x"] });
    const environment = { OTR_RPC_POLL_MS: "2", OTR_RPC_TIMEOUT_MS: "2", OTR_MODELS: "m1, m2", HOME: "/" };
    const { config, sources } = loadConfig({
      file: path,
      environment,
      flags: ["rpc.timeoutMs=3", "fisherman.dispute=false"],
    });
    expect(config.rpc).toMatchObject({ url: "http://file:1", pollMs: 2, timeoutMs: 3 });
    expect(config.models).toEqual(["m1", "m2"]);
    expect(config.fisherman.dispute).toBe(false);
    expect(["rpc.url", "rpc.pollMs", "rpc.timeoutMs", "dataDir"].map((key) => sources.get(key))).toEqual([
      "file",
      "environment",
      "flag",
      "default",
    ]);
  });

  it("takes maps as JSON, from file, environment and flags alike", () => {
    const modelId = `0x${"ab".repeat(32)}`;
    const suspects = { [modelId]: ["models/small", "models/int4"] };
    const text = JSON.stringify(suspects);
    for (const options of [
      { file: file("map.json", { fisherman: { suspects } }), environment: {} },
      { environment: { OTR_FISHERMAN_SUSPECTS: text } },
      { environment: {}, flags: [`fisherman.suspects=${text}`] },
    ])
      expect(loadConfig(options).config.fisherman.suspects).toEqual(suspects);
    const wrong = (value: string) => problems(() => loadConfig({ environment: { OTR_FISHERMAN_SUSPECTS: value } }));
    expect(wrong("models/small")).toContain("fisherman.suspects");
    expect(wrong('{"0x12": []}')).toContain("fisherman.suspects");
  });

  it("refuses unknown keys wherever they stand, and says which", () => {
    expect(problems(() => loadConfig({ file: file("b.json", { rpc: { ulr: "x" } }), environment: {} }))).toContain(
      "rpc.ulr",
    );
    expect(problems(() => loadConfig({ environment: { OTR_RPC_ULR: "x" } }))).toContain("OTR_RPC_ULR");
    expect(problems(() => loadConfig({ environment: {}, flags: ["rpc.ulr=x"] }))).toContain("rpc.ulr");
    expect(problems(() => loadConfig({ environment: {}, flags: ["rpc.url"] }))).toContain("key=value");
    expect(problems(() => loadConfig({ file: file("c.json", "{"), environment: {} }))).toContain("JSON");
    expect(problems(() => loadConfig({ file: file("d.json", [1]), environment: {} }))).toContain("the whole file");
  });

  it("refuses values of the wrong type with the key's name", () => {
    expect(problems(() => loadConfig({ environment: { OTR_RPC_POLL_MS: "soon" } }))).toContain("rpc.pollMs");
    expect(problems(() => loadConfig({ environment: { OTR_RPC_URL: "file:///etc" } }))).toContain("rpc.url");
    expect(problems(() => loadConfig({ environment: { OTR_FISHERMAN_EXECUTORS: "0x12" } }))).toContain("executors");
  });

  it("refuses promises that cannot be kept: a batch that forms after it is due, a receipt that expires before", () => {
    const load = (...flags: string[]) => problems(() => loadConfig({ environment: {}, flags }));
    expect(load("executor.batchSeconds=600")).toContain("executor.commitSeconds");
    expect(load("executor.commitSeconds=90000")).toContain("executor.expirySeconds");
    expect(load("executor.batchSeconds=599", "executor.expirySeconds=601")).toBe("none");
  });

  it("takes amounts as small as they come", () => {
    const { config } = loadConfig({ environment: {}, flags: ["collector.minClaimEther=0.0000001"] });
    expect(weiOf(config.collector.minClaimEther)).toBe(100_000_000_000n);
    expect([weiOf(0.1), weiOf(0), weiOf(2), weiOf(1e-18)]).toEqual([10n ** 17n, 0n, 2n * 10n ** 18n, 1n]);
    expect([weiOf(500, "gwei"), weiOf(1e-8, "gwei")]).toEqual([500_000_000_000n, 10n]);
  });

  it("names variables after keys", () => {
    expect(environmentName("fisherman.maxBundleBytes")).toBe("OTR_FISHERMAN_MAX_BUNDLE_BYTES");
  });

  it("lets every variable of the deployment script pass", () => {
    const script = readFileSync("script/Deploy.s.sol", "utf8");
    const names = [...script.matchAll(/"(OTR_[A-Z_]+)"/g)].map((match) => match[1]!);
    expect(names).toContain("OTR_INTEL_ROOT");
    expect(names.filter((name) => !OTHER_VARIABLES.has(name))).toEqual([]);
    expect(() => loadConfig({ environment: { OTR_INTEL_ROOT: "0x00" }, file: undefined })).not.toThrow();
  });
});

describe("configLines", () => {
  it("hides secrets' places and credentials in URLs when redacting", () => {
    const flags = [
      "account.privateKeyFile=/secret/place",
      "rpc.url=https://user:pass@rpc.example/v3/0123456789abcdef0123",
    ];
    const loaded = loadConfig({ environment: {}, flags });
    const redacted = JSON.stringify(configLines(loaded, true));
    expect(redacted).not.toMatch(/secret.place|user:|0123456789abcdef/);
    expect(redacted).toContain("https://rpc.example/");
    expect(JSON.stringify(configLines(loaded, false))).toContain("/secret/place");
    expect(redactUrl("http://127.0.0.1:8545")).toBe("http://127.0.0.1:8545");
  });
});

describe("accounts", () => {
  const key = `0x${"07".repeat(32)}` as const;

  it("come from a key file, a keystore or the environment", () => {
    const sealed = sealKeystore(key, "pass", new Uint8Array(48).fill(3), 2 ** 12);
    const keystore = { keystoreFile: file("k.json", sealed), passwordFile: file("p", "pass\n") };
    expect(openKeystore(sealed, "pass")).toBe(key);
    const fromKeystore = loadAccount(keystore, {});
    expect(fromKeystore.address).toBe(loadAccount({ privateKeyFile: file("k", `${key.slice(2)}\n`) }, {}).address);
    expect(fromKeystore.address).toBe(loadAccount({}, { OTR_PRIVATE_KEY: key }).address);
  });

  it("fail with a reason and without the secret", () => {
    const sealed = sealKeystore(key, "pass", new Uint8Array(48), 2 ** 12);
    expect(() => openKeystore(sealed, "other")).toThrow(SecretError);
    expect(() => openKeystore("{}", "x")).toThrow(SecretError);
    expect(() => loadAccount({}, {})).toThrow(SecretError);
    expect(() => loadAccount({ keystoreFile: "x" }, {})).toThrow("passwordFile");
    expect(() => loadAccount({ privateKeyFile: join(folder, "none") }, {})).toThrow("not readable");
    expect(() => loadAccount({}, { OTR_PRIVATE_KEY: "0xabc" })).toThrow(/^((?!0xabc)[\s\S])*$/);
  });

  it("open the test vectors of the format's specification", () => {
    const crypto = {
      cipher: "aes-128-ctr",
      cipherparams: { iv: "6087dab2f9fdbbfaddc31a909735c1e6" },
      ciphertext: "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
      kdf: "pbkdf2",
      kdfparams: {
        c: 262144,
        dklen: 32,
        prf: "hmac-sha256",
        salt: "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd",
      },
      mac: "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
    };
    const secret = "0x7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";
    expect(openKeystore(JSON.stringify({ version: 3, crypto }), "testpassword")).toBe(secret);
  });
});

describe("createLogger", () => {
  const lines = (format: "json" | "text") => {
    const out: string[] = [];
    const write = (line: string) => void out.push(line);
    return { out, logger: createLogger("fisherman", { level: "info", format }, { write }) };
  };

  it("writes bigints, short errors and no secrets", () => {
    const { out, logger } = lines("json");
    logger.info(
      { game: 7n, prompt: [1, 2], inner: { privateKey: "0x1" }, err: new SecretError("key", "gone") },
      "hello",
    );
    const entry = JSON.parse(out[0]!);
    expect(entry).toMatchObject({ service: "fisherman", level: "info", game: "7", prompt: "[redacted]", msg: "hello" });
    expect(entry.inner.privateKey).toBe("[redacted]");
    expect(entry.err).toMatchObject({ name: "SecretError", code: "config.secret" });
  });

  it("writes what an endpoint's failure was, without the access key in its URL and the request's body", () => {
    const { out, logger } = lines("json");
    const url = "https://rpc.example/v3/0123456789abcdef0123";
    const request = { url, body: { method: "eth_call", params: ["0xca11"] } };
    logger.warn({ err: new HttpRequestError({ ...request, status: 429, details: "slow down" }) }, "away");
    logger.warn({ err: new TimeoutError(request) }, "away");
    logger.warn({ err: new TypeError(`Failed to parse URL from ${url}`) }, "away");
    expect(out.map((line) => JSON.parse(line).err.name)).toEqual(["HttpRequestError", "TimeoutError", "TypeError"]);
    expect(out[0]).toContain("slow down");
    for (const secret of ["0123456789abcdef0123", "0xca11"]) expect(out.join("")).not.toContain(secret);
  });

  it("writes readable text", () => {
    const { out, logger } = lines("text");
    logger.warn({ batch: 3n }, "late");
    expect(out[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} WARN {2}fisherman late batch=3\n$/);
  });
});
