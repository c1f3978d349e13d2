/**
 * No statement of the writer costs more because the ledger has a history: on a
 * ledger that begins empty and grows on one connection, the pages that each
 * statement touches and the entries that each index gives up are counted (not
 * timed), and no table of history is ever scanned.
 */
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type EmbeddedPostgres, startPostgres } from "#devstack";
import { createClient, silentLog } from "#infra";
import { systemIds } from "#kernel";
import { type Ledger, openLedger, type TransferRequest, type Unit } from "#ledger";
import { LEDGER_SCHEMA, migrate } from "../../src/migrate.ts";
import { newAccount, readsOf, transfer } from "../support/ledger.ts";

const HISTORY_TABLES = [
  ...[
    "account",
    "transfer",
    "hold",
    "idempotency",
    "failed_transfer",
    "owner",
    "position",
    "position_change",
  ],
];
const ACCOUNTS = 3_000;
const GROWTH_BATCHES = 60;
const LINES_A_GROWTH_BATCH = 600;
/** Small, so that looking each key up by itself touches fewer pages than any scan. */
const MEASURED_BATCHES = 20;
const LINES_A_MEASURED_BATCH = 15;
/** An index of 40,000 entries is a level deeper than one of 1,000; a scan would be tens of times as much. */
const MOST_GROWTH = 2;
/** Pages that a statement may touch more in any case: splits, the free space map, tables of one page. */
const SLACK_PAGES = 40;
/** Entries an index may give up more: rows that died and were not cleaned away yet. */
const SLACK_ENTRIES = 200;

const folder = mkdtempSync(join(tmpdir(), "anchorbook-costs-"));
const log = silentLog();
let postgres: EmbeddedPostgres;
let admin: Client;
let ledger: Ledger;

