/** Positions carry the wallet of their user, from one line on, and only by a statement; what leaves and comes in has roles of its own. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { ChainEvent, PositionSpec, View } from "#ledger";
import { type Hex, linkReference, toHex } from "#proof";
import { attempt } from "../support/hostile.ts";
import { type HostileWorld, startHostileWorld, tst } from "./hostile-world.ts";

let hostile: HostileWorld;
beforeAll(async () => {
  hostile = await startHostileWorld();
});
beforeEach(() => hostile.look());
afterAll(() => hostile.close());

let entries = 0;
/** An event of the book that stands behind TST. */
function entryOfTst(): ChainEvent {
  entries += 1;
  const registry = `0x${"06".repeat(20)}` as const;
  const txHash = `0x${entries.toString(16).padStart(64, "e")}` as const;
  return { chainId: 1, registry, txHash, logIndex: 0, block: 1, event: "EntryMade" };
}

const wallet = (digit: string): Uint8Array => Buffer.from(digit.repeat(40), "hex");
const reference = (number: bigint): Hex => linkReference(`0x${"11".repeat(32)}`, number);
const [A, B] = [wallet("a"), wallet("b")];

const run = <R extends string | number | boolean | null>(decide: (view: View) => R) =>
  hostile.books.run(decide);

/** A user of the test's own with a balance. Answers the account. */
async function openUser(user: string): Promise<string> {
  return run((view) => {
    view.openOwner(user, new Uint8Array(32).fill(3));
    const account = view.openAccount({ asset: "TST", role: "available", owner: user });
    view.setPosition(balance(account, user));
    return account;
  });
}

function balance(account: string, user: string, statements?: readonly Hex[]): PositionSpec {
  return {
    ...{ account, section: "balances", user, keyParts: [user], validUntil: 0, kind: 0, quantity: 0 },
    ...(statements && { statements }),
  };
}

async function newestLine(
  account: string,
): Promise<{ owner: string; signatures: Hex[] | null; lines: number }> {
  const { rows } = await hostile.app.query(
    `SELECT owner, signatures, count(*) OVER ()::int AS lines FROM position_change
     WHERE account = $1 ORDER BY seq DESC LIMIT 1`,
    [account],
  );
  const [line] = rows;
  const { rows: positions } = await hostile.app.query("SELECT owner FROM position WHERE account = $1", [
    account,
  ]);
  expect(toHex(positions[0].owner)).toBe(toHex(line.owner));
  return { owner: toHex(line.owner), signatures: line.signatures, lines: line.lines };
}

describe("a user's wallet", () => {
  test("stands in the line that gives it and in the first line of every later position, each with a statement", async () => {
    const account = await openUser("carla");
    await run((view) => {
      view.setOwnerWallet("carla", "TST", { wallet: A, proof: reference(1n) });
      view.setPosition(balance(account, "carla", ["0x0102"]));
      return null;
    });
    expect(await newestLine(account)).toEqual({ owner: toHex(A), signatures: ["0x0102"], lines: 2 });
    const payouts = await run((view) => {
      const opened = view.openAccount({ asset: "TST", role: "payouts", owner: "carla" });
      view.setPosition({ ...balance(opened, "carla"), section: "payouts" });
      return opened;
    });
    expect(await newestLine(payouts)).toEqual({ owner: toHex(A), signatures: [reference(1n)], lines: 1 });
    // Nothing changes, so nothing is written.
    await run((view) => {
      view.setPosition(balance(account, "carla"));
      return view.carryWallet(payouts, "carla");
    });
    expect((await newestLine(account)).lines + (await newestLine(payouts)).lines).toBe(3);
  });

  test("is carried by a position once, and by its next line in any case", async () => {
    const [carried, lined] = [await openUser("dora"), await openUser("emil")];
    for (const user of ["dora", "emil"])
      await run((view) => {
        view.setOwnerWallet(user, "TST", { wallet: B, proof: reference(2n) });
        return null;
      });
    expect(await run((view) => view.carryWallet(carried, "dora"))).toBe(true);
    expect(await run((view) => view.carryWallet(carried, "dora"))).toBe(false);
    await run((view) => {
      view.setPosition({ ...balance(lined, "emil"), validUntil: 7 });
      return null;
    });
    for (const account of [carried, lined])
      expect(await newestLine(account)).toEqual({ owner: toHex(B), signatures: [reference(2n)], lines: 2 });
  });

  test("can be announced in a line that changes nothing else", async () => {
    const account = await openUser("fritz");
    await run((view) => {
      view.setPosition(balance(account, "fritz", ["0x0103"]));
      return null;
    });
    expect(await newestLine(account)).toMatchObject({
      owner: `0x${"00".repeat(20)}`,
      signatures: ["0x0103"],
    });
  });

  test("is of one asset", async () => {
    const account = await openUser("gerd");
    await run((view) => {
      view.setOwnerWallet("gerd", "USD", { wallet: A, proof: reference(1n) });
      return view.carryWallet(account, "gerd");
    });
    expect((await newestLine(account)).lines).toBe(1);
  });
});

