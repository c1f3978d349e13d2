/** A book that its owner left behind: the watcher records what happened, credits nothing more, and says so. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { connectChain, createMetrics } from "#infra";
import { systemClock } from "#kernel";
import { ledgerQueries } from "#ledger";
import type { ProofDocument } from "#proof";
import type { Settlement } from "#settlement";
import { createProbes } from "../../src/probes.ts";
import { freezeBook } from "../support/committed-locks.ts";
import { mined } from "../support/mined.ts";
import { type AuditWorld, createAuditWorld } from "./audit-world.ts";
import { startRpcRelay } from "./rpc-relay.ts";
import { createWatchWorld, leafTuple, nodes, type Person, TOKENS, type WatchWorld } from "./watch-world.ts";

const DAY = 86_400;

let world: WatchWorld;
let audited: AuditWorld;
let anna: Person;
let balance: ProofDocument;

beforeAll(async () => {
  world = await createWatchWorld();
  audited = await createAuditWorld(async () => world);
  anna = await world.person("anna");
  await world.withTokens(anna, 20n * TOKENS);
  await world.grant("anna", 30n * TOKENS);
  await world.settlement.run();
  balance = await world.proof("balances", world.position("balances", "anna"));
});
afterAll(() => audited?.close());

const kinds = async () =>
  (
    await world.rows<{ event: string }>("SELECT event FROM chain_event WHERE final ORDER BY block, log_index")
  ).map(({ event }) => event);

const frozenIn = async () =>
  (await world.rows<{ block: number }>("SELECT block FROM chain_event WHERE event = 'Frozen'"))[0]?.block ??
  0;

/** What `/readyz` says of the watcher. */
async function probed(settlement: Settlement, name = "watcher"): Promise<unknown> {
  const services = { settlement, books: ledgerQueries(world.dataSource), clock: systemClock };
  const probes = createProbes({
    ...{ ...services, database: world.dataSource, disk: null, redis: null, chain: world.chain },
    assetBooks: { open: new Map(), failed: new Map() },
  });
  return probes.find((probe) => probe.name === name)?.check();
}

/** A node of its own before the chain. */
async function relayed(...more: Parameters<typeof startRpcRelay> extends [unknown, ...infer R] ? R : never) {
  const relay = await startRpcRelay(world.anvil.rpcUrl, ...more);
  const [privateKey] = world.anvil.privateKeys;
  const chain = await connectChain({
    ...{ rpcUrl: relay.url, privateKey, chainId: 31_337n },
  });
  const settlement = await world.open({ chain });
  const end = async () => {
    await settlement.stop();
    chain.close();
    await relay.close();
  };
  return { relay, settlement, end };
}

/** One that the chain never gets. */
async function closeWithoutChain(): Promise<void> {
  const { relay, settlement, end } = await relayed(async () => {});
  relay.cut(true);
  await world.grant("anna", 1n);
  await expect(settlement.run()).rejects.toMatchObject({ code: "unavailable" });
  await end();
}

it("keeps pauses, which stop nothing here", async () => {
  const operator = world.chain.signer;
  if (!operator) throw new Error("no signer");
  const registry = world.contract("registry", { ...anna, wallet: operator });
  await mined(registry.getFunction("pause")());
  await mined(registry.getFunction("unpause")());
  await world.watcher.look();
  expect((await kinds()).slice(-2)).toEqual(["Paused", "Unpaused"]);
});

it("settles on where the chain takes back a freeze that was not final", async () => {
  const send = (method: string, params: unknown[]) => world.chain.provider.send(method, params);
  const before = await send("evm_snapshot", []);
  await freezeBook(world.chain, world.record);
  const later = await world.open({ watching: world.watching({ finality: 64 }) });
  await world.grant("anna", 1n);
  await expect(later.run()).rejects.toThrow("the book is frozen on-chain at epoch");
  await send("evm_revert", [before]);
  await send("anvil_mine", ["0x3"]);
  // Nobody looked since.
  expect(await later.run()).toMatchObject({ outcome: "settled", epoch: { status: "final" } });
  expect(await later.watcher?.status()).toMatchObject({ frozen: false, freezing: false });
  await later.stop();
  balance = await world.proof("balances", world.position("balances", "anna"));
});

