import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type EmbeddedChain, startAnvil } from "#devstack";
import { Book, createMetrics, type Log, silentLog } from "#infra";
import { mined } from "../support/mined.ts";
import { createWorld, type TestChain, TST, type World } from "./world.ts";

/** A chain on disk that can be killed, thrown back to a copy, and started again on its port. */
class LossyChain implements TestChain {
  readonly #folder = mkdtempSync(join(tmpdir(), "anchorbook-lossy-"));
  #running: EmbeddedChain | undefined;
  rpcUrl = "";
  privateKeys: readonly string[] = [];

  async start(): Promise<this> {
    this.#running = await startAnvil({ folder: this.#folder, log: silentLog() });
    this.rpcUrl = this.#running.rpcUrl;
    this.privateKeys = this.#running.privateKeys;
    return this;
  }

  async kill(): Promise<void> {
    if (!this.#running) return;
    process.kill(this.#running.pid, "SIGKILL");
    await this.#running.exited;
    await this.#running.stop();
  }

  /** Keeps what is on disk now, once it holds block `block`. */
  async keep(): Promise<void> {
    const state = join(this.#folder, "state.json");
    await this.#running?.stop();
    copyFileSync(state, join(this.#folder, "kept.json"));
    await this.start();
  }

  async goBack(): Promise<void> {
    await this.kill();
    copyFileSync(join(this.#folder, "kept.json"), join(this.#folder, "state.json"));
    await this.start();
  }

  async stop(): Promise<void> {
    await this.#running?.stop();
    if (existsSync(this.#folder) && statSync(this.#folder))
      rmSync(this.#folder, { recursive: true, force: true });
  }
}

let lossy: LossyChain;
let world: World;
let contracts: Book;

beforeAll(async () => {
  lossy = new LossyChain();
  world = await createWorld(() => lossy.start());
  // The chain writes its state each second: one that is killed sooner would have lost even the contracts.
  await lossy.keep();
  contracts = new Book(world.chain, world.record);
});
afterAll(() => world?.close());

describe("while the chain is down", () => {
  it("epochs are closed and wait; afterwards they are sent in order", async () => {
    await world.grant("user_a", TST);
    const metrics = createMetrics();
    const settlement = await world.open({ metrics });
    const figures = async () => (await metrics.registry.metrics()).split("\n");
    await settlement.run();
    expect(await figures()).toEqual(
      expect.arrayContaining([
        'anchorbook_dependency_up{dependency="chain"} 1',
        "anchorbook_epoch_lag_seconds 0",
        "anchorbook_epoch_lag_lines 0",
        "anchorbook_outbox_oldest_age_seconds 0",
        'anchorbook_epoch_number{status="final"} 1',
      ]),
    );
    await lossy.kill();
    for (const amount of [2n, 3n]) {
      await world.grant("user_a", amount * TST);
      await expect(settlement.run()).rejects.toMatchObject({ code: "unavailable" });
    }
    expect(await figures()).toEqual(
      expect.arrayContaining([
        'anchorbook_dependency_up{dependency="chain"} 0',
        "anchorbook_epoch_lag_lines 2",
        'anchorbook_outbox_epochs{status="built"} 2',
        'anchorbook_epoch_number{status="built"} 3',
        'anchorbook_settlement_failures_total{stage="send"} 2',
      ]),
    );
    expect((await world.settlement.epochs(null, 10)).map(({ epoch, status }) => [epoch, status])).toEqual([
      [3, "built"],
      [2, "built"],
      [1, "final"],
    ]);
    const { accountId } = world.position("balances", "user_a");
    expect((await world.settlement.settlementOf([accountId])).get(accountId)).toEqual({
      ...{ status: "pending", epoch: 3, txHash: null },
    });
    await lossy.start();
    await world.settlement.advance();
    expect((await world.settlement.epochs(null, 10)).map(({ status }) => status)).toEqual([
      "final",
      "final",
      "final",
    ]);
    expect((await contracts.committedEpochs()).map(({ epoch }) => epoch)).toEqual([1n, 2n, 3n]);
  });
});

describe("a chain that went back", () => {
  it("gets the same signed transactions again, in order, final ones too", async () => {
    await lossy.keep();
    for (const amount of [5n, 7n, 9n]) {
      await world.grant("user_b", amount * TST);
      await world.settlement.run();
    }
    const before = await world.settlement.epochs(null, 10);
    const signed = async () => (await world.pool.query("SELECT hash FROM settlement_tx ORDER BY 1")).rows;
    const hashes = await signed();
    await lossy.goBack();
    expect(await contracts.lastCommitted()).toBe(3n);
    const { outcome } = await world.settlement.run();
    expect(outcome).toBe("unchanged");
    expect(await contracts.lastFinal()).toBe(6n);
    const after = await world.settlement.epochs(null, 10);
    expect(after.map(({ headerHash, txHash, status }) => ({ headerHash, txHash, status }))).toEqual(
      before.map(({ headerHash, txHash, status }) => ({ headerHash, txHash, status })),
    );
    expect(await signed()).toEqual(hashes);
  });

  it("and took another transaction on a nonce gets the same calldata under a new one", async () => {
    await lossy.keep();
    await world.grant("user_c", TST);
    const { epoch } = await world.settlement.run();
    await lossy.goBack();
    const signer = world.chain.signer;
    if (!signer) throw new Error("no signer");
    await mined(signer.sendTransaction({ to: signer.address, value: 1n }));
    await world.settlement.run();
    const again = await world.settlement.latestEpoch();
    expect(again).toMatchObject({ epoch: epoch?.epoch, headerHash: epoch?.headerHash, status: "final" });
    expect(again?.txHash).not.toBe(epoch?.txHash);
    expect(again?.txHash).toBe((await contracts.readCommitted(BigInt(again?.epoch ?? 0)))?.txHash);
  });
});

describe("a reorg", () => {
  it("that drops the newest epochs is noticed by the next look, and they are sent again", async () => {
    await world.grant("user_d", TST);
    await world.settlement.run();
    await world.grant("user_d", TST);
    const { epoch } = await world.settlement.run();
    await world.chain.provider.send("anvil_reorg", [3, []]);
    expect(await contracts.lastCommitted()).toBe(BigInt(epoch?.epoch ?? 0) - 1n);
    await world.settlement.advance();
    expect(await world.settlement.latestEpoch()).toMatchObject({
      ...{ epoch: epoch?.epoch, status: "final", headerHash: epoch?.headerHash },
    });
    expect(await contracts.headerHashOf(BigInt(epoch?.epoch ?? 0))).toBe(epoch?.headerHash);
    // And it is told of, in the order in which it happened.
    const { rows } = await world.pool.query(
      "SELECT type FROM event WHERE type LIKE 'epoch.%' AND data -> 'epoch' = to_jsonb($1::bigint) ORDER BY seq",
      [epoch?.epoch],
    );
    expect(rows.map(({ type }) => type)).toEqual([
      ...["epoch.committed", "epoch.final", "epoch.reverted", "epoch.committed", "epoch.final"],
    ]);
  });
});

describe("an epoch on the chain that this database did not make", () => {
  it("stops settlement: nothing is sent, and an operator is called", async () => {
    const alarms: object[] = [];
    const quiet = () => {};
    const log: Log = {
      ...{ debug: quiet, info: quiet, warn: quiet, error: (fields: object) => alarms.push(fields) },
      child: () => log,
    };
    // Another database with the same contracts, as an old backup would be.
    const forgetful = await createWorld(async () => ({
      rpcUrl: world.anvil.rpcUrl,
      privateKeys: world.anvil.privateKeys,
      stop: async () => {},
    }));
    const stranger = await forgetful.open({
      record: world.record,
      chain: world.chain,
      log,
    });
    const nonce = await world.chain.signer?.getNonce();
    await expect(stranger.run()).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringMatching(/the chain has/),
    });
    expect(await world.chain.signer?.getNonce()).toBe(nonce);
    expect(alarms).toContainEqual(expect.objectContaining({ alarm: true }));
    await forgetful.close();
  });
});
