/** The writer while its connections are cut: what was answered is there, and nothing is there twice. */
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, onTestFailed, test } from "vitest";
import { DomainError } from "#kernel";
import type { Ledger, TransferRequest, Unit } from "#ledger";
import { expectCoherent } from "../support/coherence.ts";
import { type CutPlace, startCutProxy } from "../support/cut-proxy.ts";
import { connect, openTestLedger, readsOf, startLedger, type TestLedger } from "../support/ledger.ts";
import { createRandom, type Random } from "../support/random.ts";

let books: TestLedger;
let accounts: string[];
let random: Random;

beforeEach(async () => {
  random = createRandom();
  onTestFailed(() => console.error(`SEED=${random.seed}`));
  books = await startLedger();
  accounts = await Promise.all(Array.from({ length: 30 }, () => books.open()));
  const limited = await Promise.all(Array.from({ length: 10 }, () => books.open({ debitAllowance: 0n })));
  accounts.push(...limited);
});
afterEach(async () => {
  await expectCoherent(books);
  await books.close();
});

interface Work {
  readonly unit: Unit<string[]>;
  readonly reference: string;
  /** How many lines it has in the journal once it is done. */
  readonly lines: number;
}

/** A unit of one to six lines that all pass: single transfers, chains, a pending one with its post or void. */
function someWork(number: number): Work {
  const reference = `work-${number}`;
  const [debitAccount, creditAccount] = twoAccounts();
  const base = () => ({
    id: random.uuid(),
    debitAccount,
    creditAccount,
    amount: BigInt(1 + random.below(50)),
    reference,
  });
  const requests: TransferRequest[] = [];
  if (random.chance(0.3)) {
    const pending = { ...base(), phase: "pending" as const };
    const phase = random.pick(["post", "void"] as const);
    requests.push(pending, { id: random.uuid(), phase, pendingId: pending.id, reference });
  } else {
    const length = 1 + random.below(6);
    for (let at = 0; at < length; at++) requests.push({ ...base(), linked: at < length - 1 });
  }
  const keyed = random.chance(0.5)
    ? { idempotency: { principal: "p", key: reference, fingerprint: "00".repeat(32) } }
    : {};
  const unit: Unit<string[]> = {
    name: reference,
    reads: readsOf(requests),
    bulk: random.chance(0.3),
    weight: requests.length,
    decide: (view) => view.tryTransfers(requests).map(({ code }) => code),
    ...keyed,
  };
  return { unit, reference, lines: requests.length };
}

/** Out of an account without a limit, so that it cannot fail. */
function twoAccounts(): [string, string] {
  const from = random.below(30);
  return [accounts[from] ?? "", accounts[(from + 1 + random.below(39)) % 40] ?? ""];
}

async function linesByReference(): Promise<Map<string, number>> {
  const rows = await books.asOwner(
    "SELECT reference, count(*) AS n FROM transfer WHERE reference IS NOT NULL GROUP BY 1",
  );
  return new Map(rows.map((row) => [row.reference as string, row.n as number]));
}

const isUnavailable = (error: unknown) => error instanceof DomainError && error.code === "unavailable";

/** Submits, and where the answer is `unavailable` the same again, as a client does. */
async function submitUntilDone(ledger: Ledger, work: Work): Promise<string[]> {
  for (;;) {
    try {
      return (await ledger.submit(work.unit)).value;
    } catch (error) {
      if (!isUnavailable(error)) throw error;
    }
  }
}

async function expectDoneOnce(all: readonly Work[], answers: readonly string[][]): Promise<void> {
  const lines = await linesByReference();
  const wrong = all.filter(({ reference, lines: wanted }) => lines.get(reference) !== wanted);
  expect(wrong.map(({ reference, lines: wanted }) => [reference, lines.get(reference), wanted])).toEqual([]);
  expect(answers.flat().filter((code) => code !== "ok" && code !== "exists")).toEqual([]);
}

