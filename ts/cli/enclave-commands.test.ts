import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createTestClient, http, keccak256 } from "viem";
import { privateKeyToAddress } from "viem/accounts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { platformOf } from "../attestation/intel/fetch-collateral.ts";
import { type Anvil, anvilAddress, anvilKey, startAnvil } from "../chain/anvil.ts";
import { deploymentPath } from "../chain/deployment.ts";
import { main } from "./program.ts";

const CHAIN = 41_068;
const MODEL = keccak256("0x01");
const KEY = keccak256("0x02");
const ENCLAVE = privateKeyToAddress(KEY);

describe("otr enclave", () => {
  let anvil: Anvil;
  let folder: string;
  let measured: { measurement: string; firmware: string[] };
  beforeAll(async () => {
    anvil = await startAnvil({ chainId: CHAIN });
    folder = mkdtempSync(join(tmpdir(), "otr-enclave-cli-"));
    for (const index of [0, 1]) writeFileSync(join(folder, `key${index}`), anvilKey(index));
    writeFileSync(join(folder, "enclave"), KEY);
    const deployed = await otr(0, "deploy", "--development", "--allow-any-chain", "--dev-roots");
    expect([deployed.code, deployed.err]).toEqual([0, ""]);
  });
  afterAll(async () => {
    await anvil?.stop();
    rmSync(folder, { recursive: true });
    rmSync(deploymentPath(CHAIN), { force: true });
  });

  /** Runs a command in this process with the key of an account; its JSON, and the error's. */
  const otr = async (account: number, ...argv: string[]) => {
    let [out, err] = ["", ""];
    const streams = {
      stdout: { write: (text: string) => (out += text) },
      stderr: { write: (text: string) => (err += text) },
    };
    const settings = [
      ...["rpc.pollMs=50", `rpc.url=${anvil.url}`, `dataDir=${folder}`],
      `account.privateKeyFile=${join(folder, `key${account}`)}`,
      ...["executor.attestation.source=dev", "executor.attestation.gpus=1", "executor.attestation.devSeed=cli"],
    ].flatMap((value) => ["--set", value]);
    const code = await main(["--json", ...settings, ...argv], {}, streams);
    return { code, out, err, json: () => JSON.parse(out), error: () => JSON.parse(err).error };
  };
  const enclave = (account: number, ...argv: string[]) => otr(account, "enclave", ...argv);
  const file = () => ["--key-file", join(folder, "enclave")];

  it("measures the machine, and says what governance has to accept", async () => {
    const result = await enclave(1, "measure", "--quote", join(folder, "quote.bin"));
    expect(platformOf(new Uint8Array(readFileSync(join(folder, "quote.bin")))).tee).toBe("tdx");
    expect(result.code).toBe(0);
    measured = result.json();
    expect(measured).toMatchObject({ measurement: expect.stringMatching(/^0x[0-9a-f]{64}$/) });
    expect(measured.firmware).toHaveLength(1);
    const refused = await enclave(1, "register", MODEL, ...file());
    expect([refused.code, refused.error().code]).toEqual([1, "enclave.policy"]);
    expect(refused.err).toContain(`otr enclave policy set ${MODEL} --measurement ${measured.measurement}`);
  });

  it("lists the verifiers of all kinds of evidence, those of quotes with their policies", async () => {
    const listed = (await enclave(1, "verifiers")).json() as { kind: string; verifier: string; minTcbEval?: number }[];
    expect(listed.map(({ kind }) => kind)).toEqual(["TDX_DCAP", "SGX_DCAP", "NV_SPDM", "VERIFIER_ENCLAVE", "DEV"]);
    expect(new Set(listed.map(({ verifier }) => verifier)).size).toBe(5);
    const [tdx, sgx] = listed;
    expect(tdx).toMatchObject({ minTcbEval: "20", acceptConfiguration: false });
    // Quotes of both kinds are judged alike, by the same certificates and documents.
    expect(sgx).toEqual({ ...tdx, kind: "SGX_DCAP", verifier: sgx!.verifier });
    const file = JSON.parse(readFileSync(deploymentPath(CHAIN), "utf8")) as Record<string, string>;
    expect([tdx!.verifier, sgx!.verifier]).toEqual([file.DcapVerifier, file.DcapVerifierSgx]);
  });

  it("sets policies and firmware, step by step as the errors say", async () => {
    const { measurement, firmware } = measured;
    const set = ["policy", "set", MODEL, "--measurement", measurement];
    expect((await enclave(0, ...set, "--gpus", "1")).error().message).toContain("GPUs need a set of firmware");
    expect((await enclave(0, ...set, "--dry-run")).json()).toMatchObject({ dryRun: true, call: "enclaves.setPolicy" });
    const terms = ["--gpus", "1", "--min-assurance", "3", "--firmware-set", "H100", "--key-days", "10"];
    const policy = await enclave(0, ...set, ...terms, "--days", "20");
    expect(policy.json()).toMatchObject({
      measurement,
      terms: { gpus: 1, minAssurance: 3, lifetime: 864_000, firmwareSet: expect.stringMatching(/^0x48313030/) },
    });
    // Terms that are not named stay.
    expect((await enclave(0, ...set)).json().terms).toEqual(policy.json().terms);
    const refused = await enclave(1, "register", MODEL, ...file());
    expect(refused.err).toContain(`otr enclave firmware accept ${policy.json().terms.firmwareSet} ${firmware[0]}`);
    expect((await enclave(0, "firmware", "accept", "H100", firmware[0]!)).code).toBe(0);
    expect((await enclave(1, ...set)).error().code).toBe("chain.revert");
    for (const wrong of [
      [...set, "--min-assurance", "4"],
      [...set, "--firmware-set", "x".repeat(33)],
      ["register", MODEL],
    ])
      expect((await enclave(0, ...wrong)).code).toBe(2);
  });

  it("registers, shows, renews and revokes a key", async () => {
    const dry = await enclave(1, "register", MODEL, ...file(), "--dry-run");
    expect(dry.json()).toMatchObject({ dryRun: true, call: "intelCertificates.addRoot" });
    const done = await enclave(1, "register", MODEL, ...file());
    expect([done.code, done.err]).toEqual([0, ""]);
    expect(done.json()).toMatchObject({ key: ENCLAVE, changed: true, transactions: 17 });
    expect((await enclave(1, "register", MODEL, ...file())).json()).toMatchObject({ changed: false });
    const [shown] = (await enclave(1, "show")).json();
    expect(shown).toMatchObject({
      ...{ key: ENCLAVE, state: "active", executor: anvilAddress(1), modelId: MODEL },
      ...{ kind: "TDX_DCAP", assurance: 3, gpus: 1, measurement: measured.measurement },
    });
    expect((await enclave(1, "show", ENCLAVE)).json()).toEqual([shown]);
    expect((await enclave(0, "show")).json()).toEqual([]);
    expect((await enclave(0, "show", anvilAddress(5))).json()).toEqual([{ key: anvilAddress(5), state: "unknown" }]);
    await createTestClient({ mode: "anvil", transport: http(anvil.url) }).increaseTime({ seconds: 60 });
    const renewed = await enclave(1, "renew", ...file());
    expect([renewed.code, renewed.err]).toEqual([0, ""]);
    expect(renewed.json()).toMatchObject({ changed: true, transactions: 4 });
    expect(BigInt(renewed.json().expiresAt)).toBeGreaterThan(BigInt(done.json().expiresAt));
    expect((await enclave(0, "revoke", ENCLAVE)).error().message).toContain("NotExecutor");
    expect((await enclave(1, "revoke", ENCLAVE)).json()).toEqual({ key: ENCLAVE, revoked: true });
    expect((await enclave(1, "show", ENCLAVE)).json()).toMatchObject([{ state: "revoked" }]);
    expect((await enclave(1, "renew", ...file())).error().code).toBe("enclave.key");
  });

  it("explains wrong files, a missing source, and ends policies", async () => {
    const missing = await enclave(1, "register", MODEL, ...file(), "--collateral", join(folder, "none.json"));
    expect(missing.error()).toMatchObject({ code: "enclave.evidence" });
    writeFileSync(join(folder, "bad.json"), "{}");
    const bad = await enclave(1, "register", MODEL, ...file(), "--collateral", join(folder, "bad.json"));
    expect(bad.error().code).toBe("attestation.encoding");
    const none = await otr(1, "--set", "executor.attestation.source=none", "enclave", "measure");
    expect([none.code, none.err]).toEqual([2, expect.stringContaining("executor.attestation.source")]);
    expect((await enclave(0, "policy", "end", MODEL, measured.measurement)).code).toBe(0);
    const { validUntil } = (await enclave(0, "policy", "show", MODEL, measured.measurement)).json();
    expect(validUntil).toBeLessThan(Date.now() / 1000 + 100_000);
    expect((await enclave(0, "firmware", "withdraw", measured.firmware[0]!)).json()).toEqual({
      withdrawn: measured.firmware[0],
    });
  });
});
