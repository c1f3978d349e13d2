/** What wallets sign is what every other library hashes, and the rules of docs/wallets.md hold line by line. */
import { TypedDataEncoder } from "ethers";
import { describe, expect, test } from "vitest";
import {
  cancelDigest,
  encodeStatement,
  entryProof,
  type Hex,
  type LinkMessage,
  linkDigest,
  linkReference,
  type PositionLine,
  parseStatement,
  type Section,
  WALLET_DELAY_SECONDS,
  WALLET_DOMAIN,
  WALLET_TYPES,
  type WalletFacts,
  WalletRules,
  type WalletStatement,
} from "#proof";

const bytes = (digit: string, length: number): Hex => `0x${digit.repeat(2 * length)}`;
const BOOK = { asset: "TST", chainId: 31_337n, registry: bytes("9", 20) };
const NOBODY = bytes("0", 20);
const [A, B, C] = [bytes("a", 20), bytes("b", 20), bytes("c", 20)] as const;
const [ALICE, BOB] = [bytes("1", 32), bytes("2", 32)] as const;
const SIGNATURE = bytes("5", 65);
const DAY = 86_400n;

const message: LinkMessage = { user: ALICE, wallet: B, previous: A, number: 2n, deadline: 9_000n };

describe("a message", () => {
  const domain = { ...WALLET_DOMAIN, chainId: BOOK.chainId, verifyingContract: BOOK.registry };

  test("has the digest that EIP-712 libraries make of it", () => {
    const { deadline, ...cancel } = message;
    const types = ({ LinkWallet, CancelWallet }: typeof WALLET_TYPES) => ({
      LinkWallet: [...LinkWallet],
      CancelWallet: [...CancelWallet],
    });
    const { LinkWallet, CancelWallet } = types(WALLET_TYPES);
    expect(linkDigest(BOOK, message)).toBe(TypedDataEncoder.hash(domain, { LinkWallet }, message));
    expect(cancelDigest(BOOK, cancel)).toBe(TypedDataEncoder.hash(domain, { CancelWallet }, cancel));
    expect(deadline).toBe(9_000n);
  });

  test("counts for one user, wallet, number, chain and registry", () => {
    const others = [
      linkDigest({ ...BOOK, chainId: 1n }, message),
      linkDigest({ ...BOOK, registry: A }, message),
      linkDigest(BOOK, { ...message, user: BOB }),
      linkDigest(BOOK, { ...message, wallet: C }),
      linkDigest(BOOK, { ...message, previous: C }),
      linkDigest(BOOK, { ...message, number: 3n }),
      linkDigest(BOOK, { ...message, deadline: 9_001n }),
      cancelDigest(BOOK, message),
    ];
    expect(new Set([linkDigest(BOOK, message), ...others]).size).toBe(others.length + 1);
  });
});

describe("a statement", () => {
  const all: readonly WalletStatement[] = [
    { kind: "link", message, signer: "wallet", block: 0n, signature: SIGNATURE },
    { kind: "link", message, signer: "previous", block: 77n, signature: bytes("7", 300) },
    {
      kind: "cancel",
      message: { user: ALICE, wallet: B, previous: A, number: 2n },
      block: 0n,
      signature: SIGNATURE,
    },
    { kind: "reference", user: ALICE, number: 2n },
    { kind: "entry", txHash: BOB, logIndex: 3n },
  ];

  test("is read as it was written", () => {
    for (const statement of all) expect(parseStatement(encodeStatement(statement))).toEqual(statement);
  });

  test("has one writing", () => {
    const [link] = all.map(encodeStatement);
    if (!link) throw new Error("there is one");
    const wrong: Hex[] = [
      "0x",
      "0x05",
      link.slice(0, 2 + 2 * 98) as Hex,
      `${link}${"00".repeat(2_048)}`,
      `${linkReference(ALICE, 1n)}00`,
      `${entryProof(BOB, 1n).slice(0, -2)}` as Hex,
      // The signer's byte is 0 or 1.
      `${link.slice(0, 2 + 2 * 89)}02${link.slice(2 + 2 * 90)}` as Hex,
    ];
    for (const one of wrong) expect(() => parseStatement(one), one.slice(0, 20)).toThrow(/statement|must/);
  });
});

