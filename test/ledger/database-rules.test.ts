/**
 * The database is the last line of defence: each of its rules is attacked with
 * plain SQL, mostly as the application's own role, as if the application were
 * wrong or taken over.
 */
import { randomUUID } from "node:crypto";
import type { Client } from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { expectCoherent } from "../support/coherence.ts";
import { type Attempt, attempt, insertLines, insertPositions, type Line } from "../support/hostile.ts";
import { connect, startLedger, type TestLedger, transfer } from "../support/ledger.ts";

const APPEND_ONLY = ["transfer", "position_change", "idempotency", "failed_transfer"];
/** Tables that the application only reads, and those where it may only add. */
const READ_ONLY = [
  "journal_head",
  "hold",
  "position",
  "section_count",
  "asset",
  "asset_route",
  "ledger_identity",
];
const DENIED = "42501";

let books: TestLedger;
let app: Client;
let owner: Client;
let head: { next_seq: number; time: number };
const world = {
  ...{ a: "", b: "", purse: "", loan: "", closed: "", revenue: "", issuance: "" },
  ...{ custody: "", treasury: "", alice: "", aliceLocked: "", bob: "", bobLocked: "" },
  ...{ hold: "", positioned: "" },
};

beforeAll(async () => {
  books = await startLedger();
  app = await connect(books.database.appUrl, books.database);
  owner = await connect(books.database.ownerUrl, books.database);
  const { open, run, send } = books;
  const system = (asset: string, role: "revenue" | "issuance" | "custody" | "treasury") =>
    run((view) => view.openAccount({ asset, role, owner: null }));
  const users = (user: string, role: "available" | "locked") =>
    run((view) => view.openAccount({ asset: "TST", role, owner: user }));
  Object.assign(world, {
    ...{ a: await open(), b: await open(), closed: await open() },
    ...{ purse: await open({ debitAllowance: 0n }), loan: await open({ creditAllowance: 0n }) },
    ...{ revenue: await system("USD", "revenue"), issuance: await system("USD", "issuance") },
    ...{ custody: await system("TST", "custody"), treasury: await system("TST", "treasury") },
    ...{ alice: await users("alice", "available"), aliceLocked: await users("alice", "locked") },
    ...{ bob: await users("bob", "available"), bobLocked: await users("bob", "locked") },
  });
  const { a, b, purse, custody, treasury, alice } = world;
  const held = transfer(a, b, 10n, { phase: "pending" });
  expect(await send(transfer(a, purse, 5n), held, transfer(purse, b, 1_000n))).toEqual([
    "ok",
    "ok",
    "exceeds_credits",
  ]);
  for (const [debitAccount, creditAccount, amount] of [
    [custody, treasury, 10n ** 24n],
    [treasury, alice, 100n],
  ] as const) {
    const request = { id: randomUUID(), debitAccount, creditAccount, amount };
    await run((view) => view.move(request).id);
  }
  world.positioned = await run((view) => {
    view.openOwner("alice", new Uint8Array(32).fill(7));
    const keyParts = ["alice"];
    const position = {
      section: "balances",
      user: "alice",
      keyParts,
      validUntil: 0,
      kind: 0,
      quantity: 0,
    } as const;
    view.setPosition({ ...position, account: alice });
    return alice;
  });
  await books.ledger.submit({
    name: "keyed",
    idempotency: { principal: "olga", key: "k", fingerprint: "00".repeat(32) },
    decide: () => null,
  });
  await owner.query("UPDATE account SET closed = true WHERE id = $1", [world.closed]);
  world.hold = held.id;
});

beforeEach(lookAtHead);
async function lookAtHead(): Promise<void> {
  const { rows } = await app.query("SELECT next_seq, ledger_now() AS time FROM journal_head");
  head = rows[0];
}

afterAll(async () => {
  await app.end();
  await owner.end();
  await expectCoherent(books);
  await books.close();
});

const lines = (...all: readonly Line[]): Attempt => insertLines(head, all);
const line = (debit: string, credit: string, more: Partial<Line> = {}): Line => ({
  ...{ debit_account: debit, credit_account: credit },
  ...more,
});
const tst = (debit: string, credit: string, amount: bigint | number = 1): Line =>
  line(debit, credit, { asset: "TST", amount });

