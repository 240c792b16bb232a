import type { FastifyInstance } from "fastify";
import type { ApiBackend } from "./backend.ts";

/** `/livez`: the process answers. `/readyz`: it would take a request now. */
export function healthRoutes(app: FastifyInstance, backend: ApiBackend): void {
  app.get("/livez", async () => ({ status: "ok" }));
  app.get("/readyz", async (_request, reply) => {
    const checks = backend.readiness();
    const ready = checks.every(({ problem }) => problem === undefined);
    return reply.code(ready ? 200 : 503).send({
      status: ready ? "ok" : "unavailable",
      checks: Object.fromEntries(checks.map(({ name, problem }) => [name, problem ?? "ok"])),
    });
  });
}
