import { type Hex, keccak256 } from "viem";
import { afterEach, describe, expect, it } from "vitest";
import { fromHex, toHex } from "../commit/bytes.ts";
import {
  authorityName,
  certificateName,
  certificatesOf,
  chainSubmissions,
  dcapAux,
  documentOf,
  documentSubmission,
  pckSubmission,
  type Submission,
  subjectHash,
  withoutCertificates,
} from "./intel-submissions.ts";
import { built, type ContractsChain, startContractsChain } from "./testing/contracts-chain.ts";
import { evidence, HAS_EVIDENCE } from "./testing/real-evidence.ts";
import { parsePem } from "./x509.ts";

const file = (name: string): Buffer => evidence(`intel-tdx/${name}`);
/** 2025-06-20, when files A, C and D hold, in seconds since 1970. */
const JUNE = 1_750_420_800;

describe("documents of Intel's service", () => {
  it("takes the signed object as it is", () => {
    const signature = "ab".repeat(64);
    const inner = '{"id":"TDX","n":1.0,"text":"a,\\"b"}';
    const answer = `{"tcbInfo":${inner},"signature":"${signature}"}`;
    expect(documentOf("tcbInfo", answer)).toEqual({ json: inner, signature: `0x${signature}` });
    expect(() => documentOf("enclaveIdentity", answer)).toThrow(/not the form/);
    expect(() => documentOf("tcbInfo", answer.replace(signature, "ab"))).toThrow(/not the form/);
  });

  it("refuses what is no quote", () => {
    expect(() => withoutCertificates(new Uint8Array(10))).toThrow(/version/);
    expect(() => withoutCertificates(Uint8Array.of(4, 0))).toThrow(/reach beyond/);
    expect(() => withoutCertificates(new Uint8Array(0))).toThrow(/reach beyond/);
  });
});

describe.skipIf(!HAS_EVIDENCE)("real evidence of Intel's, submitted and verified on a chain with Osaka's rules", () => {
  let chain: ContractsChain;
  afterEach(() => chain.stop());

  it.each([
    { collateral: "A_collateral.json", quote: "A_tdx_v4_quote.bin", tee: "TDX", status: 0 },
    { collateral: "C_collateral.json", quote: "C_sgx_v3_quote.bin", tee: "SGX", status: 3 },
  ])("$quote", async ({ collateral: name, quote: quoteName, tee, status }) => {
    chain = await startContractsChain({ timestamp: JUNE });
    const quote = new Uint8Array(file(quoteName));
    const collateral = JSON.parse(file(name).toString()) as Record<string, string>;
    const [pck] = certificatesOf(quote);
    const [signer, root] = parsePem(collateral.tcb_info_issuer_chain!).map(({ der }) => der);
    const [authority] = parsePem(collateral.pck_crl_issuer_chain!).map(({ der }) => der);
    const certificates = await chain.deploy(built("IntelCertificates"), [keccak256(root!), subjectHash(signer!)]);
    const store = await chain.deploy(built("IntelCollateral"), [certificates.address]);
    const policy = { minTcbEval: 17, promotionDelay: 365 * 86_400, grace: 30 * 86_400, maxAge: 0 };
    const verifier = await chain.deploy(built("DcapVerifier"), [
      store.address,
      { ...policy, acceptConfiguration: true },
      toHex(new TextEncoder().encode(tee.padEnd(32, "\0"))),
    ]);
    const document = (member: string) => ({
      json: collateral[member]!,
      signature: `0x${collateral[`${member}_signature`]!}` as const,
    });
    const submissions: Submission[] = [
      ...chainSubmissions({
        root: root!,
        authority: authority!,
        signer: signer!,
        rootCrl: fromHex(`0x${collateral.root_ca_crl!}`),
        authorityCrl: fromHex(`0x${collateral.pck_crl!}`),
      }),
      pckSubmission(pck!, authority!),
      documentSubmission("tcbInfo", document("tcb_info"), signer!),
      documentSubmission("enclaveIdentity", document("qe_identity"), signer!),
    ];
    if (tee === "TDX") {
      const numbers = documentOf("tcbEvaluationDataNumbers", file("D_tcb_eval_numbers_tdx.json").toString());
      submissions.push(documentSubmission("tcbEvaluationDataNumbers", numbers, signer!));
    }
    for (const { contract, functionName, args } of submissions) {
      const { gasUsed: gas } = await chain.send(
        contract === "IntelCollateral" ? store : certificates,
        functionName,
        args,
      );
      console.log(`${quoteName}: ${functionName}: ${gas} gas`);
      // Intel's document of TCB info in one transaction.
      if (functionName === "submitTcbInfo") expect(gas).toBeLessThan(2_000_000n);
    }
    const aux = dcapAux(pck!, 17);
    const claims = await chain.read(verifier, "verify", [toHex(quote), aux]);
    expect(claims).toMatchObject({ tcbStatus: status, tcbEval: 17 });
    const short = withoutCertificates(quote);
    expect(short.length).toBeLessThan(quote.length / 2);
    expect(await chain.read(verifier, "verify", [toHex(short), aux])).toEqual(claims);
    for (const bytes of [quote, short]) {
      const { gasUsed: gas } = await chain.send(verifier, "verify", [toHex(bytes), aux]);
      console.log(`${quoteName}: verify ${bytes.length} bytes: ${gas} gas`);
      expect(gas).toBeLessThan(400_000n);
    }
    // The names are those of the contracts.
    expect(await chain.read(certificates, "platform", [certificateName(pck!)])).toMatchObject({
      deviceId: (claims as { deviceId: Hex }).deviceId,
    });
    const known = (await chain.read(certificates, "authorityOf", [authorityName(authority!)])) as readonly unknown[];
    expect(known[5]).not.toBe(0);
  });
});
