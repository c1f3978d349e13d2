/**
 * What a user did long ago costs nothing today: a lock and a stake, what is read
 * of them, and their ends look at as many rows after hundreds of ended ones of
 * the same user as after a few. Rows are counted by Postgres, not timed.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { columns, type RowTable } from "#ledger";
import { expectCoherent } from "./coherence.ts";
import { createWorld, DAY, type World } from "./world.ts";

const FEW = 10;
const MANY = 300;
const MEASURED = 10;
const USER = "old-hand";
const AGREEMENT = "often";
const STRATEGY = "again";
/** Of all tables together, for each of the measured rounds. */
const SLACK_ROWS_A_ROUND = 40;

let world: World;
beforeAll(async () => {
  world = await createWorld();
  await world.grant(USER, 1_000);
});
afterAll(async () => {
  await expectCoherent(world);
  await world.stop();
});

async function round(): Promise<void> {
  const caller = { as: USER };
  const answers = [
    await world.post(`/api/v1/p2p/${AGREEMENT}/lock-tst`, { amount: 10 }, caller),
    await world.get(`/api/v1/tst/access/${USER}`, caller),
    await world.get(`/api/v1/p2p/${AGREEMENT}`, caller),
    await world.post(`/api/v1/strategies/${STRATEGY}/upgrade-tier`, { tier: 1 }, caller),
    await world.get(`/api/v1/strategies/${STRATEGY}/tier`, caller),
  ];
  await world.advance(7 * DAY);
  answers.push(await world.post(`/api/v1/p2p/${AGREEMENT}/release`, {}, caller));
  const end = { user_id: USER, reason: "round" };
  const operator = { as: "op", roles: ["operator"] };
  answers.push(await world.post(`/api/v1/strategies/${STRATEGY}/emergency-unstake`, end, operator));
  expect(answers.map(({ status }) => status)).toEqual(Array(7).fill(200));
}

async function rounds(count: number): Promise<void> {
  for (let done = 0; done < count; done++) await round();
}

/** Has each connection tell what it counted: those of the pool, and the writer's, which runs this as a read. */
async function tellCounts(): Promise<void> {
  const tell = "SELECT pg_stat_force_next_flush(), pg_sleep(0.05)";
  await Promise.all(Array.from({ length: 30 }, () => world.dataSource.query(tell)));
  const telling: RowTable<{ n: number }, { n: number }> = {
    ...{ name: "telling", save: null, decode: () => ({ n: 1 }) },
    load: { sql: "SELECT 1 AS n, pg_stat_force_next_flush()", parameters: columns() },
    keyOf: () => ({ n: 1 }),
  };
  await world.ledger.submit({ name: "tell", decide: (view) => view.row(telling, { n: 1 })?.n ?? 0 });
}

/** Entries given up by indexes and rows read by scans so far, by table; tables of settings and metadata left out. */
async function rowsRead(): Promise<Map<string, number>> {
  await tellCounts();
  const rows = await world.rows<{ name: string; n: number }>(
    `SELECT t.relname AS name,
       (t.seq_tup_read + coalesce((SELECT sum(i.idx_tup_read) FROM pg_stat_user_indexes i WHERE i.relid = t.relid), 0))::int8 AS n
     FROM pg_stat_user_tables t WHERE schemaname = current_schema()`,
  );
  return new Map(rows.map(({ name, n }) => [name, n]));
}

async function measure(): Promise<Map<string, number>> {
  const before = await rowsRead();
  await rounds(MEASURED);
  const after = await rowsRead();
  return new Map([...after].map(([name, n]) => [name, n - (before.get(name) ?? 0)]));
}

it("reads as many rows for a lock and a stake after hundreds of ended ones as after a few", async () => {
  await rounds(FEW);
  const young = await measure();
  await rounds(MANY);
  const old = await measure();
  const dearer = [...old].flatMap(([name, n]) => {
    const then = young.get(name) ?? 0;
    return n > 2 * then + SLACK_ROWS_A_ROUND * MEASURED ? [`${name}: ${then} -> ${n}`] : [];
  });
  for (const table of ["access_lock", "access_stake"]) expect(old.get(table)).toBeGreaterThan(MEASURED);
  expect(dearer).toEqual([]);
}, 180_000);
