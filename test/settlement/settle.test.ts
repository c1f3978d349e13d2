import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { Book, contractArtifact, createPool, finalSectionOf, silentLog } from "#infra";
import { headerSection, LogFrontier, leafFileHash, parseLeafFile, SECTIONS } from "#proof";
import type { FaultPoint } from "#settlement";
import { mined } from "../support/mined.ts";
import { heldPool } from "./held-pool.ts";
import { createWorld, SUPPLY, TST, type World } from "./world.ts";

let world: World;
let contracts: Book;

beforeAll(async () => {
  world = await createWorld();
  contracts = new Book(world.chain, world.record);
});
afterAll(() => world?.close());

async function text(stream: AsyncIterable<string | Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let all = "";
  for await (const piece of stream) all += typeof piece === "string" ? piece : decoder.decode(piece);
  return all;
}

describe("a settlement run", () => {
  it("commits and finalizes the first epoch, and the contract holds what Postgres says", async () => {
    await world.grant("user_a", 100n * TST);
    await world.lock("user_a", "agreement-1", 60n * TST);
    const { outcome, epoch } = await world.settlement.run();
    expect(outcome).toBe("settled");
    expect(epoch).toMatchObject({ epoch: 1, status: "final", leavesChanged: 3 });
    if (!epoch) return;
    expect(await contracts.headerHashOf(1n)).toBe(epoch.headerHash);
    expect(await contracts.lastFinal()).toBe(1n);
    expect(headerSection(epoch.header, "locks")).toMatchObject({ sum: 60n * TST, count: 1n });
    expect(headerSection(epoch.header, "balances")).toMatchObject({ sum: SUPPLY - 60n * TST, count: 2n });
    expect(await contracts.finalSection("locks")).toEqual(
      finalSectionOf(headerSection(epoch.header, "locks")),
    );
    expect(await contracts.custody()).toMatchObject({ escrow: 60n * TST, vault: SUPPLY - 60n * TST });
  });

  it("says unchanged, with the last epoch, where the journal did not grow", async () => {
    const { outcome, epoch } = await world.settlement.run();
    expect(outcome).toBe("unchanged");
    expect(epoch?.epoch).toBe(1);
    expect(await contracts.lastCommitted()).toBe(1n);
  });

  it("costs what changed: a leaf that went and came back is in no file", async () => {
    await world.grant("user_b", 50n * TST);
    await world.lock("user_a", "agreement-2", 20n * TST);
    await world.release("user_a", "agreement-2", 20n * TST);
    const { epoch } = await world.settlement.run();
    const balances = parseLeafFile(await text(await world.settlement.leaves(2, "balances", false)));
    expect(balances.map(({ index }) => index)).toEqual([0n, 2n]);
    const locks = parseLeafFile(await text(await world.settlement.leaves(2, "locks", false)));
    expect(locks.map(({ index, amount }) => [index, amount])).toEqual([[1n, 0n]]);
    expect(epoch?.leavesChanged).toBe(3);
    const whole = parseLeafFile(await text(await world.settlement.leaves(2, "locks", true)));
    expect(whole.map(({ amount }) => amount)).toEqual([60n * TST, 0n]);
  });

  it("publishes the files that the data hash binds, and the journal that the root is of", async () => {
    const epoch = await world.settlement.epoch(2);
    if (!epoch) throw new Error("epoch 2 is missing");
    for (const section of SECTIONS) {
      const file = readFileSync(join(world.folder, epoch.headerHash, `leaves-${section}.ndjson`), "utf8");
      expect(leafFileHash(file)).toBe(
        leafFileHash(await text(await world.settlement.leaves(2, section, false))),
      );
    }
    const lines = (await text(await world.settlement.journal(0, 1_000_000))).split("\n").slice(0, -1);
    expect(lines.length).toBe(epoch.journalSize);
    const frontier = LogFrontier.empty();
    for (const line of lines) frontier.append(line);
    expect(frontier.root()).toBe(epoch.header.journalRoot);
  });

  it("shares an epoch between calls at the same time, and settles what each wrote before", async () => {
    await world.grant("user_c", 5n * TST);
    const outcomes = await Promise.all([1, 2, 3].map(() => world.settlement.run()));
    expect(outcomes.map(({ epoch }) => epoch?.epoch)).toEqual([3, 3, 3]);
    const running = world.settlement.run();
    await world.grant("user_c", 5n * TST);
    const { epoch } = await world.settlement.run();
    await running;
    const size = await world.pool.query("SELECT next_seq FROM journal_head");
    expect(epoch?.journalSize).toBe(size.rows[0].next_seq);
  });

  it("does not count a run that took its snapshot before what is to be settled was written", async () => {
    const [closing, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const held = heldPool(world.pool, /newest first, at most|next_seq/);
    const settlement = await world.open({
      pool: held.pool,
      faults: async (point) => {
        if (point !== "before-commit-of-transaction") return;
        closing.resolve();
        await goOn.promise;
      },
    });
    held.hold(1);
    const late = settlement.run();
    await held.arrived();
    await world.grant("user_c", TST);
    const early = settlement.run();
    await closing.promise;
    await world.grant("user_c", TST);
    held.release();
    // The late one has read how far the journal is, and finds a run under way.
    await expect.poll(() => held.counts.ended, { timeout: 10_000 }).toBeGreaterThanOrEqual(4);
    goOn.resolve();
    const [, { epoch }] = await Promise.all([early, late]);
    const { rows } = await world.pool.query("SELECT next_seq FROM journal_head");
    expect(epoch?.journalSize).toBe(rows[0].next_seq);
  });

  it("tells of each position how far its last change has come", async () => {
    const { accountId } = world.position("locks", "user_a", "agreement-1");
    const other = world.position("balances", "user_c").accountId;
    const before = await world.settlement.settlementOf([
      accountId,
      other,
      "00000000-0000-7000-8000-000000000000",
    ]);
    expect(before.get(accountId)).toMatchObject({ status: "final", epoch: 1 });
    expect(before.get(accountId)?.txHash).toBe((await contracts.readCommitted(1n))?.txHash);
    expect(before.size).toBe(2);
    await world.grant("user_c", 1n * TST);
    const after = await world.settlement.settlementOf([accountId, other]);
    expect(after.get(other)).toEqual({ status: "pending", epoch: null, txHash: null });
    expect(after.get(accountId)).toMatchObject({ status: "final", epoch: 1 });
  });
});

describe("a published folder", () => {
  it("that was lost is served from Postgres in the same bytes; a half-written one is written anew", async () => {
    const epoch = await world.settlement.epoch(2);
    const folder = join(world.folder, epoch?.headerHash ?? "");
    const read = async () =>
      Promise.all(SECTIONS.map(async (name) => text(await world.settlement.leaves(2, name, false))));
    const before = await read();
    rmSync(folder, { recursive: true });
    expect(await read()).toEqual(before);

    const next = (await world.settlement.latestEpoch())?.epoch ?? 0;
    const dying = await world.open({
      faults: (point) => {
        if (point === "closed") throw new Error("died");
      },
    });
    await world.grant("user_g", TST);
    await expect(dying.run()).rejects.toThrow("died");
    const closed = await world.settlement.epoch(next + 1);
    const half = join(world.folder, `${closed?.headerHash}.tmp`);
    mkdirSync(half);
    writeFileSync(join(half, "leaves-balances.ndjson"), "half");
    // A run skips while the database has not noticed yet that the one before it died.
    await expect
      .poll(async () => world.settlement.advance().then(() => existsSync(half)), { timeout: 20_000 })
      .toBe(false);
    expect(parseLeafFile(await text(await world.settlement.leaves(next + 1, "balances", false))).length).toBe(
      3,
    );
    expect(existsSync(join(world.folder, closed?.headerHash ?? "", "journal.ndjson"))).toBe(true);
  });
});

describe("what is written aside while an epoch closes", () => {
  const aside = () => readdirSync(world.folder).filter((name) => name.startsWith("closing-"));
  const dyingAt = (wanted: FaultPoint, seen: () => void = () => {}) =>
    world.open({
      faults: (point) => {
        if (point !== wanted) return;
        seen();
        throw new Error("died");
      },
    });

  it("is there before the epoch is, and gone with an epoch that does not come to be", async () => {
    let before: string[] = [];
    const dying = await dyingAt("before-commit-of-transaction", () => {
      before = aside();
    });
    await world.grant("user_g", TST);
    await expect(dying.run()).rejects.toThrow("died");
    expect(before).toEqual([expect.stringMatching(/^closing-1-/)]);
    expect(aside()).toEqual([]);
  });

  it("gets the epoch's name, with the bytes that Postgres has", async () => {
    await world.grant("user_g", TST);
    const { epoch } = await world.settlement.run();
    const folder = join(world.folder, epoch?.headerHash ?? "");
    const published = () =>
      Promise.all(
        SECTIONS.map(async (name) => text(await world.settlement.leaves(epoch?.epoch ?? 0, name, false))),
      );
    expect(readdirSync(folder).toSorted()).toEqual(
      ["journal.ndjson", ...SECTIONS.map((name) => `leaves-${name}.ndjson`)].toSorted(),
    );
    const written = await published();
    rmSync(folder, { recursive: true });
    expect(await published()).toEqual(written);
    expect(aside()).toEqual([]);
  });

  it("is swept where the book is opened, whoever left it, and the epoch is published from Postgres", async () => {
    const dying = await dyingAt("closed");
    await world.grant("user_g", TST);
    await expect(dying.run()).rejects.toThrow("died");
    expect(aside()).toHaveLength(1);
    const ofAnother = join(world.folder, "closing-10-of-another-book");
    mkdirSync(ofAnother);
    const after = await world.open({});
    expect(aside()).toEqual(["closing-10-of-another-book"]);
    rmSync(ofAnother, { recursive: true });
    await expect.poll(() => after.run(), { timeout: 20_000 }).toMatchObject({ outcome: "settled" });
    const { headerHash } = (await after.latestEpoch()) ?? { headerHash: "" };
    expect(existsSync(join(world.folder, headerHash, "journal.ndjson"))).toBe(true);
    // The one whose folder was swept goes on with the next epoch as if nothing had been.
    await world.grant("user_g", TST);
    await expect(dying.run()).rejects.toThrow("died");
    await expect.poll(() => after.run(), { timeout: 20_000 }).toMatchObject({ outcome: "settled" });
  });

  it("that is swept under a settlement at work is published from Postgres in the same run", async () => {
    let swept: string[] = [];
    const unlucky = await world.open({
      faults: async (point) => {
        if (point !== "closed") return;
        swept = aside();
        await world.open({});
      },
    });
    await world.grant("user_g", TST);
    const { outcome, epoch } = await unlucky.run();
    expect(outcome).toBe("settled");
    expect(swept).toHaveLength(1);
    expect(aside()).toEqual([]);
    expect(readdirSync(join(world.folder, epoch?.headerHash ?? ""))).toHaveLength(SECTIONS.length + 1);
  });
});

describe("an epoch", () => {
  it("is final only when its finalize lies as deep as told, and settlement goes on meanwhile", async () => {
    const careful = await world.open({ finalityDepth: 4 });
    await world.grant("user_c", TST);
    const { epoch: first } = await careful.run();
    expect(first).toMatchObject({ status: "committed", finalizeTxHash: expect.stringMatching(/^0x/) });
    await world.grant("user_c", TST);
    const { epoch: second } = await careful.run();
    expect(second).toMatchObject({ epoch: (first?.epoch ?? 0) + 1, status: "committed" });
    for (const [blocks, status] of [
      [3, "committed"],
      [1, "final"],
    ] as const) {
      for (let block = 0; block < blocks; block++) await world.chain.provider.send("evm_mine", []);
      await careful.advance();
      expect((await careful.latestEpoch())?.status).toBe(status);
    }
  });

  it("is settled while readers hold all of their own connections", async () => {
    const { appUrl, schema } = world.database;
    const connection = { url: appUrl, schema, applicationName: "readers-test", log: silentLog() };
    const readPool = createPool({ ...connection, max: 1 });
    const client = await readPool.connect();
    try {
      const settlement = await world.open({ readPool });
      await world.grant("user_c", TST);
      const { epoch } = await settlement.run();
      expect(epoch?.status).toBe("final");
      client.release();
      // Asked for now: nobody waits for a connection longer than a settlement may take on a busy machine.
      expect((await settlement.latestEpoch())?.epoch).toBe(epoch?.epoch);
    } finally {
      await readPool.end();
    }
  });
});

describe("stopping", () => {
  it("ends a run that waits for a block at once; the next process goes on", async () => {
    const before = (await world.settlement.latestEpoch())?.epoch ?? 0;
    await world.chain.provider.send("evm_setAutomine", [false]);
    await world.grant("user_d", TST);
    let sent: (() => void) | undefined;
    const broadcast = new Promise<void>((resolve) => {
      sent = resolve;
    });
    const stopped = await world.open({
      faults: (point) => {
        if (point === "commit-broadcast") sent?.();
      },
    });
    const run = stopped.run();
    await broadcast;
    const [outcome] = await Promise.allSettled([run, stopped.stop()]);
    expect(outcome).toMatchObject({ status: "rejected", reason: { code: "unavailable" } });
    await expect(stopped.run()).rejects.toMatchObject({ code: "unavailable" });
    expect((await world.settlement.latestEpoch())?.status).toBe("sent");
    await world.chain.provider.send("evm_setAutomine", [true]);
    await world.chain.provider.send("evm_mine", []);
    await world.settlement.advance();
    expect(await world.settlement.latestEpoch()).toMatchObject({ epoch: before + 1, status: "final" });
  });
});

describe("stopping between closing and sending", () => {
  it("is said to whoever waits for the epoch, also where it was closed before", async () => {
    await world.grant("user_d", TST);
    const stopped = await world.open({
      faults: (point) => {
        if (point === "closed") void stopped.stop();
      },
    });
    await expect(stopped.run()).rejects.toMatchObject({
      ...{ code: "unavailable", message: expect.stringContaining("Not settled: the server is stopping") },
    });
    expect(await world.settlement.latestEpoch()).toMatchObject({ status: "built" });
    // Nor is it nothing new to who may not send it.
    await expect((await world.open({ mostWaiting: 0 })).run()).rejects.toMatchObject({
      ...{ code: "unavailable", message: expect.stringMatching(/^Not settled: 1 epochs wait/) },
    });
    expect(await world.settlement.run()).toMatchObject({ outcome: "settled", epoch: { status: "final" } });
  });
});

describe("a transaction that is not mined", () => {
  it("is replaced under its nonce for a higher fee, and whichever is mined counts", async () => {
    const before = (await world.settlement.latestEpoch())?.epoch ?? 0;
    await world.chain.provider.send("evm_setAutomine", [false]);
    await world.grant("user_e", TST);
    const impatient = await world.open({ sender: { replaceAfterMs: 150, giveUpAfterMs: 1_500 } });
    await expect(impatient.run()).rejects.toMatchObject({ code: "unavailable" });
    const { rows } = await world.pool.query(
      "SELECT nonce, max_fee_per_gas AS fee, hash FROM settlement_tx WHERE epoch = $1 ORDER BY 2",
      [before + 1],
    );
    expect(rows.length).toBeGreaterThan(1);
    expect(new Set(rows.map(({ nonce }) => nonce)).size).toBe(1);
    for (const [place, { fee }] of rows.slice(1).entries())
      expect(fee * 8n).toBeGreaterThanOrEqual(rows[place].fee * 9n);
    await world.chain.provider.send("evm_setAutomine", [true]);
    await world.chain.provider.send("evm_mine", []);
    await impatient.advance();
    const epoch = await world.settlement.latestEpoch();
    expect(epoch).toMatchObject({ epoch: before + 1, status: "final" });
    expect(rows.map(({ hash }) => hash)).toContain(epoch?.txHash);
    const committed = await contracts.committedEpochs();
    expect(committed.filter((event) => event.epoch === BigInt(before + 1)).length).toBe(1);
  });

  it("is not replaced above the cap", async () => {
    await world.chain.provider.send("evm_setAutomine", [false]);
    await world.grant("user_e", TST);
    const { maxFeePerGas } = await world.chain.provider.getFeeData();
    const thrifty = await world.open({
      sender: { replaceAfterMs: 100, giveUpAfterMs: 600, maxFeePerGas: maxFeePerGas ?? 1n },
    });
    await expect(thrifty.run()).rejects.toMatchObject({ code: "unavailable" });
    const { epoch } = (await world.settlement.latestEpoch()) ?? { epoch: 0 };
    const { rows } = await world.pool.query("SELECT 1 FROM settlement_tx WHERE epoch = $1", [epoch]);
    expect(rows.length).toBe(1);
    await world.chain.provider.send("evm_setAutomine", [true]);
    await world.chain.provider.send("evm_mine", []);
    await thrifty.advance();
    expect(await world.settlement.latestEpoch()).toMatchObject({ epoch, status: "final" });
  });
});

describe("a contract that refuses", () => {
  it("is not sent anything; settlement goes on by itself once it takes epochs again", async () => {
    const pause = async (name: "pause" | "unpause") => {
      const { abi } = contractArtifact("SettlementRegistry");
      const data = abi.encodeFunctionData(name);
      await mined(world.chain.signer?.sendTransaction({ to: world.record.registry, data }));
    };
    await pause("pause");
    const nonce = await world.chain.signer?.getNonce();
    await world.grant("user_f", TST);
    await expect(world.settlement.run()).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("EnforcedPause"),
    });
    expect(await world.chain.signer?.getNonce()).toBe(nonce);
    await pause("unpause");
    await world.settlement.advance();
    expect(await world.settlement.latestEpoch()).toMatchObject({ status: "final" });
  });
});

describe("closing an epoch", () => {
  it("takes no head: it is closed while another transaction has it, and only told of after", async () => {
    await world.grant("user_h", TST);
    const before = (await world.settlement.latestEpoch())?.epoch ?? 0;
    const holder = await world.pool.connect();
    let running: ReturnType<typeof world.settlement.run>;
    try {
      await holder.query("SET idle_in_transaction_session_timeout = 0");
      await holder.query("BEGIN");
      await holder.query("SELECT take_head()");
      running = world.settlement.run();
      await vi.waitFor(async () => expect((await world.settlement.latestEpoch())?.epoch).toBe(before + 1), {
        timeout: 20_000,
      });
    } finally {
      await holder.query("ROLLBACK");
      holder.release(true);
    }
    expect(await running).toMatchObject({
      outcome: "settled",
      epoch: { epoch: before + 1, status: "final" },
    });
  });
});
