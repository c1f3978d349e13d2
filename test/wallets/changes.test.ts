/** A linked wallet gives its place to another one by its own word, or by its silence for 14 days, and by nothing else. */
import { Contract, parseEther } from "ethers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { contractArtifact, silentLog } from "#infra";
import { systemIds } from "#kernel";
import { balanceAccount } from "#programs/access";
import { type Hex, WALLET_TYPES } from "#proof";
import { onWalletCancelled, Wallets } from "#wallets";
import { mined } from "../support/mined.ts";
import { auditOwners } from "./audit.ts";
import { createWalletWorld, DAY, keyOf, newWallet, type WalletWorld } from "./world.ts";

let world: WalletWorld;
beforeAll(async () => {
  world = await createWalletWorld();
}, 120_000);
afterAll(() => world.close());

type Wallet = ReturnType<typeof newWallet>;
const DELAY = 14 * DAY;

/** A user with a lock and a linked wallet. */
async function linkedUser(): Promise<{ user: string; old: Wallet; key: Hex }> {
  const user = await world.user(50n);
  await world.lock(user, `${user}-lock`, 10n);
  const old = newWallet();
  expect((await world.link(user, old)).body.status).toBe("linked");
  return { user, old, key: await keyOf(world, user) };
}

/** And another wallet announced. */
async function announcedUser() {
  const linked = await linkedUser();
  const next = newWallet();
  const { status, body } = await world.link(linked.user, next);
  expect([status, body.status, body.announced.wallet]).toEqual([200, "announced", next.address]);
  return { ...linked, next, number: body.announced.number as number };
}

const owners = async (user: string) => {
  const rows = await world.rows<{ owner: string }>(
    `SELECT DISTINCT '0x' || encode(p.owner, 'hex') AS owner FROM position p JOIN account a ON a.id = p.account
     WHERE a.owner = $1`,
    [user],
  );
  return rows.map(({ owner }) => owner);
};
const lower = (...wallets: { address: string }[]) => wallets.map(({ address }) => address.toLowerCase());
const now = async () => (await world.rows<{ now: number }>("SELECT ledger_now() AS now"))[0]?.now ?? 0;

async function cancelSignature(by: Wallet, key: Hex, change: { next: Wallet; old: Wallet; number: number }) {
  const domain = {
    ...{ name: "Anchorbook", version: "1", chainId: world.record.chain_id },
    verifyingContract: world.record.registry,
  };
  const message = {
    ...{ user: key, wallet: change.next.address, previous: change.old.address, number: change.number },
  };
  return by.signer.signTypedData(domain, { CancelWallet: [...WALLET_TYPES.CancelWallet] }, message);
}

describe("a change", () => {
  test("holds at once with both signatures, for every position", async () => {
    const { user, old } = await linkedUser();
    const next = newWallet();
    expect((await world.link(user, next, old)).body).toMatchObject({ status: "linked", number: 2 });
    expect(await owners(user)).toEqual(lower(next));
    const { body } = await world.get("/api/v1/wallets", { as: user });
    expect(body.wallets.map(({ status }: { status: string }) => status).toSorted()).toEqual([
      "linked",
      "replaced",
    ]);
    // The old one stays the user's, and can come back; nobody else can have it.
    const other = await world.user();
    expect((await world.link(other, old)).body.error).toBe("wallet_taken");
    expect((await world.link(user, old, next)).body).toMatchObject({ status: "linked", number: 3 });
  });

  test("is only announced by the new wallet, and not by a stranger's word for the old one", async () => {
    const { user, old } = await announcedUser();
    expect(await owners(user)).toEqual(lower(old));
    const [next, stranger] = [newWallet(), newWallet()];
    expect((await world.link(user, next, stranger)).body).toMatchObject({
      ...{ error: "invalid_signature", details: { member: "previous_signature" } },
    });
    expect((await world.link(user, next)).body.error).toBe("wallet_change_announced");
    // With the old one's word it needs no cancelling.
    expect((await world.link(user, next, old)).body).toMatchObject({ status: "linked", announced: null });
    expect(await owners(user)).toEqual(lower(next));
  });

  test("to the same wallet is none, and a first link has no wallet before it", async () => {
    const { user, old } = await linkedUser();
    expect((await world.link(user, old)).body.error).toBe("invalid_request");
    expect((await world.link(await world.user(), newWallet(), newWallet())).body.error).toBe(
      "invalid_request",
    );
  });
});