describe("in plain SQL", () => {
  const line = (account: string, index: number, owner: string, signatures: string | null, place = 0) => [
    `INSERT INTO position_change (seq, time, account, asset, section, index, key, owner, valid_until, kind, quantity, signatures)
     SELECT $1 + $2::int, $3, p.account, p.asset, p.section, p.index, p.key, decode(repeat($4, 20), 'hex'), 0, 0, 0, $5::jsonb
     FROM position p WHERE p.account = $6 AND $7 >= 0`,
    ...[hostile.head.next_seq, place, hostile.head.time, owner, signatures, account, index],
  ];

  test("no line changes an owner, to a wallet or away from one, without a statement", async () => {
    const free = await openUser("hans");
    const owned = await openUser("ines");
    await run((view) => {
      view.setOwnerWallet("ines", "TST", { wallet: A, proof: reference(1n) });
      return view.carryWallet(owned, "ines");
    });
    await hostile.look();
    const tries: [string, string, string | null, string][] = [
      [free, "aa", null, "position_owner_signed"],
      [owned, "bb", null, "position_owner_signed"],
      [owned, "00", null, "position_owner_signed"],
      [free, "aa", "[]", "position_change_signatures_check"],
      [free, "aa", '"0x01"', "position_change_signatures_check"],
      [free, "aa", '["0x01"]', "done"],
      [owned, "aa", null, "done"],
    ];
    for (const [account, owner, signatures, expected] of tries)
      expect([owner, await attempt(hostile.app, [line(account, 0, owner, signatures) as never])]).toEqual([
        owner,
        expected,
      ]);
  });

  test("a second line of one statement goes on from the first", async () => {
    const account = await openUser("jana");
    await hostile.look();
    const two = (first: string | null, second: string | null) => [
      `INSERT INTO position_change (seq, time, account, asset, section, index, key, owner, valid_until, kind, quantity, signatures)
       SELECT $1 + n, $2, p.account, p.asset, p.section, p.index, p.key, decode(repeat('aa', 20), 'hex'), 0, 0, n,
         CASE n WHEN 0 THEN $4::jsonb ELSE $5::jsonb END
       FROM position p CROSS JOIN generate_series(0, 1) AS n WHERE p.account = $3`,
      ...[hostile.head.next_seq, hostile.head.time, account, first, second],
    ];
    expect(await attempt(hostile.app, [two(null, '["0x01"]') as never])).toBe("position_owner_signed");
    expect(await attempt(hostile.app, [two('["0x01"]', null) as never])).toBe("done");
  });

  test("an owner's wallet is 20 bytes and not zero", async () => {
    await openUser("karl");
    for (const [bytes, expected] of [
      ["00".repeat(20), "owner_wallet_wallet_check"],
      ["aa".repeat(19), "owner_wallet_wallet_check"],
      ["aa".repeat(20), "done"],
    ]) {
      const insert =
        "INSERT INTO owner_wallet (owner, asset, wallet, proof) VALUES ('karl', 'TST', decode($1, 'hex'), '\\x02')";
      expect(await attempt(hostile.app, [[insert, bytes]])).toBe(expected);
    }
    expect(await attempt(hostile.app, [["DELETE FROM owner_wallet"]])).toBe("42501");
  });
});

