/**
 * The old wallet's objection, on a real chain whose clock is not the ledger's: the server keeps the announced change or ends
 * it, by the same table as the auditor, who finds nothing to object to in what the server did.
 */
import { Contract } from "ethers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { contractArtifact } from "#infra";
import { systemIds } from "#kernel";
import type { Hex } from "#proof";
import type { ChainEffects, ChainWatcher, Settlement } from "#settlement";
import { onWalletCancelled } from "#wallets";
import { type AuditWorld, createAuditWorld } from "../settlement/audit-world.ts";
import { openEffects } from "../settlement/watch-world.ts";
import { mined } from "../support/mined.ts";
import { OBJECTIONS, type ObjectionCase } from "./objection-cases.ts";
import { createWalletWorld, newWallet, type WalletWorld } from "./world.ts";

type Wallet = ReturnType<typeof newWallet>;
const HALF_AN_HOUR = 1_800;
const FINALITY = 2;

let world: WalletWorld;
let audited: AuditWorld;
let effects: ChainEffects;
let settlement: Settlement;
const opened: Settlement[] = [];

async function open(more: Partial<ChainEffects> = {}, finality = 0): Promise<Settlement> {
  const watching = { effects: () => ({ ...effects, ...more }), finality, ids: systemIds };
  const one = await world.open({ watching });
  opened.push(one);
  return one;
}

beforeAll(async () => {
  world = await createWalletWorld();
  audited = await createAuditWorld(async () => world);
  const { ledger, dataSource } = world;
  const opening = await openEffects({ ledger, dataSource, linked: new Map() });
  effects = {
    ...opening.effects,
    walletCancelled: (view, cancellation) => onWalletCancelled(view, cancellation),
  };
  settlement = await open();
});
afterAll(async () => {
  for (const one of opened) await one.stop();
  await audited?.close();
});

const now = async () => (await world.rows<{ now: number }>("SELECT ledger_now() AS now"))[0]?.now ?? 0;
const chainTime = async () => (await world.chain.provider.getBlock("latest"))?.timestamp ?? 0;
const send = (method: string, ...params: unknown[]) => world.chain.provider.send(method, params);

async function mineAt(time: number): Promise<void> {
  await send("evm_setNextBlockTimestamp", time);
  await send("evm_mine");
}

function watcherOf({ watcher }: Settlement): ChainWatcher {
  if (!watcher) throw new Error("nobody watches");
  return watcher;
}

/** Ledger and chain say the same time, which is later than any before. */
async function together(): Promise<void> {
  const ahead = (await chainTime()) - (await now()) + 1;
  await world.advance(Math.max(ahead, 1));
}

async function linked(): Promise<{ user: string; old: Wallet; key: Hex }> {
  const [user, old] = [await world.user(5n), newWallet()];
  expect((await world.link(user, old)).body.status).toBe("linked");
  await send("anvil_setBalance", old.address, "0xde0b6b3a7640000");
  const { body } = await world.get("/api/v1/wallets", { as: user });
  return { user, old, key: body.user };
}

async function announced(user: string): Promise<{ next: Wallet; at: number }> {
  const next = newWallet();
  const { body } = await world.link(user, next);
  expect(body.status).toBe("announced");
  await send("anvil_setBalance", next.address, "0xde0b6b3a7640000");
  const [row] = await world.rows<{ at: number }>(
    "SELECT announced_at AS at FROM wallet_user WHERE user_id = $1",
    [user],
  );
  return { next, at: row?.at ?? 0 };
}

async function objects({ signer }: Wallet, key: Hex, time: number): Promise<void> {
  const { abi } = contractArtifact("SettlementRegistry");
  const registry = new Contract(world.record.registry, abi, signer.connect(world.chain.provider));
  await send("evm_setNextBlockTimestamp", time);
  await mined(registry.getFunction("cancelWallet")(key));
  expect(await chainTime()).toBe(time);
}

const walletsOf = async (user: string) => (await world.get("/api/v1/wallets", { as: user })).body;

async function anchored(user: string, by = settlement): Promise<number> {
  await together();
  await by.run();
  const { announced: change } = await walletsOf(user);
  return change === null ? 0 : Date.parse(change.due_at) / 1_000;
}

