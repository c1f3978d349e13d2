/**
 * Lists of accounts and transfers: whatever is written between two pages, all
 * pages together are what was true at the first; and whatever is asked for, the
 * answer is what a plain look at every line finds.
 */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type {
  AccountCursor,
  AccountFilter,
  AccountPosition,
  AccountRead,
  LineOrder,
  ListedTransfer,
  TransferCursor,
  TransferFilter,
  TransferRequest,
} from "#ledger";
import { expectCoherent } from "../support/coherence.ts";
import { newAccount, startLedger, type TestLedger, transfer } from "../support/ledger.ts";
import { createRandom } from "../support/random.ts";

const OWNERS = ["ann", "ben", "cleo"];
const ASSETS = ["USD", "EUR"];
const REFERENCES = ["order-1", "order-2", "order-3"];
const CODES = ["buy", "sell", "fee"];
const random = createRandom();

let books: TestLedger;
/** By asset. */
const accounts = new Map<string, string[]>();

beforeAll(async () => {
  books = await startLedger();
  await books.asOwner("SELECT create_asset('EUR', 0::smallint, true, true, NULL, 0)");
  for (const asset of ASSETS) {
    const ids = Array.from({ length: 30 }, () => randomUUID() as string);
    accounts.set(asset, ids);
    await books.run((view) => {
      for (const [place, id] of ids.entries()) {
        const owner = place % 3 === 0 ? null : (OWNERS[place % OWNERS.length] ?? null);
        const role = owner === null ? "general" : "available";
        const reference = place % 4 === 0 ? "import:account:7" : null;
        view.openAccountWithId(newAccount({ id, asset, owner, role, reference, createdAt: view.now }));
      }
      view.openAccount({ asset, role: "revenue", owner: null });
      return null;
    });
  }
  for (let round = 0; round < 12; round++) await write();
});
afterAll(async () => {
  await expectCoherent(books);
  await books.close();
});

const pendings: TransferRequest[] = [];
/** With nothing on them, so that they can be closed. */
const spare: string[] = [];

/** Some of everything that changes an account: lines, holds and their ends, openings, closings, time. */
async function write(): Promise<void> {
  const requests = Array.from({ length: 20 }, (): TransferRequest => {
    const known = pendings.length > 0 && random.chance(0.3) ? random.pick(pendings) : undefined;
    if (known) return { id: randomUUID(), phase: random.pick(["post", "void"]), pendingId: known.id };
    const ids = accounts.get(random.pick(ASSETS)) ?? [];
    const request = transfer(random.pick(ids), random.pick(ids), 1n + BigInt(random.below(50)), {
      ...(random.chance(0.5) ? { code: random.pick(CODES) } : {}),
      ...(random.chance(0.4) ? { reference: random.pick(REFERENCES) } : {}),
      ...(random.chance(0.4) ? { phase: "pending" } : {}),
    });
    if (request.phase !== "pending") return request;
    pendings.push(request);
    return random.chance(0.5) ? { ...request, timeoutSeconds: 1_000 + random.below(40_000) } : request;
  });
  await books.send(...requests);
  const fresh = await books.open({ role: "available", owner: random.pick(OWNERS) });
  accounts.get("USD")?.push(fresh);
  if (random.chance(0.5)) await books.run((view) => view.closeAccount(fresh));
  spare.push(await books.open(), await books.open());
  const [oldest = ""] = spare.splice(0, spare.length > 6 ? 1 : 0);
  if (oldest) await books.run((view) => view.closeAccount(oldest));
  await books.advance(random.below(8_000));
}

/** Holds that end in hours and none that ends in the seconds of a test: the time goes on by itself as well. */
async function settleTime(): Promise<void> {
  await books.advance(50_000);
  const ids = accounts.get("EUR") ?? [];
  const held = Array.from({ length: 10 }, () =>
    transfer(random.pick(ids), random.pick(ids), 1n, {
      ...{ phase: "pending", timeoutSeconds: 5_000 + random.below(5_000) },
    }),
  );
  await books.send(...held); // a batch sweeps what is due
  pendings.push(...held);
}

async function allAccounts(
  filter: AccountFilter,
  limit: number,
  between: () => Promise<void> = async () => {},
): Promise<AccountRead[]> {
  const found: AccountRead[] = [];
  for (let cursor: AccountCursor | null = null; ; ) {
    const page: {
      items: readonly AccountRead[];
      snapshot: AccountCursor["snapshot"];
      next: AccountPosition | null;
    } = await books.queries.searchAccounts(filter, { limit, cursor });
    expect(page.items.length).toBeLessThanOrEqual(limit);
    found.push(...page.items);
    if (!page.next) return found;
    cursor = { snapshot: page.snapshot, position: page.next };
    await between();
  }
}

