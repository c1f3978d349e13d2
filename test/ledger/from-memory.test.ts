/**
 * Batches that are decided from what the writer remembers, without reading: they
 * go to the database in one round trip, and are decided again on what is there
 * wherever something is not as it was taken to be.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { BatchObservation, Ledger, TransferCode, TransferRequest } from "#ledger";
import { expectCoherent } from "../support/coherence.ts";
import { startCutProxy } from "../support/cut-proxy.ts";
import { openTestLedger, readsOf, startLedger, type TestLedger, transfer } from "../support/ledger.ts";

let books: TestLedger;
let ledger: Ledger;
let batches: BatchObservation[];
let a: string;
let b: string;

beforeEach(async () => {
  books = await startLedger();
  batches = [];
  ledger = await openTestLedger(books.database, { onBatch: (batch) => batches.push(batch) });
  [a, b] = [await books.open(), await books.open()];
  // From the second batch on this writer knows the two, and that it is alone.
  for (let round = 0; round < 3; round++) await send([transfer(a, b, 1n)]);
  batches.length = 0;
});
afterEach(async () => {
  await ledger.close();
  await expectCoherent(books);
  await books.close();
});

async function send(requests: readonly TransferRequest[], key?: string, by = ledger) {
  const { value, replayed } = await by.submit<TransferCode[]>({
    name: "send",
    ...(key === undefined ? {} : { idempotency: { principal: "p", key, fingerprint: "00".repeat(32) } }),
    weight: requests.length,
    reads: readsOf(requests),
    decide: (view) => view.tryTransfers(requests).map(({ code }) => code),
  });
  return replayed ? ["replayed", ...value] : value;
}

/** How the last batch was decided, and why others were decided again. */
function decidedBy(): { fromMemory: boolean; refused: number } {
  const last = batches.at(-1);
  const refused = batches.reduce((sum, { retries }) => sum + (retries.memory ?? 0), 0);
  return { fromMemory: last?.decidedFromMemory === true, refused };
}
const newestLine = async () =>
  (await books.asOwner("SELECT id FROM transfer ORDER BY seq DESC LIMIT 1"))[0] as { id: string };
const lineOf = async (id: string) =>
  (await books.asOwner("SELECT time, seq FROM transfer WHERE id = $1", [id]))[0] as { time: number };

/** Any one may meet the end of a second, which this process cannot know to the millisecond. */
async function expectFromMemory(): Promise<void> {
  for (let tries = 0; tries < 20; tries++) {
    expect(await send([transfer(a, b, 1n)])).toEqual(["ok"]);
    if (decidedBy().fromMemory) return;
  }
  throw new Error("nothing was decided from memory");
}

test("what it knows it does not ask for, and each batch sees the one before", async () => {
  const purse = await books.open({ debitAllowance: 0n });
  await send([transfer(a, purse, 3n)]);
  await send([transfer(a, purse, 1n)]);
  await expectFromMemory();
  batches.length = 0;
  const codes = [];
  for (let round = 0; round < 6; round++) codes.push(...(await send([transfer(purse, b, 1n)])));
  expect(codes).toEqual(["ok", "ok", "ok", "ok", "exceeds_credits", "exceeds_credits"]);
  expect(batches.filter(({ decidedFromMemory }) => decidedFromMemory).length).toBeGreaterThan(0);
});

test("an id that was sent before is answered as ever, and costs the memory nothing", async () => {
  const first = transfer(a, b, 5n);
  expect(await send([first])).toEqual(["ok"]);
  expect(await send([first])).toEqual(["exists"]);
  expect(decidedBy().refused).toBeGreaterThan(0);
  expect(await send([{ ...first, amount: 6n }])).toEqual(["exists_with_different_amount"]);
  await expectFromMemory();
});

test("an id that failed stays failed, and its failure is written from memory too", async () => {
  const purse = await books.open({ debitAllowance: 0n });
  await send([transfer(a, purse, 1n)]);
  const id = randomUUID();
  expect(await send([transfer(purse, b, 100n, { id })])).toEqual(["exceeds_credits"]);
  await send([transfer(a, purse, 200n)]);
  expect(await send([transfer(purse, b, 100n, { id })])).toEqual(["id_already_failed"]);
});

