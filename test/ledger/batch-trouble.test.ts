/**
 * What a batch does when Postgres or the wire gets in its way: deadlocks and
 * serialization failures that really happen, a COMMIT that is still under way
 * when it is asked about, a key that another process is using at the moment.
 */
import { randomUUID } from "node:crypto";
import type { Client } from "pg";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type BatchObservation, columns, type Json, type RowTable, type Unit } from "#ledger";
import { expectCoherent } from "../support/coherence.ts";
import { startCutProxy } from "../support/cut-proxy.ts";
import {
  connect,
  openTestLedger,
  PATIENT,
  readsOf,
  startLedger,
  type TestLedger,
  transfer,
} from "../support/ledger.ts";
import { startWireTap } from "../support/wire-tap.ts";

const DEADLOCK = "40P01";
const SERIALIZATION_FAILURE = "40001";

let books: TestLedger;
let a: string;
let b: string;
/** A superuser on the ledger's schema. */
let admin: Client;

beforeEach(async () => {
  books = await startLedger(PATIENT);
  [a, b] = [await books.open(), await books.open()];
  admin = await connect(books.database.adminUrl, books.database);
});
afterEach(async () => {
  await admin.end();
  await expectCoherent(books);
  await books.close();
});

/** Until a writer of this database waits for a lock. */
async function untilWriterWaits(): Promise<void> {
  await vi.waitFor(
    async () => {
      const { rows } = await admin.query(
        `SELECT pid FROM pg_stat_activity WHERE datname = current_database()
           AND application_name = 'anchorbook-writer' AND wait_event_type = 'Lock'`,
      );
      expect(rows.length).toBeGreaterThan(0);
    },
    { timeout: 20_000, interval: 5 },
  );
}

const moving = (id: string, key?: string): Unit<string> => ({
  name: "moving",
  reads: readsOf([transfer(a, b, 1n, { id })]),
  ...(key ? { idempotency: { principal: "p", key, fingerprint: "00".repeat(32) } } : {}),
  decide: (view) => view.move({ id, debitAccount: a, creditAccount: b, amount: 1n }).id,
});
const linesOf = async (ids: readonly string[]) =>
  (await books.asOwner("SELECT id FROM transfer WHERE id = ANY ($1::uuid[])", [ids])).map(({ id }) => id);

describe("a batch that Postgres ends", () => {
  test("in a deadlock is done again, and written once", async () => {
    const tap = await startWireTap(books.database.appUrl);
    // Whoever began to wait first is ended, and that is to be the writer: it looks after a second, the other one never.
    await admin.query(
      `ALTER ROLE anchorbook_app IN DATABASE ${books.database.name} SET deadlock_timeout = '1s'`,
    );
    const observed: BatchObservation[] = [];
    const ledger = await openTestLedger(books.database, {
      ...PATIENT,
      databaseUrl: tap.url,
      onBatch: (batch) => observed.push(batch),
    });
    await admin.query("SET deadlock_timeout = '1h'");
    const other = await connect(books.database.adminUrl, books.database);
    await other.query("SET deadlock_timeout = '1h'");
    await other.query("BEGIN");
    await other.query("SELECT FROM account WHERE id = $1 FOR UPDATE", [a]);
    const ids = [randomUUID(), randomUUID(), randomUUID()];
    const answers = Promise.all(ids.map((id) => ledger.submit(moving(id))));
    await untilWriterWaits(); // it has the head and wants the account …
    await other.query("SELECT take_head()"); // … and this one has the account and wants the head
    await other.query("ROLLBACK");
    expect((await answers).map(({ value }) => value)).toEqual(ids);
    // As many as there were: a writer that comes back before the other one has woken up takes the head once more.
    const deadlocks = tap.errors.filter((code) => code === DEADLOCK).length;
    expect(deadlocks).toBeGreaterThan(0);
    expect(observed.map(({ retries }) => retries)).toContainEqual({ conflict: deadlocks });
    expect((await linesOf(ids)).sort()).toEqual([...ids].sort());
    await other.end();
    await ledger.close();
    await tap.close();
  });

  test("because a row moved away under it (a serialization failure) is done again, once", async () => {
    const tap = await startWireTap(books.database.appUrl);
    // Even READ COMMITTED cannot follow a row that an update moves to another partition.
    await books.asOwner("CREATE TABLE moved (id int, part int, writes int) PARTITION BY LIST (part)");
    for (const part of [1, 2])
      await books.asOwner(`CREATE TABLE moved_${part} PARTITION OF moved FOR VALUES IN (${part})`);
    await books.asOwner("INSERT INTO moved VALUES (1, 1, 0)");
    await books.asOwner("GRANT SELECT, UPDATE ON moved TO anchorbook_app");
    const table: RowTable<{ id: number }, { id: number }> = {
      name: "moved",
      load: { sql: "SELECT 1 AS id WHERE false", parameters: columns() },
      save: { sql: "UPDATE moved SET writes = writes + 1 WHERE id = 1", parameters: columns() },
      keyOf: ({ id }) => ({ id }),
      decode: () => ({ id: 1 }),
    };
    const ledger = await openTestLedger(books.database, { ...PATIENT, databaseUrl: tap.url });
    const other = await connect(books.database.ownerUrl, books.database);
    await other.query("BEGIN");
    await other.query("UPDATE moved SET part = 2 WHERE id = 1");
    const id = randomUUID();
    const answer = ledger.submit<string>({
      name: "writes-moved",
      decide(view) {
        view.putRow(table, { id: 1 });
        return view.move({ id, debitAccount: a, creditAccount: b, amount: 1n }).id;
      },
    });
    await untilWriterWaits();
    await other.query("COMMIT");
    expect((await answer).value).toBe(id);
    expect(tap.errors).toContain(SERIALIZATION_FAILURE);
    expect(await linesOf([id])).toEqual([id]);
    expect(await books.asOwner("SELECT part, writes FROM moved")).toEqual([{ part: 2, writes: 1 }]);
    await other.end();
    await ledger.close();
    await tap.close();
  });
});