describe("a line that is in order", () => {
  test("is let through, or the refusals below would mean nothing", async () => {
    const { a, b, treasury, bob, alice, aliceLocked, hold } = world;
    expect(await attempt(app, lines(line(a, b), line(b, a)))).toBe("done");
    expect(await attempt(app, lines(tst(treasury, bob), tst(alice, aliceLocked, 100)))).toBe("done");
    const post = line(a, b, { phase: "post", pending_id: hold, amount: 10 });
    expect(await attempt(app, lines(post))).toBe("done");
    expect(
      await attempt(app, insertPositions(head, [{ account: a }, { account: b, index: 1, key: 2 }])),
    ).toBe("done");
  });
});

describe("the application's role", () => {
  test.each([...APPEND_ONLY, ...READ_ONLY, "account", "migration"])(
    "cannot change or empty %s",
    async (table) => {
      const { rows } = await owner.query(
        "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped",
        [table],
      );
      expect(rows.length).toBeGreaterThan(1);
      for (const { attname } of rows)
        expect(await attempt(app, `UPDATE ${table} SET "${attname}" = "${attname}"`)).toBe(DENIED);
      expect(await attempt(app, `DELETE FROM ${table}`)).toBe(DENIED);
      expect(await attempt(app, `TRUNCATE ${table}`)).toBe(DENIED);
      expect(await attempt(app, `LOCK ${table} IN ACCESS EXCLUSIVE MODE`)).toBe(DENIED);
    },
  );

  test.each(READ_ONLY)("cannot add to %s", async (table) => {
    expect(await attempt(app, `INSERT INTO ${table} SELECT * FROM ${table}`)).toBe(DENIED);
    expect(await attempt(app, `COPY ${table} FROM STDIN`)).toBe(DENIED);
  });

  test("changes nothing of a user but the wallet it named, and removes none", async () => {
    expect(await attempt(app, "UPDATE owner SET wallet_address = NULL")).toBe("done");
    for (const column of ["id", "salt", "created_at"])
      expect(await attempt(app, `UPDATE owner SET ${column} = ${column}`)).toBe(DENIED);
    expect(await attempt(app, "DELETE FROM owner")).toBe(DENIED);
  });

  test.each([
    "SELECT advance_clock(1)",
    "SELECT append_to_journal(0, 0, 1, 0, 0)",
    "SELECT apply_transfers()",
    "SELECT apply_position_changes()",
    "SELECT guard_account()",
    "SELECT refuse_change()",
    "ALTER FUNCTION take_head() RENAME TO taken_head",
    "CREATE OR REPLACE FUNCTION take_head() RETURNS TABLE (next_seq bigint, now bigint) LANGUAGE sql AS 'SELECT 0, 0'",
    "CREATE TABLE mine (id int)",
    "CREATE TABLE public.mine (id int)",
    "CREATE VIEW mine AS SELECT 1",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TRIGGER mine BEFORE INSERT ON transfer EXECUTE FUNCTION refuse_change()",
    "CREATE RULE mine AS ON INSERT TO transfer DO INSTEAD NOTHING",
    "CREATE INDEX ON transfer (code)",
    "CREATE TEMP TABLE mine () INHERITS (transfer)",
    "ALTER TABLE transfer DISABLE TRIGGER ALL",
    "ALTER TABLE account DROP CONSTRAINT account_within_debit_allowance",
    "DROP TRIGGER append_only ON transfer",
    "DROP TABLE failed_transfer",
    "SET session_replication_role = replica",
    "SET ROLE anchorbook_owner",
    "SET SESSION AUTHORIZATION anchorbook_owner",
    "ALTER ROLE anchorbook_app SUPERUSER",
    "CREATE ROLE mine",
    "COPY account TO PROGRAM 'true'",
    "COPY transfer TO '/tmp/transfer'",
    "SELECT pg_read_file('postgresql.conf')",
    "SELECT lo_import('/etc/passwd')",
  ])("may not: %s", async (statement) => {
    expect(await attempt(app, statement)).toBe(DENIED);
  });

  test("cannot grant itself anything", async () => {
    for (const table of [...APPEND_ONLY, ...READ_ONLY, "account"]) {
      const grant: Attempt = [[`GRANT ALL ON ${table} TO anchorbook_app`], [`DELETE FROM ${table}`]];
      expect(await attempt(app, grant)).toBe(DENIED);
    }
  });

  test("owns nothing, and can do what was granted and no more, for every table and function there is", async () => {
    const owned = await owner.query(`
      SELECT relname FROM pg_class WHERE relowner = 'anchorbook_app'::regrole
      UNION ALL SELECT proname FROM pg_proc WHERE proowner = 'anchorbook_app'::regrole
      UNION ALL SELECT nspname FROM pg_namespace WHERE nspowner = 'anchorbook_app'::regrole`);
    expect(owned.rows).toEqual([]);
    const granted = await owner.query<{ grant: string }>(
      `SELECT privilege_type || ' ' || table_name AS "grant" FROM information_schema.role_table_grants
       WHERE grantee IN ('anchorbook_app', 'PUBLIC') AND table_schema = $1 AND privilege_type <> 'SELECT'
         AND table_name = ANY ($2) ORDER BY 1`,
      [books.database.schema, [...APPEND_ONLY, ...READ_ONLY, "account", "owner", "writer"]],
    );
    expect(granted.rows.map((row) => row.grant)).toEqual([
      ...["INSERT failed_transfer", "INSERT idempotency", "INSERT owner", "INSERT position_change"],
      ...["INSERT transfer", "INSERT writer", "UPDATE writer"],
    ]);
    const loose = await owner.query(
      `SELECT proname FROM pg_proc p WHERE pronamespace = $1::regnamespace AND (
         EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee = 0)
         OR (prosecdef AND NOT coalesce(array_to_string(proconfig, ' '), '') ~ ('search_path="?' || $1 || ', ?"?pg_temp"?( |$)')))`,
      [books.database.schema],
    );
    expect(loose.rows).toEqual([]);
  });
});

