/** The rules where the journal meets the chain: a line that breaks one is named, whatever the replay says of it. */
import { Wallet } from "ethers";
import { describe, expect, it } from "vitest";
import { isSignedByKey } from "#infra";
import {
  encodeStatement,
  type Header,
  type Hex,
  type JournalLine,
  type LinkStatement,
  linkDigest,
  linkReference,
  parseStatement,
  ZERO_ADDRESS,
} from "#proof";
import type { ChainEvent } from "../../../src/cli/audit/chain-events.ts";
import { Lie } from "../../../src/cli/audit/checks.ts";
import { type ClosingChain, LineRules } from "../../../src/cli/audit/rules/line-rules.ts";
import type { SignatureVerdict, VerifySignature } from "../../../src/cli/audit/rules/owner-rule.ts";
import { BookReplay } from "../../../src/cli/audit/store/book-replay.ts";

const BOOK = { chainId: 31_337n, registry: `0x${"5f".repeat(20)}` as Hex, anchorsOnly: false };
const HOUR = 3_600n;
const DAY = 24n * HOUR;
const START = 1_800_000_000n;
const [anna, ben] = [new Wallet(`0x${"a1".repeat(32)}`), new Wallet(`0x${"b2".repeat(32)}`)];
const addressOf = (wallet: Wallet) => wallet.address.toLowerCase() as Hex;
const keyOf = (name: string): Hex => `0x${Buffer.from(name).toString("hex").padEnd(64, "0")}`;

type Draft = JournalLine extends infer Line
  ? Line extends JournalLine
    ? Omit<Line, "seq" | "time">
    : never
  : never;

/** A journal in the making, with the events of a chain that mines a block an hour. */
class Scene {
  replay = new BookReplay("TST");
  rules = new LineRules(this.replay, BOOK);
  time = START;
  closing: Partial<ClosingChain> = {};
  #events: ChainEvent[] = [];

  constructor() {
    this.move("custody", "treasury", 1_000n, "genesis");
  }

  add(draft: Draft): this {
    const line = { ...draft, seq: this.replay.nextSeq, time: this.time } as JournalLine;
    this.rules.apply(line);
    this.replay.apply(line);
    return this;
  }

  move(debit: string, credit: string, amount: bigint, code: string, more: object = {}): this {
    const id = `id-${this.replay.nextSeq}`;
    return this.add({
      ...{ kind: "transfer", id, phase: "single", debit, credit, asset: "TST", amount, code },
      ...more,
    });
  }

  position(
    account: string,
    section: "balances" | "locks" | "payouts",
    more: Partial<Extract<Draft, { kind: "position" }>> = {},
  ): this {
    const known = this.replay.positionOf(account);
    const index = known === undefined ? this.replay.count(section) : this.replay.positions.index(known);
    return this.add({
      ...{ kind: "position", account, asset: "TST", section, index: BigInt(index), key: keyOf(account) },
      ...{ owner: ZERO_ADDRESS, validUntil: 0n, positionKind: 0, quantity: 0 },
      ...more,
    });
  }

