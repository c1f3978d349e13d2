import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { type EmbeddedRedis, startRedis } from "#devstack";
import { createRedis, silentLog } from "#infra";
import { describeWithRedis } from "../support/redis.ts";

describeWithRedis("the Redis client", () => {
  const folder = mkdtempSync(join(tmpdir(), "anchorbook-redis-test-"));
  let server: EmbeddedRedis;

  beforeAll(async () => {
    server = await startRedis({ logFile: join(folder, "redis.log") });
  });
  afterAll(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("answers over the unix socket, rejects at once when the server dies, and comes to its senses", async () => {
    // No command runs out of time here: what rejects does so because nobody is there.
    const redis = createRedis(server.url, silentLog(), { commandTimeoutMs: 600_000 });
    await vi.waitFor(() => expect(redis.status).toBe("ready"));
    expect(await redis.set("a", "1")).toBe("OK");
    process.kill(server.pid, "SIGKILL");
    await server.exited;
    await expect(redis.get("a")).rejects.toThrow();
    redis.disconnect();
  });
});
