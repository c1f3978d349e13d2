/** What is done beside the closing of an epoch: its lines are read by another connection, and the chain is looked at. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Book, createLog, createPool, finalizeCalldata, silentLog } from "#infra";
import { systemClock, systemIds } from "#kernel";
import type { SettlementOptions } from "#settlement";
import { startAnvil } from "../support/anvil.ts";
import { attest, createParties, passTime, sendAs, signHeader } from "./attesters.ts";
import { createWorld, TST, type World } from "./world.ts";

const WINDOW_SECONDS = 60;
const parties = createParties({ windowSeconds: WINDOW_SECONDS, attesters: 1, threshold: 1 });
/** More than are read by the closing connection itself. */
const MANY_LINES = 600;

let world: World;
let contracts: Book;

beforeAll(async () => {
  world = await createWorld(startAnvil, parties.deploy);
  contracts = new Book(world.chain, world.record);
});
afterAll(() => world?.close());

describe("the look at the chain", () => {
  /** Nothing waits. */
  beforeEach(async () => {
    const last = await world.settlement.latestEpoch();
    if (!last) return;
    await attest(world, last.epoch, parties.attesters);
    await passTime(world, WINDOW_SECONDS);
    await world.settlement.advance();
  });

  /** Of an epoch whose window ends; returns another instance, that finalizes it as soon as it has looked. */
  async function finalizedMeanwhile(options: Partial<SettlementOptions>) {
    await world.grant("user_a", TST);
    const { epoch } = await world.settlement.run();
    if (!epoch) throw new Error("nothing was settled");
    await attest(world, epoch.epoch, parties.attesters);
    await passTime(world, WINDOW_SECONDS);
    const [attester] = parties.attesters;
    if (!attester) throw new Error("there is no attester");
    const signature = await signHeader(attester, world.record, epoch.headerHash);
    const data = finalizeCalldata(epoch.header as never, [signature] as never);
    await world.grant("user_a", TST);
    const said: string[] = [];
    const instance = await world.open({
      log: createLog("warn", { write: (line) => said.push(line) }),
      faults: async (point) => {
        if (point === "before-commit-of-transaction")
          await sendAs(world, attester, world.record.registry, data);
      },
      ...options,
    });
    return { epoch: epoch.epoch, instance, said };
  }

  async function expectSettled(epoch: number, outcome: Awaited<ReturnType<World["settlement"]["run"]>>) {
    expect(outcome).toMatchObject({ outcome: "settled", epoch: { epoch: epoch + 1, status: "committed" } });
    expect(await world.settlement.epoch(epoch)).toMatchObject({ status: "final" });
    expect(await contracts.lastFinal()).toBe(BigInt(epoch));
    expect(await contracts.lastCommitted()).toBe(BigInt(epoch + 1));
  }

  it("that was overtaken while the epoch was closed is taken again, and nothing is called refused", async () => {
    // A look is never too old by a clock that stands.
    const nowMs = systemClock.nowMs();
    const { epoch, instance, said } = await finalizedMeanwhile({ clock: { nowMs: () => nowMs } });
    await expectSettled(epoch, await instance.run());
    expect(said.map((line) => JSON.parse(line))).toMatchObject([
      { msg: "an action was not done", again: true },
    ]);
  });

  it("that was taken longer ago is not gone by", async () => {
    let nowMs = systemClock.nowMs();
    const clock = {
      nowMs: () => {
        nowMs += 2_000;
        return nowMs;
      },
    };
    const { epoch, instance, said } = await finalizedMeanwhile({ clock });
    await expectSettled(epoch, await instance.run());
    expect(said).toEqual([]);
  });

  it("that shows what the chain took back while the epoch was closed is taken again", async () => {
    await world.grant("user_a", TST);
    const { epoch } = await world.settlement.run();
    await world.grant("user_a", TST);
    const nowMs = systemClock.nowMs();
    const instance = await world.open({
      clock: { nowMs: () => nowMs },
      faults: async (point) => {
        // The block that committed it is the newest.
        if (point === "before-commit-of-transaction") await world.chain.provider.send("anvil_reorg", [1, []]);
      },
    });
    const number = epoch?.epoch ?? 0;
    expect(await contracts.lastCommitted()).toBe(BigInt(number));
    expect(await instance.run()).toMatchObject({
      outcome: "settled",
      epoch: { epoch: number + 1, status: "committed" },
    });
    expect(await contracts.lastCommitted()).toBe(BigInt(number + 1));
    expect(await contracts.headerHashOf(BigInt(number + 1))).toBe(
      (await world.settlement.latestEpoch())?.headerHash,
    );
  });
});

