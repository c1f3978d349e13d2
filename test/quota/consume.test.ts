/** Consumption through gate and writer, with all that can go wrong between them. */
import { afterAll, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { createClient, createRedis, type Redis, silentLog } from "#infra";
import { SECONDS_PER_DAY, systemClock, systemIds } from "#kernel";
import { QuotaHolds } from "#quota";
import type { TestDatabase } from "../support/database.ts";
import { describeWithRedis, redisUrl } from "../support/redis.ts";
import {
  advanceClock,
  allow,
  consume,
  consumeTogether,
  createQuotaDatabase,
  type Instance,
  isDenial,
  isReady,
  newUser,
  RISK,
  STRATEGY,
  startInstance,
  usedToday,
} from "./harness.ts";

describeWithRedis("consumption behind the gate", () => {
  let database: TestDatabase;
  let redis: Redis;
  /** Two API processes with Redis and one without, each with a writer of its own. */
  let a: Instance;
  let b: Instance;
  let without: Instance;
  let userId: string;
  let elapsedMs = 0;
  /** Lets the second for which a denial is trusted pass at once. */
  const clock = { nowMs: () => systemClock.nowMs() + elapsedMs };

  beforeAll(async () => {
    database = await createQuotaDatabase();
    redis = createRedis(redisUrl(), silentLog());
    await vi.waitFor(() => isReady(redis), { timeout: 20_000 });
    a = await startInstance(database, redisUrl(), clock);
    b = await startInstance(database, redisUrl(), clock);
    without = await startInstance(database, null, clock);
  });
  afterAll(async () => {
    for (const instance of [a, b, without]) await instance.stop();
    redis.disconnect();
    await database.drop();
  });
  beforeEach(() => {
    userId = newUser();
  });

  const key = async (entityType = RISK) => {
    const [found] = await redis.keys(`quota:*:{${userId}}:${entityType}`);
    return found;
  };
  const storedVersion = async () => {
    const name = await key();
    return name === undefined ? null : await redis.hget(name, "version");
  };
  const published = (version: number) =>
    vi.waitFor(async () => expect(await storedVersion()).toBe(String(version)), { timeout: 20_000 });
  /** Uses the quota up and waits until the gate knows. */
  const exhaust = async (quota: number) => {
    await allow(a, userId, quota);
    const { value } = await consume(a, { userId, units: quota });
    await published(value.version);
  };
  /** A raise that reaches no counter. */
  const allowanceWithoutRedis = (quota: number) => allow(without, userId, quota);
  /** Who said no to one more request of this instance. */
  const deniedBy = async (instance: Instance) => {
    const before = await instance.decisions();
    await expect(consume(instance, { userId })).rejects.toSatisfy(isDenial);
    const after = await instance.decisions();
    return after.denied_by_gate === before.denied_by_gate ? "writer" : "gate";
  };

  it("admits exactly 20 of 500 in three processes, one of them without Redis", async () => {
    await allow(a, userId, 20);
    const instances = [a, b, without];
    const { admitted, errors } = await consumeTogether(500, (place) =>
      consume(instances[place % 3] ?? a, { userId }),
    );
    expect({ admitted, errors }).toEqual({ admitted: 20, errors: [] });
    expect(await usedToday(a, userId)).toBe(20);
  });

  it("is denied by the gate once the quota is used up, with the same answer as the writer's", async () => {
    await exhaust(2);
    const [byGate, byWriter] = await Promise.all(
      [b, without].map((instance) =>
        consume(instance, { userId }).then(
          () => undefined,
          (error: unknown) => error,
        ),
      ),
    );
    if (!isDenial(byGate) || !isDenial(byWriter)) throw new Error("was not denied");
    expect(byGate.details).toEqual(byWriter.details);
    expect(byGate.message).toBe(byWriter.message);
    expect(Math.abs((byGate.retryAfterSeconds ?? 0) - (byWriter.retryAfterSeconds ?? 0))).toBeLessThanOrEqual(
      1,
    );
    expect(await deniedBy(b)).toBe("gate");
    expect(await deniedBy(without)).toBe("writer");
  });

  it("says where the gate was not asked, also when it refuses", async () => {
    const past: string[] = [];
    const ask = (instance: Instance, name: string) =>
      instance.quota.consume({
        userId,
        entityType: RISK,
        units: 1,
        unit: { name: "test", decide: () => null },
        onGateBypassed: () => past.push(name),
      });
    expect((await ask(a, "a")).gateBypassed).toBe(false);
    expect((await ask(without, "without")).gateBypassed).toBe(true);
    expect(past).toEqual(["without"]);
    expect((await without.decisions()).bypassed).toBeGreaterThan(0);
  });

  it("admits not one unit more when the counters are flushed in the middle, again and again", async () => {
    await allow(a, userId, 20);
    let done = false;
    const flushing = (async () => {
      while (!done) await redis.flushall();
    })();
    const { admitted, errors } = await consumeTogether(500, (place) =>
      consume(place % 2 ? a : b, { userId }),
    );
    done = true;
    await flushing;
    expect({ admitted, errors }).toEqual({ admitted: 20, errors: [] });
    await expect(consume(a, { userId })).rejects.toSatisfy(isDenial);
    expect(await usedToday(a, userId)).toBe(20);
  });

  it("lets a raise count at once in every process, although each has just denied", async () => {
    await exhaust(1);
    expect(await deniedBy(a)).toBe("gate");
    expect(await deniedBy(b)).toBe("gate");
    await allow(a, userId, 3);
    await consume(b, { userId });
    await consume(a, { userId });
    expect(await usedToday(a, userId)).toBe(3);
  });

  it("lets what a hold gives back count at once in every process, although each has just denied", async () => {
    await allow(a, userId, 4);
    const holds = new QuotaHolds({ quota: a.quota, dataSource: a.dataSource, ids: systemIds });
    const reserve = async () => {
      const request = {
        userId,
        entityType: RISK,
        units: 4,
        ttlSeconds: 600,
        createdBy: userId,
        reference: null,
      };
      const hold = (await holds.reserve(request, undefined)).value;
      for (const instance of [a, b]) await deniedBy(instance);
      expect(await deniedBy(b)).toBe("gate");
      return hold;
    };
    await holds.release(await reserve(), undefined);
    const less = await reserve();
    await holds.commit(less, 2, undefined);
    await consume(b, { userId });
    await consume(a, { userId });
    expect(await usedToday(a, userId)).toBe(4);
    expect(await deniedBy(b)).toBe("gate");
  });

  it("overlooks a raise that was not published for no longer than a second", async () => {
    await exhaust(1);
    expect(await deniedBy(b)).toBe("gate");
    await allowanceWithoutRedis(2);
    expect(await deniedBy(b)).toBe("gate");
    elapsedMs += 1_000;
    expect((await consume(b, { userId })).value).toMatchObject({ limit: 2, used: 2 });
  });

  it("is not stopped by a stale copy that denies, nor let through by one that admits", async () => {
    await exhaust(2);
    const denying = await copyOfCounter();
    const { value } = await allow(a, userId, 5);
    await published(value.version);
    const admitting = await copyOfCounter();
    elapsedMs += 1_000;

    await putBack(denying);
    expect((await consume(b, { userId })).value.used).toBe(3);
    await putBack(denying);
    expect((await consume(a, { userId })).value.used).toBe(4);
    await putBack(admitting);
    const { admitted } = await consumeTogether(50, (place) => consume(place % 2 ? a : b, { userId }));
    expect(admitted).toBe(1);
    await putBack(admitting);
    await expect(consume(b, { userId })).rejects.toSatisfy(isDenial);
    expect(await usedToday(a, userId)).toBe(5);
  });

  /** What a replica that lags, or a snapshot, brings back. */
  const copyOfCounter = async () => {
    const copy = await redis.dumpBuffer((await key()) ?? "");
    if (!copy) throw new Error("there is no counter");
    return copy;
  };
  const putBack = async (copy: Buffer) => redis.restore((await key()) ?? "", 0, copy, "REPLACE");
  const tamper = async (state: Record<string, string>) => redis.hset((await key()) ?? "", state);

  it("mends a counter that is ahead of the truth, as after a restored database", async () => {
    await exhaust(1);
    await allow(a, userId, 5);
    await tamper({ version: "900", used: "5", limit: "5", left: "0" });
    const { value } = await consume(b, { userId });
    // As the database had it before this consumption, which leaves room.
    await published(value.version - 1);
  });

  it("does not trust its own memory where Redis has a newer state", async () => {
    await exhaust(1);
    expect(await deniedBy(a)).toBe("gate");
    await allow(b, userId, 4);
    const { value } = await consume(b, { userId, units: 3 });
    await published(value.version);
    const denial = await consume(a, { userId }).catch((error: unknown) => error);
    expect(isDenial(denial) && denial.details).toMatchObject({ quota_today: 4, quota_used_today: 4 });
  });

  it("replays an earlier success under its key although the gate denies, and denies a new key", async () => {
    await allow(a, userId, 1);
    const first = await consume(a, { userId, key: "one" });
    await published(first.value.version);
    for (const instance of [a, b]) {
      expect(await consume(instance, { userId, key: "one" })).toMatchObject({
        replayed: true,
        value: first.value,
      });
      await expect(consume(instance, { userId, key: "two" })).rejects.toSatisfy(isDenial);
    }
    await expect(consume(b, { userId, units: 2, key: "one" })).rejects.toMatchObject({
      code: "idempotency_key_reused",
    });
    expect(await usedToday(a, userId)).toBe(1);
  });

  it("acts once for 200 requests under one key in three processes", async () => {
    await allow(a, userId, 5);
    const instances = [a, b, without];
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, place) =>
        consume(instances[place % 3] ?? a, { userId, units: 5, key: "same" }),
      ),
    );
    expect(answers.filter((answer) => !answer.replayed)).toHaveLength(1);
    for (const answer of answers) expect(answer.value).toEqual(answers[0]?.value);
    expect(await usedToday(a, userId)).toBe(5);
  });

  it("asks Postgres in few queries, however many requests are denied at once", async () => {
    await exhaust(1);
    elapsedMs += 1_000;
    const before = await b.decisions();
    const { denied } = await consumeTogether(1_000, () => consume(b, { userId }));
    expect(denied).toBe(1_000);
    const after = await b.decisions();
    expect((after.denied_by_gate ?? 0) - (before.denied_by_gate ?? 0)).toBe(1_000);
    expect(after.denied).toBe(before.denied);
  });

  it("leaves a denial that Postgres cannot confirm to the writer, which waits for Postgres", async () => {
    await exhaust(1);
    elapsedMs += 1_000;
    const admin = createClient({ url: database.adminUrl, applicationName: "test" });
    await admin.connect();
    await admin.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'anchorbook_app' AND datname = $1",
      [database.name],
    );
    await admin.end();
    const { denied, errors } = await consumeTogether(20, (place) => consume(place % 2 ? a : b, { userId }));
    expect({ denied, errors }).toEqual({ denied: 20, errors: [] });
    expect(await usedToday(a, userId)).toBe(1);
  });

  it("finds counters that differ, mends them, and says how many there were", async () => {
    await exhaust(1);
    expect(await a.quota.measureDrift()).toMatchObject({ differing: 0 });
    await tamper({ used: "0" });
    const drift = await a.quota.measureDrift();
    expect(drift?.differing).toBe(1);
    expect(drift?.compared).toBeGreaterThan(0);
    expect(await a.quota.measureDrift()).toMatchObject({ differing: 0 });
    await allowanceWithoutRedis(2);
    expect(await a.quota.measureDrift()).toMatchObject({ differing: 1 });
    await redis.flushall();
    expect(await a.quota.measureDrift()).toMatchObject({ differing: 0 });
    expect(await without.quota.measureDrift()).toBeNull();
  });

  it("starts anew with the next day of the ledger, in all processes, once they know that time was moved", async () => {
    await exhaust(1);
    for (const instance of [a, b, without])
      await expect(consume(instance, { userId })).rejects.toSatisfy(isDenial);
    await advanceClock(database, SECONDS_PER_DAY);
    for (const instance of [a, b]) instance.quota.forgetConfirmations();
    expect((await consume(b, { userId })).value).toMatchObject({ used: 1, remaining: 0 });
    for (const instance of [a, b, without])
      await expect(consume(instance, { userId })).rejects.toSatisfy(isDenial);
    expect((await consume(a, { userId, entityType: STRATEGY })).value.used).toBe(1);
  });
});
