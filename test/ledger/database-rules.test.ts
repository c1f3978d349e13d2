/**
 * The database is the last line of defence: each of its rules is attacked with
 * plain SQL as the application's own role, as if the application were wrong or
 * taken over.
 */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Attempt, attempt, insertLines, insertPositions, type Line } from "../support/hostile.ts";
import { connect, transfer } from "../support/ledger.ts";
import { DENIED, type HostileWorld, line, startHostileWorld, tst } from "./hostile-world.ts";

let hostile: HostileWorld;
beforeAll(async () => {
  hostile = await startHostileWorld();
});
beforeEach(() => hostile.look());
afterAll(() => hostile.close());

describe("a line that is in order", () => {
  test("is let through, or the refusals below would mean nothing", async () => {
    const { a, b, treasury, bob, alice, aliceLocked } = hostile.accounts;
    const { hold } = hostile;
    expect(await attempt(hostile.app, hostile.lines(line(a, b), line(b, a)))).toBe("done");
    expect(await attempt(hostile.app, hostile.lines(tst(treasury, bob), tst(alice, aliceLocked, 100)))).toBe(
      "done",
    );
    const post = line(a, b, { phase: "post", pending_id: hold, amount: 10 });
    expect(await attempt(hostile.app, hostile.lines(post))).toBe("done");
    expect(
      await attempt(
        hostile.app,
        insertPositions(hostile.head, [{ account: a }, { account: b, index: 1, key: 2 }]),
      ),
    ).toBe("done");
  });
});

describe("the journal's order", () => {
  test("has no gap, no place twice, no other beginning", async () => {
    const { a, b } = hostile.accounts;
    const at = (...offsets: number[]) => hostile.lines(...offsets.map((offset) => line(a, b, { offset })));
    expect(await attempt(hostile.app, at(1))).toBe("journal_gapless");
    expect(await attempt(hostile.app, at(0, 2))).toBe("journal_gapless");
    expect(await attempt(hostile.app, at(1_000))).toBe("journal_gapless");
    expect(await attempt(hostile.app, at(0, 0))).toBe("transfer_pkey");
    expect(await attempt(hostile.app, at(-hostile.head.next_seq))).toBe("transfer_pkey");
    expect(await attempt(hostile.app, at(-hostile.head.next_seq - 1))).toBe("journal_gapless");
    expect(
      await attempt(hostile.app, [
        ...(hostile.lines(line(a, b)) as []),
        ...(hostile.lines(line(a, b)) as []),
      ]),
    ).toBe("transfer_pkey");
    const position = { account: a };
    const next = { ...hostile.head, next_seq: hostile.head.next_seq + 1 };
    expect(await attempt(hostile.app, insertPositions(next, [position]))).toBe("journal_gapless");
    expect(
      await attempt(hostile.app, [
        ...(hostile.lines(line(a, b)) as []),
        ...(insertPositions(hostile.head, [position]) as []),
      ]),
    ).toBe("journal_gapless");
  });

  test("has one time a batch, not behind the head and not ahead of the clock", async () => {
    const { a, b } = hostile.accounts;
    const at = (...times: number[]) =>
      hostile.lines(...times.map((time) => line(a, b, { time, effective_at: 0 })));
    const [{ time: headTime }] = (await hostile.app.query("SELECT time FROM journal_head")).rows;
    expect(await attempt(hostile.app, at(headTime - 1))).toBe("journal_gapless");
    expect(await attempt(hostile.app, at(hostile.head.time + 60))).toBe("journal_gapless");
    expect(await attempt(hostile.app, at(hostile.head.time - 1, hostile.head.time))).toBe("journal_gapless");
    expect(await attempt(hostile.app, hostile.lines(line(a, b, { effective_at: -1 })))).toBe(
      "transfer_effective_not_in_the_future",
    );
    expect(
      await attempt(hostile.app, hostile.lines(line(a, b, { effective_at: hostile.head.time + 1 }))),
    ).toBe("transfer_effective_not_in_the_future");
  });

  test("is not run twice by two connections that take the same place", async () => {
    const { a, b } = hostile.accounts;
    const other = await connect(hostile.books.database.appUrl, hostile.books.database);
    const both = await Promise.all([
      attempt(hostile.app, hostile.lines(line(a, b))),
      attempt(other, hostile.lines(line(a, b))),
    ]);
    expect(both).toEqual(["done", "done"]); // one after the other: each was taken back
    await other.end();
  });
});

