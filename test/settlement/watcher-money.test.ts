/** What moves money because of the chain, when a node, a clock or a part of the server does not do as it should. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectChain, type Log, silentLog } from "#infra";
import { DomainError, systemIds } from "#kernel";
import type { ChainEffects, Settlement } from "#settlement";
import type { BookRow } from "../../src/settlement/model.ts";
import { sweepDueDemands } from "../../src/settlement/watcher/demands.ts";
import { type DemandRow, demandTable } from "../../src/settlement/watcher/tables.ts";
import { ACCESS_RULES } from "../programs/access/coherence-rules.ts";
import { LEDGER_RULES } from "../support/coherence-rules.ts";
import { mined } from "../support/mined.ts";
import { expectCoherentWithChain } from "./chain-coherence.ts";
import { startMoodyNode } from "./moody-node.ts";
import { createWatchWorld, leafTuple, nodes, type Person, TOKENS, type WatchWorld } from "./watch-world.ts";

let world: WatchWorld;

beforeAll(async () => {
  world = await createWatchWorld();
});
afterAll(async () => {
  if (!world) return;
  await expectCoherentWithChain(world, { ...LEDGER_RULES, ...ACCESS_RULES });
  await world.close();
});

const balance = async (user: string, role = "available") =>
  (
    await world.rows<{ amount: bigint }>(
      "SELECT coalesce(sum(credits_posted - debits_posted), 0) AS amount FROM account WHERE owner = $1 AND role = $2",
      [user, role],
    )
  )[0]?.amount;
const claims = async () =>
  (await world.rows<{ n: number }>("SELECT count(*) AS n FROM chain_line WHERE event = 'Claimed'"))[0]?.n ??
  0;

/** Keeps what an operator is called for. */
function alarming(alarms: object[]): Log {
  const log: Log = Object.assign(silentLog(), {
    error: (fields: object) => alarms.push(fields),
    child: () => log,
  });
  return log;
}

/** Withdraws, and settles by an instance that does not look at the chain. */
async function withdraw({ user }: Person, amount: bigint): Promise<void> {
  await world.grant(user, amount);
  const id = systemIds.uuid();
  await world.ledger.submit({
    name: "test.withdraw",
    decide(view) {
      const debitAccount = view.openAccount({ asset: "TST", role: "available", owner: user });
      const creditAccount = world.effects.payoutsOf(view, "TST", user);
      return view.move({ id, debitAccount, creditAccount, amount, code: "withdrawal" }).id;
    },
  });
  const blind = await world.open({});
  await blind.run();
  await blind.stop();
}

async function claim(person: Person): Promise<string> {
  const { user } = person;
  const accountId = world.ledger.accountId({ asset: "TST", role: "payouts", owner: user });
  const position = { accountId, userId: user, keyParts: [user] };
  const { header, leaf, siblings } = await world.proof("payouts", position);
  const vault = world.vault(person);
  return (await mined(vault.getFunction("claim")(header.epoch, leafTuple(leaf), nodes(siblings)))).hash;
}

describe("claims of one key", () => {
  it("count in their order: where a node left one out, the next waits for it", async () => {
    const anna = await world.person("anna");
    await withdraw(anna, 10n * TOKENS);
    const first = await claim(anna);
    const node = await startMoodyNode(world.anvil.rpcUrl);
    const forgetful = await connectChain({
      ...{ rpcUrl: node.url, privateKey: world.anvil.privateKeys[0], chainId: 31_337n },
    });
    node.be(async ({ method }, answer) => {
      const result = await answer();
      if (method !== "eth_getLogs") return { result };
      return {
        result: (result as { transactionHash: string }[]).filter((log) => log.transactionHash !== first),
      };
    });
    const { watcher, stop } = await world.open({ chain: forgetful, watching: world.watching() });
    const before = await claims();
    await watcher?.look();
    await withdraw(anna, 15n * TOKENS);
    const second = await claim(anna);
    await watcher?.look();
    expect([await claims(), await balance("anna", "payouts")]).toEqual([before, 25n * TOKENS]);
    node.be(null);
    await watcher?.look();
    await watcher?.look();
    expect([await claims(), await balance("anna", "payouts")]).toEqual([before + 2, 0n]);
    const order = await world.rows<{ tx: string }>(
      "SELECT '0x' || encode(tx_hash, 'hex') AS tx FROM chain_line WHERE event = 'Claimed' ORDER BY seq DESC LIMIT 2",
    );
    expect(order.map(({ tx }) => tx)).toEqual([second, first]);
    await stop();
    forgetful.close();
    await node.close();
  });
});

