import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Book } from "#infra";
import { createWorld, TST, type World } from "./world.ts";

const DEPTHS = [1, 2, 3, 4, 5];

let world: World;
let contracts: Book;

beforeAll(async () => {
  world = await createWorld();
  contracts = new Book(world.chain, world.record);
});
afterAll(() => world?.close());
beforeEach(async () => {
  // As many epochs as the deepest reorg takes blocks of, two an epoch.
  for (let epoch = 0; epoch < 3; epoch++) {
    await world.grant("user_a", TST);
    await world.settlement.run();
  }
});

async function headers(): Promise<[number, string][]> {
  const epochs = await world.settlement.epochs(null, 1_000);
  return epochs.map(({ epoch, headerHash }) => [epoch, headerHash]);
}

async function expectAllAgain(): Promise<void> {
  const epochs = await world.settlement.epochs(null, 1_000);
  expect(epochs.map(({ status }) => status)).toEqual(epochs.map(() => "final"));
  const committed = await contracts.committedEpochs();
  expect(committed.map(({ epoch, headerHash, txHash }) => [Number(epoch), headerHash, txHash])).toEqual(
    epochs.toReversed().map(({ epoch, headerHash, txHash }) => [epoch, headerHash, txHash]),
  );
  for (const { epoch, blockNumber, txHash } of epochs.slice(0, 4)) {
    const receipt = await world.chain.provider.getTransactionReceipt(txHash ?? "");
    expect(receipt?.blockNumber, `epoch ${epoch}`).toBe(blockNumber);
  }
}

describe("a reorg of blocks in which epochs were mined", () => {
  it.each(DEPTHS)("%i deep: the same headers are brought back by the same transactions", async (depth) => {
    const before = await headers();
    const signed = async () => (await world.pool.query("SELECT hash FROM settlement_tx ORDER BY hash")).rows;
    const transactions = await signed();
    await world.chain.provider.send("anvil_reorg", [depth, []]);
    expect(await contracts.lastFinal()).toBeLessThan(BigInt(before.length));
    await world.settlement.advance();
    expect(await headers()).toEqual(before);
    expect(await signed()).toEqual(transactions);
    await expectAllAgain();
  });
});

describe("a reorg that mines the same again, in other blocks of the same height", () => {
  it("is learned of: what is kept of an epoch names the blocks that there are", async () => {
    const { provider } = world.chain;
    const epoch = (await world.settlement.latestEpoch())?.epoch;
    const { rows } = await world.pool.query("SELECT raw FROM settlement_tx WHERE epoch = $1 ORDER BY nonce", [
      epoch,
    ]);
    expect(rows.length).toBe(2);
    const kept = async () =>
      (
        await world.pool.query(
          "SELECT block_number AS number, block_hash AS hash FROM outbox WHERE epoch = $1 ORDER BY 1",
          [epoch],
        )
      ).rows;
    const before = await kept();
    await provider.send("anvil_reorg", [2, rows.map(({ raw }, block) => [raw, block])]);
    await world.settlement.advance();
    const after = await kept();
    expect(after.map(({ number }) => number)).toEqual(before.map(({ number }) => number));
    expect(after).not.toEqual(before);
    const onChain = after.map(async ({ number }) => (await provider.getBlock(number))?.hash);
    expect(after.map(({ hash }) => hash)).toEqual(await Promise.all(onChain));
  });
});

describe("a reorg while a commit waits to be mined", () => {
  it.each(DEPTHS)("%i deep: what it took goes first, then the commit", async (depth) => {
    const { provider } = world.chain;
    await provider.send("evm_setAutomine", [false]);
    await world.grant("user_a", TST);
    const sent = Promise.withResolvers<void>();
    const settlement = await world.open({
      faults: (point) => {
        if (point === "commit-broadcast") sent.resolve();
      },
    });
    const running = settlement.run();
    await sent.promise;
    await provider.send("anvil_reorg", [depth, []]);
    await provider.send("evm_setAutomine", [true]);
    await provider.send("evm_mine", []);
    expect((await running).epoch).toMatchObject({ status: "final" });
    await expectAllAgain();
  });
});
