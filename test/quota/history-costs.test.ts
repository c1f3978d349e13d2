/**
 * What was held, used and ended long ago costs nothing today: a round of holds and
 * consumption looks at as many rows after hundreds of ended holds of the same quota
 * and day as after a few. Rows are counted by Postgres, not timed.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { systemIds } from "#kernel";
import { QuotaHolds } from "#quota";
import type { TestDatabase } from "../support/database.ts";
import { rowsReadBy } from "../support/rows-read.ts";
import {
  allow,
  consume,
  createQuotaDatabase,
  type Instance,
  newUser,
  RISK,
  startInstance,
} from "./harness.ts";

const FEW = 10;
const MANY = 150;
const MEASURED = 10;
/** Of all tables together, for each of the measured rounds. */
const SLACK_ROWS_A_ROUND = 40;
const TTL_SECONDS = 600;

let database: TestDatabase;
let a: Instance;
let holds: QuotaHolds;
const userId = newUser();

beforeAll(async () => {
  database = await createQuotaDatabase();
  a = await startInstance(database, null);
  holds = new QuotaHolds({ quota: a.quota, dataSource: a.dataSource, ids: systemIds });
  await allow(a, userId, 1_000_000);
});
afterAll(async () => {
  await a.stop();
  await database.drop();
});

async function round(): Promise<void> {
  const request = {
    userId,
    entityType: RISK,
    units: 3,
    ttlSeconds: TTL_SECONDS,
    createdBy: userId,
    reference: null,
  };
  const [first, second] = [
    (await holds.reserve(request, undefined)).value,
    (await holds.reserve(request, undefined)).value,
  ];
  await holds.extend(first, { ttlSeconds: 2 * TTL_SECONDS, units: 4 }, undefined);
  await holds.commit(first, 2, undefined);
  await holds.release(second, undefined);
  await consume(a, { userId });
  await holds.holdOf(first.id);
  await holds.openHolds({ userId, entityType: RISK }, { limit: 50, afterId: null });
  await holds.usedByHour({ userId, entityType: RISK }, { fromHour: null, untilHour: null, limit: 50 });
  await a.quota.usageOf(userId);
  await holds.expireDue();
}

async function rounds(count: number): Promise<void> {
  for (let done = 0; done < count; done++) await round();
}

it("reads as many rows for holds and consumption after hundreds of ended holds as after a few", async () => {
  await rounds(FEW);
  const young = await rowsReadBy({ ...a, database }, () => rounds(MEASURED));
  await rounds(MANY);
  const old = await rowsReadBy({ ...a, database }, () => rounds(MEASURED));
  const dearer = [...old].flatMap(([name, n]) => {
    const then = young.get(name) ?? 0;
    return n > 2 * then + SLACK_ROWS_A_ROUND * MEASURED ? [`${name}: ${then} -> ${n}`] : [];
  });
  expect(old.get("quota_hold")).toBeGreaterThan(MEASURED);
  expect(dearer).toEqual([]);
}, 180_000);