async function allTransfers(
  filter: TransferFilter,
  { limit, order }: { limit: number; order: LineOrder },
  between: () => Promise<void> = async () => {},
): Promise<ListedTransfer[]> {
  const found: ListedTransfer[] = [];
  for (let cursor: TransferCursor | null = null; ; ) {
    const page: {
      items: readonly ListedTransfer[];
      snapshot: TransferCursor["snapshot"];
      next: number | null;
    } = await books.queries.searchTransfers(filter, { limit, order, cursor });
    expect(page.items.length).toBeLessThanOrEqual(limit);
    found.push(...page.items);
    if (page.next === null) return found;
    cursor = { snapshot: page.snapshot, position: page.next };
    await between();
  }
}

describe("accounts", () => {
  test("of all pages are those of the first page's moment, and add up, whatever is written meanwhile", async () => {
    const filters = [{}, { owner: "ben" }, { reference: "import:account:7" }, { closed: false }] as const;
    for (const filter of filters as readonly AccountFilter[]) {
      await settleTime();
      const begun = await books.queries.now();
      const before = await books.asOwner("SELECT id, owner, reference FROM account");
      const expected = new Map<string, AccountRead | null>();
      for (const { id, owner, reference } of before as { id: string; owner: string; reference: string }[])
        if (owner === (filter.owner ?? owner) && reference === (filter.reference ?? reference)) {
          const account = await books.queries.account(id);
          if (account?.closed === (filter.closed ?? account?.closed)) expected.set(id, account);
        }
      const found = await allAccounts(filter, Math.ceil(expected.size / 6), write);
      const strangers = found.filter(({ id }) => !expected.has(id));
      // Opened in the very second of the first page: they are there, with nothing on them.
      expect(strangers.every(({ creditsPosted, debitsPosted }) => creditsPosted + debitsPosted === 0n)).toBe(
        true,
      );
      // Between the pages hours went by.
      expect(strangers.filter(({ createdAt }) => createdAt > begun + 120)).toEqual([]);
      const listed = new Map(found.map((account) => [account.id, account]));
      expect(listed.size).toBe(found.length);
      for (const [id, account] of expected) expect(listed.get(id)).toEqual(account);
      if (Object.keys(filter).length > 0) continue;
      for (const asset of ASSETS) {
        const own = found.filter((account) => account.asset === asset);
        const sum = (of: (account: AccountRead) => bigint) => own.reduce((all, one) => all + of(one), 0n);
        expect(sum((one) => one.debitsPosted - one.creditsPosted)).toBe(0n);
        expect(sum((one) => one.debitsPending - one.creditsPending)).toBe(0n);
        expect(sum((one) => one.debitsPosted)).toBeGreaterThan(0n);
      }
    }
  });

  test("holds that are due by then count no more, swept since or not", async () => {
    const [from, to] = [await books.open({ owner: "due", role: "available" }), await books.open()];
    const due = transfer(from, to, 9n, { phase: "pending", timeoutSeconds: 5 });
    const open = transfer(from, to, 4n, { phase: "pending", timeoutSeconds: 500 });
    await books.send(due, open);
    await books.advance(6);
    const first = await books.queries.searchAccounts({ owner: "due" }, { limit: 1, cursor: null });
    expect(first.items.map(({ debitsPending }) => debitsPending)).toEqual([4n]);
    const position = { asset: "", role: "", id: "00000000-0000-0000-0000-000000000000" };
    const again = () =>
      books.queries.searchAccounts({ owner: "due" }, { limit: 1, cursor: { ...first, position } });
    await books.run(() => null); // sweeps
    expect((await again()).items).toEqual(first.items);
    await books.send({ id: randomUUID(), phase: "post", pendingId: open.id });
    await books.advance(600);
    expect((await again()).items).toEqual(first.items);
  });

  test("by any conditions are those that a look at each finds", async () => {
    await settleTime();
    const every = await allAccounts({}, 1_000);
    const maybe = <T>(value: T): T | undefined => (random.chance(0.35) ? value : undefined);
    let hits = 0;
    for (let round = 0; round < 60; round++) {
      const filter: AccountFilter = {
        owner: maybe(random.pick(OWNERS)),
        asset: maybe(random.pick(ASSETS)),
        role: maybe(random.pick(["general", "available", "revenue", "locked"] as const)),
        reference: maybe("import:account:7"),
        closed: maybe(random.chance(0.3)),
        from: maybe(random.pick(every).createdAt),
        to: maybe(random.pick(every).createdAt + 1),
      };
      const expected = every
        .filter((account) =>
          (["owner", "asset", "role", "reference", "closed"] as const).every(
            (name) => filter[name] === undefined || filter[name] === account[name],
          ),
        )
        .filter(
          ({ createdAt }) => createdAt >= (filter.from ?? 0) && createdAt < (filter.to ?? Number.MAX_VALUE),
        )
        .map(({ id }) => id);
      const found = await allAccounts(filter, 1 + random.below(20));
      expect([filter, found.map(({ id }) => id).sort()]).toEqual([filter, expected.sort()]);
      hits += found.length;
    }
    expect(hits).toBeGreaterThan(50);
  });
});

