/** Quotas as the writer decides them, without Redis. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SECONDS_PER_DAY } from "#kernel";
import { viewQuota } from "#quota";
import type { TestDatabase } from "../support/database.ts";
import {
  advanceClock,
  allow,
  allowanceUnit,
  consume,
  consumeTogether,
  consumptionUnit,
  createQuotaDatabase,
  type Instance,
  isDenial,
  newUser,
  RISK,
  STRATEGY,
  startInstance,
  usedToday,
} from "./harness.ts";

let database: TestDatabase;
let instance: Instance;

beforeAll(async () => {
  database = await createQuotaDatabase();
  instance = await startInstance(database, null);
});
afterAll(async () => {
  await instance.stop();
  await database.drop();
});

describe("a quota decided by the writer", () => {
  it("is the kind's default for a user who was given none, and is said to be bypassed without Redis", async () => {
    const userId = newUser();
    const first = await consume(instance, { userId });
    expect(first).toMatchObject({
      gateBypassed: true,
      replayed: false,
      value: { limit: 1, used: 1, remaining: 0 },
    });
    await expect(consume(instance, { userId })).rejects.toSatisfy(isDenial);
  });

  it("denies with the time to the next day and what is used, and consumes nothing", async () => {
    const userId = newUser();
    await allow(instance, userId, 3);
    await consume(instance, { userId, units: 2 });
    const denial = await consume(instance, { userId, units: 2 }).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (!isDenial(denial)) throw new Error("was not denied");
    expect(denial.retryAfterSeconds).toBeGreaterThan(0);
    expect(denial.retryAfterSeconds).toBeLessThanOrEqual(SECONDS_PER_DAY);
    expect(denial.details).toMatchObject({
      entity_type: RISK,
      requested: 2,
      quota_today: 3,
      quota_used_today: 2,
      quota_remaining: 1,
    });
    expect((denial.details as { resets_at: string }).resets_at).toMatch(/T00:00:00Z$/);
    expect(await usedToday(instance, userId)).toBe(2);
    expect((await consume(instance, { userId })).value.remaining).toBe(0);
  });

  it("admits exactly 20 of 500 that arrive together", async () => {
    const userId = newUser();
    await allow(instance, userId, 20);
    const { admitted, errors } = await consumeTogether(500, () => consume(instance, { userId }));
    expect({ admitted, errors }).toEqual({ admitted: 20, errors: [] });
    expect(await usedToday(instance, userId)).toBe(20);
  });

  it("counts each user and entity type for itself", async () => {
    const [a, b] = [newUser(), newUser()];
    await consume(instance, { userId: a });
    await consume(instance, { userId: b });
    await consume(instance, { userId: a, entityType: STRATEGY });
    expect(await instance.quota.usageOf(a)).toMatchObject([
      { entityType: 1, name: "risk", limit: 1, used: 1, remaining: 0 },
      { entityType: 2, name: "strategy", limit: 1, used: 1, remaining: 0 },
      { entityType: 3, name: "memory", limit: 1, used: 0, remaining: 1 },
    ]);
  });

  it("leaves nothing, not less, where the limit was lowered below what is used, and goes on when it is raised", async () => {
    const userId = newUser();
    await allow(instance, userId, 10);
    await consume(instance, { userId, units: 8 });
    const lowered = await allow(instance, userId, 5);
    expect(lowered.value).toMatchObject({ limit: 5, used: 8, remaining: 0 });
    await expect(consume(instance, { userId })).rejects.toSatisfy(isDenial);
    await allow(instance, userId, 9);
    expect((await consume(instance, { userId })).value).toMatchObject({ limit: 9, used: 9, remaining: 0 });
  });

  it("decides a raise, its use and a lowering in the order in which they came, in one batch", async () => {
    const [user, other] = [newUser(), newUser()];
    const outcomes = await Promise.allSettled([
      instance.ledger.submit(consumptionUnit({ userId: other })),
      instance.ledger.submit(allowanceUnit(user, 10)),
      instance.ledger.submit(consumptionUnit({ userId: user, units: 10 })),
      instance.ledger.submit(consumptionUnit({ userId: user })),
      instance.ledger.submit(allowanceUnit(user, 4)),
      instance.ledger.submit(consumptionUnit({ userId: user })),
      instance.ledger.submit(consumptionUnit({ userId: other })),
    ]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual([
      "fulfilled",
      "fulfilled",
      "fulfilled",
      "rejected",
      "fulfilled",
      "rejected",
      "rejected",
    ]);
    const [risk] = await instance.quota.usageOf(user);
    expect(risk).toMatchObject({ limit: 4, used: 10, remaining: 0 });
  });

  it("raises the version with every change, so that the newer of two states can be told", async () => {
    const userId = newUser();
    const versions = [
      (await allow(instance, userId, 5)).value.version,
      (await consume(instance, { userId })).value.version,
      (await allow(instance, userId, 5)).value.version,
      (await allow(instance, userId, 4)).value.version,
      (await consume(instance, { userId })).value.version,
    ];
    expect(versions).toEqual([1, 2, 2, 3, 4]);
    expect((await instance.quota.usageOf(userId))[0]?.version).toBe(4);
  });

  it("replays a success under its key even when the quota is used up, and never stores a denial", async () => {
    const userId = newUser();
    const first = await consume(instance, { userId, key: "one" });
    await expect(consume(instance, { userId, key: "two" })).rejects.toSatisfy(isDenial);
    const again = await consume(instance, { userId, key: "one" });
    expect(again).toMatchObject({ replayed: true, value: first.value });
    await allow(instance, userId, 2);
    expect(await consume(instance, { userId, key: "two" })).toMatchObject({
      replayed: false,
      value: { used: 2 },
    });
  });

  it("knows no entity type that is not in the table, and no broken number of units", async () => {
    const userId = newUser();
    await expect(consume(instance, { userId, entityType: 99 })).rejects.toMatchObject({
      code: "invalid_request",
      details: { member: "entity_type" },
    });
    for (const units of [0, -1, 1.5, Number.NaN, 2 ** 53])
      await expect(consume(instance, { userId, units })).rejects.toBeInstanceOf(RangeError);
    expect(await usedToday(instance, userId)).toBe(0);
  });

  it("shows a unit what the units before it in the batch have used", async () => {
    const userId = newUser();
    await allow(instance, userId, 2);
    const [, seen] = await Promise.all([
      instance.ledger.submit(consumptionUnit({ userId })),
      instance.ledger.submit({
        name: "test-view",
        decide: (view) => ({ ...viewQuota(view, { userId, entityType: RISK }) }),
      }),
    ]);
    expect(seen.value).toMatchObject({ used: 1, remaining: 1 });
  });
});

describe("a new day", () => {
  it("starts anew by ledger time, and keeps what the day before used", async () => {
    const userId = newUser();
    const before = await consume(instance, { userId });
    await expect(consume(instance, { userId })).rejects.toSatisfy(isDenial);
    await advanceClock(database, SECONDS_PER_DAY);
    const after = await consume(instance, { userId });
    expect(after.value).toMatchObject({ day: before.value.day + 1, used: 1, remaining: 0 });
    await expect(consume(instance, { userId })).rejects.toSatisfy(isDenial);
    const [risk] = await instance.quota.usageOf(userId);
    expect(risk).toMatchObject({ day: before.value.day + 1, used: 1 });
  });
});
