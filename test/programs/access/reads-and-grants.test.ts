import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectCoherent } from "./coherence.ts";
import { createWorld, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(async () => {
  await expectCoherent(world);
  await world.stop();
});

const operator = { as: "op", roles: ["operator"] };
const grant = (body: unknown, caller: { as: string; roles: string[]; key?: string } = operator) =>
  world.post("/api/v1/admin/grants", body, caller);
const tst = (user_id: string, amount: unknown) => ({ user_id, asset: "TST", amount, reason: "beta tester" });

describe("what an action requires", () => {
  const requirements = (action: string, as?: string) =>
    world.get(`/api/v1/tst/requirements/${action}`, as === undefined ? {} : { as });

  it.each([
    ["lock_p2p", "10", 3],
    ["p2p_agreement", "10", 3],
    ["upgrade_tier", "5", 3],
    ["tier_1", "5", 1],
    ["tier_2", "25", 1],
    ["tier_3", "100", 1],
    ["reserve_entity", "5", 3],
    ["entity_risk", "5", 1],
    ["entity_strategy", "5", 1],
    ["entity_memory", "5", 1],
  ])("is told of %s to anybody: %s TST", async (action, required, offered) => {
    const { status, body } = await requirements(action);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      action,
      required_tst: required,
      user_has: null,
      user_status: "anonymous",
      tier_required: 0,
      requirements: { action, min_balance_required: required },
    });
    expect(body.requirements.tiers_available).toHaveLength(offered);
    expect(body.requirements.tiers_available[0].required_tst).toBe(required);
  });

  it("lists the tiers as the source document does", async () => {
    const { body } = await requirements("upgrade_tier");
    expect(body.requirements).toEqual({
      action: "upgrade_tier",
      description: "Upgrade access tier to unlock compute quotas",
      tiers_available: [
        { tier: 1, required_tst: "5", duration_days: 30, benefits: ["5 entity reserves/day"] },
        {
          tier: 2,
          required_tst: "25",
          duration_days: 30,
          benefits: ["10 entity reserves/day", "Extended compute quota"],
        },
        {
          tier: 3,
          required_tst: "100",
          duration_days: 30,
          benefits: ["20 entity reserves/day", "Unlimited compute quota"],
        },
      ],
      min_balance_required: "5",
    });
  });

  it("says of a known user whether what is available is enough", async () => {
    const user = await world.fundedUser("24.5");
    expect((await requirements("tier_2", user)).body).toMatchObject({
      user_has: "24.5",
      user_status: "insufficient",
    });
    expect((await requirements("lock_p2p", user)).body).toMatchObject({
      user_has: "24.5",
      user_status: "qualified",
    });
    expect((await requirements("tier_1", "never-seen")).body).toMatchObject({
      user_has: "0",
      user_status: "insufficient",
    });
    await world.post("/api/v1/p2p/some/lock-tst", { amount: 20 }, { as: user });
    expect((await requirements("lock_p2p", user)).body).toMatchObject({
      user_has: "4.5",
      user_status: "insufficient",
    });
  });

  it("is 404 for an unknown action, 400 for what cannot be one", async () => {
    expect((await requirements("fly")).status).toBe(404);
    expect((await requirements("TIER 1")).status).toBe(400);
  });
});

describe("what a user holds", () => {
  it("is zeros for a user never seen", async () => {
    const { status, body } = await world.get("/api/v1/tst/access/newcomer", { as: "newcomer" });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      user_id: "newcomer",
      total_tst_balance: "0",
      tst_balance: "0",
      current_tier: 0,
      tier_expires_at: null,
      active_locks: [],
      active_locks_total: 0,
      active_stakes: [],
      active_stakes_total: 0,
      entity_access: {
        risk: { quota_per_day: 1, used_today: 0 },
        strategy: { quota_per_day: 1, used_today: 0 },
        memory: { quota_per_day: 1, used_today: 0 },
      },
    });
    expect(body.entity_quotas.map((quota: { entity_type: number }) => quota.entity_type)).toEqual([1, 2, 3]);
  });

  it("lists locks and stakes, newest first, and adds everything up", async () => {
    const user = await world.fundedUser(100);
    const first = await world.post("/api/v1/p2p/one/lock-tst", { amount: 10 }, { as: user });
    await world.advance(1);
    const second = await world.post("/api/v1/p2p/two/lock-tst", { amount: "12.5" }, { as: user });
    const stake = await world.post("/api/v1/strategies/s/upgrade-tier", { tier: 1 }, { as: user });
    await world.post(
      "/api/v1/entities/e/reserve-compute",
      { entity: "risk", duration_days: 1 },
      { as: user },
    );
    const { body } = await world.get(`/api/v1/tst/access/${user}`, { as: user });
    expect(body).toMatchObject({
      total_tst_balance: "100",
      tst_balance: "100",
      available_tst: "67.5",
      locked_tst: "22.5",
      staked_tst: "5",
      reserved_tst: "5",
      current_tier: 1,
    });
    expect(body.active_locks).toEqual(
      [second, first].map((lock) => ({
        lock_id: lock.body.lock_id,
        type: "p2p_agreement",
        amount: lock.body.amount,
        locked_until: lock.body.locked_until,
        agreement_id: lock.body.agreement_id,
      })),
    );
    expect(body.active_stakes).toEqual([
      {
        stake_id: stake.body.stake_id,
        tier: 1,
        amount: "5",
        expires_at: stake.body.expires_at,
        strategy_id: "s",
      },
    ]);
  });

  it("lists the newest 1,000 of more, and says how many there are", async () => {
    const user = await world.fundedUser(10_020);
    const lock = (place: number) =>
      world.access.lock(
        {
          userId: user,
          agreementId: `many-${place}`,
          amount: 10n * 10n ** 18n,
          durationDays: 7,
          counterpartyId: undefined,
          walletAddress: undefined,
        },
        undefined,
      );
    await lock(0);
    await world.advance(1);
    await Promise.all(Array.from({ length: 1_001 }, (_, place) => lock(place + 1)));
    const { body } = await world.get(`/api/v1/tst/access/${user}`, { as: user });
    expect(body.active_locks).toHaveLength(1_000);
    expect(body.active_locks_total).toBe(1_002);
    expect(body.locked_tst).toBe("10020");
    expect(body.active_locks.map((one: { agreement_id: string }) => one.agreement_id)).not.toContain(
      "many-0",
    );
  });

  it("is for the user, operators and auditors", async () => {
    const path = "/api/v1/tst/access/somebody";
    expect((await world.get(path)).status).toBe(401);
    expect((await world.get(path, { as: "other" })).status).toBe(403);
    expect((await world.get(path, { as: "other", roles: ["arbiter"] })).status).toBe(403);
    expect((await world.get(path, { as: "other", roles: ["auditor"] })).status).toBe(200);
    expect((await world.get(path, operator)).status).toBe(200);
  });
});

