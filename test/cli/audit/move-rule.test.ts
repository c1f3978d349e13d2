/** TST stays with its user: line by line, in one go and with another process going on from a file after every step. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Wallet } from "ethers";
import { afterAll, describe, expect, it } from "vitest";
import { encodeStatement, type Hex, linkDigest, linkReference, parseStatement } from "#proof";
import { addressOf, anna, BOOK, ben, keyOf, lie, link, Scene } from "./rule-scene.ts";

const folder = mkdtempSync(join(tmpdir(), "anchorbook-moves-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Step = (scene: Scene) => unknown;

const ofAnna = { owner: addressOf(anna), signatures: [linkReference(keyOf("anna"), 1n)] };
const ofBen = { owner: addressOf(ben), signatures: [linkReference(keyOf("ben"), 1n)] };
/** Balances: anna 0, ben 1, both with a wallet; carl 2 and dora 3 without one. */
const begin: Step[] = [
  (scene) => scene.linked(),
  (scene) => scene.move("treasury", "ben", 50n, "grant"),
  (scene) => linkBen(scene),
  (scene) => scene.move("treasury", "carl", 50n, "grant").position("carl", "balances"),
  (scene) => scene.move("treasury", "dora", 50n, "grant").position("dora", "balances"),
];
const move =
  (debit: string, credit: string, code = "x", more: object = {}): Step =>
  (scene) =>
    scene.move(debit, credit, 5n, code, more);
const lock =
  (account: string, more: object = {}): Step =>
  (scene) =>
    scene.position(account, "locks", more);
const payouts =
  (account: string, key: string, more: object = {}): Step =>
  (scene) =>
    scene.position(account, "payouts", { key: keyOf(key), ...more });
/** What a wallet brought in that nobody had linked, in a balance of its own. */
const deposit =
  (depositor: Hex): Step =>
  async (scene) => {
    const event = await scene.event("EntryMade", { seq: "1", depositor, section: "0", amount: "5" });
    scene.line(event).move("custody", "keyed", 5n, "entry_credit");
    return scene.position("keyed", "balances", { owner: depositor, signatures: [byEntry] });
  };
/** As the first event of a scene is named. */
const byEntry = encodeStatement({ kind: "entry", txHash: `0x${"1".padStart(64, "0")}`, logIndex: 0n });
/** Anna's wallet becomes another one, by both signatures. */
const later = new Wallet(`0x${"c3".repeat(32)}`);
const changed = () => {
  const message = { previous: addressOf(anna), number: 2n };
  const before = { kind: "link", signer: "previous", block: 0n } as const;
  const first = link(later, "anna", message);
  const statement = parseStatement(first);
  if (statement.kind !== "link") throw new Error("is no link");
  const signature = anna.signingKey.sign(linkDigest(BOOK, statement.message)).serialized as Hex;
  const second = encodeStatement({ ...before, message: statement.message, signature });
  return { owner: addressOf(later), signatures: [first, second] };
};
const linkBen: Step = (scene) =>
  scene.position("ben", "balances", { owner: addressOf(ben), signatures: [link(ben, "ben")] });

const close: Step = (scene) => scene.close({ depositSeq: scene.rules.entries.credited });

async function play(steps: readonly Step[], restarts: boolean): Promise<void> {
  const scene = new Scene();
  for (const [at, step] of steps.entries()) {
    await step(scene);
    if (restarts && at >= begin.length - 1) await scene.stored(join(folder, "state"));
  }
  await close(scene);
}

