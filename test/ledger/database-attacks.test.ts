/**
 * The database as the last line of defence, promise by promise: what an
 * application that is wrong, or taken over, may try with its own role, and what
 * refuses it. The list is also the table of docs/database-attacks.md, which
 * `npx vitest run test/ledger/database-attacks.test.ts -u` writes anew.
 */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import {
  type Attempt,
  attempt,
  insertChainLine,
  insertClosings,
  insertLines,
  insertPositions,
  type Line,
} from "../support/hostile.ts";
import { DENIED, type HostileWorld, line, OTHER_LEDGER, startHostileWorld, tst } from "./hostile-world.ts";

interface Attack {
  readonly promise: string;
  readonly attack: string;
  readonly try: (world: HostileWorld) => Attempt;
  /** The constraint or the trigger's rule; "no privilege" for SQLSTATE 42501. */
  readonly refusedBy: string;
}

const NO_PRIVILEGE = "no privilege";
const ATTACKS: Attack[] = [];

/** Attacks on one promise: in words, what is tried, what refuses it. */
function promise(
  text: string,
  ...attacks: readonly (readonly [attack: string, attempt: Attempt | Attack["try"], refusedBy?: string])[]
): void {
  for (const [attack, what, refusedBy = NO_PRIVILEGE] of attacks)
    ATTACKS.push({
      ...{ promise: text, attack, refusedBy },
      try: typeof what === "function" ? what : () => what,
    });
}
const sql = (statement: string) => [`\`${statement}\``, statement] as const;
const insert =
  (...lines: readonly ((world: HostileWorld) => Line)[]) =>
  (world: HostileWorld) =>
    world.lines(...lines.map((one) => one(world)));
const from =
  (debit: keyof HostileWorld["accounts"], credit: keyof HostileWorld["accounts"], more: Partial<Line> = {}) =>
  ({ accounts }: HostileWorld) =>
    line(accounts[debit], accounts[credit], more);
const tstFrom =
  (debit: keyof HostileWorld["accounts"], credit: keyof HostileWorld["accounts"], amount = 1) =>
  ({ accounts }: HostileWorld) =>
    tst(accounts[debit], accounts[credit], amount);
/** One statement after the other, each continuing the journal. */
const then =
  (first: (world: HostileWorld) => Line, second: (world: HostileWorld) => Line) => (world: HostileWorld) => [
    ...(world.lines(first(world)) as []),
    ...(insertLines({ ...world.head, next_seq: world.head.next_seq + 1 }, [second(world)]) as []),
  ];
const closing =
  (...names: readonly (keyof HostileWorld["accounts"])[]) =>
  ({ head, accounts }: HostileWorld) =>
    insertClosings(
      head,
      names.map((name) => accounts[name]),
    );
/** A chain event so many places after the head; together with others in one attempt. */
const at = (
  head: HostileWorld["head"],
  offset: number,
  event: Parameters<typeof insertChainLine>[1],
): [string, ...unknown[]][] => [
  ...(insertChainLine({ ...head, next_seq: head.next_seq + offset }, event) as [string, ...unknown[]][]),
];
/** On a batch of the attacker's own, which was the last one. */
const decidedAhead = (takeHead: string, time: number): Attempt => {
  const mine = randomUUID();
  return [
    ["SELECT take_head($1, $1)", mine],
    [takeHead, mine, time],
  ];
};
const spentAfterDemand =
  (phase: string) =>
  ({ head, accounts, positioned }: HostileWorld) => [
    ...at(head, 0, { event: "ExitDemanded", account: positioned }),
    ...(insertLines({ ...head, next_seq: head.next_seq + 1 }, [
      { ...tst(positioned, accounts.aliceLocked), phase },
    ]) as []),
  ];
const resolving =
  (phase: string, amount: number, more: Partial<Line> = {}) =>
  ({ accounts, hold }: HostileWorld) =>
    line(accounts.a, accounts.b, { phase, amount, pending_id: hold, ...more });

