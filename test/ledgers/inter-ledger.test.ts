/** Transfers between two ledgers of one server, over HTTP: what arrives, what is refused, what waits, who may see it. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { silentLog } from "#infra";
import { createLedger, detachLedger } from "../../src/create-ledger.ts";
import { type ComposedServer, caller, type ServerWorld, serverWorld } from "../support/composed-server.ts";
import { connect } from "../support/ledger.ts";
import { openPair } from "./open-pair.ts";

const PATH = "/api/v1/ledger/inter-ledger-transfers";
const LEDGERS = [null, "south"] as const;
type LedgerName = (typeof LEDGERS)[number];

let world: ServerWorld;
let server: ComposedServer;
let call: ReturnType<typeof caller>;
/** The same for both ledgers: accounts of two ledgers are two, whatever their ids. */
const { source, spender, strict } = { source: randomUUID(), spender: randomUUID(), strict: randomUUID() };
const places = () => {
  const { appUrl: url, schema } = world.database;
  return { north: { url, schema }, south: { url, schema: "ledger_south" } };
};

beforeAll(async () => {
  world = await serverWorld();
  const { ownerUrl, appUrl } = world.database;
  await createLedger({ name: "south", ownerUrl, appUrl }, silentLog());
  await startServer();
  for (const ledger of LEDGERS) await openBooks(ledger);
});

afterAll(async () => {
  await server.stop();
  await world.close();
});

async function startServer(): Promise<void> {
  server = await world.start();
  await server.application.start();
  call = caller(server.url);
}

async function openBooks(ledger: LedgerName): Promise<void> {
  const policy = { scale: 2, transferable: true, mintable: true };
  const assets = [
    { code: "USD", ...policy },
    { code: "ODD", ...policy, scale: ledger === null ? 2 : 3 },
    { code: ledger === null ? "OURS" : "THEIRS", ...policy },
    { code: "CAPPED", ...policy, supply_cap: "1000" },
    { code: "FIXED", ...policy, transferable: false },
  ];
  for (const asset of assets)
    expect((await call("POST", "/api/v1/ledger/assets", ledger, asset)).status).toBe(200);
  const accounts = [
    { id: source, asset: "USD" },
    { id: spender, asset: "USD", owner: "anna", limit: "debits_must_not_exceed_credits" },
    { id: strict, asset: "USD", limit: "credits_must_not_exceed_debits" },
  ];
  await call("POST", "/api/v1/ledger/accounts", ledger, { accounts });
  const fund = { id: randomUUID(), debit_account: source, credit_account: spender, amount: "1000" };
  const funded = await call("POST", "/api/v1/ledger/transfers", ledger, { transfers: [fund] });
  expect(funded.body.results[0].code).toBe("ok");
}

async function openAccount(ledger: LedgerName, asset: string): Promise<string> {
  const account = {
    id: randomUUID(),
    asset,
    ...(asset === "CAPPED" ? { limit: "debits_must_not_exceed_credits" } : {}),
  };
  const { body } = await call("POST", "/api/v1/ledger/accounts", ledger, { accounts: [account] });
  expect(body.results[0].code).toBe("ok");
  return account.id;
}

interface Sending {
  id?: string;
  from?: string;
  to?: string;
  amount?: string;
  ledger?: LedgerName;
  toLedger?: string;
  reference?: string;
}

function send({
  id = randomUUID(),
  from = spender,
  to = spender,
  amount = "1",
  ledger = null,
  toLedger,
  reference,
}: Sending) {
  const body = {
    id,
    from_account: from,
    to_ledger: toLedger ?? (ledger ? "default" : "south"),
    to_account: to,
    amount,
    ...(reference === undefined ? {} : { reference }),
  };
  return call("POST", PATH, ledger, body);
}

const find = async (id: string, ledger: LedgerName = null) =>
  (await call("GET", `${PATH}/${id}`, ledger)).body;

