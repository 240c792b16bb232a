import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { prng } from "../../compiler/prng.ts";

/** One JSON-RPC request as it passed by. */
export interface ProxiedRequest {
  readonly method: string;
  readonly params: readonly unknown[];
}

/** What the proxy does to a request: pass it on, or one of the ways in which endpoints fail. */
export type Trouble = "pass" | "drop" | "late" | "lost" | "limit" | "error" | "garbage" | "empty";

const TROUBLES: readonly Trouble[] = ["drop", "late", "lost", "limit", "error", "garbage", "empty"];

/** An HTTP proxy before a chain's endpoint that fails at will. */
export class FlakyProxy {
  /** All requests that reached the proxy, whatever became of them. */
  readonly seen: ProxiedRequest[] = [];
  /** Decides about each request; passes all by default. */
  trouble: (request: ProxiedRequest) => Trouble = () => "pass";
  /** No connection gets an answer. */
  down = false;
  readonly #server: Server;
  readonly #target: string;

  private constructor(server: Server, target: string) {
    this.#server = server;
    this.#target = target;
  }

  static async open(target: string): Promise<FlakyProxy> {
    const server = createServer();
    const proxy = new FlakyProxy(server, target);
    server.on("request", (request, response) => {
      proxy.#serve(request, response).catch(() => request.socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Number of requests of a method so far. */
  count(method: string): number {
    return this.seen.filter((request) => request.method === method).length;
  }

  /** From now on a share of all requests fails, in ways drawn from a seed. */
  flap(share: number, seed: number): void {
    const random = prng(seed);
    this.trouble = () => (random.uniform() < share ? random.pick(TROUBLES) : "pass");
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = "";
    for await (const chunk of request) body += chunk;
    const { method, params = [], id } = JSON.parse(body) as ProxiedRequest & { id: number };
    this.seen.push({ method, params });
    const json = { "content-type": "application/json" };
    const trouble = this.down ? "drop" : this.trouble({ method, params });
    switch (trouble) {
      case "drop":
        return void request.socket.destroy();
      case "limit":
        return void response.writeHead(429, { ...json, "retry-after": "0" }).end('{"error":"too many requests"}');
      case "error":
        return void response.writeHead(500).end("internal error");
      case "garbage":
        return void response.writeHead(200, json).end("<html>bad gateway</html>");
      case "empty":
        return void response.writeHead(200, json).end(JSON.stringify({ jsonrpc: "2.0", id, result: null }));
    }
    if (trouble === "late") await new Promise((resolve) => setTimeout(resolve, 100));
    const answer = await fetch(this.#target, { method: "POST", headers: json, body });
    const text = await answer.text();
    // The request took effect, and its sender never hears of it.
    if (trouble === "lost") return void request.socket.destroy();
    response.writeHead(answer.status, json).end(text);
  }
}
