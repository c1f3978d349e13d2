import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectCoherent } from "./coherence.ts";
import { createWorld, DAY, seconds, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(async () => {
  await expectCoherent(world);
  await world.stop();
});

const upgradePath = (strategy: string) => `/api/v1/strategies/${strategy}/upgrade-tier`;
const upgrade = (as: string, strategy: string, tier: unknown, key?: string) =>
  world.post(upgradePath(strategy), { tier }, { as, ...(key ? { key } : {}) });
const accessOf = async (user: string) => (await world.get(`/api/v1/tst/access/${user}`, { as: user })).body;
const quotas = (access: { entity_access: Record<string, { quota_per_day: number }> }) =>
  Object.values(access.entity_access).map(({ quota_per_day }) => quota_per_day);

describe("upgrading a tier", () => {
  it("stakes, raises every quota with the answer, and answers in both documents' shapes", async () => {
    const user = await world.fundedUser(30);
    expect(quotas(await accessOf(user))).toEqual([1, 1, 1]);
    const { status, body } = await upgrade(user, "strategy-1", 2);
    expect(status).toBe(200);
    expect(body).toEqual({
      stake_id: expect.stringMatching(/^stake_[0-9a-f]{32}$/),
      status: "staked",
      user_id: user,
      strategy_id: "strategy-1",
      tier: 2,
      amount: "25",
      tst_staked: "25",
      expires_at: expect.any(String),
      new_cooldown: "6 hours",
      new_limits: { analyses_per_day: 10, max_capital: "250000" },
      benefits: ["10 entity reserves/day", "Extended compute quota"],
      tx_hash: null,
      contract_stake_id: expect.stringMatching(/^0x[0-9a-f]{64}$/),
      settlement: { status: "pending", epoch: null },
      created_at: expect.any(String),
    });
    expect(seconds(body.expires_at) - seconds(body.created_at)).toBe(30 * DAY);
    const access = await accessOf(user);
    expect(access).toMatchObject({
      current_tier: 2,
      tier_expires_at: body.expires_at,
      available_tst: "5",
      staked_tst: "25",
      total_tst_balance: "30",
    });
    expect(quotas(access)).toEqual([10, 10, 10]);
    expect((await world.get("/api/v1/strategies/strategy-1/tier", { as: user })).body).toEqual(body);
  });

  it.each([
    [1, "5", "12 hours", { analyses_per_day: 3, max_capital: "50000" }, ["5 entity reserves/day"], 5],
    [
      3,
      "100",
      "1 hour",
      { analyses_per_day: 50, max_capital: "1000000" },
      ["20 entity reserves/day", "Unlimited compute quota"],
      20,
    ],
  ])("has tier %i as the tier table says", async (tier, amount, cooldown, limits, benefits, quota) => {
    const user = await world.fundedUser(100);
    const { body } = await upgrade(user, "s", tier);
    expect(body).toMatchObject({ tier, amount, new_cooldown: cooldown, new_limits: limits, benefits });
    expect(quotas(await accessOf(user))).toEqual([quota, quota, quota]);
  });

  it("tops up the difference on the same strategy and begins a new period of the same stake", async () => {
    const user = await world.fundedUser(100);
    const first = await upgrade(user, "s", 1);
    await world.advance(10 * DAY);
    const second = await upgrade(user, "s", 3);
    expect(second.body).toMatchObject({ tier: 3, amount: "100", tst_staked: "100" });
    expect(second.body.stake_id).toBe(first.body.stake_id);
    expect(second.body.contract_stake_id).toBe(first.body.contract_stake_id);
    expect(seconds(second.body.expires_at) - seconds(first.body.expires_at)).toBeGreaterThanOrEqual(10 * DAY);
    expect(await accessOf(user)).toMatchObject({
      available_tst: "0",
      staked_tst: "100",
      current_tier: 3,
      active_stakes_total: 1,
    });
  });

  it("refuses a top-up that the balance does not cover, and leaves the stake as it was", async () => {
    const user = await world.fundedUser(20);
    const first = await upgrade(user, "s", 1);
    const refused = await upgrade(user, "s", 2);
    expect([refused.status, refused.body.error]).toEqual([400, "insufficient_balance"]);
    expect(refused.body.details).toBe("Required: 20 TST, Available: 15 TST");
    expect((await world.get("/api/v1/strategies/s/tier", { as: user })).body).toEqual(first.body);
  });

  it("refuses the same and a lower tier on the same strategy, and allows them on another", async () => {
    const user = await world.fundedUser(100);
    await upgrade(user, "s", 2);
    for (const tier of [1, 2]) {
      const { status, body } = await upgrade(user, "s", tier);
      expect([status, body.error]).toEqual([409, "tier_not_higher"]);
    }
    expect((await upgrade(user, "other", 1)).status).toBe(200);
    expect(await accessOf(user)).toMatchObject({ current_tier: 2, staked_tst: "30", active_stakes_total: 2 });
  });

  it.each([0, 4, -1, 1.5, "2", null, 1e9])("refuses tier %s with 400", async (tier) => {
    const user = await world.fundedUser(1);
    const { status, body } = await upgrade(user, "s", tier);
    expect([status, body.error]).toEqual([400, "invalid_request"]);
    expect(JSON.stringify(body.details)).toContain('"tier"');
  });

  it("refuses another strategy than the path, another user, an unknown member, a missing tier", async () => {
    const user = await world.fundedUser(5);
    const send = async (body: unknown) => (await world.post(upgradePath("s"), body, { as: user })).status;
    expect(await send({ tier: 1, strategy_id: "t" })).toBe(400);
    expect(await send({ tier: 1, user_id: "other" })).toBe(403);
    expect(await send({ tier: 1, price: 1 })).toBe(400);
    expect(await send({})).toBe(400);
    expect(await send({ tier: 1, strategy_id: "s", user_id: user })).toBe(200);
  });

  it("stakes once for many equal requests at once, with and without a key", async () => {
    const user = await world.fundedUser(1000);
    const together = await Promise.all(Array.from({ length: 20 }, () => upgrade(user, "s", 1)));
    expect(together.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(together.filter(({ body }) => body.error === "tier_not_higher")).toHaveLength(19);
    const keyed = await Promise.all(Array.from({ length: 20 }, () => upgrade(user, "s", 2, "same")));
    for (const { status, body } of keyed) expect([status, body]).toEqual([200, keyed[0]?.body]);
    expect(await accessOf(user)).toMatchObject({ staked_tst: "25", available_tst: "975" });
  });

  it("is shown to its user, operators and auditors alone", async () => {
    const user = await world.fundedUser(5);
    await upgrade(user, "mine", 1);
    const path = `/api/v1/strategies/mine/tier?user_id=${user}`;
    expect((await world.get(path, { as: "nosy" })).status).toBe(403);
    expect((await world.get(path, { as: "o", roles: ["operator"] })).body.user_id).toBe(user);
    expect((await world.get(path, { as: "a", roles: ["auditor"] })).body.user_id).toBe(user);
    expect((await world.get("/api/v1/strategies/mine/tier", { as: "nosy" })).status).toBe(404);
  });
});

describe("a stake that is due", () => {
  it("returns by the job at expires_at, not a second before, and the tier falls with it", async () => {
    const user = await world.fundedUser(30);
    const low = await upgrade(user, "low", 1);
    await world.advance(DAY);
    const { body } = await upgrade(user, "high", 2);
    await world.advance(seconds(low.body.expires_at) - (await world.now()));
    await world.access.expireDue();
    expect(await accessOf(user)).toMatchObject({ current_tier: 2, staked_tst: "25", available_tst: "5" });
    await world.advance(seconds(body.expires_at) - (await world.now()));
    await world.access.expireDue();
    const access = await accessOf(user);
    expect(access).toMatchObject({
      current_tier: 0,
      tier_expires_at: null,
      staked_tst: "0",
      available_tst: "30",
    });
    expect(quotas(access)).toEqual([1, 1, 1]);
    expect((await world.get("/api/v1/strategies/high/tier", { as: user })).body).toEqual({
      ...body,
      status: "expired",
    });
  });

  it("does not stand in the way of the same tier, whether or not the job has come by", async () => {
    const user = await world.fundedUser(5);
    const first = await upgrade(user, "s", 1);
    await world.advance(30 * DAY);
    const again = await upgrade(user, "s", 1);
    expect(again.status).toBe(200);
    expect(again.body.stake_id).not.toBe(first.body.stake_id);
    expect(again.body.contract_stake_id).toBe(first.body.contract_stake_id);
    expect(await accessOf(user)).toMatchObject({ current_tier: 1, staked_tst: "5", active_stakes_total: 1 });
  });
});

describe("an emergency unstake", () => {
  const unstake = (body: unknown, roles = ["operator"]) =>
    world.post("/api/v1/strategies/s/emergency-unstake", body, { as: "op", roles });

  it("returns the stake and lowers the tier at once, and keeps who and why", async () => {
    const user = await world.fundedUser(25);
    const { body } = await upgrade(user, "s", 2);
    const done = await unstake({ user_id: user, reason: "the strategy is broken" });
    expect(done.body).toEqual({ ...body, status: "expired" });
    const access = await accessOf(user);
    expect(access).toMatchObject({ current_tier: 0, available_tst: "25", staked_tst: "0" });
    expect(quotas(access)).toEqual([1, 1, 1]);
    const kept = await world.rows("SELECT ended_by, end_reason FROM access_stake WHERE id = $1", [
      body.stake_id,
    ]);
    expect(kept).toEqual([{ ended_by: "op", end_reason: "the strategy is broken" }]);
    const again = await unstake({ user_id: user, reason: "twice" });
    expect([again.status, again.body.error]).toEqual([409, "not_active"]);
  });

  it("is for operators, with a user and a reason", async () => {
    const user = await world.fundedUser(5);
    await upgrade(user, "s", 1);
    expect((await unstake({ user_id: user, reason: "mine" }, ["user", "arbiter"])).status).toBe(403);
    expect((await unstake({ user_id: user })).status).toBe(400);
    expect((await unstake({ reason: "who?" })).status).toBe(400);
    expect((await unstake({ user_id: user, reason: "other", strategy_id: "t" })).status).toBe(400);
    expect((await unstake({ user_id: "nobody-here", reason: "gone" })).status).toBe(404);
  });
});
