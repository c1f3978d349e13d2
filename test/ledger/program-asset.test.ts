/** An asset that belongs to a program: its rules alone move it, the general ledger API does not. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startLedger, type TestLedger, transfer } from "../support/ledger.ts";

let books: TestLedger;
let treasury: string;
let available: string;
let locked: string;

beforeAll(async () => {
  books = await startLedger();
  const open = (role: "custody" | "treasury" | "available" | "locked", owner: string | null) =>
    books.run((view) => view.openAccount({ asset: "TST", role, owner }));
  const custody = await open("custody", null);
  treasury = await open("treasury", null);
  available = await open("available", "anna");
  locked = await open("locked", "anna");
  const [genesis, grant, lock] = [randomUUID(), randomUUID(), randomUUID()];
  await books.run((view) => {
    view.move({ id: genesis, debitAccount: custody, creditAccount: treasury, amount: 100n });
    view.move({ id: grant, debitAccount: treasury, creditAccount: available, amount: 50n });
    view.move({ id: lock, debitAccount: available, creditAccount: locked, amount: 20n });
    return null;
  });
});

afterAll(() => books.close());

test("no list of transfers moves it, along a route of the program's neither", async () => {
  const codes = await books.send(
    transfer(locked, available, 20n),
    transfer(available, locked, 1n),
    transfer(treasury, available, 1n),
    transfer(treasury, available, 1n, { phase: "pending" }),
    transfer(treasury, available, 1n, { balancing: "debit" }),
  );
  expect(codes).toEqual(Array(5).fill("asset_not_transferable"));
  const account = await books.queries.account(locked);
  expect(account).toMatchObject({ creditsPosted: 20n, debitsPosted: 0n, debitsPending: 0n });
});