describe("a COMMIT", () => {
  test.each<[string, readonly (CutPlace | null)[]]>([
    ["that never arrives is done again", ["before-commit", null]],
    ["whose answer never arrives is found, not done again", ["after-commit", null]],
    [
      "cut in any order, twice and thrice in a row, is done once",
      ["before-commit", "after-commit", "after-commit", "before-commit", null, "after-commit", null],
    ],
  ])("%s", async (_, schedule) => {
    const proxy = await startCutProxy(books.database.appUrl);
    const ledger = await openTestLedger(books.database, {
      databaseUrl: proxy.url,
      limits: { patienceMs: 20_000, aheadWeight: 1, batchWeight: 5 },
    });
    let commits = 0;
    proxy.atCommit = () => schedule[commits++ % schedule.length] ?? null;
    const all: Work[] = [];
    const answers: string[][] = [];
    for (let round = 0; round < 15; round++) {
      const works = Array.from({ length: 1 + random.below(8) }, (_, at) => someWork(round * 10 + at));
      all.push(...works);
      // Not one `unavailable`: the writer itself finds out what became of its batch.
      answers.push(...(await Promise.all(works.map(async ({ unit }) => (await ledger.submit(unit)).value))));
    }
    expect(new Set(answers.flat())).toEqual(new Set(["ok"]));
    await expectDoneOnce(all, answers);
    for (const place of ["before-commit", "after-commit"] as const)
      if (schedule.includes(place)) expect(proxy.cuts[place]).toBeGreaterThanOrEqual(5);
    await ledger.close();
    await proxy.close();
  });

  test("that stays unanswered for too long is unavailable, and the same request then finds what was done", async () => {
    const proxy = await startCutProxy(books.database.appUrl);
    const ledger = await openTestLedger(books.database, {
      databaseUrl: proxy.url,
      limits: { patienceMs: 0 },
    });
    const work = someWork(1);
    proxy.atCommit = () => "after-commit";
    await expect(ledger.submit(work.unit)).rejects.toSatisfy(isUnavailable);
    expect((await linesByReference()).get(work.reference)).toBe(work.lines);
    proxy.atCommit = () => null;
    const answer = await submitUntilDone(ledger, work);
    expect(new Set(answer)).toEqual(new Set([work.unit.idempotency ? "ok" : "exists"]));
    await expectDoneOnce([work], [answer]);
    await ledger.close();
    await proxy.close();
  });

  test("of expiries alone may be cut too: what waits behind them is decided once", async () => {
    const { database } = books;
    const [from = "", to = ""] = accounts;
    const purse = await books.open({ debitAllowance: 0n });
    const due = Array.from({ length: 4_100 }, () => ({
      ...{ id: random.uuid(), debitAccount: purse, creditAccount: to, amount: 1n },
      ...({ phase: "pending", timeoutSeconds: 5 } as const),
    }));
    await books.send({ id: random.uuid(), debitAccount: from, creditAccount: purse, amount: 4_100n });
    expect(new Set(await books.send(...due))).toEqual(new Set(["ok"]));
    await books.advance(5);
    const proxy = await startCutProxy(database.appUrl);
    const ledger = await openTestLedger(database, { databaseUrl: proxy.url, limits: { patienceMs: 20_000 } });
    const schedule: CutPlace[] = ["after-commit", "before-commit", "after-commit"];
    proxy.atCommit = () => schedule.shift() ?? null;
    const spend = { id: random.uuid(), debitAccount: purse, creditAccount: to, amount: 4_100n };
    const { value } = await ledger.submit({ name: "spend", decide: (view) => view.move(spend).id });
    expect(value).toBe(spend.id);
    expect(proxy.cuts).toEqual({ "before-commit": 1, "after-commit": 2 });
    await ledger.close();
    await proxy.close();
  });
});

describe("connections that die at any moment", () => {
  test("lose nothing that was answered and do nothing twice", async () => {
    const { database } = books;
    const admin = await connect(database.adminUrl, database);
    const proxy = await startCutProxy(database.appUrl);
    const limits = { patienceMs: 1_000, batchWeight: 60, aheadWeight: 1 };
    const ledgers = [
      await openTestLedger(database, { limits }),
      await openTestLedger(database, { limits, databaseUrl: proxy.url }),
    ];
    const works = Array.from({ length: 700 }, (_, number) => someWork(number));
    let running = true;
    let killed = 0;
    const killer = (async () => {
      while (running) {
        await pause(10 + random.below(300));
        if (random.chance(0.2)) proxy.cutAll();
        const { rowCount } = await admin.query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND application_name = 'anchorbook-writer'",
          [database.name],
        );
        killed += rowCount ?? 0;
      }
    })();
    const answers: string[][] = [];
    const queue = [...works.entries()];
    const clients = Array.from({ length: 50 }, async () => {
      for (let next = queue.shift(); next; next = queue.shift()) {
        const [number, work] = next;
        const ledger = ledgers[number % 2] as Ledger;
        answers.push(await submitUntilDone(ledger, work));
      }
    });
    await Promise.all(clients).finally(() => {
      running = false;
    });
    await killer;
    expect(killed).toBeGreaterThan(5);
    await expectDoneOnce(works, answers);
    for (const ledger of ledgers) await ledger.close();
    await admin.end();
    await proxy.close();
  });
});

describe("two writers on one ledger", () => {
  test("take thousands of mixed units with no deadlock, no refusal, nothing twice", async () => {
    const other = await openTestLedger(books.database, { limits: { batchWeight: 200 } });
    const works = Array.from({ length: 2_000 }, (_, number) => someWork(number));
    const refused: unknown[] = [];
    const answers = await Promise.all(
      works.map(async (work, number) => {
        try {
          const both = number % 10 === 0; // every tenth goes to both at once
          const [answer, second] = await Promise.all([
            (number % 2 ? books.ledger : other).submit(work.unit),
            both ? (number % 2 ? other : books.ledger).submit(work.unit) : null,
          ]);
          return [...answer.value, ...(second?.value ?? [])];
        } catch (error) {
          refused.push(error);
          return [];
        }
      }),
    );
    expect(refused).toEqual([]);
    await expectDoneOnce(works, answers);
    await other.close();
  });

  test("share what an account holds to the last unit, and one key between them", async () => {
    const other = await openTestLedger(books.database);
    const [bank = "", shop = ""] = accounts;
    const purse = await books.open({ debitAllowance: 0n });
    await books.send({ id: random.uuid(), debitAccount: bank, creditAccount: purse, amount: 100n });
    const spend = (number: number) => {
      const request = { id: random.uuid(), debitAccount: purse, creditAccount: shop, amount: 1n };
      const unit: Unit<string> = {
        name: "spend",
        idempotency: { principal: "p", key: `spend-${number % 200}`, fingerprint: "00".repeat(32) },
        decide: (view) => view.move(request).id,
      };
      return (number % 2 ? books.ledger : other).submit(unit);
    };
    const outcomes = await Promise.allSettled(
      Array.from({ length: 401 }, (_, number) => spend(number % 2 ? number : number + 1)),
    );
    const ids = new Set(outcomes.flatMap((one) => (one.status === "fulfilled" ? [one.value.value] : [])));
    expect(ids.size).toBe(100);
    expect(await books.queries.account(purse)).toMatchObject({ debitsPosted: 100n, creditsPosted: 100n });
    for (const one of outcomes)
      if (one.status === "rejected") expect(one.reason).toMatchObject({ code: "insufficient_balance" });
    await other.close();
  });
});