describe("an announced change", () => {
  test("completes 14 days after its epoch's block, once, when the chain was read beyond that", async () => {
    const { user, old, next } = await announcedUser();
    const due = async () => (await world.get("/api/v1/wallets", { as: user })).body.announced?.due_at ?? null;
    expect(await due()).toBeNull();
    // Two weeks without an epoch are no announcement.
    await world.advance(DELAY + DAY);
    world.chainSays.seenUntil = await now();
    expect((await world.wallets.follow()).completed).toBe(0);
    await world.settlement.run();
    const dueAt = Date.parse(await due()) / 1_000;
    expect(dueAt).toBeGreaterThan((await now()) + DELAY - DAY);
    await world.advance(DELAY - 60);
    world.chainSays.seenUntil = await now();
    expect((await world.wallets.follow()).completed).toBe(0);
    await world.advance(120);
    for (const seen of [null, dueAt - 1]) {
      world.chainSays.seenUntil = seen;
      expect((await world.wallets.follow()).completed).toBe(0);
    }
    expect(await owners(user)).toEqual(lower(old));
    world.chainSays.seenUntil = dueAt;
    const runs = await Promise.all([world.wallets.follow(), world.wallets.follow()]);
    expect(runs.map(({ completed }) => completed).reduce((a, b) => a + b)).toBe(1);
    expect(await owners(user)).toEqual(lower(next));
    expect((await world.get("/api/v1/wallets", { as: user })).body).toMatchObject({
      ...{ wallet: next.address, announced: null, carried: true },
    });
    await world.settlement.run();
    const { owners: replayed } = await auditOwners(world);
    expect([...replayed.values()]).toContain(next.address.toLowerCase());
  });

  test("waits for its epoch to be final: a veto would make another one the first that holds it", async () => {
    const { user, old, next } = await announcedUser();
    await world.settlement.run();
    await world.advance(DELAY + DAY);
    const seen = await now();
    const { ledger, dataSource, chain, settlement } = world;
    const waiting = new Wallets({
      ...{ ledger, dataSource, asset: "TST", chain, ids: systemIds, log: silentLog() },
      settlement: {
        ...settlement,
        epochsOfLines: async (seqs) =>
          new Map(
            [...(await settlement.epochsOfLines(seqs))].map(([seq, line]) => [
              seq,
              { ...line, status: "committed" },
            ]),
          ),
      },
      balanceAccountOf: balanceAccount,
      chainSeenUntil: async () => seen,
      finalBlock: async () => null,
      isFrozen: async () => false,
    });
    expect((await waiting.follow()).completed).toBe(0);
    expect(await owners(user)).toEqual(lower(old));
    world.chainSays.seenUntil = seen;
    expect((await world.wallets.follow()).completed).toBe(1);
    expect(await owners(user)).toEqual(lower(next));
  });

  test("is cancelled by the old wallet's signature without any token, and then completes never", async () => {
    const { user, old, key, next, number } = await announcedUser();
    await world.settlement.run();
    const body = { user: key, number };
    const cancel = (signature: string, as?: string) =>
      world.post("/api/v1/wallets/cancel", { ...body, signature }, as === undefined ? {} : { as });
    const change = { next, old, number };
    for (const wrong of [
      await cancelSignature(next, key, change),
      await cancelSignature(old, key, { ...change, number: number + 1 }),
      await cancelSignature(old, key, { ...change, next: newWallet() }),
    ])
      expect((await cancel(wrong)).body.error).toBe("invalid_signature");
    const right = await cancelSignature(old, key, change);
    expect((await cancel(right)).body).toMatchObject({
      status: "cancelled",
      announced: null,
      wallet: old.address,
    });
    expect((await cancel(right)).body.error).toBe("not_found");
    await world.advance(DELAY + DAY);
    world.chainSays.seenUntil = await now();
    await world.wallets.follow();
    expect(await owners(user)).toEqual(lower(old));
    // The number is used up, the wallet stays the user's.
    expect((await world.link(user, next)).body.announced).toMatchObject({ number: number + 1 });
  });

  test("is cancelled by the user's own token, and by nobody else's", async () => {
    const { user, key, number } = await announcedUser();
    const body = { user: key, number };
    expect((await world.post("/api/v1/wallets/cancel", body)).status).toBe(401);
    expect((await world.post("/api/v1/wallets/cancel", body, { as: "eve" })).status).toBe(401);
    expect((await world.post("/api/v1/wallets/cancel", body, { as: "op", roles: ["operator"] })).status).toBe(
      401,
    );
    expect((await world.post("/api/v1/wallets/cancel", { ...body, number: 9 }, { as: user })).status).toBe(
      404,
    );
    expect((await world.post("/api/v1/wallets/cancel", body, { as: user, key: "c" })).status).toBe(200);
    expect((await world.post("/api/v1/wallets/cancel", body, { as: user, key: "c" })).status).toBe(200);
    expect((await world.post("/api/v1/wallets/cancel", body, { as: user })).status).toBe(404);
  });

  test("is cancelled on-chain by the old wallet, which an auditor sees too, and by nobody else there", async () => {
    const { user, old, key, next } = await announcedUser();
    await world.settlement.run();
    const told = async (wallet: string) =>
      world.ledger.submit({
        name: "test.cancelled",
        decide: (view) => {
          onWalletCancelled(view, { asset: "TST", key, wallet: wallet.toLowerCase() as Hex });
          return null;
        },
      });
    await told(next.address);
    expect((await world.get("/api/v1/wallets", { as: user })).body.announced).not.toBeNull();
    await mined(world.chain.signer?.sendTransaction({ to: old.address, value: parseEther("1") }));
    const { abi } = contractArtifact("SettlementRegistry");
    const registry = new Contract(world.record.registry, abi, old.signer.connect(world.chain.provider));
    await mined(registry.getFunction("cancelWallet")(key));
    await told(old.address);
    expect((await world.get("/api/v1/wallets", { as: user })).body.announced).toBeNull();
    const events = await world.rows<{ type: string }>(
      "SELECT type FROM event WHERE subject = $1 AND type LIKE 'wallet.%' ORDER BY seq",
      [user],
    );
    expect(events.map(({ type }) => type)).toEqual([
      ...["wallet.linked", "wallet.change_announced", "wallet.change_cancelled"],
    ]);
  });

  test("completes or is cancelled, and never both, where both come at once", async () => {
    const cases = await Promise.all([announcedUser(), announcedUser(), announcedUser(), announcedUser()]);
    await world.settlement.run();
    await world.advance(DELAY + DAY);
    world.chainSays.seenUntil = await now();
    const cancels = cases.map(async ({ old, key, next, number }) => {
      const signature = await cancelSignature(old, key, { next, old, number });
      return (await world.post("/api/v1/wallets/cancel", { user: key, number, signature })).status;
    });
    const [, ...statuses] = await Promise.all([world.wallets.follow(), ...cancels]);
    await world.wallets.follow();
    for (const [place, { user, old, next }] of cases.entries())
      expect(await owners(user)).toEqual(lower(statuses[place] === 200 ? old : next));
  });

  test("in all that was done so far holds before an auditor; one that an operator completes against the chain does not", async () => {
    const { user, old, key } = await announcedUser();
    await world.settlement.run();
    expect((await auditOwners(world)).checked).toBeGreaterThan(10);
    await mined(world.chain.signer?.sendTransaction({ to: old.address, value: parseEther("1") }));
    const { abi } = contractArtifact("SettlementRegistry");
    const registry = new Contract(world.record.registry, abi, old.signer.connect(world.chain.provider));
    await mined(registry.getFunction("cancelWallet")(key));
    await world.advance(DELAY + DAY);
    world.chainSays.seenUntil = await now();
    // Nobody told the ledger of the cancellation.
    expect((await world.wallets.follow()).completed).toBeGreaterThanOrEqual(1);
    await world.settlement.run();
    await expect(auditOwners(world)).rejects.toThrow(/cancelled on-chain/);
    expect(await owners(user)).not.toEqual(lower(old));
  });
});