describe.each([
  ["in one go", false],
  ["by another process after every step", true],
])("TST of a user, audited %s", (_, restarts) => {
  it.each<[string, Step[]]>([
    ["to a new lock and back", [move("anna", "lock"), lock("lock", ofAnna), move("lock", "anna")]],
    ["to a lock that was there", [lock("lock", ofAnna), move("anna", "lock")]],
    ["to a lock without an owner", [move("carl", "lock"), lock("lock"), move("lock", "carl")]],
    [
      "to its payouts",
      [
        move("anna", "anna-payouts"),
        move("anna", "lock"),
        lock("lock", ofAnna),
        move("lock", "anna-payouts"),
      ],
    ],
    ["to payouts of its key", [move("carl", "out"), payouts("out", "carl")]],
    [
      "from the treasury to its own payouts",
      [
        (scene) => scene.position("treasury", "balances"),
        move("treasury", "out"),
        payouts("out", "treasury"),
        move("treasury", "out"),
      ],
    ],
    [
      "to a lock before the balance has its line",
      [
        move("treasury", "new", "grant"),
        move("new", "lock"),
        lock("lock"),
        (scene) => scene.position("new", "balances"),
        move("lock", "new"),
      ],
    ],
    [
      "to somebody else where nothing of it went there",
      [
        move("anna", "ben", "x", { phase: "pending", id: "held" }),
        move("anna", "ben", "x", { phase: "void", pendingId: "held" }),
      ],
    ],
    [
      "into a lock that still has the wallet before, when the user has changed it",
      [
        move("anna", "lock"),
        lock("lock", ofAnna),
        (scene) => scene.position("anna", "balances", changed()),
        lock("lock", { owner: addressOf(anna), quantity: 1 }),
        move("anna", "lock"),
        lock("another", { owner: addressOf(later), signatures: [linkReference(keyOf("anna"), 2n)] }),
        move("anna", "another"),
        move("another", "anna"),
      ],
    ],
    ["in another asset", [move("GIGS-anna", "GIGS-ben", "x", { asset: "GIGS" })]],
  ])("may go %s", (_name, steps) => play([...begin, ...steps], restarts));

  it("may go from what came in by a wallet to the user who links it, and to that wallet's payouts", async () => {
    const linked: Step[] = [
      (scene) => scene.linked(),
      deposit(addressOf(ben)),
      (scene) => scene.move("treasury", "ben", 50n, "grant"),
      linkBen,
      (scene) => scene.move("keyed", "ben", 3n, "wallet_linked"),
      (scene) => scene.move("keyed", "keyed-payouts", 2n, "y"),
      payouts("keyed-payouts", "keyed", { owner: addressOf(ben), signatures: [byEntry] }),
    ];
    await play(linked, restarts);
  });

  it("may go so to a balance that had nothing, which is its user's all the same", async () => {
    const empty: Step[] = [
      (scene) => scene.linked(),
      deposit(addressOf(ben)),
      linkBen,
      (scene) => scene.move("keyed", "ben", 5n, "wallet_linked"),
      (scene) => scene.move("treasury", "ben", 50n, "grant"),
      move("ben", "lock"),
      lock("lock", ofBen),
    ];
    await play(empty, restarts);
  });

  const theirs = "moves 5 base units (x) from";
  it.each<[string, string, Step[]]>([
    [
      "to another user's balance",
      `${theirs} balances 0 to balances 1: not the same user's`,
      [move("anna", "ben")],
    ],
    [
      "to another's, where nobody has a wallet",
      `${theirs} balances 2 to balances 3: not the same user's`,
      [move("carl", "dora")],
    ],
    [
      "to a user with a wallet",
      `${theirs} balances 2 to balances 0: not the same user's`,
      [move("carl", "anna")],
    ],
    [
      "by a lock",
      `${theirs} locks 0 to balances 3: not the same user's`,
      [move("carl", "lock"), lock("lock"), move("lock", "dora")],
    ],
    [
      "by a lock that is there",
      `${theirs} balances 3 to locks 0: not the same user's`,
      [move("carl", "lock"), lock("lock"), move("dora", "lock")],
    ],
    [
      "by payouts",
      `${theirs} payouts 1 to balances 3`,
      [move("carl", "out"), payouts("out", "carl"), move("out", "dora")],
    ],
    [
      "back from payouts, not to its user either",
      `${theirs} payouts 1 to balances 2`,
      [move("carl", "out"), payouts("out", "carl"), move("out", "carl")],
    ],
    [
      "when it was held first",
      `${theirs} balances 0 to balances 1: not the same user's`,
      [
        move("anna", "ben", "x", { phase: "pending", id: "held" }),
        move("anna", "ben", "x", { phase: "post", pendingId: "held" }),
      ],
    ],
    [
      "to the treasury",
      `${theirs} balances 2 to account treasury: not the same user's`,
      [move("carl", "treasury")],
    ],
    [
      "to a balance that is new",
      "makes a balance of what came from balances 2",
      [move("carl", "new"), (scene) => scene.position("new", "balances")],
    ],
    [
      "to payouts of another key",
      `gives payouts that were filled from balances 2 to the key ${keyOf("dora")}`,
      [move("carl", "out"), payouts("out", "dora")],
    ],
    [
      "to a new lock of another's wallet",
      `gives locks that were filled from balances 2 to ${addressOf(ben)}`,
      [move("carl", "lock"), lock("lock", ofBen)],
    ],
    [
      "to a lock of another's wallet",
      `gives locks that were filled from balances 0 to ${addressOf(ben)}`,
      [lock("lock", ofBen), move("anna", "lock")],
    ],
    [
      "to a lock of another's wallet before the balance has its line",
      `gives locks that were filled from balances 4 to ${addressOf(ben)}`,
      [
        lock("lock", ofBen),
        move("treasury", "new", "grant"),
        move("new", "lock"),
        (scene) => scene.position("new", "balances"),
      ],
    ],
    [
      "with a lock that gets another's wallet",
      `gives locks that were filled from balances 2 to ${addressOf(ben)}`,
      [move("carl", "lock"), lock("lock"), lock("lock", ofBen)],
    ],
    [
      "with a lock that gets another's wallet in a later epoch",
      `gives locks that were filled from balances 2 to ${addressOf(ben)}`,
      [move("carl", "lock"), lock("lock"), close, lock("lock", ofBen)],
    ],
    [
      "by a lock of an epoch before",
      `${theirs} locks 0 to balances 3: not the same user's`,
      [move("carl", "lock"), lock("lock"), close, move("lock", "dora")],
    ],
    ["to nowhere", "fills account aside, which has no position", [move("anna", "aside")]],
    ["off the books", `${theirs} balances 0 off the books`, [move("anna", "custody")]],
    ["from nowhere", "takes 5 from account nowhere, where nothing came in", [move("nowhere", "anna")]],
    [
      "from the treasury into a lock",
      "makes locks of what the treasury gave",
      [move("treasury", "lock"), lock("lock")],
    ],
    [
      "from the treasury to a user's payouts",
      "gives payouts that were filled from balances 4 to the key",
      [(scene) => scene.position("treasury", "balances"), move("treasury", "out"), payouts("out", "carl")],
    ],
    [
      "from the treasury into a user's lock",
      "moves 5 base units (x) from account treasury to locks 0: not the same user's",
      [move("carl", "lock"), lock("lock"), move("treasury", "lock")],
    ],
    [
      "from what a wallet brought in to another's user",
      `${theirs} balances 4 to balances 1: not the same user's`,
      [deposit(`0x${"de".repeat(20)}`), move("keyed", "ben")],
    ],
  ])("does not go %s", async (_name, says, steps) => {
    const found = await lie(() => play([...begin, ...steps], restarts));
    expect([found.check, found.message]).toEqual(["moves", expect.stringContaining(`: ${says}`)]);
  });
});

it("names who gives to everybody, and takes nobody for that but whom the genesis line fills", async () => {
  const scene = new Scene();
  expect(scene.rules.moves.summary()).toContain("gives to all, is account treasury");
  scene.position("treasury", "balances");
  expect(scene.kept().rules.moves.summary()).toContain("gives to all, is balances 0");

  const without = new Scene(false);
  const args = { seq: "1", depositor: addressOf(anna), section: "0", amount: "5" };
  without.line(await without.event("EntryMade", args)).move("custody", "keyed", 5n, "entry_credit");
  without.position("keyed", "balances", { owner: addressOf(anna), signatures: [byEntry] });
  expect(without.rules.moves.summary()).toBe("no TST went from a user to another");
  without.position("carl", "balances");
  expect((await lie(() => without.move("keyed", "carl", 5n, "grant"))).message).toContain(
    "from balances 0 to balances 1: not the same user's",
  );
});
