/** An epoch holds all that was final an hour before it closed, so none is closed while nobody knows what that is. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Chain, connectChain, createClient, createMetrics, deployAnchor, type Metrics } from "#infra";
import { systemClock } from "#kernel";
import { ledgerQueries } from "#ledger";
import type { Settlement } from "#settlement";
import { createProbes } from "../../src/probes.ts";
import { mined } from "../support/mined.ts";
import { expectCoherentWithChain } from "./chain-coherence.ts";
import { type RpcRelay, type RpcRequest, startRpcRelay } from "./rpc-relay.ts";
import { createWatchWorld, type Person, TOKENS, type WatchWorld } from "./watch-world.ts";

const MINUTE = 60;
const FINALITY = 3;

let world: WatchWorld;
let owner: ReturnType<typeof createClient>;
let anna: Person;
let relay: RpcRelay;
let chain: Chain;
let metrics: Metrics;
let settlement: Settlement;
let instead: (request: RpcRequest) => { ask: RpcRequest } | { result: unknown } | null;

beforeAll(async () => {
  world = await createWatchWorld();
  owner = createClient({
    ...{ url: world.database.ownerUrl, schema: world.database.schema, applicationName: "behind-test" },
  });
  await owner.connect();
  anna = await world.person("anna");
  await world.withTokens(anna, 100n * TOKENS);
  relay = await startRpcRelay(
    world.anvil.rpcUrl,
    async () => {},
    (request) => instead(request),
  );
  chain = await connectChain({
    ...{
      rpcUrl: relay.url,
      privateKey: world.anvil.privateKeys[0],
      chainId: 31_337n,
    },
  });
});
beforeEach(async () => {
  instead = () => null;
  metrics = createMetrics();
  settlement = await world.open({ chain, metrics, watching: world.watching() });
  await settlement.run();
  // Something to close an epoch for.
  await world.grant("anna", TOKENS);
});
afterEach(() => settlement.stop());
afterAll(async () => {
  if (!world) return;
  await expectCoherentWithChain(world, {});
  chain.close();
  await relay.close();
  await owner.end();
  await world.close();
});

const epochs = async () => (await settlement.epochs(null, 1))[0]?.epoch;
const advanceLedger = (minutes: number) => owner.query("SELECT advance_clock($1)", [minutes * MINUTE]);
const mine = (blocks: number) => world.chain.provider.send("anvil_mine", [`0x${blocks.toString(16)}`]);
const refuses = async (why: RegExp) => {
  const before = await epochs();
  await expect(settlement.run()).rejects.toMatchObject({ code: "unavailable", message: why });
  expect(await epochs()).toBe(before);
  expect(await metrics.registry.metrics()).toContain("anchorbook_settlement_held_back 1");
};
/** What the server answers of the watcher when it is asked whether it is ready. */
const probed = async (of = settlement) => {
  const probes = createProbes({
    ...{ database: world.dataSource, books: ledgerQueries(world.dataSource), clock: systemClock },
    ...{ disk: null, redis: null, chain, settlement: of, assetBooks: { open: new Map(), failed: new Map() } },
  });
  return probes.find(({ name }) => name === "watcher")?.check();
};
const goesOn = async () => {
  const before = (await epochs()) ?? 0;
  expect(await settlement.run()).toMatchObject({ outcome: "settled", epoch: { status: "final" } });
  expect(await epochs()).toBe(before + 1);
  expect(await metrics.registry.metrics()).toContain("anchorbook_settlement_held_back 0");
};

describe("a node that is away", () => {
  it("holds nothing up for 45 minutes, and then the closing alone, until it is back", async () => {
    const before = (await epochs()) ?? 0;
    relay.cut(true);
    await world.advance(44 * MINUTE);
    await expect(settlement.run()).rejects.toMatchObject({ code: "unavailable" });
    expect(await epochs()).toBe(before + 1);
    await world.advance(2 * MINUTE);
    await world.grant("anna", TOKENS);
    await refuses(/does not answer/);
    relay.cut(false);
    await goesOn();
    expect((await settlement.epochs(null, 2)).map(({ status }) => status)).toEqual(["final", "final"]);
  });

  it("holds up no book without a token, which nothing comes into", async () => {
    const record = await deployAnchor(world.chain, { windowSeconds: 0, attesters: [] });
    const anchor = await world.open({ chain, record, watching: world.watching() });
    relay.cut(true);
    await expect(anchor.run()).rejects.toMatchObject({ code: "unavailable" });
    expect(await anchor.epochs(null, 9)).toMatchObject([{ epoch: 1, status: "built" }]);
    relay.cut(false);
    await anchor.run();
    expect(await anchor.epochs(null, 9)).toMatchObject([{ epoch: 1, status: "final" }]);
    await anchor.stop();
    await goesOn();
  });
});

