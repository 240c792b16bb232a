import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { privateKeyToAddress } from "viem/accounts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Anvil, anvilKey, startAnvil } from "../chain/anvil.ts";
import { deploymentPath } from "../chain/deployment.ts";
import { main } from "./program.ts";

const CHAIN = 41_002;
const MODEL = "models/tale-300k";
const EXECUTOR = privateKeyToAddress(anvilKey(1));

describe("otr", () => {
  let anvil: Anvil;
  let folder: string;
  const children: ChildProcess[] = [];
  beforeAll(async () => {
    anvil = await startAnvil({ chainId: CHAIN });
    folder = mkdtempSync(join(tmpdir(), "otr-cli-"));
    for (const index of [0, 1, 2]) writeFileSync(join(folder, `key${index}`), anvilKey(index));
  });
  afterAll(async () => {
    for (const child of children) child.kill("SIGKILL");
    await anvil.stop();
    rmSync(folder, { recursive: true });
    rmSync(deploymentPath(CHAIN), { force: true });
  });

  const settings = (account: number) => [
    ...["rpc.pollMs=50", `rpc.url=${anvil.url}`, `dataDir=${folder}`, `models=${MODEL}`],
    `account.privateKeyFile=${join(folder, `key${account}`)}`,
    ...["executor.metricsPort=0", "fisherman.metricsPort=0"],
    ...[
      "executor.port=0",
      "executor.batchSeconds=1",
      "executor.requests.gweiPerOutputToken=1",
      `executor.devRootFile=${join(folder, "key0")}`,
    ],
  ];
  const flags = (account: number) => settings(account).flatMap((value) => ["--set", value]);

  /** Runs a command in this process with the key of an account. */
  const otr = async (account: number, ...argv: string[]) => {
    let [out, err] = ["", ""];
    const streams = {
      stdout: { write: (text: string) => (out += text) },
      stderr: { write: (text: string) => (err += text) },
    };
    const code = await main([...flags(account), ...argv], {}, streams);
    return { code, out, err, json: () => JSON.parse(out) };
  };
  /** Starts a daemon in a process of its own. */
  const daemon = (account: number, ...argv: string[]) => {
    const script = fileURLToPath(new URL("./main.ts", import.meta.url));
    const args = ["--import", "tsx", script, ...flags(account), ...argv];
    const child = spawn(process.execPath, args, {
      stdio: ["ignore", "ignore", "pipe"],
      env: { PATH: process.env.PATH },
    });
    children.push(child);
    const log: string[] = [];
    child.stderr?.on("data", (chunk: Buffer) => log.push(...chunk.toString().split("\n")));
    const line = (pattern: RegExp) =>
      until(() => log.map((text) => pattern.exec(text)).find((match) => match !== null));
    const end = async () => {
      child.kill("SIGTERM");
      return new Promise((resolve) => child.once("exit", resolve));
    };
    return { line, end };
  };

  it("explains itself, and exits with 2 on wrong usage", async () => {
    expect(await otr(0, "--help")).toMatchObject({ code: 0, out: expect.stringContaining("fisherman") });
    expect(await otr(0, "nonsense")).toMatchObject({ code: 2, err: expect.stringContaining("unknown command") });
    expect(await otr(0, "--set", "rpc.ulr=x", "config", "print")).toMatchObject({
      code: 2,
      err: expect.stringContaining("rpc.ulr"),
    });
    expect(await otr(0, "games", "list")).toMatchObject({ code: 1, err: expect.stringContaining("otr deploy") });
    const { err } = await otr(
      0,
      "--set",
      "rpc.url=http://127.0.0.1:1/v3/0123456789abcdef0123",
      "--json",
      "games",
      "list",
    );
    expect(JSON.parse(err).error).toMatchObject({ code: "chain.endpoint", retryable: true });
    expect(err).not.toContain("0123456789abcdef");
  });

  it("prints the configuration without secrets, and makes keystores", async () => {
    const { out } = await otr(0, "config", "print", "--redact");
    expect(out).toMatch(/rpc\.pollMs +50 +flag/);
    expect(out).not.toContain("key0");
    expect((await otr(0, "config", "schema")).out).toContain('"maxGames"');
    writeFileSync(join(folder, "password"), "secret\n");
    const made = await otr(
      0,
      "--json",
      "account",
      "new",
      join(folder, "new.json"),
      "--password-file",
      join(folder, "password"),
    );
    expect(made.json().address).toMatch(/^0x[0-9a-fA-F]{40}$/);
    expect(JSON.parse(readFileSync(join(folder, "new.json"), "utf8"))).toMatchObject({ version: 3 });
    const again = await otr(0, "account", "new", join(folder, "new.json"), "--password-file", join(folder, "password"));
    expect(again).toMatchObject({ code: 2, err: expect.stringContaining("EEXIST") });
  });

  it("deploys, registers a model, serves, checks receipts and watches: from nothing to a checked answer", async () => {
    // The whole of what it printed, so that a failure shows its reason.
    const deployed = await otr(0, "deploy", "--development", "--allow-any-chain");
    expect(deployed).toEqual({ ...deployed, code: 0, out: expect.stringContaining("rollup") });
    const { modelId, transactions } = (await otr(0, "--json", "model", "register", MODEL)).json();
    expect(transactions).toBeGreaterThan(0);
    expect((await otr(0, "--json", "model", "register", MODEL)).json()).toMatchObject({
      registered: false,
      transactions: 0,
    });
    expect(await otr(0, "model", "accept", modelId)).toMatchObject({ code: 0 });

    const executor = daemon(1, "executor", "run");
    const [, url] = await executor.line(/serving at (http:\S+)/);
    const registered = await otr(1, "--json", "executor", "register", "--stake", "1", "--endpoint", url!);
    expect(registered.json()).toMatchObject({ executor: EXECUTOR, stake: (10n ** 18n).toString() });
    const fisherman = daemon(2, "--set", "log.level=debug", "fisherman", "run");

    const chat = await ask(url!);
    const file = join(folder, "receipt.json");
    writeFileSync(file, JSON.stringify(await (await fetch(`${url}/v1/otr/receipt/${chat}`)).json()));
    expect((await otr(0, "--json", "receipt", "verify", file, "--model", MODEL)).json()).toMatchObject({ ok: true });
    const bundle = JSON.parse(readFileSync(file, "utf8"));
    bundle.receipt.nOut++;
    writeFileSync(join(folder, "forged.json"), JSON.stringify(bundle));
    expect(await otr(0, "receipt", "verify", join(folder, "forged.json"))).toMatchObject({
      code: 3,
      out: expect.stringContaining("FAIL"),
    });

    const [, verdict] = await fisherman.line(/"verdict":"(\w+)"/);
    expect(verdict).toBe("valid");
    for (const daemon of [executor, fisherman]) {
      const [, health] = await daemon.line(/health at (http:\S+)/);
      await until(() => fetch(`${health}/readyz`).then(({ ok }) => ok || undefined));
      const metrics = await (await fetch(`${health}/metrics`)).text();
      expect(metrics).toMatch(/^otr_chain_head_block \d+$/m);
      expect(metrics).toMatch(/^otr_balance_ether \d+(\.\d+)?$/m);
    }
    expect((await otr(0, "--json", "receipt", "status", chat, "--endpoint", url!)).json()).toMatchObject({
      status: "provisional",
      index: 0,
    });
    const asked = ["request", "ask", "hi", "--pay", "0.000000003", "--max-out", "3", "--wait"];
    const answer = (await otr(0, "--json", ...asked)).json();
    expect(answer).toMatchObject({ state: "provisional", payment: "3000000000", text: expect.any(String) });
    expect(answer.output.length).toBeGreaterThan(0);
    const shown = await otr(0, "request", "show", answer.requestHash, "--model", MODEL);
    expect(shown).toMatchObject({ code: 0, out: expect.stringContaining("provisional") });
    expect(await otr(0, "request", "show", `0x${"12".repeat(32)}`)).toMatchObject({ code: 2 });
    expect(await otr(0, "model", "accept", `0x${"12".repeat(32)}`)).toMatchObject({
      code: 2,
      err: expect.stringContaining("otr model register"),
    });
    expect(await otr(0, "--json", "request", "refund", answer.requestHash)).toMatchObject({
      code: 1,
      err: expect.stringContaining("DeliveryOpen"),
    });
    expect((await otr(0, "games", "list")).out).toContain("no games");
    expect(await otr(0, "games", "show", "7")).toMatchObject({ code: 2 });
    expect(await executor.end()).toBe(0);
    expect(await fisherman.end()).toBe(0);
  });
});

/** Asks for a few tokens; resolves to the chat's id once the executor stands well enough to answer. */
async function ask(url: string): Promise<string> {
  const body = JSON.stringify({ model: "tale-300k", messages: [{ role: "user", content: "hi" }], max_tokens: 3 });
  for (;;) {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    const answer = (await response.json()) as { id: string };
    if (response.ok) return answer.id;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function until<T>(value: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (;;) {
    const now = await value();
    if (now !== undefined) return now;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
