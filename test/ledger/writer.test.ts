import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { textArray } from "#infra";
import { DomainError } from "#kernel";
import { columns, type Idempotency, type Json, type RowTable, type Submitted, type Unit } from "#ledger";
import { expectCoherent } from "../support/coherence.ts";
import { openTestLedger, readsOf, startLedger, type TestLedger, transfer } from "../support/ledger.ts";

let books: TestLedger;
let a: string;
let b: string;

beforeAll(async () => {
  books = await startLedger();
  [a, b] = [await books.open(), await books.open()];
});
afterAll(async () => {
  await expectCoherent(books);
  await books.close();
});

const keyed = (key: string, body = "00"): Idempotency => ({
  principal: "olga",
  key,
  fingerprint: body.repeat(32),
});

/** Moves once each time it acts, and answers what no repetition could make up. */
function movingUnit(amount: bigint, more: Partial<Unit<string>> = {}): Unit<string> {
  const request = transfer(a, b, amount);
  return {
    name: "moving",
    decide: (view) => view.move({ ...request, debitAccount: a, creditAccount: b, amount }).id,
    ...more,
  };
}
const codeOf = (outcome: PromiseSettledResult<unknown>) =>
  outcome.status === "fulfilled"
    ? "ok"
    : outcome.reason instanceof DomainError
      ? outcome.reason.code
      : "refused";
const credits = async (id = b) => (await books.queries.account(id))?.creditsPosted ?? 0n;

describe("the same request", () => {
  test("twice at once, by transfer id, acts once", async () => {
    const request = transfer(a, b, 1n);
    const before = await credits();
    const codes = await Promise.all(Array.from({ length: 20 }, () => books.send(request)));
    expect(codes.flat().sort()).toEqual([...Array(19).fill("exists"), "ok"]);
    expect(await credits()).toBe(before + 1n);
  });

  test("under one idempotency key acts once and answers the same, at once and for good", async () => {
    const before = await credits();
    const key = keyed(randomUUID());
    const unit = () => movingUnit(3n, { idempotency: key });
    const answers: Submitted<string>[] = await Promise.all(
      Array.from({ length: 20 }, () => books.ledger.submit(unit())),
    );
    answers.push(await books.ledger.submit(unit()));
    const other = await openTestLedger(books.database);
    answers.push(await other.submit(unit()));
    await other.close();
    expect(new Set(answers.map(({ value }) => value)).size).toBe(1);
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(await credits()).toBe(before + 3n);
  });

  test("under a key of another request is refused and does nothing, in one batch and in a later one", async () => {
    const before = await credits();
    const key = randomUUID();
    const first = books.ledger.submit(movingUnit(3n, { idempotency: keyed(key) }));
    const second = books.ledger.submit(movingUnit(3n, { idempotency: keyed(key, "11") }));
    expect((await Promise.allSettled([first, second])).map(codeOf)).toEqual(["ok", "idempotency_key_reused"]);
    const third = books.ledger.submit(movingUnit(3n, { idempotency: keyed(key, "22") }));
    expect((await Promise.allSettled([third])).map(codeOf)).toEqual(["idempotency_key_reused"]);
    // The key is one principal's.
    await books.ledger.submit(movingUnit(3n, { idempotency: { ...keyed(key, "22"), principal: "otto" } }));
    expect(await credits()).toBe(before + 6n);
  });

  test("is replayed with its stored error too, and an error that is not stored is decided anew", async () => {
    const purse = await books.open({ debitAllowance: 0n });
    const spend = (key: string) => {
      const request = { ...transfer(purse, b, 5n), debitAccount: purse, creditAccount: b, amount: 5n };
      return books.ledger.submit({
        name: "spend",
        idempotency: keyed(key),
        decide: (view) => view.move(request).id,
      });
    };
    const refuse = (key: string) =>
      books.ledger.submit({
        name: "refuse",
        idempotency: keyed(key),
        decide: (view) => {
          if (view.availableBalance(purse) < 5n) throw new DomainError("invalid_request", "not now");
          return "now";
        },
      });
    const [stored, unstored] = [randomUUID(), randomUUID()];
    const first = await spend(stored).catch((error: unknown) => error as DomainError);
    expect([await Promise.allSettled([refuse(unstored)])].flat().map(codeOf)).toEqual(["invalid_request"]);
    await books.send(transfer(a, purse, 5n));
    const again = await spend(stored).catch((error: unknown) => error as DomainError);
    expect(first).toMatchObject({ code: "insufficient_balance", replayed: false });
    expect(again).toMatchObject({ code: "insufficient_balance", replayed: true });
    expect((again as DomainError).details).toEqual((first as DomainError).details);
    expect((await refuse(unstored)).value).toBe("now");
  });
});