/** What the schedule does, by what the watcher knows. */
async function follow(): Promise<void> {
  world.chainSays.seenUntil = (await watcherOf(settlement).status())?.finalTime ?? null;
  expect(await world.wallets.follow()).toMatchObject({ failed: 0 });
}

/** @returns whether the change took place */
async function played({ at, line, by }: ObjectionCase): Promise<boolean> {
  const watcher = watcherOf(settlement);
  await together();
  const { user, old, key } = await linked();
  if ("fromAnnouncement" in at && at.fromAnnouncement < HALF_AN_HOUR)
    await world.advanceLedger(5 * HALF_AN_HOUR);
  const early = "fromAnnouncement" in at ? at.fromAnnouncement : null;
  if (line === "before the announcement") {
    await objects(old, key, (await now()) + (early ?? 0));
    await watcher.look();
  }
  const change = await announced(user);
  const objector = by === "old" ? old : change.next;
  if (line === "behind it" && early !== null) {
    await objects(objector, key, change.at + early);
    await watcher.look();
  }
  const due = await anchored(user);
  if (due > 0) {
    const late = "fromDue" in at ? at.fromDue : null;
    await world.advanceLedger(due - (await now()));
    if (late === null || late >= 0) await mineAt(due);
    await watcher.look();
    if (late !== null) await objects(objector, key, due + late);
    if (line === "behind it") await watcher.look();
  }
  await follow();
  const { wallet } = await walletsOf(user);
  expect([old.address, change.next.address]).toContain(wallet);
  // What nobody had read when it was decided has its line in the end.
  await together();
  await settlement.run();
  return wallet === change.next.address;
}

describe("an announced change, with an objection", () => {
  it.each(OBJECTIONS)("$name", async (found) => {
    expect(await played(found)).toBe(found.stands);
  });

  it("that the chain takes back before it is final, completes", async () => {
    const deep = watcherOf(await open({}, FINALITY));
    await together();
    const { user, old, key } = await linked();
    const { next } = await announced(user);
    const due = await anchored(user);
    await world.advanceLedger(due - (await now()));
    await objects(old, key, due - 1);
    await deep.look();
    await send("anvil_reorg", 1, []);
    // Its place is taken by a block of the chain's own time, which is no matter.
    for (let block = 0; block <= FINALITY; block++) await mineAt(due + HALF_AN_HOUR + block);
    await deep.look();
    await follow();
    expect((await walletsOf(user)).wallet).toBe(next.address);
  });

  it("that is made twice, ends two changes, and no third one", async () => {
    await together();
    const { user, old, key } = await linked();
    for (let times = 0; times < 2; times++) {
      await announced(user);
      await objects(old, key, (await chainTime()) + 1);
      await watcherOf(settlement).look();
      expect((await walletsOf(user)).announced).toBeNull();
    }
    const { next } = await announced(user);
    const due = await anchored(user);
    await world.advance(due - (await now()));
    await watcherOf(settlement).look();
    await follow();
    expect((await walletsOf(user)).wallet).toBe(next.address);
  });
});

const audit = () => audited.audit("--finality-depth", "0");

describe("an auditor", () => {
  it("finds nothing wrong with what the server did", async () => {
    await together();
    await settlement.run();
    const { valid, checks } = await audit();
    expect([valid, checks.at(-1)?.name]).toEqual([true, "attestations"]);
    expect(checks.find(({ name }) => name === "chain_lines")?.detail).toMatch(/have their line, 0 wait/);
  });

  it("finds an objection that was made at once, where the ledger's clock is half an hour ahead", async () => {
    const deaf = await open({ walletCancelled: () => {} });
    await together();
    const { user, old, key } = await linked();
    await world.advanceLedger(HALF_AN_HOUR);
    const { next, at } = await announced(user);
    await objects(old, key, at - HALF_AN_HOUR + 60);
    const due = await anchored(user, deaf);
    await world.advance(due - (await now()));
    await watcherOf(deaf).look();
    await follow();
    expect((await walletsOf(user)).wallet).toBe(next.address);
    await deaf.run();
    const { code, checks } = await audit();
    expect([code, checks.at(-1)]).toEqual([1, expect.objectContaining({ name: "owners", ok: false })]);
    expect(checks.at(-1)?.detail).toMatch(/refers to link 2, .* nor announced any more$/);
  });
});
