/** What comes from the chain, event by event: its line, what follows from it, once. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemIds } from "#kernel";
import { toHex } from "#proof";
import { ACCESS_RULES } from "../programs/access/coherence-rules.ts";
import { LEDGER_RULES } from "../support/coherence-rules.ts";
import { mined } from "../support/mined.ts";
import { expectCoherentWithChain } from "./chain-coherence.ts";
import { createWatchWorld, type Person, TOKENS, type WatchWorld } from "./watch-world.ts";

const DAY = 86_400n;
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

const available = async (user: string, role = "available") =>
  world
    .rows<{ amount: bigint }>(
      "SELECT coalesce(sum(credits_posted - debits_posted), 0) AS amount FROM account WHERE owner = $1 AND role = $2",
      [user, role],
    )
    .then(([row]) => row?.amount ?? 0n);
const entries = () =>
  world.rows("SELECT entry, owner_id, credited_as, amount FROM chain_entry ORDER BY entry DESC LIMIT 1");
/** Kinds and codes of the newest lines that came from an event, oldest first. */
const newestLines = () =>
  world
    .rows<{ what: string }>(
      `SELECT what FROM (
       SELECT seq, event AS what FROM chain_line UNION ALL SELECT seq, code FROM transfer UNION ALL
       SELECT seq, 'position' FROM position_change) AS line
     WHERE seq >= (SELECT max(seq) FROM chain_line) ORDER BY seq`,
    )
    .then((lines) => lines.map(({ what }) => what));
const depositSeq = async () => (await world.settlement.latestEpoch())?.header.depositSeq;

describe("a claim", () => {
  it("takes what was paid off the books, and is told to who keeps withdrawals", async () => {
    expect(world.claims).toEqual([
      expect.objectContaining({
        user: "anna",
        owner: anna.address,
        amount: 100n * TOKENS,
        total: 100n * TOKENS,
      }),
    ]);
    expect(await newestLines()).toEqual(["Claimed", "withdrawal_claimed"]);
    expect(await available("anna", "payouts")).toBe(0n);
  });
});

describe("an entry", () => {
  it("is credited to the user of the wallet, and the next header says how far", async () => {
    await mined(world.vault(anna).getFunction("deposit")(7n * TOKENS));
    await world.watcher.look();
    expect(await available("anna")).toBe(7n * TOKENS);
    expect(await newestLines()).toEqual(["EntryMade", "entry_credit"]);
    await world.settlement.run();
    expect(await depositSeq()).toBe(1n);
  });

  it("by a wallet that nobody knows is the wallet's own, and carries it", async () => {
    const stranger = await world.person("ben", false);
    await world.withTokens(stranger, 9n * TOKENS);
    await mined(world.vault(stranger).getFunction("deposit")(4n * TOKENS));
    await mined(world.vault(stranger).getFunction("deposit")(5n * TOKENS));
    await world.settlement.run();
    const owner = `wallet:${stranger.address}`;
    expect(await available(owner, "deposited")).toBe(9n * TOKENS);
    const accountId = world.ledger.accountId({ asset: "TST", role: "deposited", owner });
    const { leaf } = await world.proof("balances", { accountId, userId: owner, keyParts: [owner] });
    expect([leaf.owner, leaf.amount]).toEqual([stranger.address, 9n * TOKENS]);
    expect(await depositSeq()).toBe(3n);
  });

  it.each([
    ["a lock", "escrow", "lockForAgreement", [20n * TOKENS, 10n * DAY, "agreement-1"], "lock", "access.lock"],
    ["a stake", "staking", "stakeForTier", [1, 6n * TOKENS, "momentum"], "stake", "access.stake"],
    [
      "a reservation",
      "reserve",
      "reserveForEntity",
      [2, 5n * TOKENS, 3n * DAY, "bot"],
      "reservation",
      "access.reserve",
    ],
  ] as const)("that asks for %s is put into it", async (_, contract, call, args, as, code) => {
    await mined(world.contract(contract, anna).getFunction(call)(...args));
    await world.watcher.look();
    expect(await newestLines()).toEqual(["EntryMade", "entry_credit", code, "position"]);
    const [entry] = await entries();
    expect(entry).toMatchObject({ owner_id: "anna", credited_as: as });
    const [epoch] = [await world.settlement.run()];
    expect(epoch.epoch?.status).toBe("final");
  });

  it.each([
    [
      "a lock of an agreement that is locked",
      "escrow",
      "lockForAgreement",
      [10n * TOKENS, 10n * DAY, "agreement-1"],
    ],
    ["too short a lock", "escrow", "lockForAgreement", [10n * TOKENS, 5n, "agreement-2"]],
    ["a lock for ever", "escrow", "lockForAgreement", [10n * TOKENS, 2n ** 64n - 1n, "agreement-2"]],
    ["too small a lock", "escrow", "lockForAgreement", [1n, 10n * DAY, "agreement-2"]],
    ["an agreement that is no id", "escrow", "lockForAgreement", [10n * TOKENS, 10n * DAY, "a b\u0000"]],
    ["an agreement without a name", "escrow", "lockForAgreement", [10n * TOKENS, 10n * DAY, ""]],
    ["a tier that there is not", "staking", "stakeForTier", [77, 6n * TOKENS, "momentum"]],
    // What else the user has available would do for these.
    ["too little for a tier", "staking", "stakeForTier", [1, 2n * TOKENS, "other"]],
    ["too little for an entity", "reserve", "reserveForEntity", [2, 2n * TOKENS, 3n * DAY, "other"]],
    ["no higher tier", "staking", "stakeForTier", [1, 6n * TOKENS, "momentum"]],
    ["an entity that there is not", "reserve", "reserveForEntity", [9, 5n * TOKENS, 3n * DAY, "bot"]],
  ] as const)("that asks for %s stays available", async (_, contract, call, args) => {
    const before = await available("anna");
    const amount = call === "lockForAgreement" ? args[0] : args[1];
    await world.withTokens(anna, 10n * TOKENS);
    await mined(world.contract(contract, anna).getFunction(call)(...args));
    await world.watcher.look();
    expect(await newestLines()).toEqual(["EntryMade", "entry_credit"]);
    expect((await available("anna")) - before).toBe(amount);
    expect((await entries())[0]).toMatchObject({ owner_id: "anna", credited_as: "available" });
  });

  it("is told of", async () => {
    const [told] = await world.rows(
      "SELECT subject, data FROM event WHERE type = 'entry.credited' AND (data ->> 'entry')::bigint = 1",
    );
    expect(told).toMatchObject({
      subject: "anna",
      data: {
        user_id: "anna",
        wallet: anna.wallet.address,
        amount: "7",
        asset: "TST",
        credited_as: "available",
      },
    });
  });
});

