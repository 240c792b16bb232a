import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FUZZ } from "../machine/testing/fuzz.ts";
import { fingerprint } from "./chain.ts";
import { DevIntel } from "./dev-root/index.ts";
import { pem } from "./dev-root/x509.ts";
import { CollateralFetchError } from "./errors.ts";
import { type Collateral, parseCollateral } from "./intel/collateral.ts";
import {
  checkCollateral,
  evaluationsIn,
  type FetchCollateralOptions,
  fetchCollateral,
  fetchEvaluations,
  platformOf,
  withEvaluations,
} from "./intel/fetch-collateral.ts";
import { Pcs } from "./intel/pcs.ts";
import { verifyQuote } from "./intel/verify.ts";
import { withoutCertificates } from "./intel-submissions.ts";
import { type PcsServer, servePcs } from "./testing/pcs-server.ts";
import { evidence, HAS_EVIDENCE } from "./testing/real-evidence.ts";
import { refusal as refusalBy } from "./testing/refusal.ts";

const NOW = 1_790_000_000;
const intel = new DevIntel(new TextEncoder().encode("fetch-collateral.test"));
const other = new DevIntel(new TextEncoder().encode("another root"));
const root = fingerprint(intel.certificates.root);
const quote = intel.tdxQuote(new Uint8Array(64));
const collateral = intel.tdxCollateral({ issuedAt: NOW - 3600 });
const TCB = "/tdx/certification/v4/tcb";
const IDENTITY = "/tdx/certification/v4/qe/identity";
const PCK_CRL = "/sgx/certification/v4/pckcrl";
const ROOT_CRL = "/sgx/certification/v4/rootcacrl";

let server: PcsServer;
let cacheDir: string;

beforeEach(() => {
  cacheDir = mkdtempSync(join(tmpdir(), "otr-pcs-"));
});
afterEach(async () => {
  await server?.close();
  rmSync(cacheDir, { recursive: true });
});

const serve = async (one: Collateral = collateral) => {
  server = await servePcs(one);
};
const options = (more: Partial<FetchCollateralOptions> = {}): FetchCollateralOptions => ({
  ...{ url: server.url, time: NOW, root, timeoutMs: 2000, cacheDir },
  ...more,
});
const fetched = (more: Partial<FetchCollateralOptions> = {}) => fetchCollateral(quote, options(more));
/** The code of the refusal. */
const refusal = async (more: Partial<FetchCollateralOptions> = {}): Promise<string> => {
  const error = await fetched({ maxAge: 0, ...more }).then(
    () => undefined,
    (caught: unknown) => caught,
  );
  return (error as { code?: string } | undefined)?.code ?? String(error ?? "accepted");
};

