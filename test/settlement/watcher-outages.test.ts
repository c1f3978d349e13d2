/** What the watcher needs goes away in the middle of a look: nothing is done twice, and the next look does the rest. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startRedis } from "#devstack";
import { createPool, createRedis, silentLog } from "#infra";
import { systemIds } from "#kernel";
import { openLedger } from "#ledger";
import { WATCHER_FAULTS } from "#settlement";
import { ACCESS_RULES } from "../programs/access/coherence-rules.ts";
import { LEDGER_RULES } from "../support/coherence-rules.ts";
import { startCutProxy } from "../support/cut-proxy.ts";
import { mined } from "../support/mined.ts";
import { describeWithRedis } from "../support/redis.ts";
import { expectCoherentWithChain } from "./chain-coherence.ts";
import { createWatchWorld, openEffects, type Person, TOKENS, type WatchWorld } from "./watch-world.ts";

let world: WatchWorld;
let anna: Person;

beforeAll(async () => {
  world = await createWatchWorld();
  anna = await world.person("anna");
  await world.withTokens(anna, 100n * TOKENS);
});
afterAll(async () => {
  if (!world) return;
  await expectCoherentWithChain(world, { ...LEDGER_RULES, ...ACCESS_RULES });
  await world.close();
});

const entries = async () =>
  (await world.rows<{ n: number }>("SELECT count(*) AS n FROM chain_entry"))[0]?.n ?? 0;

describe("Postgres that restarts", () => {
  it.each(WATCHER_FAULTS.filter((point) => point !== "swept"))(
    "at %s ends the look, and the next one credits each entry once",
    async (point) => {
      const { appUrl, schema } = world.database;
      const proxy = await startCutProxy(appUrl);
      const pool = createPool({
        url: proxy.url,
        schema,
        applicationName: "outage",
        max: 4,
        log: silentLog(),
      });
      const ledger = await openLedger({ databaseUrl: proxy.url, schema, ids: systemIds, log: silentLog() });
      const { dataSource, linked } = world;
      const { effects } = await openEffects({ ledger, dataSource, linked });
      let restarted = false;
      const { watcher, stop } = await world.open({
        pool,
        watching: world.watching({
          effects: () => effects,
          faults: (now) => {
            if (now !== point || restarted) return;
            restarted = true;
            proxy.cutAll();
          },
        }),
      });
      const before = await entries();
      await mined(world.vault(anna).getFunction("deposit")(2n));
      await mined(world.vault(anna).getFunction("deposit")(3n));
      await expect(watcher?.look()).rejects.toThrow();
      expect(restarted).toBe(true);
      // The server may notice a moment later that whoever held the lock is gone.
      const look = async () => {
        await watcher?.look();
        return entries();
      };
      await expect.poll(look, { timeout: 20_000 }).toBe(before + 2);
      await stop();
      await ledger.close();
      await pool.end();
      await proxy.close();
    },
  );
});

describeWithRedis("Redis that is gone", () => {
  it("in the middle of a look keeps nothing from being credited, with what it changes of limits", async () => {
    const folder = mkdtempSync(join(tmpdir(), "anchorbook-redis-gone-"));
    const server = await startRedis({ logFile: join(folder, "redis.log") });
    const redis = createRedis(server.url, silentLog());
    const { ledger, dataSource, linked } = world;
    const { effects } = await openEffects({ ledger, dataSource, linked, redis });
    const { watcher, stop } = await world.open({
      watching: world.watching({
        effects: () => effects,
        faults: async (point) => {
          if (point === "noted") await server.stop();
        },
      }),
    });
    await mined(world.contract("staking", anna).getFunction("stakeForTier")(1, 6n * TOKENS, "momentum"));
    await mined(world.vault(anna).getFunction("deposit")(1n));
    const before = await entries();
    await watcher?.look();
    expect(await entries()).toBe(before + 2);
    expect(await world.rows("SELECT credited_as FROM chain_entry ORDER BY entry DESC LIMIT 2")).toEqual([
      { credited_as: "available" },
      { credited_as: "stake" },
    ]);
    await stop();
    redis.disconnect();
    rmSync(folder, { recursive: true, force: true });
  });
});