describe("a grant", () => {
  it("moves units from the treasury to the user", async () => {
    const { status, body } = await grant(tst("grantee", "0.000000000000000001"));
    expect(status).toBe(200);
    expect(body).toEqual({
      grant_id: expect.stringMatching(/^grant_[0-9a-f]{32}$/),
      user_id: "grantee",
      asset: "TST",
      amount: "0.000000000000000001",
      reason: "beta tester",
      available: "0.000000000000000001",
      created_at: expect.any(String),
    });
    expect((await grant(tst("grantee", 5))).body.available).toBe("5.000000000000000001");
    const kept = await world.rows<{ metadata: unknown }>(
      "SELECT metadata FROM transfer WHERE reference = $1",
      [body.grant_id],
    );
    expect(kept).toEqual([{ metadata: { reason: "beta tester", operator: "op" } }]);
  });

  it("acts once for one idempotency key", async () => {
    const caller = { ...operator, key: "grant-once" };
    const answers = await Promise.all([1, 2, 3].map(() => grant(tst("once", 7), caller)));
    for (const { body } of answers) expect(body).toEqual(answers[0]?.body);
    expect((await world.get("/api/v1/tst/access/once", { as: "once" })).body.available_tst).toBe("7");
  });

  it("is never more than the treasury holds", async () => {
    const refused = await grant(tst("greedy", 1_000_000));
    expect([refused.status, refused.body.error]).toEqual([400, "insufficient_balance"]);
    expect(refused.body.details).toMatch(/^Required: 1000000 TST, Available: 9\d{5}(\.\d+)? TST$/);
  });

  it("is for operators", async () => {
    for (const role of ["user", "auditor", "arbiter"])
      expect((await grant(tst("x", 1), { as: "x", roles: [role] })).status).toBe(403);
  });

  it.each<[string, unknown, number, string]>([
    ["zero", tst("x", 0), 400, "invalid_amount"],
    ["a negative amount", tst("x", "-1"), 400, "invalid_amount"],
    ["19 decimals", tst("x", "0.0000000000000000001"), 400, "invalid_amount"],
    ["no reason", { ...tst("x", 1), reason: "" }, 400, "invalid_request"],
    ["a system owner", tst("@treasury", 1), 400, "invalid_request"],
    ["an unknown member", { ...tst("x", 1), memo: "" }, 400, "invalid_request"],
    ["an asset that does not exist", { ...tst("x", 1), asset: "NONE" }, 404, "not_found"],
    ["an asset that cannot exist", { ...tst("x", 1), asset: "tst" }, 400, "invalid_request"],
  ])("refuses %s", async (_what, body, status, error) => {
    const answer = await grant(body);
    expect([answer.status, answer.body.error]).toEqual([status, error]);
  });
});

describe("genesis", () => {
  it("brings all TST from custody into the treasury once, however often it is asked for", async () => {
    const made = await Promise.all([1, 2, 3].map(() => world.access.ensureGenesis()));
    expect(made).toEqual([false, false, false]);
    const [custody] = await world.rows<{ debits_posted: bigint }>(
      "SELECT debits_posted FROM account WHERE asset = 'TST' AND role = 'custody'",
    );
    expect(custody?.debits_posted).toBe(1_000_000n * 10n ** 18n);
    const [position] = await world.rows<{ index: number; section: number }>(
      "SELECT p.index, p.section FROM position p JOIN account a ON a.id = p.account WHERE a.role = 'treasury'",
    );
    expect(position).toEqual({ index: 0, section: 0 });
    expect((await world.get("/api/v1/tst/health")).body).toEqual({
      status: "ok",
      asset: "TST",
      total_supply: "1000000",
    });
  });
});