describe("collateral of a service", () => {
  it("is what verifies the quote, for TDX and SGX", async () => {
    await serve();
    const { collateral: got, source, platform, evaluation, notAfter } = await fetched();
    expect(got).toEqual(collateral);
    expect({ source, evaluation, notAfter }).toEqual({
      source: "service",
      evaluation: 17,
      notAfter: NOW - 3600 + 2_592_000,
    });
    expect(platform).toMatchObject({ tee: "tdx", ca: "platform" });
    expect(verifyQuote(quote, got, { time: NOW, root }).status).toBe("UpToDate");
    expect(server.asked).toEqual(
      expect.arrayContaining([
        `${TCB}?fmspc=${platform.fmspc}`,
        IDENTITY,
        `${PCK_CRL}?ca=platform&encoding=der`,
        ROOT_CRL,
      ]),
    );
    await server.close();
    await serve(intel.sgxCollateral({ issuedAt: NOW - 3600 }));
    const enclave = intel.sgxQuote(new Uint8Array(64));
    const sgx = await fetchCollateral(enclave, options());
    expect(verifyQuote(enclave, sgx.collateral, { time: NOW, root }).status).toBe("UpToDate");
  });

  it("that was fetched elsewhere is verified as if the service had answered with it", () => {
    const check = (mine: Collateral, changes = {}) => checkCollateral(quote, mine, { time: NOW, root, ...changes });
    expect(check(collateral)).toMatchObject({ source: "file", evaluation: 17, platform: { tee: "tdx" } });
    const code = (mine: Collateral, changes = {}) => refusalBy(() => check(mine, changes));
    expect(code(collateral, { time: NOW + 2_600_000 })).toBe("attestation.expired");
    expect(code(collateral, { evaluation: 18 })).toBe("attestation.collateral");
    expect(code(other.tdxCollateral({ issuedAt: NOW - 3600 }))).toBe("attestation.collateral");
    expect(code(intel.sgxCollateral({ issuedAt: NOW - 3600 }))).toBe("attestation.collateral");
    expect(code({ ...collateral, tcb_info_signature: "00".repeat(64) })).toBe("attestation.signature");
  });

  it("may be of another number, which the service has to answer with", async () => {
    await serve(intel.tdxCollateral({ issuedAt: NOW - 3600, evaluation: 18 }));
    expect((await fetched({ evaluation: 18 })).evaluation).toBe(18);
    expect(server.asked).toContain(`${IDENTITY}?tcbEvaluationDataNumber=18`);
    expect(await refusal({ evaluation: 19 })).toBe("attestation.collateral");
  });

  it("is asked for again only when it is old, and is used while it holds if the service fails", async () => {
    await serve();
    await fetched();
    expect((await fetched()).source).toBe("cache");
    expect(server.asked).toHaveLength(4);
    const [file] = readdirSync(join(cacheDir, "collateral"));
    const path = join(cacheDir, "collateral", file!);
    utimesSync(path, Date.now() / 1000 - 7200, Date.now() / 1000 - 7200);
    expect((await fetched()).source).toBe("service");
    expect(server.asked).toHaveLength(8);
    server.other.set(TCB, { status: 503 });
    const old = await fetched({ maxAge: 0 });
    expect(old.source).toBe("cache");
    expect(old.failure?.code).toBe("attestation.fetch.status");
    // No longer than it holds.
    expect(await refusal({ time: NOW + 2_600_000 })).toBe("attestation.fetch.status");
    // Whatever else is in the cache is nothing.
    for (const content of ["", "{", "[]", JSON.stringify(other.tdxCollateral({ issuedAt: NOW - 3600 }))]) {
      writeFileSync(path, content);
      expect(await refusal()).toBe("attestation.fetch.status");
    }
    server.other.clear();
    expect((await fetched()).source).toBe("service");
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual(collateral);
    expect(readdirSync(join(cacheDir, "collateral"))).toEqual([file]);
  });

  it("is refused if it does not hold, and is not kept", async () => {
    await serve();
    const wrong: readonly (readonly [Collateral, string])[] = [
      [other.tdxCollateral({ issuedAt: NOW - 3600 }), "attestation.collateral"],
      [intel.tdxCollateral({ issuedAt: NOW - 3_000_000 }), "attestation.expired"],
      [intel.tdxCollateral({ issuedAt: NOW + 3600 }), "attestation.not-yet-valid"],
      [
        intel.tdxCollateral({ issuedAt: NOW - 3600, edit: (info) => Object.assign(info, { fmspc: "010203040506" }) }),
        "attestation.collateral",
      ],
      [
        intel.tdxCollateral({
          issuedAt: NOW - 3600,
          edit: (_, qe) => Object.assign(qe, { tcbEvaluationDataNumber: 18 }),
        }),
        "attestation.collateral",
      ],
      [
        intel.tdxCollateral({ issuedAt: NOW - 3600, revoked: { authorities: [intel.serials.signer] } }),
        "attestation.revoked",
      ],
    ];
    for (const [one, code] of wrong) {
      await server.close();
      await serve(one);
      expect(await refusal()).toBe(code);
    }
    expect(readdirSync(cacheDir)).toEqual([]);
    // What is of SGX, under the paths of TDX.
    const sgx = await servePcs(intel.sgxCollateral({ issuedAt: NOW - 3600 }));
    server.other.set(TCB, sgx.answers["/sgx/certification/v4/tcb"]!);
    expect(await refusal()).not.toBe("accepted");
    await sgx.close();
  });

  it("is refused if an answer is bad, with the reason and what to do", async () => {
    await serve();
    const good = server.answers[TCB]!;
    const headers = good.headers!;
    const cut = String(good.body).slice(0, -20);
    const bad: readonly (readonly [string, Parameters<typeof server.other.set>[1], string])[] = [
      [TCB, { status: 404 }, "attestation.fetch.status"],
      [TCB, { status: 410 }, "attestation.fetch.status"],
      [TCB, { status: 302, headers: { location: "/elsewhere" } }, "attestation.fetch.network"],
      [TCB, { ...good, headers: {} }, "attestation.fetch.answer"],
      [TCB, { ...good, headers: { "TCB-Info-Issuer-Chain": "%zz" } }, "attestation.fetch.answer"],
      [TCB, { ...good, headers: { "TCB-Info-Issuer-Chain": "none" } }, "attestation.fetch.answer"],
      [TCB, { headers, body: cut }, "attestation.encoding"],
      [TCB, { headers, body: "" }, "attestation.encoding"],
      [TCB, { headers, body: "<html>" }, "attestation.encoding"],
      [TCB, { headers, body: "x".repeat(300_000) }, "attestation.fetch.size"],
      [
        TCB,
        (response) => {
          response.writeHead(200, { ...headers, "content-length": "5000" });
          response.write("{", () => response.destroy());
        },
        "attestation.fetch.network",
      ],
      [TCB, (response) => void response.destroy(), "attestation.fetch.network"],
      [IDENTITY, { ...server.answers[IDENTITY]!, body: good.body! }, "attestation.encoding"],
      [IDENTITY, good, "attestation.fetch.answer"],
      [PCK_CRL, { ...server.answers[PCK_CRL]!, body: "no list" }, "attestation.fetch.answer"],
      [PCK_CRL, { ...server.answers[PCK_CRL]!, body: new Uint8Array([0x30, 0x82]) }, "attestation.encoding"],
      [
        PCK_CRL,
        { ...server.answers[PCK_CRL]!, headers: { "SGX-PCK-CRL-Issuer-Chain": encodeURIComponent(other.chain) } },
        "attestation.chain",
      ],
      [ROOT_CRL, { body: collateral.pck_crl }, "attestation.chain"],
      [ROOT_CRL, { body: "" }, "attestation.fetch.answer"],
    ];
    for (const [path, answer, code] of bad) {
      server.other.clear();
      server.other.set(path, answer);
      expect([path, await refusal()]).toEqual([path, code]);
    }
    expect(readdirSync(cacheDir)).toEqual([]);
    server.other.clear();
    server.other.set(TCB, { status: 404 });
    const error = await fetched().catch((caught: CollateralFetchError) => caught);
    expect(error).toMatchObject({ status: 404, retryable: false });
    expect((error as CollateralFetchError).metaMessages.join(" ")).toMatch(/404.*--tcb-eval/);
  });

  it("is not waited for longer than said, whether the service is silent or trickles", async () => {
    await serve();
    const slow: Parameters<typeof server.other.set>[1][] = [
      () => {},
      { ...server.answers[TCB]!, end: false },
      (response) => {
        response.writeHead(200, server.answers[TCB]!.headers);
        const timer = setInterval(() => response.write(" "), 20);
        response.on("close", () => clearInterval(timer));
      },
    ];
    for (const answer of slow) {
      server.other.set(TCB, answer);
      const before = Date.now();
      expect(await refusal({ timeoutMs: 200 })).toBe("attestation.fetch.timeout");
      expect(Date.now() - before).toBeLessThan(5000);
    }
    // An endless answer ends at its size, long before its time.
    server.other.set(TCB, (response) => {
      response.writeHead(200, server.answers[TCB]!.headers);
      const chunk = Buffer.alloc(65_536, 0x20);
      const more = () => {
        while (!response.destroyed && response.write(chunk));
      };
      response.on("drain", more);
      more();
    });
    expect(await refusal({ timeoutMs: 20_000 })).toBe("attestation.fetch.size");
    const { url } = server;
    await server.close();
    expect(await refusal({ url })).toBe("attestation.fetch.network");
  });

  it("whatever answers, is refused with a typed error", async () => {
    await serve();
    const paths = [TCB, IDENTITY, PCK_CRL, ROOT_CRL];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...paths),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        fc.boolean(),
        async (path, at, flip, cut) => {
          const answer = server.answers[path]!;
          const bytes = new Uint8Array(typeof answer.body === "string" ? Buffer.from(answer.body) : answer.body!);
          const place = at % bytes.length;
          const body = cut ? bytes.slice(0, place) : bytes.map((byte, k) => (k === place ? byte ^ flip : byte));
          server.other.clear();
          server.other.set(path, { ...answer, body });
          // Case and white space behind a document mean nothing.
          expect(await refusal()).toMatch(/^attestation\.|^accepted$/);
        },
      ),
      { numRuns: 60 * FUZZ },
    );
  });

  it("has a list of numbers, or none in older caches", async () => {
    const { tcb_info_issuer_chain: chain } = collateral;
    const json = '{"id":"TDX","tcbEvalNumbers":[]}';
    const body = `{"tcbEvaluationDataNumbers":${json},"signature":"${"ab".repeat(64)}"}`;
    server = await servePcs(collateral, { body, chain });
    expect(await fetchEvaluations("tdx", options())).toEqual({
      document: { json, signature: `0x${"ab".repeat(64)}` },
      chain,
    });
    // As files carry it, and give it back.
    const list = (await fetchEvaluations("tdx", options()))!;
    const together = parseCollateral(JSON.parse(JSON.stringify(withEvaluations(collateral, list))));
    expect(evaluationsIn(together)).toEqual(list);
    const parts = [collateral, { ...together, tcb_evaluation: undefined }];
    expect(parts.map(evaluationsIn)).toEqual([undefined, undefined]);
    expect(await fetchEvaluations("sgx", options())).toBeUndefined();
    server.other.set("/tdx/certification/v4/tcbevaluationdatanumbers", { status: 500 });
    await expect(fetchEvaluations("tdx", options())).rejects.toMatchObject({
      code: "attestation.fetch.status",
      retryable: true,
    });
  });
});