promise(
  "Journal lines cannot be updated, deleted or truncated",
  sql("UPDATE transfer SET amount = amount + 1"),
  sql("DELETE FROM transfer"),
  sql("TRUNCATE transfer"),
  sql("UPDATE position_change SET valid_until = 0"),
  sql("DELETE FROM position_change"),
  sql("UPDATE event SET data = '{}'"),
  sql("ALTER TABLE transfer DISABLE TRIGGER ALL"),
  sql("DROP TRIGGER append_only ON transfer"),
  sql("SET session_replication_role = replica"),
);
promise(
  "The journal has no gap and goes on at its head",
  ["a line one place too far", insert(from("a", "b", { offset: 1 })), "journal_gapless"],
  [
    "two lines with a place between",
    insert(from("a", "b"), from("a", "b", { offset: 2 })),
    "journal_gapless",
  ],
  [
    "a place that is taken",
    ({ head, accounts }) => insertLines({ ...head, next_seq: 0 }, [line(accounts.a, accounts.b)]),
    "transfer_pkey",
  ],
  [
    "a line before the journal's begin",
    ({ head, accounts }) => insertLines({ ...head, next_seq: -1 }, [line(accounts.a, accounts.b)]),
    "journal_gapless",
  ],
  [
    "two inserts in one statement (`WITH … INSERT`) that leave a gap",
    ({ head, accounts: { a, b } }) => [[TWICE, head.next_seq, head.next_seq + 2, a, b, head.time]],
    "journal_gapless",
  ],
  [
    "the same by `MERGE`",
    ({ head, accounts: { a, b } }) => [[MERGE_LINE, head.next_seq + 1, a, b, head.time]],
    "journal_gapless",
  ],
  ["a line older than the head", insert(from("a", "b", { time: 1, effective_at: 0 })), "journal_gapless"],
  [
    "a line from the future",
    ({ lines, head, accounts: { a, b } }) => lines(line(a, b, { time: head.time + 60 })),
    "journal_gapless",
  ],
  sql("UPDATE journal_head SET next_seq = 0"),
  sql("UPDATE journal_head SET last_batch = previous_batch"),
  sql("UPDATE writer SET last_batch = gen_random_uuid()"),
  [
    "a batch decided on another one than the last",
    "SELECT take_head(gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), (SELECT time FROM journal_head))",
    "journal_decided_ahead",
  ],
  [
    "a batch decided from what is remembered of another one",
    "SELECT take_head(gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), (SELECT time FROM journal_head), '{}', '{}', '{}')",
    "journal_decided_ahead",
  ],
  [
    "a batch whose time is ahead of the clock",
    ({ head }) => decidedAhead("SELECT take_head($1, gen_random_uuid(), $1, $2)", head.time + 60),
    "journal_decided_ahead",
  ],
  [
    "a batch whose time is behind the head's",
    ({ head }) => decidedAhead("SELECT take_head($1, gen_random_uuid(), $1, $2)", head.time - 60),
    "journal_decided_ahead",
  ],
  [
    "a batch from memory whose time is ahead of the clock",
    ({ head }) =>
      decidedAhead("SELECT take_head($1, gen_random_uuid(), $1, $2, '{}', '{}', '{}')", head.time + 60),
    "journal_decided_ahead",
  ],
  sql("SELECT append_to_journal(0, 0, 1, 0, 0)"),
  sql("SELECT advance_clock(86400)"),
);
promise(
  "Balances change through transfers alone",
  sql("UPDATE account SET credits_posted = 1000000"),
  [
    "an account that is opened with money",
    "INSERT INTO account (id, asset, role, created_at, credits_posted) VALUES (gen_random_uuid(), 'USD', 'general', 0, 5)",
  ],
  [
    "`INSERT INTO account … ON CONFLICT DO UPDATE SET debits_posted = 0`",
    "INSERT INTO account (id, asset, role, created_at) SELECT id, asset, role, 0 FROM account ON CONFLICT (id) DO UPDATE SET debits_posted = 0",
  ],
  [
    "`MERGE INTO account … UPDATE SET credits_posted`",
    "MERGE INTO account a USING (SELECT 1) AS s ON true WHEN MATCHED THEN UPDATE SET credits_posted = 5",
  ],
  sql("DELETE FROM account"),
  sql("SELECT FROM account FOR UPDATE"),
  sql("SELECT apply_transfers()"),
  ["a past balance, made another", "UPDATE account_day SET credits_posted = 5"],
  sql("INSERT INTO account_day SELECT * FROM account_day"),
  sql("UPDATE account_day_watermark SET seq = 1000000"),
  sql("UPDATE hold SET amount = 0"),
  sql("DELETE FROM hold"),
  sql("INSERT INTO hold SELECT * FROM hold"),
  sql(
    "CREATE OR REPLACE FUNCTION take_head() RETURNS TABLE (next_seq bigint, now bigint) LANGUAGE sql AS 'SELECT 0, 0'",
  ),
  ["an amount of 0", insert(from("a", "b", { amount: 0 })), "transfer_amount_check"],
  ["a negative amount", insert(from("a", "b", { amount: -1 })), "base_units_check"],
  ["`NaN`", insert(from("a", "b", { amount: "NaN" })), "base_units_check"],
  [
    "a sum of 2^128",
    insert(from("a", "b", { amount: 2n ** 127n }), from("a", "b", { amount: 2n ** 127n })),
    "base_units_check",
  ],
  ["from an account to itself", insert(from("a", "a")), "transfer_accounts_differ"],
);
promise(
  "Limits hold, and holds count against them",
  [
    "spending more than there is",
    insert(from("purse", "b", { amount: 6 })),
    "account_within_debit_allowance",
  ],
  [
    "holding more than there is",
    insert(from("purse", "b", { amount: 6, phase: "pending" })),
    "account_within_debit_allowance",
  ],
  [
    "holding a part and spending the whole",
    insert(from("purse", "b", { amount: 3, phase: "pending" }), from("purse", "b", { amount: 3 })),
    "account_within_debit_allowance",
  ],
  [
    "spending what only comes in as a hold",
    insert(from("a", "purse", { amount: 9, phase: "pending" }), from("purse", "b", { amount: 6 })),
    "account_within_debit_allowance",
  ],
  ["more credit than an account may have", insert(from("a", "loan")), "account_within_credit_allowance"],
  sql("UPDATE account SET debit_allowance = NULL"),
  [
    "an account of a capped asset without a limit",
    "INSERT INTO account (id, asset, role, owner, created_at) VALUES (gen_random_uuid(), 'TST', 'available', 'eve', 0)",
    "account_limit_required",
  ],
  [
    "a second custody with the whole cap",
    "INSERT INTO account (id, asset, role, debit_allowance, created_at) VALUES (gen_random_uuid(), 'TST', 'custody', 1000000000000000000000000, 0)",
    "account_system",
  ],
);
promise(
  "An amount moves by a route of its asset alone",
  ["TST from user to user", insert(tstFrom("alice", "bob")), "asset_policy"],
  ["TST into another user's lock", insert(tstFrom("alice", "bobLocked")), "asset_policy"],
  ["TST back into the treasury, to go on from there", insert(tstFrom("alice", "treasury")), "asset_policy"],
  ["TST past its fixed supply", insert(tstFrom("custody", "treasury")), "account_within_debit_allowance"],
  [
    "TST past its fixed supply to a user",
    insert(tstFrom("custody", "alice")),
    "account_within_debit_allowance",
  ],
  ["out of revenue", insert(from("revenue", "a")), "asset_policy"],
  [
    "one bad transfer among good ones",
    insert(from("a", "b"), tstFrom("alice", "bob"), from("b", "a")),
    "asset_policy",
  ],
  ["one asset's account in another asset's transfer", insert(from("alice", "bob")), "asset_policy"],
  ["from an account of another asset", insert(from("alice", "b")), "asset_policy"],
  ["to an account of another asset", insert(from("a", "bob")), "asset_policy"],
  [
    "an account that is not there",
    ({ lines, accounts: { a } }) => lines(line(a, randomUUID())),
    "asset_policy",
  ],
  ["a closed account", insert(from("a", "closed")), "asset_policy"],
  sql("INSERT INTO asset_route VALUES ('TST', 'available', 'available', false)"),
  sql("UPDATE asset_route SET same_owner = false"),
  sql("UPDATE asset SET transferable = true"),
  ["the asset made anew", "SELECT create_asset('TST', 18::smallint, true, true, NULL, 0)", "asset_pkey"],
);
promise(
  "A pending transfer is resolved once, by its own accounts, within its amount and its time",
  ["posted, then voided", then(resolving("post", 4), resolving("void", 10)), "transfer_resolved_once"],
  [
    "posted twice in one statement",
    insert(resolving("post", 4), resolving("post", 4)),
    "transfer_resolved_once",
  ],
  ["posted above its amount", insert(resolving("post", 11)), "hold_resolved_once"],
  ["voided in part", insert(resolving("void", 9)), "hold_resolved_once"],
  ["expired before its time", insert(resolving("expire", 10)), "hold_resolved_once"],
  [
    "posted to somebody else",
    ({ lines, accounts, hold }) =>
      lines(line(accounts.a, accounts.loan, { phase: "post", amount: 4, pending_id: hold })),
    "hold_resolved_once",
  ],
  [
    "posted from somebody else",
    ({ lines, accounts, hold }) =>
      lines(line(accounts.issuance, accounts.b, { phase: "post", amount: 4, pending_id: hold })),
    "hold_resolved_once",
  ],
  [
    "posted without having been pending",
    insert(resolving("post", 1, { pending_id: randomUUID() })),
    "hold_resolved_once",
  ],
);
promise(
  "A chain event has one line, and a demand stops the debits of its account until it is served",
  sql("DELETE FROM chain_line"),
  sql("UPDATE chain_line SET block = 1"),
  sql("TRUNCATE chain_line"),
  sql("SELECT apply_chain_lines()"),
  sql("UPDATE account SET exit_demanded = false"),
  [
    "an event that has its line already",
    ({ head }) => [...at(head, 0, {}), ...at(head, 1, {})],
    "chain_line_once",
  ],
  ["an event that leaves a gap", ({ head }) => at(head, 1, {}), "journal_gapless"],
  ["a block below the first", ({ head }) => at(head, 0, { block: -1 }), "chain_line_block_check"],
  ["an event without a name", ({ head }) => at(head, 0, { event: "" }), "chain_line_event_check"],
  [
    "a claim that stops somebody's debits",
    ({ head, accounts }) => at(head, 0, { account: accounts.alice }),
    "chain_line_account",
  ],
  ["a demand for nothing", ({ head }) => at(head, 0, { event: "ExitDemanded" }), "chain_line_account"],
  [
    "a demand for an account that is not settled",
    ({ head, accounts }) => at(head, 0, { event: "ExitDemanded", account: accounts.bob }),
    "chain_line_demand",
  ],
  [
    "a second demand",
    ({ head, positioned }) => [
      ...at(head, 0, { event: "ExitDemanded", account: positioned }),
      ...at(head, 1, { event: "ExitDemanded", account: positioned, logIndex: 1 }),
    ],
    "chain_line_demand",
  ],
  [
    "an end of a demand that nobody made",
    ({ head, positioned }) => at(head, 0, { event: "DemandServed", account: positioned }),
    "chain_line_demand",
  ],
  ["spent after the demand", spentAfterDemand("single"), "account_exit_demanded"],
  ["held after the demand", spentAfterDemand("pending"), "account_exit_demanded"],
);
const gigs =
  (more: Partial<Line> = {}, credit: keyof HostileWorld["accounts"] = "gigsAlice") =>
  ({ accounts }: HostileWorld) =>
    line(accounts.gigsCustody, accounts[credit], { asset: "GIGS", code: "entry_credit", ...more });