describe("a look", () => {
  it("does nothing twice, whoever looks and however often", async () => {
    await mined(world.vault(anna).getFunction("deposit")(1n));
    const other = await world.open({ watching: world.watching() });
    const before = await available("anna");
    for (let round = 0; round < 3; round++) await Promise.all([world.watcher.look(), other.watcher?.look()]);
    expect((await available("anna")) - before).toBe(1n);
    const status = await world.watcher.status();
    expect(status).toMatchObject({ waiting: 0, lost: 0, frozen: false });
    expect(status?.finalBlock).toBe(status?.latestBlock);
    await other.stop();
  });

  it("keeps events of every kind, with their arguments", async () => {
    const kinds = await world.rows<{ event: string }>("SELECT DISTINCT event FROM chain_event ORDER BY 1");
    expect(kinds.map(({ event }) => event)).toEqual(
      expect.arrayContaining(["AttestersSet", "Claimed", "EntryMade", "EpochCommitted", "EpochFinalized"]),
    );
    const [made] = await world.rows(
      "SELECT args FROM chain_event WHERE event = 'EntryMade' ORDER BY block LIMIT 1",
    );
    expect(made?.args).toEqual({
      ...{ seq: "1", depositor: anna.address, section: "0", amount: `${7n * TOKENS}` },
      ...{ kind: "0", duration: "0", ref: "" },
    });
  });

  it("hands on cancelled wallets", async () => {
    const key = toHex(Buffer.alloc(32, 5));
    await mined(world.contract("registry", anna).getFunction("cancelWallet")(key));
    await world.watcher.look();
    expect(world.cancelled).toEqual([{ key, wallet: anna.address }]);
    expect(await newestLines()).toEqual(["WalletCancelled"]);
  });
});

const lock = (userId: string, agreementId: string, tokens: number) =>
  world.access.lock(
    {
      ...{ userId, agreementId, amount: BigInt(tokens) * TOKENS, durationDays: 5 },
      ...{ counterpartyId: undefined, walletAddress: undefined },
    },
    undefined,
  );

/** A pending withdrawal from a user's balance. Answers its id. */
async function held(user: string, amount: bigint): Promise<string> {
  const id = systemIds.uuid();
  const debitAccount = world.position("balances", user).accountId;
  const { value } = await world.ledger.submit({
    name: "test.hold",
    reads: { accounts: [debitAccount], transfers: [id] },
    decide(view) {
      const creditAccount = world.effects.payoutsOf(view, "TST", user);
      const request = { id, debitAccount, creditAccount, amount, phase: "pending" as const };
      return view.tryTransfers([request], "program").map(({ code }) => code);
    },
  });
  expect(value).toEqual(["ok"]);
  return id;
}

