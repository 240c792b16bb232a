import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concat, fromHex, toHex } from "../commit/bytes.ts";
import { FUZZ } from "../machine/testing/fuzz.ts";
import { fingerprint } from "./chain.ts";
import { Checks } from "./checks.ts";
import { parseCrl, verifyCrl } from "./crl.ts";
import { DevKey, DevNvidia } from "./dev-root/index.ts";
import { crl, pem } from "./dev-root/x509.ts";
import { readLeaf } from "./nvidia/leaf.ts";
import { OPAQUE, parseReport } from "./nvidia/report.ts";
import { type TokenKey, verifyToken } from "./nvidia/token.ts";
import { type GpuOptions, parseGpuEvidence, SAMPLE_NONCES, verifyGpu } from "./nvidia/verify.ts";
import { evidence, HAS_EVIDENCE } from "./testing/real-evidence.ts";
import { flipped, refusal, SLOW_MS, sampled } from "./testing/refusal.ts";
import { parseCertificate } from "./x509.ts";

const SEED = new TextEncoder().encode("nvidia-verify.test");
const NOW = 1_790_000_000;
const nvidia = new DevNvidia(SEED);
const root = fingerprint(nvidia.root);
const gpu = nvidia.gpu(0);
const nonce = Uint8Array.from({ length: 32 }, (_, k) => k);
const report = gpu.report(nonce);

const verify = (data: Uint8Array = report, chain = gpu.pem, more: Partial<GpuOptions> = {}) =>
  verifyGpu(data, chain, { time: NOW, root, nonce, ...more });