describe("a COMMIT that is still under way when the writer comes back", () => {
  test("is waited for under the head lock, found, and not done again", async () => {
    const proxy = await startCutProxy(books.database.appUrl);
    const ledger = await openTestLedger(books.database, {
      ...PATIENT,
      databaseUrl: proxy.url,
      limits: { patienceMs: 30_000 },
    });
    await ledger.submit(moving(randomUUID()));
    const places: ("hold" | null)[] = ["hold"];
    proxy.atCommit = () => places.shift() ?? null;
    const ids = Array.from({ length: 20 }, () => randomUUID());
    const answers = Promise.all(
      ids.map((id, place) => ledger.submit(moving(id, place % 2 ? `key-${place}` : undefined))),
    );
    await untilWriterWaits(); // on a new connection, for the head that the old one still has
    expect(await linesOf(ids)).toEqual([]); // whoever asked without the lock would find nothing
    expect(proxy.release()).toBe(1);
    expect((await answers).map(({ value }) => value)).toEqual(ids);
    expect((await linesOf(ids)).sort()).toEqual([...ids].sort());
    expect(await books.queries.account(b)).toMatchObject({ creditsPosted: 21n });
    await ledger.close();
    await proxy.close();
  });

  test("and the same request, sent again through another process meanwhile, replays it", async () => {
    const proxy = await startCutProxy(books.database.appUrl);
    const ledger = await openTestLedger(books.database, {
      ...PATIENT,
      databaseUrl: proxy.url,
      limits: { patienceMs: 0 },
    });
    await ledger.submit(moving(randomUUID()));
    proxy.atCommit = () => "hold";
    const [id, key] = [randomUUID(), "impatient"];
    const lost = ledger.submit(moving(id, key)).catch((error: unknown) => error);
    expect(await lost).toMatchObject({ code: "unavailable" });
    const again = books.ledger.submit(moving(randomUUID(), key));
    await untilWriterWaits();
    proxy.release();
    expect(await again).toEqual({ value: id, replayed: true });
    expect(await books.queries.account(b)).toMatchObject({ creditsPosted: 2n });
    await ledger.close();
    await proxy.close();
  });
});

