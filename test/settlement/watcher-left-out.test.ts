/** A node whose answer leaves an event out once: it is found before its block counts, whatever the event, and said. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Chain, connectChain, contractArtifact, createMetrics } from "#infra";
import type { ChainWatcher, Settlement, Watching } from "#settlement";
import { ACCESS_RULES } from "../programs/access/coherence-rules.ts";
import { LEDGER_RULES } from "../support/coherence-rules.ts";
import { mined } from "../support/mined.ts";
import { expectCoherentWithChain } from "./chain-coherence.ts";
import { type Mood, type MoodyNode, startMoodyNode } from "./moody-node.ts";
import { createWatchWorld, leafTuple, nodes, type Person, TOKENS, type WatchWorld } from "./watch-world.ts";

const FINALITY = 3;
const KEY = `0x${"0c".repeat(32)}`;
const metrics = createMetrics();

let world: WatchWorld;
let anna: Person;
let dora: Person;
let node: MoodyNode;
let chain: Chain;
let watcher: ChainWatcher;
const opened: Settlement[] = [];

beforeAll(async () => {
  world = await createWatchWorld();
  anna = await world.person("anna");
  dora = await world.person("dora");
  await world.withTokens(anna, 100n * TOKENS);
  await world.grant("dora", 5n * TOKENS);
  await world.settlement.run();
  node = await startMoodyNode(world.anvil.rpcUrl);
  const [privateKey] = world.anvil.privateKeys;
  chain = await connectChain({
    ...{ rpcUrl: node.url, privateKey, chainId: 31_337n, requestTimeoutMs: 10_000 },
  });
  watcher = await watching({});
  await watcher.look();
});
afterEach(() => node.be(null));
afterAll(async () => {
  if (!world) return;
  await expectCoherentWithChain(world, { ...LEDGER_RULES, ...ACCESS_RULES });
  for (const settlement of opened) await settlement.stop();
  chain.close();
  await node.close();
  await world.close();
});

async function watching(overrides: Partial<Watching>): Promise<ChainWatcher> {
  const settlement = await world.open({ chain, metrics, watching: world.watching(overrides) });
  opened.push(settlement);
  if (!settlement.watcher) throw new Error("nobody watches");
  return settlement.watcher;
}

interface Logs {
  readonly topics: readonly string[];
}

/** Leaves an event out of some of the answers that hold it. */
function leavesOutWhere(event: string, isLeftOut: (question: string) => boolean): Mood {
  const topics = (["SettlementRegistry", "SettlementVault"] as const).map(
    (contract) => contractArtifact(contract).abi.getEvent(event)?.topicHash,
  );
  return async ({ method, params }, answer) => {
    const result = await answer();
    if (method !== "eth_getLogs") return { result };
    const logs = result as Logs[];
    const others = logs.filter(({ topics: [topic] }) => !topics.includes(topic));
    return { result: others.length < logs.length && isLeftOut(JSON.stringify(params)) ? others : logs };
  };
}

/** Leaves an event out of one answer, of those that hold it the one with this number. */
function leavesOut(event: string, which: number): { readonly mood: Mood; readonly held: () => number } {
  let held = 0;
  const mood = leavesOutWhere(event, () => {
    held += 1;
    return held === which;
  });
  return { mood, held: () => held };
}

const figure = async (name: string) => {
  const text = await metrics.registry.getSingleMetricAsString(name);
  return Number(/ (\d+)$/.exec(text.trim())?.[1]);
};
const newest = async (event: string) =>
  (
    await world.rows<{ block: number; final: boolean; has_line: boolean }>(
      `SELECT block, final, seq IS NOT NULL AS has_line FROM chain_event WHERE event = $1 AND NOT lost
       ORDER BY block DESC, log_index DESC LIMIT 1`,
      [event],
    )
  )[0];
const height = () => world.chain.provider.getBlockNumber();
const mine = (blocks: number) => world.chain.provider.send("anvil_mine", [`0x${blocks.toString(16)}`]);
const deposit = () => mined(world.vault(anna).getFunction("deposit")(1n));
const cancel = () => mined(world.contract("registry", anna).getFunction("cancelWallet")(KEY));
const pause = async (name: "pause" | "unpause") => {
  const operator = world.chain.signer;
  if (!operator) throw new Error("no signer");
  await mined(world.contract("registry", { ...anna, wallet: operator }).getFunction(name)());
};
const claim = async () => {
  const accountId = world.ledger.accountId({ asset: "TST", role: "payouts", owner: "dora" });
  const position = { accountId, userId: "dora", keyParts: ["dora"] as [string] };
  const { header, leaf, siblings } = await world.proof("payouts", position);
  await mined(world.vault(dora).getFunction("claim")(header.epoch, leafTuple(leaf), nodes(siblings)));
};

