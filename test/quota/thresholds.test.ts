/** Thresholds of a quota: told of once a user, quota and day, in the unit that reaches them. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { systemIds } from "#kernel";
import { QuotaHolds } from "#quota";
import type { TestDatabase } from "../support/database.ts";
import {
  advanceClock,
  allow,
  consume,
  consumeTogether,
  createQuotaDatabase,
  type Instance,
  isDenial,
  newUser,
  RISK,
  STRATEGY,
  startInstance,
} from "./harness.ts";

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

/** Thresholds that were told of, in the order of the events. */
async function told(entityType = RISK): Promise<number[]> {
  const rows: { threshold: number }[] = await a.dataSource.query(
    `SELECT (data ->> 'threshold')::int AS threshold FROM event
     WHERE type = 'quota.threshold_reached' AND subject = $1 AND (data ->> 'entity_type')::int = $2 ORDER BY seq`,
    [userId, entityType],
  );
  return rows.map(({ threshold }) => threshold);
}
const reserve = async (units: number) => {
  const request = { userId, entityType: RISK, units, ttlSeconds: 60, createdBy: userId, reference: null };
  return (await holds.reserve(request, undefined)).value;
};

describe("a threshold", () => {
  it("is told of by what reaches it, with the numbers at that moment, and once", async () => {
    await consume(a, { userId, units: 4 });
    expect(await told()).toEqual([]);
    await consume(a, { userId, units: 1 });
    expect(await told()).toEqual([50]);
    await consume(a, { userId, units: 2 });
    expect(await told()).toEqual([50]);
    await consume(a, { userId, units: 3 });
    expect(await told()).toEqual([50, 80, 100]);
    await expect(consume(a, { userId })).rejects.toSatisfy(isDenial);
    expect(await told()).toEqual([50, 80, 100]);
    const [event] = await a.dataSource.query(
      "SELECT data FROM event WHERE type = 'quota.threshold_reached' AND subject = $1 ORDER BY seq LIMIT 1",
      [userId],
    );
    expect(event.data).toEqual({
      ...{ user_id: userId, entity_type: RISK, threshold: 50, limit: 10, used: 5, held: 0, remaining: 5 },
      day: expect.stringMatching(/^\d{4}-\d{2}-\d{2}$/),
    });
  });

  it("is told of once, however many requests reach it side by side", async () => {
    const { admitted, errors } = await consumeTogether(30, () => consume(a, { userId }));
    expect({ admitted, errors }).toEqual({ admitted: 10, errors: [] });
    expect(await told()).toEqual([50, 80, 100]);
  });

  it("counts what is held, and is not told of again when that was given back", async () => {
    const hold = await reserve(8);
    expect(await told()).toEqual([50, 80]);
    await holds.release(hold, undefined);
    await holds.commit(await reserve(9), undefined, undefined);
    expect(await told()).toEqual([50, 80]);
    await consume(a, { userId });
    expect(await told()).toEqual([50, 80, 100]);
  });

  it("is reached by a lowered limit as well, and not reached again after a raise", async () => {
    await consume(a, { userId, units: 4 });
    await allow(a, userId, 8);
    expect(await told()).toEqual([50]);
    await allow(a, userId, 100);
    await consume(a, { userId, units: 46 });
    expect(await told()).toEqual([50]);
    await allow(a, userId, 10);
    expect(await told()).toEqual([50, 80, 100]);
  });

  it("is of one quota, and of one day", async () => {
    await allow(a, userId, 10, STRATEGY);
    await consume(a, { userId, units: 6 });
    expect(await told(STRATEGY)).toEqual([]);
    await consume(a, { userId, units: 5, entityType: STRATEGY });
    expect(await told(STRATEGY)).toEqual([50]);
    await advanceClock(database, 86_400);
    await consume(a, { userId, units: 5 });
    expect(await told()).toEqual([50, 50]);
  });

  it("is not reached on a day that is over, whatever is done to a hold of it or to the limit since", async () => {
    const ofDays = {
      userId,
      entityType: RISK,
      units: 2,
      ttlSeconds: 200_000,
      createdBy: userId,
      reference: null,
    };
    const first = (await holds.reserve(ofDays, undefined)).value;
    const second = (await holds.reserve(ofDays, undefined)).value;
    await advanceClock(database, 86_400);
    await allow(a, userId, 4);
    await holds.commit(first, undefined, undefined);
    expect(await told()).toEqual([]);
    await holds.commit(second, undefined, undefined);
    expect(await told()).toEqual([]);
  });

  it("changes for what comes after; one below what was told of is passed over that day", async () => {
    await consume(a, { userId, units: 5 });
    await holds.setThresholds(RISK, [60, 70, 40]);
    await consume(a, { userId, units: 1 });
    expect(await told()).toEqual([50, 60]);
    await holds.setThresholds(RISK, []);
    await consume(a, { userId, units: 4 });
    expect(await told()).toEqual([50, 60]);
    await holds.setThresholds(RISK, [50, 80, 100]);
  });

  it("is not told of where nothing is committed", async () => {
    await consume(a, { userId, units: 4 });
    await expect(consume(a, { userId, units: 7 })).rejects.toSatisfy(isDenial);
    const unit = {
      name: "fails-after",
      decide: () => {
        throw new Error("refused");
      },
    };
    await expect(a.quota.consume({ userId, entityType: RISK, units: 5, unit })).rejects.toThrow("refused");
    expect(await told()).toEqual([]);
  });
});
