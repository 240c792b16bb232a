import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Collateral } from "../intel/collateral.ts";
import { evaluationsIn } from "../intel/fetch-collateral.ts";

/** An answer of the server; `end` false leaves the connection open. */
export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly end?: boolean;
}

/** A PCCS on the loopback that serves this collateral, until a test says otherwise for a path. */
export async function servePcs(collateral: Collateral, evaluations = evaluationsOf(collateral)) {
  const other = new Map<string, Answer | ((response: ServerResponse) => void)>();
  const asked: string[] = [];
  const tee = (JSON.parse(collateral.tcb_info) as { id: string }).id.toLowerCase();
  const chained = (name: string, chain: string, body: string | Uint8Array): Answer => ({
    headers: { [name]: encodeURIComponent(chain) },
    body,
  });
  const { tcb_info, tcb_info_signature, qe_identity, qe_identity_signature } = collateral;
  const answers: Record<string, Answer> = {
    [`/${tee}/certification/v4/tcb`]: chained(
      "TCB-Info-Issuer-Chain",
      collateral.tcb_info_issuer_chain,
      `{"tcbInfo":${tcb_info},"signature":"${tcb_info_signature}"}`,
    ),
    [`/${tee}/certification/v4/qe/identity`]: chained(
      "SGX-Enclave-Identity-Issuer-Chain",
      collateral.qe_identity_issuer_chain,
      `{"enclaveIdentity":${qe_identity},"signature":"${qe_identity_signature}"}`,
    ),
    "/sgx/certification/v4/pckcrl": chained(
      "SGX-PCK-CRL-Issuer-Chain",
      collateral.pck_crl_issuer_chain,
      new Uint8Array(Buffer.from(collateral.pck_crl, "hex")),
    ),
    // Caches answer in hexadecimal.
    "/sgx/certification/v4/rootcacrl": { body: collateral.root_ca_crl },
    ...(evaluations && {
      [`/${tee}/certification/v4/tcbevaluationdatanumbers`]: chained(
        "TCB-Evaluation-Data-Numbers-Issuer-Chain",
        evaluations.chain,
        evaluations.body,
      ),
    }),
  };
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url!, "http://localhost");
    asked.push(request.url!);
    const answer = other.get(pathname) ?? answers[pathname] ?? { status: 404 };
    if (typeof answer === "function") return answer(response);
    response.writeHead(answer.status ?? 200, answer.headers);
    response.write(answer.body ?? "");
    if (answer.end !== false) response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** What was asked for, in order. */
    asked,
    /** What a path answers instead, and what it would. */
    other,
    answers,
    tee,
    close: () => {
      server.closeAllConnections();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** The list that comes with collateral, as the service answers with it. */
function evaluationsOf(collateral: Collateral): { body: string; chain: string } | undefined {
  const list = evaluationsIn(collateral);
  if (list === undefined) return undefined;
  const { json, signature } = list.document;
  return { body: `{"tcbEvaluationDataNumbers":${json},"signature":"${signature.slice(2)}"}`, chain: list.chain };
}

/** A running one. */
export type PcsServer = Awaited<ReturnType<typeof servePcs>>;
