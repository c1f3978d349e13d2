/**
 * A wire to Postgres whose answers can be kept back: from the next COMMIT on a
 * connection hears nothing, while all that it sent has happened.
 */
import { createServer, connect as dial, type Socket } from "node:net";

export interface KeptAnswers {
  /** The same URL with the wire's address. */
  readonly url: string;
  /** Keeps what is answered to whoever sends a COMMIT from now on. */
  keep(): void;
  /** Lets all of it through, and keeps nothing more. */
  release(): void;
  close(): Promise<void>;
}

const COMMIT_SENT = Buffer.from("COMMIT\0");

export async function startKeptAnswers(databaseUrl: string): Promise<KeptAnswers> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  /** Of the clients that wait. */
  const kept = new Map<Socket, Buffer[]>();
  let keeping = false;
  const server = createServer((client) => {
    const upstream = dial(Number(target.port), target.hostname);
    const end = () => {
      for (const socket of [client, upstream]) {
        socket.destroy();
        sockets.delete(socket);
      }
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", end).on("close", end).setNoDelay(true);
    }
    client.on("data", (chunk: Buffer) => {
      if (keeping && chunk.includes(COMMIT_SENT) && !kept.has(client)) kept.set(client, []);
      upstream.write(chunk);
    });
    upstream.on("data", (chunk: Buffer) => {
      const waiting = kept.get(client);
      if (waiting) waiting.push(chunk);
      else client.write(chunk);
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the wire does not listen");
  const release = () => {
    keeping = false;
    for (const [client, chunks] of kept) for (const chunk of chunks) client.write(chunk);
    kept.clear();
  };
  return {
    url: Object.assign(new URL(databaseUrl), { port: String(address.port) }).toString(),
    keep: () => {
      keeping = true;
    },
    release,
    close: () => {
      release();
      for (const socket of sockets) socket.destroy();
      return new Promise<void>((done) => server.close(() => done()));
    },
  };
}
