import { createHash } from "node:crypto";
import type { FastifyInstance, FastifyRequest } from "fastify";

const hashes = new WeakMap<FastifyRequest, string>();

/** Reads JSON bodies as before, and keeps the SHA-256 of their bytes: signatures are of what came over the wire, not of what it was parsed to. */
export function keepBodyHashes(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser("error", "error");
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (request, body, done) => {
    hashes.set(request, createHash("sha256").update(body).digest("hex"));
    parse(request, body.toString(), done);
  });
}

/** SHA-256 of a request's JSON body, in hex; of no bytes if there was none. No header of the client's has a say in it. */
export function bodyHash(request: FastifyRequest): string {
  return hashes.get(request) ?? createHash("sha256").digest("hex");
}
