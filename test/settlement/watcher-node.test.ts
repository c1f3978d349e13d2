/** The watcher behind a node that is busy, narrow, forgetful or lying: nothing counts wrongly, and nothing is missed. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Chain, connectChain, createPool, silentLog } from "#infra";
import type { ChainWatcher } from "#settlement";
import { cancelInOneBlock } from "../support/bulk-cancel.ts";
import { startCutProxy } from "../support/cut-proxy.ts";
import { mined } from "../support/mined.ts";
import { expectCoherentWithChain } from "./chain-coherence.ts";
import { type Mood, type MoodyNode, startMoodyNode } from "./moody-node.ts";
import { createWatchWorld, type Person, TOKENS, type WatchWorld } from "./watch-world.ts";

/** Blocks that it is asked for at a time. */
const WIDEST = 40;

let world: WatchWorld;
let anna: Person;
let node: MoodyNode;
let chain: Chain;
let watcher: ChainWatcher;

beforeAll(async () => {
  world = await createWatchWorld();
  anna = await world.person("anna");
  await world.withTokens(anna, 1_000n * TOKENS);
  node = await startMoodyNode(world.anvil.rpcUrl);
  chain = await connectChain({
    ...{
      rpcUrl: node.url,
      privateKey: world.anvil.privateKeys[0],
      chainId: 31_337n,
      requestTimeoutMs: 10_000,
    },
  });
  const settlement = await world.open({ chain, watching: world.watching({ widestRange: WIDEST }) });
  if (!settlement.watcher) throw new Error("nobody watches");
  watcher = settlement.watcher;
  await watcher.look();
});
afterEach(() => node.be(null));
afterAll(async () => {
  if (!world) return;
  await expectCoherentWithChain(world, {});
  chain.close();
  await node.close();
  await world.close();
});

const credited = async () =>
  (await world.rows<{ n: number }>("SELECT count(*) AS n FROM chain_entry"))[0]?.n ?? 0;
/** So many entries, each in a block of its own, with empty blocks around them. */
async function enter(entries: number, blocksBetween: number): Promise<void> {
  for (let entry = 0; entry < entries; entry++) {
    await mined(world.vault(anna).getFunction("deposit")(1n));
    if (blocksBetween > 0) await world.chain.provider.send("anvil_mine", [`0x${blocksBetween.toString(16)}`]);
  }
}
const logsOf = (answer: unknown) => answer as { blockHash: string; blockNumber: string }[];
const rangeOf = ([filter]: readonly unknown[]) => {
  const { fromBlock, toBlock } = filter as { fromBlock?: string; toBlock?: string };
  return fromBlock === undefined || toBlock === undefined ? 1 : Number(toBlock) - Number(fromBlock) + 1;
};

