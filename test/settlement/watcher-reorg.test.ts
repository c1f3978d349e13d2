/** A chain that takes blocks back: what was seen goes with them, what counts never was in them. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { silentLog } from "#infra";
import { mined } from "../support/mined.ts";
import { expectCoherentWithChain } from "./chain-coherence.ts";
import { createWatchWorld, type Person, TOKENS, type WatchWorld } from "./watch-world.ts";

const FINALITY = 6;

let world: WatchWorld;
let anna: Person;

const mine = (blocks: number) => world.chain.provider.send("anvil_mine", [`0x${blocks.toString(16)}`]);
const state = async () => {
  const [row] = await world.rows<{ seen: number; credited: number }>(
    `SELECT (SELECT count(*) FROM chain_event WHERE event = 'EntryMade' AND NOT final) AS seen,
       (SELECT count(*) FROM chain_entry) AS credited`,
  );
  return [row?.seen, row?.credited];
};

beforeAll(async () => {
  world = await createWatchWorld(undefined, { finality: FINALITY });
  anna = await world.person("anna");
  await world.withTokens(anna, 100n * TOKENS);
  await mine(FINALITY);
  await world.watcher.look();
});
afterAll(async () => {
  if (!world) return;
  await mine(FINALITY);
  await world.watcher.look();
  await expectCoherentWithChain(world, {});
  await world.close();
});

describe("a reorg before finality", () => {
  it.each([1, 2, 3, 4, 5])(
    "of depth %i takes back what was seen, and what comes instead is credited once",
    async (depth) => {
      const [, before] = await state();
      // The entry lies in the deepest block that goes.
      await mined(world.vault(anna).getFunction("deposit")(BigInt(depth)));
      if (depth > 1) await mine(depth - 1);
      await world.watcher.look();
      expect(await state()).toEqual([1, before]);
      await world.chain.provider.send("anvil_reorg", [depth, []]);
      await world.watcher.look();
      expect(await state()).toEqual([0, before]);
      await mined(world.vault(anna).getFunction("deposit")(BigInt(depth)));
      await mine(FINALITY - 1);
      await world.watcher.look();
      expect(await state()).toEqual([1, before]);
      await mine(1);
      await world.watcher.look();
      expect(await state()).toEqual([0, (before ?? 0) + 1]);
    },
  );

  it("is noticed where the chain is shorter afterwards, as soon as it has other blocks", async () => {
    const [, before] = await state();
    const snapshot = await world.chain.provider.send("evm_snapshot", []);
    await mined(world.vault(anna).getFunction("deposit")(1n));
    await mine(3);
    await world.watcher.look();
    expect(await state()).toEqual([1, before]);
    await world.chain.provider.send("evm_revert", [snapshot]);
    await world.chain.provider.send("evm_increaseTime", [3]);
    await mined(world.vault(anna).getFunction("deposit")(2n));
    await world.watcher.look();
    await mine(FINALITY);
    await world.watcher.look();
    expect(await state()).toEqual([0, (before ?? 0) + 1]);
    const [entry] = await world.rows<{ amount: bigint }>(
      "SELECT amount FROM chain_entry ORDER BY entry DESC LIMIT 1",
    );
    expect(entry?.amount).toBe(2n);
  });

  it("that brings a transaction into another block moves its event there", async () => {
    const [, before] = await state();
    await mined(world.vault(anna).getFunction("deposit")(3n));
    const block = await world.chain.provider.getBlock("latest", true);
    const [hash] = block?.transactions ?? [];
    const raw = await world.chain.provider.send("eth_getRawTransactionByHash", [hash]);
    await world.watcher.look();
    await world.chain.provider.send("anvil_reorg", [2, [[raw, 1]]]);
    await world.watcher.look();
    const placed = await world.rows<{ block: number; tx_hash: string }>(
      "SELECT block, tx_hash FROM chain_event WHERE event = 'EntryMade' AND NOT final",
    );
    expect(placed).toEqual([{ block: expect.any(Number), tx_hash: hash }]);
    await mine(FINALITY);
    await world.watcher.look();
    expect(await state()).toEqual([0, (before ?? 0) + 1]);
  });
});

describe("a reorg deeper than finality", () => {
  it.each([
    ["an entry", () => mined(world.vault(anna).getFunction("deposit")(5n))],
    ["a claim", () => world.withTokens(anna, 5n)],
  ])(
    "of %s is an alarm, takes no line back, and what is found again does not count again",
    async (_, make) => {
      await make();
      const block = await world.chain.provider.getBlock("latest", true);
      const raw = await world.chain.provider.send("eth_getRawTransactionByHash", [block?.transactions[0]]);
      await mine(FINALITY);
      await world.watcher.look();
      const [, credited] = await state();
      await world.chain.provider.send("anvil_reorg", [FINALITY + 1, []]);
      const alarms: object[] = [];
      const log = Object.assign(silentLog(), { error: (fields: object) => alarms.push(fields) });
      const { watcher, stop } = await world.open({ log, watching: world.watching() });
      await watcher?.look();
      await stop();
      // No further back than the chain went.
      const kept = (block?.number ?? 0) - 1;
      expect(alarms).toEqual([expect.objectContaining({ alarm: true, kept, final: kept + 1, lost: 1 })]);
      expect(await world.watcher.status()).toMatchObject({ lost: 1 });
      // What is lost is no reason to look for it again and again: the contract does not count it either.
      const [cursor] = await world.rows(
        "SELECT checked_block = final_block AND seen_block = latest_block AS checked FROM chain_cursor",
      );
      expect(cursor).toEqual({ checked: true });
      expect(await state()).toEqual([0, credited]);
      await world.chain.provider.send("eth_sendRawTransaction", [raw]);
      await mine(FINALITY);
      await world.watcher.look();
      expect(await world.watcher.status()).toMatchObject({ lost: 0 });
      expect(await state()).toEqual([0, credited]);
    },
  );

  it("that brings the transaction to another place in its block counts it no second time", async () => {
    const ben = await world.person("ben");
    const cancel = await ben.wallet.populateTransaction({
      ...{ to: world.record.registry, gasLimit: 100_000n },
      data: world
        .contract("registry", ben)
        .interface.encodeFunctionData("cancelWallet", [`0x${"09".repeat(32)}`]),
    });
    const before = await ben.wallet.signTransaction(cancel);
    await mined(world.vault(anna).getFunction("deposit")(6n));
    const block = await world.chain.provider.getBlock("latest", true);
    const raw = await world.chain.provider.send("eth_getRawTransactionByHash", [block?.transactions[0]]);
    await mine(FINALITY);
    await world.watcher.look();
    const [, credited] = await state();
    await world.chain.provider.send("anvil_reorg", [
      FINALITY + 1,
      [
        [before, 0],
        [raw, 0],
      ],
    ]);
    await mine(FINALITY);
    await world.watcher.look();
    expect(await state()).toEqual([0, credited]);
    expect(await world.watcher.status()).toMatchObject({ lost: 0, waiting: 0 });
    const places = await world.rows<{ log_index: number; seq: number | null }>(
      "SELECT log_index, seq FROM chain_event WHERE tx_hash = $1 AND event = 'EntryMade' ORDER BY log_index",
      [block?.transactions[0]],
    );
    expect(places).toEqual([
      { log_index: 0, seq: expect.any(Number) },
      { log_index: 1, seq: null },
    ]);
  });
});
