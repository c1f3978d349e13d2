/** What came in by a wallet waits for whose it is, and for its owner who leaves with it; a change waits for its own time. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemIds } from "#kernel";
import type { View } from "#ledger";
import { balanceAccount } from "#programs/access";
import { entryProof, type Hex } from "#proof";
import { depositedAccount, ownerOfWallet, userOfWallet } from "#wallets";
import { completeUnit } from "../../src/wallets/units/change.ts";
import { createWalletWorld, newWallet, type WalletWorld } from "./world.ts";

let world: WalletWorld;
beforeAll(async () => {
  world = await createWalletWorld();
}, 120_000);
afterAll(() => world?.close());

const lower = ({ address }: { address: string }) => address.toLowerCase() as Hex;
const now = async () => (await world.rows<{ now: number }>("SELECT ledger_now() AS now"))[0]?.now ?? 0;
const asked = async <R extends string | number | boolean | null>(decide: (view: View) => R): Promise<R> =>
  (await world.ledger.submit({ name: "test", decide })).value;
const held = async (owner: string, role: string) =>
  (
    await world.rows<{ amount: bigint }>(
      "SELECT credits_posted - debits_posted AS amount FROM account WHERE owner = $1 AND role = $2",
      [owner, role],
    )
  )[0]?.amount;

test("a wallet that was only announced brings nothing to the user; linked, it does, also when it was replaced", async () => {
  const user = await world.user(10n);
  const [first, next] = [newWallet(), newWallet()];
  const userOf = (wallet: { address: string }) => asked((view) => userOfWallet(view, "TST", lower(wallet)));
  await world.link(user, first);
  expect((await world.link(user, next)).body.status).toBe("announced");
  expect([await userOf(first), await userOf(next)]).toEqual([user, null]);
  expect((await world.link(user, next, first)).body.status).toBe("linked");
  expect([await userOf(first), await userOf(next)]).toEqual([user, user]);
  // What comes in on another asset's chain is not the user's by that.
  expect(await asked((view) => userOfWallet(view, "GIGS", lower(next)))).toBe(null);
});

test("a change completes by its own number and not before its time, whoever asks", async () => {
  const user = await world.user(10n);
  await world.link(user, newWallet());
  const { number } = (await world.link(user, newWallet())).body.announced;
  const context = { accountId: world.ledger.accountId, ids: systemIds, balanceAccountOf: balanceAccount };
  const complete = async (change: { number: number; dueAt: number }) =>
    (await world.ledger.submit(completeUnit(context, { userId: user, asset: "TST", ...change }))).value;
  const time = await now();
  expect(await complete({ number, dueAt: time + 1_000 })).toBe(false);
  expect(await complete({ number: number + 1, dueAt: time })).toBe(false);
  expect(await complete({ number: number - 1, dueAt: time })).toBe(false);
  expect(await complete({ number, dueAt: time })).toBe(true);
  expect(await complete({ number, dueAt: time })).toBe(false);
});

test("what came in is taken over only when its owner's demand for it is over", async () => {
  const [user, wallet] = [await world.user(1n), newWallet()];
  const owner = ownerOfWallet(lower(wallet));
  const salt = systemIds.bytes(32);
  const [out, gone, id] = [systemIds.uuid(), systemIds.uuid(), systemIds.uuid()];
  const spec = depositedAccount(lower(wallet), "TST");
  await asked((view) => {
    view.openOwner(owner, salt);
    const proof = entryProof(`0x${"ab".repeat(32)}`, 0n);
    view.setOwnerWallet(owner, "TST", { wallet: Buffer.from(lower(wallet).slice(2), "hex"), proof });
    const creditAccount = view.openAccount(spec);
    const debitAccount = view.openAccount({ asset: "TST", role: "treasury", owner: null });
    const custody = view.openAccount({ asset: "TST", role: "custody", owner: null });
    const payouts = view.openAccount({ asset: "TST", role: "payouts", owner: "@treasury" });
    view.move({ id: out, debitAccount, creditAccount: payouts, amount: 7n, code: "withdrawal" });
    view.move({
      id: gone,
      debitAccount: payouts,
      creditAccount: custody,
      amount: 7n,
      code: "out",
    });
    view.recordChainEvent(world.entryAt(`0x${"ab".repeat(32)}`, 0));
    view.move({ id, debitAccount: custody, creditAccount, amount: 7n, code: "entry_credit" });
    const position = { account: creditAccount, section: "balances", user: owner, keyParts: [owner] } as const;
    view.setPosition({ ...position, validUntil: 0, kind: 0, quantity: 0 });
    return null;
  });
  const account = world.ledger.accountId(spec);
  const record = (event: "ExitDemanded" | "DemandServed", logIndex: number) =>
    asked((view) => {
      const place = { chainId: world.record.chain_id, txHash: `0x${"cd".repeat(32)}` as Hex, logIndex };
      const registry = world.record.registry.toLowerCase() as Hex;
      return view.recordChainEvent({ ...place, registry, block: 1, event, account });
    });
  await record("ExitDemanded", 1);
  expect((await world.link(user, wallet)).body.status).toBe("linked");
  expect(await world.wallets.follow()).toMatchObject({ failed: 0 });
  expect(await held(owner, "deposited")).toBe(7n);
  expect((await world.get("/api/v1/wallets", { as: user })).body.carried).toBe(false);
  await record("DemandServed", 2);
  expect(await world.wallets.follow()).toMatchObject({ failed: 0 });
  expect([await held(owner, "deposited"), await held(user, "available")]).toEqual([0n, 10n ** 18n + 7n]);
  expect((await world.get("/api/v1/wallets", { as: user })).body.carried).toBe(true);
});