/** A journal of position lines, each held against the rules. */
class Lines {
  readonly rules: WalletRules;
  readonly anchors = new Map<bigint, bigint>();
  readonly entries = new Map<string, Hex>();
  seq = 0n;
  time = 1_000n;
  readonly #owners = new Map<string, Hex>();

  constructor() {
    const facts: WalletFacts = {
      anchoredAt: (seq) => this.anchors.get(seq) ?? null,
      depositorOf: (txHash, logIndex) => this.entries.get(`${txHash}/${logIndex}`) ?? null,
    };
    this.rules = new WalletRules(BOOK, facts);
  }

  put(
    user: Hex,
    owner: Hex,
    signatures: readonly Hex[],
    more: { section?: Section; key?: Hex; account?: string } = {},
  ) {
    const account = more.account ?? `${user}/${more.section ?? "balances"}`;
    const line: PositionLine = {
      ...{ kind: "position", seq: this.seq, time: this.time, account, asset: "TST", index: 0n },
      ...{ section: more.section ?? "balances", key: more.key ?? user, owner },
      ...{ validUntil: 0n, positionKind: 0, quantity: 0 },
      ...(signatures.length > 0 && { signatures }),
    };
    const checks = this.rules.apply(line, this.#owners.get(account) ?? NOBODY);
    this.#owners.set(account, owner);
    this.seq += 1n;
    this.time += 1n;
    return checks;
  }

  link(user: Hex, number: bigint, wallet: Hex, previous: Hex = NOBODY, more: Partial<LinkMessage> = {}) {
    const one = { user, wallet, previous, number, deadline: this.time + 100n, ...more };
    const by = (signer: "wallet" | "previous"): Hex =>
      encodeStatement({ kind: "link", message: one, signer, block: 0n, signature: SIGNATURE });
    return { wallet: by("wallet"), previous: by("previous") };
  }

  cancel(user: Hex, number: bigint, wallet: Hex, previous: Hex): Hex {
    const one = { user, wallet, previous, number };
    return encodeStatement({ kind: "cancel", message: one, block: 0n, signature: SIGNATURE });
  }

  /** Alice has A. */
  static linked(): Lines {
    const lines = new Lines();
    lines.put(ALICE, A, [lines.link(ALICE, 1n, A).wallet]);
    return lines;
  }

  /** And has announced B, which an epoch of that moment holds. */
  static announced(): Lines {
    const lines = Lines.linked();
    lines.put(ALICE, A, [lines.link(ALICE, 2n, B, A).wallet]);
    lines.anchors.set(1n, lines.time);
    return lines;
  }
}

describe("the first link", () => {
  test("needs the wallet's signature over the user's key, in the user's own line", () => {
    const lines = new Lines();
    const { wallet } = lines.link(ALICE, 1n, A);
    const digest = linkDigest(BOOK, {
      user: ALICE,
      wallet: A,
      previous: NOBODY,
      number: 1n,
      deadline: 1_100n,
    });
    expect(lines.put(ALICE, A, [wallet])).toEqual([
      { seq: 0n, wallet: A, digest, signature: SIGNATURE, block: 0n },
    ]);
    expect(lines.rules.walletOf(ALICE)).toBe(A);
    expect(lines.rules.userOf(A)).toBe(ALICE);
  });

  test("may come in the very second of its deadline", () => {
    const lines = new Lines();
    lines.put(ALICE, A, [lines.link(ALICE, 1n, A, NOBODY, { deadline: lines.time }).wallet]);
    expect(lines.rules.walletOf(ALICE)).toBe(A);
  });

  test.each<[string, (lines: Lines) => unknown, RegExp]>([
    ["without a statement", (l) => l.put(ALICE, A, []), /without a statement/],
    ["of another user's key", (l) => l.put(ALICE, A, [l.link(BOB, 1n, A).wallet]), /another user/],
    [
      "to another wallet",
      (l) => l.put(ALICE, B, [l.link(ALICE, 1n, A).wallet]),
      /another wallet than it names/,
    ],
    [
      "in another section",
      (l) => l.put(ALICE, A, [l.link(ALICE, 1n, A).wallet], { section: "locks" }),
      /another user/,
    ],
    ["with number 2", (l) => l.put(ALICE, A, [l.link(ALICE, 2n, A).wallet]), /out of its turn/],
    [
      "in the place of a wallet",
      (l) => l.put(ALICE, A, [l.link(ALICE, 1n, A, B).wallet]),
      /replaces another/,
    ],
    [
      "late",
      (l) => l.put(ALICE, A, [l.link(ALICE, 1n, A, NOBODY, { deadline: 999n }).wallet]),
      /after its deadline/,
    ],
    ["by a reference to nothing", (l) => l.put(ALICE, A, [linkReference(ALICE, 1n)]), /has linked no wallet/],
    ["by the wrong signer", (l) => l.put(ALICE, A, [l.link(ALICE, 1n, A).previous]), /one signature each/],
    [
      "twice over",
      (l) => l.put(ALICE, A, [l.link(ALICE, 1n, A).wallet, l.link(ALICE, 1n, A).wallet]),
      /one signature each/,
    ],
    ["by noise", (l) => l.put(ALICE, A, ["0x99"]), /no known kind/],
  ])("is none %s", (_, put, reason) => {
    expect(() => put(new Lines())).toThrow(reason);
  });

  test("of a wallet that is another user's is none, also where it was only announced", () => {
    const lines = Lines.announced();
    for (const wallet of [A, B])
      expect(() => lines.put(BOB, wallet, [lines.link(BOB, 1n, wallet).wallet])).toThrow(/another user's/);
  });
});

describe("a change", () => {
  test("by both signatures holds at once", () => {
    const lines = Lines.linked();
    const { wallet, previous } = lines.link(ALICE, 2n, B, A);
    expect(lines.put(ALICE, B, [wallet, previous])).toMatchObject([{ wallet: B }, { wallet: A }]);
    expect(lines.rules.walletOf(ALICE)).toBe(B);
    // The other positions follow, and new ones are made with it.
    lines.put(ALICE, B, [linkReference(ALICE, 2n)], { section: "locks", key: bytes("6", 32) });
  });

  test.each<[string, (lines: Lines) => unknown, RegExp]>([
    [
      "by the new wallet alone",
      (l) => l.put(ALICE, B, [l.link(ALICE, 2n, B, A).wallet]),
      /one signature each/,
    ],
    [
      "by the old wallet alone",
      (l) => l.put(ALICE, B, [l.link(ALICE, 2n, B, A).previous]),
      /one signature each/,
    ],
    [
      "by signatures of two messages",
      (l) =>
        l.put(ALICE, B, [
          l.link(ALICE, 2n, B, A).wallet,
          l.link(ALICE, 2n, B, A, { deadline: 5_000n }).previous,
        ]),
      /one signature each/,
    ],
    [
      "by the first link again",
      (l) => l.put(ALICE, A, [l.link(ALICE, 1n, A).wallet]),
      /out of its turn|announces/,
    ],
    ["to nobody", (l) => l.put(ALICE, NOBODY, [linkReference(ALICE, 1n)]), /takes its owner away/],
    ["by a reference", (l) => l.put(ALICE, B, [linkReference(ALICE, 1n)]), /not the user's present one/],
    ["by an entry", (l) => l.put(ALICE, B, [entryProof(BOB, 1n)]), /that has an owner/],
  ])("is none %s", (_, put, reason) => {
    expect(() => put(Lines.linked())).toThrow(reason);
  });

  test("and back again needs new signatures", () => {
    const lines = Lines.linked();
    const there = lines.link(ALICE, 2n, B, A);
    lines.put(ALICE, B, [there.wallet, there.previous]);
    const back = lines.link(ALICE, 3n, A, B);
    lines.put(ALICE, A, [back.wallet, back.previous]);
    expect(() => lines.put(ALICE, B, [there.wallet, there.previous])).toThrow(/out of its turn/);
  });

  test("takes no position of another user's wallet along", () => {
    const lines = Lines.linked();
    lines.put(BOB, B, [lines.link(BOB, 1n, B).wallet]);
    lines.put(BOB, B, [linkReference(BOB, 1n)], { section: "locks", key: bytes("6", 32), account: "lock" });
    expect(() =>
      lines.put(BOB, A, [linkReference(ALICE, 1n)], {
        section: "locks",
        key: bytes("6", 32),
        account: "lock",
      }),
    ).toThrow(/another user's wallet/);
    expect(() => lines.put(BOB, A, [linkReference(ALICE, 1n)], { section: "payouts" })).toThrow(
      /another user/,
    );
  });
});

describe("an announced change", () => {
  const complete = (lines: Lines) => lines.put(ALICE, B, [linkReference(ALICE, 2n)]);

  test("completes 14 days after the block of the epoch that holds it", () => {
    const lines = Lines.announced();
    const anchored = lines.anchors.get(1n) ?? 0n;
    lines.time = anchored + WALLET_DELAY_SECONDS - 1n;
    expect(() => complete(lines)).toThrow(/14 days/);
    lines.time = anchored + WALLET_DELAY_SECONDS;
    expect(complete(lines)).toEqual([{ seq: 2n, user: ALICE, previous: A, due: lines.time - 1n }]);
    expect(lines.rules.walletOf(ALICE)).toBe(B);
  });

  test("waits for that block, whatever the lines say of their times", () => {
    const lines = Lines.announced();
    lines.anchors.clear();
    lines.time += 30n * DAY;
    expect(() => complete(lines)).toThrow(/no epoch holds/);
    lines.anchors.set(1n, lines.time - DAY);
    expect(() => complete(lines)).toThrow(/14 days/);
  });

  test("is over with the old wallet's own objection, when the journal gets to its line, and with nobody else's", () => {
    const lines = Lines.announced();
    lines.rules.cancelled(ALICE, B);
    lines.rules.cancelled(BOB, A);
    const objected = Lines.announced();
    objected.rules.cancelled(ALICE, A);
    lines.time += 15n * DAY;
    objected.time += 15n * DAY;
    expect(() => complete(objected)).toThrow(
      /not the user's present one to that wallet, nor announced any more/,
    );
    expect(complete(lines)).toEqual([
      { seq: 2n, user: ALICE, previous: A, due: 1_002n + WALLET_DELAY_SECONDS },
    ]);
  });

  test("is not over with an objection that has its line before it", () => {
    const lines = Lines.linked();
    lines.rules.cancelled(ALICE, A);
    lines.put(ALICE, A, [lines.link(ALICE, 2n, B, A).wallet]);
    lines.anchors.set(1n, lines.time);
    lines.time += 15n * DAY;
    expect(complete(lines)).toHaveLength(1);
  });

  test("is cancelled in the journal by its own number and wallet alone, in the user's own line", () => {
    const wrong: [Hex, { section?: Section; account?: string }, RegExp][] = [
      [Lines.announced().cancel(ALICE, 2n, C, A), {}, /not announced/],
      [Lines.announced().cancel(ALICE, 1n, B, A), {}, /not announced/],
      [Lines.announced().cancel(ALICE, 2n, B, C), {}, /another wallet than the linked one/],
      [Lines.announced().cancel(ALICE, 2n, B, A), { section: "payouts" }, /another user/],
    ];
    for (const [statement, more, reason] of wrong) {
      const lines = Lines.announced();
      if (more.section) lines.put(ALICE, A, [linkReference(ALICE, 1n)], more);
      expect(() => lines.put(ALICE, A, [statement], more), reason.source).toThrow(reason);
    }
  });

  test("does not complete after a cancellation in the journal, for which the old wallet's signature is asked", () => {
    const lines = Lines.announced();
    const [check] = lines.put(ALICE, A, [lines.cancel(ALICE, 2n, B, A)]);
    expect(check).toMatchObject({
      wallet: A,
      digest: cancelDigest(BOOK, { user: ALICE, wallet: B, previous: A, number: 2n }),
    });
    lines.time += 15n * DAY;
    expect(() => complete(lines)).toThrow(/not the user's present one/);
    expect(() => lines.put(ALICE, A, [lines.cancel(ALICE, 2n, B, A)])).toThrow(/not announced/);
  });

  test("is over with a later link or announcement", () => {
    const lines = Lines.announced();
    lines.put(ALICE, A, [lines.link(ALICE, 3n, C, A).wallet]);
    lines.anchors.set(2n, lines.time);
    lines.time += 15n * DAY;
    expect(() => complete(lines)).toThrow(/not the user's present one/);
    expect(lines.put(ALICE, C, [linkReference(ALICE, 3n)])).toHaveLength(1);
  });

  test("is over with a link that both wallets sign", () => {
    const lines = Lines.announced();
    const { wallet, previous } = lines.link(ALICE, 3n, C, A);
    lines.put(ALICE, C, [wallet, previous]);
    lines.time += 15n * DAY;
    expect(() => complete(lines)).toThrow(/not the user's present one/);
  });

  test.each<[string, (lines: Lines) => unknown, RegExp]>([
    ["by the old wallet", (l) => l.put(ALICE, A, [l.link(ALICE, 3n, C, A).previous]), /did not sign/],
    ["from another wallet", (l) => l.put(ALICE, A, [l.link(ALICE, 3n, C, B).wallet]), /replaces another/],
    [
      "in a lock's line",
      (l) => l.put(ALICE, NOBODY, [l.link(ALICE, 3n, C, A).wallet], { section: "locks" }),
      /another user/,
    ],
    ["by a reference", (l) => l.put(ALICE, A, [linkReference(ALICE, 2n)]), /change nothing/],
    ["of another number", (l) => l.put(ALICE, A, [l.link(ALICE, 2n, C, A).wallet]), /out of its turn/],
  ])("is none %s", (_, put, reason) => {
    expect(() => put(Lines.announced())).toThrow(reason);
  });

  test("completes in the user's own line before any other", () => {
    const lines = Lines.announced();
    lines.time += 15n * DAY;
    expect(() => lines.put(ALICE, B, [linkReference(ALICE, 2n)], { section: "locks", key: BOB })).toThrow(
      /another user/,
    );
  });

  test("goes on from what was kept in between", () => {
    const lines = Lines.announced();
    const kept = JSON.parse(JSON.stringify(lines.rules.toJson()));
    const facts = { anchoredAt: () => 1_002n, depositorOf: () => null };
    const again = new WalletRules(BOOK, facts).restore(kept);
    expect(again.toJson()).toEqual(kept);
    expect(again.walletOf(ALICE)).toBe(A);
    expect(again.userOf(B)).toBe(ALICE);
  });
});

describe("an entry", () => {
  test("makes its depositor the owner of the balance keyed by the wallet, and of nothing else", () => {
    const lines = new Lines();
    lines.entries.set(`${BOB}/3`, C);
    expect(lines.put(ALICE, C, [entryProof(BOB, 3n)])).toEqual([]);
    expect(() => lines.put(BOB, A, [entryProof(BOB, 3n)])).toThrow(/not of who made the entry/);
    expect(() => lines.put(BOB, C, [entryProof(BOB, 4n)])).toThrow(/not of who made the entry/);
    expect(() => lines.put(BOB, C, [entryProof(BOB, 3n)], { section: "locks" })).toThrow(/section/);
  });

  test("leaves what it made to its depositor: no other wallet takes it by linking itself for the balance's key", () => {
    const lines = new Lines();
    lines.entries.set(`${BOB}/3`, C);
    lines.put(ALICE, C, [entryProof(BOB, 3n)]);
    expect(() => lines.put(ALICE, A, [lines.link(ALICE, 1n, A).wallet])).toThrow(
      /another wallet than the owner/,
    );
    expect(() => lines.put(ALICE, C, [lines.link(ALICE, 1n, A).wallet])).toThrow(
      /another wallet than the owner/,
    );
  });
});
