import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Wallet } from "ethers";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Book, type Chain, connectChain, createClient, createPool, silentLog } from "#infra";
import type { Settlement, SettlementOptions } from "#settlement";
import type { Faults } from "../../src/settlement/faults.ts";
import { SQL } from "../../src/settlement/sql.ts";
import { startCutProxy } from "../support/cut-proxy.ts";
import { mined } from "../support/mined.ts";
import { type RpcRequest, startRpcRelay } from "./rpc-relay.ts";
import { createWorld, TST, type World } from "./world.ts";

let world: World;
let contracts: Book;
let signer: Wallet;
/** The epoch that the test's next settlement makes. */
let next: number;

beforeAll(async () => {
  world = await createWorld();
  contracts = new Book(world.chain, world.record);
  signer = world.chain.signer as Wallet;
});
afterAll(() => world?.close());
beforeEach(async () => {
  next = ((await world.settlement.latestEpoch())?.epoch ?? 0) + 1;
  await world.grant("user_a", TST);
});

async function expectOnceOnTheChain(epoch: number): Promise<void> {
  expect(await world.settlement.epoch(epoch)).toMatchObject({ status: "final" });
  for (const events of [await contracts.committedEpochs(), await contracts.finalizedEpochs()])
    expect(events.filter((event) => event.epoch === BigInt(epoch)).length).toBe(1);
  const receipts = await Promise.all((await signedFor(epoch)).map(({ hash }) => receiptOf(hash)));
  // Of all that was ever signed, one commit and one finalize acted, and none was mined in vain.
  expect(receipts.filter((receipt) => receipt !== null).map((receipt) => receipt.status)).toEqual([1, 1]);
}

function receiptOf(hash: string) {
  return world.chain.provider.getTransactionReceipt(hash);
}

async function signedFor(
  epoch: number,
): Promise<{ hash: string; raw: string; nonce: number; fee: bigint }[]> {
  const { rows } = await world.pool.query(
    "SELECT hash, raw, nonce, max_fee_per_gas AS fee FROM settlement_tx WHERE epoch = $1 ORDER BY signed_at, 4",
    [epoch],
  );
  return rows;
}

/** For another program than the one that has just sent. */
async function isKeyFree(): Promise<boolean> {
  const { appUrl: url, schema } = world.database;
  const client = createClient({ url, schema, applicationName: "other-book" });
  await client.connect();
  try {
    const values = [world.record.chain_id, signer.address.toLowerCase()];
    return (await client.query(SQL.lockSender, values)).rows[0].locked;
  } finally {
    await client.end();
  }
}

/** Without automatic mining while the task runs. */
async function unmined<T>(task: () => Promise<T>): Promise<T> {
  await world.chain.provider.send("evm_setAutomine", [false]);
  try {
    return await task();
  } finally {
    await world.chain.provider.send("evm_setAutomine", [true]);
    await world.chain.provider.send("evm_mine", []);
  }
}

/** A settlement whose node answers as the test says. */
async function throughRelay(
  instead: (request: RpcRequest) => { ask: RpcRequest } | { result: unknown } | null,
  task: (settlement: Settlement, chain: Chain) => Promise<void>,
  options: Partial<SettlementOptions> = {},
): Promise<void> {
  const relay = await startRpcRelay(world.anvil.rpcUrl, async () => {}, instead);
  const chain = await connectChain({
    ...{ rpcUrl: relay.url, privateKey: world.anvil.privateKeys[0], chainId: 31_337n },
    requestTimeoutMs: 5_000,
  });
  try {
    await task(await world.open({ chain, ...options }), chain);
  } finally {
    chain.close();
    await relay.close();
  }
}

