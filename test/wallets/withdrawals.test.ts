/** What a user withdraws goes to the user's own wallet, claimed by proof on a real chain; and nobody else's. */
import { parseEther } from "ethers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { contractAt } from "#infra";
import { systemIds } from "#kernel";
import { entryProof, type Hex } from "#proof";
import { depositedAccount, openPayouts, ownerOfWallet, userOfWallet } from "#wallets";
import { mined } from "../support/mined.ts";
import { claimSeen, createWalletWorld, newWallet, type WalletWorld } from "./world.ts";

let world: WalletWorld;
beforeAll(async () => {
  world = await createWalletWorld();
}, 120_000);
afterAll(() => world.close());

const TST = 10n ** 18n;

const withdraw = (user: string, body: Record<string, unknown>, key?: string) =>
  world.post("/api/v1/withdrawals", body, { as: user, ...(key && { key }) });
const read = async (user: string, id: string) =>
  (await world.get(`/api/v1/withdrawals/${id}`, { as: user })).body;

async function linkedUser(tst = 100n) {
  const user = await world.user(tst);
  const wallet = newWallet();
  expect((await world.link(user, wallet)).status).toBe(200);
  return { user, wallet };
}

const balanceOf = (address: string): Promise<bigint> =>
  contractAt(world.chain, "TST", world.record.token).getFunction("balanceOf")(address);
const send = (to: string, data: string) => mined(world.chain.signer?.sendTransaction({ to, data }));

