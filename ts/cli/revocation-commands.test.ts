import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Hex, keccak256 } from "viem";
import { privateKeyToAccount, privateKeyToAddress } from "viem/accounts";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { challengeHash } from "../attestation/challenge.ts";
import { DevIntel, DevNvidia } from "../attestation/dev-root/index.ts";
import { pem } from "../attestation/dev-root/x509.ts";
import { quoteMeasurement } from "../attestation/intel/measurement.ts";
import { dcapAux, withoutCertificates } from "../attestation/intel-submissions.ts";
import { type OcspServer, serveOcsp } from "../attestation/testing/ocsp-server.ts";
import { type PcsServer, servePcs } from "../attestation/testing/pcs-server.ts";
import { type Anvil, anvilKey, startAnvil } from "../chain/anvil.ts";
import { DCAP_KINDS } from "../chain/attestation-contracts.ts";
import { connect } from "../chain/client.ts";
import { deploymentPath, readDeployment } from "../chain/deployment.ts";
import { MemoryIntentStore } from "../chain/intent.ts";
import { otrActions } from "../chain/otr-actions.ts";
import { Transactor } from "../chain/transactor.ts";
import { concat, fromHex, toHex } from "../commit/bytes.ts";
import { main } from "./program.ts";

const CHAIN = 41_079;
const MODEL = keccak256("0x01");
const SEED = new TextEncoder().encode("revoked");
const gpu = new DevNvidia(SEED).gpu(0);
const intel = new DevIntel(SEED);
const now = () => Math.floor(Date.now() / 1000);

