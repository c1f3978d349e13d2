/**
 * Balances at past times against a plain sum over every line: on random books
 * with lines that take effect in the past, holds that end in every way, and days
 * that are added up late, in parts, or never.
 */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Client } from "pg";
import { afterAll, beforeAll, expect, onTestFailed, test } from "vitest";
import { SECONDS_PER_DAY } from "#kernel";
import { addUpDays, dayBalances, type TransferRequest } from "#ledger";
import { expectCoherent } from "../support/coherence.ts";
import { connect, startLedger, type TestLedger, transfer } from "../support/ledger.ts";
import { createRandom } from "../support/random.ts";

/** The plain answer: every line of the account, looked at for the time that is asked for. */
const BY_EVERY_LINE = readFileSync(new URL("./balance-at-by-every-line.sql", import.meta.url), "utf8");
const DAYS_BY_EVERY_LINE = readFileSync(new URL("./day-balances-by-every-line.sql", import.meta.url), "utf8");

const random = createRandom();
let books: TestLedger;
/** As the owner of the tables. */
let owner: Client;
let accounts: string[];
const pendings: TransferRequest[] = [];

beforeAll(async () => {
  books = await startLedger();
  owner = await connect(books.database.ownerUrl, books.database);
  accounts = await Promise.all(Array.from({ length: 4 }, () => books.open()));
  await books.advance(random.below(SECONDS_PER_DAY));
});
afterAll(async () => {
  await owner.end();
  await expectCoherent(books);
  await books.close();
});

async function write(): Promise<void> {
  const now = await books.queries.now();
  const past = () => (random.chance(0.4) ? { effectiveAt: now - random.below(6 * SECONDS_PER_DAY) } : {});
  const requests = Array.from({ length: 12 }, (): TransferRequest => {
    const held = pendings.length > 0 && random.chance(0.35) ? random.pick(pendings) : undefined;
    if (held)
      return { id: randomUUID(), phase: random.pick(["post", "void"]), pendingId: held.id, ...past() };
    const request = transfer(random.pick(accounts), random.pick(accounts), 1n + BigInt(random.below(90)), {
      ...past(),
    });
    if (random.chance(0.5)) return request;
    const timeoutSeconds = random.chance(0.7) ? 1 + random.below(2 * SECONDS_PER_DAY) : undefined;
    const pending: TransferRequest = {
      ...request,
      phase: "pending",
      ...(timeoutSeconds ? { timeoutSeconds } : {}),
    };
    pendings.push(pending);
    return pending;
  });
  await books.send(...requests);
  await books.advance(random.below(SECONDS_PER_DAY));
}

async function plain(account: string, at: number) {
  const { rows } = await owner.query(BY_EVERY_LINE, [account, at]);
  const [row] = rows;
  return {
    debitsPosted: row?.debits_posted,
    creditsPosted: row?.credits_posted,
    debitsPending: row?.debits_pending,
    creditsPending: row?.credits_pending,
  };
}

/** Any number of lines, not only chunks that end with a batch. */
async function addUpSome(): Promise<void> {
  await owner.query("SELECT advance_account_days($1)", [1 + random.below(40)]);
}