describe("reports under a development root", () => {
  it("verify, and say what they are of", () => {
    const checks = new Checks();
    expect(verify(report, gpu.pem, { checks })).toMatchObject({
      architecture: "HOPPER",
      device: gpu.name,
      serial: gpu.serial,
      driver: "590.12",
      vbios: "96.00.9F.00.01",
      mode: "SPT",
    });
    expect(checks.rows.map(({ name }) => name)).toEqual([
      "format",
      "device certificate",
      "report's signature",
      "device",
      "nonce",
      "architecture",
    ]);
    const protectedPcie = gpu.report(nonce, { opaque: { [OPAQUE.featureFlag]: Uint8Array.of(2, 0) } });
    expect(verify(protectedPcie).mode).toBe("PPCIE");
    expect(verify(gpu.report(nonce, { opaque: { [OPAQUE.featureFlag]: undefined } })).mode).toBeUndefined();
  });

  it("refuse another root, nonce, key, firmware, and what is refused or revoked", () => {
    expect(refusal(() => verifyGpu(report, gpu.pem, { time: NOW }))).toBe("attestation.root");
    expect(refusal(() => verify(gpu.report(new Uint8Array(32))))).toBe("attestation.binding");
    expect(refusal(() => verify(report, nvidia.gpu(1).pem))).toBe("attestation.signature");
    const firmware = (value: Uint8Array | undefined) =>
      refusal(() => verify(gpu.report(nonce, { opaque: { [OPAQUE.firmwareId]: value } })));
    expect(firmware(new Uint8Array(48))).toBe("attestation.identity");
    expect(firmware(undefined)).toBe("accepted");
    expect(refusal(() => verify(report, gpu.pem, { refused: new Set([gpu.serial]) }))).toBe("attestation.chain");
    const [leaf, brom] = gpu.chain.map((der) => parseCertificate(der));
    expect(refusal(() => verify(report, gpu.pem, { refused: new Set([brom!.serial]) }))).toBe("attestation.chain");
    expect(refusal(() => verify(report, gpu.pem, { time: 1_600_000_000 }))).toBe("attestation.not-yet-valid");
    expect(leaf!.serial).toBe(gpu.serial);
  });

  it("refuse chains that a list revokes", () => {
    const [, identity, top] = nvidia.authorities.map((der) => parseCertificate(der));
    const key = DevKey.derive(SEED, "P-384", "nvidia/root");
    const issuer = { name: [["CN", "NVIDIA Device Identity CA"] as const, ["O", "OTR Development"] as const], key };
    const list = (revoked: bigint[]) =>
      verifyCrl(parseCrl(crl({ issuer, thisUpdate: NOW, nextUpdate: NOW + 1, revoked })), top!, NOW);
    expect(refusal(() => verify(report, gpu.pem, { lists: [list([])] }))).toBe("accepted");
    expect(refusal(() => verify(report, gpu.pem, { lists: [list([identity!.serial])] }))).toBe("attestation.revoked");
    expect(refusal(() => verifyCrl(list([]), identity!, NOW))).toBe("attestation.chain");
    expect(refusal(() => verifyCrl(list([]), top!, NOW + 2))).toBe("attestation.expired");
    const brom = parseCertificate(gpu.chain[1]!);
    expect(refusal(() => verifyCrl({ ...list([]), issuer: brom.subject }, brom, NOW))).toBe("attestation.chain");
  });

  it("refuse published samples, whoever asks for them", () => {
    for (const sample of SAMPLE_NONCES) {
      const data = gpu.report(fromHex(sample));
      expect(refusal(() => verify(data, gpu.pem, { nonce: fromHex(sample) }))).toBe("attestation.sample");
    }
  });

  it(
    "refuse every flipped byte, cut and tail",
    () => {
      for (const at of sampled(0, report.length))
        expect(
          refusal(() => verify(flipped(report, at))),
          `byte ${at}`,
        ).not.toBe("accepted");
      for (const end of sampled(0, report.length))
        expect(
          refusal(() => verify(report.subarray(0, end))),
          `cut at ${end}`,
        ).toBe("attestation.encoding");
      expect(refusal(() => verify(concat([report, new Uint8Array(1)])))).toBe("attestation.encoding");
      expect(refusal(() => verify(new Uint8Array(1 << 20)))).toBe("attestation.encoding");
      for (const [k, der] of gpu.chain.slice(0, 4).entries())
        for (const at of sampled(0, der.length)) {
          const chain = gpu.chain.map((one, j) => pem(j === k ? flipped(one, at) : one)).join("");
          expect(
            refusal(() => verify(report, chain)),
            `certificate ${k}, byte ${at}`,
          ).not.toBe("accepted");
        }
    },
    SLOW_MS,
  );

  it("refuse mixed chains", () => {
    const [leaf, brom, provisioner, identity, top] = gpu.chain.map((der) => pem(der));
    const of = (...parts: (string | undefined)[]) => refusal(() => verify(report, parts.join("")));
    expect(of(leaf, brom, provisioner, identity)).toBe("attestation.chain");
    expect(of(leaf, provisioner, brom, identity, top)).toBe("attestation.chain");
    expect(of(leaf, brom, provisioner, top, identity)).toBe("attestation.root");
    expect(of(leaf, leaf, provisioner, identity, top)).toBe("attestation.chain");
    expect(of(brom, provisioner, identity, top, top)).toBe("attestation.chain");
  });
});

describe("parsers of NVIDIA's formats", () => {
  it("end in a value or a typed error, whatever the bytes", () => {
    const leaf = gpu.chain[0]!;
    const parse = (bytes: Uint8Array) => {
      refusal(() => parseReport(bytes));
      refusal(() => readLeaf(parseCertificate(bytes)));
      refusal(() => readLeaf({ extensions: new Map([["551d11", { critical: false, value: bytes }]]) }));
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), parse), { numRuns: 500 * FUZZ });
    const changes = fc.array(fc.tuple(fc.nat(5000), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(changes, fc.constantFrom(leaf, report), (list, sample) => {
        const bytes = new Uint8Array(sample);
        for (const [at, value] of list) bytes[at % bytes.length] = value;
        parse(bytes);
      }),
      { numRuns: 500 * FUZZ },
    );
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        refusal(() => parseGpuEvidence(value));
      }),
      { numRuns: 200 * FUZZ },
    );
  });
});

