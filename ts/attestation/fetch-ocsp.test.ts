import type { ServerResponse } from "node:http";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FUZZ } from "../machine/testing/fuzz.ts";
import { encode, TAG } from "./der.ts";
import { DevNvidia } from "./dev-root/index.ts";
import { DevKey } from "./dev-root/key.ts";
import { certificate, constraints, extension, oid, sequence, USAGE, usage } from "./dev-root/x509.ts";
import { fetchOcsp, ocspRequest, readOcsp, responderUrl } from "./nvidia/fetch-ocsp.ts";
import { type OcspServer, readRequest, serveOcsp } from "./testing/ocsp-server.ts";
import { evidence, HAS_EVIDENCE } from "./testing/real-evidence.ts";
import { parseCertificate, parsePem } from "./x509.ts";

const gpu = new DevNvidia(new TextEncoder().encode("fetch-ocsp")).gpu(0);
const chain = gpu.chain.map((der) => parseCertificate(der));
const now = () => Math.floor(Date.now() / 1000);
const text = (value: string) => new TextEncoder().encode(value);

/** A certificate that names these ways to its issuer: pairs of a method and a URI. */
function naming(ways: readonly (readonly [method: string, place: string])[], subject = "named") {
  const key = DevKey.derive(text("naming"), "P-384", subject);
  const access = ways.map(([method, place]) => sequence(oid(method), encode(0x86, text(place))));
  return parseCertificate(
    certificate({
      ...{ subject: [["CN", subject]], key, issuer: { name: [["CN", subject]], key }, serial: 5n },
      ...{ notBefore: 1_602_892_800, notAfter: 2_524_607_999 },
      extensions: [constraints(true), usage(USAGE.certify), extension("2b06010505070101", false, sequence(...access))],
    }),
  );
}

const OCSP = "2b06010505073001";
const ISSUER = "2b06010505073002";

describe("the responder of a certificate", () => {
  it("is the one that it names", () => {
    expect(responderUrl(chain[2]!)).toBeUndefined();
    expect(responderUrl(naming([[ISSUER, "http://a.invalid"]]))).toBeUndefined();
    const both = naming([
      [ISSUER, "http://a.invalid"],
      [OCSP, "http://b.invalid"],
    ]);
    expect(responderUrl(both)).toBe("http://b.invalid");
  });

  it.skipIf(!HAS_EVIDENCE)("is NVIDIA's of its authorities, and of what they have issued", () => {
    const real = parsePem(evidence("nvidia-h100/C_h100_580.159.03_chain.pem").toString("latin1"));
    const url = "http://ocsp.ndis.nvidia.com";
    expect(real.map(responderUrl)).toEqual([undefined, undefined, url, url, undefined]);
  });
});

describe("a question", () => {
  it("names certificate and issuer, by SHA-384, and a nonce", () => {
    const nonce = new Uint8Array(32).fill(9);
    for (const place of [0, 1, 2, 3]) {
      const { serial } = chain[place]!;
      expect(readRequest(ocspRequest(serial, chain[place + 1]!, nonce))).toEqual({ serial, nonce });
    }
    // Serial numbers of any length, also with the highest bit set.
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 159n - 1n }), (serial) => {
        expect(readRequest(ocspRequest(serial, chain[1]!, nonce)).serial).toBe(serial);
      }),
      { numRuns: 50 * FUZZ },
    );
  });
});

