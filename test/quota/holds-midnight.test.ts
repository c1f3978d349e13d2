/** Holds that are made on one day and end on another. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { SECONDS_PER_DAY, systemIds } from "#kernel";
import { QuotaHolds } from "#quota";
import type { TestDatabase } from "../support/database.ts";
import {
  advanceClock,
  allow,
  consume,
  createQuotaDatabase,
  type Instance,
  isDenial,
  newUser,
  RISK,
  startInstance,
} from "./harness.ts";

const LONG = 2 * SECONDS_PER_DAY;

let database: TestDatabase;
let a: Instance;
let holds: QuotaHolds;
let userId: string;

beforeAll(async () => {
  database = await createQuotaDatabase();
  a = await startInstance(database, null);
  holds = new QuotaHolds({ quota: a.quota, dataSource: a.dataSource, ids: systemIds });
});
afterAll(async () => {
  await a.stop();
  await database.drop();
});
beforeEach(async () => {
  userId = newUser();
  await allow(a, userId, 10);
});

const reserve = async (units: number, ttlSeconds = LONG) => {
  const request = { userId, entityType: RISK, units, ttlSeconds, createdBy: userId, reference: null };
  return (await holds.reserve(request, undefined)).value;
};
const today = async () => {
  const [risk] = await a.quota.usageOf(userId);
  return { used: (risk?.used ?? 0) - (risk?.held ?? 0), held: risk?.held, remaining: risk?.remaining };
};
const dayOf = async (day: number) => {
  const rows = await a.dataSource.query(
    "SELECT used, held, next_expiry FROM usage WHERE user_id = $1 AND entity_type = $2 AND day = $3",
    [userId, RISK, day],
  );
  return rows[0];
};
const nextDay = () => advanceClock(database, SECONDS_PER_DAY);

describe("a hold of yesterday", () => {
  it("takes nothing from today, and is committed against its own day, in that day's last hour", async () => {
    const hold = await reserve(6);
    await consume(a, { userId, units: 1 });
    await nextDay();
    expect(await today()).toEqual({ used: 0, held: 0, remaining: 10 });
    await holds.commit(hold, 4, undefined);
    expect(await today()).toEqual({ used: 0, held: 0, remaining: 10 });
    expect(await dayOf(hold.day)).toEqual({ used: 5, held: 0, next_expiry: null });
    const hours = await holds.usedByHour(
      { userId, entityType: RISK },
      { fromHour: 0, untilHour: null, limit: 9 },
    );
    expect(hours.at(-1)?.hour).toBe(hold.day * 24 + 23);
    expect(hours.reduce((sum, { used }) => sum + used, 0)).toBe(5);
    await consume(a, { userId, units: 10 });
  });

  it("is committed with no more than it held, although its day had more free", async () => {
    const hold = await reserve(6);
    await nextDay();
    await expect(holds.commit(hold, 7, undefined)).rejects.toSatisfy(isDenial);
    await expect(holds.extend(hold, { ttlSeconds: 60, units: 7 }, undefined)).rejects.toSatisfy(isDenial);
    expect((await holds.extend(hold, { ttlSeconds: LONG, units: 5 }, undefined)).value.units).toBe(5);
    await holds.commit(hold, 5, undefined);
    expect(await dayOf(hold.day)).toEqual({ used: 5, held: 0, next_expiry: null });
    expect(await today()).toEqual({ used: 0, held: 0, remaining: 10 });
  });

  it("gives nothing back to today when it is released", async () => {
    const hold = await reserve(6);
    await nextDay();
    await consume(a, { userId, units: 10 });
    await holds.release(hold, undefined);
    expect(await dayOf(hold.day)).toEqual({ used: 0, held: 0, next_expiry: null });
    expect(await today()).toEqual({ used: 10, held: 0, remaining: 0 });
  });

  it("is ended by the sweep where its time is over", async () => {
    const hold = await reserve(6, 60);
    const other = await reserve(2);
    await nextDay();
    expect(await holds.expireDue()).toBe(1);
    expect(await dayOf(hold.day)).toEqual({ used: 0, held: 2, next_expiry: other.expiresAt });
    expect((await holds.holdOf(hold.id)).status).toBe("expired");
    expect((await holds.holdOf(other.id)).status).toBe("open");
    await holds.release(other, undefined);
  });

  it("is listed beside those of today", async () => {
    const first = await reserve(6);
    await nextDay();
    const second = await reserve(7);
    const open = await holds.openHolds({ userId, entityType: RISK }, { limit: 9, afterId: null });
    expect(open).toEqual([first, second]);
  });
});
