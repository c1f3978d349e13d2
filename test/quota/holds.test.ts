/** Holds of quota as the writer decides them, without Redis: who gets which units, until when, and for which day. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { systemIds } from "#kernel";
import type { View } from "#ledger";
import { QuotaHolds, reserveQuota } from "#quota";
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
  startInstance,
} from "./harness.ts";

const TTL = 600;

let database: TestDatabase;
let a: Instance;
let holds: QuotaHolds;
let userId: string;

beforeAll(async () => {
  database = await createQuotaDatabase();
  a = await startInstance(database, null);
  holds = holdsOf(a);
});
afterAll(async () => {
  await a.stop();
  await database.drop();
});
beforeEach(async () => {
  userId = newUser();
  await allow(a, userId, 10);
});

function holdsOf({ quota, dataSource }: Instance): QuotaHolds {
  return new QuotaHolds({ quota, dataSource, ids: systemIds });
}

async function reserve(units: number, ttlSeconds = TTL, key?: string) {
  const request = { userId, entityType: RISK, units, ttlSeconds, createdBy: userId, reference: null };
  const idempotency =
    key === undefined ? undefined : { principal: userId, key, fingerprint: "ab".repeat(32) };
  return (await holds.reserve(request, idempotency)).value;
}
async function use() {
  const [risk] = await a.quota.usageOf(userId);
  return { used: (risk?.used ?? 0) - (risk?.held ?? 0), held: risk?.held, remaining: risk?.remaining };
}
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "accepted",
    (error: { code?: string; details?: { status?: string } }) =>
      [error.code, error.details?.status].filter(Boolean).join(" "),
  );

describe("a hold", () => {
  it("takes units that nobody else can use, and gives back what it did not cost", async () => {
    const hold = await reserve(6);
    expect(hold).toMatchObject({ status: "open", units: 6, committed: null, endedAt: null });
    expect(await use()).toEqual({ used: 0, held: 6, remaining: 4 });
    await expect(consume(a, { userId, units: 5 })).rejects.toSatisfy(isDenial);
    await consume(a, { userId, units: 4 });
    expect((await holds.commit(hold, 2, undefined)).value).toMatchObject({
      status: "committed",
      committed: 2,
    });
    expect(await use()).toEqual({ used: 6, held: 0, remaining: 4 });
  });

  it("is refused where the day has not enough, and takes nothing then", async () => {
    await reserve(7);
    await expect(reserve(4)).rejects.toSatisfy(isDenial);
    expect(await use()).toEqual({ used: 0, held: 7, remaining: 3 });
  });

  it("is committed with all of it by default, and released with none", async () => {
    const [first, second] = [await reserve(3), await reserve(4)];
    await holds.commit(first, undefined, undefined);
    await holds.release(second, undefined);
    expect(await use()).toEqual({ used: 3, held: 0, remaining: 7 });
  });

  it("can cost nothing", async () => {
    const hold = await reserve(3);
    await holds.commit(hold, 0, undefined);
    expect(await use()).toEqual({ used: 0, held: 0, remaining: 10 });
  });

  it("can cost more than it held, as far as the day has it free", async () => {
    const hold = await reserve(4);
    await consume(a, { userId, units: 3 });
    expect(await codeOf(holds.commit(hold, 8, undefined))).toBe("quota_exceeded");
    expect(await use()).toEqual({ used: 3, held: 4, remaining: 3 });
    await holds.commit(hold, 7, undefined);
    expect(await use()).toEqual({ used: 10, held: 0, remaining: 0 });
  });

  it("answers the same however often it is committed or released, and says how it ended else", async () => {
    const [first, second] = [await reserve(3), await reserve(4)];
    const committed = await holds.commit(first, 2, undefined);
    expect(await holds.commit(first, 2, undefined)).toEqual(committed);
    expect(await holds.commit(first, undefined, undefined)).toEqual(committed);
    expect(await codeOf(holds.commit(first, 3, undefined))).toBe("not_active committed");
    expect(await codeOf(holds.release(first, undefined))).toBe("not_active committed");
    expect(await codeOf(holds.extend(first, { ttlSeconds: 1 }, undefined))).toBe("not_active committed");
    const released = await holds.release(second, undefined);
    expect(await holds.release(second, undefined)).toEqual(released);
    expect(await codeOf(holds.commit(second, 4, undefined))).toBe("not_active released");
    expect(await use()).toEqual({ used: 2, held: 0, remaining: 8 });
  });

  it("is made once where its request is repeated with its key", async () => {
    const hold = await reserve(6, TTL, "again");
    expect(await reserve(6, TTL, "again")).toEqual(hold);
    expect((await use()).held).toBe(6);
  });

  it("lives longer, and holds more or less, when it is extended; it never lives shorter", async () => {
    const hold = await reserve(4);
    const longer = (await holds.extend(hold, { ttlSeconds: 2 * TTL }, undefined)).value;
    expect(longer.expiresAt).toBeGreaterThanOrEqual(hold.expiresAt + TTL);
    expect((await holds.extend(hold, { ttlSeconds: 1 }, undefined)).value).toEqual(longer);
    expect((await holds.extend(hold, { ttlSeconds: 1, units: 9 }, undefined)).value.units).toBe(9);
    expect((await use()).held).toBe(9);
    expect(await codeOf(holds.extend(hold, { ttlSeconds: 1, units: 11 }, undefined))).toBe("quota_exceeded");
    await holds.extend(hold, { ttlSeconds: 1, units: 1 }, undefined);
    expect(await use()).toEqual({ used: 0, held: 1, remaining: 9 });
  });

  it("counts for the last hour of its day where it is committed after that", async () => {
    const hold = await reserve(6, 200_000);
    await consume(a, { userId, units: 1 });
    await advanceClock(database, 86_400);
    // Three units were free on that day, and are no more.
    expect(await codeOf(holds.commit(hold, 7, undefined))).toBe("quota_exceeded");
    expect(await codeOf(holds.extend(hold, { ttlSeconds: 60, units: 7 }, undefined))).toBe("quota_exceeded");
    await holds.commit(hold, 5, undefined);
    await consume(a, { userId, units: 2 });
    const all = { fromHour: 0, untilHour: null, limit: 100 };
    const hours = await holds.usedByHour({ userId, entityType: RISK }, all);
    const lastHour = hold.day * 24 + 23;
    expect(hours.find(({ hour }) => hour === lastHour)?.used).toBeGreaterThanOrEqual(5);
    const usedOn = (day: number) =>
      hours.filter(({ hour }) => Math.floor(hour / 24) === day).reduce((sum, { used }) => sum + used, 0);
    expect([usedOn(hold.day), usedOn(hold.day + 1)]).toEqual([6, 2]);
    await holds.expireDue();
  });

  it("is not there where nobody made it", async () => {
    const hold = { ...(await reserve(1)), id: "hold_none" };
    expect(await codeOf(holds.commit(hold, 1, undefined))).toBe("not_found");
    expect(await codeOf(holds.holdOf("hold_none"))).toBe("not_found");
  });

  it("keeps what it has where the limit is lowered, and can be committed with that", async () => {
    const hold = await reserve(6);
    await allow(a, userId, 2);
    expect(await use()).toEqual({ used: 0, held: 6, remaining: 0 });
    expect(await codeOf(holds.commit(hold, 7, undefined))).toBe("quota_exceeded");
    await holds.commit(hold, 6, undefined);
    expect(await use()).toEqual({ used: 6, held: 0, remaining: 0 });
  });

  it("is one of 1,000 at most", async () => {
    await allow(a, userId, 2_000);
    const outcomes = await Promise.all(Array.from({ length: 1_003 }, () => codeOf(reserve(1))));
    expect(outcomes.filter((code) => code === "rate_limited")).toHaveLength(3);
    expect(outcomes.filter((code) => code === "accepted")).toHaveLength(1_000);
  });
});

describe("holds side by side", () => {
  it("take no unit too many together with consumption, and leave none over", async () => {
    await allow(a, userId, 60);
    const kept: Awaited<ReturnType<typeof reserve>>[] = [];
    const { admitted, errors } = await consumeTogether(200, async (place) => {
      if (place % 2) return consume(a, { userId });
      kept.push(await reserve(1));
    });
    expect({ admitted, errors }).toEqual({ admitted: 60, errors: [] });
    await Promise.all(
      kept.map((hold, place) =>
        place % 2 ? holds.commit(hold, 1, undefined) : holds.release(hold, undefined),
      ),
    );
    const given = Math.ceil(kept.length / 2);
    expect(await use()).toEqual({ used: 60 - given, held: 0, remaining: given });
  });

  it("see one another within a batch", async () => {
    const request = {
      userId,
      entityType: RISK,
      units: 6,
      ttlSeconds: TTL,
      createdBy: userId,
      reference: null,
    };
    const holdId = `hold_of_${userId}`;
    const reservation = {
      name: "test-reserve",
      decide: (view: View) => reserveQuota(view, { ...request, holdId }).units,
    };
    const outcomes = await Promise.all([
      codeOf(a.ledger.submit(reservation)),
      codeOf(a.ledger.submit(consumptionUnit({ userId, units: 5 }))),
      codeOf(a.ledger.submit(allowanceUnit(userId, 11))),
      codeOf(a.ledger.submit(consumptionUnit({ userId, units: 5 }))),
    ]);
    expect(outcomes.filter((code) => code === "accepted")).toHaveLength(3);
    expect((await use()).remaining).toBe(0);
  });
});

describe("a hold whose time is over", () => {
  it("holds nothing from that second on, whether it was swept or not", async () => {
    const hold = await reserve(10, 60);
    const kept = await reserve(1).catch(() => null);
    expect(kept).toBeNull();
    await advanceClock(database, 60);
    expect(await use()).toEqual({ used: 0, held: 0, remaining: 10 });
    expect(await holds.holdOf(hold.id)).toMatchObject({ status: "expired", endedAt: hold.expiresAt });
    expect(await codeOf(holds.commit(hold, 1, undefined))).toBe("not_active expired");
    expect(await codeOf(holds.extend(hold, { ttlSeconds: 60 }, undefined))).toBe("not_active expired");
    expect((await holds.release(hold, undefined)).value.status).toBe("expired");
    expect(await holds.openHolds({ userId, entityType: RISK }, { limit: 10, afterId: null })).toEqual([]);
    await consume(a, { userId, units: 10 });
    expect(await use()).toEqual({ used: 10, held: 0, remaining: 0 });
    expect(await holds.holdOf(hold.id)).toMatchObject({ status: "expired", endedAt: hold.expiresAt });
  });

  it("leaves the others of its day alone", async () => {
    const [short, long] = [await reserve(3, 60), await reserve(4, 6_000)];
    await advanceClock(database, 60);
    await consume(a, { userId, units: 6 });
    expect(await use()).toEqual({ used: 6, held: 4, remaining: 0 });
    expect((await holds.holdOf(short.id)).status).toBe("expired");
    await holds.commit(long, undefined, undefined);
    expect(await use()).toEqual({ used: 10, held: 0, remaining: 0 });
  });

  it("is ended by the sweep, once, with an event", async () => {
    const others = await Promise.all([reserve(1, 60), reserve(2, 60)]);
    const kept = await reserve(3, 6_000);
    expect(await holds.expireDue()).toBe(0);
    await advanceClock(database, 60);
    expect(await holds.expireDue()).toBe(2);
    expect(await holds.expireDue()).toBe(0);
    const rows = await a.dataSource.query(
      "SELECT id, status FROM quota_hold WHERE user_id = $1 ORDER BY id",
      [userId],
    );
    const expected = [
      ...others.map(({ id }) => ({ id, status: "expired" })),
      { id: kept.id, status: "open" },
    ];
    expect(rows).toEqual(expected.sort((x, y) => (x.id < y.id ? -1 : 1)));
    const events = await a.dataSource.query(
      "SELECT data ->> 'hold_id' AS id FROM event WHERE type = 'quota.hold_expired' AND subject = $1 ORDER BY 1",
      [userId],
    );
    expect(events).toEqual(others.map(({ id }) => ({ id })).sort((x, y) => (x.id < y.id ? -1 : 1)));
  });
});
