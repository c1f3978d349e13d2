import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TRANSFER_CODES, type TransferCode, type TransferRequest } from "#ledger";
import { expectCoherent } from "../support/coherence.ts";
import { startLedger, type TestLedger, transfer } from "../support/ledger.ts";

const MAX = 2n ** 128n - 1n;
const FAR = 4_000_000_000;

interface World {
  a: string;
  b: string;
  /** Accounts of two other assets, and a closed one of the first. */
  other: string;
  otherCredit: string;
  closedOther: string;
  closed: string;
  closedCredit: string;
  /** No asset leads money into it. */
  issuance: string;
  otherIssuance: string;
  /** Debits must not exceed its credits, of which it has none. */
  poor: string;
  /** Credits must not exceed its debits, of which it has none. */
  full: string;
  /** Debits as many as can be. */
  whale: string;
  /** The same, and bound to its credits. */
  poorWhale: string;
  single: string;
  failedId: string;
  pendings: Record<"open" | "posted" | "voided" | "expired" | "closed", string>;
}

let books: TestLedger;
let world: World;

beforeAll(async () => {
  books = await startLedger();
  world = await createWorld();
});
afterAll(async () => {
  await expectCoherent(books);
  await books.close();
});

async function createWorld(): Promise<World> {
  const { open, send, asOwner } = books;
  for (const code of ["EUR", "GBP"])
    await asOwner("SELECT create_asset($1, 2::smallint, true, true, NULL, 0)", [code]);
  const issuance = (asset: string) =>
    books.run((view) => view.openAccount({ asset, role: "issuance", owner: null }));
  const several = (count: number, account = {}) =>
    Promise.all(Array.from({ length: count }, () => open(account)));
  const [a = "", b = "", closed = "", closedCredit = "", whale = ""] = await several(5);
  const [other = "", closedOther = ""] = await several(2, { asset: "EUR" });
  const otherCredit = await open({ asset: "GBP" });
  const poor = await open({ debitAllowance: 0n });
  const full = await open({ creditAllowance: 0n });
  const poorWhale = await open({ debitAllowance: 0n });
  const sink = await open();
  const pending = (timeoutSeconds?: number): TransferRequest =>
    transfer(a, b, 10n, { phase: "pending", ...(timeoutSeconds ? { timeoutSeconds } : {}) });
  const [openOne, posted, voided, expired] = [pending(), pending(), pending(), pending(10)];
  const closedOne = transfer(a, closed, 10n, { phase: "pending" });
  const single = transfer(a, b, 1n);
  const failed = transfer(poor, b, 1n);
  const codes = await send(
    ...[openOne, posted, voided, expired, closedOne, single, failed],
    { id: randomUUID(), phase: "post", pendingId: posted.id },
    { id: randomUUID(), phase: "void", pendingId: voided.id },
    transfer(whale, sink, MAX - 5n),
    transfer(sink, poorWhale, MAX - 5n),
    transfer(poorWhale, await open(), MAX - 5n),
  );
  expect(codes).toEqual([...Array(6).fill("ok"), "exceeds_credits", ...Array(5).fill("ok")]);
  for (const id of [closed, closedCredit, closedOther]) await books.run((view) => view.closeAccount(id));
  await books.advance(10);
  return {
    ...{ a, b, other, otherCredit, closedOther, closed, closedCredit, poor, full, whale, poorWhale },
    ...{ issuance: await issuance("USD"), otherIssuance: await issuance("EUR") },
    ...{ single: single.id, failedId: failed.id },
    pendings: {
      open: openOne.id,
      posted: posted.id,
      voided: voided.id,
      expired: expired.id,
      closed: closedOne.id,
    },
  };
}

type Fault = readonly [code: TransferCode, set: (w: World) => Partial<TransferRequest>];

const movement = (w: World): TransferRequest => transfer(w.a, w.b, 6n);