async function ended(id: string, ledger: LedgerName = null): Promise<Record<string, unknown>> {
  await expect.poll(async () => (await find(id, ledger)).state, { timeout: 20_000 }).not.toBe("pending");
  return find(id, ledger);
}

async function balanceOf(ledger: LedgerName, account = spender): Promise<number> {
  return Number((await call("GET", `/api/v1/ledger/accounts/${account}`, ledger)).body.balance);
}

async function asOwner(ledger: LedgerName, sql: string): Promise<Record<string, unknown>[]> {
  const { database } = world;
  const schema = ledger === null ? database.schema : `ledger_${ledger}`;
  const client = await connect(database.ownerUrl, { ...database, schema });
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

async function clearingOf(ledger: LedgerName) {
  const { body } = await call("GET", "/api/v1/ledger/clearing", ledger);
  return body.data.find((one: Record<string, string>) => one.asset === "USD" && one.ledger !== "fresh");
}

/** Both sides say the same of each other, nothing is on its way, and no amount came into being. */
async function assertCoherent(): Promise<void> {
  const [ours, theirs] = await Promise.all(LEDGERS.map(clearingOf));
  expect(ours).toMatchObject({
    ledger: "south",
    asset: "USD",
    pending: "0",
    difference: "0",
    credited: ours.sent,
  });
  expect(theirs).toMatchObject({ ledger: "default", asset: "USD", pending: "0", difference: "0" });
  expect([theirs.received, theirs.sent]).toEqual([ours.sent, ours.received]);
  const net = await Promise.all(
    LEDGERS.map(
      async (ledger) =>
        (
          await asOwner(
            ledger,
            "SELECT sum(credits_posted - debits_posted) AS net FROM account WHERE role = 'clearing' AND asset = 'USD'",
          )
        )[0]?.net as bigint,
    ),
  );
  expect((net[0] ?? 0n) + (net[1] ?? 0n)).toBe(0n);
  expect((await balanceOf(null)) + (await balanceOf("south"))).toBe(2000);
}

async function eventsOf(ledger: LedgerName, id: string, subject: string): Promise<unknown[]> {
  const headers = { accept: "application/json" };
  const path = `/api/v1/events?types=inter_ledger.*&after=0&limit=1000&subject=${subject}`;
  const { body } = await call("GET", path, ledger, undefined, headers);
  return body.data
    .filter((event: { data: { transfer_id: string } }) => event.data.transfer_id === id)
    .map((event: { type: string; data: object }) => [event.type, event.data]);
}

test("an amount leaves one ledger and arrives in the other, once, however often it is asked for", async () => {
  const id = randomUUID();
  const answers = await Promise.all(Array.from({ length: 5 }, () => send({ id, amount: "12.34" })));
  for (const { status, body } of answers) expect([status, body]).toEqual([200, answers[0]?.body]);
  const done = await ended(id);
  expect(done).toMatchObject({
    state: "posted",
    reason: null,
    amount: "12.34",
    asset: "USD",
    to_ledger: "south",
  });
  expect((await send({ id, amount: "12.34" })).body).toEqual(answers[0]?.body);
  expect(await balanceOf("south")).toBe(1012.34);
  const { body: line } = await call("GET", `/api/v1/ledger/transfers/${done.arrival_id}`, "south");
  expect(line).toMatchObject({ amount: "12.34", credit_account: spender, code: "inter-ledger" });

  const others: Sending[] = [
    { amount: "1" },
    { from: source },
    { to: source },
    { toLedger: "nowhere" },
    { reference: "x" },
  ];
  for (const other of others) {
    const { status, body } = await send({ id, amount: "12.34", ...other });
    expect([other, status, body.error]).toEqual([other, 400, "invalid_request"]);
  }
  await assertCoherent();
});

test("the sender and the receiver are told by events of their own", async () => {
  const { body } = await send({ amount: "3" });
  const { arrival_id } = await ended(body.id);
  const [, { ledger_id }] = await Promise.all(LEDGERS.map(clearingOf));
  const sent = {
    transfer_id: body.id,
    to_ledger: "south",
    account: spender,
    to_account: spender,
    amount: "3",
  };
  expect(await eventsOf(null, body.id, "anna")).toEqual([
    ["inter_ledger.sent", expect.objectContaining(sent)],
    ["inter_ledger.posted", expect.objectContaining({ ...sent, arrival_id })],
  ]);
  expect(await eventsOf("south", body.id, "anna")).toEqual([
    [
      "inter_ledger.arrived",
      {
        ...{ transfer_id: body.id, from_ledger: "default", from_ledger_id: ledger_id, arrival_id },
        ...{ account: spender, asset: "USD", amount: "3" },
      },
    ],
  ]);
});

test("what the other ledger refuses for good is free again here, and the sender is told why", async () => {
  const before = await balanceOf(null);
  const closed = await openAccount("south", "USD");
  expect((await call("POST", `/api/v1/ledger/accounts/${closed}/close`, "south", {})).status).toBe(200);
  const odd = await openAccount(null, "ODD");
  const ours = await openAccount(null, "OURS");
  const general = { id: randomUUID(), debit_account: source, credit_account: spender, amount: "1" };
  await call("POST", "/api/v1/ledger/transfers", null, { transfers: [general] });
  const refusals: readonly [Sending, string][] = [
    [{ to: randomUUID() }, "account_not_found"],
    [{ to: closed }, "account_closed"],
    [{ to: strict }, "exceeds_debits"],
    [{ to: await openAccount("south", "THEIRS") }, "assets_differ"],
    [{ from: odd }, "asset_has_another_scale"],
    [{ from: ours }, "asset_not_found"],
  ];
  for (const [sending, reason] of refusals) {
    const { status, body } = await send(sending);
    expect([reason, status]).toEqual([reason, 200]);
    expect(await ended(body.id)).toMatchObject({ state: "voided", reason, arrival_id: null });
    const told = (await eventsOf(null, body.id, "anna")).at(-1);
    if (sending.from === undefined)
      expect(told).toEqual(["inter_ledger.voided", expect.objectContaining({ reason })]);
  }
  expect(await balanceOf(null)).toBe(before + 1);
  // Taken back, so that the sum over both ledgers is what it was.
  const back = { id: randomUUID(), debit_account: spender, credit_account: source, amount: "1" };
  await call("POST", "/api/v1/ledger/transfers", null, { transfers: [back] });
  await assertCoherent();
});

test("what cannot leave is refused at once, and leaves nothing", async () => {
  const refusals: readonly [Sending, number, string, string][] = [
    [{ amount: "99999" }, 400, "insufficient_balance", ""],
    [{ amount: "0" }, 400, "invalid_amount", ""],
    [{ amount: "0.001" }, 400, "invalid_amount", ""],
    [{ from: randomUUID() }, 404, "not_found", ""],
    [{ toLedger: "nowhere" }, 404, "not_found", ""],
    [{ toLedger: "default" }, 400, "invalid_request", "this ledger"],
    [{ from: await openAccount(null, "CAPPED") }, 400, "invalid_request", "asset_has_a_supply_cap"],
    [{ from: await openAccount(null, "FIXED") }, 400, "invalid_request", "asset_not_transferable"],
  ];
  for (const [sending, status, error, message] of refusals) {
    const id = randomUUID();
    const answer = await send({ ...sending, id });
    expect([sending, answer.status, answer.body.error]).toEqual([sending, status, error]);
    expect(answer.body.message).toContain(message);
    expect((await call("GET", `${PATH}/${id}`, null)).status).toBe(404);
  }
  const available = String(await balanceOf(null));
  const short = await send({ amount: "99999" });
  expect(short.body.details).toBe(`Required: 99999 USD, Available: ${available} USD`);
});

test("a ledger that was made a moment ago can be sent to, and one that cannot be opened is asked for later", async () => {
  const { ownerUrl, appUrl } = world.database;
  await createLedger({ name: "fresh", ownerUrl, appUrl }, silentLog());
  const { body } = await send({ toLedger: "fresh" });
  expect(await ended(body.id)).toMatchObject({ state: "voided", reason: "asset_not_found" });

  await asOwner(
    null,
    "CREATE SCHEMA ledger_broken; CREATE TABLE ledger_broken.migration (name text, id int)",
  );
  await asOwner(
    null,
    "INSERT INTO anchorbook_ledgers.ledger_registry VALUES ('broken', 'ledger_broken', 'open')",
  );
  const away = await send({ toLedger: "broken" });
  expect([away.status, away.body.error]).toEqual([503, "unavailable"]);
  await asOwner(null, "DELETE FROM anchorbook_ledgers.ledger_registry WHERE name = 'broken'");
});

test("TST has no way to another ledger, whoever asks", async () => {
  const grant = { user_id: "anna", amount: "10", grant_id: `grant-${randomUUID()}` };
  await call("POST", "/api/v1/tst/grants", null, grant);
  const accounts = await asOwner(
    null,
    "SELECT id, role FROM account WHERE asset = 'TST' AND role IN ('treasury', 'available')",
  );
  expect(accounts.length).toBeGreaterThan(0);
  for (const { id } of accounts) {
    const { status, body } = await send({ from: id as string });
    expect([status, body.message]).toEqual([400, expect.stringContaining("asset_belongs_to_a_program")]);
  }
  const routes = "SELECT FROM asset_route WHERE asset = 'TST' AND 'clearing' IN (from_role, to_role)";
  for (const ledger of LEDGERS) expect(await asOwner(ledger, routes)).toEqual([]);
  expect(await asOwner(null, "SELECT FROM account WHERE asset = 'TST' AND role = 'clearing'")).toEqual([]);
});

test("both directions at once: the comparison holds all the while, and the sum over both ledgers stays", async () => {
  let busy = true;
  const differences = new Set<string>();
  const watch = (async () => {
    while (busy)
      for (const ledger of LEDGERS)
        for (const one of (await call("GET", "/api/v1/ledger/clearing", ledger)).body.data)
          differences.add(one.difference);
  })();
  const sent = await Promise.all(
    Array.from({ length: 120 }, (_, place) =>
      send(place % 2 === 0 ? { amount: "3" } : { ledger: "south", amount: "2" }),
    ),
  );
  expect(sent.map(({ status }) => status)).toEqual(sent.map(() => 200));
  for (const [place, { body }] of sent.entries())
    expect((await ended(body.id, LEDGERS[place % 2])).state).toBe("posted");
  busy = false;
  await watch;
  expect([...differences]).toEqual(["0"]);
  await assertCoherent();
});

test("pages through all of them, newest first, and through those of one state", async () => {
  const seen: string[] = [];
  for (let cursor = ""; ; ) {
    const { body } = await call("GET", `${PATH}?limit=7${cursor && `&cursor=${cursor}`}`, null);
    seen.push(...body.data.map(({ id }: { id: string }) => id));
    if (body.next_cursor === null) break;
    cursor = body.next_cursor;
  }
  const all = await asOwner(null, "SELECT id, state FROM inter_ledger_transfer ORDER BY seq DESC");
  expect(seen).toEqual(all.map(({ id }) => id));
  const { body } = await call("GET", `${PATH}?state=voided&limit=1000`, null);
  expect(body.data.map(({ id }: { id: string }) => id)).toEqual(
    all.filter(({ state }) => state === "voided").map(({ id }) => id),
  );
  expect((await call("GET", `${PATH}?cursor=bm9uZQ`, null)).status).toBe(400);
});

test("while the other ledger is detached what was sent waits, nobody resolves it by hand, and it goes on after", async () => {
  const before = await balanceOf("south");
  const ids = [randomUUID(), randomUUID()];
  await server.stop();
  const pair = await openPair(places());
  await pair.north.stop();
  for (const id of ids)
    await pair.north.send(
      { id, fromAccount: spender, toLedger: "south", toAccount: spender, amount: 500n, reference: null },
      undefined,
    );
  await pair.close();
  await detachLedger(world.database.ownerUrl, "south");
  await startServer();

  const [id = ""] = ids;
  expect((await send({ id, amount: "5" })).status).toBe(200);
  expect((await send({ amount: "5" })).status).toBe(404);
  await expectNobodyTouches(id);
  const waiting = (await call("GET", `${PATH}?state=pending`, null)).body.data;
  expect(waiting.map((one: { id: string }) => one.id).sort()).toEqual([...ids].sort());
  const clearing = await clearingOf(null);
  expect(clearing).toMatchObject({ ledger: null, pending: "10", credited: null, difference: null });

  const { ownerUrl, appUrl } = world.database;
  await createLedger({ name: "south", ownerUrl, appUrl, attach: true }, silentLog());
  for (const one of ids) expect(await ended(one)).toMatchObject({ state: "posted" });
  expect(await balanceOf("south")).toBe(before + 10);
  await assertCoherent();
});

/** Posting or voiding the hold, or moving what lies between the ledgers: by any list of the ledger's own API. */
async function expectNobodyTouches(id: string): Promise<void> {
  const [clearing] = await asOwner(null, "SELECT id FROM account WHERE role = 'clearing' AND asset = 'USD'");
  const attempts = [
    ...["post", "void"].map((phase) => ({ phase, pending_id: id })),
    { phase: "post", pending_id: id, amount: "1" },
    { debit_account: clearing?.id, credit_account: spender, amount: "1" },
    { debit_account: spender, credit_account: clearing?.id, amount: "1" },
    { debit_account: spender, credit_account: clearing?.id, amount: "1", phase: "pending" },
  ];
  for (const attempt of attempts) {
    const transfer = { id: randomUUID(), ...attempt };
    const { body } = await call("POST", "/api/v1/ledger/transfers", null, { transfers: [transfer] });
    expect([attempt, body.results[0].code]).toEqual([attempt, "asset_not_transferable"]);
  }
  for (const account of [spender, clearing?.id])
    expect((await call("POST", `/api/v1/ledger/accounts/${account}/close`, null, {})).body.error).toBe(
      "not_closable",
    );
  expect((await find(id)).state).toBe("pending");
}

test("the database keeps records and decisions, and has none without its line", async () => {
  const tampering: readonly [LedgerName, string, RegExp][] = [
    [
      null,
      "UPDATE inter_ledger_transfer SET state = 'voided', arrival_id = NULL, reason = 'x', resolved_at = 1",
      /resolved once/,
    ],
    [null, "UPDATE inter_ledger_transfer SET amount = amount + 1", /resolved once/],
    [null, "DELETE FROM inter_ledger_transfer", /append-only/],
    [
      null,
      `INSERT INTO inter_ledger_transfer SELECT gen_random_uuid(), seq + 1000000, from_account, to_ledger_id, to_ledger,
      to_account, asset, amount, reference, 'pending', NULL, NULL, sent_at, NULL FROM inter_ledger_transfer LIMIT 1`,
      /its hold/,
    ],
    ["south", "UPDATE inter_ledger_arrival SET refusal = 'x', line_id = NULL", /append-only/],
    ["south", "DELETE FROM inter_ledger_arrival", /append-only/],
    [
      "south",
      "INSERT INTO inter_ledger_arrival VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), NULL, 0)",
      /by a line/,
    ],
  ];
  for (const [ledger, sql, refusal] of tampering) await expect(asOwner(ledger, sql)).rejects.toThrow(refusal);
});
