/**
 * What Redis does wrong while many clients ask for more than there is: never one
 * unit too many, and in the end every unit that there is. The limits are raised in
 * the middle, so that what Redis remembers is wrong in the way that matters, too.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { type EmbeddedRedis, startRedis } from "#devstack";
import { createRedis, type Redis, silentLog } from "#infra";
import { systemClock } from "#kernel";
import type { TestDatabase } from "../support/database.ts";
import { describeWithRedis } from "../support/redis.ts";
import { type Hammer, startHammer } from "./hammer.ts";
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
import { type RedisPair, startRedisPair } from "./redis-pair.ts";

const FIRST_LIMIT = 25;
const RAISED_LIMIT = 60;
const USERS = 3;
const PUBLISH = readFileSync(new URL("../../src/quota/lua/publish.lua", import.meta.url), "utf8");
const SOME = 150;

let database: TestDatabase;
let without: Instance;
let users: string[];
let elapsedMs = 0;
/** Lets the second for which a denial is trusted pass at once. */
const clock = { nowMs: () => systemClock.nowMs() + elapsedMs };

beforeAll(async () => {
  database = await createQuotaDatabase();
  without = await startInstance(database, null, clock);
});
afterAll(async () => {
  await without.stop();
  await database.drop();
});
beforeEach(async () => {
  users = Array.from({ length: USERS }, newUser);
  for (const userId of users) await allow(without, userId, FIRST_LIMIT);
});

const limitsOf = (limit: number) => new Map(users.map((userId) => [userId, limit]));

/**
 * Hammers the quotas up to their limit, raises it while the fault goes on, hammers up to that.
 * @param fault what goes wrong from the beginning on, until it is told to end
 */
async function hammerThrough(
  instances: readonly Instance[],
  raise: (userId: string) => Promise<unknown>,
  fault: { during?: () => Promise<unknown>; atRaise?: () => Promise<unknown> },
): Promise<void> {
  await hammerWhile(instances, async (hammer) => {
    let ended = false;
    const going = (async () => {
      while (!ended && fault.during) await fault.during();
    })();
    const raising = (async () => {
      await hammer.until(limitsOf(FIRST_LIMIT));
      await hammer.answers(SOME);
      await Promise.all(users.map(raise));
      await fault.atRaise?.();
      await hammer.until(limitsOf(RAISED_LIMIT));
      await hammer.answers(SOME);
    })().finally(() => {
      ended = true;
    });
    await Promise.all([raising, going]);
  });
  expect(await usedOfAll()).toEqual([RAISED_LIMIT, RAISED_LIMIT, RAISED_LIMIT]);
}

/** What was answered is what Postgres has, and no request failed. */
async function hammerWhile(
  instances: readonly Instance[],
  run: (hammer: Hammer) => Promise<void>,
): Promise<void> {
  const hammer = startHammer(instances, users);
  await run(hammer).finally(() => hammer.stop());
  expect(hammer.errors).toEqual([]);
  expect(users.map((userId) => hammer.taken(userId))).toEqual(await usedOfAll());
}

const usedOfAll = () => Promise.all(users.map((userId) => usedToday(without, userId)));

/** What the fault left behind is mended by the first look, and stays so. */
async function mend(instance: Instance): Promise<void> {
  await instance.quota.measureDrift();
  expect((await instance.quota.measureDrift())?.differing).toBe(0);
}

