/**
 * A wire to Postgres that can be cut at chosen places: before a COMMIT reaches
 * the server, after it has but before its answer comes back, or at once; or
 * while the COMMIT is still under way, to arrive when the client is long gone.
 */
import { createServer, connect as dial, type Socket } from "node:net";

export interface CutProxy {
  /** The same URL with the proxy's address. */
  readonly url: string;
  /** How often each kind of cut has happened. */
  readonly cuts: Record<CutPlace, number>;
  /** Asked at every COMMIT that passes; null lets it through, "hold" cuts the client off and keeps the COMMIT. */
  atCommit: () => CutPlace | "hold" | null;
  /** While true the server does not learn that a client ends its connection: as where it is slow to get to it. */
  keepsOpen: boolean;
  /** While true nothing that a client says passes, and nobody tells it: a wire that died without a word. */
  isMute: boolean;
  /** Lets the COMMITs that were kept arrive. Answers how many there were. */
  release(): number;
  /** Cuts every connection now. */
  cutAll(): void;
  /** Ports by which the server knows connections that are cut off from their clients; it may still be busy for some. */
  abandoned(): number[];
  /** Ports by which the server knows connections that have their clients. */
  connected(): number[];
  /** These are known to be gone: who has one from now on is somebody else. */
  forget(ports: readonly number[]): void;
  close(): Promise<void>;
}

export type CutPlace = "before-commit" | "after-commit";

const COMMIT_SENT = Buffer.from("COMMIT\0");
const COMMIT_DONE = Buffer.from("COMMIT\0");
const TERMINATE = Buffer.from("X\0\0\0\u0004");

export async function startCutProxy(databaseUrl: string): Promise<CutProxy> {
  const target = new URL(databaseUrl);
  const wires = new Set<Wire>();
  const cuts = { "before-commit": 0, "after-commit": 0 };
  const proxy = { atCommit: (): CutPlace | "hold" | null => null, keepsOpen: false, isMute: false };
  const held: (() => void)[] = [];
  const ports = new Set<number>();
  const server = createServer((client) => {
    const upstream = dial(Number(target.port), target.hostname);
    const wire: Wire = { client, upstream };
    wires.add(wire);
    upstream.on("connect", () => ports.add(upstream.localPort ?? 0));
    const end = () => {
      wires.delete(wire);
      cut(wire);
    };
    for (const socket of [client, upstream]) socket.on("error", end).on("close", end).setNoDelay(true);
    let cutAtAnswer = false;
    client.on("data", (chunk: Buffer) => {
      if (proxy.isMute) return;
      const place = chunk.includes(COMMIT_SENT) ? proxy.atCommit() : null;
      if (place === "hold") {
        client.off("close", end).destroy();
        held.push(() => upstream.end(chunk));
        return;
      }
      if (proxy.keepsOpen && chunk.equals(TERMINATE)) {
        client.off("close", end);
        return;
      }
      if (place) cuts[place] += 1;
      if (place === "before-commit") return end();
      cutAtAnswer ||= place === "after-commit";
      upstream.write(chunk);
    });
    // The server names what it did in the answer, so that the answer is known to be cut off after it was done.
    upstream.on("data", (chunk: Buffer) => {
      if (cutAtAnswer && chunk.includes(COMMIT_DONE)) return end();
      client.write(chunk);
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the proxy does not listen");
  return Object.assign(proxy, {
    url: Object.assign(new URL(databaseUrl), { port: String(address.port) }).toString(),
    cuts,
    cutAll: () => wires.forEach(cut),
    abandoned() {
      const connected = new Set(portsOf(wires));
      return [...ports].filter((port) => !connected.has(port));
    },
    connected: () => portsOf(wires),
    forget(gone: readonly number[]) {
      for (const port of gone) ports.delete(port);
    },
    release() {
      const arriving = held.splice(0);
      for (const arrive of arriving) arrive();
      return arriving.length;
    },
    close: () => {
      wires.forEach(cut);
      return new Promise<void>((done) => server.close(() => done()));
    },
  });
}

interface Wire {
  readonly client: Socket;
  readonly upstream: Socket;
}

function portsOf(wires: ReadonlySet<Wire>): number[] {
  return [...wires]
    .filter(({ client }) => !client.destroyed)
    .flatMap(({ upstream }) => upstream.localPort ?? []);
}

function cut({ client, upstream }: Wire): void {
  client.destroy();
  upstream.destroy();
}
