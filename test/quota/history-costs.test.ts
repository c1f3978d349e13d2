/**
 * What was held, used and ended long ago costs nothing today: a round of holds and
 * consumption looks at as many rows after hundreds of ended holds of the same quota
 * and day as after a few. Rows are counted by Postgres, not timed.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { systemIds } from "#kernel";
import { columns, type RowTable } from "#ledger";
import { QuotaHolds } from "#quota";
import type { TestDatabase } from "../support/database.ts";
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

/** Has each connection tell what it counted: those of the pool, and the writer's, which runs this as a read. */
async function tellCounts(): Promise<void> {
  const tell = "SELECT pg_stat_force_next_flush(), pg_sleep(0.05)";
  await Promise.all(Array.from({ length: 30 }, () => a.dataSource.query(tell)));
  const telling: RowTable<{ n: number }, { n: number }> = {
    ...{ name: "telling", save: null, decode: () => ({ n: 1 }) },
    load: { sql: "SELECT 1 AS n, pg_stat_force_next_flush()", parameters: columns() },
    keyOf: () => ({ n: 1 }),
  };
  await a.ledger.submit({ name: "tell", decide: (view) => view.row(telling, { n: 1 })?.n ?? 0 });
}

async function rowsRead(): Promise<Map<string, number>> {
  await tellCounts();
  const rows: { name: string; n: number }[] = await a.dataSource.query(
    `SELECT t.relname AS name,
       (t.seq_tup_read + coalesce((SELECT sum(i.idx_tup_read) FROM pg_stat_user_indexes i WHERE i.relid = t.relid), 0))::int8 AS n
     FROM pg_stat_user_tables t WHERE schemaname = current_schema()
       AND t.relname IN ('allowance', 'usage', 'usage_hour', 'quota_hold')`,
  );
  return new Map(rows.map(({ name, n }) => [name, n]));
}

async function measure(): Promise<Map<string, number>> {
  const before = await rowsRead();
  for (let done = 0; done < MEASURED; done++) await round();
  const after = await rowsRead();
  return new Map([...after].map(([name, n]) => [name, n - (before.get(name) ?? 0)]));
}

it("reads as many rows for holds and consumption after hundreds of ended holds as after a few", async () => {
  for (let done = 0; done < FEW; done++) await round();
  const young = await measure();
  for (let done = 0; done < MANY; done++) await round();
  const old = await measure();
  const dearer = [...old].flatMap(([name, n]) => {
    const then = young.get(name) ?? 0;
    return n > 2 * then + SLACK_ROWS_A_ROUND * MEASURED ? [`${name}: ${then} -> ${n}`] : [];
  });
  expect(old.get("quota_hold")).toBeGreaterThan(MEASURED);
  expect(dearer).toEqual([]);
}, 180_000);
