/**
 * A primary and its replica, real servers on free ports, behind one address that
 * can be pointed at either: what a failover is to those who are connected.
 */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, connect as dial, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vi } from "vitest";
import { findRedis } from "#devstack";
import { createRedis, type Redis, silentLog } from "#infra";
import { startGuarded } from "../../src/devstack/guarded-process.ts";
import { unusedPort } from "../support/server-process.ts";

export interface RedisPair {
  /** Whoever is the primary now. */
  readonly url: string;
  /** Waits until the replica has all that the primary has. */
  caughtUp(): Promise<void>;
  /** The replica gets nothing any more: from here on it is a stale copy. */
  cutOff(): Promise<void>;
  /** The stale copy becomes the primary, and everybody is connected to it. */
  failOver(): Promise<void>;
  stop(): Promise<void>;
}

export async function startRedisPair(): Promise<RedisPair> {
  const folder = mkdtempSync(join(tmpdir(), "anchorbook-pair-"));
  const primary = await startOnPort(folder);
  const replica = await startOnPort(folder);
  await replica.redis.replicaof("127.0.0.1", primary.port);
  const wires = new Set<Socket>();
  let target = primary.port;
  const proxy = createServer((client) => {
    const server = dial(target, "127.0.0.1");
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      wires.add(socket);
      socket.setNoDelay(true).pipe(other);
      socket
        .on("error", () => other.destroy())
        .on("close", () => {
          wires.delete(socket);
          other.destroy();
        });
    }
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const address = proxy.address();
  if (typeof address !== "object" || address === null) throw new Error("the proxy does not listen");
  return {
    url: `redis://127.0.0.1:${address.port}`,
    caughtUp: () =>
      vi.waitFor(
        async () => {
          if ((await primary.redis.wait(1, 100)) !== 1) throw new Error("the replica is behind");
        },
        { timeout: 20_000 },
      ),
    cutOff: async () => {
      await replica.redis.replicaof("NO", "ONE");
    },
    failOver: async () => {
      target = replica.port;
      for (const wire of wires) wire.destroy();
    },
    stop: async () => {
      for (const wire of wires) wire.destroy();
      await new Promise((closed) => proxy.close(closed));
      for (const server of [primary, replica]) await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function startOnPort(folder: string): Promise<{ port: number; redis: Redis; stop(): Promise<void> }> {
  const port = await unusedPort();
  const server = await startGuarded({
    name: "Redis",
    command: [
      findRedis() ?? "redis-server",
      ...["--port", `${port}`, "--bind", "127.0.0.1", "--dir", folder],
      ...["--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"],
    ],
    logFile: join(folder, `redis-${port}.log`),
    stopSignal: "TERM",
  });
  const redis = createRedis(`redis://127.0.0.1:${port}`, silentLog(), { commandTimeoutMs: 20_000 });
  const isReady = () => {
    if (redis.status !== "ready") throw new Error(`Redis is ${redis.status}`);
  };
  await vi.waitFor(isReady, { timeout: 20_000 });
  const stop = async () => {
    redis.disconnect();
    await server.stop();
  };
  return { port, redis, stop };
}