/** What can be wrong with a movement, in the documented order. */
const MOVEMENT_FAULTS: readonly Fault[] = [
  ["id_already_failed", (w) => ({ id: w.failedId })],
  ["pending_id_must_not_be_given", () => ({ pendingId: randomUUID() })],
  ["timeout_reserved_for_pending", () => ({ timeoutSeconds: 5 })],
  ["amount_must_not_be_zero", () => ({ amount: 0n })],
  ["accounts_must_be_different", (w) => ({ debitAccount: w.a, creditAccount: w.a })],
  ["effective_at_in_the_future", () => ({ effectiveAt: FAR })],
  ["account_not_found", () => ({ debitAccount: randomUUID() })],
  ["account_not_found", () => ({ creditAccount: randomUUID() })],
  ["assets_differ", (w) => ({ debitAccount: w.other })],
  ["assets_differ", (w) => ({ creditAccount: w.otherCredit })],
  ["account_closed", (w) => ({ debitAccount: w.closed })],
  ["account_closed", (w) => ({ creditAccount: w.closedCredit })],
  ["asset_not_transferable", (w) => ({ creditAccount: w.issuance })],
  ["overflows", (w) => ({ debitAccount: w.whale })],
  ["exceeds_credits", (w) => ({ debitAccount: w.poor })],
  ["exceeds_debits", (w) => ({ creditAccount: w.full })],
];

const post = (w: World): TransferRequest => ({ id: randomUUID(), phase: "post", pendingId: w.pendings.open });

/** What can be wrong with a post or void, in the documented order. */
const RESOLUTION_FAULTS: readonly Fault[] = [
  ["id_already_failed", (w) => ({ id: w.failedId })],
  ["timeout_reserved_for_pending", () => ({ timeoutSeconds: 5 })],
  ["balancing_not_allowed_here", () => ({ balancing: "debit" })],
  ["amount_must_not_be_zero", () => ({ amount: 0n })],
  ["accounts_must_be_different", (w) => ({ debitAccount: w.b, creditAccount: w.b })],
  ["effective_at_in_the_future", () => ({ effectiveAt: FAR })],
  ["pending_transfer_not_found", () => ({ pendingId: randomUUID() })],
  ["pending_transfer_not_pending", (w) => ({ pendingId: w.single })],
  ["pending_transfer_has_different_debit_account", (w) => ({ debitAccount: w.poor })],
  ["pending_transfer_has_different_credit_account", (w) => ({ creditAccount: w.full })],
  ["exceeds_pending_amount", () => ({ amount: 11n })],
  ["pending_transfer_has_different_amount", () => ({ phase: "void", amount: 9n })],
  ["pending_transfer_already_posted", (w) => ({ pendingId: w.pendings.posted })],
  ["pending_transfer_already_voided", (w) => ({ pendingId: w.pendings.voided })],
  ["pending_transfer_expired", (w) => ({ pendingId: w.pendings.expired })],
  ["account_closed", (w) => ({ pendingId: w.pendings.closed })],
];

/** Faults of one member where both can be had at once. */
const OVERLAPPING: readonly [code: TransferCode, request: (w: World) => TransferRequest][] = [
  [
    "pending_id_must_be_given",
    () => ({ id: randomUUID(), phase: "post", timeoutSeconds: 1, balancing: "debit" }),
  ],
  ["pending_id_must_be_different", (w) => ({ ...post(w), ...sameId(), timeoutSeconds: 1, amount: 0n })],
  ["accounts_must_be_different", () => sameUnknown()],
  ["assets_differ", (w) => transfer(w.a, w.closedOther, 1n)],
  ["assets_differ", (w) => transfer(w.a, w.otherIssuance, 1n)],
  ["account_closed", (w) => transfer(w.closed, w.issuance, 1n)],
  ["asset_not_transferable", (w) => transfer(w.whale, w.issuance, 6n)],
  ["overflows", (w) => transfer(w.poorWhale, w.b, 6n)],
  ["exceeds_credits", (w) => transfer(w.poorWhale, w.b, 1n)],
  ["amount_must_not_be_zero", (w) => ({ id: randomUUID(), debitAccount: w.a, creditAccount: w.a })],
  ["account_not_found", () => ({ id: randomUUID(), amount: 1n })],
  ["exceeds_pending_amount", (w) => ({ ...post(w), phase: "void", amount: 11n })],
];

