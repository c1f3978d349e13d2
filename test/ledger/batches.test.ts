/**
 * What a batch asks of Postgres, seen on the wire: the head before anything is
 * read, one statement a table however many units there are, one update a hot
 * account; and how units come together in batches.
 */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import {
  column,
  columns,
  type Json,
  type Ledger,
  type RowTable,
  type TransferRequest,
  type Unit,
} from "#ledger";
import { expectCoherent } from "../support/coherence.ts";
import {
  connect,
  newAccount,
  openTestLedger,
  readsOf,
  startLedger,
  type TestLedger,
  transfer,
} from "../support/ledger.ts";
import { startWireTap, type WireTap } from "../support/wire-tap.ts";

/** Reads or writes rows of the ledger. */
const TOUCHES_ROWS =
  /\b(FROM|INTO|UPDATE|JOIN)\s+(account|transfer|hold|failed_transfer|idempotency|owner|position|position_change|account_closing|section_count|asset|writer)\b/i;
const TAKES_HEAD = /(take_head|was_written)\s*\(|UPDATE\s+journal_head/i;
const WRITES = /\b(INSERT\s+INTO|UPDATE|DELETE\s+FROM|MERGE\s+INTO)\s+(\w+)/gi;

let books: TestLedger;
let tap: WireTap;
let ledger: Ledger;
let batches: { units: number; lines: number; waitMs: number }[];
let a: string;
let b: string;

beforeAll(async () => {
  books = await startLedger();
  tap = await startWireTap(books.database.appUrl);
  batches = [];
  ledger = await openTestLedger(books.database, {
    databaseUrl: tap.url,
    onBatch: (batch) => batches.push(batch),
  });
  [a, b] = [await books.open(), await books.open()];
});
beforeEach(() => {
  batches.length = 0;
  tap.clear();
});
afterAll(async () => {
  await ledger.close();
  await tap.close();
  await expectCoherent(books);
  await books.close();
});

function sending(...requests: readonly TransferRequest[]): Unit<string[]> {
  return {
    ...{ name: "sending", weight: requests.length, reads: { ...readsOf(requests), assets: ["USD"] } },
    decide: (view) => view.tryTransfers(requests).map(({ code }) => code),
  };
}
const submitAll = async (units: readonly Unit<string[]>[]) =>
  (await Promise.all(units.map((unit) => ledger.submit(unit)))).map(({ value }) => value.join());

/** Units of every kind of read and write: new accounts, positions, holds and their ends, keys, failures, undeclared reads. */
function mixedUnits(): Unit<string[]>[] {
  const keyed = (unit: Unit<string[]>): Unit<string[]> => ({
    ...unit,
    idempotency: { principal: "p", key: randomUUID(), fingerprint: "00".repeat(32) },
  });
  const pending = transfer(a, b, 1n, { phase: "pending" });
  const user = randomUUID();
  const position = {
    section: "balances",
    user,
    keyParts: [user],
    validUntil: 0,
    kind: 0,
    quantity: 0,
  } as const;
  const opening: Unit<string[]> = {
    name: "opening",
    decide(view) {
      const account = view.openAccount({ asset: "USD", role: "available", owner: user });
      view.openOwner(user, new Uint8Array(32));
      view.setPosition({ ...position, account });
      return ["ok"];
    },
  };
  const undeclared = transfer(a, b, 1n);
  const brief = randomUUID();
  const closing: Unit<string[]> = {
    name: "closing",
    reads: { accounts: [brief], positions: [brief], assets: ["USD"] },
    decide(view) {
      view.openAccountWithId(newAccount({ id: brief, asset: "USD", createdAt: view.now }));
      return [view.closeAccount(brief) ? "ok" : "closed"];
    },
  };
  return [
    keyed(sending(transfer(a, b, 1n))),
    sending(pending, { id: randomUUID(), phase: "post", pendingId: pending.id }),
    keyed(opening),
    sending(transfer(randomUUID(), b, 1n)),
    closing,
    { name: "undeclared", decide: (view) => view.tryTransfers([undeclared]).map(({ code }) => code) },
  ];
}

describe("every transaction of the writer", () => {
  test("takes the head before it reads or writes a row, the one that asks what became of a COMMIT too", async () => {
    for (let round = 0; round < 5; round++) await submitAll(mixedUnits());
    const transactions = tap.transactions();
    expect(transactions.length).toBeGreaterThanOrEqual(5);
    for (const statements of transactions) {
      const head = statements.findIndex((text) => TAKES_HEAD.test(text));
      const rows = statements.findIndex((text) => TOUCHES_ROWS.test(text));
      expect(head, statements.join(";\n")).toBeGreaterThanOrEqual(0);
      if (rows >= 0) expect(rows, statements.join(";\n")).toBeGreaterThan(head);
    }
    expect(tap.errors).toEqual([]);
  });

  test("writes with one statement a table, and asks no more of 400 units than of one of each kind", async () => {
    await submitAll(mixedUnits()); // prepares
    tap.clear();
    await submitAll(mixedUnits());
    const few = tap.transactions();
    tap.clear();
    // Only what was declared: a read that was not costs a statement of its own.
    const many = Array.from({ length: 80 }, mixedUnits).flatMap((units) => units.slice(0, 5));
    expect(new Set(await submitAll(many))).toEqual(new Set(["ok", "ok,ok", "account_not_found"]));
    const [statements = [], ...more] = tap.transactions();
    expect(more).toEqual([]);
    const written = statements.flatMap((text) => [...text.matchAll(WRITES)].map((match) => match[2]));
    expect(written.length).toBeGreaterThan(5);
    expect(written.filter((table, place) => written.indexOf(table) !== place)).toEqual([]);
    // Each new user's position and owner are looked up where they were not declared: counted apart.
    const loads = (texts: readonly string[]) => texts.filter((text) => /^\s*SELECT/i.test(text)).length;
    expect(statements.length - loads(statements)).toBeLessThanOrEqual(
      (few[0]?.length ?? 0) - loads(few[0] ?? []),
    );
  });
});

describe("units that arrive", () => {
  test("alone, one after the other, wait for nobody", async () => {
    // No timer of this process ends: a window in which more could arrive would stay open.
    vi.useFakeTimers({ toFake: ["setTimeout", "setInterval"] });
    try {
      for (let round = 0; round < 40; round++) await submitAll([sending(transfer(a, b, 1n))]);
    } finally {
      vi.useRealTimers();
    }
    expect(batches.map(({ units }) => units)).toEqual(Array(40).fill(1));
  });

  test("together are committed together: two thousand in one transaction", async () => {
    const codes = await submitAll(Array.from({ length: 2_000 }, () => sending(transfer(a, b, 1n))));
    expect(new Set(codes)).toEqual(new Set(["ok"]));
    expect(batches.map(({ units }) => units)).toEqual([2_000]);
    expect(tap.transactions()).toHaveLength(1);
  });

  test("while a batch is under way are the next one", async () => {
    const first = submitAll([sending(transfer(a, b, 1n))]);
    await new Promise((turn) => setImmediate(turn));
    await new Promise((turn) => setImmediate(turn));
    const later = submitAll(Array.from({ length: 300 }, () => sending(transfer(a, b, 1n))));
    await Promise.all([first, later]);
    expect(batches.map(({ units }) => units)).toEqual([1, 300]);
  });
});

describe("the units of a batch", () => {
  test("see those before them: what one took the next does not have", async () => {
    const purse = await books.open({ debitAllowance: 0n });
    const fund = transfer(a, purse, 60n);
    const spends = Array.from({ length: 100 }, () => sending(transfer(purse, b, 1n)));
    const refill = sending(transfer(a, purse, 5n));
    const codes = await submitAll([sending(fund), ...spends.slice(0, 80), refill, ...spends.slice(80)]);
    expect(codes).toEqual([
      "ok",
      ...[...Array(60).fill("ok"), ...Array(20).fill("exceeds_credits")],
      "ok",
      ...[...Array(5).fill("ok"), ...Array(15).fill("exceeds_credits")],
    ]);
    expect(batches).toHaveLength(1);
  });

  test("see rows of programs, accounts, holds and ids of those before them", async () => {
    const account = randomUUID();
    const pending = transfer(a, account, 5n, { phase: "pending" });
    const post = { id: randomUUID(), phase: "post" as const, pendingId: pending.id };
    const open: Unit<string[]> = {
      name: "open",
      decide(view) {
        const shape = view.account(a);
        if (!shape || view.account(account)) return ["exists"];
        const fresh = { debitsPosted: 0n, creditsPosted: 0n, debitsPending: 0n, creditsPending: 0n };
        view.openAccountWithId({ ...shape, ...fresh, id: account, createdAt: view.now });
        return ["ok"];
      },
    };
    const void_ = { id: randomUUID(), phase: "void" as const, pendingId: pending.id };
    const units = [open, open, sending(pending), sending(post), sending(void_), sending(pending)];
    expect(await submitAll(units)).toEqual([
      ...["ok", "exists", "ok", "ok", "pending_transfer_already_posted", "exists"],
    ]);
    expect(batches).toHaveLength(1);
  });

  test("leave nothing of themselves where they fail", async () => {
    const account = randomUUID();
    const moved = transfer(a, b, 7n);
    const failing: Unit<string[]> = {
      name: "failing",
      decide(view) {
        view.openAccount({ asset: "USD", role: "available", owner: account });
        view.tryTransfers([moved]);
        throw new TypeError("after all that");
      },
    };
    const outcomes = await Promise.allSettled([
      ledger.submit(failing),
      ledger.submit(sending(transfer(a, b, 1n))),
      ledger.submit<string[]>({
        name: "looking",
        decide: (view) => [String(view.transfer(moved.id)), String(view.owner(account))],
      }),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "fulfilled"]);
    expect(outcomes[2]).toMatchObject({ value: { value: ["null", "null"] } });
    expect(await books.queries.transfer(moved.id)).toBeNull();
    expect(batches).toHaveLength(1);
  });

  test("are parted from a poisoned one in a few steps: 999 of 1,000 are written", async () => {
    const units = Array.from({ length: 1_000 }, (_, place) =>
      sending(transfer(a, b, 1n, place === 612 ? { reference: "\u0000" } : {})),
    );
    const outcomes = await Promise.allSettled(units.map((unit) => ledger.submit(unit)));
    expect(outcomes.flatMap(({ status }, place) => (status === "rejected" ? [place] : []))).toEqual([612]);
    // The whole, then two halves at each step down to one.
    expect(tap.transactions().length).toBeLessThanOrEqual(1 + 2 * Math.ceil(Math.log2(1_000)));
    expect(batches.reduce((sum, { lines }) => sum + lines, 0)).toBe(999);
  });
});

test("an account in every transfer of a batch is updated once", async () => {
  const watched = await startLedger();
  const system = (role: "treasury" | "issuance") =>
    watched.run((view) => view.openAccount({ asset: "USD", role, owner: null }));
  const [treasury, issuance] = [await system("treasury"), await system("issuance")];
  expect(await watched.send(transfer(issuance, treasury, 1_000n))).toEqual(["ok"]);
  const users = await watched.run((view) =>
    Array.from({ length: 40 }, (_, n) =>
      view.openAccount({ asset: "USD", role: "available", owner: `u${n}` }),
    ),
  );
  await watched.ledger.close(); // so that its counts are all told
  const updates = async () => {
    const admin = await connect(watched.database.adminUrl, watched.database);
    const { rows } = await admin.query<{ relname: string; n: number }>(
      "SELECT relname, n_tup_upd AS n FROM pg_stat_user_tables WHERE relname IN ('account', 'journal_head')",
    );
    await admin.end();
    return Object.fromEntries(rows.map(({ relname, n }) => [relname, n]));
  };
  const before = await updates();
  const hot = await openTestLedger(watched.database);
  const requests = Array.from({ length: 1_000 }, (_, n) => transfer(treasury, users[n % 40] ?? "", 1n));
  const answers = await Promise.all(requests.map((request) => hot.submit(sending(request))));
  expect(new Set(answers.map(({ value }) => value.join()))).toEqual(new Set(["ok"]));
  await hot.close();
  await expect.poll(updates, { timeout: 5_000 }).toMatchObject({ account: (before.account ?? 0) + 41 });
  await expectCoherent(watched);
  await watched.close();
});

test("the writer's connection has the settings that it needs, whatever the role's are", async () => {
  const admin = await connect(books.database.adminUrl, books.database);
  const role = `ALTER ROLE anchorbook_app IN DATABASE ${books.database.name} SET`;
  for (const setting of ["jit = on", "lock_timeout = 0", "idle_in_transaction_session_timeout = 0"])
    await admin.query(`${role} ${setting}`);
  await admin.end();
  const settings: RowTable<{ name: string; value: string }, { name: string }> = {
    name: "settings",
    load: {
      sql: "SELECT name, current_setting(name) AS value FROM unnest($1::text[]) AS wanted (name)",
      parameters: columns(column.text((key) => key.name)),
    },
    save: null,
    keyOf: ({ name }) => ({ name }),
    decode: (record) => record as { name: string; value: string },
  };
  const fresh = await openTestLedger(books.database);
  const names = ["jit", "lock_timeout", "idle_in_transaction_session_timeout", "transaction_isolation"];
  const { value } = await fresh.submit<Json[]>({
    name: "settings",
    decide: (view) => names.map((name) => view.row(settings, { name })?.value ?? null),
  });
  expect(value).toEqual(["off", "5s", "2s", "read committed"]);
  await fresh.close();
});
