import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { toHex } from "../../commit/bytes.ts";
import { children, contentsOf, only, TAG } from "../der.ts";
import type { DevGpu } from "../dev-root/nvidia.ts";
import type { DevOcspAnswer } from "../dev-root/ocsp.ts";
import { parseCertificate } from "../x509.ts";

/** What an OCSPRequest asks: serial number, and value of the nonce's extension without its octet string. */
export function readRequest(der: Uint8Array): { serial: bigint; nonce: Uint8Array } {
  const [list, extensions] = children(
    only(contentsOf(only(der, TAG.sequence), TAG.sequence), TAG.sequence),
    TAG.sequence,
  );
  const [identifier] = children(only(contentsOf(list, TAG.sequence), TAG.sequence), TAG.sequence);
  const serial = children(identifier, TAG.sequence)[3];
  const [, value] = children(
    only(contentsOf(only(contentsOf(extensions, 0xa2), TAG.sequence), TAG.sequence), TAG.sequence),
    TAG.sequence,
  );
  const inner = only(contentsOf(value, TAG.octetString), TAG.octetString);
  return { serial: BigInt(toHex(contentsOf(serial, TAG.integer))), nonce: inner.contents };
}

/** A responder on the loopback for a GPU's certificates. All are good, until a test says otherwise of one. */
export async function serveOcsp(gpu: DevGpu) {
  const says = new Map<number, Partial<DevOcspAnswer>>();
  const asked: { type: string | undefined; place: number }[] = [];
  /** What answers in place of the responder, if anything does. */
  const other: { answer?: (response: ServerResponse) => void } = {};
  const serials = gpu.chain.map((der) => parseCertificate(der).serial);
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const { serial, nonce } = readRequest(new Uint8Array(Buffer.concat(parts)));
    const place = serials.indexOf(serial);
    asked.push({ type: request.headers["content-type"], place });
    if (other.answer !== undefined) return other.answer(response);
    const now = Math.floor(Date.now() / 1000);
    const usual: DevOcspAnswer = { status: "good", thisUpdate: now - 60, nextUpdate: now + 86_400, nonce };
    response.writeHead(200, { "content-type": "application/ocsp-response" });
    response.end(gpu.ocsp(place, { ...usual, ...says.get(place) }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...{ says, asked, other },
    close: () => {
      server.closeAllConnections();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** A running one. */
export type OcspServer = Awaited<ReturnType<typeof serveOcsp>>;