describe("a node that is busy", () => {
  it.each<[string, (first: boolean) => Awaited<ReturnType<Mood>> | null]>([
    ["asks to be left alone for a while", (first) => (first ? { status: 429, retryAfter: "0" } : null)],
    [
      "is rate limited in JSON-RPC",
      (first) => (first ? { error: { code: -32_005, message: "rate limit exceeded" } } : null),
    ],
    ["is behind a gateway that fails", (first) => (first ? { status: 502 } : null)],
  ])("and %s is asked again", async (_, refuse) => {
    const before = await credited();
    await enter(1, 0);
    const seen = new Set<string>();
    node.be(async (request, answer) => {
      const refused = refuse(!seen.has(request.method));
      seen.add(request.method);
      return refused ?? { result: await answer() };
    });
    await watcher.look();
    expect(await credited()).toBe(before + 1);
    expect(seen).toContain("eth_getLogs");
  });

  it("for longer than a look may wait is left to the next look, and nothing is lost", async () => {
    const before = await credited();
    await enter(1, 0);
    node.be(async () => ({ status: 429, retryAfter: "3600" }));
    await expect(watcher.look()).rejects.toMatchObject({ code: "unavailable" });
    expect(node.asked).toHaveLength(1);
    node.be(null);
    await watcher.look();
    expect(await credited()).toBe(before + 1);
  });

  it("and silent is asked once a look and once a run, which tells it without trying again within seconds", async () => {
    const never = new Promise<never>(() => {});
    const silent = await connectChain({
      ...{ rpcUrl: node.url, privateKey: world.anvil.privateKeys[0], chainId: 31_337n },
      requestTimeoutMs: 100,
    });
    const settlement = await world.open({ chain: silent, watching: world.watching() });
    /** This process may be too busy to send a question in time, or to see it arrive: then it is done again. */
    node.be(() => never);
    let done = 0;
    const isAskedOnce = async (times: () => Promise<void>) => {
      const before = node.asked.length;
      const asked = async () => {
        await times();
        done += 1;
        return node.asked.length - before;
      };
      await expect.poll(asked, { timeout: 20_000 }).toBeGreaterThan(0);
      expect(node.asked.length).toBeLessThanOrEqual(done);
    };
    await isAskedOnce(() =>
      expect(settlement.watcher?.look()).rejects.toMatchObject({ code: "unavailable" }),
    );
    const says = "The chain does not answer; what is closed is sent when it does";
    await isAskedOnce(() =>
      expect(settlement.run()).rejects.toMatchObject({ message: says, retryAfterSeconds: 60 }),
    );
    await settlement.stop();
    silent.close();
    node.be(null);
    await world.settlement.run();
  });

  it("and away is left alone by the schedule for longer each time, and after a look that went well for little again", async () => {
    let nowMs = Date.now();
    const { watcher: followed, stop } = await world.open({
      ...{ chain, clock: { nowMs: () => nowMs }, watching: world.watching() },
    });
    const isAsked = async (afterMs: number) => {
      nowMs += afterMs;
      node.be(async () => ({ status: 429, retryAfter: "3600" }));
      await followed?.follow().catch(() => {});
      return node.asked.length > 0;
    };
    const asked = async (pauses: readonly number[]) => {
      const answers: boolean[] = [];
      for (const ms of pauses) answers.push(await isAsked(ms));
      return answers;
    };
    expect(await asked([0, 1_999, 1, 3_999, 1])).toEqual([true, false, true, false, true]);
    nowMs += 8_000;
    node.be(null);
    await followed?.follow();
    expect(await asked([0, 1_999, 1])).toEqual([true, false, true]);
    await stop();
    node.be(null);
  });

  it("and looked at in vain leaves no lock behind, by which the next look would take it that another instance is at it", async () => {
    const { appUrl, schema } = world.database;
    const proxy = await startCutProxy(appUrl);
    const pool = createPool({ url: proxy.url, schema, applicationName: "kept", max: 4, log: silentLog() });
    const settlement = await world.open({ chain, pool, watching: world.watching() });
    const before = await credited();
    await enter(1, 0);
    proxy.keepsOpen = true;
    node.be(async () => ({ status: 429, retryAfter: "3600" }));
    await expect(settlement.watcher?.look()).rejects.toMatchObject({ code: "unavailable" });
    node.be(null);
    await settlement.watcher?.look();
    expect(await credited()).toBe(before + 1);
    await settlement.stop();
    await pool.end();
    await proxy.close();
  });

  it.each([
    { code: -32_005, message: "query returned more than 10000 results" },
    { code: -32_602, message: "block range is too wide" },
  ])("and finds a range too wide ($message) is asked for less, and later for more again", async (error) => {
    const before = await credited();
    await enter(3, 50);
    node.be(async ({ method, params }, answer) =>
      method === "eth_getLogs" && rangeOf(params) > 7 ? { error } : { result: await answer() },
    );
    await watcher.look();
    expect(await credited()).toBe(before + 3);
    const ranges = node.asked
      .filter(({ method }) => method === "eth_getLogs")
      .map(({ params }) => rangeOf(params));
    expect(Math.max(...ranges)).toBeGreaterThan(7);
    expect(Math.max(...ranges)).toBeLessThanOrEqual(WIDEST);
    expect(ranges.filter((range) => range <= 7 && range > 1).length).toBeGreaterThan(2);
  });
});