/** A chain event, and an INSERT of lines behind it. */
const behind =
  (event: Parameters<typeof insertChainLine>[1], ...lines: readonly ((world: HostileWorld) => Line)[]) =>
  (world: HostileWorld) => [
    ...at(world.head, 0, event),
    ...(insertLines(
      { ...world.head, next_seq: world.head.next_seq + 1 },
      lines.map((one) => one(world)),
    ) as []),
  ];
const ENTRY = { event: "EntryMade" };

promise(
  "What comes into the books of a token came in on the chain: each credit stands behind the line of its entry",
  sql("UPDATE asset SET backed = false"),
  ["a credit without a line", insert(gigs()), "custody_entry_line"],
  ["a credit for something else", behind(ENTRY, gigs({ code: "grant" })), "custody_entry_line"],
  ["a second credit behind a line", behind(ENTRY, gigs(), gigs()), "custody_entry_line"],
  ["a credit that comes one line too late", behind(ENTRY, from("a", "b"), gigs()), "custody_entry_line"],
  ["a credit behind a claim", behind({ event: "Claimed" }, gigs()), "custody_entry_line"],
  [
    "a credit behind an entry of another asset's book",
    behind({ ...ENTRY, registry: "06" }, gigs()),
    "custody_entry_line",
  ],
  [
    "a credit behind an entry of nobody's book",
    behind({ ...ENTRY, registry: "07" }, gigs()),
    "custody_entry_line",
  ],
  ["a credit that is only held", behind(ENTRY, gigs({ phase: "pending" })), "custody_entry_line"],
  ["a second genesis", insert(gigs({ code: "genesis" }, "gigsTreasury")), "custody_entry_line"],
  ["a genesis of a user's own", insert(gigs({ code: "genesis" }, "gigsBob")), "custody_entry_line"],
);
promise(
  "An account is closed by a line of the journal, once, for good, and only where nothing is stuck on it",
  sql("UPDATE account SET closed = true"),
  sql("UPDATE account SET closed = false"),
  [
    "an account that is opened closed",
    "INSERT INTO account (id, asset, role, created_at, closed) VALUES (gen_random_uuid(), 'USD', 'general', 0, true)",
  ],
  sql("DELETE FROM account_closing"),
  sql("UPDATE account_closing SET account = gen_random_uuid()"),
  sql("TRUNCATE account_closing"),
  sql("SELECT apply_account_closings()"),
  ["closed with a balance", closing("purse"), "account_closable"],
  [
    "closed while something is held from it",
    ({ head, accounts: { loan, b } }) => [
      ...(insertLines(head, [line(loan, b, { phase: "pending" })]) as []),
      ...(insertClosings({ ...head, next_seq: head.next_seq + 1 }, [loan]) as []),
    ],
    "account_closable",
  ],
  ["closed twice", closing("closed"), "account_closed_once"],
  ["closed twice in one statement", closing("bob", "bob"), "account_closed_once"],
  ["the treasury", closing("treasury"), "account_closable"],
  ["an asset's revenue, though nothing is on it", closing("revenue"), "account_closable"],
  [
    "an account with a settled position",
    // Its balance is zero, so that the position alone is in the way.
    ({ head, accounts: { aliceLocked } }) => [
      ...(insertPositions(head, [{ account: aliceLocked, asset: "TST", section: 1 }]) as []),
      ...(insertClosings({ ...head, next_seq: head.next_seq + 1 }, [aliceLocked]) as []),
    ],
    "account_closable",
  ],
  ["an account that is not there", ({ head }) => insertClosings(head, [randomUUID()]), "account_closable"],
  ["one that may be closed, with one that may not", closing("bob", "purse"), "account_closable"],
  [
    "a closing that leaves a gap",
    ({ head, accounts }) => insertClosings({ ...head, next_seq: head.next_seq + 1 }, [accounts.bob]),
    "journal_gapless",
  ],
  [
    "a position of a closed account",
    ({ head, accounts }) => insertPositions(head, [{ account: accounts.closed }]),
    "position_account",
  ],
  [
    "spent after its closing",
    ({ head, accounts }) => [
      ...(insertClosings(head, [accounts.bob]) as []),
      ...(insertLines({ ...head, next_seq: head.next_seq + 1 }, [
        tst(accounts.treasury, accounts.bob),
      ]) as []),
    ],
    "asset_policy",
  ],
);
const SENT = `INSERT INTO inter_ledger_transfer (id, seq, from_account, to_ledger_id, to_ledger, to_account, asset, amount,
  state, sent_at, resolved_at, reason) VALUES ($1, $2, $3, '${OTHER_LEDGER}', 'north', gen_random_uuid(), 'USD', $4, $5, 0, $6, $7)`;