describe("TST", () => {
  test("moves between the ledger and a wallet by these roles alone, and from no user to another", async () => {
    const of = (role: "available" | "locked" | "payouts" | "deposited", owner: string) =>
      run((view) => view.openAccount({ asset: "TST", role, owner }));
    const { custody, treasury, alice, aliceLocked, bob } = hostile.accounts;
    const keyed = await of("deposited", `wallet:0x${"cc".repeat(20)}`);
    const keyedPayouts = await of("payouts", `wallet:0x${"cc".repeat(20)}`);
    const [payouts, bobsPayouts] = [await of("payouts", "alice"), await of("payouts", "bob")];
    const move = (debitAccount: string, creditAccount: string, amount = 5n) => {
      const [id, entry] = [randomUUID(), debitAccount === custody ? entryOfTst() : null];
      return run((view) => {
        if (entry) view.recordChainEvent(entry);
        const code = entry ? "entry_credit" : "test";
        return view.move({ id, debitAccount, creditAccount, amount, code }).id;
      });
    };
    // All of it is in the ledger: only what left can come in.
    await move(alice, payouts, 15n);
    await move(payouts, custody, 15n);
    for (const [debit, credit] of [
      [alice, aliceLocked],
      [alice, payouts],
      [payouts, custody],
      [custody, keyed],
      [custody, alice],
      [keyed, bob],
      [treasury, payouts],
      [aliceLocked, payouts],
      [custody, keyed],
      [keyed, keyedPayouts],
    ] as const)
      await move(debit, credit);
    await hostile.look();
    for (const [debit, credit] of [
      [alice, bob],
      [alice, bobsPayouts],
      [payouts, alice],
      [payouts, bobsPayouts],
      [payouts, treasury],
      [custody, payouts],
      [keyedPayouts, bob],
      [keyed, payouts],
      [bob, keyed],
    ] as const)
      expect(await attempt(hostile.app, hostile.lines(tst(debit, credit)))).toBe("asset_policy");
  });

  test("of those roles is no matter of anybody's list", async () => {
    const { issuance, a } = hostile.accounts;
    const payouts = await run((view) => view.openAccount({ asset: "USD", role: "payouts", owner: "alice" }));
    const available = await run((view) =>
      view.openAccount({ asset: "USD", role: "available", owner: "alice" }),
    );
    const transfer = (debitAccount: string, creditAccount: string) => ({
      ...{ id: randomUUID(), debitAccount, creditAccount, amount: 1n },
    });
    expect(
      await hostile.books.send(
        transfer(issuance, available),
        transfer(available, payouts),
        transfer(a, payouts),
      ),
    ).toEqual(["ok", "asset_not_transferable", "asset_not_transferable"]);
  });

  test("nor is what tells of the chain, where a token stands behind the asset", async () => {
    const { gigsAlice, gigsBob, gigsCustody, gigsTreasury } = hostile.accounts;
    const list = (debitAccount: string, creditAccount: string, code = "any") => ({
      ...{ id: randomUUID(), debitAccount, creditAccount, amount: 1n, code },
    });
    const held = { ...list(gigsTreasury, gigsAlice), phase: "pending" as const };
    const post = { id: randomUUID(), phase: "post" as const, pendingId: held.id };
    expect(
      await hostile.books.send(
        ...[list(gigsTreasury, gigsAlice), list(gigsCustody, gigsTreasury), list(gigsTreasury, gigsCustody)],
        ...["genesis", "entry_credit", "withdrawal_claimed", "exit_sweep"].map((code) =>
          list(gigsAlice, gigsBob, code),
        ),
        ...[held, { ...post, code: "entry_credit" }, { ...post, id: randomUUID() }],
      ),
    ).toEqual(["ok", ...Array(6).fill("asset_not_transferable"), "ok", "asset_not_transferable", "ok"]);
  });

  test("and keeps a token from an asset whose journal tells of a chain that was not there", async () => {
    const { issuance, a } = hostile.accounts;
    const open = `INSERT INTO book (asset, chain_id, registry, token, custodians, deployed_block)
      SELECT 'USD', 1, '0x' || repeat('0b', 20), '0x' || repeat('0c', 20), array_fill('0x' || repeat('0b', 20), ARRAY[5]), 0`;
    expect(await attempt(hostile.owner, open)).toBe("done");
    const seeding = {
      ...{ id: randomUUID(), debitAccount: issuance, creditAccount: a, amount: 1n, code: "genesis" },
    };
    expect(await hostile.books.send(seeding)).toEqual(["ok"]);
    expect(await attempt(hostile.owner, open)).toBe("book_chain_codes");
    expect(
      await attempt(hostile.owner, open.replace(/'0x' \|\| repeat\('0c', 20\)/, "'0x' || repeat('00', 20)")),
    ).toBe("done");
  });
});
