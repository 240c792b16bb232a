import { createHash, randomBytes } from "node:crypto";
import { recoverMessageAddress } from "viem";
import { publicKeyToAddress } from "viem/accounts";
import { afterEach, describe, expect, it } from "vitest";
import { fingerprint } from "../attestation/chain.ts";
import { Checks } from "../attestation/checks.ts";
import { DevIntel, DevNvidia } from "../attestation/dev-root/index.ts";
import { verifyAttestationReport } from "../attestation/report.ts";
import { refusal } from "../attestation/testing/refusal.ts";
import { fromHex, type Hex, toHex } from "../commit/bytes.ts";
import { AttestationService, type AttestationServiceOptions } from "../enclave/attestation-report.ts";
import { devSource } from "../enclave/dev-source.ts";
import { EvidenceUnavailableError } from "../enclave/errors.ts";
import { TEST_DOMAIN, TEST_MODEL, testExecutor } from "../executor/testing/setup.ts";

const SEED = new TextEncoder().encode("attestation.test");
const roots = {
  intel: fingerprint(new DevIntel(SEED).certificates.root),
  nvidia: fingerprint(new DevNvidia(SEED).root),
};
const source = devSource({
  seed: SEED,
  gpus: 2,
  configuration: JSON.stringify({ kind: "otr", modelId: TEST_MODEL.modelId }),
});
const running: { stop(deadlineMs: number): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((executor) => executor.stop(1000)));
});

async function serve(options: Partial<AttestationServiceOptions> = {}, more: Parameters<typeof testExecutor>[0] = {}) {
  const attestation = new AttestationService({ source, domain: TEST_DOMAIN, executor: TEST_DOMAIN.rollup, ...options });
  const test = testExecutor({ attestation, ...more });
  running.push(test.executor);
  const url = await test.executor.start({ host: "127.0.0.1", port: 0 });
  const get = async (path: string) => {
    const response = await fetch(url + path);
    return { status: response.status, body: (await response.json()) as Record<string, never> };
  };
  return { ...test, url, get };
}

const seconds = () => Math.floor(Date.now() / 1000);
const sha256 = (data: string | Uint8Array) => createHash("sha256").update(data).digest("hex");

