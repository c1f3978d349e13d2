/**
 * A batch that is sent whole, COMMIT and all, over a connection that is lost on
 * the way, and that reaches Postgres just after the writer was told that it is
 * not there. It may be written once, by the one or by the other.
 */
import type { Client } from "pg";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Ledger } from "#ledger";
import { expectCoherent } from "../support/coherence.ts";
import { type CutProxy, startCutProxy } from "../support/cut-proxy.ts";
import {
  connect,
  openTestLedger,
  PATIENT,
  readsOf,
  startLedger,
  type TestLedger,
  transfer,
} from "../support/ledger.ts";

let books: TestLedger;
let proxy: CutProxy;
let ledger: Ledger;
let other: Client;
let admin: Client;

beforeEach(async () => {
  books = await startLedger(PATIENT);
  // The ledger's time is ahead and stands still: a batch is of one second, and one that arrives in the next is refused, and
  // waits for nobody.
  await books.asOwner("UPDATE journal_head SET time = time + 3600");
  proxy = await startCutProxy(books.database.appUrl);
  other = await connect(books.database.ownerUrl, books.database);
  admin = await connect(books.database.adminUrl, books.database);
  ledger = await openTestLedger(books.database, {
    ...PATIENT,
    databaseUrl: proxy.url,
    limits: { patienceMs: 20_000, memoryWeight: 100 },
  });
});
afterEach(async () => {
  await ledger.close();
  await proxy.close();
  await other.end();
  await admin.end();
  await expectCoherent(books);
  await books.close();
});

/** How many sessions wait for a lock. */
async function untilWaiting(sessions: number): Promise<void> {
  const count = async () => {
    const { rows } = await admin.query(
      "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    );
    return rows.length;
  };
  await vi.waitFor(async () => expect(await count()).toBe(sessions), { timeout: 20_000 });
}

test.each([
  { who: "nobody else", others: 0 },
  { who: "another process, just behind it", others: 1 },
])("a batch that arrives when it was asked for is done once, where $who writes", async ({ others }) => {
  const [from, to] = [await books.open(), await books.open()];
  const send = () => {
    const request = transfer(from, to, 1n);
    const unit = {
      name: "late",
      reads: readsOf([request]),
      decide: (view: Parameters<Parameters<TestLedger["run"]>[0]>[0]) => {
        view.emit({ type: "test.happened", subject: null, data: { id: request.id } });
        return view.tryTransfers([request])[0]?.code ?? "";
      },
    };
    return ledger.submit<string>(unit).then(({ value }) => value);
  };
  // From here on this writer knows that it is alone, and sends a batch in one piece.
  for (let n = 0; n < 3; n++) expect(await send()).toBe("ok");

  const held: string[] = [];
  proxy.atCommit = () => (held.push("batch") === 1 ? "hold" : null);
  await other.query("BEGIN");
  await other.query("SELECT FROM journal_head FOR UPDATE");
  const late = send();
  // The writer is back and asks whether its batch is there; it is not, and then it arrives.
  await untilWaiting(1);
  expect(proxy.release()).toBe(1);
  await untilWaiting(2);
  const behind = Array.from({ length: others }, () => books.send(transfer(from, to, 1n)));
  await untilWaiting(2 + others);
  await other.query("COMMIT");
  // This process carries the answer to the writer, and takes its time, so that the others come first.
  for (const until = performance.now() + 300; performance.now() < until; );

  expect(await late).toBe("ok");
  expect((await Promise.all(behind)).flat()).toEqual(Array(others).fill("ok"));
  const [told] = await books.asOwner("SELECT count(*) AS n FROM event WHERE type = 'test.happened'");
  expect(told).toEqual({ n: 4 });
});
