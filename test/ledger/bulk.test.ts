import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Ledger, prepareTransfers, submitTransfers, type TransferRequest } from "#ledger";
import { expectCoherent } from "../support/coherence.ts";
import { startLedger, type TestLedger, transfer } from "../support/ledger.ts";

let books: TestLedger;
let a: string;
let b: string;

beforeAll(async () => {
  books = await startLedger();
  [a, b] = [await books.open(), await books.open()];
});
afterAll(async () => {
  await expectCoherent(books);
  await books.close();
});

const prepare = (requests: readonly TransferRequest[]) =>
  prepareTransfers(
    books.source,
    requests.map(({ amount, ...rest }) => ({
      ...rest,
      ...(amount === undefined ? {} : { amount: String(amount) }),
    })),
    "transfers",
  );

/** The real ledger, and how long each slice was that went into it. */
function watched(): { ledger: Ledger; slices: number[] } {
  const slices: number[] = [];
  const submit: Ledger["submit"] = (unit) => {
    slices.push(unit.weight ?? 1);
    return books.ledger.submit(unit);
  };
  return { ledger: { ...books.ledger, submit }, slices };
}

describe("a long list", () => {
  test("goes in slices of at most 500 lines that split no chain", async () => {
    const chain = (length: number) =>
      Array.from({ length }, (_, at) => transfer(a, b, 1n, at < length - 1 ? { linked: true } : {}));
    const requests = [...chain(300), ...chain(300), ...chain(1), ...chain(199), ...chain(500), ...chain(2)];
    const { ledger, slices } = watched();
    const { value } = await submitTransfers(ledger, await prepare(requests));
    expect(slices).toEqual([300, 500, 500, 2]);
    expect(value.map(({ index, id }) => [index, id])).toEqual(requests.map(({ id }, index) => [index, id]));
    expect(new Set(value.map(({ code }) => code))).toEqual(new Set(["ok"]));
  });

  test("stays whole where one chain is longer than any may be, and is refused", async () => {
    const requests = Array.from({ length: 601 }, () => transfer(a, b, 1n, { linked: true }));
    const { ledger, slices } = watched();
    const { value } = await submitTransfers(ledger, await prepare([...requests, transfer(a, b, 1n)]));
    expect(slices).toEqual([602]);
    expect(value[0]?.code).toBe("linked_event_chain_too_long");
  });

  test("ends where a slice cannot be written: none behind it is tried", async () => {
    const requests = Array.from({ length: 1_500 }, (_, at) =>
      transfer(a, b, 1n, at === 700 ? { reference: "\u0000" } : {}),
    );
    const { ledger, slices } = watched();
    await expect(submitTransfers(ledger, await prepare(requests))).rejects.toThrow();
    expect(slices).toEqual([500, 500]);
    const [first, , third] = [requests[0], requests[500], requests[1_000]];
    expect(await books.queries.transfer(first?.id ?? "")).not.toBeNull();
    expect(await books.send(third as TransferRequest)).toEqual(["ok"]);
  });
});

describe("an amount whose asset was not known when it was read", () => {
  const late = async (act: () => Promise<unknown>, request: TransferRequest) => {
    const prepared = await prepare([request]);
    expect(prepared[0]?.scaleKnown).toBe(false);
    await act();
    return submitTransfers(books.ledger, prepared);
  };

  test("is not moved by an account that came into being meanwhile", async () => {
    const [debit, credit] = [randomUUID(), randomUUID()];
    const request = transfer(debit, credit, 5n);
    await expect(late(() => books.open({ id: debit }), request)).rejects.toMatchObject({
      code: "unavailable",
    });
    await books.open({ id: credit });
    // Nothing of it was decided: sent again it is read with the scale of its asset, 5.00.
    const { value } = await submitTransfers(books.ledger, await prepare([request]));
    expect(value[0]?.code).toBe("ok");
    expect((await books.queries.account(credit))?.creditsPosted).toBe(500n);
  });

  test("nor posted from a pending transfer that did", async () => {
    const pending = transfer(a, b, 900n, { phase: "pending" });
    const post: TransferRequest = { id: randomUUID(), phase: "post", pendingId: pending.id, amount: 9n };
    await expect(late(() => books.send(pending), post)).rejects.toMatchObject({ code: "unavailable" });
    const { value } = await submitTransfers(books.ledger, await prepare([post]));
    expect(value[0]?.code).toBe("ok");
  });

  test("says by its code that there is nothing, where there still is nothing", async () => {
    const { value } = await late(async () => undefined, transfer(randomUUID(), randomUUID(), 5n));
    expect(value[0]?.code).toBe("account_not_found");
  });
});
