/** An event is written with its effect or not at all, and its number has no gap. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DomainError } from "#kernel";
import type { Json, Unit } from "#ledger";
import { expectCoherent } from "../support/coherence.ts";
import { startCutProxy } from "../support/cut-proxy.ts";
import { attempt } from "../support/hostile.ts";
import { connect, openTestLedger, startLedger, type TestLedger, transfer } from "../support/ledger.ts";

let books: TestLedger;
let a: string;
let b: string;
beforeAll(async () => {
  books = await startLedger();
  [a, b] = [await books.open(), await books.open({ debitAllowance: 0n })];
});
afterAll(async () => {
  await expectCoherent(books);
  await books.close();
});

interface Row {
  seq: number;
  type: string;
  subject: string | null;
  data: Record<string, Json>;
}
const newest = async () =>
  ((await books.asOwner("SELECT max(seq) AS seq FROM event"))[0]?.seq as number | null) ?? 0;
const since = async (seq: number) =>
  (await books.asOwner("SELECT seq, type, subject, data FROM event WHERE seq > $1 ORDER BY seq", [
    seq,
  ])) as unknown as Row[];
const emitting = (name: string, then?: () => never): Unit<null> => ({
  name,
  decide(view) {
    view.emit({ type: "test.happened", subject: "alice", data: { name } });
    then?.();
    return null;
  },
});

test("each batch that appends to the journal says which lines, and one that does not says nothing", async () => {
  const before = await newest();
  const [head] = await books.asOwner("SELECT next_seq FROM journal_head");
  const first = head?.next_seq as number;
  await books.send(transfer(a, b, 5n), transfer(a, b, 6n));
  await books.send(transfer(b, a, 1_000n));
  await books.send(transfer(a, b, 7n));
  expect(await since(before)).toEqual([
    {
      seq: before + 1,
      type: "journal.appended",
      subject: null,
      data: { first_seq: first, last_seq: first + 1 },
    },
    {
      seq: before + 2,
      type: "journal.appended",
      subject: null,
      data: { first_seq: first + 2, last_seq: first + 2 },
    },
  ]);
});

test("units of one batch have their events in the order in which they were decided; a failed one has none", async () => {
  const before = await newest();
  const refuse = () => {
    throw new DomainError("not_found", "refused");
  };
  const outcomes = await Promise.allSettled([
    books.ledger.submit(emitting("first")),
    books.ledger.submit(emitting("refused", refuse)),
    books.ledger.submit(emitting("second")),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect((await since(before)).map(({ seq, subject, data }) => [seq, subject, data.name])).toEqual([
    [before + 1, "alice", "first"],
    [before + 2, "alice", "second"],
  ]);
});

test("a unit that is decided again for what it had not read has its event once", async () => {
  const before = await newest();
  await books.run((view) => {
    view.emit({ type: "test.happened", subject: null, data: {} });
    return view.account(a)?.id ?? null;
  });
  expect(await since(before)).toHaveLength(1);
});

test("a unit whose event the database refuses leaves nothing, and the others of its batch stay", async () => {
  const before = await newest();
  const bad: Unit<null> = {
    name: "bad",
    decide(view) {
      view.move({ ...transfer(a, b, 3n), debitAccount: a, creditAccount: b, amount: 3n });
      view.emit({ type: "Not A Type", subject: null, data: {} });
      return null;
    },
  };
  const outcomes = await Promise.allSettled([
    books.ledger.submit(bad),
    books.ledger.submit(emitting("good")),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
  expect((await since(before)).map(({ type }) => type)).toEqual(["test.happened"]);
});

test("connections that die around COMMIT leave no event without its effect, and no effect without its event", async () => {
  const before = await newest();
  const proxy = await startCutProxy(books.database.appUrl);
  const ledger = await openTestLedger(books.database, {
    ...{ databaseUrl: proxy.url, limits: { patienceMs: 20_000 } },
  });
  const schedule = ["before-commit", null, "after-commit", null, null] as const;
  let commits = 0;
  proxy.atCommit = () => schedule[commits++ % schedule.length] ?? null;
  const ids = Array.from({ length: 150 }, () => randomUUID());
  const move = (id: string): Unit<string> => ({
    name: "move-and-tell",
    reads: { accounts: [a, b], transfers: [id], assets: [books.asset] },
    decide(view) {
      const line = view.move({ id, debitAccount: a, creditAccount: b, amount: 1n });
      view.emit({ type: "test.moved", subject: null, data: { transfer: id, line: line.seq } });
      return id;
    },
  });
  for (let from = 0; from < ids.length; from += 5)
    await Promise.all(ids.slice(from, from + 5).map((id) => ledger.submit(move(id))));
  const told = (await since(before)).filter(({ type }) => type === "test.moved");
  expect(told.map(({ data }) => data.transfer).sort()).toEqual([...ids].sort());
  const lines = await books.asOwner("SELECT id, seq FROM transfer WHERE id = ANY ($1)", [ids]);
  expect(new Map(told.map(({ data }) => [data.transfer, data.line]))).toEqual(
    new Map(lines.map(({ id, seq }) => [id, seq])),
  );
  expect(Math.min(proxy.cuts["before-commit"], proxy.cuts["after-commit"])).toBeGreaterThan(3);
  await ledger.close();
  await proxy.close();
});

describe("the application's role", () => {
  test("writes no event of the journal's own, and none beside the head", async () => {
    const app = await connect(books.database.appUrl, books.database);
    const say = (type: string, data = "{}") =>
      `SELECT append_events(ARRAY['${type}'], ARRAY[NULL], ARRAY['${data}'::jsonb])`;
    expect(await attempt(app, say("journal.appended"))).toBe("event_of_the_journal");
    expect(await attempt(app, say("loud"))).toBe("event_form");
    expect(await attempt(app, say("a.b", "[]"))).toBe("event_form");
    expect(await attempt(app, say("a.b"))).toBe("done");
    expect(
      await attempt(app, "INSERT INTO event (seq, time, type, data) VALUES (1000000, 0, 'a.b', '{}')"),
    ).toBe("42501");
    await app.end();
  });
});
