import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { fingerprint } from "../attestation/chain.ts";
import { DevIntel, DevNvidia } from "../attestation/dev-root/index.ts";
import { EvidenceEncodingError } from "../attestation/errors.ts";
import { verifyQuote } from "../attestation/intel/verify.ts";
import { verifyGpu } from "../attestation/nvidia/verify.ts";
import { toHex } from "../commit/bytes.ts";
import { configSchema } from "../config/schema.ts";
import { inspectGpus, passBootGate } from "./boot-gate.ts";
import { runCommand } from "./command.ts";
import { devSource, mrConfigId } from "./dev-source.ts";
import { BootGateError, EvidenceUnavailableError } from "./errors.ts";
import { gpuToolDriver } from "./gpu-tool.ts";
import { openSource } from "./open-source.ts";
import { machineSource } from "./source.ts";
import { TSM_FILES, type TsmFiles, tsmDriver } from "./tsm.ts";

const SEED = new TextEncoder().encode("enclave.test");
const reportData = Uint8Array.from({ length: 64 }, (_, k) => k);
const nonces = [1, 2].map((k) => new Uint8Array(32).fill(k));
const root = mkdtempSync(join(tmpdir(), "otr-tsm-"));
afterAll(() => rmSync(root, { recursive: true }));

/** A folder in place of the kernel's: entries come filled, count writes, and answer with what `answer` makes of them. */
function fakeTsm(
  kernel: { provider?: string; step?: (write: number) => number; answer?: (data: Uint8Array) => Uint8Array } = {},
) {
  const { provider = "tdx_guest", step = () => 1, answer = (data) => data } = kernel;
  let [made, removed, writes] = [0, 0, 0];
  const files: TsmFiles = {
    async make(folder) {
      const path = join(folder, `entry-${made++}`);
      mkdirSync(path);
      writeFileSync(join(path, "provider"), `${provider}\n`);
      writeFileSync(join(path, "generation"), "7\n");
      return path;
    },
    async remove(path) {
      removed++;
      rmSync(path, { recursive: true });
    },
    read: async (path) => new Uint8Array(readFileSync(path)),
    async write(path, bytes) {
      const entry = dirname(path);
      writeFileSync(join(entry, "outblob"), answer(bytes));
      if (provider === "sev_guest") writeFileSync(join(entry, "auxblob"), Uint8Array.of(5));
      writeFileSync(join(entry, "generation"), `${7 + step(writes++)}\n`);
    },
  };
  const clock = { now: () => 0, sleep: async () => undefined };
  return { options: { folder: root, files, clock, attempts: 3 }, counts: () => ({ made, removed }) };
}

describe("reports of Linux' configfs-tsm", () => {
  it("take what the kernel answers to these bytes, and leave nothing behind", async () => {
    const tdx = fakeTsm();
    expect(await tsmDriver("tdx", tdx.options).evidence(reportData)).toEqual({ kind: "tdx", quote: reportData });
    expect(tdx.counts()).toEqual({ made: 1, removed: 1 });
    const snp = fakeTsm({ provider: "sev_guest" });
    expect(await tsmDriver("snp", snp.options).evidence(reportData)).toEqual({
      kind: "snp",
      report: reportData,
      certificates: Uint8Array.of(5),
    });
    expect(readdirSync(root)).toEqual([]);
  });

  it("are made anew if somebody else wrote, or the kernel gave nothing", async () => {
    const busy = fakeTsm({ step: (write) => (write < 2 ? 2 : 1) });
    expect((await tsmDriver("tdx", busy.options).evidence(reportData)).kind).toBe("tdx");
    expect(busy.counts()).toEqual({ made: 3, removed: 3 });
    for (const kernel of [{ step: () => 2 }, { step: () => 0 }, { answer: () => new Uint8Array() }]) {
      const never = fakeTsm(kernel);
      const driver = tsmDriver("tdx", never.options);
      await expect(driver.evidence(reportData)).rejects.toMatchObject({ code: "enclave.evidence", retryable: true });
      expect(never.counts()).toEqual({ made: 3, removed: 3 });
    }
    const large = fakeTsm({ answer: () => new Uint8Array(1 << 17) });
    await expect(tsmDriver("tdx", large.options).evidence(reportData)).rejects.toThrow(EvidenceUnavailableError);
  });

  it("are refused of another processor, at once", async () => {
    const { options, counts } = fakeTsm({ provider: "sev_guest" });
    await expect(tsmDriver("tdx", options).evidence(reportData)).rejects.toThrow(/sev_guest/);
    expect(counts()).toEqual({ made: 1, removed: 1 });
  });

  it("are refused where there is no such folder, and for other sizes", async () => {
    const away = tsmDriver("tdx", { folder: join(root, "none") });
    await expect(away.evidence(reportData)).rejects.toThrow(/takes no reports/);
    await expect(away.evidence(new Uint8Array(32))).rejects.toThrow(EvidenceUnavailableError);
    // Files are opened as the kernel lets them be: `inblob` cannot be read.
    let written: Uint8Array | undefined;
    const real = tsmDriver("tdx", {
      ...{ folder: root, attempts: 1 },
      files: {
        ...TSM_FILES,
        make: async (folder) => {
          const path = await TSM_FILES.make(folder);
          for (const [name, text] of [
            ["provider", "tdx_guest\n"],
            ["generation", "1\n"],
            ["outblob", "quote"],
            ["inblob", ""],
          ])
            writeFileSync(join(path, name!), text!);
          chmodSync(join(path, "inblob"), 0o200);
          return path;
        },
        remove: async (path) => {
          chmodSync(join(path, "inblob"), 0o600);
          written = new Uint8Array(readFileSync(join(path, "inblob")));
          rmSync(path, { recursive: true });
        },
      },
    });
    await expect(real.evidence(reportData)).rejects.toThrow(/1 attempts failed/);
    expect(written).toEqual(reportData);
    // A plain folder: files are not there, and it is given up after a few tries.
    const plain = tsmDriver("tdx", { folder: root, attempts: 2, retryMs: 1 });
    await expect(plain.evidence(reportData)).rejects.toThrow(/2 attempts failed/);
    expect(readdirSync(root)).toEqual([]);
  });
});

