/** A node that answers as a test wants: it stands before a real one and may refuse, leave out, or change what that says. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

export interface RpcRequest {
  readonly method: string;
  readonly params: readonly unknown[];
}

/** `answer` asks the real node. What comes back is sent: a result, an error of JSON-RPC, or another status of HTTP. */
export type Mood = (
  request: RpcRequest,
  answer: () => Promise<unknown>,
) => Promise<
  | { readonly result: unknown }
  | { readonly error: { readonly code: number; readonly message: string; readonly data?: string } }
  | { readonly status: number; readonly retryAfter?: string }
>;

export interface MoodyNode {
  readonly url: string;
  /** From now on; null: as the real one. */
  be(mood: Mood | null): void;
  /** Methods asked since the mood last changed. */
  readonly asked: readonly RpcRequest[];
  close(): Promise<void>;
}

export async function startMoodyNode(node: string): Promise<MoodyNode> {
  let mood: Mood | null = null;
  let asked: RpcRequest[] = [];
  const server = createServer(async (incoming, response) => {
    const body = await text(incoming);
    const { id, ...request } = JSON.parse(body) as RpcRequest & { id: unknown };
    asked.push(request);
    const ask = async () => {
      const answer = await fetch(node, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
      });
      return (await answer.json()) as { result: unknown };
    };
    const answer = mood ? await mood(request, async () => (await ask()).result) : await ask();
    if ("status" in answer) {
      response.writeHead(
        answer.status,
        answer.retryAfter === undefined ? {} : { "retry-after": answer.retryAfter },
      );
      response.end("busy");
      return;
    }
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ ...answer, jsonrpc: "2.0", id }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    be(next) {
      mood = next;
      asked = [];
    },
    get asked() {
      return asked;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