describe("history", () => {
  test.each(APPEND_ONLY)("of %s cannot be changed by the owner of the tables either", async (table) => {
    const { rows } = await owner.query(`SELECT count(*) AS n FROM ${table}`);
    expect(rows[0].n).toBeGreaterThan(0);
    const [column] = (
      await owner.query("SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum = 1", [
        table,
      ])
    ).rows;
    for (const statement of [
      `UPDATE ${table} SET "${column.attname}" = "${column.attname}"`,
      `DELETE FROM ${table}`,
      `TRUNCATE ${table}`,
      `TRUNCATE ${table} CASCADE`,
      `DELETE FROM ${table} WHERE false`,
    ])
      expect(await attempt(owner, statement)).toBe("append_only");
  });
});

describe("the journal's order", () => {
  test("has no gap, no place twice, no other beginning", async () => {
    const { a, b } = world;
    const at = (...offsets: number[]) => lines(...offsets.map((offset) => line(a, b, { offset })));
    expect(await attempt(app, at(1))).toBe("journal_gapless");
    expect(await attempt(app, at(0, 2))).toBe("journal_gapless");
    expect(await attempt(app, at(1_000))).toBe("journal_gapless");
    expect(await attempt(app, at(0, 0))).toBe("transfer_pkey");
    expect(await attempt(app, at(-head.next_seq))).toBe("transfer_pkey");
    expect(await attempt(app, at(-head.next_seq - 1))).toBe("journal_gapless");
    expect(await attempt(app, [...(lines(line(a, b)) as []), ...(lines(line(a, b)) as [])])).toBe(
      "transfer_pkey",
    );
    const position = { account: a };
    const next = { ...head, next_seq: head.next_seq + 1 };
    expect(await attempt(app, insertPositions(next, [position]))).toBe("journal_gapless");
    expect(
      await attempt(app, [...(lines(line(a, b)) as []), ...(insertPositions(head, [position]) as [])]),
    ).toBe("journal_gapless");
  });

  test("has one time a batch, not behind the head and not ahead of the clock", async () => {
    const { a, b } = world;
    const at = (...times: number[]) => lines(...times.map((time) => line(a, b, { time, effective_at: 0 })));
    const [{ time: headTime }] = (await app.query("SELECT time FROM journal_head")).rows;
    expect(await attempt(app, at(headTime - 1))).toBe("journal_gapless");
    expect(await attempt(app, at(head.time + 60))).toBe("journal_gapless");
    expect(await attempt(app, at(head.time - 1, head.time))).toBe("journal_gapless");
    expect(await attempt(app, lines(line(a, b, { effective_at: -1 })))).toBe(
      "transfer_effective_not_in_the_future",
    );
    expect(await attempt(app, lines(line(a, b, { effective_at: head.time + 1 })))).toBe(
      "transfer_effective_not_in_the_future",
    );
  });

  test("is not run twice by two connections that take the same place", async () => {
    const { a, b } = world;
    const other = await connect(books.database.appUrl, books.database);
    const both = await Promise.all([attempt(app, lines(line(a, b))), attempt(other, lines(line(a, b)))]);
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
      expect(await attempt(app, insert(`VALUES (gen_random_uuid(), 'USD', 'general', 0, ${value})`))).toBe(
        DENIED,
      );
      expect(await attempt(app, `COPY account (id, ${column}) FROM STDIN`)).toBe(DENIED);
      const existing = `INSERT INTO account (id, asset, role, created_at) SELECT id, asset, role, 0 FROM account
        ON CONFLICT (id) DO UPDATE SET ${column} = ${value}`;
      expect(await attempt(app, existing)).toBe(DENIED);
      const merge = `MERGE INTO account a USING (SELECT 1) AS s ON true
        WHEN MATCHED THEN UPDATE SET ${column} = ${value}`;
      expect(await attempt(app, merge)).toBe(DENIED);
    },
  );

  test("stay within their limits, holds included", async () => {
    const { a, b, purse, loan, custody, treasury, alice, aliceLocked } = world;
    const debit = "account_within_debit_allowance";
    expect(await attempt(app, lines(line(purse, b, { amount: 6 })))).toBe(debit);
    expect(await attempt(app, lines(line(purse, b, { amount: 6, phase: "pending" })))).toBe(debit);
    expect(
      await attempt(
        app,
        lines(line(purse, b, { amount: 3, phase: "pending" }), line(purse, b, { amount: 3 })),
      ),
    ).toBe(debit);
    // What comes in as a hold covers nothing.
    expect(
      await attempt(
        app,
        lines(line(a, purse, { amount: 9, phase: "pending" }), line(purse, b, { amount: 6 })),
      ),
    ).toBe(debit);
    expect(await attempt(app, lines(line(a, loan)))).toBe("account_within_credit_allowance");
    expect(await attempt(app, lines(line(a, loan, { phase: "pending" })))).toBe(
      "account_within_credit_allowance",
    );
    expect(await attempt(app, lines(tst(alice, aliceLocked, 101)))).toBe(debit);
    expect(await attempt(app, lines(tst(treasury, alice, 10n ** 24n)))).toBe(debit);
    expect(await attempt(app, lines(tst(custody, treasury, 1)))).toBe(debit);
  });

  test.each([
    ["0", "transfer_amount_check"],
    ["-1", "base_units_check"],
    [String(2n ** 128n), "base_units_check"],
    ["NaN", "base_units_check"],
    ["Infinity", "22003"],
    ["1e60", "22003"],
  ])("move by no amount like %s", async (amount, rule) => {
    expect(await attempt(app, lines(line(world.a, world.b, { amount })))).toBe(rule);
  });

  test("cannot overflow", async () => {
    const { a, b } = world;
    const most = line(a, b, { amount: 2n ** 128n - 1n });
    expect(await attempt(app, lines(most))).toBe("base_units_check");
    expect(
      await attempt(app, lines(line(a, b, { amount: 2n ** 127n }), line(a, b, { amount: 2n ** 127n }))),
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
    const outcome = await attempt(app, insert(members));
    expect(rule === "account_owner_by_role" ? [rule, "account_role_check"] : [rule]).toContain(outcome);
  });
});

describe("an asset's policy", () => {
  test("lets nothing move where it has no route", async () => {
    const { a, b, alice, bob, bobLocked, aliceLocked, treasury, custody, revenue, issuance } = world;
    const none: Line[] = [
      ...[tst(alice, bob), tst(alice, bobLocked), tst(treasury, aliceLocked), tst(custody, alice)],
      ...[tst(alice, treasury), tst(treasury, custody), tst(alice, custody)],
      ...[line(revenue, a), line(a, issuance), line(alice, bob)],
      ...[tst(a, b), line(a, alice), tst(a, alice)],
      ...[line(a, randomUUID()), line(randomUUID(), b), line(a, b, { asset: "NONE" })],
      ...[line(world.closed, b), line(a, world.closed)],
      line(a, world.closed, { phase: "pending" }),
    ];
    for (const one of none) expect([one, await attempt(app, lines(one))]).toEqual([one, "asset_policy"]);
    // One among many is found, and takes the others with it.
    expect(await attempt(app, lines(line(a, b), tst(alice, bob), line(b, a)))).toBe("asset_policy");
  });

  test("is made once: the application can neither change nor repeat it", async () => {
    for (const statement of [
      "SELECT create_asset('TST', 18::smallint, true, true, NULL, 0)",
      "SELECT create_asset('USD', 2::smallint, true, true, NULL, 0)",
    ])
      expect(await attempt(app, statement)).toBe("asset_pkey");
    expect(await attempt(app, "SELECT create_asset('tst', 18::smallint, true, true, NULL, 0)")).toBe(
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
      await owner.query("SELECT create_asset($1, 0::smallint, $2, $3, $4, 0)", [
        code,
        transferable,
        mintable,
        cap,
      ]);
    const fromRevenue = await owner.query(`
      WITH RECURSIVE reach AS (
        SELECT asset, to_role AS role FROM asset_route WHERE from_role = 'revenue'
        UNION SELECT r.asset, r.to_role FROM reach JOIN asset_route r ON r.asset = reach.asset AND r.from_role = reach.role
      ) SELECT * FROM reach`);
    expect(fromRevenue.rows).toEqual([]);
    const users = "('available', 'locked', 'staked', 'reserved')";
    const between = await owner.query(`
      SELECT r.* FROM asset_route r JOIN asset a ON a.code = r.asset
      WHERE NOT a.transferable AND from_role IN ${users} AND to_role IN ${users} AND NOT same_owner`);
    expect(between.rows).toEqual([]);
    const minted = await owner.query(
      "SELECT r.* FROM asset_route r JOIN asset a ON a.code = r.asset WHERE NOT a.mintable AND from_role = 'issuance'",
    );
    expect(minted.rows).toEqual([]);
    const tstBetween = await owner.query(`
      SELECT * FROM asset_route WHERE asset = 'TST' AND from_role IN ${users} AND NOT same_owner`);
    expect(tstBetween.rows).toEqual([]);
  });

  test("caps the supply of an asset once, not once a source", async () => {
    await owner.query("SELECT create_asset('ONCE', 0::smallint, true, true, 100, 0)");
    const open = async (role: "issuance" | "custody" | "treasury") =>
      books.run((view) => view.openAccount({ asset: "ONCE", role, owner: null }));
    const [issuance, custody, treasury] = [
      await open("issuance"),
      await open("custody"),
      await open("treasury"),
    ];
    await lookAtHead();
    const move = (debit: string, amount: number) => line(debit, treasury, { asset: "ONCE", amount });
    expect(await attempt(app, lines(move(issuance, 100)))).toBe("done");
    expect(await attempt(app, lines(move(issuance, 101)))).toBe("account_within_debit_allowance");
    expect(await attempt(app, lines(move(issuance, 100), move(custody, 1)))).toBe(
      "account_within_debit_allowance",
    );
  });
});

describe("a pending transfer", () => {
  const resolution = (phase: string, amount: number, more: Partial<Line> = {}) =>
    line(world.a, world.b, { phase, amount, pending_id: world.hold, ...more });

  test("is resolved once, by its own accounts, within its amount", async () => {
    const post = resolution("post", 4);
    const twice = [
      ...(lines(post) as []),
      ...(insertLines({ ...head, next_seq: head.next_seq + 1 }, [resolution("void", 10)]) as []),
    ];
    expect(await attempt(app, twice)).toBe("transfer_resolved_once");
    expect(await attempt(app, lines(post, resolution("post", 4)))).toBe("transfer_resolved_once");
    for (const wrong of [
      resolution("post", 11),
      resolution("void", 9),
      resolution("void", 11),
      resolution("expire", 10),
      resolution("post", 4, { debit_account: world.b, credit_account: world.a }),
      resolution("post", 4, { credit_account: world.loan }),
      resolution("post", 4, { pending_id: randomUUID() }),
    ])
      expect(await attempt(app, lines(wrong))).toBe("hold_resolved_once");
  });

  test("that is due can only expire, and one that is not cannot", async () => {
    const held = transfer(world.a, world.b, 10n, { phase: "pending", timeoutSeconds: 5 });
    await books.send(held);
    await books.advance(5);
    await lookAtHead();
    const due = (phase: string) => resolution(phase, 10, { pending_id: held.id });
    expect(await attempt(app, lines(due("expire")))).toBe("done");
    expect(await attempt(app, lines(due("post")))).toBe("hold_resolved_once");
    expect(await attempt(app, lines(due("void")))).toBe("hold_resolved_once");
    const fresh = randomUUID();
    const opened = line(world.a, world.b, {
      id: fresh,
      phase: "pending",
      amount: 3,
      expires_at: head.time + 9,
    });
    const early = resolution("expire", 3, { pending_id: fresh });
    expect(await attempt(app, lines(opened, early))).toBe("hold_resolved_once");
    expect(await attempt(app, lines(opened, resolution("post", 3, { pending_id: fresh })))).toBe("done");
  });

  test("is not resolved by a line before it", async () => {
    const id = randomUUID();
    const opened = line(world.a, world.b, { id, phase: "pending" });
    expect(await attempt(app, lines(resolution("post", 1, { pending_id: id }), opened))).toBe(
      "hold_resolved_once",
    );
  });

  test("has the members of its phase and no others", async () => {
    const { a, b, hold } = world;
    for (const odd of [
      line(a, b, { pending_id: hold }),
      line(a, b, { phase: "pending", pending_id: hold }),
      line(a, b, { phase: "post" }),
      line(a, b, { expires_at: head.time + 5 }),
      resolution("post", 1, { expires_at: head.time + 5 }),
    ])
      expect(await attempt(app, lines(odd))).toBe("transfer_pending_members");
    expect(await attempt(app, lines(line(a, b, { phase: "maybe" })))).toBe("transfer_phase_check");
    expect(await attempt(app, lines(line(a, a)))).toBe("transfer_accounts_differ");
    expect(await attempt(app, lines(line(a, b, { code: "a b" })))).toBe("transfer_code_check");
    const [known] = (await app.query("SELECT id FROM transfer LIMIT 1")).rows;
    expect(await attempt(app, lines(line(a, b, { id: known.id })))).toBe("transfer_id");
  });
});

describe("an idempotency key", () => {
  test("has one effect: a second one takes its transfers down with it", async () => {
    const insert =
      "INSERT INTO idempotency (principal, key, fingerprint, outcome, time) VALUES ('olga', 'k', $1, '{}', 0)";
    const second: Attempt = [...(lines(line(world.a, world.b)) as []), [insert, Buffer.alloc(32)]];
    expect(await attempt(app, second)).toBe("idempotency_pkey");
    expect(
      await attempt(app, [
        [`${insert} ON CONFLICT (principal, key) DO UPDATE SET outcome = '1'`, Buffer.alloc(32)],
      ]),
    ).toBe(DENIED);
  });
});

describe("a position", () => {
  test("keeps its section, index and key for ever", async () => {
    const own = { account: world.positioned, asset: "TST" };
    for (const changed of [
      { ...own, section: 1 },
      { ...own, index: 1 },
      { ...own, index: 0, key: 9 },
    ])
      expect(await attempt(app, insertPositions(head, [changed]))).toBe("position_fixed");
  });

  test("belongs to no wallet that has not signed, and says nothing that a leaf cannot", async () => {
    const insert = (owner: string, validUntil: number): Attempt => [
      [
        `INSERT INTO position_change (seq, time, account, asset, section, index, key, owner, valid_until, kind, quantity)
         VALUES ($1, $2, $3, 'USD', 0, 0, decode(repeat('01', 32), 'hex'), decode(repeat($4, 20), 'hex'), $5, 0, 0)`,
        ...[head.next_seq, head.time, world.a, owner, validUntil],
      ],
    ];
    expect(await attempt(app, insert("66", 0))).toBe("position_change_owner_signed");
    expect(await attempt(app, insert("00", -1))).toBe("position_change_valid_until_check");
  });

  test("is told one way within a statement too, whether it is new or not", async () => {
    const { a, positioned } = world;
    for (const rows of [
      [{ account: a }, { account: a, index: 1 }],
      [{ account: a }, { account: a, key: 2 }],
      [{ account: a }, { account: a, section: 1 }],
      [
        { account: a, index: 1 },
        { account: a, index: 0 },
      ],
    ])
      expect([rows, await attempt(app, insertPositions(head, rows))]).toEqual([rows, "position_fixed"]);
    const { rows } = await app.query(
      "SELECT asset, section, index, encode(key, 'hex') AS key FROM position WHERE account = $1",
      [positioned],
    );
    const [known] = rows;
    const right = { account: positioned, asset: known.asset, index: known.index, section: known.section };
    const insert = `INSERT INTO position_change (seq, time, account, asset, section, index, key, owner, valid_until, kind, quantity)
      SELECT $1 + n, $2, $3, $4, $5, CASE n WHEN 0 THEN $6 + 7 ELSE $6 END, decode($7, 'hex'), decode(repeat('00', 20), 'hex'), 0, 0, n
      FROM generate_series(0, 1) AS n`;
    const values = [head.next_seq, head.time, positioned, right.asset, right.section, right.index, known.key];
    expect(await attempt(app, [[insert, ...values]])).toBe("position_fixed");
  });

  test("takes the next index of its section, and a key of its own", async () => {
    const { a, b } = world;
    expect(await attempt(app, insertPositions(head, [{ account: a, index: 1 }]))).toBe("position_next_index");
    expect(
      await attempt(app, insertPositions(head, [{ account: a }, { account: b, index: 2, key: 2 }])),
    ).toBe("position_next_index");
    expect(await attempt(app, insertPositions(head, [{ account: a }, { account: b, key: 2 }]))).toBe(
      "position_index",
    );
    expect(await attempt(app, insertPositions(head, [{ account: a }, { account: b, index: 1 }]))).toBe(
      "position_key",
    );
    expect(await attempt(app, insertPositions(head, [{ account: a, asset: "TST", index: 1 }]))).toBe(
      "position_account",
    );
    expect(await attempt(app, insertPositions(head, [{ account: randomUUID() }]))).toBe("position_account");
  });
});

describe("search_path", () => {
  const SHADOWED = [
    "account",
    "asset",
    "asset_route",
    "hold",
    "journal_head",
    "position",
    "section_count",
    "position_change",
  ];

  test.each(["pg_temp, %s", "%s, pg_temp", "pg_temp, %s, public"])(
    "set to '%s' over tables of one's own moves no rule",
    async (path) => {
      const client = await connect(books.database.appUrl, books.database);
      const { schema } = books.database;
      for (const table of SHADOWED)
        await client.query(`CREATE TEMP TABLE ${table} AS SELECT * FROM "${schema}".${table}`);
      await client.query("INSERT INTO pg_temp.asset_route VALUES ('TST', 'available', 'available', false)");
      await client.query("UPDATE pg_temp.account SET debit_allowance = NULL, closed = false");
      await client.query("UPDATE pg_temp.journal_head SET next_seq = 0, time = 0, clock_offset = 1000000000");
      await client.query(
        "CREATE FUNCTION pg_temp.append_to_journal(bigint, bigint, bigint, bigint, bigint) RETURNS void LANGUAGE sql AS ''",
      );
      await client.query(`SET search_path = ${path.replace("%s", `"${schema}"`)}`);
      const into = (what: Attempt): Attempt =>
        (what as [string, ...unknown[]][]).map(([sql, ...values]) => [
          sql.replace(/INSERT INTO (\w+)/, `INSERT INTO "${schema}".$1`),
          ...values,
        ]);
      const { alice, bob, purse, b, a, closed } = world;
      expect(await attempt(client, into(lines(tst(alice, bob))))).toBe("asset_policy");
      expect(await attempt(client, into(lines(line(a, closed))))).toBe("asset_policy");
      expect(await attempt(client, into(lines(line(purse, b, { amount: 6 }))))).toBe(
        "account_within_debit_allowance",
      );
      expect(await attempt(client, into(lines(line(a, b, { offset: 1 }))))).toBe("journal_gapless");
      expect(await attempt(client, into(lines(line(a, b, { time: head.time + 60 }))))).toBe(
        "journal_gapless",
      );
      expect(await attempt(client, into(insertPositions(head, [{ account: a, index: 5 }])))).toBe(
        "position_next_index",
      );
      expect(await attempt(client, into(lines(line(a, b))))).toBe("done");
      const account = `INSERT INTO "${schema}".account (id, asset, role, owner, created_at) VALUES ($1, 'TST', 'available', 'eve', 0)`;
      expect(await attempt(client, [[account, randomUUID()]])).toBe("account_limit_required");
      const taken = await client.query(`SELECT next_seq FROM "${schema}".take_head()`);
      expect(taken.rows[0].next_seq).toBe(head.next_seq);
      await client.end();
    },
  );
});
