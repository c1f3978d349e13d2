/** Closing an account: what it may be closed with, what still works on it, and what its line says. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DomainError } from "#kernel";
import { type ClosedAccount, closeAccount, type TransferRequest, type Unit } from "#ledger";
import { expectCoherent } from "../support/coherence.ts";
import { openTestLedger, startLedger, type TestLedger, transfer } from "../support/ledger.ts";

let books: TestLedger;
let a: string;

beforeAll(async () => {
  books = await startLedger();
  a = await books.open();
});
afterAll(async () => {
  await expectCoherent(books);
  await books.close();
});

const close = (id: string) => closeAccount(books.ledger, id).then(({ value }) => value);
const reasonOf = (id: string): Promise<unknown> =>
  close(id).then(
    () => "closed",
    (error) => [error.code, error.details?.reason],
  );
const resolve = (phase: "post" | "void", pending: TransferRequest): TransferRequest => ({
  ...{ id: randomUUID(), phase, pendingId: pending.id },
});

describe("an account is closed", () => {
  test("at zero, whatever went through it, once and for good", async () => {
    const purse = await books.open({ debitAllowance: 0n });
    await books.send(transfer(a, purse, 5n));
    expect(await reasonOf(purse)).toEqual(["not_closable", "balance_not_zero"]);
    await books.send(transfer(purse, a, 5n));
    expect(await close(purse)).toEqual({ id: purse, closed: true, closed_now: true });
    expect(await close(purse)).toEqual({ id: purse, closed: true, closed_now: false });
    const codes = ["account_closed", "account_closed", "account_closed", "account_closed"];
    const all = { balancing: "debit" } as const;
    expect(
      await books.send(
        transfer(a, purse, 1n),
        transfer(purse, a, 1n),
        transfer(a, purse, 1n, { phase: "pending" }),
        transfer(purse, a, 1n, all),
      ),
    ).toEqual(codes);
    const read = await books.queries.account(purse);
    expect([read?.closed, read?.closedAt]).toEqual([true, expect.any(Number)]);
  });

  test("never as the system's, and never as one that is not there", async () => {
    const treasury = books.ledger.accountId({ asset: "USD", role: "treasury", owner: null });
    expect(await reasonOf(treasury)).toEqual(["not_closable", "system_account"]);
    expect(await reasonOf(randomUUID())).toEqual(["not_found", undefined]);
  });

  test("never with a settled position on it, and gets none afterwards", async () => {
    const position = (user: string) =>
      ({ section: "balances", user, keyParts: [user], validUntil: 0, kind: 0, quantity: 0 }) as const;
    const open = (user: string, settled: boolean) =>
      books.run((view) => {
        view.openOwner(user, new Uint8Array(32));
        const account = view.openAccount({ asset: "USD", role: "available", owner: user });
        if (settled) view.setPosition({ ...position(user), account });
        return account;
      });
    expect(await reasonOf(await open("ann", true))).toEqual(["not_closable", "has_a_position"]);
    const bare = await open("ben", false);
    await close(bare);
    await expect(
      books.run((view) => {
        view.setPosition({ ...position("ben"), account: bare });
        return null;
      }),
    ).rejects.toThrow("no position");
  });

  test("of a program by its program alone", async () => {
    const mine = await books.run((view) =>
      view.openAccount({ asset: "TST", role: "available", owner: "dora" }),
    );
    expect(await reasonOf(mine)).toEqual(["not_closable", "belongs_to_a_program"]);
    expect(await books.run((view) => view.closeAccount(mine))).toBe(true);
  });
});

describe("a hold that is open when an account is closed", () => {
  test("can be voided or expire, and not be posted", async () => {
    const [from, to] = [await books.open(), await books.open()];
    const held = (timeoutSeconds?: number) =>
      transfer(from, to, 7n, { phase: "pending", ...(timeoutSeconds ? { timeoutSeconds } : {}) });
    const [posted, voided, due] = [held(), held(), held(10)];
    expect(await books.send(posted, voided, due)).toEqual(["ok", "ok", "ok"]);
    await close(to);
    const post = resolve("post", posted);
    expect(await books.send(post, post, resolve("void", voided))).toEqual([
      ...["account_closed", "id_already_failed", "ok"],
    ]);
    await books.advance(10);
    expect(await books.send(resolve("void", due), resolve("void", posted))).toEqual([
      ...["pending_transfer_expired", "ok"],
    ]);
    const read = await books.queries.account(to);
    expect([read?.creditsPosted, read?.creditsPending]).toEqual([0n, 0n]);
    await close(from);
  });

  test("is resolved first where it is from the account", async () => {
    const [from, to] = [await books.open(), await books.open()];
    const held = transfer(from, to, 7n, { phase: "pending" });
    await books.send(held);
    expect(await reasonOf(from)).toEqual(["not_closable", "debits_held"]);
    await books.send(resolve("void", held));
    expect(await reasonOf(from)).toBe("closed");
  });
});

describe("in one batch", () => {
  test.each([
    { decided: "under the head", aheadWeight: Number.POSITIVE_INFINITY },
    { decided: "ahead", aheadWeight: 1 },
  ])(
    "what came before the closing counts, and nothing after it: decided $decided",
    async ({ aheadWeight }) => {
      const ledger = await openTestLedger(books.database, { limits: { aheadWeight } });
      const send = (...requests: readonly TransferRequest[]): Unit<string> => ({
        name: "send",
        decide: (view) =>
          view
            .tryTransfers(requests)
            .map(({ code }) => code)
            .join(),
      });
      const closing = (id: string): Unit<string> => ({
        name: "close",
        decide: (view) => {
          try {
            return `${view.closeAccount(id)}`;
          } catch (error) {
            if (error instanceof DomainError) return error.code;
            throw error;
          }
        },
      });
      const purses = await Promise.all(Array.from({ length: 20 }, () => books.open()));
      const answers = await Promise.all(
        purses.map(async (purse) => {
          const pending = transfer(a, purse, 3n, { phase: "pending" });
          const units = [
            send(transfer(a, purse, 1n), pending),
            closing(purse),
            send(transfer(purse, a, 1n)),
            closing(purse),
            send(transfer(purse, a, 1n), resolve("post", pending), resolve("void", pending)),
            closing(purse),
          ];
          return (await Promise.all(units.map((unit) => ledger.submit(unit)))).map(({ value }) => value);
        }),
      );
      for (const answer of answers)
        expect(answer).toEqual([
          ...["ok,ok", "not_closable", "ok", "true"],
          ...["account_closed,account_closed,ok", "false"],
        ]);
      await ledger.close();
      const [row] = await books.asOwner(
        "SELECT count(*) AS n FROM account_closing WHERE account = ANY ($1::uuid[])",
        [purses],
      );
      expect(row?.n).toBe(20);
    },
  );
});

test("is refused under a key once and for all: what is in the way then may be gone, and the key still says it", async () => {
  const purse = await books.open();
  await books.send(transfer(a, purse, 5n));
  const idempotency = { principal: "olga", key: randomUUID(), fingerprint: "00".repeat(32) };
  const refusal = { code: "not_closable", details: { account: purse, reason: "balance_not_zero" } };
  await expect(closeAccount(books.ledger, purse, idempotency)).rejects.toMatchObject({
    ...refusal,
    replayed: false,
  });
  await books.send(transfer(purse, a, 5n));
  await expect(closeAccount(books.ledger, purse, idempotency)).rejects.toMatchObject({
    ...refusal,
    replayed: true,
  });
  expect(await reasonOf(purse)).toBe("closed");
});

test("is told of once, to its owner, in the batch of its line", async () => {
  const id = await books.open({ role: "available", owner: "cleo" });
  const idempotency = { principal: "olga", key: randomUUID(), fingerprint: "00".repeat(32) };
  const first = await closeAccount(books.ledger, id, idempotency);
  const again = await closeAccount(books.ledger, id, idempotency);
  const expected: ClosedAccount = { id, closed: true, closed_now: true };
  expect([first, again]).toEqual([
    { value: expected, replayed: false },
    { value: expected, replayed: true },
  ]);
  const told = await books.asOwner(
    "SELECT e.subject, e.data, e.time = c.time AS same_time FROM event e, account_closing c WHERE c.account = $1 AND e.type = 'account.closed' AND e.data ->> 'account_id' = $1::text",
    [id],
  );
  expect(told).toEqual([
    { subject: "cleo", data: { account_id: id, asset: "USD", role: "available" }, same_time: true },
  ]);
});