describe("balances", () => {
  test.each(["debits_posted", "credits_posted", "debits_pending", "credits_pending", "closed"])(
    "cannot begin with %s said by the application",
    async (column) => {
      const insert = (how: string) => `INSERT INTO account (id, asset, role, created_at, ${column}) ${how}`;
      const value = column === "closed" ? "true" : "5";
      expect(
        await attempt(hostile.app, insert(`VALUES (gen_random_uuid(), 'USD', 'general', 0, ${value})`)),
      ).toBe(DENIED);
      expect(await attempt(hostile.app, `COPY account (id, ${column}) FROM STDIN`)).toBe(DENIED);
      const existing = `INSERT INTO account (id, asset, role, created_at) SELECT id, asset, role, 0 FROM account
        ON CONFLICT (id) DO UPDATE SET ${column} = ${value}`;
      expect(await attempt(hostile.app, existing)).toBe(DENIED);
      const merge = `MERGE INTO account a USING (SELECT 1) AS s ON true
        WHEN MATCHED THEN UPDATE SET ${column} = ${value}`;
      expect(await attempt(hostile.app, merge)).toBe(DENIED);
    },
  );

  test("stay within their limits, holds included", async () => {
    const { a, b, purse, loan, custody, treasury, alice, aliceLocked } = hostile.accounts;
    const debit = "account_within_debit_allowance";
    expect(await attempt(hostile.app, hostile.lines(line(purse, b, { amount: 6 })))).toBe(debit);
    expect(await attempt(hostile.app, hostile.lines(line(purse, b, { amount: 6, phase: "pending" })))).toBe(
      debit,
    );
    expect(
      await attempt(
        hostile.app,
        hostile.lines(line(purse, b, { amount: 3, phase: "pending" }), line(purse, b, { amount: 3 })),
      ),
    ).toBe(debit);
    // What comes in as a hold covers nothing.
    expect(
      await attempt(
        hostile.app,
        hostile.lines(line(a, purse, { amount: 9, phase: "pending" }), line(purse, b, { amount: 6 })),
      ),
    ).toBe(debit);
    expect(await attempt(hostile.app, hostile.lines(line(a, loan)))).toBe("account_within_credit_allowance");
    expect(await attempt(hostile.app, hostile.lines(line(a, loan, { phase: "pending" })))).toBe(
      "account_within_credit_allowance",
    );
    expect(await attempt(hostile.app, hostile.lines(tst(alice, aliceLocked, 101)))).toBe(debit);
    expect(await attempt(hostile.app, hostile.lines(tst(treasury, alice, 10n ** 24n)))).toBe(debit);
    expect(await attempt(hostile.app, hostile.lines(tst(custody, treasury, 1)))).toBe(debit);
  });

  test.each([
    ["0", "transfer_amount_check"],
    ["-1", "base_units_check"],
    [String(2n ** 128n), "base_units_check"],
    ["NaN", "base_units_check"],
    ["Infinity", "22003"],
    ["1e60", "22003"],
  ])("move by no amount like %s", async (amount, rule) => {
    expect(
      await attempt(hostile.app, hostile.lines(line(hostile.accounts.a, hostile.accounts.b, { amount }))),
    ).toBe(rule);
  });

  test("cannot overflow", async () => {
    const { a, b } = hostile.accounts;
    const most = line(a, b, { amount: 2n ** 128n - 1n });
    expect(await attempt(hostile.app, hostile.lines(most))).toBe("base_units_check");
    expect(
      await attempt(
        hostile.app,
        hostile.lines(line(a, b, { amount: 2n ** 127n }), line(a, b, { amount: 2n ** 127n })),
      ),
    ).toBe("base_units_check");
  });
});

describe("accounts", () => {
  const insert = (members: string) =>
    `INSERT INTO account (id, asset, role, owner, debit_allowance, created_at) VALUES (gen_random_uuid(), ${members}, 0)`;

  test.each([
    ["of an asset with a cap without a limit", "'TST', 'available', 'eve', NULL", "account_limit_required"],
    ["of an asset with a cap with credit", "'TST', 'available', 'eve', 5", "account_limit_required"],
    ["a treasury with credit", "'TST', 'treasury', NULL, 1000000", "account_limit_required"],
    ["a second custody", "'TST', 'custody', NULL, 1000000000000000000000000", "account_system"],
    ["an issuance beside it", "'TST', 'issuance', NULL, 1000000000000000000000000", "account_limit_required"],
    ["a second treasury", "'USD', 'treasury', NULL, 0", "account_system"],
    ["of an asset that is not there", "'NONE', 'general', NULL, 0", "account_asset"],
    ["a user's without its user", "'USD', 'available', NULL, 0", "account_owner_by_role"],
    ["a treasury with an owner", "'USD', 'treasury', 'eve', 0", "account_owner_by_role"],
    ["of a role that is not there", "'USD', 'king', NULL, 0", "account_owner_by_role"],
  ])("cannot be opened: %s", async (_, members, rule) => {
    const outcome = await attempt(hostile.app, insert(members));
    expect(rule === "account_owner_by_role" ? [rule, "account_role"] : [rule]).toContain(outcome);
  });
});