describe("reports of GPUs by NVIDIA's tool", () => {
  const nvidia = new DevNvidia(SEED);
  const asked: string[][] = [];
  const tool = (count: number, change: (answer: Record<string, unknown>) => unknown = (answer) => answer) =>
    gpuToolDriver({
      count: 2,
      command: async (_, args) => {
        asked.push([...args]);
        const nonce = new Uint8Array(Buffer.from(args[4]!, "hex"));
        const evidences = Array.from({ length: count }, (_, k) => {
          const gpu = nvidia.gpu(k);
          const certificate = Buffer.from(gpu.pem).toString("base64");
          return {
            arch: "HOPPER",
            certificate,
            evidence: Buffer.from(gpu.report(nonce)).toString("base64"),
            nonce: args[4],
          };
        });
        return `collecting\n${JSON.stringify(change({ result_code: 0, result_message: "Ok", evidences }))}`;
      },
    });

  it("give each GPU's answer to its own nonce", async () => {
    const reports = await tool(2).evidence(nonces);
    for (const [k, { report, chain }] of reports.entries()) {
      const options = { time: 1_790_000_000, root: fingerprint(nvidia.root), nonce: nonces[k]! };
      expect(verifyGpu(report, chain, options).device).toBe(nvidia.gpu(k).name);
    }
    expect(asked).toHaveLength(2);
    expect(asked[0]).toEqual(["collect-evidence", "--device", "gpu", "--nonce", "01".repeat(32), "--format", "json"]);
    asked.length = 0;
    await tool(2).evidence([nonces[0]!, nonces[0]!]);
    expect(asked).toHaveLength(1);
  });

  it("are refused if GPUs are missing, the tool fails, or answers with something else", async () => {
    await expect(tool(1).evidence(nonces)).rejects.toThrow(/reports 1 GPUs, not 2/);
    await expect(tool(2, (answer) => ({ ...answer, result_code: 3 })).evidence(nonces)).rejects.toThrow(/not 0/);
    const silent = gpuToolDriver({ count: 1, command: async () => "no GPU" });
    await expect(silent.evidence([nonces[0]!])).rejects.toThrow(/no JSON/);
    // A sample, as tools return it where there is no GPU.
    const sample = (answer: Record<string, unknown>) => {
      const [first] = answer.evidences as { evidence: string }[];
      const report = new Uint8Array(Buffer.from(first!.evidence, "base64"));
      report[4]! ^= 1;
      return {
        ...answer,
        evidences: [0, 1].map(() => ({ ...first, evidence: Buffer.from(report).toString("base64") })),
      };
    };
    await expect(tool(2, sample).evidence(nonces)).rejects.toThrow(/another nonce/);
    const cut = (answer: Record<string, unknown>) => ({
      ...answer,
      evidences: [0, 1].map(() => ({ certificate: "", evidence: "AA==" })),
    });
    await expect(tool(2, cut).evidence(nonces)).rejects.toThrow(EvidenceEncodingError);
    await expect(gpuToolDriver({ count: 1, program: "no-such-program" }).evidence([nonces[0]!])).rejects.toThrow(
      EvidenceUnavailableError,
    );
    expect((await runCommand(process.execPath, ["-p", "1+1"])).trim()).toBe("2");
  });

  it("come with the processor's evidence, and before it", async () => {
    const order: string[] = [];
    const source = machineSource(
      {
        kind: "tdx",
        evidence: async (data) => {
          order.push("cpu");
          return { kind: "tdx", quote: data };
        },
      },
      {
        count: 2,
        evidence: async (list) => {
          order.push("gpu");
          return tool(2).evidence(list);
        },
      },
    );
    const { cpu, gpus } = await source.evidence(reportData, nonces);
    expect([cpu.kind, gpus.length, order]).toEqual(["tdx", 2, ["gpu", "cpu"]]);
    expect((await source.evidence(reportData, [])).gpus).toEqual([]);
    await expect(source.evidence(new Uint8Array(1), [])).rejects.toThrow(EvidenceUnavailableError);
    await expect(source.evidence(reportData, [...nonces, ...nonces])).rejects.toThrow(/4 nonces are for 2 GPUs/);
    await expect(source.evidence(reportData, [new Uint8Array(1)])).rejects.toThrow(/32 bytes/);
  });
});