describe("an event that a node tells of twice", () => {
  const counted = async (event: string) =>
    (await world.rows<{ n: number }>("SELECT count(*) AS n FROM chain_line WHERE event = $1", [event]))[0]?.n;

  it.each([
    ["Claimed", /were claimed before/],
    ["EntryMade", /was credited before/],
  ])("(%s) is counted once, and a person is asked to look", async (event, why) => {
    const eve = await world.person(`eve of ${event}`);
    await world.withTokens(eve, 5n * TOKENS);
    await mined(world.vault(eve).getFunction("deposit")(2n * TOKENS));
    await world.watcher.look();
    const before = await counted(event);
    const alarms: object[] = [];
    const { watcher, stop } = await world.open({ log: alarming(alarms), watching: world.watching() });
    const [made] = await world.rows<{ tx_hash: string; log_index: number }>(
      `INSERT INTO chain_event (book, block, block_hash, block_time, tx_hash, log_index, contract, event, args)
       SELECT book, block, block_hash, block_time, tx_hash, log_index + 7, contract, event, args
       FROM chain_event WHERE event = $1 ORDER BY block DESC LIMIT 1 RETURNING tx_hash, log_index`,
      [event],
    );
    await expect(watcher?.look()).rejects.toThrow(why);
    expect([await counted(event), await balance(eve.user)]).toEqual([before, 2n * TOKENS]);
    expect(alarms).toEqual([expect.objectContaining({ alarm: true })]);
    await stop();
    await world.rows("DELETE FROM chain_event WHERE tx_hash = $1 AND log_index = $2", [
      made?.tx_hash,
      made?.log_index,
    ]);
    await world.watcher.look();
  });
});

