import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ledgerRoutes, type Route } from "#api";
import { addUpDays } from "#ledger";
import { startApi, type TestApi } from "../support/api-app.ts";
import { attackAccess, attackInput } from "../support/attack-routes.ts";
import { expectCoherent } from "../support/coherence.ts";
import { openTestLedger, startLedger, type TestLedger, transfer } from "../support/ledger.ts";
import { bearer } from "../support/tokens.ts";

let books: TestLedger;
let api: TestApi;
let routes: Route[];

beforeAll(async () => {
  books = await startLedger();
  routes = ledgerRoutes({ ledger: books.ledger, database: books.source });
  api = await startApi(routes);
});
afterAll(async () => {
  await expectCoherent(books);
  await api.close();
  await books.close();
});

const OPERATOR = bearer("olga", "operator");
type Answer = {
  status: number;
  headers: Headers;
  body: Record<string, unknown> & { results: Result[]; data: Item[] };
};
type Result = { index: number; id: string; code: string; seq?: number };
type Item = Record<string, unknown>;

async function call(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(`${api.url}/api/v1/ledger/${path}`, {
    method,
    headers: { authorization: OPERATOR, "content-type": "application/json", ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Answer["body"],
  };
}
const post = (path: string, body: unknown, headers?: Record<string, string>) =>
  call("POST", path, body, headers);
const get = (path: string, token = OPERATOR) => call("GET", path, undefined, { authorization: token });
const codes = (answer: Answer) => answer.body.results.map(({ code }) => code);

async function openAccount(members: object = {}): Promise<string> {
  const id = randomUUID();
  const answer = await post("accounts", { accounts: [{ id, asset: "USD", ...members }] });
  expect(codes(answer)).toEqual(["ok"]);
  return id;
}
const element = (debit: string, credit: string, amount: unknown, more: object = {}) => ({
  id: randomUUID(),
  debit_account: debit,
  credit_account: credit,
  amount,
  ...more,
});

describe("every ledger route", () => {
  test("refuses whom it must", async () => {
    const report = await attackAccess({ baseUrl: api.url, routes });
    expect(report.breaches).toEqual([]);
    expect(report.requests).toBeGreaterThan(200);
  });

  test("refuses malformed input with a stable code", async () => {
    const report = await attackInput({ baseUrl: api.url, routes });
    expect(report.breaches).toEqual([]);
  });
});

describe("assets", () => {
  const gold = { code: "GOLD", scale: 3, transferable: false, mintable: false, supply_cap: "1000.5" };

  test("are made once with the system accounts their policy has a use for; the same again answers the same", async () => {
    const [first, second] = await Promise.all([post("assets", gold), post("assets", gold)]);
    expect(first.status).toBe(200);
    expect(first.body).toEqual({
      ...gold,
      accounts: { treasury: expect.any(String), custody: expect.any(String), burned: expect.any(String) },
    });
    expect(second.body).toEqual(first.body);
    const minted = await post("assets", { code: "MINT", scale: 0, transferable: true, mintable: true });
    expect(Object.keys(minted.body.accounts as object).sort()).toEqual([
      "burned",
      "custody",
      "issuance",
      "revenue",
      "treasury",
    ]);
    const { treasury } = first.body.accounts as { treasury: string };
    const account = await get(`accounts/${treasury}`);
    expect(account.body).toMatchObject({ role: "treasury", owner: null, asset: "GOLD", allowance: "0" });
    const list = await get("assets");
    expect(list.body.data).toContainEqual(gold);
  });

  test("with another policy under the same code are refused", async () => {
    await post("assets", gold);
    for (const other of [{ scale: 2 }, { transferable: true }, { mintable: true }, { supply_cap: "1000" }]) {
      const answer = await post("assets", { ...gold, ...other });
      expect([answer.status, answer.body.error]).toEqual([400, "invalid_request"]);
    }
  });

  test("an idempotency key of another request makes no asset", async () => {
    const key = { "idempotency-key": randomUUID() };
    const made = await post("assets", { ...gold, code: "KEYED" }, key);
    const again = await post("assets", { ...gold, code: "KEYED" }, key);
    expect([again.status, again.headers.get("idempotent-replayed")]).toEqual([200, "true"]);
    expect(again.body).toEqual(made.body);
    const other = await post("assets", { ...gold, code: "OTHER" }, key);
    expect([other.status, other.body.error]).toEqual([422, "idempotency_key_reused"]);
    expect((await get("assets")).body.data.map(({ code }) => code)).not.toContain("OTHER");
  });

  test.each([
    [{ supply_cap: "0" }, "invalid_amount"],
    [{ supply_cap: "0.0001" }, "invalid_amount"],
    [{ supply_cap: -1 }, "invalid_amount"],
    [{ code: "gold" }, "invalid_request"],
    [{ code: "G".repeat(17) }, "invalid_request"],
    [{ scale: 39 }, "invalid_request"],
    [{ scale: 1.5 }, "invalid_request"],
  ])("%j is %s", async (member, error) => {
    const answer = await post("assets", { ...gold, code: "BAD", ...member });
    expect([answer.status, answer.body.error]).toEqual([400, error]);
  });
});

describe("accounts", () => {
  test("answer a code each, and the same request again says exists", async () => {
    await post("assets", { code: "CAP", scale: 2, transferable: true, mintable: true, supply_cap: 100 });
    const id = randomUUID();
    const account = {
      id,
      asset: "USD",
      owner: "alice",
      limit: "debits_must_not_exceed_credits",
      metadata: { b: 1, a: [2] },
    };
    const general = { id: randomUUID(), asset: "USD" };
    const answer = await post("accounts", {
      accounts: [
        account,
        { ...account, metadata: { a: [2], b: 1 } },
        { ...account, asset: "CAP" },
        { ...account, owner: "bob" },
        { id, asset: "USD", owner: "alice", metadata: account.metadata },
        { ...account, metadata: { a: 1 } },
        { id: randomUUID(), asset: "NONE" },
        { id: randomUUID(), asset: "CAP" },
        { id: randomUUID(), asset: "CAP", limit: "debits_must_not_exceed_credits" },
        general,
        general,
        { id: await treasuryOf("CAP"), asset: "CAP", limit: "debits_must_not_exceed_credits" },
      ],
    });
    expect(codes(answer)).toEqual([
      "ok",
      "exists",
      "exists_with_different_asset",
      "exists_with_different_owner",
      "exists_with_different_limit",
      "exists_with_different_metadata",
      "asset_not_found",
      "limit_required_by_supply_cap",
      "ok",
      "ok",
      "exists",
      "exists_with_different_role",
    ]);
    expect(answer.body.results.map(({ index }) => index)).toEqual([...Array(12).keys()]);
    expect((await get(`accounts/${id.toUpperCase()}`)).body).toEqual({
      ...{
        id,
        asset: "USD",
        role: "available",
        owner: "alice",
        reference: null,
        closed: false,
        closed_at: null,
      },
      ...{ limit: "debits_must_not_exceed_credits", allowance: "0", metadata: { a: [2], b: 1 } },
      ...{ debits_posted: "0", credits_posted: "0", debits_pending: "0", credits_pending: "0", balance: "0" },
      ...{ created_at: expect.any(String), at: null },
    });
  });

  async function treasuryOf(asset: string): Promise<string> {
    const [row] = await books.asOwner("SELECT id FROM account WHERE asset = $1 AND role = 'treasury'", [
      asset,
    ]);
    return row?.id as string;
  }

  test("are read by their owner, by operators and auditors, and by nobody else", async () => {
    const [mine, general] = [await openAccount({ owner: "carol" }), await openAccount()];
    for (const token of [bearer("carol"), bearer("ann", "auditor"), OPERATOR]) {
      expect((await get(`accounts/${mine}`, token)).status).toBe(200);
      expect((await get(`accounts/${mine}/transfers`, token)).status).toBe(200);
      expect((await get("accounts?owner=carol", token)).body.data.map(({ id }) => id)).toEqual([mine]);
    }
    for (const path of [`accounts/${mine}`, `accounts/${mine}/transfers`, "accounts?owner=carol"])
      expect((await get(path, bearer("dave"))).status).toBe(403);
    expect((await get(`accounts/${general}`, bearer("carol"))).status).toBe(403);
    expect((await get(`accounts/${randomUUID()}`)).status).toBe(404);
  });

  test("of an owner come in pages", async () => {
    const ids = await Promise.all(Array.from({ length: 6 }, () => openAccount({ owner: "paula" })));
    const seen: unknown[] = [];
    let cursor = "";
    do {
      const page = await get(`accounts?owner=paula&limit=3${cursor && `&cursor=${cursor}`}`);
      expect(page.body.data).toHaveLength(3);
      seen.push(...page.body.data.map(({ id }) => id));
      cursor = (page.body.next_cursor as string | null) ?? "";
    } while (cursor);
    expect(seen).toEqual(ids.toSorted());
  });
});

describe("transfers", () => {
  test("answer index, id, code and the place in the journal", async () => {
    const [a, b] = [await openAccount(), await openAccount()];
    const first = element(a, b, "10.50", { code: 7, reference: "r", metadata: { n: 1 } });
    const answer = await post("transfers", { transfers: [first, element(a, b, 0.25)] });
    expect(answer.status).toBe(200);
    const [one, two] = answer.body.results;
    expect(one).toEqual({ index: 0, id: first.id, code: "ok", seq: expect.any(Number) });
    expect(two?.seq).toBe((one?.seq ?? 0) + 1);
    const stored = await get(`transfers/${first.id}`);
    expect(stored.body).toMatchObject({
      ...{ seq: one?.seq, amount: "10.5", code: "7", phase: "single", state: "posted", resolved_by: null },
      ...{ reference: "r", metadata: { n: 1 }, debit_account: a, credit_account: b },
    });
    const again = await post("transfers", { transfers: [first] });
    expect(again.body.results).toEqual([{ index: 0, id: first.id, code: "exists", seq: one?.seq }]);
  });

  test("of 8,000 pass in one request, chains whole, and 8,001 are 413", async () => {
    const [a, b] = [await openAccount(), await openAccount({ limit: "debits_must_not_exceed_credits" })];
    // Chains of three over all slice borders; each third chain cannot pass.
    const transfers = Array.from({ length: 8_000 }, (_, place) => {
      const chain = Math.floor(place / 3);
      const last = place % 3 === 2 || place === 7_999;
      return element(a, b, last && chain % 3 === 2 ? 0 : "0.01", last ? {} : { linked: true });
    });
    const answer = await post("transfers", { transfers });
    expect(answer.status).toBe(200);
    const wrong = answer.body.results.filter(({ index, id, code }) => {
      const [chain, last] = [Math.floor(index / 3), index % 3 === 2 || index === 7_999];
      const expected = chain % 3 === 2 ? (last ? "amount_must_not_be_zero" : "linked_event_failed") : "ok";
      return code !== expected || id !== transfers[index]?.id;
    });
    expect(wrong).toEqual([]);
    const seqs = answer.body.results.flatMap(({ seq }) => seq ?? []);
    expect(new Set(seqs).size).toBe(seqs.length);
    expect((await get(`accounts/${b}`)).body.balance).toBe(`${seqs.length / 100}`);
    const many = await post("transfers", { transfers: [...transfers, element(a, b, 1)] });
    expect([many.status, many.body.error]).toEqual([413, "payload_too_large"]);
    const accounts = Array.from({ length: 8_001 }, () => ({ id: randomUUID(), asset: "USD" }));
    const manyAccounts = await post("accounts", { accounts });
    expect([manyAccounts.status, manyAccounts.body.error]).toEqual([413, "payload_too_large"]);
    expect((await get(`accounts/${accounts[0]?.id}`)).status).toBe(404);
  });

  test("with an amount far down the list that is none are refused before the first slice of them is written", async () => {
    const [a, b] = [await openAccount(), await openAccount()];
    const transfers = Array.from({ length: 1_200 }, (_, place) =>
      element(a, b, place === 1_100 ? "1.001" : 1),
    );
    const answer = await post("transfers", { transfers });
    expect([answer.status, answer.body.error]).toEqual([400, "invalid_amount"]);
    expect(answer.body.details).toContainEqual(expect.objectContaining({ member: "transfers[1100].amount" }));
    expect((await get(`transfers/${transfers[0]?.id}`)).status).toBe(404);
    expect((await get(`accounts/${b}`)).body.balance).toBe("0");
  });

  test.each([
    [{ amount: "1.001" }, "invalid_amount", "transfers[1].amount"],
    [{ amount: "-1" }, "invalid_amount", "transfers[1].amount"],
    [{ amount: 1e21 }, "invalid_amount", "transfers[1].amount"],
    [{ amount: 0.1 + 0.2 }, "invalid_amount", "transfers[1].amount"],
    [{ amount: undefined }, "invalid_request", "transfers[1].amount"],
    [{ id: "1" }, "invalid_request", "transfers[1].id"],
    [{ debit_account: undefined }, "invalid_request", "transfers[1].debit_account"],
    [{ code: "" }, "invalid_request", "transfers[1].code"],
    [{ code: -1 }, "invalid_request", "transfers[1].code"],
    [{ code: "a b" }, "invalid_request", "transfers[1].code"],
    [{ phase: "expire" }, "invalid_request", "transfers[1].phase"],
    [{ timeout_seconds: 0 }, "invalid_request", "transfers[1].timeout_seconds"],
    [{ timeout_seconds: 2 ** 32 }, "invalid_request", "transfers[1].timeout_seconds"],
    [{ effective_at: "yesterday" }, "invalid_request", "transfers[1].effective_at"],
    [{ reference: "" }, "invalid_request", "transfers[1].reference"],
    [{ metadata: [] }, "invalid_request", "transfers[1].metadata"],
    [{ metadata: { zeros: Array(5_000).fill(0) } }, "invalid_request", "transfers[1].metadata"],
    [{ seq: 1 }, "invalid_request", "transfers[1].seq"],
  ])(
    "with a malformed element (%o) are %s naming %s, and nothing is applied",
    async (member, error, name) => {
      const [a, b] = [await openAccount(), await openAccount()];
      const good = element(a, b, 1);
      const answer = await post("transfers", { transfers: [good, element(a, b, 1, member), good] });
      expect([answer.status, answer.body.error]).toEqual([400, error]);
      expect(answer.body.details).toContainEqual(expect.objectContaining({ member: name }));
      expect((await get(`transfers/${good.id}`)).status).toBe(404);
    },
  );

  test("of more than an amount can hold are answered overflows, alone or summed up, and the rest of the list is done", async () => {
    const [a, b, c] = [await openAccount(), await openAccount(), await openAccount()];
    // USD has two decimals: 2^128 base units, one less, and as many digits as are read.
    const [above, most, huge] = [
      "3402823669209384634633746074317682114.56",
      "3402823669209384634633746074317682114.55",
      "9".repeat(80),
    ];
    const held = element(a, b, 1, { phase: "pending" });
    const answer = await post("transfers", {
      transfers: [
        element(a, b, above),
        element(a, b, huge),
        element(a, b, above, { balancing: "debit" }),
        element(a, b, above, { phase: "pending" }),
        element(a, c, most),
        element(b, c, "0.01"),
        held,
        { id: randomUUID(), phase: "post", pending_id: held.id, amount: above },
      ],
    });
    expect([answer.status, codes(answer)]).toEqual([
      200,
      [
        ...["overflows", "overflows", "overflows", "overflows", "ok", "overflows"],
        ...["overflows", "pending_transfer_not_found"],
      ],
    ]);
    expect((await get(`accounts/${c}`)).body.credits_posted).toBe(most);
    const tooLong = await post("transfers", { transfers: [element(a, b, "9".repeat(81))] });
    expect([tooLong.status, tooLong.body.error]).toEqual([400, "invalid_amount"]);
  });

  test("a metadata number that JSON cannot give back is refused", async () => {
    const [a, b] = [await openAccount(), await openAccount()];
    const body = JSON.stringify({ transfers: [element(a, b, 1, { metadata: { n: "HUGE" } })] });
    const response = await fetch(`${api.url}/api/v1/ledger/transfers`, {
      method: "POST",
      headers: { authorization: OPERATOR, "content-type": "application/json" },
      body: body.replace('"HUGE"', "1e400"),
    });
    expect(response.status).toBe(400);
  });

  test("name unknown accounts and transfers by a code, not by 400, whatever the decimals", async () => {
    const a = await openAccount();
    const nowhere = randomUUID();
    const answer = await post("transfers", {
      transfers: [
        element(nowhere, randomUUID(), "1.123456789"),
        element(a, nowhere, 1),
        element(nowhere, a, 1),
        { id: randomUUID(), phase: "post", pending_id: nowhere, amount: "1.123456789" },
        { id: randomUUID(), phase: "void", pending_id: nowhere },
        element(nowhere, randomUUID(), 0),
      ],
    });
    expect(codes(answer)).toEqual([
      ...["account_not_found", "account_not_found", "account_not_found"],
      ...["pending_transfer_not_found", "pending_transfer_not_found", "amount_must_not_be_zero"],
    ]);
  });

  test("read a post's amount with its pending transfer's asset, made before or in the same request", async () => {
    const [a, b] = [await openAccount(), await openAccount()];
    const [earlier, now] = [element(a, b, 5, { phase: "pending" }), element(a, b, 5, { phase: "pending" })];
    await post("transfers", { transfers: [earlier] });
    const part = (pending: { id: string }) => ({
      ...{ id: randomUUID(), phase: "post", pending_id: pending.id, amount: "0.01" },
    });
    const answer = await post("transfers", { transfers: [part(earlier), now, part(now)] });
    expect(codes(answer)).toEqual(["ok", "ok", "ok"]);
    expect((await get(`accounts/${b}`)).body).toMatchObject({ balance: "0.02", credits_pending: "0" });
    const tooFine = await post("transfers", { transfers: [{ ...part(now), amount: "0.001" }] });
    expect(tooFine.body.error).toBe("invalid_amount");
  });

  test("what a key stands for is answered again, whatever was opened since", async () => {
    const [known, late] = [await openAccount(), randomUUID()];
    // Nobody knows the second account, so the amount is one of an unknown asset, and the code says so.
    const transfers = [
      element(known, known, "0.01"),
      element(late, late, "0.001"),
      element(late, randomUUID(), "0.001"),
    ];
    const key = { "idempotency-key": `late-${late}` };
    const first = await post("transfers", { transfers }, key);
    expect(codes(first)).toEqual([
      "accounts_must_be_different",
      "accounts_must_be_different",
      "account_not_found",
    ]);
    expect(codes(await post("accounts", { accounts: [{ id: late, asset: "USD" }] }))).toEqual(["ok"]);
    const replay = await post("transfers", { transfers }, key);
    expect([replay.status, replay.body, replay.headers.get("idempotent-replayed")]).toEqual([
      200,
      first.body,
      "true",
    ]);
    // Without the key it is a new request, and 0.001 is no amount of USD.
    const anew = await post("transfers", { transfers });
    expect([anew.status, anew.body.error, anew.body.details]).toEqual([
      400,
      "invalid_amount",
      [expect.objectContaining({ member: "transfers[1].amount" })],
    ]);
  });

  test("a dry run says what would happen, and nothing happens", async () => {
    const [from, to] = [await openAccount(), await openAccount({ limit: "debits_must_not_exceed_credits" })];
    const before = await get("trial-balance");
    const held = element(from, to, "5", { phase: "pending" });
    const transfers = [
      element(from, to, "2"),
      held,
      element(to, from, "3"),
      element(to, from, "1.5"),
      { id: randomUUID(), phase: "post", pending_id: held.id, amount: "4" },
      element(randomUUID(), to, "1"),
      element(from, to, "1", { linked: true }),
      element(to, from, "9"),
    ];
    const expected = [
      ...[
        "ok",
        "ok",
        "exceeds_credits",
        "ok",
        "ok",
        "account_not_found",
        "linked_event_failed",
        "exceeds_credits",
      ],
    ];
    const key = { "idempotency-key": `dry-${held.id}` };
    for (let round = 0; round < 2; round++) {
      const dry = await post("transfers?dry_run=true", { transfers }, key);
      expect([dry.status, codes(dry), dry.headers.get("idempotent-replayed")]).toEqual([200, expected, null]);
      expect(dry.body.results.some((result) => "seq" in result)).toBe(false);
    }
    expect((await get("trial-balance")).body).toEqual(before.body);
    expect((await get(`transfers/${held.id}`)).status).toBe(404);
    // No id was burnt and the key is free: the same for good.
    expect(codes(await post("transfers", { transfers }, key))).toEqual(expected);
    expect(codes(await post("transfers?dry_run=true", { transfers }))).toEqual([
      ...["exists", "exists", "id_already_failed", "exists", "exists", "id_already_failed"],
      ...["linked_event_failed", "id_already_failed"],
    ]);

    const id = randomUUID();
    const open = {
      accounts: [
        { id, asset: "USD" },
        { id, asset: "EUR" },
      ],
    };
    for (let round = 0; round < 2; round++)
      expect(codes(await post("accounts?dry_run=true", open))).toEqual(["ok", "exists_with_different_asset"]);
    expect((await get(`accounts/${id}`)).status).toBe(404);
    expect((await post("transfers?dry_run=perhaps", { transfers })).status).toBe(400);
  });

  test("an idempotency key replays the whole answer, over all slices, and acts once", async () => {
    const [a, b] = [await openAccount(), await openAccount()];
    const key = { "idempotency-key": randomUUID() };
    const transfers = Array.from({ length: 1_200 }, () => element(a, b, 1));
    const [first, second] = await Promise.all([
      post("transfers", { transfers }, key),
      post("transfers", { transfers }, key),
    ]);
    expect(new Set(codes(first))).toEqual(new Set(["ok"]));
    expect(second.body).toEqual(first.body);
    const replay = await post("transfers", { transfers }, key);
    expect([replay.body, replay.headers.get("idempotent-replayed")]).toEqual([first.body, "true"]);
    expect((await get(`accounts/${b}`)).body.balance).toBe("1200");
    const others = Array.from({ length: 1_200 }, () => element(a, b, 1));
    const reused = await post("transfers", { transfers: others }, key);
    expect([reused.status, reused.body.error]).toEqual([422, "idempotency_key_reused"]);
    expect((await get(`accounts/${b}`)).body.balance).toBe("1200");
  });

  test("have a state: pending, posted, voided, expired, swept or not", async () => {
    const [a, b] = [await openAccount({ owner: "eve" }), await openAccount({ owner: "fay" })];
    const pendings = Array.from({ length: 4 }, () =>
      element(a, b, 5, { phase: "pending", timeout_seconds: 1_000 }),
    );
    const [open, posted, voided] = pendings;
    const post_ = { id: randomUUID(), phase: "post", pending_id: posted?.id, amount: 3 };
    const void_ = { id: randomUUID(), phase: "void", pending_id: voided?.id };
    await post("transfers", { transfers: [...pendings, post_, void_] });
    const state = async (id: string | undefined) => {
      const { body } = await get(`transfers/${id}`, bearer("eve"));
      return [body.state, body.resolved_by];
    };
    expect(await state(open?.id)).toEqual(["pending", null]);
    expect(await state(posted?.id)).toEqual(["posted", post_.id]);
    expect(await state(voided?.id)).toEqual(["voided", void_.id]);
    expect(await state(void_.id)).toEqual(["voided", null]);
    expect((await get(`accounts/${a}`)).body).toMatchObject({ debits_posted: "3", debits_pending: "10" });
    await books.advance(1_000);
    expect(await state(open?.id)).toEqual(["expired", null]);
    expect((await get(`accounts/${a}`)).body).toMatchObject({ debits_posted: "3", debits_pending: "0" });
    await openAccount(); // a batch sweeps what is due
    expect(await state(open?.id)).toEqual(["expired", expect.any(String)]);
    expect((await get(`accounts/${b}`)).body).toMatchObject({ credits_posted: "3", credits_pending: "0" });
    expect((await get(`transfers/${open?.id}`, bearer("gus"))).status).toBe(403);
    expect((await get(`transfers/${randomUUID()}`)).status).toBe(404);
  });
});

describe("lists", () => {
  async function all(path: string): Promise<Item[]> {
    const found: Item[] = [];
    for (let cursor = ""; ; ) {
      const { status, body } = await get(`${path}${cursor && `&cursor=${cursor}`}`);
      expect(status).toBe(200);
      found.push(...body.data);
      if (!body.next_cursor) return found;
      cursor = body.next_cursor as string;
    }
  }

  test("of transfers are found by what they say, in pages of one moment", async () => {
    const owner = `lister-${randomUUID()}`;
    const [a, b] = [await openAccount({ owner }), await openAccount()];
    const reference = `order ${randomUUID()}`;
    const lines = [
      element(b, a, 1, { code: "buy", reference }),
      element(a, b, "0.5", { phase: "pending", timeout_seconds: 10_000 }),
      element(b, a, 2, { code: 7, reference }),
      element(b, a, 3, { code: "buy" }),
    ];
    await post("transfers", { transfers: lines });
    const ids = lines.map(({ id }) => id);
    const idsOf = async (query: string) => (await all(`transfers?limit=2&${query}`)).map(({ id }) => id);
    expect(await idsOf(`account=${a}`)).toEqual(ids.toReversed());
    expect(await idsOf(`owner=${owner}&order=oldest`)).toEqual(ids);
    expect(await idsOf(`reference=${encodeURIComponent(reference)}`)).toEqual([ids[2], ids[0]]);
    expect(await idsOf(`account=${a}&code=buy`)).toEqual([ids[3], ids[0]]);
    expect(await idsOf(`account=${a}&code=7`)).toEqual([ids[2]]);
    expect(await idsOf(`account=${b}&state=pending&asset=USD`)).toEqual([ids[1]]);
    expect(await idsOf("state=pending")).toContain(ids[1]);
    const [held] = await all(`transfers?account=${a}&phase=pending`);
    expect(held).toEqual((await get(`transfers/${ids[1]}`)).body);
    const time = held?.time as string;
    const later = new Date(Date.parse(time) + 1_000).toISOString();
    expect(await idsOf(`account=${a}&from=${time}&to=${later}&order=oldest`)).toEqual(ids);
    expect(await idsOf(`account=${a}&from=${later}`)).toEqual([]);
    expect(await idsOf(`account=${a}&to=${time}`)).toEqual([]);

    const first = await get(`transfers?account=${a}&order=oldest&limit=3`);
    await post("transfers", {
      transfers: [element(b, a, 9), { id: randomUUID(), phase: "void", pending_id: ids[1] }],
    });
    const rest = await get(`transfers?account=${a}&order=oldest&limit=3&cursor=${first.body.next_cursor}`);
    expect(rest.body.data.map(({ id }) => id)).toEqual([ids[3]]);
    expect(rest.body.next_cursor).toBeNull();
    expect((await get(`transfers?account=${a}`, bearer(owner))).status).toBe(403);
    for (const bad of ["cursor=AAAA", "account=1", "phase=posted", "state=open", "from=today", "code=a%20b"])
      expect((await get(`transfers?${bad}`)).status).toBe(400);
  });

  test("of accounts are found by what they are, and a user sees its own", async () => {
    const owner = `holder-${randomUUID()}`;
    const [open, shut, other] = [
      await openAccount({ owner }),
      await openAccount({ owner }),
      await openAccount(),
    ];
    await call("POST", `accounts/${shut}/close`);
    const ids = async (query: string) => (await all(`accounts?limit=1&${query}`)).map(({ id }) => id).sort();
    expect(await ids(`owner=${owner}`)).toEqual([open, shut].sort());
    expect(await ids(`owner=${owner}&closed=true`)).toEqual([shut]);
    expect(await ids(`owner=${owner}&closed=false&asset=USD&role=available`)).toEqual([open]);
    expect(await ids(`owner=${owner}&role=locked`)).toEqual([]);
    const [first] = await all(`accounts?owner=${owner}&closed=false`);
    const opened = String(first?.created_at);
    const later = new Date(Date.parse(opened) + 60_000).toISOString();
    expect(await ids(`owner=${owner}&from=${opened}&to=${later}`)).toEqual([open, shut].sort());
    expect(await ids(`owner=${owner}&from=${later}`)).toEqual([]);
    expect(await ids(`owner=${owner}&to=${opened}`)).toEqual([]);
    expect(await all("accounts?role=treasury&asset=USD")).toMatchObject([{ role: "treasury", owner: null }]);
    const page = await get(`accounts?owner=${owner}&limit=1`, bearer(owner));
    await post("transfers", { transfers: [element(other, open, 5)] });
    const next = await get(`accounts?owner=${owner}&limit=1&cursor=${page.body.next_cursor}`, bearer(owner));
    const seen = [...page.body.data, ...next.body.data];
    expect(seen.map(({ id, balance }) => [id, balance])).toEqual([open, shut].sort().map((id) => [id, "0"]));
    for (const path of ["accounts", "accounts?owner=somebody-else", "accounts?role=available"])
      expect((await get(path, bearer(owner))).status).toBe(403);
    for (const bad of ["role=any", "closed=1", "asset=usd", `owner=${owner}&cursor=AAAA`])
      expect((await get(`accounts?${bad}`)).status).toBe(400);
  });
});

describe("closing", () => {
  const close = (id: string, headers: Record<string, string> = {}) =>
    call("POST", `accounts/${id}/close`, undefined, headers);

  test("says what is in the way, closes once, and replays its answer", async () => {
    const [a, b] = [await openAccount({ owner: "hal" }), await openAccount()];
    await post("transfers", { transfers: [element(b, a, 1)] });
    const refused = await close(a);
    expect([refused.status, refused.body.error, refused.body.details]).toEqual([
      ...[409, "not_closable", { account: a, reason: "balance_not_zero" }],
    ]);
    await post("transfers", { transfers: [element(a, b, 1)] });
    const key = { "idempotency-key": randomUUID() };
    const [first, replay] = [await close(a, key), await close(a, key)];
    expect([first.status, first.body]).toEqual([200, { id: a, closed: true, closed_now: true }]);
    expect([replay.body, replay.headers.get("idempotent-replayed")]).toEqual([first.body, "true"]);
    expect((await close(a)).body).toEqual({ id: a, closed: true, closed_now: false });
    const { body } = await get(`accounts/${a}`, bearer("hal"));
    expect([body.closed, body.closed_at]).toEqual([true, expect.stringMatching(/^20.*Z$/)]);
    expect((await get(`accounts/${b}`)).body).toMatchObject({ closed: false, closed_at: null });
    expect(codes(await post("transfers", { transfers: [element(b, a, 1)] }))).toEqual(["account_closed"]);
  });

  test("is the operator's alone, of accounts that are there", async () => {
    const own = await openAccount({ owner: "hal" });
    expect((await close(own, { authorization: bearer("hal") })).status).toBe(403);
    expect((await close(randomUUID())).status).toBe(404);
    const assets = await post("assets", { code: "SHUT", scale: 0, transferable: true, mintable: true });
    const { treasury } = assets.body.accounts as Record<string, string>;
    expect((await close(treasury ?? "")).body.details).toMatchObject({ reason: "system_account" });
  });
});

describe("history", () => {
  test("an account's lines come in both orders, in pages, with their effect on it", async () => {
    const [a, b] = [await openAccount(), await openAccount()];
    const held = element(a, b, 4, { phase: "pending" });
    await post("transfers", {
      transfers: [
        element(a, b, 10),
        element(b, a, 1),
        held,
        { id: randomUUID(), phase: "post", pending_id: held.id, amount: 3 },
      ],
    });
    const effects = (items: Item[]) => items.map(({ effect }) => effect);
    const expected = [
      { posted: "-10", pending: "0" },
      { posted: "1", pending: "0" },
      { posted: "0", pending: "-4" },
      { posted: "-3", pending: "4" },
    ];
    for (const order of ["oldest", "newest"]) {
      const seen: Item[] = [];
      let cursor = "";
      do {
        const page = await get(
          `accounts/${a}/transfers?limit=3&order=${order}${cursor && `&cursor=${cursor}`}`,
        );
        seen.push(...page.body.data);
        cursor = (page.body.next_cursor as string | null) ?? "";
      } while (cursor);
      expect(effects(seen)).toEqual(order === "oldest" ? expected : expected.toReversed());
    }
    expect(effects((await get(`accounts/${b}/transfers?order=oldest`)).body.data)).toEqual(
      expected.map(({ posted, pending }) => ({ posted: negated(posted), pending: negated(pending) })),
    );
    const full = await get(`accounts/${a}/transfers?limit=${expected.length}`);
    expect(full.body.data).toHaveLength(expected.length);
    expect(full.body.next_cursor).toBeNull();
    for (const bad of ["cursor=AAAA", "order=random", "limit=1001"])
      expect((await get(`accounts/${a}/transfers?${bad}`)).status).toBe(400);
    // A place in one list is none in another: lines before it would be missed without a word.
    const { next_cursor: cursor } = (await get(`accounts/${a}/transfers?limit=1`)).body;
    for (const other of [`accounts/${a}/transfers?order=oldest`, `accounts/${b}/transfers?order=newest`]) {
      const refused = await get(`${other}&cursor=${cursor}`);
      expect(refused).toMatchObject({ status: 400, body: { details: [{ member: "cursor" }] } });
    }
    expect((await get(`accounts/${a}/transfers?order=newest&limit=9&cursor=${cursor}`)).status).toBe(200);
  });

  const negated = (text: string) => (text === "0" ? "0" : text.startsWith("-") ? text.slice(1) : `-${text}`);

  test("a balance at a past time goes by the time of effect, holds from theirs to their end", async () => {
    const [a, b] = [await openAccount(), await openAccount()];
    const now = await books.queries.now();
    const at = (seconds: number) => new Date((now - 1_000 + seconds) * 1000).toISOString();
    const held = element(a, b, 8, { phase: "pending", effective_at: at(20), timeout_seconds: 10 });
    const answer = await post("transfers", {
      transfers: [
        element(a, b, 5, { effective_at: at(10) }),
        held,
        { id: randomUUID(), phase: "post", pending_id: held.id, amount: 6, effective_at: at(40) },
        element(b, a, 2, { effective_at: at(50) }),
      ],
    });
    expect(codes(answer)).toEqual(["ok", "ok", "ok", "ok"]);
    const balances = async (seconds: number) => {
      const { body } = await get(`accounts/${b}?at=${at(seconds)}`);
      return [body.balance, body.credits_pending, body.debits_posted];
    };
    expect(await balances(9)).toEqual(["0", "0", "0"]);
    expect(await balances(10)).toEqual(["5", "0", "0"]);
    expect(await balances(20)).toEqual(["5", "8", "0"]);
    expect(await balances(39)).toEqual(["5", "8", "0"]);
    expect(await balances(40)).toEqual(["11", "0", "0"]);
    expect(await balances(50)).toEqual(["9", "0", "2"]);
    expect((await get(`accounts/${b}?at=${at(1_100_000)}`)).status).toBe(400);
  });

  test("balances come for a time or for each of many days, the last of them as it is now", async () => {
    const [a, b] = [await openAccount({ owner: "ivy" }), await openAccount()];
    const now = await books.queries.now();
    const midnight = now - (now % 86_400);
    const time = (seconds: number) => new Date(seconds * 1000).toISOString();
    const day = (seconds: number) => time(seconds).slice(0, 10);
    const transfers = [3, 2, 0].map((ago) =>
      element(b, a, ago + 1, { effective_at: time(midnight - ago * 86_400) }),
    );
    await post("transfers", { transfers });
    const balances = async (query: string) => {
      const { status, body } = await get(`accounts/${a}/balances?${query}`, bearer("ivy"));
      expect([status, body.account_id, body.asset]).toEqual([200, a, "USD"]);
      return (body.balances as Item[]).map((one) => [one.day, one.balance]);
    };
    const days = [3, 2, 1, 0].map((ago) => day(midnight - ago * 86_400));
    const expected = [
      [days[0], "4"],
      [days[1], "7"],
      [days[2], "7"],
      [days[3], "8"],
    ];
    for (const late of [true, false]) {
      expect(await balances(`from=${days[0]}&to=${days[3]}`)).toEqual(expected);
      expect((await balances("")).slice(-4)).toEqual(expected);
      expect(await balances(`at=${time(midnight - 86_401)}`)).toEqual([[days[1], "7"]]);
      if (late) await addUpDays(books.source);
    }
    expect(await balances("")).toHaveLength(30);
    const { body } = await get(`accounts/${a}/balances?from=${days[1]}&to=${days[1]}`);
    expect(body.balances).toEqual([
      {
        ...{ day: days[1], at: `${days[1]}T23:59:59Z`, balance: "7" },
        ...{ debits_posted: "0", credits_posted: "7", debits_pending: "0", credits_pending: "0" },
      },
    ]);
    const late = time(now + 10_000_000);
    for (const bad of [
      `at=${late}`,
      `to=${late.slice(0, 10)}`,
      `from=${days[3]}&to=${days[0]}`,
      "from=2001-01-01",
    ])
      expect((await get(`accounts/${a}/balances?${bad}`)).status).toBe(400);
    for (const bad of [`at=${time(now)}&to=${days[3]}`, "from=2026-02-30", "to=yesterday", "from=1969-12-31"])
      expect((await get(`accounts/${a}/balances?${bad}`)).status).toBe(400);
    expect((await get(`accounts/${a}/balances`, bearer("joe"))).status).toBe(403);
    expect((await get(`accounts/${randomUUID()}/balances`)).status).toBe(404);
  });

  test("a hold that expired unswept does not count at a time after its expiry", async () => {
    const [a, b] = [await openAccount(), await openAccount()];
    await books.send(transfer(a, b, 100n, { phase: "pending", timeoutSeconds: 10 }));
    await books.advance(60);
    const late = new Date(((await books.queries.now()) - 30) * 1000).toISOString();
    expect((await get(`accounts/${a}?at=${late}`)).body.debits_pending).toBe("0");
  });
});

test("the trial balance says debits, credits and their difference per asset", async () => {
  const [a, b] = [await openAccount(), await openAccount()];
  await post("transfers", { transfers: [element(a, b, "12.34")] });
  const answer = await get("trial-balance", bearer("ann", "auditor"));
  const usd = answer.body.data.find(({ asset }) => asset === "USD");
  expect(usd).toMatchObject({ difference: "0" });
  expect(usd?.debits).toBe(usd?.credits);
  expect(answer.body.data.every(({ difference }) => difference === "0")).toBe(true);
});

test("with its queue full the ledger answers 503 with Retry-After", async () => {
  const ledger = await openTestLedger(books.database, { limits: { queueWeight: 0 } });
  const small = await startApi(ledgerRoutes({ ledger, database: books.source }));
  const response = await fetch(`${small.url}/api/v1/ledger/accounts`, {
    method: "POST",
    headers: { authorization: OPERATOR, "content-type": "application/json" },
    body: JSON.stringify({ accounts: [{ id: randomUUID(), asset: "USD" }] }),
  });
  expect([response.status, Number(response.headers.get("retry-after")) > 0]).toEqual([503, true]);
  await small.close();
  await ledger.close();
});
