/** The rules where the journal meets the chain: a line that breaks one is named, whatever the replay says of it. */
import { describe, expect, it } from "vitest";
import {
  encodeStatement,
  type Hex,
  type LinkStatement,
  linkDigest,
  linkReference,
  parseStatement,
  ZERO_ADDRESS,
} from "#proof";
import type { ChainEvent } from "../../../src/cli/audit/chain-events.ts";
import type { SignatureVerdict } from "../../../src/cli/audit/rules/owner-rule.ts";
import {
  addressOf,
  anna,
  BOOK,
  ben,
  bookAt,
  DAY,
  HOUR,
  keyOf,
  LAST_BLOCK,
  lie,
  link,
  Scene,
  START,
  timeOf,
} from "./rule-scene.ts";

function parseLink(hex: Hex): LinkStatement {
  const statement = parseStatement(hex);
  if (statement.kind !== "link") throw new Error("no link");
  return statement;
}

const entry = (seq: number, amount: bigint) => ({
  seq: `${seq}`,
  depositor: addressOf(anna),
  section: "0",
  amount: `${amount}`,
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
    scene.move("treasury", "anna", 5n, "grant").move("anna", "anna-payouts", 5n, "anything");
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
      "is swept into another position of its owner",
      /not the payouts of its owner/,
      (scene) => {
        const signatures = [linkReference(keyOf("anna"), 1n)];
        scene.position("lock", "locks", { owner: addressOf(anna), signatures });
        return scene.move("anna", "lock", 100n, "exit_sweep").close();
      },
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
      async () => {
        const scene = new Scene().linked();
        scene.move("anna", "lock", 9n, "lock").position("lock", "locks", {
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
    scene.rules.moveCursor(0);
    await scene.rules.nothingMissing(undefined, bookAt(START + 7n * DAY - 1n), 1, timeOf);
    const found = await lie(() => scene.rules.nothingMissing(undefined, bookAt(START + 7n * DAY), 1, timeOf));
    expect(found).toMatchObject({ check: "demands", place: { section: "balances", index: 0n } });
    // In a frozen book nobody can serve it any more.
    const frozen = bookAt(START + 9n * DAY, START + 8n * DAY);
    await scene.rules.nothingMissing(undefined, frozen, 1, timeOf);
    expect(scene.rules.demandSummary(frozen)).toBe(
      "0 open in the journal, 0 swept; 1 not served when the book was frozen",
    );
    await scene.event("DemandServed", { section: "0", index: "0", key: keyOf("anna"), epoch: "2" });
    await scene.rules.nothingMissing(undefined, bookAt(START + 7n * DAY), 1, timeOf);
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
    scene.time += 10n * HOUR - 1n;
    expect((await lie(complete)).message).toContain("completes a change before");
    scene.time += 1n;
    complete().kept();
    // The block an hour before is too early for anybody to know that nobody objected.
    scene.closing = { committed: 355 };
    expect(await lie(() => scene.close({ epoch: 3n }))).toMatchObject({
      ...{ check: "owners", place: { epoch: 3n } },
      message: expect.stringContaining(`may object to before ${scene.time}, in an epoch committed at`),
    });
    scene.closing = { committed: 356 };
    await scene.close({ epoch: 3n });
  });

  it("leave nothing of what strangers cancel", async () => {
    const scene = await new Scene().linked().close();
    scene.position("anna", "balances", {
      owner: addressOf(anna),
      signatures: [link(ben, "anna", { previous: addressOf(anna), number: 2n })],
    });
    const before = JSON.stringify(scene.rules.toJson().owners);
    scene.time += DAY;
    scene.line(await scene.event("WalletCancelled", { key: keyOf("anna"), wallet: addressOf(ben) }));
    scene.line(await scene.event("WalletCancelled", { key: keyOf("ben"), wallet: addressOf(ben) }));
    expect(JSON.stringify(scene.rules.toJson().owners)).toBe(before);
  });

  describe("by the word of a contract", () => {
    const linkedAsOf = (
      block: bigint,
      verdict: SignatureVerdict,
      mustVerify = false,
      committed = LAST_BLOCK,
    ) => {
      const scene = new Scene();
      scene.time = START + 10n * HOUR;
      scene.closing = { verify: async () => verdict, mustVerify, committed };
      const signatures = [link(ben, "ben", { deadline: START + DAY }, ben, block)];
      return scene.position("ben", "balances", { owner: addressOf(ben), signatures }).kept();
    };

    it("are only asked as of a block that was new", async () => {
      for (const block of [7n, 9n, 10n, BigInt(LAST_BLOCK)]) await linkedAsOf(block, "signed").close();
      expect(await lie(() => linkedAsOf(6n, "signed").close())).toMatchObject({
        check: "owners",
        message: expect.stringContaining("as of block 6, which was old then"),
      });
      await linkedAsOf(10n, "signed", false, 10).close();
      expect((await lie(() => linkedAsOf(11n, "signed", false, 10).close())).message).toContain(
        "as of block 11, which was not there yet",
      );
    });

    it("are counted where it cannot be had any more, and not vouched for", async () => {
      const audited = await linkedAsOf(10n, "changed").close();
      expect(audited.rules.owners.summary()).toBe(
        "1 signature of wallets checked, 1 of contracts are not checkable any more",
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
    const json = JSON.stringify(scene.kept().rules.toJson());
    expect(JSON.stringify(scene.kept().rules.toJson())).toBe(json);
    expect(scene.rules.owners.summary()).toBe("1 signature of wallets checked");
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