const RESOLVED =
  "UPDATE inter_ledger_transfer SET state = $1, arrival_id = $2, reason = $3, resolved_at = 0 WHERE id = $4";
const ARRIVED = `INSERT INTO inter_ledger_arrival (from_ledger_id, transfer_id, line_id, decided_at)
  VALUES ('${OTHER_LEDGER}', gen_random_uuid(), $1, 0)`;
/** A hold for the other ledger with its record, and what is tried with it. */
const sent =
  (amount: number, ...rest: readonly ((id: string, world: HostileWorld) => Attempt)[]) =>
  (world: HostileWorld): Attempt => {
    const id = randomUUID();
    const { accounts, head } = world;
    return [
      ...(world.lines(line(accounts.a, accounts.clearing, { id, phase: "pending", amount: 7 })) as []),
      [SENT, id, head.next_seq, accounts.a, amount, "pending", null, null],
      ...rest.flatMap((one) => one(id, world) as []),
    ];
  };
const voiding = (id: string, { head, accounts }: HostileWorld) =>
  insertLines({ ...head, next_seq: head.next_seq + 1 }, [
    line(accounts.a, accounts.clearing, { phase: "void", amount: 7, pending_id: id }),
  ]);
promise(
  "A transfer between ledgers has its lines, and is decided once",
  [
    "a record without its hold",
    ({ accounts, head }) => [[SENT, randomUUID(), head.next_seq, accounts.a, 7, "pending", null, null]],
    "inter_ledger_held",
  ],
  ["a record of more than is held", sent(8), "inter_ledger_held"],
  [
    "a record that is ended when it begins",
    ({ accounts, head }) => [[SENT, randomUUID(), head.next_seq, accounts.a, 7, "voided", 0, "x"]],
    "inter_ledger_held",
  ],
  [
    "ended while its hold stays",
    sent(7, (id) => [[RESOLVED, "voided", null, "x", id]]),
    "inter_ledger_resolved_by_line",
  ],
  [
    "said to be posted where it was voided",
    sent(7, voiding, (id) => [[RESOLVED, "posted", randomUUID(), null, id]]),
    "inter_ledger_resolved_by_line",
  ],
  [
    "ended twice",
    sent(7, voiding, (id) => [
      [RESOLVED, "voided", null, "x", id],
      [RESOLVED, "voided", null, "y", id],
    ]),
    "inter_ledger_once",
  ],
  sql("UPDATE inter_ledger_transfer SET amount = 1"),
  sql("DELETE FROM inter_ledger_transfer"),
  ["a credit from another ledger without its line", [[ARRIVED, randomUUID()]], "inter_ledger_credited"],
  [
    "a credit by a line that comes from elsewhere",
    ({ lines, accounts: { a, b } }) => {
      const id = randomUUID();
      return [...(lines(line(a, b, { id })) as []), [ARRIVED, id]];
    },
    "inter_ledger_credited",
  ],
  sql("UPDATE inter_ledger_arrival SET refusal = 'x', line_id = NULL"),
  sql("DELETE FROM inter_ledger_arrival"),
  ["TST on its way to another ledger", insert(tstFrom("alice", "clearing")), "asset_policy"],
  ["the clearing account closed", closing("clearing"), "account_closable"],
);
promise(
  "An idempotency key has one effect, in the transaction of it",
  [
    "the key again, with another transfer",
    ({ lines, accounts: { a, b } }) => [
      ...(lines(line(a, b)) as []),
      [
        "INSERT INTO idempotency (principal, key, fingerprint, outcome, time) VALUES ('olga', 'k', $1, '{}', 0)",
        Buffer.alloc(32),
      ],
    ],
    "idempotency_pkey",
  ],
  sql("UPDATE idempotency SET outcome = '{}'"),
  sql("DELETE FROM idempotency"),
  [
    "the transfer's id again",
    ({ lines, accounts: { a, b }, hold }) => lines(line(a, b, { id: hold })),
    "transfer_id",
  ],
  sql("DELETE FROM failed_transfer"),
);
promise(
  "The role owns nothing and gets nothing",
  sql("SET ROLE anchorbook_owner"),
  sql("ALTER TABLE account DROP CONSTRAINT account_within_debit_allowance"),
  [
    "`GRANT UPDATE ON account TO anchorbook_app`, and then its use",
    [["GRANT UPDATE ON account TO anchorbook_app"], ["UPDATE account SET credits_posted = 5"]],
  ],
  sql("CREATE TRIGGER mine BEFORE INSERT ON transfer EXECUTE FUNCTION refuse_change()"),
  sql("CREATE RULE mine AS ON INSERT TO transfer DO INSTEAD NOTHING"),
  sql("CREATE TABLE mine (id int)"),
  sql("ALTER ROLE anchorbook_app SUPERUSER"),
  sql("COPY account TO PROGRAM 'true'"),
);

