/**
 * Batches that are decided while the one before them is being written: they see
 * what that one changes, and are decided again where anybody else wrote between.
 * (A denial, which writes nothing: test/ledger/acknowledged.test.ts. Cut connections and random programs: test/simulation.)
 */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import {
  type BatchObservation,
  columns,
  type Ledger,
  type RowTable,
  type TransferCode,
  type TransferRequest,
} from "#ledger";
import { expectCoherent } from "../support/coherence.ts";
import { openTestLedger, readsOf, startLedger, type TestLedger, transfer } from "../support/ledger.ts";

let books: TestLedger;
let ledger: Ledger;
let other: Ledger;
let batches: BatchObservation[] = [];
let a: string;
let b: string;

const WAIT = { timeout: 20_000 };
const LIMITS = { batchWeight: 8, aheadWeight: 1 };

beforeAll(async () => {
  books = await startLedger();
  ledger = await openTestLedger(books.database, { limits: LIMITS, onBatch: (batch) => batches.push(batch) });
  other = await openTestLedger(books.database, { limits: LIMITS });
});
beforeEach(async () => {
  [a, b] = [await books.open(), await books.open()];
  batches = [];
});
afterAll(async () => {
  await ledger.close();
  await other.close();
  await expectCoherent(books);
  await books.close();
});

async function send(by: Ledger, requests: readonly TransferRequest[], key?: string): Promise<TransferCode[]> {
  const { value } = await by.submit<TransferCode[]>({
    name: "send",
    ...(key === undefined ? {} : { idempotency: { principal: "p", key, fingerprint: "00".repeat(32) } }),
    weight: requests.length,
    reads: readsOf(requests),
    decide: (view) => view.tryTransfers(requests).map(({ code }) => code),
  });
  return value;
}
const aheadCount = () => batches.filter((batch) => batch.decidedAhead).length;

test("each sees what the batch under way changes: an amount handed on a hundred times, never twice", async () => {
  const accounts = [
    a,
    ...(await Promise.all(Array.from({ length: 100 }, () => books.open({ debitAllowance: 0n })))),
  ];
  const hops = accounts.slice(1).map((to, at) => transfer(accounts[at] ?? "", to, 7n));
  const codes = await Promise.all(hops.map((hop) => send(ledger, [hop])));
  expect(codes.flat()).toEqual(Array(100).fill("ok"));
  const again = await Promise.all(hops.slice(1).map((hop) => send(ledger, [{ ...hop, id: randomUUID() }])));
  expect(again.flat()).toEqual(Array(99).fill("exceeds_credits"));
  expect(aheadCount()).toBeGreaterThan(3);
});

test("a hold of the batch under way is posted once, and expires at its time", async () => {
  const held = Array.from({ length: 40 }, () => transfer(a, b, 3n, { phase: "pending", timeoutSeconds: 60 }));
  const resolve = (phase: "post" | "void") =>
    held.map(({ id }) => send(ledger, [{ id: randomUUID(), phase, pendingId: id }]));
  const sent = [...held.map((hold) => send(ledger, [hold])), ...resolve("post"), ...resolve("void")];
  const codes = (await Promise.all(sent)).flat();
  expect(codes).toEqual([...Array(80).fill("ok"), ...Array(40).fill("pending_transfer_already_posted")]);
  expect(aheadCount()).toBeGreaterThan(3);

  const due = Array.from({ length: 20 }, () => transfer(a, b, 3n, { phase: "pending", timeoutSeconds: 60 }));
  await Promise.all(due.map((hold) => send(ledger, [hold])));
  await books.advance(60);
  const late = await Promise.all(
    due.map(({ id }) => send(ledger, [{ id: randomUUID(), phase: "post", pendingId: id }])),
  );
  expect(late.flat()).toEqual(Array(20).fill("pending_transfer_expired"));
});