describe("an epoch", () => {
  const epochs = async () => (await world.settlement.latestEpoch())?.epoch ?? 0;
  /** Settles with other effects than the rest. */
  const withEffects = (effects: Partial<ChainEffects>): Promise<Settlement> =>
    world.open({ watching: world.watching({ effects: () => ({ ...world.effects, ...effects }) }) });
  async function demanding(...users: string[]): Promise<void> {
    const people: Person[] = [];
    for (const user of users) {
      const person = await world.person(user);
      // There are more of them than the chain has accounts with ether.
      await world.chain.provider.send("anvil_setBalance", [person.address, "0xde0b6b3a7640000"]);
      people.push(person);
      await world.grant(user, 30n * TOKENS);
    }
    await world.settlement.run();
    for (const person of people)
      await world.demandExit(person, "balances", world.position("balances", person.user));
    await world.watcher.look();
    await world.advance(120);
  }

  it("is not closed over a due demand that cannot be swept, and is as soon as it can", async () => {
    await demanding("ben");
    const before = await epochs();
    const stuck = await withEffects({
      payoutsOf() {
        throw new DomainError("unavailable", "not now");
      },
    });
    await world.grant("somebody", TOKENS);
    await expect(stuck.run()).rejects.toMatchObject({ code: "unavailable" });
    expect([await epochs(), await balance("ben")]).toEqual([before, 30n * TOKENS]);
    await stuck.stop();
    await world.settlement.run();
    expect([await epochs(), await balance("ben")]).toEqual([before + 1, 0n]);
  });

  it("that a due demand holds up asks a silent node no second time", async () => {
    await demanding("bert");
    const never = new Promise<never>(() => {});
    const node = await startMoodyNode(world.anvil.rpcUrl);
    const silent = await connectChain({
      ...{ rpcUrl: node.url, privateKey: world.anvil.privateKeys[0], chainId: 31_337n },
      requestTimeoutMs: 100,
    });
    const payoutsOf = () => {
      throw new DomainError("unavailable", "not now");
    };
    const effects = () => ({ ...world.effects, payoutsOf });
    const settlement = await world.open({ chain: silent, watching: world.watching({ effects }) });
    node.be(() => never);
    let runs = 0;
    const asked = async () => {
      runs += 1;
      await expect(settlement.run()).rejects.toMatchObject({
        ...{ code: "unavailable", retryAfterSeconds: 60 },
        message: expect.stringMatching(/^The chain does not answer; .* could not be swept$/),
      });
      return node.asked.length;
    };
    // None where this process was too busy to send it in time.
    await expect.poll(asked, { timeout: 20_000 }).toBeGreaterThan(0);
    expect(node.asked.length).toBeLessThanOrEqual(runs);
    await settlement.stop();
    silent.close();
    await node.close();
    await world.settlement.run();
    expect(await balance("bert")).toBe(0n);
  });

  it("that a due demand waits for is not called settled, though no line is new", async () => {
    const person = await world.person("berta");
    await world.chain.provider.send("anvil_setBalance", [person.address, "0xde0b6b3a7640000"]);
    await world.grant("berta", 30n * TOKENS);
    await world.settlement.run();
    await world.demandExit(person, "balances", world.position("balances", "berta"));
    const stuck = await withEffects({
      payoutsOf() {
        throw new DomainError("unavailable", "not now");
      },
    });
    // It became due just now: its own line is settled, in a later second, so that it wants no other epoch than a sweep's.
    await world.advance(5);
    expect(await stuck.run()).toMatchObject({ outcome: "settled" });
    await world.advance(120);
    await expect(stuck.run()).rejects.toMatchObject({
      ...{ code: "unavailable", message: expect.stringMatching(/^Not settled: .* could not be swept$/) },
    });
    await stuck.stop();
    expect(await world.settlement.run()).toMatchObject({ outcome: "settled" });
    expect(await balance("berta")).toBe(0n);
  });

  it("has swept what is due behind any number of demands that cannot be swept", async () => {
    await demanding("stuck-1", "stuck-2", "stuck-3", "free");
    const [book] = await world.rows<{ id: number; asset: string }>("SELECT id, asset FROM book");
    const effects: ChainEffects = {
      ...world.effects,
      ending:
        () =>
        (_, { owner }) => {
          if (owner?.startsWith("stuck")) throw new DomainError("unavailable", "not now");
        },
    };
    const swept = await sweepDueDemands({
      ...{ pool: world.pool, log: silentLog(), pageSize: 1, swept: async () => {} },
      recording: { book: book as BookRow, ids: systemIds, effects },
    });
    expect([swept, await balance("free"), await balance("stuck-3")]).toEqual([1, 0n, 30n * TOKENS]);
  });

  it("is closed where the first sweep failed and the second did not", async () => {
    await demanding("carl");
    const before = await epochs();
    let sweeps = 0;
    const shaky = await withEffects({
      async submit(unit) {
        if (unit.name === "settlement.sweep" && sweeps++ === 0)
          throw new DomainError("unavailable", "not now");
        return world.effects.submit(unit);
      },
    });
    await shaky.run();
    expect([await epochs(), await balance("carl"), sweeps]).toEqual([before + 1, 0n, 2]);
    await shaky.stop();
  });

  it("is not held up by what comes in behind the sweep", async () => {
    await demanding("dora");
    const before = await epochs();
    const busy = await world.open({
      watching: world.watching({
        faults: (point) => (point === "swept" ? world.grant("dora", 1n) : undefined),
      }),
    });
    await busy.run();
    expect([await epochs(), await balance("dora")]).toEqual([before + 1, 1n]);
    await busy.stop();
  });

  it("is made for nothing but a demand that the last one came too early to serve", async () => {
    const { provider } = world.chain;
    const open = () => world.rows("SELECT 1 FROM exit_demand WHERE served_at IS NULL");
    const fay = await world.person("fay");
    await provider.send("anvil_setBalance", [fay.address, "0xde0b6b3a7640000"]);
    await world.grant("fay", 5n * TOKENS);
    await world.settlement.run();
    await world.watcher.look();
    expect(await open()).toEqual([]);
    // The epoch is committed in the very second of the demand: for the contract that is before it.
    await provider.send("anvil_setBlockTimestampInterval", [0]);
    await world.demandExit(fay, "balances", world.position("balances", "fay"));
    await world.advance(60, 0);
    const { epoch: early } = await world.settlement.run();
    await provider.send("anvil_removeBlockTimestampInterval", []);
    await world.watcher.look();
    expect([early?.status, await balance("fay"), (await open()).length]).toEqual(["final", 0n, 1]);
    await world.advance(5);
    const full = await world.open({ mostWaiting: 0, watching: world.watching() });
    await expect(full.run()).rejects.toMatchObject({
      ...{ code: "unavailable", message: expect.stringMatching(/^Not settled: 0 epochs wait/) },
    });
    await full.stop();
    const { outcome, epoch } = await world.settlement.run();
    expect([outcome, epoch?.epoch]).toEqual(["settled", (early?.epoch ?? 0) + 1]);
    expect(epoch?.journalSize).toBe(early?.journalSize);
    await world.watcher.look();
    expect(await open()).toEqual([]);
  });

  it("serves every demand but the one that the contract refuses", async () => {
    await demanding("gail", "gwen");
    const open = async () =>
      (
        await world.rows<{ key: string }>(
          `SELECT d.key FROM exit_demand d JOIN account a ON a.id = d.account
           WHERE a.owner = ANY ('{gail,gwen}') AND d.served_at IS NULL ORDER BY d.due, d.seq`,
        )
      ).map(({ key }) => key.slice(2));
    const [refused = "", ...others] = await open();
    const isOf = (params: readonly unknown[], key: string) =>
      ((params[0] as { data?: string } | undefined)?.data ?? "").includes(key);
    const node = await startMoodyNode(world.anvil.rpcUrl);
    const chain = await connectChain({
      ...{ rpcUrl: node.url, privateKey: world.anvil.privateKeys[0], chainId: 31_337n },
    });
    node.be(async ({ method, params }, answer) =>
      method === "eth_estimateGas" && isOf(params, refused)
        ? { error: { code: 3, message: "execution reverted", data: "0x" } }
        : { result: await answer() },
    );
    const settlement = await world.open({ chain, watching: world.watching() });
    await expect(settlement.run()).rejects.toMatchObject({
      ...{ code: "unavailable", message: expect.stringContaining("the serve of epoch") },
    });
    await world.watcher.look();
    expect([await open(), others.length]).toEqual([[refused], 1]);
    node.be(null);
    await settlement.advance();
    await world.watcher.look();
    expect(await open()).toEqual([]);
    await settlement.stop();
    chain.close();
    await node.close();
  });

  it("leaves what comes in behind a demand that is served in the very batch of its sweep", async () => {
    await demanding("erin");
    await world.settlement.run();
    await world.grant("erin", 2n);
    const alarms: unknown[] = [];
    const log = Object.assign(silentLog(), { error: (fields: unknown) => alarms.push(fields) });
    const [book] = await world.rows<{ id: number; asset: string }>("SELECT id, asset FROM book");
    let sweep: (() => Promise<unknown>) | undefined;
    const other = await withEffects({
      async submit(unit) {
        if (unit.name !== "settlement.served") return world.effects.submit(unit);
        // The writer is at this one while the two that follow come in.
        const [, submitted] = await Promise.all([
          world.grant("somebody", 1n),
          world.effects.submit(unit),
          sweep?.(),
        ]);
        return submitted;
      },
    });
    const effects: ChainEffects = {
      ...world.effects,
      async submit(unit) {
        if (unit.name !== "settlement.sweep") return world.effects.submit(unit);
        return new Promise((resolve, reject) => {
          sweep = () => world.effects.submit(unit).then(resolve, reject);
          other.watcher?.look().catch(reject);
        });
      },
    };
    const swept = await sweepDueDemands({
      ...{ pool: world.pool, log, swept: async () => {} },
      recording: { book: book as BookRow, ids: systemIds, effects },
    });
    expect({ swept, left: await balance("erin"), alarms }).toEqual({ swept: 0, left: 2n, alarms: [] });
    await other.stop();
  });
});