describe("a node that leaves out once", () => {
  it.each<[event: string, hasLine: boolean, make: () => Promise<unknown>]>([
    ["EntryMade", true, deposit],
    ["WalletCancelled", true, cancel],
    ["Paused", false, () => pause("pause")],
    ["Unpaused", false, () => pause("unpause")],
    ["ExitDemanded", true, () => world.demandExit(dora, "balances", world.position("balances", "dora"))],
    [
      "DemandServed",
      true,
      async () => {
        await world.advance(5);
        await world.settlement.run();
      },
    ],
    [
      "EpochCommitted",
      false,
      async () => {
        await world.grant("anna", 1n);
        await world.settlement.run();
      },
    ],
    ["Claimed", true, claim],
  ])("%s is asked again before it counts", async (event, hasLine, make) => {
    await watcher.look();
    const [before, missed] = [await height(), await figure("anchorbook_watcher_missed_total")];
    await make();
    const { mood, held } = leavesOut(event, 1);
    node.be(mood);
    await watcher.look();
    expect(held()).toBe(2);
    const found = await newest(event);
    expect(found).toMatchObject({ final: true, has_line: hasLine });
    expect(found?.block).toBeGreaterThan(before);
    expect(await figure("anchorbook_watcher_missed_total")).toBe(missed + 1);
    expect(await world.watcher.status()).toMatchObject({ waiting: 0, lost: 0 });
  });

  it("what a demand moved into payouts was paid: it was known in time", async () => {
    const [demand] = await world.rows("SELECT swept, served_at FROM exit_demand");
    expect(demand).toEqual({ swept: 5n * TOKENS, served_at: expect.any(Number) });
  });

  it("what it gave before confirms nothing, and is asked again", async () => {
    await watcher.look();
    const before = await watcher.status();
    await cancel();
    const { mood, held } = leavesOut("WalletCancelled", 2);
    node.be(mood);
    await expect(watcher.look()).rejects.toMatchObject({ code: "unavailable" });
    expect(held()).toBe(2);
    expect(await watcher.status()).toMatchObject({ finalBlock: before?.finalBlock, waiting: 1, lost: 0 });
    await watcher.look();
    expect(await newest("WalletCancelled")).toMatchObject({ final: true, has_line: true });
  });
});

describe("what was left out", () => {
  it("until its block was final is found then, and the chain counts as known no sooner", async () => {
    const later = await watching({ finality: FINALITY });
    await watcher.look();
    await cancel();
    const block = await height();
    node.be(async ({ method }, answer) => ({ result: method === "eth_getLogs" ? [] : await answer() }));
    for (let confirmations = 1; confirmations < FINALITY; confirmations++) {
      await later.look();
      await mine(1);
    }
    await later.look();
    expect(await later.status()).toMatchObject({ seenBlock: await height(), waiting: 0 });
    expect((await later.status())?.finalBlock).toBeLessThan(block);
    node.be(null);
    await mine(1);
    await later.look();
    expect(await later.status()).toMatchObject({ finalBlock: block, waiting: 0 });
    expect(await newest("WalletCancelled")).toMatchObject({ block, final: true, has_line: true });
  });

  it.each(["seen", "confirmed"] as const)(
    "of an answer to an instance that is killed at %s is found by another",
    async (point) => {
      await cancel();
      const block = await height();
      node.be(leavesOut("WalletCancelled", 1).mood);
      const dying = await watching({
        faults: (now) => {
          if (now === point) throw new Error("killed");
        },
      });
      await expect(dying.look()).rejects.toThrow("killed");
      await world.watcher.look();
      expect(await newest("WalletCancelled")).toMatchObject({ block, final: true, has_line: true });
    },
  );

  it("of every answer to the same question is found by another", async () => {
    const ranges = await watching({ widestRange: 10 });
    await ranges.look();
    await cancel();
    const block = await height();
    await mine(100);
    let first: string | undefined;
    // As behind an answer that is kept from when the node did not have it.
    node.be(
      leavesOutWhere("WalletCancelled", (question) => {
        first ??= question;
        return question === first;
      }),
    );
    await ranges.look();
    expect([first === undefined, await newest("WalletCancelled")]).toEqual([
      false,
      { block, final: true, has_line: true },
    ]);
  });

  // Each of the newest 64 blocks is kept as it was seen; of those below only how they ended.
  it.each([0, 70])(
    "is not looked for where the chain took it back meanwhile, %i blocks deep",
    async (above) => {
      let isTaken = true;
      const reorged = await watching({
        faults: async (point) => {
          if (point !== "seen" || isTaken) return;
          isTaken = true;
          await world.chain.provider.send("anvil_reorg", [above + 1, []]);
        },
      });
      await reorged.look();
      const before = await newest("WalletCancelled");
      isTaken = false;
      await cancel();
      if (above > 0) await mine(above);
      await expect(reorged.look()).rejects.toMatchObject({ code: "unavailable" });
      await reorged.look();
      expect(await newest("WalletCancelled")).toEqual(before);
      expect(await reorged.status()).toMatchObject({ waiting: 0, lost: 0, finalBlock: await height() });
    },
  );
});

describe("asking again", () => {
  it("is one question for all blocks that became final", async () => {
    const fresh = await watching({});
    await fresh.look();
    await mine(5);
    node.be(null);
    await fresh.look();
    expect(node.asked.filter(({ method }) => method === "eth_getLogs")).toHaveLength(1);
  });
});