describe("GET /v1/attestation/report", () => {
  it("passes the checks that clients of confidential inference make", async () => {
    const { get, enclave } = await serve();
    const nonce = randomBytes(32).toString("hex");
    const { status, body } = await get(`/v1/attestation/report?model=tiny&nonce=${nonce}&signing_algo=ecdsa`);
    expect(status).toBe(200);
    const report = body as unknown as Record<string, string> & {
      info: { tcb_info: Record<string, string> };
      all_attestations: Record<string, string>[];
    };
    // As they do it: fields at fixed places of the quote.
    const quote = Buffer.from(report.intel_quote!, "hex");
    const reportData = quote.subarray(568, 632);
    expect(reportData.subarray(0, 32).toString("hex")).toBe(enclave.address.slice(2).padEnd(64, "0"));
    expect(reportData.subarray(32).toString("hex")).toBe(nonce);
    expect(report.request_nonce).toBe(nonce);
    expect(report.signing_address!.toLowerCase()).toBe(enclave.address);
    expect(publicKeyToAddress(`0x04${report.signing_public_key}`)).toBe(report.signing_address);
    expect(report.all_attestations.map((one) => one.signing_address)).toEqual([report.signing_address]);
    const payload = JSON.parse(report.nvidia_payload!);
    expect(payload).toMatchObject({ nonce, arch: "HOPPER" });
    expect(payload.evidence_list).toHaveLength(2);
    for (const { certificate, evidence } of payload.evidence_list) {
      expect(Buffer.from(evidence, "base64").subarray(4, 36).toString("hex")).toBe(nonce);
      expect(Buffer.from(certificate, "base64").toString()).toMatch(/^-----BEGIN CERTIFICATE-----/);
    }
    // MRCONFIGID is the hash of what the guest was started with.
    const compose = report.info.tcb_info.app_compose!;
    expect(quote.subarray(232, 265).toString("hex")).toBe(`01${sha256(compose)}`);
    expect(JSON.parse(compose).modelId).toBe(TEST_MODEL.modelId);
  });

  it("verifies as a whole, and shows each check", async () => {
    const { get, enclave } = await serve();
    const nonce = new Uint8Array(randomBytes(32));
    const { body } = await get(`/v1/attestation/report?nonce=${toHex(nonce).slice(2)}`);
    const checks = new Checks();
    const options = { nonce, time: seconds(), roots, gpus: 2, signingAddress: enclave.address };
    const verified = verifyAttestationReport(body, { ...options, checks });
    expect(verified).toMatchObject({ signingAddress: enclave.address, quote: { status: "UpToDate" } });
    expect(verified.gpus.map(({ device }) => device)).toEqual([0, 1].map((k) => new DevNvidia(SEED).gpu(k).name));
    expect(checks.rows.every(({ ok }) => ok)).toBe(true);
    const take = (value: unknown, change: object = {}) =>
      refusal(() => verifyAttestationReport(value, { ...options, ...change }));
    expect(take(body, { nonce: new Uint8Array(32) })).toBe("attestation.binding");
    expect(take(body, { signingAddress: TEST_DOMAIN.rollup })).toBe("attestation.binding");
    expect(take(body, { gpus: 3 })).toBe("attestation.encoding");
    expect(take(body, { roots: {} })).toBe("attestation.collateral");
    expect(take(body, { roots: { intel: roots.intel } })).toBe("attestation.root");
    expect(take(body, { tlsFingerprint: new Uint8Array(32) })).toBe("attestation.binding");
    expect(take({ ...body, signing_address: TEST_DOMAIN.rollup }, { signingAddress: undefined })).toBe(
      "attestation.binding",
    );
    expect(take({ ...body, intel_quote: null })).toBe("attestation.unsupported");
    expect(take({ ...body, intel_quote: "zz" })).toBe("attestation.encoding");
    expect(take({ ...body, amd_report: "00", intel_quote: null })).toBe("attestation.encoding");
    expect(take({ ...body, otr: null })).toBe("attestation.collateral");
    expect(take({ ...body, nvidia_payload: "" })).toBe("attestation.encoding");
    expect(take({ ...body, nvidia_payload: "{" })).toBe("attestation.encoding");
    const { evidence_list: list } = JSON.parse(String(body.nvidia_payload));
    // One GPU counted twice.
    expect(take({ ...body, nvidia_payload: { evidence_list: [list[0], list[0]] } })).toBe("attestation.identity");
    expect(take({ ...body, info: { tcb_info: { app_compose: "another" } } })).toBe("attestation.identity");
    expect(take({ ...body, info: { tcb_info: '{"app_compose":"another"}' } })).toBe("attestation.identity");
    const event = { imr: 0, event_type: 1, digest: "ab", event: "", event_payload: "" };
    expect(take({ ...body, event_log: JSON.stringify([event]) })).toBe("attestation.identity");
    expect(take({ ...body, event_log: "{" })).toBe("attestation.encoding");
    for (const value of [null, [], {}, { ...body, request_nonce: "00" }])
      expect(take(value)).toBe("attestation.encoding");
  });

  it("binds the server's TLS key if it is asked to and knows one", async () => {
    const tlsFingerprint = new Uint8Array(32).fill(7);
    const nonce = new Uint8Array(randomBytes(32));
    const path = `/v1/attestation/report?nonce=${toHex(nonce).slice(2)}&include_tls_fingerprint=true`;
    const { get, enclave } = await serve({ tlsFingerprint });
    const { body } = await get(path);
    expect(String(body.report_data).slice(0, 64)).toBe(
      sha256(Buffer.concat([fromHex(enclave.address), tlsFingerprint])),
    );
    const options = { nonce, time: seconds(), roots };
    expect(verifyAttestationReport(body, { ...options, tlsFingerprint }).tlsFingerprint).toBe(toHex(tlsFingerprint));
    const other = new Uint8Array(32);
    expect(refusal(() => verifyAttestationReport(body, { ...options, tlsFingerprint: other }))).toBe(
      "attestation.binding",
    );
    // A report cannot name another key than it binds.
    const forged = { ...body, tls_cert_fingerprint: "00".repeat(32) };
    expect(refusal(() => verifyAttestationReport(forged, { ...options, tlsFingerprint: other }))).toBe(
      "attestation.binding",
    );
    const without = await serve();
    expect(await without.get(path)).toMatchObject({
      status: 400,
      body: { error: { param: "include_tls_fingerprint" } },
    });
  });

  it("refuses what it cannot attest, and says so", async () => {
    const { get, enclave } = await serve();
    const report = (query: string) => get(`/v1/attestation/report?${query}`);
    expect((await report("nonce=12")).body).toMatchObject({ error: { param: "nonce" } });
    expect(await report("signing_algo=ed25519")).toMatchObject({
      status: 400,
      body: { error: { param: "signing_algo" } },
    });
    expect((await report("model=other")).status).toBe(404);
    expect((await report(`signing_address=${TEST_DOMAIN.rollup}`)).status).toBe(404);
    expect((await report(`signing_address=${enclave.address.toUpperCase().replace("0X", "0x")}`)).status).toBe(200);
    const [first, second] = [await report(""), await report("")];
    expect(first.body.request_nonce).not.toBe(second.body.request_nonce);
    const none = testExecutor();
    running.push(none.executor);
    const url = await none.executor.start({ host: "127.0.0.1", port: 0 });
    const response = await fetch(`${url}/v1/attestation/report`);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ error: { code: "attestation_unavailable" } });
  });

  it("makes one report at a time, and lets eight wait", async () => {
    let [inside, most] = [0, 0];
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow: typeof source = {
      ...source,
      async evidence(...args) {
        most = Math.max(most, ++inside);
        await gate;
        inside--;
        return source.evidence(...args);
      },
    };
    const { get } = await serve({ source: slow });
    const asked = Array.from({ length: 12 }, () => get("/v1/attestation/report"));
    await new Promise((resolve) => setTimeout(resolve, 200));
    release();
    const answers = await Promise.all(asked);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(8);
    expect(answers.find(({ status }) => status === 503)!.body).toMatchObject({ error: { code: "attestation_busy" } });
    expect(most).toBe(1);
    const broken = await serve({
      source: { ...source, evidence: async () => Promise.reject(new EvidenceUnavailableError("x", "y")) },
    });
    for (let k = 0; k < 10; k++)
      expect((await broken.get("/v1/attestation/report")).body).toMatchObject({
        error: { code: "evidence_unavailable" },
      });
  });

  it("is for bearers of a key, where there are keys", async () => {
    const { url } = await serve({}, { http: { apiKeys: ["sk-1"] } });
    for (const path of ["/v1/attestation/report", "/v1/signature/x"]) {
      expect((await fetch(url + path)).status).toBe(401);
      expect((await fetch(url + path, { headers: { authorization: "Bearer sk-1" } })).status).not.toBe(401);
    }
  });
});