test("a second request with a key in another process, while the first is in flight, replays its answer", async () => {
  const other = await openTestLedger(books.database, PATIENT);
  await other.submit(moving(randomUUID()));
  const blocker = await connect(books.database.ownerUrl, books.database);
  await blocker.query("BEGIN");
  await blocker.query("SELECT take_head()");
  const [first, second] = [randomUUID(), randomUUID()];
  const answers = Promise.all([
    books.ledger.submit(moving(first, "same")),
    other.submit(moving(second, "same")),
  ]);
  await untilWriterWaits();
  await blocker.query("COMMIT");
  const [one, two] = await answers;
  expect(one.value).toBe(two.value);
  expect([one.replayed, two.replayed].sort()).toEqual([false, true]);
  expect(await linesOf([first, second])).toEqual([one.value]);
  await blocker.end();
  await other.close();
});

describe("the time of a batch", () => {
  test("goes with the offset, is the same for all of it, and does not follow a clock that is put back", async () => {
    const times = async () => {
      const ids = [randomUUID(), randomUUID(), randomUUID()];
      await Promise.all(ids.map((id) => books.ledger.submit(moving(id))));
      const rows = await books.asOwner("SELECT DISTINCT time FROM transfer WHERE id = ANY ($1::uuid[])", [
        ids,
      ]);
      expect(rows).toHaveLength(1);
      return rows[0]?.time as number;
    };
    const first = await times();
    await books.advance(86_400);
    const ahead = await times();
    expect(ahead).toBeGreaterThanOrEqual(first + 86_400);
    expect(ahead).toBeLessThan(first + 86_500);
    await books.asOwner("UPDATE journal_head SET clock_offset = 0");
    expect(await times()).toBe(ahead);
    const other = await openTestLedger(books.database);
    expect((await other.submit<Json>({ name: "now", decide: (view) => view.now })).value).toBe(ahead);
    await other.close();
  });
});

describe("holds that are due", () => {
  const pending = (amount: bigint, timeoutSeconds: number) => ({
    ...transfer(a, b, amount, { phase: "pending" }),
    timeoutSeconds,
  });

  test("expire before anything else of the batch, by their time and then their place", async () => {
    const [late, early, earlyToo, later] = [
      pending(1n, 20),
      pending(2n, 10),
      pending(3n, 10),
      pending(4n, 50),
    ];
    expect(await books.send(late, early, earlyToo, later)).toEqual(["ok", "ok", "ok", "ok"]);
    await books.advance(30);
    const after = transfer(a, b, 1n);
    expect(await books.send(after)).toEqual(["ok"]);
    const lines = await books.asOwner("SELECT id, pending_id, phase FROM transfer ORDER BY seq DESC LIMIT 4");
    expect(
      lines.reverse().map(({ phase, pending_id, id }) => (phase === "expire" ? pending_id : id)),
    ).toEqual([...[early.id, earlyToo.id, late.id, after.id]]);
    expect(await books.queries.account(a)).toMatchObject({ debitsPending: 4n });
  });

  test("are expired from the second of their end on, and free what they held for the unit that comes then", async () => {
    const purse = await books.open({ debitAllowance: 0n });
    const all = transfer(purse, b, 10n, { phase: "pending" });
    expect(await books.send(transfer(a, purse, 10n), { ...all, timeoutSeconds: 100 })).toEqual(["ok", "ok"]);
    const expiresAt = (await books.queries.transfer(all.id))?.expiresAt ?? 0;
    // The head's time says when it is: one second before, then the second itself.
    await books.asOwner("UPDATE journal_head SET time = $1", [expiresAt - 1]);
    expect(await books.send(transfer(purse, b, 1n))).toEqual(["exceeds_credits"]);
    await books.asOwner("UPDATE journal_head SET time = $1", [expiresAt]);
    const post = { id: randomUUID(), phase: "post" as const, pendingId: all.id };
    expect(await books.send(post, transfer(purse, b, 10n))).toEqual(["pending_transfer_expired", "ok"]);
  });
});

test("a reader's snapshot stops no writer, however long it is open", async () => {
  const reader = await connect(books.database.appUrl, books.database);
  await reader.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  const count = async () =>
    (await reader.query("SELECT count(*) AS n FROM transfer, journal_head, account")).rows[0].n as number;
  const before = await count();
  const ids = Array.from({ length: 300 }, () => randomUUID());
  for (let from = 0; from < ids.length; from += 20)
    await Promise.all(ids.slice(from, from + 20).map((id) => books.ledger.submit(moving(id))));
  expect(await linesOf(ids)).toHaveLength(300);
  expect(await count()).toBe(before);
  await reader.query("COMMIT");
  await reader.end();
});
