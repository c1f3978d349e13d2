/** The watcher killed between any two steps, and several at once: what comes from the chain counts once all the same. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createPool, silentLog } from "#infra";
import { WATCHER_FAULTS, type WatcherFault } from "#settlement";
import { ACCESS_RULES } from "../programs/access/coherence-rules.ts";
import { LEDGER_RULES } from "../support/coherence-rules.ts";
import { openTestLedger } from "../support/ledger.ts";
import { mined } from "../support/mined.ts";
import { expectCoherentWithChain } from "./chain-coherence.ts";
import type { WatchChildSettings } from "./watch-child.ts";
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

async function dieIn(dieAt: WatcherFault): Promise<void> {
  const settings: WatchChildSettings = {
    ...{ databaseUrl: world.database.appUrl, schema: world.database.schema, rpcUrl: world.anvil.rpcUrl },
    ...{ privateKey: world.anvil.privateKeys[0] ?? "", record: world.record, folder: world.folder },
    ...{ linked: [...world.linked], dieAt },
  };
  const script = fileURLToPath(new URL("watch-child.ts", import.meta.url));
  const child = spawn(process.execPath, [script, JSON.stringify(settings)], { stdio: "inherit" });
  expect(await once(child, "exit")).toEqual([null, "SIGKILL"]);
}

const held = async (user: string, role = "available") =>
  (
    await world.rows<{ amount: bigint }>(
      "SELECT coalesce(sum(credits_posted - debits_posted), 0) AS amount FROM account WHERE owner = $1 AND role = $2",
      [user, role],
    )
  )[0]?.amount;

describe("a watcher killed with -9", () => {
  it.each(WATCHER_FAULTS)("at %s has done nothing twice, and the next look does the rest", async (point) => {
    const before = (await held("anna")) ?? 0n;
    const user = `leaving-${point}`;
    const leaving = await world.person(user);
    await world.grant(user, 5n * TOKENS);
    await world.settlement.run();
    await world.demandExit(leaving, "balances", world.position("balances", user));
    await world.advance(5);
    await mined(world.vault(anna).getFunction("deposit")(2n));
    await mined(world.vault(anna).getFunction("deposit")(3n));
    await dieIn(point);
    // The server may notice a moment later that whoever held the lock is gone.
    const look = async () => {
      await world.watcher.look();
      return held("anna");
    };
    await expect.poll(look, { timeout: 20_000 }).toBe(before + 5n);
    await world.settlement.run();
    expect([await held(user), await held(user, "payouts")]).toEqual([0n, 5n * TOKENS]);
    const { depositSeq } = (await world.settlement.latestEpoch())?.header ?? {};
    expect(depositSeq).toBe(BigInt((await world.watcher.status())?.lastEntry ?? -1));
  });
});

describe("two watchers at once", () => {
  it("credit every entry once, whoever comes first", async () => {
    const { appUrl: url, schema } = world.database;
    const pool = createPool({ url, schema, applicationName: "watch-test-2", max: 4, log: silentLog() });
    const ledger = await openTestLedger(world.database);
    const { effects } = await openEffects({ ledger, dataSource: world.dataSource, linked: world.linked });
    const other = await world.open({ pool, watching: world.watching({ effects: () => effects }) });
    const before = (await held("anna")) ?? 0n;
    for (let round = 0; round < 8; round++) {
      await mined(world.vault(anna).getFunction("deposit")(1n));
      await Promise.all([
        world.watcher.look(),
        other.watcher?.look(),
        world.watcher.look(),
        other.watcher?.look(),
      ]);
    }
    await world.watcher.look();
    expect((await held("anna")) ?? 0n).toBe(before + 8n);
    await other.stop();
    await ledger.close();
    await pool.end();
  });

  it("that both believe to hold the lock are told apart by the rules of the database", async () => {
    const [event] = await world.rows<{ tx_hash: string; log_index: number }>(
      "SELECT tx_hash, log_index FROM chain_event WHERE event = 'EntryMade' ORDER BY block DESC LIMIT 1",
    );
    await expect(
      world.rows(
        `INSERT INTO chain_line (seq, time, chain_id, registry, block, tx_hash, log_index, event)
         SELECT next_seq, ledger_now(), 31337, decode(repeat('05', 20), 'hex'), 1, decode(substr($1, 3), 'hex'), $2, 'EntryMade' FROM journal_head`,
        [event?.tx_hash, event?.log_index],
      ),
    ).rejects.toMatchObject({ constraint: "chain_line_once" });
  });
});