describe("a withdrawal", () => {
  test("goes from pending to final, is claimed by proof on the chain, and counts as claimed then", async () => {
    const { user, wallet } = await linkedUser();
    const { status, body } = await withdraw(user, { amount: "10.5" }, "w-1");
    expect(status).toBe(200);
    expect(body).toMatchObject({
      ...{ status: "pending", amount: "10.5", total_withdrawn: "10.5", wallet: wallet.address, epoch: null },
    });
    const id = body.withdrawal_id;
    expect(await withdraw(user, { amount: "10.5" }, "w-1")).toEqual({ status, body });
    expect(await read(user, id)).toMatchObject({ status: "pending", claim: null });
    await world.settlement.run();
    const final = await read(user, id);
    expect(final).toMatchObject({
      status: "final",
      epoch: 1,
      claim: { claimable: "10.5", wallet: wallet.address },
    });
    expect(final.claim.vault).toBe(world.record.custodians.payouts);
    const proof = await world.get(final.claim.proof);
    expect(proof.body).toMatchObject({ section: "payouts", leaf: { owner: wallet.address.toLowerCase() } });
    // Anyone may send it: the wallet is paid.
    await send(final.claim.vault, final.claim.claim);
    expect(await balanceOf(wallet.address)).toBe(10n * TST + TST / 2n);
    await expect(send(final.claim.vault, final.claim.claim)).rejects.toThrow();
    await claimSeen(world, user, wallet.address, 10n * TST + TST / 2n, 10n * TST + TST / 2n);
    expect(await read(user, id)).toMatchObject({ status: "claimed", claim: null });
    const events = await world.rows<{ type: string; data: Record<string, string> }>(
      "SELECT type, data FROM event WHERE subject = $1 AND type LIKE 'withdrawal.%' ORDER BY seq",
      [user],
    );
    expect(events.map(({ type, data }) => [type, data.amount])).toEqual([
      ["withdrawal.created", "10.5"],
      ["withdrawal.claimed", "10.5"],
    ]);
  });

  test("is claimed together with those before it, in their order", async () => {
    const { user, wallet } = await linkedUser();
    const ids: string[] = [];
    for (const amount of ["1", "2", "3"]) ids.push((await withdraw(user, { amount })).body.withdrawal_id);
    await world.settlement.run();
    for (const id of ids) expect((await read(user, id)).claim.claimable).toBe("6");
    await claimSeen(world, user, wallet.address, 3n * TST, 3n * TST);
    const statuses = [];
    for (const id of ids) statuses.push((await read(user, id)).status);
    expect(statuses).toEqual(["claimed", "claimed", "final"]);
    expect((await read(user, ids[2] ?? "")).claim.claimable).toBe("3");
    const first = await world.get("/api/v1/withdrawals?limit=2", { as: user });
    expect(first.body.data.map(({ amount }: { amount: string }) => amount)).toEqual(["3", "2"]);
    const rest = await world.get(`/api/v1/withdrawals?limit=2&cursor=${first.body.next_cursor}`, {
      as: user,
    });
    expect(rest.body).toMatchObject({ data: [{ amount: "1", total_withdrawn: "1" }], next_cursor: null });
  });

  test("keeps to what is available, whoever asks at once", async () => {
    const { user } = await linkedUser(10n);
    const answers = await Promise.all(Array.from({ length: 20 }, () => withdraw(user, { amount: 1 })));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(10);
    expect(answers.filter(({ body }) => body.error === "insufficient_balance")).toHaveLength(10);
    const { data } = (await world.get("/api/v1/withdrawals?limit=100", { as: user })).body;
    const totals = data.map(({ total_withdrawn: total }: { total_withdrawn: string }) => Number(total));
    expect(totals).toEqual([10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
  });

  test("is refused without a wallet, to another wallet, of another asset, of nothing, and by a frozen book", async () => {
    const poor = await world.user(5n);
    expect((await withdraw(poor, { amount: 1 })).body.error).toBe("no_wallet");
    const { user, wallet } = await linkedUser(5n);
    for (const [body, error] of [
      [{ amount: 1, wallet: newWallet().address }, "invalid_request"],
      [{ amount: 1, user_id: poor }, "forbidden"],
      [{ amount: 1, asset: "USD" }, "not_found"],
      [{ amount: 0 }, "invalid_amount"],
      [{ amount: "-1" }, "invalid_amount"],
      [{ amount: "0.0000000000000000001" }, "invalid_amount"],
      [{ amount: 6 }, "insufficient_balance"],
      [{}, "invalid_request"],
    ] as const)
      expect([body, (await withdraw(user, body)).body.error]).toEqual([body, error]);
    const done = await withdraw(user, { amount: 1, wallet: wallet.address, asset: "TST" }, "before");
    world.chainSays.frozen = true;
    expect((await withdraw(user, { amount: 1 })).body.error).toBe("frozen");
    expect(await withdraw(user, { amount: 1, wallet: wallet.address, asset: "TST" }, "before")).toEqual(done);
    world.chainSays.frozen = false;
    expect((await withdraw(user, { amount: 1 })).status).toBe(200);
  });

  test("is refused from a balance that its owner has demanded on-chain, until that is served", async () => {
    const { user } = await linkedUser(5n);
    const account = world.ledger.accountId({ asset: "TST", role: "available", owner: user });
    const record = (event: "ExitDemanded" | "DemandServed", logIndex: number) =>
      world.ledger.submit({
        name: "test.demand",
        decide: (view) => {
          const place = { chainId: world.record.chain_id, txHash: `0x${"dd".repeat(32)}` as Hex, logIndex };
          const registry = world.record.registry.toLowerCase() as Hex;
          return view.recordChainEvent({ ...place, registry, block: 1, event, account });
        },
      });
    await record("ExitDemanded", 1);
    expect((await withdraw(user, { amount: 1 })).body.error).toBe("exit_demanded");
    await record("DemandServed", 2);
    expect((await withdraw(user, { amount: 1 })).status).toBe(200);
  });

  test("is seen by its user, operators and auditors alone", async () => {
    const { user } = await linkedUser();
    const { withdrawal_id: id } = (await withdraw(user, { amount: 1 })).body;
    const path = `/api/v1/withdrawals/${id}`;
    expect((await world.get(path, { as: "eve" })).status).toBe(403);
    expect((await world.get(path)).status).toBe(401);
    for (const role of ["operator", "auditor"])
      expect((await world.get(path, { as: "x", roles: [role] })).body.withdrawal_id).toBe(id);
    expect((await world.get(`/api/v1/withdrawals/wd_${"0".repeat(32)}`, { as: user })).status).toBe(404);
    expect((await world.get("/api/v1/withdrawals", { as: "eve" })).body.data).toEqual([]);
  });

  test("that is not claimed goes with the user to another wallet", async () => {
    const { user, wallet } = await linkedUser();
    const { withdrawal_id: id } = (await withdraw(user, { amount: 4 })).body;
    const next = newWallet();
    expect((await world.link(user, next, wallet)).status).toBe(200);
    await world.settlement.run();
    const { claim, wallet: then } = await read(user, id);
    expect([then, claim.wallet]).toEqual([wallet.address, next.address]);
    await send(claim.vault, claim.claim);
    expect([await balanceOf(wallet.address), await balanceOf(next.address)]).toEqual([0n, 4n * TST]);
  });
});

describe("what nobody could leave with", () => {
  test("is said for each section, as of the newest epoch", async () => {
    const section = async (name: string) => {
      const { body } = await world.get("/api/v1/settlement/ownership");
      return body.sections.find((one: { section: string }) => one.section === name);
    };
    const [user, wallet] = [await world.user(40n), newWallet()];
    await world.lock(user, "shown", 15n * TST);
    await world.settlement.run();
    const before = { locks: await section("locks"), balances: await section("balances") };
    expect(before.locks).toMatchObject({
      amount: "15",
      unlinked_amount: "15",
      positions: 1,
      unlinked_positions: 1,
    });
    await world.link(user, wallet);
    await world.settlement.run();
    expect(await section("locks")).toMatchObject({
      amount: "15",
      unlinked_amount: "0",
      unlinked_positions: 0,
    });
    const after = await section("balances");
    expect(Number(before.balances.unlinked_amount) - Number(after.unlinked_amount)).toBe(25);
    expect(after.unlinked_positions).toBe(before.balances.unlinked_positions - 1);
    const [counted] = await world.rows<{ amount: bigint; unlinked: bigint; positions: number }>(
      `SELECT sum(a.credits_posted - a.debits_posted) AS amount, count(*)::int AS positions,
         sum(a.credits_posted - a.debits_posted) FILTER (WHERE p.owner = $1) AS unlinked
       FROM position p JOIN account a ON a.id = p.account WHERE p.section = 0`,
      [Buffer.alloc(20)],
    );
    expect([parseEther(after.amount), parseEther(after.unlinked_amount), after.positions]).toEqual([
      ...[counted?.amount, counted?.unlinked, counted?.positions],
    ]);
  });
});

describe("what came in by a wallet that nobody had linked", () => {
  const TX = `0x${"ee".repeat(32)}` as const;
  /** What the watcher does with an entry. */
  async function enter(wallet: Hex, amount: bigint, logIndex: bigint): Promise<string> {
    const [id, salt] = [systemIds.uuid(), systemIds.bytes(32)];
    return (
      await world.ledger.submit<string>({
        name: "test.entry",
        decide: (view) => {
          const user = userOfWallet(view, "TST", wallet);
          const owner = user ?? ownerOfWallet(wallet);
          view.openOwner(owner, salt);
          if (user === null)
            view.setOwnerWallet(owner, "TST", {
              wallet: Buffer.from(wallet.slice(2), "hex"),
              proof: entryProof(TX, logIndex),
            });
          const account = view.openAccount(
            user === null
              ? depositedAccount(wallet, "TST")
              : { asset: "TST", role: "available", owner: user },
          );
          const debitAccount = view.openAccount({ asset: "TST", role: "custody", owner: null });
          view.recordChainEvent(world.entryAt(TX, Number(logIndex)));
          view.move({ id, amount, code: "entry_credit", creditAccount: account, debitAccount });
          const keyed = { section: "balances", validUntil: 0, kind: 0, quantity: 0 } as const;
          view.setPosition({ ...keyed, account, user: owner, keyParts: [owner] });
          if (user === null) openPayouts(view, owner, "TST");
          return owner;
        },
      })
    ).value;
  }
  const available = async (role: string, owner: string) =>
    (
      await world.rows<{ left: bigint }>(
        "SELECT credits_posted - debits_posted AS left FROM account WHERE role = $1 AND owner = $2",
        [role, owner],
      )
    )[0]?.left;

  test("is that wallet's on-chain, and goes over to the user who links it, once", async () => {
    // Only what left can come in again.
    const { user: rich, wallet: theirs } = await linkedUser();
    await withdraw(rich, { amount: 50 });
    await claimSeen(world, rich, theirs.address, 50n * TST, 50n * TST);
    const wallet = newWallet();
    const address = wallet.address.toLowerCase() as Hex;
    expect(await enter(address, 7n * TST, 1n)).toBe(`wallet:${address}`);
    expect(await enter(address, 2n * TST, 2n)).toBe(`wallet:${address}`);
    const user = await world.user(1n);
    expect((await world.link(user, wallet)).status).toBe(200);
    await Promise.all([world.wallets.follow(), world.wallets.follow()]);
    expect([await available("available", user), await available("deposited", `wallet:${address}`)]).toEqual([
      10n * TST,
      0n,
    ]);
    // From now on what comes in by it is the user's at once.
    expect(await enter(address, 3n * TST, 3n)).toBe(user);
    expect(await available("available", user)).toBe(13n * TST);
    const lines = await world.rows<{ code: string; amount: bigint }>(
      "SELECT t.code, t.amount FROM transfer t JOIN account a ON a.id = t.debit_account WHERE a.owner = $1",
      [`wallet:${address}`],
    );
    expect(lines).toEqual([{ code: "wallet_linked", amount: 9n * TST }]);
    const owned = await world.rows<{ role: string }>(
      "SELECT a.role FROM position p JOIN account a ON a.id = p.account WHERE p.owner = $1 ORDER BY a.role",
      [Buffer.from(address.slice(2), "hex")],
    );
    expect(owned.map(({ role }) => role)).toEqual(["available", "deposited", "payouts"]);
  });
});