describe("an asset's policy", () => {
  test("lets nothing move where it has no route", async () => {
    const { a, b, alice, bob, bobLocked, aliceLocked, treasury, custody, revenue, issuance } =
      hostile.accounts;
    const none: Line[] = [
      ...[tst(alice, bob), tst(alice, bobLocked), tst(treasury, aliceLocked), tst(custody, aliceLocked)],
      ...[tst(alice, treasury), tst(treasury, custody), tst(alice, custody)],
      ...[line(revenue, a), line(a, issuance), line(alice, bob)],
      ...[tst(a, b), line(a, alice), tst(a, alice)],
      ...[line(a, randomUUID()), line(randomUUID(), b), line(a, b, { asset: "NONE" })],
      ...[line(hostile.accounts.closed, b), line(a, hostile.accounts.closed)],
      line(a, hostile.accounts.closed, { phase: "pending" }),
    ];
    for (const one of none)
      expect([one, await attempt(hostile.app, hostile.lines(one))]).toEqual([one, "asset_policy"]);
    // One among many is found, and takes the others with it.
    expect(await attempt(hostile.app, hostile.lines(line(a, b), tst(alice, bob), line(b, a)))).toBe(
      "asset_policy",
    );
  });

  test("is made once: the application can neither change nor repeat it", async () => {
    for (const statement of [
      "SELECT create_asset('TST', 18::smallint, true, true, NULL, 0)",
      "SELECT create_asset('USD', 2::smallint, true, true, NULL, 0)",
    ])
      expect(await attempt(hostile.app, statement)).toBe("asset_pkey");
    expect(await attempt(hostile.app, "SELECT create_asset('tst', 18::smallint, true, true, NULL, 0)")).toBe(
      "asset_code_check",
    );
  });

  test("of every kind has no way from revenue to a user; without transferable none between users", async () => {
    for (const [code, transferable, mintable, cap] of [
      ["AA", false, false, null],
      ["AB", false, true, 100],
      ["AC", true, false, null],
      ["AD", true, true, 100],
    ])
      await hostile.owner.query("SELECT create_asset($1, 0::smallint, $2, $3, $4, 0)", [
        code,
        transferable,
        mintable,
        cap,
      ]);
    const fromRevenue = await hostile.owner.query(`
      WITH RECURSIVE reach AS (
        SELECT asset, to_role AS role FROM asset_route WHERE from_role = 'revenue'
        UNION SELECT r.asset, r.to_role FROM reach JOIN asset_route r ON r.asset = reach.asset AND r.from_role = reach.role
      ) SELECT * FROM reach`);
    expect(fromRevenue.rows).toEqual([]);
    const users = "('available', 'locked', 'staked', 'reserved')";
    const between = await hostile.owner.query(`
      SELECT r.* FROM asset_route r JOIN asset a ON a.code = r.asset
      WHERE NOT a.transferable AND from_role IN ${users} AND to_role IN ${users} AND NOT same_owner`);
    expect(between.rows).toEqual([]);
    const minted = await hostile.owner.query(
      "SELECT r.* FROM asset_route r JOIN asset a ON a.code = r.asset WHERE NOT a.mintable AND from_role = 'issuance'",
    );
    expect(minted.rows).toEqual([]);
    const tstBetween = await hostile.owner.query(`
      SELECT * FROM asset_route WHERE asset = 'TST' AND from_role IN ${users} AND NOT same_owner`);
    expect(tstBetween.rows).toEqual([]);
  });

  test("caps the supply of an asset once, not once a source", async () => {
    await hostile.owner.query("SELECT create_asset('ONCE', 0::smallint, true, true, 100, 0)");
    const open = async (role: "issuance" | "custody" | "treasury") =>
      hostile.books.run((view) => view.openAccount({ asset: "ONCE", role, owner: null }));
    const [issuance, custody, treasury] = [
      await open("issuance"),
      await open("custody"),
      await open("treasury"),
    ];
    await hostile.look();
    const move = (debit: string, amount: number) => line(debit, treasury, { asset: "ONCE", amount });
    expect(await attempt(hostile.app, hostile.lines(move(issuance, 100)))).toBe("done");
    expect(await attempt(hostile.app, hostile.lines(move(issuance, 101)))).toBe(
      "account_within_debit_allowance",
    );
    expect(await attempt(hostile.app, hostile.lines(move(issuance, 100), move(custody, 1)))).toBe(
      "account_within_debit_allowance",
    );
  });
});