describe("a demand", () => {
  /** No block of these tests has so many events. */
  const MADE_UP = 700;

  it("for the key of another position than stands at its place is nobody's, and nothing is swept for it", async () => {
    const hal = await world.person("hal");
    await world.chain.provider.send("anvil_setBalance", [hal.address, "0xde0b6b3a7640000"]);
    for (const user of ["hal", "hugo"]) await world.grant(user, 3n * TOKENS);
    await world.settlement.run();
    await world.demandExit(hal, "balances", world.position("balances", "hal"));
    await world.watcher.look();
    const { leaf } = await world.proof("balances", world.position("balances", "hugo"));
    await world.rows(
      `INSERT INTO chain_event (book, block, block_hash, block_time, tx_hash, log_index, contract, event, args)
       SELECT book, block, block_hash, block_time, tx_hash, $2, contract, event, jsonb_set(args, '{index}', to_jsonb($1::bigint))
       FROM chain_event WHERE event = 'ExitDemanded' ORDER BY block DESC LIMIT 1`,
      [leaf.index, MADE_UP],
    );
    await expect(world.watcher.look()).rejects.toThrow(/ is for another position$/);
    await world.rows("DELETE FROM chain_event WHERE log_index = $1", [MADE_UP]);
    await world.watcher.look();
    await world.advance(5);
    await world.settlement.run();
    expect([await balance("hal"), await balance("hugo")]).toEqual([0n, 3n * TOKENS]);
    await world.watcher.look();
  });

  it("is swept in the very second in which it is due, and not in the one before", async () => {
    const jon = await world.person("jon");
    await world.chain.provider.send("anvil_setBalance", [jon.address, "0xde0b6b3a7640000"]);
    await world.grant("jon", 3n * TOKENS);
    await world.settlement.run();
    await world.demandExit(jon, "balances", world.position("balances", "jon"));
    await world.watcher.look();
    await world.advance(120);
    const [book] = await world.rows<{ id: number; asset: string }>("SELECT id, asset FROM book");
    const [key] = (await world.rows(
      "SELECT book, section, index FROM exit_demand ORDER BY seq DESC LIMIT 1",
    )) as [{ book: number; section: number; index: number }];
    const sweepDueIn = (seconds: number) => {
      const effects: ChainEffects = {
        ...world.effects,
        submit: (unit) =>
          world.effects.submit({
            ...unit,
            decide(view) {
              const demand = view.row(demandTable, key) as DemandRow;
              view.putRow(demandTable, { ...demand, due: view.now + seconds });
              const answer = unit.decide(view);
              view.putRow(demandTable, { ...(view.row(demandTable, key) as DemandRow), due: demand.due });
              return answer;
            },
          }),
      };
      const recording = { book: book as BookRow, ids: systemIds, effects };
      return sweepDueDemands({ pool: world.pool, log: silentLog(), swept: async () => {}, recording });
    };
    expect([await sweepDueIn(1), await balance("jon")]).toEqual([0, 3n * TOKENS]);
    expect([await sweepDueIn(0), await balance("jon")]).toEqual([1, 0n]);
    await world.settlement.run();
    await world.watcher.look();
  });

  it("that follows a served one is not swept before it is due, by a sweep that was under way for that one", async () => {
    const ida = await world.person("ida");
    await world.chain.provider.send("anvil_setBalance", [ida.address, "0xde0b6b3a7640000"]);
    await world.grant("ida", 60n * TOKENS);
    const what = { userId: "ida", entityType: 1, entity: undefined, entityId: "e", walletAddress: undefined };
    const reserve = (durationDays: number) =>
      world.access.reserveCompute({ ...what, durationDays }, undefined);
    const accountId = world.ledger.accountId({
      ...{ asset: "TST", role: "reserved", owner: "ida", reference: "1/e" },
    });
    const demandAll = async () => {
      await world.settlement.run();
      await world.demandExit(ida, "compute", { accountId, userId: "ida", keyParts: ["ida", "1", "e"] });
      await world.watcher.look();
    };
    await reserve(2);
    await demandAll();
    await world.advance(2 * 86_400 + 60);
    const [book] = await world.rows<{ id: number; asset: string }>("SELECT id, asset FROM book");
    const alarms: object[] = [];
    let late = 0;
    const effects: ChainEffects = {
      ...world.effects,
      async submit(unit) {
        late += 1;
        await world.settlement.run();
        await world.watcher.look();
        await reserve(30);
        await demandAll();
        return world.effects.submit(unit);
      },
    };
    const swept = await sweepDueDemands({
      ...{ pool: world.pool, log: alarming(alarms), swept: async () => {} },
      recording: { book: book as BookRow, ids: systemIds, effects },
    });
    const reserved = await balance("ida", "reserved");
    const found = { late, swept, reserved, alarms };
    expect(found).toEqual({ late: 1, swept: 0, reserved: 5n * TOKENS, alarms: [] });
  });
});
