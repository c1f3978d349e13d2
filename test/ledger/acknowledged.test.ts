/**
 * What one process acknowledged, every other one acts on: a request that is sent
 * after an answer has come is decided on what that answer said, however many
 * processes there are, whatever they remember, and however busy they are.
 */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { DomainError } from "#kernel";
import type { Ledger, Unit } from "#ledger";
import { expectCoherent } from "../support/coherence.ts";
import { startKeptAnswers } from "../support/kept-answers.ts";
import { openTestLedger, readsOf, startLedger, type TestLedger, transfer } from "../support/ledger.ts";

const ROUNDS = 60;
/** Transfers of others that are always under way. */
const BUSY = 6;

let books: TestLedger;
let bank: string;
let shop: string;

beforeAll(async () => {
  books = await startLedger();
  [bank, shop] = [await books.open(), await books.open()];
});
afterAll(async () => {
  await expectCoherent(books);
  await books.close();
});

/** Throws where the purse is short, so that a denial writes nothing at all. */
function spend(purse: string): Unit<string> {
  const request = { id: randomUUID(), debitAccount: purse, creditAccount: shop, amount: 1n };
  return { name: "spend", reads: readsOf([request]), decide: (view) => view.move(request).id };
}

function deposit(purse: string): Unit<string> {
  const request = { id: randomUUID(), debitAccount: bank, creditAccount: purse, amount: 1n };
  return { name: "deposit", reads: readsOf([request]), decide: (view) => view.move(request).id };
}

/** Keeps a writer busy until the work is done. */
async function beside(ledger: Ledger, work: () => Promise<void>): Promise<void> {
  let isOver = false;
  const loops = Array.from({ length: BUSY }, async () => {
    const [from, to] = [await books.open(), await books.open()];
    while (!isOver) {
      const request = transfer(from, to, 1n);
      await ledger.submit({
        ...{ name: "busy", reads: readsOf([request]) },
        decide: (view) => view.tryTransfers([request]).map(({ code }) => code),
      });
    }
  });
  await work().finally(() => {
    isOver = true;
  });
  await Promise.all(loops);
}

test.each([
  ["batches of one", 1],
  ["batches of a few", 8],
  ["batches of many", 4_000],
])("what one process paid in, another busy one can spend at once: %s", async (_, batchWeight) => {
  const purse = await books.open({ debitAllowance: 0n });
  const other = await openTestLedger(books.database, { limits: { batchWeight, aheadWeight: 1 } });
  await beside(other, async () => {
    for (let round = 0; round < ROUNDS; round++) {
      await books.ledger.submit(deposit(purse));
      await expect(other.submit(spend(purse))).resolves.toMatchObject({ replayed: false });
      await expect(other.submit(spend(purse))).rejects.toMatchObject({ code: "insufficient_balance" });
    }
  });
  await other.close();
});

test("what one process spent, another busy one has not any more", async () => {
  const purse = await books.open({ debitAllowance: 0n });
  const other = await openTestLedger(books.database, { limits: { batchWeight: 4, aheadWeight: 1 } });
  await beside(other, async () => {
    for (let round = 0; round < ROUNDS; round++) {
      await other.submit(deposit(purse));
      await books.ledger.submit(spend(purse));
      await expect(other.submit(spend(purse))).rejects.toMatchObject({ code: "insufficient_balance" });
    }
  });
  await other.close();
});

test("a denial that was decided ahead is not answered where another process paid in meanwhile", async () => {
  const purse = await books.open({ debitAllowance: 0n });
  const wire = await startKeptAnswers(books.database.appUrl);
  const other = await openTestLedger(books.database, { databaseUrl: wire.url, limits: { aheadWeight: 1 } });
  try {
    // From here on it remembers the purse, which is empty, and that it is alone.
    await other.submit(deposit(purse));
    await other.submit(spend(purse));
    wire.keep();
    const first = transfer(bank, shop, 1n);
    const underWay = other.submit({
      ...{ name: "under way", reads: readsOf([first]) },
      decide: (view) => view.tryTransfers([first]).map(({ code }) => code),
    });
    await vi.waitFor(async () => expect(await books.queries.transfer(first.id)).not.toBeNull(), 20_000);
    await books.ledger.submit(deposit(purse));
    const spending = spend(purse);
    const decided: string[] = [];
    const spent = other.submit<string>({
      ...spending,
      decide: (view) => {
        try {
          const id = spending.decide(view);
          decided.push("spent");
          return id;
        } catch (error) {
          if (error instanceof DomainError) decided.push(error.code);
          throw error;
        }
      },
    });
    const outcome = spent.then(
      () => "spent",
      (error) => error.code,
    );
    await vi.waitFor(() => expect(decided).toEqual(["insufficient_balance"]), 20_000);
    wire.release();
    expect((await underWay).value).toEqual(["ok"]);
    expect(await outcome).toBe("spent");
    expect(decided).toEqual(["insufficient_balance", "spent"]);
  } finally {
    wire.release();
    await other.close();
    await wire.close();
  }
});

test("an account that its owner closed or bound by other means is closed and bound for a writer that knew it", async () => {
  const account = await books.open();
  const send = async () => {
    const request = transfer(bank, account, 1n);
    const unit: Unit<string[]> = {
      ...{ name: "send", reads: readsOf([request]) },
      decide: (view) => view.tryTransfers([request]).map(({ code }) => code),
    };
    return (await books.ledger.submit(unit)).value;
  };
  expect(await send()).toEqual(["ok"]);
  await books.asOwner("UPDATE account SET credit_allowance = 1 WHERE id = $1", [account]);
  // One request may meet what is remembered; the next one is decided on what is there.
  await send().catch(() => []);
  expect(await send()).toEqual(["exceeds_debits"]);
});
