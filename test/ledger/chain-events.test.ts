/** Chain events in the journal: their place before what follows from them, once, and what a demand does to its account. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ChainEvent, Ledger, TransferRequest, Unit } from "#ledger";
import type { Hex } from "#proof";
import { expectCoherent } from "../support/coherence.ts";
import { openTestLedger, startLedger, type TestLedger, transfer } from "../support/ledger.ts";

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

const REGISTRY: Hex = `0x${"05".repeat(20)}`;
let made = 0;
function event(more: Partial<ChainEvent> = {}): ChainEvent {
  made += 1;
  const txHash = `0x${made.toString(16).padStart(64, "0")}` as Hex;
  return { chainId: 31_337, registry: REGISTRY, block: 7, txHash, logIndex: 0, event: "Claimed", ...more };
}

/** Records the event, then sends the transfers; the place of the line, or null. */
function recording(what: ChainEvent, ...requests: readonly TransferRequest[]): Unit<number | null> {
  return {
    name: "record",
    reads: { chainEvents: [what] },
    decide(view) {
      const seq = view.recordChainEvent(what);
      if (seq !== null) view.tryTransfers(requests);
      return seq;
    },
  };
}
const sending = (...requests: readonly TransferRequest[]): Unit<string> => ({
  name: "send",
  decide: (view) =>
    view
      .tryTransfers(requests)
      .map(({ code }) => code)
      .join(),
});
const record = (unit: Unit<number | null>, ledger: Ledger = books.ledger) =>
  ledger.submit(unit).then(({ value }) => value);

describe("a chain event", () => {
  test.each([
    { decided: "under the head", aheadWeight: Number.POSITIVE_INFINITY },
    { decided: "ahead", aheadWeight: 1 },
  ])(
    "stands directly before the transfers that follow from it, whatever else its batch holds: decided $decided",
    async ({ aheadWeight }) => {
      const ledger = await openTestLedger(books.database, { limits: { aheadWeight } });
      const groups = Array.from({ length: 30 }, () => ({
        event: event(),
        other: transfer(a, b, 1n),
        follows: [transfer(a, b, 2n), transfer(b, a, 2n)],
      }));
      const answers = await Promise.all(
        groups.flatMap((group) => [
          ledger.submit(sending(group.other)).then(() => null),
          record(recording(group.event, ...group.follows), ledger),
        ]),
      );
      const places = answers.filter((seq) => seq !== null);
      expect(places).toHaveLength(30);
      const lines = await books.asOwner(
        `SELECT seq FROM chain_line WHERE tx_hash = ANY ($1)
         UNION ALL SELECT seq FROM transfer WHERE id = ANY ($2) ORDER BY seq`,
        [
          groups.map(({ event: { txHash } }) => Buffer.from(txHash.slice(2), "hex")),
          groups.flatMap(({ follows }) => follows.map(({ id }) => id)),
        ],
      );
      expect(lines.map(({ seq }) => seq)).toEqual(places.flatMap((seq) => [seq, seq + 1, seq + 2]));
      await ledger.close();
    },
  );

  test("is recorded once: in a batch, in a later one, and by two processes at once", async () => {
    const other = await openTestLedger(books.database);
    for (let round = 0; round < 10; round++) {
      const what = event();
      const units = () => [1, 2].map(() => recording(what, transfer(a, b, 1n)));
      const answers = await Promise.all([
        ...units().map((unit) => record(unit)),
        ...units().map((unit) => record(unit, other)),
      ]);
      expect(answers.filter((seq) => seq !== null)).toHaveLength(1);
      expect(await record(recording(what))).toBeNull();
      // The same transaction and log on another chain, and another log of the transaction, are other events.
      expect(await record(recording({ ...what, chainId: 1 }))).toEqual(expect.any(Number));
      expect(await record(recording({ ...what, logIndex: 1 }))).toEqual(expect.any(Number));
    }
    await other.close();
  });

  test("leaves nothing behind where its unit fails", async () => {
    const what = event();
    const failing = books.run((view) => {
      view.recordChainEvent(what);
      throw new Error("after the line");
    });
    await expect(failing).rejects.toThrow("after the line");
    expect(await record(recording(what))).toEqual(expect.any(Number));
  });

  test("has an account where it is a demand or its end, and no other has one", async () => {
    const account = randomUUID();
    await expect(record(recording(event({ account })))).rejects.toThrow("with an account");
    await expect(record(recording(event({ event: "ExitDemanded" })))).rejects.toThrow("without an account");
    await expect(record(recording(event({ event: "ExitDemanded", account })))).rejects.toThrow(
      "no settled account",
    );
  });
});

