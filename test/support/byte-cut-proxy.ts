/** A wire to Postgres that is cut when so many bytes of answers have passed: at any place of any statement. */
import { createServer, connect as dial, type Socket } from "node:net";

export interface ByteCutProxy {
  /** The same URL with the proxy's address. */
  readonly url: string;
  /** Bytes that the server has answered since `count` was called. */
  readonly passed: number;
  /** Begins to count anew; after `cutAt` bytes every connection is cut at once, and new ones go through again. */
  count(cutAt?: number): void;
  close(): Promise<void>;
}

export async function startByteCutProxy(databaseUrl: string): Promise<ByteCutProxy> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let [passed, cutAt] = [0, Number.POSITIVE_INFINITY];
  const cutAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  const server = createServer((client) => {
    const upstream = dial(Number(target.port), target.hostname);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.setNoDelay(true).on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    client.on("data", (chunk) => upstream.write(chunk));
    upstream.on("data", (chunk: Buffer) => {
      const before = passed;
      passed += chunk.length;
      if (passed < cutAt) {
        client.write(chunk);
        return;
      }
      // What was before the cut arrives, if only in part.
      client.write(chunk.subarray(0, cutAt - before), cutAll);
      cutAt = Number.POSITIVE_INFINITY;
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the proxy does not listen");
  return {
    url: Object.assign(new URL(databaseUrl), { port: String(address.port) }).toString(),
    get passed() {
      return passed;
    },
    count(at = Number.POSITIVE_INFINITY) {
      passed = 0;
      cutAt = at;
    },
    close: () => {
      cutAll();
      return new Promise<void>((done) => server.close(() => done()));
    },
  };
}