describe("a unit that the database refuses", () => {
  const poison = () => books.send(transfer(a, b, 1n, { reference: "\u0000" }));
  const badRead = () =>
    books.ledger.submit({ name: "bad", reads: { accounts: ["no uuid"] }, decide: () => null });

  test("fails alone: its neighbours in the batch survive, in their order", async () => {
    const before = await credits();
    const units = Array.from({ length: 60 }, (_, at) =>
      at % 20 === 7 ? poison() : at % 20 === 13 ? badRead() : books.send(transfer(a, b, 1n)),
    );
    const outcomes = (await Promise.allSettled(units)).map(codeOf);
    expect(outcomes).toEqual(
      Array.from({ length: 60 }, (_, at) => ([7, 13].includes(at % 20) ? "refused" : "ok")),
    );
    expect(await credits()).toBe(before + 54n);
  });

  test("does no lasting harm to a connection whose first batch it is in", async () => {
    const ledger = await openTestLedger(books.database);
    const send = (reference: string, key: string) => {
      const request = transfer(a, b, 1n, { reference });
      return ledger.submit({
        ...{ name: "first", idempotency: keyed(key), reads: readsOf([request]) },
        decide: (view) =>
          view.tryTransfers([request, transfer(a, b, 0n, { id: request.id })]).map(({ code }) => code),
      });
    };
    const first = await Promise.allSettled([send("\u0000", randomUUID()), send("fine", randomUUID())]);
    expect(first.map(codeOf)).toEqual(["refused", "ok"]);
    const purse = await books.open({ debitAllowance: 0n });
    const later = await ledger.submit({
      name: "later",
      decide: (view) =>
        view.tryTransfers([transfer(purse, b, 1n, { id: "7f3c1d5e-0000-4000-8000-000000000002" })])[0]
          ?.code ?? null,
    });
    expect(later.value).toBe("exceeds_credits");
    expect((await send("fine", randomUUID())).value).toEqual(["ok", "exists_with_different_amount"]);
    await ledger.close();
  });

  test("leaves its key unused and its transfer id free", async () => {
    const key = keyed(randomUUID());
    const request = transfer(a, b, 1n);
    const send = (reference: string) =>
      books.ledger.submit({
        name: "poison",
        idempotency: key,
        decide: (view) => view.tryTransfers([{ ...request, reference }]).map(({ code }) => code),
      });
    await expect(send("\u0000")).rejects.toThrow();
    expect(await send("fine")).toEqual({ value: ["ok"], replayed: false });
  });

  test("or that cannot even be written down, harms nobody either", async () => {
    const table: RowTable<{ id: string }, { id: string }> = {
      name: "poison",
      load: { sql: "SELECT 'x' AS id WHERE false", parameters: columns() },
      save: {
        sql: "SELECT 1",
        parameters: () => {
          throw new Error("cannot be encoded");
        },
      },
      keyOf: ({ id }) => ({ id }),
      decode: () => ({ id: "" }),
    };
    const byZero = {
      sql: "SELECT 1 / (length($1::text) - length($1::text))",
      parameters: () => [textArray([""])],
    };
    const before = await credits();
    const unwritable = books.ledger.submit({
      name: "unwritable",
      decide: (view) => {
        // A statement that fails too, sent before the one that cannot be made.
        view.tryTransfers([
          transfer(a, b, 1n, { id: "7f3c1d5e-0000-4000-8000-000000000001", reference: "\u0000" }),
        ]);
        view.putRow(table, { id: "1" });
        return null;
      },
    });
    const division = books.ledger.submit({
      name: "division",
      decide: (view) => {
        view.putRow({ ...table, name: "division", save: byZero }, { id: "1" });
        return null;
      },
    });
    const outcomes = await Promise.allSettled([
      books.send(transfer(a, b, 1n)),
      unwritable,
      division,
      books.send(transfer(a, b, 1n)),
    ]);
    expect(outcomes.map(codeOf)).toEqual(["ok", "refused", "refused", "ok"]);
    expect(await credits()).toBe(before + 2n);
  });

  test("in its own code fails alone as well", async () => {
    const bug = books.ledger.submit({
      name: "bug",
      decide: () => {
        throw new TypeError("a bug");
      },
    });
    const outcomes = await Promise.allSettled([
      books.send(transfer(a, b, 1n)),
      bug,
      books.send(transfer(a, b, 1n)),
    ]);
    expect(outcomes.map(codeOf)).toEqual(["ok", "refused", "ok"]);
  });

  test("an amount beyond what a column holds cannot be asked for", async () => {
    const outcomes = await Promise.allSettled([
      books.send(transfer(a, b, 2n ** 130n)),
      books.send(transfer(a, b, 1n)),
    ]);
    expect(outcomes).toEqual([
      { status: "fulfilled", value: ["overflows"] },
      { status: "fulfilled", value: ["ok"] },
    ]);
  });
});

