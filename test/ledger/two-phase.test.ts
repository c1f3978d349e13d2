import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TransferRequest } from "#ledger";
import { expectCoherent } from "../support/coherence.ts";
import { startLedger, type TestLedger, transfer } from "../support/ledger.ts";

let books: TestLedger;
let bank: string;
let shop: string;

beforeAll(async () => {
  books = await startLedger();
  [bank, shop] = [await books.open(), await books.open()];
});
afterAll(async () => {
  await expectCoherent(books);
  await books.close();
});

const resolve = (
  phase: "post" | "void",
  pendingId: string,
  more: Partial<TransferRequest> = {},
): TransferRequest => ({
  ...{ id: randomUUID(), phase, pendingId },
  ...more,
});
const hold = (from: string, amount: bigint, timeoutSeconds?: number) =>
  transfer(from, shop, amount, { phase: "pending", ...(timeoutSeconds ? { timeoutSeconds } : {}) });

async function purse(amount: bigint): Promise<string> {
  const id = await books.open({ debitAllowance: 0n });
  expect(await books.send(transfer(bank, id, amount))).toEqual(["ok"]);
  return id;
}
async function balances(id: string) {
  const read = await books.queries.account(id);
  return [read?.debitsPosted, read?.debitsPending];
}

describe("a pending transfer", () => {
  test("holds until it is posted whole, in part, or voided; the rest comes free", async () => {
    const from = await purse(30n);
    const [whole, part, none] = [hold(from, 10n), hold(from, 10n), hold(from, 10n)];
    expect(await books.send(whole, part, none, transfer(from, shop, 1n))).toEqual([
      ...["ok", "ok", "ok", "exceeds_credits"],
    ]);
    expect(
      await books.send(
        resolve("post", whole.id),
        resolve("post", part.id, { amount: 4n }),
        resolve("void", none.id, { amount: 10n }),
      ),
    ).toEqual(["ok", "ok", "ok"]);
    expect(await balances(from)).toEqual([14n, 0n]);
    expect(await books.send(transfer(from, shop, 17n), transfer(from, shop, 16n))).toEqual([
      ...["exceeds_credits", "ok"],
    ]);
  });

  test("is resolved once, by whichever comes first, in one batch and in several", async () => {
    const from = await purse(100n);
    for (const [first, second, expected] of [
      ["post", "void", "pending_transfer_already_posted"],
      ["post", "post", "pending_transfer_already_posted"],
      ["void", "post", "pending_transfer_already_voided"],
      ["void", "void", "pending_transfer_already_voided"],
    ] as const) {
      const [one, other] = [hold(from, 1n), hold(from, 1n)];
      expect(await books.send(one, resolve(first, one.id), resolve(second, one.id))).toEqual([
        "ok",
        "ok",
        expected,
      ]);
      await books.send(other);
      expect(await books.send(resolve(first, other.id))).toEqual(["ok"]);
      expect(await books.send(resolve(second, other.id))).toEqual([expected]);
      const race = hold(from, 1n);
      await books.send(race);
      const codes = await Promise.all([
        books.send(resolve(first, race.id)),
        books.send(resolve(second, race.id)),
      ]);
      expect(codes).toEqual([["ok"], [expected]]);
    }
  });

  test("takes code, accounts and asset from the pending one; its own reference and metadata", async () => {
    const held = transfer(bank, shop, 5n, {
      phase: "pending",
      code: "order:7",
      reference: "r",
      metadata: { a: 1 },
    });
    const posted = resolve("post", held.id, { metadata: { b: 2 } });
    expect(await books.send(held, posted)).toEqual(["ok", "ok"]);
    expect(await books.queries.transfer(posted.id)).toMatchObject({
      ...{
        debitAccount: bank,
        creditAccount: shop,
        amount: 5n,
        code: "order:7",
        asset: "USD",
        phase: "post",
      },
      ...{ reference: null, metadata: { b: 2 }, pendingId: held.id },
    });
  });

  test("void and expiry still work on a closed account, post does not", async () => {
    const [from, to] = [await purse(30n), await books.open()];
    const held = (timeoutSeconds?: number) => ({ ...hold(from, 10n, timeoutSeconds), creditAccount: to });
    const [posted, voided, expired] = [held(), held(), held(5)];
    await books.send(posted, voided, expired);
    await books.run((view) => view.closeAccount(to));
    expect(await books.send(resolve("post", posted.id), resolve("void", voided.id))).toEqual([
      ...["account_closed", "ok"],
    ]);
    await books.advance(5);
    expect(await books.send(resolve("void", posted.id))).toEqual(["ok"]);
    expect((await books.queries.transfer(expired.id))?.state).toBe("expired");
    expect(await balances(from)).toEqual([0n, 0n]);
  });
});

describe("expiry", () => {
  test("comes at its second and not before", async () => {
    const from = await purse(10n);
    const held = hold(from, 10n, 1_000);
    await books.send(held);
    const { expiresAt } = (await books.queries.transfer(held.id)) ?? {};
    await books.advance((expiresAt ?? 0) - (await books.queries.now()) - 500);
    expect(await books.send(transfer(from, shop, 1n))).toEqual(["exceeds_credits"]);
    expect((await books.queries.transfer(held.id))?.state).toBe("pending");
    await books.advance((expiresAt ?? 0) - (await books.queries.now()));
    expect((await books.queries.transfer(held.id))?.state).toBe("expired");
    expect(await books.send(resolve("post", held.id), transfer(from, shop, 10n))).toEqual([
      ...["pending_transfer_expired", "ok"],
    ]);
  });

  test("frees what was held before anything of the batch is decided, and is a journal line of its own", async () => {
    const from = await purse(10n);
    const held = hold(from, 10n, 5);
    await books.send(held);
    await books.advance(5);
    expect(await books.send(resolve("void", held.id), hold(from, 10n))).toEqual([
      ...["pending_transfer_expired", "ok"],
    ]);
    const lines = await books.queries.transfersOf(from, { limit: 10, order: "newest", fromSeq: null });
    expect(lines.map(({ phase }) => phase)).toEqual(["pending", "expire", "pending", "single"]);
    const [, expiry] = lines;
    expect(expiry).toMatchObject({ pendingId: held.id, amount: 10n, pendingEffect: 10n, postedEffect: 0n });
    expect((await books.queries.transfer(held.id))?.resolvedBy).toBe(expiry?.id);
  });

  test("of many holds at once frees them all first, in order of their time, then of their place", async () => {
    const from = await purse(9_000n);
    const holds = Array.from({ length: 4_500 }, (_, at) => hold(from, 2n, 100 - (at % 3)));
    expect(new Set(await books.send(...holds))).toEqual(new Set(["ok"]));
    await books.advance(200);
    expect(await books.send(resolve("void", holds.at(-1)?.id ?? ""), transfer(from, shop, 9_000n))).toEqual([
      ...["pending_transfer_expired", "ok"],
    ]);
    const disorder = await books.asOwner(
      `SELECT * FROM (
         SELECT p.expires_at, p.seq, lag(p.expires_at) OVER line AS expires_before, lag(p.seq) OVER line AS seq_before
         FROM transfer e JOIN transfer p ON p.id = e.pending_id
         WHERE e.phase = 'expire' AND p.debit_account = $1 WINDOW line AS (ORDER BY e.seq)
       ) AS line WHERE (expires_at, seq) < (expires_before, seq_before)`,
      [from],
    );
    expect(disorder).toEqual([]);
  });
});