it("records a freeze, credits no entry that the contracts pay back, and is degraded", async () => {
  const vault = world.vault(anna);
  await closeWithoutChain();
  await mined(vault.getFunction("deposit")(3n * TOKENS));
  await world.demandExit(anna, "balances", world.position("balances", "anna"));
  await world.advance(7 * DAY + 60);
  const { index } = balance.leaf;
  await mined(vault.getFunction("requestFreeze")(0, index));
  await world.advance(DAY + 60);
  await mined(vault.getFunction("freeze")(0, index));
  const unseeing = await world.open();
  await expect(unseeing.run()).rejects.toThrow(/the book is frozen on-chain, and nothing settles any more$/);
  await unseeing.stop();
  const later = await world.open({ watching: world.watching({ finality: 64 }) });
  await later.watcher?.look();
  expect(await later.watcher?.status()).toMatchObject({ frozen: false, freezing: true });
  await expect(probed(later)).rejects.toThrow("was frozen on-chain, in a block that is not final yet");
  const lastFinal = await world.settlement.newestFinal();
  const why = `the book is frozen on-chain at epoch ${lastFinal}: nothing settles any more`;
  await expect(probed(later, "settlement")).rejects.toThrow(why);
  const closed = (await later.latestEpoch())?.epoch;
  for (let time = 0; time < 2; time++) await expect(later.run()).rejects.toThrow(`Not settled: ${why}`);
  await later.advance();
  expect((await later.latestEpoch())?.epoch).toBe(closed);
  await later.stop();
  await mined(vault.getFunction("repayEntry")(1));
  await mined(vault.getFunction("escape")(0, leafTuple(balance.leaf), nodes(balance.siblings)));
  await world.watcher.look();
  expect(await world.settlement.latestEpoch()).toMatchObject({ status: "built" });
  expect((await kinds()).slice(-6)).toEqual([
    ...["EntryMade", "ExitDemanded", "FreezeRequested", "Frozen", "EntryRepaid", "Escaped"],
  ]);
  const [entry] = await world.rows("SELECT credited_as, owner_id FROM chain_entry");
  expect(entry).toEqual({ credited_as: "nothing", owner_id: null });
  expect(
    await world.settlement.chain.entries({ wallet: anna.address, before: null, limit: 5 }),
  ).toMatchObject([{ entry: 1, status: "not_credited", amount: "3" }]);
  expect(await world.watcher.status()).toMatchObject({
    ...{ frozen: true, freezing: false, openDemands: 1, waiting: 0 },
  });
  await expect(probed(world.settlement)).rejects.toThrow("is frozen on-chain: nothing settles any more");
  await expect(probed(world.settlement, "settlement")).rejects.toThrow(why);
});

/** By a node of which this block is the newest. @returns whether it was asked for it */
async function advanceBehind(newest: number): Promise<boolean> {
  const stands = `0x${newest.toString(16)}`;
  let isAsked = false;
  const { settlement, end } = await relayed(
    async () => {},
    (request) => {
      if (!request.params.includes("latest")) return null;
      isAsked = true;
      return { ask: { ...request, params: request.params.map((one) => (one === "latest" ? stands : one)) } };
    },
  );
  // It may take what is final for taken back, and looks again.
  for (let time = 0; time < 2; time++) await settlement.advance().catch(() => {});
  await end();
  return isAsked;
}

it("believes no node that has not come so far which epochs were not final", async () => {
  expect(await advanceBehind(world.record.deployed_block)).toBe(true);
  expect(await advanceBehind((await frozenIn()) - 1)).toBe(true);
  expect(await world.rows("SELECT number FROM epoch WHERE status = 'cancelled'")).toEqual([]);
  expect(await world.settlement.epoch(1)).toMatchObject({ status: "final" });
});

it("ends the epochs that were not final, once and for all, and closes no more", async () => {
  const before = await world.settlement.latestEpoch();
  // Known to the node whose newest block it is.
  await advanceBehind(await frozenIn());
  expect(await world.settlement.latestEpoch()).toMatchObject({ epoch: before?.epoch, status: "cancelled" });
  const metrics = createMetrics();
  const observed = await world.open({ metrics, watching: world.watching() });
  await observed.advance();
  await observed.advance();
  expect(await observed.latestEpoch()).toMatchObject({ epoch: before?.epoch, status: "cancelled" });
  expect(
    await world.rows("SELECT data ->> 'epoch' AS epoch FROM event WHERE type = 'epoch.cancelled'"),
  ).toEqual([{ epoch: `${before?.epoch}` }]);
  const figures = await metrics.registry.metrics();
  for (const status of ["built", "sent", "committed", "vetoed"])
    expect(figures).toContain(`anchorbook_outbox_epochs{status="${status}"} 0`);
  expect(figures).toContain("anchorbook_outbox_oldest_age_seconds 0");
  // Their lines wait for ever, also where none came since.
  for (let time = 0; time < 2; time++)
    await expect(observed.run()).rejects.toMatchObject({ code: "unavailable", message: /frozen on-chain/ });
  expect(await observed.latestEpoch()).toMatchObject({ epoch: before?.epoch, status: "cancelled" });
  await observed.stop();
});

it("is said to be frozen by who audits it", async () => {
  const { timestamp } = (
    await world.rows<{ timestamp: number }>(
      "SELECT block_time AS timestamp FROM chain_event WHERE event = 'Frozen'",
    )
  )[0] ?? { timestamp: 0 };
  const { checks } = await audited.audit();
  const since = new Date(timestamp * 1_000).toISOString().replace(".000Z", "Z");
  expect(checks.find(({ name }) => name === "header_chain")?.detail).toMatch(
    new RegExp(`final in the registry; the book is frozen since ${since}: no other epoch becomes final$`),
  );
});