const LINE_VALUES = "'USD', 1, 'x', 'single', $5::bigint, $5::bigint";
const TWICE = `
  WITH first AS (
    INSERT INTO transfer (seq, id, debit_account, credit_account, asset, amount, code, phase, effective_at, time)
    VALUES ($1, gen_random_uuid(), $3, $4, ${LINE_VALUES})
  )
  INSERT INTO transfer (seq, id, debit_account, credit_account, asset, amount, code, phase, effective_at, time)
  VALUES ($2, gen_random_uuid(), $3, $4, ${LINE_VALUES})`;
const MERGE_LINE = `
  MERGE INTO transfer t USING (SELECT $1::bigint AS seq) AS s ON t.seq = s.seq
  WHEN NOT MATCHED THEN
    INSERT (seq, id, debit_account, credit_account, asset, amount, code, phase, effective_at, time)
    VALUES (s.seq, gen_random_uuid(), $2, $3, 'USD', 1, 'x', 'single', $4, $4)`;

let world: HostileWorld;
beforeAll(async () => {
  world = await startHostileWorld();
});
beforeEach(() => world.look());
afterAll(() => world.close());

test.each(ATTACKS)("$promise: $attack", async ({ try: what, refusedBy }) => {
  const answer = await attempt(world.app, what(world));
  expect(answer === DENIED ? NO_PRIVILEGE : answer).toBe(refusedBy);
});