describe("transfers", () => {
  test("of all pages are the lines before the first page, in the state of its moment", async () => {
    for (const order of ["newest", "oldest"] as const)
      for (const filter of [{}, { state: "pending" }, { owner: "cleo" }, { reference: "order-2" }] as const) {
        await settleTime();
        const expected = await allTransfers(filter, { limit: 1_000, order });
        expect(expected.length).toBeGreaterThan(9);
        const limit = Math.ceil(expected.length / 5);
        expect(await allTransfers(filter, { limit, order }, write)).toEqual(expected);
      }
  });

  test("by any conditions are those that a look at each line finds, in both orders", async () => {
    await settleTime();
    const rows = await books.asOwner("SELECT id FROM transfer ORDER BY seq");
    const lines = await Promise.all(rows.map(({ id }) => books.queries.transfer(id as string)));
    const times = lines.map((line) => line?.time ?? 0);
    const maybe = <T>(value: T): T | undefined => (random.chance(0.3) ? value : undefined);
    let hits = 0;
    for (let round = 0; round < 80; round++) {
      const order = random.pick(["newest", "oldest"] as const);
      const filter: TransferFilter = {
        account: maybe(random.pick(accounts.get(random.pick(ASSETS)) ?? [])),
        owner: maybe(random.pick(OWNERS)),
        reference: maybe(random.pick(REFERENCES)),
        code: maybe(random.pick([...CODES, "transfer"])),
        asset: maybe(random.pick(ASSETS)),
        phase: maybe(random.pick(["single", "pending", "post", "void", "expire"] as const)),
        state: maybe(random.pick(["pending", "posted", "voided", "expired"] as const)),
        from: maybe(random.pick(times)),
        to: maybe(random.pick(times)),
      };
      const expected = lines.flatMap((line) => {
        if (!line) return [];
        const fits =
          [line.debitAccount, line.creditAccount].includes(filter.account ?? line.debitAccount) &&
          (filter.owner === undefined || line.owners.includes(filter.owner)) &&
          (["reference", "code", "asset", "phase", "state"] as const).every(
            (name) => filter[name] === undefined || filter[name] === line[name],
          ) &&
          line.time >= (filter.from ?? 0) &&
          line.time < (filter.to ?? Number.POSITIVE_INFINITY);
        return fits ? [line.seq] : [];
      });
      const found = await allTransfers(filter, { limit: 3 + random.below(60), order });
      if (order === "newest") expected.reverse();
      expect([filter, found.map(({ seq }) => seq)]).toEqual([filter, expected]);
      hits += found.length;
    }
    expect(hits).toBeGreaterThan(100);
  });
});

