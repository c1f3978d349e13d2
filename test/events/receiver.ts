/** A receiver of webhooks: a real HTTP server on a port of its own that does as it is told and keeps what it got. */
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";

export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly seq: number;
  readonly id: string;
  readonly path: string;
}

/** Answers one request. The default takes everything. */
export type Behave = (received: Received, res: ServerResponse, req: IncomingMessage) => void;

export interface Receiver {
  readonly url: string;
  readonly port: number;
  /** Every request that arrived whole, answered or not. */
  readonly received: Received[];
  behave: Behave;
  close(): Promise<void>;
}

export const accept: Behave = (_, res) => {
  res.writeHead(204).end();
};
export const answer =
  (status: number, headers: Record<string, string> = {}): Behave =>
  (_, res) => {
    res.writeHead(status, headers).end();
  };

export async function startReceiver(port = 0, behave: Behave = accept): Promise<Receiver> {
  const received: Received[] = [];
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString("utf8");
    const { seq, id } = JSON.parse(body);
    const one = { headers: req.headers, body, seq, id, path: req.url ?? "" };
    received.push(one);
    receiver.behave(one, res, req);
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the receiver does not listen");
  const receiver: Receiver = {
    ...{ url: `http://127.0.0.1:${address.port}/hook`, port: address.port, received, behave },
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
  return receiver;
}