describe("from a demand's line until it is served", () => {
  /** A settled account with 10 units of TST. */
  async function settled(user: string): Promise<{ account: string; treasury: string }> {
    const [id, salt] = [randomUUID(), new Uint8Array(32)];
    return books.run((view) => {
      const custody = view.openAccount({ asset: "TST", role: "custody", owner: null });
      const treasury = view.openAccount({ asset: "TST", role: "treasury", owner: null });
      const account = view.openAccount({ asset: "TST", role: "available", owner: user });
      view.openOwner(user, salt);
      view.move({ id, debitAccount: custody, creditAccount: account, amount: 10n, code: "entry_credit" });
      const keyParts = [user];
      view.setPosition({
        ...{ account, section: "balances", user, keyParts, validUntil: 0, kind: 0, quantity: 0 },
      });
      return { account, treasury };
    });
  }
  const moving = (from: string, user: string, code: string): Unit<string> => {
    const id = randomUUID();
    return {
      name: "move",
      decide(view) {
        const creditAccount = view.openAccount({ asset: "TST", role: "locked", owner: user, reference: "x" });
        return view.move({ id, debitAccount: from, creditAccount, amount: 3n, code }).id;
      },
    };
  };
  const move = (...parts: Parameters<typeof moving>) => books.ledger.submit(moving(...parts));
  const refused = { code: "exit_demanded" };

  test("only the sweep debits the account; credits go on", async () => {
    const { account } = await settled("dora");
    await record(recording(event({ event: "ExitDemanded", account })));
    await expect(move(account, "dora", "access.lock")).rejects.toMatchObject(refused);
    await expect(record(recording(event({ event: "ExitDemanded", account })))).rejects.toThrow(
      "open already",
    );
    await move(account, "dora", "exit_sweep");
    const id = randomUUID();
    await books.run((view) => {
      const custody = view.openAccount({ asset: "TST", role: "custody", owner: null });
      return view.move({
        id,
        debitAccount: custody,
        creditAccount: account,
        amount: 1n,
        code: "entry_credit",
      }).id;
    });
    await record(recording(event({ event: "DemandServed", account })));
    await move(account, "dora", "access.lock");
    await expect(record(recording(event({ event: "DemandServed", account })))).rejects.toThrow("not open");
  });

  test("so it is in the demand's own batch, and for what a process remembers", async () => {
    const { account } = await settled("emil");
    const other = await openTestLedger(books.database);
    await other.submit(moving(account, "emil", "access.lock"));
    const [, spent] = await Promise.allSettled([
      record(recording(event({ event: "ExitDemanded", account }))),
      move(account, "emil", "access.lock"),
    ]);
    expect(spent).toMatchObject({ status: "rejected", reason: refused });
    await expect(other.submit(moving(account, "emil", "access.lock"))).rejects.toMatchObject(refused);
    await other.close();
  });

  test("a refusal is kept under its key", async () => {
    const { account } = await settled("fred");
    const demand = event({ event: "ExitDemanded", account });
    await record(recording(demand));
    const idempotency = { principal: "fred", key: "k", fingerprint: "00".repeat(32) };
    const unit = { ...moving(account, "fred", "access.lock"), idempotency };
    await expect(books.ledger.submit(unit)).rejects.toMatchObject({ ...refused, replayed: false });
    await record(recording(event({ event: "DemandServed", account })));
    await expect(books.ledger.submit(unit)).rejects.toMatchObject({ ...refused, replayed: true });
  });

  test("nothing is held from the account, what was held is voided and not posted", async () => {
    const account = await books.run((view) => {
      const opened = view.openAccount({ asset: "USD", role: "available", owner: "gina" });
      view.openOwner("gina", new Uint8Array(32));
      view.setPosition({
        ...{ account: opened, section: "balances", user: "gina", keyParts: ["gina"] },
        ...{ validUntil: 0, kind: 0, quantity: 0 },
      });
      return opened;
    });
    const held = transfer(account, a, 5n, { phase: "pending" });
    expect(await books.send(transfer(a, account, 10n), held)).toEqual(["ok", "ok"]);
    await record(recording(event({ event: "ExitDemanded", account })));
    expect(
      await books.send(
        transfer(account, a, 1n),
        transfer(account, a, 1n, { phase: "pending" }),
        { id: randomUUID(), phase: "post", pendingId: held.id },
        transfer(a, account, 1n),
        { id: randomUUID(), phase: "void", pendingId: held.id },
      ),
    ).toEqual(["asset_not_transferable", "asset_not_transferable", "asset_not_transferable", "ok", "ok"]);
  });
});
