/** A process that was busy for longer than Postgres lets a transaction idle finds its connection gone, and goes on. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startLedger, type TestLedger, transfer } from "../support/ledger.ts";

/** Longer than idle_in_transaction_session_timeout and than the writer's patience. */
const BUSY_MS = 2_600;

let books: TestLedger;

beforeAll(async () => {
  books = await startLedger();
});

afterAll(() => books.close());

test("the batch is decided again on a new connection, and every unit of it is answered", async () => {
  const [debit, credit] = [await books.open(), await books.open()];
  let decided = 0;
  const busy = books.run((view) => {
    decided++;
    const until = performance.now() + (decided === 1 ? BUSY_MS : 0);
    while (performance.now() < until);
    return view.now;
  });
  const beside = books.send(transfer(debit, credit, 5n, { id: randomUUID() }));
  expect(await busy).toBeGreaterThan(0);
  expect(await beside).toEqual(["ok"]);
  expect(decided).toBe(2);
  expect(await books.queries.account(credit)).toMatchObject({ creditsPosted: 5n });
});
