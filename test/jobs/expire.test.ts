/** The expiry job on a ledger that nobody else writes to. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expire } from "../../jobs/expire.ts";
import { startLedger, type TestLedger, transfer } from "../support/ledger.ts";

let books: TestLedger;

beforeAll(async () => {
  books = await startLedger();
});

afterAll(() => books.close());

test("a hold that is due becomes a journal line without a request, once", async () => {
  const [debit, credit] = [await books.open(), await books.open()];
  const id = randomUUID();
  await books.send(transfer(debit, credit, 7n, { id, phase: "pending", timeoutSeconds: 60 }));
  await books.advance(61);
  const access = { expireDue: async () => ({ ended: 0, failed: 0 }) };
  const holds = { expireDue: async () => 0 };
  const deps = { access, holds, ledger: books.ledger, database: books.source };
  // Another sweep that fails is told of, and keeps this one from nothing.
  const failing = { ...deps, access: { expireDue: () => Promise.reject(new Error("no holdings")) } };
  await expect(expire(failing)).rejects.toThrow("no holdings");
  await Promise.all([expire(deps), expire(deps)]);
  await expire(deps);
  const lines = await books.asOwner("SELECT phase, amount FROM transfer WHERE pending_id = $1", [id]);
  expect(lines).toEqual([{ phase: "expire", amount: 7n }]);
  expect(await books.asOwner("SELECT * FROM hold")).toEqual([]);
});
