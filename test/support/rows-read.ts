/** What statements cost, in rows looked at: counted by Postgres, not timed, so that it is the same on a busy machine. */
import type { DataSource } from "typeorm";
import { expect, vi } from "vitest";
import { createClient } from "#infra";
import { columns, type Ledger, type RowTable } from "#ledger";
import type { TestDatabase } from "./template-database.ts";

export interface Counted {
  readonly database: TestDatabase;
  readonly dataSource: DataSource;
  readonly ledger: Pick<Ledger, "submit">;
}

const FLUSH = "pg_stat_force_next_flush()";
/** Enough that every connection of the pool is asked. */
const ASKED_AT_ONCE = 30;

const telling: RowTable<{ n: number }, { n: number }> = {
  ...{ name: "telling", save: null, decode: () => ({ n: 1 }) },
  load: { sql: `SELECT 1 AS n, ${FLUSH}`, parameters: columns() },
  keyOf: () => ({ n: 1 }),
};

/** Entries given up by indexes and rows read by scans so far, by table of the ledger. */
export async function rowsRead({ dataSource, ledger }: Counted): Promise<Map<string, number>> {
  // Each connection tells what it counted: those of the pool, and the writer's, which runs this as a read.
  const tell = `SELECT ${FLUSH}, pg_sleep(0.05)`;
  await Promise.all(Array.from({ length: ASKED_AT_ONCE }, () => dataSource.query(tell)));
  await ledger.submit({ name: "tell", decide: (view) => view.row(telling, { n: 1 })?.n ?? 0 });
  const rows: { name: string; n: number }[] = await dataSource.query(
    `SELECT t.relname AS name,
       (t.seq_tup_read + coalesce((SELECT sum(i.idx_tup_read) FROM pg_stat_user_indexes i WHERE i.relid = t.relid), 0))::int8 AS n
     FROM pg_stat_user_tables t WHERE schemaname = current_schema()`,
  );
  return new Map(rows.map(({ name, n }) => [name, n]));
}

/**
 * Cleans away what is dead, so that its entries are not counted: whether somebody else has done so by then, and
 * whether a snapshot was in the way, is chance.
 */
async function vacuum({ database }: Counted): Promise<void> {
  const owner = createClient({ url: database.ownerUrl, schema: database.schema, applicationName: "vacuum" });
  await owner.connect();
  const alone = `SELECT count(*)::int AS n FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'autovacuum worker'`;
  await vi.waitFor(async () => expect((await owner.query(alone)).rows).toEqual([{ n: 0 }]), 20_000);
  await owner.query("VACUUM");
  await owner.end();
}

/** What `work` made them look at. */
export async function rowsReadBy(
  counted: Counted,
  work: () => Promise<unknown>,
): Promise<Map<string, number>> {
  await vacuum(counted);
  const before = await rowsRead(counted);
  await work();
  const after = await rowsRead(counted);
  return new Map([...after].map(([name, n]) => [name, n - (before.get(name) ?? 0)]));
}