test("are what a sum over every line says, at any time, however far the days are added up", async () => {
  onTestFailed(() => console.error(`SEED=${random.seed}`));
  for (let round = 0; round < 18; round++) {
    await write();
    if (random.chance(0.5)) await addUpSome();
    if (random.chance(0.1)) await addUpDays(books.source);
    const now = await books.queries.now();
    const today = now - (now % SECONDS_PER_DAY);
    const { rows: daysOfAll } = await owner.query(DAYS_BY_EVERY_LINE, [accounts]);
    expect([round, await dayBalances(books.source, accounts)]).toEqual([
      round,
      daysOfAll.map((row) => ({ ...row, day: row.day * SECONDS_PER_DAY })),
    ]);
    for (const account of accounts) {
      const times = [
        ...[now, today, today - 1, now - random.below(8 * SECONDS_PER_DAY), 0],
        today - random.below(6) * SECONDS_PER_DAY - 1,
      ];
      for (const at of times)
        expect([round, at, await books.queries.balancesAt(account, at)]).toEqual([
          round,
          at,
          await plain(account, at),
        ]);
      const from = today - 5 * SECONDS_PER_DAY;
      const days = await books.queries.balancesByDay(account, { from, to: now, now });
      expect(days.map(({ day }) => day)).toEqual([0, 1, 2, 3, 4, 5].map((n) => from + n * SECONDS_PER_DAY));
      for (const { day, ...balances } of days)
        expect([round, day, balances]).toEqual([
          round,
          day,
          await plain(account, Math.min(day + SECONDS_PER_DAY - 1, now)),
        ]);
    }
  }
  await write();
  expect(await addUpDays(books.source)).toBeGreaterThan(0);
  expect(await addUpDays(books.source)).toBe(0);
});

test("agree with the account itself now, and with nothing where there was nothing", async () => {
  const now = await books.queries.now();
  await books.run(() => null); // sweeps
  for (const account of accounts) {
    const read = await books.queries.account(account);
    expect(read).toMatchObject(await books.queries.balancesAt(account, now + 1));
  }
  const fresh = await books.open();
  const zeros = { debitsPosted: 0n, creditsPosted: 0n, debitsPending: 0n, creditsPending: 0n };
  expect(await books.queries.balancesAt(fresh, now)).toEqual(zeros);
  const range = { from: now - SECONDS_PER_DAY, to: now, now };
  expect(
    (await books.queries.balancesByDay(fresh, range)).map(({ day: _, ...balances }) => balances),
  ).toEqual([zeros, zeros]);
});

test("days are added up once, by whoever comes first, while lines are written", async () => {
  const writes = (async () => {
    for (let round = 0; round < 15; round++) await write();
  })();
  const sums = Array.from({ length: 3 }, async () => {
    for (let round = 0; round < 15; round++)
      await books.asOwner("SELECT advance_account_days($1)", [1 + random.below(40)]);
  });
  await Promise.all([writes, ...sums]);
  await expectCoherent(books);
  await Promise.all([addUpDays(books.source), addUpDays(books.source)]);
  await expectCoherent(books);
});

test("a past balance of an account with a long history touches its days and what came since, not its lines", async () => {
  const [hot, other] = [await books.open(), await books.open()];
  for (let day = 0; day < 5; day++) {
    for (let batch = 0; batch < 4; batch++)
      await books.send(...Array.from({ length: 500 }, () => transfer(other, hot, 1n)));
    await books.advance(SECONDS_PER_DAY);
  }
  await addUpDays(books.source);
  await books.send(transfer(other, hot, 1n));
  const client = await connect(books.database.appUrl, books.database);
  const text = (file: string) =>
    readFileSync(new URL(`../../src/ledger/sql/${file}.sql`, import.meta.url), "utf8");
  const pagesOf = async (sql: string, values: unknown[]) => {
    await client.query(sql, values); // plans, and fills the caches of the catalog
    const { rows } = await client.query(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${sql}`, values);
    const plan = rows[0]["QUERY PLAN"][0].Plan;
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"];
  };
  const now = await books.queries.now();
  const today = Math.floor(now / SECONDS_PER_DAY);
  const endOfDay = (today - 2) * SECONDS_PER_DAY - 1;
  expect(await pagesOf(text("read-balances-at"), [hot, endOfDay])).toBeLessThan(150);
  expect(await pagesOf(text("read-balances-by-day"), [hot, today - 6, today, now])).toBeLessThan(150);
  expect(await pagesOf(text("load-day-balances"), [[hot]])).toBeLessThan(150);
  expect(await pagesOf(BY_EVERY_LINE, [hot, endOfDay])).toBeGreaterThan(150);
  expect(await pagesOf(DAYS_BY_EVERY_LINE, [[hot]])).toBeGreaterThan(150);
  await client.end();
});
