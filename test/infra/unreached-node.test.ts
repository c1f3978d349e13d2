/** A node whose machine does not answer at all: not even a connection comes about. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterAll, expect, it } from "vitest";
import { createJsonRpc } from "../../src/infra/chain/json-rpc.ts";

/** Listens, and never takes a connection: behind the first few the system answers no more. It stops before it looks for the first. */
const DEAF = `
  const server = require("node:net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
    require("node:fs").writeSync(1, String(server.address().port));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });
`;
/** More than wait for it to take them, whatever the system makes of a backlog of one. */
const FILLED = 32;

let deaf: ChildProcess | undefined;
let sockets: Socket[] = [];
const over = new AbortController();

afterAll(() => {
  over.abort();
  for (const socket of sockets) socket.destroy();
  deaf?.kill("SIGKILL");
});

it("is away after one question, also one that could be asked in smaller parts", async () => {
  const child = spawn(process.execPath, ["-e", DEAF], { stdio: ["ignore", "pipe", "ignore"] });
  deaf = child;
  const [port] = (await once(child.stdout, "data")) as [Buffer];
  sockets = Array.from({ length: FILLED }, () =>
    connect(Number(`${port}`), "127.0.0.1").on("error", () => {}),
  );
  await Promise.any(sockets.map((socket) => once(socket, "connect")));
  // A second question would come after an hour.
  const [pauseMs, longestPauseMs] = [3_600_000, 3_600_000];
  const rpc = createJsonRpc({
    url: `http://127.0.0.1:${port}`,
    pauseMs,
    longestPauseMs,
    signal: over.signal,
  });
  const asked = [false, true].map((smaller) =>
    expect(rpc.call("eth_getLogs", [], smaller)).rejects.toThrow("no chain answers at 127.0.0.1"),
  );
  await Promise.all(asked);
}, 60_000);