describe("GET /v1/signature/:chat_id", () => {
  const post = (url: string, text: string, headers: Record<string, string> = {}) =>
    fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: text,
    });
  const messages = [{ role: "user", content: "hi" }];

  it("signs the bytes of request and response, streamed or not", async () => {
    const { url, get, enclave } = await serve();
    for (const stream of [false, true]) {
      // White space and order are the client's: the hash is of its bytes.
      const asked = `{ "stream": ${stream},  "messages": ${JSON.stringify(messages)}, "model": "tiny", "temperature": 0 }`;
      const response = await post(url, asked, { "x-request-hash": "00".repeat(32) });
      const answer = await response.text();
      const chatId = /chatcmpl-[0-9a-f]{32}/.exec(answer)![0];
      const { status, body } = await get(`/v1/signature/${chatId}?model=tiny&signing_algo=ecdsa`);
      expect(status).toBe(200);
      const signed = body as unknown as Record<"text" | "signing_address" | "signing_algo", string> & {
        signature: Hex;
      };
      expect(signed.text).toBe(`${sha256(asked)}:${sha256(answer)}`);
      // Some clients hash the JSON that they have parsed.
      if (!stream) expect(signed.text).toBe(`${sha256(asked)}:${sha256(JSON.stringify(JSON.parse(answer)))}`);
      else expect(answer.endsWith("data: [DONE]\n\n")).toBe(true);
      const signer = await recoverMessageAddress({ message: signed.text, signature: signed.signature });
      expect(signer).toBe(signed.signing_address);
      expect(signer.toLowerCase()).toBe(enclave.address);
      expect(signed.signing_algo).toBe("ecdsa");
    }
  });

  it("is of the response with its comments, and of each chat its own", async () => {
    const { url, get } = await serve();
    const body = {
      model: "tiny",
      messages,
      temperature: 0,
      seed: 1,
      stream: true,
      stream_options: { include_otr: true },
    };
    const texts = [];
    for (let k = 0; k < 2; k++) {
      const answer = await (await post(url, JSON.stringify(body))).text();
      const chatId = /chatcmpl-[0-9a-f]{32}/.exec(answer)![0];
      const { text } = (await get(`/v1/signature/${chatId}`)).body as unknown as { text: string };
      expect(text.split(":")[1]).toBe(sha256(answer));
      texts.push(text);
    }
    expect(new Set(texts).size).toBe(2);
  });

  it("is not there of chats that nobody asked for, and refuses other algorithms", async () => {
    const { get } = await serve();
    expect(await get("/v1/signature/chatcmpl-1")).toMatchObject({
      status: 404,
      body: { error: { code: "chat_not_found" } },
    });
    expect((await get("/v1/signature/chatcmpl-1?signing_algo=ed25519")).status).toBe(400);
    expect((await get("/v1/signature/chatcmpl-1?model=other")).body).toMatchObject({
      error: { code: "model_not_found" },
    });
  });
});