/** Keys that were proved with evidence, and what vendors say of it later. */
describe("what vendors revoke", () => {
  let anvil: Anvil;
  let folder: string;
  let ocsp: OcspServer;
  let pcs: PcsServer | undefined;
  const at = (name: string) => join(folder, name);
  const keys = [keccak256("0x02"), keccak256("0x03")] as const;
  const [first, second] = keys.map(privateKeyToAddress) as [`0x${string}`, `0x${string}`];

  beforeAll(async () => {
    anvil = await startAnvil({ chainId: CHAIN });
    folder = mkdtempSync(join(tmpdir(), "otr-revocation-"));
    ocsp = await serveOcsp(gpu);
    for (const index of [0, 1, 2]) writeFileSync(at(`key${index}`), anvilKey(index));
    for (const [index, key] of keys.entries()) writeFileSync(at(`enclave${index}`), key);
    writeFileSync(at("gpu.pem"), gpu.pem);
    writeFileSync(at("root.pem"), pem(gpu.chain.at(-1)!));
    writeFileSync(at("intel.pem"), pem(intel.certificates.root));
    writeFileSync(at("quote.bin"), intel.tdxQuote(new Uint8Array(64)));
    const deployed = await otr(0, "deploy", "--development", "--allow-any-chain", "--dev-roots");
    expect([deployed.code, deployed.err]).toEqual([0, ""]);
    const { measurement, firmware } = (await otr(1, "enclave", "measure")).json();
    const policy = (...terms: string[]) =>
      otr(0, "enclave", "policy", "set", MODEL, "--measurement", measurement, ...terms);
    const register = (gpus: number) => {
      const key = ["--key-file", at(`enclave${1 - gpus}`)];
      return otr(1, "--set", `executor.attestation.gpus=${gpus}`, "enclave", "register", MODEL, ...key);
    };
    await policy("--gpus", "1", "--min-assurance", "3", "--firmware-set", "H100");
    await otr(0, "enclave", "firmware", "accept", "H100", firmware[0]);
    expect(await register(1)).toMatchObject({ code: 0, err: "" });
    // The second has no GPU: only its processor can end it.
    await policy("--gpus", "0", "--min-assurance", "2");
    expect(await register(0)).toMatchObject({ code: 0, err: "" });
  }, 300_000);
  afterEach(async () => {
    await pcs?.close();
    pcs = undefined;
  });
  afterAll(async () => {
    await ocsp?.close();
    await anvil?.stop();
    rmSync(folder, { recursive: true });
    rmSync(deploymentPath(CHAIN), { force: true });
  });

  const otr = async (account: number, ...argv: string[]) => {
    let [out, err] = ["", ""];
    const streams = {
      stdout: { write: (text: string) => (out += text) },
      stderr: { write: (text: string) => (err += text) },
    };
    const settings = [
      ...["rpc.pollMs=50", `rpc.url=${anvil.url}`, `dataDir=${folder}`, `cacheDir=${at("cache")}`],
      `account.privateKeyFile=${at(`key${account}`)}`,
      ...["executor.attestation.source=dev", "executor.attestation.gpus=1", "executor.attestation.devSeed=revoked"],
    ].flatMap((value) => ["--set", value]);
    const code = await main(["--json", ...settings, ...argv], {}, streams);
    return { code, out, err, json: () => JSON.parse(out), error: () => JSON.parse(err).error };
  };
  const ask = (...more: string[]) =>
    otr(2, "attest", "ocsp", at("gpu.pem"), "--root", at("root.pem"), "--url", ocsp.url, ...more);
  const evict = (key: string, ...more: string[]) => otr(2, "enclave", "evict", key, ...more);
  const stateOf = async (key: string) => (await otr(2, "enclave", "show", key)).json()[0].state;
  const statuses = (json: { certificates: { place: number; status: string }[] }) =>
    Object.fromEntries(json.certificates.map(({ place, status }) => [place, status]));

  it("otr enclave evict ends no key that everything still vouches for, and says what to do", async () => {
    const refused = await evict(first);
    expect([refused.code, refused.error()]).toMatchObject([
      1,
      {
        code: "enclave.still-proved",
        details: expect.arrayContaining([
          "certificates of the processor: no",
          "certificates or firmware of GPU 0: no",
          "Intel's TDX, number 20: no",
          "Intel's TD_QE, number 20: no",
          expect.stringContaining("otr attest ocsp"),
        ]),
      },
    ]);
    const unknown = await evict(privateKeyToAddress(keccak256("0x09")));
    expect([unknown.code, unknown.error().message]).toEqual([2, expect.stringContaining("never registered")]);
    expect((await evict(first, "--quote", at("gpu.pem"))).code).not.toBe(0);
    expect((await evict("0x12")).code).toBe(2);
    expect(await stateOf(first)).toBe("active");
  });

  it("otr attest ocsp shows what the responder says, and fails where it says nothing", async () => {
    const good = await ask();
    expect([good.code, good.err, statuses(good.json())]).toEqual([0, "", { 1: "good", 2: "good", 3: "good" }]);
    expect(good.json().certificates[0]).toMatchObject({ name: "GH100 A01 GSP BROM", nextUpdate: expect.any(Number) });
    expect(statuses((await ask("--certificate", "0", "--certificate", "2")).json())).toEqual({ 0: "good", 2: "good" });
    for (const wrong of ["4", "x", "-1"]) expect((await ask("--certificate", wrong)).code).toBe(2);
    // One without an answer does not hide the others.
    ocsp.says.set(1, { status: "revoked" });
    ocsp.says.set(2, { nextUpdate: 5 });
    const mixed = await ask();
    expect([mixed.code, statuses(mixed.json())]).toEqual([1, { 1: "revoked", 2: "no answer", 3: "good" }]);
    expect(mixed.error()).toMatchObject({ code: "attestation.expired" });
    ocsp.says.delete(2);
    const revoked = await ask();
    expect([revoked.code, statuses(revoked.json())]).toEqual([3, { 1: "revoked", 2: "good", 3: "good" }]);
    ocsp.says.set(3, { status: "unknown" });
    expect((await ask("--certificate", "3")).code).toBe(3);
    ocsp.says.delete(3);
    const nobody = await ask("--url", "http://127.0.0.1:1");
    expect([nobody.code, nobody.error()]).toMatchObject([1, { code: "attestation.fetch.network", retryable: true }]);
    const others = await otr(2, "attest", "ocsp", at("gpu.pem"), "--url", ocsp.url);
    expect(others.error().code).toBe("attestation.root");
    expect((await otr(2, "attest", "ocsp", at("quote.bin"))).error().message).toContain("has no GPU's certificates");
    expect((await otr(2, "attest", "ocsp", at("none"))).code).toBe(2);
    const help = await otr(2, "attest", "ocsp", "--help");
    expect([help.code, help.out]).toEqual([0, expect.stringContaining("--answer")]);
  });

  it("otr attest ocsp --submit revokes on the chain, by answers from a folder too, and pays once", async () => {
    // The certificates below are known on the chain: keys were registered with this GPU.
    const dry = await ask("--submit", "--dry-run");
    expect(dry.json()).toMatchObject({ dryRun: true, call: "nvidiaOcsp.revoke" });
    const folderOf = at("answers");
    expect((await ask("--out", folderOf)).code).toBe(3);
    const files = readdirSync(folderOf).map((name) => join(folderOf, name));
    expect(files).toHaveLength(3);
    await ocsp.close();
    // Without a network.
    const answers = files.flatMap((file) => ["--answer", file]);
    const sent = await ask(...answers, "--submit");
    expect([sent.code, sent.err]).toEqual([0, ""]);
    expect(sent.json().submitted).toMatchObject([{ name: "nvidiaOcsp.revoke" }]);
    expect((await ask(...answers, "--submit")).json().submitted).toEqual([]);
    ocsp = await serveOcsp(gpu);
    const nothing = await ask("--submit");
    expect([nothing.code, nothing.json().submitted]).toEqual([0, []]);
    // A certificate for which the chain has no issuer yet: the issuers come first, once.
    const other = new DevNvidia(SEED).gpu(1);
    writeFileSync(at("other.pem"), other.pem);
    const served = await serveOcsp(other);
    served.says.set(0, { status: "revoked", byIssuer: true });
    const args = ["attest", "ocsp", at("other.pem"), "--root", at("root.pem"), "--url", served.url];
    const brought = await otr(2, ...args, "--certificate", "0", "--submit");
    await served.close();
    expect(brought.json().submitted.map(({ name }: { name: string }) => name)).toEqual([
      ...["nvidiaCertificates.cache", "nvidiaOcsp.revoke"],
    ]);
    expect((await ask("--submit", "--revoker", "0x12")).code).toBe(2);
  });

  it("otr enclave evict ends the key whose GPU is revoked, by whoever calls it", async () => {
    expect((await evict(first, "--dry-run")).json()).toMatchObject({ dryRun: true, call: "sessions.evict" });
    expect(await stateOf(first)).toBe("active");
    const done = await evict(first);
    expect([done.code, done.err, done.json()]).toMatchObject([
      0,
      "",
      { key: first, evicted: true, reason: "certificates or firmware of GPU 0" },
    ]);
    console.log(`evicted by a GPU's certificate: ${done.json().gas} gas`);
    expect(await stateOf(first)).toBe("revoked");
    const again = await evict(first);
    expect([again.code, again.json()]).toMatchObject([0, { evicted: false, revokedAt: expect.any(Number) }]);
  });

  it("otr enclave evict ends a key by Intel's newer document, with the quote that it finds on the chain", async () => {
    expect((await evict(second)).error().code).toBe("enclave.still-proved");
    const newer = (evaluation: number, status?: object) =>
      intel.tdxCollateral({ issuedAt: now() - 5, evaluation, ...(status && { status }) } as never);
    const submit = async (collateral: ReturnType<typeof newer>) => {
      pcs = await servePcs(collateral);
      const args = ["--url", pcs.url, "--root", at("intel.pem"), "--max-age", "0", "--submit"];
      const { code, err } = await otr(2, "attest", "collateral", at("quote.bin"), ...args);
      expect([code, err]).toEqual([0, ""]);
      await pcs.close();
      pcs = undefined;
    };
    // A newer number by which the platform is still good ends nothing.
    await submit(newer(21));
    expect((await evict(second)).error().details).toContain("Intel's TDX, number 21: no");
    await submit(newer(22, { module: "Revoked" }));
    const other = at("other.bin");
    writeFileSync(other, intel.tdxQuote(new Uint8Array(64).fill(1)));
    expect((await evict(second, "--quote", other)).error().details).toContain("Intel's TDX, number 22: OtherQuote");
    const done = await evict(second);
    expect([done.code, done.json()]).toMatchObject([0, { evicted: true, reason: "Intel's TDX, number 22" }]);
    console.log(`evicted by TCB info: ${done.json().gas} gas`);
    expect(await stateOf(second)).toBe("revoked");
    // A key without a session: the quote is in the registration's own transaction. It was judged by a newer number than the one above.
    await submit(newer(23));
    const plain = await registerPlainly(23);
    const details = (await evict(plain)).error().details.join();
    expect(details).toContain("Intel's TDX, number 23: no");
    expect(details).not.toContain("number 22");
    await submit(newer(24, { enclave: "Revoked" }));
    expect((await evict(plain)).json()).toMatchObject({ evicted: true, reason: "Intel's TD_QE, number 24" });
  });

  /** Registers a key of the second executor's with a quote alone, as `EnclaveRegistry.register` takes it. */
  async function registerPlainly(tcbEval: number): Promise<Hex> {
    const key = privateKeyToAccount(keccak256("0x04"));
    const guest = { mrTd: new Uint8Array(48).fill(4) };
    const measurement = quoteMeasurement(intel.tdxQuote(new Uint8Array(64), guest));
    const terms = ["--gpus", "0", "--min-assurance", "2"];
    await otr(0, "enclave", "policy", "set", MODEL, "--measurement", measurement, ...terms);
    const client = await connect({ url: anvil.url, timeoutMs: 10_000, pollMs: 50 });
    const account = privateKeyToAccount(anvilKey(2));
    const sender = new Transactor({ client, account, store: new MemoryIntentStore(), pollMs: 50 });
    const { addresses } = readDeployment(deploymentPath(CHAIN));
    const actions = otrActions({ addresses, sender })(client);
    const registration = {
      ...{ executor: account.address, modelId: MODEL, enclaveKey: key.address },
      encryptionKeyHash: keccak256("0x"),
    };
    const { challenge, rd0 } = await actions.getEnclaveChallenge(registration);
    const quoted = intel.tdxQuote(concat([fromHex(rd0), new Uint8Array(32)]), guest);
    await actions.registerEnclave({
      ...{ registration, kind: DCAP_KINDS.tdx, evidence: toHex(withoutCertificates(quoted)) },
      aux: dcapAux(intel.certificates.pck, tcbEval),
      enclaveSignature: await key.sign({ hash: challengeHash(challenge) }),
    });
    await sender.close();
    return key.address;
  }
});
