/** Transactions that nothing mines: what goes out again, and what is signed anew and when, by a clock that the test turns. */
import { Transaction, Wallet } from "ethers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Book, finalizeCalldata } from "#infra";
import type { Clock } from "#kernel";
import type { EpochView, Settlement, SettlementOptions } from "#settlement";
import { mined } from "../support/mined.ts";
import { createWorld, TST, type World } from "./world.ts";

const REPLACE_AFTER_MS = 60_000;
/** Between two broadcasts of the same transaction. */
const REPEAT_AFTER_MS = 5_000;

let world: World;
let next: number;
const opened: Settlement[] = [];

beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world?.close());
beforeEach(async () => {
  next = ((await world.settlement.latestEpoch())?.epoch ?? 0) + 1;
  await world.grant("user_a", TST);
});
afterEach(async () => {
  for (const settlement of opened.splice(0)) await settlement.stop();
  await send("evm_setAutomine", true);
  await send("evm_mine");
});

class TurnedClock implements Clock {
  #nowMs = Date.now();
  #asked = 0;

  nowMs(): number {
    this.#asked += 1;
    return this.#nowMs;
  }

  /** Ends when whoever waits by this clock has seen it several times. */
  async pass(ms: number): Promise<void> {
    this.#nowMs += ms;
    await this.isWatched();
  }

