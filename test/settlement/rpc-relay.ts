/** Stands before a node and hands on what it is asked, after the test has done what it wants done before that, or with another answer. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

export interface RpcRelay {
  readonly url: string;
  /** While cut, whoever asks loses the connection. */
  cut(isCut: boolean): void;
  close(): Promise<void>;
}

export interface RpcRequest {
  readonly id: unknown;
  readonly method: string;
  readonly params: readonly unknown[];
}

/**
 * @param before a test's doing, before the node is asked
 * @param instead what to ask the node in the place of a request, or an answer of the test's own; null: as it is
 */
export async function startRpcRelay(
  node: string,
  before: (method: string) => Promise<void>,
  instead: (request: RpcRequest) => { ask: RpcRequest } | { result: unknown } | null = () => null,
): Promise<RpcRelay> {
  let isCut = false;
  const server = createServer(async (request, response) => {
    if (isCut) {
      request.socket.destroy();
      return;
    }
    const asked = JSON.parse(await text(request)) as RpcRequest;
    await before(asked.method);
    const headers = { "content-type": "application/json" };
    const other = instead(asked);
    if (other && "result" in other) {
      response.writeHead(200, headers).end(JSON.stringify({ jsonrpc: "2.0", id: asked.id, ...other }));
      return;
    }
    const body = JSON.stringify(other?.ask ?? asked);
    const answer = await fetch(node, { method: "POST", headers, body });
    response.writeHead(answer.status, headers).end(await answer.text());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut(now) {
      isCut = now;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
