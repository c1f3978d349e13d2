/** Stands before a node and hands on what it is asked, after the test has done what it wants done before that. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

export interface RpcRelay {
  readonly url: string;
  close(): Promise<void>;
}

export async function startRpcRelay(
  node: string,
  before: (method: string) => Promise<void>,
): Promise<RpcRelay> {
  const server = createServer(async (request, response) => {
    const body = await text(request);
    await before((JSON.parse(body) as { method: string }).method);
    const headers = { "content-type": "application/json" };
    const answer = await fetch(node, { method: "POST", headers, body });
    response.writeHead(answer.status, headers).end(await answer.text());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
