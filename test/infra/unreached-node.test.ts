/** A node whose machine does not answer at all: not even a connection comes about. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterAll, expect, it } from "vitest";
import { createJsonRpc } from "../../src/infra/chain/json-rpc.ts";

/** Listens, and never takes a connection: behind the first few the system answers no more. */
const DEAF = `
  const server = require("node:net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
    process.stdout.write(String(server.address().port));
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
  });
`;
const FILLED = 4;

let deaf: ChildProcess | undefined;
let sockets: Socket[] = [];
const over = new AbortController();

afterAll(() => {
  over.abort();
  for (const socket of sockets) socket.destroy();
  deaf?.kill("SIGKILL");
});

it("is away after one question, as one that is silent", async () => {
  const child = spawn(process.execPath, ["-e", DEAF], { stdio: ["ignore", "pipe", "ignore"] });
  deaf = child;
  const [port] = (await once(child.stdout, "data")) as [Buffer];
  sockets = Array.from({ length: FILLED }, () =>
    connect(Number(`${port}`), "127.0.0.1").on("error", () => {}),
  );
  await Promise.all(sockets.slice(0, 2).map((socket) => once(socket, "connect")));
  // A second question would come after an hour.
  const [pauseMs, longestPauseMs] = [3_600_000, 3_600_000];
  const rpc = createJsonRpc({
    url: `http://127.0.0.1:${port}`,
    pauseMs,
    longestPauseMs,
    signal: over.signal,
  });
  await expect(rpc.call("eth_blockNumber", [])).rejects.toThrow("no chain answers at 127.0.0.1");
}, 60_000);