describe("tokens of NVIDIA's service", () => {
  const key = DevKey.derive(SEED, "P-384", "nras");
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const half = (k: number) => Buffer.from(key.publicKey.subarray(48 * k, 48 * k + 48)).toString("base64url");
  const keys: TokenKey[] = [{ kid: "k1", kty: "EC", crv: "P-384", x: half(0), y: half(1) }];
  const claims = {
    iss: "https://nras.attestation.nvidia.com",
    nbf: NOW,
    exp: NOW + 3600,
    eat_nonce: toHex(nonce).slice(2),
  };
  const device = {
    ...claims,
    ...{ measres: "success", secboot: true, dbgstat: "disabled", hwmodel: "GH100 A01 GSP BROM", ueid: "1" },
    "x-nvidia-gpu-driver-version": "590.12",
    "x-nvidia-gpu-vbios-version": "96.00.9F.00.01",
  };
  const jwt = (body: unknown, header: object = { alg: "ES384", kid: "k1" }) => {
    const text = `${part(header)}.${part(body)}`;
    return `${text}.${Buffer.from(key.sign(new TextEncoder().encode(text))).toString("base64url")}`;
  };
  const token = (gpuBody: object = device, overallBody: object = {}, header?: object) => {
    const inner = jwt(gpuBody, header);
    const digest = toHex(new Uint8Array(createHash("sha256").update(inner).digest())).slice(2);
    const submods = { "GPU-0": ["DIGEST", ["SHA-256", digest]] };
    const overall = { ...claims, "x-nvidia-overall-att-result": true, submods, ...overallBody };
    return [["JWT", jwt(overall, header)], { "GPU-0": inner }];
  };
  const taken = (value: unknown, more: object = {}) =>
    refusal(() => verifyToken(value, { time: NOW, keys, nonce, ...more }));

  it("verify with a key of the service", () => {
    expect(verifyToken(token(), { time: NOW, keys, nonce })).toEqual([
      { name: "GPU-0", ueid: "1", hardware: "GH100 A01 GSP BROM", driver: "590.12", vbios: "96.00.9F.00.01" },
    ]);
  });

  it("are refused without a signature, by another key, of another time, nonce or issuer", () => {
    expect(taken(token(device, {}, { alg: "none" }))).toBe("attestation.token");
    expect(taken(token(device, {}, { alg: "HS256", kid: "k1" }))).toBe("attestation.token");
    expect(taken(token(device, {}, { alg: "ES384", kid: "k2" }))).toBe("attestation.token");
    expect(taken(token(), { keys: [{ ...keys[0], x: half(1) }] })).toBe("attestation.token");
    expect(taken(token(), { keys: [{ ...keys[0], crv: "P-256" }] })).toBe("attestation.token");
    expect(taken(token(), { time: NOW + 3601 })).toBe("attestation.expired");
    expect(taken(token(), { time: NOW - 1 })).toBe("attestation.not-yet-valid");
    expect(taken(token(), { nonce: new Uint8Array(32) })).toBe("attestation.binding");
    expect(taken(token({ ...device, iss: "https://example.org" }))).toBe("attestation.token");
    const [[, overall], devices] = token() as [[string, string], Record<string, string>];
    expect(taken([["JWT", `${overall.slice(0, -4)}AAAA`], devices])).toBe("attestation.token");
    expect(taken([["JWT", `${overall}=`], devices])).toBe("attestation.encoding");
  });

  it("are refused if a result is bad, or of another token", () => {
    expect(taken(token(device, { "x-nvidia-overall-att-result": false }))).toBe("attestation.token");
    expect(taken(token({ ...device, measres: "fail" }))).toBe("attestation.token");
    expect(taken(token({ ...device, dbgstat: "enabled" }))).toBe("attestation.token");
    expect(taken(token({ ...device, secboot: false }))).toBe("attestation.token");
    const [overall, devices] = token() as [unknown, Record<string, string>];
    expect(taken([overall, { "GPU-0": jwt({ ...device, ueid: "2" }) }])).toBe("attestation.token");
    expect(taken([overall, { ...devices, "GPU-1": devices["GPU-0"] }])).toBe("attestation.token");
    expect(taken([overall, { "GPU-1": devices["GPU-0"] }])).toBe("attestation.token");
    for (const value of [null, [], [["JWT", "a.b"], {}], [["JWT", "x".repeat(1 << 20)], {}]])
      expect(taken(value)).toBe("attestation.encoding");
  });
});

