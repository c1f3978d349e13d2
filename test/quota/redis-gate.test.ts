/** The counters in Redis by themselves: which state stays, which one denies, and how they fail. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { type EmbeddedRedis, startRedis } from "#devstack";
import { createRedis, type Redis, silentLog } from "#infra";
import { type Clock, SECONDS_PER_DAY } from "#kernel";
import type { QuotaState } from "../../src/quota/model.ts";
import { createRedisGate, GateAway, type RedisGate } from "../../src/quota/redis-gate.ts";
import { describeWithRedis } from "../support/redis.ts";
import { isReady, newUser } from "./harness.ts";

const NOON = 20_000 * SECONDS_PER_DAY + SECONDS_PER_DAY / 2;
const CALM = { urgent: false };

describeWithRedis("the counters in Redis", () => {
  const folder = mkdtempSync(join(tmpdir(), "anchorbook-gate-"));
  const logFile = join(folder, "redis.log");
  let server: EmbeddedRedis;
  let redis: Redis;
  let gate: RedisGate;
  let state: QuotaState;
  let nowMs = 1_000_000;
  const clock: Clock = { nowMs: () => nowMs };

  beforeAll(async () => {
    server = await startRedis({ logFile });
  });
  afterAll(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    redis = createRedis(server.url, silentLog());
    await vi.waitFor(() => isReady(redis), { timeout: 20_000 });
    gate = createRedisGate({ redis, ledgerId: "ledger", clock });
    state = {
      userId: newUser(),
      entityType: 1,
      limit: 5,
      used: 4,
      held: 1,
      lapsed: 0,
      nextExpiry: null,
      day: 20_000,
      version: 7,
      now: NOON,
    };
  });
  afterEach(() => redis.disconnect());

  const key = () => `quota:ledger:{${encodeURIComponent(state.userId)}}:1`;
  const counter = () => gate.read(state);
  const scriptsRun = async () => /cmdstat_evalsha:calls=(\d+)/.exec(await redis.info("commandstats"))?.[1];

  it("say nothing of what was never published", async () => {
    expect(await gate.check(state, 1)).toBeNull();
  });

  it("deny by used and held units against the limit, for as many units as are asked", async () => {
    await gate.publish({ ...state, used: 2 }, CALM);
    expect(await gate.check(state, 2)).toBeNull();
    expect(await gate.check(state, 3)).toEqual({ day: 20_000, version: 7, used: 2, held: 1, limit: 5 });
  });

  it("keep the newest state, whatever the order and number of publications", async () => {
    const newer = { ...state, used: 0, held: 0, version: 9 };
    for (const published of [newer, state, newer, { ...state, version: 8 }])
      await gate.publish(published, CALM);
    expect(await counter()).toEqual({ day: 20_000, version: 9, used: 0, held: 0, limit: 5 });
  });

  it("take a later day for newer, whatever its version", async () => {
    await gate.publish(state, CALM);
    await gate.publish({ ...state, day: 20_001, version: 1, used: 0, held: 0 }, CALM);
    await gate.publish({ ...state, version: 99 }, CALM);
    expect(await counter()).toEqual({ day: 20_001, version: 1, used: 0, held: 0, limit: 5 });
  });

  it("give way to what the database said after they were seen, even where they seem newer", async () => {
    await gate.publish({ ...state, version: 50 }, CALM);
    const seen = await counter();
    if (!seen) throw new Error("nothing was published");
    await gate.publish({ ...state, version: 8 }, { ...CALM, replaces: { ...seen, version: 49 } });
    expect((await counter())?.version).toBe(50);
    await gate.publish({ ...state, version: 8 }, { ...CALM, replaces: seen });
    expect((await counter())?.version).toBe(8);
  });

  it("last as long as the day, so that the next one begins without them", async () => {
    await gate.publish({ ...state, now: NOON + SECONDS_PER_DAY / 2 - 10 }, CALM);
    const ttl = await redis.ttl(key());
    expect(ttl).toBeGreaterThan(0);
    expect(ttl).toBeLessThanOrEqual(10);
  });

  it("last no longer than the first hold, after which they would deny too much", async () => {
    await gate.publish({ ...state, nextExpiry: NOON + 7 }, CALM);
    const ttl = await redis.ttl(key());
    expect(ttl).toBeGreaterThan(0);
    expect(ttl).toBeLessThanOrEqual(7);
  });

  it("are taken for absent where somebody else wrote there", async () => {
    for (const garbage of [
      { left: "x" },
      { left: "-5" },
      { day: "x", version: "1", used: "900", limit: "1" },
    ]) {
      await redis.hset(key(), garbage);
      expect(await gate.check(state, 1)).toBeNull();
    }
    await gate.publish(state, CALM);
    expect((await gate.check(state, 1))?.version).toBe(7);
  });

  it("do not send everybody past Redis for one key that cannot be read", async () => {
    await redis.set(key(), "text");
    await expect(gate.check(state, 1)).rejects.toBeInstanceOf(GateAway);
    expect(await gate.check({ ...state, userId: newUser() }, 1)).toBeNull();
  });

  it("lie in one slot a user, whatever characters the id has", async () => {
    const braces = { ...state, userId: "a}b{c:ä/%" };
    await gate.publish(braces, CALM);
    expect((await gate.check(braces, 1))?.version).toBe(7);
    const [found] = await redis.keys("quota:ledger:{a%7D*");
    expect(found).toBe("quota:ledger:{a%7Db%7Bc%3A%C3%A4%2F%25}:1");
    await redis.del(found ?? "");
  });

  it("work on after scripts were flushed", async () => {
    await gate.publish(state, CALM);
    await redis.script("FLUSH");
    expect((await gate.check(state, 1))?.version).toBe(7);
  });

  it("are left alone for a moment after a failure, then tried by one request", async () => {
    await gate.publish(state, CALM);
    process.kill(server.pid, "SIGSTOP");
    await expect(gate.check(state, 1)).rejects.toBeInstanceOf(GateAway);
    process.kill(server.pid, "SIGCONT");
    const sent = await scriptsRun();
    await expect(gate.check(state, 1)).rejects.toBeInstanceOf(GateAway);
    await gate.publish({ ...state, version: 8 }, CALM);
    expect(await scriptsRun()).toBe(sent);
    nowMs += 300;
    expect((await gate.check(state, 1))?.version).toBe(7);
    expect((await gate.check(state, 1))?.version).toBe(7);
  });

  it("are tried for a raise even then, and come back by themselves after a restart", async () => {
    await server.stop();
    await expect(gate.check(state, 1)).rejects.toBeInstanceOf(GateAway);
    server = await startRedis({ logFile });
    await vi.waitFor(() => isReady(redis), { timeout: 10_000 });
    await gate.publish(state, { urgent: true });
    expect((await gate.check(state, 1))?.version).toBe(7);
  });
});
