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

const ACCOUNTS = 3_000;
const LINES = 2_000;
const ROUNDS = 5;
/** Ten times what a busy machine needs, and a third of what one bad plan costs. */
const MOST_MS_A_ROUND = 3_000;

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
  const rounds: number[] = [];
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
    const started = performance.now();
    const { value } = await books.ledger.submit<string[]>({
      ...{ name: "round", weight: LINES, reads: { ...readsOf(requests), assets: ["USD"] } },
      decide: (view) => view.tryTransfers(requests).map(({ code }) => code),
    });
    rounds.push(performance.now() - started);
    expect(new Set(value)).toEqual(new Set(["ok"]));
  }
  expect(Math.max(...rounds), `ms a round: ${rounds.map(Math.round).join(", ")}`).toBeLessThan(
    MOST_MS_A_ROUND,
  );
  await expectCoherent(books);
});