test("a key is answered from its first answer, also where two come together", async () => {
  const request = transfer(a, b, 1n);
  expect(await send([request], "once")).toEqual(["ok"]);
  expect(await send([request], "once")).toEqual(["replayed", "ok"]);
  const both = [transfer(a, b, 1n), transfer(a, b, 1n)];
  const answers = await Promise.all(both.map((one) => send([one], "twice")));
  expect(answers.map(([how]) => how).sort()).toEqual(["ok", "replayed"]);
});

test("a hold that is due is expired first, and what it held can be spent", async () => {
  const purse = await books.open({ debitAllowance: 0n });
  await send([transfer(a, purse, 10n)]);
  expect(await send([transfer(purse, b, 10n, { phase: "pending", timeoutSeconds: 60 })])).toEqual(["ok"]);
  expect(await send([transfer(purse, b, 1n)])).toEqual(["exceeds_credits"]);
  await books.advance(60);
  expect(await send([transfer(purse, b, 10n)])).toEqual(["ok"]);
  expect(decidedBy()).toMatchObject({ fromMemory: false });
});

test("a hold that falls due while the clock runs on is met, though this process knows what time it is", async () => {
  const purse = await books.open({ debitAllowance: 0n });
  await send([transfer(a, purse, 10n)]);
  await send([transfer(purse, b, 10n, { phase: "pending", timeoutSeconds: 1 })]);
  await send([transfer(a, b, 1n)]);
  // In the middle of a second, so that the time is guessed right and the hold alone is in the way.
  const { time } = await lineOf((await newestLine()).id);
  await expect.poll(() => books.queries.now(), { timeout: 10_000 }).toBeGreaterThan(time + 1);
  await pause(300);
  expect(await send([transfer(purse, b, 10n)])).toEqual(["ok"]);
  expect(decidedBy()).toMatchObject({ fromMemory: false });
});

test("the time is the database's: where that clock was moved, the batch is decided again", async () => {
  await books.advance(86_400);
  const before = await books.queries.now();
  const id = randomUUID();
  await send([transfer(a, b, 1n, { id })]);
  expect((await lineOf(id)).time).toBeGreaterThanOrEqual(before);
  expect(decidedBy()).toEqual({ fromMemory: false, refused: expect.any(Number) });
  expect(decidedBy().refused).toBeGreaterThan(0);
  await expectFromMemory();
});

test("where another process wrote, what it did counts", async () => {
  const purse = await books.open({ debitAllowance: 0n });
  await send([transfer(a, purse, 10n)]);
  expect(await send([transfer(purse, b, 10n)], undefined, books.ledger)).toEqual(["ok"]);
  expect(await send([transfer(purse, b, 10n)])).toEqual(["exceeds_credits"]);
  expect(decidedBy().fromMemory).toBe(false);
});

test("a batch whose COMMIT was cut off is found where it was written, and decided again where not", async () => {
  const proxy = await startCutProxy(books.database.appUrl);
  const seen: BatchObservation[] = [];
  const cut = await openTestLedger(books.database, {
    databaseUrl: proxy.url,
    limits: { patienceMs: 30_000 },
    onBatch: (batch) => seen.push(batch),
  });
  for (const place of ["before-commit", "after-commit"] as const) {
    for (let round = 0; round < 3; round++) await send([transfer(a, b, 1n)], undefined, cut);
    const places: (typeof place | null)[] = [place];
    proxy.atCommit = () => places.shift() ?? null;
    const id = randomUUID();
    expect(await send([transfer(a, b, 1n, { id })], undefined, cut)).toEqual(["ok"]);
    expect(places).toEqual([]);
    expect(await books.asOwner("SELECT count(*)::int AS n FROM transfer WHERE id = $1", [id])).toEqual([
      { n: 1 },
    ]);
  }
  expect(seen.some(({ decidedFromMemory }) => decidedFromMemory)).toBe(true);
  await cut.close();
  await proxy.close();
});

test("a unit that the database refuses stands alone, and the writer goes on from what is there", async () => {
  // Text that Postgres cannot hold, which the API would have refused.
  const poison = send([transfer(a, b, 1n, { reference: "\u0000" })]);
  const sound = send([transfer(a, b, 1n)]);
  await expect(poison).rejects.toThrow();
  expect(await sound).toEqual(["ok"]);
  expect(await send([transfer(a, b, 1n)])).toEqual(["ok"]);
});
