/** Replaying the journal: the leaves follow from the lines alone, and a line that cannot follow is named. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  encodeJournalLine,
  type Hex,
  type JournalLine,
  type Phase,
  parseJournalLine,
  ReplayError,
  ReplayState,
  type Section,
} from "#proof";

const OWNER: Hex = `0x${"00".repeat(20)}`;
const keyOf = (name: string): Hex => `0x${Buffer.from(name).toString("hex").padEnd(64, "0")}`;

/** Writes a journal line by line; every line goes through its bytes, as an auditor gets it. */
class Journal {
  readonly state = new ReplayState();
  #seq = 0n;

  transfer(
    debit: string,
    credit: string,
    amount: bigint,
    more: { phase?: Phase; pendingId?: string; id?: string; asset?: string } = {},
  ): this {
    const seq = this.#seq;
    return this.add({
      kind: "transfer",
      seq,
      time: 1000n + seq,
      id: more.id ?? `transfer-${seq}`,
      phase: more.phase ?? "single",
      debit,
      credit,
      asset: more.asset ?? "TST",
      amount,
      code: "test",
      ...(more.pendingId === undefined ? {} : { pendingId: more.pendingId }),
    });
  }

  position(
    account: string,
    section: Section,
    index: bigint,
    more: { key?: Hex; owner?: Hex; validUntil?: bigint; asset?: string; signatures?: Hex[] } = {},
  ): this {
    const seq = this.#seq;
    return this.add({
      kind: "position",
      seq,
      time: 1000n + seq,
      account,
      asset: more.asset ?? "TST",
      section,
      index,
      key: more.key ?? keyOf(account),
      owner: more.owner ?? OWNER,
      validUntil: more.validUntil ?? 0n,
      positionKind: 0,
      quantity: 0,
      ...(more.signatures === undefined ? {} : { signatures: more.signatures }),
    });
  }