describeWithRedis("a Redis that is not to be relied on", () => {
  const folder = mkdtempSync(join(tmpdir(), "anchorbook-faults-"));
  const logFile = join(folder, "redis.log");
  let server: EmbeddedRedis;
  let redis: Redis;
  let a: Instance;
  let b: Instance;

  beforeEach(async () => {
    server = await startRedis({ logFile });
    redis = createRedis(server.url, silentLog(), { commandTimeoutMs: 20_000 });
    await vi.waitFor(() => isReady(redis), { timeout: 20_000 });
    a = await startInstance(database, server.url, clock);
    b = await startInstance(database, server.url, clock);
  });
  afterEach(async () => {
    for (const instance of [a, b]) {
      await mend(instance);
      await instance.stop();
    }
    redis.disconnect();
    await server.stop();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const raiseBy = (instance: Instance) => (userId: string) => allow(instance, userId, RAISED_LIMIT);

  it("is flushed again and again", async () => {
    await hammerThrough([a, b], raiseBy(a), { during: () => redis.flushall() });
  });

  it("forgets its scripts again and again", async () => {
    await hammerThrough([a, b], raiseBy(a), { during: () => redis.script("FLUSH") });
  });

  it("stands in front of two of three servers, and the one without it raises", async () => {
    await hammerThrough([a, b, without], raiseBy(without), {});
  });

  it("runs what was published again, late, twice and in any order", async () => {
    const listener = createRedis(server.url, silentLog());
    const monitor = await listener.monitor();
    const published: string[][] = [];
    // A publication has its counter and eight arguments; a check has one.
    monitor.on("monitor", (_: string, [name = "", ...args]: string[]) => {
      if (/^evalsha$/i.test(name) && args.length > 4) published.push(args.slice(2));
    });
    let turn = 0;
    await hammerThrough([a, b], raiseBy(a), {
      during: async () => {
        turn = (turn * 7 + 3) % 1_009;
        const late = published[turn % Math.max(1, Math.min(published.length, 500))];
        // By its text: the first of them was refused, because Redis did not know the script yet.
        for (const args of late ? [late, late] : []) await redis.eval(PUBLISH, 1, ...args);
        await redis.ping();
      },
    });
    monitor.disconnect();
    listener.disconnect();
    expect(published.length).toBeGreaterThan(0);
  });

  it("is stopped, killed, and started empty", async () => {
    await hammerThrough([a, b], raiseBy(a), {
      atRaise: async () => {
        process.kill(server.pid, "SIGSTOP");
        await allow(a, users[0] ?? "", RAISED_LIMIT);
        process.kill(server.pid, "SIGCONT");
        process.kill(server.pid, "SIGKILL");
        await server.exited;
        server = await startRedis({ logFile });
      },
    });
    for (const instance of [a, b]) await vi.waitFor(() => isReady(instance.redis), { timeout: 20_000 });
  });
});

describeWithRedis("a failover to a stale copy", () => {
  let pair: RedisPair;
  let a: Instance;
  let b: Instance;

  beforeEach(async () => {
    pair = await startRedisPair();
    a = await startInstance(database, pair.url, clock);
    b = await startInstance(database, pair.url, clock);
  });
  afterEach(async () => {
    for (const instance of [a, b]) {
      await mend(instance);
      await instance.stop();
    }
    await pair.stop();
  });

  it("that still denies what was raised since: under load, not one unit too many, and all there are", async () => {
    await hammerWhile([a, b], async (hammer) => {
      await hammer.until(limitsOf(FIRST_LIMIT));
      await hammer.answers(SOME);
      await pair.caughtUp();
      await pair.cutOff();
      await Promise.all(users.map((userId) => allow(a, userId, RAISED_LIMIT)));
      await pair.failOver();
      await hammer.until(limitsOf(RAISED_LIMIT));
      await hammer.answers(SOME);
    });
    expect(await usedOfAll()).toEqual([RAISED_LIMIT, RAISED_LIMIT, RAISED_LIMIT]);
  });

  it("that knows nothing of what was used since: it admits nothing by that", async () => {
    await pair.caughtUp();
    await pair.cutOff();
    await hammerWhile([a, b], async (hammer) => {
      await hammer.until(limitsOf(FIRST_LIMIT));
      await hammer.answers(SOME);
      await pair.failOver();
      await hammer.answers(SOME);
    });
    expect(await usedOfAll()).toEqual([FIRST_LIMIT, FIRST_LIMIT, FIRST_LIMIT]);
  });

  it("denies falsely for no longer than its last confirmation is trusted", async () => {
    const userId = users[0] ?? "";
    await consume(a, { userId, units: FIRST_LIMIT });
    await expect(consume(b, { userId })).rejects.toSatisfy(isDenial);
    await vi.waitFor(async () => {
      await expect(consume(b, { userId })).rejects.toSatisfy(isDenial);
      expect((await b.decisions()).denied_by_gate).toBeGreaterThan(0);
    });
    await pair.caughtUp();
    await pair.cutOff();
    await allow(a, userId, RAISED_LIMIT);
    await pair.failOver();
    for (const { redis } of [a, b]) await vi.waitFor(() => isReady(redis), { timeout: 20_000 });
    const { denied_by_gate: before } = await b.decisions();
    // The stale copy denies, and within the second that is believed.
    await consume(b, { userId }).catch(() => null);
    elapsedMs += 1_000;
    const { value } = await consume(b, { userId });
    expect(value.limit).toBe(RAISED_LIMIT);
    expect((await b.decisions()).denied_by_gate ?? 0).toBeLessThanOrEqual((before ?? 0) + 1);
  });
});
