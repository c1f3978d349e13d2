/**
 * The settlement's wire to Postgres is cut with statements under way: after every twentieth part of all that the server
 * answers while an epoch is closed, sent and made final. Whatever had been sent behind the cut, the next run leaves one
 * epoch, published, mined and with the header that the leaves lead to.
 */
import { access } from "node:fs/promises";
import { join } from "node:path";
import type { Pool } from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Book, createPool, silentLog } from "#infra";
import type { Settlement } from "#settlement";
import { type ByteCutProxy, startByteCutProxy } from "../support/byte-cut-proxy.ts";
import { createWorld, TST, type World } from "./world.ts";

const USERS = 40;
const PLACES = 20;

let world: World;
let proxy: ByteCutProxy;
let pool: Pool;
let settlement: Settlement;

beforeAll(async () => {
  world = await createWorld();
  proxy = await startByteCutProxy(world.database.appUrl);
  pool = createPool({
    ...{ url: proxy.url, schema: world.database.schema },
    ...{ applicationName: "cut-anywhere.test", max: 4, log: silentLog() },
  });
  settlement = await world.open({ pool });
  await change();
  await settlement.run();
});
afterAll(async () => {
  await pool?.end();
  await proxy?.close();
  await world?.close();
});

async function change(): Promise<void> {
  for (let user = 0; user < USERS; user++) await world.grant(`user_${user}`, TST);
}

it("leaves no half of an epoch, wherever the wire is cut", async () => {
  await change();
  proxy.count();
  const whole = (await settlement.run()).epoch;
  const bytes = proxy.passed;
  expect(bytes).toBeGreaterThan(10_000);
  let [last, failed] = [whole?.epoch ?? 0, 0];
  for (let place = 1; place <= PLACES; place++) {
    await change();
    proxy.count(Math.floor((bytes * place) / (PLACES + 1)));
    const cut = await settlement.run().then(
      () => false,
      () => true,
    );
    if (cut) failed += 1;
    // Another instance, whose wire holds, finds either all of the epoch or nothing of it.
    const { epoch } = await world.settlement.run();
    last += 1;
    expect([place, epoch?.epoch, epoch?.status]).toEqual([place, last, "final"]);
    expect(epoch?.leavesChanged).toBe(USERS + 1);
    await access(join(world.folder, epoch?.headerHash ?? ""));
    // And the instance that was cut off goes on from there with what it has in memory.
    expect((await settlement.run()).epoch).toEqual(epoch);
  }
  expect(failed).toBeGreaterThan(PLACES / 2);
  const committed = await new Book(world.chain, world.record).committedEpochs();
  expect(committed.length).toBe(last);
});