describe("lines", () => {
  const connection = () => ({
    ...{ url: world.database.appUrl, schema: world.database.schema, log: silentLog() },
    applicationName: "reads-test",
  });

  beforeEach(() =>
    world.ledger.submit({
      name: "test.lines",
      decide: (view) => {
        const treasury = view.openAccount({ asset: "TST", role: "treasury", owner: null });
        const available = view.openAccount({ asset: "TST", role: "available", owner: "user_a" });
        for (let line = 0; line < MANY_LINES; line++)
          view.move({
            ...{ id: systemIds.uuid(), debitAccount: treasury, creditAccount: available },
            ...{ amount: 1n, code: "grant" },
          });
        return null;
      },
    }),
  );

  async function settleWith(readPool: ReturnType<typeof createPool>): Promise<void> {
    const settlement = await world.open({ readPool });
    await settlement.run();
    await expectLogOfAllLines();
  }

  async function expectLogOfAllLines(): Promise<void> {
    const { rows } = await world.pool.query<{ size: number }>("SELECT next_seq AS size FROM journal_head");
    const newest = await world.settlement.log.latest();
    expect(newest?.size).toBe(rows[0]?.size);
    // An instance that comes new makes the next epoch over what this one wrote, after it has compared the log with the header.
    await world.grant("user_a", TST);
    expect((await (await world.open()).run()).outcome).toBe("settled");
  }

  it("are read by a connection of the readers' where one is free", async () => {
    const readPool = createPool({ ...connection(), max: 1 });
    try {
      expect(readPool.totalCount).toBe(0);
      await settleWith(readPool);
      expect(readPool.totalCount).toBe(1);
      expect(readPool.idleCount).toBe(1);
    } finally {
      await readPool.end();
    }
  });

  it("are read by the closing connection while readers hold all of their own", async () => {
    const readPool = createPool({ ...connection(), max: 1 });
    const client = await readPool.connect();
    let isAsked = false;
    const watched = new Proxy(readPool, {
      get(pool, name) {
        if (name === "connect") isAsked = true;
        const member: unknown = Reflect.get(pool, name);
        return typeof member === "function" ? member.bind(pool) : member;
      },
    });
    try {
      await settleWith(watched);
      // Nobody waits for one until it takes too long.
      expect(isAsked).toBe(false);
    } finally {
      client.release();
      await readPool.end();
    }
  });

  it("are read by the closing connection where there is no other after all", async () => {
    const nobody = new URL(world.database.appUrl);
    nobody.username = "nobody_of_this_name";
    const readPool = createPool({ ...connection(), url: nobody.href, max: 1 });
    try {
      await settleWith(readPool);
    } finally {
      await readPool.end();
    }
  });

  it("that cannot be read close no epoch, and the next run reads them", async () => {
    const readPool = createPool({ ...connection(), schema: "pg_catalog", max: 1 });
    try {
      const before = (await world.settlement.latestEpoch())?.epoch;
      await expect((await world.open({ readPool })).run()).rejects.toThrow("transfer");
      expect((await world.settlement.latestEpoch())?.epoch).toBe(before);
      expect(readPool.totalCount).toBe(0);
      expect((await world.settlement.run()).outcome).toBe("settled");
      await expectLogOfAllLines();
    } finally {
      await readPool.end();
    }
  });
});
