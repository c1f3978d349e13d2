/**
 * What Postgres's own pgbench runs by default: its TPC-B-like script, on its
 * tables, filled as `pgbench -i` fills them. Re-implemented because the packaged
 * binaries bring no pgbench; where one is installed it runs as well, and the
 * better of the two counts. Statements are prepared (`-M prepared`) and sent as
 * one pipeline a transaction, which is faster here than one round trip each.
 */
import type { Client } from "pg";
import { createClient } from "#infra";
import type { LoopOptions } from "../load.ts";
import type { BenchDatabase } from "../stack.ts";
import { runPgbench } from "./pgbench-program.ts";
import { runSqlClients } from "./sql-clients.ts";

const TELLERS_A_BRANCH = 10;
const ACCOUNTS_A_BRANCH = 100_000;

export async function fillTpcb(database: BenchDatabase, scale: number): Promise<void> {
  const client = createClient({ url: database.ownerUrl, applicationName: "bench-baseline" });
  await client.connect();
  try {
    await client.query(`
      CREATE TABLE pgbench_branches (bid int NOT NULL, bbalance int, filler char(88)) WITH (fillfactor = 100);
      CREATE TABLE pgbench_tellers (tid int NOT NULL, bid int, tbalance int, filler char(84)) WITH (fillfactor = 100);
      CREATE TABLE pgbench_accounts (aid int NOT NULL, bid int, abalance int, filler char(84)) WITH (fillfactor = 100);
      CREATE TABLE pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22));`);
    await client.query(
      "INSERT INTO pgbench_branches (bid, bbalance) SELECT b, 0 FROM generate_series(1, $1::int) AS b",
      [scale],
    );
    await client.query(
      "INSERT INTO pgbench_tellers (tid, bid, tbalance) SELECT t, (t - 1) / $2::int + 1, 0 FROM generate_series(1, $1::int * $2::int) AS t",
      [scale, TELLERS_A_BRANCH],
    );
    await client.query(
      "INSERT INTO pgbench_accounts (aid, bid, abalance, filler) SELECT a, (a - 1) / $2::int + 1, 0, '' FROM generate_series(1, $1::int * $2::int) AS a",
      [scale, ACCOUNTS_A_BRANCH],
    );
    await client.query(`
      ALTER TABLE pgbench_branches ADD PRIMARY KEY (bid);
      ALTER TABLE pgbench_tellers ADD PRIMARY KEY (tid);
      ALTER TABLE pgbench_accounts ADD PRIMARY KEY (aid);`);
    for (const table of ["branches", "tellers", "accounts", "history"])
      await client.query(`VACUUM ANALYZE pgbench_${table}`);
  } finally {
    await client.end();
  }
}

/** @returns transactions a second, and whose they are */
export async function measureTpcb(
  database: BenchDatabase,
  scale: number,
  options: LoopOptions,
): Promise<{ perSecond: number; client: string }> {
  const connection = { url: database.ownerUrl };
  const { perSecond } = await runSqlClients(connection, options, (client) => transaction(client, scale));
  const pgbench = await runPgbench(database, options);
  const rounded = { ours: Math.round(perSecond), pgbench: Math.round(pgbench?.perSecond ?? 0) };
  if (!pgbench) return { perSecond, client: "re-implemented; no pgbench is installed" };
  return {
    perSecond: Math.max(perSecond, pgbench.perSecond),
    client: `the better of ${pgbench.version} (${rounded.pgbench}) and re-implemented (${rounded.ours})`,
  };
}

async function transaction(client: Client, scale: number): Promise<void> {
  const aid = pick(scale * ACCOUNTS_A_BRANCH);
  const bid = pick(scale);
  const tid = pick(scale * TELLERS_A_BRANCH);
  const delta = pick(10_001) - 5_001;
  const statements = [
    client.query({ name: "begin", text: "BEGIN" }),
    client.query({
      name: "account",
      text: "UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2",
      values: [delta, aid],
    }),
    client.query({
      name: "balance",
      text: "SELECT abalance FROM pgbench_accounts WHERE aid = $1",
      values: [aid],
    }),
    client.query({
      name: "teller",
      text: "UPDATE pgbench_tellers SET tbalance = tbalance + $1 WHERE tid = $2",
      values: [delta, tid],
    }),
    client.query({
      name: "branch",
      text: "UPDATE pgbench_branches SET bbalance = bbalance + $1 WHERE bid = $2",
      values: [delta, bid],
    }),
    client.query({
      name: "history",
      text: "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP)",
      values: [tid, bid, aid, delta],
    }),
    client.query({ name: "end", text: "END" }),
  ];
  await Promise.all(statements);
}

/** A whole number from 1 to `most`. */
function pick(most: number): number {
  return 1 + Math.floor(Math.random() * most);
}