describe("a chain", () => {
  // So deep below the newest, blocks are asked for many at a time.
  it.each([63, 64, 65])("that is %i blocks further is looked at up to its newest", async (blocks) => {
    await watcher.look();
    const before = await credited();
    await enter(1, blocks - 1);
    await watcher.look();
    expect(await credited()).toBe(before + 1);
    expect((await watcher.status())?.finalBlock).toBe(await world.chain.provider.getBlockNumber());
  });

  it("on which nothing happened costs its node one question a look", async () => {
    await watcher.look();
    node.be(null);
    await watcher.look();
    expect(node.asked).toEqual([
      { jsonrpc: "2.0", method: "eth_getBlockByNumber", params: ["latest", false] },
    ]);
  });
});

describe("a node that leaves entries out", () => {
  it("of every answer to a long range is noticed by the next entry or the contract's count, and asked for less", async () => {
    const before = await credited();
    await enter(4, 24);
    let cuts = 0;
    node.be(async ({ method, params }, answer) => {
      const result = await answer();
      if (method !== "eth_getLogs" || rangeOf(params) < 10) return { result };
      if (logsOf(result).length > 0) cuts += 1;
      return { result: logsOf(result).slice(1) };
    });
    await expect
      .poll(
        async () => {
          await watcher.look();
          return credited();
        },
        { timeout: 20_000 },
      )
      .toBe(before + 4);
    expect(cuts).toBeGreaterThan(0);
  });
});

describe("a block of more events than go into one statement", () => {
  /** A little more. */
  const MANY = 1_040;
  const seen = async () =>
    (
      await world.rows<{ n: number }>(
        "SELECT count(*) AS n FROM chain_event WHERE event = 'WalletCancelled' AND args ->> 'wallet' <> ''",
      )
    )[0]?.n;

  it("is seen whole or not at all, and asked for in parts", async () => {
    await watcher.look();
    await cancelInOneBlock(world.chain, world.record.registry, MANY);
    node.be(async ({ method }, answer) => {
      const result = await answer();
      if (method !== "eth_getLogs") return { result };
      const logs = logsOf(result);
      const isLast = (place: number) => place === MANY - 1;
      return {
        result: logs.map((log, place) =>
          isLast(place) ? { ...log, blockHash: `0x${"77".repeat(32)}` } : log,
        ),
      };
    });
    await expect(watcher.look()).rejects.toMatchObject({ code: "unavailable" });
    expect(await seen()).toBe(0);
    const error = { code: -32_005, message: "response is too big" };
    node.be(async ({ method, params }, answer) => {
      const { address, topics } = (params[0] ?? {}) as { address: string[]; topics?: string[][] };
      const isMuch = address?.length > 1 || topics?.[0]?.length !== 1;
      return method === "eth_getLogs" && isMuch ? { error } : { result: await answer() };
    });
    await watcher.look();
    expect(await seen()).toBe(MANY);
    // Not a page of them alone: what waits for its line is not known so far.
    expect((await watcher.status())?.waiting).toBe(0);
  });
});

describe("a node that says itself what is final", () => {
  it("is believed where it is asked, but not that more is final than there is", async () => {
    const { watcher: byTag } = await world.open({
      chain,
      watching: world.watching({ finality: "finalized" }),
    });
    const finalIs = (number: number): Mood => {
      const block = world.chain.provider.send("eth_getBlockByNumber", [`0x${number.toString(16)}`, false]);
      return async ({ method, params }, answer) =>
        method === "eth_getBlockByNumber" && params[0] === "finalized"
          ? { result: await block }
          : { result: await answer() };
    };
    await watcher.look();
    const before = await credited();
    await enter(1, 1);
    const newest = await world.chain.provider.getBlockNumber();
    node.be(finalIs(newest - 2));
    await byTag?.look();
    expect([await credited(), (await byTag?.status())?.waiting]).toEqual([before, 1]);
    node.be(async ({ method, params }, answer) => {
      const result = (await answer()) as object | null;
      const isFinal = method === "eth_getBlockByNumber" && params[0] === "finalized";
      return { result: isFinal ? { ...result, number: `0x${(newest + 9).toString(16)}` } : result };
    });
    await expect(byTag?.look()).rejects.toMatchObject({ code: "unavailable" });
    node.be(finalIs(newest - 1));
    await byTag?.look();
    expect(await credited()).toBe(before + 1);
    await enter(1, 0);
    node.be(finalIs(newest + 1));
    await byTag?.look();
    expect(await credited()).toBe(before + 2);
  });
});