beforeAll(async () => {
  postgres = await startPostgres({
    ...{ folder, log, durable: false },
    settings: {
      shared_preload_libraries: "pg_stat_statements",
      "pg_stat_statements.track": "all",
      "pg_stat_statements.track_utility": "off",
    },
  });
  const { ownerUrl, appUrl: databaseUrl } = postgres;
  await migrate({ ownerUrl, appUrl: databaseUrl, schema: LEDGER_SCHEMA }, log);
  admin = createClient({
    url: postgres.url("admin", new URL(ownerUrl).pathname.slice(1)),
    ...{ schema: LEDGER_SCHEMA, applicationName: "test" },
  });
  await admin.connect();
  await admin.query("CREATE EXTENSION pg_stat_statements");
  await admin.query("SELECT create_asset('USD', 2::smallint, true, true, NULL, 0)");
  ledger = await openLedger({ databaseUrl, schema: LEDGER_SCHEMA, ids: systemIds, log });
});
afterAll(async () => {
  await ledger?.close();
  await admin?.end();
  await postgres?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const accounts = Array.from({ length: ACCOUNTS }, () => randomUUID() as string);

function openUnit(ids: readonly string[]): Unit<null> {
  return {
    ...{ name: "open", weight: ids.length, reads: { accounts: ids, assets: ["USD"] } },
    decide(view) {
      for (const id of ids) view.openAccountWithId(newAccount({ id, asset: "USD", createdAt: view.now }));
      return null;
    },
  };
}

const anyAccount = () => accounts[Math.floor(Math.random() * ACCOUNTS)] ?? "";

function pair(): [string, string] {
  const from = anyAccount();
  for (;;) {
    const to = anyAccount();
    if (to !== from) return [from, to];
  }
}

function unitOf(requests: readonly TransferRequest[], key?: string): Unit<string[]> {
  return {
    ...{ name: "transfers", weight: requests.length, reads: { ...readsOf(requests), assets: ["USD"] } },
    ...(key ? { idempotency: { principal: "p", key, fingerprint: "00".repeat(32) } } : {}),
    decide: (view) => view.tryTransfers(requests).map(({ code }) => code),
  };
}

/** One batch of always the same mix: singles, some under a key, holds and posts of earlier ones, failures. */
async function batch(open: TransferRequest[], lines: number): Promise<void> {
  const units: Unit<string[]>[] = [];
  for (let line = 0; line < lines / 3; line++) {
    units.push(unitOf([transfer(...pair(), 1n)], line % 4 === 0 ? randomUUID() : undefined));
    const pending = transfer(...pair(), 1n, { phase: "pending", timeoutSeconds: 86_400 });
    const earlier = open.shift();
    open.push(pending);
    units.push(unitOf([pending]));
    if (earlier) units.push(unitOf([{ id: randomUUID(), phase: "post", pendingId: earlier.id }]));
    if (line % 10 === 0) units.push(unitOf([transfer(randomUUID(), anyAccount(), 1n)]));
  }
  const codes = (await Promise.all(units.map((unit) => ledger.submit(unit)))).flatMap(({ value }) => value);
  expect(new Set(codes)).toEqual(new Set(["ok", "account_not_found"]));
}

interface Cost {
  readonly text: string;
  readonly pagesACall: number;
}

/** By statement, those inside triggers too; the pages of its own are counted in a trigger's caller as well. */
async function costsOf(work: () => Promise<void>): Promise<Map<string, Cost>> {
  await admin.query("SELECT pg_stat_statements_reset()");
  await work();
  const { rows } = await admin.query(
    `SELECT queryid::text AS id, query, calls::float8 AS calls,
       (shared_blks_hit + shared_blks_read + local_blks_hit)::float8 AS pages
     FROM pg_stat_statements JOIN pg_roles ON oid = userid
     WHERE rolname IN ('anchorbook_app', 'anchorbook_owner')`,
  );
  return new Map(
    rows.map(({ id, query, calls, pages }) => [
      id,
      { text: query.replace(/\s+/g, " ").slice(0, 100), pagesACall: pages / calls },
    ]),
  );
}

async function scans(): Promise<Record<string, number>> {
  const { rows } = await admin.query(
    "SELECT relname, seq_scan FROM pg_stat_user_tables WHERE relname = ANY ($1) ORDER BY 1",
    [HISTORY_TABLES],
  );
  return Object.fromEntries(rows.map(({ relname, seq_scan }) => [relname, seq_scan]));
}

/** Entries read of each index so far, once the writer's connection has told its counts. */
async function entries(): Promise<Map<string, number>> {
  await expect
    .poll(
      async () => {
        await ledger.submit({ name: "look", decide: (view) => view.now });
        const { rows } = await admin.query(
          `SELECT next_seq - (SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'transfer') AS untold
           FROM journal_head`,
        );
        return rows[0].untold;
      },
      { timeout: 20_000, interval: 50 },
    )
    .toBe(0);
  const { rows } = await admin.query(
    "SELECT indexrelname AS name, idx_tup_read AS n FROM pg_stat_user_indexes WHERE relname = ANY ($1)",
    [HISTORY_TABLES],
  );
  return new Map(rows.map(({ name, n }) => [name, n]));
}

interface Measured {
  readonly costs: ReadonlyMap<string, Cost>;
  readonly entries: ReadonlyMap<string, number>;
}

async function measure(open: TransferRequest[]): Promise<Measured> {
  const before = await entries();
  const costs = await costsOf(async () => {
    for (let round = 0; round < MEASURED_BATCHES; round++) await batch(open, LINES_A_MEASURED_BATCH);
  });
  const after = await entries();
  return { costs, entries: new Map([...after].map(([name, n]) => [name, n - (before.get(name) ?? 0)])) };
}

function dearer(young: Measured, old: Measured): string[] {
  const statements = [...old.costs].flatMap(([id, { text, pagesACall }]) => {
    const then = young.costs.get(id)?.pagesACall ?? 0;
    const tooMuch = pagesACall > MOST_GROWTH * then + SLACK_PAGES;
    return tooMuch ? [`${Math.round(then)} -> ${Math.round(pagesACall)} pages: ${text}`] : [];
  });
  const indexes = [...old.entries].flatMap(([name, n]) => {
    const then = young.entries.get(name) ?? 0;
    return n > MOST_GROWTH * then + SLACK_ENTRIES ? [`${then} -> ${n} entries: ${name}`] : [];
  });
  return [...statements, ...indexes];
}

test("every statement costs the same after 36,000 lines as after 600, and scans no table", async () => {
  const before = await scans();
  const open: TransferRequest[] = [];
  for (let from = 0; from < ACCOUNTS; from += 500)
    await ledger.submit(openUnit(accounts.slice(from, from + 500)));
  await batch(open, LINES_A_GROWTH_BATCH);
  const young = await measure(open);
  for (let round = 0; round < GROWTH_BATCHES; round++) await batch(open, LINES_A_GROWTH_BATCH);
  const old = await measure(open);

  const { rows } = await admin.query("SELECT next_seq AS n FROM journal_head");
  expect(rows[0].n).toBeGreaterThan(30_000);
  expect(old.costs.size).toBeGreaterThan(8);
  expect(old.entries.get("transfer_id")).toBeGreaterThan(0);
  expect(dearer(young, old)).toEqual([]);
  expect(await scans()).toEqual(before);
});
