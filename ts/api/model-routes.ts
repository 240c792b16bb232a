import type { FastifyInstance } from "fastify";
import type { ApiBackend, ServedModel } from "./backend.ts";
import { findModel } from "./chat-route.ts";

/** `GET /v1/models` and `GET /v1/models/:id`. */
export function modelRoutes(app: FastifyInstance, backend: ApiBackend, startedAt: number): void {
  const card = (model: ServedModel) => ({
    id: model.name,
    object: "model",
    created: startedAt,
    owned_by: backend.executor,
  });
  app.get("/v1/models", async () => ({ object: "list", data: backend.models.map(card) }));
  app.get<{ Params: { id: string } }>("/v1/models/:id", async ({ params }) => card(findModel(backend, params.id)));
}