describe("a nonce that a foreign transaction took", () => {
  it("costs another one: the same calldata goes out under the next, in the same run", async () => {
    let foreign = 0;
    const settlement = await world.open({
      // Signed for its nonce, and before it is sent another program with this key is quicker.
      faults: async (point) => {
        if (!["commit-signed", "finalize-signed"].includes(point) || foreign > 2) return;
        foreign += 1;
        await mined(signer.sendTransaction({ to: signer.address, value: 1n }));
      },
    });
    expect((await settlement.run()).epoch).toMatchObject({ epoch: next, status: "final" });
    expect(foreign).toBe(3);
    // By whatever way the sending ended, other books may send with the key.
    expect(await isKeyFree()).toBe(true);
    expect((await signedFor(next)).length).toBe(5);
    await expectOnceOnTheChain(next);
  });

  it.each([false, true])(
    "and the chain gave back is that of what was signed first: that counts, though another was sent since (killed then: %s)",
    async (isKilled) => {
      const { provider } = world.chain;
      let signed = 0;
      const faults: Faults = async (point) => {
        if (point === "commit-signed") signed += 1;
        if (point === "commit-signed" && signed === 1)
          await mined(signer.sendTransaction({ to: signer.address, value: 1n }));
        if (point === "commit-signed" && signed === 2) {
          await provider.send("evm_setAutomine", [false]);
          if (isKilled) throw new Error("killed");
        }
        if (point === "commit-broadcast" && signed > 1) {
          await provider.send("anvil_dropAllTransactions", []);
          const [first] = await signedFor(next);
          await provider.send("anvil_reorg", [1, [[first?.raw, 0]]]);
        }
        if (point === "commit-mined") await provider.send("evm_setAutomine", [true]);
      };
      const open = () => world.open({ faults, sender: { giveUpAfterMs: 10_000 } });
      try {
        if (isKilled) await expect((await open()).run()).rejects.toThrow("killed");
        await (await open()).run();
      } finally {
        await provider.send("evm_setAutomine", [true]);
      }
      const [first, second, finalize] = await signedFor(next);
      expect([second, finalize].map((other) => (other?.nonce ?? 0) - (first?.nonce ?? 0))).toEqual([1, 1]);
      expect(await world.settlement.epoch(next)).toMatchObject({ txHash: first?.hash });
      await expectOnceOnTheChain(next);
    },
  );

  it("and waits unmined with a high fee is outbid", async () => {
    const stuck = await unmined(async () => {
      const nonce = await signer.getNonce();
      const { maxFeePerGas } = await world.chain.provider.getFeeData();
      const offer = (maxFeePerGas ?? 1n) * 2n;
      const sent = await signer.sendTransaction({
        ...{ to: signer.address, value: 1n, nonce, maxFeePerGas: offer, maxPriorityFeePerGas: offer },
      });
      const settlement = await world.open({ sender: { replaceAfterMs: 50, giveUpAfterMs: 5_000 } });
      const running = settlement.run().catch(() => undefined);
      await expect
        .poll(async () => (await signedFor(next)).at(-1)?.fee ?? 0n, { timeout: 20_000 })
        .toBeGreaterThan((offer * 9n) / 8n);
      await settlement.stop();
      await running;
      return sent.hash;
    });
    await world.settlement.advance();
    expect(await receiptOf(stuck)).toBeNull();
    await expectOnceOnTheChain(next);
  });
});

describe("another key", () => {
  it("sends its own transaction, though the one before signed one for the same nonce", async () => {
    const dying = await world.open({
      faults: (point) => {
        if (point === "finalize-signed") throw new Error("died");
      },
    });
    await expect(dying.run()).rejects.toThrow("died");
    const nonce = (await signedFor(next)).at(-1)?.nonce ?? 0;
    const chain = await connectChain({
      ...{ rpcUrl: world.anvil.rpcUrl, privateKey: world.anvil.privateKeys[1], chainId: 31_337n },
    });
    const address = chain.signer?.address;
    await chain.provider.send("anvil_setNonce", [address, `0x${nonce.toString(16)}`]);
    const settlement = await world.open({ chain });
    await settlement.advance();
    const { status, finalizeTxHash } = (await settlement.epoch(next)) ?? {};
    expect(status).toBe("final");
    expect(await chain.provider.getTransaction(finalizeTxHash ?? "")).toMatchObject({ from: address, nonce });
    await settlement.stop();
    chain.close();
    await expectOnceOnTheChain(next);
  });
});

describe("a transaction that is stuck", () => {
  it("counts even where the first of all is mined in the end, after dearer ones were sent", async () => {
    const settlement = await world.open({ sender: { replaceAfterMs: 150, giveUpAfterMs: 20_000 } });
    const { provider } = world.chain;
    await provider.send("evm_setAutomine", [false]);
    const running = settlement.run();
    await expect.poll(async () => (await signedFor(next)).length, { timeout: 20_000 }).toBeGreaterThan(2);
    const [first] = await signedFor(next);
    // The miner has the first one alone.
    await expect
      .poll(
        async () => {
          await provider.send("anvil_dropAllTransactions", []);
          await provider.send("eth_sendRawTransaction", [first?.raw]).catch(() => undefined);
          await provider.send("evm_mine", []);
          return (await receiptOf(first?.hash ?? ""))?.status;
        },
        { timeout: 20_000 },
      )
      .toBe(1);
    await provider.send("evm_setAutomine", [true]);
    await provider.send("evm_mine", []);
    const { epoch } = await running;
    expect(epoch).toMatchObject({ epoch: next, status: "final", txHash: first?.hash });
    await expectOnceOnTheChain(next);
  });
});