it("is told that no block of a book is final before its first one is", async () => {
  const record = await deployAnchor(world.chain, { windowSeconds: 0, attesters: [] });
  const fresh = await world.open({ chain, record, watching: world.watching({ finality: 2 }) });
  const first = record.deployed_block;
  const look = async () => {
    await fresh.watcher?.look();
    return (await probed(fresh))?.replace(/, \d+ demands are open$/, "");
  };
  expect(await look()).toBe(`block ${first} is seen, none from the book's first, ${first}, on is final yet`);
  await mine(1);
  expect(await look()).toBe(
    `block ${first + 1} is seen, none from the book's first, ${first}, on is final yet`,
  );
  await mine(1);
  expect(await look()).toBe(`block ${first + 2} is seen, ${first} is final`);
  await fresh.stop();
});

describe("no epoch is closed", () => {
  it("while the node leaves out what happened", async () => {
    await mined(world.vault(anna).getFunction("deposit")(7n));
    expect(await probed()).toMatch(/^block \d+ is seen/);
    instead = ({ method }) => (method === "eth_getLogs" ? { result: [] } : null);
    await world.advance(46 * MINUTE);
    await refuses(/what was final on the chain after .*Z is not known so far/);
    await expect(probed()).rejects.toThrow(
      "no epoch is closed: what was final on the chain in the last 45 minutes",
    );
    instead = () => null;
    await goesOn();
    expect(await probed()).toMatch(/^block \d+ is seen/);
    const { depositSeq } = (await settlement.latestEpoch())?.header ?? {};
    expect(depositSeq).toBe(BigInt((await settlement.watcher?.status())?.lastEntry ?? -1));
  });

  it("which is nothing new where nothing waits", async () => {
    await goesOn();
    instead = ({ method }) => (method === "eth_getLogs" ? { result: [] } : null);
    await mined(world.vault(anna).getFunction("deposit")(7n));
    await world.advance(46 * MINUTE);
    expect(await settlement.run()).toMatchObject({ outcome: "unchanged", epoch: { status: "final" } });
    expect(await metrics.registry.metrics()).toContain("anchorbook_settlement_held_back 1");
    await world.grant("anna", TOKENS);
    await refuses(/^Not settled: what was final on the chain after .*Z is not known so far$/);
    instead = () => null;
    await goesOn();
  });

  it("while something that was final is not on the chain any more", async () => {
    await mined(world.vault(anna).getFunction("deposit")(7n));
    await settlement.watcher?.look();
    const lost = (is: boolean) =>
      world.rows("UPDATE chain_event SET lost = $1 WHERE event = 'EntryMade' AND seq IS NOT NULL", [is]);
    await lost(true);
    await refuses(/events that were final are not on the chain any more/);
    await lost(false);
    await goesOn();
  });

  it("where the clock is moved, or the process stands still, between the look and the closing", async () => {
    await settlement.stop();
    let still = true;
    settlement = await world.open({
      ...{ chain, metrics, watching: world.watching() },
      faults: async (point) => {
        if (point === "before-closing" && still) await world.advance(46 * MINUTE);
        still = false;
      },
    });
    await refuses(/is not known so far/);
    // All books of the ledger need it, by connections of their own.
    const lock = "hashtextextended(current_schema() || '.journal-log', 0)";
    const { rows } = await owner.query(
      `SELECT pg_try_advisory_lock(${lock}) AS is_free, pg_advisory_unlock(${lock})`,
    );
    expect(rows[0]).toMatchObject({ is_free: true });
    await goesOn();
  });
});

describe("a chain whose blocks are final later", () => {
  it("is known up to its newest block, not up to the last look: the node may be stuck", async () => {
    await settlement.stop();
    settlement = await world.open({ chain, metrics, watching: world.watching({ finality: FINALITY }) });
    await advanceLedger(46);
    await refuses(/is not known so far/);
    await world.chain.provider.send("evm_increaseTime", [46 * MINUTE]);
    await mine(1);
    await goesOn();
  });

  it("is known 64 blocks above what it says is final, which may stand still while blocks go on", async () => {
    await settlement.stop();
    settlement = await world.open({ chain, metrics, watching: world.watching({ finality: "finalized" }) });
    const { number } = (await world.chain.provider.getBlock("latest")) ?? {};
    const stands = `0x${number?.toString(16)}`;
    instead = (request) =>
      request.params[0] === "finalized" ? { ask: { ...request, params: [stands, false] } } : null;
    await mine(64);
    await world.advance(46 * MINUTE);
    await mine(2);
    await refuses(/is not known so far/);
    // Anvil says that what lies 64 deep is final.
    instead = () => null;
    await goesOn();
  });
});
