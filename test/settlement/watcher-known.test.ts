/** How far the chain is known: whoever waits for an objection waits until it would stand in the journal. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toHex } from "#proof";
import { SQL } from "../../src/settlement/sql.ts";
import { mined } from "../support/mined.ts";
import { createWatchWorld, type Person, type WatchWorld } from "./watch-world.ts";

let world: WatchWorld;
let anna: Person;

beforeAll(async () => {
  world = await createWatchWorld();
  anna = await world.person("anna");
});
afterAll(() => world?.close());

const newestBlock = async () => {
  const block = await world.chain.provider.getBlock("latest");
  if (!block) throw new Error("the chain has blocks");
  return block;
};
const cancel = (fill: number) =>
  mined(world.contract("registry", anna).getFunction("cancelWallet")(toHex(Buffer.alloc(32, fill))));

describe("the time up to which the chain is known", () => {
  it("is that of the newest final block, where all before it has its line", async () => {
    await world.watcher.look();
    expect(await world.watcher.status()).toMatchObject({
      finalTime: (await newestBlock()).timestamp,
      waiting: 0,
    });
  });

  it("ends before an event that is final and has no line yet", async () => {
    await world.advance(60);
    await cancel(1);
    const { timestamp } = await newestBlock();
    await world.advance(60);
    const dying = await world.open({
      watching: world.watching({
        faults: (point) => {
          if (point === "noted") throw new Error("killed");
        },
      }),
    });
    await expect(dying.watcher?.look()).rejects.toThrow("killed");
    await dying.stop();
    const status = await world.watcher.status();
    expect(status).toMatchObject({ waiting: 1, finalBlock: (await newestBlock()).number });
    expect(status?.finalTime).toBeLessThan(timestamp);
    await world.watcher.look();
    expect((await world.watcher.status())?.finalTime).toBe((await newestBlock()).timestamp);
  });

  it("is unknown while events that a node left out are looked for again", async () => {
    await world.rows("UPDATE chain_cursor SET checked_block = seen_block - 1");
    await world.pool.query(SQL.watchLookAgain, [1]);
    expect((await world.watcher.status())?.finalTime).toBe(0);
    await world.watcher.look();
    expect((await world.watcher.status())?.finalTime).toBe((await newestBlock()).timestamp);
  });

  it("is unknown after a chain took final blocks back, until it has others", async () => {
    await world.chain.provider.send("anvil_mine", ["0x3"]);
    await world.watcher.look();
    const { number } = await newestBlock();
    await world.pool.query(SQL.watchRollBack, [1, number - 2]);
    expect(await world.watcher.status()).toMatchObject({ finalTime: 0, completeTime: 0 });
    await world.watcher.look();
    expect((await world.watcher.status())?.completeTime).not.toBe(0);
    expect((await world.watcher.status())?.finalTime).toBe((await newestBlock()).timestamp);
  });
});