describe("what is asked for", () => {
  it("follows from the quote's own certificates", async () => {
    expect(() => platformOf(withoutCertificates(quote))).toThrow(/no certificates|PEM/);
    const strange = intel.tdxQuote(new Uint8Array(64), {}, { chain: pem(intel.certificates.root) });
    expect(() => platformOf(strange)).toThrow(/no authority/);
  });

  it("has a base URL", () => {
    expect(new Pcs().url).toBe("https://api.trustedservices.intel.com");
    expect(new Pcs({ url: "http://localhost:8081/" }).url).toBe("http://localhost:8081");
    expect(new Pcs({ url: "https://proxy/intel/" }).url).toBe("https://proxy/intel");
    for (const url of ["", "pccs", "file:///etc/passwd", "https://host/?a=b", "https://host/#a"])
      expect(() => new Pcs({ url }), url).toThrow(CollateralFetchError);
  });
});

describe.skipIf(!HAS_EVIDENCE)("real collateral of Intel's, served again", () => {
  it.each([
    ["A_tdx_v4_quote.bin", "A_collateral.json", 1_750_420_800],
    ["C_sgx_v3_quote.bin", "C_collateral.json", 1_750_420_800],
  ])("%s", async (name, file, time) => {
    const real = JSON.parse(evidence(`intel-tdx/${file}`).toString()) as Collateral;
    const realQuote = new Uint8Array(evidence(`intel-tdx/${name}`));
    server = await servePcs(real);
    const { collateral: got } = await fetchCollateral(realQuote, { url: server.url, time, cacheDir });
    expect(got).toMatchObject(real);
    const accept = ["UpToDate", "SWHardeningNeeded", "ConfigurationAndSWHardeningNeeded"] as const;
    expect(verifyQuote(realQuote, got, { time, accept }).status).not.toBe("Revoked");
    await expect(fetchCollateral(realQuote, { url: server.url, time: NOW })).rejects.toMatchObject({
      code: "attestation.expired",
    });
  });
});
