/**
 * What a page of a list costs on a ledger with a history: every statement is
 * explained and run, planned for its values and planned for any, and may scan no
 * table of history and touch no more pages than a page of the list needs.
 */
import { readFileSync } from "node:fs";
import type { Client } from "pg";
import { escapeLiteral } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect, startLedger, type TestLedger } from "../support/ledger.ts";

const LINES = 120_000;
const ACCOUNTS = 12_000;
const ITEMS = 50;
/** Entries that a page with a condition that has no index looks at, at most. */
const LOOKED_AT = 10_000;
const FIRST_ID = "00000000-0000-0000-0000-000000000000";
const MAX_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff";

let books: TestLedger;
let client: Client;
let head: { seq: number; time: number };
/** In every fourth line. */
let hot: string;
let someAccounts: string[];

beforeAll(async () => {
  books = await startLedger();
  client = await connect(books.database.ownerUrl, books.database);
  await client.query(
    `INSERT INTO account (id, asset, role, owner, reference, created_at)
     SELECT md5(n::text)::uuid, 'USD', 'available', CASE WHEN n % 3 = 0 THEN 'many' ELSE 'user_' || n % 500 END,
       CASE WHEN n % 4 = 0 THEN 'agreement-' || n % 700 END, 0
     FROM generate_series(1, $1::int) AS n`,
    [ACCOUNTS],
  );
  for (let from = 0; from < LINES; from += 20_000) {
    await client.query("BEGIN");
    await client.query("SELECT take_head()");
    await client.query(
      `INSERT INTO transfer (seq, id, debit_account, credit_account, asset, amount, code, phase, effective_at, time, reference)
       SELECT h.next_seq + n, gen_random_uuid(),
         md5((CASE WHEN n % 4 = 0 THEN 1 ELSE 2 + (n * 7) % ($1::int - 2) END)::text)::uuid, md5((2 + (n * 11 + 1) % ($1::int - 2))::text)::uuid,
         'USD', 1, CASE WHEN n % 1000 = 0 THEN 'rare' ELSE 'often' END, CASE WHEN n % 50 = 0 THEN 'pending' ELSE 'single' END,
         h.time, h.time, CASE WHEN n % 10 = 0 THEN 'order-' || n % 300 END
       FROM journal_head h, generate_series(0, 19999) AS n
       WHERE (n * 7) % ($1::int - 2) <> (n * 11 + 1) % ($1::int - 2)
       ORDER BY n`.replace("h.next_seq + n", "h.next_seq + row_number() OVER (ORDER BY n) - 1"),
      [ACCOUNTS],
    );
    await client.query("COMMIT");
  }
  await client.query(
    `INSERT INTO account (id, asset, role, created_at)
     SELECT md5('closed' || n)::uuid, 'USD', 'general', 0 FROM generate_series(1, 3000) AS n`,
  );
  await client.query("BEGIN");
  await client.query("SELECT take_head()");
  await client.query(
    `INSERT INTO account_closing (seq, time, account)
     SELECT h.next_seq + n - 1, h.time, md5('closed' || n)::uuid FROM journal_head h, generate_series(1, 3000) AS n ORDER BY n`,
  );
  await client.query("COMMIT");
  await client.query("ANALYZE");
  const { rows } = await client.query("SELECT next_seq AS seq, ledger_now() AS time FROM journal_head");
  head = rows[0];
  hot = (await client.query("SELECT md5('1')::uuid AS id")).rows[0].id;
  someAccounts = (await client.query("SELECT id FROM account ORDER BY id LIMIT 50")).rows.map(({ id }) => id);
}, 120_000);
afterAll(async () => {
  await client?.end();
  await books?.close();
});

interface PlanNode {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly "Shared Hit Blocks": number;
  readonly "Shared Read Blocks": number;
  readonly Plans?: readonly PlanNode[];
}

/** Tables whose size is that of history; open holds and assets are not. */
const HISTORY = new Set(["transfer", "account", "account_closing", "position_change", "account_day"]);

function scansOf(node: PlanNode): string[] {
  const own = node["Node Type"] === "Seq Scan" && HISTORY.has(node["Relation Name"] ?? "");
  return [...(own ? [node["Relation Name"] ?? ""] : []), ...(node.Plans ?? []).flatMap(scansOf)];
}

