/**
 * Stands before a server or a node, hands on what it is asked, and changes what it
 * likes in the answers; and counts what was asked.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

export interface LyingProxy {
  readonly url: string;
  /** Paths with queries, or methods of JSON-RPC, in the order in which they came. */
  readonly asked: string[];
  close(): Promise<void>;
}

interface Answer {
  status: number;
  body: string;
  /** The connection is cut where the body ends; without a body before the answer begins. */
  cut?: boolean;
  /** The body never ends; without one no answer begins. */
  hang?: boolean;
}

/** @param change answers the body that is given in the place of this one */
export function startLyingApi(
  target: string,
  change: (path: string, body: string) => string | Answer,
): Promise<LyingProxy> {
  return startProxy(target, (request) => request.url ?? "/", change);
}

interface RpcBody {
  readonly id: number;
  readonly method: string;
  readonly params: readonly unknown[];
}

/** @param change answers the result that is given in the place of this one */
export function startLyingNode(
  target: string,
  change: (method: string, params: readonly unknown[], result: unknown) => unknown,
): Promise<LyingProxy> {
  return startProxy(
    target,
    (_, body) => (JSON.parse(body) as RpcBody).method,
    (_, body, question) => {
      const { method, params } = JSON.parse(question) as RpcBody;
      const answer = JSON.parse(body) as { result?: unknown };
      if (answer.result === undefined) return body;
      return JSON.stringify({ ...answer, result: change(method, params, answer.result) });
    },
  );
}

async function startProxy(
  target: string,
  nameOf: (request: IncomingMessage, body: string) => string,
  change: (name: string, body: string, question: string) => string | Answer,
): Promise<LyingProxy> {
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    try {
      const question = await buffer(request);
      const name = nameOf(request, question.toString());
      asked.push(name);
      const headers: Record<string, string> = {};
      for (const header of ["content-type", "x-ledger", "authorization", "idempotency-key"]) {
        const value = request.headers[header];
        if (typeof value === "string") headers[header] = value;
      }
      const answer = await fetch(`${target.replace(/\/$/, "")}${request.url === "/" ? "" : request.url}`, {
        ...{ method: request.method ?? "GET", headers },
        ...(question.length > 0 ? { body: question } : {}),
      });
      const changed = change(name, await answer.text(), question.toString());
      const { status, body, cut, hang }: Answer =
        typeof changed === "string" ? { status: answer.status, body: changed } : changed;
      const said: Record<string, string> = { "content-type": "application/json" };
      for (const header of ["content-type", "idempotent-replayed", "retry-after"]) {
        const value = answer.headers.get(header);
        if (value !== null) said[header] = value;
      }
      if (hang && body === "") return;
      if (hang) response.writeHead(status, said).write(body);
      else if (cut && body === "") response.destroy();
      else if (cut) response.writeHead(status, said).write(body, () => response.destroy());
      else response.writeHead(status, said).end(body);
    } catch {
      response.destroy();
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