describe("the gate before any key", () => {
  const smi = (mode: string, tools: string, list = "GPU 0: NVIDIA H100 (UUID: GPU-1)\n") =>
    inspectGpus("nvidia-smi", async (_, args) => (args[1] === "-f" ? mode : args[1] === "-d" ? tools : list));
  const machine = { kind: "tdx", gpus: 1 } as const;
  const gate = (state: ReturnType<typeof smi>) => passBootGate(machine, () => state);

  it("opens with confidential computing on, DevTools off and every GPU there", async () => {
    await gate(smi("CC status: ON\n", "DevTools Mode: OFF\n"));
    await passBootGate({ kind: "dev", gpus: 8 });
    await passBootGate({ kind: "snp", gpus: 0 });
  });

  it.each([
    ["CC status: OFF", "DevTools Mode: OFF", undefined],
    ["CC status: ON", "DevTools Mode: ON", undefined],
    ["CC status: ON\nCC status: OFF", "DevTools Mode: OFF", undefined],
    ["CC status: ON", "DevTools Mode: OFF\nDevTools Mode: ON", undefined],
    ["", "", undefined],
    ["CC status: ONLY", "DevTools Mode: OFF", undefined],
    ["CC status: ON", "DevTools Mode: OFF", ""],
    ["CC status: ON", "DevTools Mode: OFF", "GPU 0: a\nGPU 1: b\n"],
  ])("stays shut: %j, %j, %j", async (mode, tools, list) => {
    await expect(gate(smi(mode, tools, list))).rejects.toThrow(BootGateError);
  });
});

describe("a source as it is configured", () => {
  const config = (executor: object) => configSchema.parse({ executor: { attestation: executor } }).executor.attestation;
  const command = async (_: string, args: readonly string[]) => (args[0] === "-L" ? "" : "CC status: OFF");

  it("is none by default, and a development one commits to what the guest is started with", async () => {
    expect(await openSource(config({}), { configuration: "a" })).toBeUndefined();
    const source = await openSource(config({ source: "dev", gpus: 2 }), { configuration: "a" });
    expect(source).toMatchObject({ kind: "dev", gpus: 2, configuration: "a" });
  });

  it("opens no machine behind a shut gate", async () => {
    for (const source of ["tdx", "snp"]) {
      const opened = openSource(config({ source, gpus: 1 }), { configuration: "a", command });
      await expect(opened).rejects.toThrow(BootGateError);
      expect((await openSource(config({ source }), { configuration: "a", command }))!.kind).toBe(source);
    }
  });
});

describe("development evidence", () => {
  it("verifies under the seed's roots, with what the guest was started with", async () => {
    const configuration = JSON.stringify({ modelId: "0x1" });
    const now = 1_790_000_000;
    const clock = { now: () => now * 1000, sleep: async () => undefined };
    const source = devSource({ seed: SEED, gpus: 2, configuration, clock });
    const { cpu, gpus, collateral } = await source.evidence(reportData, nonces);
    if (cpu.kind !== "tdx") throw new TypeError("no quote");
    const intel = fingerprint(new DevIntel(SEED).certificates.root);
    const { report } = verifyQuote(cpu.quote, collateral!, { time: now, root: intel, reportData });
    if (report.kind !== "tdx") throw new TypeError("no TD");
    expect(toHex(report.mrConfigId)).toBe(toHex(mrConfigId(configuration)));
    expect(gpus).toHaveLength(2);
    expect(await source.evidence(reportData, nonces)).toEqual({ cpu, gpus, collateral });
    await expect(source.evidence(reportData, [...nonces, nonces[0]!])).rejects.toThrow(EvidenceUnavailableError);
  });
});