describe("the queue", () => {
  test("is bounded by lines: what is beyond is unavailable at once, and room comes back", async () => {
    const refused: number[] = [];
    const ledger = await openTestLedger(books.database, {
      limits: { queueWeight: 10 },
      onBatch: (batch) => refused.push(batch.refused),
    });
    const unit = (weight: number): Unit<Json> => ({ name: "weighty", weight, decide: () => null });
    const outcomes = await Promise.allSettled([
      ...Array.from({ length: 12 }, () => ledger.submit(unit(1))),
      ledger.submit(unit(11)),
    ]);
    expect(outcomes.map(codeOf)).toEqual([...Array(10).fill("ok"), ...Array(3).fill("unavailable")]);
    expect(outcomes[11]).toMatchObject({ reason: { retryAfterSeconds: 1 } });
    expect((await ledger.submit(unit(10))).replayed).toBe(false);
    expect(refused).toEqual([3, 0]);
    await ledger.close();
  });

  test("lets interactive units go before bulk that came earlier, in slices", async () => {
    const batches: number[] = [];
    const ledger = await openTestLedger(books.database, {
      limits: { batchWeight: 100, bulkWeightBesideInteractive: 20 },
      onBatch: ({ lines }) => batches.push(lines),
    });
    const order: string[] = [];
    const submit = (kind: string, count: number) => {
      const requests = Array.from({ length: count }, () => transfer(a, b, 1n));
      const unit: Unit<Json> = {
        ...{
          name: kind,
          bulk: kind === "bulk",
          weight: count,
          reads: { ...readsOf(requests), assets: ["USD"] },
        },
        decide: (view) => {
          order.push(kind);
          return view.tryTransfers(requests).map(({ code }) => code);
        },
      };
      return ledger.submit(unit);
    };
    const all = [
      ...Array.from({ length: 10 }, () => submit("bulk", 10)),
      ...Array.from({ length: 3 }, () => submit("user", 1)),
    ];
    await Promise.all(all);
    expect(order.slice(0, 5)).toEqual(["user", "user", "user", "bulk", "bulk"]);
    expect(batches).toEqual([23, 80]);
    await ledger.close();
  });

  test("is written when the ledger closes, and takes nothing after that", async () => {
    const ledger = await openTestLedger(books.database);
    const request = transfer(a, b, 1n);
    const last = ledger.submit({ name: "last", decide: (view) => view.tryTransfers([request]).length });
    const closing = ledger.close();
    const late = ledger.submit({ name: "late", decide: () => null });
    expect((await Promise.allSettled([late])).map(codeOf)).toEqual(["unavailable"]);
    await closing;
    expect((await last).value).toBe(1);
    expect(await books.queries.transfer(request.id)).not.toBeNull();
  });
});

describe("time", () => {
  test("never runs backwards, even where the clock was ahead", async () => {
    const ahead = (await books.queries.now()) + 5_000;
    await books.asOwner("UPDATE journal_head SET time = $1", [ahead]);
    const [one, two] = [transfer(a, b, 1n), transfer(a, b, 1n, { effectiveAt: ahead })];
    expect([await books.send(one), await books.send(two)]).toEqual([["ok"], ["ok"]]);
    expect((await books.queries.transfer(two.id))?.time).toBe(ahead);
    expect(await books.queries.now()).toBe(ahead);
    expect(await books.run((view) => view.now)).toBe(ahead);
  });

  test("does not go back because somebody set the offset back", async () => {
    await expect(books.asOwner("SELECT advance_clock(-1000000000)")).rejects.toThrow();
    const before = await books.queries.now();
    await books.asOwner("UPDATE journal_head SET clock_offset = 0");
    expect(await books.run((view) => view.now)).toBeGreaterThanOrEqual(before);
  });
});

test("a unit that reads all its transfers' accounts without declaring them is still decided soon", async () => {
  const accounts = await Promise.all(Array.from({ length: 100 }, () => books.open()));
  const requests = accounts.map((account) => transfer(a, account, 1n));
  const codes = await books.run((view) => view.tryTransfers(requests).map(({ code }) => code));
  expect(new Set(codes)).toEqual(new Set(["ok"]));
});