describe("a demand", () => {
  it("for a balance is swept by the next epoch with what is held from it, which serves it, and then it is over", async () => {
    const carl = await world.person("carl");
    await world.grant("carl", 30n * TOKENS);
    await world.settlement.run();
    const position = world.position("balances", "carl");
    const holds = [await held("carl", 12n * TOKENS), await held("carl", TOKENS)];
    await world.demandExit(carl, "balances", position);
    await world.advance(5);
    await world.watcher.look();
    await expect(lock("carl", "x", 10)).rejects.toMatchObject({ code: "exit_demanded" });
    await world.settlement.run();
    expect([await available("carl"), await available("carl", "payouts")]).toEqual([0n, 30n * TOKENS]);
    expect(await world.rows("SELECT 1 FROM hold WHERE transfer_id = ANY($1)", [holds])).toEqual([]);
    const voided =
      "SELECT pending_id FROM transfer WHERE phase = 'void' AND pending_id = ANY($1) ORDER BY seq";
    expect(await world.rows(voided, [holds])).toEqual(holds.map((pending_id) => ({ pending_id })));
    const [demand] = await world.rows("SELECT swept, served_at FROM exit_demand WHERE account = $1", [
      position.accountId,
    ]);
    expect(demand).toEqual({ swept: 30n * TOKENS, served_at: null });
    await world.watcher.look();
    expect(await newestLines()).toEqual(["DemandServed"]);
    await world.grant("carl", 20n * TOKENS);
    await lock("carl", "x", 10);
    await world.settlement.run();
    expect(await available("carl")).toBe(10n * TOKENS);
    const told = await world.rows<{ type: string }>(
      "SELECT type FROM event WHERE subject = 'carl' AND type LIKE 'exit.%' ORDER BY seq",
    );
    expect(told.map(({ type }) => type)).toEqual(["exit.demanded", "exit.swept", "exit.served"]);
  });

  it("for a lock is due when the lock is, and ends it; until then nobody ends it otherwise", async () => {
    const dora = await world.person("dora");
    await world.grant("dora", 60n * TOKENS);
    const locked = await lock("dora", "agreement-d", 50);
    await world.settlement.run();
    const position = world.position("locks", "dora", "agreement-d");
    await world.demandExit(dora, "locks", position);
    await world.settlement.run();
    expect(await available("dora", "locked")).toBe(50n * TOKENS);
    const ending = { agreementId: "agreement-d", caller: "arbiter", isArbiter: true };
    await expect(world.access.terminate(ending, undefined)).rejects.toMatchObject({ code: "exit_demanded" });
    await world.advance(5 * 86_400 + 60);
    expect(await world.access.expireDue()).toMatchObject({ failed: 0 });
    expect((await world.access.lockOf("agreement-d", null)).status).toBe("locked");
    await world.settlement.run();
    expect([await available("dora", "locked"), await available("dora", "payouts")]).toEqual([
      0n,
      50n * TOKENS,
    ]);
    expect(await world.access.lockOf("agreement-d", null)).toMatchObject({
      lock_id: locked.value.lock_id,
      status: "released",
    });
  });

  it("for a stake that was renewed since ends it at the time of the demand, and the tier falls", async () => {
    const emil = await world.person("emil");
    await world.grant("emil", 100n * TOKENS);
    const upgrade = (tier: number) =>
      world.access.upgradeTier(
        { userId: "emil", strategyId: "s", tier, walletAddress: undefined },
        undefined,
      );
    await upgrade(1);
    await world.settlement.run();
    await world.advance(10 * 86_400);
    await upgrade(2);
    await world.demandExit(emil, "stakes", world.position("stakes", "emil", "s"));
    await world.watcher.look();
    await expect(upgrade(3)).rejects.toMatchObject({ code: "exit_demanded" });
    await world.advance(20 * 86_400 + 60);
    await world.settlement.run();
    expect([await available("emil", "staked"), await available("emil", "payouts")]).toEqual([
      0n,
      25n * TOKENS,
    ]);
    expect((await world.access.stakeOf("emil", "s")).status).toBe("expired");
    expect((await world.access.accessOf("emil")).current_tier).toBe(0);
  });

  it("for reservations takes all of them, also one that was added since", async () => {
    const fred = await world.person("fred");
    await world.grant("fred", 100n * TOKENS);
    const reserve = (durationDays: number) =>
      world.access.reserveCompute(
        {
          userId: "fred",
          entityType: 1,
          entity: undefined,
          entityId: "e",
          durationDays,
          walletAddress: undefined,
        },
        undefined,
      );
    await reserve(2);
    await world.settlement.run();
    await reserve(30);
    const accountId = world.ledger.accountId({
      asset: "TST",
      role: "reserved",
      owner: "fred",
      reference: "1/e",
    });
    await world.demandExit(fred, "compute", { accountId, userId: "fred", keyParts: ["fred", "1", "e"] });
    await world.watcher.look();
    await expect(reserve(1)).rejects.toMatchObject({ code: "exit_demanded" });
    await world.advance(2 * 86_400 + 60);
    await world.settlement.run();
    expect([await available("fred", "reserved"), await available("fred", "payouts")]).toEqual([
      0n,
      10n * TOKENS,
    ]);
    const ended = await world.rows("SELECT status, ended_by FROM access_reservation WHERE user_id = 'fred'");
    expect(ended).toEqual([1, 2].map(() => ({ status: "expired", ended_by: "@exit" })));
  });
});