describe("a node that lies", () => {
  const fields = async () => {
    const status = await world.watcher.status();
    return {
      final: status?.finalBlock,
      seen: status?.seenBlock,
      lost: status?.lost,
      entries: await credited(),
    };
  };

  it.each<[string, Mood]>([
    [
      "a newest block that is not there",
      async ({ method, params }, answer) => {
        const result = (await answer()) as { number: string } | null;
        if (method !== "eth_getBlockByNumber" || params[0] !== "latest" || !result) return { result };
        return { result: { ...result, number: `0x${(Number(result.number) + 10).toString(16)}` } };
      },
    ],
    [
      "logs of blocks that the chain does not have",
      async ({ method }, answer) => {
        const result = await answer();
        if (method !== "eth_getLogs") return { result };
        return { result: logsOf(result).map((log) => ({ ...log, blockHash: `0x${"77".repeat(32)}` })) };
      },
    ],
    [
      "blocks that are nobody's children",
      async ({ method }, answer) => {
        const result = (await answer()) as object | null;
        return {
          result:
            method === "eth_getBlockByNumber" && result
              ? { ...result, parentHash: `0x${"66".repeat(32)}` }
              : result,
        };
      },
    ],
    ["answers that are none", async () => ({ result: "yes" })],
  ])("of %s is not believed", async (_, mood) => {
    await enter(2, 0);
    const before = await fields();
    node.be(mood);
    await expect(watcher.look()).rejects.toMatchObject({ code: "unavailable" });
    expect(await fields()).toEqual(before);
    node.be(null);
    await watcher.look();
    expect((await fields()).entries).toBe(before.entries + 2);
  });

  it("of a range's last block, and calls it otherwise when it is asked again, is not believed", async () => {
    await watcher.look();
    const before = await fields();
    await world.chain.provider.send("anvil_mine", ["0x64"]);
    const newest = await world.chain.provider.getBlockNumber();
    let lies = 0;
    node.be(async ({ method, params }, answer) => {
      const result = (await answer()) as object | null;
      // So far below the newest, a look asks for no block before the one that its first range ends with.
      const isEnd = Number(params[0]) > (before.seen ?? newest) && Number(params[0]) <= newest - 64;
      if (method !== "eth_getBlockByNumber" || !isEnd || lies > 0) return { result };
      lies += 1;
      return { result: { ...result, hash: `0x${"77".repeat(32)}` } };
    });
    await expect(watcher.look()).rejects.toMatchObject({ code: "unavailable" });
    expect([lies, await fields()]).toEqual([1, before]);
    await watcher.look();
    expect(await fields()).toEqual({ ...before, final: newest, seen: newest });
  });

  it.each([
    ["far older", () => 5],
    ["slightly older", (newest: number) => newest - 2],
  ])("of a %s newest block changes nothing: it may lag behind another", async (_, numberOf) => {
    await watcher.look();
    const before = await fields();
    const number = `0x${numberOf(before.seen ?? 0).toString(16)}`;
    node.be(async ({ method, params }, answer) => {
      if (method !== "eth_getBlockByNumber" || params[0] !== "latest") return { result: await answer() };
      return { result: await world.chain.provider.send("eth_getBlockByNumber", [number, false]) };
    });
    await watcher.look();
    expect(await fields()).toEqual(before);
  });
});
