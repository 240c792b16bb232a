import { createServer, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { HealthListenError } from "./errors.ts";
import { exposition, type Metric } from "./metric.ts";

/** Readiness of one part; without a problem it is ready. */
export interface ReadinessCheck {
  readonly name: string;
  readonly problem?: string;
}

/** What a daemon says of itself. Nothing here waits for the chain: what it said last is told. */
export interface Health {
  readiness(): readonly ReadinessCheck[];
  metrics(): readonly Metric[];
}

/**
 * Serves a daemon's health to its operator: `/healthz` (the process answers), `/readyz` (it can do its work now, else 503 with reasons)
 * and `/metrics` for Prometheus. Without secrets, but for the operator: it listens on the loopback interface unless told otherwise.
 */
export async function openHealthServer(
  health: Health,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const serve: RequestListener = (request, response) => {
    const path = request.url?.split("?")[0];
    if (request.method !== "GET" && request.method !== "HEAD") return void response.writeHead(405).end();
    if (path === "/healthz" || path === "/livez") return json(response, 200, { status: "ok" });
    if (path === "/readyz") return json(response, ...readiness(health.readiness()));
    if (path !== "/metrics") return json(response, 404, { status: "unknown path" });
    const text = exposition(health.metrics());
    response.writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" }).end(text);
  };
  const server = createServer((request, response) => {
    try {
      serve(request, response);
    } catch {
      // While the daemon ends, its store is closed already.
      response.writeHead(500).end();
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => reject(new HealthListenError(host, port, cause)));
    server.listen(port, host, resolve);
  });
  const { address, port: taken, family } = server.address() as AddressInfo;
  return {
    url: `http://${family === "IPv6" ? `[${address}]` : address}:${taken}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Status and body of `/readyz`. */
export function readiness(checks: readonly ReadinessCheck[]): [status: number, body: unknown] {
  const ready = checks.every(({ problem }) => problem === undefined);
  const shown = Object.fromEntries(checks.map(({ name, problem }) => [name, problem ?? "ok"]));
  return [ready ? 200 : 503, { status: ready ? "ok" : "unavailable", checks: shown }];
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