describe("in a ledger of its own", () => {
  let own: TestLedger;
  beforeAll(async () => {
    own = await startLedger();
  });
  afterAll(() => own.close());
  const refusal = { code: "invalid_request" };

  test("a cursor from the future, and one from two million lines ago, is refused", async () => {
    const accountIds = [await own.open(), await own.open()];
    const hold = () => transfer(accountIds[0] ?? "", accountIds[1] ?? "", 1n, { phase: "pending" });
    expect(await own.send(hold(), hold())).toEqual(["ok", "ok"]);
    const accountsAt = async (cursor: AccountCursor | null) =>
      own.queries.searchAccounts({}, { limit: 1, cursor });
    const holdsAt = async (cursor: TransferCursor | null) =>
      own.queries.searchTransfers({ state: "pending" }, { limit: 1, order: "newest", cursor });
    const [account, held] = [await accountsAt(null), await holdsAt(null)];
    const place = { snapshot: account.snapshot, position: account.next as AccountPosition };
    const heldPlace = { snapshot: held.snapshot, position: held.next as number };
    const later = { ...account.snapshot, seq: account.snapshot.seq + 1 };
    await expect(accountsAt({ ...place, snapshot: later })).rejects.toMatchObject(refusal);

    const grow = (lines: number) => own.asOwner("UPDATE journal_head SET next_seq = next_seq + $1", [lines]);
    await grow(2_000_000);
    expect((await accountsAt(place)).items).toHaveLength(1);
    expect((await holdsAt(heldPlace)).items).toHaveLength(1);
    await grow(1);
    await expect(accountsAt(place)).rejects.toMatchObject(refusal);
    await expect(holdsAt(heldPlace)).rejects.toMatchObject(refusal);
    await grow(-2_000_001);
  });

  test("a hold that ended since the first page, by the very next line, is listed all the same", async () => {
    const [from = "", to = ""] = [await own.open(), await own.open()];
    const holds = Array.from({ length: 3 }, () => transfer(from, to, 1n, { phase: "pending" }));
    for (const order of ["newest", "oldest"] as const) {
      const sent = holds.map((one) => ({ ...one, id: randomUUID() as string }));
      await own.send(...sent);
      const filter = { state: "pending" } as const;
      const first = await own.queries.searchTransfers(filter, { limit: 1, order, cursor: null });
      const last = order === "newest" ? sent[0] : sent[2];
      await own.send({ id: randomUUID(), phase: "void", pendingId: last?.id ?? "" });
      const cursor = { snapshot: first.snapshot, position: first.next as number };
      const rest = await own.queries.searchTransfers(filter, { limit: 1_000, order, cursor });
      expect(rest.items.map(({ id, state }) => [id, state])).toContainEqual([last?.id, "pending"]);
    }
  });

  test("transfers of an owner with more than ten thousand accounts are not looked for", async () => {
    const open = (count: number) =>
      own.asOwner(
        `INSERT INTO account (id, asset, role, owner, created_at)
         SELECT gen_random_uuid(), 'USD', 'available', 'crowd', 0 FROM generate_series(1, $1::int)`,
        [count],
      );
    const search = () =>
      own.queries.searchTransfers({ owner: "crowd" }, { limit: 1, order: "newest", cursor: null });
    await open(10_000);
    expect((await search()).items).toEqual([]);
    await open(1);
    await expect(search()).rejects.toMatchObject(refusal);
  });
});

test("of a cursor that somebody made up no hold is due that is not: the time is at most what it is now", async () => {
  const [payer, payee] = [randomUUID(), randomUUID()];
  await books.run((view) => {
    for (const id of [payer, payee])
      view.openAccountWithId(
        newAccount({ id, asset: "USD", owner: "made-up", role: "available", createdAt: view.now }),
      );
    return null;
  });
  const hold = transfer(payer, payee, 5n, { phase: "pending", timeoutSeconds: 86_400 });
  expect(await books.send(hold)).toEqual(["ok"]);
  const filter = { owner: "made-up" };
  const { items, snapshot } = await books.queries.searchAccounts(filter, { limit: 10, cursor: null });
  const position = { asset: "A", role: "a", id: "00000000-0000-0000-0000-000000000000" };
  const later = { snapshot: { ...snapshot, time: 999_999_999_999_999 }, position };
  const found = await books.queries.searchAccounts(filter, { limit: 10, cursor: later });
  expect(found.items).toEqual(items);
  expect(found.snapshot.time).toBeLessThan(snapshot.time + 1_000);
});

test("a cursor of an owner's list says nothing of anybody else's account", async () => {
  const reference = "strategy-of-many";
  const own = "00000000-0000-4000-8000-000000000001";
  const others = Array.from({ length: 150 }, () => randomUUID() as string);
  await books.run((view) => {
    const account = (id: string, owner: string) =>
      view.openAccountWithId(
        newAccount({ id, asset: "USD", owner, role: "staked", reference, createdAt: view.now }),
      );
    account(own, "one-of-many");
    for (const [place, id] of others.entries()) account(id, `another-${place}`);
    return null;
  });
  await settleTime();
  const filter = { owner: "one-of-many", reference };
  const { items, next } = await books.queries.searchAccounts(filter, { limit: 1, cursor: null });
  expect(items.map(({ id }) => id)).toEqual([own]);
  expect(next?.id ?? own).toBe(own);
});
