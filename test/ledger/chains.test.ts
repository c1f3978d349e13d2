import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TransferRequest } from "#ledger";
import { expectCoherent } from "../support/coherence.ts";
import { startLedger, type TestLedger, transfer } from "../support/ledger.ts";

let books: TestLedger;
let a: string;
let b: string;
let purse: string;

beforeAll(async () => {
  books = await startLedger();
  [a, b] = [await books.open(), await books.open()];
  purse = await books.open({ debitAllowance: 0n });
});
afterAll(async () => {
  await expectCoherent(books);
  await books.close();
});

const leg = (amount = 1n, more: Partial<TransferRequest> = {}) =>
  transfer(a, b, amount, { linked: true, ...more });
const last = (amount = 1n, more: Partial<TransferRequest> = {}) => transfer(a, b, amount, more);
const chainOf = (length: number) => [...Array.from({ length: length - 1 }, () => leg()), last()];
const balance = async (id: string) => {
  const read = await books.queries.account(id);
  return [read?.debitsPosted, read?.creditsPosted];
};
const linesNow = async () => (await books.asOwner("SELECT next_seq FROM journal_head"))[0]?.next_seq;

describe("a linked chain", () => {
  test("stands as a whole, and again exists as a whole", async () => {
    const chain = chainOf(3);
    expect(await books.send(...chain)).toEqual(["ok", "ok", "ok"]);
    const lines = await linesNow();
    expect(await books.send(...chain, ...chain)).toEqual(Array(6).fill("exists"));
    expect(await linesNow()).toBe(lines);
  });

  test("falls as a whole, whichever leg fails, and leaves its neighbours alone", async () => {
    for (const failing of [0, 1, 2]) {
      const before = await balance(b);
      const chain = chainOf(3).map((one, at) => (at === failing ? { ...one, amount: 0n } : one));
      const expected = [0, 1, 2].map((at) =>
        at === failing ? "amount_must_not_be_zero" : "linked_event_failed",
      );
      const [left, right] = [last(), last()];
      expect(await books.send(left, ...chain, right)).toEqual(["ok", ...expected, "ok"]);
      expect(await balance(b)).toEqual([before[0], (before[1] ?? 0n) + 2n]);
    }
  });

  test("sees what its own legs did, and nothing of it remains where it falls", async () => {
    const through = [leg(5n, { creditAccount: purse }), transfer(purse, b, 5n)];
    expect(await books.send(...through)).toEqual(["ok", "ok"]);
    const tooMuch = [leg(5n, { creditAccount: purse }), transfer(purse, b, 6n)];
    expect(await books.send(...tooMuch, transfer(purse, b, 1n))).toEqual([
      ...["linked_event_failed", "exceeds_credits", "exceeds_credits"],
    ]);
    const held = leg(4n, { creditAccount: purse, phase: "pending" });
    expect(
      await books.send(held, { id: randomUUID(), phase: "post", pendingId: held.id, amount: 3n }),
    ).toEqual([...["ok", "ok"]]);
    expect(await balance(purse)).toEqual([5n, 8n]);
  });

  test("that fails for a transient reason burns the id of that leg alone", async () => {
    const chain = [leg(), leg(1_000n, { debitAccount: purse }), last()];
    expect(await books.send(...chain)).toEqual([
      "linked_event_failed",
      "exceeds_credits",
      "linked_event_failed",
    ]);
    expect(await books.send(...chain)).toEqual([
      ...["linked_event_failed", "id_already_failed", "linked_event_failed"],
    ]);
    const [first, , third] = chain.map(({ linked: _, ...one }) => one);
    expect(await books.send(first as TransferRequest, third as TransferRequest)).toEqual(["ok", "ok"]);
  });

  test("that exists in part, or differently, falls", async () => {
    const chain = chainOf(3);
    await books.send(...chain);
    const [one, two, three] = chain as [TransferRequest, TransferRequest, TransferRequest];
    const fresh = () => leg();
    expect(await books.send(fresh(), two, three)).toEqual([
      ...["linked_event_failed", "exists", "linked_event_failed"],
    ]);
    expect(await books.send(one, fresh(), three)).toEqual(Array(3).fill("linked_event_failed"));
    expect(await books.send(one, { ...two, amount: 9n }, three)).toEqual([
      ...["linked_event_failed", "exists_with_different_amount", "linked_event_failed"],
    ]);
    // A part of it alone, and a longer one, are other chains.
    expect(await books.send(one, { ...two, linked: false })).toEqual([
      ...["linked_event_failed", "exists_with_different_linked"],
    ]);
    expect(await books.send(one, two, { ...three, linked: true }, last())).toEqual([
      ...[
        "linked_event_failed",
        "linked_event_failed",
        "exists_with_different_linked",
        "linked_event_failed",
      ],
    ]);
  });

  test("that names one id twice falls, and no line is named that is not there", async () => {
    const one = leg();
    const results = await books.run((view) =>
      view.tryTransfers([one, one, last()]).map(({ code, transfer }) => [code, transfer?.seq ?? null]),
    );
    expect(results).toEqual([
      ["linked_event_failed", null],
      ["exists", null],
      ["linked_event_failed", null],
    ]);
    expect(await books.queries.transfer(one.id)).toBeNull();
  });

  test("that is left open falls, the last leg with the reason, and what is before it stands", async () => {
    expect(await books.send(last(), leg(), leg())).toEqual([
      ...["ok", "linked_event_failed", "linked_event_chain_open"],
    ]);
    expect(await books.send(leg())).toEqual(["linked_event_chain_open"]);
    const open = leg();
    await books.send(open);
    expect(await books.send({ ...open, linked: false })).toEqual(["ok"]);
  });

  test("may have 500 legs and no more", async () => {
    expect(new Set(await books.send(...chainOf(500)))).toEqual(new Set(["ok"]));
    const [first, ...others] = await books.send(...chainOf(501));
    expect(first).toBe("linked_event_chain_too_long");
    expect(new Set(others)).toEqual(new Set(["linked_event_failed"]));
  });

  test("is seen whole by units behind it in the batch, or not at all", async () => {
    const owner = await books.open({ debitAllowance: 0n });
    const into = (amount: bigint, more = {}) => transfer(a, owner, amount, more);
    const codes = await Promise.all([
      books.send(into(5n, { linked: true }), into(0n)),
      books.send(transfer(owner, b, 5n)),
      books.send(into(5n, { linked: true }), into(5n)),
      books.send(transfer(owner, b, 10n)),
      books.send(transfer(owner, b, 1n)),
    ]);
    expect(codes).toEqual([
      ...[["linked_event_failed", "amount_must_not_be_zero"], ["exceeds_credits"], ["ok", "ok"]],
      ...[["ok"], ["exceeds_credits"]],
    ]);
  });
});
