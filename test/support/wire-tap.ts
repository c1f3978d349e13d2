/**
 * A wire to Postgres that changes nothing and writes down what passes: every
 * statement that a client has executed, by connection and in order, and the
 * SQLSTATE of every error that the server answered. So a test can say what a
 * writer really asks, whatever client it uses, and that nothing was refused and
 * quietly done again.
 */
import { createServer, connect as dial, type Socket } from "node:net";

export interface WireTap {
  /** The same URL with the tap's address. */
  readonly url: string;
  /** SQLSTATEs, in order. */
  readonly errors: string[];
  /** What was executed so far, transaction by transaction, in the order in which they began. */
  transactions(): string[][];
  /** Forgets what passed until now. */
  clear(): void;
  close(): Promise<void>;
}

const BEGIN = /^\s*(BEGIN|START TRANSACTION)\b/i;
const END = /^\s*(COMMIT|ROLLBACK|END)\b/i;

export async function startWireTap(databaseUrl: string): Promise<WireTap> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  const errors: string[] = [];
  const executed: { wire: number; text: string }[] = [];
  let wires = 0;
  const server = createServer((client) => {
    const wire = ++wires;
    const upstream = dial(Number(target.port), target.hostname);
    const end = () => {
      for (const socket of [client, upstream]) {
        sockets.delete(socket);
        socket.destroy();
      }
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket.on("error", end).on("close", end).setNoDelay(true));
    }
    const asked = readFrontend((text) => executed.push({ wire, text }));
    const answered = readMessages(false, (type, body) => {
      if (type === "E") errors.push(sqlStateOf(body));
    });
    client.on("data", (chunk: Buffer) => {
      asked(chunk);
      upstream.write(chunk);
    });
    upstream.on("data", (chunk: Buffer) => {
      answered(chunk);
      client.write(chunk);
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the tap does not listen");
  return {
    url: Object.assign(new URL(databaseUrl), { port: String(address.port) }).toString(),
    errors,
    transactions: () => byTransaction(executed),
    clear() {
      errors.length = 0;
      executed.length = 0;
    },
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((done) => server.close(() => done()));
    },
  };
}

/** Statements outside a transaction are left out: they are a connection's settings. */
function byTransaction(executed: readonly { wire: number; text: string }[]): string[][] {
  const transactions: string[][] = [];
  const open = new Map<number, string[]>();
  for (const { wire, text } of executed) {
    if (BEGIN.test(text)) {
      const begun = [text];
      transactions.push(begun);
      open.set(wire, begun);
    } else open.get(wire)?.push(text);
    if (END.test(text)) open.delete(wire);
  }
  return transactions;
}

/** Tells of the text of each statement that is run: simple ones, and prepared ones as they are bound. */
function readFrontend(run: (text: string) => void): (chunk: Buffer) => void {
  const prepared = new Map<string, string>();
  return readMessages(true, (type, body) => {
    if (type === "Q") run(textAt(body, 0));
    if (type === "P") {
      const name = textAt(body, 0);
      prepared.set(name, textAt(body, Buffer.byteLength(name) + 1));
    }
    if (type === "B") {
      const portal = textAt(body, 0);
      run(prepared.get(textAt(body, Buffer.byteLength(portal) + 1)) ?? "");
    }
  });
}

/** Cuts a stream of protocol messages: a letter, a length that counts itself, a body. A client's first has no letter. */
function readMessages(
  hasStartup: boolean,
  take: (type: string, body: Buffer) => void,
): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  let started = !hasStartup;
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (;;) {
      const letter = started ? 1 : 0;
      if (rest.length < letter + 4) return;
      const end = letter + rest.readInt32BE(letter);
      if (rest.length < end) return;
      if (started) take(String.fromCharCode(rest[0] ?? 0), rest.subarray(5, end));
      started = true;
      rest = rest.subarray(end);
    }
  };
}

function textAt(body: Buffer, from: number): string {
  return body.toString("utf8", from, body.indexOf(0, from));
}

/** An error's fields are a letter and a text each; C is the SQLSTATE. */
function sqlStateOf(body: Buffer): string {
  for (let at = 0; at < body.length && body[at] !== 0; ) {
    const text = textAt(body, at + 1);
    if (body[at] === 0x43) return text;
    at += 2 + Buffer.byteLength(text);
  }
  return "?????";
}