describe("a node", () => {
  it("that has no receipts is believed by its events, and the gas is filled in later", async () => {
    await throughRelay(
      ({ method }) => (method === "eth_getTransactionReceipt" ? { result: null } : null),
      async (settlement) => {
        expect((await settlement.run()).epoch).toMatchObject({ epoch: next, status: "final", gasUsed: null });
      },
    );
    await world.settlement.advance();
    await expectOnceOnTheChain(next);
    const commit = await contracts.readCommitted(BigInt(next));
    expect(await world.settlement.epoch(next)).toMatchObject({
      ...{ txHash: commit?.txHash, gasUsed: expect.any(Number), finalizeGasUsed: expect.any(Number) },
    });
  });

  it.each([
    ["behind", (latest: number) => latest - 6],
    ["ahead", (latest: number) => latest + 1_000],
  ])(
    "that lies about the latest block (%s) makes nothing final too early, and nothing twice",
    async (_, lie) => {
      await world.settlement.run();
      await world.grant("user_a", TST);
      const real = await world.chain.provider.getBlockNumber();
      let lying = true;
      const claimed = `0x${lie(real).toString(16)}`;
      await throughRelay(
        (request) => {
          if (!lying) return null;
          if (request.method === "eth_blockNumber") return { result: claimed };
          const params = request.params.map((one) => (one === "latest" ? claimed : one));
          return { ask: { ...request, params } };
        },
        async (settlement) => {
          await settlement.run().catch(() => undefined);
          const { rows } = await world.pool.query(
            "SELECT number FROM epoch WHERE status = 'final' AND number > $1",
            [next],
          );
          expect(rows).toEqual([]);
          lying = false;
          await settlement.run();
        },
        { finalityDepth: 64, sender: { replaceAfterMs: 100, giveUpAfterMs: 1_000 } },
      );
      for (let block = 0; block < 64; block++) await world.chain.provider.send("evm_mine", []);
      const careful = await world.open({ finalityDepth: 64 });
      await careful.advance();
      for (const epoch of [next, next + 1]) await expectOnceOnTheChain(epoch);
    },
  );
});

describe("a database that is gone before it has a transaction", () => {
  it("keeps it from the chain, and so has every hash that is there", async () => {
    const { appUrl, schema } = world.database;
    const proxy = await startCutProxy(appUrl);
    const pool = createPool({ url: proxy.url, schema, applicationName: "gone", max: 4, log: silentLog() });
    const asked: string[] = [];
    const relay = await startRpcRelay(world.anvil.rpcUrl, async (method) => {
      asked.push(method);
      // Of what is asked before a transaction is signed, the last but the fees' block.
      if (method === "eth_maxPriorityFeePerGas") proxy.cutAll();
    });
    const chain = await connectChain({
      ...{ rpcUrl: relay.url, privateKey: world.anvil.privateKeys[0], chainId: 31_337n },
    });
    const settlement = await world.open({ chain, pool });
    await expect(settlement.run()).rejects.toThrow();
    expect([asked.includes("eth_maxPriorityFeePerGas"), asked.includes("eth_sendRawTransaction")]).toEqual([
      true,
      false,
    ]);
    await settlement.stop();
    chain.close();
    await relay.close();
    await pool.end();
    await proxy.close();
    // The server may notice a moment later that whoever held the lock is gone.
    await expect
      .poll(async () => (await world.settlement.run()).epoch?.epoch, { timeout: 20_000 })
      .toBe(next);
    await expectOnceOnTheChain(next);
  });
});

describe("epochs that waited", () => {
  it("are each made final before the next is committed, where there is no window", async () => {
    const folder = join(world.folder, "closed");
    writeFileSync(folder, "no folder");
    const closing = await world.open({ publishedFolder: folder });
    for (const epoch of [next, next + 1, next + 2]) {
      await expect(closing.run()).rejects.toMatchObject({ code: "unavailable" });
      expect(await world.settlement.latestEpoch()).toMatchObject({ epoch, status: "built" });
      await world.grant("user_a", TST);
    }
    await world.settlement.advance();
    const blocks = [];
    for (const epoch of [next, next + 1, next + 2]) {
      const { blockNumber, finalizeBlock } = (await world.settlement.epoch(epoch)) ?? {};
      blocks.push(blockNumber ?? 0, finalizeBlock ?? 0);
    }
    expect(blocks).toEqual(blocks.toSorted((left, right) => left - right));
    expect(new Set(blocks).size).toBe(6);
  });
});

describe("a disk that does not take an epoch's files", () => {
  it("keeps it from the chain, but not what was there before; it goes out once there is room", async () => {
    const folder = join(world.folder, "full");
    writeFileSync(folder, "no folder");
    const committed = await contracts.lastCommitted();
    const full = await world.open({ publishedFolder: folder });
    await expect(full.run()).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining(`epoch ${next} cannot be published`),
    });
    expect(await contracts.lastCommitted()).toBe(committed);
    expect(await world.settlement.epoch(next)).toMatchObject({ status: "built" });
    rmSync(folder);
    mkdirSync(folder);
    await full.advance();
    await expectOnceOnTheChain(next);
  });
});