describe("a pending transfer", () => {
  const resolution = (phase: string, amount: number, more: Partial<Line> = {}) =>
    line(hostile.accounts.a, hostile.accounts.b, { phase, amount, pending_id: hostile.hold, ...more });

  test("is resolved once, by its own accounts, within its amount", async () => {
    const post = resolution("post", 4);
    const twice = [
      ...(hostile.lines(post) as []),
      ...(insertLines({ ...hostile.head, next_seq: hostile.head.next_seq + 1 }, [
        resolution("void", 10),
      ]) as []),
    ];
    expect(await attempt(hostile.app, twice)).toBe("transfer_resolved_once");
    expect(await attempt(hostile.app, hostile.lines(post, resolution("post", 4)))).toBe(
      "transfer_resolved_once",
    );
    for (const wrong of [
      resolution("post", 11),
      resolution("void", 9),
      resolution("void", 11),
      resolution("expire", 10),
      resolution("post", 4, { debit_account: hostile.accounts.b, credit_account: hostile.accounts.a }),
      resolution("post", 4, { credit_account: hostile.accounts.loan }),
      resolution("post", 4, { pending_id: randomUUID() }),
    ])
      expect(await attempt(hostile.app, hostile.lines(wrong))).toBe("hold_resolved_once");
  });

  test("that is due can only expire, and one that is not cannot", async () => {
    const held = transfer(hostile.accounts.a, hostile.accounts.b, 10n, {
      phase: "pending",
      timeoutSeconds: 5,
    });
    await hostile.books.send(held);
    await hostile.books.advance(5);
    await hostile.look();
    const due = (phase: string) => resolution(phase, 10, { pending_id: held.id });
    expect(await attempt(hostile.app, hostile.lines(due("expire")))).toBe("done");
    expect(await attempt(hostile.app, hostile.lines(due("post")))).toBe("hold_resolved_once");
    expect(await attempt(hostile.app, hostile.lines(due("void")))).toBe("hold_resolved_once");
    for (const amount of [9, 11]) {
      const other = resolution("expire", amount, { pending_id: held.id });
      expect(await attempt(hostile.app, hostile.lines(other))).toBe("hold_resolved_once");
    }
    const fresh = randomUUID();
    const opened = line(hostile.accounts.a, hostile.accounts.b, {
      id: fresh,
      phase: "pending",
      amount: 3,
      expires_at: hostile.head.time + 9,
    });
    const early = resolution("expire", 3, { pending_id: fresh });
    expect(await attempt(hostile.app, hostile.lines(opened, early))).toBe("hold_resolved_once");
    expect(
      await attempt(hostile.app, hostile.lines(opened, resolution("post", 3, { pending_id: fresh }))),
    ).toBe("done");
  });

  test("is not resolved by a line before it", async () => {
    const id = randomUUID();
    const opened = line(hostile.accounts.a, hostile.accounts.b, { id, phase: "pending" });
    expect(await attempt(hostile.app, hostile.lines(resolution("post", 1, { pending_id: id }), opened))).toBe(
      "hold_resolved_once",
    );
  });

  test("has the members of its phase and no others", async () => {
    const { a, b } = hostile.accounts;
    const { hold } = hostile;
    for (const odd of [
      line(a, b, { pending_id: hold }),
      line(a, b, { phase: "pending", pending_id: hold }),
      line(a, b, { phase: "post" }),
      line(a, b, { expires_at: hostile.head.time + 5 }),
      resolution("post", 1, { expires_at: hostile.head.time + 5 }),
    ])
      expect(await attempt(hostile.app, hostile.lines(odd))).toBe("transfer_pending_members");
    expect(await attempt(hostile.app, hostile.lines(line(a, b, { phase: "maybe" })))).toBe(
      "transfer_phase_check",
    );
    expect(await attempt(hostile.app, hostile.lines(line(a, a)))).toBe("transfer_accounts_differ");
    for (const code of ["", "x".repeat(65)])
      expect(await attempt(hostile.app, hostile.lines(line(a, b, { code })))).toBe("transfer_code_check");
    const [known] = (await hostile.app.query("SELECT id FROM transfer LIMIT 1")).rows;
    expect(await attempt(hostile.app, hostile.lines(line(a, b, { id: known.id })))).toBe("transfer_id");
  });
});

describe("an idempotency key", () => {
  test("has one effect: a second one takes its transfers down with it", async () => {
    const insert =
      "INSERT INTO idempotency (principal, key, fingerprint, outcome, time) VALUES ('olga', 'k', $1, '{}', 0)";
    const second: Attempt = [
      ...(hostile.lines(line(hostile.accounts.a, hostile.accounts.b)) as []),
      [insert, Buffer.alloc(32)],
    ];
    expect(await attempt(hostile.app, second)).toBe("idempotency_pkey");
    expect(
      await attempt(hostile.app, [
        [`${insert} ON CONFLICT (principal, key) DO UPDATE SET outcome = '1'`, Buffer.alloc(32)],
      ]),
    ).toBe(DENIED);
  });
});