  closing(account: string): this {
    return this.add({ kind: "closing", seq: this.#seq, time: 1000n + this.#seq, account });
  }

  add(line: JournalLine): this {
    this.state.apply(parseJournalLine(encodeJournalLine(line)));
    this.#seq++;
    return this;
  }
}

const summary = (journal: Journal, section: Section) =>
  journal.state.leaves("TST", section).map(({ index, amount }) => [index, amount]);

describe("leaves follow from the journal", () => {
  test("posted credits minus posted debits, without holds, and payouts by credits alone", () => {
    const journal = new Journal()
      .transfer("treasury", "alice", 100n)
      .position("alice", "balances", 0n)
      .position("alice-lock", "locks", 0n, { validUntil: 2000n })
      .transfer("alice", "alice-lock", 30n)
      .transfer("alice", "spent", 50n, { phase: "pending", id: "hold-1" })
      .position("alice-payout", "payouts", 0n)
      .transfer("alice", "alice-payout", 10n)
      .transfer("alice-payout", "paid", 4n);
    expect(summary(journal, "balances")).toEqual([[0n, 60n]]);
    expect(summary(journal, "locks")).toEqual([[0n, 30n]]);
    expect(summary(journal, "payouts")).toEqual([[0n, 10n]]);
    expect(summary(journal, "stakes")).toEqual([]);
    expect(journal.state.openHolds).toBe(1);
    expect(journal.state.account("alice")).toMatchObject({
      debitsPending: 50n,
      debitsPosted: 40n,
      creditsPosted: 100n,
    });

    journal.transfer("alice", "spent", 20n, { phase: "post", pendingId: "hold-1" });
    expect(summary(journal, "balances")).toEqual([[0n, 40n]]);
    expect(journal.state.account("alice")?.debitsPending).toBe(0n);
    expect(journal.state.openHolds).toBe(0);
  });

  test.each(["void", "expire"] as const)("a hold that ends by %s leaves no trace", (phase) => {
    const journal = new Journal()
      .transfer("treasury", "alice", 100n)
      .position("alice", "balances", 0n)
      .transfer("alice", "spent", 50n, { phase: "pending", id: "hold-1" })
      .transfer("alice", "spent", 50n, { phase, pendingId: "hold-1" });
    expect(summary(journal, "balances")).toEqual([[0n, 100n]]);
    expect(journal.state.account("alice")?.debitsPending).toBe(0n);
  });

  test("the newest position line counts; chain events and other assets change nothing", () => {
    const journal = new Journal()
      .position("alice", "balances", 0n)
      .transfer("issuance", "alice-czk", 5n, { asset: "CZK" })
      .position("alice-czk", "balances", 0n, { asset: "CZK", key: keyOf("alice") })
      .position("alice", "balances", 0n, {
        owner: `0x${"11".repeat(20)}`,
        validUntil: 9n,
        signatures: ["0x5151"],
      });
    journal.add({
      kind: "chain",
      seq: 4n,
      time: 9n,
      block: 1n,
      txHash: keyOf("t"),
      logIndex: 0n,
      event: "Claimed",
    });
    expect(journal.state.leaves("TST", "balances")).toEqual([
      {
        index: 0n,
        owner: `0x${"11".repeat(20)}`,
        key: keyOf("alice"),
        amount: 0n,
        validUntil: 9n,
        kind: 0,
        quantity: 0,
      },
    ]);
    expect(journal.state.leaves("CZK", "balances")[0]?.amount).toBe(5n);
    expect(journal.state.assets).toEqual(["TST", "CZK"]);
    expect(journal.state.nextSeq).toBe(5n);
  });

  test("a closed account has no more than the end of its holds before it", () => {
    const journal = new Journal()
      .transfer("treasury", "purse", 5n)
      .transfer("purse", "treasury", 5n)
      .transfer("treasury", "purse", 4n, { phase: "pending", id: "hold-1" })
      .transfer("treasury", "purse", 4n, { phase: "pending", id: "hold-2" })
      .closing("purse")
      .closing("never-named")
      .transfer("treasury", "purse", 4n, { phase: "void", pendingId: "hold-1" })
      .transfer("treasury", "purse", 4n, { phase: "expire", pendingId: "hold-2" });
    expect(journal.state.openHolds).toBe(0);
    expect(journal.state.account("purse")).toMatchObject({ creditsPosted: 5n, creditsPending: 0n });
  });

  test("an epoch's leaf file has what differs from the epoch before, in index order, by content", () => {
    const journal = new Journal()
      .position("a", "balances", 0n)
      .position("b", "balances", 1n)
      .position("c", "balances", 2n)
      .transfer("treasury", "c", 5n);
    const indexes = () =>
      journal.state.closeEpoch("TST").balances.map(({ index, amount }) => [index, amount]);
    expect(indexes()).toEqual([
      [0n, 0n],
      [1n, 0n],
      [2n, 5n],
    ]);
    journal.transfer("c", "b", 1n).transfer("b", "c", 1n).transfer("treasury", "a", 7n);
    expect(indexes()).toEqual([[0n, 7n]]);
    journal.position("b", "balances", 1n, { validUntil: 3n }).position("a", "balances", 0n);
    expect(indexes()).toEqual([[1n, 0n]]);
    expect(indexes()).toEqual([]);
    expect(journal.state.closeEpoch("nothing").locks).toEqual([]);
  });

  test("epoch by epoch or at once, the leaves are the same", () => {
    const names = ["a", "b", "c", "d", "treasury"];
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(3), fc.nat(3), fc.bigInt({ min: 1n, max: 9n }), fc.boolean()), {
          maxLength: 40,
        }),
        (moves) => {
          const journal = new Journal();
          for (const [index, name] of names.slice(0, 4).entries())
            journal.position(name, "balances", BigInt(index)).transfer("treasury", name, 1000n);
          const known = new Map<bigint, bigint>();
          const close = () => {
            for (const leaf of journal.state.closeEpoch("TST").balances) known.set(leaf.index, leaf.amount);
          };
          for (const [from, to, amount, closes] of moves) {
            if (from !== to) journal.transfer(names[from] ?? "", names[to] ?? "", amount);
            if (closes) close();
          }
          close();
          expect([...known].sort()).toEqual(summary(journal, "balances"));
          expect([...known.values()].reduce((total, amount) => total + amount, 0n)).toBe(4000n);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe("a line that cannot follow is refused by its number", () => {
  const begun = () =>
    new Journal()
      .transfer("treasury", "alice", 100n)
      .position("alice", "balances", 0n)
      .transfer("alice", "bob", 50n, { phase: "pending", id: "hold-1" });

  test.each<[string, (journal: Journal) => unknown, RegExp]>([
    [
      "a gap",
      (journal) =>
        journal.add({
          kind: "chain",
          seq: 4n,
          time: 0n,
          block: 0n,
          txHash: keyOf("t"),
          logIndex: 0n,
          event: "E",
        }),
      /line 4 stands where 3/,
    ],
    [
      "a repetition",
      (journal) =>
        journal.add({
          kind: "chain",
          seq: 2n,
          time: 0n,
          block: 0n,
          txHash: keyOf("t"),
          logIndex: 0n,
          event: "E",
        }),
      /line 2 stands where 3/,
    ],
    [
      "an owner of a new position without a signature",
      (journal) => journal.position("eve", "stakes", 0n, { owner: `0x${"66".repeat(20)}` }),
      /owner 0x66.* without a signature/,
    ],
    [
      "another owner without a signature",
      (journal) => journal.position("alice", "balances", 0n, { owner: `0x${"66".repeat(20)}` }),
      /owner 0x66.* without a signature/,
    ],
    [
      "an owner taken away without a signature",
      (journal) =>
        journal
          .position("alice", "balances", 0n, { owner: `0x${"11".repeat(20)}`, signatures: ["0x51"] })
          .position("alice", "balances", 0n, { owner: `0x${"11".repeat(20)}`, validUntil: 7n })
          .position("alice", "balances", 0n),
      /owner 0x00.* without a signature/,
    ],
    ["a transfer to itself", (journal) => journal.transfer("alice", "alice", 1n), /same account/],
    ["another asset", (journal) => journal.transfer("alice", "bob", 1n, { asset: "CZK" }), /holds TST/],
    [
      "an index that is not the next",
      (journal) => journal.position("bob", "balances", 2n),
      /index 2 .* 1 is the next/,
    ],
    ["an index that is taken", (journal) => journal.position("bob", "balances", 0n), /1 is the next/],
    [
      "a key that is taken",
      (journal) => journal.position("bob", "balances", 1n, { key: keyOf("alice") }),
      /key/,
    ],
    [
      "an account that moves to another section",
      (journal) => journal.position("alice", "locks", 0n),
      /moves account alice/,
    ],
    [
      "an account that changes its key",
      (journal) => journal.position("alice", "balances", 0n, { key: keyOf("eve") }),
      /moves account alice/,
    ],
    [
      "an account that changes its index",
      (journal) => journal.position("alice", "balances", 1n),
      /moves account alice/,
    ],
    [
      "a post of nothing open",
      (journal) => journal.transfer("alice", "bob", 1n, { phase: "post", pendingId: "none" }),
      /no open pending/,
    ],
    [
      "a post of more than was held",
      (journal) => journal.transfer("alice", "bob", 51n, { phase: "post", pendingId: "hold-1" }),
      /51 for a hold of 50/,
    ],
    [
      "a post to somebody else",
      (journal) => journal.transfer("alice", "eve", 5n, { phase: "post", pendingId: "hold-1" }),
      /other accounts/,
    ],
    [
      "a void of a part",
      (journal) => journal.transfer("alice", "bob", 49n, { phase: "void", pendingId: "hold-1" }),
      /49 for a hold of 50/,
    ],
    [
      "a hold twice",
      (journal) => journal.transfer("alice", "bob", 1n, { phase: "pending", id: "hold-1" }),
      /open already/,
    ],
    ["a closing of an account with a leaf", (journal) => journal.closing("alice"), /alice, which has a leaf/],
    ["a closing with a balance", (journal) => journal.closing("treasury"), /treasury with a balance/],
    [
      "a closing of an account from which something is held",
      (journal) => journal.transfer("eve", "bob", 1n, { phase: "pending" }).closing("eve"),
      /eve while something is held/,
    ],
    ["a closing twice", (journal) => journal.closing("bob").closing("bob"), /bob a second time/],
    [
      "a leaf of a closed account",
      (journal) => journal.closing("eve").position("eve", "locks", 0n),
      /eve a leaf/,
    ],
    [
      "a transfer to a closed account",
      (journal) => journal.closing("bob").transfer("alice", "bob", 1n),
      /bob, which is closed/,
    ],
    [
      "a hold on a closed account",
      (journal) => journal.closing("eve").transfer("eve", "bob", 1n, { phase: "pending" }),
      /eve, which is closed/,
    ],
    [
      "a post to a closed account",
      (journal) =>
        journal.closing("bob").transfer("alice", "bob", 5n, { phase: "post", pendingId: "hold-1" }),
      /bob, which is closed/,
    ],
    ["totals beyond 128 bits", (journal) => journal.transfer("x", "alice", 2n ** 128n - 50n), /overflows/],
  ])("%s", (_, act, reason) => {
    const journal = begun();
    expect(() => act(journal)).toThrow(reason);
    expect(() => act(begun())).toThrow(ReplayError);
  });

  test("a hold resolved twice", () => {
    const journal = begun().transfer("alice", "bob", 50n, { phase: "post", pendingId: "hold-1" });
    expect(() => journal.transfer("alice", "bob", 50n, { phase: "void", pendingId: "hold-1" })).toThrow(
      /no open pending/,
    );
  });

  test("an account with a leaf that owes, at the closing", () => {
    const journal = begun().transfer("alice", "bob", 101n);
    expect(() => journal.state.closeEpoch("TST")).toThrow(/alice with an amount of -1/);
  });
});