describe("an answer", () => {
  let server: OcspServer;
  beforeEach(async () => {
    server = await serveOcsp(gpu);
  });
  afterEach(() => server.close());
  const ask = (place: number, changes: { url?: string; timeoutMs?: number } = {}) =>
    fetchOcsp(chain, place, { time: now(), url: server.url, ...changes });
  const refused = (place = 1, changes = {}) =>
    ask(place, changes).then(
      () => "accepted",
      (error: { code: string }) => error.code,
    );

  it("says what is good, revoked, unknown; of whichever certificate has an issuer", async () => {
    server.says.set(1, { status: "revoked", reason: 1 });
    server.says.set(2, { status: "unknown", byIssuer: true });
    expect(await Promise.all([0, 1, 2, 3].map(async (place) => (await ask(place)).answer.status))).toEqual([
      ...["good", "revoked", "unknown", "good"],
    ]);
    expect(server.asked.map(({ place }) => place).sort()).toEqual([0, 1, 2, 3]);
    expect(new Set(server.asked.map(({ type }) => type))).toEqual(new Set(["application/ocsp-request"]));
    expect(await refused(4)).toBe("attestation.ocsp");
  });

  it("is asked of the certificate's own responder, or of the next above it that is named", async () => {
    const above = naming([[OCSP, server.url]], "authority");
    const [leaf, brom, provisioner, identity, root] = chain;
    const named = { ...identity!, extensions: above.extensions };
    const place = async (at: number) =>
      (await fetchOcsp([leaf!, brom!, provisioner!, named, root!], at, { time: now() })).answer.status;
    expect(await Promise.all([place(1), place(3)])).toEqual(["good", "good"]);
    await expect(fetchOcsp(chain, 1, { time: now() })).rejects.toMatchObject({
      code: "attestation.fetch.url",
      metaMessages: [expect.stringContaining("names a responder"), expect.stringContaining("--url")],
    });
  });

  it("is of this question, this time, this certificate", async () => {
    expect(await refused()).toBe("accepted");
    server.says.set(1, { nonce: new Uint8Array(32) });
    expect(await refused()).toBe("attestation.ocsp");
    // Made beforehand: it holds until it says.
    server.says.set(1, { nonce: undefined } as never);
    expect(await refused()).toBe("accepted");
    server.says.set(1, { nextUpdate: now() - 30 });
    expect(await refused()).toBe("attestation.expired");
    server.says.set(1, { serial: 77n });
    expect(await refused()).toBe("attestation.ocsp");
    server.says.set(1, { purposes: [] });
    expect(await refused()).toBe("attestation.chain");
    // A good answer about another certificate of the same chain.
    server.other.answer = (response) =>
      response.end(gpu.ocsp(2, { status: "good", thisUpdate: now() - 60, nextUpdate: now() + 60 }));
    expect(await refused()).toBe("attestation.ocsp");
  });

  it("comes in time, whole, of some kilobytes, and from where it was asked for", async () => {
    const answers = {
      "attestation.fetch.status": (response: ServerResponse) => response.writeHead(503).end(),
      "attestation.fetch.size": (response: ServerResponse) => response.end(Buffer.alloc(70_000)),
      "attestation.fetch.network": (response: ServerResponse) =>
        response.writeHead(302, { location: server.url }).end(),
      "attestation.encoding": (response: ServerResponse) => response.end("<html>"),
      "attestation.fetch.timeout": (response: ServerResponse) => void response.write("0"),
    };
    for (const [code, answer] of Object.entries(answers)) {
      server.other.answer = answer;
      expect(await refused(1, { timeoutMs: 300 })).toBe(code);
    }
    // The responder refuses to answer: "unauthorized".
    const unauthorized = sequence(encode(TAG.enumerated, Uint8Array.of(6)));
    server.other.answer = (response) => response.end(unauthorized);
    expect(await refused()).toBe("attestation.ocsp");
    for (const url of ["nowhere", "file:///etc/passwd", "ftp://a.invalid"])
      expect(await refused(1, { url })).toBe("attestation.fetch.url");
    await server.close();
    const nobody = await ask(1).catch((error: unknown) => error);
    expect(nobody).toMatchObject({ code: "attestation.fetch.network", retryable: true });
    expect((nobody as { metaMessages: string[] }).metaMessages.join()).toMatch(/--url.*--answer/);
    server = await serveOcsp(gpu);
  });

  it("that was fetched elsewhere is verified all the same", async () => {
    const der = gpu.ocsp(3, { status: "revoked", thisUpdate: now() - 60, nextUpdate: now() + 60 });
    expect(readOcsp(der, chain, now())).toMatchObject({ place: 3, answer: { status: "revoked" } });
    expect(() => readOcsp(der, chain, now() + 61)).toThrow(/not valid any more/);
    expect(() => readOcsp(der.slice(1), chain, now())).toThrow();
    const other = new DevNvidia(text("other")).gpu(0).chain.map((one) => parseCertificate(one));
    expect(() => readOcsp(der, other, now())).toThrow(/refused/);
  });
});
