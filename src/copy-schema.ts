/**
 * Copies all rows of a ledger's schema into the same schema of another database,
 * whose tables were made by the same migrations. One transaction on each side:
 * the source is locked against writes and read at one moment, the target holds
 * everything or nothing. What was copied is compared, row for row, before it is
 * committed. Rows travel as Postgres' own text of them, so that nothing is read
 * as a number or a date on the way.
 */
import type { Client } from "pg";
import { LedgerRefused } from "./ledger-registry.ts";

/** TypeORM's list of migrations: each side has its own, and they must be the same. */
const MIGRATIONS = "migration";
/** Few enough that the largest rows, answers of whole lists under their keys, fit in memory together. */
const ROWS_AT_ONCE = 2_000;

const TABLES = `
  SELECT c.relname AS name, (
    SELECT coalesce(array_agg(DISTINCT f.confrelid::regclass::text), '{}') FROM pg_constraint f
    WHERE f.conrelid = c.oid AND f.contype = 'f' AND f.confrelid <> c.oid) AS needs
  FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
  ORDER BY c.relname`;
const SEQUENCES =
  "SELECT sequencename AS name FROM pg_sequences WHERE schemaname = current_schema() ORDER BY 1";
const COLUMNS = `
  SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) AS columns
  FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped`;
/** The trial balance: what each asset's accounts owe each other is nothing. */
const UNBALANCED = `
  SELECT asset FROM account GROUP BY asset
  HAVING sum(debits_posted) <> sum(credits_posted) OR sum(debits_pending) <> sum(credits_pending)`;

export interface CopiedTable {
  readonly table: string;
  readonly rows: number;
  /** Of all rows, whatever their order. */
  readonly fingerprint: string;
}

export interface Copied {
  readonly tables: readonly CopiedTable[];
  /** Lines of the journal. */
  readonly journalLines: number;
}

/**
 * Both clients are on the schema, as its owner, and in no transaction. The target is committed here, the source let go.
 * @throws LedgerRefused where the two are not of one version, or the copy is not what was copied
 */
export async function copySchema(source: Client, target: Client): Promise<Copied> {
  const tables = await tablesOf(source);
  await assertSameShape(source, target, tables);
  const names = tables.map((table) => source.escapeIdentifier(table)).join(", ");
  // Before anything is read: the snapshot is taken when every writer has ended, and none begins.
  await source.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
  await source.query(`LOCK TABLE ${names} IN SHARE MODE`);
  await target.query("BEGIN");
  for (const table of tables)
    await target.query(`ALTER TABLE ${target.escapeIdentifier(table)} DISABLE TRIGGER USER`);
  await target.query(`TRUNCATE ${names}`);
  for (const table of tables) await copyTable(source, target, table);
  await copySequences(source, target);
  await target.query("SET CONSTRAINTS ALL IMMEDIATE");
  for (const table of tables)
    await target.query(`ALTER TABLE ${target.escapeIdentifier(table)} ENABLE TRIGGER USER`);
  const copied = await compare(source, target, tables);
  await target.query("COMMIT");
  await source.query("COMMIT");
  return copied;
}

/** In an order in which each comes after those it refers to. */
async function tablesOf(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string; needs: string[] }>(TABLES);
  const left = rows.filter(({ name }) => name !== MIGRATIONS);
  const ordered: string[] = [];
  while (left.length > 0) {
    const ready = left.findIndex(({ needs }) => needs.every((needed) => ordered.includes(needed)));
    const [next] = left.splice(ready, ready < 0 ? 0 : 1);
    if (!next) throw new Error(`tables that refer to each other: ${left.map(({ name }) => name).join(", ")}`);
    ordered.push(next.name);
  }
  return ordered;
}

async function assertSameShape(source: Client, target: Client, tables: readonly string[]): Promise<void> {
  const done = async (client: Client) =>
    (await client.query<{ name: string }>(`SELECT name FROM ${MIGRATIONS} ORDER BY name`)).rows.map(
      (row) => row.name,
    );
  const [here, there] = [await done(source), await done(target)];
  const columns = async (client: Client) => {
    const shapes: string[] = [];
    for (const table of tables)
      shapes.push(
        `${table}: ${(await client.query<{ columns: string }>(COLUMNS, [client.escapeIdentifier(table)])).rows[0]?.columns}`,
      );
    return shapes.join("; ");
  };
  if (here.join() !== there.join() || (await columns(source)) !== (await columns(target)))
    throw new LedgerRefused(
      "The ledger's tables are of another version than this program makes. Start a server of this version on it once, so that it is migrated, and move it then.",
    );
}

async function copyTable(source: Client, target: Client, table: string): Promise<void> {
  const name = source.escapeIdentifier(table);
  const insert = `INSERT INTO ${name} OVERRIDING SYSTEM VALUE
    SELECT (r).* FROM (SELECT line::${name} AS r FROM unnest($1::text[]) AS line OFFSET 0) AS read`;
  await source.query(`DECLARE lines NO SCROLL CURSOR FOR SELECT t::text AS line FROM ${name} AS t`);
  for (;;) {
    const { rows } = await source.query<{ line: string }>(`FETCH ${ROWS_AT_ONCE} FROM lines`);
    if (rows.length === 0) break;
    await target.query(insert, [rows.map(({ line }) => line)]);
  }
  await source.query("CLOSE lines");
}

async function copySequences(source: Client, target: Client): Promise<void> {
  const { rows } = await source.query<{ name: string }>(SEQUENCES);
  for (const { name } of rows.filter((one) => !one.name.startsWith(`${MIGRATIONS}_`))) {
    const state = await source.query<{ last: string; called: boolean }>(
      `SELECT last_value::text AS last, is_called AS called FROM ${source.escapeIdentifier(name)}`,
    );
    await target.query("SELECT setval($1::regclass, $2::bigint, $3)", [
      target.escapeIdentifier(name),
      state.rows[0]?.last,
      state.rows[0]?.called,
    ]);
  }
}

/** @throws LedgerRefused where a table differs, or the books do not balance */
async function compare(source: Client, target: Client, tables: readonly string[]): Promise<Copied> {
  const copied: CopiedTable[] = [];
  for (const table of tables) {
    const [here, there] = [await fingerprint(source, table), await fingerprint(target, table)];
    if (here.rows !== there.rows || here.fingerprint !== there.fingerprint)
      throw new LedgerRefused(`The table ${table} was not copied as it is; nothing was kept of the copy.`);
    copied.push({ table, ...here });
  }
  const { rows } = await target.query<{ asset: string }>(UNBALANCED);
  if (rows[0])
    throw new LedgerRefused(`The trial balance of ${rows[0].asset} is not zero; nothing was kept.`);
  const head = await target.query<{ lines: number }>("SELECT next_seq AS lines FROM journal_head");
  return { tables: copied, journalLines: head.rows[0]?.lines ?? 0 };
}

async function fingerprint(client: Client, table: string): Promise<Omit<CopiedTable, "table">> {
  // Sums of 60 bits of each row's MD5: the order of rows is no part of a table.
  const { rows } = await client.query<{ rows: number; fingerprint: string }>(`
    SELECT count(*) AS rows, coalesce(sum(('x' || left(md5(t::text), 15))::bit(60)::bigint::numeric), 0)::text AS fingerprint
    FROM ${client.escapeIdentifier(table)} AS t`);
  const [found] = rows;
  if (!found) throw new Error("a count has a row");
  return found;
}