  /** The node has a transaction before whoever sent it begins to wait, and looks at the clock for the first time. */
  async isWatched(): Promise<void> {
    const before = this.#asked;
    await expect.poll(() => this.#asked - before, { timeout: 20_000 }).toBeGreaterThan(3);
  }
}

interface Signed {
  readonly hash: string;
  readonly raw: string;
  readonly nonce: number;
  readonly fee: bigint;
  readonly tip: bigint;
}

/** In the order of what they offer. */
async function signedFor(epoch: number): Promise<Signed[]> {
  const { rows } = await world.pool.query(
    `SELECT hash, raw, nonce, max_fee_per_gas AS fee, max_priority_fee_per_gas AS tip
     FROM settlement_tx WHERE epoch = $1 AND kind = 'commit' ORDER BY max_fee_per_gas`,
    [epoch],
  );
  return rows;
}

async function open(options: Partial<SettlementOptions>): Promise<Settlement> {
  const settlement = await world.open(options);
  opened.push(settlement);
  return settlement;
}

const send = (method: string, ...params: unknown[]) => world.chain.provider.send(method, params);
const nodeHas = async (transaction: Signed | undefined) =>
  (await send("eth_getTransactionByHash", transaction?.hash)) !== null;

describe("a commit that is not mined", () => {
  it("goes out again, is outbid once each time that is due, and its dearest is what the next process goes on with", async () => {
    const clock = new TurnedClock();
    const sender = { replaceAfterMs: REPLACE_AFTER_MS, giveUpAfterMs: 10 * REPLACE_AFTER_MS };
    const dying = await open({ clock, sender });
    await send("evm_setAutomine", false);
    const running = dying.run().catch((error: unknown) => error);
    await expect.poll(async () => nodeHas((await signedFor(next))[0]), { timeout: 20_000 }).toBe(true);
    await clock.isWatched();

    // A node that was restarted has lost it.
    await send("anvil_dropAllTransactions");
    await clock.pass(REPEAT_AFTER_MS + 1);
    const [first] = await signedFor(next);
    expect(await nodeHas(first)).toBe(true);

    await clock.pass(REPLACE_AFTER_MS - REPEAT_AFTER_MS - 1);
    expect((await signedFor(next)).length).toBe(1);
    await clock.pass(1);
    const [, second, ...more] = await signedFor(next);
    expect(more).toEqual([]);
    // Sent at once: the first was repeated just now.
    expect(await nodeHas(second)).toBe(true);

    await dying.stop();
    expect(await running).toMatchObject({ code: "unavailable" });
    await send("anvil_dropAllTransactions");
    const settlement = await open({ clock, sender });
    const goingOn = settlement.run();
    await expect.poll(() => nodeHas(second), { timeout: 20_000 }).toBe(true);
    await clock.isWatched();
    expect(await nodeHas(first)).toBe(false);
    await clock.pass(REPLACE_AFTER_MS + 1);
    const signed = await signedFor(next);
    expect(signed.length).toBe(3);
    expect(await nodeHas(signed[2])).toBe(true);

    await send("evm_setAutomine", true);
    await send("evm_mine");
    expect((await goingOn).epoch).toMatchObject({ epoch: next, status: "final", txHash: signed[2]?.hash });
    expect(new Set(signed.map(({ nonce }) => nonce)).size).toBe(1);
    const eighthMore = signed.slice(1).map(({ fee, tip }, place) => {
      const before = signed[place] as Signed;
      return [fee * 8n > before.fee * 9n, tip * 8n > before.tip * 9n];
    });
    expect(eighthMore).toEqual([
      [true, true],
      [true, true],
    ]);
  });

  it("has a quarter more gas than it needs", async () => {
    const { epoch } = await world.settlement.run();
    const [signed] = await signedFor(next);
    const { gasLimit } = Transaction.from(signed?.raw);
    expect(gasLimit).toBeGreaterThanOrEqual((BigInt(epoch?.gasUsed ?? 0) * 125n) / 100n);
  });
});

describe("a cap of the fee", () => {
  const feesNow = async () => {
    const { maxFeePerGas, maxPriorityFeePerGas } = await world.chain.provider.getFeeData();
    return { fee: maxFeePerGas ?? 0n, tip: maxPriorityFeePerGas ?? 0n };
  };

  it("is reached, and then nothing is signed again", async () => {
    const clock = new TurnedClock();
    // No block comes by which fees would change.
    await send("evm_setAutomine", false);
    const { fee } = await feesNow();
    const maxFeePerGas = fee + fee / 8n + 1n;
    const sender = { replaceAfterMs: REPLACE_AFTER_MS, giveUpAfterMs: 10 * REPLACE_AFTER_MS, maxFeePerGas };
    const settlement = await open({ clock, sender });
    const running = settlement.run();
    await expect.poll(async () => nodeHas((await signedFor(next))[0]), { timeout: 20_000 }).toBe(true);
    await clock.isWatched();
    const offered = async () => (await signedFor(next)).map((signed) => signed.fee);
    for (let time = 0; time < 2; time++) {
      await clock.pass(REPLACE_AFTER_MS + 1);
      expect(await offered()).toEqual([fee, maxFeePerGas]);
    }
    await send("evm_setAutomine", true);
    await send("evm_mine");
    expect((await running).epoch).toMatchObject({ epoch: next, status: "final" });
  });

  it("is all that is offered from the first on, to whoever mines too, where the chain takes more", async () => {
    await send("anvil_setNextBlockBaseFeePerGas", "0x3e8");
    await send("evm_mine");
    // Enough for the blocks that follow, which hold little.
    const maxFeePerGas = 1_001n;
    const { fee, tip } = await feesNow();
    expect([fee > maxFeePerGas, tip > maxFeePerGas]).toEqual([true, true]);
    const settlement = await open({ sender: { maxFeePerGas } });
    expect((await settlement.run()).epoch).toMatchObject({ epoch: next, status: "final" });
    expect(await signedFor(next)).toMatchObject([{ fee: maxFeePerGas, tip: maxFeePerGas }]);
  });

  it("holds also for a nonce that something else was offered the cap for", async () => {
    const { provider } = world.chain;
    const dying = await open({
      faults: (point) => {
        if (point === "finalize-signed") throw new Error("died");
      },
    });
    await expect(dying.run()).rejects.toThrow("died");
    const { rows } = await world.pool.query(
      "SELECT nonce, max_fee_per_gas AS fee FROM settlement_tx WHERE epoch = $1 AND kind = 'finalize'",
      [next],
    );
    // Somebody else makes it final, so that the nonce is the next commit's.
    const { header } = (await world.settlement.epoch(next)) as EpochView;
    const other = new Wallet(world.anvil.privateKeys[1] as string, provider);
    const data = finalizeCalldata(header as never, []);
    await mined(other.sendTransaction({ to: world.record.registry, data }));
    await world.grant("user_a", TST);
    const [{ nonce, fee: maxFeePerGas }] = rows;
    const settlement = await open({ sender: { maxFeePerGas } });
    expect((await settlement.run()).epoch).toMatchObject({ epoch: next + 1, status: "final" });
    expect(await signedFor(next + 1)).toMatchObject([{ nonce, fee: maxFeePerGas }]);
  });
});

describe("a finalize that somebody else's, in the same block, made fail", () => {
  it("is not what the epoch is said to be final by", async () => {
    const { provider } = world.chain;
    const contracts = new Book(world.chain, world.record);
    const other = new Wallet(world.anvil.privateKeys[1] as string, provider);
    let theirs = "";
    const settlement = await open({
      async faults(point) {
        if (point === "finalize-signed") {
          await send("evm_setAutomine", false);
          const { header } = (await world.settlement.epoch(next)) as EpochView;
          const { maxFeePerGas } = await provider.getFeeData();
          const fee = (maxFeePerGas ?? 1n) * 3n;
          const { hash } = await other.sendTransaction({
            ...{ to: world.record.registry, data: finalizeCalldata(header as never, []), gasLimit: 500_000n },
            ...{ maxFeePerGas: fee, maxPriorityFeePerGas: fee },
          });
          theirs = hash;
        }
        if (point === "finalize-broadcast") {
          await send("evm_mine");
          await send("evm_setAutomine", true);
        }
      },
    });
    expect((await settlement.run()).epoch).toMatchObject({
      ...{ epoch: next, status: "final", finalizeTxHash: theirs },
    });
    expect((await contracts.readFinalized(BigInt(next)))?.txHash).toBe(theirs);
    const { rows } = await world.pool.query(
      "SELECT hash FROM settlement_tx WHERE epoch = $1 AND kind = 'finalize'",
      [next],
    );
    const statuses = rows.map(async ({ hash }) => (await provider.getTransactionReceipt(hash))?.status);
    expect(await Promise.all(statuses)).toEqual([0]);
  });
});