function sameId(): Pick<TransferRequest, "id" | "pendingId"> {
  const id = randomUUID();
  return { id, pendingId: id };
}
function sameUnknown(): TransferRequest {
  const account = randomUUID();
  return transfer(account, account, 1n, { effectiveAt: FAR });
}

const place = (code: TransferCode) => TRANSFER_CODES.indexOf(code);
const disjoint = (one: object, two: object) => Object.keys(one).every((member) => !(member in two));

/** Each pair of faults that do not touch the same member, and the code of the first. */
function pairs(base: (w: World) => TransferRequest, faults: readonly Fault[]) {
  return faults.flatMap(([first, setFirst], at) =>
    faults.slice(at).flatMap(([, setSecond], ahead) => {
      const [one, two] = [setFirst(world), ahead === 0 ? {} : setSecond(world)];
      return disjoint(one, two) ? [{ expected: first, request: { ...base(world), ...one, ...two } }] : [];
    }),
  );
}

describe("the documented precedence", () => {
  test("lists the faults of these tests in its own order", () => {
    for (const faults of [MOVEMENT_FAULTS, RESOLUTION_FAULTS]) {
      const places = faults.map(([code]) => place(code));
      expect(places).toEqual(places.toSorted((x, y) => x - y));
    }
  });

  test.each([
    ["a movement", movement, MOVEMENT_FAULTS, 60],
    ["a post or void", post, RESOLUTION_FAULTS, 60],
  ] as const)("decides each fault of %s, and each pair of them", async (_, base, faults, least) => {
    const cases = pairs(base, faults);
    expect(cases.length).toBeGreaterThan(least);
    const codes = await books.send(...cases.map(({ request }) => request));
    const wrong = cases.flatMap(({ expected, request }, at) =>
      codes[at] === expected ? [] : [{ expected, got: codes[at], members: Object.keys(request) }],
    );
    expect(wrong).toEqual([]);
  });

  test("decides faults of one member too", async () => {
    const codes = await books.send(...OVERLAPPING.map(([, request]) => request(world)));
    expect(codes).toEqual(OVERLAPPING.map(([code]) => code));
  });

  test("puts the supply cap before the other limits", async () => {
    await books.asOwner("SELECT create_asset('CAPPED', 0::smallint, true, true, 100, 0)");
    const [issuance, user] = await books.run((view) => [
      view.openAccount({ asset: "CAPPED", role: "issuance", owner: null }),
      view.openAccount({ asset: "CAPPED", role: "available", owner: "u" }),
    ]);
    const full = await books.open({ asset: "CAPPED", debitAllowance: 0n, creditAllowance: 0n });
    const [from = "", to = ""] = [issuance, user];
    expect(
      await books.send(
        transfer(from, to, 100n),
        transfer(from, to, 1n),
        transfer(from, full, 1n),
        transfer(from, to, 5n, { balancing: "debit" }),
        transfer(to, full, 101n),
        transfer(to, full, 100n),
      ),
    ).toEqual([
      ...["ok", "exceeds_supply_cap", "exceeds_supply_cap", "exceeds_supply_cap"],
      ...["exceeds_credits", "exceeds_debits"],
    ]);
  });
});

