/**
 * A load generator for one HTTP/1.1 server on this machine. It writes requests
 * to keep-alive connections and reads no more of an answer than its status and
 * its length, because on two cores what the client burns the server does not
 * have. Runs in the benchmark's own process; the server is another one.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Latencies } from "./load.ts";

export interface HttpLoad {
  readonly port: number;
  readonly connections: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** The whole next request as text. */
  next(): string;
  /** Open loop: requests are due at this rate whatever the server does, and latency counts from when one was due. Absent: closed loop. */
  readonly perSecond?: number;
  /** Ends early after so many requests, warm-up included. */
  readonly atMost?: number;
}

export interface HttpReport {
  /** Answers in the time that was measured, a second. */
  readonly perSecond: number;
  readonly latencies: Latencies;
  readonly requests: number;
  /** Of all bodies, warm-up included. */
  readonly bytes: number;
}

/** @throws Error at the first answer that is not 2xx */
export async function runHttpLoad(load: HttpLoad): Promise<HttpReport> {
  const connections = await Promise.all(
    Array.from({ length: load.connections }, () => openConnection(load.port)),
  );
  try {
    return await (load.perSecond === undefined
      ? closedLoop(load, connections)
      : openLoop(load, load.perSecond, connections));
  } finally {
    for (const connection of connections) connection.close();
  }
}

async function closedLoop(load: HttpLoad, connections: readonly Connection[]): Promise<HttpReport> {
  const begin = performance.now() + load.warmUpMs;
  const end = begin + load.durationMs;
  const most = load.atMost ?? Number.POSITIVE_INFINITY;
  const latencies = new Latencies();
  let requests = 0;
  let answers = 0;
  let last = begin;
  const loop = async (connection: Connection) => {
    for (let asked = performance.now(); asked < end && requests < most; ) {
      requests += 1;
      await connection.ask(load.next());
      const answered = performance.now();
      if (answered >= begin && answered <= end) {
        answers += 1;
        last = answered;
      }
      if (asked >= begin) latencies.add(answered - asked);
      asked = answered;
    }
  };
  await Promise.all(connections.map(loop));
  if (answers === 0) throw new Error("nothing was answered in the time that was measured");
  const measuredMs = requests < most ? load.durationMs : last - begin;
  return { perSecond: (answers * 1000) / measuredMs, latencies, requests, bytes: bytesOf(connections) };
}

const TICK_MS = 1;

/** A request that is due while all connections are busy waits, and its wait counts. */
function openLoop(
  load: HttpLoad,
  perSecond: number,
  connections: readonly Connection[],
): Promise<HttpReport> {
  const start = performance.now();
  const begin = start + load.warmUpMs;
  const total = Math.floor(((load.warmUpMs + load.durationMs) * perSecond) / 1000);
  const latencies = new Latencies();
  const free = [...connections];
  let sent = 0;
  let answered = 0;
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      clearInterval(timer);
      reject(error);
    };
    const send = (connection: Connection, due: number) => {
      sent += 1;
      connection.ask(load.next()).then(() => {
        const now = performance.now();
        if (due >= begin) latencies.add(now - due);
        free.push(connection);
        answered += 1;
        if (answered === total) {
          clearInterval(timer);
          const seconds = (now - begin) / 1000;
          const bytes = bytesOf(connections);
          resolve({ perSecond: latencies.count / seconds, latencies, requests: total, bytes });
        } else dispatch();
      }, fail);
    };
    const dispatch = () => {
      for (;;) {
        const due = start + (sent * 1000) / perSecond;
        if (sent >= total || due > performance.now()) return;
        // In turn: one that is not used for some seconds is closed by the server.
        const connection = free.shift();
        if (!connection) return;
        send(connection, due);
      }
    };
    const timer = setInterval(dispatch, TICK_MS);
  });
}

function bytesOf(connections: readonly Connection[]): number {
  return connections.reduce((sum, { bodyBytes }) => sum + bodyBytes(), 0);
}

interface Connection {
  /** One request at a time. @throws Error where the answer is not 2xx */
  ask(request: string): Promise<void>;
  /** Received so far. */
  bodyBytes(): number;
  close(): void;
}

interface Waiting {
  resolve(): void;
  reject(error: Error): void;
}

async function openConnection(port: number): Promise<Connection> {
  const socket: Socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  let waiting: Waiting | undefined;
  let received: Buffer = Buffer.alloc(0);
  let bodyBytes = 0;
  let closed: Error | undefined;
  const settle = (error?: Error) => {
    const current = waiting;
    waiting = undefined;
    if (error) current?.reject(error);
    else current?.resolve();
  };
  socket.on("data", (chunk) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    const status = statusWhenComplete(received);
    if (status === undefined) return;
    const answer = received;
    bodyBytes += answer.length - (answer.indexOf(HEAD_END) + HEAD_END.length);
    received = Buffer.alloc(0);
    settle(status >= 200 && status < 300 ? undefined : new Error(`the server answered\n${answer}`));
  });
  socket.on("error", (error) => settle(error));
  socket.on("close", () => {
    closed = new Error("the server closed a connection");
    settle(closed);
  });
  return {
    ask: (request) =>
      new Promise<void>((resolve, reject) => {
        if (closed) return reject(closed);
        waiting = { resolve, reject };
        socket.write(request);
      }),
    bodyBytes: () => bodyBytes,
    close: () => socket.destroy(),
  };
}

const HEAD_END = "\r\n\r\n";

/** `undefined` until all of it is there. An answer in another framing than a length (Express gives JSON one) has no status: 0. */
function statusWhenComplete(received: Buffer): number | undefined {
  const headEnd = received.indexOf(HEAD_END);
  if (headEnd < 0) return undefined;
  const head = received.toString("latin1", 0, headEnd);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length === undefined) return 0;
  if (received.length < headEnd + HEAD_END.length + Number(length)) return undefined;
  return Number(head.slice("HTTP/1.1 ".length, "HTTP/1.1 ".length + 3));
}

/** A request as text, with what every client of this API sends. */
export function requestText(
  method: "GET" | "POST",
  path: string,
  headers: Readonly<Record<string, string>>,
  body?: object,
): string {
  const content = body === undefined ? "" : JSON.stringify(body);
  const lines = [`${method} ${path} HTTP/1.1`, "Host: 127.0.0.1"];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  if (body !== undefined)
    lines.push("Content-Type: application/json", `Content-Length: ${Buffer.byteLength(content)}`);
  return `${lines.join("\r\n")}${HEAD_END}${content}`;
}