test("what these attacks do wrong is all that is wrong with them: in order, each statement is let through", async () => {
  const { head, accounts } = world;
  const { a, b } = accounts;
  const inOrder: Attempt[] = [
    world.lines(line(a, b), line(b, a)),
    [[TWICE, head.next_seq, head.next_seq + 1, a, b, head.time]],
    [[MERGE_LINE, head.next_seq, a, b, head.time]],
    world.lines(line(accounts.purse, b, { amount: 5 })),
    world.lines(tst(accounts.alice, accounts.aliceLocked)),
    world.lines(line(a, b, { phase: "post", amount: 4, pending_id: world.hold })),
    insertClosings(head, [accounts.bob]),
    sent(7, voiding, (id) => [[RESOLVED, "voided", null, "x", id]])(world),
  ];
  for (const one of inOrder) expect(await attempt(world.app, one)).toBe("done");
});

test("two inserts in one statement move the balances of both", async () => {
  const { head, accounts } = world;
  const { app } = world;
  await app.query("BEGIN");
  const credits = async () =>
    (await app.query("SELECT credits_posted AS n FROM account WHERE id = $1", [accounts.b])).rows[0]
      .n as bigint;
  const before = await credits();
  await app.query(TWICE, [head.next_seq, head.next_seq + 1, accounts.a, accounts.b, head.time]);
  expect(await credits()).toBe(before + 2n);
  expect((await app.query("SELECT next_seq FROM journal_head")).rows[0].next_seq).toBe(head.next_seq + 2);
  await app.query("ROLLBACK");
});

test("the table in the documents is this list", async () => {
  const rows = ATTACKS.map(({ promise: text, attack, refusedBy }, place) => {
    const first = ATTACKS[place - 1]?.promise !== text;
    return `| ${first ? text : ""} | ${attack} | ${refusedBy === NO_PRIVILEGE ? NO_PRIVILEGE : `\`${refusedBy}\``} |`;
  });
  const document = `# What the database refuses

Each promise of [the ledger's database](ledger.md#what-the-database-enforces), what was tried against it in plain SQL as
the application's own role, and what refused it: a missing privilege, a constraint, or a trigger's rule by its name.
\`test/ledger/database-attacks.test.ts\` tries all of them on a migrated database and wrote this table.

| promise | attack | refused by |
|---|---|---|
${rows.join("\n")}
`;
  await expect(document).toMatchFileSnapshot("../../docs/database-attacks.md");
});
