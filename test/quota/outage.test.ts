/** Redis hanging, killed and started again while quotas are being used. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { type EmbeddedRedis, startRedis } from "#devstack";
import type { TestDatabase } from "../support/database.ts";
import { describeWithRedis } from "../support/redis.ts";
import {
  allow,
  consume,
  createQuotaDatabase,
  type Instance,
  isDenial,
  isReady,
  newUser,
  startInstance,
  usedToday,
} from "./harness.ts";

const QUOTA = 20;
const WORKERS = 8;

describeWithRedis("Redis away and back under load", () => {
  const folder = mkdtempSync(join(tmpdir(), "anchorbook-outage-"));
  const logFile = join(folder, "redis.log");
  let database: TestDatabase;
  let server: EmbeddedRedis;
  let a: Instance;
  let b: Instance;

  beforeAll(async () => {
    database = await createQuotaDatabase();
  });
  afterAll(async () => {
    await database.drop();
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    server = await startRedis({ logFile });
    a = await startInstance(database, server.url);
    b = await startInstance(database, server.url);
  });
  afterEach(async () => {
    await a.stop();
    await b.stop();
    await server.stop();
  });

  it("admits what the quotas allow and no unit more, and never fails a request", async () => {
    const users: string[] = [];
    const admitted = new Map<string, number>();
    const errors: unknown[] = [];
    let stopped = false;
    let answered = 0;
    // Each worker asks for ever for one of the newest users, in turn with both processes.
    const worker = async (place: number) => {
      for (let turn = place; !stopped; turn++) {
        const userId = users[turn % users.length] ?? "";
        try {
          await consume(turn % 2 ? a : b, { userId });
          admitted.set(userId, (admitted.get(userId) ?? 0) + 1);
        } catch (error) {
          if (!isDenial(error)) errors.push(error);
        }
        answered++;
      }
    };
    const addUsers = async (count: number) => {
      for (let added = 0; added < count; added++) {
        const userId = newUser();
        await allow(a, userId, QUOTA);
        users.push(userId);
      }
    };
    const someAnswers = async (count: number) => {
      const until = answered + count;
      await vi.waitFor(() => expect(answered).toBeGreaterThan(until), { timeout: 30_000 });
    };

    await addUsers(2);
    const workers = Array.from({ length: WORKERS }, (_, place) => worker(place));
    await someAnswers(200);
    process.kill(server.pid, "SIGKILL");
    await server.exited;
    await addUsers(3);
    await someAnswers(500);
    server = await startRedis({ logFile });
    for (const { redis } of [a, b]) await vi.waitFor(() => isReady(redis), { timeout: 10_000 });
    await addUsers(3);
    await someAnswers(500);
    process.kill(server.pid, "SIGSTOP");
    await addUsers(2);
    await someAnswers(300);
    process.kill(server.pid, "SIGCONT");
    await addUsers(2);
    // Until every quota is used up: a lasting false denial would never let it happen.
    await vi.waitFor(() => expect([...admitted.values()]).toEqual(users.map(() => QUOTA)), {
      timeout: 30_000,
    });
    await someAnswers(300);
    stopped = true;
    await Promise.all(workers);

    expect(errors).toEqual([]);
    for (const userId of users) {
      expect([userId, admitted.get(userId)]).toEqual([userId, QUOTA]);
      expect(await usedToday(a, userId)).toBe(QUOTA);
    }
    expect((await a.decisions()).bypassed).toBeGreaterThan(0);
    expect((await a.decisions()).denied_by_gate).toBeGreaterThan(0);
  });

  it("goes past a hanging Redis and asks it again once it answers", async () => {
    const userId = newUser();
    await allow(a, userId, 1);
    await consume(a, { userId });
    process.kill(server.pid, "SIGSTOP");
    for (let times = 0; times < 20; times++) await expect(consume(a, { userId })).rejects.toSatisfy(isDenial);
    expect((await a.decisions()).bypassed).toBe(20);
    process.kill(server.pid, "SIGCONT");
    await vi.waitFor(
      async () => {
        await expect(consume(a, { userId })).rejects.toSatisfy(isDenial);
        expect((await a.decisions()).denied_by_gate).toBeGreaterThan(0);
      },
      { timeout: 20_000 },
    );
  });

  it("answers a raise although Redis hangs, and lets it count within a second", async () => {
    const userId = newUser();
    await consume(a, { userId });
    await vi.waitFor(
      async () => {
        await expect(consume(b, { userId })).rejects.toSatisfy(isDenial);
        expect((await b.decisions()).denied_by_gate).toBeGreaterThan(0);
      },
      { timeout: 20_000 },
    );
    process.kill(server.pid, "SIGSTOP");
    await allow(a, userId, 2);
    process.kill(server.pid, "SIGCONT");
    await vi.waitFor(() => consume(b, { userId }), { timeout: 2_000 });
    expect(await usedToday(b, userId)).toBe(2);
  });
});
