/**
 * A ledger that begins empty and grows on the same connection: plans made for
 * tables without rows must not stay. One such plan took 10 s for a batch that
 * takes a tenth of a second.
 */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Unit } from "#ledger";
import { expectCoherent } from "../support/coherence.ts";
import { newAccount, readsOf, startLedger, type TestLedger, transfer } from "../support/ledger.ts";
import { rowsReadBy } from "../support/rows-read.ts";

const ACCOUNTS = 3_000;
const LINES = 2_000;
const ROUNDS = 5;
/** Of all tables together; a plan made for an empty table reads all of one for every line. */
const MOST_ROWS_A_LINE = 60;

let books: TestLedger;
beforeAll(async () => {
  books = await startLedger();
});
afterAll(() => books.close());

test("takes its first batches of thousands of lines as fast as later ones", async () => {
  const accounts = Array.from({ length: ACCOUNTS }, () => randomUUID() as string);
  const units = Array.from({ length: ACCOUNTS / 500 }, (_, part): Unit<null> => {
    const ids = accounts.slice(part * 500, part * 500 + 500);
    return {
      ...{ name: "open", weight: 500, reads: { accounts: ids } },
      decide: (view) => {
        for (const id of ids) view.openAccountWithId(newAccount({ id, asset: "USD", createdAt: view.now }));
        return null;
      },
    };
  });
  await Promise.all(units.map((unit) => books.ledger.submit(unit)));
  const counted = { database: books.database, dataSource: books.source, ledger: books.ledger };
  for (let round = 0; round < ROUNDS; round++) {
    const pendings = Array.from({ length: LINES / 4 }, (_, at) =>
      transfer(accounts[at] ?? "", accounts[at + 1] ?? "", 1n, { phase: "pending" }),
    );
    const singles = Array.from({ length: LINES / 2 }, (_, at) =>
      transfer(
        accounts[(at * 7 + round) % ACCOUNTS] ?? "",
        accounts[(at * 7 + round + 1) % ACCOUNTS] ?? "",
        1n,
      ),
    );
    const posts = pendings.map(({ id }) => ({ id: randomUUID(), phase: "post" as const, pendingId: id }));
    const requests = [...pendings, ...singles, ...posts];
    const unit: Unit<string[]> = {
      ...{ name: "round", weight: LINES, reads: { ...readsOf(requests), assets: ["USD"] } },
      decide: (view) => view.tryTransfers(requests).map(({ code }) => code),
    };
    const read = await rowsReadBy(counted, async () =>
      expect(new Set((await books.ledger.submit(unit)).value)).toEqual(new Set(["ok"])),
    );
    const all = [...read.values()].reduce((sum, n) => sum + n, 0);
    expect(all / LINES, JSON.stringify([...read])).toBeLessThan(MOST_ROWS_A_LINE);
  }
  await expectCoherent(books);
});