describe("the same id again", () => {
  const full = (w: World): TransferRequest =>
    transfer(w.a, w.b, 5n, {
      phase: "pending",
      code: "c",
      timeoutSeconds: 1_000_000,
      effectiveAt: 5,
      reference: "r",
      metadata: { x: [1, { b: 2, a: null }], n: 1.5 },
    });

  const CHANGES: readonly [
    TransferCode,
    Partial<TransferRequest> | ((r: TransferRequest) => TransferRequest),
  ][] = [
    ["exists_with_different_phase", without("phase")],
    ["exists_with_different_pending_id", { pendingId: randomUUID() }],
    ["exists_with_different_debit_account", { debitAccount: randomUUID() }],
    ["exists_with_different_credit_account", { creditAccount: randomUUID() }],
    ["exists_with_different_amount", { amount: 6n }],
    ["exists_with_different_balancing", { balancing: "debit" }],
    ["exists_with_different_code", without("code")],
    ["exists_with_different_timeout", { timeoutSeconds: 7 }],
    ["exists_with_different_effective_at", without("effectiveAt")],
    ["exists_with_different_reference", { reference: "s" }],
    ["exists_with_different_metadata", { metadata: { x: [1, { b: 2 }], n: 1.5 } }],
  ];

  function without(member: keyof TransferRequest) {
    return (request: TransferRequest) => {
      const { [member]: _, ...rest } = request;
      return rest as TransferRequest;
    };
  }
  const apply = (request: TransferRequest, change: (typeof CHANGES)[number][1]) =>
    typeof change === "function" ? change(request) : { ...request, ...change };

  test("says exists for the same request, in this batch and in a later one, whatever the order of members", async () => {
    const request = full(world);
    const shuffled = { ...request, metadata: { n: 1.5, x: [1, { a: null, b: 2 }] } };
    expect(await books.send(request, request, shuffled)).toEqual(["ok", "exists", "exists"]);
    expect(await books.send(shuffled)).toEqual(["exists"]);
  });

  test("says the first member that differs, for each pair of members", async () => {
    const request = full(world);
    await books.send(request);
    const cases = CHANGES.flatMap(([code, change], at) =>
      CHANGES.slice(at).map(([, other]) => ({ code, request: apply(apply(request, change), other) })),
    );
    expect(cases.length).toBe(66);
    expect(await books.send(...cases.map((one) => one.request))).toEqual(cases.map(({ code }) => code));
  });

  test("keeps an omitted member omitted, even where its default says the same", async () => {
    const [plain, coded] = [
      transfer(world.a, world.b, 1n),
      transfer(world.a, world.b, 1n, { code: "transfer" }),
    ];
    expect(await books.send(plain, coded)).toEqual(["ok", "ok"]);
    expect(await books.send({ ...plain, code: "transfer" }, without("code")(coded), plain, coded)).toEqual([
      ...["exists_with_different_code", "exists_with_different_code", "exists", "exists"],
    ]);
    const pending = transfer(world.a, world.b, 4n, { phase: "pending" });
    const posted: TransferRequest = { id: randomUUID(), phase: "post", pendingId: pending.id };
    expect(await books.send(pending, posted, posted, { ...posted, amount: 4n })).toEqual([
      ...["ok", "ok", "exists", "exists_with_different_amount"],
    ]);
  });

  test("compares a balancing transfer by the amount asked for", async () => {
    const purse = await books.open({ debitAllowance: 0n });
    const request = transfer(purse, world.b, 10n, { balancing: "debit" });
    const { amount: _, ...unbounded } = request;
    expect(await books.send(transfer(world.a, purse, 3n), request)).toEqual(["ok", "ok"]);
    expect(await books.send(request, { ...request, amount: 3n }, unbounded)).toEqual([
      ...["exists", "exists_with_different_amount", "exists_with_different_amount"],
    ]);
  });

  test("of a transient failure stays failed, and of a malformed request may be mended", async () => {
    const purse = await books.open({ debitAllowance: 0n });
    const [poor, malformed] = [transfer(purse, world.b, 1n), transfer(purse, world.b, 0n)];
    expect(await books.send(poor, malformed, poor)).toEqual([
      ...["exceeds_credits", "amount_must_not_be_zero", "id_already_failed"],
    ]);
    await books.send(transfer(world.a, purse, 10n));
    expect(await books.send(poor, { ...malformed, amount: 1n })).toEqual(["id_already_failed", "ok"]);
    const unknown = randomUUID();
    const early = transfer(world.a, unknown, 1n);
    const orphan: TransferRequest = { id: randomUUID(), phase: "post", pendingId: randomUUID() };
    expect(await books.send(early, orphan)).toEqual(["account_not_found", "pending_transfer_not_found"]);
    await books.open({ id: unknown });
    expect(await books.send(early, orphan)).toEqual(["id_already_failed", "id_already_failed"]);
  });
});