test("a hold of the batch under way that falls due before that is written holds nothing for the next", async () => {
  const purse = await books.open({ debitAllowance: 0n });
  for (const amount of [3n, 4n]) expect(await send(ledger, [transfer(a, purse, amount)])).toEqual(["ok"]);
  // Writing it takes as long as the test wants, so that nobody else sees the hold.
  await books.asOwner("CREATE TABLE released (id int)");
  await books.asOwner(`CREATE FUNCTION until_released() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
    LOOP EXIT WHEN EXISTS (SELECT FROM released); PERFORM pg_sleep(0.02); END LOOP; RETURN 1; END $$`);
  await books.asOwner("GRANT SELECT ON released TO anchorbook_app");
  const slow: RowTable<{ id: number }, { id: number }> = {
    name: "slow",
    load: { sql: "SELECT 1 AS id WHERE false", parameters: columns() },
    save: { sql: "SELECT until_released()", parameters: columns() },
    keyOf: ({ id }) => ({ id }),
    decode: () => ({ id: 1 }),
  };
  const hold = transfer(purse, b, 7n, { phase: "pending", timeoutSeconds: 1 });
  const held = ledger.submit<TransferCode[]>({
    ...{ name: "held", reads: readsOf([hold]) },
    decide(view) {
      view.putRow(slow, { id: 1 });
      return view.tryTransfers([hold]).map(({ code }) => code);
    },
  });
  const due = (await books.queries.now()) + 2;
  await vi.waitFor(async () => expect(await books.queries.now()).toBeGreaterThanOrEqual(due), WAIT);
  const decided: string[] = [];
  const all = transfer(purse, b, 7n);
  const next = ledger.submit<TransferCode>({
    ...{ name: "next", reads: readsOf([all]) },
    decide: (view) => {
      const code = view.tryTransfers([all])[0]?.code ?? "ok";
      decided.push(code);
      return code;
    },
  });
  await vi
    .waitFor(() => expect(decided).toEqual(["ok"]), WAIT)
    .finally(() => books.asOwner("INSERT INTO released VALUES (1)"));
  expect([(await held).value, (await next).value]).toEqual([["ok"], "ok"]);
  expect(batches.at(-1)).toMatchObject({ decidedAhead: true, lines: 2 });
});

test("a key that the batch under way decides is answered from it", async () => {
  const requests = Array.from({ length: 20 }, () => transfer(a, b, 1n));
  const sent = Array.from({ length: 8 }, () =>
    requests.map((request) => send(ledger, [request], `key ${request.id}`)),
  );
  expect((await Promise.all(sent.flat())).flat()).toEqual(Array(160).fill("ok"));
  expect(aheadCount()).toBeGreaterThan(0);
});

test("a unit that the database refuses takes none of those decided on top of it with it", async () => {
  // Text that Postgres cannot hold, which the API would have refused.
  const poison = () => send(ledger, [transfer(a, b, 1_000n), transfer(a, b, 1n, { reference: "\u0000" })]);
  const sent = Array.from({ length: 60 }, (_, at) =>
    at % 20 === 10
      ? poison().then(
          () => "poison",
          () => "refused",
        )
      : send(ledger, [transfer(a, b, 1n)]),
  );
  const answers = (await Promise.all(sent)).flat();
  expect(answers.filter((answer) => answer === "refused")).toHaveLength(3);
  expect(answers.filter((answer) => answer === "ok")).toHaveLength(57);
  const [row] = await books.asOwner("SELECT debits_posted FROM account WHERE id = $1", [a]);
  expect(row?.debits_posted).toBe(57n);
});

test("two writers at once: each decides again what the other came before, and nothing is overdrawn", async () => {
  const purse = await books.open({ debitAllowance: 0n });
  expect(await send(ledger, [transfer(a, purse, 100n)])).toEqual(["ok"]);
  const tries = Array.from({ length: 240 }, (_, at) =>
    send(at % 2 ? ledger : other, [transfer(purse, b, 1n)]),
  );
  const codes = (await Promise.all(tries)).flat();
  expect(codes.filter((code) => code === "ok")).toHaveLength(100);
  expect(codes.filter((code) => code === "exceeds_credits")).toHaveLength(140);
});

test("who took the head in between is noticed, whatever it was", async () => {
  expect(await send(ledger, [transfer(a, b, 1n)])).toEqual(["ok"]);
  // What is remembered of the account is not true any more, and no line of the journal says so.
  await books.asOwner("UPDATE account SET credit_allowance = 1 WHERE id = $1", [b]);
  await books.asOwner("SELECT take_head()");
  expect(await send(ledger, [transfer(a, b, 1n)])).toEqual(["exceeds_debits"]);
});