  async event(
    name: string,
    args: Record<string, string>,
    block = this.#events.length + 1,
  ): Promise<ChainEvent> {
    const txHash: Hex = `0x${(this.#events.length + 1).toString(16).padStart(64, "0")}`;
    const event = { block, blockHash: txHash, txHash, logIndex: 0, name, args };
    this.#events.push(event);
    await this.rules.takeEvents(this.#events, 0, timeOf);
    return event;
  }

  line(event: ChainEvent, more: object = {}): this {
    const { txHash, name } = event;
    return this.add({
      ...{ kind: "chain", block: BigInt(event.block), txHash, logIndex: BigInt(event.logIndex), event: name },
      ...more,
    });
  }

  async close(more: Partial<Header> = {}): Promise<this> {
    const closing = { depth: 1, timeOf, committed: 1, verify, ...this.closing };
    await this.rules.closing(
      { epoch: 1n, depositSeq: 0n, closedAt: this.time, journalSize: this.replay.nextSeq, ...more } as Header,
      closing,
    );
    return this;
  }

  /** As a file keeps it. */
  kept(): this {
    this.rules = new LineRules(this.replay, BOOK, JSON.parse(JSON.stringify(this.rules.toJson())));
    return this;
  }

  /** The account of Anna's, with 100 in it and her wallet linked to it; her payouts beside it. */
  linked(): this {
    return this.move("treasury", "anna", 100n, "grant")
      .position("anna", "balances", { owner: addressOf(anna), signatures: [link(anna, "anna")] })
      .position("anna-payouts", "payouts", {
        key: keyOf("anna"),
        owner: addressOf(anna),
        signatures: [linkReference(keyOf("anna"), 1n)],
      });
  }
}

const LAST_BLOCK = 500;
const timeOf = async (block: number) => (block > LAST_BLOCK ? null : START + BigInt(block) * HOUR);
const verify: VerifySignature = async (check) => (isSignedByKey(check) ? "signed" : "not_signed");

function link(signer: Wallet, user: string, more: object = {}, by = signer, block = 0n): Hex {
  const message = {
    user: keyOf(user),
    wallet: addressOf(signer),
    previous: ZERO_ADDRESS,
    number: 1n,
    deadline: START + DAY,
    ...more,
  };
  const signature = by.signingKey.sign(linkDigest(BOOK, message)).serialized as Hex;
  return encodeStatement({ kind: "link", message, signer: "wallet", block, signature });
}

function parseLink(hex: Hex): LinkStatement {
  const statement = parseStatement(hex);
  if (statement.kind !== "link") throw new Error("no link");
  return statement;
}

async function lie(tell: () => unknown): Promise<Lie> {
  try {
    await tell();
  } catch (error) {
    if (error instanceof Lie) return error;
    throw error;
  }
  throw new Error("nothing was found");
}

const entry = (seq: number, amount: bigint) => ({
  seq: `${seq}`,
  depositor: addressOf(anna),
  section: "0",
  amount: `${amount}`,
});

describe("lines of chain events", () => {
  it("stand for an event each, once", async () => {
    const scene = new Scene();
    const event = await scene.event("WalletCancelled", { key: keyOf("x"), wallet: addressOf(anna) });
    expect(await lie(() => scene.line({ ...event, txHash: keyOf("other") }))).toMatchObject({
      check: "chain_lines",
      place: { line: 1n },
    });
    expect((await lie(() => scene.line(event, { event: "Claimed" }))).message).toContain(
      "says Claimed in block 1, the chain WalletCancelled",
    );
    expect((await lie(() => scene.line(event, { block: 7n }))).message).toContain("in block 7");
    scene.line(event);
    expect((await lie(() => scene.kept().line(event))).message).toContain("has its line already: 1");
  });

  it("stand for an event each also after it is read again", async () => {
    const scene = new Scene();
    const event = await scene.event("WalletCancelled", { key: keyOf("x"), wallet: addressOf(anna) });
    scene.line(event);
    expect(scene.rules.toJson().chain.taken).toHaveLength(1);
    await scene.event("WalletCancelled", { key: keyOf("y"), wallet: addressOf(anna) });
    expect((await lie(() => scene.line(event))).message).toContain("has its line already: 1");
    // Nobody remembers what the chain cannot take back; an event that is gone from it has no second line either.
    scene.rules.moveCursor([], 0, 1);
    expect(scene.rules.toJson().chain.taken).toEqual([]);
    expect((await lie(() => scene.line(event))).message).toContain("is not on the chain, or has its line");
  });

  it("are those of other books where the book has no tokens", async () => {
    const scene = new Scene();
    scene.rules = new LineRules(scene.replay, { ...BOOK, anchorsOnly: true });
    const event = await scene.event("EntryMade", entry(1, 7n));
    await scene.line({ ...event, txHash: keyOf("elsewhere") }).close();
  });

  it("come within an hour of their event's finality, and none is missing", async () => {
    const late = new Scene();
    const event = await late.event("WalletCancelled", { key: keyOf("x"), wallet: addressOf(anna) });
    late.time = START + 3n * HOUR + 1n;
    expect((await lie(() => late.line(event).close())).message).toContain("more than an hour later");
    const missing = new Scene();
    await missing.event("WalletCancelled", { key: keyOf("x"), wallet: addressOf(anna) });
    const newest = { closedAt: START + 3n * HOUR } as Header;
    await missing.rules.nothingMissing(newest, START, 1, timeOf);
    const found = await lie(() =>
      missing.rules.nothingMissing({ ...newest, closedAt: START + 3n * HOUR + 1n }, START, 1, timeOf),
    );
    expect(found.message).toMatch(
      /WalletCancelled of block 1 was final at \d+, and an epoch closed at \d+ without its line/,
    );
  });

  it("are not of events that the chain took back", async () => {
    const scene = new Scene();
    scene.line(await scene.event("WalletCancelled", { key: keyOf("x"), wallet: addressOf(anna) })).kept();
    expect(await lie(() => scene.rules.takeEvents([], 0, timeOf))).toMatchObject({
      check: "chain_lines",
      place: { line: 1n },
    });
  });
});

describe("entries and claims", () => {
  it("move what their event says, directly behind its line", async () => {
    const scene = await new Scene().linked().close();
    scene
      .line(await scene.event("EntryMade", entry(1, 7n)))
      .kept()
      .move("custody", "anna", 7n, "entry_credit");
    scene.move("anna", "anna-payouts", 20n, "withdrawal");
    scene.line(
      await scene.event("Claimed", { key: keyOf("anna"), owner: addressOf(anna), amount: "20", total: "20" }),
    );
    await scene.move("anna-payouts", "custody", 20n, "withdrawal_claimed").close({ depositSeq: 1n });
    expect([scene.rules.entries.credited, scene.rules.entries.claims]).toEqual([1n, 1]);
  });

  it("credit a user for a wallet of theirs that another has replaced, and leave other assets alone", async () => {
    const message = {
      ...{ user: keyOf("anna"), wallet: addressOf(ben), previous: addressOf(anna) },
      ...{ number: 2n, deadline: START + DAY },
    };
    const digest = linkDigest(BOOK, message);
    const signatures = ([ben, anna] as const).map((by, place) =>
      encodeStatement({
        ...{ kind: "link", message, signer: place === 0 ? "wallet" : "previous", block: 0n },
        signature: by.signingKey.sign(digest).serialized as Hex,
      }),
    );
    const scene = new Scene().linked().position("anna", "balances", { owner: addressOf(ben), signatures });
    scene.line(await scene.event("EntryMade", entry(1, 7n))).move("custody", "anna", 7n, "entry_credit");
    await scene.move("mint", "gig", 7n, "entry_credit", { asset: "GIGS" }).close({ depositSeq: 1n });
  });

  const told: [string, RegExp, (scene: Scene, event: ChainEvent) => unknown][] = [
    [
      "less",
      /has to follow, it is entry_credit of 6/,
      (scene, event) => scene.line(event).move("custody", "anna", 6n, "entry_credit"),
    ],
    [
      "something else",
      /a transfer entry_credit of 7 has to follow/,
      (scene, event) => scene.line(event).move("treasury", "anna", 7n, "grant"),
    ],
    [
      "nothing",
      /no transfer entry_credit follows/,
      (scene, event) => scene.line(event).close({ depositSeq: 1n }),
    ],
    [
      "what is only held",
      /has to follow, it is entry_credit of 7/,
      (scene, event) => scene.line(event).move("custody", "anna", 7n, "entry_credit", { phase: "pending" }),
    ],
    [
      "what was held in custody",
      /takes 5 out of custody for grant, and nothing came in/,
      (scene) => {
        const pendingId = `id-${scene.replay.nextSeq}`;
        scene.move("custody", "anna", 5n, "grant", { phase: "pending" });
        return scene.move("custody", "anna", 5n, "grant", { phase: "post", pendingId });
      },
    ],
    [
      "it twice",
      /without the line of its chain event/,
      (scene, event) =>
        scene
          .line(event)
          .move("custody", "anna", 7n, "entry_credit")
          .move("custody", "anna", 7n, "entry_credit"),
    ],
    [
      "it from another's account",
      /is not between custody and an account/,
      (scene, event) => scene.line(event).move("treasury", "anna", 7n, "entry_credit"),
    ],
    [
      "somebody else",
      /line 5: credits an account that is neither the user's who linked 0x[0-9a-f]{40} nor that wallet's own/,
      (scene, event) =>
        scene
          .line(event)
          .move("custody", "ben", 7n, "entry_credit")
          .position("ben", "balances")
          .kept()
          .close({ depositSeq: 1n }),
    ],
    [
      "the payouts",
      /credits an account that is neither/,
      (scene, event) =>
        scene.line(event).move("custody", "anna-payouts", 7n, "entry_credit").close({ depositSeq: 1n }),
    ],
    [
      "an account without a position",
      /credits an account that is neither/,
      (scene, event) =>
        scene.line(event).move("custody", "aside", 7n, "entry_credit").close({ depositSeq: 1n }),
    ],
    [
      "it out of turn",
      /is of entry 2, the next is 1/,
      async (scene) => scene.line(await scene.event("EntryMade", entry(2, 7n))),
    ],
    [
      "a header that is ahead",
      /the header says that entries up to 2 are credited, by the journal it is 1/,
      (scene, event) =>
        scene.line(event).move("custody", "anna", 7n, "entry_credit").close({ depositSeq: 2n }),
    ],
    [
      "tokens from nowhere",
      /takes 5 out of custody for grant, and nothing came in/,
      (scene) => scene.move("custody", "treasury", 5n, "grant"),
    ],
    [
      "a second genesis",
      /takes 5 out of custody for genesis/,
      (scene) => scene.move("custody", "treasury", 5n, "genesis"),
    ],
  ];
  it.each(told)("are found out where they credit %s", async (_, says, tell) => {
    const scene = new Scene().linked();
    const event = await scene.event("EntryMade", entry(1, 7n));
    const found = await lie(() => tell(scene, event));
    expect([found.check, found.message]).toEqual(["entries", expect.stringMatching(says)]);
  });

  it("take a claim from the payouts that it was for", async () => {
    const scene = new Scene().linked();
    scene.line(
      await scene.event("Claimed", { key: keyOf("ben"), owner: addressOf(ben), amount: "1", total: "1" }),
    );
    expect(
      (await lie(() => scene.move("anna-payouts", "custody", 1n, "withdrawal_claimed"))).message,
    ).toContain("is not of the payouts that the claim");
  });

  it("take no claim from the balance that has the same key", async () => {
    const scene = new Scene().linked();
    scene.line(
      await scene.event("Claimed", { key: keyOf("anna"), owner: addressOf(anna), amount: "1", total: "1" }),
    );
    expect((await lie(() => scene.move("anna", "custody", 1n, "withdrawal_claimed"))).message).toContain(
      "is not of the payouts that the claim",
    );
  });
});

describe("a demanded position", () => {
  const demand = (due = START) => ({
    section: "0",
    index: "0",
    key: keyOf("anna"),
    owner: addressOf(anna),
    amount: "100",
    due: `${due}`,
  });
  const demanded = async () => {
    const scene = new Scene().linked();
    return scene.line(await scene.event("ExitDemanded", demand())).kept();
  };

  it("is swept into its owner's payouts, and free again once it is served", async () => {
    const scene = await demanded();
    scene.move("anna", "anna-payouts", 100n, "exit_sweep");
    scene.time += 2n * HOUR;
    await scene.close();
    expect([scene.rules.demands.open, scene.rules.demands.swept]).toEqual([1, 1]);
    scene.line(
      await scene.event("DemandServed", { section: "0", index: "0", key: keyOf("anna"), epoch: "1" }),
    );
    scene.move("treasury", "anna", 5n, "grant").move("anna", "treasury", 5n, "anything");
    expect(scene.rules.demands.open).toBe(0);
  });

  const told: [string, RegExp, (scene: Scene) => unknown][] = [
    [
      "is debited for something else",
      /its owner demands it since line 4, and it is debited for spend/,
      (scene) => scene.move("anna", "treasury", 1n, "spend"),
    ],
    [
      "has something held from it",
      /debited for hold/,
      (scene) => scene.move("anna", "treasury", 1n, "hold", { phase: "pending" }),
    ],
    [
      "is swept to somebody else",
      /not the payouts of its owner/,
      (scene) => scene.move("anna", "treasury", 100n, "exit_sweep").kept().close(),
    ],
    [
      "is swept into another position of its owner",
      /not the payouts of its owner/,
      (scene) => {
        const signatures = [linkReference(keyOf("anna"), 1n)];
        scene.position("lock", "locks", { owner: addressOf(anna), signatures });
        return scene.move("anna", "lock", 100n, "exit_sweep").close();
      },
    ],
    [
      "is swept into another's payouts",
      /not the payouts of its owner/,
      (scene) =>
        scene.move("anna", "ben-payouts", 100n, "exit_sweep").position("ben-payouts", "payouts").close(),
    ],
    [
      "is left with something when it is due",
      /was due at \d+, the epoch closed at \d+ with 40 left in it/,
      (scene) => {
        scene.move("anna", "anna-payouts", 60n, "exit_sweep");
        scene.time += HOUR;
        return scene.close();
      },
    ],
    [
      "of another key is demanded",
      /names another key/,
      async (scene) => scene.line(await scene.event("ExitDemanded", { ...demand(), key: keyOf("ben") })),
    ],
    [
      "was never demanded and is swept",
      /sweeps an account that nobody demanded/,
      (scene) => scene.move("treasury", "anna-payouts", 1n, "exit_sweep"),
    ],
    [
      "is swept before it is due",
      /before it is due/,
      async (scene) => {
        scene.move("treasury", "lock", 9n, "lock").position("lock", "locks", {
          owner: addressOf(anna),
          signatures: [linkReference(keyOf("anna"), 1n)],
        });
        const later = { ...demand(START + DAY), section: "1", key: keyOf("lock") };
        return scene
          .line(await scene.event("ExitDemanded", later))
          .move("lock", "anna-payouts", 9n, "exit_sweep");
      },
    ],
  ];
  it.each(told)("is found out where it %s", async (_, says, tell) => {
    const found = await lie(async () => tell(await demanded()));
    expect([found.check, found.message]).toEqual(["demands", expect.stringMatching(says)]);
  });

  it("may get something between its sweep and a closing, which the next one has to find swept", async () => {
    const scene = await demanded();
    scene.move("anna", "anna-payouts", 100n, "exit_sweep");
    scene.time += HOUR;
    scene.move("treasury", "anna", 1n, "grant");
    await scene.close();
    scene.time += 299n;
    scene.kept().move("treasury", "anna", 1n, "grant");
    await scene.close();
    scene.time += 1n;
    scene.kept().move("treasury", "anna", 1n, "grant");
    expect((await lie(() => scene.close())).message).toContain("with 3 left in it");
    await scene.move("anna", "anna-payouts", 3n, "exit_sweep").close();
  });

  it("is swept to its user, where the user's wallet changes position by position", async () => {
    const scene = await demanded();
    const members = { previous: addressOf(anna), number: 2n };
    const changed = link(ben, "anna", members);
    const agreed = encodeStatement({ ...parseLink(link(ben, "anna", members, anna)), signer: "previous" });
    scene.move("anna", "anna-payouts", 100n, "exit_sweep");
    await scene
      .position("anna", "balances", { owner: addressOf(ben), signatures: [changed, agreed] })
      .close();
    expect(scene.rules.demands.swept).toBe(1);
  });

  it("has as long for its sweep as a closing takes, from when it is due and told of", async () => {
    const late = new Scene().linked();
    late.line(await late.event("ExitDemanded", demand(START - DAY)));
    late.time += 299n;
    await late.close();
    late.time += 1n;
    expect((await lie(() => late.close())).message).toContain("with 100 left in it");
  });

  it("is not served where no line demanded it", async () => {
    const scene = new Scene().linked();
    const served = { section: "0", index: "0", key: keyOf("anna"), epoch: "1" };
    const event = await scene.event("DemandServed", served);
    expect((await lie(() => scene.line(event))).message).toContain("no line demands it");
  });

  it("may have what was held from it set free", async () => {
    const scene = new Scene().linked();
    const pendingId = `id-${scene.replay.nextSeq}`;
    scene.move("anna", "treasury", 5n, "hold", { phase: "pending" });
    scene.line(await scene.event("ExitDemanded", demand()));
    scene.move("anna", "treasury", 5n, "hold", { phase: "void", pendingId });
    await scene.move("anna", "anna-payouts", 100n, "exit_sweep").close();
  });

  it("is overdue after seven days, by the chain alone", async () => {
    const scene = new Scene();
    await scene.event("ExitDemanded", demand());
    scene.rules.moveCursor([], 0, 0);
    await scene.rules.nothingMissing(undefined, START + 7n * DAY - 1n, 1, timeOf);
    const found = await lie(() => scene.rules.nothingMissing(undefined, START + 7n * DAY, 1, timeOf));
    expect(found).toMatchObject({ check: "demands", place: { section: "balances", index: 0n } });
    await scene.event("DemandServed", { section: "0", index: "0", key: keyOf("anna"), epoch: "2" });
    await scene.rules.nothingMissing(undefined, START + 7n * DAY, 1, timeOf);
  });
});

describe("owners", () => {
  const told: [string, RegExp, (scene: Scene) => unknown][] = [
    [
      "are not linked by somebody else's signature",
      /did not sign what changes the owner/,
      (scene) =>
        scene
          .position("ben", "balances", { owner: addressOf(ben), signatures: [link(ben, "ben", {}, anna)] })
          .close(),
    ],
    [
      "are not another than who signed",
      /links another wallet than it names/,
      (scene) =>
        scene.position("ben", "balances", { owner: addressOf(anna), signatures: [link(ben, "ben")] }),
    ],
    [
      "are not of a book elsewhere",
      /did not sign/,
      (scene) => {
        const message = {
          user: keyOf("ben"),
          wallet: addressOf(ben),
          previous: ZERO_ADDRESS,
          number: 1n,
          deadline: START + DAY,
        };
        const signature = ben.signingKey.sign(linkDigest({ ...BOOK, chainId: 1n }, message))
          .serialized as Hex;
        const statement = encodeStatement({ kind: "link", message, signer: "wallet", block: 0n, signature });
        return scene.position("ben", "balances", { owner: addressOf(ben), signatures: [statement] }).close();
      },
    ],
    [
      "do not change by a reference to a link that there is not",
      /is of a user who has linked no wallet/,
      (scene) =>
        scene.position("ben", "balances", {
          owner: addressOf(ben),
          signatures: [linkReference(keyOf("ben"), 1n)],
        }),
    ],
    [
      "are not taken away",
      /takes its owner away/,
      (scene) => scene.position("anna", "balances", { signatures: [linkReference(keyOf("anna"), 1n)] }),
    ],
    [
      "do not come by an entry that nobody made",
      /is not of who made the entry/,
      (scene) =>
        scene.position("keyed", "balances", {
          owner: addressOf(ben),
          signatures: [encodeStatement({ kind: "entry", txHash: keyOf("tx"), logIndex: 0n })],
        }),
    ],
  ];
  it.each(told)("%s", async (_, says, tell) => {
    const found = await lie(() => tell(new Scene().linked()));
    expect([found.check, found.message]).toEqual(["owners", expect.stringMatching(says)]);
  });

  it("are held against their signatures also where the epoch's lines were kept before its end", async () => {
    const forged = link(ben, "ben", {}, anna);
    const scene = new Scene()
      .position("ben", "balances", { owner: addressOf(ben), signatures: [forged] })
      .kept();
    expect((await lie(() => scene.close())).message).toContain("did not sign what changes the owner");
    const late = new Scene();
    const event = await late.event("WalletCancelled", { key: keyOf("x"), wallet: addressOf(anna) });
    late.time = START + 3n * HOUR + 1n;
    expect((await lie(() => late.line(event).kept().close())).message).toContain("more than an hour later");
  });

  it("change 14 days after the block of the epoch that holds the announcement, where the old wallet does not object", async () => {
    const scene = await new Scene().linked().close();
    const announced = link(ben, "anna", { previous: addressOf(anna), number: 2n });
    scene.position("anna", "balances", { owner: addressOf(anna), signatures: [announced] });
    const signatures = [linkReference(keyOf("anna"), 2n)];
    const complete = () => scene.position("anna", "balances", { owner: addressOf(ben), signatures });
    scene.time += 14n * DAY + 10n * HOUR;
    expect((await lie(complete)).message).toContain("whose announcement no epoch holds");
    scene.closing = { committed: 10 };
    await scene.close({ epoch: 2n });
    // It was vetoed, and came again later.
    scene.rules.owners.reopen(1n);
    expect((await lie(complete)).message).toContain("whose announcement no epoch holds");
    scene.closing = { committed: 20 };
    await scene.close({ epoch: 2n });
    await scene.event("WalletCancelled", { key: keyOf("anna"), wallet: addressOf(ben) }, 21);
    scene.time += 10n * HOUR - 1n;
    expect((await lie(complete)).message).toContain("completes a change before");
    scene.time += 1n;
    const objected = new LineRules(scene.replay, BOOK, JSON.parse(JSON.stringify(scene.rules.toJson())));
    const rules = scene.rules;
    scene.rules = objected;
    await scene.event("WalletCancelled", { key: keyOf("anna"), wallet: addressOf(anna) }, 22);
    expect((await lie(complete)).message).toContain("the old wallet has cancelled");
    scene.rules = rules;
    await complete().close({ epoch: 3n });
  });

  describe("by the word of a contract", () => {
    const linkedAsOf = (block: bigint, verdict: SignatureVerdict, mustVerify = false) => {
      const scene = new Scene();
      scene.time = START + 10n * HOUR;
      scene.closing = { verify: async () => verdict, mustVerify };
      const signatures = [link(ben, "ben", { deadline: START + DAY }, ben, block)];
      return scene.position("ben", "balances", { owner: addressOf(ben), signatures }).kept();
    };

    it("are only asked as of a block that was new", async () => {
      for (const block of [7n, 9n, 10n, BigInt(LAST_BLOCK)]) await linkedAsOf(block, "signed").close();
      expect(await lie(() => linkedAsOf(6n, "signed").close())).toMatchObject({
        check: "owners",
        message: expect.stringContaining("as of block 6, which was old then"),
      });
    });

    it("are counted where it cannot be had any more, and not vouched for", async () => {
      const audited = await linkedAsOf(10n, "changed").close();
      expect(audited.rules.owners.summary()).toBe(
        "1 signatures of wallets checked, 1 of contracts are not checkable any more",
      );
      await expect(linkedAsOf(10n, "changed", true).close()).rejects.toThrow(
        "line 1 says cannot be checked: the node has forgotten block 10",
      );
      await linkedAsOf(10n, "signed", true).close();
    });
  });

  it("come by the entry of a wallet that nobody has linked", async () => {
    const scene = new Scene();
    const event = await scene.event("EntryMade", { ...entry(1, 7n), depositor: addressOf(ben) });
    const statement = encodeStatement({ kind: "entry", txHash: event.txHash, logIndex: 0n });
    scene.line(event).kept().move("custody", "keyed", 7n, "entry_credit");
    await scene
      .position("keyed", "balances", { owner: addressOf(ben), signatures: [statement] })
      .close({ depositSeq: 1n });
    expect(scene.rules.owners.checked).toBe(0);
  });

  it("are kept over a restart, with what the chain said", async () => {
    const scene = await new Scene().linked().close();
    await scene.event("WalletCancelled", { key: keyOf("anna"), wallet: addressOf(anna) });
    const json = JSON.stringify(scene.rules.toJson());
    expect(JSON.stringify(scene.kept().rules.toJson())).toBe(json);
    expect(scene.rules.owners.summary()).toBe("1 signatures of wallets checked");
  });
});

describe("time", () => {
  it("does not run backwards between lines, and no header is older than its last one", async () => {
    const scene = new Scene();
    scene.time -= 1n;
    expect(await lie(() => scene.move("treasury", "anna", 1n, "grant"))).toMatchObject({
      check: "journal",
      place: { line: 1n },
    });
    scene.time += 1n;
    expect((await lie(() => scene.close({ closedAt: START - 901n }))).message).toContain("it is backdated");
    await scene.close({ closedAt: START - 900n });
  });
});
