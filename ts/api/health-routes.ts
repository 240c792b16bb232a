import type { FastifyInstance } from "fastify";
import { readiness } from "../metrics/health-server.ts";
import type { ApiBackend } from "./backend.ts";

/** `/livez`, `/healthz`: the process answers. `/readyz`: it would take a request now. */
export function healthRoutes(app: FastifyInstance, backend: ApiBackend): void {
  for (const path of ["/livez", "/healthz"]) app.get(path, async () => ({ status: "ok" }));
  app.get("/readyz", async (_request, reply) => {
    const [status, body] = readiness(backend.readiness());
    return reply.code(status).send(body);
  });
}