function literal(value: unknown): string {
  if (value === null) return "NULL";
  if (Array.isArray(value)) return escapeLiteral(`{${value.join()}}`);
  return typeof value === "number" ? String(value) : escapeLiteral(String(value));
}

async function explain(file: string, values: readonly unknown[], mode: string): Promise<PlanNode> {
  const text = readFileSync(new URL(`../../src/ledger/sql/${file}.sql`, import.meta.url), "utf8");
  await client.query("DEALLOCATE ALL");
  await client.query(`SET plan_cache_mode = ${mode}`);
  await client.query(`PREPARE one AS ${text}`);
  const execute = values.length === 0 ? "one" : `one(${values.map(literal).join(", ")})`;
  const { rows } = await client.query(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE ${execute}`);
  return rows[0]["QUERY PLAN"][0].Plan;
}

type Values = () => readonly unknown[];
const none: readonly null[] = Array(7).fill(null);
const transfers = (name: string, values: Values, most: number, limit = ITEMS) =>
  (["newest", "oldest"] as const).map(
    (order) => [`list-transfers-of-${name}-${order}`, () => [...values(), 0, head.seq, limit], most] as const,
  );

/** Statement, its values, and the pages it may touch. */
const STATEMENTS: readonly (readonly [file: string, values: Values, mostPages: number])[] = [
  ["read-snapshot", () => [], 10],
  ["read-seq-at-time", () => [head.time], 200],
  ["count-owner-accounts", () => ["many", LOOKED_AT + 1], 8_000],
  ["list-accounts-of-all", () => [FIRST_ID, ITEMS], 300],
  ["list-accounts-of-all", () => [MAX_ID, ITEMS], 20],
  ["list-accounts-of-owner", () => ["many", "", "", FIRST_ID, ITEMS], 300],
  ["list-accounts-of-owner", () => ["many", "USD", "available", MAX_ID, ITEMS], 20],
  ["list-accounts-of-reference", () => ["agreement-4", FIRST_ID, ITEMS], 300],
  ["list-accounts-of-system", () => ["treasury", "", ITEMS], 20],
  ["read-accounts-as-of", () => [someAccounts, head.seq - 1_000, head.time], 4_000],
  ["list-transfers", () => [places(ITEMS), head.seq, head.time, ...none], 1_500],
  ...transfers("all", () => [], 20),
  ...transfers("account", () => [hot], 200),
  ...transfers("owner", () => ["user_7"], 3_000),
  ...transfers("reference", () => ["order-30"], 200),
  ...transfers("holds", () => [head.seq - 1_000], 1_500),
  // Where a condition has no index a page looks at this many, and no more.
  ...transfers("all", () => [], 800, LOOKED_AT),
  [
    "list-transfers",
    () => [places(LOOKED_AT), head.seq, head.time, null, null, "rare", ...none.slice(3)],
    60_000,
  ],
];
const places = (count: number) => Array.from({ length: count }, (_, at) => head.seq - 1 - at);

describe.each(["force_custom_plan", "force_generic_plan"])("planned with %s", (mode) => {
  test.each(STATEMENTS.map(([file, values, most], at) => ({ at, file, values, most })))(
    "$at $file scans no table of history and touches no more than $most pages",
    async ({ file, values, most }) => {
      const plan = await explain(file, values(), mode);
      expect(scansOf(plan)).toEqual([]);
      const pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"];
      expect(pages).toBeLessThanOrEqual(most);
    },
  );
});

test("a rare code is looked for in so many lines a page, and found by going on", async () => {
  const { searchTransfers } = books.queries;
  const found: number[] = [];
  let pages = 0;
  let cursor: Parameters<typeof searchTransfers>[1]["cursor"] = null;
  do {
    const page: Awaited<ReturnType<typeof searchTransfers>> = await searchTransfers(
      { code: "rare" },
      { limit: ITEMS, order: "newest", cursor },
    );
    found.push(...page.items.map(({ seq }) => seq));
    cursor = page.next === null ? null : { snapshot: page.snapshot, position: page.next };
    pages += 1;
  } while (cursor);
  const rows = await books.asOwner("SELECT seq FROM transfer WHERE code = 'rare' ORDER BY seq DESC");
  expect(found).toEqual(rows.map(({ seq }) => seq));
  expect(pages).toBeGreaterThan(LINES / LOOKED_AT - 2);
});