describe("limits", () => {
  test("bind debits to credits and credits to debits, holds included, to the last unit", async () => {
    const purse = await books.open({ debitAllowance: 0n });
    const loan = await books.open({ creditAllowance: 0n });
    expect(
      await books.send(
        transfer(world.a, purse, 10n),
        transfer(purse, world.b, 4n, { phase: "pending" }),
        transfer(purse, world.b, 7n),
        transfer(purse, world.b, 6n),
        transfer(purse, world.b, 1n, { phase: "pending" }),
        transfer(loan, world.b, 5n),
        transfer(world.a, loan, 5n, { phase: "pending" }),
        transfer(world.a, loan, 1n),
        // What only comes in as a hold cannot be spent.
        transfer(world.a, purse, 9n, { phase: "pending" }),
        transfer(purse, world.b, 1n),
      ),
    ).toEqual([
      ...["ok", "ok", "exceeds_credits", "ok", "exceeds_credits"],
      ...["ok", "ok", "exceeds_debits", "ok", "exceeds_credits"],
    ]);
  });

  test("are filled by balancing transfers, and a balancing transfer of nothing fails", async () => {
    const purse = await books.open({ debitAllowance: 0n });
    const loan = await books.open({ creditAllowance: 0n });
    const all = (debit: string, credit: string, balancing: "debit" | "credit"): TransferRequest => ({
      ...{ id: randomUUID(), debitAccount: debit, creditAccount: credit, balancing },
    });
    expect(
      await books.send(
        all(purse, world.b, "debit"),
        transfer(world.a, purse, 10n),
        transfer(purse, world.b, 4n, { balancing: "debit" }),
        all(purse, world.b, "debit"),
        all(purse, world.b, "debit"),
        transfer(loan, world.b, 3n),
        all(world.a, loan, "credit"),
        all(world.a, loan, "credit"),
        all(purse, loan, "debit"),
      ),
    ).toEqual([
      ...["exceeds_credits", "ok", "ok", "ok", "exceeds_credits"],
      ...["ok", "ok", "exceeds_debits", "exceeds_credits"],
    ]);
    const read = await books.queries.account(purse);
    expect([read?.debitsPosted, read?.creditsPosted]).toEqual([10n, 10n]);
  });

  test("an amount that only just fits is kept exactly", async () => {
    const [from, to] = [await books.open(), await books.open()];
    expect(await books.send(transfer(from, to, MAX), transfer(from, to, 1n))).toEqual(["ok", "overflows"]);
    expect((await books.queries.account(to))?.creditsPosted).toBe(MAX);
  });
});

test("an effective time may be any past time and not the next second", async () => {
  const now = await books.queries.now();
  const { a, b } = world;
  const [old, next] = [
    transfer(a, b, 1n, { effectiveAt: 0 }),
    transfer(a, b, 1n, { effectiveAt: now + 1_000 }),
  ];
  expect(await books.send(old, next)).toEqual(["ok", "effective_at_in_the_future"]);
  expect((await books.queries.transfer(old.id))?.effectiveAt).toBe(0);
});