describe.skipIf(!HAS_EVIDENCE)("real evidence of NVIDIA's devices", () => {
  const text = (name: string) => evidence(`nvidia-h100/${name}`).toString();
  const expected = HAS_EVIDENCE ? JSON.parse(text("expected.json")) : {};
  const files = (name: string) => ({
    data: fromHex(`0x${text(`${name}_report.hex`).trim()}`),
    chain: text(`${name}_chain.pem`),
  });
  const take = ({ data, chain }: { data: Uint8Array; chain: string }, more: Partial<GpuOptions> = {}) =>
    verifyGpu(data, chain, { time: NOW, allowSamples: true, ...more });

  it.each(["A_h100_550.90.07", "B_h100_545.00", "C_h100_580.159.03"])("%s verifies", (name) => {
    const want = expected[name];
    const verified = take(files(name), { nonce: fromHex(`0x${want.requestNonce}`) });
    expect(verified).toMatchObject({ architecture: "HOPPER", driver: want.driver, serial: BigInt(want.leafSerial) });
    for (const [index, value] of Object.entries((want.measurements ?? {}) as Record<string, string>))
      expect(toHex(verified.report.measurements[Number(index) - 1]!)).toBe(`0x${value}`);
    expect(verified.reportHash).toBe(`0x${want.sha256}`);
  });

  it("evidence in NVIDIA's JSON verifies; a held certificate is for the verifier to refuse", () => {
    const [d] = parseGpuEvidence(JSON.parse(text("D_h100_590.12_ppcie_evidence.json")));
    expect(take({ data: d!.report, chain: d!.chain }).mode).toBe("PPCIE");
    const [held] = parseGpuEvidence(JSON.parse(text("NEG_h100_cert_hold_evidence.json")));
    const one = { data: held!.report, chain: held!.chain };
    const { serial } = take(one);
    expect(refusal(() => take(one, { refused: new Set([serial]) }))).toBe("attestation.chain");
  });

  it("samples that everybody has are refused", () => {
    for (const name of ["A_h100_550.90.07", "B_h100_545.00"])
      expect(refusal(() => take(files(name), { allowSamples: false }))).toBe("attestation.sample");
    expect(refusal(() => take(files("C_h100_580.159.03"), { allowSamples: false }))).toBe("accepted");
  });

  it(
    "another signer's report is refused, and every flipped byte",
    () => {
      const { data, chain } = files("C_h100_580.159.03");
      const bad = fromHex(`0x${text("NEG_h100_bad_signature_report.hex").trim()}`);
      expect(refusal(() => take({ data: bad, chain }))).toBe("attestation.signature");
      for (const at of sampled(0, data.length))
        expect(
          refusal(() => take({ data: flipped(data, at), chain })),
          `byte ${at}`,
        ).not.toBe("accepted");
    },
    SLOW_MS,
  );

  it("Blackwell's and an NVSwitch's verify, and are not supported unless they are asked for", () => {
    for (const [name, architecture] of [
      ["X_blackwell_575.32", "BLACKWELL"],
      ["X_nvswitch_ls10", "NVSWITCH"],
    ] as const) {
      expect(refusal(() => take(files(name)))).toBe("attestation.unsupported");
      expect(take(files(name), { accept: [architecture] }).architecture).toBe(architecture);
    }
  });

  it("the service's token is not taken without its key, a local one never", () => {
    const token = JSON.parse(text("A_nras_detached_eat.json"));
    const time = 1_749_601_900;
    expect(refusal(() => verifyToken(token, { time, keys: [] }))).toBe("attestation.token");
    const local = JSON.parse(text("claims_v3_local_dstack_580.159.03.json"));
    const unsigned = JSON.stringify(local).match(/eyJ[\w-]*\.[\w-]*\.[\w-]*/g) ?? [];
    expect(unsigned.length).toBeGreaterThan(0);
    for (const jwt of unsigned)
      expect(refusal(() => verifyToken([["JWT", jwt], {}], { time, keys: [] }))).toBe("attestation.token");
  });
});
